# SPDX-License-Identifier: EUPL-1.2
"""Dutch working time by example: holidays, equated days, the nights in which the clocks change, and Friday 16:55."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from regions import FOLDER
from schakel.calendars import (
    ALWAYS,
    Roster,
    add,
    add_days,
    add_months,
    add_working_days,
    find_roster,
    is_open,
    is_working_day,
    next_open,
    public_holidays,
    working_between,
)
from schakel.region import Calendars
from schakel.region_files import load_region

LOCAL = ZoneInfo("Europe/Amsterdam")
CALENDARS = load_region(FOLDER / "haaglanden").deadlines.calendars
OFFICE = find_roster(CALENDARS, "office")
NIGHTS = Roster(week=(((0, 360), (1320, 1440)),) * 7, on_holidays=True)  # 22:00 to 06:00, every night
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def at(text: str) -> datetime:
    """A moment by the clocks in the Netherlands."""
    return datetime.fromisoformat(text).replace(tzinfo=LOCAL).astimezone(UTC)


# -- holidays


@pytest.mark.parametrize("year", range(2024, 2041))
def test_the_fifth_of_may_is_a_holiday_every_year(year: int):
    assert date(year, 5, 5) in public_holidays(year)
    assert not is_working_day(date(year, 5, 5), OFFICE)


@pytest.mark.parametrize(
    "day",
    [
        "2026-01-01",
        "2026-04-03",  # Good Friday
        "2026-04-05",
        "2026-04-06",
        "2026-04-27",
        "2026-05-05",
        "2026-05-14",  # Ascension
        "2026-05-24",
        "2026-05-25",  # Whit Monday
        "2026-12-25",
        "2026-12-26",
    ],
)
def test_the_holidays_of_the_terms_act(day: str):
    assert date.fromisoformat(day) in public_holidays(2026)


def test_there_are_no_other_holidays():
    assert len(public_holidays(2026)) == 11
    assert is_working_day(date(2026, 12, 24), OFFICE)
    assert is_working_day(date(2026, 12, 31), OFFICE)


def test_kings_day_moves_to_saturday_when_the_27th_is_a_sunday():
    assert date(2031, 4, 27).weekday() == 6
    assert date(2031, 4, 26) in public_holidays(2031)
    assert date(2031, 4, 27) not in public_holidays(2031)
    assert is_working_day(date(2031, 4, 28), OFFICE)


def test_equated_days_are_closed_as_holidays_are():
    assert is_working_day(date(2026, 5, 13), OFFICE)
    assert not is_working_day(date(2026, 5, 15), OFFICE)  # the Friday after Ascension
    assert add(at("2026-05-13T16:00"), 2 * HOUR, OFFICE) == at("2026-05-18T09:30")


def test_every_equated_day_is_a_weekday_and_no_holiday_already():
    for day in CALENDARS.equated:
        assert day.on.weekday() < 5
        assert day.on not in public_holidays(day.on.year)


def test_a_roster_may_work_on_holidays():
    assert not is_working_day(date(2026, 12, 25), OFFICE)
    assert is_working_day(date(2026, 12, 25), NIGHTS)


# -- hours


@pytest.mark.parametrize(
    ("start", "hours", "due"),
    [
        ("2026-11-04T09:00", 4, "2026-11-04T13:00"),
        ("2026-11-04T13:00", 4, "2026-11-04T17:00"),  # closing time still belongs to the day
        ("2026-11-04T13:01", 4, "2026-11-05T08:31"),
        ("2026-11-06T16:55", 4, "2026-11-09T12:25"),  # Friday 16:55
        ("2026-11-06T17:00", 4, "2026-11-09T12:30"),
        ("2026-11-07T03:00", 4, "2026-11-09T12:30"),
        ("2026-04-02T16:00", 4, "2026-04-07T11:30"),  # Maundy Thursday: Good Friday, Easter Monday
        ("2026-04-24T16:00", 4, "2026-04-28T11:30"),  # King's day on a Monday
        ("2026-05-04T16:00", 4, "2026-05-06T11:30"),  # 5 May
        ("2026-05-22T16:00", 4, "2026-05-26T11:30"),  # Whit Monday
        ("2026-12-24T16:00", 4, "2026-12-28T11:30"),  # Christmas on Friday and Saturday
        ("2028-02-28T16:00", 9, "2028-02-29T16:30"),  # a leap day works
        ("2026-03-27T16:00", 4, "2026-03-30T11:30"),  # summer time begins in between
        ("2026-10-23T16:00", 4, "2026-10-26T11:30"),  # and ends
    ],
)
def test_office_hours(start: str, hours: int, due: str):
    assert add(at(start), hours * HOUR, OFFICE) == at(due)
    assert working_between(at(start), at(due), OFFICE) == hours * HOUR


@pytest.mark.parametrize(
    ("night", "begins", "hours"),
    [
        ("2026-03-28", "2026-03-28T22:00", 7),
        ("2026-10-24", "2026-10-24T22:00", 9),
        ("2026-11-03", "2026-11-03T22:00", 8),
    ],
)
def test_a_night_in_which_the_clock_changes_is_an_hour_shorter_or_longer(night: str, begins: str, hours: int):
    morning = at(f"{date.fromisoformat(night) + timedelta(days=1)}T06:00")
    assert working_between(at(begins), morning, NIGHTS) == hours * HOUR
    assert add(at(begins), hours * HOUR, NIGHTS) == morning


def test_calendar_time_is_never_shifted():
    christmas = at("2026-12-25T03:00")
    assert add(christmas, 15 * MINUTE, ALWAYS) == christmas + 15 * MINUTE
    assert next_open(christmas, ALWAYS) == christmas
    assert working_between(christmas, christmas + 9 * HOUR, ALWAYS) == 9 * HOUR


def test_an_hour_is_an_hour_in_the_night_that_has_two_o_clock_twice():
    before = datetime(2026, 10, 25, 2, 30, tzinfo=LOCAL, fold=0)
    assert add(before, HOUR, ALWAYS) == datetime(2026, 10, 25, 2, 30, tzinfo=LOCAL, fold=1).astimezone(UTC)


# -- working days


@pytest.mark.parametrize(
    ("start", "days", "due"),
    [
        ("2026-11-02T10:00", 2, "2026-11-04T17:00"),
        ("2026-11-02T03:00", 2, "2026-11-04T17:00"),
        ("2026-11-06T16:55", 2, "2026-11-10T17:00"),
        ("2026-11-06T23:59", 2, "2026-11-10T17:00"),
        ("2026-11-07T10:00", 2, "2026-11-10T17:00"),
        ("2026-12-23T10:00", 2, "2026-12-28T17:00"),
        ("2026-05-13T10:00", 1, "2026-05-18T17:00"),  # Ascension, and the equated Friday
        ("2028-02-28T10:00", 1, "2028-02-29T17:00"),
        ("2026-03-27T10:00", 1, "2026-03-30T17:00"),
    ],
)
def test_the_day_of_asking_does_not_count_and_the_last_day_does_whole(start: str, days: int, due: str):
    assert add_working_days(at(start), days, OFFICE) == at(due)


def test_midnight_that_closes_a_day_belongs_to_that_day():
    late = Roster(week=(((720, 1440),),) * 7)
    assert add_working_days(at("2026-11-03T00:00"), 1, late) == at("2026-11-04T00:00")
    assert add_working_days(at("2026-11-03T00:01"), 1, late) == at("2026-11-05T00:00")


# -- open and closed


@pytest.mark.parametrize(
    ("moment", "opens"),
    [
        ("2026-11-04T08:29", "2026-11-04T08:30"),
        ("2026-11-04T08:30", "2026-11-04T08:30"),
        ("2026-11-04T16:59", "2026-11-04T16:59"),
        ("2026-11-06T17:00", "2026-11-09T08:30"),
        ("2026-12-24T17:30", "2026-12-28T08:30"),
    ],
)
def test_the_next_moment_at_which_somebody_works(moment: str, opens: str):
    assert next_open(at(moment), OFFICE) == at(opens)
    assert is_open(at(moment), OFFICE) == (moment == opens)


def test_nothing_lies_between_a_moment_and_one_before_it():
    assert working_between(at("2026-11-04T12:00"), at("2026-11-04T09:00"), OFFICE) == timedelta(0)
    assert working_between(at("2026-11-04T12:00"), at("2026-11-04T09:00"), ALWAYS) == timedelta(0)


# -- the calendar


@pytest.mark.parametrize(
    ("start", "months", "end"),
    [
        ("2026-11-30T10:00", 3, "2027-02-28T10:00"),
        ("2027-11-30T10:00", 3, "2028-02-29T10:00"),
        ("2026-12-31T10:00", 1, "2027-01-31T10:00"),
        ("2026-01-15T10:00", 6, "2026-07-15T10:00"),  # the same time of day, in summer
        ("2028-02-29T10:00", 12, "2029-02-28T10:00"),
    ],
)
def test_months_later_is_the_same_day_or_the_last_of_its_month(start: str, months: int, end: str):
    assert add_months(at(start), months) == at(end)


def test_days_later_is_the_same_time_of_day():
    assert add_days(at("2026-10-24T10:00"), 2) == at("2026-10-26T10:00")


# -- what is refused


def test_a_moment_without_a_time_zone_is_refused():
    naive = datetime(2026, 11, 4, 9)
    with pytest.raises(ValueError, match="time zone"):
        add(naive, HOUR, OFFICE)
    with pytest.raises(ValueError, match="time zone"):
        working_between(at("2026-11-04T09:00"), naive, OFFICE)


def test_what_cannot_be_counted_is_refused():
    with pytest.raises(ValueError, match="not negative"):
        add(at("2026-11-04T09:00"), -HOUR, OFFICE)
    with pytest.raises(ValueError, match="at least one"):
        add_working_days(at("2026-11-04T09:00"), 0, OFFICE)


def test_a_roster_that_is_not_there_is_always():
    assert find_roster(Calendars(rosters=()), "office") == ALWAYS


@pytest.mark.parametrize("name", sorted(path.parent.name for path in FOLDER.glob("*/region.yaml")))
def test_every_region_knows_the_same_equated_days(name: str):
    assert load_region(FOLDER / name).deadlines.calendars.equated == CALENDARS.equated
