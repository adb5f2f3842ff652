# SPDX-License-Identifier: EUPL-1.2
"""Counts bells that were lost and by what, and logs them in sums: a server that is away must not fill the log."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Final

from schakel.log import Log

TELL_EVERY: Final = 10.0  # seconds, for each reason


class Losses:
    """From any thread. A lost bell delays a delivery until the sweep, nothing more."""

    def __init__(self, log: Log, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._told: Counter[str] = Counter()
        self._told_at: dict[str, float] = {}

    def add(self, reason: str, count: int) -> None:
        if not count:
            return
        now = self._monotonic()
        with self._lock:
            self._counts[reason] += count
            if now - self._told_at.get(reason, now - TELL_EVERY) < TELL_EVERY:
                return
            untold = self._counts[reason] - self._told[reason]
            self._told[reason], self._told_at[reason] = self._counts[reason], now
        self._log.warning("broker.bells-lost", reason=reason, count=untold)

    def __getitem__(self, reason: str) -> int:
        return self._counts[reason]
