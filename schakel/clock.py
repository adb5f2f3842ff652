# SPDX-License-Identifier: EUPL-1.2
"""Wakes what waits for a time: clocks of cases, what ends by itself, alarms, the audit chain, what is kept too long.

The clock decides nothing about a case. Everything it does can be done twice: the store says what is due.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from schakel.errors import Refusal, SchakelError
from schakel.ladder import step_of
from schakel.ledger_records import ActOutcome
from schakel.log import Log
from schakel.operating import Erased
from schakel.ports import AdminStore, Clock, LedgerStore
from schakel.records import NewAlarm
from schakel.region import Region
from schakel.ringing import Ringing

TICK: Final = 1.0  # seconds; the window in which audit rows are not yet in the chain
LINKS_PER_TICK: Final = 5_000
DUE_AT_ONCE: Final = 200
MOST_ROUNDS: Final = 100  # of so many in one tick
CLOCK: Final = "clock"
COORDINATOR: Final = "coordinator"
NOT_ENDED: Final = "matter-not-ended"
AGAIN: Final = timedelta(minutes=15)  # what was refused to end is tried again; a clock that went back is looked at
ERASING: Final = timedelta(hours=1)


class Acts(Protocol):
    """How the clock says that something ended by itself (schakel/acting.py)."""

    async def act(
        self, kind: str, *, actor: str, reference: str, fields: Mapping[str, Any], now: datetime
    ) -> ActOutcome: ...


class Erasing(Protocol):
    """Erases what is past its term (schakel/retention.py)."""

    async def run(self, now: datetime) -> Erased: ...


@dataclass(frozen=True, slots=True)
class Tick:
    """What one tick did. `reached` and `unreached`: alarms that did and did not come to a human; `reminded`: clocks of
    which a step was told; `ended`: what ended by itself."""

    linked: int
    reached: int
    unreached: int
    reminded: int
    ended: int


class ClockWork:
    """One tick a second; several hubs may run it beside each other."""

    def __init__(
        self,
        *,
        ledger: LedgerStore,
        admin: AdminStore,
        acts: Acts,
        erasing: Erasing,
        region: Region,
        ringing: Ringing,
        clock: Clock,
        log: Log,
    ) -> None:
        self._ledger = ledger
        self._admin = admin
        self._acts = acts
        self._erasing = erasing
        self._region = region
        self._ringing = ringing
        self._clock = clock
        self._log = log
        self._refused: dict[str, datetime] = {}  # matter → when to try again
        self._erase_at: datetime | None = None
        self._minded: datetime | None = None  # when the clock was last seen to have gone back

    async def run(self, stop: asyncio.Event) -> None:
        """Ticks until `stop`; a tick that fails is logged and the next one tries again."""
        while not stop.is_set():
            try:
                await self.run_once(self._clock.now())
            except SchakelError as error:
                self._log.error("clock.tick-failed", exc_info=error)
            try:
                async with asyncio.timeout(TICK):
                    await stop.wait()
            except TimeoutError:
                continue

    async def run_once(self, now: datetime) -> Tick:
        await self._mind(now)
        linked = await self._admin.link_audit(now=now, limit=LINKS_PER_TICK)
        ended = await self._end(now)
        reminded = await self._step(now)
        reached, unreached = await self._ringing.ring(now)
        await self._erase(now)
        return Tick(linked=linked, reached=reached, unreached=unreached, reminded=reminded, ended=ended)

    async def _mind(self, now: datetime) -> None:
        """Looks whether the clock went back; when it did, not again soon: beside a machine whose clock is always ahead
        everything that waits would be tried every second."""
        if self._minded is not None and self._minded <= now < self._minded + AGAIN:
            return
        jump = await self._admin.mind_the_clock(now=now)
        if jump is None:
            return
        self._minded = now
        self._refused, self._erase_at = {}, None
        self._log.error("clock.went-back", seconds=round(jump.total_seconds()))

    async def _step(self, now: datetime) -> int:
        """Tells the latest step of every clock whose step has come, all of them before anybody is rung."""
        told = 0
        for _ in range(MOST_ROUNDS):
            due = await self._ledger.due_deadlines(now=now, limit=DUE_AT_ONCE)
            if not due:
                break
            await self._ledger.step_deadlines([step_of(self._region, one, now) for one in due], now=now)
            told += len(due)
        return told

    async def _end(self, now: datetime) -> int:
        """What was asked for a time ends with it. What is refused to end is told to a person and tried again later."""
        ended = 0
        self._refused = {matter: until for matter, until in self._refused.items() if until > now}
        for case_id, matter in await self._ledger.ended_matters(now=now, limit=DUE_AT_ONCE):
            if matter in self._refused:
                continue
            try:
                await self._acts.act("end", actor=CLOCK, reference=case_id, fields={"matter": matter}, now=now)
                ended += 1
            except Refusal as refusal:
                self._refused[matter] = now + AGAIN
                self._log.error("clock.matter-not-ended", matter=matter, exc_info=refusal)
                await self._admin.raise_alarms([NewAlarm(NOT_ENDED, matter, COORDINATOR, _NL, _EN)], now=now)
        return ended

    async def _erase(self, now: datetime) -> None:
        """What is kept too long goes, every hour."""
        if self._erase_at is not None and now < self._erase_at:
            return
        self._erase_at = now + ERASING
        erased = await self._erasing.run(now)
        if erased.total or erased.spared:
            self._log.info("retention.done", erased=erased.total, spared=erased.spared)


_NL: Final = "Iets waarvan de tijd om is kon niet vanzelf eindigen. Kijk in de zaak en rond het af."
_EN: Final = "Something whose time has come could not end by itself. Look into the case and settle it."
