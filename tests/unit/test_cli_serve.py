# SPDX-License-Identifier: EUPL-1.2
"""`schakel serve` and what talks to it: sending in each format, the books beside it, and an orderly end."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from schakel.cli.complaint import Exit
from schakel.demo.scenario import SENDER
from tests.support.tables import row, workbook

ROOT = Path(__file__).resolve().parents[2]
SCHAKEL = Path(sys.executable).parent / "schakel"
MESSAGES = ROOT / "schakel/demo/messages"
EXAMPLES = ROOT / "mappings"


@dataclass(frozen=True)
class Served:
    """A hub that runs in a process of its own."""

    process: subprocess.Popen[str]
    url: str
    environment: dict[str, str]

    def command(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [SCHAKEL, *arguments], env={**self.environment, **settings}, capture_output=True, text=True, timeout=60
        )


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("home") / "hub") as hub:
        yield hub


@contextlib.contextmanager
def serving(home: Path) -> Iterator[Served]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SCHAKEL_")}
    environment |= {
        "SCHAKEL_HOME": str(home),
        "SCHAKEL_PORT": "0",
        "PYTHONUNBUFFERED": "1",
        "SCHAKEL_LOG_LEVEL": "error",
    }
    subprocess.run([SCHAKEL, "init"], env=environment, check=True, capture_output=True)
    process = subprocess.Popen([SCHAKEL, "serve"], env=environment, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        found = re.search(r"listens on (http://\S+)", line)
        assert found is not None, line
        yield Served(process, found[1], environment)
    finally:
        process.kill()
        process.wait()


def key(served: Served, partner: str) -> str:
    made = served.command("partners", "key", partner)
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


def fetched(served: Served, secret: str) -> Any:
    """The first message of this partner's mailbox; asked again until the hub has made it, which is after its 202."""
    end = time.monotonic() + 60
    while True:
        got = httpx2.get(f"{served.url}/v1/mailbox/1", headers={"authorization": f"Bearer {secret}"})
        if got.status_code == 200:
            return got.json()
        assert time.monotonic() < end, got.text
        time.sleep(0.05)


@pytest.mark.slow
def test_each_source_sends_its_own_format_and_sees_who_gets_it(served: Served, tmp_path: Path) -> None:
    stuf = tmp_path / "zoetermeer.xml"
    text = (EXAMPLES / "stuf_melding_generiek/examples/zoetermeer.xml").read_text(encoding="utf-8")
    for given, other in SENDER.items():
        text = text.replace(given, other)
    stuf.write_text(text, encoding="utf-8")

    pool = key(served, "thv-pool")
    thv = served.command(
        "send", str(MESSAGES / "thv-delft-tweede.json"), "--as", "thv-pool", "--url", served.url, "--json",
        SCHAKEL_API_KEY=pool,
    )  # fmt: skip
    assert thv.returncode == 0, thv.stderr
    assert json.loads(thv.stdout)["state"] == "routed"

    secret = tmp_path / "cit.key"
    secret.write_text(key(served, "cit") + "\n", encoding="utf-8")
    cit = served.command(
        "send", str(EXAMPLES / "cit_fhir/examples/westland.json"), "--as", "cit", "--url", served.url,
        "--key-file", str(secret), "--json",
    )  # fmt: skip
    assert json.loads(cit.stdout)["resourceType"] == "OperationOutcome"

    again = served.command(
        "send", str(EXAMPLES / "cit_fhir/examples/westland.json"), "--as", "cit", "--url", served.url,
        "--key-file", str(secret),
    )  # fmt: skip
    assert "Regional municipality: Perspektief is the ICM team" in again.stdout

    table = tmp_path / "twee.xlsx"
    table.write_bytes(workbook([row(1, "0518"), row(2, "0603")]))
    second = served.command(
        "send", str(table), "--as", "thv-pool", "--url", served.url, "--row", "2", SCHAKEL_API_KEY=pool
    )
    assert second.returncode == 0, second.stdout
    assert "Lokaal team Rijswijk  duo  deliver" in second.stdout
    assert "row 2 of 2" in second.stderr

    vt = served.command(
        "send", str(stuf), "--as", "veilig-thuis", "--url", served.url, SCHAKEL_API_KEY=key(served, "veilig-thuis")
    )
    assert vt.returncode == 0, vt.stderr
    assert "Bv03" in vt.stdout

    delft = key(served, "lokaal-team-delft")
    said = {"reference": fetched(served, delft)["request"]["reference"], "answer": "received"}
    (tmp_path / "antwoord.json").write_text(json.dumps(said), encoding="utf-8")
    answered = served.command(
        "send", str(tmp_path / "antwoord.json"), "--answer", "--as", "lokaal-team-delft", "--url", served.url,
        SCHAKEL_API_KEY=delft,
    )  # fmt: skip
    assert (answered.returncode, "received" in answered.stdout) == (0, True), answered.stdout

    status = served.command("status", json.loads(thv.stdout)["id"], "--json")
    assert {one["partner"] for one in json.loads(status.stdout)["requests"]} == {"perspektief", "lokaal-team-delft"}


@pytest.mark.slow
def test_what_the_hub_refuses_is_refused_and_told(served: Served) -> None:
    sent = ("--as", "thv-pool", "--url", served.url)
    mine = key(served, "thv-pool")
    refused = served.command("send", str(MESSAGES / "thv-kapot.json"), *sent, "--json", SCHAKEL_API_KEY=mine)
    assert refused.returncode == Exit.REFUSED
    assert json.loads(refused.stdout)["status"] == 400
    stranger = served.command("send", str(MESSAGES / "thv-kapot.json"), *sent, SCHAKEL_API_KEY="schakel_no_key")
    assert stranger.returncode == Exit.REFUSED
    assert "schakel_no_key" not in stranger.stdout + stranger.stderr


@pytest.mark.slow
def test_a_port_that_is_taken_is_told(served: Served) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        second = served.command("serve", SCHAKEL_PORT=str(taken.getsockname()[1]))
    assert second.returncode == Exit.UNREACHABLE
    assert "cannot listen" in second.stderr


@pytest.mark.slow
def test_a_signal_ends_it_in_order_and_the_books_are_well(tmp_path: Path) -> None:
    with serving(tmp_path / "hub") as own:
        message = str(MESSAGES / "thv-delft-tweede.json")
        sent = own.command("send", message, "--as", "thv-pool", "--url", own.url, SCHAKEL_API_KEY=key(own, "thv-pool"))
        assert sent.returncode == 0, sent.stderr
        own.process.send_signal(signal.SIGTERM)
        _, errors = own.process.communicate(timeout=30)
        assert own.process.returncode == 0, errors
        assert "stopped" in errors
        report = own.command("verify", "--json")
        assert report.returncode == 0, report.stdout
        assert json.loads(report.stdout)["counts"]["decided"] == 2
