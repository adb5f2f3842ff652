# SPDX-License-Identifier: EUPL-1.2
"""Three nodes of RabbitMQ on one machine: the leader of the queues dies under load, then the node of the connections.

Only in the long run: three nodes take more than a small machine has to give beside other tests.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from broker.topology import queue_name
from tests.faults.proxy import Ending, open_proxy
from tests.faults.standing import Standing, stand
from tests.support.hub import until
from tests.support.private import Guarded, Rabbit
from tests.support.servers import RABBITMQ, need

__test__ = os.environ.get("SCHAKEL_FAULTS") == "long"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

WHILE = 12  # referrals that are taken and arrive after each death


@pytest.fixture
def nodes() -> Iterator[tuple[Rabbit, Rabbit, Rabbit]]:
    need(RABBITMQ)
    with contextlib.closing(Guarded()) as guarded:
        first = Rabbit(guarded)
        others = [Rabbit(guarded, first=first) for _ in range(2)]
        for node in (first, *others):
            node.start()
        yield (first, others[0], others[1])
        for node in (*others, first):
            node.kill()


def leader(hub: Standing, asked: Rabbit) -> str:
    """Which node leads the queue of somebody who gets everything that is sent here; empty: none, for the moment."""
    queue = queue_name("vvt", hub.parts.books.vault.blind)
    lines = asked.control("list_queues", "name", "leader", "--silent").splitlines()
    return next((line.split()[-1] for line in lines if line.startswith(queue) and len(line.split()) == 2), "")


async def until_led(hub: Standing, asked: Rabbit, wanted: set[str]) -> None:
    async def led() -> bool:
        return await asyncio.to_thread(leader, hub, asked) in wanted

    await until(led, f"none of {wanted} leads", hub.parts.logs)


@pytest.mark.fault("RabbitMQ cluster of three: the leader of the queues killed (SIGKILL) under load")
async def test_a_cluster_that_loses_its_leader_rings_on(
    nodes: tuple[Rabbit, Rabbit, Rabbit], database_url: str, tmp_path: Path
) -> None:
    first, second, third = nodes
    async with open_proxy(second.url) as proxy:
        settings = {"SCHAKEL_DATABASE_URL": database_url, "SCHAKEL_BROKER_URL": proxy.through(second.url)}
        async with stand(tmp_path, settings) as hub:
            await hub.says("hub.started")
            async with hub.under_load() as senders:
                await senders.more(3)
                await until_led(hub, first, {second.name})  # where it was declared
                connected = len(hub.api.said("broker.connected"))
                proxy.to = ("127.0.0.1", third.port)
                proxy.sever(Ending.RESET)
                await hub.says("broker.connected", connected + 1)
                lost = len(hub.api.said("broker.lost"))
                second.kill()
                await senders.more(WHILE)
                await hub.arrivals(WHILE)
                await until_led(hub, first, {first.name, third.name})
                await senders.more(WHILE)
                assert len(hub.api.said("broker.lost")) == lost  # the connection stands: another leads
                await asyncio.to_thread(second.start)

                connected = len(hub.api.said("broker.connected"))
                third.kill()
                proxy.to = ("127.0.0.1", first.port)
                await senders.more(WHILE)
                await hub.arrivals(WHILE)
                await hub.says("broker.connected", connected + 1)
                await until_led(hub, first, {first.name, second.name})
                await asyncio.to_thread(third.start)
                await senders.more(3)
                assert not senders.not_now
                assert not senders.unanswered
