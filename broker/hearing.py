# SPDX-License-Identifier: EUPL-1.2
"""Consumes bells and hands them over in batches; acknowledges many at once when they are done with.

A channel per queue: a queue that lost its leader, or whose declaration goes wrong, holds up its own channel only.
`heard`, `take` and `done` are for the event loop; everything else runs in the connection's own thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from broker.declaring import MEND_AFTER, Declaring
from broker.receipts import Receipts
from broker.topology import decode
from schakel.log import Log
from schakel.records import Bell


class _Ear:
    """One channel on one queue, from its opening to its end."""

    def __init__(self, queue: str) -> None:
        self.queue = queue
        self.channel: Any = None
        self.receipts = Receipts()
        self.finished: list[int] = []  # tags to acknowledge

    def acknowledge(self) -> None:
        tags, self.finished = self.finished, []
        if self.channel is not None and self.channel.is_open:
            for tag, up_to in self.receipts.done(tags):
                self.channel.basic_ack(tag, multiple=up_to)


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
        self._connection: Any = None
        self.heard: deque[tuple[_Ear, int, Bell]] = deque()
        self._in_hand: dict[Bell, list[tuple[_Ear, int]]] = {}
        self._finished: deque[tuple[_Ear, int]] = deque()
        self._asked = False  # somebody has asked to acknowledge, and that has not begun

    # -- for the event loop

    def take(self, limit: int) -> tuple[Bell, ...]:
        taken: list[Bell] = []
        while len(taken) < limit and self.heard:
            try:
                ear, tag, bell = self.heard.popleft()
            except IndexError:  # a new connection began: it hears them again
                break
            self._in_hand.setdefault(bell, []).append((ear, tag))
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
        """The first channel declares; then each queue gets its own."""

        def go() -> None:
            self._connection = channel.connection
            self._asked = False
            self.heard.clear()
            ready()
            for queue in self._recipients:
                self._open(queue)

        self._declaring.all(channel, go)

    def end(self) -> None:
        self._connection = None

    def blocked(self, blocked: bool) -> None:
        """Only publishing is blocked, and here nothing is published."""

    @property
    def idle(self) -> bool:
        return not self._finished

    def acknowledge(self) -> None:
        self._asked = False
        ears = {}
        while self._finished:
            ear, tag = self._finished.popleft()
            ear.finished.append(tag)
            ears[id(ear)] = ear
        for ear in ears.values():
            ear.acknowledge()

    def _open(self, queue: str) -> None:
        if self._connection is not None and self._connection.is_open:
            self._connection.channel(on_open_callback=partial(self._opened, _Ear(queue)))

    def _opened(self, ear: _Ear, channel: Any) -> None:
        ear.channel = channel
        channel.add_on_close_callback(partial(self._closed, ear))
        channel.add_on_cancel_callback(lambda _frame: channel.close())  # deleted, or its leader moved
        self._declaring.one(channel, ear.queue, partial(self._consume, ear, channel))

    def _consume(self, ear: _Ear, channel: Any) -> None:
        channel.basic_qos(prefetch_count=self._prefetch)
        channel.basic_consume(ear.queue, on_message_callback=partial(self._came, ear))

    def _closed(self, ear: _Ear, channel: Any, reason: Any) -> None:
        """A new one, after a while: every channel of that queue must have heard of its end by then."""
        ear.channel = None
        self._declaring.learn(reason)
        if channel.connection.is_open:
            self._log.warning("broker.queue-gone", count=1)
            channel.connection.ioloop.call_later(MEND_AFTER, partial(self._open, ear.queue))

    def _came(self, ear: _Ear, channel: Any, method: Any, _properties: Any, body: bytes) -> None:
        bell = decode(body, self._recipients[ear.queue])
        if bell is None:
            self._log.warning("broker.unreadable-bell", count=1)
            channel.basic_reject(method.delivery_tag, requeue=False)
            return
        ear.receipts.came(method.delivery_tag)
        self.heard.append((ear, method.delivery_tag, bell))
        self._wake()
