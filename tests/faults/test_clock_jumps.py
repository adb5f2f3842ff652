# SPDX-License-Identifier: EUPL-1.2
"""The machine's clock goes back an hour, or forward a day, while the hub runs; and both nights of the Dutch clock.

Nothing is lost, nobody waits for an hour because a clock was wrong, and every repeat has its id and its bytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from schakel.errors import TemporaryFailure
from schakel.ports import Parcel
from schakel.records import RequestQuery
from tests.integration.stage import Stage, household, open_stage, thv
from tests.support.hub import Home, Said, open_home, until
from tests.support.messages import referral

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
LOCAL = ZoneInfo("Europe/Amsterdam")
JUMPS = [pytest.param(-HOUR, id="back-an-hour"), pytest.param(DAY, id="forward-a-day")]


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    opened = open_stage(tmp_path)
    async with opened.hub:
        yield opened
        assert await opened.holes() == []


def causes(stage: Stage) -> set[str]:
    return {notice.cause for _, notice in stage.mail.told}


def once_each(parcels: list[Parcel]) -> set[str]:
    """The deliveries; fails when one of them came in other bytes."""
    contents: dict[str, bytes] = {}
    for parcel in parcels:
        assert contents.setdefault(parcel.delivery_id, parcel.content) == parcel.content
    return set(contents)


async def tick(stage: Stage) -> None:
    await stage.hub.clockwork.run_once(stage.clock.now())


# -- jumps, with all that waits at that moment


@pytest.mark.fault("clock jumps back an hour while the hub runs")
async def test_what_waited_for_its_next_try_goes_out_when_the_clock_has_gone_back(stage: Stage) -> None:
    def away(parcel: Parcel) -> None:
        raise TemporaryFailure("http-503")

    stage.webhook.on_send = away
    await stage.send("thv-pool", household(1))
    await stage.hub.dispatch.run_once()
    await stage.send("thv-pool", household(2))  # kept, and not looked at before the jump
    stage.webhook.on_send = None
    refused = once_each(stage.webhook.sent)
    stage.webhook.sent.clear()

    stage.clock.forward(-HOUR)
    assert await stage.hub.dispatch.run_once() == 0  # the control: the times that were written are ahead
    await tick(stage)
    assert await stage.hub.dispatch.run_once() == 4
    assert len(once_each(stage.webhook.sent)) == len(stage.webhook.sent) == 4
    assert refused < once_each(stage.webhook.sent)
    assert "clock-went-back" in causes(stage)
    stage.mail.told.clear()
    await tick(stage)
    assert "clock-went-back" not in causes(stage)  # told once


@pytest.mark.fault("clock jumps back an hour while the hub runs")
async def test_a_worker_that_fell_before_the_clock_went_back_is_followed_within_its_lease(stage: Stage) -> None:
    await stage.send("thv-pool", household(1))
    assert len(await stage.hub.store.claim(now=stage.clock.now(), limit=9)) == 2  # and nobody sends them
    stage.clock.forward(-HOUR)
    await tick(stage)
    assert await stage.hub.dispatch.run_once() == 0
    stage.clock.forward(timedelta(seconds=16))
    assert await stage.hub.dispatch.run_once() == 2
    assert len(once_each(stage.webhook.sent)) == 2


@pytest.mark.fault("clock jumps back an hour while the hub runs")
@pytest.mark.fault("clock jumps forward a day while the hub runs")
@pytest.mark.parametrize("jump", JUMPS)
async def test_a_jump_while_something_is_being_sent_loses_and_doubles_nothing(stage: Stage, jump: timedelta) -> None:
    gone = asyncio.Event()

    async def waits(parcel: Parcel) -> None:
        await gone.wait()

    stage.webhook.on_send = waits
    await stage.send("thv-pool", household(1))
    sending = asyncio.create_task(stage.hub.dispatch.run_once())
    await until(lambda: len(stage.webhook.sent) == 2, "nothing is being sent")
    stage.clock.forward(jump)
    await tick(stage)
    stage.webhook.on_send = None
    await stage.send("thv-pool", household(2))
    gone.set()
    await sending
    await stage.hub.dispatch.run_once()
    assert len(once_each(stage.webhook.sent)) == 4
    assert (await stage.hub.store.backlog(now=stage.clock.now())).queues[0].waiting == 0


@pytest.mark.fault("clock jumps forward a day while the hub runs")
async def test_a_day_that_never_was_tells_each_late_answer_once_and_goes_on(stage: Stage) -> None:
    """Forward by mistake, and right again: what was told in between stays told, and nothing waits for that day."""
    await stage.send("thv-pool", thv("den-haag-eerste-thv"))
    await stage.hub.dispatch.run_once()
    stage.clock.forward(DAY)
    await tick(stage)
    late = [notice for _, notice in stage.mail.told if notice.cause == "deadline:answer"]
    assert len({notice.subject for notice in late}) == len(late) > 0  # one each, however many steps were passed

    def away(parcel: Parcel) -> None:
        raise TemporaryFailure("http-503")

    stage.webhook.on_send = away
    await stage.send("thv-pool", household(2))
    await stage.hub.dispatch.run_once()
    stage.webhook.on_send = None
    stage.clock.forward(-DAY)
    await tick(stage)
    assert await stage.hub.dispatch.run_once() == 2
    assert len(once_each(stage.webhook.sent)) == 4


# -- the nights in which the Dutch clock changes


@pytest.mark.fault("summer time begins and ends: office hours and a crisis at night")
@pytest.mark.parametrize(
    ("accepted", "due"),
    [
        pytest.param("2026-03-27T16:00", "2026-03-30T11:30", id="summer-time-begins"),
        pytest.param("2026-10-23T16:00", "2026-10-26T11:30", id="summer-time-ends"),
        pytest.param("2026-11-06T16:00", "2026-11-09T11:30", id="the-control"),
    ],
)
async def test_office_hours_are_those_of_the_wall_on_both_sides_of_the_change(
    tmp_path: Path, accepted: str, due: str
) -> None:
    """Four office hours from Friday four o'clock: Monday half past eleven, in all three weekends."""
    start = datetime.fromisoformat(accepted).replace(tzinfo=LOCAL).astimezone(UTC)
    stage = open_stage(tmp_path, at=start)
    async with stage.hub:
        await stage.send("thv-pool", thv("den-haag-eerste-thv"))
        await stage.hub.dispatch.run_once()
        assert (await due_at(stage, "lokaal-team-den-haag")).isoformat(timespec="minutes")[:16] == due
        stage.clock.at = datetime.fromisoformat(due).replace(tzinfo=LOCAL).astimezone(UTC) - MINUTE
        before = await told_of(stage, "lokaal-team-den-haag")
        stage.clock.forward(2 * MINUTE)
        assert await told_of(stage, "lokaal-team-den-haag") == before + 1
        assert await stage.holes() == []


@pytest.mark.fault("summer time begins and ends: office hours and a crisis at night")
@pytest.mark.parametrize(
    "accepted",
    [
        pytest.param("2026-10-25T00:50:00+00:00", id="ten-to-three-the-first-time"),
        pytest.param("2026-10-25T01:50:00+00:00", id="ten-to-three-the-second-time"),
        pytest.param("2026-03-29T00:50:00+00:00", id="ten-minutes-before-two-becomes-three"),
    ],
)
async def test_a_crisis_is_answered_within_fifteen_real_minutes_in_those_nights(tmp_path: Path, accepted: str) -> None:
    start = datetime.fromisoformat(accepted)
    stage = open_stage(tmp_path, at=start)
    async with stage.hub:
        await stage.send("thv-pool", thv("den-haag-eerste-thv"))
        await stage.hub.dispatch.run_once()
        assert (await due_at(stage, "vvt")).astimezone(UTC) - start == 15 * MINUTE
        assert await stage.holes() == []


async def due_at(stage: Stage, partner: str) -> datetime:
    (own,) = (await stage.hub.involvement.own(stage.partner(partner), RequestQuery(), limit=9)).requests
    return own.request.due_at.astimezone(LOCAL)


async def told_of(stage: Stage, partner: str) -> int:
    """How often somebody was told that this partner's answer is late, after a tick."""
    await tick(stage)
    name = stage.partner(partner).name
    return sum(one.cause == "deadline:answer" and name in one.nl for _, one in stage.mail.told)


# -- a real process


@pytest.mark.slow
@pytest.mark.fault("clock jumps back an hour while the hub runs")
@pytest.mark.fault("clock jumps forward a day while the hub runs")
@pytest.mark.parametrize("jump", JUMPS)
async def test_a_hub_goes_on_when_its_machine_s_clock_jumps(tmp_path: Path, jump: timedelta) -> None:
    """A webhook's signature carries the time: recipients refuse what a wrong clock signs, and take it when the clock is
    right again."""
    async with open_home(tmp_path) as home:
        home.clock = tmp_path / "clock"
        home.clock.write_text("0", encoding="ascii")
        refuses = {"vvt"}

        async def moody(partner: str) -> int:
            return 503 if partner in refuses else 204

        home.recipients.behave = moody
        process = await home.start()
        said: list[Said | None] = [await process.hand_in(referral(n)) for n in range(1, 4)]
        await home.until("SELECT count(*) FROM delivery WHERE attempts > 0 AND state = 'waiting'", 3)

        home.clock.write_text(str(jump.total_seconds()), encoding="ascii")
        said += [await process.hand_in(referral(n)) for n in range(4, 7)]
        refuses.clear()
        await until(lambda: len(set(home.recipients.rejected)) == 2, "nobody refuses the signatures", home.log)
        if jump < timedelta(0):
            await until(lambda: told(home), "nobody is told", home.log)
        home.clock.write_text("0", encoding="ascii")
        await home.drained(process)
        kept = [one for one in said if one is not None and one.accepted]
        assert len(kept) == 6
        assert home.promised(kept) == home.arrived()
        assert not [fault for fault in home.recipients.faults() if "good signature" not in fault]
        await home.until("SELECT count(*) FROM alarm WHERE acknowledged_by IS NULL AND delivered_at IS NULL")
        await home.until("SELECT count(*) FROM audit WHERE position IS NULL")
        assert told(home)
        await process.end()
        report = await home.json("verify")
        assert report["counts"]["lost"] == report["counts"]["duplicated"] == report["counts"]["misordered"] == 0


def told(home: Home) -> bool:
    return any("clock-went-back" in one for one in home.recipients.alarms)
