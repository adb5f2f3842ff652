# SPDX-License-Identifier: EUPL-1.2
"""Names the queue and exchange of the bells, and the form in which a bell travels: identifiers only, never a person.

Names are opaque: they tell no partner, no case and no municipality to whoever administers the broker.
"""

from __future__ import annotations

import json
from typing import Final

from schakel.records import Bell

EXCHANGE: Final = "schakel.bells"
WIRE_VERSION: Final = 1


def bell_queue(worker_group: str = "dispatch") -> str:
    """The queue that the workers of one hub share."""
    return f"{EXCHANGE}.{worker_group}"


def encode(bell: Bell) -> bytes:
    """The body of one broker message."""
    return json.dumps([WIRE_VERSION, bell.delivery_id, bell.recipient, bell.number], separators=(",", ":")).encode()


def decode(body: bytes) -> Bell | None:
    """The bell, or None for what cannot be read: such a body is dropped (it must never loop; the sweep delivers)."""
    try:
        version, delivery_id, recipient, number = json.loads(body)
    except (ValueError, TypeError):
        return None
    if version != WIRE_VERSION or not isinstance(delivery_id, str) or not isinstance(recipient, str):
        return None
    if not isinstance(number, int) or isinstance(number, bool):
        return None
    return Bell(delivery_id=delivery_id, recipient=recipient, number=number)
