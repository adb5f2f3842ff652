# SPDX-License-Identifier: EUPL-1.2
"""One HTTP/1.1 connection to a recipient: writes a request, reads one bounded answer, and can be asked again.

It speaks no more of HTTP than a webhook needs: no redirects, no cookies, no proxies, no unpacking, no pipelining. What
the other side says is read by `httptools` (llhttp), without its leniencies.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final, cast

import httptools

from schakel.errors import TemporaryFailure

ANSWER_BYTES: Final = 65_536  # of the answer's body are read, so that the connection can be used again; more closes it
ANSWER_SECONDS: Final = 2.0  # from the answer's head to the end of its body
HEAD_BYTES: Final = 65_536  # before the body; what is longer is no HTTP to us
FRAMED_BYTES: Final = 4 * ANSWER_BYTES  # of a body as it is sent, with what stands between and behind its parts
HEAD_LINES: Final = 128
INTERIM: Final = 16  # interim answers (1xx) before the answer
SWITCHING: Final = 101  # ends as an answer does: nobody asked for another protocol


@dataclass(frozen=True, slots=True)
class Answered:
    """What an HTTP server answered; of a body larger than the bound, or slower, nothing is kept."""

    status: int
    retry_after: str | None
    body: bytes


class _Unread(Exception):
    """Raised in the parser's callbacks: what comes is past a bound."""


class Line(asyncio.Protocol):
    """Asked by one at a time. When an answer is not whole, what follows it could be anything: the connection goes."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._waiting: asyncio.Future[Answered] | None = None
        self._limit: asyncio.TimerHandle | None = None
        self._again = True
        self.lost = asyncio.Event()
        self._begin()

    def _begin(self) -> None:
        """Of the answer that is awaited."""
        self._body = bytearray()
        self._came = self._lines = self._interim = self._status = 0
        self._retry_after: str | None = None
        self._framed = False  # says itself where its body ends; else it does so by closing
        self._whole = False

    @property
    def usable(self) -> bool:
        """It can be asked again."""
        return self._again and self._transport is not None and not self._transport.is_closing()

    async def ask(self, request: bytes) -> Answered:
        """Raises TemporaryFailure: `not-http` or `connection-lost`."""
        if self._transport is None or self._transport.is_closing():
            raise TemporaryFailure("connection-lost")
        self._begin()
        self._waiting = self._loop.create_future()
        self._transport.write(request)
        try:
            return await self._waiting
        except BaseException:
            self.drop()
            raise

    def close(self) -> None:
        """In order; `drop` does not wait for the other side."""
        self._again = False
        if self._transport is not None:
            self._transport.close()

    def drop(self) -> None:
        self._again = False
        if self._transport is not None:
            self._transport.abort()

    # -- the connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own is none by name

    def data_received(self, data: bytes) -> None:
        if self._waiting is None or self._waiting.done():
            self.drop()  # nobody asked
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._again = False
            if not self._status:
                self._fail("not-http")
                return
            self._answer(whole=self._whole)  # the status decides, whatever follows it
            return
        self._came += len(data)
        if self._whole:
            self._answer(whole=True)
        elif not self._status:
            if self._came > HEAD_BYTES:
                self._fail("not-http")
        elif len(self._body) > ANSWER_BYTES or self._came > FRAMED_BYTES:
            self._answer(whole=False)
        elif self._limit is None:
            self._limit = self._loop.call_later(ANSWER_SECONDS, self._slow)

    def connection_lost(self, exc: Exception | None) -> None:
        self._again = False
        self._transport = None
        if self._waiting is not None and not self._waiting.done():
            if self._status:
                self._answer(whole=exc is None and not self._framed)
            else:
                self._fail("connection-lost")
        self.lost.set()
        del self._parser  # it holds this object

    # -- what the parser finds

    def on_message_begin(self) -> None:
        if self._whole:
            self._again = False  # another answer, that nobody asked for

    def on_header(self, name: bytes, value: bytes) -> None:
        self._lines += 1
        if self._lines > HEAD_LINES:
            raise _Unread
        if self._status:
            return  # behind the body
        known = name.lower()
        if known == b"retry-after" and self._retry_after is None:
            self._retry_after = value.decode("latin-1")
        elif known in (b"content-length", b"transfer-encoding"):
            self._framed = True

    def on_headers_complete(self) -> None:
        if self._whole:
            raise _Unread
        status = self._parser.get_status_code()
        if status >= 200 or status == SWITCHING:
            self._status = status
            return
        self._interim += 1
        if self._interim > INTERIM:
            raise _Unread
        self._came = self._lines = 0
        self._retry_after, self._framed = None, False

    def on_body(self, body: bytes) -> None:
        if len(self._body) <= ANSWER_BYTES:
            self._body += body

    def on_message_complete(self) -> None:
        if self._status:
            self._whole = True
            self._again = self._again and self._parser.should_keep_alive()

    # -- how it ends

    def _slow(self) -> None:
        self._limit = None
        if self._waiting is not None and not self._waiting.done():
            self._answer(whole=False)

    def _answer(self, *, whole: bool) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None
        whole = whole and len(self._body) <= ANSWER_BYTES
        if not whole:
            self.drop()
        elif self._transport is not None and self._transport.get_write_buffer_size():
            self._again = False  # it answered before it had read everything
        assert self._waiting is not None
        self._waiting.set_result(Answered(self._status, self._retry_after, bytes(self._body) if whole else b""))

    def _fail(self, reason: str) -> None:
        assert self._waiting is not None
        self._waiting.set_exception(TemporaryFailure(reason))
        self.drop()
