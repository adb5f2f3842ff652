# SPDX-License-Identifier: EUPL-1.2
"""A batch on SQLite: together first, and with savepoints when something in it fails after it has written."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import apsw
import pytest

from schakel.errors import Conflict, Finding
from schakel.records import Bell
from schakel.store.db import Db
from schakel.store.engine import Job
from schakel.store.engine_sqlite import SqliteBackend

ADD = "INSERT INTO kept (what) VALUES (:what)"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "kept.sqlite"
    with contextlib.closing(apsw.Connection(str(path))) as db:
        db.execute("CREATE TABLE kept (what TEXT PRIMARY KEY)")
    return path


@pytest.fixture
def backend(file: Path) -> Iterator[SqliteBackend]:
    backend = SqliteBackend(file, busy_seconds=30)
    yield backend
    backend.close_thread()
    backend.close()


def committed(backend: SqliteBackend, *works: Callable[[Db], Any]) -> Sequence[Job]:
    return rung(backend, *works)[0]


def rung(backend: SqliteBackend, *works: Callable[[Db], Any]) -> tuple[Sequence[Job], list[str]]:
    """The jobs, and the deliveries that ring."""
    loop = asyncio.new_event_loop()
    try:
        jobs = [Job(work, None, None, None, 1, loop, loop.create_future()) for work in works]
        bells = backend.commit(jobs)
        return jobs, [bell.delivery_id for bell in bells]
    finally:
        loop.close()


def rings(work: Callable[[Db], Any], name: str) -> Callable[[Db], Any]:
    def both(db: Db) -> Any:
        db.bell(Bell(name, "vvt", 1))
        return work(db)

    return both


def kept(file: Path) -> set[str]:
    with contextlib.closing(apsw.Connection(str(file))) as db:
        return {what for (what,) in db.execute("SELECT what FROM kept")}


def adds(what: str) -> Callable[[Db], str]:
    def work(db: Db) -> str:
        db.put(ADD, what=what)
        return what

    return work


def refuses_after_adding(what: str) -> Callable[[Db], None]:
    def work(db: Db) -> None:
        db.put(ADD, what=what)
        raise Conflict(Finding("here", "rule", "nee", "no"))

    return work


def test_what_fails_after_it_wrote_leaves_nothing_and_takes_nobody_along(file: Path, backend: SqliteBackend) -> None:
    first, second, third = committed(backend, adds("a"), refuses_after_adding("b"), adds("c"))
    assert kept(file) == {"a", "c"}
    assert (first.result, first.error, third.result, third.error) == ("a", None, "c", None)
    assert isinstance(second.error, Conflict)
    assert backend.trouble is None


def test_what_the_database_refuses_fails_alone(file: Path, backend: SqliteBackend) -> None:
    def twice(db: Db) -> None:
        db.put(ADD, what="b")
        db.put(ADD, what="a")  # is there already

    first, second, third = committed(backend, adds("a"), twice, adds("c"))
    assert kept(file) == {"a", "c"}
    assert (first.error, third.error) == (None, None)
    assert isinstance(second.error, Conflict)


def test_a_batch_in_which_nothing_fails_after_writing_runs_once(file: Path, backend: SqliteBackend) -> None:
    ran: list[str] = []

    def counted(what: str, work: Callable[[Db], Any]) -> Callable[[Db], Any]:
        def once(db: Db) -> Any:
            ran.append(what)
            return work(db)

        return once

    def refuses(_: Db) -> None:
        raise Conflict(Finding("here", "rule", "nee", "no"))

    jobs = committed(backend, counted("a", adds("a")), counted("no", refuses), counted("b", adds("b")))
    assert ran == ["a", "no", "b"]
    assert isinstance(jobs[1].error, Conflict)
    assert kept(file) == {"a", "b"}


def test_the_next_batch_runs_together_again(file: Path, backend: SqliteBackend) -> None:
    committed(backend, refuses_after_adding("a"))
    ran: list[int] = []

    def work(db: Db) -> None:
        ran.append(1)
        db.put(ADD, what="d")

    committed(backend, work)
    assert ran == [1]
    assert kept(file) == {"d"}


def test_what_was_rolled_back_does_not_ring(file: Path, backend: SqliteBackend) -> None:
    works = rings(adds("one"), "one"), rings(refuses_after_adding("two"), "two"), rings(adds("three"), "three")
    jobs, heard = rung(backend, *works)
    assert [job.error is None for job in jobs] == [True, False, True]
    assert heard == ["one", "three"]
    assert rung(backend, rings(adds("four"), "four"))[1] == ["four"]


def test_what_is_refused_before_it_writes_does_not_ring_either(backend: SqliteBackend) -> None:
    def refuse(_: Db) -> None:
        raise Conflict(Finding("here", "rule", "nee", "no"))

    assert rung(backend, rings(refuse, "one"), rings(adds("two"), "two"))[1] == ["two"]
