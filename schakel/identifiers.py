# SPDX-License-Identifier: EUPL-1.2
"""Identifiers: makes UUIDv7 (RFC 9562), in order of time and never guessable; and knows a citizen service number."""

from __future__ import annotations

from datetime import datetime
from operator import mul
from typing import Final

ENTROPY_BYTES = 10
_WEIGHTS: Final = (9, 8, 7, 6, 5, 4, 3, 2, -1)
_ZEROS: Final = ord("0") * sum(_WEIGHTS)


def uuid7(now: datetime, entropy: bytes) -> str:
    """48 bits of milliseconds since 1970, then 74 bits of `entropy` (10 bytes, random); in its usual text form. Pure.

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
    digits = f"{milliseconds << 80 | 0x7 << 76 | first << 64 | 0b10 << 62 | second:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def is_bsn(text: str) -> bool:
    """Nine digits that keep the eleven-test, and are not all zero (which keeps it too, and means unknown)."""
    if len(text) != 9 or not text.isascii() or not text.isdigit() or text == "000000000":
        return False
    total: int = sum(map(mul, _WEIGHTS, text.encode())) - _ZEROS
    return total % 11 == 0
