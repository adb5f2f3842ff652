# SPDX-License-Identifier: EUPL-1.2
"""Copies the SQLite database beside a hub that runs: one instant, whole, checked, on disk when it returns."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import apsw

from schakel.errors import ConfigurationError, Finding
from schakel.store.database import standing

_BUSY_MS: Final = 10_000
_ALL: Final = -1  # pages in one step: what is written meanwhile is not in the copy


def back_up(path: Path, to: Path) -> int:
    """A new file, mode 0600; its size in bytes. Nobody waits for it.

    Raises ConfigurationError: there is no database, the target exists, or it cannot be written or read back."""
    standing(path)
    try:
        os.close(os.open(to, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        raise _wrong(to, "backup:exists", "Er is al een bestand met deze naam", "There is a file already") from None
    except OSError:
        raise _unwritable(to) from None
    try:
        _copy(path, to)
        _sync(to)
        _sync(to.parent)
    except (apsw.Error, OSError):
        to.unlink(missing_ok=True)
        raise _unwritable(to) from None
    return to.stat().st_size


def _copy(path: Path, to: Path) -> None:
    source = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    target = apsw.Connection(str(to), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        source.set_busy_timeout(_BUSY_MS)
        with target.backup("main", source, "main") as backup:
            while not backup.done:
                backup.step(_ALL)
        target.execute("PRAGMA journal_mode = DELETE")  # one file; whoever opens it as a store sets its own again
        (found,) = target.execute("PRAGMA integrity_check(1)")
        if found != ("ok",):
            raise apsw.CorruptError("integrity_check")
    finally:
        target.close()
        source.close()


def _sync(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _unwritable(to: Path) -> ConfigurationError:
    return _wrong(
        to,
        "backup:failed",
        "De kopie kon niet gemaakt worden; er is niets van over. Kijk naar de schijf (schakel doctor)",
        "The copy could not be made, and nothing of it is left. Look at the disk (schakel doctor)",
    )


def _wrong(path: Path, rule: str, nl: str, en: str) -> ConfigurationError:
    return ConfigurationError(Finding(str(path), rule, nl, en))
