# SPDX-License-Identifier: EUPL-1.2
"""What disk, database and broker give when nothing is done with the bytes: group commits, and confirmed messages."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

import apsw
import pika
import psycopg

MOST: Final = 200  # in one commit
OUTSTANDING: Final = 1000  # messages whose confirm has not come yet
WITHIN: Final = 60.0
QUEUE: Final = "bench.raw"
SMALL: Final = 200  # bytes of a raw message


class Commit(Protocol):
    def __call__(self, bodies: Sequence[bytes], /) -> None:
        """On disk when it returns."""


@contextlib.contextmanager
def sqlite_commits(file: Path) -> Iterator[Commit]:
    """As durable as the hub's own database."""
    db = apsw.Connection(str(file))
    for sql in ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "CREATE TABLE raw (body BLOB)"):
        db.execute(sql).fetchall()

    def commit(bodies: Sequence[bytes]) -> None:
        with db:
            db.executemany("INSERT INTO raw (body) VALUES (?)", ((body,) for body in bodies))

    yield commit
    db.close()


@contextlib.contextmanager
def postgres_commits(url: str) -> Iterator[Commit]:
    """One statement and one commit for a batch."""
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS raw (body bytea)")
        connection.commit()

        def commit(bodies: Sequence[bytes]) -> None:
            connection.execute("INSERT INTO raw (body) SELECT unnest(%b::bytea[])", (list(bodies),))
            connection.commit()

        yield commit


@dataclass(frozen=True, slots=True)
class _Handed:
    rows: Sequence[bytes]
    told: Callable[[], object]


_Waiting = queue.SimpleQueue[_Handed | None]


def group_commits(commit: Commit, works: Sequence[Sequence[Sequence[bytes]]], *, senders: int) -> float:
    """Works a second: each of so many senders hands in the rows of a step and waits until they are on disk, then the
    next step, then the next work; whoever waits shares a commit. It is the hub's own way to the disk, without a hub."""
    waiting: _Waiting = queue.SimpleQueue()
    writer = threading.Thread(target=_write, args=(commit, waiting))
    writer.start()
    try:
        return asyncio.run(_hand_in(waiting, works, senders))
    finally:
        waiting.put(None)
        writer.join(WITHIN)


def _write(commit: Commit, waiting: _Waiting) -> None:
    while (first := waiting.get()) is not None:
        batch = [first]
        while len(batch) < MOST and not waiting.empty():
            following = waiting.get()
            if following is None:
                waiting.put(None)
                break
            batch.append(following)
        commit([row for each in batch for row in each.rows])
        for each in batch:
            each.told()


async def _hand_in(waiting: _Waiting, works: Sequence[Sequence[Sequence[bytes]]], senders: int) -> float:
    loop = asyncio.get_running_loop()
    left = iter(works)

    async def sender() -> None:
        for work in left:
            for rows in work:
                done: asyncio.Future[None] = loop.create_future()
                waiting.put(_Handed(rows, partial(loop.call_soon_threadsafe, done.set_result, None)))
                await done

    start = time.perf_counter()
    async with asyncio.timeout(WITHIN):
        await asyncio.gather(*(sender() for _ in range(senders)))
    return len(works) / (time.perf_counter() - start)


def raw_pika(url: str, messages: int) -> float:
    """Messages a second: persistent, to a quorum queue, each confirmed and each consumed and acknowledged; by one
    process over two connections, with many confirms outstanding and one acknowledgement for many."""
    exchange = _Exchange(url, messages)
    exchange.run()
    return messages / exchange.seconds


class _Exchange:
    """One event loop, a connection that publishes and one that consumes."""

    def __init__(self, url: str, messages: int) -> None:
        self._url, self._messages = url, messages
        self._body = bytes(SMALL)
        self._sent = self._confirmed = self._consumed = 0
        self._start = 0.0
        self.seconds = 0.0
        self._publishing: Any = None

    def run(self) -> None:
        async def go() -> None:
            self._ended = asyncio.get_running_loop().create_future()
            publishing, consuming = await _channel(self._url), await _channel(self._url)
            self._publishing = publishing
            try:
                await _called(consuming.queue_delete, QUEUE)
                await _called(consuming.queue_declare, QUEUE, durable=True, arguments={"x-queue-type": "quorum"})
                await _called(consuming.basic_qos, prefetch_count=OUTSTANDING)
                await _called(publishing.confirm_delivery, ack_nack_callback=self._confirm)
                consuming.basic_consume(QUEUE, self._consume)
                self._start = time.perf_counter()
                self._publish()
                async with asyncio.timeout(WITHIN):
                    await self._ended
                await _called(consuming.queue_delete, QUEUE)
            finally:
                publishing.connection.close()
                consuming.connection.close()

        asyncio.run(go())

    def _publish(self) -> None:
        properties = pika.BasicProperties(delivery_mode=2)
        while self._sent < self._messages and self._sent - self._confirmed < OUTSTANDING:
            self._publishing.basic_publish("", QUEUE, self._body, properties, mandatory=True)
            self._sent += 1

    def _confirm(self, frame: Any) -> None:
        method = frame.method
        if not isinstance(method, pika.spec.Basic.Ack):
            self._ended.set_exception(RuntimeError("the broker refused a message"))
            return
        self._confirmed = max(self._confirmed, method.delivery_tag)  # a quorum queue confirms in order
        if self._sent - self._confirmed <= OUTSTANDING // 2:
            self._publish()
        self._look()

    def _consume(self, channel: Any, method: Any, _properties: Any, _body: bytes) -> None:
        self._consumed += 1
        if self._consumed % 100 == 0 or self._consumed == self._messages:
            channel.basic_ack(method.delivery_tag, multiple=True)
        self._look()

    def _look(self) -> None:
        if self._consumed == self._messages and self._confirmed >= self._messages and not self._ended.done():
            self.seconds = time.perf_counter() - self._start
            self._ended.set_result(None)


async def _channel(url: str) -> Any:
    from pika.adapters.asyncio_connection import AsyncioConnection

    opened: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    AsyncioConnection(
        pika.URLParameters(url),
        on_open_callback=lambda connection: connection.channel(on_open_callback=opened.set_result),
        on_open_error_callback=lambda _, error: opened.set_exception(error),
    )
    return await asyncio.wait_for(opened, WITHIN)


async def _called(method: Callable[..., Any], *given: Any, **named: Any) -> Any:
    done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    method(*given, **named, callback=done.set_result)
    return await asyncio.wait_for(done, WITHIN)
