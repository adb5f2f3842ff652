# SPDX-License-Identifier: EUPL-1.2
"""Growth: door to door with 20,000 open cases beside a hub that is empty, embedded, in turns."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.contract import Measure, Result, Settings, Target
from benchmarks.filling import fill
from benchmarks.handed import JSON, RECIPIENTS, SOURCE, Referrals, to_webhooks
from benchmarks.load import post, send
from benchmarks.rows import UNDER_WAY, UNLINKED, until_none
from benchmarks.running import Home, hub, make_home
from benchmarks.sinks import Sinks, sinks

name: Final = "growth"
CASES: Final = 20_000
ROUNDS: Final = 3
TURN: Final = 3.0  # seconds, about
FIRST: Final = 100
LEAST, MOST = 60, 8000
SENDERS: Final = 64


def run(settings: Settings) -> Result:
    return compare(settings, CASES, rounds=ROUNDS)


@dataclass(slots=True)
class Grown:
    home: Home
    taking: Sinks
    rates: list[float] = field(default_factory=list)

    def turn(self, referrals: Referrals, number: int) -> float:
        """Referrals a second, until each delivery is marked."""
        self.taking.forget()
        bodies, key = referrals.bodies(number), self.home.keys[SOURCE]
        requests = [post("/v1/referrals", body, media_type=JSON, key=key) for body in bodies.values()]
        start = time.perf_counter()
        asyncio.run(send(self.home.port, requests, connections=SENDERS)).check(202)
        marked = self.until_marked(number)
        return number / (marked - start)

    def until_marked(self, number: int) -> float:
        self.taking.until(number * len(RECIPIENTS), within=60)
        marked = until_none(self.home.database, UNDER_WAY)
        until_none(self.home.database, UNLINKED)
        return marked


def compare(settings: Settings, cases: int, *, rounds: int) -> Result:
    """A hub with so many cases beside an empty one."""
    referrals = Referrals()
    with contextlib.ExitStack() as stack:
        taking = stack.enter_context(sinks())
        subjects = {each: _home(settings.folder / each, taking) for each in ("empty", "full")}
        full = subjects["full"]
        with hub(full.home):
            full.turn(referrals, 1)
        start = time.perf_counter()
        fill(full.home.settings.database_file, cases)
        settings.say(f"  {cases:,} cases in {time.perf_counter() - start:.0f} seconds")
        for each in subjects.values():
            stack.enter_context(hub(each.home))
        first = {each: subject.turn(referrals, FIRST) for each, subject in subjects.items()}
        for _ in range(rounds):
            for label, subject in subjects.items():
                guess = subject.rates[-1] if subject.rates else first[label]
                subject.rates.append(subject.turn(referrals, min(max(round(guess * TURN), LEAST), MOST)))
        size = full.home.settings.database_file.stat().st_size / 1e6
    return _result(cases, tuple(subjects["empty"].rates), tuple(full.rates), size)


def _home(folder: Path, taking: Sinks) -> Grown:
    return Grown(make_home(folder, overlay=to_webhooks(taking.url), receivers=RECIPIENTS), taking)


def _result(cases: int, empty: tuple[float, ...], full: tuple[float, ...], size: float) -> Result:
    said = f"{cases:,} cases"
    times = Measure(f"time of a referral with {said}, beside empty", "x", tuple(map(_ratio, empty, full)))
    return Result(
        measures=(
            Measure("door to door, empty", "/s", empty),
            Measure(f"door to door, {said}", "/s", full),
            times,
            Measure(f"the database with {said}", "MB", (size,)),
        ),
        targets=(Target(f"time of a referral with {said}, beside empty", "x", "less", 1.5, 1.2, times.median),),
        notes=(
            f"Referrals a second from {SENDERS} senders on SQLite, until the third webhook is marked. Every case is"
            " open, its clocks run, and nothing of it is due.",
        ),
    )


def _ratio(empty: float, full: float) -> float:
    return empty / full
