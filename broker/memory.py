# SPDX-License-Identifier: EUPL-1.2
"""Rings within one process: the embedded default, when no broker server is configured.

Real code, not a double for tests: the bells travel in the same form as over a server and may be lost in the same way.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final

from broker.topology import decode, encode
from schakel.records import Bell, BrokerHealth

MOST_WAITING: Final = 10_000  # beyond it the oldest bell is forgotten: the sweep finds its delivery


class MemoryBroker:
    """A bounded queue on one event loop; listeners share the bells. A bell that was heard does not ring again."""

    def __init__(self, *, most_waiting: int = MOST_WAITING) -> None:
        self._bodies: deque[tuple[str, bytes]] = deque(maxlen=most_waiting)
        self._rung = asyncio.Event()
        self._closed = False

    def ring(self, bells: Sequence[Bell]) -> None:
        if self._closed or not bells:
            return
        self._bodies.extend((bell.recipient, encode(bell)) for bell in bells)
        self._rung.set()

    async def listen(self, limit: int, wait: float) -> Sequence[Bell]:
        try:
            async with asyncio.timeout(wait):
                while not self._bodies and not self._closed:
                    self._rung.clear()
                    await self._rung.wait()
        except TimeoutError:
            return ()
        taken = [self._bodies.popleft() for _ in range(min(limit, len(self._bodies)))]
        return tuple(bell for recipient, body in taken if (bell := decode(body, recipient)) is not None)

    async def done(self, bells: Sequence[Bell]) -> None:
        """Nothing to tell: with this process its bells are gone as well."""

    def health(self) -> BrokerHealth:
        return BrokerHealth(state="embedded", waiting=len(self._bodies))

    async def aclose(self) -> None:
        """Wakes who listens; bells that were not heard are forgotten."""
        self._closed = True
        self._bodies.clear()
        self._rung.set()
