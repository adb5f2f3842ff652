# SPDX-License-Identifier: EUPL-1.2
"""Opens the broker that a URL names; a broker is one file and one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

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


def _memory(_url: str, _surroundings: Surroundings) -> Broker:
    return MemoryBroker()


def _rabbitmq(url: str, surroundings: Surroundings) -> Broker:
    from broker.rabbitmq import RabbitMQ

    return RabbitMQ(
        address=read_address(url, surroundings.files),
        queues={one: queue_name(one, surroundings.blind) for one in surroundings.recipients},
        log=surroundings.log,
    )


BROKERS: Final[Mapping[str, Callable[[str, Surroundings], Broker]]] = {
    "": _memory,
    "memory": _memory,
    "amqp": _rabbitmq,
    "amqps": _rabbitmq,
}


def open_broker(url: str, surroundings: Surroundings) -> Broker:
    """`""` or `memory://`: within this process. `amqp://` and `amqps://`: RabbitMQ; it need not be there yet.

    Raises ConfigurationError naming the place, never the URL (it can hold a password)."""
    opener = BROKERS.get(url.partition("://")[0])
    if opener is None:
        known = ", ".join(sorted(name for name in BROKERS if name))
        raise ConfigurationError(
            Finding(
                place=PLACE,
                rule="broker:unknown-scheme",
                nl=f"Deze soort broker is niet bekend; wel: {known}.",
                en=f"This kind of broker is not known; known: {known}.",
            )
        )
    return opener(url, surroundings)
