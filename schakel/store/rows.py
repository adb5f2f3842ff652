# SPDX-License-Identifier: EUPL-1.2
"""Values to columns and back: times as sortable text, findings and suggestions as JSON."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from schakel.errors import Finding
from schakel.identifiers import ENTROPY_BYTES, uuid7
from schakel.records import SourceMessage

Row = dict[str, Any]


@lru_cache(maxsize=256)  # one message writes the time at which it came forty times
def text(at: datetime) -> str:
    """RFC 3339 UTC with six decimals. Raises ValueError for a time without offset."""
    if at.tzinfo is None:
        raise ValueError("a time with an offset")
    if at.tzinfo is not UTC:
        at = at.astimezone(UTC)
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")


def maybe_text(at: datetime | None) -> str | None:
    return None if at is None else text(at)


def moment(value: str) -> datetime:
    return datetime.fromisoformat(value)


def maybe_moment(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)


def new_id(now: datetime) -> str:
    """A UUIDv7 for what the store makes itself (alarms, parked deliveries)."""
    return uuid7(now, secrets.token_bytes(ENTROPY_BYTES))


def source_message(row: Row) -> SourceMessage:
    """From a row of `message`: its source, and by which mapping it was read."""
    mapping = str(json.loads(row["versions"]).get("mapping", ""))
    return SourceMessage(row["id"], row["source"], mapping.partition("@")[0])


def findings_json(findings: Iterable[Finding]) -> str:
    return json.dumps([[f.place, f.rule, f.nl, f.en] for f in findings], ensure_ascii=False)


def findings(value: str) -> tuple[Finding, ...]:
    return tuple(Finding(*item) for item in json.loads(value))


def pairs_json(pairs: Iterable[tuple[str, str]]) -> str:
    return json.dumps([list(pair) for pair in pairs])


def pairs(value: str) -> tuple[tuple[str, str], ...]:
    return tuple((first, second) for first, second in json.loads(value))
