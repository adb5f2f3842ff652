# SPDX-License-Identifier: EUPL-1.2
"""Runs the command line as `schakel` does, on a machine whose clock or disk a test has in hand.

`TEST_LATER`: seconds that the clock is ahead, as if the process had started that much later. `TEST_CLOCK`: a file with
seconds that the clock is ahead from now on (or behind: below nought), looked at each time. `TEST_LEASE`: seconds for
which a worker claims a delivery, instead of fifteen. `TEST_DISK`: a file; what stands in it says what is wrong with the
disk, and when it is not there, nothing is. `TEST_POISON`: a text; whoever opens a message that holds it is killed, as
by a fault in a library.
"""

from __future__ import annotations

import os
import signal
import sys
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import apsw

from schakel import bootstrap, dispatch
from schakel.cli.app import main
from schakel.rendering import Renderer
from schakel.store import terms


def set_clock(ahead: timedelta) -> None:
    class Later:
        def now(self) -> datetime:
            return datetime.now(UTC) + ahead

    bootstrap.SystemClock = Later  # type: ignore[assignment, misc]


def follow_clock(file: Path) -> None:
    class Jumping:
        def now(self) -> datetime:
            return datetime.now(UTC) + timedelta(seconds=float(file.read_text(encoding="ascii") or 0))

    bootstrap.SystemClock = Jumping  # type: ignore[assignment, misc]


def lease(seconds: float) -> None:
    terms.Terms = partial(terms.Terms, lease=timedelta(seconds=seconds))  # type: ignore[assignment, misc]
    dispatch.RENEW = min(dispatch.RENEW, seconds / 3)  # type: ignore[misc]


def poison(text: str) -> None:
    opened = Renderer._message

    def fatal(renderer: Renderer, content: bytes) -> Any:
        message = opened(renderer, content)
        if text in str(message.to_json()):
            os.kill(os.getpid(), signal.SIGKILL)
        return message

    Renderer._message = fatal  # type: ignore[method-assign]


class Trouble:
    """What is wrong with the disk now, as the file says.

    `full N`: N bytes fit and no more. `write`: every write fails. `sync`: what was written cannot be synced. `gone`:
    nothing can be opened, written or synced.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._left: int | None = None  # bytes that still fit; None: the disk is not full

    def kind(self) -> str:
        """The empty text: all is well."""
        try:
            kind, _, room = self._file.read_text(encoding="ascii").partition(" ")
        except FileNotFoundError:
            self._left = None
            return ""
        if kind == "full" and self._left is None:
            self._left = int(room)
        return kind

    def write(self, size: int) -> None:
        kind = self.kind()
        if kind in ("write", "gone"):
            raise apsw.IOError("input/output error")
        if kind == "full" and self._left is not None:
            if size > self._left:
                raise apsw.FullError("no space left on device")
            self._left -= size

    def sync(self) -> None:
        if self.kind() in ("sync", "gone"):
            raise apsw.IOError("input/output error")

    def open(self) -> None:
        if self.kind() == "gone":
            raise apsw.CantOpenError("no such device")


class File(apsw.VFSFile):
    def __init__(self, trouble: Trouble, below: str, name: Any, flags: list[int]) -> None:
        trouble.open()
        super().__init__(below, name, flags)
        self._trouble = trouble

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - SQLite's name
        self._trouble.write(len(data))
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:  # noqa: N802 - SQLite's name
        self._trouble.sync()
        super().xSync(flags)


class Disk(apsw.VFS):
    """SQLite's own way to the disk, with the trouble that a test makes; the default as long as it is registered."""

    def __init__(self, file: Path, *, name: str = "troubled") -> None:
        self._below = apsw.vfs_names()[0]  # the default until now
        super().__init__(name, base=self._below, makedefault=True)
        self._trouble = Trouble(file)

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 - SQLite's name
        return File(self._trouble, self._below, name, flags)


def prepare() -> Disk | None:
    """Puts clock, disk and poison as the environment says; keep what it gives as long as they are to hold."""
    if "TEST_LATER" in os.environ:
        set_clock(timedelta(seconds=float(os.environ["TEST_LATER"])))
    if "TEST_CLOCK" in os.environ:
        follow_clock(Path(os.environ["TEST_CLOCK"]))
    if "TEST_LEASE" in os.environ:
        lease(float(os.environ["TEST_LEASE"]))
    if "TEST_POISON" in os.environ:
        poison(os.environ["TEST_POISON"])
    return Disk(Path(os.environ["TEST_DISK"])) if "TEST_DISK" in os.environ else None


if __name__ == "__main__":
    prepared = prepare()
    sys.exit(main())
