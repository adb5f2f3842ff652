# SPDX-License-Identifier: EUPL-1.2
"""Hubs that share one database and one RabbitMQ: bells wake the other process, and without them everything arrives."""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from time import perf_counter

import pika
import pytest

from broker.rabbitmq import RabbitMQ
from broker.topology import queue_name
from schakel import dispatch
from schakel.bootstrap import clear_broker, initialise
from schakel.errors import ConfigurationError
from schakel.settings import Settings
from tests.integration.stage import MovedClock, Stage, household, reopen_stage
from tests.support.private import Rabbit

WITHIN = 40.0  # seconds
NEVER = 3_600.0  # seconds between two sweeps: what arrives was rung for
AT_ONCE = 1.0  # seconds in which a referral must have been accepted


@pytest.fixture
async def door_and_worker(tmp_path: Path, broker_url: str) -> AsyncIterator[tuple[Stage, Stage]]:
    """One takes referrals, the other delivers; only a broker is between them."""
    async with two_hubs(tmp_path, broker_url) as hubs:
        yield hubs


@contextlib.asynccontextmanager
async def two_hubs(folder: Path, url: str) -> AsyncIterator[tuple[Stage, Stage]]:
    settings = Settings(home=folder / "home", broker_url=url, log_level="error")
    initialise(settings)
    door, worker = reopen_stage(settings, MovedClock()), reopen_stage(settings, MovedClock())
    yield door, worker
    await worker.hub.aclose()
    await door.hub.aclose()


@contextlib.asynccontextmanager
async def working(stage: Stage) -> AsyncIterator[None]:
    stop = asyncio.Event()
    running = asyncio.create_task(stage.hub.dispatch.run(stop))
    yield
    stop.set()
    await asyncio.wait_for(running, 10)


async def until(holds: Callable[[], bool], what: str) -> None:
    end = perf_counter() + WITHIN
    while not holds():
        assert perf_counter() < end, what
        await asyncio.sleep(0.02)


def sent(stage: Stage) -> int:
    return len(stage.webhook.sent) + len(stage.mailbox.sent)


async def test_bells_alone_wake_the_worker_of_another_process(
    door_and_worker: tuple[Stage, Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    door, worker = door_and_worker
    monkeypatch.setattr(dispatch, "SWEEP", NEVER)
    async with working(worker):
        await until(lambda: worker.hub.broker.health().state == "connected", "the worker has no broker")
        for number in range(20):
            await door.send("thv-pool", household(number))
        await until(lambda: sent(worker) == 40, "not everything was rung for")  # a lead and a duo each
    assert sent(door) == 0
    assert door.hub.broker.health().rung == 40
    assert await worker.holes() == []


async def test_with_the_broker_killed_everything_is_accepted_at_once_and_delivered(
    tmp_path: Path, rabbit: Rabbit
) -> None:
    async with two_hubs(tmp_path, rabbit.url) as (door, worker), working(worker):
        await door.send("thv-pool", household(1))
        await until(lambda: sent(worker) == 2, "it does not arrive")
        rabbit.kill()
        for number in range(2, 12):
            before = perf_counter()
            await door.send("thv-pool", household(number))
            assert perf_counter() - before < AT_ONCE
        await until(lambda: sent(worker) == 22, "not everything arrives")
        assert await worker.holes() == []
        assert door.hub.broker.health().state == "absent"
        await asyncio.to_thread(rabbit.start)
        await until(lambda: door.hub.broker.health().state == "connected", "it does not come back")
        await door.send("thv-pool", household(12))
        await until(lambda: sent(worker) == 24, "it does not arrive any more")


async def test_a_broker_that_was_never_there_keeps_nobody_from_starting(tmp_path: Path) -> None:
    async with two_hubs(tmp_path, "amqp://127.0.0.1:9/") as (door, worker), working(worker):
        await door.send("thv-pool", household(1))
        await until(lambda: sent(worker) == 2, "it does not arrive")
        assert door.hub.broker.health().state == "absent"


async def test_the_broker_keeps_no_name_and_no_content(door_and_worker: tuple[Stage, Stage], broker_url: str) -> None:
    door, _ = door_and_worker
    await door.send("thv-pool", household(7))
    await until(lambda: door.hub.broker.health().rung == 2, "they are not confirmed")
    bodies = io.BytesIO()
    with contextlib.closing(pika.BlockingConnection(pika.URLParameters(broker_url))) as connection:
        channel = connection.channel()
        for partner in door.hub.region.partners:
            if partner.receives:
                queue = queue_name(partner.id, door.hub.vault.blind)
                assert partner.id not in queue
                body = channel.basic_get(queue, auto_ack=True)[2]
                bodies.write(body or b"")
    kept = bodies.getvalue().decode()
    assert kept.count("[2,") == 2
    assert [one.id for one in door.hub.region.partners if one.id in kept] == []
    assert [word for word in ("Proef7", "T-7", "Z-7", "THV-PROEF") if word in kept] == []


async def test_a_hub_that_never_comes_back_leaves_no_queue_at_the_broker(tmp_path: Path, broker_url: str) -> None:
    async with two_hubs(tmp_path, broker_url) as (door, _):
        await door.send("thv-pool", household(1))
        await until(lambda: door.hub.broker.health().rung == 2, "they are not confirmed")
        queues = [queue_name(one.id, door.hub.vault.blind) for one in door.hub.region.partners if one.receives]
        await door.hub.broker.aclose()
        assert there(broker_url, queues) == set(queues)
        assert clear_broker(door.hub)
        assert there(broker_url, queues) == set()
        assert clear_broker(door.hub)  # again is harmless


async def test_a_broker_out_of_reach_is_said_when_a_hub_goes_for_good(tmp_path: Path) -> None:
    async with two_hubs(tmp_path, "amqp://127.0.0.1:9/") as (door, _):
        assert not clear_broker(door.hub)


def there(url: str, queues: list[str]) -> set[str]:
    """Which of them exist."""
    found = set()
    with contextlib.closing(pika.BlockingConnection(pika.URLParameters(url))) as connection:
        for queue in queues:
            with contextlib.suppress(pika.exceptions.ChannelClosedByBroker):
                connection.channel().queue_declare(queue, passive=True)
                found.add(queue)
    return found


def test_a_password_file_that_is_absent_keeps_the_hub_from_starting(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", broker_url="amqp://hub@host", broker_password_file=tmp_path / "absent")
    initialise(settings)
    with pytest.raises(ConfigurationError) as caught:
        reopen_stage(settings, MovedClock())
    assert caught.value.findings[0].rule == "broker:files"


def test_the_hub_of_these_tests_rings_over_rabbitmq(door_and_worker: tuple[Stage, Stage]) -> None:
    assert {type(one.hub.broker) for one in door_and_worker} == {RabbitMQ}
