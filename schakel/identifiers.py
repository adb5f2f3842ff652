# SPDX-License-Identifier: EUPL-1.2
"""Makes identifiers: UUIDv7 (RFC 9562), in order of time and never guessable."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

ENTROPY_BYTES = 10


def uuid7(now: datetime, entropy: bytes) -> UUID:
    """48 bits of milliseconds since 1970, then 74 bits of `entropy` (10 bytes, random). Pure.

    Raises ValueError when `entropy` is not ten bytes or `now` has no offset.
    """
    if len(entropy) != ENTROPY_BYTES:
        raise ValueError("uuid7: ten bytes of entropy")
    if now.tzinfo is None:
        raise ValueError("uuid7: a time with an offset")
    milliseconds = int(now.timestamp() * 1000) & (1 << 48) - 1
    random = int.from_bytes(entropy, "big")
    first = random >> 64 & 0xFFF
    second = random & (1 << 62) - 1
    return UUID(int=milliseconds << 80 | 0x7 << 76 | first << 64 | 0b10 << 62 | second)
