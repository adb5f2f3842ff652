# SPDX-License-Identifier: EUPL-1.2
"""Door to door: HTTP in, durable, the webhooks of three recipients answered, each marked delivered.

On SQLite in one process, and on PostgreSQL and RabbitMQ in one, two and three. As fast as it goes, and how long from
the request to a recipient's handler at 20 and at 200 a second. Beside what broker and disk give by themselves.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles
from typing import Final

from benchmarks.contract import Measure, Result, Settings, Target
from benchmarks.handed import JSON, RECIPIENTS, SOURCE, Referrals, to_webhooks
from benchmarks.limits import group_commits, raw_pika, sqlite_commits
from benchmarks.load import post, send
from benchmarks.rows import UNDER_WAY, UNLINKED, until_none
from benchmarks.running import Home, hub, make_home
from benchmarks.servers import Absent, servers
from benchmarks.sinks import Sinks, sinks

name: Final = "door"
SENDERS: Final = 64  # at once
ROUNDS: Final = 3
TURN: Final = 4.0  # seconds, about
FIRST: Final = 150  # referrals before anything counts
LEAST, MOST = 60, 8000  # referrals in a turn
STEADY: Final = (20, 200)  # a second
STEADY_ROUNDS: Final = 2
STEADY_SECONDS: Final = 5.0
BEYOND_SECONDS: Final = 1.0  # at a rate that is more than it can do, which no longer turn would make better
WITHIN: Final = 60.0
RAW: Final = 3000  # referrals in a turn of a limit
VIEW: Final = bytes(1000)  # what is kept of a view before it is sent: packed and sealed it is about that long
MARK: Final = bytes(40)  # that it was delivered
EMBEDDED: Final = "SQLite, 1 process"
PARTS: Final = {
    "PostgreSQL + RabbitMQ, 1 process": ("serve",),
    "PostgreSQL + RabbitMQ, 2 processes": ("serve", "worker"),
    "PostgreSQL + RabbitMQ, 3 processes": ("api", "worker", "clock"),
}


@dataclass(slots=True)
class Subject:
    """A hub that runs. `waits[rate]`: for each steady turn the seconds from request to handler, in order of size."""

    name: str
    home: Home
    rates: list[float] = field(default_factory=list)
    waits: dict[int, list[list[float]]] = field(default_factory=lambda: {rate: [] for rate in STEADY})

    @property
    def best(self) -> float:
        return max(self.rates)


@dataclass(slots=True)
class Bench:
    """What all turns share."""

    taking: Sinks
    referrals: Referrals

    def closed(self, subject: Subject, number: int) -> float:
        """Referrals a second, from the first request until the last delivery is marked."""
        start, _ = self._handed(subject, number)
        marked = until_none(subject.home.database, UNDER_WAY, within=WITHIN)
        until_none(subject.home.database, UNLINKED, within=WITHIN)
        return number / (marked - start)

    def steady(self, subject: Subject, rate: int) -> list[float]:
        """Seconds from when a request was due to each of its recipients' handlers."""
        seconds = STEADY_SECONDS if rate < subject.best else BEYOND_SECONDS
        _, due = self._handed(subject, round(rate * seconds), rate=rate)
        journal = self.taking.journal()
        until_none(subject.home.database, UNDER_WAY, UNLINKED, within=WITHIN)
        return sorted(came - due[mark] for mark, all_ in journal.items() for came in all_.values())

    def _handed(self, subject: Subject, number: int, *, rate: int | None = None) -> tuple[float, dict[int, float]]:
        """All arrived when it returns: when the first request was written, and when each was due."""
        self.taking.forget()
        bodies, key = self.referrals.bodies(number), subject.home.keys[SOURCE]
        requests = [post("/v1/referrals", body, media_type=JSON, key=key) for body in bodies.values()]
        start = time.perf_counter()
        sent = asyncio.run(send(subject.home.port, requests, connections=SENDERS, rate=rate))
        sent.check(202)
        self.taking.until(number * len(RECIPIENTS), within=WITHIN)
        return start, dict(zip(bodies, sent.starts, strict=True))


def run(settings: Settings) -> Result:
    with contextlib.ExitStack() as stack:
        bench = Bench(stack.enter_context(sinks()), Referrals())
        subjects, broker, notes = _subjects(settings.folder, bench.taking, stack)
        commit = stack.enter_context(sqlite_commits(settings.folder / "raw.sqlite"))
        works = [
            [[body], [VIEW] * len(RECIPIENTS), [MARK] * len(RECIPIENTS)]
            for body in bench.referrals.bodies(RAW).values()
        ]
        commits: list[float] = []
        pika: list[float] = []
        first = {each.name: bench.closed(each, FIRST) for each in subjects}
        for number in range(ROUNDS):
            for each in subjects:
                guess = each.rates[-1] if each.rates else first[each.name]
                each.rates.append(bench.closed(each, min(max(round(guess * TURN), LEAST), MOST)))
            commits.append(group_commits(commit, works, senders=SENDERS))
            if broker is not None:
                pika.append(raw_pika(broker, RAW * len(RECIPIENTS)) / len(RECIPIENTS))
            settings.say(f"  round {number + 1} of {ROUNDS}")
        for _ in range(STEADY_ROUNDS):
            for rate in STEADY:
                for each in subjects:
                    each.waits[rate].append(bench.steady(each, rate))
                settings.say(f"  at {rate} a second")
        return _result(subjects, commits, pika, notes)


def _subjects(folder: Path, taking: Sinks, stack: contextlib.ExitStack) -> tuple[list[Subject], str | None, list[str]]:
    overlay = to_webhooks(taking.url)
    home = make_home(folder / "sqlite", overlay=overlay, receivers=RECIPIENTS)
    stack.enter_context(hub(home))
    subjects = [Subject(EMBEDDED, home)]
    try:
        running = stack.enter_context(servers())
    except Absent as absent:
        return subjects, None, [f"PostgreSQL and RabbitMQ were not measured: {absent}."]
    for place, (label, parts) in enumerate(PARTS.items()):
        more = {"SCHAKEL_DATABASE_URL": running.new_database(), "SCHAKEL_BROKER_URL": running.broker}
        home = make_home(folder / f"servers-{place}", overlay=overlay, receivers=RECIPIENTS, more=more)
        for part in parts:
            stack.enter_context(hub(home, part))
        subjects.append(Subject(label, home))
    return subjects, running.broker, []


# -- what came of it ---------------------------------------------------------------------------------------------------


def _result(subjects: Sequence[Subject], commits: list[float], pika: list[float], notes: list[str]) -> Result:
    rates = {each.name: Measure(each.name, "/s", tuple(each.rates)) for each in subjects}
    waits = [measure for each in subjects for measure in _waits(each)]
    raw = Measure("raw group commit, SQLite", "/s", tuple(commits))
    embedded = _ratio("SQLite beside raw group commit", rates[EMBEDDED], raw)
    limits, ratios = [raw], [embedded]
    targets = [
        Target("door to door, embedded, beside raw group commit", "x", "more", 0.2, 0.4, embedded.median),
        *_waiting("embedded", _of(waits, subjects[0]), 10, 5),
    ]
    if pika:
        best = max(PARTS, key=lambda label: rates[label].median)
        confirmed = Measure("raw pika, three messages confirmed and consumed", "/s", tuple(pika))
        beside = _ratio("PostgreSQL + RabbitMQ beside raw pika", rates[best], confirmed)
        limits.append(confirmed)
        ratios.append(beside)
        quickest = min(subjects[1:], key=lambda each: _of(waits, each)["p99"].median)
        targets += [
            Target("door to door, PostgreSQL + RabbitMQ, beside raw pika", "x", "more", 0.2, 0.4, beside.median),
            *_waiting("PostgreSQL + RabbitMQ", _of(waits, quickest), 20, 10),
        ]
        notes = [*notes, f"Beside raw pika stands the fastest of the three: {best}; waiting is of {quickest.name}."]
    return Result(
        measures=(*rates.values(), *limits, *ratios, *waits),
        targets=tuple(targets),
        notes=(
            f"Referrals a second from {SENDERS} senders: `referral@1` of 3 kB, from the first request until each of the"
            " three deliveries is marked; everything on: sealing, audit, disclosure, ledger, deadlines, signatures.",
            "p50 and p99: from when a request was due to the handler of each recipient, at a steady rate; a rate that"
            " the hub cannot keep shows as the queue that it makes.",
            "2 processes: serve and worker; 3: api, worker and clock. Senders, recipients and servers run on the same"
            " cores, and the other hubs stand idle beside.",
            f"Raw group commit: {SENDERS} senders, each of which waits until a body of the same bytes is on disk, then"
            " three views of 1 kB, then three marks; whoever waits shares a commit.",
            "Raw pika: 200 bytes, persistent, quorum queue, 1,000 confirms outstanding, each consumed and acknowledged;"
            " three messages count as one referral.",
            *notes,
        ),
    )


def _waits(subject: Subject) -> list[Measure]:
    measures = []
    for rate, turns in subject.waits.items():
        cuts = [quantiles(turn, n=100) for turn in turns]
        for label, cut in (("p50", 49), ("p99", 98)):
            named = f"{subject.name}: {label} at {rate}/s"
            measures.append(Measure(named, "ms", tuple(each[cut] * 1000 for each in cuts)))
    return measures


def _of(waits: Sequence[Measure], subject: Subject) -> dict[str, Measure]:
    """Its p99 at the higher rate, and its p50 there; a rate that it cannot keep is held against the p50 at the lower:
    in a queue that grows everybody waits equally long."""
    low, high = STEADY
    found = {measure.name.removeprefix(f"{subject.name}: "): measure for measure in waits}
    kept = subject.best >= high
    return {"p50": found[f"p50 at {high if kept else low}/s"], "p99": found[f"p99 at {high}/s"]}


def _waiting(label: str, at: dict[str, Measure], gate: float, stretch: float) -> list[Target]:
    return [
        Target(f"p99 beside p50 at 200/s, {label}", "x", "less", 8, 4, _ratio("", at["p99"], at["p50"]).median),
        Target(f"p99 at 200/s, {label}", "ms", "less", gate, stretch, at["p99"].median),
    ]


def _ratio(label: str, ours: Measure, theirs: Measure) -> Measure:
    return Measure(label, "x", tuple(a / b for a, b in zip(ours.runs, theirs.runs, strict=True)))
