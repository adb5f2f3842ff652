# SPDX-License-Identifier: EUPL-1.2
"""Declares exchange and queues on a channel, one after the other: harmless when they are there, so done each time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from broker.topology import EXCHANGE, QUEUE_ARGUMENTS
from schakel.log import Log

MEND_AFTER: Final = 1.0  # seconds between a queue's end and its new beginning: whoever consumed it must have heard of
# the end by then. RabbitMQ 3.10 leaves a consumer that has not without bells and without a word, for ever.
GONE: Final = 404  # reply code: nothing of that name
DIFFERS: Final = 406  # reply code: a queue of that name exists, made otherwise


class Declaring:
    """What an administrator made otherwise is used as it is, and said in the log: a hub does not fight over it."""

    def __init__(self, queues: Sequence[str], log: Log) -> None:
        self._queues = queues
        self._log = log
        self._as_they_are: set[str] = set()

    def all(self, channel: Any, then: Callable[[], None]) -> None:
        channel.add_on_close_callback(lambda _channel, reason: self.learn(reason))
        channel.exchange_declare(
            EXCHANGE, exchange_type="direct", durable=True, callback=lambda _: self._rest(channel, self._queues, then)
        )

    def one(self, channel: Any, queue: str, then: Callable[[], None]) -> None:
        known = queue in self._as_they_are
        channel.queue_declare(
            queue,
            passive=known,
            durable=True,
            arguments=None if known else dict(QUEUE_ARGUMENTS),
            callback=lambda _: channel.queue_bind(queue, EXCHANGE, routing_key=queue, callback=lambda _: then()),
        )

    def again(self, channel: Any, queue: str, then: Callable[[], None]) -> None:
        """A queue that was there a moment ago."""

        def still() -> None:
            if channel.is_open:
                self.one(channel, queue, then)

        channel.connection.ioloop.call_later(MEND_AFTER, still)

    def _rest(self, channel: Any, queues: Sequence[str], then: Callable[[], None]) -> None:
        if queues:
            self.one(channel, queues[0], partial(self._rest, channel, queues[1:], then))
        else:
            then()

    def learn(self, reason: Any) -> None:
        """The server closes a channel on which a declaration went wrong; the next one takes the queue as it is."""
        code = getattr(reason, "reply_code", None)
        named = [queue for queue in self._queues if f"'{queue}'" in str(getattr(reason, "reply_text", ""))]
        if code == DIFFERS and named:
            self._as_they_are.update(named)
            self._log.warning("broker.queue-differs", count=len(self._as_they_are))
        elif code == GONE:
            self._as_they_are.difference_update(named)
