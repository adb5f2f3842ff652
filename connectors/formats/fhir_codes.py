# SPDX-License-Identifier: EUPL-1.2
"""Reads FHIR codings: CodeableConcept and Coding as tokens, and what a person would read of them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from connectors.formats.fhir_reading import Node, Reading
from connectors.formats.fhir_shapes import KNOWN, Reader, Shape, beside

CODE_SPECIFICATION: Final = "http://nictiz.nl/fhir/StructureDefinition/ext-CodeSpecification"
_CODING: Final = Shape(dict.fromkeys(("system", "code", "version", "display", "userSelected"), KNOWN))


def tokens(reading: Reading, concept: Node, systems: Collection[str] | None = None) -> list[str]:
    """The codings as `system|code` (FHIR's own token form), only those of `systems` when given."""
    if "coding" not in concept:
        return []
    found = []
    codings = reading.nodes(concept, "coding")
    for coding in codings:
        token = token_of(reading, coding, systems)
        if token:
            found.append(token)
    if codings and len(concept) == 1:
        reading.close(concept, codings)
    return found


def token_of(reading: Reading, coding: Node, systems: Collection[str] | None = None) -> str | None:
    system, code = coding.get("system"), coding.get("code")
    if system.__class__ is not str:
        system = ""
    if code.__class__ is not str or not code or (systems is not None and system not in systems):
        return None
    reading.take(coding, _CODING)
    return f"{system}|{code}"


def _codings(reading: Reading, _: Node, value: Any) -> list[str] | None:
    codings = [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, dict)]
    found = [token_of(reading, coding) for coding in codings]
    if None in found:
        reading.open += 1
    return [token for token in found if token is not None] if codings else None


def _usual_codings(_: Node, value: Any) -> list[str] | None:
    if value.__class__ is not list or not value:
        return None
    found = []
    for coding in value:
        if coding.__class__ is not dict:
            return None
        system, code = coding.get("system"), coding.get("code")
        more = coding.get("display").__class__ is str
        if not (system.__class__ is str and code.__class__ is str and code and len(coding) == 2 + more):
            return None
        found.append(f"{system}|{code}")
    return found


_CODED: Final = Shape({"coding": Reader(_codings, _usual_codings)})


def _codes(reading: Reading, _: Node, value: Any) -> list[str] | None:
    concepts = [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, dict)]
    if not concepts:
        return None
    found: list[str] = reading.take(concepts[0], _CODED).get("coding") or []
    if concepts[0] is not value:
        reading.open += 1
    return [token.partition("|")[2] for token in found]


def _usual_codes(_: Node, value: Any) -> list[str] | None:
    if value.__class__ is not dict or len(value) != 1:
        return None
    found = _usual_codings(value, value.get("coding"))
    return None if found is None else [token.partition("|")[2] for token in found]


CODES: Final = Reader(_codes, _usual_codes)  # of a CodeableConcept of which only the codes count, whatever their system
SPECIFIED: Final = beside({CODE_SPECIFICATION: ("codes", "valueCodeableConcept", CODES)})


def label(reading: Reading, concept: Node) -> str | None:
    """What a person would read: the text, else the first display."""
    text = reading.text(concept, "text")
    codings = reading.nodes(concept, "coding") if "coding" in concept else ()
    displays = [reading.text(coding, "display") for coding in codings]
    return text or next((display for display in displays if display), None)
