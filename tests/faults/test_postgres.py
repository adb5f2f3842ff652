# SPDX-License-Identifier: EUPL-1.2
"""PostgreSQL that goes away, comes back, is in its own way or has no room: refused with 503 or 507, and then taken."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

import psycopg
import pytest

from schakel.errors import ConfigurationError, Unacceptable
from schakel.store import connections_postgres
from schakel.store.database_postgres import create_tables
from schakel.store.postgres import PostgresDatabase
from schakel.store.sql import Opening, SqlStore
from schakel.store.terms import Terms
from tests.conformance.store_cases import CAUSES, TIMES, Decider, TestSigner, accept_one, arrival
from tests.faults.proxy import BLACKHOLE, open_proxy
from tests.support.private import Postgres

ENOUGH = 90.0  # seconds, on a busy machine; nobody would have waited less than for ever
TERMS = Terms(alarms=TIMES, causes=CAUSES)

# The first so many messages are refused in the server's own words; a sequence counts on when a transaction is undone.
TROUBLE = """
CREATE SEQUENCE tries;
CREATE FUNCTION trouble() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF nextval('tries') <= TG_ARGV[1]::bigint THEN
        RAISE EXCEPTION USING ERRCODE = TG_ARGV[0], MESSAGE = 'trouble';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER trouble AFTER INSERT ON message FOR EACH STATEMENT EXECUTE FUNCTION trouble('{state}', '{times}')"""


def opened(url: str) -> SqlStore:
    return PostgresDatabase(url).open(Opening(terms=TERMS, signer=TestSigner()))


@pytest.fixture
def url(database_url: str) -> str:
    create_tables(database_url)
    return database_url


@pytest.fixture
def side(url: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


def count(side: psycopg.Connection[tuple[object, ...]], table: str) -> object:
    row = side.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
    assert row is not None
    return row[0]


async def refusal(store: SqlStore) -> Unacceptable:
    with pytest.raises(Unacceptable) as refused:
        await store.accept_many([arrival()], Decider())
    return refused.value


async def until_well(store: SqlStore) -> None:
    for _ in range(300):
        if (await store.health()).store is None:
            return
        await asyncio.sleep(0.1)
    pytest.fail("the store does not come back")


async def until_taken(store: SqlStore) -> None:
    for _ in range(300):
        with contextlib.suppress(Unacceptable):
            await accept_one(store, Decider())
            return
        await asyncio.sleep(0.1)
    pytest.fail("the store takes nothing")


async def until_one_waits(side: psycopg.Connection[tuple[object, ...]]) -> None:
    """A connection of the hub waits for a lock."""
    asked = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'schakel' AND wait_event_type = 'Lock'"
    for _ in range(1000):
        if side.execute(asked).fetchone() is not None:
            return
        await asyncio.sleep(0.02)
    pytest.fail("nothing waits")


async def test_a_server_that_goes_is_503_and_taken_up_again_when_it_comes(postgres: Postgres) -> None:
    create_tables(postgres.url)
    store = opened(postgres.url)
    try:
        await accept_one(store, Decider())
        postgres.stop()
        refused = await refusal(store)
        assert (refused.status, refused.findings[0].rule) == (503, "store:absent")
        assert refused.retry_after is not None
        with pytest.raises(Unacceptable):
            await store.alarms()
        assert (await store.health()).store == "store:absent"
        postgres.start()
        item = arrival()
        await until_well(store)
        assert not (await accept_one(store, Decider(), item)).duplicate
    finally:
        await store.aclose()


async def test_a_server_that_is_absent_at_start_is_found_when_it_comes(postgres: Postgres) -> None:
    create_tables(postgres.url)
    postgres.stop()
    store = opened(postgres.url)
    try:
        assert (await refusal(store)).findings[0].rule == "store:absent"
        postgres.start()
        await until_well(store)
        await accept_one(store, Decider())
    finally:
        await store.aclose()


async def test_connections_that_the_server_ended_are_made_anew_unseen(
    url: str, side: psycopg.Connection[tuple[object, ...]]
) -> None:
    store = opened(url)
    try:
        await accept_one(store, Decider())
        await store.alarms()
        side.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'schakel'")
        await accept_one(store, Decider())
        assert await store.alarms() == []
        assert count(side, "message") == 2
    finally:
        await store.aclose()


@pytest.mark.fault("PostgreSQL frozen: connections stand and nothing answers; later they go on, or are torn down")
@pytest.mark.parametrize("reads", [True, False], ids=["reading", "writing"])
async def test_a_frozen_server_is_waited_for_no_longer_than_so(
    url: str, monkeypatch: pytest.MonkeyPatch, reads: bool
) -> None:
    monkeypatch.setattr(connections_postgres, "ANSWERS_WITHIN", 1.0)
    async with open_proxy(url) as proxy:
        store = await asyncio.to_thread(opened, proxy.through(url))  # the proxy runs in this loop
        try:
            await accept_one(store, Decider())
            await store.alarms()
            await proxy.set(BLACKHOLE)
            with pytest.raises(Unacceptable) as refused:
                await asyncio.wait_for(store.alarms() if reads else accept_one(store, Decider()), ENOUGH)
            assert refused.value.findings[0].rule == "store:absent"
            await proxy.heal()
            await until_taken(store)
        finally:
            await store.aclose()


@pytest.mark.parametrize("state", ["40001", "40P01", "55P03"])
@pytest.mark.parametrize("times", [1, 2, 4])
async def test_transactions_in_each_others_way_are_tried_again(
    url: str, side: psycopg.Connection[tuple[object, ...]], state: str, times: int
) -> None:
    side.execute(TROUBLE.format(state=state, times=times).encode())
    store = opened(url)
    try:
        for outcome in await store.accept_many([arrival() for _ in range(5)], Decider()):
            assert not isinstance(outcome, Exception), outcome
        assert count(side, "message") == 5
    finally:
        await store.aclose()


async def test_what_stays_in_its_own_way_is_503_and_leaves_nothing(
    url: str, side: psycopg.Connection[tuple[object, ...]]
) -> None:
    side.execute(TROUBLE.format(state="40001", times=1000).encode())
    store = opened(url)
    try:
        refused = await refusal(store)
        assert (refused.status, refused.findings[0].rule) == (503, "store:busy")
        assert count(side, "state_event") == 0
    finally:
        await store.aclose()


async def test_a_real_deadlock_is_undone_and_tried_again(
    url: str, side: psycopg.Connection[tuple[object, ...]]
) -> None:
    """Another session holds the second counter and then waits for the first, which the batch has."""
    store = opened(url)
    decide = Decider(lead="a-team", duo="b-team")
    try:
        await accept_one(store, decide)
        with psycopg.connect(url) as other:
            other.execute("UPDATE recipient SET last_number = last_number WHERE partner = 'b-team'")
            waiting = asyncio.create_task(store.accept_many([arrival()], decide))
            await until_one_waits(side)
            try:
                await asyncio.to_thread(
                    other.execute, "UPDATE recipient SET last_number = last_number WHERE partner = 'a-team'"
                )
                other.commit()
            except psycopg.errors.DeadlockDetected:
                other.rollback()
            await waiting
        assert count(side, "message") == 2
        numbers = side.execute("SELECT DISTINCT last_number FROM recipient").fetchall()
        assert numbers == [(2,)]
    finally:
        await store.aclose()


async def test_no_room_is_507_and_passes(url: str, side: psycopg.Connection[tuple[object, ...]]) -> None:
    side.execute(TROUBLE.format(state="53100", times=1000).encode())
    store = opened(url)
    try:
        refused = await refusal(store)
        assert (refused.status, refused.findings[0].rule) == (507, "store:disk-full")
        side.execute("DROP TRIGGER trouble ON message")
        await accept_one(store, Decider())
        assert (await store.health()).store is None
    finally:
        await store.aclose()


def test_a_server_that_could_lose_a_commit_is_refused(url: str, side: psycopg.Connection[tuple[object, ...]]) -> None:
    name = url.rpartition("/")[2]
    side.execute(f"ALTER DATABASE {name} SET synchronous_commit = off".encode())
    with pytest.raises(ConfigurationError, match="database:synchronous-commit"):
        opened(url)
