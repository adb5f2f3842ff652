# SPDX-License-Identifier: EUPL-1.2
"""What a partner's word does: the move, the clocks, the ledger; late, twice, out of order, and when all is over."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from schakel.acting import Said
from schakel.acts.answers import EVENT, weigh
from schakel.errors import Refusal
from schakel.ledger_records import LedgerDecision, Transition
from schakel.message import Contact
from schakel.states import Machine, RequestState, Role, next_state
from tests.support.casebook import Casebook, open_book

OPERATOR: Final = "operator:Test Coördinator"
DUO: Final = "lokaal-team-den-haag"
OTHER: Final = Contact(name="Fictief van Nacht", phone="070 0000001")


@pytest.fixture
async def book(tmp_path: Path) -> Casebook:
    """The lead confirmed and has asked the police in, a minute ago."""
    opened = open_book(tmp_path)
    await opened.answer("vvt", "confirmed")
    await opened.act("vvt", "ask", partner="politie")
    opened.later(minutes=1)
    return opened


def rule(caught: pytest.ExceptionInfo[Refusal]) -> str:
    return caught.value.findings[0].rule


async def refused(book: Casebook, partner: str, word: str, **more: Any) -> str:
    before = book.case
    with pytest.raises(Refusal) as caught:
        await book.answer(partner, word, **more)
    assert book.case == before
    return rule(caught)


# -- what each word does -----------------------------------------------------------------------------------------------


async def test_considering_has_a_clock_of_its_own_in_place_of_the_answers(tmp_path: Path) -> None:
    book = open_book(tmp_path)
    await book.answer("vvt", "in-consideration")
    one = book.request("vvt", "lead")
    assert (one.state, book.clocks(one.id)) == ("in-consideration", {("check", "vvt")})
    (check,) = [each for each in book.case.deadlines if each.subject == one.id]
    assert check.due_at == book.now + timedelta(minutes=30)
    await book.answer("vvt", "confirmed")
    assert book.clocks(one.id) == set()


async def test_a_role_without_a_check_keeps_the_clock_of_its_answer(tmp_path: Path) -> None:
    region = open_book(tmp_path).region
    rows = tuple(row for row in region.deadlines.clocks if row.kind != "check")
    deadlines = region.deadlines.model_copy(update={"clocks": rows})
    book = open_book(tmp_path, region=region.model_copy(update={"deadlines": deadlines}))
    await book.answer("vvt", "in-consideration")
    assert ("answer", "vvt") in book.clocks()


@pytest.mark.parametrize("word", ["confirmed", "declined"])
async def test_an_answer_ends_the_clock_and_stands_in_the_ledger(book: Casebook, word: str) -> None:
    outcome = await book.answer("politie", word)
    one = book.request("politie")
    assert (outcome.outcome, one.state, book.clocks(one.id)) == ("recorded", word, set())
    line = book.case.entries[-1]
    assert (line.subject, line.event, line.actor) == (one.id, EVENT[word], "politie")
    assert (line.role, line.medium, line.known_at) == ("recipient", "own-system", book.now)
    assert book.words(line)["answer"] == word


async def test_who_can_be_reached_is_kept_as_asserted(book: Casebook) -> None:
    await book.answer("politie", "confirmed", contact=OTHER)
    words = book.words(book.case.entries[-1])
    assert (words["actor"]["name"], words["contact"]["phone"]) == ("Fictief van Nacht", "070 0000001")


async def test_confirming_starts_what_the_region_counts_from_there(tmp_path: Path) -> None:
    """MDA++: the weighing, for every reported case (S4)."""
    book = open_book(tmp_path, programme="mda++")
    await book.answer("zvhh", "confirmed")
    assert ("admission", "zvhh") in book.clocks()


async def test_what_a_partner_decides_ends_what_was_asked_of_it(book: Casebook) -> None:
    await book.answer("politie", "confirmed")
    terms = {"direction": "lower", "level": "niets", "reason": "Rust", "until": "2026-03-09T09:00:00Z"}
    made = await book.act("vvt", "effort", partner="politie", from_=book.now.isoformat(), **terms)
    await book.answer("politie", "completed")
    assert book.request("politie").state == "completed"
    assert (book.matter(made.made["id"]).state, book.clocks(made.made["id"])) == ("cancelled", set())


async def test_a_lead_or_duo_that_confirms_names_somebody(tmp_path: Path) -> None:
    book = open_book(tmp_path)
    assert await refused(book, "vvt", "confirmed", contact=None) == "answer:reachable-person"


# -- twice -------------------------------------------------------------------------------------------------------------


async def test_the_same_words_again_are_a_repeat_whenever_they_were_said(book: Casebook) -> None:
    await book.answer("politie", "confirmed", answered_at="2026-03-02T09:05:00Z")
    before = book.case
    again = await book.answer("politie", "confirmed", answered_at="2026-03-02T09:06:00Z")
    assert (again.outcome, book.case) == ("repeated", before)


async def test_another_person_to_call_takes_the_place_of_the_one_before(book: Casebook) -> None:
    await book.answer("politie", "confirmed")
    outcome = await book.answer("politie", "confirmed", contact=OTHER)
    assert (outcome.outcome, outcome.request_state) == ("recorded", "confirmed")
    line = book.case.entries[-1]
    assert (line.event, book.words(line)["contact"]["name"]) == ("said-confirmed", "Fictief van Nacht")
    assert book.contradicted == set()


async def test_another_reason_for_declining_is_kept(book: Casebook) -> None:
    await book.answer("politie", "declined")
    outcome = await book.answer("politie", "declined", reason_code="not-suitable")
    assert (outcome.outcome, book.words(book.case.entries[-1])["reasonCode"]) == ("recorded", "not-suitable")


@pytest.mark.parametrize(("first", "second"), [("confirmed", "declined"), ("declined", "confirmed")])
async def test_going_back_on_an_answer_is_recorded_visible_and_alarmed(book: Casebook, first: str, second: str) -> None:
    await book.answer("politie", first)
    outcome = await book.answer("politie", second)
    one = book.request("politie")
    assert (outcome.outcome, one.state, book.contradicted) == ("contradicts", second, {one.id})
    (alarm,) = book.alarms
    assert (alarm.cause, alarm.subject, alarm.owner) == ("answer-contradicted", one.id, "coordinator")
    # what follows closes alarms of the request, and raises this one after that
    assert book.decisions[-1].alarms == (alarm,)


# -- late, out of order, before the receipt ----------------------------------------------------------------------------


async def test_an_answer_before_the_receipt_implies_it(book: Casebook) -> None:
    outcome = await book.answer("politie", "confirmed")
    later = await book.answer("politie", "received")
    assert (outcome.outcome, later.outcome, book.request("politie").state) == ("recorded", "repeated", "confirmed")


async def test_considering_that_comes_after_the_answer_changes_nothing(book: Casebook) -> None:
    await book.answer("politie", "confirmed")
    outcome = await book.answer("politie", "in-consideration")
    assert (outcome.outcome, outcome.request_state) == ("repeated", "confirmed")


async def test_a_late_answer_is_an_answer(book: Casebook) -> None:
    book.later(days=30)
    outcome = await book.answer("politie", "confirmed")
    assert (outcome.outcome, book.clocks(book.request("politie").id)) == ("recorded", set())


@pytest.mark.parametrize("word", ["received", "in-consideration", None])
async def test_nobody_completes_what_it_did_not_confirm(book: Casebook, word: str | None) -> None:
    if word is not None:
        await book.answer("politie", word)
    assert await refused(book, "politie", "completed") == "answer:confirm-first"


@pytest.mark.parametrize("word", [None, "received", "confirmed"])
async def test_nobody_withdraws_that_was_not_asked_to(book: Casebook, word: str | None) -> None:
    if word is not None:
        await book.answer("politie", word)
    assert await refused(book, "politie", "withdrawn") == "answer:withdrawal-not-asked"


# -- when it is over ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["withdrawn", "completed"])
async def test_confirming_after_leaving_is_a_contradiction(book: Casebook, ending: str) -> None:
    await book.answer("politie", "confirmed")
    await book.act("vvt", "withdrawal", partner="politie", reason="Rustig.")
    await book.answer("politie", ending)
    outcome = await book.answer("politie", "confirmed")
    one = book.request("politie")
    assert (outcome.outcome, one.state, book.contradicted) == ("contradicts", ending, {one.id})
    assert book.alarms[-1].cause == "answer-contradicted"
    assert book.clocks(one.id) == set()
    assert (await book.answer("politie", "confirmed")).outcome == "repeated"


@pytest.mark.parametrize(
    ("word", "outcome"),
    [
        ("received", "repeated"),
        ("in-consideration", "repeated"),
        ("confirmed", "contradicts"),
        ("declined", "recorded"),
        ("withdrawn", "recorded"),
        ("completed", "recorded"),
        ("noted", "recorded"),
    ],
)
async def test_after_another_took_its_place_every_word_is_kept_and_none_moves(
    book: Casebook, word: str, outcome: str
) -> None:
    one = book.request("politie")
    gone = Transition(Machine.REQUEST, one.id, "supersede", Role.OPERATOR, OPERATOR)
    book.write(LedgerDecision(moves=(gone,)), at=book.now)
    told = await book.answer("politie", word, **({"reason_text": "Voor u."} if word == "noted" else {}))
    assert (told.outcome, told.request_state) == (outcome, "superseded")
    kept = [line for line in book.case.entries if line.actor == "politie"]
    assert len(kept) == (0 if outcome == "repeated" else 1)


@pytest.mark.parametrize("word", ["received", "in-consideration", "confirmed", "declined", "noted"])
async def test_in_a_closed_case_a_late_answer_is_kept_and_starts_nothing(book: Casebook, word: str) -> None:
    await book.act("vvt", "close", reason="Klaar.")
    running, told = book.clocks(), list(book.told)
    outcome = await book.answer("politie", word)
    expected = next_state(Machine.REQUEST, "asked", EVENT[word], Role.RECIPIENT)
    assert (outcome.outcome, outcome.request_state) == ("recorded", expected)
    assert (book.clocks(), book.told, book.parked) == (running, told, [])
    assert book.case.entries[-1].actor == "politie"


async def test_a_team_that_declines_after_closing_leaves_nobody_with_a_question(book: Casebook) -> None:
    await book.act("vvt", "close", reason="Klaar.")
    await book.answer("vvt", "declined")
    assert book.parked == []


# -- one door ----------------------------------------------------------------------------------------------------------


async def test_what_answers_nothing_is_kept_for_a_person(book: Casebook) -> None:
    for word in ("confirmed", "accepted", "known"):
        outcome = await book.answer("politie", word, on="AAAAAAAAAAAAAAAAAAAAAAAAAA")
        assert outcome.outcome == "parked"
    assert [one.cause for one in book.parked] == ["unmatched-answer"] * 3


async def test_nobody_answers_for_another(book: Casebook) -> None:
    of_the_lead = book.request("vvt", "lead").reference
    assert (await book.answer("politie", "confirmed", on=of_the_lead)).outcome == "parked"
    await book.answer("politie", "confirmed")
    terms = {"direction": "lower", "level": "niets", "reason": "Rust", "until": "2026-03-09T09:00:00Z"}
    made = await book.act("vvt", "effort", partner="politie", from_=book.now.isoformat(), **terms)
    reference = book.matter(made.made["id"]).reference
    assert (await book.answer("vvt", "accepted", on=reference)).outcome == "parked"
    assert book.matter(made.made["id"]).state == "asked"


async def test_a_word_on_the_wrong_thing_is_told_apart(book: Casebook) -> None:
    assert await refused(book, "politie", "accepted") == "answer:not-on-a-request"
    await book.answer("politie", "confirmed")
    terms = {"direction": "lower", "level": "niets", "reason": "Rust", "until": "2026-03-09T09:00:00Z"}
    made = await book.act("vvt", "effort", partner="politie", from_=book.now.isoformat(), **terms)
    assert await refused(book, "politie", "confirmed", on=made.made["id"]) == "act:field-wrong"
    assert (await book.answer("politie", "received", on=made.made["id"])).outcome == "repeated"
    assert (await book.answer("politie", "noted", on=made.made["id"], reason_text="Morgen")).outcome == "recorded"
    assert book.matter(made.made["id"]).state == "asked"


# -- a word that came by telephone -------------------------------------------------------------------------------------

PHONED: Final = Said(name="F. Test", function="ICM'er", medium="phone", evidence="gebeld met de wijkagent")


async def test_who_leads_writes_down_what_a_partner_said_by_telephone(book: Casebook) -> None:
    outcome = await book.act("vvt", "word", said=PHONED, partner="politie", answer="confirmed")
    one = book.request("politie")
    assert (outcome.made["state"], one.state, book.clocks(one.id)) == ("confirmed", "confirmed", set())
    line = book.case.entries[-1]
    assert (line.subject, line.event, line.actor, line.medium) == (one.id, "confirm", "vvt", "phone")
    assert book.words(line)["evidence"] == "gebeld met de wijkagent"
    assert book.moves[-1].role == Role.RECIPIENT
    assert (await book.answer("politie", "confirmed")).request_state == "confirmed"  # its own word counts too


async def test_going_back_on_an_answer_by_telephone_is_alarmed_too(book: Casebook) -> None:
    await book.answer("politie", "confirmed")
    await book.act("vvt", "word", said=PHONED, partner="politie", answer="declined", reasonCode="no-capacity")
    assert (book.request("politie").state, book.alarms[-1].cause) == ("declined", "answer-contradicted")


@pytest.mark.parametrize(
    ("actor", "fields", "rule"),
    [
        ("vvt", {"partner": "reclassering", "answer": "confirmed"}, "word:not-asked"),
        ("vvt", {"partner": "vvt", "answer": "confirmed"}, "word:answers-itself"),
        ("vvt", {"partner": "politie"}, "act:field-missing"),
        ("vvt", {"partner": "politie", "answer": "accepted"}, "act:field-wrong"),
        ("vvt", {"partner": "politie", "answer": "declined"}, "answer:reason-required"),
        ("vvt", {"partner": "politie", "answer": "declined", "reasonCode": "geen zin"}, "act:field-wrong"),
        ("vvt", {"partner": "politie", "answer": "declined", "reasonCode": "geen-zin"}, "answer:unknown-reason"),
        ("vvt", {"partner": "politie", "answer": "declined", "reasonCode": "other"}, "answer:other-needs-text"),
        ("vvt", {"partner": "politie", "answer": "withdrawn"}, "answer:withdrawal-not-asked"),
        ("vvt", {"partner": "politie", "answer": "confirmed", "contact": {"name": "x"}}, "act:field-wrong"),
        ("vvt", {"partner": DUO, "answer": "confirmed"}, "answer:reachable-person"),
        (DUO, {"partner": "politie", "answer": "confirmed"}, "act:only-the-lead"),
    ],
)
async def test_what_cannot_be_written_down_is_refused(
    book: Casebook, actor: str, fields: dict[str, Any], rule: str
) -> None:
    assert await book.refused(actor, "word", said=PHONED, **fields) == rule


async def test_nobody_speaks_for_another_through_a_system(book: Casebook) -> None:
    assert await book.refused("vvt", "word", partner="politie", answer="confirmed") == "word:by-phone-or-letter"


async def test_a_coordinator_writes_down_what_a_lead_said(tmp_path: Path) -> None:
    book = open_book(tmp_path)
    contact = {"name": "Fictief van Nacht", "phone": "070 0000001"}
    fields = {"partner": "vvt", "answer": "confirmed", "contact": contact, "reason": "Hun systeem ligt eruit."}
    await book.act(OPERATOR, "word", said=PHONED, **fields)
    assert book.request("vvt", "lead").state == "confirmed"
    await book.act("vvt", "close", reason="Klaar.")
    late = {"partner": DUO, "answer": "declined", "reasonCode": "no-capacity", "reason": "Er kwam een brief."}
    await book.act(OPERATOR, "word", said=Said(name="C", function="coördinator", medium="letter"), **late)
    assert book.request(DUO, "duo").state == "declined"


# -- the table ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("same", [False, True])
@pytest.mark.parametrize("state", RequestState)
@pytest.mark.parametrize("word", EVENT)
def test_every_word_on_every_state_moves_by_the_table_or_not_at_all(word: str, state: str, same: bool) -> None:
    held = next_state(Machine.REQUEST, state, EVENT[word], Role.RECIPIENT)
    try:
        weighed = weigh(word, state, same=same)
    except Refusal:
        assert held is None
        assert word in ("withdrawn", "completed")
        return
    assert (weighed.event is None) == (held is None)
    assert weighed.recorded or same or word in ("received", "in-consideration")
    assert not weighed.contradicts or word in ("confirmed", "declined")
