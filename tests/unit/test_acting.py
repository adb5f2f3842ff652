# SPDX-License-Identifier: EUPL-1.2
"""Who may do what in a case, and by which rule the others are refused; for every kind of act and every role."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest

from schakel.acting import KINDS, PERMITTED, Said
from schakel.acts.refusals import RULES, refused
from schakel.errors import Conflict, Forbidden, NotFound, Refusal
from schakel.states import Role
from tests.support.casebook import Casebook, open_book

OPERATOR: Final = "operator:Test Coördinator"
# Which rules say that this actor may not; every other rule says that he may, and that something else is wrong.
NOT_HIS: Final = {"act:only-the-lead", "act:only-a-coordinator", "act:only-its-own", "forbidden"}


@pytest.fixture
async def book(tmp_path: Path) -> Casebook:
    """The lead has confirmed; the police were asked in and confirmed; the probation service has not answered."""
    opened = open_book(tmp_path)
    await opened.answer("vvt", "confirmed")
    for partner in ("politie", "reclassering"):
        await opened.act("vvt", "ask", partner=partner)
    await opened.answer("politie", "confirmed")
    return opened


ACTORS: Final = {
    Role.LEAD: "vvt",
    Role.OPERATOR: OPERATOR,
    Role.RECIPIENT: "politie",
    Role.CLOCK: "clock",
}


@pytest.mark.parametrize("role", ACTORS)
@pytest.mark.parametrize("kind", KINDS)
async def test_each_kind_of_act_is_for_the_roles_that_the_table_says(book: Casebook, kind: str, role: Role) -> None:
    rule = await book.refused(ACTORS[role], kind)
    if kind == "answer":  # by the answer reference, never by the case: nothing of that name is his
        assert rule == ("not-found" if role in (Role.RECIPIENT, Role.LEAD) else "act:only-its-own")
    elif role in PERMITTED[kind]:
        assert rule not in NOT_HIS or (rule == "act:only-the-lead" and kind == "milestone")
    else:
        assert rule in NOT_HIS


@pytest.mark.parametrize("kind", sorted(KINDS))
async def test_who_is_not_in_the_case_finds_none(book: Casebook, kind: str) -> None:
    with pytest.raises(NotFound):
        await book.act("perspektief", kind)


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"answer", "end", "lapse", "withdraw"}))
async def test_a_duo_or_a_team_that_declined_acts_as_nobody_who_leads(book: Casebook, kind: str) -> None:
    fields = {"event": "first-visit"} if kind == "milestone" else {}
    if Role.RECIPIENT not in PERMITTED[kind] or kind == "milestone":
        assert await book.refused("lokaal-team-den-haag", kind, **fields) == "act:only-the-lead"
    await book.answer("vvt", "declined")
    if Role.RECIPIENT not in PERMITTED[kind] or kind == "milestone":
        assert await book.refused("vvt", kind, **fields) == "act:only-the-lead"


async def test_the_team_that_was_asked_last_leads_until_one_has_confirmed(tmp_path: Path) -> None:
    book = open_book(tmp_path)
    await book.act("vvt", "note", note="Gebeld met het lokale team.")
    await book.answer("vvt", "declined")
    await book.act(OPERATOR, "ask", partner="perspektief", role="lead", reason="VVT heeft geen plaats")
    assert await book.refused("vvt", "note", note="Nog iets.") == "act:only-the-lead"
    await book.act("perspektief", "note", note="Wij gaan erheen.")


# -- what every act needs ----------------------------------------------------------------------------------------------


async def test_an_operator_gives_a_name_and_a_reason(book: Casebook) -> None:
    assert await book.refused(OPERATOR, "ask", partner="de-waag") == "act:operator-gives-reason"
    assert await book.refused(OPERATOR, "ask", partner="de-waag", reason="  ") == "act:operator-gives-reason"
    assert await book.refused("operator: ", "ask", partner="de-waag", reason="Spoed") == "act:operator-gives-reason"
    outcome = await book.act(OPERATOR, "ask", partner="de-waag", reason="Het team is niet bereikbaar")
    line = book.case.entries[-1]
    assert (outcome.outcome, line.actor, line.role) == ("recorded", OPERATOR, "operator")
    assert book.words(line)["reason"] == "Het team is niet bereikbaar"


@pytest.mark.parametrize("said", [Said(), Said(name="Fictief"), Said(function="ICM'er"), Said(name=" ", function="x")])
async def test_an_organisation_says_which_person_speaks(book: Casebook, said: Said) -> None:
    assert await book.refused("vvt", "ask", said=said, partner="de-waag") == "act:actor-named"


@pytest.mark.parametrize("medium", ["own-system", "phone", "letter"])
async def test_on_whose_word_and_since_when_is_kept(book: Casebook, medium: str) -> None:
    said = Said(name="F. Test", function="ICM'er", medium=medium, evidence="dossier 12", valid_from=book.now)
    book.later(hours=3)
    await book.act("vvt", "establish", said=said, partner="politie")
    line = book.case.entries[-1]
    assert (line.medium, line.valid_from, line.known_at) == (medium, said.valid_from, book.now)
    words = book.words(line)
    assert (words["actor"], words["evidence"]) == ({"name": "F. Test", "function": "ICM'er"}, "dossier 12")


async def test_only_the_hub_itself_says_that_the_hub_says_so(book: Casebook) -> None:
    said = Said(name="F. Test", function="ICM'er", medium="hub")
    assert await book.refused("vvt", "establish", said=said, partner="politie") == "act:medium"


async def test_a_period_ends_after_it_starts(book: Casebook) -> None:
    said = Said(name="F. Test", function="ICM'er", valid_from=book.now, valid_to=book.now)
    assert await book.refused("vvt", "establish", said=said, partner="politie") == "act:valid-period"


@pytest.mark.parametrize(
    ("fields", "rule", "place"),
    [
        ({"partner": "de-waag", "untill": "morgen"}, "act:unknown-field", "untill"),
        ({"partner": "de-waag", "Hooftstraat 12, Den Haag": 1}, "act:unknown-field", "act"),
        ({}, "act:field-missing", "partner"),
        ({"partner": ""}, "act:field-missing", "partner"),
        ({"partner": 7}, "act:field-wrong", "partner"),
        ({"partner": "x" * 65}, "act:field-wrong", "partner"),
        ({"partner": "de-waag", "phase": "tussenfase"}, "act:field-wrong", "phase"),
        ({"partner": "de-waag", "serves": "iedereen"}, "act:field-wrong", "serves"),
        ({"partner": "de-waag", "reason": "\x00"}, "act:field-wrong", "reason"),
    ],
)
async def test_a_field_that_is_wrong_is_named_and_never_shown(
    book: Casebook, fields: dict[str, Any], rule: str, place: str
) -> None:
    with pytest.raises(Refusal) as caught:
        await book.act("vvt", "ask", **fields)
    (finding,) = caught.value.findings
    assert (finding.rule, finding.place) == (rule, place)
    for value in (*map(str, fields.values()), "Hooftstraat"):
        assert value.strip() in ("", "1", "7", "de-waag") or value not in str(caught.value) + finding.nl + finding.en


async def test_an_act_that_is_not_known_is_refused(book: Casebook) -> None:
    assert await book.refused("vvt", "archive") == "act:unknown-kind"
    assert "archive" not in book.lines.getvalue()


async def test_the_log_holds_no_words_of_anybody(book: Casebook) -> None:
    await book.act("vvt", "note", note="Zij verblijft in het blauwe huis.")
    await book.refused("vvt", "ask", partner="Blauwehuisstraat")
    assert "lauwe" not in book.lines.getvalue()
    assert "act.taken" in book.lines.getvalue()


# -- saying it twice ---------------------------------------------------------------------------------------------------


async def test_the_same_act_under_the_same_key_is_repeated(book: Casebook) -> None:
    first = await book.act("vvt", "note", key="abc", note="Gebeld.")
    before = book.case
    again = await book.act("vvt", "note", key="abc", note="Gebeld.")
    assert (first.outcome, again.outcome) == ("recorded", "repeated")
    assert book.case == before


async def test_another_act_under_the_same_key_is_refused(book: Casebook) -> None:
    await book.act("vvt", "note", key="abc", note="Gebeld.")
    assert await book.refused("vvt", "note", key="abc", note="Gemaild.") == "act:key-reused"
    await book.act(OPERATOR, "note", key="abc", note="Gemaild.", reason="Aantekening")  # another's key is another key


# -- a case that is closed ---------------------------------------------------------------------------------------------


async def test_a_closed_case_takes_answers_and_an_operators_notes(book: Casebook) -> None:
    await book.act("vvt", "close", reason="Het plan is uitgevoerd.")
    for kind in sorted(set(PERMITTED) - {"answer", "end", "lapse", "withdraw", "milestone"}):
        if Role.LEAD in PERMITTED[kind]:
            assert await book.refused("vvt", kind) in ("act:case-closed", "act:only-the-lead")
    assert await book.refused("vvt", "milestone", event="plan-made") == "act:case-closed"
    assert await book.refused(OPERATOR, "ask", partner="de-waag", reason="Toch") == "act:case-closed"
    await book.act(OPERATOR, "note", note="Er kwam nog een brief.", reason="Voor het dossier")
    outcome = await book.answer("reclassering", "confirmed")
    assert (outcome.outcome, outcome.request_state) == ("recorded", "confirmed")


# -- the book of rules -------------------------------------------------------------------------------------------------


def test_every_rule_has_a_sentence_in_two_languages_and_a_decision() -> None:
    for name, rule in RULES.items():
        assert rule.refusal in (Refusal, Forbidden, Conflict)
        assert rule.nl.endswith(".")
        assert rule.en.endswith(".")
        assert rule.nl != rule.en
        finding = refused(name, "role").findings[0]
        assert (finding.rule, finding.place) == (name, "role")
