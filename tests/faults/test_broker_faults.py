# SPDX-License-Identifier: EUPL-1.2
"""RabbitMQ dies, is wiped, is absent, or takes nothing: under a hub in parts that goes on, by its sweep, meanwhile.

Degraded, not down: every referral gets its 202 and arrives, and when the server is back bells ring again by themselves.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.faults.bells import heard
from tests.faults.standing import Standing, stand
from tests.support.private import Rabbit
from tests.support.servers import new_database

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.asyncio(loop_scope="module")]

WHILE = 12  # referrals that are taken while it is away, and that arrive meanwhile


@pytest.fixture(scope="module")
def database(database_server: str) -> Iterator[str]:
    with new_database(database_server) as url:
        yield url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def standing(tmp_path_factory: pytest.TempPathFactory, database: str, rabbit: Rabbit) -> AsyncIterator[Standing]:
    settings = {"SCHAKEL_DATABASE_URL": database, "SCHAKEL_BROKER_URL": rabbit.url}
    async with stand(tmp_path_factory.mktemp("hub"), settings) as standing:
        yield standing


@pytest_asyncio.fixture(loop_scope="module")
async def hub(standing: Standing, rabbit: Rabbit) -> Standing:
    """Whole, whatever the test before left."""
    if not rabbit.runs:
        await asyncio.to_thread(rabbit.start)
    await standing.whole()
    for one in (*standing.workers, standing.api):
        await standing.says("hub.started", of=one)
    return standing


async def rings(hub: Standing, rabbit: Rabbit, before: int) -> None:
    """The api has its server again, and both workers hear what it rings."""
    await hub.says("broker.connected", before + 1)
    await heard(hub, rabbit)


@pytest.mark.fault("RabbitMQ killed (SIGKILL) under load, and started again")
async def test_a_broker_that_is_killed_is_missed_by_nobody(hub: Standing, rabbit: Rabbit) -> None:
    async with hub.under_load() as senders:
        await senders.more(5)
        await hub.says("broker.connected")
        connected = len(hub.api.said("broker.connected"))
        rabbit.kill()
        await senders.more(WHILE)
        await hub.arrivals(WHILE)
        await hub.says("broker.lost")
        assert (await hub.ready())[0] == 200
        await asyncio.to_thread(rabbit.start)
        await rings(hub, rabbit, connected)
        await senders.more(5)
        assert not senders.not_now
        assert not senders.unanswered


@pytest.mark.fault("RabbitMQ wiped: all it kept is gone")
async def test_a_broker_that_lost_everything_is_furnished_again(hub: Standing, rabbit: Rabbit) -> None:
    async with hub.under_load() as senders:
        await senders.more(3)
        await hub.says("broker.connected")
        connected = len(hub.api.said("broker.connected"))
        rabbit.kill()
        rabbit.wipe()
        await senders.more(3)
        await asyncio.to_thread(rabbit.start)
        await rings(hub, rabbit, connected)
        await senders.more(3)
        assert not senders.not_now
        assert not senders.unanswered


@pytest.mark.fault("RabbitMQ takes nothing (memory alarm): the connection is blocked")
async def test_a_broker_that_takes_nothing_holds_nobody_up(hub: Standing, rabbit: Rabbit) -> None:
    blocked, unblocked = (len(hub.api.said(f"broker.{word}")) for word in ("blocked", "unblocked"))
    async with hub.under_load() as senders:
        await asyncio.to_thread(rabbit.control, "set_vm_memory_high_watermark", "0.000001")
        try:
            await hub.says("broker.blocked", blocked + 1)
            await senders.more(WHILE)
            await hub.arrivals(WHILE)
            assert (await hub.ready())[0] == 200
        finally:
            await asyncio.to_thread(rabbit.control, "set_vm_memory_high_watermark", "0.6")
        await hub.says("broker.unblocked", unblocked + 1)
        await senders.more(3)
        assert not senders.not_now
        assert not senders.unanswered


@pytest.mark.fault("RabbitMQ absent when the hub starts, and for a while after")
async def test_a_hub_that_starts_without_its_broker_takes_and_delivers(hub: Standing, rabbit: Rabbit) -> None:
    await hub.fall()
    rabbit.kill()
    await hub.whole()
    async with hub.under_load() as senders:
        await senders.more(WHILE)
        await hub.arrivals(WHILE)
        assert (await hub.ready())[0] == 200
        assert not hub.api.said("broker.connected")
        await asyncio.to_thread(rabbit.start)
        await rings(hub, rabbit, 0)
        await senders.more(3)
        assert not senders.not_now
        assert not senders.unanswered
