# SPDX-License-Identifier: EUPL-1.2
"""Runs the command line as `schakel` does, on a machine whose clock or disk a test has in hand.

`TEST_LATER`: seconds that the clock is ahead: the process starts that much later. `TEST_DISK_FULL`: a path; as long as
a file stands there, the disk has no room for another byte.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import apsw

from schakel import bootstrap
from schakel.cli.app import main


def set_clock(ahead: timedelta) -> None:
    class Later:
        def now(self) -> datetime:
            return datetime.now(UTC) + ahead

    bootstrap.SystemClock = Later  # type: ignore[assignment, misc]


def limit_disk(flag: Path) -> apsw.VFS:
    """Makes a file system the default whose writes fail as a full disk's do (ENOSPC is SQLITE_FULL)."""

    class File(apsw.VFSFile):
        def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - SQLite's name
            if flag.exists():
                raise apsw.FullError("no space left on device")
            super().xWrite(data, offset)

    class Disk(apsw.VFS):
        def __init__(self) -> None:
            super().__init__("limited", base="", makedefault=True)

        def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 - SQLite's name
            return File("", name, flags)

    return Disk()


if __name__ == "__main__":
    if "TEST_LATER" in os.environ:
        set_clock(timedelta(seconds=float(os.environ["TEST_LATER"])))
    disk = limit_disk(Path(os.environ["TEST_DISK_FULL"])) if "TEST_DISK_FULL" in os.environ else None
    sys.exit(main())
