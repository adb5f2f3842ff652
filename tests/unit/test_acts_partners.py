# SPDX-License-Identifier: EUPL-1.2
"""The lead and its partners: asking in, establishing, effort for a time, asking to leave."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from schakel.errors import Refusal
from schakel.states import Machine
from tests.support.casebook import Casebook, haaglanden, open_book

OPERATOR: Final = "operator:Test Coördinator"
DAY: Final = timedelta(days=1)


@pytest.fixture
async def book(tmp_path: Path) -> Casebook:
    opened = open_book(tmp_path)
    await opened.answer("vvt", "confirmed")
    return opened


def effort_of(book: Casebook, **other: Any) -> dict[str, Any]:
    return {
        "partner": "politie",
        "direction": "raise",
        "level": "elke dag langsrijden",
        "from_": book.now.isoformat(),
        "until": (book.now + 14 * DAY).isoformat(),
        "reason": "Het huishouden is onrustig.",
    } | other


# -- asking ------------------------------------------------------------------------------------------------------------


async def test_a_partner_that_is_asked_in_gets_the_case_as_it_may_see_it_and_a_clock(book: Casebook) -> None:
    outcome = await book.act("vvt", "ask", partner="politie", phase="direct-safety", serves="victim")
    asked = book.request("politie")
    assert outcome.made == {"id": asked.id, "state": "asked"}
    assert (asked.asked_by, asked.phase, asked.serves) == ("vvt", "direct-safety", "victim")
    (told,) = book.told
    assert (told.delivery.recipient, told.delivery.role) == ("politie", "partner")
    assert (told.delivery.request_id, told.delivery.occasion) == (asked.id, f"asked:{asked.id}")
    (clock,) = [one for one in book.case.deadlines if one.subject == asked.id]
    assert (clock.kind, clock.event, clock.due_at) == ("answer", "asked", asked.due_at)
    line = book.case.entries[-1]
    assert (line.event, line.subject, line.actor, line.role) == ("ask", asked.id, "vvt", "lead")


async def test_asking_again_in_the_same_words_is_a_repeat_and_in_others_refused(book: Casebook) -> None:
    await book.act("vvt", "ask", partner="politie", serves="victim")
    before = book.case
    again = await book.act("vvt", "ask", partner="politie", serves="victim")
    assert (again.outcome, book.case) == ("repeated", before)
    assert await book.refused("vvt", "ask", partner="politie", serves="removed") == "ask:already-asked"
    assert await book.refused(OPERATOR, "ask", partner="politie", reason="Nogmaals") == "ask:already-asked"
    assert await book.refused("vvt", "ask", partner="lokaal-team-den-haag", role="duo") == "ask:already-asked"


async def test_who_declined_can_be_asked_again_and_gets_the_case_again(book: Casebook) -> None:
    await book.act("vvt", "ask", partner="politie")
    await book.answer("politie", "declined")
    await book.act("vvt", "ask", partner="politie")
    assert [one.state for one in book.case.involved if one.partner == "politie"] == ["declined", "asked"]
    assert len({told.delivery.occasion for told in book.told if told.delivery.recipient == "politie"}) == 2


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"partner": "voetbalclub"}, "ask:unknown-partner"),
        ({"partner": "thv-pool"}, "ask:not-a-recipient"),
        ({"partner": "politie", "role": "duo"}, "ask:role-does-not-fit"),
        ({"partner": "zvhh", "role": "process-director"}, "ask:role-does-not-fit"),  # not in ICM
        ({"partner": "perspektief", "role": "lead"}, "ask:leads-already"),
        ({"partner": "vvt"}, "ask:itself"),
        ({"partner": "reclassering", "serves": "victim"}, "ask:serves-another"),
        ({"partner": "jeugdbescherming-west", "serves": "household"}, "ask:serves-another"),
    ],
)
async def test_who_cannot_take_part_is_not_asked(book: Casebook, fields: dict[str, Any], rule: str) -> None:
    assert await book.refused("vvt", "ask", **fields) == rule


@pytest.mark.parametrize(("partner", "serves"), [("reclassering", "removed"), ("politie", "household"), ("vvt", None)])
async def test_whom_a_partner_serves_is_the_leads_word_where_the_region_leaves_it_open(
    book: Casebook, partner: str, serves: str | None
) -> None:
    asked = "lokaal-team-delft" if partner == "vvt" else partner
    await book.act("vvt", "ask", partner=asked, serves=serves)
    assert book.request(asked).serves == serves


async def test_somebody_of_the_network_is_asked_in_person(tmp_path: Path) -> None:
    """No system: nothing is sent, and the clock runs all the same (S5)."""
    region = haaglanden()
    trainer = region.partners[-1].model_copy(update={"id": "trainer", "kind": "network", "receives": None})
    book = open_book(tmp_path, region=region.model_copy(update={"partners": (*region.partners, trainer)}))
    await book.answer("vvt", "confirmed")
    await book.act("vvt", "ask", partner="trainer")
    assert book.told == []
    assert ("answer", "trainer") in book.clocks()


async def test_nobody_is_asked_about_a_case_of_which_nothing_went_out(tmp_path: Path) -> None:
    book = open_book(tmp_path)
    book.case = replace(book.case, newest_message=None)
    assert await book.refused("vvt", "ask", partner="politie") == "act:nothing-routed"


@pytest.mark.parametrize("table", ["disclosure", "deadlines"])
async def test_a_role_that_the_region_has_no_table_for_is_not_asked(tmp_path: Path, table: str) -> None:
    region = haaglanden()
    rows = {
        "disclosure": region.disclosure.model_copy(
            update={"roles": tuple(one for one in region.disclosure.roles if one.role != "partner")}
        ),
        "deadlines": region.deadlines.model_copy(
            update={"clocks": tuple(one for one in region.deadlines.clocks if one.role != "partner")}
        ),
    }
    book = open_book(tmp_path, region=region.model_copy(update={table: rows[table]}))
    rule = {"disclosure": "ask:role-not-in-programme", "deadlines": "act:no-deadline"}[table]
    assert await book.refused("vvt", "ask", partner="politie") == rule


async def test_a_coordinator_asks_another_team_when_nobody_leads(book: Casebook) -> None:
    await book.answer("vvt", "declined")
    await book.act(OPERATOR, "ask", partner="perspektief", role="lead", reason="VVT heeft geen plaats")
    assert book.request("perspektief", "lead").state == "asked"
    assert ("answer", "perspektief") in book.clocks()


# -- two facts ---------------------------------------------------------------------------------------------------------


async def test_what_a_partner_answers_and_what_the_lead_establishes_stand_apart(book: Casebook) -> None:
    await book.act("vvt", "ask", partner="politie")
    await book.act("vvt", "establish", partner="politie")
    assert (book.request("politie").state, book.request("politie").established) == ("asked", True)
    assert ("answer", "politie") in book.clocks()  # its own answer is still waited for
    await book.answer("politie", "declined")
    assert (book.request("politie").state, book.request("politie").established) == ("declined", True)
    await book.act("vvt", "release", partner="politie")
    await book.act("vvt", "establish", partner="politie")
    assert len([one for one in book.case.matters if one.machine == Machine.ESTABLISHMENT]) == 1


async def test_establishing_needs_that_the_partner_was_asked(book: Casebook) -> None:
    assert await book.refused("vvt", "establish", partner="politie") == "establish:not-asked"
    assert await book.refused("vvt", "release", partner="lokaal-team-den-haag") == "establish:not-established"
    assert await book.refused("vvt", "establish", partner="lokaal-team-den-haag", role="partner") == (
        "establish:not-asked"
    )


async def test_establishing_and_releasing_twice_change_nothing(book: Casebook) -> None:
    await book.act("vvt", "ask", partner="politie")
    outcomes = [
        (await book.act("vvt", kind, partner="politie")).outcome
        for kind in ("establish", "establish", "release", "release")
    ]
    assert outcomes == ["recorded", "repeated", "recorded", "repeated"]


async def test_a_partner_with_two_roles_is_named_with_the_role(book: Casebook) -> None:
    await book.act("vvt", "ask", partner="lokaal-team-den-haag")
    assert await book.refused("vvt", "establish", partner="lokaal-team-den-haag") == "act:role-unclear"
    await book.act("vvt", "establish", partner="lokaal-team-den-haag", role="duo")
    assert book.request("lokaal-team-den-haag", "duo").established
    assert not book.request("lokaal-team-den-haag").established


# -- effort for a time -------------------------------------------------------------------------------------------------


@pytest.fixture
async def asked(book: Casebook) -> str:
    """The id of an effort request to the police."""
    await book.act("vvt", "ask", partner="politie")
    await book.answer("politie", "confirmed")
    outcome = await book.act("vvt", "effort", **effort_of(book))
    return outcome.made["id"]


async def test_effort_is_asked_for_a_time_with_a_clock_and_a_notice(book: Casebook, asked: str) -> None:
    matter = book.matter(asked)
    assert (matter.state, matter.valid_until) == ("asked", book.now + 14 * DAY)
    assert book.clocks(asked) == {("effort", "politie")}
    assert book.notices()[-1] == ("effort-asked", "politie")
    assert book.terms(asked)["reason"] == "Het huishouden is onrustig."


@pytest.mark.parametrize(
    ("word", "state", "more"),
    [
        ("accepted", "accepted", {}),
        ("not-possible", "not-possible", {"reason_text": "Geen mensen."}),
        ("adjusted", "adjusted", {"level": "om de dag"}),
    ],
)
async def test_the_partner_says_yes_no_or_otherwise(
    book: Casebook, asked: str, word: str, state: str, more: dict[str, Any]
) -> None:
    outcome = await book.answer("politie", word, on=asked, **more)
    assert (outcome.outcome, outcome.request_state, book.matter(asked).state) == ("recorded", state, state)
    assert book.clocks(asked) == set()
    assert book.notices()[-1] == ("effort-answered", "vvt")
    again = await book.answer("politie", word, on=asked, **more)
    assert again.outcome == "repeated"


async def test_adjusted_terms_hold_from_then_and_end_when_they_say(book: Casebook, asked: str) -> None:
    sooner = book.now + 7 * DAY
    await book.answer("politie", "adjusted", on=asked, level="om de dag", until=sooner)
    assert (book.terms(asked)["level"], book.matter(asked).valid_until) == ("om de dag", sooner)
    assert book.terms(asked)["direction"] == "raise"
    book.later(days=7)
    await book.act("clock", "end", matter=asked)
    assert book.matter(asked).state == "ended"


@pytest.mark.parametrize(
    ("more", "rule"),
    [
        ({}, "effort:adjusted-how"),
        ({"until": "2026-03-01T00:00:00Z"}, "effort:ends-before-it-starts"),
        ({"until": "2028-03-01T00:00:00Z"}, "effort:at-most-a-year"),
    ],
)
async def test_adjusting_stays_within_the_bounds(book: Casebook, asked: str, more: dict[str, Any], rule: str) -> None:
    with pytest.raises(Refusal) as caught:
        await book.answer("politie", "adjusted", on=asked, **more)
    assert caught.value.findings[0].rule == rule
    assert book.matter(asked).state == "asked"


async def test_a_partner_can_think_again(book: Casebook, asked: str) -> None:
    await book.answer("politie", "accepted", on=asked)
    await book.answer("politie", "not-possible", on=asked)
    await book.answer("politie", "accepted", on=asked)
    assert book.matter(asked).state == "accepted"
    assert [kind for kind, _ in book.notices()].count("effort-answered") == 3


@pytest.mark.parametrize(("before", "event", "state"), [("accepted", "end", "ended"), (None, "lapse", "lapsed")])
async def test_it_ends_by_itself_and_both_hear_of_it(
    book: Casebook, asked: str, before: str | None, event: str, state: str
) -> None:
    if before is not None:
        await book.answer("politie", before, on=asked)
    book.later(days=13, hours=23)
    assert (await book.act("clock", "end", matter=asked)).outcome == "repeated"  # not yet
    book.later(hours=1)
    await book.act("clock", "lapse", matter=asked)  # whichever the clock calls it
    assert (book.matter(asked).state, book.events()[-1]) == (state, event)
    assert set(book.notices()[-2:]) == {("effort-ended", "politie"), ("effort-ended", "vvt")}
    assert book.clocks(asked) == set()
    assert (await book.act("clock", "end", matter=asked)).outcome == "repeated"


async def test_an_answer_that_comes_when_it_is_over_is_kept_and_changes_nothing(book: Casebook, asked: str) -> None:
    book.later(days=14)
    await book.act("clock", "end", matter=asked)
    outcome = await book.answer("politie", "accepted", on=asked)
    assert (outcome.outcome, book.matter(asked).state, book.events()[-1]) == ("recorded", "lapsed", "accept")
    assert book.notices()[-1] == ("effort-answered", "vvt")


@pytest.mark.parametrize(
    ("other", "rule"),
    [
        ({"partner": "reclassering"}, "effort:not-involved"),
        ({"direction": "more"}, "act:field-wrong"),
        ({"level": "x" * 201}, "act:field-wrong"),
        ({"level": ""}, "act:field-missing"),
        ({"reason": ""}, "act:field-missing"),
        ({"from_": "2026-03-02T09:00:00"}, "act:field-wrong"),  # no offset
        ({"until": "morgen"}, "act:field-wrong"),
        ({"until": "9999-12-31T23:59:59Z"}, "act:field-wrong"),
        ({"from_": "2026-03-20T00:00:00Z", "until": "2026-03-20T00:00:00Z"}, "effort:ends-before-it-starts"),
        ({"from_": "2026-02-01T00:00:00Z", "until": "2026-03-01T00:00:00Z"}, "effort:over-already"),
        ({"until": "2027-03-02T09:00:01Z"}, "effort:at-most-a-year"),
        ({"level": "elk uur"}, "effort:one-at-a-time"),
    ],
)
async def test_effort_that_cannot_be_is_refused(book: Casebook, asked: str, other: dict[str, Any], rule: str) -> None:
    assert await book.refused("vvt", "effort", **effort_of(book, **other)) == rule
    assert book.matter(asked).state == "asked"


async def test_a_year_to_the_day_is_for_a_time_still_also_from_a_leap_day(book: Casebook, asked: str) -> None:
    after = {"from_": "2028-02-29T10:00:00Z", "until": "2029-02-28T10:00:00Z"}
    assert (await book.act("vvt", "effort", **effort_of(book, **after))).outcome == "recorded"
    # by the clocks in the Netherlands: at noon in summer time, a year later at noon in winter time
    summer = {"from_": "2029-03-29T10:00:00Z", "until": "2030-03-29T11:00:01Z"}
    assert await book.refused("vvt", "effort", **effort_of(book, **summer)) == "effort:at-most-a-year"
    summer["until"] = "2030-03-29T11:00:00Z"
    assert (await book.act("vvt", "effort", **effort_of(book, **summer))).outcome == "recorded"


async def test_the_same_request_again_is_a_repeat(book: Casebook, asked: str) -> None:
    again = await book.act("vvt", "effort", **effort_of(book))
    assert (again.outcome, again.made["id"]) == ("repeated", asked)


async def test_effort_can_follow_on_effort(book: Casebook, asked: str) -> None:
    until = book.now + 14 * DAY
    more = {"from_": until.isoformat(), "until": (until + DAY).isoformat()}
    outcome = await book.act("vvt", "effort", **effort_of(book, **more))
    assert book.matter(outcome.made["id"]).state == book.matter(asked).state == "asked"


async def test_the_lead_takes_it_back(book: Casebook, asked: str) -> None:
    assert await book.refused("politie", "cancel", matter=asked, reason="Geen zin") == "act:only-the-lead"
    assert await book.refused("vvt", "cancel", matter="iets", reason="Rustig") == "act:no-such-matter"
    assert await book.refused("vvt", "cancel", matter=asked) == "act:field-missing"
    await book.act("vvt", "cancel", matter=asked, reason="Het is rustig.")
    assert (book.matter(asked).state, book.clocks(asked)) == ("cancelled", set())
    assert book.notices()[-1] == ("effort-cancelled", "politie")
    assert (await book.act("vvt", "cancel", matter=asked, reason="Het is rustig.")).outcome == "repeated"


async def test_nothing_is_asked_of_who_leads(book: Casebook) -> None:
    """The lead asks; nobody asks the lead: the region has no clock for it."""
    assert await book.refused("vvt", "effort", **effort_of(book, partner="vvt")) == "act:no-deadline"


# -- asking to leave ---------------------------------------------------------------------------------------------------


async def test_leaving_is_asked_and_the_partner_ends_it(book: Casebook, asked: str) -> None:
    await book.act("vvt", "establish", partner="politie")
    await book.act("vvt", "withdrawal", partner="politie", reason="Het is rustig.")
    one = book.request("politie")
    assert (one.state, book.clocks(one.id)) == ("withdrawal-requested", {("withdrawal", "politie")})
    assert book.notices()[-1] == ("withdrawal-asked", "politie")
    assert book.told[-1].delivery.request_id == one.id  # its answer reference goes along
    await book.answer("politie", "withdrawn")
    one = book.request("politie")
    assert (one.state, one.established, book.clocks(one.id)) == ("withdrawn", False, set())
    assert book.matter(asked).state == "cancelled"


async def test_a_partner_that_is_asked_to_leave_may_say_that_its_work_is_done(book: Casebook, asked: str) -> None:
    await book.act("vvt", "withdrawal", partner="politie", reason="Het is rustig.")
    await book.answer("politie", "completed")
    assert book.request("politie").state == "completed"


async def test_asking_to_leave_twice_is_a_repeat(book: Casebook, asked: str) -> None:
    await book.act("vvt", "withdrawal", partner="politie", reason="Het is rustig.")
    again = await book.act("vvt", "withdrawal", partner="politie", reason="Nog eens.")
    assert again.outcome == "repeated"


async def test_who_takes_no_part_is_not_asked_to_leave(book: Casebook) -> None:
    assert await book.refused("vvt", "withdrawal", partner="politie", reason="Weg") == "withdrawal:not-involved"
    await book.act("vvt", "ask", partner="politie")
    await book.answer("politie", "declined")
    assert await book.refused("vvt", "withdrawal", partner="politie", reason="Weg") == "withdrawal:not-involved"
    assert await book.refused("vvt", "withdrawal", partner="vvt", reason="Weg") == "act:no-deadline"


async def test_a_coordinator_alone_ends_an_involvement_without_the_partners_word(book: Casebook, asked: str) -> None:
    assert await book.refused("vvt", "withdraw", partner="politie", reason="Weg") == "act:only-a-coordinator"
    await book.act(OPERATOR, "withdraw", partner="politie", reason="De organisatie bestaat niet meer.")
    one = book.request("politie")
    assert (one.state, book.clocks(one.id), book.matter(asked).state) == ("withdrawn", set(), "cancelled")
