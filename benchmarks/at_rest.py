# SPDX-License-Identifier: EUPL-1.2
"""Running: how soon a hub listens, what it takes when nobody asks anything, and how soon it is back after SIGKILL.

The hub is as an installation has it, with compiled code. It listens once it can answer.

Recovery: the process is killed while deliveries are under way, and started anew at once. What it then brings to its
recipients waits for the leases of the dead one to run out: that is counted too.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Mapping
from typing import Final

from benchmarks.contract import Measure, Result, Settings, Target
from benchmarks.handed import JSON, RECIPIENTS, SOURCE, Referrals, to_webhooks
from benchmarks.load import post, send
from benchmarks.rows import UNDER_WAY, settle, until_none
from benchmarks.running import Home, hub, make_home, memory, processor
from benchmarks.servers import Absent, servers
from benchmarks.sinks import Sinks, sinks

name: Final = "running"
STARTS: Final = 5
KILLS: Final = 2
IDLE: Final = 5.0  # seconds
WORKED: Final = 200  # referrals before idle memory is measured: what is loaded late is loaded then
UNDER_KILL: Final = 200  # referrals that are under way at the kill
SENDERS: Final = 64
WITHIN: Final = 90.0
ROLES: Final = ("api", "worker", "clock")


def run(settings: Settings) -> Result:
    with contextlib.ExitStack() as stack:
        taking = stack.enter_context(sinks())
        home = make_home(settings.folder / "sqlite", overlay=to_webhooks(taking.url), receivers=RECIPIENTS)
        referrals = Referrals()
        starts = tuple(_start(home) for _ in range(STARTS))
        settings.say("  started")
        idle = {"serve, on SQLite": _idle(home, ("serve",), taking, referrals)["serve"]}
        notes: list[str] = []
        try:
            running = stack.enter_context(servers())
            more = {"SCHAKEL_DATABASE_URL": running.new_database(), "SCHAKEL_BROKER_URL": running.broker}
            parts = make_home(
                settings.folder / "parts", overlay=to_webhooks(taking.url), receivers=RECIPIENTS, more=more
            )
            for role, taken in _idle(parts, ROLES, taking, referrals).items():
                idle[f"{role}, on PostgreSQL and RabbitMQ"] = taken
        except Absent as absent:
            notes.append(f"PostgreSQL and RabbitMQ were not measured: {absent}.")
        settings.say("  idle")
        recovered = [_recovered(home, taking, referrals) for _ in range(KILLS)]
    return _result(starts, idle, recovered, notes)


def _start(home: Home) -> float:
    """Seconds until it answers on its port."""
    start = time.perf_counter()
    with hub(home):
        return time.perf_counter() - start


def _idle(home: Home, roles: tuple[str, ...], taking: Sinks, referrals: Referrals) -> dict[str, tuple[float, float]]:
    """Role → MB, and per cent of a core, of a process that has worked and now waits."""
    with contextlib.ExitStack() as stack:
        ids = {role: stack.enter_context(hub(home, role)) for role in roles}
        _hand_in(home, referrals, taking, WORKED)
        taking.until(WORKED * len(RECIPIENTS), within=WITHIN)
        settle(home.database)
        before = {role: processor(pid) for role, pid in ids.items()}
        time.sleep(IDLE)
        return {role: (memory(pid), (processor(pid) - before[role]) / IDLE * 100) for role, pid in ids.items()}


def _recovered(home: Home, taking: Sinks, referrals: Referrals) -> Mapping[str, float]:
    """Seconds from SIGKILL until it answers again, and until everything that it had promised has arrived."""
    with hub(home) as pid:
        _hand_in(home, referrals, taking, UNDER_KILL)
        killed = time.perf_counter()
        os.kill(pid, signal.SIGKILL)
    with hub(home):
        answers = time.perf_counter() - killed
        taking.until(UNDER_KILL * len(RECIPIENTS), within=WITHIN)
        return {"answers": answers, "all": until_none(home.database, UNDER_WAY, within=WITHIN) - killed}


def _hand_in(home: Home, referrals: Referrals, taking: Sinks, number: int) -> None:
    taking.forget()
    bodies = referrals.bodies(number).values()
    requests = [post("/v1/referrals", body, media_type=JSON, key=home.keys[SOURCE]) for body in bodies]
    asyncio.run(send(home.port, requests, connections=SENDERS)).check(202)


# -- what came of it ---------------------------------------------------------------------------------------------------


def _result(
    starts: tuple[float, ...],
    idle: Mapping[str, tuple[float, float]],
    recovered: list[Mapping[str, float]],
    notes: list[str],
) -> Result:
    started = Measure("from start to listening", "s", starts)
    held = [Measure(f"idle memory: {role}", "MB", (taken,)) for role, (taken, _) in idle.items()]
    used = [Measure(f"idle processor: {role}", "%", (taken,)) for role, (_, taken) in idle.items()]
    back = Measure("from SIGKILL to listening again", "s", tuple(each["answers"] for each in recovered))
    all_ = Measure("from SIGKILL to everything delivered", "s", tuple(each["all"] for each in recovered))
    return Result(
        measures=(started, *held, *used, back, all_),
        targets=(
            Target("start-up", "s", "less", 2, 1, started.median),
            Target("idle memory of the largest process", "MB", "less", 150, 100, max(each.median for each in held)),
        ),
        notes=(
            f"Memory (resident) and processor (of one core) of a process that has brought {WORKED} referrals to three"
            " recipients, and has nothing left to do.",
            f"Killed right after the last 202 of {UNDER_KILL}: what it was sending is sent again when its leases,"
            " of 15 seconds, have run out.",
            *notes,
        ),
    )
