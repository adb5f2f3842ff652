# SPDX-License-Identifier: EUPL-1.2
"""Imports go one way only, and time comes in at one place."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_import_contracts_hold() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:]


def test_only_bootstrap_commands_and_the_log_read_the_time() -> None:
    allowed = {"schakel/bootstrap.py", "schakel/cli/mapping.py", "schakel/cli/verify.py", "schakel/log.py"}
    readers = {
        str(path.relative_to(ROOT))
        for room in ("api", "broker", "connectors", "mappings", "schakel")
        for path in (ROOT / room).rglob("*.py")
        if "datetime.now(" in path.read_text(encoding="utf-8") and "schakel/demo/" not in str(path)
    }
    assert readers <= allowed


def test_every_module_of_the_heart_stands_in_both_contracts() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers, heart = project["tool"]["importlinter"]["contracts"]
    layered = {module.strip() for layer in layers["layers"] for module in layer.split("|")}
    modules = {f"schakel.{path.stem}" for path in (ROOT / "schakel").glob("*.py") if path.stem != "__init__"}
    assert modules - layered == set()
    assert modules - set(heart["source_modules"]) == {"schakel.bootstrap"}  # the one place that loads everything


def test_every_contract_names_modules_that_exist() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    named = {
        module.strip()
        for contract in contracts
        for layer in contract.get("layers", contract.get("source_modules", []))
        for module in layer.split("|")
    }
    missing = [name for name in named if not _exists(name)]
    assert missing == []


def _exists(module: str) -> bool:
    path = ROOT.joinpath(*module.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()
