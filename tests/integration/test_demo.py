# SPDX-License-Identifier: EUPL-1.2
"""The demo, as somebody runs it: `schakel demo --json` counts what is published and says nothing else on stdout."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import psycopg
import pytest

from schakel.demo.expectation import EXPECTED, FORMATS

SCHAKEL = Path(sys.executable).parent / "schakel"


@pytest.fixture
def environment() -> dict[str, str]:
    """Settings of another hub, which the demo must not touch."""
    other = {"SCHAKEL_HOME": "/nonexistent", "SCHAKEL_REGION": "nowhere", "SCHAKEL_PORT": "1"}
    return {name: value for name, value in os.environ.items() if not name.startswith("SCHAKEL_")} | other


def schemas(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        return {name for (name,) in connection.execute("SELECT nspname FROM pg_namespace")}


@pytest.mark.slow
def test_the_demo_counts_what_is_published_and_prints_one_document(
    environment: dict[str, str], servers: dict[str, str], tmp_path: Path
) -> None:
    named = {f"SCHAKEL_{name.upper()}": url for name, url in servers.items() if url}
    before = schemas(servers["database_url"]) if servers["database_url"] else None
    done = subprocess.run(
        [SCHAKEL, "demo", "--json"], cwd=tmp_path, env=environment | named, capture_output=True, text=True, timeout=110
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert {name: document[name] for name in EXPECTED.to_json()} == EXPECTED.to_json()
    assert set(document) == {*EXPECTED.to_json(), "formats", "servers", "verify"}
    assert document["formats"] == FORMATS
    assert list(tmp_path.iterdir()) == []
    on = document["servers"]
    assert on["database"] == ("postgresql" if servers["database_url"] else "sqlite")
    assert (on["broker"], on["rung"] > 0) == (("rabbitmq", True) if servers["broker_url"] else ("none", False))
    if before is not None:
        assert schemas(servers["database_url"]) == before


@pytest.mark.slow
def test_the_demo_shows_people_what_it_did_goes_on_when_asked_and_says_what_to_paste(
    environment: dict[str, str], tmp_path: Path
) -> None:
    running = subprocess.Popen(
        [SCHAKEL, "demo", "--keep"],
        cwd=tmp_path,
        env={**environment, "PYTHONUNBUFFERED": "1", "COLUMNS": "120"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert running.stderr is not None
    try:
        told = ""
        while "parked list" not in told:
            line = running.stderr.readline()
            assert line, f"ended early\n{told}"
            told += line
        address = re.search(r"curl -s (http://127\.0\.0\.1:\d+/readyz)", told)
        assert address is not None
        with urllib.request.urlopen(address[1], timeout=10) as answer:
            assert json.loads(answer.read())["status"] == "ready"
        home = re.search(r"SCHAKEL_HOME=(\S+) SCHAKEL_REGION_OVERLAY=(\S+) schakel parked list", told)
        assert home is not None
        clean = {name: value for name, value in os.environ.items() if not name.startswith("SCHAKEL_")}
        beside = subprocess.run(
            [SCHAKEL, "parked", "list", "--json"],
            env={**clean, "SCHAKEL_HOME": home[1], "SCHAKEL_REGION_OVERLAY": home[2]},
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert [row["cause"] for row in json.loads(beside.stdout)] == ["unknown-code"]
    finally:
        running.send_signal(signal.SIGINT)
        said, errors = running.communicate(timeout=30)
    assert running.returncode == 0, told + errors
    assert not Path(home[1]).exists()
    for recipient in ("vvt (lead)", "perspektief (lead)", "zvhh (process-director)", "lokaal-team-delft"):
        assert recipient in said
    assert said.count("✔") == EXPECTED.confirmed + 1  # the legend names it too
    assert said.count("✘") == EXPECTED.declined + 1
    assert "vrijgegeven" in told + errors
