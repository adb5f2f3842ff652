# SPDX-License-Identifier: EUPL-1.2
"""A hub small enough to test the door alone, behind the real server on a real socket: real region, formats and keys."""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx2

import regions
from api.listening import listen
from api.server import door
from connectors.formats import formats
from schakel.errors import NotFound
from schakel.keys import new_key
from schakel.ledger_records import AnswerOutcome
from schakel.log import Log, open_log
from schakel.message import Answer
from schakel.ports import AnswerFormat, Envelope, Format, Receipt
from schakel.records import Health, KeyRow, MailboxEntry
from schakel.region import Partner, Region
from schakel.region_files import load_region
from schakel.settings import Settings

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
CONTENT = b'{"case":"as rendered"}'
RECEIPT = Receipt(message_id="0192f0c1-0000-7000-8000-000000000001", state="routed", duplicate=False, notices=())


@dataclass
class Clock:
    at: datetime = NOW

    def now(self) -> datetime:
        return self.at


@dataclass
class Intake:
    """Reads with the partner's first format that recognises the body, and keeps what came."""

    formats: Mapping[str, Format]
    seen: list[bytes] = field(default_factory=list)
    fault: Callable[[], Exception] | None = None

    async def receive(
        self, partner: Partner, body: bytes, media_type: str, received_at: datetime
    ) -> tuple[Envelope, Receipt]:
        self.seen.append(body)
        if self.fault is not None:
            raise self.fault()
        names = partner.sends.formats if partner.sends else ()
        fitting = (self.formats[name] for name in names if media_type in self.formats[name].media_types)
        return next(one for one in fitting if one.recognises(body)).read(body), RECEIPT


@dataclass
class Store:
    """The four calls that the door makes on a store."""

    rows: list[KeyRow] = field(default_factory=list)
    entries: list[MailboxEntry] = field(default_factory=list)
    received: list[tuple[str, int, str]] = field(default_factory=list)
    condition: Health | Exception = field(default_factory=lambda: Health(store=None, alarms=None))
    read_keys: int = 0

    async def keys(self, *, now: datetime) -> list[KeyRow]:
        self.read_keys += 1
        return list(self.rows)

    async def mailbox(self, partner: str, *, after: int, limit: int) -> list[MailboxEntry]:
        return [one for one in self.entries if one.number > after][:limit]

    async def receive(self, partner: str, number: int, *, now: datetime, how: str) -> str | None:
        if number not in [one.number for one in self.entries]:
            return None
        self.received.append((partner, number, how))
        return "delivered"

    async def health(self) -> Health:
        if isinstance(self.condition, Exception):
            raise self.condition
        return self.condition


class Mailbox:
    async def whole_case(self, partner: Partner, number: int) -> tuple[bytes, str]:
        if number != 1:
            raise NotFound()
        return CONTENT, "application/json"

    async def content(
        self, partner: Partner, number: int, *, acceptable: Callable[[tuple[str, ...]], None] | None = None
    ) -> tuple[bytes, str, bytes]:
        if acceptable is not None:
            acceptable(("application/json",))
        if number == 2:
            raise NotFound(status=410)
        if number != 1:
            raise NotFound()
        return CONTENT, "application/json", sha256(CONTENT).digest()


@dataclass
class Involvement:
    answers: list[tuple[str, Answer]] = field(default_factory=list)
    looks: list[tuple[str, str]] = field(default_factory=list)

    async def answer(self, partner: Partner, answer: Answer, *, now: datetime) -> AnswerOutcome:
        self.answers.append((partner.id, answer))
        return AnswerOutcome(outcome="recorded", request_state=answer.answer)

    async def case_view(self, partner: Partner, reference: str, *, now: datetime) -> dict[str, Any]:
        self.looks.append((partner.id, reference))
        if reference != "known":
            raise NotFound()
        return {"reference": reference, "requests": []}

    async def status(self, partner: Partner | None, message_id: str) -> dict[str, Any]:
        if partner is None or partner.id != "thv-pool" or message_id != RECEIPT.message_id:
            raise NotFound()
        return {"id": message_id, "state": "routed"}


class Answering:
    """Plain JSON only: what formats do with answers has tests of its own."""

    def formats_of(self, partner: Partner) -> tuple[AnswerFormat, ...]:
        return ()

    async def receive(
        self, partner: Partner, body: bytes, media_type: str, received_at: datetime
    ) -> tuple[Envelope, AnswerOutcome]:
        raise NotFound()


class SmallHub:
    def __init__(self, **settings: Any) -> None:
        self.settings = Settings(_env_file=None, **settings)
        self.region: Region = load_region(Path(regions.__file__).parent / "haaglanden")
        self.formats = formats()
        self.clock = Clock()
        self.log_lines = io.StringIO()
        self.log: Log = open_log("debug", self.log_lines)
        self.store: Any = Store()
        self.intake = Intake(self.formats)
        self.mailbox = Mailbox()
        self.involvement = Involvement()
        self.answering = Answering()
        self.port = 0

    def key(self, partner: str, *, expires_at: datetime | None = None) -> str:
        text, row = new_key(partner, now=NOW, expires_at=expires_at)
        self.store.rows.append(row)
        return text

    def client(self, partner: str | None = None) -> httpx2.AsyncClient:
        headers = {"authorization": f"Bearer {self.key(partner)}"} if partner else {}
        return httpx2.AsyncClient(
            base_url=f"http://127.0.0.1:{self.port}", headers=headers, trust_env=False, timeout=20
        )

    async def raw(self, sent: bytes, *, more: Callable[[asyncio.StreamWriter], Awaitable[None]] | None = None) -> bytes:
        """What comes back on one connection, to its end."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(sent)
            if more is not None:
                await more(writer)
            return await asyncio.wait_for(reader.read(), 20)
        except ConnectionError:
            return b""
        finally:
            writer.close()


@contextlib.asynccontextmanager
async def serving(hub: SmallHub) -> AsyncIterator[SmallHub]:
    server, sock = door(hub), listen("127.0.0.1", 0)
    hub.port = sock.getsockname()[1]
    task = asyncio.create_task(server.serve(sockets=[sock]))
    try:
        yield hub
    finally:
        server.stop()
        server.force_exit = True
        await task
