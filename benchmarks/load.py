# SPDX-License-Identifier: EUPL-1.2
"""Sends prepared HTTP requests over kept-alive connections, as fast as answers come or at a steady rate."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, cast

WITHIN: Final = 120.0  # seconds; a turn that takes longer is broken


@dataclass(slots=True)
class Sent:
    """What came of it. `starts[i]`: when request `i` was due, or was written when nothing set a rate; `latencies[i]`:
    seconds from there to the whole answer."""

    starts: list[float]
    latencies: list[float]
    statuses: Counter[int] = field(default_factory=Counter)
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.latencies) / self.seconds

    def check(self, status: int) -> None:
        """Raises RuntimeError unless every answer had this status: half a measurement is none."""
        if set(self.statuses) != {status}:
            raise RuntimeError(f"not every answer was {status}: {dict(self.statuses)}")


def post(path: str, body: bytes, *, media_type: str, key: str = "") -> bytes:
    """One whole request, ready to be written."""
    authorization = f"authorization: Bearer {key}\r\n" if key else ""
    head = f"POST {path} HTTP/1.1\r\nhost: bench\r\n{authorization}content-type: {media_type}\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


async def send(port: int, requests: Sequence[bytes], *, connections: int, rate: float | None = None) -> Sent:
    """All of them. `rate`: so many a second, sent when they are due whether or not answers came (a connection that is
    busy makes what is due wait, and its latency counts from when it was due). Raises TimeoutError, OSError."""
    loop = asyncio.get_running_loop()
    sent = Sent(starts=[0.0] * len(requests), latencies=[0.0] * len(requests))
    waiting = iter(enumerate(requests))
    start = time.perf_counter()
    due = (lambda index: start + index / rate) if rate else None
    async with asyncio.timeout(WITHIN):
        lines: list[asyncio.Future[None]] = []
        for _ in range(min(connections, len(requests))):
            ended = loop.create_future()
            await loop.create_connection(partial(_Line, sent, waiting, due, ended), "127.0.0.1", port)
            lines.append(ended)
        await asyncio.gather(*lines)
    sent.seconds = time.perf_counter() - start
    return sent


class _Line(asyncio.Protocol):
    """One connection: the next request when the answer to the last is whole."""

    def __init__(
        self,
        sent: Sent,
        waiting: Iterator[tuple[int, bytes]],
        due: Callable[[int], float] | None,
        ended: asyncio.Future[None],
    ) -> None:
        self._sent, self._waiting, self._due, self._ended = sent, waiting, due, ended
        self._came = bytearray()
        self._index = 0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own is none by name
        self._next()

    def data_received(self, data: bytes) -> None:
        self._came += data
        if (status := _answered(self._came)) is None:
            return
        self._came.clear()
        self._sent.statuses[status] += 1
        self._sent.latencies[self._index] = time.perf_counter() - self._sent.starts[self._index]
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._ended.done():
            self._ended.set_exception(exc or ConnectionError("the server closed the connection"))

    def _next(self) -> None:
        assert self._transport is not None
        following = next(self._waiting, None)
        if following is None:
            if not self._ended.done():
                self._ended.set_result(None)
            self._transport.close()
            return
        self._index, request = following
        at = self._due(self._index) if self._due else 0.0
        ahead = at - time.perf_counter()
        if ahead > 0:
            asyncio.get_running_loop().call_later(ahead, self._write, request, at)
        else:
            self._write(request, at)

    def _write(self, request: bytes, at: float) -> None:
        assert self._transport is not None
        self._sent.starts[self._index] = at or time.perf_counter()
        self._transport.write(request)


def _answered(came: bytearray) -> int | None:
    """The status, when the whole answer is there."""
    head = came.find(b"\r\n\r\n")
    if head < 0:
        return None
    lower = bytes(came[:head]).lower()
    place = lower.find(b"content-length:")
    length = 0 if place < 0 else int(lower[place + 15 :].partition(b"\r\n")[0])
    return int(came[9:12]) if len(came) >= head + 4 + length else None
