# SPDX-License-Identifier: EUPL-1.2
"""The comparison with the rivals: what is compared is the same work, and a figure that is not there is not made up."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from benchmarks import by_hand
from benchmarks.alternatives import NODE_RED, NOW, OURS, PYTHON, Referrals, _books, _mapping, _result
from benchmarks.rivals.installing import NotInstalled, _run

RIVALS = Path(by_hand.__file__).parent / "rivals"
RATES = {OURS: (90.0, 80.0, 100.0), "Celery": (10.0, 10.0, 10.0), "Dramatiq": (30.0, 20.0, 20.0)}


def test_by_hand_a_referral_becomes_the_document_of_the_hubs_mapping() -> None:
    mapping, source = _mapping(), json.loads(Referrals(now=NOW).bodies(1)[0])
    assert by_hand.referral(source, _books(mapping)) == mapping.apply(source, now=NOW).document


def test_each_referral_has_a_household_of_its_own() -> None:
    bodies = [json.loads(body) for body in Referrals(now=NOW).bodies(50)]
    for place in ("kenmerk", "zaakkenmerk"):
        assert len({body[place] for body in bodies}) == 50
    assert len({body["huisverbod"]["nummer"] for body in bodies}) == 50
    assert not any("bsn" in member for body in bodies for member in body["betrokkenen"])


def test_the_best_python_alternative_is_compared_round_by_round() -> None:
    result = _result(RATES, {})
    (target,) = result.targets
    assert target.value == 4.0  # the middle one of 90/30, 80/20 and 100/20
    assert [each.name for each in result.measures] == [*RATES, "Schakel beside Dramatiq"]


def test_who_is_not_there_has_no_figure_and_no_target_and_the_notes_say_why() -> None:
    left_out = dict.fromkeys([*PYTHON, NODE_RED], "not installed here: no npm")
    result = _result({OURS: RATES[OURS]}, left_out)
    assert result.targets == ()
    assert [each.name for each in result.measures] == [OURS]
    for name in left_out:
        assert f"{name}: not installed here: no npm." in result.notes


def test_the_locks_pin_by_hash_and_name_no_address_of_an_index() -> None:
    python = (RIVALS / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in python
    assert all("--hash=sha256:" in one for one in re.split(r"\n(?=\S)", python.strip()))
    node = json.loads((RIVALS / "node_red" / "package-lock.json").read_bytes())["packages"]
    for place, package in node.items():
        assert "resolved" not in package
        assert place == "" or "integrity" in package or package["inBundle"]  # within another, whose digest covers it


def test_a_failed_installation_tells_the_program_and_no_address_or_place(tmp_path: Path) -> None:
    program = tmp_path / "install.py"
    program.write_text("print('not at https://index.example/simple'); raise SystemExit(3)", encoding="ascii")
    with pytest.raises(NotInstalled) as raised:
        _run([sys.executable, str(program)])
    assert str(raised.value) == f"{Path(sys.executable).name} ended with 3"
