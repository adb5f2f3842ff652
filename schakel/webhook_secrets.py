# SPDX-License-Identifier: EUPL-1.2
"""Makes partners' webhook secrets (Standard Webhooks 1.0): what the hub signs with, sealed, and what the partner checks
with, shown once."""

from __future__ import annotations

import base64
import secrets
from datetime import datetime
from typing import Final, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from schakel.ports import Vault
from schakel.records import Sealed, SealPlace, SecretRow

Kind = Literal["v1", "v1a"]
SECRET_BYTES: Final = 32
SHARED: Final = "whsec_"  # v1, HMAC-SHA256: both sides know it
PUBLIC: Final = "whpk_"  # v1a, ed25519: the partner gets the public half


def new_secret(
    partner: str, kind: Kind, *, vault: Vault, now: datetime, expires_at: datetime | None = None
) -> tuple[str, SecretRow]:
    """The text for the partner, once, and the row to keep: sealed under a key of its own."""
    value, text = _made(kind)
    secret_id = secrets.token_hex(8)
    wrapped = vault.new_key(secret_id)
    data = vault.seal(wrapped, value, owner=secret_id, place=SealPlace("partner_secret", secret_id, "secret"))
    return text, SecretRow(secret_id, partner, kind, Sealed(wrapped, data), now, expires_at)


def read_text(text: str) -> bytes:
    """The raw bytes of `whsec_…` or `whpk_…`. Raises ValueError."""
    for prefix in (SHARED, PUBLIC):
        if text.startswith(prefix):
            return base64.b64decode(text.removeprefix(prefix), validate=True)
    raise ValueError("webhook secret: whsec_ or whpk_")


def _made(kind: Kind) -> tuple[bytes, str]:
    if kind == "v1":
        value = secrets.token_bytes(SECRET_BYTES)
        return value, SHARED + base64.b64encode(value).decode()
    private = Ed25519PrivateKey.generate()
    return private.private_bytes_raw(), PUBLIC + base64.b64encode(private.public_key().public_bytes_raw()).decode()
