# SPDX-License-Identifier: EUPL-1.2
"""What referrals cost the database and the broker, counted and not timed: statements, commits and published bells.

Alone a referral costs what it costs; a hundred at once share nearly all of it. The bounds are fixed: who needs more has
to say so here."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pika.channel import Channel

from benchmarks.handed import JSON, SOURCE, Referrals
from schakel.bootstrap import build
from schakel.hub import Hub
from schakel.records import Claimed, DeliveryOutcome, Rendered
from schakel.settings import Settings
from schakel.store.engine_postgres import PostgresDb
from schakel.store.engine_sqlite import SqliteDb
from tests.support.hub import Home, open_home, until

RECIPIENTS = 2  # lead and duo


@dataclass(frozen=True, slots=True)
class Bound:
    """Statements at most, for all referrals together. Each step is one commit."""

    accepted: int
    claimed: int
    kept: int
    finished: int


# Number of referrals at once → what they may cost. SQLite is in the process: a statement there costs some microseconds,
# and each row is one. On a server it is a way there and back, so rows of a kind go together.
SQLITE = {
    1: Bound(accepted=30, claimed=10, kept=5, finished=9),
    100: Bound(accepted=3200, claimed=620, kept=210, finished=620),
}
POSTGRES = {
    1: Bound(accepted=30, claimed=10, kept=6, finished=8),
    100: Bound(accepted=30, claimed=10, kept=6, finished=8),
}


class Counting:
    """Counts calls, and lets them through."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: Counter[str] = Counter()
        self._patch = monkeypatch

    def of(self, name: str, owner: type, attribute: str) -> None:
        real: Callable[..., Any] = getattr(owner, attribute)

        def counted(mine: Any, *given: Any, **named: Any) -> Any:
            self.calls[name] += 1
            return real(mine, *given, **named)

        self._patch.setattr(owner, attribute, counted)

    def taken(self) -> tuple[int, int]:
        """Statements and commits since the last time."""
        taken = self.calls["statements"], self.calls["commits"]
        self.calls.clear()
        return taken


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> Counting:
    return Counting(monkeypatch)


@asynccontextmanager
async def opened(home: Home, *, broker: str = "") -> AsyncIterator[Hub]:
    """The hub of this home in this process; nothing runs by itself."""
    settings = Settings(
        _env_file=None,
        home=home.folder / "home",
        region_overlay=home.folder / "overlay",
        database_url=home.server,
        broker_url=broker,
        log_level="error",
    )
    async with build(settings) as hub:
        yield hub


async def hand_in(hub: Hub, made: Referrals, number: int) -> None:
    """Together, as the door does."""
    source = hub.region.partner(SOURCE)
    assert source is not None
    bodies, now = made.bodies(number).values(), datetime.now(UTC)
    await asyncio.gather(*(hub.intake.receive(source, body, JSON, now) for body in bodies))


def rendered(claimed: Claimed) -> Rendered:
    content = claimed.id.encode()
    return Rendered(
        sealed=content,
        digest=sha256(content).digest(),
        media_type=JSON,
        at=datetime.now(UTC),
        secrecy_version=claimed.secrecy_version,
    )


async def costs(home: Home, referrals: int, counting: Counting) -> Bound:
    """Of taking referrals in, and of each step with what they lead to. Asserts one commit for each."""
    steps: list[int] = []

    def step() -> None:
        statements, commits = counting.taken()
        assert commits == 1
        steps.append(statements)

    async with opened(home) as hub:
        made = Referrals()
        await hand_in(hub, made, 1)  # what a process does once is no part of it
        await hub.dispatch.run_once()
        counting.taken()
        await hand_in(hub, made, referrals)
        step()
        claimed = await hub.store.claim(now=datetime.now(UTC), limit=1000)
        step()
        assert len(claimed) == RECIPIENTS * referrals
        await hub.store.keep_rendered([(one, rendered(one)) for one in claimed])
        step()
        arrived = [DeliveryOutcome(id=one.id, token=one.token, event="deliver") for one in claimed]
        assert all(await hub.store.finish(arrived, now=datetime.now(UTC)))
        step()
    return Bound(*steps)


def held(cost: Bound, bound: Bound) -> None:
    assert cost.accepted <= bound.accepted, cost
    assert cost.claimed <= bound.claimed, cost
    assert cost.kept <= bound.kept, cost
    assert cost.finished <= bound.finished, cost


@pytest.mark.parametrize("referrals", [1, 100])
async def test_on_sqlite(tmp_path: Path, counting: Counting, referrals: int) -> None:
    counting.of("statements", SqliteDb, "_execute")
    counting.of("commits", SqliteDb, "commit")
    async with open_home(tmp_path) as home:
        held(await costs(home, referrals, counting), SQLITE[referrals])


@pytest.mark.parametrize("referrals", [1, 100])
async def test_on_postgresql(tmp_path: Path, database_url: str, counting: Counting, referrals: int) -> None:
    counting.of("statements", psycopg.Cursor, "execute")
    counting.of("commits", PostgresDb, "commit")
    async with open_home(tmp_path, database_url) as home:
        held(await costs(home, referrals, counting), POSTGRES[referrals])


@pytest.mark.parametrize("referrals", [1, 100])
async def test_each_delivery_is_one_bell(tmp_path: Path, broker_url: str, counting: Counting, referrals: int) -> None:
    counting.of("published", Channel, "basic_publish")
    async with open_home(tmp_path) as home, opened(home, broker=broker_url) as hub:
        await hand_in(hub, Referrals(), referrals)
        health = hub.broker.health
        await until(lambda: health().rung == RECIPIENTS * referrals and not health().unconfirmed, "bells are confirmed")
    assert counting.calls["published"] == RECIPIENTS * referrals
