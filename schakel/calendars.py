# SPDX-License-Identifier: EUPL-1.2
"""Working time in the Netherlands: rosters, public holidays and equated days, and counting along them.

Moments come in aware and go out in UTC. A closing time still belongs to the working time before it: what is due after
the last hour of the day is due at closing time, not at the opening of the next day. Hours are those of the clocks in
the Netherlands; a duration is always real time, also in the nights in which the clocks change.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from schakel.region import DAY_MINUTES, WEEKDAYS, Calendars

LOCAL: Final = ZoneInfo("Europe/Amsterdam")
_DAY: Final = timedelta(days=1)
# Algemene termijnenwet art. 3(1) and (2)
_FIXED: Final = ((1, 1), (5, 5), (12, 25), (12, 26))  # 5 May every year
_FROM_EASTER: Final = (-2, 0, 1, 39, 49, 50)  # days: Good Friday, Easter, Ascension, Whitsun


@dataclass(frozen=True, slots=True)
class Roster:
    """When somebody works. `week`: per weekday, from Monday, (opens, closes) in minutes since midnight, in order and
    apart. `closed`: days off beside public holidays."""

    always: bool = False
    week: tuple[tuple[tuple[int, int], ...], ...] = ()
    on_holidays: bool = False
    closed: frozenset[date] = frozenset()
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Days are looked up by roster all the time: its hash is made once."""
        object.__setattr__(self, "_hash", hash((self.always, self.week, self.on_holidays, self.closed)))

    def __hash__(self) -> int:
        return self._hash


ALWAYS: Final = Roster(always=True)


def find_roster(calendars: Calendars, name: str) -> Roster:
    """The roster of this name. One that is not there (`region check` refuses that) is always: early, not never."""
    row = next((row for row in calendars.rosters if row.id == name), None)
    if row is None or row.always:
        return ALWAYS
    return Roster(
        week=tuple(
            tuple(sorted((each.opens, each.closes) for each in row.hours if weekday in each.days))
            for weekday in WEEKDAYS
        ),
        on_holidays=row.on_holidays,
        closed=frozenset(day.on for day in calendars.equated),
    )


@cache
def public_holidays(year: int) -> frozenset[date]:
    """Of the Netherlands, as the terms act counts them: New Year, Good Friday, Easter, King's day, 5 May, Ascension,
    Whitsun, Christmas."""
    easter = _easter(year)
    kings_day = date(year, 4, 27 if year >= 2014 else 30)
    return frozenset(
        (
            *(date(year, month, day) for month, day in _FIXED),
            *(easter + timedelta(days=days) for days in _FROM_EASTER),
            kings_day - _DAY if kings_day.weekday() == 6 else kings_day,  # never on a Sunday
        )
    )


def _easter(year: int) -> date:
    """Easter Sunday, of the Gregorian calendar (Meeus, Jones and Butcher)."""
    century, place = divmod(year, 100)
    moon = (19 * (year % 19) + century - century // 4 - (century - (century + 8) // 25 + 1) // 3 + 15) % 30
    sunday = (32 + 2 * (century % 4) + 2 * (place // 4) - moon - place % 4) % 7
    late = (year % 19 + 11 * moon + 22 * sunday) // 451
    month, day = divmod(moon + sunday - 7 * late + 114, 31)
    return date(year, month, day + 1)


def is_working_day(day: date, roster: Roster) -> bool:
    """Whether anybody of this roster works on this day."""
    return bool(_hours(day, roster))


def is_open(moment: datetime, roster: Roster) -> bool:
    """Whether somebody works at this moment. At closing time nobody does any more."""
    return next_open(moment, roster) == moment


def next_open(moment: datetime, roster: Roster) -> datetime:
    """This moment when somebody works, else the next at which somebody does."""
    moment = _utc(moment)
    if roster.always:
        return moment
    return next(max(opens, moment) for opens, closes in _openings(moment, roster) if closes > moment)


def add(start: datetime, length: timedelta, roster: Roster) -> datetime:
    """The first moment within working time, closing times included, at which `length` has been worked since `start`.

    Raises ValueError for a negative length."""
    if length < timedelta(0):
        raise ValueError("length: not negative")
    start = _utc(start)
    if roster.always:
        return start + length
    left = length
    for opens, closes in _openings(start, roster):
        if closes < start:
            continue
        begins = max(opens, start)
        if left <= closes - begins:
            return begins + left
        left -= closes - begins
    raise AssertionError("a roster opens again")


def add_working_days(start: datetime, count: int, roster: Roster) -> datetime:
    """Closing time of the `count`-th working day after the day of `start`, which itself does not count: a term in days
    ends with its last day (as in Algemene termijnenwet art. 1). Raises ValueError for less than one day."""
    if count < 1:
        raise ValueError("count: at least one working day")
    day = _day_of(start, roster)
    while count:
        day += _DAY
        count -= is_working_day(day, roster)
    return _opened(day, roster)[-1][1]


def working_between(start: datetime, end: datetime, roster: Roster) -> timedelta:
    """How much of the time from `start` to `end` is working time; none when `end` lies before `start`."""
    start, end = _utc(start), _utc(end)
    if roster.always:
        return max(end - start, timedelta(0))
    worked = timedelta(0)
    for opens, closes in _openings(start, roster):
        if opens >= end:
            break
        worked += max(min(closes, end) - max(opens, start), timedelta(0))
    return worked


def add_months(start: datetime, months: int) -> datetime:
    """The same day and time so many months later, in the Netherlands; the last day of a month that has no such day."""
    local = _utc(start).astimezone(LOCAL)
    year, month = divmod(local.year * 12 + local.month - 1 + months, 12)
    first = date(year, month + 1, 1)
    last = (first.replace(day=28) + timedelta(days=4)).replace(day=1) - _DAY
    return local.replace(year=year, month=month + 1, day=min(local.day, last.day)).astimezone(UTC)


def add_days(start: datetime, days: int) -> datetime:
    """The same time of day so many days later, in the Netherlands."""
    return (_utc(start).astimezone(LOCAL) + timedelta(days=days)).astimezone(UTC)


# -- days --------------------------------------------------------------------------------------------------------------


def _hours(day: date, roster: Roster) -> tuple[tuple[int, int], ...]:
    if roster.always:
        return ((0, DAY_MINUTES),)
    if not roster.on_holidays and (day in roster.closed or day in public_holidays(day.year)):
        return ()
    return roster.week[day.weekday()]


@lru_cache(maxsize=4096)
def _opened(day: date, roster: Roster) -> tuple[tuple[datetime, datetime], ...]:
    """The day's openings in UTC, in order and apart. Hours that a night skips are none."""
    found: list[tuple[datetime, datetime]] = []
    for opens, closes in _hours(day, roster):
        begins, ends = _moment(day, opens), _moment(day, closes)
        if found:
            begins = max(begins, found[-1][1])
        if begins < ends:
            found.append((begins, ends))
    return tuple(found)


def _openings(moment: datetime, roster: Roster) -> Iterator[tuple[datetime, datetime]]:
    """From the day before `moment` on (its last closing time can be `moment` itself), for ever."""
    day = moment.astimezone(LOCAL).date() - _DAY
    while True:
        yield from _opened(day, roster)
        day += _DAY


def _day_of(moment: datetime, roster: Roster) -> date:
    """The local day. Midnight that ends an opening belongs to the day that it ends."""
    moment = _utc(moment)
    day = moment.astimezone(LOCAL).date()
    before = _opened(day - _DAY, roster)
    return day - _DAY if before and before[-1][1] == moment else day


def _moment(day: date, minutes: int) -> datetime:
    if minutes == DAY_MINUTES:
        day, minutes = day + _DAY, 0
    return datetime.combine(day, time(minutes // 60, minutes % 60), LOCAL).astimezone(UTC)


def _utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("moment: with a time zone")
    return moment if moment.tzinfo is UTC else moment.astimezone(UTC)
