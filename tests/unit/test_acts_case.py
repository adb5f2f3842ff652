# SPDX-License-Identifier: EUPL-1.2
"""What happens in the case itself: visits, plan, evaluations and phases with their clocks, and how it closes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from schakel.clocks import Clocks
from schakel.ledger_records import LedgerDecision
from schakel.records import SourceMessage
from schakel.region import Receiving
from tests.support.casebook import MESSAGE, Casebook, open_book

OPERATOR: Final = "operator:Test Coördinator"
DUO: Final = "lokaal-team-den-haag"


@pytest.fixture
async def book(tmp_path: Path) -> Casebook:
    opened = open_book(tmp_path)
    await opened.answer("vvt", "confirmed")
    await opened.answer(DUO, "confirmed")
    opened.later(hours=2)
    return opened


def case_clocks(book: Casebook) -> set[str]:
    return {kind for kind, _ in book.clocks(book.case.id)}


# -- milestones --------------------------------------------------------------------------------------------------------


async def test_the_first_visit_starts_plan_and_year(book: Casebook) -> None:
    visited = book.now - timedelta(hours=1)
    await book.act("vvt", "milestone", event="first-visit", at=visited.isoformat(), note="Moeder en kind thuis.")
    line = book.case.entries[-1]
    assert (line.event, line.valid_from, line.known_at) == ("first-visit", visited, book.now)
    assert book.clocks(book.case.id) == {("plan", "vvt"), ("year", "vvt")}
    (plan,) = [one for one in book.case.deadlines if one.kind == "plan"]
    assert plan.due_at == visited + timedelta(hours=24)


async def test_the_plan_ends_what_waited_for_it_and_starts_the_evaluations(book: Casebook) -> None:
    book.case = replace(book.case, order_end=book.now + timedelta(days=10))
    clocks = Clocks(deadlines=book.region.deadlines, new_id=book.new_id)
    order = clocks.started(
        subject=book.case.id,
        event="order-imposed",
        partner="vvt",
        role="lead",
        programme="icm",
        urgency="crisis",
        at=book.now,
        order_end=book.case.order_end,
    )
    book.write(LedgerDecision(deadlines=order), at=book.now)
    await book.act("vvt", "milestone", event="first-visit")
    assert case_clocks(book) == {"order-without-plan", "plan", "year"}
    book.later(hours=5)
    await book.act("vvt", "milestone", event="plan-made")
    assert case_clocks(book) == {"year", "evaluation"}


async def test_each_evaluation_starts_the_next_until_the_case_closes(book: Casebook) -> None:
    await book.act("vvt", "milestone", event="plan-made")
    for _ in range(3):
        (running,) = [one for one in book.case.deadlines if one.kind == "evaluation"]
        book.now = running.due_at
        await book.act("vvt", "milestone", event="evaluated")
        (following,) = [one for one in book.case.deadlines if one.kind == "evaluation"]
        assert following.due_at > running.due_at
    await book.act("vvt", "close", reason="Klaar.")
    assert "evaluation" not in case_clocks(book)


async def test_told_out_of_order_no_clock_runs_that_has_ended_already(book: Casebook) -> None:
    await book.act("vvt", "milestone", event="plan-made")
    earlier = book.now - timedelta(minutes=30)
    await book.act("vvt", "milestone", event="first-visit", at=earlier.isoformat())
    assert case_clocks(book) == {"evaluation", "year"}


async def test_what_happened_before_a_clock_started_does_not_end_it(book: Casebook) -> None:
    await book.act("vvt", "milestone", event="first-visit")
    earlier = book.now - timedelta(minutes=30)
    await book.act("vvt", "milestone", event="plan-made", at=earlier.isoformat())  # the plan of an earlier order
    assert "plan" in case_clocks(book)


async def test_the_same_event_at_the_same_time_is_a_repeat(book: Casebook) -> None:
    at = book.now.isoformat()
    await book.act("vvt", "milestone", event="evaluated", at=at)
    assert (await book.act("vvt", "milestone", event="evaluated", at=at)).outcome == "repeated"
    assert (await book.act(OPERATOR, "milestone", event="evaluated", at=at, reason="Gebeld")).outcome == "repeated"
    assert book.events().count("evaluated") == 1


async def test_the_phase_that_the_case_enters_is_put_on_record(book: Casebook) -> None:
    at = book.now.isoformat()
    await book.act("vvt", "milestone", event="phase-entered", at=at, phase="risk-driven-care")
    assert book.words(book.case.entries[-1])["phase"] == "risk-driven-care"
    again = await book.act("vvt", "milestone", event="phase-entered", at=at, phase="risk-driven-care")
    other = await book.act("vvt", "milestone", event="phase-entered", at=at, phase="recovery")
    assert (again.outcome, other.outcome) == ("repeated", "recorded")


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({}, "act:field-missing"),
        ({"event": "verhuisd"}, "milestone:unknown"),
        ({"event": "closed"}, "milestone:unknown"),
        ({"event": "admission-decided"}, "milestone:unknown"),  # with the decision itself, never alone
        ({"event": "first-visit", "at": "gisteren"}, "act:field-wrong"),
        ({"event": "first-visit", "at": "2030-01-01T00:00:00Z"}, "act:in-the-future"),
        ({"event": "phase-entered"}, "act:field-missing"),
        ({"event": "first-visit", "phase": "recovery"}, "milestone:phase-only-when-entered"),
    ],
)
async def test_what_is_no_event_of_the_case_is_refused(book: Casebook, fields: dict[str, Any], rule: str) -> None:
    assert await book.refused("vvt", "milestone", **fields) == rule


def reached(book: Casebook, source: str) -> Casebook:
    """The same case, of which this source reported and can be told."""
    known = book.region.partner(source)
    assert known is not None
    told = known.model_copy(update={"receives": Receiving(channel="mailbox")})
    others = tuple(told if one.id == source else one for one in book.region.partners)
    sources = (SourceMessage(MESSAGE, source, "thv-aanmelding"),)
    return book.told_otherwise(book.region.model_copy(update={"partners": others}), sources=sources)


async def test_a_source_hears_of_what_it_may_know_and_once(book: Casebook) -> None:
    watching = reached(book, "veilig-thuis")
    for event in ("first-visit", "plan-made", "first-visit", "evaluated", "plan-made"):
        await watching.act("vvt", "milestone", event=event)
        watching.later(minutes=1)
    await watching.act("vvt", "close", reason="Klaar.")
    assert [kind for kind, to in watching.notices() if to == "veilig-thuis"] == ["first-visit", "plan-made", "closed"]


async def test_a_source_that_need_not_know_hears_only_that_it_closed(book: Casebook) -> None:
    pool = reached(book, "thv-pool")
    for event in ("first-visit", "plan-made"):
        await pool.act("vvt", "milestone", event=event)
    await pool.act("vvt", "close", reason="Klaar.")
    assert [kind for kind, to in pool.notices() if to == "thv-pool"] == ["closed"]


# -- closing -----------------------------------------------------------------------------------------------------------


async def test_closing_ends_every_clock_but_the_follow_up_and_tells_the_others(book: Casebook) -> None:
    await book.act("vvt", "ask", partner="politie")
    await book.act("vvt", "ask", partner="reclassering")
    await book.answer("reclassering", "declined")
    await book.act("vvt", "milestone", event="first-visit")
    more = {"direction": "raise", "level": "meer", "reason": "Onrust", "until": "2026-03-09T09:00:00Z"}
    effort = await book.act("vvt", "effort", partner="politie", from_=book.now.isoformat(), **more)
    await book.act("vvt", "close", reason="Het plan is uitgevoerd.")
    assert (book.case.state, book.case.closed_at) == ("closed", book.now)
    assert book.clocks() == {("follow-up", DUO)}
    assert book.matter(effort.made["id"]).state == "cancelled"
    told = [recipient for kind, recipient in book.notices() if kind == "closed"]
    assert sorted(told) == [DUO, "politie"]  # not who declined, not who closed
    assert book.closed_until == book.now + book.region.retention.content_after_close
    assert book.moves[-1].event == "close"  # nothing follows it


async def test_when_a_coordinator_closes_the_lead_hears_of_it(book: Casebook) -> None:
    assert await book.refused("vvt", "close") == "act:field-missing"
    await book.act(OPERATOR, "close", reason="Verhuisd naar het buitenland.")
    assert sorted(recipient for kind, recipient in book.notices() if kind == "closed") == [DUO, "vvt"]


async def test_the_local_team_ends_the_follow_up_itself(book: Casebook) -> None:
    """S4: it keeps a finger on the pulse. Nobody else has a say in a case that is closed."""
    assert await book.refused(DUO, "milestone", event="evaluated") == "act:only-the-lead"
    await book.act("vvt", "close", reason="Klaar.")
    book.later(days=80)
    assert await book.refused("vvt", "milestone", event="evaluated") == "act:case-closed"
    assert await book.refused(DUO, "milestone", event="plan-made") == "act:case-closed"
    await book.act(DUO, "milestone", event="evaluated", note="Het gaat goed.")
    assert book.clocks() == set()


async def test_a_case_closes_once(book: Casebook) -> None:
    await book.act("vvt", "close", reason="Klaar.")
    assert await book.refused("vvt", "close", reason="Nog eens.") == "act:case-closed"


async def test_a_joined_case_goes_on_elsewhere(book: Casebook) -> None:
    book.case = replace(book.case, state="joined")
    assert await book.refused("vvt", "close", reason="Klaar.") == "act:case-joined"


async def test_a_note_changes_nothing_but_stands(book: Casebook) -> None:
    before = book.case
    await book.act("vvt", "note", note="Gebeld met de school.")
    assert replace(book.case, entries=()) == replace(before, entries=())
    assert book.words(book.case.entries[-1])["note"] == "Gebeld met de school."
    assert await book.refused("vvt", "note") == "act:field-missing"
