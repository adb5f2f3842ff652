# SPDX-License-Identifier: EUPL-1.2
"""Whether the workers of a hub that stands hear the bells of its RabbitMQ, asked of the server itself."""

from __future__ import annotations

import contextlib

import pika
import pika.exceptions

from broker.topology import queue_name
from tests.faults.standing import Standing
from tests.support.hub import until
from tests.support.private import Rabbit


async def heard(hub: Standing, rabbit: Rabbit) -> None:
    """Until each worker listens, whichever connection it has now."""
    await until(lambda: listeners(hub, rabbit) == len(hub.workers), "nobody hears the bells", hub.parts.logs)


def listeners(hub: Standing, rabbit: Rabbit) -> int:
    """Of the queue of somebody who gets everything that is sent here; 0: it is not there, or not yet again."""
    try:
        with contextlib.closing(pika.BlockingConnection(pika.URLParameters(rabbit.url))) as connection:
            queue = queue_name("vvt", hub.parts.books.vault.blind)
            return int(connection.channel().queue_declare(queue, passive=True).method.consumer_count)
    except pika.exceptions.AMQPError:
        return 0
