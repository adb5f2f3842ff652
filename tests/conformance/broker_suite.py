# SPDX-License-Identifier: EUPL-1.2
"""What every broker promises: bells reach a listener, carry identifiers only, and an absent listener hurts nobody.

Subclass it and give a `broker` fixture.
"""

from __future__ import annotations

import asyncio

from schakel.ports import Broker
from schakel.records import Bell


def bells(count: int) -> list[Bell]:
    return [Bell(delivery_id=f"delivery-{n}", recipient="vvt", number=n) for n in range(1, count + 1)]


class BrokerSuite:
    async def test_a_bell_is_heard_whole(self, broker: Broker) -> None:
        bell = Bell(delivery_id="0192f0c1-0000-7000-8000-000000000001", recipient="lokaal-team-delft", number=7)
        broker.ring([bell])
        assert list(await broker.listen(10, 5)) == [bell]

    async def test_a_bell_rung_while_somebody_listens_wakes_him(self, broker: Broker) -> None:
        listening = asyncio.create_task(broker.listen(10, 30))
        await asyncio.sleep(0)
        broker.ring(bells(1))
        assert list(await asyncio.wait_for(listening, 5)) == bells(1)

    async def test_no_more_than_the_limit_at_once_and_nothing_forgotten(self, broker: Broker) -> None:
        broker.ring(bells(5))
        heard: list[Bell] = []
        while len(heard) < 5:
            some = await broker.listen(2, 5)
            assert 1 <= len(some) <= 2
            heard.extend(some)
        assert sorted(heard, key=lambda bell: bell.number) == bells(5)

    async def test_silence_ends_after_the_wait(self, broker: Broker) -> None:
        assert list(await broker.listen(10, 0.02)) == []

    async def test_each_bell_wakes_one_of_the_listeners(self, broker: Broker) -> None:
        first, second = (asyncio.create_task(broker.listen(1, 5)) for _ in range(2))
        await asyncio.sleep(0)
        broker.ring(bells(2))
        heard = [*await first, *await second]
        assert sorted(heard, key=lambda bell: bell.number) == bells(2)

    async def test_what_is_done_with_is_taken_back_by_nobody(self, broker: Broker) -> None:
        broker.ring([*bells(3), *bells(3)])  # a bell may be rung twice
        heard: list[Bell] = []
        while len(heard) < 6:
            some = await broker.listen(10, 5)
            assert some
            heard.extend(some)
        await broker.done([heard[4], heard[1], *heard[2:4]])  # in any order
        await broker.done(heard)  # and again
        assert list(await broker.listen(10, 0.05)) == []

    async def test_it_tells_how_it_fares(self, broker: Broker) -> None:
        broker.ring(bells(2))
        assert len(await broker.listen(1, 5)) == 1
        assert broker.health().lost == 0
        assert broker.health().state in {"embedded", "connected"}

    async def test_ringing_for_nobody_or_after_the_end_does_not_raise(self, broker: Broker) -> None:
        broker.ring([])
        broker.ring(bells(3))
        await broker.aclose()
        broker.ring(bells(1))

    async def test_closing_wakes_who_listens(self, broker: Broker) -> None:
        listening = asyncio.create_task(broker.listen(1, 60))
        await asyncio.sleep(0)
        await broker.aclose()
        assert list(await asyncio.wait_for(listening, 5)) == []
