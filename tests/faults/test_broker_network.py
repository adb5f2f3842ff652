# SPDX-License-Identifier: EUPL-1.2
"""The network between a hub in parts and RabbitMQ fails in each way that it can: nobody who sends or receives notices.

While it does, the sweep delivers; when it is whole again, both workers hear bells again by themselves.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from tests.faults import proxy as faults
from tests.faults.bells import heard
from tests.faults.proxy import Fault, Proxy, open_proxy
from tests.faults.standing import Standing, stand
from tests.support.hub import until
from tests.support.private import Rabbit
from tests.support.servers import new_database

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.asyncio(loop_scope="module")]

WHILE = 6  # referrals that are taken while the network fails, and arrive meanwhile


@dataclass(frozen=True, slots=True)
class Setting:
    standing: Standing
    proxy: Proxy
    rabbit: Rabbit


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def setting(
    tmp_path_factory: pytest.TempPathFactory, database_server: str, rabbit: Rabbit
) -> AsyncIterator[Setting]:
    with new_database(database_server) as database:
        async with open_proxy(rabbit.url) as proxy:
            settings = {"SCHAKEL_DATABASE_URL": database, "SCHAKEL_BROKER_URL": proxy.through(rabbit.url)}
            async with stand(tmp_path_factory.mktemp("hub"), settings) as standing:
                yield Setting(standing, proxy, rabbit)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(faults.latency(0.2), marks=pytest.mark.fault("network to RabbitMQ: latency")),
        pytest.param(faults.CUT, marks=pytest.mark.fault("network to RabbitMQ: connections cut")),
        pytest.param(faults.RESET, marks=pytest.mark.fault("network to RabbitMQ: connections reset")),
        pytest.param(faults.HALF_OPEN, marks=pytest.mark.fault("network to RabbitMQ: half-open connections")),
        pytest.param(faults.BYTE_PER_SECOND, marks=pytest.mark.fault("network to RabbitMQ: one byte per second")),
        pytest.param(faults.BLACKHOLE, marks=pytest.mark.fault("network to RabbitMQ: blackhole")),
    ],
    ids=["latency", "cut", "reset", "half-open", "byte-per-second", "blackhole"],
)
async def test_a_network_to_the_broker_that_fails_is_missed_by_nobody(setting: Setting, fault: Fault) -> None:
    hub = setting.standing
    await hub.whole()
    await heard(hub, setting.rabbit)
    async with hub.under_load() as senders:
        await senders.more(2)
        await setting.proxy.set(fault)
        try:
            await senders.more(WHILE)
            await hub.arrivals(WHILE)
            assert (await hub.ready())[0] == 200
            await until(lambda: setting.proxy.felt > 0, "nobody felt the fault", hub.parts.logs)
        finally:
            await setting.proxy.heal()
        await heard(hub, setting.rabbit)
        await senders.more(2)
        assert not senders.not_now
        assert not senders.unanswered
