# SPDX-License-Identifier: EUPL-1.2
"""How the accountant reads: a connection of its own, one instant, nothing changed; and what each engine says of itself.

It shares no code with the store: what the store does wrong must not be done wrong here too.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import apsw
import psycopg

from schakel.errors import ConfigurationError, Finding
from schakel.verify_rules import Rule

# Runs a query with named values and gives its rows: all that the accountant needs of an engine.
Query = Callable[[str, Mapping[str, Any]], Iterable[tuple[Any, ...]]]

SQLITE: Final = "sqlite:///"
_WAIT_MS: Final = 10_000
_ROWS: Final = 2000  # that come from a server at a time
_WORDS: Final = re.compile(r"'(?:[^']|'')*'|(?<![:\w]):([a-z_]\w*)|%")

REFERENCES: Final = Rule(
    "database:reference",
    "PRAGMA foreign_key_check",
    "Een verwijzing in de database wijst nergens heen",
    "A reference in the database points nowhere",
)
DAMAGE: Final = Rule(
    "database:damaged", "PRAGMA integrity_check(10)", "Het databasebestand is beschadigd", "The database is damaged"
)
# PostgreSQL keeps references and states itself, unless somebody told it not to.
SWITCHED_OFF: Final = Rule(
    "database:rule-off",
    """SELECT c.conrelid::regclass || ' ' || c.conname FROM pg_constraint c
    WHERE NOT c.convalidated AND c.connamespace = current_schema()::regnamespace
    UNION ALL
    SELECT t.tgrelid::regclass || ' ' || t.tgname FROM pg_trigger t JOIN pg_class r ON r.oid = t.tgrelid
    WHERE t.tgenabled <> 'O' AND r.relnamespace = current_schema()::regnamespace""",
    "Een regel die de database zelf bewaakt staat uit",
    "A rule that the database itself keeps is switched off",
)
UNSAFE: Final = Rule(
    "database:not-durable",
    """SELECT name || ' ' || setting FROM pg_settings
    WHERE (name = 'synchronous_commit' AND setting NOT IN ('on', 'remote_apply'))
        OR (name = 'full_page_writes' AND setting <> 'on')""",
    "De server kan kwijtraken wat hij als bewaard meldde",
    "The server can lose what it said was kept",
)


@dataclass(frozen=True, slots=True)
class Reading:
    """`query`, and the checks that only this engine can make of itself: rows whose first column is `ok` are well."""

    query: Query
    own_checks: tuple[Rule, ...]


@contextlib.contextmanager
def reading(database: str) -> Iterator[Reading]:
    """Of `sqlite:///path` or `postgresql://…`. Raises ConfigurationError when there is no database of Schakel."""
    if database.startswith(SQLITE):
        with _sqlite(Path(database.removeprefix(SQLITE))) as query:
            yield Reading(query, (REFERENCES, DAMAGE))
    else:
        with _postgres(database) as query:
            yield Reading(query, (SWITCHED_OFF, UNSAFE))


@contextlib.contextmanager
def _sqlite(path: Path) -> Iterator[Query]:
    """One read transaction on the file: what the hub writes meanwhile is not seen."""
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        connection.execute("SELECT count(*) FROM state_event")
    except (apsw.CantOpenError, apsw.NotADBError, apsw.SQLError):
        raise _absent(str(path)) from None
    try:
        connection.set_busy_timeout(_WAIT_MS)
        connection.execute("BEGIN")
        yield connection.execute
    finally:
        connection.close()


@contextlib.contextmanager
def _postgres(url: str) -> Iterator[Query]:
    """One read-only transaction on one instant; rows come by the portion."""
    place = "PostgreSQL"
    try:
        connection = psycopg.connect(url, application_name="schakel verify", connect_timeout=5)
    except psycopg.Error:
        raise ConfigurationError(
            Finding(place, "store:absent", "De database is niet te bereiken", "The database cannot be reached")
        ) from None
    with connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        try:
            connection.execute("SELECT count(*) FROM allowed_move")
        except psycopg.errors.UndefinedTable:
            raise _absent(place) from None

        def query(sql: str, values: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
            with connection.cursor("accountant") as cursor:
                cursor.itersize = _ROWS
                cursor.execute(_WORDS.sub(_word, sql).encode(), values)
                yield from cursor

        yield query


def _word(found: re.Match[str]) -> str:
    """`:name` as psycopg writes it."""
    return f"%({found.group(1)})s" if found.group(1) else found.group(0).replace("%", "%%")


def _absent(place: str) -> ConfigurationError:
    return ConfigurationError(
        Finding(place, "database:absent", "Hier is geen database van Schakel", "No database of Schakel here")
    )
