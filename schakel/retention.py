# SPDX-License-Identifier: EUPL-1.2
"""Erases what is past its term, in small commits, until nothing is left of it; says what was spared."""

from __future__ import annotations

import asyncio
from dataclasses import fields
from datetime import datetime
from typing import Final, Protocol

from schakel.operating import Erased

CLOCK: Final = "clock"
AT_ONCE: Final = 100  # of each class in one commit: whoever hands in a message meanwhile does not wait long
MOST_ROUNDS: Final = 10_000


class RetentionStore(Protocol):
    """As much of ports.AdminStore as erasing needs."""

    async def erase(self, *, by: str, now: datetime, limit: int) -> Erased: ...
    async def overdue(self, *, now: datetime) -> Erased: ...


class Retention:
    def __init__(self, *, store: RetentionStore) -> None:
        self._store = store

    async def run(self, now: datetime, *, by: str = CLOCK) -> Erased:
        """Everything that is past its term now; what is not final is spared. Doing it twice does no harm."""
        done = Erased()
        for _ in range(MOST_ROUNDS):
            went = await self._store.erase(by=by, now=now, limit=AT_ONCE)
            if not went.total:
                break
            done = _sum(done, went)
            await asyncio.sleep(0)  # others come in between
        left = await self._store.overdue(now=now)
        return _sum(done, Erased(spared=left.spared))

    async def overdue(self, now: datetime) -> Erased:
        """What `run` would take now. What has gone makes room for more: of a case first its content goes, years later
        its ledger."""
        return await self._store.overdue(now=now)


def _sum(one: Erased, other: Erased) -> Erased:
    return Erased(**{each.name: getattr(one, each.name) + getattr(other, each.name) for each in fields(Erased)})
