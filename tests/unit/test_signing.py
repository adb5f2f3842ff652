# SPDX-License-Identifier: EUPL-1.2
"""Signatures over id, time and body: the published example of Standard Webhooks, and any change breaks them."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook

from connectors.channels.signing import signed_headers
from schakel.ports import SigningSecret

NOW = datetime(2026, 11, 20, 12, 0, 0, 999_000, tzinfo=UTC)


def test_the_published_example_of_standard_webhooks() -> None:
    """The example of the specification's libraries: secret, id, time and payload give this signature."""
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = signed_headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        b'{"test": 2432232314}',
        secrets=[SigningSecret("v1", secret)],
        now=datetime.fromtimestamp(1614265330, UTC),
    )
    assert headers["webhook-timestamp"] == "1614265330"
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@given(secret=st.binary(min_size=24, max_size=64), text=st.text(max_size=200))
def test_the_reference_library_makes_the_same_signature(secret: bytes, text: str) -> None:
    body = text.encode("utf-8", "replace")
    made = signed_headers("id", body, secrets=[SigningSecret("v1", secret)], now=NOW)["webhook-signature"]
    assert made == Webhook(secret).sign("id", NOW, body.decode())


@given(body=st.binary(min_size=1, max_size=100), place=st.integers(0, 99))
def test_a_changed_byte_breaks_v1a(body: bytes, place: int) -> None:
    private = Ed25519PrivateKey.from_private_bytes(b"p" * 32)
    headers = signed_headers("id", body, secrets=[SigningSecret("v1a", private.private_bytes_raw())], now=NOW)
    signature = base64.b64decode(headers["webhook-signature"].removeprefix("v1a,"))
    signed = b".".join((b"id", headers["webhook-timestamp"].encode(), body))
    private.public_key().verify(signature, signed)
    changed = bytearray(signed)
    changed[place % len(changed)] ^= 1
    with pytest.raises(InvalidSignature):
        private.public_key().verify(signature, bytes(changed))


def test_the_time_is_whole_seconds() -> None:
    assert signed_headers("id", b"", secrets=[], now=NOW)["webhook-timestamp"] == "1795176000"


def test_a_kind_nobody_knows_is_refused() -> None:
    with pytest.raises(ValueError, match="v1 or v1a"):
        signed_headers("id", b"", secrets=[SigningSecret("v2", b"x")], now=NOW)
