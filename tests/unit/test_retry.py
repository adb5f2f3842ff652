# SPDX-License-Identifier: EUPL-1.2
"""The list a person can read, the slow probe after it, Retry-After within bounds, and the breaker."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from regions import FOLDER
from schakel.region_files import load_region
from schakel.retry import BREAKER_FAILURES, breaker_open_until, next_attempt

TABLE = load_region(FOLDER / "haaglanden").deadlines
NOW = datetime(2026, 11, 3, 20, tzinfo=UTC)


def wait(attempts: int, **more: Any) -> float:
    after = next_attempt(attempts, schedule=TABLE.retry, probe_every=TABLE.probe_every, now=NOW, **more)
    return (after.at - NOW).total_seconds()


def test_the_schedule_is_the_list_of_the_region():
    assert [wait(attempts) for attempts in range(6)] == [0, 5, 15, 60, 120, 300]


def test_after_the_list_it_probes_for_ever_and_says_that_the_list_has_ended():
    for attempts in (len(TABLE.retry), len(TABLE.retry) + 1, 10_000):
        after = next_attempt(attempts, schedule=TABLE.retry, probe_every=TABLE.probe_every, now=NOW)
        assert (after.at - NOW, after.exhausted) == (TABLE.probe_every, True)
    last = next_attempt(len(TABLE.retry) - 1, schedule=TABLE.retry, probe_every=TABLE.probe_every, now=NOW)
    assert not last.exhausted


def test_jitter_lengthens_by_at_most_a_tenth():
    assert wait(3, jitter=0.0) == 60
    assert 60 < wait(3, jitter=0.999) < 66


def test_retry_after_can_lengthen_within_bounds_and_never_shorten():
    assert wait(1, retry_after=30) == 30
    assert wait(1, retry_after=1) == 5
    assert wait(1, retry_after=10**9) == 15 * 60


@pytest.mark.parametrize("nonsense", [math.nan, math.inf, -math.inf, -5.0, 0.0])
def test_a_retry_after_that_is_nonsense_is_left_out(nonsense: float):
    assert wait(1, retry_after=nonsense) == 5


@pytest.mark.parametrize(("attempts", "jitter"), [(-1, 0.0), (1, 1.0), (1, -0.1)])
def test_what_is_out_of_range_is_refused(attempts: int, jitter: float):
    with pytest.raises(ValueError, match="retry"):
        wait(attempts, jitter=jitter)


def test_the_breaker_opens_after_failures_in_a_row_and_doubles_to_five_minutes():
    assert breaker_open_until(BREAKER_FAILURES - 1, now=NOW) is None
    waits = [breaker_open_until(BREAKER_FAILURES + more, now=NOW) - NOW for more in range(6)]
    assert [each.total_seconds() for each in waits] == [30, 60, 120, 240, 300, 300]


def test_gone_opens_the_breaker_at_once():
    assert breaker_open_until(1, now=NOW, gone=True) == NOW + timedelta(minutes=5)
