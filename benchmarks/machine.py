# SPDX-License-Identifier: EUPL-1.2
"""On what the figures were measured: processor, memory, system, versions, and how often the disk keeps its word."""

from __future__ import annotations

import os
import platform
import time
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

_PAGE = bytes(4096)


def machine() -> dict[str, Any]:
    return {
        "processor": _first("/proc/cpuinfo", "model name") or platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory": _first("/proc/meminfo", "MemTotal"),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def versions() -> dict[str, str]:
    """Of every package that is installed beside the hub."""
    return dict(sorted((each.metadata["Name"].lower(), each.version) for each in distributions()))


def fdatasync_rate(folder: Path, *, seconds: float = 0.5) -> float:
    """How many times a second 4 kB reach the disk for good; shared disks flip between hundreds and thousands."""
    path = folder / "fdatasync"
    handle = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    try:
        count, start = 0, time.perf_counter()
        while time.perf_counter() - start < seconds:
            os.write(handle, _PAGE)
            os.fdatasync(handle)
            count += 1
        return count / (time.perf_counter() - start)
    finally:
        os.close(handle)
        path.unlink()


def _first(file: str, key: str) -> str | None:
    try:
        lines = Path(file).read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), None)
