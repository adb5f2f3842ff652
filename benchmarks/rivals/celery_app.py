# SPDX-License-Identifier: EUPL-1.2
"""The same work with Celery: a task per referral, acknowledged late, on a pool of threads.

::

    uvicorn benchmarks.rivals.celery_app:web
    celery --app benchmarks.rivals.celery_app worker --pool threads --concurrency 16
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import urllib3
from celery import Celery
from fastapi.concurrency import run_in_threadpool
from psycopg_pool import ConnectionPool

from benchmarks.rivals.door import door
from benchmarks.rivals.kept import CONNECTIONS, HEADERS, deliver, places

PLACES = places()
app = Celery("referrals", broker=PLACES.broker)
app.conf.update(
    broker_connection_retry_on_startup=True,
    broker_transport_options={"confirm_publish": True},
    broker_pool_limit=40,  # as many as the door has threads
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    worker_prefetch_multiplier=4,
)
database = ConnectionPool(PLACES.database, min_size=0, max_size=CONNECTIONS, kwargs={"autocommit": True}, open=False)
http = urllib3.PoolManager(maxsize=100, retries=False, timeout=10)


def post(url: str, body: bytes) -> int:
    return int(http.request("POST", url, body=body, headers=HEADERS).status)


@app.task(autoretry_for=(Exception,), retry_backoff=True, max_retries=None)
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
    app.close()


async def enqueue(number: int) -> None:
    await run_in_threadpool(hand_over.delay, number)


web = door(PLACES, enqueue, queue)
