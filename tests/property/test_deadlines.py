# SPDX-License-Identifier: EUPL-1.2
"""Every deadline of every region, from any moment: its steps go forward, none is told twice or skipped however long the
hub was down, and what is on an order is never shifted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from regions import FOLDER
from schakel.calendars import next_open
from schakel.deadlines import Begun, Due, begun_along, clock_for, clock_rows, collapse, next_step, overdue_steps
from schakel.region import Deadline
from schakel.region_files import load_region

TABLES = {path.parent.name: load_region(path.parent).deadlines for path in sorted(FOLDER.glob("*/region.yaml"))}
ROWS = [(region, number) for region, table in TABLES.items() for number in range(len(table.clocks))]
MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2029, 12, 31), timezones=st.just(UTC))
GAPS = st.lists(st.timedeltas(timedelta(seconds=1), timedelta(days=40)), min_size=1, max_size=8)


def due_of(region: str, number: int, at: datetime) -> Due:
    """The clock of this row, or of the one before it that fits the same facts."""
    row = TABLES[region].clocks[number]
    found = clock_for(TABLES[region], **facts_of(row), at=at, order_end=at + timedelta(days=10))
    return next(due for due in found if due.kind == row.kind)


def facts_of(row: Deadline) -> dict[str, str]:
    """A message that this row, or one before it, is about."""
    return {
        "event": row.start[0],
        "role": row.role,
        "programme": row.programmes[0] if row.programmes else "icm",
        "urgency": row.urgencies[0] if row.urgencies else "normal",
    }


@settings(deadline=None)
@given(st.sampled_from(ROWS), MOMENTS)
def test_steps_go_forward_from_the_start_through_the_deadline(row: tuple[str, int], start: datetime):
    due = due_of(*row, start)
    assert all(start <= reminder < due.due_at for reminder in due.reminders)
    assert all(step.at >= due.due_at for step in due.ladder)
    assert all(one.at < other.at for one, other in pairwise(due.steps))


@settings(deadline=None)
@given(st.sampled_from(ROWS), MOMENTS, st.none() | st.timedeltas(timedelta(0), timedelta(days=28)))
def test_as_it_begins_a_deadline_is_due_and_first_steps_when_it_says(
    row: tuple[str, int], start: datetime, order: timedelta | None
):
    table, end = TABLES[row[0]], None if order is None else start + order
    facts = facts_of(table.clocks[row[1]])
    begun = begun_along(clock_rows(table, **facts), at=start, order_end=end)
    dues = clock_for(table, **facts, at=start, order_end=end)
    assert begun == tuple(Begun(due.kind, due.due_at, min(step.at for step in due.steps), due.until) for due in dues)


@settings(deadline=None)
@given(st.sampled_from(ROWS), MOMENTS)
def test_after_every_step_comes_another_until_somebody_answers(row: tuple[str, int], start: datetime):
    due = due_of(*row, start)
    now, told = start, 0
    while told < len(due.steps) + 3:
        step = next_step(due, now, False)
        assert step is not None
        assert step.at > now or step.at == start
        assert next_step(due, now, True) is None
        now, told = step.at, told + 1
    assert now > due.due_at


@settings(deadline=None)
@given(st.sampled_from(ROWS), MOMENTS, GAPS)
def test_however_often_the_hub_looks_it_counts_each_step_once(
    row: tuple[str, int], start: datetime, gaps: list[timedelta]
):
    due = due_of(*row, start)
    looks = [start]
    for gap in gaps:
        looks.append(looks[-1] + gap)
    whole, count = overdue_steps(due, start, looks[-1])
    parts = [overdue_steps(due, one, other) for one, other in pairwise(looks)]
    assert sum(part for _, part in parts) == count
    latest = [step for step, _ in parts if step is not None]
    assert (latest[-1] if latest else None) == whole
    assert whole is None or start < whole.at <= looks[-1]
    assert (whole is None) == (count == 0)


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(ROWS), MOMENTS), min_size=1, max_size=12), MOMENTS)
def test_a_stop_gives_at_most_one_alarm_for_each_deadline_in_the_order_of_falling_due(
    chosen: list[tuple[tuple[str, int], datetime]], now: datetime
):
    dues = {f"s-{number}": due_of(*row, start) for number, (row, start) in enumerate(chosen)}
    found = collapse(dues, now - timedelta(days=3), now)
    assert len({each.subject for each in found}) == len(found)
    assert all(one.due.due_at <= other.due.due_at for one, other in pairwise(found))
    assert all(now - timedelta(days=3) < each.step.at <= now for each in found)


@settings(deadline=None)
@given(MOMENTS, st.timedeltas(timedelta(hours=1), timedelta(days=28)))
def test_an_order_is_never_shifted(start: datetime, length: timedelta):
    for table, row in [(TABLES[region], TABLES[region].clocks[number]) for region, number in ROWS]:
        if row.before_order_end is not None:
            (due,) = clock_for(
                table, event="order-imposed", role="lead", programme="icm", urgency="normal", at=start,
                order_end=start + length,
            )  # fmt: skip
            assert due.due_at == start + length - row.before_order_end
            assert all(next_open(step.at, due.roster) == step.at for step in due.steps)
