# SPDX-License-Identifier: EUPL-1.2
"""Dispatch against a real store: recipients that are gone, slow or unknown, leases that are lost, a hub that stops."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import apsw
import pytest

from schakel.errors import NotFound, PoisonDelivery, RecipientGone, TemporaryFailure
from schakel.ports import Parcel
from schakel.records import Sealed, SealPlace, SecretRow
from tests.integration.stage import Stage, household, open_stage, reopen_stage, thv


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    opened = open_stage(tmp_path)
    async with opened.hub:
        yield opened
        assert await opened.holes() == []


async def states(stage: Stage, partner: str) -> list[str]:
    return [entry.state for entry in await stage.hub.store.mailbox(partner, after=0, limit=300)]


async def causes(stage: Stage) -> list[str]:
    return [alarm.cause for alarm in await stage.hub.store.alarms()]


async def test_a_recipient_that_is_gone_alarms_at_once_and_is_probed_slowly(stage: Stage) -> None:
    def gone(parcel: Parcel) -> None:
        if parcel.recipient == "vvt":
            raise RecipientGone

    stage.webhook.on_send = gone
    for n in range(3):
        await stage.send("thv-pool", household(n))
    await stage.hub.dispatch.run_once()
    assert (await causes(stage)).count("recipient-gone") == 1
    assert set(await states(stage, "vvt")) == {"waiting"}
    assert set(await states(stage, "lokaal-team-den-haag")) == {"delivered"}
    tried = sum(parcel.recipient == "vvt" for parcel in stage.webhook.sent)
    stage.clock.forward(timedelta(minutes=1))
    await stage.hub.dispatch.run_once()
    assert sum(parcel.recipient == "vvt" for parcel in stage.webhook.sent) == tried  # the breaker is open
    stage.webhook.on_send = None
    stage.clock.forward(stage.hub.region.deadlines.probe_every)
    for _ in range(3):
        await stage.hub.dispatch.run_once()
    assert set(await states(stage, "vvt")) == {"delivered"}


async def test_a_poisoned_delivery_is_set_aside_and_alarmed_and_blocks_nobody(stage: Stage) -> None:
    def poison(parcel: Parcel) -> None:
        if parcel.recipient == "vvt":
            raise PoisonDelivery("content-not-json")

    stage.webhook.on_send = poison
    await stage.send("thv-pool", thv("den-haag-eerste-thv"))
    await stage.hub.dispatch.run_once()
    assert await states(stage, "vvt") == ["parked"]
    assert "poison-delivery" in await causes(stage)
    stage.webhook.on_send = None
    await stage.send("thv-pool", thv("den-haag-eerste-thv", kenmerk="THVP-later"))
    await stage.hub.dispatch.run_once()
    assert await states(stage, "vvt") == ["parked", "delivered"]
    later = [json.loads(parcel.content) for parcel in stage.webhook.sent if parcel.recipient == "vvt"][-1]
    assert later["held"] == 1
    (parked,) = await stage.hub.store.parked()
    await stage.hub.intake.release(parked.id, to=[], by="D", reason="hersteld", now=stage.clock.now())
    await stage.hub.dispatch.run_once()
    assert await states(stage, "vvt") == ["delivered", "delivered"]


async def test_a_representation_that_nobody_makes_any_more_is_set_aside(tmp_path: Path) -> None:
    """A hub does not start with one (schakel/ways.py); a delivery of before may still name it."""
    stage = open_stage(tmp_path)
    async with stage.hub:
        await stage.send("thv-pool", thv("den-haag-eerste-thv"))
        database = apsw.Connection(str(stage.hub.settings.database_file))
        database.execute("UPDATE delivery SET representation = 'fax' WHERE recipient = 'vvt'")
        database.close()
        await stage.hub.dispatch.run_once()
        assert (await states(stage, "vvt"), await states(stage, "lokaal-team-den-haag")) == (["parked"], ["delivered"])
        (parked,) = await stage.hub.store.parked()
        assert [finding.rule for finding in parked.findings] == ["representation-unknown"]


async def test_a_slow_recipient_has_no_more_than_its_places(stage: Stage) -> None:
    under_way = peak = 0

    async def slow(parcel: Parcel) -> None:
        nonlocal under_way, peak
        if parcel.recipient == "vvt":
            under_way += 1
            peak = max(peak, under_way)
            for _ in range(5):
                await asyncio.sleep(0)
            under_way -= 1

    stage.webhook.on_send = slow
    for n in range(40):
        await stage.send("thv-pool", household(n))
    await stage.hub.dispatch.run_once()
    assert 1 < peak <= 8
    assert await states(stage, "vvt") == ["delivered"] * 40


async def test_a_lost_lease_writes_nothing(stage: Stage) -> None:
    first_sent, second_done = asyncio.Event(), asyncio.Event()

    async def hangs(parcel: Parcel) -> None:
        if parcel.recipient == "vvt":
            first_sent.set()
            await second_done.wait()

    stage.webhook.on_send = hangs
    await stage.send("thv-pool", thv("den-haag-eerste-thv"))
    working = asyncio.create_task(stage.hub.dispatch.run_once())
    await asyncio.wait_for(first_sent.wait(), 5)
    beside = reopen_stage(stage.hub.settings, stage.clock)
    async with beside.hub:

        def away(parcel: Parcel) -> None:
            raise TemporaryFailure("unreachable")

        beside.webhook.on_send = away
        stage.clock.forward(timedelta(seconds=16))
        assert await beside.hub.dispatch.run_once() == 1
    second_done.set()
    await asyncio.wait_for(working, 10)
    # the first worker's success is not written: its token no longer held the lane, and the second one's word stands
    assert (await states(stage, "vvt"))[0] == "waiting"


async def test_a_hub_that_stops_hands_back_what_it_has_not_begun(stage: Stage) -> None:
    begun, gate = asyncio.Event(), asyncio.Event()

    async def slow(parcel: Parcel) -> None:
        if parcel.recipient == "vvt":
            begun.set()
            await gate.wait()

    stage.webhook.on_send = slow
    for n in range(20):
        await stage.send("thv-pool", household(n))
    stop = asyncio.Event()
    running = asyncio.create_task(stage.hub.dispatch.run(stop))
    await asyncio.wait_for(begun.wait(), 5)
    stop.set()
    gate.set()
    await asyncio.wait_for(running, 10)
    beside = reopen_stage(stage.hub.settings, stage.clock)
    async with beside.hub:
        await beside.hub.dispatch.run_once()  # no lease has to run out first
        assert await states(beside, "vvt") == ["delivered"] * 20


async def test_a_partners_secrets_sign_its_parcels(stage: Stage) -> None:
    vault, now = stage.hub.vault, stage.clock.now()
    wrapped = vault.new_key("s1")
    sealed = vault.seal(wrapped, b"k" * 32, owner="s1", place=SealPlace("partner_secret", "s1", "secret"))
    await stage.hub.store.add_secret(SecretRow("s1", "vvt", "v1", Sealed(wrapped, sealed), now, None))
    await stage.send("thv-pool", thv("den-haag-eerste-thv"))
    await stage.hub.dispatch.run_once()
    signed = {parcel.recipient: [(one.kind, one.value) for one in parcel.secrets] for parcel in stage.webhook.sent}
    assert signed == {"vvt": [("v1", b"k" * 32)], "lokaal-team-den-haag": []}


async def test_reading_a_mailbox_is_audited_and_a_tombstone_is_not_found(stage: Stage) -> None:
    await stage.send("thv-pool", thv("delft-tweede-thv"))
    await stage.hub.dispatch.run_once()
    document = json.loads(thv("delft-tweede-thv", kenmerk="THVP-geheim"))
    document["betrokkenen"][0]["geheimAdres"] = True
    stage.clock.forward(timedelta(minutes=1))
    await stage.send("thv-pool", json.dumps(document).encode())
    team = stage.partner("lokaal-team-delft")
    with pytest.raises(NotFound) as caught:  # what was rendered shows more than may be shown now
        await stage.hub.mailbox.content(team, 1)
    assert caught.value.status == 410
    assert (await states(stage, "lokaal-team-delft"))[0] == "superseded"
    with pytest.raises(NotFound):
        await stage.hub.mailbox.content(team, 1)
    numbers = [e.number for e in await stage.hub.store.mailbox("lokaal-team-delft", after=1, limit=9)]
    contents = [(await stage.hub.mailbox.content(team, number))[0] for number in numbers]
    assert len(contents) == 2
    assert all(b"Proefstraat" not in content for content in contents)
    assert all("reference" in json.loads(content)["request"] for content in contents)
