# SPDX-License-Identifier: EUPL-1.2
"""The points at which tests kill: named once, planted, harmless unarmed, and deadly without a farewell when armed."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import schakel
from schakel.errors import ConfigurationError
from schakel.failpoints import Failpoint, arm, hit
from schakel.settings import Settings

SOURCE = Path(schakel.__file__).parent


@pytest.fixture(autouse=True)
def _disarmed() -> Iterator[None]:
    yield
    arm("")


def test_unarmed_nothing_happens() -> None:
    for point in Failpoint:
        hit(point)


def test_armed_only_its_own_point_kills() -> None:
    arm(Failpoint.STORE_ACCEPT_BEFORE_COMMIT)
    for point in Failpoint:
        if point is not Failpoint.STORE_ACCEPT_BEFORE_COMMIT:
            hit(point)


def test_an_empty_name_disarms() -> None:
    arm(Failpoint.INTAKE_AFTER_ACCEPT)
    arm("")
    hit(Failpoint.INTAKE_AFTER_ACCEPT)


def test_an_unknown_name_is_refused_with_the_known_ones_and_without_the_name() -> None:
    with pytest.raises(ConfigurationError) as refused:
        arm("store.accept.sometime")
    (finding,) = refused.value.findings
    assert (finding.place, finding.rule) == ("SCHAKEL_FAILPOINT", "failpoint:unknown")
    assert "sometime" not in finding.en + finding.nl
    assert all(point.value in finding.en for point in Failpoint)


def test_a_refused_name_leaves_nothing_armed() -> None:
    arm(Failpoint.INTAKE_AFTER_ACCEPT)
    with pytest.raises(ConfigurationError):
        arm("nothing")
    hit(Failpoint.INTAKE_AFTER_ACCEPT)


def test_a_hub_is_armed_by_nobody_unless_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SCHAKEL_FAILPOINT", raising=False)
    assert Settings(_env_file=None).failpoint == ""


DIES = """
import atexit, sys
from schakel.failpoints import Failpoint, arm, hit
atexit.register(lambda: print("farewell", flush=True))
file = open(sys.argv[2], "w")
file.write("not flushed")
arm(sys.argv[1])
try:
    hit(Failpoint(sys.argv[1]))
finally:
    print("finally", flush=True)
"""


def test_armed_it_dies_at_once_and_nothing_is_flushed(tmp_path: Path) -> None:
    file = tmp_path / "written"
    command = [sys.executable, "-c", DIES, Failpoint.DISPATCH_AFTER_SEND, str(file)]
    died = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert died.returncode == -signal.SIGKILL
    assert (died.stdout, died.stderr) == ("", "")
    assert file.read_text(encoding="utf-8") == ""


def test_each_point_is_planted_once() -> None:
    planted = [
        name
        for path in SOURCE.rglob("*.py")
        if path.name != "failpoints.py"
        for name in re.findall(r"Failpoint\.([A-Z_]+)", path.read_text(encoding="utf-8"))
    ]
    assert sorted(planted) == sorted(point.name for point in Failpoint)
