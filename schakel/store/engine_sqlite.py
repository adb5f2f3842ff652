# SPDX-License-Identifier: EUPL-1.2
"""The SQLite engine: one connection that writes, one that reads, and what is durable on one disk.

Everything a batch holds is one transaction, committed with `synchronous=FULL`. When durability is in doubt, the whole
batch is refused and nothing is taken in until the database was opened anew, checkpointed to disk and checked.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import apsw

from schakel.errors import Conflict, Unacceptable
from schakel.records import Bell
from schakel.store.db import NEXT_NUMBER, Undone, Violated, not_allowed, unavailable
from schakel.store.engine import Job, hit_after, hit_before, run_all
from schakel.store.rows import Row

T = TypeVar("T")

_CHECKPOINT_PAGES: Final = 4000  # 16 MB of log before it is worked into the database
_ANY: Final = re.compile(r"= ANY\(:(\w+)\)")

# After these SQLite may have rolled back everything, or cannot promise that what it wrote is there.
_FATAL: Final = (
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


class _Again(Undone):
    """Work failed after it wrote something, in a batch without savepoints: the batch is rolled back and done anew."""


class SqliteDb:
    """Db over one connection. `careful`: each savepoint is a real one. They double what a batch costs (SQLite walks
    all that it keeps of them), and hardly ever does anything in one fail after it has written."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self.careful = False
        self.bells: list[Bell] = []
        self._own: dict[str, tuple[str, tuple[str, ...]]] = {}  # portable text → SQLite's, and its lists

    def run(self, sql: str, **values: Any) -> int:
        self._execute(sql, values)
        return int(self._connection.changes())

    def put(self, sql: str, **values: Any) -> None:
        self._execute(sql, values)

    def all(self, sql: str, **values: Any) -> list[Row]:
        return list(self.each(sql, **values))

    def each(self, sql: str, **values: Any) -> Iterator[Row]:
        cursor = self._execute(sql, values)
        names: tuple[str, ...] | None = None
        for row in cursor:
            if names is None:
                names = tuple(column[0] for column in cursor.get_description())
            yield dict(zip(names, row, strict=True))

    def one(self, sql: str, **values: Any) -> Row | None:
        return next(iter(self.all(sql, **values)), None)

    def value(self, sql: str, **values: Any) -> Any:
        row = self._execute(sql, values).fetchone()
        return None if row is None else row[0]

    def many(self, sql: str, asked: Sequence[dict[str, Any]]) -> list[list[Row]]:
        return [self.all(sql, **values) for values in asked]

    def lock(self, sql: str, **values: Any) -> None:
        """There is one writer at a time (BEGIN IMMEDIATE)."""

    def numbered(self, recipient: str, case_id: str, write: Callable[[int], None]) -> None:
        write(int(self.value(NEXT_NUMBER, partner=recipient)))

    def bell(self, bell: Bell) -> None:
        self.bells.append(bell)

    def script(self, sql: str) -> None:
        """Several statements, without values; their rows are let go (unread rows would stop what comes after)."""
        for _ in self._connection.execute(sql):
            pass

    @contextlib.contextmanager
    def savepoint(self) -> Iterator[None]:
        if self.careful:
            self._connection.execute("SAVEPOINT item")
        before, rung = self._connection.total_changes(), len(self.bells)
        try:
            yield
        except _FATAL as error:  # SQLite may have rolled back everything: there is no savepoint to go back to
            raise Undone(translated(error)) from error
        except Undone:
            raise
        except BaseException as error:
            del self.bells[rung:]
            if self.careful:
                self._connection.execute("ROLLBACK TO item")
                self._connection.execute("RELEASE item")
            elif self._connection.total_changes() != before:
                raise _Again(unavailable("store:again")) from error
            if isinstance(error, apsw.Error):
                raise Violated(translated(error)) from None
            raise
        if self.careful:
            self._connection.execute("RELEASE item")

    def _execute(self, sql: str, values: dict[str, Any]) -> apsw.Cursor:
        known = self._own.get(sql)
        if known is None:
            names = tuple(dict.fromkeys(_ANY.findall(sql)))  # a list that stands twice is written once
            known = self._own[sql] = _ANY.sub(r"IN (SELECT value FROM json_each(:\1))", sql), names
        text, lists = known
        for name in lists:
            values[name] = json.dumps(values[name])
        return self._connection.execute(text, values)

    def begin(self) -> None:
        self.bells = []
        self._connection.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        self._connection.execute("COMMIT")

    def rollback(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def close(self) -> None:
        self._connection.close()


class SqliteBackend:
    """engine.Backend on one file, with one writer and one reader."""

    def __init__(self, path: Path, *, busy_seconds: float, vfs: str | None = None) -> None:
        self._path = path
        self._vfs = vfs
        self._busy_ms = int(busy_seconds * 1000)
        self._writer: SqliteDb | None = None
        self._reader: SqliteDb | None = None
        self._doubt = False
        self._trouble: str | None = None

    @property
    def trouble(self) -> str | None:
        return self._trouble

    def read(self, work: Callable[[SqliteDb], T]) -> T:
        try:
            if self._reader is None:
                self._reader = self._open(("PRAGMA query_only = 1",))
            return work(self._reader)
        except apsw.Error as error:
            raise translated(error) from None

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()

    def close_thread(self) -> None:
        if self._writer is not None:
            self._writer.close()

    def commit(self, batch: Sequence[Job]) -> Sequence[Bell]:
        """Together first; then with a savepoint for each piece of work, so that the one that fails does so alone."""
        try:
            db = self._ready()
            try:
                self._run(db, batch, careful=False)
            except _Again:
                db.rollback()
                self._run(db, batch, careful=True)
            hit_before(batch)
            db.commit()
        except Undone as undone:
            self._fail(batch, undone.refusal, undone.__cause__)
            return ()
        except apsw.Error as error:
            self._fail(batch, translated(error), error)
            return ()
        self._trouble = None
        hit_after(batch)
        return db.bells

    def _run(self, db: SqliteDb, batch: Sequence[Job], *, careful: bool) -> None:
        for job in batch:
            job.result = job.error = None
        db.careful = careful
        db.begin()
        run_all(db, batch)

    def _ready(self) -> SqliteDb:
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

    def _fail(self, batch: Sequence[Job], refusal: Unacceptable | Conflict, error: BaseException | None) -> None:
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

    def _open(self, pragmas: Sequence[str]) -> SqliteDb:
        return open_connection(self._path, busy_ms=self._busy_ms, pragmas=pragmas, vfs=self._vfs)


def open_connection(path: Path, *, busy_ms: int, pragmas: Sequence[str] = (), vfs: str | None = None) -> SqliteDb:
    """A connection with the settings that durability rests on. Raises apsw.Error."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE, vfs=vfs)
    try:
        # Plans that do not look at values: with our partial indexes every new value meant a new plan, most of the time.
        connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
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
    return SqliteDb(connection)


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
        return not_allowed()
    rule = next((rule for kind, rule in _RULES.items() if isinstance(error, kind)), "store:error")
    if isinstance(error, apsw.FullError):
        return unavailable(rule, status=507, retry_after=60)
    return unavailable(rule, retry_after=5)
