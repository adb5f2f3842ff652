# SPDX-License-Identifier: EUPL-1.2
"""Senders who go on whatever the hub answers, and the proof afterwards: all that got a 202 arrived, and nothing else.

They behave as sources should: no answer, 503 and 507 mean send again; some send again although they had their answer;
some hand in what must be refused. What they do follows a seed, which `SCHAKEL_TEST_SEED` sets.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final, Self

import httpx2

from tests.support.hub import WITHIN, Said, until
from tests.support.messages import Message, referral
from tests.support.parts import Parts

SENDERS: Final = 3
PAUSE: Final = (0.1, 0.6)  # seconds between a sender's messages
BREATH: Final = 0.2  # seconds between two tries of who was not taken
TWICE: Final = 0.2  # of the messages are sent again although they had their answer
CONTRADICTS: Final = 0.1  # of them then with other content: 409
ANSWERS_WITHIN: Final = 45.0  # seconds; the hub promises to answer within thirty, and the machine may be busy
NOT_NOW: Final = (503, 507)


def seeded() -> int:
    return int(os.environ.get("SCHAKEL_TEST_SEED") or random.SystemRandom().randrange(2**32))


@dataclass(slots=True)
class Senders:
    """`async with`: they send from the first moment, to `url`, until `enough` or the end of the block."""

    parts: Parts
    url: str
    seed: int
    first: int = 1  # number of the first household
    place: str = "0518"
    said: list[Said] = field(default_factory=list)  # the 202s
    refused: list[Said] = field(default_factory=list)  # for good
    not_now: Counter[int] = field(default_factory=Counter)  # 503 and 507, by status
    unanswered: int = 0  # the connection broke
    longest: float = 0.0  # seconds that somebody waited for an answer
    wrong: list[str] = field(default_factory=list)  # answers that no sender should get
    _next: int = 0
    _enough: bool = False
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        plan = random.Random(self.seed)
        print(f"SCHAKEL_TEST_SEED={self.seed}: {SENDERS} senders, households from {self.first}")
        self._tasks = [asyncio.create_task(self._send(random.Random(plan.random()))) for _ in range(SENDERS)]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._enough = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def sent(self) -> int:
        """Households of which something was sent."""
        return self._next

    async def more(self, count: int) -> None:
        """Until so many more got a 202."""
        wanted = len(self.said) + count
        await until(lambda: len(self.said) >= wanted, f"not {count} more are taken: {self.told()}", self.parts.logs)

    async def refusals(self, count: int) -> None:
        """Until so many more heard that it is not now."""
        wanted = self.not_now.total() + count
        await until(
            lambda: self.not_now.total() >= wanted, f"not {count} more are refused: {self.told()}", self.parts.logs
        )

    async def enough(self) -> None:
        """Each gets his last answer, and stops."""
        self._enough = True
        await asyncio.wait_for(asyncio.gather(*self._tasks), 2 * WITHIN)
        assert not self.wrong, self.wrong
        print(self.told())

    def told(self) -> str:
        return (
            f"{self.sent} referrals, {len(self.said)} × 202, {len(self.refused)} refused, "
            f"not now {dict(self.not_now)}, {self.unanswered} without an answer, longest {self.longest:.1f} s"
        )

    # -- one sender

    async def _send(self, plan: random.Random) -> None:
        headers = {"authorization": f"Bearer {self.parts.keys['thv-pool']}"}
        async with httpx2.AsyncClient(headers=headers, trust_env=False, timeout=ANSWERS_WITHIN) as client:
            while not self._enough:
                message = referral(self.first + self._next, self.place)
                self._next += 1
                self.said.append(await self._until_taken(client, message, 202))
                if plan.random() < TWICE:
                    self.said.append(await self._until_taken(client, message, 202))
                if plan.random() < CONTRADICTS:
                    self.refused.append(await self._until_taken(client, contradicting(message), 409))
                await asyncio.sleep(plan.uniform(*PAUSE))

    async def _until_taken(self, client: httpx2.AsyncClient, message: Message, wanted: int) -> Said:
        while True:
            said = await self._attempt(client, message)
            if said is not None and said.status == wanted:
                return said
            if said is not None:
                self._judge(said)
            await asyncio.sleep(BREATH)

    def _judge(self, said: Said) -> None:
        if said.status not in NOT_NOW:
            self.wrong.append(f"{said.message.reference}: {said.status} {said.body}")
            raise AssertionError(self.wrong[-1])
        if said.retry_after is None:
            self.wrong.append(f"{said.status} without Retry-After")
        self.not_now[said.status] += 1

    async def _attempt(self, client: httpx2.AsyncClient, message: Message) -> Said | None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            answer = await client.post(
                f"{self.url}/v1/referrals", content=message.body, headers={"content-type": message.media_type}
            )
        except httpx2.TimeoutException:
            self.wrong.append(f"{message.reference}: no answer within {ANSWERS_WITHIN:g} s")
            raise
        except httpx2.TransportError:
            self.unanswered += 1
            return None
        finally:
            self.longest = max(self.longest, loop.time() - began)
        return Said(message, answer.status_code, answer.json(), answer.headers.get("retry-after"))


def contradicting(message: Message) -> Message:
    """The same reference with other content: never to be taken."""
    body = message.body.replace(b"Proefstraat", b"Andere Proefstraat")
    assert body != message.body
    return Message(message.source, message.reference, message.media_type, body)


# -- the proof


async def accounted(parts: Parts, said: list[Said]) -> dict[str, Any]:
    """Everything that got a 202 arrived and nothing else did, under one id, in one form; and the accountant finds
    nothing. `said`: every 202 since the hub began. The counts of the accountant."""
    await heal(parts)
    await parts.drained()
    await parts.linked()
    ids: dict[str, set[str]] = {}
    for one in said:
        ids.setdefault(one.message.reference, set()).add(one.body["id"])
    assert all(len(each) == 1 for each in ids.values()), "a message has two ids"
    promised, came = promised_by(parts, said), arrived(parts)
    assert came == promised, f"not arrived {promised - came}, arrived and not promised {came - promised}"
    assert parts.recipients.faults() == []
    report = await parts.run("verify")
    assert report["ok"], report
    counts: dict[str, Any] = report["counts"]
    assert {name: counts[name] for name in ("lost", "duplicated", "misordered", "numberGaps")} == {
        "lost": 0, "duplicated": 0, "misordered": 0, "numberGaps": 0,
    }  # fmt: skip
    assert counts["accepted"] == len(ids)
    return counts


async def heal(parts: Parts) -> None:
    """What was being sent at three deaths of a worker waits for a person, who finds nothing wrong with it."""
    for row in await parts.run("parked", "list"):
        if row["cause"] != "poison-delivery":
            continue  # came so that a person has something to look at
        reason = "de hub viel drie keer om; niets mis met de bezorging"
        await parts.run("parked", "retry", row["id"], "--by", "A. de Tester", "--reason", reason)


def promised_by(parts: Parts, said: list[Said]) -> set[tuple[str, str]]:
    """(recipient, message id) for everything that a 202 said would be delivered."""
    partners = {one.name: one.id for one in parts.books.region.partners}
    return {
        (partners[notice["recipient"]], one.body["id"])
        for one in said
        for notice in one.body["recipients"]
        if notice["outcome"] == "deliver"
    }


def arrived(parts: Parts) -> set[tuple[str, str]]:
    return {(partner, one.message) for partner, all_ in parts.recipients.journals().items() for one in all_}
