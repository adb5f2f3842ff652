# SPDX-License-Identifier: EUPL-1.2
"""The hub in parts: api, two workers and two clocks as processes share the work, end in order, and may be killed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from schakel.operating import Pause
from tests.support.hub import until
from tests.support.messages import referral
from tests.support.parts import Parts, open_parts
from tests.support.recipients import takes

WITHIN_20 = 20.0  # seconds after a SIGKILL in which the next delivery must come: a lease of 15, a sweep of 2
ENGINES = {
    "sqlite": (),
    "postgresql-rabbitmq": ("SCHAKEL_DATABASE_URL", "SCHAKEL_BROKER_URL"),
}
FIXTURES = {"SCHAKEL_DATABASE_URL": "database_url", "SCHAKEL_BROKER_URL": "broker_url"}


@pytest.fixture(params=ENGINES)
def settings(request: pytest.FixtureRequest) -> dict[str, str]:
    """What makes the same hub run on another engine."""
    return {name: request.getfixturevalue(FIXTURES[name]) for name in ENGINES[request.param]}


@pytest.fixture
async def parts(tmp_path: Path, settings: dict[str, str]) -> AsyncIterator[Parts]:
    async with open_parts(tmp_path, settings) as parts:
        yield parts


async def accounted(parts: Parts, *, decided: int) -> None:
    """Everything arrived once and is in the chain, and the accountant finds nothing."""
    await parts.drained()
    await parts.linked()
    report = await parts.run("verify")
    assert report["ok"]
    assert report["counts"]["decided"] == decided
    assert report["counts"]["lost"] == 0
    assert parts.recipients.faults() == []


@pytest.mark.slow
async def test_two_workers_share_the_load_and_one_clock_has_the_duty(parts: Parts) -> None:
    names = ("api", "worker", "worker", "clock", "clock")
    api, *others = [await parts.start(name) for name in names]  # one by one: a small machine starts five slowly
    workers, clocks = others[:2], others[2:]
    sent = 0

    async def both_delivered() -> bool:
        nonlocal sent
        await parts.hand_in(api.url, referral(sent))
        sent += 1
        return all(worker.delivered() for worker in workers)

    await until(both_delivered, "one worker does everything", parts.logs)
    await accounted(parts, decided=2 * sent)
    done = [worker.delivered() for worker in workers]
    assert len(done[0]) + len(done[1]) == len({*done[0], *done[1]}) == 2 * sent
    assert api.said("delivery.attempted") == []
    assert sum(bool(clock.said("duty.taken")) for clock in clocks) == 1
    for process in (api, *workers, *clocks):
        await process.end()
        assert "stopped" in process.text()


@pytest.mark.slow
async def test_a_worker_that_is_told_to_stop_ends_what_it_sends_and_claims_no_more(parts: Parts) -> None:
    api = await parts.start("api")
    worker = await parts.start("worker")
    await parts.start("clock")
    under_way, answer = asyncio.Event(), asyncio.Event()

    async def slow(partner: str) -> int:
        under_way.set()
        await answer.wait()
        return 204

    parts.recipients.behave = slow
    await parts.hand_in(api.url, referral(1))
    await asyncio.wait_for(under_way.wait(), WITHIN_20)
    ending = asyncio.create_task(worker.end())
    await parts.hand_in(api.url, referral(2))
    await asyncio.sleep(2.5)  # longer than a sweep: it would have been claimed
    assert not ending.done()  # it waits for the answer to what it sent
    answer.set()
    await ending
    first = worker.delivered()
    assert first  # what was being sent has arrived, and was written down
    assert [one for one in worker.said("delivery.attempted") if one["outcome"] == "lost"] == []
    assert await parts.waiting() == 4 - len(first)  # the rest went back, or was never claimed
    await parts.start("worker")
    await accounted(parts, decided=4)
    arrived = [one.id for journal in parts.recipients.journals().values() for one in journal]
    assert len(arrived) == len(set(arrived)) == 4  # a deploy sends nothing twice


@pytest.mark.slow
async def test_what_a_killed_worker_had_in_hand_goes_out_by_another_within_twenty_seconds(parts: Parts) -> None:
    api = await parts.start("api")
    await parts.start("clock")
    first = await parts.start("worker")
    under_way = asyncio.Event()

    async def never(partner: str) -> int:
        under_way.set()
        await asyncio.sleep(60)
        return 503

    parts.recipients.behave = never
    await parts.hand_in(api.url, referral(1))
    await asyncio.wait_for(under_way.wait(), WITHIN_20)
    second = await parts.start("worker")
    parts.recipients.behave = takes
    loop = asyncio.get_running_loop()
    killed = loop.time()
    await first.kill()
    await until(lambda: second.delivered(), "nothing goes out", parts.logs)
    assert loop.time() - killed <= WITHIN_20
    await accounted(parts, decided=2)


@pytest.mark.slow
async def test_a_killed_clock_is_followed_by_the_other_and_alarms_go_on(parts: Parts) -> None:
    api = await parts.start("api")
    clocks = [await parts.start("clock")]
    await until(lambda: clocks[0].said("duty.taken"), "nobody has the duty", parts.logs)
    clocks.append(await parts.start("clock"))
    loop = asyncio.get_running_loop()
    killed = loop.time()
    await clocks[0].kill()
    now = datetime.now(UTC)
    await parts.books.store.pause(Pause("vvt", "Jo", "proef", now, now + timedelta(seconds=1)))
    await until(lambda: any("pause-ended" in alarm for alarm in parts.recipients.alarms), "no alarm", parts.logs)
    assert clocks[1].said("duty.taken")
    assert loop.time() - killed <= WITHIN_20
    await parts.linked()
    for process in (api, clocks[1]):
        await process.end()
    await accounted(parts, decided=0)
