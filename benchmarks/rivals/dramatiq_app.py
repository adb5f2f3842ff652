# SPDX-License-Identifier: EUPL-1.2
"""The same work with Dramatiq: an actor per referral, acknowledged when it is done.

::

    uvicorn benchmarks.rivals.dramatiq_app:web
    dramatiq benchmarks.rivals.dramatiq_app --processes 1 --threads 16
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import dramatiq
import urllib3
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from fastapi.concurrency import run_in_threadpool
from psycopg_pool import ConnectionPool

from benchmarks.rivals.door import door
from benchmarks.rivals.kept import CONNECTIONS, HEADERS, deliver, places

PLACES = places()
broker = RabbitmqBroker(url=PLACES.broker, confirm_delivery=True)
dramatiq.set_broker(broker)
database = ConnectionPool(PLACES.database, min_size=0, max_size=CONNECTIONS, kwargs={"autocommit": True}, open=False)
http = urllib3.PoolManager(maxsize=100, retries=False, timeout=10)


def post(url: str, body: bytes) -> int:
    return int(http.request("POST", url, body=body, headers=HEADERS).status)


@dramatiq.actor(max_retries=None)
def hand_over(number: int) -> None:
    database.open()
    with database.connection() as connection:
        row = connection.execute("SELECT document FROM referral WHERE id = %s", (number,)).fetchone()
    assert row is not None
    deliver(row[0], PLACES.webhooks, post)
    with database.connection() as connection:
        connection.execute("UPDATE referral SET delivered_at = now() WHERE id = %s", (number,))


@asynccontextmanager
async def queue() -> AsyncIterator[None]:
    yield
    broker.close()


async def enqueue(number: int) -> None:
    await run_in_threadpool(hand_over.send, number)


web = door(PLACES, enqueue, queue)
