# SPDX-License-Identifier: EUPL-1.2
"""The PostgreSQL engine: transactions of several processes and machines, each a batch that commits once.

READ COMMITTED, and locks in one order: by name (advisory, sorted, in one statement), then the cases that hold the same
keys, then lanes, then, after all other work, the recipients' counters: so what is about one household waits for each
other's commit, and numbers have no gap and follow the order of commits.

A batch runs together first, without savepoints. What the database refuses, or a fault of two transactions with each
other, rolls it back; then it runs again with a savepoint for each piece of work, and at last piece by piece.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeVar

import psycopg
from psycopg.rows import dict_row

from schakel.errors import Conflict, Unacceptable
from schakel.records import Bell
from schakel.store.connections_postgres import Connection, Connections, lasting, lost, race, translated
from schakel.store.db import NEXT_NUMBER, Reach, Undone, Violated, unavailable
from schakel.store.engine import Job, hit_after, hit_before, run_all
from schakel.store.rows import Row
from schakel.store.statements_postgres import COLUMNS, Statements, Together, Written

T = TypeVar("T")

LOCK_NAMES: Final = "SELECT pg_advisory_xact_lock(name) FROM unnest(%(names)s::bigint[]) AS name"
LOCK_CASES: Final = """
SELECT c.id FROM case_file c WHERE c.id IN (
    SELECT k.case_id FROM match_key k
    JOIN unnest(%(kinds)s::text[], %(digests)b::bytea[]) AS wanted (kind, digest)
        ON k.kind = wanted.kind AND k.digest = wanted.digest
    WHERE k.open = 1)
ORDER BY c.id FOR NO KEY UPDATE"""
LOCK_COUNTERS: Final = "SELECT partner FROM recipient ORDER BY partner FOR NO KEY UPDATE"
TAKE_NUMBERS: Final = """
INSERT INTO recipient (partner, last_number)
SELECT partner, numbers FROM unnest(%(partners)s::text[], %(numbers)s::bigint[]) AS wanted (partner, numbers)
ON CONFLICT (partner) DO UPDATE SET last_number = recipient.last_number + excluded.last_number
RETURNING partner, last_number"""

TOGETHER: Final = 3  # attempts of a whole batch before it is taken apart
ALONE: Final = 5  # attempts of one piece of work


class PostgresDb:
    """Db in one transaction. `careful`: each savepoint is a real one, and what is put in it is written in it."""

    def __init__(self, connection: Connection, statements: Statements, *, careful: bool) -> None:
        self._connection = connection
        self._statements = statements
        self._careful = careful
        self.bells: list[Bell] = []
        self._written = Written()
        self._numbers: list[tuple[str, str, Callable[[int], None]]] = []
        self._depth = 0

    def run(self, sql: str, **values: Any) -> int:
        self._written.at_once()
        return int(self._ask(sql, values).rowcount)

    def put(self, sql: str, **values: Any) -> None:
        self._written.put(sql, values)

    def lock(self, sql: str, **values: Any) -> None:
        if any(case_id in values.values() for _, case_id, _ in self._numbers):
            self.write_numbers()
        self._written.first(sql, values)

    def all(self, sql: str, **values: Any) -> list[Row]:
        if self._statements.writes(sql):
            self._written.at_once()
        return self._ask(sql, values).fetchall()

    def each(self, sql: str, **values: Any) -> Iterator[Row]:
        return iter(self.all(sql, **values))

    def one(self, sql: str, **values: Any) -> Row | None:
        return next(iter(self.all(sql, **values)), None)

    def value(self, sql: str, **values: Any) -> Any:
        row = self.one(sql, **values)
        return None if row is None else next(iter(row.values()))

    def many(self, sql: str, asked: Sequence[dict[str, Any]]) -> list[list[Row]]:
        if not asked:
            return []
        if self._statements.writes(sql):
            self._written.at_once()
        together = self._statements.asked(sql, asked[0])
        if together is not None:
            return self._at_one_go(together, asked)
        with self._connection.pipeline():
            self._send()
            cursors = [self._execute(sql, values) for values in asked]
            return [cursor.fetchall() for cursor in cursors]

    def _at_one_go(self, together: Together, asked: Sequence[dict[str, Any]]) -> list[list[Row]]:
        found: list[list[Row]] = [[] for _ in asked]
        with self._connection.pipeline():
            self._send()
            cursor = self._connection.cursor(row_factory=dict_row, binary=True)
            rows = cursor.execute(together.sql, together.columns(asked), prepare=True).fetchall()
        for row in rows:
            found[row.pop("place") - 1].append(row)
        return found

    def numbered(self, recipient: str, case_id: str, write: Callable[[int], None]) -> None:
        """Together: after all other work, counters in order of their names. With care: at once, all counters being
        locked."""
        if self._careful:
            write(int(self.value(NEXT_NUMBER, partner=recipient)))
        else:
            self._numbers.append((recipient, case_id, write))

    def bell(self, bell: Bell) -> None:
        self.bells.append(bell)

    @contextlib.contextmanager
    def savepoint(self) -> Iterator[None]:
        if self._careful:
            with self._real_savepoint():
                yield
            return
        mark, numbers, rung = self._written.enter(), len(self._numbers), len(self.bells)
        try:
            yield
        except Undone:
            raise
        except psycopg.Error as error:
            raise Undone(translated(error)) from error
        except BaseException:
            if not self._written.forget(mark):
                raise Undone(unavailable("store:again")) from None  # some of it was sent: only a savepoint undoes it
            del self._numbers[numbers:], self.bells[rung:]
            raise
        self._written.leave(mark)

    @contextlib.contextmanager
    def _real_savepoint(self) -> Iterator[None]:
        self.flush()
        rung = len(self.bells)
        self._depth += 1
        name = f"item_{self._depth}"
        try:
            self._connection.execute(f"SAVEPOINT {name}")
            try:
                yield
                self.flush()
                self._connection.execute(f"RELEASE {name}")
            except Undone:
                raise
            except BaseException as error:
                if isinstance(error, psycopg.Error) and (lost(error) or race(error) or lasting(error)):
                    raise Undone(translated(error)) from error
                self._written = Written()
                del self.bells[rung:]
                self._connection.execute(f"ROLLBACK TO {name}")
                self._connection.execute(f"RELEASE {name}")
                if isinstance(error, psycopg.Error):
                    raise Violated(translated(error)) from None
                raise
        finally:
            self._depth -= 1

    # -- the transaction itself --

    def begin(self, reach: Reach) -> None:
        """Also takes the locks that the work of the batch is known to need."""
        with self._connection.pipeline():
            self._connection.execute("BEGIN")
            if names := _locks(reach):
                self._connection.execute(LOCK_NAMES, {"names": names})
            if reach.keys:
                keys = sorted({(key.kind, key.digest) for key in reach.keys})
                kinds, digests = [kind for kind, _ in keys], [digest for _, digest in keys]
                self._connection.execute(LOCK_CASES, {"kinds": kinds, "digests": digests})
            if self._careful:
                self._connection.execute(LOCK_COUNTERS)

    def commit(self) -> None:
        """Also writes what was put."""
        with self._connection.pipeline():
            self._send()
            self._connection.execute("COMMIT")

    def flush(self) -> None:
        """Writes what was put. Raises psycopg.Error."""
        if self._written:
            with self._connection.pipeline():
                self._send()

    def write_numbers(self) -> None:
        """After all other work: the counters, and what they were taken for."""
        if not self._numbers:
            return
        wanted: dict[str, int] = {}
        for recipient, _, _ in self._numbers:
            wanted[recipient] = wanted.get(recipient, 0) + 1
        partners = sorted(wanted)
        values = {"partners": partners, "numbers": [wanted[partner] for partner in partners]}
        with self._connection.pipeline():
            self._send()
            taken = self._connection.execute(TAKE_NUMBERS, values).fetchall()
        following = {partner: last - wanted[partner] + 1 for partner, last in taken}
        for recipient, _, write in self._numbers:
            mark = self._written.enter()
            write(following[recipient])
            self._written.leave(mark)
            following[recipient] += 1
        self._numbers.clear()

    def _ask(self, sql: str, values: dict[str, Any]) -> psycopg.Cursor[Row]:
        """Sends what was put, and this, in one go."""
        if not self._written:
            return self._execute(sql, values)
        with self._connection.pipeline():
            self._send()
            return self._execute(sql, values)

    def _execute(self, sql: str, values: dict[str, Any]) -> psycopg.Cursor[Row]:
        cursor = self._connection.cursor(row_factory=dict_row, binary=True)
        return cursor.execute(self._statements.own(sql), values, prepare=True)

    def _send(self) -> None:
        for sql, rows in self._written.take():
            together = self._statements.together(sql) if len(rows) > 1 else None
            if together is None or not together.fits(rows):
                for values in rows:
                    self._execute(sql, values)
            else:
                cursor = self._connection.cursor()
                cursor.execute(together.sql, together.columns(rows), prepare=True)


class PostgresBackend:
    """engine.Backend on a server."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._statements: Statements | None = None
        self._trouble: str | None = None

    @property
    def trouble(self) -> str | None:
        return self._trouble

    def close_thread(self) -> None:
        self._connections.drop()

    def close(self) -> None:
        self._connections.close()

    def read(self, work: Callable[[PostgresDb], T]) -> T:
        """Once more when the connection had gone: perhaps the server was started anew."""
        with contextlib.suppress(_Again):
            return self._read(work)
        try:
            return self._read(work)
        except _Again as again:
            raise again.refusal from None

    def _read(self, work: Callable[[PostgresDb], T]) -> T:
        """All of it sees one instant."""
        try:
            with self._connections.use() as connection:
                connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                result = work(PostgresDb(connection, self._own(connection), careful=False))
                connection.execute("COMMIT")
                return result
        except psycopg.Error as error:
            refusal = translated(error)
            raise _Again(refusal, carefully=False) if lost(error) else refusal from None

    def commit(self, batch: Sequence[Job]) -> Sequence[Bell]:
        try:
            bells = self._commit(batch)
        except Unacceptable as refusal:
            self._trouble = refusal.findings[0].rule
            for job in batch:
                job.result, job.error = None, refusal
            return ()
        self._trouble = None
        return bells

    def _commit(self, batch: Sequence[Job]) -> list[Bell]:
        """Together, then with care, then one by one. Raises Unacceptable for the whole batch."""
        careful = False
        for _ in range(TOGETHER):
            try:
                return self._attempt(batch, careful=careful)
            except _Again as again:
                careful = careful or again.carefully
        return [bell for job in batch for bell in self._alone(job)]

    def _alone(self, job: Job) -> list[Bell]:
        for _ in range(ALONE):
            try:
                return self._attempt([job], careful=True)
            except _Again as again:
                job.result, job.error = None, again.refusal
        return []

    def _attempt(self, batch: Sequence[Job], *, careful: bool) -> list[Bell]:
        """One transaction; its bells. Raises _Again when nothing of it is left and another attempt may do better;
        Unacceptable when it cannot. A connection that is lost at COMMIT leaves us in doubt: the caller asks again, and
        then finds what is there."""
        committing = False
        try:
            with self._connections.use() as connection, _whole_or_not(connection):
                db = PostgresDb(connection, self._own(connection), careful=careful)
                db.begin(_reach(batch))
                run_all(db, batch)
                db.write_numbers()
                hit_before(batch)
                committing = True
                db.commit()
        except Undone as undone:
            raise _judged(undone.__cause__, undone.refusal, committing=False) from None
        except psycopg.Error as error:
            raise _judged(error, translated(error), committing=committing) from None
        hit_after(batch)
        return db.bells

    def _own(self, connection: Connection) -> Statements:
        if self._statements is None:
            rows = connection.execute(COLUMNS).fetchall()
            self._statements = Statements([(row[0], row[1], row[2]) for row in rows])
        return self._statements


class _Again(Exception):
    """Nothing is left of an attempt; `carefully`: the next one looks which piece of work it was."""

    def __init__(self, refusal: Unacceptable | Conflict, *, carefully: bool) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal
        self.carefully = carefully


def _judged(error: BaseException | None, refusal: Unacceptable | Conflict, *, committing: bool) -> Exception:
    """What an attempt that failed means for its batch."""
    if not isinstance(error, psycopg.Error):
        return _Again(refusal, carefully=True)
    if lasting(error) or (committing and lost(error)):
        return refusal
    return _Again(refusal, carefully=not (lost(error) or race(error)))


@contextlib.contextmanager
def _whole_or_not(connection: Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        with contextlib.suppress(psycopg.Error):
            connection.execute("ROLLBACK")
        raise


def _reach(batch: Sequence[Job]) -> Reach:
    known = [job.reach for job in batch if job.reach is not None]
    return Reach(
        names=tuple(name for reach in known for name in reach.names),
        keys=tuple(key for reach in known for key in reach.keys),
    )


def _locks(reach: Reach) -> list[int]:
    """A 64-bit number for each name and key, in the one order in which everybody takes them."""
    named = {name.encode() for name in reach.names} | {key.kind.encode() + b":" + key.digest for key in reach.keys}
    return sorted({int.from_bytes(hashlib.blake2b(one, digest_size=8).digest(), "big", signed=True) for one in named})
