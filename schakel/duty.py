# SPDX-License-Identifier: EUPL-1.2
"""Does work that one process at a time should do, by a lease in the store; another takes over when that process falls.

The lease saves double work, it is not what keeps the work right: whatever runs under a duty can be done twice, and the
store says what is due. A process that slept past its lease stops at its next look and starts again only as the holder.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from schakel.errors import SchakelError
from schakel.log import Log
from schakel.ports import Clock

LEASE: Final = timedelta(seconds=15)
RENEW: Final = 5.0  # seconds between two looks, of who has it and of who waits for it
ENDS_WITHIN: Final = 20.0  # seconds after a stop; then the work, which can be done twice, is broken off

Work = Callable[[asyncio.Event], Awaitable[None]]


class DutyStore(Protocol):
    """As much of ports.AdminStore as a duty needs."""

    async def take_duty(
        self, name: str, token: str, *, holder: str, now: datetime, until: datetime, after: str | None = None
    ) -> bool: ...
    async def duty_holder(self, name: str) -> str | None: ...
    async def leave_duty(self, name: str, token: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds; tests look more often."""

    lease: timedelta = LEASE
    renew: float = RENEW
    ends_within: float = ENDS_WITHIN


class Duty:
    """`holder` names this process (schakel/process.py), `token` is random and its own. `has_ended` tells of another's
    name whether that process is surely gone: then nobody waits for its lease."""

    def __init__(
        self,
        name: str,
        *,
        admin: DutyStore,
        clock: Clock,
        token: str,
        holder: str,
        has_ended: Callable[[str], bool],
        log: Log,
        pace: Pace | None = None,
    ) -> None:
        self._name = name
        self._admin = admin
        self._clock = clock
        self._token = token
        self._holder = holder
        self._has_ended = has_ended
        self._log = log
        self._pace = pace or Pace()
        self._held = False

    @property
    def held(self) -> bool:
        """Whether this process has the duty, as far as it knows."""
        return self._held

    async def run(self, work: Work, stop: asyncio.Event) -> None:
        """Until `stop`: works while the duty is ours, waits while it is another's. What `work` raises goes on."""
        while not stop.is_set():
            if await self._take():
                await self._work(work, stop)
            await _pause(stop, self._pace.renew)

    async def _work(self, work: Work, stop: asyncio.Event) -> None:
        """Until `stop`, or until the duty is lost: then the work is broken off."""
        self._log.info("duty.taken", kind=self._name)
        self._held = True
        over = asyncio.Event()
        working = asyncio.ensure_future(work(over))
        keeping = asyncio.ensure_future(self._keep())
        stopping = asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait({working, keeping, stopping}, return_when=asyncio.FIRST_COMPLETED)
            over.set()
            if not keeping.done():  # it may wait for pagers that do not answer, one after the other
                await asyncio.wait(
                    {working, keeping}, timeout=self._pace.ends_within, return_when=asyncio.FIRST_COMPLETED
                )
            if not working.done():
                self._log.error("duty.lost" if keeping.done() else "duty.broken-off", kind=self._name)
        finally:
            self._held = False
            await _cancel(working, keeping, stopping)
        with contextlib.suppress(SchakelError):
            await self._admin.leave_duty(self._name, self._token)
        if not working.cancelled():
            working.result()

    async def _keep(self) -> None:
        """Returns when the duty is another's, or when the store has not said otherwise for as long as the lease."""
        loop = asyncio.get_running_loop()
        lease = self._pace.lease.total_seconds() - self._pace.renew
        until = loop.time() + lease
        while True:
            await asyncio.sleep(self._pace.renew)
            taken = await self._take()
            if taken:
                until = loop.time() + lease
            elif taken is False or loop.time() >= until:
                return

    async def _take(self) -> bool | None:
        """None: the store does not say."""
        now = self._clock.now()
        until = now + self._pace.lease
        try:
            if await self._admin.take_duty(self._name, self._token, holder=self._holder, now=now, until=until):
                return True
            other = await self._admin.duty_holder(self._name)
            if other is None or not self._has_ended(other):
                return False
            return await self._admin.take_duty(
                self._name, self._token, holder=self._holder, now=now, until=until, after=other
            )
        except SchakelError as error:
            self._log.warning("duty.unknown", kind=self._name, exc_info=error)
            return None


async def _cancel(*tasks: asyncio.Future[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()
