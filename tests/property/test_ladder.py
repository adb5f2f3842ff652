# SPDX-License-Identifier: EUPL-1.2
"""Every clock of every region, however its ticks fall: each step is told once or counted, in its time, to who it says.

DST nights, leap days and Christmas lie in the span; a hub that was down for weeks is a gap among others."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regions import FOLDER
from schakel.clocks import Clocks
from schakel.deadline_words import dutch_time
from schakel.deadlines import due_of, overdue_steps, owner_of
from schakel.ladder import DEADLINE, step_of
from schakel.ledger_records import RunningDeadline
from schakel.records import NewDeadline
from schakel.region_files import load_region

REGIONS = {path.parent.name: load_region(path.parent) for path in sorted(FOLDER.glob("*/region.yaml"))}
ROWS = [(name, number) for name, region in REGIONS.items() for number in range(len(region.deadlines.clocks))]
MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2028, 12, 31), timezones=st.just(UTC))
GAPS = st.lists(st.timedeltas(timedelta(seconds=1), timedelta(days=30)), min_size=1, max_size=10)
HARD = (
    datetime(2026, 3, 29, 0, 30, tzinfo=UTC),  # half an hour before 02:00 becomes 03:00
    datetime(2026, 10, 25, 0, 30, tzinfo=UTC),  # in the hour that comes twice
    datetime(2028, 2, 28, 23, 30, tzinfo=UTC),  # into a leap day
    datetime(2026, 12, 24, 16, 0, tzinfo=UTC),  # Christmas Eve
    datetime(2026, 11, 20, 15, 55, tzinfo=UTC),  # Friday 16:55
)


def running(name: str, number: int, at: datetime) -> RunningDeadline:
    """The clock that this row starts at that moment."""
    row, ids = REGIONS[name].deadlines.clocks[number], count(1)
    programme = row.programmes[0] if row.programmes else "icm"
    urgency = row.urgencies[0] if row.urgencies else "normal"
    partner = next(one.id for one in REGIONS[name].partners if one.receives)
    made = Clocks(deadlines=REGIONS[name].deadlines, new_id=lambda: f"deadline-{next(ids)}").started(
        subject="subject",
        event=row.start[0],
        partner=partner,
        role=row.role,
        programme=programme,
        urgency=urgency,
        at=at,
        order_end=at + timedelta(days=10),
    )
    return kept(next(one for one in made if one.kind == row.kind), programme)


def kept(new: NewDeadline, programme: str) -> RunningDeadline:
    return RunningDeadline(
        id=new.id,
        case_id="case",
        subject=new.subject,
        kind=new.kind,
        event=new.event,
        partner=new.partner,
        role=new.role,
        programme=programme,
        urgency=new.urgency,
        started_at=new.started_at,
        due_at=new.due_at,
        order_end=new.order_end,
        next_at=new.next_at,
        seen_at=None,
        steps=0,
        lead="lead-now",
    )


@settings(deadline=None)
@given(st.sampled_from(ROWS), MOMENTS | st.sampled_from(HARD), GAPS)
def test_each_step_is_told_once_or_counted_in_its_time(
    row: tuple[str, int], start: datetime, gaps: list[timedelta]
) -> None:
    region, clock, now = REGIONS[row[0]], running(*row, start), start
    due = due_of(region.deadlines, clock)
    assert due is not None
    for gap in gaps:
        now += gap
        if clock.next_at > now:
            assert overdue_steps(due, clock.seen_at, now) == (None, 0)  # nothing has come: nobody looks
            continue
        told = step_of(region, clock, now)
        latest, passed = overdue_steps(due, clock.seen_at, now)
        assert latest is not None
        assert told.steps == passed >= 1
        assert told.next_at > now
        assert told.alarm is not None
        assert (told.alarm.cause, told.alarm.subject) == (f"{DEADLINE}{clock.kind}", clock.subject)
        assert told.alarm.owner == owner_of(region, latest.tell, partner=clock.partner, lead="lead-now")
        before = latest.at < due.due_at
        assert told.alarm.nl.startswith("Herinnering: " if before else "Te laat: ")
        assert told.alarm.en.startswith("Reminder: " if before else "Overdue: ")
        assert dutch_time(due.due_at).nl in told.alarm.nl
        clock = replace(clock, next_at=told.next_at, seen_at=now, steps=clock.steps + told.steps)
    assert clock.steps == overdue_steps(due, None, max(clock.seen_at or start, start))[1] or clock.seen_at is None


@settings(deadline=None)
@given(st.sampled_from(ROWS), MOMENTS, st.timedeltas(timedelta(0), timedelta(days=400)))
def test_one_look_after_any_silence_says_the_same_as_many_would_have_ended_with(
    row: tuple[str, int], start: datetime, silence: timedelta
) -> None:
    """A hub that was down tells the latest step; one that was not has told it by then."""
    region, once = REGIONS[row[0]], running(*row, start)
    now, many = start + silence, once
    while many.next_at <= now and many.steps < 80:  # each look counts from the start: many cost their square
        step = step_of(region, many, many.next_at)
        many = replace(many, next_at=step.next_at, seen_at=many.next_at, steps=many.steps + step.steps)
        last = step.alarm
    if once.next_at > now or many.next_at <= now:
        return
    at_once = step_of(region, once, now)
    assert (at_once.alarm, at_once.next_at, at_once.steps) == (last, many.next_at, many.steps)


def test_a_deadline_that_the_table_lost_is_told_to_the_coordinator_until_it_ends() -> None:
    region = REGIONS["haaglanden"]
    lost = replace(running("haaglanden", 0, HARD[0]), kind="gone")
    step = step_of(region, lost, lost.due_at)
    assert step.alarm is not None
    assert (step.alarm.owner, step.alarm.cause) == ("coordinator", "deadline:gone")
    assert step.next_at == lost.due_at + region.deadlines.parked_alarm_every


def test_a_norm_of_the_case_is_on_whoever_leads_it_now() -> None:
    region = REGIONS["haaglanden"]
    number = next(n for n, row in enumerate(region.deadlines.clocks) if row.kind == "plan")
    moved = replace(running("haaglanden", number, HARD[0]), subject="case", lead="perspektief")
    step = step_of(region, moved, moved.next_at)
    assert step.alarm is not None
    assert step.alarm.owner == "perspektief"
    assert step.alarm.nl.startswith("Herinnering: Perspektief (lead), plan van aanpak")


@pytest.mark.parametrize(
    ("moment", "nl"),
    [
        (datetime(2026, 11, 21, 10, 15, tzinfo=UTC), "21-11-2026 11:15"),
        (datetime(2026, 7, 1, 10, 15, tzinfo=UTC), "01-07-2026 12:15"),
        (datetime(2026, 10, 25, 0, 30, tzinfo=UTC), "25-10-2026 02:30 (zomertijd)"),
        (datetime(2026, 10, 25, 1, 30, tzinfo=UTC), "25-10-2026 02:30 (wintertijd)"),
        (datetime(2028, 2, 29, 12, 0, tzinfo=UTC), "29-02-2028 13:00"),
    ],
)
def test_times_are_those_on_the_wall(moment: datetime, nl: str) -> None:
    assert dutch_time(moment).nl == nl
