# SPDX-License-Identifier: EUPL-1.2
"""A worker that sleeps past its lease and wakes: another has taken over, and the sleeper writes nothing any more.

The recipient gets it twice, under one id and in the same bytes: at least once. Two hubs share one database file.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import apsw
import pytest

from schakel.bootstrap import initialise
from schakel.dispatch import SWEEP
from schakel.errors import PoisonDelivery, RecipientGone, TemporaryFailure
from schakel.ports import Parcel
from schakel.settings import Settings
from tests.integration.stage import MovedClock, Stage, reopen_stage
from tests.support.hub import LEASE, Home, open_home, until
from tests.support.messages import referral

pytestmark = pytest.mark.fault("a worker sleeps past its lease and wakes (fencing)")

PAST = timedelta(seconds=LEASE)
LOST = ('"outcome":"lost"', "delivery.let-go", "delivery.lease-lost")  # its own words for what it may not write
WRITTEN = ("delivery", "lane", "recipient", "state_event", "alarm", "parked", "request")


@contextlib.asynccontextmanager
async def two_hubs(folder: Path) -> AsyncIterator[tuple[Stage, Stage]]:
    """On one home, each with its own clock, channels and workers."""
    settings = Settings(_env_file=None, home=folder / "home", log_level="error")
    initialise(settings)
    sleeper, other = reopen_stage(settings, MovedClock()), reopen_stage(settings, MovedClock())
    async with sleeper.hub, other.hub:
        yield sleeper, other


def everything(stage: Stage) -> dict[str, list[tuple[Any, ...]]]:
    """All that a worker may write."""
    with contextlib.closing(apsw.Connection(str(stage.hub.settings.database_file))) as connection:
        return {table: list(connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2, 3")) for table in WRITTEN}


def refuses(error: Exception) -> Callable[[], None]:
    def raises() -> None:
        raise error

    return raises


WAKES = [
    pytest.param(lambda: None, id="and-has-delivered"),
    pytest.param(refuses(TemporaryFailure("timeout")), id="and-has-failed"),
    pytest.param(refuses(RecipientGone()), id="and-found-the-address-gone"),
    pytest.param(refuses(PoisonDelivery("content-not-json")), id="and-found-it-poisoned"),
]


@contextlib.asynccontextmanager
async def asleep_while_sending(
    sleeper: Stage, wakes: Callable[[], None]
) -> AsyncIterator[Callable[[], Awaitable[Any]]]:
    """Two deliveries are being sent and do not end. Gives what wakes the worker and returns when it is done."""
    awake = asyncio.Event()

    async def sleeps() -> None:
        await awake.wait()
        wakes()

    sleeper.webhook.on_send = lambda parcel: sleeps()
    await sleeper.send("thv-pool", referral(1).body)
    working = asyncio.create_task(sleeper.hub.dispatch.run_once())
    await until(lambda: len(sleeper.webhook.sent) == 2, "nothing is being sent")

    async def wake() -> None:
        awake.set()
        await working

    yield wake


@pytest.mark.parametrize("wakes", WAKES)
async def test_a_sleeper_writes_nothing_when_another_has_delivered(wakes: Callable[[], None], tmp_path: Path) -> None:
    async with two_hubs(tmp_path) as (sleeper, other), asleep_while_sending(sleeper, wakes) as wake:
        other.clock.forward(PAST)
        assert await other.hub.dispatch.run_once() == 2
        assert same(sleeper.webhook.sent, other.webhook.sent)
        written = everything(other)
        await wake()
        assert everything(other) == written
        assert [row["state"] for row in deliveries(other)] == ["delivered", "delivered"]
        assert [(row["attempts"], row["crashes"]) for row in deliveries(other)] == [(1, 1), (1, 1)]


@pytest.mark.parametrize("wakes", WAKES)
async def test_a_sleeper_writes_nothing_while_another_sends(wakes: Callable[[], None], tmp_path: Path) -> None:
    """The rows say `sending` again: only the token tells the two apart."""
    async with two_hubs(tmp_path) as (sleeper, other), asleep_while_sending(sleeper, wakes) as wake:
        other.clock.forward(PAST)
        claimed = [one for _ in range(2) for one in await other.hub.store.claim(now=other.clock.now(), limit=10)]
        assert [row["state"] for row in deliveries(other)] == ["sending", "sending"]
        written = everything(other)
        await wake()
        assert everything(other) == written
        for one in claimed:
            await other.hub.dispatch._deliver(one)
        assert same(sleeper.webhook.sent, other.webhook.sent)
        assert [(row["state"], row["attempts"]) for row in deliveries(other)] == [("delivered", 1), ("delivered", 1)]


async def test_a_worker_that_slept_before_it_rendered_keeps_nothing_and_sends_nothing(tmp_path: Path) -> None:
    """What it would render could be other bytes by then."""
    async with two_hubs(tmp_path) as (sleeper, other):
        await sleeper.send("thv-pool", referral(1).body)
        slept = await sleeper.hub.store.claim(now=sleeper.clock.now(), limit=10)
        assert len(slept) == 2
        other.clock.forward(PAST)
        assert await other.hub.dispatch.run_once() == 2
        written = everything(other)
        for claimed in slept:
            await sleeper.hub.dispatch._deliver(claimed)
        assert sleeper.webhook.sent == []
        assert everything(other) == written


async def test_a_worker_that_renews_its_lease_is_left_alone(tmp_path: Path) -> None:
    async with two_hubs(tmp_path) as (worker, other):
        await worker.send("thv-pool", referral(1).body)
        claimed = await worker.hub.store.claim(now=worker.clock.now(), limit=10)
        worker.clock.forward(timedelta(seconds=10))
        held = [(one.id, one.token) for one in claimed]
        assert await worker.hub.store.renew(held, now=worker.clock.now()) == [True, True]
        other.clock.forward(PAST)
        assert await other.hub.dispatch.run_once() == 0
        assert [row["crashes"] for row in deliveries(other)] == [0, 0]


async def test_a_lease_that_was_lost_is_not_renewed(tmp_path: Path) -> None:
    async with two_hubs(tmp_path) as (sleeper, other):
        await sleeper.send("thv-pool", referral(1).body)
        slept = await sleeper.hub.store.claim(now=sleeper.clock.now(), limit=10)
        taken = await other.hub.store.claim(now=other.clock.forward(PAST), limit=10)
        assert len(taken) == 1  # what crashed before goes alone
        kept = await sleeper.hub.store.renew([(one.id, one.token) for one in slept], now=other.clock.now())
        assert kept == [False, False]
        assert await other.hub.store.renew([(taken[0].id, taken[0].token)], now=other.clock.now()) == [True]


async def test_after_a_crash_with_many_under_way_all_go_out_without_waiting_for_the_sweep(tmp_path: Path) -> None:
    async with two_hubs(tmp_path) as (dead, other):
        for n in range(1, 7):
            await dead.send("thv-pool", referral(n).body)
        assert len(await dead.hub.store.claim(now=dead.clock.now(), limit=100)) == 12
        other.clock.forward(PAST)
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        started = loop.time()
        running = asyncio.create_task(other.hub.dispatch.run(stop))
        await until(lambda: len(other.webhook.sent) == 12, "they do not go out")
        taken = loop.time() - started
        stop.set()
        await running
        assert taken < 12 * SWEEP / 2  # each would wait for a sweep of its own
        assert {row["state"] for row in deliveries(other)} == {"delivered"}


@pytest.mark.slow
async def test_a_process_that_is_stopped_while_it_sends_and_goes_on_later_spoils_nothing(tmp_path: Path) -> None:
    async with open_home(tmp_path) as home:
        sleeper = await home.start()
        asked, stopped = set[str](), asyncio.Event()

        async def holds(partner: str) -> int:
            asked.add(partner)
            await stopped.wait()
            return 204

        home.recipients.behave = holds
        said = await sleeper.hand_in(referral(1))
        assert said is not None
        await until(lambda: len(asked) == 2, "it is not sending to both", home.log)
        stop_between_commits(home, sleeper.child.pid)
        stopped.set()
        await until(lambda: len(home.arrived()) == 2, "the recipients have nothing")

        home.later = LEASE
        other = await home.start()
        await home.drained(other)
        journals = home.recipients.journals()
        assert [len(all_) for all_ in journals.values()] == [2, 2]  # once by each worker
        state = home.rows("SELECT id, state, attempts, crashes, state_ordinal FROM delivery ORDER BY id")
        assert {(row[1], row[2], row[3]) for row in state} == {("delivered", 1, 1)}

        os.kill(sleeper.child.pid, signal.SIGCONT)
        again = await sleeper.hand_in(referral(2))  # it lives, and works beside the other
        assert again is not None
        await home.drained(sleeper)
        await sleeper.end()
        assert sum(home.log().count(word) for word in LOST) == 2
        after = home.rows("SELECT id, state, attempts, crashes, state_ordinal FROM delivery ORDER BY id")
        assert [row for row in after if row[0] in {first[0] for first in state}] == state
        assert home.promised([said, again]) == home.arrived()
        assert home.recipients.faults() == []
        await home.told()
        await other.end()
        assert (await home.json("verify"))["ok"]


def stop_between_commits(home: Home, pid: int) -> None:
    """SIGSTOP while it holds no lock on the database: a sleeping writer would stop the other too, not only itself."""
    for _ in range(100):
        os.kill(pid, signal.SIGSTOP)
        connection = apsw.Connection(str(home.database), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
            return
        except apsw.BusyError:
            os.kill(pid, signal.SIGCONT)
        finally:
            connection.close()
    raise AssertionError("it is never between two commits")


def same(first: list[Parcel], second: list[Parcel]) -> bool:
    """The same deliveries in the same bytes."""

    def by_id(parcels: list[Parcel]) -> dict[str, tuple[bytes, int]]:
        return {parcel.delivery_id: (parcel.content, parcel.number) for parcel in parcels}

    return by_id(first) == by_id(second)


def deliveries(stage: Stage) -> list[dict[str, Any]]:
    names = ("state", "attempts", "crashes")
    with contextlib.closing(apsw.Connection(str(stage.hub.settings.database_file))) as connection:
        rows = connection.execute(f"SELECT {', '.join(names)} FROM delivery ORDER BY id")
        return [dict(zip(names, row, strict=True)) for row in rows]
