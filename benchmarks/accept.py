# SPDX-License-Identifier: EUPL-1.2
"""Accept: `POST /v1/referrals` to a durable 202, from one sender and from many, in each of the two databases.

Beside an endpoint that only validates the same body with pydantic, and beside committing the same bytes and nothing
else, by as many senders who wait for the disk.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.contract import Measure, Result, Settings, Target
from benchmarks.handed import FHIR, JSON, SOURCE, SOURCE_FHIR, Bundles, Referrals, to_mailboxes
from benchmarks.limits import Commit, group_commits, postgres_commits, sqlite_commits
from benchmarks.load import post, send
from benchmarks.rows import settle
from benchmarks.running import Home, free_port, hub, make_home, uvicorn
from benchmarks.servers import Absent, Servers, servers

name: Final = "accept"
MANY: Final = 64  # senders at once
ROUNDS: Final = 3
TURN: Final = 2.0  # seconds, about
FIRST: Final = 150  # requests before anything counts: what is first pays for what is loaded late
LEAST, MOST = 40, 6000  # requests in a turn
RAW: Final = 3000  # bodies in a turn of raw commits
RIVAL: Final = "benchmarks.rivals.pydantic_only:app"

Bodies = Callable[[int], list[bytes]]


@dataclass(slots=True)
class Door:
    """Who answers, and what is handed in there. `settled`: waits until nothing of a turn is left to do."""

    name: str
    port: int
    path: str
    media_type: str
    bodies: Bodies
    key: str = ""
    settled: Callable[[], None] = lambda: None
    rates: dict[int, list[float]] = field(default_factory=lambda: {1: [], MANY: []})

    def turn(self, number: int, senders: int) -> float:
        """Answers a second. Raises RuntimeError unless all are 202."""
        requests = [post(self.path, body, media_type=self.media_type, key=self.key) for body in self.bodies(number)]
        sent = asyncio.run(send(self.port, requests, connections=senders))
        sent.check(202)
        self.settled()
        return sent.rate


def run(settings: Settings) -> Result:
    with contextlib.ExitStack() as stack:
        doors, commits, notes = _subjects(settings.folder, stack)
        for door in doors:
            door.turn(FIRST, MANY)
        raw: dict[str, list[float]] = {each: [] for each in commits}
        bodies = [[[body]] for body in Referrals().bodies(RAW).values()]
        for number in range(ROUNDS):
            for senders in (1, MANY):
                for door in doors:
                    guess = (door.rates[senders] or [door.turn(LEAST, senders)])[-1]
                    door.rates[senders].append(door.turn(_within(guess * TURN), senders))
            for each, commit in commits.items():
                raw[each].append(group_commits(commit, bodies, senders=MANY))
            settings.say(f"  round {number + 1} of {ROUNDS}")
        return _result(doors, raw, notes)


def _within(number: float) -> int:
    return min(max(round(number), LEAST), MOST)


# -- who takes part ----------------------------------------------------------------------------------------------------


def _subjects(folder: Path, stack: contextlib.ExitStack) -> tuple[list[Door], dict[str, Commit], tuple[str, ...]]:
    referrals, bundles, port = Referrals(), Bundles(), free_port()

    def referral(number: int) -> list[bytes]:
        return list(referrals.bodies(number).values())

    def bundle(number: int) -> list[bytes]:
        return list(bundles.bodies(number).values())

    def ours(label: str, home: Home, fhir: bool = False) -> Door:
        source, media_type = (SOURCE_FHIR, FHIR) if fhir else (SOURCE, JSON)
        bodies = bundle if fhir else referral
        return Door(
            label, home.port, "/v1/referrals", media_type, bodies, home.keys[source], lambda: settle(home.database)
        )

    home = make_home(folder / "sqlite", overlay=to_mailboxes())
    stack.enter_context(hub(home))
    stack.enter_context(uvicorn(RIVAL, port))
    doors = [
        ours("SQLite", home),
        Door("pydantic alone", port, "/v1/referrals", JSON, referral),
        ours("SQLite, FHIR", home, fhir=True),
        Door("pydantic alone, FHIR", port, "/fhir", FHIR, bundle),
    ]
    commits = {"SQLite": stack.enter_context(sqlite_commits(folder / "raw.sqlite"))}
    try:
        running = stack.enter_context(servers())
    except Absent as absent:
        return doors, commits, (f"PostgreSQL was not measured: {absent}.",)
    doors.append(ours("PostgreSQL", _on_postgres(folder / "postgres", running, stack)))
    commits["PostgreSQL"] = stack.enter_context(postgres_commits(running.new_database()))
    return doors, commits, ()


def _on_postgres(folder: Path, running: Servers, stack: contextlib.ExitStack) -> Home:
    home = make_home(folder, overlay=to_mailboxes(), more={"SCHAKEL_DATABASE_URL": running.new_database()})
    stack.enter_context(hub(home))
    return home


# -- what came of it ---------------------------------------------------------------------------------------------------


def _result(doors: list[Door], raw: dict[str, list[float]], notes: tuple[str, ...]) -> Result:
    rates = {
        (door.name, senders): Measure(f"{door.name}, {_said(senders)}", "/s", tuple(runs))
        for senders in (1, MANY)
        for door in doors
        for senders_of, runs in door.rates.items()
        if senders_of == senders
    }
    limits = {each: Measure(f"raw group commit, {each}", "/s", tuple(runs)) for each, runs in raw.items()}
    ratios = {}
    for mine, theirs in (("SQLite", "pydantic alone"), ("SQLite, FHIR", "pydantic alone, FHIR")):
        ratios[mine] = _ratio(f"{mine} beside {theirs}", rates[mine, MANY], rates[theirs, MANY])
    if ("PostgreSQL", MANY) in rates:
        ratios["PostgreSQL"] = _ratio(
            "PostgreSQL beside pydantic alone", rates["PostgreSQL", MANY], rates["pydantic alone", MANY]
        )
    beside = [_ratio(f"{each} beside its raw group commit", rates[each, MANY], limit) for each, limit in limits.items()]
    targets = [
        Target("accept, beside pydantic alone", "x", "more", 0.3, 0.5, ratios["SQLite"].median),
        Target(
            "accept of FHIR, fully validated on both sides, beside pydantic alone",
            "x", "more", 0.3, 0.5, ratios["SQLite, FHIR"].median,
        ),
    ]  # fmt: skip
    return Result(
        measures=(*rates.values(), *limits.values(), *ratios.values(), *beside),
        targets=tuple(targets),
        notes=(
            f"Answers a second, over connections that stay open; many is {MANY}. `referral@1` of 3 kB, or a FHIR bundle"
            " of 9 kB with full validation on both sides.",
            "The hub seals, audits, routes, matches and starts clocks; its recipients have mailboxes. Pydantic alone"
            " keeps nothing and answers after validation.",
            f"Raw group commit: {MANY} senders each wait until the bytes of theirs are on disk; whoever waits shares a"
            " commit.",
            *notes,
        ),
    )


def _said(senders: int) -> str:
    return "one sender" if senders == 1 else "many"


def _ratio(label: str, ours: Measure, theirs: Measure) -> Measure:
    return Measure(label, "x", tuple(a / b for a, b in zip(ours.runs, theirs.runs, strict=True)))
