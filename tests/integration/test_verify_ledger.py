# SPDX-License-Identifier: EUPL-1.2
"""The accountant finds every hole that is dug by hand in the ledger, its clocks and what is kept, and names it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from schakel.ledger_records import DeadlineStep, EndedDeadline, LedgerDecision, NewMatter, Transition
from schakel.records import NewAlarm
from schakel.store.database import create_database
from schakel.store.sqlite import SqliteStore, open_sqlite
from schakel.verify_ledger import LEDGER_COUNTS, LEDGER_RULES
from tests.conformance.store_acts import HOUR, effort, entry, of, opened
from tests.conformance.store_cases import (
    CAUSES,
    NOW,
    SECOND,
    TIMES,
    act,
    act_one,
    answer,
    arrival,
    clock,
    close_case,
    decide_answer,
    deliver_all,
    fresh,
)
from tests.integration.test_verify import KEY, dig, verified

DAY = timedelta(days=1)
LATER = NOW + 3 * HOUR  # before any clock comes due


async def live(store: SqliteStore) -> None:
    """A case in which everything was asked and answered, one that is closed and watched over, one that is erased."""
    case = await opened(store, arrival(household="open"))
    lead, duo = of(case, "lead"), of(case, "duo")
    await deliver_all(store)
    await store.answer_many([answer("vvt", lead.reference), answer(duo.partner, duo.reference)], decide_answer)
    asked, agreed = effort(duo.id), effort(duo.id)
    known = replace(effort(duo.id), machine="known-check", request_id=None)
    team = replace(effort(duo.id), machine="hand-over", event="propose", request_id=None)
    involved = NewMatter(fresh("matter"), "establishment", "establish", "lead", "vvt", duo.partner, "duo")
    made = (asked, agreed, known, team, replace(involved, request_id=duo.id))
    said = [entry(one.request_id if one.machine == "establishment" else one.id, one.event) for one in made]
    running = [
        clock(one.id, one.partner, one.role, kind=one.machine, event=f"{one.machine}-asked")
        for one in (asked, known, team)
    ]
    plan = clock(case.id, "vvt", "lead", kind="plan", event="first-visit")
    await act_one(
        store,
        act(case.references["vvt"]),
        LedgerDecision(
            matters=made,
            moves=(Transition("effort", agreed.id, "accept", "recipient", agreed.partner),),
            entries=(*said, entry(agreed.id, "accept"), entry(case.id, "first-visit")),
            deadlines=(*running, plan),
        ),
    )
    closed = await opened(store, arrival(household="closed"))
    await deliver_all(store)
    follow_up = clock(closed.id, duo.partner, "duo", kind="follow-up", event="closed")
    ended = tuple(EndedDeadline(one.id, "closed") for one in closed.involved)
    told = {"entries": (entry(closed.id, "closed"),), "ended": ended, "deadlines": (follow_up,)}
    await close_case(store, closed.id, **told)
    gone = await opened(store, arrival(household="gone", received_at=NOW - 9 * DAY))
    await deliver_all(store, now=NOW - 9 * DAY)
    both = tuple(EndedDeadline(one.id, "closed") for one in gone.involved)
    await close_case(store, gone.id, at=NOW - 8 * DAY, ended=both, entries=(entry(gone.id, "closed"),))
    await store.link_audit(now=NOW, limit=1000)
    assert (await store.erase(by="clock", now=NOW, limit=99)).cases == 1
    await store.link_audit(now=NOW, limit=1000)


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    path = tmp_path / "schakel.sqlite"
    create_database(path)
    store = open_sqlite(path, causes=CAUSES, alarm_times=TIMES, signer=KEY)
    await live(store)
    await store.aclose()
    return path


async def test_nothing_is_wrong_and_the_counts_say_what_there_is(path: Path) -> None:
    report = verified(path, now=LATER)
    assert (report.ok, report.holes) == (True, ())
    counts = {name: report.counts[name] for name in LEDGER_COUNTS}
    assert counts == {
        "matters": 5,
        "mattersOpen": 3,
        "entries": 9,
        "clocksRunning": 5,
        "clocksOverdue": 0,
        "casesOpen": 1,
        "casesErased": 1,
        "eraseOverdue": 0,
        "eraseSpared": 0,
    }


OPEN = "(SELECT id FROM case_file WHERE state = 'open')"
CLOSED = "(SELECT id FROM case_file WHERE state = 'closed' AND wrapped_key IS NOT NULL)"
GONE = "(SELECT id FROM case_file WHERE wrapped_key IS NULL)"
PAST = "2026-01-01T00:00:00.000000Z"
HOLES: dict[str, tuple[tuple[str, ...], set[str]]] = {
    "asked and no clock": (
        (
            "UPDATE request SET state = 'asked', state_ordinal = 1 WHERE role = 'duo'",
            "DELETE FROM state_event WHERE machine = 'request' AND ordinal = 2",
        ),
        {"request:no-clock"},
    ),
    "matter asked and no clock": (("DELETE FROM deadline WHERE kind = 'known-check'",), {"matter:no-clock"}),
    "its clock has ended": (
        (f"UPDATE deadline SET ended_at = '{PAST}', ended_by = 'x' WHERE kind = 'effort'",),
        {"matter:no-clock"},
    ),
    "effort without an end": (("UPDATE matter SET valid_until = NULL WHERE state = 'accepted'",), {"matter:no-end"}),
    "effort that did not end": (
        (f"UPDATE matter SET valid_until = '{PAST}' WHERE state = 'accepted'",),
        {"matter:not-ended"},
    ),
    "hand-over that nobody decides": (
        ("UPDATE matter SET state = 'lapsed' WHERE machine = 'hand-over'",),
        {"hand-over:nobody-decides", "state:not-last-event"},
    ),
    "clock of a closed case": (
        (f"UPDATE deadline SET event = 'plan-made' WHERE case_id = {CLOSED} AND ended_at IS NULL",),
        {"deadline:after-close"},
    ),
    "clock of an erased case": (
        (f"UPDATE deadline SET ended_at = NULL, ended_by = NULL WHERE case_id = {GONE}",),
        {"deadline:after-close"},
    ),
    "clock for nothing": (("UPDATE deadline SET subject = 'nobody' WHERE kind = 'plan'",), {"deadline:for-nothing"}),
    "clock of another case": (
        (f"UPDATE deadline SET case_id = {CLOSED} WHERE kind = 'effort'",),
        {"deadline:for-nothing"},
    ),
    "clock of what was answered": (
        ("UPDATE deadline SET ended_at = NULL, ended_by = NULL WHERE ended_by = 'confirm'",),
        {"deadline:answered"},
    ),
    "clock of an effort that was accepted": (
        ("UPDATE deadline SET subject = (SELECT id FROM matter WHERE state = 'accepted') WHERE kind = 'effort'",),
        {"deadline:answered", "matter:no-clock"},
    ),
    "a step that nobody told": ((f"UPDATE deadline SET next_at = '{PAST}' WHERE kind = 'plan'",), {"deadline:silent"}),
    "a clock that stands still": (("UPDATE deadline SET next_at = NULL WHERE kind = 'plan'",), {"deadline:silent"}),
    "two clocks of a kind": (
        (
            "DROP INDEX deadline_once",
            "INSERT INTO deadline SELECT 'copy', case_id, subject, kind, event, partner, role, urgency, order_end,"
            " started_at, made_at, due_at, next_at, seen_at, steps, ended_at, ended_by FROM deadline"
            " WHERE kind = 'plan'",
        ),
        {"deadline:two"},
    ),
    "entry without its move": (
        ("UPDATE ledger_entry SET event = 'adjust' WHERE event = 'accept'",),
        {"entry:no-move"},
    ),
    "establishment without its move": (
        ("UPDATE ledger_entry SET event = 'release' WHERE event = 'establish'",),
        {"entry:no-move"},
    ),
    "move at another time": (
        (f"UPDATE ledger_entry SET known_at = '{PAST}' WHERE event = 'accept'",),
        {"entry:no-move"},
    ),
    "closed in the ledger only": (
        (f"UPDATE ledger_entry SET subject = {OPEN}, case_id = {OPEN}, ordinal = 9 WHERE case_id = {CLOSED}",),
        {"entry:not-closed", "entry:gap"},
    ),
    "entry removed": (("DELETE FROM ledger_entry WHERE ordinal = 2",), {"entry:gap"}),
    "nobody said it": (
        ("DELETE FROM ledger_entry WHERE subject IN (SELECT id FROM matter WHERE machine = 'known-check')",),
        {"matter:nobody-said", "entry:gap"},
    ),
    "entry about nothing": (("UPDATE ledger_entry SET subject = 'nobody' WHERE event = 'accept'",), {"entry:stray"}),
    "matter of another case": (
        (f"UPDATE matter SET case_id = {CLOSED} WHERE state = 'accepted'",),
        {"matter:other-case"},
    ),
    "matter's state is not the last event's": (
        ("UPDATE matter SET state = 'ended' WHERE state = 'accepted'",),
        {"state:not-last-event"},
    ),
    "matter removed": (
        ("DELETE FROM matter WHERE machine = 'hand-over'",),
        {"history:no-object", "deadline:for-nothing", "entry:stray"},
    ),
    "move of a matter that does not exist": (
        ("UPDATE state_event SET role = 'clock' WHERE machine = 'effort' AND event = 'accept'",),
        {"history:impossible"},
    ),
    "state change without audit row": (
        ("UPDATE audit SET action = 'effort:other' WHERE action = 'effort:accept'",),
        {"audit:missing", "audit:broken-chain"},
    ),
    "case open again": (
        ("UPDATE case_file SET state = 'open' WHERE state = 'closed'",),
        {"case:closed-otherwise", "state:not-last-event"},
    ),
    "closed case that goes on": (("UPDATE match_key SET open = 1",), {"case:closed-otherwise"}),
    "case removed": (
        (f"DELETE FROM case_file WHERE id = {CLOSED}",),
        {"history:no-object", "message:no-case", "deadline:for-nothing"},
    ),
    "no end date": (("UPDATE case_file SET erase_at = NULL",), {"erase:missing"}),
    "erased by half": ((f"UPDATE message SET content = x'00' WHERE case_id = {GONE}",), {"erase:half"}),
    "a key that came back": (
        ("UPDATE raw_referral SET wrapped_key = x'00' WHERE erased_at IS NOT NULL",),
        {"erase:half"},
    ),
    "erased without audit": (
        ("DELETE FROM audit WHERE action IN ('retention:case', 'retention:raw')",),
        {"erase:unaudited", "audit:checkpoint-stray"},
    ),
    "numbers forgotten that were not": (("UPDATE recipient SET forgotten = 1",), {"number:gap"}),
}


@pytest.mark.parametrize("hole", HOLES)
async def test_a_hole_dug_by_hand_is_found_and_named(path: Path, hole: str) -> None:
    statements, rules = HOLES[hole]
    dig(path, *statements)
    report = verified(path, now=LATER)
    assert rules <= set(report.found), report.found
    named = {found.rule: found for found in report.holes}
    assert all(named[rule].object and named[rule].nl and named[rule].en for rule in rules)


def test_every_rule_of_the_ledger_has_its_hole() -> None:
    assert {rule.name for rule in LEDGER_RULES} <= {name for _, rules in HOLES.values() for name in rules}


async def test_a_ladder_that_is_told_in_time_is_no_hole(path: Path) -> None:
    store = open_sqlite(path, causes=CAUSES, alarm_times=TIMES, signer=KEY)
    late = NOW + 4 * HOUR
    due = await store.due_deadlines(now=late, limit=99)
    steps = [
        DeadlineStep(one, late + HOUR, NewAlarm(f"deadline:{one.kind}", one.subject, "coordinator", "nl", "en"), 1)
        for one in due
    ]
    await store.step_deadlines(steps, now=late)
    await store.link_audit(now=late, limit=1000)
    await store.aclose()
    assert verified(path, now=late).ok
    assert "deadline:silent" in verified(path, now=late + 2 * HOUR).found


async def test_what_is_past_its_term_is_counted_after_a_grace_and_what_is_spared_apart(path: Path) -> None:
    """The closed case's raw bytes, both deliveries, then its content; the open case's bytes too."""
    term = NOW + DAY
    assert verified(path, now=term + HOUR).counts["eraseOverdue"] == 0
    report = verified(path, now=term + 2 * HOUR + SECOND)
    assert (report.counts["eraseOverdue"], report.counts["eraseSpared"]) == (6, 0)
    later = verified(path, now=term + 3 * HOUR)
    assert (later.counts["eraseOverdue"], later.counts["eraseSpared"]) == (7, 0)
    dig(path, "UPDATE delivery SET state = 'waiting', delivered_at = NULL")
    held = verified(path, now=term + 3 * HOUR)
    assert (held.counts["eraseOverdue"], held.counts["eraseSpared"]) == (0, 3)


async def test_after_five_years_the_books_are_well_and_a_cut_without_record_is_not(path: Path) -> None:
    store = open_sqlite(path, causes=CAUSES, alarm_times=TIMES, signer=KEY)
    ends = (EndedDeadline(of_subject, "erased") for of_subject in await subjects(store))
    (case_id,) = [one.case_id for one in await store.due_deadlines(now=NOW + 9 * DAY, limit=99) if one.kind == "plan"]
    await act_one(store, act(case_id, actor="operator:Jo"), LedgerDecision(ended=tuple(ends)))
    at = NOW + timedelta(days=1826) + HOUR
    erased = await store.erase(by="clock", now=at, limit=999)
    assert (erased.cases, erased.ledgers) == (1, 2)
    assert erased.audit > 0
    await store.link_audit(now=at, limit=1000)
    await store.aclose()
    found = verified(path, now=at).found
    assert set(found) <= {"matter:no-clock", "matter:not-ended"}  # what the test left open; nothing of what has gone
    dig(path, "DELETE FROM audit WHERE action = 'retention:audit'")
    assert "audit:broken-chain" in verified(path, now=at).found


async def subjects(store: SqliteStore) -> set[str]:
    return {one.subject for one in await store.due_deadlines(now=NOW + 99 * DAY, limit=99)}
