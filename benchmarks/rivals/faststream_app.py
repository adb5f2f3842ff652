# SPDX-License-Identifier: EUPL-1.2
"""The same work with FastStream: a subscriber that takes many messages at once on one event loop.

::

    uvicorn benchmarks.rivals.faststream_app:web
    faststream run benchmarks.rivals.faststream_app:app
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import aiohttp
from faststream import AckPolicy, Context, ContextRepo, FastStream
from faststream.rabbit import Channel, RabbitBroker, RabbitQueue

from benchmarks.rivals.door import door, pool
from benchmarks.rivals.kept import HEADERS, places

PLACES = places()
QUEUE = RabbitQueue("referrals", durable=True)
Kept = Annotated[Any, Context("database")]
Http = Annotated[Any, Context("http")]
broker = RabbitBroker(PLACES.broker, logger=None, default_channel=Channel(prefetch_count=100))


@asynccontextmanager
async def lifespan(context: ContextRepo) -> AsyncIterator[None]:
    async with (
        pool(PLACES.database) as database,
        aiohttp.ClientSession(headers=HEADERS, timeout=aiohttp.ClientTimeout(10)) as http,
    ):
        context.set_global("database", database)
        context.set_global("http", http)
        yield


@broker.subscriber(QUEUE, ack_policy=AckPolicy.NACK_ON_ERROR)
async def hand_over(number: int, database: Kept, http: Http) -> None:
    document = await database.fetchval("SELECT document FROM referral WHERE id = $1", number)

    async def post(url: str) -> None:
        async with http.post(url, data=document) as answer:
            answer.raise_for_status()

    await asyncio.gather(*map(post, PLACES.webhooks))
    await database.execute("UPDATE referral SET delivered_at = now() WHERE id = $1", number)


async def enqueue(number: int) -> None:
    await broker.publish(number, QUEUE, persist=True)


@asynccontextmanager
async def queue() -> AsyncIterator[None]:
    async with broker:
        await broker.declare_queue(QUEUE)  # what is published to a queue that is not there is lost without a word
        yield


app = FastStream(broker, lifespan=lifespan, logger=None)
web = door(PLACES, enqueue, queue)
