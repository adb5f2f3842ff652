# SPDX-License-Identifier: EUPL-1.2
"""A partner that is dead: how often it is tried at most, that nobody else waits for it, and that a human is told."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest

from schakel import dispatch
from schakel.dispatch import SENDING_TO_ONE
from schakel.errors import TemporaryFailure
from schakel.operating import Selection
from schakel.ports import Parcel
from schakel.retry import BREAKER_FAILURES, BREAKER_LONGEST
from tests.integration.stage import Stage, household, open_stage
from tests.support.hub import until

DEAD: Final = "lokaal-team-den-haag"
WAITING: Final = 40  # deliveries for it
AT_ONCE: Final = BREAKER_FAILURES + SENDING_TO_ONE - 1  # those under way when the breaker opens end as they end


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    opened = open_stage(tmp_path)
    async with opened.hub:
        for n in range(WAITING):
            await opened.send("thv-pool", household(n))
        yield opened


def tries(stage: Stage) -> int:
    return sum(parcel.recipient == DEAD for parcel in stage.webhook.sent)


async def attempts(stage: Stage) -> int:
    """As the store counts them."""
    return sum(one.attempts for one in await stage.hub.store.stuck(Selection(partner=DEAD)))


def dead(parcel: Parcel) -> None:
    if parcel.recipient == DEAD:
        raise TemporaryFailure("unreachable")


def slow_and_dead(seconds: float) -> object:
    async def send(parcel: Parcel) -> None:
        if parcel.recipient == DEAD:
            await asyncio.sleep(seconds)
            raise TemporaryFailure("timeout")

    return send


@pytest.mark.fault("dead partner: attempts are bounded by its breaker")
@pytest.mark.parametrize("how", ["at-once", "slowly"])
async def test_a_dead_partner_is_tried_a_few_times_however_much_waits_for_it(stage: Stage, how: str) -> None:
    """What was claimed before the breaker opened goes back too, and that is no attempt."""
    stage.webhook.on_send = dead if how == "at-once" else slow_and_dead(0.2)  # type: ignore[assignment]
    await stage.hub.dispatch.run_once()
    first = tries(stage)
    assert BREAKER_FAILURES <= first <= AT_ONCE
    assert await attempts(stage) == first
    reached = Counter(parcel.recipient for parcel in stage.webhook.sent)
    assert reached["vvt"] == WAITING  # nobody else was left alone

    probes = 0
    for _ in range(12):  # an hour: its breaker lets one through at a time
        stage.clock.forward(BREAKER_LONGEST)
        before = tries(stage)
        await stage.hub.dispatch.run_once()
        probes += tries(stage) - before
        assert tries(stage) - before == 1
    assert probes == 12
    assert await attempts(stage) == first + probes


@pytest.mark.fault("dead partner: comes back, and gets all of it at once")
async def test_when_it_is_back_the_first_probe_that_arrives_brings_all_the_others(stage: Stage) -> None:
    stage.webhook.on_send = dead
    await stage.hub.dispatch.run_once()
    stage.webhook.on_send = None
    stage.clock.forward(BREAKER_LONGEST)
    stage.webhook.sent.clear()
    await stage.hub.dispatch.run_once()
    assert sorted(parcel.number for parcel in stage.webhook.sent) == list(range(1, WAITING + 1))
    assert await attempts(stage) == 0
    assert await stage.holes() == []


@pytest.mark.fault("dead partner: a human is told")
async def test_a_human_is_told_of_what_was_never_tried_too(stage: Stage) -> None:
    stage.webhook.on_send = dead
    await stage.hub.dispatch.run_once()
    stage.clock.forward(timedelta(hours=2))
    await stage.hub.clockwork.run_once(stage.clock.now())
    stuck = await stage.hub.store.stuck(Selection(partner=DEAD))
    assert len(stuck) == WAITING
    assert any(one.attempts == 0 for one in stuck)
    told = {alarm.subject for alarm in await stage.hub.store.alarms()}
    assert {one.id for one in stuck} <= told
    assert await stage.holes() == []


@pytest.mark.fault("the others: beside a slow partner for whom more waits than a process holds")
@pytest.mark.parametrize("burst", [4, WAITING])
async def test_a_slow_partner_takes_no_room_from_the_others_however_much_waits_for_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, burst: int
) -> None:
    """It has its share of what a process holds, and the rest of its own waits in the store, not in the others' way."""
    monkeypatch.setattr(dispatch, "HELD", 30)
    monkeypatch.setattr(dispatch, "HELD_OF_ONE", 12)
    monkeypatch.setattr(dispatch, "CLAIMS", 4)
    well, stop = asyncio.Event(), asyncio.Event()

    async def slow(parcel: Parcel) -> None:
        if parcel.recipient == DEAD:
            await well.wait()

    stage.webhook.on_send = slow
    running = asyncio.create_task(stage.hub.dispatch.run(stop))
    try:
        await until(lambda: came(stage, "vvt") == WAITING, "the other waits for the slow one")
        for n in range(burst):
            await stage.send("thv-pool", household(WAITING + n))
        await until(lambda: came(stage, "vvt") == WAITING + burst, "what came later waits for the slow one")
        assert tries(stage) == SENDING_TO_ONE
        well.set()
        await until(lambda: tries(stage) == WAITING + burst, "the slow one does not get the rest")
    finally:
        well.set()
        stop.set()
        await running
    assert await attempts(stage) == 0
    assert await stage.holes() == []


def came(stage: Stage, recipient: str) -> int:
    return sum(parcel.recipient == recipient for parcel in stage.webhook.sent)
