# SPDX-License-Identifier: EUPL-1.2
"""Group commit: pieces of work wait together, are committed together by a writer thread, and only then are told.

A writer takes all work that waits (about 200 items at most) and hands it to the backend, which runs each piece in a
savepoint of its own and commits once. Which database that is, the backend alone knows.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final, Protocol, TypeVar

from schakel.failpoints import Failpoint, hit
from schakel.operating import CommitSizes
from schakel.records import Bell
from schakel.store.db import Db, Reach, Undone, Violated, unavailable

T = TypeVar("T")
Item = TypeVar("Item")
Ring = Callable[[Sequence[Bell]], None]  # called on an event loop; returns at once and never raises

BATCH: Final = 200  # items in one commit; measured: more gives nothing
SIZES: Final = (1, 2, 5, 10, 20, 50, 100, 200)  # bounds of the histogram of commits


@dataclass(slots=True, eq=False)
class Job:
    """One piece of work that waits for a commit, and who waits for it.

    With `items`, `work` takes a list of them and gives a result for each, and is called once for all jobs of a batch
    that have the same work.
    """

    work: Callable[..., Any]
    items: Sequence[Any] | None
    points: tuple[Failpoint, Failpoint] | None
    reach: Reach | None
    weight: int
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None


def run_all(db: Db, batch: Sequence[Job]) -> None:
    """Each in a savepoint: an error rolls back one piece of work and no other. Raises Undone, which fails the batch."""
    alike: dict[int, list[Job]] = {}
    for job in batch:
        alike.setdefault(id(job) if job.items is None else id(job.work), []).append(job)
    for jobs in alike.values():
        _run(db, jobs)


def _run(db: Db, jobs: Sequence[Job]) -> None:
    work, items = jobs[0].work, [item for job in jobs for item in job.items or ()]
    error: BaseException | None = None
    results: Any = None
    try:
        with db.savepoint():
            results = work(db) if jobs[0].items is None else iter(work(db, items))
    except Undone:
        raise
    except Violated as violated:
        error = violated.refusal
    except Exception as fault:
        error = fault
    for job in jobs:
        job.error = error
        if error is None:
            job.result = results if job.items is None else list(islice(results, len(job.items)))


class Reader(Protocol):
    """One database, to look at only; each connection opens when it is first needed."""

    def read(self, work: Callable[[Db], T]) -> T:
        """What was committed. Raises Unacceptable when the database cannot be read."""

    def close(self) -> None:
        """Called when no thread uses it any more."""


class Backend(Reader, Protocol):
    """One database. `commit` and `read` are called from threads."""

    @property
    def trouble(self) -> str | None:
        """Why the last commit failed; None after one that went well."""

    def commit(self, batch: Sequence[Job]) -> Sequence[Bell]:
        """Runs and commits; afterwards each job has a result or an error. The bells of what is committed."""

    def close_thread(self) -> None:
        """Called by a writer thread that ends."""


@dataclass(slots=True)
class _Queue:
    """What waits for the writer, and how heavy it is."""

    jobs: deque[Job] = field(default_factory=deque)
    weight: int = 0
    closing: bool = False
    changed: threading.Condition = field(default_factory=threading.Condition)

    def put(self, job: Job) -> None:
        with self.changed:
            if self.closing:
                raise unavailable("store:closed")
            self.jobs.append(job)
            self.weight += job.weight
            self.changed.notify()

    def take(self) -> list[Job]:
        """All that waits, up to a batch; empty when closing and nothing waits."""
        with self.changed:
            while not self.jobs and not self.closing:
                self.changed.wait()
            batch: list[Job] = []
            weight = 0
            while self.jobs and (not batch or weight + self.jobs[0].weight <= BATCH):
                batch.append(self.jobs.popleft())
                weight += batch[-1].weight
            self.weight -= weight
            return batch

    def close(self) -> None:
        with self.changed:
            self.closing = True
            self.changed.notify_all()


class _Sizes:
    """Counts how many pieces of work share a commit. Thread-safe."""

    def __init__(self) -> None:
        self._counts = [0] * (len(SIZES) + 1)
        self._total = 0
        self._lock = threading.Lock()

    def add(self, size: int) -> None:
        with self._lock:
            self._counts[bisect_left(SIZES, size)] += 1
            self._total += size

    def now(self) -> CommitSizes:
        with self._lock:
            return CommitSizes(SIZES, tuple(self._counts), self._total)


def nobody_hears(bells: Sequence[Bell]) -> None:
    """The sweep finds what is due."""


class Engine:
    """Runs work on the database: `write` shares commits, `read` sees what was committed."""

    def __init__(
        self, backend: Backend, *, waiting_limit: int, ring: Ring = nobody_hears, writers: int = 1, readers: int = 1
    ) -> None:
        self._backend = backend
        self._ring = ring
        self._waiting_limit = waiting_limit
        self._queue = _Queue()
        self._sizes = _Sizes()
        self._readers = ThreadPoolExecutor(max_workers=readers, thread_name_prefix="schakel-reader")
        self._writers = [
            threading.Thread(target=self._run, name=f"schakel-writer-{place}", daemon=True) for place in range(writers)
        ]
        for writer in self._writers:
            writer.start()

    @property
    def trouble(self) -> str | None:
        """Why the last commit failed; None after one that went well."""
        return self._backend.trouble

    def sizes(self) -> CommitSizes:
        """From the start of the process on."""
        return self._sizes.now()

    async def write(
        self,
        work: Callable[[Db], T],
        *,
        points: tuple[Failpoint, Failpoint] | None = None,
        reach: Reach | None = None,
        weight: int = 1,
    ) -> T:
        """What `work` returned, after COMMIT; what it raised, after its savepoint was rolled back.

        `work` may be called again when its transaction was lost. Raises Unacceptable when the commit failed, or, in
        `write_each` with `refuse_when_full`, when too much waits already. A caller that goes away does not take its
        work back.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._queue.put(Job(work, None, points, reach, weight, loop, future))
        return await future

    async def write_each(
        self,
        work: Callable[[Db, list[Item]], Sequence[T]],
        items: Sequence[Item],
        *,
        points: tuple[Failpoint, Failpoint] | None = None,
        reach: Reach | None = None,
        refuse_when_full: bool = False,
    ) -> list[T]:
        """As `write`, with a result for each item; whoever calls with the very same `work` shares a call of it."""
        weight = len(items)
        if refuse_when_full and self._queue.weight + weight > self._waiting_limit:
            raise unavailable("store:too-much-waits", retry_after=2)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[list[T]] = loop.create_future()
        self._queue.put(Job(work, items, points, reach, weight, loop, future))
        return await future

    async def read(self, work: Callable[[Db], T]) -> T:
        """Raises Unacceptable when the database cannot be read."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._backend.read, work)

    async def aclose(self) -> None:
        """Finishes what waits, then closes."""
        self._queue.close()
        for writer in self._writers:
            await asyncio.to_thread(writer.join)
        self._readers.shutdown()
        await asyncio.to_thread(self._backend.close)

    def _run(self) -> None:
        while batch := self._queue.take():
            self._sizes.add(len(batch))
            bells: Sequence[Bell] = ()
            try:
                bells = self._backend.commit(batch)
            except Exception as fault:  # one of ours: nobody may wait for ever, and the next batch goes on
                for job in batch:
                    job.result, job.error = None, fault
            if bells:
                _soon(batch[0].loop, self._ring, bells)
            _tell(batch)
        self._backend.close_thread()


def hit_before(batch: Sequence[Job]) -> None:
    """For tests: the points just before COMMIT."""
    for before, _ in _points(batch):
        hit(before)


def hit_after(batch: Sequence[Job]) -> None:
    """For tests: the points just after COMMIT, before anybody was told."""
    for _, after in _points(batch):
        hit(after)


def _points(batch: Sequence[Job]) -> list[tuple[Failpoint, Failpoint]]:
    return sorted({job.points for job in batch if job.points is not None})


def _tell(batch: Sequence[Job]) -> None:
    """After the commit: each caller gets its result, one wake-up per event loop."""
    loops: dict[asyncio.AbstractEventLoop, list[Job]] = {}
    for job in batch:
        loops.setdefault(job.loop, []).append(job)
    for loop, jobs in loops.items():
        _soon(loop, _resolve, jobs)


def _soon(loop: asyncio.AbstractEventLoop, what: Callable[[Sequence[Item]], None], items: Sequence[Item]) -> None:
    with contextlib.suppress(RuntimeError):  # that loop has been closed: nobody listens any more
        loop.call_soon_threadsafe(what, items)


def _resolve(jobs: Sequence[Job]) -> None:
    for job in jobs:
        if job.future.done():
            continue
        if job.error is None:
            job.future.set_result(job.result)
        else:
            job.future.set_exception(job.error)
