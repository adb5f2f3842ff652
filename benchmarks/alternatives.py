# SPDX-License-Identifier: EUPL-1.2
"""Door to door beside what one would take instead: Celery, Dramatiq and FastStream on the same servers, and Node-RED.

Everybody gets the same referrals over HTTP, makes the same document of them, brings it to three webhooks and marks it
delivered. In turns, with nobody else running: A B C D E, A B C D E, …
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Final

import mappings
from benchmarks.contract import Measure, Result, Settings, Target
from benchmarks.handed import JSON, RECIPIENTS, SOURCE, to_webhooks
from benchmarks.load import post, send
from benchmarks.rivals.installing import NotInstalled, node_red, python
from benchmarks.rivals.subjects import Asked, Door, node_red_runs, python_rival_runs, schakel_runs
from benchmarks.rows import UNDER_WAY, until_none
from benchmarks.running import make_home
from benchmarks.servers import Absent, Servers, servers
from benchmarks.sinks import Sinks, sinks
from mappings.codebook import CodebookShelf
from mappings.engine import CompiledMapping, load_mapping

name: Final = "alternatives"
OURS: Final = "Schakel"
PYTHON: Final = {"Celery": "celery", "Dramatiq": "dramatiq", "FastStream": "faststream"}
NODE_RED: Final = "Node-RED"
ROUNDS: Final = 3
SENDERS: Final = 64  # at once
FIRST: Final = 200  # referrals before a turn counts: what is first pays for what is loaded late
TURN: Final = 4.0  # seconds, about
LEAST: Final = 100  # referrals in a turn
MOST: Final = 12_000
LONGEST: Final = 270.0  # seconds; a round that would go beyond is not begun
WITHIN: Final = 60.0  # seconds in which a turn must have come to its end
FOLDER: Final = Path(mappings.__file__).parent / "thv_aanmelding"
EXAMPLE: Final = FOLDER / "examples" / "delft-tweede-thv.json"
NOW: Final = datetime(2026, 11, 16, 9, tzinfo=UTC)
UNMARKED: Final = "SELECT count(*) FROM referral WHERE delivered_at IS NULL"
NOTES: Final = (
    "Referrals a second, from the first request until all three webhooks of each were answered and it is marked"
    " delivered.",
    "Two processes each: `schakel serve` and `worker`; a door and a worker of each Python rival. Node-RED is one.",
    "Schakel seals, audits, discloses, routes, keeps deadlines and signs; the rivals send everybody everything.",
    "Where a rival's promise ends stands in benchmarks/rivals/README.md; Node-RED keeps nothing on disk.",
)


@dataclass(slots=True)
class Subject:
    """Who has a turn. `unmarked` counts in its database what is not marked delivered; no database: it keeps nothing."""

    name: str
    runs: Callable[[], AbstractContextManager[Door]]
    database: str = ""
    unmarked: str = UNMARKED
    maps: bool = True  # sends the mapped document as it is
    rates: list[float] = field(default_factory=list)


class Referrals:
    """`thv-aanmelding@1`, each its own household: other references, another order, other persons."""

    def __init__(self, *, now: datetime) -> None:
        """`now`: the order was imposed just before, so that no deadline has passed when it comes."""
        self._example: dict[str, Any] = json.loads(EXAMPLE.read_bytes())
        self._example.pop("voorgeschiedenis", None)  # orders of another household are not earlier ones of these
        imposed, ends = ((now + timedelta(days=days, minutes=-10)).isoformat(timespec="seconds") for days in (0, 10))
        self._example |= {"verzondenOp": now.isoformat(timespec="seconds"), "gebeurdOp": imposed}
        self._example["urgentie"] = "normaal"  # nobody answers here: crises would ring after five minutes
        self._example["huisverbod"] |= {"opgelegdOp": imposed, "eindigtOp": ends}
        self._numbers = count(1)

    def bodies(self, number: int) -> list[bytes]:
        return [json.dumps(self._next()).encode() for _ in range(number)]

    def _next(self) -> dict[str, Any]:
        mark, document = next(self._numbers), json.loads(json.dumps(self._example))
        document["kenmerk"], document["zaakkenmerk"] = f"BENCH-{mark}", f"ZAAK-{mark}"
        document["huisverbod"]["nummer"] = f"THV-{mark}"
        for place, member in enumerate(document["betrokkenen"]):
            names = member["namen"]
            names["geslachtsnaam"] = f"Bench-{mark}" if place == 0 else f"{names['geslachtsnaam']}-{mark}"
            member.pop("bsn", None)  # the same BSN twice joins cases
        return dict(document)


def run(settings: Settings) -> Result:
    """Raises what Schakel raises in its turns; a rival that does not come to the end of one is left out, and told."""
    try:
        with servers() as running, sinks() as taking:
            return _compared(settings, running, taking)
    except Absent as absent:
        return Result(measures=(), notes=(f"Nothing was compared: {absent}.",))


def _compared(settings: Settings, running: Servers, taking: Sinks) -> Result:
    present, left_out = _installed()
    until = time.monotonic() + LONGEST
    subjects = _subjects(settings.folder, present, running, taking)
    referrals, mapping = Referrals(now=datetime.now(UTC)), _mapping()
    for number in range(1, ROUNDS + 1):
        start = time.monotonic()
        for subject in tuple(subjects):
            try:
                subject.rates.append(_turn(subject, referrals, taking, mapping, TURN * settings.scale))
                settings.say(f"  round {number}: {subject.name} {subject.rates[-1]:.0f}/s")
            except (RuntimeError, TimeoutError, OSError) as error:
                if subject.name == OURS or time.monotonic() > until:
                    raise
                left_out[subject.name] = f"it did not come to the end of a turn: {error}"
                subjects.remove(subject)
        if 2 * time.monotonic() - start > until:
            break
    return _result({each.name: tuple(each.rates) for each in subjects}, left_out)


def _installed() -> tuple[list[str], dict[str, str]]:
    """Who takes part; and who does not, with the reason."""
    left_out: dict[str, str] = {}
    present = [OURS]
    for names, install in ((tuple(PYTHON), python), ((NODE_RED,), node_red)):
        try:
            install()
            present += names
        except NotInstalled as error:
            left_out |= dict.fromkeys(names, f"not installed here: {error}")
    return present, left_out


# -- a turn ------------------------------------------------------------------------------------------------------------


def _turn(subject: Subject, referrals: Referrals, taking: Sinks, mapping: CompiledMapping, seconds: float) -> float:
    """Referrals a second. Raises RuntimeError and TimeoutError when something was refused, lost or not marked."""
    with subject.runs() as door:
        first = referrals.bodies(1)
        _sent(subject, door, first, taking)
        if subject.maps and taking.document() != mapping.apply(json.loads(first[0]), now=NOW).document:
            raise RuntimeError(f"{subject.name} sends another document: that would compare two different things")
        rate = _sent(subject, door, referrals.bodies(FIRST), taking)
        number = min(max(round(rate * seconds), LEAST), MOST)
        return _sent(subject, door, referrals.bodies(number), taking)


def _sent(subject: Subject, door: Door, bodies: list[bytes], taking: Sinks) -> float:
    taking.forget()
    requests = [post(door.path, body, media_type=JSON, key=door.key) for body in bodies]
    start = time.perf_counter()
    asyncio.run(send(door.port, requests, connections=SENDERS)).check(202)
    end = taking.until(len(bodies) * len(RECIPIENTS), within=WITHIN)
    if subject.database:
        end = until_none(subject.database, subject.unmarked, within=WITHIN)
    return len(bodies) / (end - start)


# -- who takes part ----------------------------------------------------------------------------------------------------


def _subjects(folder: Path, present: list[str], running: Servers, taking: Sinks) -> list[Subject]:
    servers_of_ours = {"SCHAKEL_DATABASE_URL": running.new_database(), "SCHAKEL_BROKER_URL": running.broker}
    home = make_home(folder / "hub", overlay=to_webhooks(taking.url), receivers=RECIPIENTS, more=servers_of_ours)
    ours = partial(schakel_runs, home, home.keys[SOURCE])
    subjects = [Subject(OURS, ours, home.database, UNDER_WAY, maps=False)]
    books = folder / "books.json"
    books.write_text(json.dumps(_books(_mapping())), encoding="utf-8")
    webhooks = tuple(taking.url + one for one in RECIPIENTS)
    for name, module in PYTHON.items():
        if name in present:
            asked = Asked(running.new_database(), running.broker, webhooks, books)
            subjects.append(Subject(name, partial(python_rival_runs, module, asked), asked.database))
    if NODE_RED in present:
        asked = Asked("", "", webhooks, books)
        subjects.append(Subject(NODE_RED, partial(node_red_runs, asked, folder / "node-red")))
    return subjects


def _mapping() -> CompiledMapping:
    return load_mapping(FOLDER, CodebookShelf.load())


def _books(mapping: CompiledMapping) -> dict[str, dict[str, Any]]:
    return {name: {code: to for code, (to, _, _) in book.entries.items()} for name, book in mapping.books.items()}


# -- what came of it ---------------------------------------------------------------------------------------------------


def _result(rates: Mapping[str, tuple[float, ...]], left_out: Mapping[str, str]) -> Result:
    measures = {name: Measure(name, "/s", runs) for name, runs in rates.items()}
    ratios, targets = [], []

    def beside(whom: str, what: str, gate: float, stretch: float) -> None:
        pairs = zip(rates[OURS], rates[whom], strict=True)
        ratio = Measure(f"Schakel beside {whom}", "x", tuple(ours / theirs for ours, theirs in pairs))
        ratios.append(ratio)
        targets.append(Target(f"door to door, beside {what}", "x", "more", gate, stretch, ratio.median))

    if best := [name for name in PYTHON if name in rates]:
        beside(max(best, key=lambda name: measures[name].median), "the best Python alternative", 2, 4)
    if NODE_RED in rates:
        beside(NODE_RED, "Node-RED, which keeps nothing", 1.5, 3)
    missing = tuple(f"{name}: {reason}." for name, reason in left_out.items())
    return Result(measures=(*measures.values(), *ratios), targets=tuple(targets), notes=(*NOTES, *missing))
