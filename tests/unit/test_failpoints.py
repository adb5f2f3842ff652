# SPDX-License-Identifier: EUPL-1.2
"""Failpoints: unknown names are refused, an unarmed point does nothing, an armed one kills and nothing else does."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from schakel import failpoints
from schakel.errors import ConfigurationError
from schakel.failpoints import Failpoint

SCHAKEL = Path(failpoints.__file__).parent
PROGRAM = """
import sys
from schakel.failpoints import Failpoint, arm, hit
arm(sys.argv[1])
hit(Failpoint(sys.argv[2]))
print("alive")
"""


def run(armed: str, reached: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, armed, reached], capture_output=True, text=True, timeout=30, check=False
    )


def test_an_unknown_name_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(ConfigurationError, match=r"store\.accept\.before-commit"):
        failpoints.arm("no-such-point")


def test_an_armed_point_kills_with_sigkill() -> None:
    ended = run("store.accept.after-commit", "store.accept.after-commit")
    assert (ended.returncode, ended.stdout) == (-signal.SIGKILL, "")


@pytest.mark.parametrize("armed", ["", "store.accept.before-commit"])
def test_any_other_point_does_nothing(armed: str) -> None:
    ended = run(armed, "store.accept.after-commit")
    assert (ended.returncode, ended.stdout) == (0, "alive\n")


def test_every_point_is_placed_in_the_program() -> None:
    placed = "".join(path.read_text() for path in SCHAKEL.rglob("*.py") if path.name != "failpoints.py")
    assert [point.name for point in Failpoint if f"Failpoint.{point.name}" not in placed] == []
