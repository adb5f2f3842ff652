# SPDX-License-Identifier: EUPL-1.2
"""Gathers what waits into one piece of work, without a timer: whoever comes while work is under way shares the next.

Alone, an item is served at once; under load, one group commit serves everyone who waits.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Batcher(Generic[T, R]):
    """Promises one result per item, in order; an exception of the work reaches every caller of that batch.

    A caller that goes away does not take its item back: what was handed over is done.
    """

    def __init__(self, work: Callable[[Sequence[T]], Awaitable[Sequence[R]]], *, most: int) -> None:
        self._work = work
        self._most = most
        self._waiting: deque[tuple[T, asyncio.Future[R]]] = deque()
        self._runner: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """Items that no work has taken yet."""
        return len(self._waiting)

    async def put(self, item: T) -> R:
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._runner is None or self._runner.done():
            self._runner = asyncio.create_task(self._run())
        return await future

    async def drain(self) -> None:
        """Returns when nothing waits any more."""
        while self._runner is not None and not self._runner.done():
            await asyncio.wait({self._runner})

    async def _run(self) -> None:
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
            try:
                results = await self._work([item for item, _ in batch])
            except asyncio.CancelledError:
                for _, future in batch + list(self._waiting):
                    future.cancel()
                self._waiting.clear()
                raise
            except Exception as error:
                for _, future in batch:
                    _settle(future, error)
            else:
                for (_, future), result in zip(batch, results, strict=True):
                    if not future.done():
                        future.set_result(result)


def _settle(future: asyncio.Future[R], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
        future.exception()  # seen: a caller that went away is no unraised error
