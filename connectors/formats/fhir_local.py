# SPDX-License-Identifier: EUPL-1.2
"""Reads what only a hub writes on a ServiceRequest: extensions under urn:schakel for what R4 has no element for.

The table of them is in docs/fhir.md; mappings/case_fhir writes them.
"""

from __future__ import annotations

from typing import Final

from connectors.formats.fhir_elements import address
from connectors.formats.fhir_reading import Node, Plain, Reading, compact

SCHAKEL: Final = "urn:schakel:"
PARTNER: Final = "urn:schakel:partner"  # system of an identifier: an organisation as the hub's configuration names it
_CODES: Final = {"phase": "phase", "willingness": "willingness", "legal-basis": "legalBasis", "purpose": "purpose"}
_ORDER: Final = {
    "status": "valueCode", "number": "valueString", "form": "valueCode", "imposedAt": "valueDateTime",
    "endsAt": "valueDateTime", "extendedUntil": "valueDateTime", "ordinal": "valueInteger",
    "contactBan": "valueBoolean",
}  # fmt: skip
_RISK: Final = {
    "instrument": "valueCode", "level": "valueCode", "weapons": "valueBoolean", "intimateTerrorism": "valueBoolean",
    "honourRelated": "valueBoolean",
}  # fmt: skip
_STALLED: Final = {"stalled": "valueBoolean", "since": "valueDateTime"}
_KNOWN_ORDER: Final = {"number": "valueString", "imposedAt": "valueDateTime"}
# what the hub tells its recipient of case and delivery: nothing of it is a referral's
_TOLD: Final = ("case", "origin", "remark", "message", "number", "held", "late", "withheld")


def told(reading: Reading, body: Node) -> None:
    """Understood, and not read: a referral does not carry it."""
    if "extension" not in body:
        return
    for name in _TOLD:
        for item in reading.extensions(body, SCHAKEL + name):
            reading.settle(item, "extension", *(key for key in item if key.startswith("value")))


def requested(reading: Reading, body: Node) -> Plain:
    """{phase, willingness, legalBasis, purpose, occurredOn, order, risk, stalledHelp, history} of a ServiceRequest."""
    if "extension" not in body:
        return {}
    told(reading, body)
    codes = {to: _value(reading, _own(reading, body, name), "valueCode") for name, to in _CODES.items()}
    history = _own(reading, body, "history")
    return compact(
        {
            **codes,
            "occurredOn": _value(reading, _own(reading, body, "occurred-on"), "valueDateTime"),
            "order": _order(reading, _own(reading, body, "restraining-order")),
            "risk": _parts(reading, _own(reading, body, "risk"), _RISK),
            "stalledHelp": _parts(reading, _own(reading, body, "stalled-help"), _STALLED),
            "history": _parts(reading, history, {"earlierReports": "valueInteger"})
            | compact(
                {"orders": [_parts(reading, each, _KNOWN_ORDER) for each in reading.extensions(history, "order")]}
            ),
        }
    )


def label_of(reading: Reading, note: Node, name: str) -> str | None:
    """`field` or `topic` of a note that the hub wrote."""
    return reading.text(reading.extension(note, SCHAKEL + name), "valueCode")


def _order(reading: Reading, node: Node) -> Plain:
    home = address(reading, reading.node(reading.extension(node, "address"), "valueAddress"))
    return _parts(reading, node, _ORDER) | compact({"address": home})


def _own(reading: Reading, body: Node, name: str) -> Node:
    return reading.extension(body, SCHAKEL + name)


def _parts(reading: Reading, node: Node, kinds: dict[str, str]) -> Plain:
    found = {name: _value(reading, reading.extension(node, name), kind) for name, kind in kinds.items()}
    return {name: value for name, value in found.items() if value is not None}


def _value(reading: Reading, node: Node, kind: str) -> str | bool | int | None:
    if kind == "valueBoolean":
        return reading.truth(node, kind)
    if kind == "valueInteger":
        value = reading.value(node, kind)
        return value if isinstance(value, int) and not isinstance(value, bool) else None
    return reading.text(node, kind)
