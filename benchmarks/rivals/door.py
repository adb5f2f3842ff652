# SPDX-License-Identifier: EUPL-1.2
"""The door of every Python rival: FastAPI maps, keeps it in PostgreSQL, hands it to the queue, answers 202."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import asyncpg
from fastapi import FastAPI, Request, Response

from benchmarks.rivals.kept import CONNECTIONS, CREATE, KEEP, Places, mapped


async def _as_it_is(_: object) -> None:
    """Nobody here leaves anything behind in a session, so a connection need not be reset each time it is given back."""


def pool(database: str) -> asyncpg.Pool:
    return asyncpg.create_pool(database, min_size=CONNECTIONS, max_size=CONNECTIONS, reset=_as_it_is)


Enqueue = Callable[[int], Awaitable[object]]  # returns when the broker has confirmed


def door(places: Places, enqueue: Enqueue, queue: Callable[[], AbstractAsyncContextManager[object]]) -> FastAPI:
    """`queue`: the connection to the broker, open as long as the door is."""
    pools: list[asyncpg.Pool] = []

    @asynccontextmanager
    async def opened(_: FastAPI) -> AsyncIterator[None]:
        async with pool(places.database) as database, queue():
            await database.execute(CREATE)
            pools.append(database)
            yield

    app = FastAPI(openapi_url=None, lifespan=opened)

    @app.post("/referrals")
    async def hand_in(request: Request) -> Response:
        body = await request.body()
        try:
            document = mapped(body, places.books)
        except (ValueError, KeyError, TypeError):
            return Response(status_code=422)
        number = await pools[0].fetchval(KEEP, body, document)
        await enqueue(number)
        return Response(b'{"id":%d}' % number, status_code=202, media_type="application/json")

    return app
