# SPDX-License-Identifier: EUPL-1.2
"""The store on PostgreSQL passes the suite."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import psycopg
import pytest

from schakel.ports import Store
from schakel.store.database_postgres import create_tables
from schakel.store.postgres import PostgresDatabase
from schakel.store.sql import Opening, SqlStore
from schakel.store.terms import Terms
from tests.conformance.store_cases import CAUSES, TIMES, Side, TestSigner
from tests.conformance.store_suite import StoreSuite


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
    async def store(self, url: str) -> AsyncIterator[Store]:
        store = opened(url)
        yield store
        await store.aclose()

    @pytest.fixture
    def sql(self, url: str) -> Iterator[Side]:
        side = ByHand(url)
        yield side
        side.close()
