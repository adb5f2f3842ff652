# SPDX-License-Identifier: EUPL-1.2
"""Working time for any roster: later starts are due later, lengths add up, nothing is due while closed, and what was
added can be counted back. Checked against counting minute by minute by the clock on the wall."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import holidays
from hypothesis import given, settings
from hypothesis import strategies as st

from schakel.calendars import (
    ALWAYS,
    Roster,
    add,
    add_months,
    add_working_days,
    is_open,
    is_working_day,
    next_open,
    public_holidays,
    working_between,
)

LOCAL = ZoneInfo("Europe/Amsterdam")
NOTHING = timedelta(0)
MINUTE = timedelta(minutes=1)


@st.composite
def openings(draw: st.DrawFn) -> tuple[tuple[int, int], ...]:
    """Up to three openings of a day, apart, also through midnight; the hour that a night skips or repeats left out."""
    edges = sorted(draw(st.sets(st.integers(180, 1440), max_size=6)))
    return tuple(zip(edges[::2], edges[1::2], strict=False))


@st.composite
def with_hours(draw: st.DrawFn) -> Roster:
    week = tuple(draw(openings()) for _ in range(7))
    if not any(week):
        week = (((480, 1020),), *week[1:])
    closed = draw(st.frozensets(st.dates(date(2026, 1, 1), date(2029, 12, 31)), max_size=5))
    return Roster(week=week, on_holidays=draw(st.booleans()), closed=closed)


ROSTERS = st.one_of(st.just(ALWAYS), with_hours())
# Years with a leap day, and moments that gather where it is hard: the clock changes, Easter, Christmas, closing times.
ANY = st.datetimes(datetime(2026, 1, 1), datetime(2029, 12, 31), timezones=st.just(UTC))
HARD = st.builds(
    lambda base, minutes: base + minutes * MINUTE,
    st.sampled_from(
        [
            datetime(2026, 3, 28, 23, tzinfo=UTC),
            datetime(2026, 10, 24, 23, tzinfo=UTC),
            datetime(2028, 2, 28, 16, tzinfo=UTC),
            datetime(2026, 12, 24, 15, 55, tzinfo=UTC),
            datetime(2026, 4, 2, 14, tzinfo=UTC),
            datetime(2026, 12, 31, 22, tzinfo=UTC),
        ]
    ),
    st.integers(-300, 300),
)
MOMENTS = st.one_of(ANY, HARD)
LENGTHS = st.timedeltas(NOTHING, timedelta(hours=60))


@settings(deadline=None)
@given(MOMENTS, MOMENTS, LENGTHS, ROSTERS)
def test_who_starts_later_is_not_due_earlier(one: datetime, other: datetime, length: timedelta, roster: Roster):
    first, second = sorted([one, other])
    assert add(first, length, roster) <= add(second, length, roster)


@settings(deadline=None)
@given(MOMENTS, LENGTHS, LENGTHS, ROSTERS)
def test_longer_is_not_earlier_and_lengths_add_up(start: datetime, one: timedelta, other: timedelta, roster: Roster):
    assert add(start, one, roster) <= add(start, one + other, roster)
    assert add(add(start, one, roster), other, roster) == add(start, one + other, roster)


@settings(deadline=None)
@given(MOMENTS, LENGTHS, ROSTERS)
def test_what_was_added_can_be_counted_back(start: datetime, length: timedelta, roster: Roster):
    assert working_between(start, add(start, length, roster), roster) == length


@settings(deadline=None)
@given(MOMENTS, LENGTHS, ROSTERS)
def test_nothing_is_due_while_everybody_is_away(start: datetime, length: timedelta, roster: Roster):
    due = add(start, length, roster)
    assert due >= start
    assert is_open(due, roster) or is_open(due - timedelta(microseconds=1), roster)  # open, or just closing


@settings(deadline=None)
@given(MOMENTS, MOMENTS, MOMENTS, ROSTERS)
def test_time_between_is_the_sum_of_its_parts(one: datetime, other: datetime, third: datetime, roster: Roster):
    a, b, c = sorted([one, other, third])
    parts = working_between(a, b, roster) + working_between(b, c, roster)
    assert working_between(a, c, roster) == parts
    assert NOTHING <= parts <= c - a


@settings(deadline=None)
@given(MOMENTS, ROSTERS)
def test_it_opens_at_the_first_moment_at_which_somebody_works(moment: datetime, roster: Roster):
    opens = next_open(moment, roster)
    assert opens >= moment
    assert is_open(opens, roster)
    assert working_between(moment, opens, roster) == NOTHING
    assert working_between(opens, opens + MINUTE, roster) > NOTHING


@settings(deadline=None)
@given(MOMENTS, MOMENTS, st.integers(1, 20), st.integers(1, 20), ROSTERS)
def test_working_days_are_monotone_and_add_up(one: datetime, other: datetime, m: int, n: int, roster: Roster):
    first, second = sorted([one, other])
    assert add_working_days(first, m, roster) <= add_working_days(second, m, roster)
    assert add_working_days(first, m, roster) < add_working_days(first, m + 1, roster)
    assert add_working_days(add_working_days(first, m, roster), n, roster) == add_working_days(first, m + n, roster)


@settings(deadline=None)
@given(MOMENTS, st.integers(1, 20), with_hours())
def test_so_many_working_days_lie_between(start: datetime, count: int, roster: Roster):
    due = add_working_days(start, count, roster)
    just_before = (due - timedelta(microseconds=1)).astimezone(LOCAL).date()
    day, days = start.astimezone(LOCAL).date(), 0
    while day < just_before:
        day += timedelta(days=1)
        days += is_working_day(day, roster)
    assert days in (count, count - 1)  # a start at a closing midnight belongs to the day before
    assert is_working_day(just_before, roster)


@settings(deadline=None)
@given(HARD, st.integers(0, 1500), with_hours())
def test_it_agrees_with_counting_minutes_on_the_wall(start: datetime, minutes: int, roster: Roster):
    start = start.replace(second=0, microsecond=0)
    counted = sum(_works(start + minute * MINUTE, roster) for minute in range(minutes))
    assert working_between(start, start + minutes * MINUTE, roster) == counted * MINUTE


def _works(moment: datetime, roster: Roster) -> bool:
    local = moment.astimezone(LOCAL)
    off = local.date() in roster.closed or local.date() in public_holidays(local.year)
    minute = local.hour * 60 + local.minute
    return (roster.on_holidays or not off) and any(a <= minute < b for a, b in roster.week[local.weekday()])


@settings(deadline=None)
@given(MOMENTS, st.integers(0, 40), st.integers(0, 40))
def test_months_are_monotone_and_keep_the_day_where_there_is_one(start: datetime, months: int, more: int):
    one, other = add_months(start, months), add_months(start, months + more)
    assert one <= other
    local, then = start.astimezone(LOCAL), one.astimezone(LOCAL)
    assert (then.year * 12 + then.month) - (local.year * 12 + local.month) == months
    assert then.day == local.day or (then.day < local.day and (then + timedelta(days=1)).day == 1)


@settings(deadline=None)
@given(st.integers(2020, 2060))
def test_the_terms_act_counts_eleven_days_but_for_a_coincidence(year: int):
    days = public_holidays(year)
    assert 9 <= len(days) <= 11
    assert {date(year, 1, 1), date(year, 5, 5), date(year, 12, 25), date(year, 12, 26)} <= days


def test_public_holidays_are_those_that_a_library_knows() -> None:
    """It calls 5 May and Good Friday optional; the terms act does not."""
    for year in range(1990, 2101):
        known = holidays.country_holidays("NL", years=year, categories=(holidays.PUBLIC, holidays.OPTIONAL))
        assert public_holidays(year) == frozenset(known), year
