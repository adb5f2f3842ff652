# SPDX-License-Identifier: EUPL-1.2
"""Whatever anybody says in a case, in any order and at any time: no move outside the tables, no open question without a
clock, nothing forgotten, and what is refused changes nothing."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from regions import FOLDER
from schakel.acting import Said
from schakel.acts.answers import EVENT
from schakel.acts.tools import lead_of
from schakel.errors import Refusal
from schakel.ledger_records import ActOutcome, AnswerOutcome
from schakel.region_files import load_region
from schakel.states import Machine
from tests.support.casebook import PERSON, Casebook, open_book

REGION: Final = load_region(FOLDER / "haaglanden")
OPERATOR: Final = "operator:Test Coördinator"
PARTNERS: Final = ("politie", "reclassering", "lokaal-team-den-haag", "vvt", "perspektief")
# whoever leads, and a coordinator, more often than those who may not
ACTORS: Final = (*["whoever leads"] * 5, *[OPERATOR] * 3, *PARTNERS)
ROLES: Final = (None, None, None, "partner", "duo", "lead")
OPEN: Final = ("asked", "received", "in-consideration", "withdrawal-requested")
EFFORT_WORDS: Final = ("accepted", "adjusted", "not-possible")
NAMED: Final = ("partner", "role", "serves", "event", "level", "answer")
WRITTEN: Final = ("in-consideration", "confirmed", "declined", "withdrawn", "completed", "noted")
PHONED: Final = Said(name="Fictief van Test", function="ICM'er", medium="phone")
HOURS: Final = st.integers(0, 24 * 40)

Step = tuple[str, dict[str, Any]]
WHO: Final = st.sampled_from((*["politie"] * 3, *PARTNERS))


def acts(kind: str, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Step]:
    named = st.fixed_dictionaries({"actor": st.sampled_from(ACTORS), **fields})
    return named.map(lambda drawn: (kind, drawn))


STEPS: Final = st.one_of(
    acts("ask", partner=WHO, role=st.sampled_from(ROLES), serves=st.sampled_from([None, "victim"])),
    *(acts(kind, partner=WHO, role=st.sampled_from(ROLES)) for kind in ("establish", "release")),
    *(acts(kind, partner=WHO, role=st.sampled_from(ROLES)) for kind in ("withdrawal", "withdraw")),
    acts("effort", partner=WHO, start=HOURS, hours=HOURS, level=st.sampled_from(["meer", "veel"])),
    acts("word", partner=WHO, answer=st.sampled_from(WRITTEN)),
    acts("cancel", which=st.integers(0, 3)),
    acts("milestone", event=st.sampled_from(["first-visit", "plan-made", "evaluated", "phase-entered"]), ago=HOURS),
    acts("close"),
    acts("note"),
    st.tuples(st.just("answer"), st.fixed_dictionaries(
        {"partner": WHO, "word": st.sampled_from(sorted(EVENT)), "again": st.booleans()})),
    st.tuples(st.just("on-effort"), st.fixed_dictionaries(
        {"which": st.integers(0, 3), "word": st.sampled_from(EFFORT_WORDS), "hours": HOURS})),
    st.tuples(st.just("time"), st.fixed_dictionaries({"hours": HOURS})),
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("acting")


async def play(book: Casebook, kind: str, drawn: dict[str, Any]) -> ActOutcome | AnswerOutcome | None:
    """Says it; None: time went by, or there was nothing to say it about. Raises Refusal."""
    efforts = [one for one in book.case.matters if one.machine == Machine.EFFORT]
    match kind:
        case "time":
            book.later(hours=drawn["hours"])
            for one in efforts:
                await book.act("clock", "end", matter=one.id)
            return None
        case "answer":
            if not any(one.partner == drawn["partner"] for one in book.case.involved):
                return None
            more = {"answered_at": book.now} if drawn["again"] else {}
            return await book.answer(drawn["partner"], drawn["word"], **more)
        case "on-effort":
            if not efforts:
                return None
            one = efforts[drawn["which"] % len(efforts)]
            more = {"until": book.now + timedelta(hours=drawn["hours"])} if drawn["word"] == "adjusted" else {}
            return await book.answer(one.partner, drawn["word"], on=one.id, **more)
        case _:
            lead = lead_of(book.case)
            actor = {"whoever leads": lead.partner if lead else "vvt"}.get(drawn["actor"], drawn["actor"])
            said = PHONED if kind == "word" else PERSON
            return await book.act(actor, kind, said=said, **_fields(book, kind, drawn))


def _fields(book: Casebook, kind: str, drawn: dict[str, Any]) -> dict[str, Any]:
    fields = {name: value for name, value in drawn.items() if name in NAMED}
    fields["reason"] = "Besproken in het overleg."
    if kind == "effort":
        since = book.now + timedelta(hours=drawn["start"] - 24)
        until = since + timedelta(hours=drawn["hours"])
        fields |= {"direction": "raise", "from_": since.isoformat(), "until": until.isoformat()}
    elif kind == "cancel":
        efforts = [one.id for one in book.case.matters if one.machine == Machine.EFFORT]
        fields["matter"] = efforts[drawn["which"] % len(efforts)] if efforts else "geen"
    elif kind == "milestone":
        fields["at"] = (book.now - timedelta(hours=drawn["ago"])).isoformat()
        fields |= {"phase": "recovery"} if drawn["event"] == "phase-entered" else {}
    elif kind == "word":
        fields["contact"] = {"name": "Fictief de Tester", "phone": "070 0000000"}
        fields |= {"reasonCode": "no-capacity"} if drawn["answer"] == "declined" else {}
    elif kind == "note":
        fields["note"] = "Gebeld."
    return fields


async def _plays(folder: Path, steps: list[Step]) -> None:
    book = open_book(folder, region=REGION)
    for kind, drawn in steps:
        before, written = book.case, len(book.decisions)
        try:
            outcome = await play(book, kind, drawn)  # the book itself holds every move to the tables
        except Refusal:
            outcome = None
            assert (book.case, len(book.decisions)) == (before, written)
        assert book.case.entries[: len(before.entries)] == before.entries, "the ledger only grows"
        if outcome is not None and outcome.outcome == "repeated":
            assert book.case == before
        elif outcome is not None and outcome.outcome != "parked":
            assert len(book.case.entries) > len(before.entries), "what is recorded stands in the ledger"
        clocked(book)


def clocked(book: Casebook) -> None:
    """While the case is open each question has a clock, and no clock runs for what was answered; afterwards only the
    follow-up does."""
    if book.case.state != "open":
        assert {kind for kind, _ in book.clocks()} <= {"follow-up"}
        return
    asked = {one.id for one in book.case.involved if one.state in OPEN}
    asked |= {one.id for one in book.case.matters if one.machine == Machine.EFFORT and one.state == "asked"}
    running = {one.subject for one in book.case.deadlines}
    assert asked == running - {book.case.id}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=st.lists(STEPS, min_size=3, max_size=30))
def test_whatever_is_said_the_tables_hold_and_every_question_has_a_clock(folder: Path, steps: list[Step]) -> None:
    asyncio.run(_plays(folder, steps))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    steps=st.lists(STEPS.filter(lambda step: step[0] not in ("close", "withdraw")), min_size=8, max_size=30),
    words=st.lists(st.sampled_from(["received", "in-consideration", "confirmed"]), max_size=3),
)
def test_so_it_does_in_a_case_that_is_under_way(folder: Path, steps: list[Step], words: list[str]) -> None:
    """The same, from where lead and duo have confirmed and the police were asked in."""
    opening: list[Step] = [
        ("answer", {"partner": "vvt", "word": "confirmed", "again": False}),
        ("ask", {"actor": "vvt", "partner": "politie", "role": None, "serves": None}),
        *(("answer", {"partner": "politie", "word": word, "again": False}) for word in words),
        ("effort", {"actor": "vvt", "partner": "politie", "start": 24, "hours": 240, "level": "meer"}),
    ]
    asyncio.run(_plays(folder, [*opening, *steps]))
