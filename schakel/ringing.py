# SPDX-License-Identifier: EUPL-1.2
"""Brings alarms to humans: by each owner's ways, in order, many of one cause at once as one; until somebody has them.

An alarm that reached nobody is tried again by the region's list. Whoever is told many of one cause at the same moment
(a hub that was down, a source that sends what nobody can read) gets one message with the count.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final

from schakel.errors import TemporaryFailure
from schakel.ladder import DEADLINE
from schakel.log import Log
from schakel.ports import AdminStore, AlarmNotice, AlarmSender
from schakel.records import AlarmRow
from schakel.region import AlarmRoute, Region

DUE_AT_ONCE: Final = 2_000
FEW: Final = 3  # of one cause to one owner that are told one by one; more are one message
MOST_LINES: Final = 20  # of such a message
SEND_LIMIT: Final = 20.0  # seconds for one attempt to reach a human
COORDINATOR: Final = "coordinator"
QUIET: Final = timedelta(days=365)  # a deadline's alarm rings again with its next step, and not before
MAIL: Final = "smtp"
PAGER: Final = "webhook"


class Ringing:
    def __init__(self, *, admin: AdminStore, region: Region, senders: Mapping[str, AlarmSender], log: Log) -> None:
        self._admin = admin
        self._region = region
        self._senders = senders
        self._log = log

    async def ring(self, now: datetime) -> tuple[int, int]:
        """How many alarms that were due reached a human, and how many did not."""
        due = await self._admin.due_alarms(now=now, limit=DUE_AT_ONCE)
        if not due:
            return 0, 0
        owners = [list(alarms) for _, alarms in groupby(sorted(due, key=_owner), key=_owner)]
        told = [
            one for each in await asyncio.gather(*(self._tell_all(alarms, now) for alarms in owners)) for one in each
        ]
        await self._admin.alarm_outcomes(
            [(alarm.id, reached, now + self._next(alarm, reached)) for alarm, reached in told], now=now
        )
        reached = sum(reached for _, reached in told)
        return reached, len(told) - reached

    async def _tell_all(self, alarms: Sequence[AlarmRow], now: datetime) -> list[tuple[AlarmRow, bool]]:
        """One owner's, longest waiting first; alarms of one cause together where they are many."""
        by_cause: dict[str, list[AlarmRow]] = {}
        for alarm in sorted(alarms, key=lambda one: (one.raised_at, one.id)):
            by_cause.setdefault(alarm.cause, []).append(alarm)
        outcomes: list[tuple[AlarmRow, bool]] = []
        for same in by_cause.values():
            for group in [same] if len(same) > FEW else [[one] for one in same]:
                reached = await self._tell(group, now)
                outcomes += [(alarm, reached) for alarm in group]
        return outcomes

    async def _tell(self, alarms: Sequence[AlarmRow], now: datetime) -> bool:
        """True when at least one of the owner's ways reached a human."""
        first = alarms[0]
        notice = AlarmNotice(
            id=first.id,
            owner=first.owner,
            cause=first.cause,
            subject=first.subject,
            count=sum(alarm.count for alarm in alarms),
            step=first.step,
            nl=first.nl if len(alarms) == 1 else _listed("Het zijn er {}, de langst wachtende eerst.", alarms, "nl"),
            en=first.en if len(alarms) == 1 else _listed("There are {}, longest waiting first.", alarms, "en"),
            raised_at=first.raised_at,
            told_at=now,
        )
        ways = self._ways(first.owner)
        told = await asyncio.gather(*(self._send(sender, notice, to) for sender, to in ways))
        if not any(told):
            self._log.error("alarm.not-delivered", alarm=first.id, cause=first.cause, count=len(ways))
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


def _owner(alarm: AlarmRow) -> str:
    return alarm.owner


def _listed(heading: str, alarms: Sequence[AlarmRow], language: str) -> str:
    lines = [f"- {getattr(alarm, language)} [{alarm.subject}]" for alarm in alarms[:MOST_LINES]]
    if len(alarms) > MOST_LINES:
        lines.append(f"- … schakel alarms list (+{len(alarms) - MOST_LINES})")
    return "\n".join([heading.format(len(alarms)), *lines])
