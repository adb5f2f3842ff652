# SPDX-License-Identifier: EUPL-1.2
"""Installs the rivals where they get in nobody's way: `.venv-rivals` and `node_modules`, from locks with hashes.

What is there already, of the same lock, is not installed again.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.support.servers import install

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[1]
VENV: Final = ROOT / ".venv-rivals"
LOCK: Final = HERE / "requirements.lock"
NODE_RED: Final = HERE / "node_red"
WITHIN: Final = 240.0  # seconds, for each command
STAMP: Final = ".installed"  # holds the digest of the lock


class NotInstalled(Exception):
    """It is not here and cannot be; the words say why."""


def python() -> Path:
    """The interpreter that has the Python rivals. Raises NotInstalled."""
    program = VENV / "bin" / "python"
    if not _same(VENV, LOCK):
        _run([sys.executable, "-m", "venv", "--clear", str(VENV)])
        _run([str(program), "-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(LOCK)])
        _stamp(VENV, LOCK)
    return program


def node_red() -> tuple[Path, Path]:
    """Node, and Node-RED's program. Raises NotInstalled."""
    modules, lock = NODE_RED / "node_modules", NODE_RED / "package-lock.json"
    if not _same(modules, lock):
        if shutil.which("npm") is None and not install("npm"):
            raise NotInstalled("no npm")
        _run(["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"], folder=NODE_RED)
        _stamp(modules, lock)
    carried = sorted(modules.glob("node-*-*/bin/node"))  # the Node that this Node-RED asks for; Debian's is older
    found = str(carried[0]) if carried else shutil.which("node")
    if found is None:
        raise NotInstalled("no Node")
    return Path(found), modules / "node-red" / "red.js"


def _run(command: Sequence[str], *, folder: Path = ROOT) -> None:
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=WITHIN,
            env=os.environ | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstalled(f"{_program(command)}: {type(error).__name__}") from error
    if done.returncode:
        print(done.stdout, file=sys.stderr)  # what the results keep names no address and no place of this machine
        raise NotInstalled(f"{_program(command)} ended with {done.returncode}")


def _program(command: Sequence[str]) -> str:
    return " ".join([Path(command[0]).name, *(word for word in command[1:4] if not word.startswith(("-", "/")))])


def _same(folder: Path, lock: Path) -> bool:
    stamp = folder / STAMP
    return stamp.exists() and stamp.read_text(encoding="ascii") == _digest(lock)


def _stamp(folder: Path, lock: Path) -> None:
    (folder / STAMP).write_text(_digest(lock), encoding="ascii")


def _digest(lock: Path) -> str:
    return hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()
