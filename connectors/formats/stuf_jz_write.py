# SPDX-License-Identifier: EUPL-1.2
"""A plain document becomes a StUF-Jeugdzorg message again: the reverse of reading, in the schema's own order.

What the standard wants and the document lacks goes without value, and always for the same reason (waardeOnbekend): a
recipient cannot tell from it whether something is unknown or withheld.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from lxml import etree

from connectors.formats.stuf_jz_read import JZ, NAMESPACES, STUF, XSI, Schema


@dataclass(frozen=True, slots=True)
class Part:
    """What the schema says of one element, worked out once. `parts`: of an object, in the order of the standard."""

    name: str  # in the document
    tag: str
    repeats: bool
    extra: bool  # the group of elements that the standard leaves to agreement
    required: bool  # an object that must be there, and whose own parts may lack a value
    needed: bool  # must be there, if need be without value
    entity: str | None
    plain: bool  # holds no reason for having no value
    dated: bool  # says which of its digits are not known
    reasons: bool  # lists why elements below it have no value
    parts: tuple[Part, ...] | None  # None: a text

    @property
    def always(self) -> bool:
        return self.required or self.needed


def part_of(schema: Schema, name: str = "", *, required: bool = False, needed: bool = False) -> Part:
    """The part that a schema describes, with all below it; the root has no name."""
    one = schema["items"] if schema.get("type") == "array" else schema
    extra, of_parts = schema.get("x-kind") == "extra", one.get("type") == "object"
    musts, present = one.get("required", ()), one.get("x-present", ())
    return Part(
        name=name,
        tag="" if extra or not name else f"{{{NAMESPACES[one['x-ns']]}}}{one.get('x-name', name)}",
        repeats=schema.get("type") == "array",
        extra=extra,
        required=required and of_parts,
        needed=needed,
        entity=one.get("x-entiteittype"),
        plain=bool(one.get("x-plain")),
        dated=one.get("x-kind") == "date-with-indicator",
        reasons=of_parts and "zonderWaarde" in one["properties"],
        parts=tuple(
            part_of(each, below, required=below in musts, needed=below in present)
            for below, each in one["properties"].items()
            if each.get("x-kind") != "without-value"
        )
        if of_parts and not extra
        else None,
    )


def write_message(document: Mapping[str, Any], root: Part, kind: str) -> bytes:
    """The XML bytes. The same document gives the same bytes; what the schema does not know is not written."""
    message = etree.Element(f"{{{JZ}}}{kind}", nsmap={**NAMESPACES, "xsi": XSI})
    _object(message, document, root, {}, "")
    return etree.tostring(message, xml_declaration=True, encoding="UTF-8")


def _object(
    element: etree._Element, value: Mapping[str, Any], part: Part, reasons: Mapping[str, str], place: str
) -> None:
    """`reasons`: why an element has no value, by its path from the object that lists them; `place`: our path there."""
    if part.entity is not None:
        element.set(f"{{{STUF}}}entiteittype", part.entity)
    if part.reasons:
        reasons = {each["element"]: each["reden"] for each in value.get("zonderWaarde", ())}
        place = ""
    for below in part.parts or ():
        name = below.name
        if name not in value and not reasons and not below.always:
            continue
        if below.extra:
            _extra(element, value.get(name, ()))
            continue
        where = f"{place}/{name}" if place else name
        values = value.get(name, []) if below.repeats else [value[name]] if name in value else []
        for index, each in enumerate(values, start=1):
            _value(element, each, below, reasons, f"{where}[{index}]" if below.repeats else where)
        if not values and below.required:
            _value(element, {}, below, reasons, where)
        elif not values:
            _absent(element, below, reasons.get(f"{where}[1]" if below.repeats else where))


def _value(parent: etree._Element, value: Any, part: Part, reasons: Mapping[str, str], place: str) -> None:
    element = etree.SubElement(parent, part.tag)
    if part.parts is not None:
        _object(element, value, part, reasons, place)
        return
    element.text = _writable(str(value))
    if part.dated:
        unknown = _UNKNOWN.get(_zeroes(element.text))
        if unknown is not None:
            element.set(f"{{{STUF}}}indOnvolledigeDatum", unknown)


def _absent(parent: etree._Element, part: Part, reason: str | None) -> None:
    """An element without value: when the document says why, or when the standard wants it there all the same."""
    if reason is None and not part.needed:
        return
    element = etree.SubElement(parent, part.tag)
    element.set(f"{{{XSI}}}nil", "true")
    if part.entity is not None:
        element.set(f"{{{STUF}}}entiteittype", part.entity)
    elif part.parts is None and not part.plain:
        element.set(f"{{{STUF}}}noValue", reason or UNKNOWN)


def _extra(parent: etree._Element, extras: Any) -> None:
    if not extras:
        return
    group = etree.SubElement(parent, f"{{{STUF}}}extraElementen")
    for extra in extras:
        element = etree.SubElement(group, f"{{{STUF}}}extraElement", naam=extra["naam"])
        element.text = _writable(extra.get("waarde", ""))


def _writable(text: str) -> str:
    """XML 1.0 has no words for most control characters: they would make the whole message unreadable."""
    return text if text.isascii() and text.isprintable() else _NOT_IN_XML.sub("\ufffd", text)


UNKNOWN: Final = "waardeOnbekend"
_NOT_IN_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_UNKNOWN: Final = {"day": "D", "month": "M", "all": "J"}  # StUF indOnvolledigeDatum


def _zeroes(digits: str) -> str:
    if digits == "00000000":
        return "all"
    if digits.endswith("0000"):
        return "month"
    return "day" if digits.endswith("00") else "none"
