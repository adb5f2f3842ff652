# SPDX-License-Identifier: EUPL-1.2
"""`schakel keys rotate`: every data key is wrapped anew, beside a hub that runs, and from where it was broken off."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import apsw
import pytest

from schakel.bootstrap import build
from schakel.cli.app import main
from schakel.cli.complaint import Exit
from schakel.cli.keys import TABLES
from schakel.hub import Hub
from schakel.settings import Settings
from schakel.vault import add_master_key
from tests.support.messages import referral

WHO = ("--by", "A. de Beheerder", "--reason", "jaarlijks")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """With messages of three households, one webhook secret, and an answer that fits nothing."""
    monkeypatch.setenv("SCHAKEL_HOME", str(tmp_path / "hub"))
    monkeypatch.setenv("SCHAKEL_LOG_LEVEL", "error")
    assert main(["init"]) == 0
    assert main(["partners", "secret", "vvt"]) == 0
    capsys.readouterr()
    asyncio.run(_fill())
    return tmp_path / "hub"


async def _fill() -> None:
    async with build(Settings()) as hub:
        for n in range(3):
            await receive(hub, n)


async def receive(hub: Hub, n: int) -> None:
    message = referral(n)
    sender = hub.region.partner(message.source)
    assert sender is not None
    await hub.intake.receive(sender, message.body, message.media_type, datetime.now(UTC))


def versions(home: Path) -> list[int]:
    """The master key version of each data key."""
    with apsw.Connection(str(home / "schakel.sqlite")) as connection:
        keys = [
            key
            for table in TABLES
            for (key,) in connection.execute(f"SELECT wrapped_key FROM {table} WHERE wrapped_key IS NOT NULL")
        ]
    return [int.from_bytes(key[:2], "big") for key in keys]


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_rotation_wraps_every_data_key_by_the_new_master_key(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = versions(home)
    assert set(before) == {1}
    assert said(capsys, "keys", "status") == {"masterKeys": 1, "wrappedByOlder": 0}
    assert said(capsys, "keys", "rotate", *WHO) == {"version": 2, "rewrapped": len(before)}
    assert versions(home) == [2] * len(before)
    assert said(capsys, "keys", "status") == {"masterKeys": 2, "wrappedByOlder": 0}

    async def opens() -> int:
        async with build(Settings()) as hub:
            return await hub.dispatch.run_once()  # opens each case, and the webhook secret

    assert asyncio.run(opens()) >= 6
    assert said(capsys, "verify")["ok"]
    with apsw.Connection(str(home / "schakel.sqlite")) as connection:
        audit = list(connection.execute("SELECT actor, action FROM audit WHERE action LIKE 'keys.%' ORDER BY id"))
    assert audit == [("operator:A. de Beheerder", "keys.rotate"), ("operator:A. de Beheerder", "keys.rotated")]


def test_a_hub_that_runs_goes_on_through_a_rotation(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def beside() -> None:
        async with build(Settings()) as hub:
            await receive(hub, 10)
            done = await asyncio.to_thread(main, ["keys", "rotate", *WHO])
            assert done == 0
            await receive(hub, 11)  # the same process, with the keys that it read at its start
            assert await hub.dispatch.run_once() >= 8
            outcomes = {one.last_reason for one in (await hub.store.backlog(now=datetime.now(UTC))).queues}
            assert "tampered" not in outcomes
            assert await hub.store.parked() == []

    asyncio.run(beside())
    capsys.readouterr()
    later = said(capsys, "keys", "rotate", "--resume", *WHO)  # what it wrapped by the old key before it met the new one
    assert later["version"] is None
    assert set(versions(home)) == {2}


def test_a_rotation_that_was_broken_off_goes_on(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert add_master_key(home / "keys.json") == 2  # and then the power went
    older = len(versions(home))
    assert said(capsys, "keys", "status") == {"masterKeys": 2, "wrappedByOlder": older}
    assert said(capsys, "keys", "rotate", "--resume", *WHO) == {"version": None, "rewrapped": older}
    assert said(capsys, "keys", "rotate", "--resume", *WHO) == {"version": None, "rewrapped": 0}
    assert set(versions(home)) == {2}


def test_a_rotation_needs_a_name_and_a_reason(home: Path) -> None:
    before = (home / "keys.json").read_bytes()
    assert main(["keys", "rotate"]) == Exit.USAGE
    assert main(["keys", "rotate", "--by", " ", "--reason", "x"]) == Exit.USAGE
    assert (home / "keys.json").read_bytes() == before
