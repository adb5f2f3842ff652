# SPDX-License-Identifier: EUPL-1.2
"""Recipients as one cheap process: answer each webhook 204 over a connection that stays open, and note when it came.

A body tells which message it is of by a *mark*, `Bench-<number>`, anywhere in it. `python -m benchmarks.sinks PORT`
runs it; `Sinks` asks it what came. Times are of the monotonic clock, which all processes of a machine share.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any, Final, cast

import uvloop

from benchmarks.running import free_port, process

MARK: Final = re.compile(rb"Bench-(\d+)")
_TAKEN: Final = b"HTTP/1.1 204 No Content\r\n\r\n"
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Sinks:
    """A client of the process. A recipient's URL is `url` with any name behind it."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def arrivals(self) -> int:
        """How many different (recipient, message) came since `forget`."""
        return int(self._ask("GET", "/-/count"))

    def journal(self) -> dict[int, dict[str, float]]:
        """Message → recipient → when its handler had the whole body, the first time."""
        journal: dict[str, dict[str, float]] = self._ask("GET", "/-/journal")
        return {int(mark): came for mark, came in journal.items()}

    def document(self) -> Any:
        """What came last, of JSON."""
        return self._ask("GET", "/-/document")

    def forget(self) -> None:
        self._ask("DELETE", "/-/journal")

    def until(self, arrivals: int, *, within: float) -> float:
        """Waits until so many came; the time at which the last one did. Raises TimeoutError."""
        end = time.monotonic() + within
        while (came := self.arrivals()) < arrivals:
            if time.monotonic() > end:
                raise TimeoutError(f"{came} of {arrivals} came within {within:.0f} seconds")
            time.sleep(0.02)
        return float(self._ask("GET", "/-/last"))

    def _ask(self, method: str, path: str) -> Any:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path)
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()


@contextmanager
def sinks() -> Iterator[Sinks]:
    """Runs them until the block ends."""
    port = free_port()
    with process([sys.executable, "-m", "benchmarks.sinks", str(port)], port=port):
        yield Sinks(port)


# -- the process -------------------------------------------------------------------------------------------------------


class _Journal:
    def __init__(self) -> None:
        self.came: dict[int, dict[str, float]] = {}
        self.count = 0
        self.last = 0.0
        self.body = b"null"

    def note(self, recipient: str, mark: int, body: bytes) -> None:
        self.body = body
        came = self.came.setdefault(mark, {})
        if recipient not in came:
            came[recipient] = self.last = time.perf_counter()
            self.count += 1


class _Recipient(asyncio.Protocol):
    """One connection. It reads as little of HTTP as a sender in this folder writes: a length, or no body."""

    def __init__(self, journal: _Journal) -> None:
        self._journal = journal
        self._came = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own is none by name

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        self._came += data
        while (head := self._came.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(self._came, 0, head + 2)
            end = head + 4 + (int(length[1]) if length else 0)
            if len(self._came) < end:
                return
            method, path = bytes(self._came[: self._came.index(b"\r")]).split()[:2]
            self._transport.write(self._answer(method, path.decode(), bytes(self._came[head + 4 : end])))
            del self._came[:end]

    def _answer(self, method: bytes, path: str, body: bytes) -> bytes:
        journal = self._journal
        if not path.startswith("/-/"):
            mark = MARK.search(body)
            if mark is None:
                return b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"
            journal.note(path, int(mark[1]), body)
            return _TAKEN
        if method == b"DELETE":
            journal.__init__()  # type: ignore[misc]
        if path == "/-/document":
            return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(journal.body) + journal.body
        said: object = {"/-/count": journal.count, "/-/last": journal.last}.get(path)
        text = json.dumps(journal.came if said is None else said).encode()
        return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(text) + text


async def _listen(port: int) -> None:
    journal = _Journal()
    loop = asyncio.get_running_loop()  # backlog: a sender that opens a thousand connections at once is not held up here
    server = await loop.create_server(lambda: _Recipient(journal), "127.0.0.1", port, backlog=4096)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_listen(int(sys.argv[1])))
