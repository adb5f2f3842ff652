# SPDX-License-Identifier: EUPL-1.2
"""When an answer is due: the first row that fits, in calendar time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from regions import FOLDER
from schakel.deadlines import due_at, remind_at
from schakel.region_files import load_region

TABLE = load_region(FOLDER / "haaglanden").deadlines
NOW = datetime(2026, 11, 3, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    ("role", "urgency", "within"),
    [
        ("lead", "crisis", timedelta(minutes=15)),
        ("lead", "normal", timedelta(hours=4)),
        ("duo", "crisis", timedelta(hours=1)),
        ("partner", "crisis", timedelta(days=2)),
    ],
)
def test_each_role_has_its_own_time(role: str, urgency: str, within: timedelta):
    assert due_at(TABLE, role=role, programme="icm", urgency=urgency, start=NOW) == NOW + within


def test_the_first_row_that_fits_counts():
    quick = TABLE.answers[0].model_copy(update={"programmes": ("mda++",), "within": timedelta(seconds=1)})
    table = TABLE.model_copy(update={"answers": (quick, *TABLE.answers)})
    assert due_at(table, role="lead", programme="mda++", urgency="crisis", start=NOW) == NOW + timedelta(seconds=1)
    assert due_at(table, role="lead", programme="icm", urgency="crisis", start=NOW) == NOW + timedelta(minutes=15)


def test_a_deadline_is_not_shifted_by_the_night_the_clock_changes():
    before = datetime(2026, 10, 25, 2, 50, fold=0, tzinfo=ZoneInfo("Europe/Amsterdam")).astimezone(UTC)
    due = due_at(TABLE, role="lead", programme="icm", urgency="crisis", start=before)
    assert due - before == timedelta(minutes=15)


def test_a_role_without_a_row_is_due_at_once():
    assert due_at(TABLE, role="source", programme="icm", urgency="crisis", start=NOW) == NOW


def test_reminders_follow_the_row():
    assert remind_at(TABLE, role="lead", programme="icm", urgency="crisis", now=NOW) == NOW + timedelta(minutes=5)
    assert remind_at(TABLE, role="source", programme="icm", urgency="crisis", now=NOW) == NOW + TABLE.parked_alarm_every
