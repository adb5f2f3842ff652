# SPDX-License-Identifier: EUPL-1.2
"""Lives of a hub whose processes are killed at random moments, by a plan that a seed makes; accounts on the way.

One cycle: referrals flow, one of the processes gets SIGKILL at a moment of the plan, and is started again. Senders
behave as senders do: no answer means send again, and some send twice although they had an answer. Recipients fail now
and then.
Each cycle the journals are looked through; every so many cycles the stream stands still until all has arrived, and
`verify` and the journals are held against what was promised.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import signal
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx2

from schakel.demo.signature import Verifier
from schakel.verify import VerifyReport, verify
from schakel.webhook_secrets import new_secret, read_text
from tests.support import nursery
from tests.support.messages import PLACES, Message, referral
from tests.support.parts import Parts, open_parts

PATIENCE: Final = 180.0  # seconds in which anything waited for must have happened
LOOK_EVERY: Final = 0.02  # seconds
SENDERS: Final = 4
PAUSE: Final = (0.0, 0.1)  # seconds between a sender's messages
BREATH: Final = 0.05  # seconds between two tries of a sender who got no answer
TWICE: Final = 0.15  # of the messages are sent again although they had their answer
REFUSED: Final = 0.1  # of the arrivals
ANSWERS: Final = (0, 4)  # that senders get between a start and the next kill
MOMENTS: Final = (0.0, 0.004, 0.02, 0.08, 0.15)  # seconds from then to the kill: up to one of these
CLOCK: Final = 0.25  # as often killed as another
MORE: Final = 3  # messages that are on their way when the kill comes, or wait for whoever is started again
WEBHOOKS: Final = tuple(sorted(set(PLACES) - {"0503"}))  # municipalities whose teams have one
HEAL: Final = ("--by", "A. de Tester", "--reason", "de hub viel drie keer om; niets mis met de bezorging")


@dataclass(frozen=True, slots=True)
class Shape:
    """How a hub is run: its processes, by the command of each."""

    name: str
    parts: tuple[str, ...]
    servers: bool = False  # PostgreSQL and RabbitMQ; else SQLite and no broker

    @property
    def fault(self) -> str:
        """Its name in the table."""
        return f"kill -9 at random moments: {self.name}"


ALL_IN_ONE: Final = Shape("all in one process, on SQLite", ("serve",))
IN_PARTS: Final = Shape("api, worker and clock, on SQLite", ("api", "worker", "clock"))
ON_SERVERS: Final = Shape(
    "api, two workers and clock, on PostgreSQL and RabbitMQ", ("api", "worker", "worker", "clock"), True
)


@dataclass(frozen=True, slots=True)
class Kill:
    """One cycle of a plan: which process, after how many answers and how many seconds more."""

    victim: int
    answers: int
    moment: float


def plan_of(shape: Shape, seed: str, cycles: int) -> list[Kill]:
    plan = random.Random(f"{seed} {shape.name}")
    weights = [CLOCK if part == "clock" else 1.0 for part in shape.parts]
    return [
        Kill(victim, plan.randint(*ANSWERS), round(plan.uniform(0.0, plan.choice(MOMENTS)), 4))
        for victim in plan.choices(range(len(shape.parts)), weights, k=cycles)
    ]


@dataclass(slots=True)
class Seen:
    """What happened in one life, or in many together."""

    kills: dict[str, int] = field(default_factory=dict)
    referrals: int = 0
    answers: int = 0
    cut_off: int = 0  # of the sends that got no answer
    arrivals: int = 0
    repeats: int = 0  # arrivals of what the recipient had already, under the same id in the same bytes
    released: int = 0  # that a person sent on after three crashes
    checks: int = 0
    seconds: float = 0.0

    @property
    def cycles(self) -> int:
        return sum(self.kills.values())

    def add(self, other: Seen) -> None:
        for part, count in other.kills.items():
            self.kills[part] = self.kills.get(part, 0) + count
        for name in ("referrals", "answers", "cut_off", "arrivals", "repeats", "released", "checks", "seconds"):
            setattr(self, name, getattr(self, name) + getattr(other, name))


@dataclass(slots=True)
class Child:
    """One process of the hub."""

    part: str
    process: nursery.Forked
    log: Path
    url: str = ""

    def text(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""

    def ready(self) -> bool:
        for line in self.text().splitlines(keepends=True):
            if not line.endswith("\n"):
                return False
            if line.startswith("listens on "):
                self.url = line.split()[2]
                return True
            if line.startswith("runs as "):
                return True
        return False


@dataclass(slots=True)
class Journals:
    """What recipients wrote down, read on from where it was read before."""

    folder: Path
    arrived: set[tuple[str, str]] = field(default_factory=set)
    count: int = 0
    _bytes: dict[tuple[str, str], str] = field(default_factory=dict)  # (recipient, delivery) → digest
    _ids: dict[tuple[str, str], str] = field(default_factory=dict)  # (recipient, message) → delivery
    _read: dict[Path, int] = field(default_factory=dict)

    @property
    def repeats(self) -> int:
        return self.count - len(self._bytes)

    def look(self) -> None:
        """Fails when one id came with other bytes, or one message under two ids."""
        for path in sorted(self.folder.glob("*.jsonl")):
            with path.open("rb") as file:
                file.seek(self._read.get(path, 0))
                new = file.read()
            whole = new[: new.rfind(b"\n") + 1]
            self._read[path] = self._read.get(path, 0) + len(whole)
            for line in whole.splitlines():
                self._note(path.stem, json.loads(line))

    def _note(self, partner: str, line: Mapping[str, Any]) -> None:
        delivery, message, digest = line["id"], line["message"], line["digest"]
        assert self._bytes.setdefault((partner, delivery), digest) == digest, f"{partner}: {delivery}: other bytes"
        assert self._ids.setdefault((partner, message), delivery) == delivery, f"{partner}: {message}: two ids"
        self.arrived.add((partner, message))
        self.count += 1


class Life:
    """One hub from its first start to its last account."""

    def __init__(self, shape: Shape, parts: Parts, plan: random.Random) -> None:
        self.shape = shape
        self.seen = Seen()
        self._parts = parts
        self._plan = plan
        self._children: list[Child | None] = [None] * len(shape.parts)
        self._started = 0
        self._count = 0
        self._again: list[Message] = []
        self._ids: dict[str, str] = {}  # message reference → the id of its 202
        self._promised: set[tuple[str, str]] = set()
        self._names = {one.name: one.id for one in parts.books.region.partners}
        self._journals = Journals(parts.recipients.folder)
        self._given = asyncio.Semaphore(0)  # messages that may be sent
        self._owed = 0  # of these without an answer so far

    # -- cycles

    async def run(self, kills: list[Kill], *, every: int) -> None:
        """Lives through the plan; takes account every so many kills and at the end."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        await asyncio.gather(*(self._start(place) for place in range(len(self.shape.parts))))
        senders = [asyncio.create_task(self._send()) for _ in range(SENDERS)]
        try:
            for number, kill in enumerate(kills, start=1):
                await self._cycle(kill, senders)
                self._journals.look()
                if number % every == 0 or number == len(kills):
                    await self._account()
            assert self.seen.cut_off > 0 or self.seen.cycles < 20  # the kills were felt
        finally:
            for task in senders:
                task.cancel()
            await asyncio.gather(*senders, return_exceptions=True)
            self.seen.seconds = loop.time() - began
            self.seen.referrals, self.seen.arrivals = len(self._ids), self._journals.count
            self.seen.repeats = self._journals.repeats

    async def _cycle(self, kill: Kill, senders: list[asyncio.Task[None]]) -> None:
        wanted = self.seen.answers + kill.answers
        for _ in range(kill.answers + MORE):
            self._owed += 1
            self._given.release()
        await self._until(lambda: self.seen.answers >= wanted, "the senders get no answers", senders)
        await asyncio.sleep(kill.moment)
        child = self._children[kill.victim]
        assert child is not None
        self._children[kill.victim] = None
        child.process.kill()
        assert await child.process.wait() == -signal.SIGKILL, child.text()
        self.seen.kills[child.part] = self.seen.kills.get(child.part, 0) + 1
        await self._start(kill.victim)

    async def _start(self, place: int) -> None:
        part = self.shape.parts[place]
        self._started += 1
        log = self._parts.folder / f"{part}-{self._started}.log"
        child = Child(part, await nursery.fork([part], self._parts.environment(), log, log), log)
        await self._until(child.ready, f"{part} does not start")
        self._children[place] = child

    async def fall(self) -> None:
        """Nothing runs any more."""
        for child in filter(None, self._children):
            child.process.kill()
            await child.process.wait()

    # -- senders

    def _door(self) -> str:
        return next((one.url for one in self._children if one is not None and one.url), "")

    async def _send(self) -> None:
        async with httpx2.AsyncClient(
            headers={"authorization": f"Bearer {self._parts.keys['thv-pool']}"}, trust_env=False, timeout=30
        ) as client:
            while True:
                await self._given.acquire()
                await self._hand_in(client, self._next())
                self._owed -= 1
                await asyncio.sleep(self._plan.uniform(*PAUSE))

    def _next(self) -> Message:
        if self._again:
            return self._again.pop()
        self._count += 1
        message = referral(self._count, self._plan.choice(WEBHOOKS))
        if self._plan.random() < TWICE:
            self._again.append(message)
        return message

    async def _hand_in(self, client: httpx2.AsyncClient, message: Message) -> None:
        """Again until it is taken; each 202 is a promise."""
        while True:
            url = self._door()
            if url:
                try:
                    answer = await client.post(
                        f"{url}/v1/referrals", content=message.body, headers={"content-type": message.media_type}
                    )
                except httpx2.TransportError:
                    self.seen.cut_off += 1
                else:
                    assert answer.status_code in (202, 503), answer.text
                    if answer.status_code == 202:
                        self._promise(message, answer.json())
                        return
            await asyncio.sleep(BREATH)

    def _promise(self, message: Message, said: Mapping[str, Any]) -> None:
        self.seen.answers += 1
        known = self._ids.setdefault(message.reference, said["id"])
        assert known == said["id"], "one message under two ids"
        self._promised |= {
            (self._names[one["recipient"]], said["id"]) for one in said["recipients"] if one["outcome"] == "deliver"
        }

    # -- the account

    async def _account(self) -> None:
        """The stream stands still; when all has arrived, nothing may be missing, doubled, out of order or silent."""
        await self._until(lambda: self._owed == 0, "a sender gets no answer")
        await self._heal_until_drained()
        await self._told()
        self._journals.look()
        assert self._journals.arrived == self._promised, self._journals.arrived ^ self._promised
        assert self._parts.recipients.rejected == []
        report = await asyncio.to_thread(self._verified)
        assert report.ok, report.to_json()
        assert report.counts["accepted"] == len(self._ids)
        assert report.counts["delivered"] == len(self._promised)
        self.seen.checks += 1

    async def _heal_until_drained(self) -> None:
        """What was under way at three kills waits for a person, who finds nothing wrong with it."""

        async def over() -> bool:
            backlog = await self._parts.books.store.backlog(now=datetime.now(UTC))
            if any(one.parked for one in backlog.queues):
                for row in await self._parts.run("parked", "list"):
                    assert row["cause"] == "poison-delivery", row
                    await self._parts.run("parked", "retry", row["id"], *HEAL)
                    self.seen.released += 1
                return False
            return all(one.waiting == 0 for one in backlog.queues)

        await self._until(over, "deliveries are still under way")

    async def _told(self) -> None:
        async def over() -> bool:
            backlog = await self._parts.books.store.backlog(now=datetime.now(UTC))
            return backlog.audit_unlinked == 0 and backlog.alarms_undelivered == 0

        await self._until(over, "the audit is not in its chain, or an alarm has reached nobody")

    def _verified(self) -> VerifyReport:
        books = self._parts.books
        return verify(books.settings.database, now=datetime.now(UTC), check=books.vault.checkpoint_signer().check)

    async def _until(self, condition: Any, what: str, others: list[asyncio.Task[None]] | None = None) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + PATIENCE
        while loop.time() < end:
            holds = condition()
            if await holds if asyncio.iscoroutine(holds) else holds:
                return
            for task in others or ():
                if task.done():
                    task.result()
            await asyncio.sleep(LOOK_EVERY)
        raise AssertionError(f"after {PATIENCE} s: {what}\n{self._last_words()}")

    def _last_words(self) -> str:
        return "\n".join(f"== {one.log.name}\n{one.text()[-4000:]}" for one in self._children if one is not None)


@contextlib.asynccontextmanager
async def open_life(shape: Shape, folder: Path, seed: str, settings: Mapping[str, str]) -> AsyncIterator[Life]:
    """A new hub in a new folder; `settings` name its database and broker when it runs on servers."""
    plan = random.Random(f"{seed} the stream")
    async with open_parts(folder, settings) as parts:
        await _secrets(parts)

        async def moody(partner: str) -> int:
            await asyncio.sleep(plan.uniform(0, 0.02))
            return 503 if plan.random() < REFUSED else 204

        parts.recipients.behave = moody
        life = Life(shape, parts, plan)
        try:
            yield life
        finally:
            await life.fall()


async def _secrets(parts: Parts) -> None:
    """For everybody who takes webhooks."""
    books, now = parts.books, datetime.now(UTC)
    for partner in books.region.partners:
        if partner.receives and partner.receives.channel == "webhook" and partner.id not in parts.recipients.verifiers:
            text, secret = new_secret(partner.id, "v1", vault=books.vault, now=now)
            await books.store.add_secret(secret)
            parts.recipients.verifiers[partner.id] = Verifier(secrets=(read_text(text),))
