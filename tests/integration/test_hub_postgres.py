# SPDX-License-Identifier: EUPL-1.2
"""A whole hub on PostgreSQL: the same door, decisions, deliveries and commands as on the file."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from schakel.bootstrap import build
from schakel.cli.app import main
from schakel.cli.complaint import Exit
from schakel.ports import Receipt
from schakel.settings import Settings

ORDER = Path(__file__).resolve().parents[2] / "schakel/demo/messages/thv-delft-tweede.json"


@pytest.fixture
def home(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Path:
    monkeypatch.setenv("SCHAKEL_HOME", str(tmp_path / "hub"))
    monkeypatch.setenv("SCHAKEL_DATABASE_URL", database_url)
    assert main(["init"]) == 0
    capsys.readouterr()
    return tmp_path / "hub"


def receive() -> Receipt:
    """Hands a message in, as the door would."""

    async def work() -> Receipt:
        async with build(Settings()) as hub:
            sender = hub.region.partner("thv-pool")
            assert sender is not None
            _, receipt = await hub.intake.receive(sender, ORDER.read_bytes(), "application/json", datetime.now(UTC))
            return receipt

    return asyncio.run(work())


def test_what_comes_in_is_kept_there_and_looked_at_with_the_same_commands(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = receive()
    assert first.state == "routed"
    again = receive()
    assert (again.message_id, again.duplicate) == (first.message_id, True)
    assert not (home / "schakel.sqlite").exists()
    capsys.readouterr()
    assert main(["status", first.message_id, "--by", "A. de Beheerder", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["state"] == "routed"
    assert main(["queues", "--json"]) == 0
    capsys.readouterr()
    assert main(["verify", "--json"]) == 0
    counts = json.loads(capsys.readouterr().out)["counts"]
    assert (counts["accepted"], counts["lost"], counts["numberGaps"]) == (1, 0, 0)
    assert counts["decided"] == counts["waiting"] > 0


def test_keys_that_are_lost_beside_its_data_are_not_made_anew(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "keys.json").unlink()
    assert main(["init"]) == Exit.USAGE
    assert "keys:absent-beside-database" in capsys.readouterr().err
    assert not (home / "keys.json").exists()
