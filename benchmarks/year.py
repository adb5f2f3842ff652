# SPDX-License-Identifier: EUPL-1.2
"""Year, long: every message that the whole of the Netherlands would send in a year, one after the other, embedded."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from benchmarks.contract import Measure, Result, Settings, Target
from benchmarks.handed import JSON, RECIPIENTS, SOURCE, Referrals, to_webhooks
from benchmarks.load import post, send
from benchmarks.rows import UNDER_WAY, settle, until_none
from benchmarks.running import hub, make_home, memory
from benchmarks.sinks import sinks

name: Final = "year"
long: Final = True
MESSAGES: Final = 250_000
PART: Final = 2_000  # handed in at a time, each as soon as all of the one before have been accepted
SENDERS: Final = 64


def run(settings: Settings) -> Result:
    messages = max(PART, round(MESSAGES * settings.scale))
    rates: list[float] = []
    with sinks() as taking:
        home = make_home(settings.folder / "hub", overlay=to_webhooks(taking.url), receivers=RECIPIENTS)
        referrals = Referrals()
        with hub(home) as pid:
            start = time.perf_counter()
            for done in range(0, messages, PART):
                bodies = referrals.bodies(min(PART, messages - done)).values()
                requests = [post("/v1/referrals", body, media_type=JSON, key=home.keys[SOURCE]) for body in bodies]
                sent = asyncio.run(send(home.port, requests, connections=SENDERS))
                sent.check(202)
                rates.append(sent.rate)
                if done % (PART * 10) == 0:
                    settings.say(f"  {done + len(requests):,} of {messages:,}, {sent.rate:.0f}/s")
            taking.until(messages * len(RECIPIENTS), within=600)
            minutes = (until_none(home.database, UNDER_WAY, within=600) - start) / 60
            settle(home.database)
            held = memory(pid)
    whole = minutes * MESSAGES / messages
    return Result(
        measures=(
            Measure("a year of the Netherlands", "min", (whole,)),
            Measure("accepted while delivering", "/s", tuple(rates)),
            Measure("memory at the end", "MB", (held,)),
            Measure("the database at the end", "MB", (home.settings.database_file.stat().st_size / 1e6,)),
        ),
        targets=(Target("a year of the Netherlands, embedded", "min", "less", 10, 5, whole),),
        notes=(
            f"{messages:,} referrals from {SENDERS} senders to three webhooks each, on SQLite, until the last is"
            f" marked; a year is {MESSAGES:,}.",
        ),
    )
