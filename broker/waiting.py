# SPDX-License-Identifier: EUPL-1.2
"""Keeps bells that no server has taken yet: bounded, so that a server that is away for hours costs no memory."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from itertools import islice

from schakel.records import Bell


class Waiting:
    """A queue between threads. When it is full the oldest bells are forgotten: the sweep finds their deliveries."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._bells: deque[Bell] = deque()
        self._lock = threading.Lock()

    def put(self, bells: Sequence[Bell]) -> int:
        """The number that was forgotten for it."""
        with self._lock:
            self._bells.extend(bells)
            return self._shorten()

    def put_back(self, bells: Sequence[Bell]) -> int:
        """Bells that were taken and not confirmed: they ring first, and are the first to be forgotten."""
        with self._lock:
            self._bells.extendleft(reversed(bells))
            return self._shorten()

    def take(self, most: int) -> list[Bell]:
        with self._lock:
            taken = list(islice(self._bells, most))
            for _ in taken:
                self._bells.popleft()
            return taken

    def __len__(self) -> int:
        return len(self._bells)

    def _shorten(self) -> int:
        over = max(0, len(self._bells) - self._most)
        for _ in range(over):
            self._bells.popleft()
        return over
