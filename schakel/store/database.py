# SPDX-License-Identifier: EUPL-1.2
"""Makes the SQLite database and checks at start that it is ours, whole and not newer than this program."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Final

import apsw

from schakel.errors import ConfigurationError, Finding
from schakel.states import MOVES
from schakel.store.engine_sqlite import SqliteDb, open_connection
from schakel.store.versions import SCHEMA_VERSION, Standing

APPLICATION_ID: Final = 0x5343484B  # "SCHK"
_BUSY_MS: Final = 10_000

# Version → the SQL that leads there from the version before it. Forward only; version 1 is schema.sql.
MIGRATIONS: Final[dict[int, str]] = {}

ADD_MOVE: Final = """
INSERT INTO allowed_move (machine, from_state, event, role, to_state)
VALUES (:machine, :from_state, :event, :role, :to_state) ON CONFLICT DO NOTHING"""
KNOWN_MOVES: Final = "SELECT machine, from_state, event, role, to_state FROM allowed_move"


def create_database(path: Path, *, vfs: str | None = None) -> None:
    """A new database, mode 0600. Raises ConfigurationError when the file exists."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        raise _wrong(path, "database:exists", "Er is al een database", "There is a database already") from None
    db = open_connection(path, busy_ms=_BUSY_MS, vfs=vfs)
    try:
        db.begin()
        db.script(resources.files("schakel.store").joinpath("schema.sql").read_text(encoding="utf-8"))
        _write_moves(db)
        db.script(f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {SCHEMA_VERSION}")
        db.commit()
    finally:
        db.close()


def check_database(path: Path, *, vfs: str | None = None) -> Standing:
    """Brings an older schema forward; how it stood before. Raises ConfigurationError: absent, not ours, newer, or with
    foreign moves."""
    with _opened(path, vfs) as db:
        db.begin()
        before = _standing(db, path)
        _bring_forward(db, path, before)
        db.commit()
        return before


def standing(path: Path) -> Standing:
    """Which version is there, and which is needed. Raises ConfigurationError: absent, not ours."""
    with _opened(path, None) as db:
        return _standing(db, path)


@contextmanager
def _opened(path: Path, vfs: str | None) -> Iterator[SqliteDb]:
    if not path.exists():
        raise _wrong(
            path, "database:absent", "Er is geen database; `schakel init` maakt hem", "No database; run `schakel init`"
        )
    try:
        db = open_connection(path, busy_ms=_BUSY_MS, vfs=vfs)
    except apsw.NotADBError:
        raise _foreign(path) from None
    try:
        yield db
    finally:
        db.close()


def _standing(db: SqliteDb, path: Path) -> Standing:
    if db.value("PRAGMA application_id") != APPLICATION_ID:
        raise _foreign(path)
    return Standing(int(db.value("PRAGMA user_version")), SCHEMA_VERSION)


def _bring_forward(db: SqliteDb, path: Path, before: Standing) -> None:
    if before.newer:
        raise _wrong(
            path,
            "database:newer",
            "De database is van een nieuwere versie; werk het programma bij",
            "The database is of a newer version; update the program",
        )
    for target in before.missing:
        db.script(MIGRATIONS[target])
        db.script(f"PRAGMA user_version = {target}")
    known = {tuple(row.values()) for row in db.all(KNOWN_MOVES)}
    if known - {tuple(map(str, move)) for move in MOVES}:
        raise _wrong(
            path,
            "database:moves",
            "De database staat stappen toe die dit programma niet kent",
            "The database allows moves that this program does not know",
        )
    if len(known) < len(MOVES):
        _write_moves(db)


def _write_moves(db: SqliteDb) -> None:
    for machine, from_state, event, role, to_state in MOVES:
        db.run(
            ADD_MOVE,
            machine=str(machine),
            from_state=str(from_state),
            event=event,
            role=str(role),
            to_state=str(to_state),
        )


def _foreign(path: Path) -> ConfigurationError:
    return _wrong(path, "database:foreign", "Dit is geen database van Schakel", "This is not a database of Schakel")


def _wrong(path: Path, rule: str, nl: str, en: str) -> ConfigurationError:
    return ConfigurationError(Finding(str(path), rule, nl, en))
