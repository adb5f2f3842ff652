# SPDX-License-Identifier: EUPL-1.2
"""The store on PostgreSQL: several processes and machines on one database."""

from __future__ import annotations

from typing import Final

from schakel.errors import ConfigurationError, Unacceptable
from schakel.store.connections_postgres import Connections, shown
from schakel.store.database_postgres import check, create_tables, has_tables, migrate, standing
from schakel.store.engine import Engine, Reader
from schakel.store.engine_postgres import PostgresBackend
from schakel.store.examine import Examined, examine_postgres
from schakel.store.sql import Opening, SqlStore
from schakel.store.versions import Standing

WRITERS: Final = 2  # one runs while the other waits for its commit
READERS: Final = 4


class PostgresDatabase:
    """register.Database on a server."""

    def __init__(self, url: str) -> None:
        """Raises ConfigurationError for what PostgreSQL cannot read as a URL."""
        self._url = url
        self._place = shown(url)

    @property
    def place(self) -> str:
        return self._place

    def exists(self) -> bool:
        return has_tables(self._url)

    def create(self) -> None:
        create_tables(self._url)

    def standing(self) -> Standing:
        return standing(self._url)

    def migrate(self) -> Standing:
        return migrate(self._url)

    def examine(self) -> Examined:
        return examine_postgres(self._url)

    def open(self, opening: Opening) -> SqlStore:
        """A server that is absent is found when it comes; when it is there, the database must be one to work with."""
        connections = Connections(self._url, check)
        try:
            with connections.use():
                pass
        except Unacceptable as refusal:
            if isinstance(refusal.__cause__, ConfigurationError):
                raise refusal.__cause__ from None
        engine = Engine(
            PostgresBackend(connections),
            waiting_limit=opening.waiting_limit,
            ring=opening.ring,
            writers=WRITERS,
            readers=READERS,
        )
        return PostgresStore(engine, terms=opening.terms, signer=opening.signer)

    def reader(self) -> Reader:
        return PostgresBackend(Connections(self._url, check))


class PostgresStore(SqlStore):
    """ports.Store on a server."""

    name = "postgresql"
