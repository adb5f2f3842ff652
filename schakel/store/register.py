# SPDX-License-Identifier: EUPL-1.2
"""The register of store adapters: how a URL begins → the database. Each passes tests/conformance/store_suite.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from schakel.errors import ConfigurationError, Finding
from schakel.store.engine import Reader
from schakel.store.examine import Examined
from schakel.store.sql import Opening, SqlStore
from schakel.store.versions import Standing


class Database(Protocol):
    """A place for a store, before anything is opened. Everything raises ConfigurationError."""

    @property
    def place(self) -> str:
        """Where it is, for people: without a password."""

    def exists(self) -> bool:
        """There is something of Schakel."""

    def create(self) -> None:
        """Never over what is there."""

    def standing(self) -> Standing:
        """Which version of the schema is there, and which this program needs."""

    def migrate(self) -> Standing:
        """Brings an older schema forward; how it stood before."""

    def examine(self) -> Examined:
        """Durability, clock and version of what is there."""

    def open(self, opening: Opening) -> SqlStore: ...

    def reader(self) -> Reader:
        """Its read-only connections alone, for whoever looks beside a hub; one thread at a time."""


def _sqlite(url: str) -> Database:
    from schakel.store.sqlite import SqliteDatabase

    return SqliteDatabase(url)


def _postgresql(url: str) -> Database:
    """Imported when it is asked for: its driver is 8 MB and a tenth of a second that a hub on SQLite can spare."""
    from schakel.store.postgres import PostgresDatabase

    return PostgresDatabase(url)


ADAPTERS: Final[dict[str, Callable[[str], Database]]] = {
    "sqlite": _sqlite,
    "postgresql": _postgresql,
    "postgres": _postgresql,
}


def database(url: str) -> Database:
    """`sqlite:///path` or `postgresql://…`. Raises ConfigurationError for any other."""
    scheme, separator, _ = url.partition("://")
    adapter = ADAPTERS.get(scheme) if separator else None
    if adapter is None:
        raise ConfigurationError(
            Finding(
                "SCHAKEL_DATABASE_URL",
                "database:unknown-scheme",
                "Deze soort database is niet bekend; wel: sqlite:///<pad> en postgresql://<server>/<database>.",
                "This kind of database is not known; known: sqlite:///<path> and postgresql://<server>/<database>.",
            )
        )
    return adapter(url)
