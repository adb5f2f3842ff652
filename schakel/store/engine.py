# SPDX-License-Identifier: EUPL-1.2
"""The SQLite engine: one writer thread that commits what waits together, one reader thread beside it.

Group commit: the writer takes all work that waits (about 200 items at most), runs each piece in a savepoint of its own
inside one transaction, commits once with `synchronous=FULL`, and only then tells the callers. One piece's violation
rolls back that piece. When durability is in doubt, the whole batch is refused and nothing is taken in until the
database was opened anew, checkpointed to disk and checked.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import apsw

from schakel.errors import Conflict, Finding, Unacceptable
from schakel.failpoints import Failpoint, hit
from schakel.store.rows import Row

T = TypeVar("T")

BATCH: Final = 200  # items in one commit; measured: more gives nothing
_CHECKPOINT_PAGES: Final = 4000  # 16 MB of log before it is worked into the database

# After these SQLite may have rolled back everything, or cannot promise that what it wrote is there.
FATAL: Final = (
    apsw.FullError,
    apsw.IOError,
    apsw.BusyError,
    apsw.LockedError,
    apsw.NoMemError,
    apsw.CorruptError,
    apsw.NotADBError,
    apsw.CantOpenError,
    apsw.ReadOnlyError,
    apsw.ProtocolError,
    apsw.InterruptError,
)
_DOUBT: Final = (apsw.IOError, apsw.CorruptError, apsw.NotADBError)  # reopen and check before going on


class Db:
    """A connection that gives rows by column name. Not thread-safe: one thread uses it."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    def run(self, sql: str, **values: Any) -> int:
        """The number of rows changed by this statement itself."""
        self._connection.execute(sql, values)
        return int(self._connection.changes())

    def all(self, sql: str, **values: Any) -> list[Row]:
        return list(self.each(sql, **values))

    def each(self, sql: str, **values: Any) -> Iterator[Row]:
        cursor = self._connection.execute(sql, values)
        names: tuple[str, ...] | None = None
        for row in cursor:
            if names is None:
                names = tuple(column[0] for column in cursor.get_description())
            yield dict(zip(names, row, strict=True))

    def one(self, sql: str, **values: Any) -> Row | None:
        return next(iter(self.all(sql, **values)), None)

    def value(self, sql: str, **values: Any) -> Any:
        """The first column of the first row; None without a row."""
        row = self._connection.execute(sql, values).fetchone()
        return None if row is None else row[0]

    def script(self, sql: str) -> None:
        """Several statements, without values; their rows are let go (unread rows would stop what comes after)."""
        for _ in self._connection.execute(sql):
            pass

    @contextlib.contextmanager
    def savepoint(self) -> Iterator[None]:
        """All of what happens inside, or nothing of it."""
        self._connection.execute("SAVEPOINT item")
        try:
            yield
        except FATAL:
            raise  # SQLite may have rolled back the whole transaction: there is no savepoint to go back to
        except BaseException:
            self._connection.execute("ROLLBACK TO item")
            self._connection.execute("RELEASE item")
            raise
        self._connection.execute("RELEASE item")

    def begin(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        self._connection.execute("COMMIT")

    def rollback(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def close(self) -> None:
        self._connection.close()


@dataclass(slots=True)
class _Job:
    """One piece of work that waits for a commit, and who waits for it."""

    work: Callable[[Db], Any]
    points: tuple[Failpoint, Failpoint] | None
    weight: int
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None


@dataclass(slots=True)
class _Queue:
    """What waits for the writer, and how heavy it is."""

    jobs: deque[_Job] = field(default_factory=deque)
    weight: int = 0
    closing: bool = False
    changed: threading.Condition = field(default_factory=threading.Condition)

    def put(self, job: _Job) -> None:
        with self.changed:
            if self.closing:
                raise unavailable("store:closed")
            self.jobs.append(job)
            self.weight += job.weight
            self.changed.notify()

    def take(self) -> list[_Job]:
        """All that waits, up to a batch; empty when closing and nothing waits."""
        with self.changed:
            while not self.jobs and not self.closing:
                self.changed.wait()
            batch: list[_Job] = []
            weight = 0
            while self.jobs and (not batch or weight + self.jobs[0].weight <= BATCH):
                batch.append(self.jobs.popleft())
                weight += batch[-1].weight
            self.weight -= weight
            return batch

    def close(self) -> None:
        with self.changed:
            self.closing = True
            self.changed.notify()


class Engine:
    """Runs work on the database: `write` shares commits, `read` sees what was committed."""

    def __init__(self, path: Path, *, waiting_limit: int, busy_seconds: float, vfs: str | None = None) -> None:
        self._path = path
        self._vfs = vfs
        self._busy_ms = int(busy_seconds * 1000)
        self._waiting_limit = waiting_limit
        self._queue = _Queue()
        self._writer: Db | None = None
        self._reader: Db | None = None
        self._doubt = False
        self._trouble: str | None = None
        self._readers = ThreadPoolExecutor(max_workers=1, thread_name_prefix="schakel-reader")
        self._thread = threading.Thread(target=self._run, name="schakel-writer", daemon=True)
        self._thread.start()

    @property
    def trouble(self) -> str | None:
        """Why the last commit failed; None after one that went well."""
        return self._trouble

    async def write(
        self,
        work: Callable[[Db], T],
        *,
        points: tuple[Failpoint, Failpoint] | None = None,
        weight: int = 1,
        refuse_when_full: bool = False,
    ) -> T:
        """What `work` returned, after COMMIT; what it raised, after its savepoint was rolled back.

        Raises Unacceptable when the commit failed, or, with `refuse_when_full`, when too much waits already. A caller
        that goes away does not take its work back.
        """
        if refuse_when_full and self._queue.weight + weight > self._waiting_limit:
            raise unavailable("store:too-much-waits", retry_after=2)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._queue.put(_Job(work, points, weight, loop, future))
        return await future

    async def read(self, work: Callable[[Db], T]) -> T:
        """Raises Unacceptable when the database cannot be read."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, work)

    async def aclose(self) -> None:
        """Finishes what waits, then closes."""
        self._queue.close()
        await asyncio.to_thread(self._thread.join)
        await asyncio.get_running_loop().run_in_executor(self._readers, self._close_reader)
        self._readers.shutdown()

    # -- reader thread --

    def _read(self, work: Callable[[Db], T]) -> T:
        try:
            if self._reader is None:
                self._reader = self._open(("PRAGMA query_only = 1",))
            return work(self._reader)
        except apsw.Error as error:
            raise translated(error) from None

    def _close_reader(self) -> None:
        if self._reader is not None:
            self._reader.close()

    # -- writer thread --

    def _run(self) -> None:
        while batch := self._queue.take():
            self._commit(batch)
            _tell(batch)
        if self._writer is not None:
            self._writer.close()

    def _commit(self, batch: Sequence[_Job]) -> None:
        """One transaction for the batch; afterwards each job has a result or an error."""
        points = sorted({job.points for job in batch if job.points is not None})
        try:
            db = self._ready()
            db.begin()
            for job in batch:
                _run_job(db, job)
            for before, _ in points:
                hit(before)
            db.commit()
        except apsw.Error as error:
            self._fail(batch, error)
            return
        self._trouble = None
        for _, after in points:
            hit(after)

    def _ready(self) -> Db:
        """The writing connection; after doubt a new one, checkpointed to disk and checked.

        A failed fsync may leave pages that look written and are not. The checkpoint writes every page of the log into
        the database and syncs that, before anything new is promised.
        """
        if self._writer is None:
            db = self._open(("PRAGMA secure_delete = ON", "PRAGMA temp_store = MEMORY"))
            if self._doubt:
                try:
                    if db.value("PRAGMA wal_checkpoint(TRUNCATE)") != 0:
                        raise apsw.BusyError("checkpoint")
                    if db.value("PRAGMA quick_check(1)") != "ok":
                        raise apsw.CorruptError("quick_check")
                except BaseException:
                    db.close()
                    raise
                self._doubt = False
            self._writer = db
        return self._writer

    def _fail(self, batch: Sequence[_Job], error: apsw.Error) -> None:
        refusal = translated(error)
        self._trouble = refusal.findings[0].rule
        for job in batch:
            job.result, job.error = None, refusal
        if self._writer is None:
            return
        try:
            self._writer.rollback()
        except apsw.Error:
            self._doubt = True
        if isinstance(error, _DOUBT) or self._doubt:
            self._doubt = True
            with contextlib.suppress(apsw.Error):
                self._writer.close()
            self._writer = None

    def _open(self, pragmas: Sequence[str]) -> Db:
        return open_connection(self._path, busy_ms=self._busy_ms, pragmas=pragmas, vfs=self._vfs)


def open_connection(path: Path, *, busy_ms: int, pragmas: Sequence[str] = (), vfs: str | None = None) -> Db:
    """A connection with the settings that durability rests on. Raises apsw.Error."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE, vfs=vfs)
    try:
        connection.set_busy_timeout(busy_ms)
        for pragma in (
            "PRAGMA journal_mode = WAL",
            "PRAGMA synchronous = FULL",  # NORMAL loses acknowledged commits in a power cut
            "PRAGMA fullfsync = ON",
            "PRAGMA checkpoint_fullfsync = ON",
            "PRAGMA foreign_keys = ON",
            f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}",
            *pragmas,
        ):
            connection.execute(pragma)
    except BaseException:
        connection.close()
        raise
    return Db(connection)


def _run_job(db: Db, job: _Job) -> None:
    """In a savepoint: an error rolls this job back and no other. Fatal errors go on to fail the batch."""
    try:
        with db.savepoint():
            job.result = job.work(db)
    except FATAL:
        raise
    except apsw.Error as error:
        job.error = translated(error)
    except Exception as error:
        job.error = error


def _tell(batch: Sequence[_Job]) -> None:
    """After the commit: each caller gets its result, one wake-up per event loop."""
    loops: dict[asyncio.AbstractEventLoop, list[_Job]] = {}
    for job in batch:
        loops.setdefault(job.loop, []).append(job)
    for loop, jobs in loops.items():
        with contextlib.suppress(RuntimeError):  # that loop has been closed: nobody listens any more
            loop.call_soon_threadsafe(_resolve, jobs)


def _resolve(jobs: Sequence[_Job]) -> None:
    for job in jobs:
        if job.future.done():
            continue
        if job.error is None:
            job.future.set_result(job.result)
        else:
            job.future.set_exception(job.error)


# -- foreign errors ----------------------------------------------------------------------------------------------------

_RULES: Final[Mapping[type[apsw.Error], str]] = {
    apsw.FullError: "store:disk-full",
    apsw.IOError: "store:disk-error",
    apsw.BusyError: "store:busy",
    apsw.LockedError: "store:busy",
    apsw.CorruptError: "store:corrupt",
    apsw.NotADBError: "store:corrupt",
    apsw.CantOpenError: "store:absent",
    apsw.ReadOnlyError: "store:read-only",
}


def translated(error: apsw.Error) -> Unacceptable | Conflict:
    """One table from SQLite's errors to ours; their texts stay behind, as they can hold a value."""
    if isinstance(error, apsw.ConstraintError):
        return Conflict(
            Finding("store", "store:constraint", "De database staat dit niet toe", "The database does not allow this")
        )
    rule = next((rule for kind, rule in _RULES.items() if isinstance(error, kind)), "store:error")
    if isinstance(error, apsw.FullError):
        return unavailable(rule, status=507, retry_after=60)
    return unavailable(rule, retry_after=5)


def unavailable(rule: str, *, status: int = 503, retry_after: int = 5) -> Unacceptable:
    finding = Finding("store", rule, "Nu niet veilig op te slaan", "Cannot be stored safely now")
    return Unacceptable(finding, status=status, retry_after=retry_after)
