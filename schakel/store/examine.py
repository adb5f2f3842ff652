# SPDX-License-Identifier: EUPL-1.2
"""Looks at a database as a doctor would: does what it commits survive a power cut, what time is it there, how full."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from schakel.errors import ConfigurationError, Finding
from schakel.store.rows import maybe_moment

NEWEST_AUDIT: Final = "SELECT at FROM audit ORDER BY id DESC LIMIT 1"
OLDEST_SAFE_SQLITE: Final = (3, 51, 3)  # before it a WAL file shared by connections could lose commits

# Setting → values with which an acknowledged commit survives a power cut.
SQLITE_SAFE: Final[Mapping[str, tuple[str, ...]]] = {"journal_mode": ("wal",), "synchronous": ("2", "3")}
POSTGRES_SAFE: Final[Mapping[str, tuple[str, ...]]] = {
    "fsync": ("on",),
    "full_page_writes": ("on",),
    "synchronous_commit": ("on", "remote_write", "remote_apply", "local"),
}


@dataclass(frozen=True, slots=True)
class Examined:
    """`unsafe`: settings with which what was acknowledged can be lost, as `name = value`."""

    engine: str  # name and version
    unsafe: tuple[str, ...]
    now: datetime | None  # by the server's own clock; None: it has no other than ours
    newest: datetime | None  # of the last audit row
    encrypted: bool | None  # of the connection; None: there is none


def examine_sqlite(path: Path) -> Examined:
    """Raises ConfigurationError when it cannot be read."""
    import apsw  # here, as below: a hub on PostgreSQL does without it

    from schakel.store.engine_sqlite import open_connection

    try:
        db = open_connection(path, busy_ms=10_000)
    except apsw.Error:
        raise _unreadable() from None
    try:
        found = {name: str(db.value(f"PRAGMA {name}")) for name in SQLITE_SAFE}
        unsafe = _unsafe(found, SQLITE_SAFE)
        version = apsw.sqlite_lib_version()
        if tuple(int(part) for part in version.split(".")) < OLDEST_SAFE_SQLITE:
            unsafe = (*unsafe, f"SQLite = {version}")
        return Examined(f"SQLite {version}", unsafe, None, maybe_moment(db.value(NEWEST_AUDIT)), None)
    finally:
        db.close()


def examine_postgres(url: str) -> Examined:
    """Raises ConfigurationError when it cannot be read."""
    import psycopg  # here: a hub on SQLite does without its 8 MB

    try:
        return _examine_server(url)
    except psycopg.Error:
        raise _unreadable() from None


def _examine_server(url: str) -> Examined:
    from schakel.store.connections_postgres import connect_once

    with connect_once(url) as connection:

        def value(sql: str) -> Any:
            row = connection.execute(sql.encode()).fetchone()
            return None if row is None else row[0]

        found = {name: str(value(f"SHOW {name}")) for name in POSTGRES_SAFE}
        return Examined(
            f"PostgreSQL {value('SHOW server_version')}",
            _unsafe(found, POSTGRES_SAFE),
            value("SELECT clock_timestamp()"),
            maybe_moment(value(NEWEST_AUDIT)),
            bool(value("SELECT COALESCE((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false)")),
        )


def _unreadable() -> ConfigurationError:
    return ConfigurationError(
        Finding("database", "database:unreadable", "De database is niet te lezen", "The database cannot be read")
    )


def _unsafe(found: Mapping[str, str], safe: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(f"{name} = {found[name]}" for name in safe if found[name].lower() not in safe[name])
