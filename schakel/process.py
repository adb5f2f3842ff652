# SPDX-License-Identifier: EUPL-1.2
"""Names a process so that another one on the same machine can tell that it has ended; on other machines nobody can."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Final

_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
_STARTED: Final = 19  # in /proc/<pid>/stat, counted behind the command's closing bracket (proc(5): field 22)


def this_process() -> str:
    """`host:pid:mark`; the mark is empty where the system does not tell (not Linux)."""
    return f"{socket.gethostname()}:{os.getpid()}:{_mark(os.getpid())}"


def has_ended(name: str) -> bool:
    """True only when it ran here, in this boot and this container, and is there no more."""
    _, pid, mark = [*name.rsplit(":", 2), "", ""][:3]
    if not mark or not pid.isascii() or not pid.isdigit():
        return False
    boot, _, started = mark.rpartition(".")
    return boot == _here() != "" and _started(int(pid)) != started


def _mark(pid: int) -> str:
    here = _here()
    return f"{here}.{_started(pid)}" if here else ""


def _here() -> str:
    """This boot of this machine, and the container's own numbering of processes."""
    try:
        boot = _BOOT.read_text(encoding="ascii").strip()
        return f"{boot}.{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return ""


def _started(pid: int) -> str:
    """When it started, in ticks since boot; empty when there is no such process, or only what is left of one."""
    try:
        _, _, fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(") ")
    except OSError:
        return ""
    state, *_ = rest = fields.split()
    return "" if state in ("Z", "X") else rest[_STARTED]
