# SPDX-License-Identifier: EUPL-1.2
"""Soak, long: an hour at a steady rate, embedded; whether memory stays what it was, and answers come as fast."""

from __future__ import annotations

import asyncio
import time
from statistics import median, quantiles
from typing import Final

from benchmarks.contract import Measure, Result, Settings, Target
from benchmarks.handed import JSON, RECIPIENTS, SOURCE, Referrals, to_webhooks
from benchmarks.load import post, send
from benchmarks.rows import settle
from benchmarks.running import hub, make_home, memory
from benchmarks.sinks import sinks

name: Final = "soak"
long: Final = True
MINUTES: Final = 60
RATE: Final = 20  # a second; the whole country has one each two minutes
SENDERS: Final = 16
WARM: Final = 6  # minutes whose memory is what the last ones are held against, after one that does not count


def run(settings: Settings) -> Result:
    minutes = max(WARM + 2, round(MINUTES * settings.scale))
    seconds = 60 if settings.scale == 1 else 5
    held: list[float] = []
    waits: list[float] = []
    with sinks() as taking:
        home = make_home(settings.folder / "hub", overlay=to_webhooks(taking.url), receivers=RECIPIENTS)
        referrals = Referrals()
        with hub(home) as pid:
            for minute in range(minutes):
                taking.forget()
                bodies = referrals.bodies(RATE * seconds)
                requests = [
                    post("/v1/referrals", body, media_type=JSON, key=home.keys[SOURCE]) for body in bodies.values()
                ]
                sent = asyncio.run(send(home.port, requests, connections=SENDERS, rate=RATE))
                sent.check(202)
                taking.until(len(bodies) * len(RECIPIENTS), within=60)
                held.append(memory(pid))
                waits.append(quantiles(sent.latencies, n=100)[98] * 1000)
                settings.say(f"  {time.strftime('%H:%M')} minute {minute + 1} of {minutes}: {held[-1]:.0f} MB")
            settle(home.database)
    before, after = median(held[1 : 1 + WARM]), median(held[-WARM:])
    return Result(
        measures=(
            Measure("memory at the end of each minute", "MB", tuple(held)),
            Measure("p99 of the answer, each minute", "ms", tuple(waits)),
        ),
        targets=(Target("memory after an hour, beside after a few minutes", "x", "less", 1.1, 1.05, after / before),),
        notes=(f"{RATE} referrals a second to three webhooks on SQLite, {minutes} times {seconds} seconds.",),
    )
