# SPDX-License-Identifier: EUPL-1.2
"""Makes the hub's tables on a PostgreSQL server, brings them forward, and checks that they are ours and not newer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from typing import Any, Final

import psycopg

from schakel.errors import ConfigurationError, Finding
from schakel.states import MOVES
from schakel.store.connections_postgres import Connection, connect_once, translated
from schakel.store.versions import SCHEMA_VERSION, Standing

PLACE: Final = "PostgreSQL"

# Version → the SQL that leads there from the version before it. Forward only; version 1 is schema_postgres.sql.
MIGRATIONS: Final[dict[int, str]] = {}

VERSION: Final = "SELECT max(version) FROM schema_version"
OURS: Final = "SELECT to_regclass('schema_version') IS NOT NULL AND to_regclass('allowed_move') IS NOT NULL"
EMPTY: Final = "SELECT count(*) = 0 FROM information_schema.tables WHERE table_schema = current_schema()"
ADD_VERSION: Final = "INSERT INTO schema_version (version) VALUES (%s)"
ADD_MOVE: Final = """
INSERT INTO allowed_move (machine, from_state, event, role, to_state)
VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING"""
KNOWN_MOVES: Final = "SELECT machine, from_state, event, role, to_state FROM allowed_move"
ONE_AT_A_TIME: Final = "SELECT pg_advisory_xact_lock(hashtextextended('schakel:schema', 0))"


def create_tables(url: str) -> None:
    """Into an empty schema of the database. Raises ConfigurationError when there is something in it already."""
    with _alone(url) as connection:
        if _value(connection, OURS):
            raise _wrong("database:exists", "Er is al een database", "There is a database already")
        if not _value(connection, EMPTY):
            raise _foreign()
        schema = resources.files("schakel.store").joinpath("schema_postgres.sql").read_text(encoding="utf-8")
        connection.execute(schema.encode())
        _write_moves(connection)
        connection.execute(ADD_VERSION, [SCHEMA_VERSION])


def has_tables(url: str) -> bool:
    """There is something of Schakel. Raises ConfigurationError when the server is out of reach."""
    with _alone(url) as connection:
        return bool(_value(connection, OURS))


def standing(url: str) -> Standing:
    """Which version is there, and which is needed. Raises ConfigurationError: absent, not ours, out of reach."""
    with _alone(url) as connection:
        return Standing(_version(connection), SCHEMA_VERSION)


def migrate(url: str) -> Standing:
    """Brings an older schema forward, in one transaction; how it stood before. Raises ConfigurationError."""
    with _alone(url) as connection:
        before = Standing(_version(connection), SCHEMA_VERSION)
        _not_newer(before)
        for target in before.missing:
            connection.execute(MIGRATIONS[target].encode())
            connection.execute(ADD_VERSION, [target])
        _known_moves(connection)
        _write_moves(connection)
        return before


def check(connection: Connection) -> None:
    """That this program can work with the database. Raises ConfigurationError: absent, newer, older, foreign moves."""
    now = Standing(_version(connection), SCHEMA_VERSION)
    _not_newer(now)
    if now.missing:
        raise _wrong(
            "database:older",
            "De database is van een oudere versie; `schakel db migrate` werkt hem bij",
            "The database is of an older version; `schakel db migrate` brings it forward",
        )
    if _known_moves(connection) < len(MOVES):
        raise _wrong(
            "database:moves-missing",
            "De database mist stappen die dit programma kent; `schakel db migrate` vult ze aan",
            "The database lacks moves that this program knows; `schakel db migrate` adds them",
        )


def _version(connection: Connection) -> int:
    if not _value(connection, OURS):
        if _value(connection, EMPTY):
            raise _wrong(
                "database:absent", "De database is leeg; `schakel init` vult hem", "It is empty; run `schakel init`"
            )
        raise _foreign()
    return int(_value(connection, VERSION) or 0)


def _not_newer(standing: Standing) -> None:
    if standing.newer:
        raise _wrong(
            "database:newer",
            "De database is van een nieuwere versie; werk het programma bij",
            "The database is of a newer version; update the program",
        )


def _known_moves(connection: Connection) -> int:
    """How many are there. Raises ConfigurationError for one that this program does not know."""
    known = {tuple(row) for row in connection.execute(KNOWN_MOVES)}
    if known - {tuple(map(str, move)) for move in MOVES}:
        raise _wrong(
            "database:moves",
            "De database staat stappen toe die dit programma niet kent",
            "The database allows moves that this program does not know",
        )
    return len(known)


def _write_moves(connection: Connection) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(ADD_MOVE, [tuple(map(str, move)) for move in MOVES])


def _value(connection: Connection, sql: str) -> Any:
    row = connection.execute(sql.encode()).fetchone()
    return None if row is None else row[0]


@contextmanager
def _alone(url: str) -> Iterator[Connection]:
    """One transaction in which nobody else changes the schema."""
    try:
        with connect_once(url) as connection, connection.transaction():
            connection.execute(ONE_AT_A_TIME)
            yield connection
    except psycopg.Error as error:
        rule = translated(error).findings[0].rule
        raise _wrong(rule, "De database is niet te bereiken", "The database cannot be reached") from None


def _foreign() -> ConfigurationError:
    return _wrong("database:foreign", "Dit is geen database van Schakel", "This is not a database of Schakel")


def _wrong(rule: str, nl: str, en: str) -> ConfigurationError:
    return ConfigurationError(Finding(PLACE, rule, nl, en))
