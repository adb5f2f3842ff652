# SPDX-License-Identifier: EUPL-1.2
"""A hub in parts that stands through all the faults of one file: api, two workers and a clock, made whole after each.

The faults of one file meet the same hub, one after the other, as they would in a year; so nothing starts anew for each.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx2

from tests.support.hub import Said, until
from tests.support.messages import Message, referral
from tests.support.parts import Parts, Running, open_parts
from tests.support.senders import ANSWERS_WITHIN, Senders, accounted, seeded

ASKED: Final = 1_500  # number of the first household that no sender of a load sends
PARTS: Final = {"api": 1, "worker": 2, "clock": 1}


@dataclass(slots=True)
class Standing:
    parts: Parts
    wanted: Mapping[str, int] = field(default_factory=lambda: dict(PARTS))
    running: dict[str, list[Running]] = field(default_factory=dict)
    said: list[Said] = field(default_factory=list)  # every 202 of its life
    seed: int = field(default_factory=seeded)
    _households: int = 1
    _asked: int = 0

    @property
    def api(self) -> Running:
        return self.running["api"][0]

    @property
    def workers(self) -> list[Running]:
        return self.running["worker"]

    @property
    def clocks(self) -> list[Running]:
        return self.running["clock"]

    def every(self) -> list[Running]:
        return [one for all_ in self.running.values() for one in all_]

    async def whole(self) -> None:
        """Starts what does not run; one by one, as a small machine starts five slowly."""
        for part, count in self.wanted.items():
            alive = [one for one in self.running.get(part, []) if one.child.returncode is None]
            new = [await self.parts.start(part) for _ in range(count - len(alive))]
            self.running[part] = [*alive, *new]

    async def fall(self) -> None:
        """Nothing runs any more."""
        await asyncio.gather(*(one.kill() for one in self.every()))

    def number(self) -> int:
        """Of a household of which nobody has sent anything yet, also while senders are busy."""
        self._asked += 1
        return ASKED + self._asked

    def household(self) -> Message:
        return referral(self.number())

    async def ask(self, message: Message) -> Said:
        """As a sender who is told, whatever it is."""
        headers = {"authorization": f"Bearer {self.parts.keys[message.source]}", "content-type": message.media_type}
        async with httpx2.AsyncClient(trust_env=False, timeout=ANSWERS_WITHIN) as client:
            answer = await client.post(f"{self.api.url}/v1/referrals", content=message.body, headers=headers)
        said = Said(message, answer.status_code, answer.json(), answer.headers.get("retry-after"))
        self.said += [said] if said.accepted else []
        return said

    @contextlib.asynccontextmanager
    async def under_load(self) -> AsyncIterator[Senders]:
        """Senders go on during the block; after it everything has arrived, or this fails."""
        async with Senders(self.parts, self.api.url, self.seed, first=self._households) as senders:
            try:
                yield senders
                await senders.enough()
            finally:
                self._households += senders.sent
                self.said += senders.said
        await self.accounted()

    async def accounted(self) -> dict[str, Any]:
        return await accounted(self.parts, self.said)

    async def arrivals(self, count: int) -> None:
        """Until so many more arrived."""
        wanted = self.journalled() + count
        await until(lambda: self.journalled() >= wanted, f"not {count} more arrive", self.parts.logs)

    def journalled(self) -> int:
        return sum(len(all_) for all_ in self.parts.recipients.journals().values())

    async def ready(self) -> tuple[int, dict[str, Any]]:
        async with httpx2.AsyncClient(trust_env=False, timeout=60) as client:
            answer = await client.get(f"{self.api.url}/readyz")
        return answer.status_code, answer.json()

    async def says(self, event: str, count: int = 1, *, of: Running | None = None) -> None:
        """Until the api (or another) has said so, so many times in its life."""
        who = of or self.api
        await until(lambda: len(who.said(event)) >= count, f"{who.name} never says {event}", self.parts.logs)


@contextlib.asynccontextmanager
async def stand(
    folder: Path, settings: Mapping[str, str], *, beside: Mapping[str, str] | None = None, **wanted: int
) -> AsyncIterator[Standing]:
    """`beside`: see tests/support/parts.py; `wanted`: how many of a part, where not as above."""
    async with open_parts(folder, settings, beside=beside) as parts:
        standing = Standing(parts, wanted=PARTS | wanted)
        print(f"SCHAKEL_TEST_SEED={standing.seed}")
        await standing.whole()
        yield standing
