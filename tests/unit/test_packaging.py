# SPDX-License-Identifier: EUPL-1.2
"""Our import names are ours alone, every package carries its types, and the heart loads without its surroundings."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import distribution, packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OURS = ("api", "broker", "connectors", "mappings", "regions", "schakel")
HEAVY = ("fastapi", "starlette", "uvicorn", "pika", "fhir", "httpx2", "lxml", "aiosmtplib")
HEART = (
    "schakel.clock",
    "schakel.disclosure",
    "schakel.dispatch",
    "schakel.household",
    "schakel.intake",
    "schakel.involvement",
    "schakel.message",
    "schakel.ports",
    "schakel.region_files",
    "schakel.routing",
    "schakel.vault",
    "schakel.verify",
)


@pytest.mark.parametrize("name", OURS)
def test_no_other_distribution_claims_our_import_name(name: str) -> None:
    assert set(packages_distributions().get(name, [])) <= {"schakel"}
    assert any(Path(place).parent == ROOT for place in _places(name))


@pytest.mark.parametrize("name", OURS)
def test_every_package_says_that_it_is_typed(name: str) -> None:
    assert (ROOT / name / "py.typed").is_file()


def test_the_distribution_names_its_licence() -> None:
    metadata = distribution("schakel").metadata
    assert metadata["License-Expression"] == "EUPL-1.2"
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert text.startswith("EUROPEAN UNION PUBLIC LICENCE v. 1.2")
    assert "Appendix" in text


def test_the_lock_names_no_index_and_pins_every_package_by_hash() -> None:
    for lock in ("requirements.lock", "requirements-dev.lock"):
        text = (ROOT / lock).read_text(encoding="utf-8")
        assert "://" not in text
        pins = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
        assert pins
        assert text.count("--hash=sha256:") >= len(pins)
        assert all("==" in pin for pin in pins)


def test_every_python_file_names_the_licence_first() -> None:
    tracked = subprocess.run(["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    wrong = [
        name
        for name in tracked.split()
        if (ROOT / name).stat().st_size
        and not (ROOT / name).read_text(encoding="utf-8").startswith("# SPDX-License-Identifier: EUPL-1.2\n")
    ]
    assert wrong == []


def test_importing_the_heart_loads_no_web_framework_broker_client_or_fhir_library() -> None:
    loaded = _loads(f"import {', '.join(HEART)}")
    assert [name for name in HEAVY if name in loaded] == []


def test_the_help_of_the_command_line_waits_for_nothing_heavy() -> None:
    loaded = _loads("import schakel.cli.app")
    heavy = (*HEAVY, "rich", "pydantic", "apsw", "cryptography", "jlens")
    assert [name for name in heavy if name in loaded] == []


def _loads(statement: str) -> set[str]:
    """The top-level modules that are loaded after the statement, in a process of its own."""
    names = "sorted({name.partition('.')[0] for name in sys.modules})"
    program = f"{statement}\nimport json, sys\nprint(json.dumps({names}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(json.loads(done.stdout))


def _places(name: str) -> list[str]:
    return list(__import__(name).__path__)
