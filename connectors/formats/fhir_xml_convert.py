# SPDX-License-Identifier: EUPL-1.2
"""Turns FHIR XML into FHIR JSON values and back, by the element tables of R4 (FHIR R4, xml.html and json.html).

What R4 has no place for is kept under its own name, from XML as from JSON, so that the silent-loss report names it: an
element of another namespace as `{other}name`, text between elements as `{text}`. Decimals keep their digits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from lxml import etree

from connectors.formats.fhir_bundle import type_of
from connectors.formats.fhir_xml_tables import NONE, Element, Table, table
from connectors.formats.xml import parse
from schakel.errors import Finding, Malformed

FHIR: Final = "http://hl7.org/fhir"
XHTML: Final = "http://www.w3.org/1999/xhtml"
_FHIR_ONLY: Final[Any] = {None: FHIR}  # the stubs know no default namespace
_XHTML_ONLY: Final[Any] = {None: XHTML}
_XSI: Final = "{http://www.w3.org/2001/XMLSchema-instance}"
_DIV: Final = f"{{{XHTML}}}div"
_IN_FHIR: Final = f"{{{FHIR}}}"
_BLANKS: Final = " \t\r\n"
_VALUE_ALONE: Final = ["value"]
_STRAY_TEXT: Final = "{text}"
_OTHER: Final = "{other}"
_INTEGER: Final = re.compile(r"^-?(?:0|[1-9][0-9]{0,9})$", re.ASCII)
_DECIMAL: Final = re.compile(r"^-?(?:0|[1-9][0-9]{0,39})(?:\.[0-9]{1,40})?(?:[eE][+-]?[0-9]{1,2})?$", re.ASCII)
_NAME: Final = re.compile(r"^[A-Za-z][A-Za-z0-9]{0,63}$")
_NOT_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ASIDE: Final = frozenset({"resourceType", "fhir_comments"})


# -- from XML ----------------------------------------------------------------------------------------------------------


def from_xml(body: bytes) -> dict[str, Any]:
    """The resource as JSON values; decimals as `Decimal`. Raises Malformed: not XML, or not a FHIR resource."""
    root = parse(body)
    if not is_fhir(root):
        nl, en = "Verwacht: een FHIR-resource in XML.", "Expected a FHIR resource in XML."
        raise Malformed(Finding("document", "fhir-xml-root", nl, en))
    return _resource_of(root)


def is_fhir(root: etree._Element) -> bool:
    """Whether this is a resource: an element of the FHIR namespace with the name of a type."""
    name = etree.QName(root)
    return name.namespace == FHIR and type_of({"resourceType": name.localname}) != ""


def _resource_of(node: etree._Element) -> dict[str, Any]:
    name = etree.QName(node).localname
    return {"resourceType": name, **_complex_of(node, table(name))}


def _complex_of(node: etree._Element, known: Table) -> dict[str, Any]:
    """The object of an element: its attributes, then its children by name, in the order of the document."""
    made: dict[str, Any] = dict(_attributes(node)) if node.keys() else {}
    text = node.text
    stray = bool(text and text.strip(_BLANKS))
    by_name: dict[str, list[etree._Element]] = {}
    for child in node:
        tag = child.tag
        if tag.startswith(_IN_FHIR):
            name = tag[len(_IN_FHIR) :]
        else:
            name = "div" if tag == _DIV else _OTHER + tag.rpartition("}")[2]
        by_name.setdefault(name, []).append(child)
        if not stray and (tail := child.tail) and tail.strip(_BLANKS):
            stray = True
    if stray:
        made[_STRAY_TEXT] = True
    for name, children in by_name.items():
        element = known.elements.get(name)
        if element is None:
            made[name] = _one_or_all([_unknown_of(child) for child in children])
        elif element.primitive:
            made.update(_primitives_of(children, element))
        else:
            values = [_value_of(child, element) for child in children]
            made[name] = values if element.many else _one_or_all(values)
    return made


def _value_of(node: etree._Element, element: Element) -> Any:
    if element.kind == "xhtml":
        return etree.tostring(node, encoding="unicode", with_tail=False)
    if element.kind == "resource":
        inner = [child for child in node if is_fhir(child)]
        if len(inner) == 1 and len(node) == 1:
            return _resource_of(inner[0])
        return _unknown_of(node)  # no resource, or several: the structure check finds it
    return _complex_of(node, table(element.type or ""))


def _primitives_of(nodes: list[etree._Element], element: Element) -> dict[str, Any]:
    """`name` with the values and `_name` with what stands beside them (id, extensions)."""
    if len(nodes) == 1 and not element.many and _is_bare(nodes[0]):  # as nearly all of them
        return {element.name: _scalar(nodes[0].get("value"), element)}
    values = [_scalar(node.get("value"), element) for node in nodes]
    beside = [_beside(node) or None for node in nodes]
    made: dict[str, Any] = {}
    if any(value is not None for value in values):
        made[element.name] = values if element.many else _one_or_all(values)
    if any(beside):
        made["_" + element.name] = beside if element.many else _one_or_all(beside)
    return made


def _is_bare(node: etree._Element) -> bool:
    """A value, and nothing beside it."""
    return len(node) == 0 and node.keys() == _VALUE_ALONE and not node.text


def _beside(node: etree._Element) -> dict[str, Any]:
    if _is_bare(node):
        return {}
    made = _complex_of(node, table("Element"))
    made.pop("value", None)
    return made


def _scalar(text: str | None, element: Element) -> Any:
    """The JSON value; text that does not fit its kind stays text, and the structure check refuses it."""
    if text is None or element.kind == "string":
        return text
    if element.kind == "boolean":
        return {"true": True, "false": False}.get(text, text)
    if element.kind == "integer":
        return int(text) if _INTEGER.match(text) else text
    return Decimal(text) if _DECIMAL.match(text) else text


def _unknown_of(node: etree._Element) -> Any:
    """An element that R4 does not have: its value, or an object of what is in it."""
    if len(node) == 0 and set(node.attrib) == {"value"} and not _has_text(node):
        return node.get("value")
    return _complex_of(node, NONE) or ""


def _attributes(node: etree._Element) -> Iterator[tuple[str, str]]:
    for name, value in node.attrib.items():
        if not str(name).startswith(_XSI):  # schemaLocation and the like say nothing
            yield str(name) if _NAME.match(str(name)) else _OTHER + etree.QName(str(name)).localname, str(value)


def _has_text(node: etree._Element) -> bool:
    if node.text and node.text.strip(_BLANKS):
        return True
    return any(tail and tail.strip(_BLANKS) for tail in [child.tail for child in node])


def _one_or_all(values: list[Any]) -> Any:
    """One value as itself. Several where R4 has one stay a list: the structure check refuses it."""
    return values[0] if len(values) == 1 else values


# -- to XML ------------------------------------------------------------------------------------------------------------


def to_xml(resource: Mapping[str, Any]) -> bytes:
    """The resource as XML, UTF-8 with declaration: elements in the order of R4, then what R4 does not have.

    Characters that XML cannot hold become U+FFFD. Raises ValueError: the value is no resource."""
    if not type_of(resource):
        raise ValueError("fhir-xml: not a resource")
    root = etree.Element(f"{{{FHIR}}}{type_of(resource)}", nsmap=_FHIR_ONLY)
    _fill(root, resource, table(type_of(resource)))
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True)


def _fill(node: etree._Element, value: Mapping[str, Any], known: Table) -> None:
    if known.attributes:
        for name in sorted(known.attributes & value.keys()):
            if isinstance(value[name], str):
                node.set(name, _said(value[name]))
    elements: dict[int, str] = {}  # of R4, by their place in its order
    others: dict[str, None] = {}
    for name in value:
        bare = name.removeprefix("_")
        position = known.positions.get(bare)
        if position is not None:
            elements[position] = bare
        elif bare not in known.attributes and bare not in _ASIDE and name not in _ASIDE and _NAME.match(bare):
            others[bare] = None
    for position in sorted(elements):
        name = elements[position]
        _put(node, known.elements[name], value.get(name), value.get("_" + name))
    for name in others:
        _put_unknown(node, name, value.get(name), value.get("_" + name))


def _put(node: etree._Element, element: Element, value: Any, beside: Any) -> None:
    if element.primitive:
        _put_primitives(node, element.name, value, beside)
        return
    for each in value if isinstance(value, list) else [value]:
        if each is None:
            continue
        if element.kind == "xhtml":
            node.append(_narrative(str(each)))
        elif each.__class__ is dict or isinstance(each, Mapping):
            child = etree.SubElement(node, _IN_FHIR + element.name)
            if element.kind == "resource" and type_of(each):
                inner = etree.SubElement(child, f"{{{FHIR}}}{type_of(each)}")
                _fill(inner, each, table(type_of(each)))
            else:
                _fill(child, each, table(element.type or ""))
        else:
            etree.SubElement(node, f"{{{FHIR}}}{element.name}").set("value", _said(each))


def _put_primitives(node: etree._Element, name: str, value: Any, beside: Any) -> None:
    if beside is None and value.__class__ is str:  # as nearly all of them
        etree.SubElement(node, _IN_FHIR + name).set("value", _said(value))
        return
    values = value if isinstance(value, list) else [value]
    besides = beside if isinstance(beside, list) else [beside]
    for position in range(max(len(values), len(besides))):
        one = values[position] if position < len(values) else None
        extra = besides[position] if position < len(besides) else None
        if one is None and not isinstance(extra, Mapping) and len(values) == 1:
            continue
        child = etree.SubElement(node, f"{{{FHIR}}}{name}")
        if one is not None:
            child.set("value", _said(one))
        if isinstance(extra, Mapping):
            _fill(child, extra, table("Element"))


def _put_unknown(node: etree._Element, name: str, value: Any, beside: Any) -> None:
    for each in value if isinstance(value, list) else [value]:
        if each is None and beside is None:
            continue
        child = etree.SubElement(node, f"{{{FHIR}}}{name}")
        if isinstance(each, Mapping):
            _fill(child, each, NONE)
        elif each is not None:
            child.set("value", _said(each))
        if isinstance(beside, Mapping):
            _fill(child, beside, table("Element"))


def _said(value: Any) -> str:
    if value.__class__ is str:
        return value if value.isascii() and value.isprintable() else _NOT_XML.sub("\ufffd", value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return _NOT_XML.sub("\ufffd", str(value))


def _narrative(text: str) -> etree._Element:
    """The narrative's `div`; what is no well-formed XHTML is shown as the text that it is."""
    try:
        found = parse(_NOT_XML.sub("\ufffd", text).encode())
    except Malformed:
        found = etree.Element(_DIV, nsmap=_XHTML_ONLY)
        found.text = _NOT_XML.sub("\ufffd", text)
    if found.tag == _DIV:
        return found
    wrapped = etree.Element(_DIV, nsmap=_XHTML_ONLY)
    if found.tag == "div":  # written without its namespace
        wrapped.text = "".join(str(part) for part in found.itertext())
    else:
        wrapped.text = text
    return wrapped
