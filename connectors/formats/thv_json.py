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
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

import mappings
from connectors.formats.json_reply import accepted_json
from connectors.formats.strict_json import read_json
from mappings.shape import UNKNOWN
from schakel.errors import Finding, Malformed, Refusal, UnsupportedFormat
from schakel.ports import Envelope, Receipt, Reply
from schakel.strict_yaml import dotted, near

SCHEMA: Final = Path(mappings.__file__).parent / "thv_aanmelding" / "schema.json"
MAX_FINDINGS: Final = 20
_SENT_AT: Final = "verzondenOp"  # the transport's time: not part of the content


class ThvJson:
    """The format `thv-json`. Structure, types and unknown fields are refused here; codes are left to the codebooks,
    so that a code nobody knows parks the message instead of sending a household away."""

    name = "thv-json"
    media_types: tuple[str, ...] = ("application/json",)

    def __init__(self, schema: Path = SCHEMA) -> None:
        self._validator = Draft202012Validator(json.loads(schema.read_bytes()))

    def recognises(self, body: bytes) -> bool:
        """Any JSON that is not FHIR: what is wrong with it is better said by `read` than by 415."""
        return body.lstrip()[:1] != b"<" and b'"resourceType"' not in body[:4096]

    def read(self, body: bytes) -> Envelope:
        """Raises Malformed with up to twenty findings."""
        document = read_json(body)
        errors = sorted(self._validator.iter_errors(document), key=lambda error: dotted(list(error.absolute_path)))
        if errors:
            found = dict.fromkeys(finding for error in errors for finding in _findings(error))
            raise Malformed(*list(found)[:MAX_FINDINGS])
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


_RULES: Final = {
    "required": ("verplicht veld ontbreekt", "a required field is missing"),
    "type": ("dit moet een ander soort waarde zijn", "this must be another type of value"),
    "pattern": ("de vorm van deze tekst klopt niet", "this text does not have the right form"),
    "minLength": ("deze tekst is te kort", "this text is too short"),
    "maxLength": ("deze tekst is te lang", "this text is too long"),
    "minItems": ("hier moet er minstens één staan", "there must be at least one"),
    "maxItems": ("hier staan er te veel", "there are too many"),
    "minimum": ("dit getal is te klein", "this number is too small"),
    "maximum": ("dit getal is te groot", "this number is too large"),
    "const": ("hier moet de versie van het formaat staan", "this must be the version of the format"),
    "additionalProperties": ("dit veld bestaat niet", "this field does not exist"),
}


def _findings(error: ValidationError) -> list[Finding]:
    """One schema violation: place and rule. jsonschema's own message holds the value and is not used."""
    rule = str(error.validator)
    place = dotted(list(error.absolute_path))
    nl, en = _RULES.get(rule, ("dit voldoet niet aan het schema", "this does not fit the schema"))
    schema: Any = error.schema
    names: list[str] = [""]
    if rule == "additionalProperties":
        known = list(schema["properties"])
        names = [f"{UNKNOWN}{near(name, known)}" for name in _instance(error) if name not in known]
    elif rule == "required":
        names = [name for name in schema["required"] if name not in _instance(error)]
    return [_finding(f"{place}.{name}".strip(".") or "(document)", f"schema: {rule}", nl, en) for name in names]


def _instance(error: ValidationError) -> Any:
    return error.instance


def _finding(place: str, rule: str, nl: str, en: str) -> Finding:
    return Finding(place=place, rule=rule, nl=f"{place}: {nl}.", en=f"{place}: {en}.")
