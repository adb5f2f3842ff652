# SPDX-License-Identifier: EUPL-1.2
"""Publishes bells on a channel: mandatory, persistent, many unconfirmed at once; what is not confirmed rings again.

`put` and the counts are for any thread; everything else runs in the connection's own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import takewhile
from typing import Any, Final

from broker.declaring import Declaring
from broker.losses import Losses
from broker.topology import EXCHANGE, encode
from broker.waiting import Waiting
from schakel.records import Bell

CONFIRMED_WITHIN: Final = 10.0  # seconds; later it counts as refused
LOOK_EVERY: Final = 1.0


class Ringing:
    name = "ring"

    def __init__(
        self,
        *,
        queues: Mapping[str, str],
        declaring: Declaring,
        properties: Any,
        losses: Losses,
        most_waiting: int,
        most_unconfirmed: int,
    ) -> None:
        self._queues = queues
        self._declaring = declaring
        self._properties = properties
        self._losses = losses
        self._waiting = Waiting(most_waiting)
        self._most_unconfirmed = most_unconfirmed
        self._unconfirmed: dict[int, tuple[Bell, float]] = {}  # by publish number, in order; with when it went out
        self._last = 0
        self._channel: Any = None  # while bells may go out on it
        self._blocked = False
        self._asked = False  # somebody has asked to pump, and that has not begun
        self._mending: set[str] = set()
        self.rung = 0

    # -- for any thread

    def put(self, bells: Sequence[Bell]) -> bool:
        """True: ask the connection's thread to pump."""
        known = [bell for bell in bells if bell.recipient in self._queues]
        self._losses.add("unroutable", len(bells) - len(known))
        self._losses.add("forgotten", self._waiting.put(known))
        asked, self._asked = self._asked, True
        return not asked

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def unconfirmed(self) -> int:
        return len(self._unconfirmed)

    @property
    def idle(self) -> bool:
        return not self._waiting and not self._unconfirmed

    # -- in the connection's thread

    def begin(self, channel: Any, ready: Callable[[], None]) -> None:
        def go() -> None:
            self._channel, self._last, self._blocked = channel, 0, False
            self._mending.clear()
            ready()
            self.pump()
            self._look(channel)

        channel.add_on_return_callback(self._returned)
        self._declaring.all(channel, lambda: channel.confirm_delivery(self._confirmed, callback=lambda _frame: go()))

    def end(self) -> None:
        """What the server did not confirm rings again at the next beginning; twice is harmless."""
        self._channel = None
        unconfirmed, self._unconfirmed = self._unconfirmed, {}
        self._losses.add("forgotten", self._waiting.put_back([bell for bell, _ in unconfirmed.values()]))

    def blocked(self, blocked: bool) -> None:
        self._blocked = blocked
        self.pump()

    def pump(self) -> None:
        self._asked = False
        if self._channel is None or self._blocked:
            return
        bells = self._waiting.take(self._most_unconfirmed - len(self._unconfirmed))
        now = time.monotonic()
        for number, bell in enumerate(bells, self._last + 1):  # first all: publishing can fail half-way
            self._unconfirmed[number] = (bell, now)
        self._last += len(bells)
        for bell in bells:
            self._channel.basic_publish(
                EXCHANGE, self._queues[bell.recipient], encode(bell), self._properties, mandatory=True
            )

    def _confirmed(self, frame: Any) -> None:
        method = frame.method
        if method.multiple:
            numbers = list(takewhile(lambda number: number <= method.delivery_tag, self._unconfirmed))
        else:
            numbers = [method.delivery_tag]
        numbers = [number for number in numbers if self._unconfirmed.pop(number, None)]
        if method.NAME == "Basic.Nack":
            self._losses.add("refused", len(numbers))
        else:
            self.rung += len(numbers)
        if 2 * len(self._unconfirmed) <= self._most_unconfirmed:  # in batches, not one for one
            self.pump()

    def _look(self, channel: Any) -> None:
        """A queue without a leader confirms nothing: its bells must not hold up those of others."""
        if self._channel is not channel:
            return
        since = time.monotonic() - CONFIRMED_WITHIN
        if not self._blocked:
            late = list(takewhile(lambda number: self._unconfirmed[number][1] < since, self._unconfirmed))
            for number in late:
                del self._unconfirmed[number]
            self._losses.add("refused", len(late))
            self.pump()
        channel.connection.ioloop.call_later(LOOK_EVERY, partial(self._look, channel))

    def _returned(self, channel: Any, method: Any, _properties: Any, _body: bytes) -> None:
        """No queue takes it: that one is made again for the next bell. A confirmation follows all the same."""
        self.rung -= 1
        self._losses.add("unroutable", 1)
        queue = method.routing_key
        if queue not in self._mending:
            self._mending.add(queue)
            self._declaring.again(channel, queue, lambda: self._mending.discard(queue))
