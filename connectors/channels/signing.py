# SPDX-License-Identifier: EUPL-1.2
"""Signs what goes out as Standard Webhooks 1.0 has it: id, time, and one signature per secret that is valid now."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Sequence
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from schakel.ports import SigningSecret


def signed_headers(message_id: str, body: bytes, *, secrets: Sequence[SigningSecret], now: datetime) -> dict[str, str]:
    """`webhook-id`, `webhook-timestamp` (Unix seconds) and `webhook-signature` (separated by spaces: while a secret is
    being replaced, the old and the new one both sign)."""
    timestamp = str(int(now.timestamp()))
    signed = b".".join((message_id.encode(), timestamp.encode(), body))
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(_signature(secret, signed) for secret in secrets),
    }


def _signature(secret: SigningSecret, signed: bytes) -> str:
    if secret.kind == "v1":
        made = hmac.digest(secret.value, signed, "sha256")
    elif secret.kind == "v1a":
        made = Ed25519PrivateKey.from_private_bytes(secret.value).sign(signed)
    else:
        raise ValueError("signing secret: v1 or v1a")
    return f"{secret.kind},{base64.b64encode(made).decode()}"
