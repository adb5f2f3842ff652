# SPDX-License-Identifier: EUPL-1.2
"""A hub as one process has it: its services, and which of its loops run here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import TYPE_CHECKING, Final, Protocol, Self

from schakel.ports import Broker, Channel, Clock, Format, Store
from schakel.region import Region
from schakel.settings import Settings

if TYPE_CHECKING:
    from schakel.acting import Acting
    from schakel.answering import Answering
    from schakel.clock import ClockWork
    from schakel.dispatch import Dispatch
    from schakel.duty import Duty
    from schakel.intake import Intake
    from schakel.involvement import Involvement
    from schakel.ledger_view import LedgerViews
    from schakel.log import Log
    from schakel.mailbox import Mailbox
    from schakel.tally import Tally
    from schakel.vault import FileVault


class Part(StrEnum):
    """What a process can do. All of them together is `schakel serve`."""

    API = "api"  # the door, which the api serves, and the drop folder
    WORKER = "worker"  # deliveries; any number of processes
    CLOCK = "clock"  # deadlines, alarms, the audit chain; any number, one at a time has the duty


EVERY_PART: Final = frozenset(Part)


Opaque = Callable[[str], str]  # a partner's id as those see it who may not know whose it is


class Look(Protocol):
    """What one look at the drop folder found."""

    @property
    def files(self) -> int: ...
    @property
    def refused_files(self) -> int: ...
    @property
    def waiting(self) -> int: ...
    @property
    def rows(self) -> Mapping[str, int]: ...


class Folder(Protocol):
    """A folder in which sources drop files."""

    async def run(self, stop: asyncio.Event) -> None: ...
    async def run_once(self, stop: asyncio.Event | None = None) -> Look: ...


@dataclass(frozen=True, slots=True)
class Books:
    """What is kept, and what it takes to read it: for an operator who looks beside the hub. It needs no mappings, so it
    opens when those are what is wrong."""

    settings: Settings
    region: Region
    clock: Clock
    vault: FileVault
    store: Store
    opaque: Opaque

    async def aclose(self) -> None:
        await self.store.aclose()


@dataclass(frozen=True, slots=True)
class Hub:
    """Everything that runs in one process. `run` works the deliveries and the clock; the door is the api's."""

    settings: Settings
    region: Region
    clock: Clock
    log: Log
    vault: FileVault
    store: Store
    broker: Broker
    formats: Mapping[str, Format]
    channels: Mapping[str, Channel]
    intake: Intake
    dispatch: Dispatch
    mailbox: Mailbox
    involvement: Involvement
    answering: Answering
    acting: Acting
    ledger_views: LedgerViews
    clockwork: ClockWork
    clock_duty: Duty
    tally: Tally
    opaque: Opaque
    drop: Folder | None = None  # None: no folder is watched

    async def run(self, stop: asyncio.Event, parts: frozenset[Part] = EVERY_PART) -> None:
        """Until `stop`; the loop that fails takes the others along."""
        names = "+".join(sorted(part.value for part in parts))
        self.log.info("hub.started", region=self.region.id, version=self.region.version, role=names)
        async with asyncio.TaskGroup() as group:
            if Part.WORKER in parts:
                group.create_task(self.dispatch.run(stop))
            if Part.CLOCK in parts:
                group.create_task(self.clock_duty.run(self.clockwork.run, stop))
            if Part.API in parts and self.drop is not None:
                group.create_task(self.drop.run(stop))
        self.log.info("hub.stopped", region=self.region.id, role=names)

    async def aclose(self) -> None:
        """What was under way is sent again, with the same bytes, when its lease has run out."""
        await self.dispatch.aclose()
        await self.broker.aclose()
        for channel in self.channels.values():
            await channel.aclose()
        await self.store.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
