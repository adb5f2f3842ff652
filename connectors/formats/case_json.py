# SPDX-License-Identifier: EUPL-1.2
"""Writes the case view as canonical JSON, and reads `referral@1` and `case-message@1` of those who build to us."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson

from connectors.formats.canonical_json import CanonicalReader, is_canonical
from connectors.formats.json_reply import accepted_json
from schakel.errors import Refusal
from schakel.ports import Envelope, Receipt, Reply


class CaseJson:
    """The format `case-json`: sorted keys, no blanks, the same bytes for the same view."""

    name = "case-json"
    media_types: tuple[str, ...] = ("application/json",)

    def __init__(self) -> None:
        self._reader = CanonicalReader(self.name)

    def recognises(self, body: bytes) -> bool:
        """By the schema it names, wherever in the document that stands."""
        return is_canonical(body)

    def read(self, body: bytes) -> Envelope:
        """Raises Malformed: structure, types and unknown fields. Codes and contradictions park."""
        return self._reader.read(body)

    def write(self, document: Mapping[str, Any]) -> bytes:
        """Canonical: keys sorted, UTF-8, no blanks, ends without a newline."""
        return orjson.dumps(dict(document), option=orjson.OPT_SORT_KEYS)

    def accepted(self, envelope: Envelope, receipt: Receipt, *, now: datetime, hub_oin: str) -> Reply:
        return accepted_json(receipt)

    def refused(self, refusal: Refusal, body: bytes, *, now: datetime, hub_oin: str, accept: str) -> Reply | None:
        return None  # problem+json says it
