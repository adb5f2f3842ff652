# SPDX-License-Identifier: EUPL-1.2
"""Whoever comes while work is under way shares the next batch; results and failures go to whom they belong."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from schakel.batching import Batcher


async def test_who_waits_is_served_together_and_in_order() -> None:
    batches: list[list[int]] = []
    begun = asyncio.Event()
    gate = asyncio.Event()

    async def work(items: Sequence[int]) -> list[int]:
        batches.append(list(items))
        begun.set()
        await gate.wait()
        return [item * 10 for item in items]

    batcher = Batcher[int, int](work, most=3)
    first = asyncio.create_task(batcher.put(1))
    await begun.wait()
    rest = [asyncio.create_task(batcher.put(n)) for n in (2, 3, 4, 5)]
    await asyncio.sleep(0)
    assert batcher.waiting == 4
    gate.set()
    assert await first == 10
    assert await asyncio.gather(*rest) == [20, 30, 40, 50]
    assert batches == [[1], [2, 3, 4], [5]]


async def test_a_failure_reaches_its_own_batch_only() -> None:
    async def work(items: Sequence[int]) -> list[int]:
        if 1 in items:
            raise RuntimeError("no")
        return list(items)

    batcher = Batcher[int, int](work, most=1)
    results = await asyncio.gather(batcher.put(1), batcher.put(2), return_exceptions=True)
    assert isinstance(results[0], RuntimeError)
    assert results[1] == 2


async def test_a_caller_that_goes_away_does_not_take_its_item_back() -> None:
    done: list[int] = []
    gate = asyncio.Event()

    async def work(items: Sequence[int]) -> list[int]:
        await gate.wait()
        done.extend(items)
        return list(items)

    batcher = Batcher[int, int](work, most=10)
    gone = asyncio.create_task(batcher.put(1))
    await asyncio.sleep(0)
    gone.cancel()
    gate.set()
    await batcher.drain()
    assert done == [1]
    assert await batcher.put(2) == 2
