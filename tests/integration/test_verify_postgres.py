# SPDX-License-Identifier: EUPL-1.2
"""The accountant on PostgreSQL: the same account as on SQLite, and the same holes found."""

from __future__ import annotations

import psycopg
import pytest

from schakel.errors import ConfigurationError
from schakel.store.postgres import PostgresDatabase
from schakel.store.sql import Opening, SqlStore
from schakel.store.terms import Terms
from schakel.verify import verify
from tests.conformance.store_cases import CAUSES, TIMES, Decider, accept_one
from tests.integration.test_verify import HOLES, KEY, LATER, live_through_everything

FILE_ONLY = {"database:reference"}  # what PostgreSQL keeps itself; that it does is looked at instead
IN_ITS_OWN_WORDS = {"randomblob(64)": "decode(repeat('00', 64), 'hex')"}


def opened(url: str) -> SqlStore:
    return PostgresDatabase(url).open(Opening(terms=Terms(alarms=TIMES, causes=CAUSES), signer=KEY))


@pytest.fixture
async def url(database_url: str) -> str:
    PostgresDatabase(database_url).create()
    store = opened(database_url)
    await live_through_everything(store)
    await store.aclose()
    return database_url


def dig(url: str, *statements: str) -> None:
    """By hand, with every guard of the database off."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")  # no trigger and no foreign key works
        rules = connection.execute(
            """SELECT conrelid::regclass, quote_ident(conname) FROM pg_constraint
            WHERE contype IN ('c', 'u') AND connamespace = 'public'::regnamespace"""
        ).fetchall()
        for table, name in rules:
            connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name} CASCADE".encode())
        for statement in statements:
            for theirs, ours in IN_ITS_OWN_WORDS.items():
                statement = statement.replace(theirs, ours)
            assert connection.execute(statement.encode()).rowcount, statement


async def test_nothing_is_wrong_and_the_counts_are_those_of_sqlite(url: str) -> None:
    report = verify(url, now=LATER, check=KEY.check)
    assert (report.ok, report.holes, report.lost) == (True, (), 0)
    counts = report.counts
    assert (counts["accepted"], counts["routed"], counts["parked"]) == (5, 4, 1)
    assert (counts["delivered"], counts["dropped"], counts["superseded"]) == (4, 1, 1)
    assert (counts["decided"], counts["auditUnlinked"]) == (8, 0)


async def test_it_sees_one_instant_beside_the_running_hub_and_changes_nothing(url: str) -> None:
    store = opened(url)
    try:
        assert verify(url, now=LATER).ok
        await accept_one(store, Decider())
        assert verify(url, now=LATER).counts["accepted"] == 6
    finally:
        await store.aclose()


@pytest.mark.parametrize("hole", HOLES)
async def test_a_hole_dug_by_hand_is_found_and_named(url: str, hole: str) -> None:
    statements, rules = HOLES[hole]
    dig(url, *statements)
    report = verify(url, now=LATER, check=KEY.check)
    assert not report.ok
    assert rules - FILE_ONLY <= set(report.found), report.found


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE delivery DISABLE TRIGGER delivery_state_guard",
        "ALTER TABLE state_event DISABLE TRIGGER ALL",
        "ALTER TABLE lane ADD CONSTRAINT unproved CHECK (recipient <> '') NOT VALID",
    ],
)
async def test_a_rule_that_somebody_switched_off_is_found(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())
    assert "database:rule-off" in verify(url, now=LATER).found


async def test_a_server_that_can_lose_a_commit_is_found(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {url.rpartition('/')[2]} SET synchronous_commit = off".encode())
    assert "database:not-durable" in verify(url, now=LATER).found


def test_without_a_database_of_ours_it_says_so(database_url: str) -> None:
    with pytest.raises(ConfigurationError, match="database:absent"):
        verify(database_url, now=LATER)


def test_without_a_server_it_says_so() -> None:
    with pytest.raises(ConfigurationError, match="store:absent"):
        verify("postgresql://schakel@127.0.0.1:1/none", now=LATER)
