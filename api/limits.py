# SPDX-License-Identifier: EUPL-1.2
"""Bounds on a request, below the framework: header, body, time for body and answer, encodings, rate per partner."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import Problem, note_refusal, problem_of
from schakel.errors import Finding, Malformed, Throttled, Unacceptable, UnsupportedFormat

MAX_HEADER_BYTES: Final = 16_384
DRAIN_SECONDS: Final = 1.0  # a refused body is read and thrown away for so long, so that the refusal arrives
DRAIN_TIMES: Final = 8  # and so many times the largest body

_TOO_LARGE: Final = Finding("body", "limit:bytes", "Het bericht is te groot.", "The message is too large.")
_TOO_SLOW: Final = Finding(
    "body", "limit:time", "Het bericht kwam te langzaam binnen.", "The message came in too slowly."
)
_NO_ANSWER: Final = Finding(
    "store",
    "limit:answer-time",
    "Het duurt te lang om te weten of dit bewaard is. Stuur het zo weer: wat er al is, wordt herkend.",
    "It takes too long to know whether this was kept. Send it again shortly: what is there is recognised.",
)
_ENCODED: Final = Finding(
    "header Content-Encoding",
    "limit:encoding",
    "Ingepakte berichten worden niet aangenomen.",
    "Compressed messages are not accepted.",
)


class Limits:
    """What is too large is refused on its announcement, else when the first byte too many comes. Who gets no answer in
    time, as from a database that is frozen, hears 503; what waits in the store goes on, so the outcome is unknown."""

    def __init__(self, app: ASGIApp, *, max_body: int, body_timeout: float, answer_timeout: float) -> None:
        """Seconds; `answer_timeout` counts from the headers on, and holds until the answer begins."""
        self._app = app
        self._max_body = max_body
        self._body_timeout = body_timeout
        self._answer_timeout = answer_timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = _Body(scope, receive, max_body=self._max_body, seconds=self._body_timeout)

        patience = asyncio.timeout(self._answer_timeout)

        async def send_drained(message: Message) -> None:
            if message["type"] == "http.response.start":
                if not patience.expired():
                    patience.reschedule(None)
                if not await body.drained():
                    kept = [pair for pair in message.get("headers", ()) if pair[0] != b"connection"]
                    message = {**message, "headers": [*kept, (b"connection", b"close")]}
            await send(message)

        refused = self._refused(scope)
        answer = self._app if refused is None else refused
        try:
            async with patience:
                await answer(scope, body.receive, send_drained)
        except TimeoutError:
            if not patience.expired():
                raise
            await _no_answer(scope)(scope, body.receive, send_drained)

    def _refused(self, scope: Scope) -> Problem | None:
        headers = scope["headers"]
        if sum(len(name) + len(value) + 4 for name, value in headers) > MAX_HEADER_BYTES:
            title = ("De kop van het verzoek is te groot", "The header of the request is too large")
            return Problem(431, "header-too-large", title=title)
        announced = [value for name, value in headers if name == b"content-length"]
        if any(not value.isdigit() or int(value[:20]) > self._max_body for value in announced):
            return problem_of(Malformed(_TOO_LARGE, status=413))
        encodings = [value.strip().lower() for name, value in headers if name == b"content-encoding"]
        if any(value not in (b"", b"identity") for value in encodings):
            return problem_of(UnsupportedFormat(_ENCODED), headers={"accept-encoding": "identity"})
        return None


def _no_answer(scope: Scope) -> Problem:
    refusal = Unacceptable(_NO_ANSWER)
    note_refusal(Request(scope), refusal)
    return problem_of(refusal)


class _Body:
    """The body as the handler reads it: it raises Malformed (413, 408) where the bound is passed."""

    def __init__(self, scope: Scope, receive: Receive, *, max_body: int, seconds: float) -> None:
        names = {name: value for name, value in scope["headers"]}
        has_body = names.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in names
        self._asks_first = b"expect" in names  # it has not begun to send, and need not
        self._receive = receive
        self._max = max_body
        self._seconds = seconds
        self._deadline: float | None = None
        self._seen = 0
        self._ended = not has_body
        self._too_slow = False

    async def receive(self) -> Message:
        if self._deadline is None:
            self._deadline = asyncio.get_running_loop().time() + self._seconds
        if self._ended:
            return await self._receive()  # the body is over: what comes is the end of the connection
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._next()
        except TimeoutError:
            self._too_slow = True
            raise Malformed(_TOO_SLOW, status=408) from None
        if self._seen > self._max:
            raise Malformed(_TOO_LARGE, status=413)
        return message

    async def _next(self) -> Message:
        message = await self._receive()
        self._ended = message["type"] != "http.request" or not message.get("more_body", False)
        self._seen += len(message.get("body", b""))
        return message

    async def drained(self) -> bool:
        """Whether the connection can be used again. An answer sent over an unread body may never arrive: closing then
        resets the connection."""
        if self._ended:
            return True
        if self._too_slow or (self._asks_first and self._deadline is None):
            return False
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                while not self._ended and self._seen <= DRAIN_TIMES * self._max:
                    await self._next()
        return self._ended


class Rate:
    """Requests per partner in each minute; `monotonic` gives seconds."""

    def __init__(self, per_minute: int, *, monotonic: Callable[[], float]) -> None:
        self._per_minute = per_minute
        self._monotonic = monotonic
        self._minute = -1
        self._counts: dict[str, int] = {}

    def count(self, partner: str) -> None:
        """Raises Throttled, with the seconds until the next minute."""
        now = self._monotonic()
        minute = int(now // 60)
        if minute != self._minute:
            self._minute, self._counts = minute, {}
        self._counts[partner] = self._counts.get(partner, 0) + 1
        if self._counts[partner] > self._per_minute:
            raise Throttled(retry_after=max(1, 60 - int(now % 60)))
