# SPDX-License-Identifier: EUPL-1.2
"""Consumes bells on a channel and hands them over in batches; acknowledges many at once when they are done with.

`heard`, `take` and `done` are for the event loop; everything else runs in the connection's own thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from broker.declaring import Declaring
from broker.receipts import Receipts
from broker.topology import decode
from schakel.log import Log
from schakel.records import Bell


class Hearing:
    name = "listen"

    def __init__(
        self,
        *,
        queues: Mapping[str, str],
        declaring: Declaring,
        prefetch: int,
        wake: Callable[[], None],
        log: Log,
    ) -> None:
        """`wake`: thread-safe; called for each bell, so it must cost next to nothing when a wake is under way."""
        self._recipients = {queue: recipient for recipient, queue in queues.items()}
        self._declaring = declaring
        self._prefetch = prefetch
        self._wake = wake
        self._log = log
        self._round = 0  # of connections: tags of an earlier one mean nothing on this one
        self._receipts = Receipts()
        self._channel: Any = None
        self.heard: deque[tuple[int, int, Bell]] = deque()  # round, tag, bell
        self._in_hand: dict[Bell, list[tuple[int, int]]] = {}
        self._finished: deque[tuple[int, int]] = deque()
        self._asked = False  # somebody has asked to acknowledge, and that has not begun

    # -- for the event loop

    def take(self, limit: int) -> tuple[Bell, ...]:
        taken: list[Bell] = []
        while len(taken) < limit and self.heard:
            try:
                number, tag, bell = self.heard.popleft()
            except IndexError:  # a new connection began: it hears them again
                break
            self._in_hand.setdefault(bell, []).append((number, tag))
            taken.append(bell)
        return tuple(taken)

    def done(self, bells: Sequence[Bell]) -> bool:
        """True: ask the connection's thread to acknowledge."""
        for bell in bells:
            places = self._in_hand.get(bell)
            if places:
                self._finished.append(places.pop(0))
                if not places:
                    del self._in_hand[bell]
        asked, self._asked = self._asked, True
        return not asked

    # -- in the connection's thread

    def begin(self, channel: Any, ready: Callable[[], None]) -> None:
        self._channel = channel
        self._round += 1
        self._receipts = Receipts()
        self._asked = False
        self.heard.clear()
        channel.add_on_cancel_callback(partial(self._cancelled, channel))
        everything = tuple(self._recipients)
        channel.basic_qos(
            prefetch_count=self._prefetch,
            callback=lambda _frame: self._declaring.all(channel, partial(self._consume, channel, everything, ready)),
        )

    def end(self) -> None:
        self._channel = None

    def blocked(self, blocked: bool) -> None:
        """Only publishing is blocked, and here nothing is published."""

    @property
    def idle(self) -> bool:
        return not self._finished

    def acknowledge(self) -> None:
        self._asked = False
        tags = []
        while self._finished:
            number, tag = self._finished.popleft()
            if number == self._round:
                tags.append(tag)
        if self._channel is not None:
            for tag, up_to in self._receipts.done(tags):
                self._channel.basic_ack(tag, multiple=up_to)

    def _consume(self, channel: Any, queues: Sequence[str], then: Callable[[], None]) -> None:
        if not queues:
            then()
            return
        channel.basic_consume(
            queues[0],
            on_message_callback=partial(self._came, self._recipients[queues[0]]),
            consumer_tag=queues[0],  # what a cancellation names
            callback=lambda _frame: self._consume(channel, queues[1:], then),
        )

    def _came(self, recipient: str, channel: Any, method: Any, _properties: Any, body: bytes) -> None:
        bell = decode(body, recipient)
        if bell is None:
            self._log.warning("broker.unreadable-bell", count=1)
            channel.basic_reject(method.delivery_tag, requeue=False)
            return
        self._receipts.came(method.delivery_tag)
        self.heard.append((self._round, method.delivery_tag, bell))
        self._wake()

    def _cancelled(self, channel: Any, frame: Any) -> None:
        """The server ended it, for the queue was deleted or its leader moved: declare and consume it again."""
        queue = frame.method.consumer_tag
        self._log.warning("broker.queue-gone", count=1)
        self._declaring.one(channel, queue, partial(self._consume, channel, (queue,), lambda: None))
