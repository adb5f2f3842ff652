# SPDX-License-Identifier: EUPL-1.2
"""A StUF-Jeugdzorg message as XML becomes plain JSON values, led by the mapping's own schema.json.

The schema says what may repeat (always a list then), what must be there, and what a leaf looks like. Codes are not
checked here: they belong to codebooks, and an unknown one parks the message instead of refusing it. What the schema
does not know is kept, so that the mapping's silent-loss report can name it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from lxml import etree

from connectors.formats.xml import text_of
from schakel.errors import Finding

STUF: Final = "http://www.egem.nl/StUF/StUF0301"
BG: Final = "http://www.egem.nl/StUF/sector/bg/0310"
ZKN: Final = "http://www.egem.nl/StUF/sector/zkn/0310"
JZ: Final = "http://www.stufstandaarden.nl/koppelvlak/jz0100"
SOAP: Final = "http://schemas.xmlsoap.org/soap/envelope/"
XSI: Final = "http://www.w3.org/2001/XMLSchema-instance"
NAMESPACES: Final = {"StUF": STUF, "BG": BG, "ZKN": ZKN, "JZ": JZ}

MAX_FINDINGS: Final = 20
Schema = Mapping[str, Any]


@dataclass(slots=True)
class Reading:
    """What turns up while reading: findings, and per place the elements without value."""

    findings: list[Finding] = field(default_factory=list)

    def note(self, place: str, rule: str, nl: str, en: str) -> None:
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(Finding(place, rule, nl, en))


@dataclass(frozen=True, slots=True)
class _Sink:
    """The nearest object that keeps a list of elements without value, and where it stands."""

    entries: list[dict[str, str]]
    place: str


def convert(message: etree._Element, schema: Schema) -> tuple[dict[str, Any], list[Finding]]:
    """The plain document and all that is wrong with it; places are element paths, never values."""
    reading = Reading()
    document = _object(message, schema, "", reading, _Sink([], ""))
    return document, reading.findings


def short_name(element: etree._Element) -> str:
    """The local name without the StUF prefix that tells the group it comes from: inp.bsn → bsn."""
    return element.tag.rpartition("}")[2].rpartition(".")[2]


def _object(element: etree._Element, schema: Schema, place: str, reading: Reading, sink: _Sink) -> dict[str, Any]:
    properties: Mapping[str, Schema] = schema["properties"]
    if "zonderWaarde" in properties:
        sink = _Sink([], place)
    document: dict[str, Any] = {}
    seen: set[str] = set()
    text = element.text
    stray = bool(text and text.strip())
    for child in element:
        name = short_name(child)
        known = properties.get(name)
        if known is not None:
            _known(child, name, known, document, seen, place, reading, sink)
        else:
            _unknown(child, name, document)
        seen.add(name)
        if not stray and (tail := child.tail) and tail.strip():
            stray = True
    if stray:
        reading.note(place, "stuf-text", "Tekst tussen elementen.", "Text between elements.")
    missing = [name for name in schema.get("required", ()) if name not in document]
    missing += [name for name in schema.get("x-present", ()) if name not in seen]  # there, if only without value
    for name in missing:
        reading.note(
            _join(place, name), "stuf-required", "Verplicht element ontbreekt.", "A required element is missing."
        )
    if "zonderWaarde" in properties and sink.entries:
        document["zonderWaarde"] = sink.entries
    return document


def _known(
    child: etree._Element,
    name: str,
    schema: Schema,
    document: dict[str, Any],
    seen: set[str],
    place: str,
    reading: Reading,
    sink: _Sink,
) -> None:
    """Put one child that the schema knows in its place."""
    where = _join(place, name)
    kind = schema.get("x-kind")
    if kind == "without-value":
        reading.note(where, "stuf-reserved", "Deze naam is gereserveerd.", "This name is reserved.")
        return
    if kind == "extra":
        document.setdefault(name, []).extend(_extra_elements(child))
        return
    repeats = schema["type"] == "array"
    if not repeats and name in seen:
        reading.note(where, "stuf-once", "Element komt vaker dan eens voor.", "Element occurs more than once.")
        return
    if repeats:
        where = f"{where}[{len(document.get(name, ())) + 1}]"
        schema = schema["items"]
    reason = _without_value(child)
    if reason is not None:
        sink.entries.append({"element": where.removeprefix(sink.place).lstrip("/"), "reden": reason})
        return
    value: Any
    if schema["type"] == "object":
        value = _object(child, schema, where, reading, sink)
    else:
        value = _leaf(child, schema, where, reading)
    if repeats:
        document.setdefault(name, []).append(value)
    else:
        document[name] = value


def _unknown(child: etree._Element, name: str, document: dict[str, Any]) -> None:
    """Keep what the schema does not know; nothing is checked, the loss report names it."""
    value: Any = _extra_elements(child) if name == "extraElementen" else _plain(child)
    if name not in document:
        document[name] = value
    elif isinstance(document[name], list):
        document[name].append(value)
    else:
        document[name] = [document[name], value]


def _plain(element: etree._Element) -> Any:
    if len(element) == 0:
        return text_of(element)
    document: dict[str, Any] = {}
    for child in element:
        _unknown(child, short_name(child), document)
    return document


def _leaf(element: etree._Element, schema: Schema, place: str, reading: Reading) -> str:
    if len(element):
        reading.note(place, "stuf-leaf", "Hier hoort alleen tekst.", "Only text belongs here.")
        return ""
    value = text_of(element)
    if str(schema.get("x-kind", "")).startswith("date"):
        value = _date(value, element.get(f"{{{STUF}}}indOnvolledigeDatum"))
    broken = _broken_facet(value, schema)
    if broken is not None:
        reading.note(place, f"stuf-{broken}", "Heeft niet de vorm van de standaard.", "Has not the standard's form.")
    return value


def _broken_facet(value: str, schema: Schema) -> str | None:
    if "enum" in schema and value not in schema["enum"]:
        return "enumeration"
    if "pattern" in schema and not re.search(schema["pattern"], value, re.ASCII):
        return "pattern"
    if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
        return "length"
    return None


def _date(digits: str, indicator: str | None) -> str:
    """JJJJMMDD with 00 for what is unknown, whichever of the two ways the sender says it.

    indOnvolledigeDatum: D day unknown, M month and day, J all of it (StUF 03.01); the digits there are placeholders.
    """
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 8):
        return digits
    digits = digits.zfill(8)
    match indicator:
        case "D":
            return digits[:6] + "00"
        case "M":
            return digits[:4] + "0000"
        case "J":
            return "00000000"
        case _:
            return digits


def _extra_elements(element: etree._Element) -> list[dict[str, str]]:
    return [{"naam": child.get("naam", ""), "waarde": text_of(child)} for child in element]


def _without_value(element: etree._Element) -> str | None:
    """The reason when an element is there without value; one that has content counts as content all the same."""
    if not element.keys():
        return None
    no_value = element.get(_NO_VALUE) or element.get("noValue")
    nil = element.get(_NIL) in ("true", "1")
    if len(element) or text_of(element) or not (nil or no_value):
        return None
    return no_value if no_value in _REASONS else "geenWaarde"


_NO_VALUE: Final = f"{{{STUF}}}noValue"
_NIL: Final = f"{{{XSI}}}nil"
_REASONS: Final = ("nietOndersteund", "nietGeautoriseerd", "geenWaarde", "waardeOnbekend", "vastgesteldOnbekend")


def _join(place: str, name: str) -> str:
    return f"{place}/{name}" if place else name
