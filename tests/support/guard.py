# SPDX-License-Identifier: EUPL-1.2
"""Stops the servers of a folder when the last test process that uses them has gone, however it went.

Run as a program with the folder. Whoever uses the servers holds a shared lock on `users.lock` in it; the system lets go
of the lock of a process that was killed. So no server outlives its tests, and no two tests have to agree on the last.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import sys
import time
from pathlib import Path

USERS = "users.lock"
GROUPS = "groups"  # a line for each process group: its id and the signal that ends it
PATIENCE = 5.0  # seconds between that signal and SIGKILL


def main(folder: Path) -> None:
    with (folder / USERS).open("rb") as users:
        fcntl.flock(users, fcntl.LOCK_EX)
        for line in (folder / GROUPS).read_text(encoding="ascii").splitlines():
            group, how = line.split()
            end(int(group), signal.Signals[how])
        shutil.rmtree(folder, ignore_errors=True)


def end(group: int, how: signal.Signals) -> None:
    """Returns when nobody of the group is left, or can be."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, how)
        if how is signal.SIGKILL:
            return
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            time.sleep(0.02)
            os.killpg(group, 0)
        os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
