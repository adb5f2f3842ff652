# SPDX-License-Identifier: EUPL-1.2
"""A schema on PostgreSQL for a hub that lives as long as this process: made fresh, beside whatever else is there.

While it is in use a lock of the session says so. What a killed process left behind, the next one takes away.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from typing import Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import psycopg
from psycopg import sql

from schakel.errors import ConfigurationError, Finding
from schakel.store.connections_postgres import Connection, connect_once, translated

PREFIX: Final = "schakel_demo_"
COMMENT: Final = "Schakel: of a demo, which takes it away"

LOCK: Final = "SELECT pg_advisory_lock(hashtextextended(%s, 0))"
TRY_LOCK: Final = "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))"
UNLOCK: Final = "SELECT pg_advisory_unlock(hashtextextended(%s, 0))"
OURS: Final = """
SELECT nspname FROM pg_namespace
WHERE nspname LIKE %s AND obj_description(oid, 'pg_namespace') = %s AND pg_has_role(nspowner, 'USAGE')
ORDER BY nspname"""


@contextlib.contextmanager
def passing_schema(url: str) -> Iterator[str]:
    """Its name, while it is there: new and empty. Raises ConfigurationError: out of reach, or we may not make one."""
    name = PREFIX + secrets.token_hex(6)
    with _told(), connect_once(url) as connection:
        _sweep(connection)
        connection.execute(LOCK, [name])
        with connection.transaction():
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(name)))
            connection.execute(sql.SQL("COMMENT ON SCHEMA {} IS {}").format(sql.Identifier(name), sql.Literal(COMMENT)))
        try:
            yield name
        finally:
            _remove(connection, name)


def within(url: str, schema: str) -> str:
    """The URL that leads to that schema of the database alone."""
    parts = urlsplit(url)
    words = parse_qsl(parts.query, keep_blank_values=True)
    options = " ".join([*(value for name, value in words if name == "options"), f"-csearch_path={schema}"])
    kept = [(name, value) for name, value in words if name != "options"]
    return urlunsplit(parts._replace(query=urlencode([*kept, ("options", options)], quote_via=quote)))


def _sweep(connection: Connection) -> None:
    """Schemas of demos that no longer run."""
    for (name,) in connection.execute(OURS, [f"{PREFIX}%", COMMENT]).fetchall():
        found = connection.execute(TRY_LOCK, [name]).fetchone()
        if found is not None and found[0]:
            with contextlib.suppress(psycopg.errors.LockNotAvailable):  # one of its connections is still there
                _remove(connection, name)
            connection.execute(UNLOCK, [name])


def _remove(connection: Connection, name: str) -> None:
    connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(name)))


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Foreign errors become ours; their texts stay behind."""
    try:
        yield
    except psycopg.errors.InsufficientPrivilege:
        raise ConfigurationError(
            Finding(
                "SCHAKEL_DATABASE_URL",
                "database:no-schema",
                "Deze gebruiker mag in deze database geen schema maken (GRANT CREATE ON DATABASE)",
                "This user may not make a schema in this database (GRANT CREATE ON DATABASE)",
            )
        ) from None
    except psycopg.Error as error:
        rule = translated(error).findings[0].rule
        raise ConfigurationError(
            Finding("PostgreSQL", rule, "De database is niet te bereiken", "The database cannot be reached")
        ) from None
