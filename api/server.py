# SPDX-License-Identifier: EUPL-1.2
"""Serves the door over HTTP/1.1: strict framing, and connections with slow or endless headers closed below ASGI.

uvicorn's `httptools` parser is forced: it refuses a request with both Content-Length and Transfer-Encoding, on which
two servers in a row can be made to disagree where a request ends.
"""

from __future__ import annotations

import asyncio
import socket
from asyncio.events import TimerHandle
from collections.abc import Sequence
from typing import Any, Final

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.app import create_app
from api.guard import HEADERS
from api.hub import Hub
from api.listening import ToldServer, serve_until
from api.problems import Problem

MAX_RAW_HEADER: Final = 32_768  # bytes; the layer above refuses politely from 16 kB
MAX_HEADERS: Final = 100
KEEP_ALIVE_SECONDS: Final = 30
SHUTDOWN_SECONDS: Final = 20


class _HeadersTooLarge(Exception):
    """Raised inside the parser; it stops there."""


class DoorProtocol(HttpToolsProtocol):
    """One connection. Headers must be whole within `header_timeout` seconds of the first byte (or of connecting)."""

    header_timeout: float = 10.0
    _timer: TimerHandle | None = None
    _in_headers: bool = True
    _header_bytes: int = 0
    _header_count: int = 0
    _messages: int = 0
    _oversized: bool = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        self._headers_came()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        inside, message = self._in_headers, self._messages
        super().data_received(data)
        if inside and self._in_headers and message == self._messages and not self.transport.is_closing():
            self._header_bytes += len(data)  # one endless header never reaches a callback
            if self._header_bytes > MAX_RAW_HEADER:
                self._oversized = True
                self.send_400_response("")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._messages += 1
        self._header_bytes = self._header_count = 0
        if self._timer is None:
            self._await_headers()

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._header_count += 1
        self._count(len(name) + len(value) + 4)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._headers_came()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """The parser refuses, or the header is too large: a problem as everywhere else, and the end."""
        if self.transport.is_closing():
            return
        problem = _too_large if self._oversized else _not_http
        self.transport.write(_raw(problem()))
        self.transport.close()

    def _count(self, size: int) -> None:
        self._header_bytes += size
        if self._header_bytes > MAX_RAW_HEADER or self._header_count > MAX_HEADERS:
            self._oversized = True
            raise _HeadersTooLarge

    def _await_headers(self) -> None:
        self._in_headers = True
        self._timer = self.loop.call_later(self.header_timeout, self._too_slow)

    def _headers_came(self) -> None:
        self._in_headers = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        self._timer = None
        self.transport.abort()


def _too_large() -> Problem:
    return Problem(431, "header-too-large", title=("De kop is te groot", "The header is too large"))


def _not_http() -> Problem:
    return Problem(400, "malformed", title=("Geen geldig HTTP-verzoek", "Not a valid HTTP request"))


def _raw(problem: Problem) -> bytes:
    status = {400: b"400 Bad Request", 431: b"431 Request Header Fields Too Large"}[problem.status_code]
    pairs = [*((n, v) for n, v in problem.raw_headers if n != b"connection"), *HEADERS, (b"connection", b"close")]
    head = b"".join(name + b": " + value + b"\r\n" for name, value in pairs)
    return b"HTTP/1.1 " + status + b"\r\n" + head + b"\r\n" + bytes(problem.body)


def door(hub: Hub) -> ToldServer:
    """The server over `hub`, not started yet: `await door(hub).serve(sockets=[listen(…)])`."""
    settings = hub.settings
    protocol: Any = type("DoorProtocol", (DoorProtocol,), {"header_timeout": settings.header_timeout})
    config = uvicorn.Config(
        create_app(hub),
        http=protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        host=settings.host,
        port=settings.port,
    )
    return ToldServer(config)


async def serve(hub: Hub, *, sockets: Sequence[socket.socket], stop: asyncio.Event) -> None:
    """Serves until `stop`, then answers what is under way and returns."""
    await serve_until(door(hub), sockets=sockets, stop=stop)
