# SPDX-License-Identifier: EUPL-1.2
"""A plain document becomes a StUF-Jeugdzorg message again: the reverse of reading, in the schema's own order.

What the standard wants and the document lacks goes without value, and always for the same reason (waardeOnbekend): a
recipient cannot tell from it whether something is unknown or withheld.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from lxml import etree

from connectors.formats.stuf_jz_read import JZ, NAMESPACES, STUF, XSI, Schema


def write_message(document: Mapping[str, Any], schema: Schema, kind: str) -> bytes:
    """The XML bytes. The same document gives the same bytes; what the schema does not know is not written."""
    message = etree.Element(f"{{{JZ}}}{kind}", nsmap={**NAMESPACES, "xsi": XSI})
    _object(message, document, schema, {}, "")
    return etree.tostring(message, xml_declaration=True, encoding="UTF-8")


def _object(
    element: etree._Element, value: Mapping[str, Any], schema: Schema, reasons: Mapping[str, str], place: str
) -> None:
    """`reasons`: why an element has no value, by its path from the object that lists them; `place`: our path there."""
    if "x-entiteittype" in schema:
        element.set(f"{{{STUF}}}entiteittype", schema["x-entiteittype"])
    if "zonderWaarde" in schema["properties"]:
        reasons = {each["element"]: each["reden"] for each in value.get("zonderWaarde", ())}
        place = ""
    for name, part in schema["properties"].items():
        where = f"{place}/{name}" if place else name
        if part.get("x-kind") == "without-value":
            continue
        if part.get("x-kind") == "extra":
            _extra(element, value.get(name, ()))
            continue
        repeats = part["type"] == "array"
        one = part["items"] if repeats else part
        values = value.get(name, []) if repeats else [value[name]] if name in value else []
        for index, each in enumerate(values, start=1):
            _value(element, name, each, one, reasons, f"{where}[{index}]" if repeats else where)
        if not values and one["type"] == "object" and name in schema.get("required", ()):
            _value(element, name, {}, one, reasons, where)  # must be there, and its own parts may lack a value
        elif not values:
            _absent(element, name, one, reasons.get(f"{where}[1]" if repeats else where), name in _needed(schema))


def _needed(schema: Schema) -> tuple[str, ...]:
    return tuple(schema.get("x-present", ()))


def _value(
    parent: etree._Element, name: str, value: Any, schema: Schema, reasons: Mapping[str, str], place: str
) -> None:
    element = _child(parent, name, schema)
    if schema["type"] == "object":
        _object(element, value, schema, reasons, place)
        return
    element.text = _writable(str(value))
    if schema.get("x-kind") == "date-with-indicator":
        unknown = _UNKNOWN.get(_zeroes(element.text))
        if unknown is not None:
            element.set(f"{{{STUF}}}indOnvolledigeDatum", unknown)


def _absent(parent: etree._Element, name: str, schema: Schema, reason: str | None, needed: bool) -> None:
    """An element without value: when the document says why, or when the standard wants it there all the same."""
    if reason is None and not needed:
        return
    element = _child(parent, name, schema)
    element.set(f"{{{XSI}}}nil", "true")
    if "x-entiteittype" in schema:
        element.set(f"{{{STUF}}}entiteittype", schema["x-entiteittype"])
    elif schema["type"] != "object" and not schema.get("x-plain"):
        element.set(f"{{{STUF}}}noValue", reason or UNKNOWN)


def _extra(parent: etree._Element, extras: Any) -> None:
    if not extras:
        return
    group = etree.SubElement(parent, f"{{{STUF}}}extraElementen")
    for extra in extras:
        element = etree.SubElement(group, f"{{{STUF}}}extraElement", naam=extra["naam"])
        element.text = _writable(extra.get("waarde", ""))


def _child(parent: etree._Element, name: str, schema: Schema) -> etree._Element:
    return etree.SubElement(parent, f"{{{NAMESPACES[schema['x-ns']]}}}{schema.get('x-name', name)}")


def _writable(text: str) -> str:
    """XML 1.0 has no words for most control characters: they would make the whole message unreadable."""
    return _NOT_IN_XML.sub("\ufffd", text)


UNKNOWN: Final = "waardeOnbekend"
_NOT_IN_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_UNKNOWN: Final = {"day": "D", "month": "M", "all": "J"}  # StUF indOnvolledigeDatum


def _zeroes(digits: str) -> str:
    if digits == "00000000":
        return "all"
    if digits.endswith("0000"):
        return "month"
    return "day" if digits.endswith("00") else "none"
