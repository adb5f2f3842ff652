# SPDX-License-Identifier: EUPL-1.2
"""The store on SQLite (the embedded default): one file, with group commit."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from schakel.audit import Signer
from schakel.store.database import check_database, create_database, standing
from schakel.store.engine import Engine, Reader, Ring, nobody_hears
from schakel.store.engine_sqlite import SqliteBackend
from schakel.store.examine import Examined, examine_sqlite
from schakel.store.sql import Opening, SqlStore
from schakel.store.terms import AlarmTimes, Keeping, Sentences, Terms
from schakel.store.versions import Standing

BUSY_SECONDS: Final = 10.0  # how long another program's write is waited for
SCHEME: Final = "sqlite:///"


class SqliteDatabase:
    """register.Database on a file."""

    def __init__(self, url: str) -> None:
        self._path = Path(url.removeprefix(SCHEME))

    @property
    def place(self) -> str:
        return str(self._path)

    def exists(self) -> bool:
        return self._path.exists()

    def create(self) -> None:
        create_database(self._path)

    def standing(self) -> Standing:
        return standing(self._path)

    def migrate(self) -> Standing:
        return check_database(self._path)

    def examine(self) -> Examined:
        return examine_sqlite(self._path)

    def open(self, opening: Opening) -> SqlStore:
        """Brings an older schema forward."""
        check_database(self._path)
        backend = SqliteBackend(self._path, busy_seconds=BUSY_SECONDS)
        engine = Engine(backend, waiting_limit=opening.waiting_limit, ring=opening.ring)
        return SqliteStore(engine, terms=opening.terms, signer=opening.signer)

    def reader(self) -> Reader:
        return SqliteBackend(self._path, busy_seconds=BUSY_SECONDS)


class SqliteStore(SqlStore):
    """ports.Store on one file."""

    name = "sqlite"


def open_sqlite(
    path: Path,
    *,
    causes: Sentences,
    alarm_times: AlarmTimes,
    signer: Signer,
    keeping: Keeping | None = None,
    owner: str = "coordinator",
    waiting_limit: int = 2000,
    ring: Ring = nobody_hears,
    busy_seconds: float = BUSY_SECONDS,
    vfs: str | None = None,
) -> SqliteStore:
    """Opens the database that `create_database` made.

    `causes`: what the store says when it raises an alarm; `signer`: signs the audit chain's checkpoints
    (`FileVault.checkpoint_signer()`); `owner`: of what the store parks by itself; `waiting_limit`: arrivals that may
    wait for a commit; `ring`: as in sql.Opening. Raises ConfigurationError.
    """
    check_database(path, vfs=vfs)
    terms = Terms(alarms=alarm_times, causes=causes, keeping=keeping or Keeping(), owner=owner)
    backend = SqliteBackend(path, busy_seconds=busy_seconds, vfs=vfs)
    engine = Engine(backend, waiting_limit=waiting_limit, ring=ring)
    return SqliteStore(engine, terms=terms, signer=signer)
