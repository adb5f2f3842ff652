# SPDX-License-Identifier: EUPL-1.2
"""The store on SQLite passes the suite, and every registered store has its subclass."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import apsw
import pytest

from schakel.errors import ConfigurationError, Unacceptable
from schakel.ports import Store
from schakel.records import Bell
from schakel.store.database import create_database
from schakel.store.sqlite import SqliteStore, open_sqlite
from schakel.store.versions import SCHEMA_VERSION
from tests.conformance.store_cases import CAUSES, NOW, TIMES, Decider, Side, TestSigner, accept_one, arrival, fresh
from tests.conformance.store_suite import StoreSuite


def opened(path: Path, **how: Any) -> SqliteStore:
    return open_sqlite(path, causes=CAUSES, alarm_times=TIMES, signer=TestSigner(), **how)


class ByHand:
    """Side, on SQLite."""

    def __init__(self, path: Path) -> None:
        self._connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
        self._connection.execute("PRAGMA foreign_keys = ON")
        self._connection.set_busy_timeout(10_000)

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        return list(self._connection.execute(sql, values))

    def refuses(self, *statements: tuple[str, tuple[Any, ...]]) -> bool:
        *before, last = statements
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            for sql, values in before:
                self._connection.execute(sql, values)
            try:
                self._connection.execute(*last)
            except apsw.ConstraintError:
                return True
            return False
        finally:
            self._connection.execute("ROLLBACK")

    def close(self) -> None:
        self._connection.close()


class TestSqliteStore(StoreSuite):
    adapter = "SqliteDatabase"

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        path = tmp_path / "schakel.sqlite"
        create_database(path)
        return path

    @pytest.fixture
    async def store(self, path: Path, heard: list[Bell]) -> AsyncIterator[Store]:
        store = opened(path, ring=heard.extend)
        yield store
        await store.aclose()

    @pytest.fixture
    def sql(self, path: Path) -> Iterator[Side]:
        side = ByHand(path)
        yield side
        side.close()


# -- what is SQLite's own ----------------------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "schakel.sqlite"
    create_database(path)
    return path


def test_the_database_is_its_owners_alone(path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_database_is_never_made_over_another(path: Path) -> None:
    with pytest.raises(ConfigurationError, match="database:exists"):
        create_database(path)


def test_no_database_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="schakel init"):
        opened(tmp_path / "none.sqlite")


@pytest.mark.parametrize(
    ("pragma", "rule"),
    [(f"user_version = {SCHEMA_VERSION + 1}", "database:newer"), ("application_id = 7", "database:foreign")],
)
def test_a_newer_or_foreign_database_is_refused(path: Path, pragma: str, rule: str) -> None:
    with_pragma = apsw.Connection(str(path))
    with_pragma.execute(f"PRAGMA {pragma}")
    with_pragma.close()
    with pytest.raises(ConfigurationError, match=rule):
        opened(path)


def test_a_database_with_moves_of_its_own_is_refused(path: Path) -> None:
    side = ByHand(path)
    side.rows("INSERT INTO allowed_move VALUES ('delivery', 'waiting', 'vanish', 'hub', 'gone')")
    side.close()
    with pytest.raises(ConfigurationError, match="database:moves"):
        opened(path)


async def test_too_much_waiting_is_refused_at_once(path: Path) -> None:
    store = opened(path, waiting_limit=3)
    try:
        with pytest.raises(Unacceptable) as refused:
            await store.accept_many([arrival() for _ in range(4)], Decider())
        assert (refused.value.status, refused.value.retry_after) == (503, 2)
        await accept_one(store, Decider())
    finally:
        await store.aclose()


async def test_a_full_disk_is_507_and_passes(path: Path) -> None:
    """`max_page_count` makes SQLite report the disk full; afterwards the same message is taken."""
    store = opened(path)
    try:
        await accept_one(store, Decider())
        await store._engine.write(lambda db: db.script("PRAGMA max_page_count = 1"))
        item = arrival()
        with pytest.raises(Unacceptable) as refused:
            await store.accept_many([arrival() for _ in range(100)], Decider())
        assert refused.value.status == 507
        assert (await store.health()).store == "store:disk-full"
        await store._engine.write(lambda db: db.script("PRAGMA max_page_count = 1000000"))
        assert not (await accept_one(store, Decider(), item)).duplicate
        assert (await store.health()).store is None
    finally:
        await store.aclose()


async def test_a_hand_beside_the_hub_is_waited_for_and_then_503(path: Path) -> None:
    store = opened(path, busy_seconds=0.05)
    side = apsw.Connection(str(path))
    try:
        side.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unacceptable) as refused:
            await store.accept_many([arrival()], Decider())
        assert (refused.value.status, refused.value.findings[0].rule) == (503, "store:busy")
        side.execute("ROLLBACK")
        await accept_one(store, Decider())
    finally:
        side.close()
        await store.aclose()


async def test_two_programs_on_one_database_keep_one_order(path: Path) -> None:
    """As when the command line works beside the hub: identical and same-household arrivals, half through each."""
    stores = [opened(path), opened(path)]
    side = ByHand(path)
    try:
        same = arrival("same")
        items = [replace(same, message_id=fresh("message")) for _ in range(20)]
        items += [arrival(household="one") for _ in range(20)]
        decide = Decider()
        outcomes = await asyncio.gather(
            *(accept_one(stores[place % 2], decide, item) for place, item in enumerate(items))
        )
        assert sum(not outcome.duplicate for outcome in outcomes) == 21
        assert side.rows("SELECT count(*) FROM case_file") == [(2,)]
        assert side.rows("SELECT min(number), max(number), count(*) FROM delivery WHERE recipient = 'vvt'") == [
            (1, 21, 21)
        ]
        claims = await asyncio.gather(*(store.claim(now=NOW, limit=50) for store in stores))
        ids = [claimed.id for batch in claims for claimed in batch]
        assert len(ids) == len(set(ids)) == 4
    finally:
        side.close()
        for store in stores:
            await store.aclose()


async def test_after_closing_nothing_is_taken(path: Path) -> None:
    store = opened(path)
    await accept_one(store, Decider())
    await store.aclose()
    with pytest.raises(Unacceptable):
        await store.accept_many([arrival()], Decider())
