# SPDX-License-Identifier: EUPL-1.2
"""The store on PostgreSQL: several processes and machines on one database."""

from __future__ import annotations

from typing import Final

from schakel.audit import Signer
from schakel.errors import ConfigurationError, Unacceptable
from schakel.store.connections_postgres import Connections
from schakel.store.database_postgres import check
from schakel.store.engine import Engine
from schakel.store.engine_postgres import PostgresBackend
from schakel.store.sql import SqlStore
from schakel.store.terms import AlarmTimes, Keeping, Sentences, Terms

WRITERS: Final = 2  # one runs while the other waits for its commit
READERS: Final = 4


class PostgresStore(SqlStore):
    """ports.Store on a server."""

    name = "postgresql"


def open_postgres(
    url: str,
    *,
    causes: Sentences,
    alarm_times: AlarmTimes,
    signer: Signer,
    keeping: Keeping | None = None,
    owner: str = "coordinator",
    waiting_limit: int = 2000,
) -> PostgresStore:
    """Opens the tables that `create_tables` made; as open_sqlite. A server that is absent is found when it comes.

    Raises ConfigurationError when the server is there and the database is not one to work with.
    """
    connections = Connections(url, check)
    try:
        with connections.use():
            pass
    except Unacceptable as refusal:
        if isinstance(refusal.__cause__, ConfigurationError):
            raise refusal.__cause__ from None
    terms = Terms(alarms=alarm_times, causes=causes, keeping=keeping or Keeping(), owner=owner)
    engine = Engine(PostgresBackend(connections), waiting_limit=waiting_limit, writers=WRITERS, readers=READERS)
    return PostgresStore(engine, terms=terms, signer=signer)
