# SPDX-License-Identifier: EUPL-1.2
"""The store on SQLite (the embedded default): one file, with group commit."""

from __future__ import annotations

from pathlib import Path

from schakel.audit import Signer
from schakel.store.database import check_database
from schakel.store.engine import Engine
from schakel.store.engine_sqlite import SqliteBackend
from schakel.store.sql import SqlStore
from schakel.store.terms import AlarmTimes, Keeping, Sentences, Terms


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
    busy_seconds: float = 10.0,
    vfs: str | None = None,
) -> SqliteStore:
    """Opens the database that `create_database` made.

    `causes`: what the store says when it raises an alarm; `signer`: signs the audit chain's checkpoints
    (`FileVault.checkpoint_signer()`); `owner`: of what the store parks by itself; `waiting_limit`: arrivals that may
    wait for a commit. Raises ConfigurationError.
    """
    check_database(path, vfs=vfs)
    terms = Terms(alarms=alarm_times, causes=causes, keeping=keeping or Keeping(), owner=owner)
    engine = Engine(SqliteBackend(path, busy_seconds=busy_seconds, vfs=vfs), waiting_limit=waiting_limit)
    return SqliteStore(engine, terms=terms, signer=signer)
