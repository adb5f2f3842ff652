# SPDX-License-Identifier: EUPL-1.2
"""A partner's server that speaks HTTP badly, as a test says; when nothing is wrong it writes down and answers 204."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, Final

from tests.support.recipients import Recipients

HOST: Final = "127.0.0.1"
TAKEN: Final = b"HTTP/1.1 204 No Content\r\n\r\n"
LUMP: Final = b"x" * 65_536
BREATH: Final = 0.005  # seconds between two pieces of what has no end


@dataclass(frozen=True, slots=True)
class Request:
    path: str
    headers: Mapping[str, str]
    body: bytes


Says = Callable[[Request, asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Bad:
    """`takes`: it writes down what came before it says anything, as whoever answers 2xx should. `stays`: it leaves the
    connection as it is after that; who closes it instead can meet the next request, and then that one fails."""

    name: str
    says: Says
    takes: bool = False
    stays: bool = False


@dataclass(slots=True)
class BadPartner:
    """One partner's server; `bad` may be replaced while it runs."""

    partner: str
    recipients: Recipients
    bad: Bad | None = None
    port: int = 0
    requests: list[str] = field(default_factory=list)  # paths

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                await self._answer(await _request(head, reader), writer)
                if self.bad is not None and not self.bad.stays:
                    break
        writer.close()

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        self.requests.append(request.path)
        bad = self.bad
        if bad is None or bad.takes:
            self.take(request)
        if bad is None:
            writer.write(TAKEN)
        else:
            await bad.says(request, writer)
        await writer.drain()

    def take(self, request: Request) -> None:
        verifier = self.recipients.verifiers[self.partner]
        if not verifier.trusts(request.headers, request.body, now=datetime.now(UTC)):
            self.recipients.rejected.append(self.partner)
        event: dict[str, Any] = json.loads(request.body)
        self.recipients.write(self.partner, event["id"], request.body, content=event["data"], how="webhook")


async def _request(head: bytes, reader: asyncio.StreamReader) -> Request:
    line, *lines = head.decode().rstrip("\r\n").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (one.partition(":") for one in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(line.split()[1], headers, body)


@contextlib.asynccontextmanager
async def open_bad_partner(partner: str, recipients: Recipients) -> AsyncIterator[BadPartner]:
    made = BadPartner(partner, recipients)
    server = await asyncio.start_server(made.serve, HOST, 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()


# -- what it says ------------------------------------------------------------------------------------------------------


def answers(status: str, *headers: str, body: bytes = b"", length: int | None = None) -> Bad:
    """`length`: what it says the length of the body is, when that is a lie."""
    head = [f"HTTP/1.1 {status}", *headers, f"content-length: {len(body) if length is None else length}"]

    async def says(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write("\r\n".join(head).encode() + b"\r\n\r\n" + body)

    return Bad(" ".join((status, *headers)), says, takes=status.startswith("2"))


def at(seconds: float) -> str:
    """Retry-After as a moment that far from now, in whole seconds."""
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


def later_by_date(seconds: float) -> Bad:
    async def says(request: Request, writer: asyncio.StreamWriter) -> None:
        await answers("503 Later", f"retry-after: {at(seconds)}").says(request, writer)

    return Bad("503 with a date", says)


def slow(seconds: float) -> Bad:
    """Takes it, and says so that late."""

    async def says(_: Request, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(seconds)
        writer.write(TAKEN)

    return Bad("slow", says, takes=True)


def endless(start: bytes, more: bytes, *, takes: bool = False, pause: float = BREATH) -> Bad:
    """Goes on as long as somebody reads, and leaves the test room to breathe."""

    async def says(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(start)
        while True:
            writer.write(more)
            await writer.drain()
            await asyncio.sleep(pause)

    return Bad("endless", says, takes=takes)


def bomb(megabytes: int) -> bytes:
    """Packed a thousandth of that."""
    return gzip.compress(bytes(megabytes * 1_000_000), 9)
