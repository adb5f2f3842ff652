# SPDX-License-Identifier: EUPL-1.2
"""Reads canonical JSON: `referral@1` (what a source says) and `case-message@1` (what another hub made of it).

What the schema says of structure is refused here; a code nobody knows, or parts that contradict each other, park the
message as with every other format.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

import orjson

from connectors.formats.schema_check import SchemaCheck
from connectors.formats.schema_findings import CODES, findings_of, unfolded
from connectors.formats.strict_json import read_json
from schakel.errors import Finding, Malformed
from schakel.message import CASE_MESSAGE, REFERRAL
from schakel.ports import Envelope

_NAMED: Final = re.compile(rb'"schema"\s*:\s*"(?:referral|case-message)@')


def is_canonical(body: bytes) -> bool:
    """A look at which schema the document names."""
    return _NAMED.search(body) is not None


@dataclass(frozen=True, slots=True)
class _Kind:
    """One of the two documents. `references`: where its two references stand; `transport`: left out of the digest."""

    mapping: str
    schema: Mapping[str, Any]
    references: tuple[str, ...]
    transport: tuple[str, ...]


def _published(mapping: str) -> dict[str, Any]:
    """The schema beside the mapping. A test holds it to the nouns; making it of them anew would take a tenth of the
    time that the hub takes to start."""
    schema: dict[str, Any] = orjson.loads(files("mappings").joinpath(mapping, "schema.json").read_bytes())
    return schema


class CanonicalReader:
    def __init__(self, format_name: str) -> None:
        self._name = format_name
        self._kinds = {
            REFERRAL: _Kind("referral-json", _published("referral_json"), (), ("sentAt",)),
            CASE_MESSAGE: _Kind(
                "case-message-json", _published("case_message_json"), ("message",), ("message", "receivedAt")
            ),
        }
        self._checks = {name: SchemaCheck(kind.schema) for name, kind in self._kinds.items()}

    def read(self, body: bytes) -> Envelope:
        """Raises Malformed with up to twenty findings."""
        document = read_json(body)
        name = document.get("schema") if isinstance(document, dict) else None
        kind = self._kinds.get(name) if isinstance(name, str) else None
        if kind is None or not isinstance(name, str):
            raise Malformed(_WHICH)
        errors = [each for error in self._checks[name].errors(document) for each in unfolded(error)]
        if faults := findings_of(error for error in errors if error.validator not in CODES):
            raise Malformed(*faults)
        holder = _at(document, kind.references)
        content = _without(document, kind.transport)
        return Envelope(
            format=self._name,
            mapping=kind.mapping,
            message_reference=holder["messageReference"],
            source_case_reference=holder["sourceCaseReference"],
            document=document,
            digest=hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).digest(),
            sender_oin=document["sender"]["oin"] if name == REFERRAL and "sender" in document else None,
        )


def _at(document: Mapping[str, Any], path: tuple[str, ...]) -> Mapping[str, Any]:
    for name in path:
        document = document[name]
    return document


def _without(document: Mapping[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    first, *rest = path
    if first not in document:
        return dict(document)
    if rest:
        return {**document, first: _without(document[first], tuple(rest))}
    return {name: each for name, each in document.items() if name != first}


_WHICH: Final = Finding(
    "schema",
    "schema: const",
    f"Het veld schema moet {REFERRAL} of {CASE_MESSAGE} zijn.",
    f"The field schema must be {REFERRAL} or {CASE_MESSAGE}.",
)
