# SPDX-License-Identifier: EUPL-1.2
"""Restraining orders and the clock of their case: it counts back from the end, and stops when the order is over."""

from __future__ import annotations

import hashlib
import itertools
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regions import FOLDER
from schakel.clocks import Clocks
from schakel.household import ORDER
from schakel.identity import fold
from schakel.message import RestrainingOrder
from schakel.orders import clocks_of, ends_at, is_over
from schakel.records import KnownOrder, NewDeadline
from schakel.region_files import load_region

REGION: Final = load_region(FOLDER / "haaglanden")
NOW: Final = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TEAM: Final = (("lokaal-team-den-haag", "duo"), ("vvt", "lead"))


def order(status: str = "imposed", **fields: Any) -> RestrainingOrder:
    known = {} if status == "considered" else {"imposed_at": NOW}
    return RestrainingOrder.model_validate({"status": status, **known, **fields})


def blind(kind: str, *parts: str) -> bytes:
    return hashlib.sha256("/".join((kind, *parts)).encode()).digest()


def known(number: str | None, imposed_at: datetime | None) -> KnownOrder:
    return KnownOrder(None if number is None else blind(ORDER, fold(number)), imposed_at)


def clocks(told: RestrainingOrder | None, **how: Any) -> tuple[NewDeadline, ...]:
    numbers = itertools.count(1)
    facts = {"case_id": "case", "team": TEAM, "programme": "icm", "urgency": "crisis", "now": NOW, "recorded": {}}
    made = Clocks(deadlines=REGION.deadlines, new_id=lambda: f"deadline-{next(numbers)}")
    return clocks_of(made, told, **{**facts, **how})


def test_ten_days_where_the_source_names_no_end() -> None:
    """Wth art. 2(1)."""
    (clock,) = clocks(order())
    assert (clock.subject, clock.kind, clock.event, clock.partner, clock.role) == (
        "case",
        "order-without-plan",
        "order-imposed",
        "vvt",
        "lead",
    )
    assert (clock.started_at, clock.order_end) == (NOW, NOW + 10 * DAY)
    assert clock.due_at == NOW + 9 * DAY
    assert clock.next_at == NOW + 7 * DAY  # the reminder at 72 hours


def test_the_end_that_the_source_names_and_after_that_its_extension() -> None:
    """Wth art. 9(1): to 28 days from imposition."""
    stated = order(ends_at=NOW + 8 * DAY)
    extended = order("extended", ends_at=NOW + 10 * DAY, extended_until=NOW + 28 * DAY)
    assert [clocks(told)[0].due_at - NOW for told in (stated, extended)] == [7 * DAY, 27 * DAY]


def test_over_the_end_of_summer_time_the_end_keeps_its_time_of_day() -> None:
    """Never shifted, in calendar time (Wth art. 13): 20:00 in the Netherlands is 20:00 ten days later."""
    imposed = datetime(2026, 10, 20, 18, 0, tzinfo=UTC)  # 20:00 summer time
    assert ends_at(order(imposed_at=imposed)) == datetime(2026, 10, 30, 19, 0, tzinfo=UTC)


@pytest.mark.parametrize("status", ["considered", "withdrawn", "not-imposed"])
def test_an_order_that_does_not_run_starts_nothing(status: str) -> None:
    assert ends_at(order(status)) is None
    assert clocks(order(status)) == ()


def test_no_order_no_lead_or_an_order_that_has_ended_starts_nothing() -> None:
    assert clocks(None) == ()
    assert clocks(order(), team=TEAM[:1]) == ()
    assert clocks(order(), now=NOW + 10 * DAY) == ()
    assert clocks(order(), now=NOW + 10 * DAY - HOUR) != ()


def test_a_plan_since_the_imposition_is_what_the_clock_waits_for() -> None:
    assert clocks(order(), recorded={"plan-made": NOW}) == ()
    assert clocks(order(), recorded={"plan-made": NOW - HOUR}) != ()  # of the order before
    assert clocks(order(), recorded={"first-visit": NOW + HOUR}) != ()


@given(
    imposed=st.datetimes(datetime(2024, 2, 1), datetime(2028, 3, 1)).map(lambda each: each.replace(tzinfo=UTC)),
    days=st.integers(1, 28),
    late=st.timedeltas(timedelta(0), timedelta(days=30)),
)
def test_a_clock_comes_due_a_day_before_the_order_ends_and_never_later(
    imposed: datetime, days: int, late: timedelta
) -> None:
    """Whatever night, leap day or Christmas lies between, and however late the message comes."""
    end = imposed + days * DAY - HOUR
    found = clocks(order(imposed_at=imposed, ends_at=end), now=imposed + late)
    assert bool(found) is (imposed + late < end)
    for clock in found:
        assert clock.due_at == end - DAY
        assert clock.next_at <= clock.due_at


# -- withdrawn ---------------------------------------------------------------------------------------------------------

FIRST: Final = known("THV-2026-0001", NOW - 20 * DAY)
SECOND: Final = known("THV-2026-0002", NOW)


@pytest.mark.parametrize(
    ("told", "before", "over"),
    [
        (order("withdrawn", number="THV-2026-0002"), (FIRST, SECOND), True),
        (order("withdrawn", number="thv 2026 0002"), (FIRST, SECOND), True),
        (order("withdrawn", number="THV-2026-0001", imposed_at=None), (FIRST, SECOND), False),  # the older of two
        (order("withdrawn", number="THV-2026-0001", imposed_at=None), (FIRST,), True),
        (order("withdrawn", imposed_at=NOW + timedelta(seconds=30)), (SECOND,), True),  # the same minute
        (order("withdrawn", imposed_at=NOW - DAY), (SECOND,), False),
        (order("withdrawn", imposed_at=None, number="UNKNOWN-1"), (SECOND,), False),  # which one, nobody knows
        (order("withdrawn"), (), True),
        (order("not-imposed", imposed_at=None), (), True),
        (order("not-imposed", imposed_at=None), (SECOND,), False),
        (order(), (FIRST,), False),
        (None, (), False),
    ],
)
def test_a_withdrawn_order_is_over_unless_the_case_knows_a_later_one(
    told: RestrainingOrder | None, before: tuple[KnownOrder, ...], over: bool
) -> None:
    assert is_over(told, before, blind) is over
