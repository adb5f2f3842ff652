# SPDX-License-Identifier: EUPL-1.2
"""`schakel case ask|word|…|note`: what a coordinator says in a case on the command line, with a name and a reason."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from schakel.bootstrap import build
from schakel.cli.app import main
from schakel.cli.complaint import Exit
from schakel.settings import Settings

MESSAGE = Path(__file__).resolve().parents[2] / "schakel/demo/messages/thv-delft-tweede.json"
WHO = ("--by", "C. Test", "--reason", "De lijn van het team is dood.")
PHONE = ("--medium", "phone", "--evidence", "gebeld met de balie")


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    """A case in Delft that nobody has answered yet, by the id of its message."""
    monkeypatch.setenv("SCHAKEL_HOME", str(tmp_path / "hub"))
    assert main(["init"]) == 0
    capsys.readouterr()

    async def work() -> str:
        async with build(Settings()) as hub:
            source = hub.region.partner("thv-pool")
            assert source is not None
            body = MESSAGE.read_bytes()
            _, receipt = await hub.intake.receive(source, body, "application/json", datetime.now(UTC))
            return receipt.message_id

    return asyncio.run(work())


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> Any:
    assert main(["case", *arguments, "--json"]) == code
    out = capsys.readouterr()
    return json.loads(out.out) if code == 0 else out.err


def test_a_coordinator_takes_a_case_from_asking_in_to_closing(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    asked = said(capsys, "ask", case, "--partner", "politie", "--serves", "victim", *WHO)
    assert (asked["outcome"], asked["made"]["state"]) == ("recorded", "asked")
    by_phone = said(capsys, "word", case, "--partner", "politie", "--answer", "confirmed", *PHONE, *WHO)
    assert by_phone["made"]["state"] == "confirmed"
    team = ("--partner", "lokaal-team-delft", "--role", "duo", "--contact", "F. Duo", "--phone", "015 0000000")
    assert said(capsys, "word", case, *team, "--answer", "confirmed", *WHO)["made"]["state"] == "confirmed"
    said(capsys, "establish", case, "--partner", "politie", *WHO)
    said(capsys, "event", case, "--event", "first-visit", *WHO)
    terms = ("--direction", "raise", "--level", "elke dag", "--until", "2199-01-01")
    refused = said(capsys, "effort", case, "--partner", "politie", *terms, *WHO, code=int(Exit.REFUSED))
    assert "effort:at-most-a-year" in refused
    in_a_week = f"{datetime.now(UTC) + timedelta(days=7):%Y-%m-%d}"
    terms = ("--direction", "raise", "--level", "elke dag", "--until", in_a_week)
    effort = said(capsys, "effort", case, "--partner", "politie", *terms, *WHO)["made"]["id"]
    assert said(capsys, "cancel", case, "--matter", effort, *WHO)["made"]["state"] == "cancelled"
    assert said(capsys, "withdraw", case, "--partner", "politie", *WHO)["made"]["state"] == "withdrawn"
    said(capsys, "close", case, *WHO)
    assert said(capsys, "note", case, "--note", "Er kwam nog een brief.", *WHO)["outcome"] == "recorded"
    ledger = said(capsys, "ledger", case)
    assert ledger["state"] == "closed"
    events = [one["event"] for one in ledger["entries"]]
    assert events[-2:] == ["closed", "note"]
    phoned = [(one["event"], one["by"]) for one in ledger["entries"] if one["medium"] == "phone"]
    assert phoned == [("confirm", "operator:C. Test")] * 2


def test_what_is_said_for_another_says_how_it_came(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, "ask", case, "--partner", "politie", *WHO)
    own = ("word", case, "--partner", "politie", "--answer", "confirmed", "--medium", "own-system", *WHO)
    assert "word:by-phone-or-letter" in said(capsys, *own, code=int(Exit.REFUSED))
    bare = ("word", case, "--partner", "politie", "--answer", "declined", *WHO)
    assert "answer:reason-required" in said(capsys, *bare, code=int(Exit.REFUSED))
    full = said(capsys, *bare, "--reason-code", "other", "--reason-text", "Geen mensen in het weekend.")
    assert full["made"]["state"] == "declined"


def test_a_reason_is_more_than_spaces(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["case", "note", case, "--note", "x", "--by", "C. Test", "--reason", "  "]) == int(Exit.USAGE)
    assert "may not be empty" in capsys.readouterr().err
