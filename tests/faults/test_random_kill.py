# SPDX-License-Identifier: EUPL-1.2
"""Kills the hub at random moments under a stream of referrals, again and again; at the end nothing is missing.

Senders behave as senders do: no answer means send again, and some send twice although they had an answer. Recipients
fail now and then. The seed is printed; `SCHAKEL_TEST_SEED` plays the same plan again.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from tests.support.hub import LEASE, Home, Process, Said, open_home, until
from tests.support.messages import PLACES, Message, referral
from tests.support.recipients import takes

pytestmark = pytest.mark.slow

KILLS: Final = 6
SENDERS: Final = 8
ANSWERS: Final = (1, 16)  # that a life of the hub gives before the kill
MOMENT: Final = (0.0, 0.1)  # seconds from that answer to the kill
PAUSE: Final = (0.0, 0.1)  # seconds between a sender's messages
BREATH: Final = 0.05  # seconds between two tries of a sender who got no answer
TWICE: Final = 0.2  # of the messages are sent again although they had their answer
REFUSED: Final = 0.1  # of the arrivals
HEAL: Final = ("--by", "A. de Tester", "--reason", "de hub viel drie keer om; niets mis met de bezorging")


@dataclass(slots=True)
class Stream:
    """Senders that go on while the hub comes and goes, until they are told that it is enough."""

    home: Home
    plan: random.Random
    process: Process | None = None  # None: the hub is down
    enough: bool = False
    count: int = 0
    again: list[Message] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)
    under_way: int = 0  # asked of a hub that is up, and not answered yet
    unanswered: int = 0  # by a hub that took the connection

    async def send(self) -> None:
        while not self.enough:
            message = self.next()
            said = await self.answered(message)
            assert said.accepted, said
            self.said.append(said)
            await asyncio.sleep(self.plan.uniform(*PAUSE))

    async def answered(self, message: Message) -> Said:
        """Sends until an answer comes."""
        while True:
            said = await self.attempt(message)
            if said is not None:
                return said
            await asyncio.sleep(BREATH)

    async def answers(self, count: int) -> None:
        """Until so many more have come."""
        wanted = len(self.said) + count
        await until(lambda: len(self.said) >= wanted, "the senders get no answers", self.home.log)

    def next(self) -> Message:
        if self.again:
            return self.again.pop()
        self.count += 1
        message = referral(self.count, self.plan.choice(sorted(PLACES)))
        if self.plan.random() < TWICE:
            self.again.append(message)
        return message

    async def attempt(self, message: Message) -> Said | None:
        """None: no answer, or one that promises nothing."""
        if self.process is None:
            return None
        self.under_way += 1
        try:
            said = await self.process.hand_in(message)
        finally:
            self.under_way -= 1
        self.unanswered += said is None
        return None if said is None or said.status == 503 else said


@pytest.mark.fault("kill -9 at random moments: all in one process, on SQLite")
async def test_nothing_is_lost_under_random_kills(tmp_path: Path) -> None:
    seed = int(os.environ.get("SCHAKEL_TEST_SEED") or random.SystemRandom().randrange(2**32))
    plan = random.Random(seed)
    lives = [(plan.randint(*ANSWERS), plan.uniform(*MOMENT)) for _ in range(KILLS)]
    print(f"SCHAKEL_TEST_SEED={seed}: kills after", *(f"{answers} answers + {s:.3f} s," for answers, s in lives))

    async with open_home(tmp_path) as home:

        async def moody(partner: str) -> int:
            await asyncio.sleep(plan.uniform(0, 0.03))
            return 503 if plan.random() < REFUSED else 204

        home.recipients.behave = moody
        stream = Stream(home, plan)
        sending = [asyncio.create_task(stream.send()) for _ in range(SENDERS)]
        try:
            for answers, moment in lives:
                stream.process = process = await home.start()
                await stream.answers(answers)
                await asyncio.sleep(moment)
                await until(lambda: stream.under_way > 1, "nobody asks anything", home.log)  # so the kill is felt
                stream.process = None
                await process.kill()
                assert await process.died() == -signal.SIGKILL
                home.later += LEASE  # what the dead process held is free when the next one looks
            home.recipients.behave = takes
            stream.process = last = await home.start()
            await stream.answers(ANSWERS[1])
            stream.enough = True
            await asyncio.gather(*sending)
        finally:
            for task in sending:
                task.cancel()
            await asyncio.gather(*sending, return_exceptions=True)
        await heal(home)
        await home.drained(last)
        await nothing_is_missing(stream)
        await home.told()
        await last.end()
        report = await home.json("verify")
        assert report["ok"], report
        assert report["counts"]["lost"] == 0
        print(f"{stream.count} referrals, {len(stream.said)} answers, {stream.unanswered} cut off")


async def heal(home: Home) -> None:
    """What was being sent at three kills waits for a person, who finds nothing wrong with it."""
    for row in await home.json("parked", "list"):
        assert row["cause"] == "poison-delivery"
        assert (await home.run("parked", "retry", row["id"], *HEAL))[0] == 0


async def nothing_is_missing(stream: Stream) -> None:
    home = stream.home
    ids: dict[str, set[str]] = {}
    for one in stream.said:
        ids.setdefault(one.message.reference, set()).add(one.body["id"])
    assert stream.unanswered > 0  # the kills were felt
    assert len(stream.said) > stream.count > KILLS  # some were sent twice
    assert len(ids) == stream.count
    assert all(len(each) == 1 for each in ids.values())  # each message is one, however often it was sent
    assert home.promised(stream.said) == home.arrived()
    assert len(home.arrived()) == 2 * stream.count
    assert home.count("SELECT count(*) FROM message") == stream.count
    assert home.recipients.faults() == []
