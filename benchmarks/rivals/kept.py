# SPDX-License-Identifier: EUPL-1.2
"""What the Python rivals have in common: where everything is, the mapping by hand, one table, three webhooks.

The scenario says by environment where the database, the broker, the codebooks and the webhooks are.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from benchmarks.by_hand import Books, referral

CONNECTIONS: Final = 20  # to the database, of one process
CREATE: Final = """
    CREATE TABLE IF NOT EXISTS referral (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        body bytea NOT NULL, document bytea NOT NULL,
        received_at timestamptz NOT NULL DEFAULT now(), delivered_at timestamptz)
"""
KEEP: Final = "INSERT INTO referral (body, document) VALUES ($1, $2) RETURNING id"
HEADERS: Final = {"content-type": "application/json"}


@dataclass(frozen=True, slots=True)
class Places:
    """`webhooks`: of the three recipients."""

    database: str
    broker: str
    webhooks: tuple[str, ...]
    books: Books


def places() -> Places:
    own = os.environ
    return Places(
        database=own["RIVAL_DATABASE"],
        broker=own["RIVAL_BROKER"],
        webhooks=tuple(own["RIVAL_WEBHOOKS"].split(",")),
        books=orjson.loads(Path(own["RIVAL_BOOKS"]).read_bytes()),
    )


def mapped(body: bytes, books: Books) -> bytes:
    """What is sent to the recipients. Raises ValueError, KeyError, TypeError: what cannot be mapped is refused."""
    source: dict[str, Any] = orjson.loads(body)
    return orjson.dumps(referral(source, books))


Post = Callable[[str, bytes], int]  # URL, body → status


def deliver(document: bytes, webhooks: tuple[str, ...], post: Post) -> None:
    """Raises RuntimeError when one does not take it: then the framework tries the whole again."""
    for url in webhooks:
        if not 200 <= post(url, document) < 300:
            raise RuntimeError("a webhook did not take it")
