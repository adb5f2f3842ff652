# SPDX-License-Identifier: EUPL-1.2
"""Makes and reads partners' API keys: `schakel_<id>_<secret>`; of the secret only a SHA-256 digest is kept.

A plain digest is enough: the secret has 256 random bits, there is nothing to guess faster.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from schakel.records import KeyRow

_FORM: Final = re.compile(r"schakel_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class PresentedKey:
    """What somebody shows at the door: which key it says to be, and the digest of what it knows."""

    id: str
    digest: bytes


def new_key(partner: str, *, now: datetime, expires_at: datetime | None = None) -> tuple[str, KeyRow]:
    """The key as the partner gets it, once, and the row to keep."""
    key_id, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
    row = KeyRow(id=key_id, partner=partner, digest=_digest(secret), created_at=now, expires_at=expires_at)
    return f"schakel_{key_id}_{secret}", row


def read_key(text: str) -> PresentedKey | None:
    """None: not a key of ours by its form."""
    found = _FORM.fullmatch(text)
    return PresentedKey(id=found[1], digest=_digest(found[2])) if found else None


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
