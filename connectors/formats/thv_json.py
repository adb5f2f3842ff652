# SPDX-License-Identifier: EUPL-1.2
"""Reads `thv-aanmelding@1`, the documented JSON of the THV coordination pool."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import orjson

import mappings
from connectors.formats.canonical_json import is_canonical
from connectors.formats.json_reply import accepted_json
from connectors.formats.schema_check import SchemaCheck
from connectors.formats.schema_findings import findings_of
from connectors.formats.strict_json import read_json
from schakel.errors import Finding, Malformed, Refusal, UnsupportedFormat
from schakel.ports import Envelope, Receipt, Reply

SCHEMA: Final = Path(mappings.__file__).parent / "thv_aanmelding" / "schema.json"
_SENT_AT: Final = "verzondenOp"  # the transport's time: not part of the content


class ThvJson:
    """The format `thv-json`. Structure, types and unknown fields are refused here; codes are left to the codebooks,
    so that a code nobody knows parks the message instead of sending a household away."""

    name = "thv-json"
    media_types: tuple[str, ...] = ("application/json",)

    def __init__(self, schema: Path = SCHEMA) -> None:
        self._check = SchemaCheck(json.loads(schema.read_bytes()))

    def recognises(self, body: bytes) -> bool:
        """Any JSON that is neither FHIR nor canonical: what is wrong with it is better said by `read` than by 415."""
        return body.lstrip()[:1] != b"<" and b'"resourceType"' not in body[:4096] and not is_canonical(body)

    def read(self, body: bytes) -> Envelope:
        """Raises Malformed with up to twenty findings."""
        document = read_json(body)
        if faults := findings_of(self._check.errors(document)):
            raise Malformed(*faults)
        content = {name: each for name, each in document.items() if name != _SENT_AT}
        return Envelope(
            format=self.name,
            mapping="thv-aanmelding",
            message_reference=document["kenmerk"],
            source_case_reference=document["zaakkenmerk"],
            document=document,
            digest=hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).digest(),
        )

    def write(self, document: Mapping[str, Any]) -> bytes:
        """This format only comes in."""
        raise UnsupportedFormat(
            Finding("(format)", "thv-json: inbound only", "Dit formaat gaat alleen naar binnen.", "Inbound only.")
        )

    def accepted(self, envelope: Envelope, receipt: Receipt, *, now: datetime, hub_oin: str) -> Reply:
        return accepted_json(receipt)

    def refused(self, refusal: Refusal, body: bytes, *, now: datetime, hub_oin: str, accept: str) -> Reply | None:
        return None  # problem+json says it
