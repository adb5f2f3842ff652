# SPDX-License-Identifier: EUPL-1.2
"""Names the exchange and queues of the bells, and the form in which a bell travels: identifiers only, never a person.

A queue per recipient, under a keyed hash of its id: whoever administers the broker sees how busy somebody is and not
who. So the body does not name the recipient either; whoever may consume the queue knows whose it is.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from schakel.records import Bell

EXCHANGE: Final = "schakel.bells"  # direct; the routing key is the queue's name
WIRE_VERSION: Final = 2
MOST_IN_QUEUE: Final = 100_000  # bells nobody hears, for nobody works; beyond it the oldest goes: the sweep delivers
REDELIVERIES: Final = 20  # said, because the default of RabbitMQ before 4.0 is none and after it 20
QUEUE_ARGUMENTS: Final[Mapping[str, Any]] = {
    "x-queue-type": "quorum",
    "x-max-length": MOST_IN_QUEUE,
    "x-overflow": "drop-head",
    "x-delivery-limit": REDELIVERIES,
}
_NAME_CHARACTERS: Final = 26  # 130 bits

Blind = Callable[[str, str], bytes]  # (use, identifier) → keyed hash: the vault's `blind`


def queue_name(recipient: str, blind: Blind) -> str:
    """The same in every process that has the same keys; tells nothing to who has not."""
    hashed = base64.b32encode(blind("bell-queue", recipient)).decode().lower()
    return f"{EXCHANGE}.{hashed[:_NAME_CHARACTERS]}"


def encode(bell: Bell) -> bytes:
    """The body of one broker message; its recipient is told by its queue."""
    return json.dumps([WIRE_VERSION, bell.delivery_id, bell.number], separators=(",", ":")).encode()


def decode(body: bytes, recipient: str) -> Bell | None:
    """The bell, or None for what cannot be read: such a body is dropped (it must never loop; the sweep delivers)."""
    try:
        version, delivery_id, number = json.loads(body)
    except (ValueError, TypeError):
        return None
    if version != WIRE_VERSION or not isinstance(delivery_id, str):
        return None
    if not isinstance(number, int) or isinstance(number, bool):
        return None
    return Bell(delivery_id=delivery_id, recipient=recipient, number=number)
