# SPDX-License-Identifier: EUPL-1.2
"""The clock: whom an alarm reaches and by which way, how it goes on when nobody is reached, and when it stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from schakel.clock import ClockWork
from schakel.ports import AlarmNotice, AlarmSender
from schakel.records import NewAlarm
from schakel.retention import Retention
from schakel.ringing import Ringing
from tests.integration.stage import RecordingSender, Stage, open_stage, thv


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    opened = open_stage(tmp_path)
    async with opened.hub:
        yield opened


def alarm(owner: str, subject: str = "s-1") -> NewAlarm:
    return NewAlarm(cause="human-decision", subject=subject, owner=owner, nl="Kijk.", en="Look.")


@dataclass
class FaultySender:
    name: str = "webhook"
    asked: list[AlarmNotice] = field(default_factory=list)

    async def send(self, notice: AlarmNotice, *, to: str) -> None:
        self.asked.append(notice)
        raise RuntimeError("a fault of ours")


def clockwork(stage: Stage, senders: dict[str, AlarmSender]) -> ClockWork:
    hub = stage.hub
    return ClockWork(
        ledger=hub.store,
        admin=hub.store,
        acts=hub.acting,
        erasing=Retention(store=hub.store),
        region=hub.region,
        ringing=Ringing(admin=hub.store, region=hub.region, senders=senders, log=hub.log),
        clock=stage.clock,
        log=hub.log,
    )


@pytest.mark.parametrize(
    ("owner", "to"),
    [
        ("coordinator", "coordinator@schakel-haaglanden.example"),
        ("vvt", "dienst@vvt.example"),
        ("nobody-known", "coordinator@schakel-haaglanden.example"),
    ],
)
async def test_an_alarm_reaches_its_owner_or_else_the_coordinator(stage: Stage, owner: str, to: str) -> None:
    await stage.hub.store.raise_alarms([alarm(owner)], now=stage.clock.now())
    tick = await stage.hub.clockwork.run_once(stage.clock.now())
    assert (tick.reached, tick.unreached) == (1, 0)
    assert [address for address, _ in stage.mail.told] == [to]


async def test_one_way_that_works_is_enough(tmp_path: Path) -> None:
    pager = {"alarms": [{"owner": "coordinator", "webhooks": ["https://pager.example/hook"]}]}
    stage = open_stage(tmp_path, overlay={"region.yaml": pager})
    async with stage.hub:
        faulty, mail = FaultySender(), RecordingSender()
        clock = clockwork(stage, {"smtp": mail, "webhook": faulty})
        await stage.hub.store.raise_alarms([alarm("coordinator")], now=stage.clock.now())
        tick = await clock.run_once(stage.clock.now())
        assert (tick.reached, len(faulty.asked), len(mail.told)) == (1, 1, 1)


async def test_without_any_way_the_alarm_is_not_delivered_and_health_says_so(stage: Stage) -> None:
    await stage.hub.store.raise_alarms([alarm("coordinator")], now=stage.clock.now())
    tick = await clockwork(stage, {}).run_once(stage.clock.now())
    assert tick.unreached == 1
    assert (await stage.hub.store.health()).alarms is not None


async def test_nobody_reached_is_tried_again_by_the_regions_list(stage: Stage) -> None:
    stage.mail.broken = True
    await stage.hub.store.raise_alarms([alarm("coordinator")], now=stage.clock.now())
    attempts = 0
    waits = stage.hub.region.deadlines.alarm_retry
    for wait in waits:
        stage.clock.forward(wait)
        attempts += (await stage.hub.clockwork.run_once(stage.clock.now())).unreached
        assert (await stage.hub.clockwork.run_once(stage.clock.now())).unreached == 0
    assert attempts == len(waits)
    stage.clock.forward(waits[-1])
    assert (await stage.hub.clockwork.run_once(stage.clock.now())).unreached == 1  # the last wait, for ever


async def test_an_alarm_rings_until_somebody_acknowledges(stage: Stage) -> None:
    await stage.hub.store.raise_alarms([alarm("coordinator")], now=stage.clock.now())
    every = stage.hub.region.deadlines.parked_alarm_every
    for told in (1, 2, 3):
        await stage.hub.clockwork.run_once(stage.clock.now())
        assert len(stage.mail.told) == told
        stage.clock.forward(every)
    (open_alarm,) = await stage.hub.store.alarms()
    await stage.hub.store.acknowledge(open_alarm.id, by="D", now=stage.clock.now())
    await stage.hub.clockwork.run_once(stage.clock.forward(timedelta(days=1)))
    assert len(stage.mail.told) == 3


async def test_a_crisis_that_is_not_delivered_alarms_within_minutes(stage: Stage) -> None:
    await stage.send("thv-pool", thv("den-haag-eerste-thv"))  # and no worker takes it
    soon = stage.hub.region.deadlines.crisis_delivery_alarm_after
    await stage.hub.clockwork.run_once(stage.clock.forward(soon - timedelta(seconds=1)))
    assert stage.mail.told == []
    await stage.hub.clockwork.run_once(stage.clock.forward(timedelta(seconds=1)))
    told = [notice.cause for _, notice in stage.mail.told]
    assert told.count("delivery-overdue") == 2  # the lead's and the duo's


async def test_no_alarm_holds_a_person(stage: Stage) -> None:
    await stage.send("thv-pool", thv("den-haag-eerste-thv"))
    await stage.send("thv-pool", thv("onbekende-code"))
    await stage.hub.clockwork.run_once(stage.clock.forward(timedelta(hours=1)))
    assert len(stage.mail.told) >= 3
    for _, notice in stage.mail.told:
        for word in ("Voorbeeldlaan", "Anna", "9999", "THVP"):
            assert word not in notice.nl + notice.en


async def test_the_audit_chain_is_linked_each_tick(stage: Stage) -> None:
    await stage.send("thv-pool", thv("den-haag-eerste-thv"))
    assert (await stage.hub.clockwork.run_once(stage.clock.now())).linked > 0
    assert (await stage.hub.clockwork.run_once(stage.clock.now())).linked == 0


async def test_the_loop_ends_when_told(stage: Stage) -> None:
    stop = asyncio.Event()
    running = asyncio.create_task(stage.hub.clockwork.run(stop))
    await asyncio.sleep(0)
    stop.set()
    await asyncio.wait_for(running, 5)
