# SPDX-License-Identifier: EUPL-1.2
"""Writes the case view as canonical JSON: sorted keys, no blanks, the same bytes for the same view."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson

from connectors.formats.json_reply import accepted_json
from schakel.errors import Finding, Refusal, UnsupportedFormat
from schakel.ports import Envelope, Receipt, Reply


class CaseJson:
    """The format `case-json`: outbound only."""

    name = "case-json"
    media_types: tuple[str, ...] = ("application/json",)

    def recognises(self, body: bytes) -> bool:
        return False

    def read(self, body: bytes) -> Envelope:
        """Raises UnsupportedFormat: a case view is not a referral."""
        raise UnsupportedFormat(
            Finding(
                "(document)",
                "case-json: outbound only",
                "Een zaakbericht is geen aanmelding.",
                "Not a referral format.",
            )
        )

    def write(self, document: Mapping[str, Any]) -> bytes:
        """Canonical: keys sorted, UTF-8, no blanks, ends without a newline."""
        return orjson.dumps(dict(document), option=orjson.OPT_SORT_KEYS)

    def accepted(self, envelope: Envelope, receipt: Receipt, *, now: datetime, hub_oin: str) -> Reply:
        return accepted_json(receipt)

    def refused(self, refusal: Refusal, body: bytes, *, now: datetime, hub_oin: str, accept: str) -> Reply | None:
        return None  # problem+json says it
