# SPDX-License-Identifier: EUPL-1.2
"""A duty: one process does the work, another takes over within its lease, and whoever slept past it stops."""

from __future__ import annotations

import asyncio
import contextlib
import io
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from schakel.duty import LEASE, RENEW, Duty, Pace
from schakel.errors import Unacceptable
from schakel.log import open_log
from schakel.process import has_ended, this_process
from schakel.store.database import create_database
from schakel.store.sqlite import SqliteStore, open_sqlite
from tests.conformance.store_cases import CAUSES, TIMES, TestSigner

PACE = Pace(lease=timedelta(seconds=1.2), renew=0.2, ends_within=0.4)


class RealTime:
    def now(self) -> datetime:
        return datetime.now(UTC)


@dataclass
class Work:
    """Says when it begins and how it ends."""

    begun: asyncio.Event = field(default_factory=asyncio.Event)
    ended: list[str] = field(default_factory=list)

    async def __call__(self, over: asyncio.Event) -> None:
        self.begun.set()
        try:
            await over.wait()
            self.ended.append("in order")
        except asyncio.CancelledError:
            self.ended.append("broken off")
            raise


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    path = tmp_path / "schakel.sqlite"
    create_database(path)
    store = open_sqlite(path, causes=CAUSES, alarm_times=TIMES, signer=TestSigner())
    yield store
    await store.aclose()


def duty(store: SqliteStore, token: str) -> Duty:
    return Duty(
        "clock",
        admin=store,
        clock=RealTime(),
        token=token,
        holder=token,
        has_ended=lambda holder: holder == "gone",
        log=open_log("error", io.StringIO()),
        pace=PACE,
    )


@contextlib.asynccontextmanager
async def running(duty: Duty, work: Work) -> AsyncIterator[asyncio.Event]:
    stop = asyncio.Event()
    task = asyncio.create_task(duty.run(work, stop))
    try:
        yield stop
    finally:
        stop.set()
        await asyncio.wait_for(task, 10)


def test_a_holder_looks_often_enough_and_another_takes_over_within_twenty_seconds() -> None:
    assert LEASE.total_seconds() > RENEW * 2  # one look may fail
    assert LEASE.total_seconds() + RENEW <= 20


async def test_one_works_and_the_other_takes_over_at_once_after_an_orderly_end(store: SqliteStore) -> None:
    first, second = Work(), Work()
    one, other = duty(store, "one"), duty(store, "other")
    async with running(one, first) as stop:
        await asyncio.wait_for(first.begun.wait(), 5)
        async with running(other, second):
            await asyncio.sleep(3 * PACE.renew)
            assert (one.held, other.held, second.begun.is_set()) == (True, False, False)
            stop.set()
            await asyncio.wait_for(second.begun.wait(), PACE.lease.total_seconds())
            assert first.ended == ["in order"]
    assert second.ended == ["in order"]


async def test_work_that_does_not_end_after_a_stop_is_broken_off_and_the_duty_is_free(store: SqliteStore) -> None:
    begun = asyncio.Event()
    ended: list[str] = []

    async def waits_for_a_pager(_: asyncio.Event) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append("broken off")
            raise

    stop = asyncio.Event()
    running_on = asyncio.create_task(duty(store, "one").run(waits_for_a_pager, stop))
    await asyncio.wait_for(begun.wait(), 5)
    stop.set()
    await asyncio.wait_for(running_on, 10)  # it would go on for ever
    assert ended == ["broken off"]
    now = datetime.now(UTC)
    assert await store.take_duty("clock", "other", holder="other", now=now, until=now + PACE.lease)


async def test_a_holder_that_falls_is_followed_when_its_lease_has_run_out(store: SqliteStore) -> None:
    now = datetime.now(UTC)
    assert await store.take_duty("clock", "fallen", holder="fallen", now=now, until=now + PACE.lease)
    work = Work()
    async with running(duty(store, "next"), work):
        await asyncio.wait_for(work.begun.wait(), PACE.lease.total_seconds() + 5)
        assert datetime.now(UTC) >= now + PACE.lease


async def test_a_holder_that_is_surely_gone_is_followed_at_once(store: SqliteStore) -> None:
    now = datetime.now(UTC)
    assert await store.take_duty("clock", "fallen", holder="gone", now=now, until=now + timedelta(hours=1))
    work = Work()
    async with running(duty(store, "next"), work):
        await asyncio.wait_for(work.begun.wait(), PACE.lease.total_seconds())
        assert not await store.take_duty("clock", "fallen", holder="gone", now=now, until=now + timedelta(hours=1))


async def test_who_lost_the_duty_is_broken_off_and_does_not_end_the_new_holder_s(store: SqliteStore) -> None:
    work = Work()
    mine = duty(store, "slept")
    async with running(mine, work):
        await asyncio.wait_for(work.begun.wait(), 5)
        later = datetime.now(UTC) + timedelta(seconds=10)  # as another process saw it, while this one slept
        assert await store.take_duty("clock", "other", holder="other", now=later, until=later + timedelta(seconds=30))
        for _ in range(100):
            if work.ended:
                break
            await asyncio.sleep(0.05)
        assert work.ended == ["broken off"]
        assert not mine.held
    assert not await store.take_duty("clock", "third", holder="third", now=later, until=later)


class Away:
    """A store that cannot be asked."""

    def __init__(self, store: SqliteStore) -> None:
        self.store = store
        self.away = False

    async def take_duty(
        self, name: str, token: str, *, holder: str, now: datetime, until: datetime, after: str | None = None
    ) -> bool:
        if self.away:
            raise Unacceptable()
        return await self.store.take_duty(name, token, holder=holder, now=now, until=until, after=after)

    async def duty_holder(self, name: str) -> str | None:
        return await self.store.duty_holder(name)

    async def leave_duty(self, name: str, token: str) -> None:
        if self.away:
            raise Unacceptable()
        await self.store.leave_duty(name, token)


async def test_a_store_that_does_not_answer_leaves_the_duty_for_its_lease_and_no_longer(store: SqliteStore) -> None:
    away = Away(store)
    work = Work()
    loop = asyncio.get_running_loop()
    async with running(duty(away, "mine"), work):  # type: ignore[arg-type]
        await asyncio.wait_for(work.begun.wait(), 5)
        away.away, since = True, loop.time()
        await asyncio.sleep(2 * PACE.renew)
        assert work.ended == []
        while not work.ended:
            assert loop.time() < since + 5
            await asyncio.sleep(0.02)
        assert loop.time() - since <= PACE.lease.total_seconds() + PACE.renew
        away.away, work.ended = False, []
        work.begun.clear()
        await asyncio.wait_for(work.begun.wait(), 5)  # and takes it up again


async def test_what_the_work_raises_goes_on_and_frees_the_duty(store: SqliteStore) -> None:
    async def fails(_: asyncio.Event) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(duty(store, "one").run(fails, asyncio.Event()), 5)
    work = Work()
    async with running(duty(store, "two"), work):
        await asyncio.wait_for(work.begun.wait(), PACE.lease.total_seconds() / 2)


# -- whether a process is there ----------------------------------------------------------------------------------------


def test_a_process_of_this_machine_that_ended_is_told_from_one_that_runs() -> None:
    script = "from schakel.process import this_process; print(this_process(), flush=True); input()"
    child = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    name = child.stdout.readline().strip()
    assert not has_ended(name)
    assert not has_ended(this_process())
    child.kill()
    child.wait()
    assert has_ended(name)


def test_of_a_process_elsewhere_nobody_says_that_it_ended() -> None:
    host, pid, mark = this_process().rsplit(":", 2)
    boot, namespace, started = mark.split(".")
    other_container = f"{host}:{pid}:{boot}.{int(namespace) + 1}.{int(started) + 1}"
    other_boot = f"{host}:{pid}:{'0' * len(boot)}.{namespace}.{int(started) + 1}"
    for name in (other_container, other_boot, f"{host}:{pid}:", "host", "", ":::"):
        assert not has_ended(name)
    assert has_ended(f"{host}:{pid}:{boot}.{namespace}.{int(started) + 1}")  # our number, and another's life
