# SPDX-License-Identifier: EUPL-1.2
"""The store on PostgreSQL passes the suite."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from schakel.ports import Store
from schakel.records import Bell
from schakel.store.database_postgres import create_tables
from schakel.store.postgres import PostgresDatabase
from schakel.store.rows import text
from schakel.store.sql import Opening, SqlStore
from schakel.store.terms import Terms
from tests.conformance.store_cases import CAUSES, NOW, TIMES, Decider, Side, TestSigner, accept_one, failed
from tests.conformance.store_suite import StoreSuite

ROOT = Path(__file__).resolve().parents[2]


def opened(url: str, **how: Any) -> SqlStore:
    return PostgresDatabase(url).open(Opening(terms=Terms(alarms=TIMES, causes=CAUSES), signer=TestSigner(), **how))


class ByHand:
    """Side, on PostgreSQL."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True)

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        cursor = self._connection.execute(sql.replace("%", "%%").replace("?", "%s").encode(), values)
        return cursor.fetchall() if cursor.description else []

    def refuses(self, *statements: tuple[str, tuple[Any, ...]]) -> bool:
        *before, last = statements
        try:
            with self._connection.transaction(force_rollback=True):
                for sql, values in before:
                    self.rows(sql, *values)
                try:
                    self.rows(last[0], *last[1])
                except psycopg.IntegrityError:
                    return True
                return False
        except psycopg.errors.InFailedSqlTransaction:
            return True

    def close(self) -> None:
        self._connection.close()


class TestPostgresStore(StoreSuite):
    adapter = "PostgresDatabase"

    @pytest.fixture
    def url(self, database_url: str) -> str:
        create_tables(database_url)
        return database_url

    @pytest.fixture
    async def store(self, url: str, heard: list[Bell]) -> AsyncIterator[Store]:
        store = opened(url, ring=heard.extend)
        yield store
        await store.aclose()

    @pytest.fixture
    def sql(self, url: str) -> Iterator[Side]:
        side = ByHand(url)
        yield side
        side.close()


# -- several processes -------------------------------------------------------------------------------------------------


@pytest.fixture
def url(database_url: str) -> str:
    create_tables(database_url)
    return database_url


@pytest.fixture
def side(url: str) -> Iterator[ByHand]:
    hand = ByHand(url)
    yield hand
    hand.close()


def at_once(url: str, work: str, meanwhile: Callable[[], None] | None = None) -> list[Any]:
    """What two processes tell that begin the same work together; `meanwhile` is called until both have ended."""
    command = [sys.executable, "-m", "tests.conformance.store_processes", url, work]
    running = [
        subprocess.Popen(
            [*command, tag], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )
        for tag in ("one", "two")
    ]
    try:
        for process in running:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in running:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        while meanwhile is not None and any(process.poll() is None for process in running):
            meanwhile()
        told = [process.communicate(timeout=90)[0] for process in running]
        assert [process.returncode for process in running] == [0, 0]
        return [json.loads(one) for one in told]
    finally:
        for process in running:
            process.kill()
            process.wait()


def test_identical_referrals_through_two_processes_are_one_message(url: str, side: ByHand) -> None:
    new = at_once(url, "identical")
    assert [len(each) for each in new] == [20, 20]
    assert sum(sum(each) for each in new) == 1
    assert side.rows("SELECT (SELECT count(*) FROM message), (SELECT count(*) FROM delivery)") == [(1, 2)]


def test_referrals_of_one_household_through_two_processes_are_one_case(url: str, side: ByHand) -> None:
    assert at_once(url, "household") == [[True] * 20] * 2
    assert side.rows("SELECT count(*) FROM case_file") == [(1,)]
    assert side.rows("SELECT count(*) FROM request") == [(2,)]
    assert side.rows("SELECT min(number), max(number), count(*) FROM delivery GROUP BY recipient") == [(1, 40, 40)] * 2


def test_numbers_of_two_processes_have_no_gap_at_any_moment(url: str, side: ByHand) -> None:
    """So their order is the order of commits: whoever reads on from the last number that he saw misses nothing."""
    seen: set[tuple[str, int]] = set()

    def look() -> None:
        found = side.rows("SELECT recipient, count(*), min(number), max(number) FROM delivery GROUP BY recipient")
        assert all((low, high) == (1, count) for _, count, low, high in found), found
        seen.update((recipient, count) for recipient, count, _, _ in found)

    told = at_once(url, "strangers", look)
    look()
    for partner in ("a-team", "b-team"):
        own = [each[partner] for each in told]
        assert all(numbers == sorted(numbers) for numbers in own)
        assert sorted(own[0] + own[1]) == list(range(1, 401))
    assert len(seen) > 10  # it really looked while they wrote


async def test_two_workers_never_probe_one_partner_at_one_instant(url: str, side: ByHand) -> None:
    """However many lanes wait for a partner whose breaker is open, and whichever bells each hears: one at a time."""
    one, other = opened(url), opened(url)
    try:
        for _ in range(8):
            await accept_one(one, Decider())
        ids = [row[0] for row in side.rows("SELECT id FROM delivery ORDER BY number, recipient")]
        heard = {one: ids[: len(ids) // 2], other: ids[len(ids) // 2 :]}
        probed: Counter[str] = Counter()
        for _ in range(40):
            side.rows("UPDATE recipient SET breaker_open_until = ?", text(NOW))
            claims = await asyncio.gather(
                *(store.claim(now=NOW, limit=20, only=bells) for store, bells in heard.items())
            )
            taken = [claimed for claim in claims for claimed in claim]
            each = Counter(claimed.recipient for claimed in taken)
            assert max(each.values(), default=0) <= 1, each
            probed += each
            await one.finish([failed(claimed, next_at=NOW, breaker_open_until=NOW) for claimed in taken], now=NOW)
        assert len(probed) == 2
        assert min(probed.values()) >= 20  # they do get through
    finally:
        await one.aclose()
        await other.aclose()


def test_two_processes_never_get_one_lane(url: str, side: ByHand) -> None:
    at_once(url, "strangers")
    taken = at_once(url, "claim")
    assert len(taken[0]) + len(taken[1]) == 800
    assert not set(taken[0]) & set(taken[1])
    assert side.rows("SELECT count(*) FROM delivery WHERE state = 'delivered' AND crashes = 0") == [(800,)]
