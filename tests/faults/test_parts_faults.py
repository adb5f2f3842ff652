# SPDX-License-Identifier: EUPL-1.2
"""Processes of a hub in parts die, or sleep, under load: api, one of two workers, the clock of two that has the duty.

On PostgreSQL and RabbitMQ. What got its 202 is there, the others take over within the lease, no human is told twice.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Final

import pytest
import pytest_asyncio

from tests.faults.standing import Standing, stand
from tests.support.hub import until
from tests.support.messages import unknown_code
from tests.support.parts import Running
from tests.support.recipients import takes
from tests.support.servers import new_database

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.asyncio(loop_scope="module")]

WITHIN_20: Final = 20.0  # seconds after a SIGKILL in which the next delivery must come: a lease of 15, a sweep of 2


@pytest.fixture(scope="module")
def database(database_server: str) -> Iterator[str]:
    with new_database(database_server) as url:
        yield url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def standing(tmp_path_factory: pytest.TempPathFactory, database: str, broker_url: str) -> AsyncIterator[Standing]:
    settings = {"SCHAKEL_DATABASE_URL": database, "SCHAKEL_BROKER_URL": broker_url}
    async with stand(tmp_path_factory.mktemp("hub"), settings, clock=2) as standing:
        yield standing


@pytest_asyncio.fixture(loop_scope="module")
async def hub(standing: Standing) -> Standing:
    """Whole, whatever the test before left."""
    standing.parts.recipients.behave = takes
    await standing.whole()
    return standing


@pytest.mark.fault("one of two workers killed (SIGKILL) in the middle of the load")
async def test_two_workers_share_the_load_and_one_is_killed_in_the_middle(hub: Standing) -> None:
    loop = asyncio.get_running_loop()
    dying, living = hub.workers
    in_hand = asyncio.Event()

    async def slowly(partner: str) -> int:
        in_hand.set()
        await asyncio.sleep(0.3)
        return 204

    async with hub.under_load() as senders:
        await until(lambda: all(one.delivered() for one in hub.workers), "one does everything", hub.parts.logs)
        hub.parts.recipients.behave = slowly
        await asyncio.wait_for(in_hand.wait(), WITHIN_20)
        killed, before = loop.time(), len(living.delivered())
        await dying.kill()
        await until(lambda: len(living.delivered()) > before, "nothing goes out any more", hub.parts.logs)
        assert loop.time() - killed <= WITHIN_20
        hub.parts.recipients.behave = takes
        await senders.more(5)
        assert not senders.not_now
        assert not senders.unanswered
    shares = [set(one.delivered()) for one in (dying, living)]
    assert all(shares)
    assert not shares[0] & shares[1]  # whoever wrote down that it arrived is one of them


@pytest.mark.fault("api killed (SIGKILL) under load")
async def test_what_a_killed_api_said_202_to_is_there(hub: Standing) -> None:
    async with hub.under_load() as senders:
        for _ in range(2):
            await senders.more(5)
            before = senders.unanswered
            await hub.api.kill()
            await until(lambda: senders.unanswered > before, "nobody noticed", hub.parts.logs)  # noqa: B023
            await hub.whole()
            senders.url = hub.api.url
        await senders.more(5)
        assert not senders.not_now


def holder(hub: Standing) -> Running | None:
    """The clock that took the duty last and lives."""
    held = [one for one in hub.clocks if one.said("duty.taken") and one.child.returncode is None]
    held = [one for one in held if len(one.said("duty.taken")) > len(one.said("duty.lost"))]
    return held[0] if len(held) == 1 else None


async def rung(hub: Standing) -> str:
    """Something that a person must look at comes in; returns its name when a human was told and the hub knows it."""
    said = await hub.ask(unknown_code(hub.number()))
    assert said.accepted, said
    (row,) = (one for one in await hub.parts.books.store.parked() if one.message_id == said.body["id"])

    async def told() -> bool:
        return any(one.subject == row.id and one.delivered_at for one in await hub.parts.books.store.alarms())

    await until(told, "nobody was told", hub.parts.logs)
    return row.id


def told(hub: Standing, subjects: list[str]) -> list[int]:
    """How often a human heard of each."""
    heard = Counter(json.loads(one)["data"]["subject"] for one in hub.parts.recipients.alarms)
    return [heard[one] for one in subjects]


@pytest.mark.fault("the clock that has the duty killed (SIGKILL); another stands by")
async def test_a_killed_clock_is_followed_and_nobody_is_told_twice(hub: Standing) -> None:
    loop = asyncio.get_running_loop()
    await until(lambda: holder(hub) is not None, "nobody has the duty", hub.parts.logs)
    dying = holder(hub)
    assert dying is not None
    (heir,) = (one for one in hub.clocks if one is not dying)
    async with hub.under_load() as senders:
        rang = [await rung(hub)]
        killed = loop.time()
        await dying.kill()
        await hub.says("duty.taken", len(heir.said("duty.taken")) + 1, of=heir)
        assert loop.time() - killed <= WITHIN_20
        rang.append(await rung(hub))
        await senders.more(3)
        assert not senders.not_now
    assert told(hub, rang) == [1, 1]


@pytest.mark.fault("the clock that has the duty sleeps past its lease (SIGSTOP) and wakes beside another")
async def test_a_clock_that_sleeps_and_wakes_tells_nobody_twice(hub: Standing) -> None:
    await until(lambda: holder(hub) is not None, "nobody has the duty", hub.parts.logs)
    sleeper = holder(hub)
    assert sleeper is not None
    (heir,) = (one for one in hub.clocks if one is not sleeper)
    had = len(heir.said("duty.taken"))
    async with hub.under_load() as senders:
        rang = [await rung(hub)]
        os.kill(sleeper.child.pid, signal.SIGSTOP)
        try:
            await hub.says("duty.taken", had + 1, of=heir)
            rang.append(await rung(hub))
        finally:
            os.kill(sleeper.child.pid, signal.SIGCONT)
        await hub.says("duty.lost", of=sleeper)
        rang.append(await rung(hub))
        await senders.more(3)
    assert told(hub, rang) == [1, 1, 1]
    assert holder(hub) is heir
