# SPDX-License-Identifier: EUPL-1.2
"""Rings over RabbitMQ: holds the connections, bridges their threads to the event loop; the one file that imports pika.

Two connections, each in a thread of its own and opened when first needed: a server that takes nothing now stops
reading from whoever publishes, and acknowledgements must go on. Between a thread and the event loop batches are handed
over, not bells. After any error a connection is dropped and opened anew, which also declares what should be there;
meanwhile bells wait, the oldest are forgotten, and nobody who rings waits or gets an error. Nothing newer than 3.10.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, Protocol

import pika
from pika.adapters.select_connection import IOLoop
from pika.exceptions import AMQPError
from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_exponential_jitter
from tenacity.nap import sleep_using_event
from tenacity.stop import stop_when_event_set

from broker.address import Address
from broker.declaring import Declaring
from broker.hearing import Hearing
from broker.losses import Losses
from broker.ringing import Ringing
from schakel.log import Log
from schakel.records import Bell, BrokerHealth

MOST_WAITING: Final = 10_000  # bells without a server to take them
MOST_UNCONFIRMED: Final = 1_000
PREFETCH: Final = 100  # bells per queue, to one process, that are not done with: what one claim takes
FIRST_PAUSE: Final = 0.2  # seconds before connecting again; doubles at each failure
LONGEST_PAUSE: Final = 10.0
CONNECTS_WITHIN: Final = 10.0
BEGINS_WITHIN: Final = 5.0  # seconds; a server can be there and leave a declaration without an answer
BEGINS_WITHIN_EACH: Final = 0.2  # and this for each queue
HEARTBEAT: Final = 10  # seconds; a connection that is dead on the way is noticed after two
CLOSES_WITHIN: Final = 1.0  # for the last bells, and once more for saying goodbye
LOOK_EVERY: Final = 0.01  # meanwhile
REPEAT_ABSENT: Final = 30  # attempts between two log records that the server is still absent
STATES: Final = ("absent", "blocked", "connected")  # the gravest first


class RabbitMQ:
    """The Broker of hubs on more than one machine. Start and end belong to one event loop."""

    def __init__(
        self,
        *,
        address: Address,
        queues: Mapping[str, str],
        log: Log,
        most_waiting: int = MOST_WAITING,
        most_unconfirmed: int = MOST_UNCONFIRMED,
        prefetch: int = PREFETCH,
    ) -> None:
        """`queues`: recipient → queue name. Connects when somebody first rings or listens."""
        logging.getLogger("pika").setLevel(logging.CRITICAL + 1)  # it writes addresses and the server's own words
        self._losses = Losses(log)
        self._ringing = Ringing(
            queues=queues,
            declaring=Declaring(tuple(queues.values()), log),
            properties=pika.BasicProperties(content_type="application/json", delivery_mode=2),
            losses=self._losses,
            most_waiting=most_waiting,
            most_unconfirmed=most_unconfirmed,
        )
        self._hearing = Hearing(
            queues=queues,
            declaring=Declaring(tuple(queues.values()), log),
            prefetch=prefetch,
            wake=self._wake,
            log=log,
        )
        begins_within = BEGINS_WITHIN + BEGINS_WITHIN_EACH * len(queues)
        self._publisher = _Link(address, self._ringing, log, begins_within=begins_within)
        self._consumer = _Link(address, self._hearing, log, begins_within=begins_within)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._rung = asyncio.Event()
        self._waking = False
        self._closed = False

    def ring(self, bells: Sequence[Bell]) -> None:
        if self._closed or not bells:
            return
        self._publisher.start()
        if self._ringing.put(bells):
            self._publisher.call(self._ringing.pump)

    async def listen(self, limit: int, wait: float) -> Sequence[Bell]:
        if not self._closed:
            self._loop = asyncio.get_running_loop()
            self._consumer.start()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait):
                while not self._closed and not self._hearing.heard:
                    self._rung.clear()
                    await self._rung.wait()
        return () if self._closed else self._hearing.take(limit)

    async def done(self, bells: Sequence[Bell]) -> None:
        if self._hearing.done(bells):
            self._consumer.call(self._hearing.acknowledge)

    def health(self) -> BrokerHealth:
        states = {self._publisher.state, self._consumer.state}
        return BrokerHealth(
            state=next((state for state in STATES if state in states), "idle"),
            waiting=self._ringing.waiting,
            unconfirmed=self._ringing.unconfirmed,
            rung=self._ringing.rung,
            forgotten=self._losses["forgotten"],
            unroutable=self._losses["unroutable"],
            refused=self._losses["refused"],
        )

    async def aclose(self) -> None:
        """Gives the last bells a moment; bells that were heard and are not done with ring for another."""
        self._closed = True
        self._rung.set()
        await asyncio.gather(*(asyncio.to_thread(link.stop) for link in (self._publisher, self._consumer)))

    # -- between the consumer's thread and the event loop

    def _wake(self) -> None:
        """In the thread; once for all bells that come before the loop looks."""
        if not self._waking and self._loop is not None:
            self._waking = True
            with contextlib.suppress(RuntimeError):  # the loop has ended: nobody listens
                self._loop.call_soon_threadsafe(self._look)

    def _look(self) -> None:
        self._waking = False
        self._rung.set()


class _Absent(Exception):
    """No connection on which the work could begin."""


class _Work(Protocol):
    """What is done on a connection; every method is called in its thread."""

    name: str

    def begin(self, channel: Any, ready: Callable[[], None]) -> None: ...

    def end(self) -> None: ...

    def blocked(self, blocked: bool) -> None: ...

    @property
    def idle(self) -> bool:
        """Nothing is on its way to the server."""


class _Link:
    """One connection in a thread of its own, opened again whenever it ends."""

    def __init__(self, address: Address, work: _Work, log: Log, *, begins_within: float) -> None:
        self._address = address
        self._begins_within = begins_within
        self._work = work
        self._log = log
        self._stopping = threading.Event()
        self._guard = threading.Lock()
        self._loop: IOLoop | None = None
        self._connection: Any = None
        self._ready = False
        self._fault: BaseException | None = None
        self._thread: threading.Thread | None = None
        self.state = "idle"

    def start(self) -> None:
        """Returns at once. Harmless when it has started."""
        if self._thread is None:
            self.state = "absent"
            self._thread = threading.Thread(target=self._run, name=f"rabbitmq-{self._work.name}", daemon=True)
            self._thread.start()

    def call(self, what: Callable[[], None]) -> None:
        """Soon, in the thread, when there is a connection; else never (`begin` looks at what waits)."""
        with self._guard:
            if self._loop is not None:
                self._loop.add_callback_threadsafe(what)

    def stop(self) -> None:
        """Blocks for a bounded time."""
        self._stopping.set()
        if self._thread is not None:
            self.call(partial(self._finish, int(CLOSES_WITHIN / LOOK_EVERY)))
            self._thread.join(3 * CLOSES_WITHIN)

    # -- in the thread

    def _run(self) -> None:
        connecting = Retrying(
            retry=retry_if_exception_type(_Absent),
            wait=wait_exponential_jitter(multiplier=FIRST_PAUSE, max=LONGEST_PAUSE, jitter=FIRST_PAUSE),
            stop=stop_when_event_set(self._stopping),
            sleep=sleep_using_event(self._stopping),
            before_sleep=self._tell_absent,
            retry_error_callback=lambda _state: None,
        )
        while not self._stopping.is_set():
            connecting(self._live)
            self._stopping.wait(FIRST_PAUSE)

    def _live(self) -> None:
        """One connection from its opening to its end. Raises _Absent when it ended before the work could begin."""
        self._ready, self._fault, self._connection = False, None, None
        loop = IOLoop()
        with self._guard:
            self._loop = loop
        try:
            self._connection = pika.SelectConnection(
                _parameters(self._address, self._work.name),
                on_open_callback=self._opened,
                on_open_error_callback=self._ended,
                on_close_callback=self._ended,
                custom_ioloop=loop,
            )
            if not self._stopping.is_set():
                loop.start()
        except Exception as error:  # ours or pika's: whatever it is, this connection is over
            self._failed(error)
            if self._connection is not None:
                with contextlib.suppress(Exception):
                    self._say_goodbye()
                    loop.start()
        was, self.state = self.state, "absent"
        with self._guard:
            self._loop = None
        self._work.end()
        loop.close()
        if was != "absent" and not self._stopping.is_set():
            self._log.warning("broker.lost", reason=self._work.name, error=_class_of(self._fault))
        if not self._ready:
            raise _Absent

    def _failed(self, error: Exception) -> None:
        self._fault = error
        if isinstance(error, OSError):  # a file that was there at the start
            return
        self._log.error("broker.failed", reason=self._work.name, exc_info=error)

    def _opened(self, connection: Any) -> None:
        connection.add_on_connection_blocked_callback(lambda *_: self._blocked(True))
        connection.add_on_connection_unblocked_callback(lambda *_: self._blocked(False))
        connection.channel(on_open_callback=self._channel_opened)

    def _channel_opened(self, channel: Any) -> None:
        channel.add_on_close_callback(self._channel_closed)
        channel.connection.ioloop.call_later(self._begins_within, self._has_it_begun)
        self._work.begin(channel, self._begun)

    def _begun(self) -> None:
        self._ready = True
        self.state = "connected"
        self._log.info("broker.connected", reason=self._work.name)

    def _has_it_begun(self) -> None:
        if not self._ready:
            self._fault = TimeoutError()
            self._hang_up()

    def _blocked(self, blocked: bool) -> None:
        self.state = "blocked" if blocked else "connected"
        self._log.warning("broker.blocked" if blocked else "broker.unblocked", reason=self._work.name)
        self._work.blocked(blocked)

    def _channel_closed(self, _channel: Any, reason: BaseException) -> None:
        """The server found something wrong on it: begin again from the start."""
        if not self._stopping.is_set():
            self._fault = reason
            if self._connection.is_open:
                self._connection.close()

    def _ended(self, _connection: Any, reason: BaseException) -> None:
        self._fault = self._fault or reason
        if self._loop is not None:
            self._loop.stop()

    def _finish(self, looks: int) -> None:
        """Goodbye, when what is on its way has arrived or has had its time."""
        if looks and self.state == "connected" and self._loop is not None and not self._work.idle:
            self._loop.call_later(LOOK_EVERY, partial(self._finish, looks - 1))
        else:
            self._say_goodbye()

    def _say_goodbye(self) -> None:
        """A server that takes nothing does not answer it."""
        if self._connection is not None and not (self._connection.is_closing or self._connection.is_closed):
            self._connection.close()
        if self._loop is not None:
            self._loop.call_later(CLOSES_WITHIN, self._hang_up)

    def _hang_up(self) -> None:
        """Closes the socket without a word: else the server goes on giving bells to nobody until a heartbeat fails."""
        if self._loop is not None:
            self._loop.call_later(LOOK_EVERY, self._loop.stop)
            if not self._connection.is_closed:
                self._connection._terminate_stream(ConnectionError())  # pika has no public word for it

    def _tell_absent(self, state: RetryCallState) -> None:
        if state.attempt_number % REPEAT_ABSENT == 1:
            self._log.warning(
                "broker.absent",
                reason=self._work.name,
                attempts=state.attempt_number,
                error=_class_of(self._fault),
            )


def delete_queues(address: Address, queues: Sequence[str]) -> bool:
    """With what is in them; harmless for one that is not there. False: the server is out of reach, or refuses."""
    logging.getLogger("pika").setLevel(logging.CRITICAL + 1)  # as above
    try:
        parameters = _parameters(address, "clearing")
        parameters.blocked_connection_timeout = CONNECTS_WITHIN
        with contextlib.closing(pika.BlockingConnection(parameters)) as connection:
            channel = connection.channel()
            for queue in queues:
                channel.queue_delete(queue)
    except (AMQPError, OSError):
        return False
    return True


def _parameters(address: Address, work: str) -> pika.ConnectionParameters:
    """Anew for each connection: files can have been renewed."""
    context = address.tls_context()
    return pika.ConnectionParameters(
        host=address.host,
        port=address.port,
        virtual_host=address.virtual_host,
        credentials=pika.PlainCredentials(address.user, address.password()),
        heartbeat=HEARTBEAT,
        socket_timeout=CONNECTS_WITHIN,
        stack_timeout=CONNECTS_WITHIN,
        ssl_options=None if context is None else pika.SSLOptions(context, address.host),
        client_properties={"product": "schakel", "connection_name": f"schakel {work}"},
    )


def _class_of(fault: BaseException | None) -> str:
    """The name of what went wrong at the bottom; never its words."""
    while True:
        inner = getattr(fault, "exception", None) or next(iter(getattr(fault, "exceptions", ())[-1:]), None)
        if not isinstance(inner, BaseException):
            return type(fault).__name__
        fault = inner
