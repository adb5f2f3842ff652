# SPDX-License-Identifier: EUPL-1.2
"""A TCP proxy on loopback between two who speak to each other, with a fault that can be set and healed while it runs.

It knows nothing of what goes through it, so the same faults fit a webhook, PostgreSQL and RabbitMQ. It runs in the loop
of the test: while a test blocks, nothing goes through.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final
from urllib.parse import urlsplit

from tests.support.private import free_port

HOST: Final = "127.0.0.1"
BACKLOG: Final = 128
PIECE: Final = 65_536  # bytes that are read at once
FILLERS: Final = 8  # connections that fill a backlog of none, with room to spare
FILLS_WITHIN: Final = 0.2  # seconds in which a connection on loopback is there, when there is room for it
RESETS: Final = struct.pack("ii", 1, 0)  # SO_LINGER: closing throws away what is under way and says RST


class Way(StrEnum):
    """`UP`: from the one who connected to the server behind the proxy. `DOWN`: back."""

    UP = "up"
    DOWN = "down"


class Ending(StrEnum):
    """How connections end: closed in order (FIN), or torn down (RST)."""

    CLOSE = "close"
    RESET = "reset"


class Door(StrEnum):
    """What somebody finds who connects anew."""

    OPEN = "open"
    ENDS = "ends"  # taken, and ended at once as `ends` says
    SILENT = "silent"  # taken, and nobody ever reads
    DEAF = "deaf"  # not taken: connecting hangs
    REFUSED = "refused"  # nobody listens


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong between the two; of connections that are there and of new ones, unless it says otherwise.

    `ends` alone ends each connection when the fault is set. With `loses_answer` it ends it when the server begins to
    answer, with `answer_bytes` after so many bytes of its answer: the server has the request by then.
    """

    name: str
    delay: float = 0.0  # seconds that each piece waits
    seconds_per_byte: float = 0.0  # 0: as fast as it goes
    slow: frozenset[Way] = frozenset(Way)  # ways that these two are about
    holds: frozenset[Way] = frozenset()  # ways on which nothing goes on; what comes there waits for the healing
    ends: Ending | None = None
    loses_answer: bool = False
    answer_bytes: int | None = None
    door: Door = Door.OPEN

    @property
    def ends_at_once(self) -> bool:
        return self.ends is not None and not self.loses_answer and self.answer_bytes is None


HEALTHY: Final = Fault("nothing")
CUT: Final = Fault("cut", ends=Ending.CLOSE, door=Door.ENDS)
RESET: Final = Fault("reset", ends=Ending.RESET, door=Door.ENDS)
HALF_OPEN: Final = Fault("half-open", holds=frozenset(Way))
BYTE_PER_SECOND: Final = Fault("one byte per second", seconds_per_byte=1.0)
SLOW_UP: Final = Fault("one byte per second towards the server", seconds_per_byte=1.0, slow=frozenset({Way.UP}))
BLACKHOLE: Final = Fault("blackhole that takes connections", holds=frozenset(Way), door=Door.SILENT)
DEAF: Final = Fault("blackhole that takes no connections", holds=frozenset(Way), door=Door.DEAF)
REFUSED: Final = Fault("nobody listens", ends=Ending.RESET, door=Door.REFUSED)
ANSWER_LOST: Final = Fault("answer lost after it was taken", ends=Ending.CLOSE, loses_answer=True)
ANSWER_RESET: Final = Fault("reset after it was taken", ends=Ending.RESET, loses_answer=True)
ANSWER_HELD: Final = Fault("answer held after it was taken", holds=frozenset({Way.DOWN}))


def latency(seconds: float) -> Fault:
    """Each piece comes so much later, on both ways."""
    return Fault(f"latency of {seconds:g} s", delay=seconds)


def answer_cut_after(count: int) -> Fault:
    """Of each answer from now on the first `count` bytes come through, and then the connection closes."""
    return Fault(f"answer cut after {count} bytes", ends=Ending.CLOSE, answer_bytes=count)


@dataclass(eq=False, slots=True)
class Link:
    """One connection through the proxy: the socket of who connected, and the one to the server once there is one."""

    near: tuple[asyncio.StreamReader, asyncio.StreamWriter]
    far: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
    answered: int = 0  # bytes that went down since the fault was set

    def end(self, how: Ending) -> None:
        for _, writer in filter(None, (self.near, self.far)):
            _end(writer, how)


@dataclass(slots=True)
class Proxy:
    """Between `port` and the server at `to`. Made by `open_proxy`; `fault` says what is wrong now."""

    to: tuple[str, int]
    port: int = 0
    fault: Fault = HEALTHY
    taken: int = 0  # connections, since it runs
    felt: int = (
        0  # times that the fault did something to a connection, since it was set (nobody sees who cannot connect)
    )
    _listening: socket.socket | None = None
    _fillers: list[socket.socket] = field(default_factory=list)
    _accepting: asyncio.Task[None] | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _links: set[Link] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def links(self) -> int:
        """Connections that are there now."""
        return len(self._links)

    def through(self, url: str) -> str:
        """The same URL, by way of this proxy."""
        parts = urlsplit(url)
        user, at, _ = parts.netloc.rpartition("@")
        return parts._replace(netloc=f"{user}{at}{HOST}:{self.port}").geturl()

    # -- what is wrong

    async def set(self, fault: Fault) -> None:
        """From now on. What an earlier fault held back goes on, unless this one holds it too."""
        before, self.fault, self.felt = self.fault, fault, 0
        for link in self._links:
            link.answered = 0
        self._changed.set()
        self._changed = asyncio.Event()
        if fault.door is not before.door:
            await self._hang(fault.door)
        if fault.ends_at_once:
            assert fault.ends is not None
            self.sever(fault.ends)

    async def heal(self) -> None:
        """Nothing is wrong any more; connections that are there go on, with what was held back."""
        await self.set(HEALTHY)

    def sever(self, how: Ending = Ending.CLOSE) -> None:
        """Ends the connections that are there now, whatever else is wrong."""
        for link in list(self._links):
            self.felt += 1
            link.end(how)

    # -- the door

    async def start(self) -> None:
        self.port = free_port()  # no port that the system gives to others while nobody listens here
        await self._hang(Door.OPEN)

    async def _hang(self, door: Door) -> None:
        await self._stop_accepting()
        if door is Door.REFUSED:
            self._close_door()
            return
        if self._listening is None:
            self._listening = socket.create_server((HOST, self.port), backlog=BACKLOG)
            self._listening.setblocking(False)
        if door is Door.DEAF:
            await self._fill(self._listening)
            return
        await self._empty(self._listening)
        self._accepting = asyncio.create_task(self._accept(self._listening))

    async def _stop_accepting(self) -> None:
        if self._accepting is not None:
            self._accepting.cancel()
            await asyncio.gather(self._accepting, return_exceptions=True)
            self._accepting = None

    def _close_door(self) -> None:
        for one in (*self._fillers, *filter(None, (self._listening,))):
            one.close()
        self._fillers, self._listening = [], None

    async def _fill(self, listening: socket.socket) -> None:
        """Fills the queue of connections that wait to be taken: the system answers nobody else who knocks."""
        listening.listen(0)
        loop = asyncio.get_running_loop()
        for _ in range(FILLERS):
            one = socket.socket()
            one.setblocking(False)
            self._fillers.append(one)
            try:
                async with asyncio.timeout(FILLS_WITHIN):
                    await loop.sock_connect(one, (HOST, self.port))
            except TimeoutError:
                return
        raise AssertionError("the queue of those who wait does not fill")

    async def _empty(self, listening: socket.socket) -> None:
        """Sends away those who filled the queue, and has room again."""
        ours = {one.getsockname() for one in self._fillers}
        for one in self._fillers:
            one.close()
        self._fillers = []
        listening.listen(BACKLOG)
        for _ in range(len(ours)):
            with contextlib.suppress(BlockingIOError):
                met, name = listening.accept()
                if name in ours:
                    met.close()
                else:
                    await self._meet(met)

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            met, _ = await loop.sock_accept(listening)
            await self._meet(met)

    async def _meet(self, met: socket.socket) -> None:
        self.taken += 1
        met.setblocking(False)
        met.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link = Link(await asyncio.open_connection(sock=met))
        self._links.add(link)
        self._run(self._serve(link))

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- one connection

    async def _serve(self, link: Link) -> None:
        try:
            if self.fault.door is Door.ENDS and self.fault.ends is not None:
                self.felt += 1
                link.end(self.fault.ends)
            await self._while(lambda fault: fault.door is Door.SILENT)
            if link.near[1].is_closing():  # ended, or severed meanwhile
                return
            link.far = await asyncio.open_connection(*self.to)
            (near, to_near), (far, to_far) = link.near, link.far
            if to_near.is_closing():
                link.end(Ending.CLOSE)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pump(link, Way.UP, near, to_far))
                both.create_task(self._pump(link, Way.DOWN, far, to_near))
            link.end(Ending.CLOSE)
        except* OSError:
            link.end(Ending.RESET)  # what one side does to its connection, the other feels
        finally:
            for _, writer in filter(None, (link.near, link.far)):
                writer.transport.abort()
            self._links.discard(link)

    async def _pump(self, link: Link, way: Way, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Everything that comes on one way, and its end."""
        while piece := await reader.read(PIECE):
            await self._forward(link, way, piece, writer)
        await self._while(lambda fault: way in fault.holds)
        if not writer.is_closing():
            writer.write_eof()

    async def _forward(self, link: Link, way: Way, piece: bytes, writer: asyncio.StreamWriter) -> None:
        delayed: Fault | None = None
        while piece:
            fault = self.fault
            if way in fault.holds:
                await self._while(lambda now: way in now.holds)
                continue
            slow = way in fault.slow
            if slow and fault.delay and delayed is not fault:
                delayed = fault
                await self._pause(fault.delay)
                continue
            drips = slow and fault.seconds_per_byte > 0
            count = 1 if drips else len(piece)
            if way is Way.DOWN and fault.ends is not None:
                count = min(count, 0 if fault.loses_answer else max(0, (fault.answer_bytes or 0) - link.answered))
                link.answered += count
            writer.write(piece[:count])
            await writer.drain()
            if way is Way.DOWN and fault.ends is not None and count < len(piece):
                self.felt += 1
                link.end(fault.ends)
                return
            piece = piece[count:]
            if drips and piece:
                await self._pause(fault.seconds_per_byte)

    async def _while(self, holds: Callable[[Fault], bool]) -> None:
        """Returns when the fault is another, of which this no longer holds."""
        if holds(self.fault):
            self.felt += 1
        while holds(self.fault):
            await self._changed.wait()

    async def _pause(self, seconds: float) -> None:
        """So long, or until the fault is another."""
        self.felt += 1
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), seconds)

    async def aclose(self) -> None:
        await self._stop_accepting()
        self._close_door()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for link in list(self._links):  # of a task that was cancelled before it began
            link.end(Ending.RESET)
        self._links.clear()


def _end(writer: asyncio.StreamWriter, how: Ending) -> None:
    if how is Ending.RESET and not writer.is_closing():
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESETS)
        writer.transport.abort()
    else:
        writer.close()


@contextlib.asynccontextmanager
async def open_proxy(url: str) -> AsyncIterator[Proxy]:
    """Before the server of this URL (scheme, host and port count)."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    proxy = Proxy((parts.hostname, parts.port))
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.aclose()
