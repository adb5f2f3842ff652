# SPDX-License-Identifier: EUPL-1.2
"""Wakes what waits for a time: links the audit chain, rings alarms until a human has them, reminds of late answers.

The clock decides nothing about a case. Everything it does can be done twice: the store says what is due.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from schakel.deadlines import due_of, next_step, overdue_steps, owner_of
from schakel.errors import SchakelError, TemporaryFailure
from schakel.ledger_records import DeadlineStep, RunningDeadline
from schakel.log import Log
from schakel.ports import AdminStore, AlarmNotice, AlarmSender, Clock, LedgerStore
from schakel.records import AlarmRow, NewAlarm
from schakel.region import AlarmRoute, Region

TICK: Final = 1.0  # seconds; the window in which audit rows are not yet in the chain
LINKS_PER_TICK: Final = 5_000
DUE_PER_TICK: Final = 200
SEND_LIMIT: Final = 20.0  # seconds for one attempt to reach a human
COORDINATOR: Final = "coordinator"
DEADLINE: Final = "deadline:"  # the cause of an alarm, before the kind of deadline
QUIET: Final = timedelta(days=365)  # a deadline's alarm rings again with its next step, and not before
LOCAL: Final = ZoneInfo("Europe/Amsterdam")
MAIL: Final = "smtp"
PAGER: Final = "webhook"


@dataclass(frozen=True, slots=True)
class Tick:
    """What one tick did. `reached` and `unreached`: alarms that did and did not come to a human."""

    linked: int
    reached: int
    unreached: int
    reminded: int


class ClockWork:
    """One tick a second; several hubs may run it beside each other."""

    def __init__(
        self,
        *,
        ledger: LedgerStore,
        admin: AdminStore,
        region: Region,
        senders: Mapping[str, AlarmSender],
        clock: Clock,
        log: Log,
    ) -> None:
        self._ledger = ledger
        self._admin = admin
        self._region = region
        self._senders = senders
        self._clock = clock
        self._log = log

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
        linked = await self._admin.link_audit(now=now, limit=LINKS_PER_TICK)
        reminded = await self._remind(now)
        reached, unreached = await self._ring(now)
        return Tick(linked=linked, reached=reached, unreached=unreached, reminded=reminded)

    # -- deadlines: reminders before, the ladder after

    async def _remind(self, now: datetime) -> int:
        due = await self._ledger.due_deadlines(now=now, limit=DUE_PER_TICK)
        if due:
            await self._ledger.step_deadlines([self._step(one, now) for one in due], now=now)
        return len(due)

    def _step(self, running: RunningDeadline, now: datetime) -> DeadlineStep:
        """The latest step that has come, told once with the count of those before it; and when the next one comes."""
        due = due_of(self._region.deadlines, running)
        if due is None:  # the region's table has lost this row: somebody is told all the same, and again
            alarm = self._told(running, COORDINATOR)
            return DeadlineStep(running, now + self._region.deadlines.parked_alarm_every, alarm, 1)
        step, count = overdue_steps(due, running.seen_at, now)
        following = next_step(due, now, False)
        next_at = following.at if following else now + self._region.deadlines.parked_alarm_every
        if step is None:
            return DeadlineStep(running, next_at, None, 0)
        owner = owner_of(self._region, step.tell, partner=running.partner, lead=running.lead)
        return DeadlineStep(running, next_at, self._told(running, owner), count)

    def _told(self, running: RunningDeadline, owner: str) -> NewAlarm:
        partner = self._region.partner(running.partner)
        name = partner.name if partner else running.partner
        until = running.due_at.astimezone(LOCAL).strftime("%d-%m-%Y %H:%M")
        return NewAlarm(
            cause=f"{DEADLINE}{running.kind}",
            subject=running.subject,
            owner=owner,
            nl=f"{name} ({running.role}): termijn {running.kind}, {until}. Neem contact op.",
            en=f"{name} ({running.role}): deadline {running.kind}, {until}. Get in touch.",
        )

    # -- alarms

    async def _ring(self, now: datetime) -> tuple[int, int]:
        due = await self._admin.due_alarms(now=now, limit=DUE_PER_TICK)
        if not due:
            return 0, 0
        reached = await asyncio.gather(*(self._tell(alarm) for alarm in due))
        outcomes = [(alarm.id, told, now + self._next(alarm, told)) for alarm, told in zip(due, reached, strict=True)]
        await self._admin.alarm_outcomes(outcomes, now=now)
        return sum(reached), len(reached) - sum(reached)

    async def _tell(self, alarm: AlarmRow) -> bool:
        """True when at least one of the owner's ways reached a human."""
        notice = AlarmNotice(
            id=alarm.id,
            owner=alarm.owner,
            cause=alarm.cause,
            subject=alarm.subject,
            count=alarm.count,
            step=alarm.step,
            nl=alarm.nl,
            en=alarm.en,
            raised_at=alarm.raised_at,
        )
        ways = self._ways(alarm.owner)
        told = await asyncio.gather(*(self._send(sender, notice, to) for sender, to in ways))
        if not any(told):
            self._log.error("alarm.not-delivered", alarm=alarm.id, cause=alarm.cause, count=len(ways))
        return any(told)

    async def _send(self, sender: AlarmSender, notice: AlarmNotice, to: str) -> bool:
        try:
            async with asyncio.timeout(SEND_LIMIT):
                await sender.send(notice, to=to)
        except (TemporaryFailure, TimeoutError) as error:
            self._log.warning("alarm.attempt-failed", alarm=notice.id, channel=sender.name, exc_info=error)
            return False
        except Exception as error:  # a fault of one sender never keeps the other alarms from a human
            self._log.error("alarm.sender-faulty", alarm=notice.id, channel=sender.name, exc_info=error)
            return False
        return True

    def _ways(self, owner: str) -> list[tuple[AlarmSender, str]]:
        """The ways to an owner: his own, else his partner's mail, else the coordinator's, else everyone's."""
        partner = self._region.partner(owner)
        own = self._of(self._region.alarm_routes(owner))
        if not own and partner is not None and partner.mail and MAIL in self._senders:
            own = [(self._senders[MAIL], partner.mail)]
        return (
            own
            or self._of([route for route in self._region.alarms if route.owner == COORDINATOR])
            or self._of(self._region.alarms)
        )

    def _of(self, routes: Sequence[AlarmRoute]) -> list[tuple[AlarmSender, str]]:
        ways = [(MAIL, to) for route in routes for to in route.mail]
        ways += [(PAGER, to) for route in routes for to in route.webhooks]
        return [(self._senders[name], to) for name, to in ways if name in self._senders]

    def _next(self, alarm: AlarmRow, told: bool) -> timedelta:
        """Told: rings again until somebody acknowledges. Not told: the list's next wait, its last one for ever."""
        deadlines = self._region.deadlines
        if told and alarm.cause.startswith(DEADLINE):
            return QUIET
        if told or not deadlines.alarm_retry:
            return deadlines.parked_alarm_every
        return deadlines.alarm_retry[min(alarm.attempts + 1, len(deadlines.alarm_retry) - 1)]
