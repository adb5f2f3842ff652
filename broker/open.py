# SPDX-License-Identifier: EUPL-1.2
"""Opens the broker that a URL names; a broker is one file and one line here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from broker.address import PLACE, ServerFiles, read_address
from broker.memory import MemoryBroker
from broker.topology import Blind, queue_name
from schakel.errors import ConfigurationError, Finding
from schakel.log import Log
from schakel.ports import Broker


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a broker with a server needs to know of the hub."""

    recipients: Sequence[str]  # partner ids: each has a queue
    blind: Blind  # names the queues
    log: Log
    files: ServerFiles = field(default_factory=ServerFiles)


class _Memory:
    def open(self, _url: str, _surroundings: Surroundings) -> Broker:
        return MemoryBroker()

    def clear(self, _url: str, _surroundings: Surroundings) -> bool:
        return True


class _RabbitMQ:
    def open(self, url: str, surroundings: Surroundings) -> Broker:
        from broker.rabbitmq import RabbitMQ

        address = read_address(url, surroundings.files)
        return RabbitMQ(address=address, queues=_queues(surroundings), log=surroundings.log)

    def clear(self, url: str, surroundings: Surroundings) -> bool:
        from broker.rabbitmq import delete_queues

        return delete_queues(read_address(url, surroundings.files), tuple(_queues(surroundings).values()))


def _queues(surroundings: Surroundings) -> dict[str, str]:
    return {one: queue_name(one, surroundings.blind) for one in surroundings.recipients}


class Kind(Protocol):
    """A kind of broker."""

    def open(self, url: str, surroundings: Surroundings, /) -> Broker: ...

    def clear(self, url: str, surroundings: Surroundings, /) -> bool:
        """Nothing of this hub is left at the server; False: it is out of reach."""


BROKERS: Final[Mapping[str, Kind]] = {
    "": _Memory(),
    "memory": _Memory(),
    "amqp": _RabbitMQ(),
    "amqps": _RabbitMQ(),
}


def open_broker(url: str, surroundings: Surroundings) -> Broker:
    """`""` or `memory://`: within this process. `amqp://` and `amqps://`: RabbitMQ; it need not be there yet.

    Raises ConfigurationError naming the place, never the URL (it can hold a password)."""
    return _kind(url).open(url, surroundings)


def clear_broker(url: str, surroundings: Surroundings) -> bool:
    """Takes this hub's queues away, with the bells in them, for a hub that never comes back; the exchange is every
    hub's, and stays. False: the server is out of reach. Blocks for seconds. Raises ConfigurationError as above."""
    return _kind(url).clear(url, surroundings)


def _kind(url: str) -> Kind:
    kind = BROKERS.get(url.partition("://")[0])
    if kind is None:
        known = ", ".join(sorted(name for name in BROKERS if name))
        raise ConfigurationError(
            Finding(
                place=PLACE,
                rule="broker:unknown-scheme",
                nl=f"Deze soort broker is niet bekend; wel: {known}.",
                en=f"This kind of broker is not known; known: {known}.",
            )
        )
    return kind
