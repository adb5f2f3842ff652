# SPDX-License-Identifier: EUPL-1.2
"""When to try a delivery again, when to tell a human, and when to leave a partner alone for a while. Never: give up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

LONGEST_RETRY_AFTER: Final = timedelta(minutes=15)  # a partner may slow us down, not silence a crisis
JITTER: Final = 0.1  # of the wait, so that what failed together does not return together
BREAKER_FAILURES: Final = 5  # in a row, over all deliveries of one partner
BREAKER_SHORTEST: Final = timedelta(seconds=30)
BREAKER_LONGEST: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class NextAttempt:
    """`exhausted`: the list has ended; the slow probe goes on and a human is told."""

    at: datetime
    exhausted: bool


def next_attempt(
    attempts: int,
    *,
    schedule: Sequence[timedelta],
    probe_every: timedelta,
    now: datetime,
    retry_after: float | None = None,
    jitter: float = 0.0,
) -> NextAttempt:
    """After `attempts` attempts that failed. `schedule[0]` is the wait before the first attempt, `schedule[n]` the wait
    after the n-th; after the list `probe_every`, for ever.

    `retry_after` (seconds, as the partner asks) can only lengthen the wait, up to 15 minutes; nonsense is left out.
    `jitter` in [0, 1) lengthens the wait by at most a tenth. Raises ValueError outside those ranges.
    """
    if attempts < 0 or not 0 <= jitter < 1:
        raise ValueError("retry: attempts from 0, jitter in [0, 1)")
    exhausted = attempts >= len(schedule)
    wait = probe_every if exhausted else schedule[attempts]
    if retry_after is not None and math.isfinite(retry_after) and retry_after > 0:
        asked = timedelta(seconds=min(retry_after, LONGEST_RETRY_AFTER.total_seconds()))
        wait = max(wait, asked)
    return NextAttempt(at=now + wait * (1 + JITTER * jitter), exhausted=exhausted)


def breaker_open_until(failures: int, *, now: datetime, gone: bool = False) -> datetime | None:
    """Until when a partner is left alone (but for one probe at a time) after `failures` in a row; None: not yet.

    Doubles from half a minute to five minutes. `gone` (410) opens at once, for the longest time.
    """
    if gone:
        return now + BREAKER_LONGEST
    if failures < BREAKER_FAILURES:
        return None
    factor: int = 2 ** min(failures - BREAKER_FAILURES, 10)
    return now + min(BREAKER_SHORTEST * factor, BREAKER_LONGEST)
