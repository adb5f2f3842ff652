# SPDX-License-Identifier: EUPL-1.2
"""A disk that is full, broken or gone: the hub promises nothing it cannot keep, and goes on by itself afterwards.

The trouble is in SQLite's way to the disk (a VFS), under a real hub: the store, the writer thread and the door are the
real ones, and every byte that SQLite writes passes through it.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import apsw
import pytest

from schakel.bootstrap import initialise
from schakel.ports import Parcel
from schakel.settings import Settings
from tests.integration.stage import MovedClock, reopen_stage, thv
from tests.support.hub import Home, Process, Said, open_home, until
from tests.support.launch import Disk
from tests.support.messages import referral

pytestmark = pytest.mark.slow


@pytest.mark.fault("disk full, broken or gone")
@pytest.mark.parametrize(
    ("trouble", "status"),
    [("full 0", 507), ("full 30000", 507), ("write", 503), ("sync", 503), ("gone", 503)],
    ids=lambda value: str(value).replace(" ", "-"),
)
async def test_nothing_is_promised_while_the_disk_has(trouble: str, status: int, tmp_path: Path) -> None:
    async with open_home(tmp_path) as home:
        home.disk = tmp_path / "disk"
        process = await home.start()
        first = await accepted(process, 1)
        await home.drained(process)
        assert await ready(home, process) == 200

        home.disk.write_text(trouble, encoding="ascii")
        during = [said for said in await hand_in(process, range(2, 10)) if said is not None]
        assert len(during) == 8  # every sender had an answer
        refused = [one for one in during if not one.accepted]
        assert refused
        assert {one.status for one in refused} <= {status, 503}
        assert all(one.retry_after for one in refused)
        if trouble != "full 30000":
            assert len(refused) == 8
        assert await ready(home, process) == 503
        assert await alive(home, process) == 200

        home.disk.unlink()
        again = [await accepted(process, 1 + n) for n in range(1, 9)]
        assert await ready(home, process) == 200
        kept = {one.message.reference: one.body["id"] for one in during if one.accepted}
        for one in again:
            if one.message.reference in kept:
                assert one.body["id"] == kept[one.message.reference]
        await home.drained(process)
        assert home.promised([first, *during, *again]) == home.arrived()
        assert home.count("SELECT count(*) FROM message") == 9
        assert home.recipients.faults() == []
        await home.told()
        await process.end()
        home.disk = None
        assert (await home.json("verify"))["counts"]["lost"] == 0


async def hand_in(process: Process, numbers: range) -> list[Said | None]:
    return list(await asyncio.gather(*(process.hand_in(referral(n)) for n in numbers)))


async def accepted(process: Process, n: int) -> Said:
    """As a sender: again until it is taken."""
    answers: list[Said] = []

    async def taken() -> bool:
        said = await process.hand_in(referral(n))
        assert said is not None
        answers.append(said)
        return said.accepted

    await until(taken, "it is not taken", process.home.log)
    return answers[-1]


async def ready(home: Home, process: Process) -> int:
    async with home.client(process.url, "thv-pool") as client:
        return (await client.get("/readyz")).status_code


async def alive(home: Home, process: Process) -> int:
    async with home.client(process.url, "thv-pool") as client:
        return (await client.get("/livez")).status_code


@pytest.mark.fault("disk full, broken or gone")
async def test_what_was_sent_while_the_disk_was_full_is_sent_again_with_the_same_bytes(tmp_path: Path) -> None:
    trouble = tmp_path / "trouble"
    disk = Disk(trouble, name="full-while-sending")
    try:
        settings = Settings(_env_file=None, home=tmp_path / "home", log_level="error")
        initialise(settings)
        stage = reopen_stage(settings, MovedClock())
        async with stage.hub:
            await stage.send("thv-pool", thv("den-haag-eerste-thv"))

            def fills_up(parcel: Parcel) -> None:
                if not trouble.exists():  # once: while a file is written anew, it is empty for whoever looks
                    trouble.write_text("full 0", encoding="ascii")

            stage.webhook.on_send = fills_up
            assert await stage.hub.dispatch.run_once() >= 1
            sent = {parcel.delivery_id: parcel for parcel in stage.webhook.sent}
            assert sent

            stage.webhook.on_send = None
            trouble.unlink()
            stage.webhook.sent.clear()
            stage.clock.forward(timedelta(seconds=20))  # the leases run out
            await stage.hub.dispatch.run_once()
            again = {parcel.delivery_id: parcel for parcel in stage.webhook.sent}
            assert set(again) >= set(sent)
            assert len(again) == len(stage.webhook.sent) == 2
            for delivery, parcel in sent.items():
                assert again[delivery].content == parcel.content
                assert again[delivery].number == parcel.number
    finally:
        disk.unregister()


def test_the_disk_of_these_tests_is_really_full(tmp_path: Path) -> None:
    """Else they would show nothing."""
    trouble = tmp_path / "trouble"
    disk = Disk(trouble, name="really-full")
    try:
        connection = apsw.Connection(str(tmp_path / "db"))
        for statement in ("PRAGMA journal_mode = WAL", "CREATE TABLE t (x)"):
            connection.execute(statement)
        trouble.write_text("full 0", encoding="ascii")
        with pytest.raises(apsw.FullError):
            connection.execute("INSERT INTO t VALUES (1)")
        trouble.unlink()
        connection.execute("INSERT INTO t VALUES (2)")
        assert list(connection.execute("SELECT x FROM t")) == [(2,)]
        connection.close()
    finally:
        disk.unregister()
