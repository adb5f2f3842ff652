# SPDX-License-Identifier: EUPL-1.2
"""What a partner does with a webhook before it believes it: checks signature and age (Standard Webhooks 1.0).

Written from the standard and not with the hub's own signer, so that the one checks the other.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

TOLERANCE: Final = timedelta(minutes=5)  # Standard Webhooks: older or newer is a replay


@dataclass(frozen=True, slots=True)
class Verifier:
    """What a partner was handed to check with: HMAC secrets (`v1`) and ed25519 public keys (`v1a`), raw bytes."""

    secrets: tuple[bytes, ...] = ()
    public_keys: tuple[bytes, ...] = ()

    def trusts(self, headers: Mapping[str, str], body: bytes, *, now: datetime) -> bool:
        """One good signature by one known key is enough: while a key is replaced there are two."""
        message_id, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
        if not message_id or not stamp.isdigit() or abs(now.timestamp() - int(stamp)) > TOLERANCE.total_seconds():
            return False
        signed = b".".join((message_id.encode(), stamp.encode(), body))
        return any(self._good(one, signed) for one in headers.get("webhook-signature", "").split())

    def _good(self, signature: str, signed: bytes) -> bool:
        version, _, text = signature.partition(",")
        try:
            made = base64.b64decode(text, validate=True)
        except binascii.Error:
            return False
        if version == "v1":
            return any(hmac.compare_digest(hmac.digest(s, signed, hashlib.sha256), made) for s in self.secrets)
        return version == "v1a" and _any_key(self.public_keys, made, signed)


def _any_key(keys: Sequence[bytes], signature: bytes, signed: bytes) -> bool:
    for key in keys:
        try:
            Ed25519PublicKey.from_public_bytes(key).verify(signature, signed)
        except InvalidSignature:
            continue
        return True
    return False
