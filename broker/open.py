# SPDX-License-Identifier: EUPL-1.2
"""Opens the broker that a URL names; a broker is one file and one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from broker.memory import MemoryBroker
from schakel.errors import ConfigurationError, Finding
from schakel.ports import Broker


def _memory(_url: str) -> Broker:
    return MemoryBroker()


BROKERS: Final[Mapping[str, Callable[[str], Broker]]] = {"": _memory, "memory": _memory}


def open_broker(url: str) -> Broker:
    """`""` or `memory://`: within this process. Raises ConfigurationError naming the scheme's place, never the URL (it
    can hold a password)."""
    opener = BROKERS.get(url.partition("://")[0])
    if opener is None:
        known = ", ".join(sorted(name for name in BROKERS if name))
        raise ConfigurationError(
            Finding(
                place="SCHAKEL_BROKER_URL",
                rule="broker:unknown-scheme",
                nl=f"Deze soort broker is niet bekend; wel: {known}.",
                en=f"This kind of broker is not known; known: {known}.",
            )
        )
    return opener(url)
