# SPDX-License-Identifier: EUPL-1.2
"""`make faults`: a thousand kills and every test that is marked with a fault; prints and writes the table.

Kills come in lives: a new hub, some dozens of kills, an account every so many and at the end. What a life does follows
from the seed, which is printed with its plan; `--seed` plays the same plan again. The table is renewed after each life
and after the tests, so that a run that is broken off leaves what it has seen.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import secrets
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from tests.faults.kills import ALL_IN_ONE, IN_PARTS, ON_SERVERS, Kill, Seen, Shape, open_life, plan_of
from tests.faults.marks import marked_faults
from tests.faults.table import NOT_PLAYED, WELL, Row, read, renew
from tests.support.nursery import ROOT
from tests.support.private import Guarded, Postgres, Rabbit

SHARES: Final = {ALL_IN_ONE: 0.35, IN_PARTS: 0.45, ON_SERVERS: 0.2}  # of the cycles
LIFE: Final = 50  # kills
EVERY: Final = 25  # kills between two accounts
TESTS_WITHIN: Final = 3600.0  # seconds for all marked tests together


@dataclass(slots=True)
class Campaign:
    """All lives of one shape."""

    shape: Shape
    seen: Seen = field(default_factory=Seen)
    lives: int = 0
    failed: list[str] = field(default_factory=list)  # seeds of lives that failed

    def row(self, day: str) -> Row:
        seen = self.seen
        pace = seen.cycles / max(seen.seconds / 60, 0.01)
        kills = ", ".join(f"{part} {count}" for part, count in sorted(seen.kills.items()))
        return Row(
            fault=self.shape.fault,
            day=day,
            runs=f"{seen.cycles} kills ({kills}) in {self.lives} lives, {pace:.0f} a minute",
            seen=(
                f"{seen.referrals} referrals, {seen.cut_off} sends cut off; {seen.arrivals} arrivals, {seen.repeats} "
                f"of them repeats with the same id and bytes; {seen.released} sent on by a person after three crashes; "
                f"{seen.checks} accounts by `verify` and the journals: lost 0, two ids 0, overtaken 0"
            ),
            result=WELL if not self.failed else f"failed with seed {', '.join(self.failed)}",
        )


def main() -> int:
    asked = _asked()
    os.nice(asked.nice)
    day = datetime.now(UTC).date().isoformat()
    end = time.monotonic() + asked.minutes * 60 if asked.minutes else None
    print(f"seed {asked.seed}", flush=True)
    well = True
    if asked.only in ("", "kills"):
        well &= asyncio.run(_kills(asked.seed, asked.cycles, end, day))
    if asked.only != "kills":
        well &= _tests(asked.only, day)
    missing = marked_faults() - {row.fault for row in read() if row.result != NOT_PLAYED}
    renew(Row(fault, "–", "0", "–", NOT_PLAYED) for fault in missing)
    for fault in sorted(missing):
        print(f"not played yet: {fault}")
    for row in read():
        print(row.line())
    return 0 if well and not missing else 1


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.long", description=__doc__)
    parser.add_argument(
        "--cycles", type=int, default=int(os.environ.get("CYCLES") or 1000), help="kills, over all shapes"
    )
    parser.add_argument("--minutes", type=float, help="no new life of a hub begins after so many")
    parser.add_argument("--seed", default=os.environ.get("SCHAKEL_TEST_SEED") or str(secrets.randbelow(2**32)))
    parser.add_argument("--only", choices=("", "kills", "tests", "new"), default=os.environ.get("ONLY") or "",
                        help="new: the marked tests whose fault is not in the table yet, or failed")  # fmt: skip
    parser.add_argument("--nice", type=int, default=0)
    return parser.parse_args()


# -- kills -------------------------------------------------------------------------------------------------------------


async def _kills(seed: str, cycles: int, end: float | None, day: str) -> bool:
    """Lives of all shapes, by turns, so that a run that is broken off has seen each of them."""
    campaigns = [Campaign(shape) for shape in SHARES]
    turns = [
        (campaign, number, min(LIFE, count - number * LIFE))
        for campaign in campaigns
        for count in [round(cycles * SHARES[campaign.shape])]
        for number in range(-(-count // LIFE))
    ]
    random.Random(f"{seed} turns").shuffle(turns)
    done = 0
    with contextlib.ExitStack() as stack:
        servers: list[tuple[Postgres, Rabbit]] = []
        for campaign, number, count in turns:
            if end is not None and time.monotonic() > end:
                print(f"the time is over after {done} of {cycles} kills", flush=True)
                break
            if campaign.shape.servers and not servers:
                servers.append(stack.enter_context(_servers()))
            await _live(campaign, f"{seed}.{number}", count, servers[0] if campaign.shape.servers else None)
            done = sum(each.seen.cycles for each in campaigns)
            print(f"{done} of {cycles} kills", flush=True)
            renew([each.row(day) for each in campaigns if each.lives])
    return not any(each.failed for each in campaigns)


async def _live(campaign: Campaign, seed: str, count: int, servers: tuple[Postgres, Rabbit] | None) -> None:
    kills = plan_of(campaign.shape, seed, count)
    print(f"{campaign.shape.name}, seed {seed}: {_told(campaign.shape, kills)}", flush=True)
    with tempfile.TemporaryDirectory(prefix="schakel-faults-") as folder:
        settings = {} if servers is None else _on(*servers, Path(folder).name)
        async with open_life(campaign.shape, Path(folder), seed, settings) as life:
            try:
                await life.run(kills, every=EVERY)
            except Exception:
                traceback.print_exc()
                campaign.failed.append(seed)
                _keep(Path(folder), seed)
            campaign.lives += 1
            campaign.seen.add(life.seen)


def _told(shape: Shape, kills: list[Kill]) -> str:
    return " ".join(f"{shape.parts[one.victim]}:{one.answers}+{one.moment * 1000:.1f}ms" for one in kills)


def _keep(folder: Path, seed: str) -> None:
    """What a life that failed left, for whoever looks into it."""
    kept = Path(tempfile.gettempdir()) / f"schakel-faults-failed-{seed}"
    subprocess.run(["cp", "-a", str(folder), str(kept)], check=False)
    print(f"kept in {kept}", flush=True)


@contextlib.contextmanager
def _servers() -> Iterator[tuple[Postgres, Rabbit]]:
    with contextlib.closing(Guarded()) as guarded:
        postgres, rabbit = Postgres(guarded), Rabbit(guarded)
        postgres.start()
        rabbit.start()
        yield postgres, rabbit


def _on(postgres: Postgres, rabbit: Rabbit, name: str) -> dict[str, str]:
    """A new database; queues go by names that are keyed with the hub's own keys, so lives do not meet at the broker."""
    database = name.replace("-", "_").lower()
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
    url = urlsplit(postgres.url)._replace(path=f"/{database}").geturl()
    return {"SCHAKEL_DATABASE_URL": url, "SCHAKEL_BROKER_URL": rabbit.url}


# -- marked tests ------------------------------------------------------------------------------------------------------


def _tests(only: str, day: str) -> bool:
    """Every marked test in its long form; or those whose fault is not in the table yet, or failed there."""
    wanted: list[str] = []
    if only == "new":
        wanted = sorted(marked_faults() - {row.fault for row in read() if row.result == WELL})
        if not wanted:
            return True
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.jsonl"
        report.touch()
        command = [sys.executable, "-m", "pytest", "-m", "fault", "-n", "auto", "--dist", "worksteal",
                   "-o", "timeout=1800", "tests"]  # fmt: skip
        own = {
            "SCHAKEL_FAULTS": os.environ.get("SCHAKEL_FAULTS", "long"),
            "SCHAKEL_FAULTS_ONLY": "\n".join(wanted),
            "SCHAKEL_FAULTS_REPORT": str(report),
        }
        try:
            code = _run(command, os.environ | own)
        finally:
            renew(_rows(report, day), known=marked_faults())
    return code == 0


def _run(command: list[str], environment: dict[str, str]) -> int:
    child = subprocess.Popen(command, cwd=ROOT, env=environment)
    try:
        return child.wait(TESTS_WITHIN)
    except subprocess.TimeoutExpired:
        child.send_signal(signal.SIGINT)
        return child.wait(60) or 1


def _rows(report: Path, day: str) -> list[Row]:
    """By fault: how many runs went how, and the sentences that the tests are named by."""
    told: dict[str, Counter[str]] = {}
    sentences: dict[str, dict[str, None]] = {}
    campaigns = {shape.fault for shape in SHARES}
    for line in report.read_text(encoding="utf-8").splitlines():
        one = json.loads(line)
        said = one["test"].partition("[")[0].removeprefix("test_").replace("_", " ")
        for name in set(one["faults"]) - campaigns:
            told.setdefault(name, Counter())[one["outcome"]] += 1
            sentences.setdefault(name, {})[said] = None
    return [
        Row(name, day, str(sum(count.values())), "; ".join(sentences[name]), _result(count))
        for name, count in told.items()
    ]


def _result(count: Counter[str]) -> str:
    others = {how: number for how, number in count.items() if how != "passed"}
    return ", ".join(f"{number} {how}" for how, number in others.items()) if others else WELL


if __name__ == "__main__":
    sys.exit(main())
