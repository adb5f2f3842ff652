# SPDX-License-Identifier: EUPL-1.2
"""What a part of the hub has loaded when it begins its work: nothing that it may never need."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

# Runs a part as `schakel <part>` does, until it says that it is there; says what it has loaded, and is told to stop.
PROGRAM: Final = """
import json, os, signal, sys
from schakel.cli import app, serve

say = serve.say

def heard(text):
    say(text)
    if text.startswith(("listens on", "runs as")):
        print(json.dumps(sorted(sys.modules)), flush=True)
        os.kill(os.getpid(), signal.SIGTERM)

serve.say = heard
sys.exit(app.main(sys.argv[1:]))
"""
# Commands and their options, what checks or explains a document that came, what describes the interface, the demo, and
# what only another store, broker or setting asks for.
NOBODY: Final = frozenset(
    {
        "typer", "rich", "schakel.cli.commands", "schakel.demo",
        "jsonschema", "jsonschema_rs", "fhir", "fhir_core", "openpyxl", "stdnum", "jsonatapy", "holidays",
        "api.openapi", "api.models", "cryptography.x509", "cryptography.hazmat.primitives.serialization",
        "psycopg", "psycopg_pool", "pika", "aiosmtplib", "aiohttp", "httpx2", "prometheus_client", "api.watch",
    }
)  # fmt: skip
DOOR: Final = frozenset({"fastapi", "starlette", "uvicorn", "api.app", "api.server"})
PARTS: Final = {"serve": DOOR, "api": DOOR, "worker": frozenset[str](), "clock": frozenset[str]()}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """Of a hub that is initialised, on SQLite and without a broker."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith("SCHAKEL_")}
    made = {
        **outside,
        "SCHAKEL_HOME": str(tmp_path_factory.mktemp("start") / "hub"),
        "SCHAKEL_PORT": "0",
        "SCHAKEL_LOG_LEVEL": "error",
    }
    subprocess.run([Path(sys.executable).parent / "schakel", "init"], env=made, check=True, capture_output=True)
    return made


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
def test_a_part_has_loaded_what_it_needs_and_no_more(part: str, environment: Mapping[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, part], env=environment, capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stderr
    loaded = set(json.loads(done.stdout))
    assert loaded & NOBODY == set()
    assert loaded & DOOR == PARTS[part]
    assert "schakel.dispatch" in loaded


def test_the_models_of_an_undemanded_document_wait_and_work_when_it_is_asked_for() -> None:
    program = (
        "from api.lean import models_when_used\n"
        "with models_when_used():\n"
        "    import api.server\n"
        "from fastapi.openapi.models import Components\n"
        "from pydantic import BaseModel\n"
        "print(Components.__pydantic_complete__, dict(BaseModel.model_config))\n"
        "from api.app import openapi_document\n"
        "print(openapi_document()['info']['title'])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=90, check=True)
    assert done.stdout.splitlines() == ["False {}", "Schakel"]


def test_who_is_only_watched_loads_no_door() -> None:
    program = "import sys, api.watch\nprint(sorted({'fastapi', 'api.app', 'api.server'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=90, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(("store", "other"), [("sqlite", "psycopg"), ("postgres", "apsw")])
def test_a_store_does_not_bring_the_library_of_the_other(store: str, other: str) -> None:
    program = f"import sys, schakel.store.{store}\nprint({other!r} in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=90, check=True)
    assert done.stdout.strip() == "False"
