# SPDX-License-Identifier: EUPL-1.2
"""A power cut at any moment takes nothing of what the hub had acknowledged."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from schakel.errors import Unacceptable
from schakel.records import Accepted
from schakel.store.database import create_database
from schakel.store.sqlite import SqliteStore, open_sqlite
from schakel.verify import verify_sqlite
from tests.conformance.store_cases import CAUSES, NOW, TIMES, Decider, TestSigner, arrival, deliver_all
from tests.faults.forgetful_disk import ForgetfulDisk


@pytest.fixture
def disk(request: pytest.FixtureRequest) -> Iterator[ForgetfulDisk]:
    disk = ForgetfulDisk(f"forgetful-{abs(hash(request.node.nodeid))}")
    yield disk
    disk.unregister()


def found_after(disk: ForgetfulDisk, into: Path, *, keep: float, seed: int) -> tuple[set[str], set[str]]:
    """Message ids and delivered delivery ids that are there after the power came back; the database must be whole."""
    disk.cut(into, keep=keep, seed=seed)
    database = into / "schakel.sqlite"
    connection = apsw.Connection(str(database))
    messages = {row[0] for row in connection.execute("SELECT id FROM message")}
    delivered = {row[0] for row in connection.execute("SELECT id FROM delivery WHERE state = 'delivered'")}
    connection.close()
    report = verify_sqlite(database, now=NOW)
    assert report.ok, report.found
    return messages, delivered


@pytest.mark.fault("power cut: the disk forgets what was not synced")
@pytest.mark.parametrize("keep", [0.0, 0.5, 1.0], ids=["all-forgotten", "half-kept", "all-kept"])
async def test_nothing_acknowledged_vanishes(disk: ForgetfulDisk, tmp_path: Path, keep: float) -> None:
    """Many senders at once; the power goes while they send. The seed of each cut is its number."""
    path = tmp_path / "schakel.sqlite"
    create_database(path, vfs=disk.vfs_name)
    store = open_sqlite(path, causes=CAUSES, alarm_times=TIMES, signer=TestSigner(), vfs=disk.vfs_name)
    acknowledged: set[str] = set()
    arrived: set[str] = set()
    pauses = random.Random(20261121)
    assert await store._engine.read(lambda db: db.value("PRAGMA journal_mode")) == "wal"
    try:
        sending = [asyncio.create_task(_send(store, acknowledged, 12)) for _ in range(6)]
        for cut in range(8):
            await asyncio.sleep(pauses.uniform(0, 0.02))
            known, done = set(acknowledged), set(arrived)
            messages, delivered = await asyncio.to_thread(
                found_after, disk, tmp_path / f"cut-{cut}", keep=keep, seed=cut
            )
            assert known <= messages
            assert done <= delivered
            if cut % 3 == 2:
                await asyncio.to_thread(_checkpoint, path, disk)
            arrived |= {claimed.id for claimed in await deliver_all(store)}
        await asyncio.gather(*sending)
    finally:
        await store.aclose()
    assert len(acknowledged) == 72


def _checkpoint(path: Path, disk: ForgetfulDisk) -> None:
    """The log is worked into the database, as happens by itself when it has grown."""
    connection = apsw.Connection(str(path), vfs=disk.vfs_name)
    list(connection.execute("PRAGMA wal_checkpoint(PASSIVE)"))
    connection.close()


async def _send(store: SqliteStore, acknowledged: set[str], count: int) -> None:
    decide = Decider()
    for _ in range(count):
        (outcome,) = await store.accept_many([arrival()], decide)
        assert isinstance(outcome, Accepted)
        acknowledged.add(outcome.message_id)


@pytest.mark.fault("fsync fails: nothing is taken in until all is surely on disk")
async def test_after_a_failed_sync_nothing_is_promised_until_all_is_on_disk(
    disk: ForgetfulDisk, tmp_path: Path
) -> None:
    """What a failed fsync left reads as written and is not; what is acknowledged afterwards must not rest on it."""
    path = tmp_path / "schakel.sqlite"
    create_database(path, vfs=disk.vfs_name)
    store = open_sqlite(path, causes=CAUSES, alarm_times=TIMES, signer=TestSigner(), vfs=disk.vfs_name)
    acknowledged: set[str] = set()
    try:
        await _send(store, acknowledged, 3)
        disk.sync_fails = True
        for _ in range(3):
            with pytest.raises(Unacceptable) as refused:
                await store.accept_many([arrival()], Decider())
            assert (refused.value.status, refused.value.findings[0].rule) == (503, "store:disk-error")
        assert (await store.health()).store == "store:disk-error"
        disk.sync_fails = False
        await _send(store, acknowledged, 3)
        assert (await store.health()).store is None
        messages, _ = await asyncio.to_thread(found_after, disk, tmp_path / "cut", keep=0.0, seed=0)
        assert acknowledged <= messages
        assert len(acknowledged) == 6
    finally:
        await store.aclose()


@pytest.mark.fault("disk full, broken or gone")
async def test_a_full_disk_is_507_and_nothing_of_it_stays(disk: ForgetfulDisk, tmp_path: Path) -> None:
    path = tmp_path / "schakel.sqlite"
    create_database(path, vfs=disk.vfs_name)
    store = open_sqlite(path, causes=CAUSES, alarm_times=TIMES, signer=TestSigner(), vfs=disk.vfs_name)
    acknowledged: set[str] = set()
    try:
        await _send(store, acknowledged, 2)
        disk.full = True
        item = arrival()
        with pytest.raises(Unacceptable) as refused:
            await store.accept_many([item], Decider())
        assert refused.value.status == 507
        assert (await store.health()).store == "store:disk-full"
        disk.full = False
        (outcome,) = await store.accept_many([item], Decider())
        assert isinstance(outcome, Accepted)
        assert not outcome.duplicate
        messages, _ = await asyncio.to_thread(found_after, disk, tmp_path / "cut", keep=0.0, seed=0)
        assert messages == acknowledged | {item.message_id}
    finally:
        await store.aclose()


def test_the_forgetful_disk_does_forget(disk: ForgetfulDisk, tmp_path: Path) -> None:
    """The control: with `synchronous = NORMAL` the same cut loses a commit, so the test above can fail."""
    connection = apsw.Connection(str(tmp_path / "normal.sqlite"), vfs=disk.vfs_name)
    assert list(connection.execute("PRAGMA journal_mode = WAL")) == [("wal",)]
    connection.execute("PRAGMA synchronous = NORMAL; CREATE TABLE t (x)")
    list(connection.execute("PRAGMA wal_checkpoint(TRUNCATE)"))
    connection.execute("INSERT INTO t VALUES ('acknowledged')")
    disk.cut(tmp_path / "cut", keep=0.0, seed=0)
    connection.close()
    found = apsw.Connection(str(tmp_path / "cut" / "normal.sqlite"))
    assert list(found.execute("SELECT * FROM t")) == []
    found.close()
