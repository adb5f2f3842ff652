# SPDX-License-Identifier: EUPL-1.2
"""Any FHIR XML, however mangled, becomes an envelope or a refusal, and no word of its sender stands in what is said."""

from __future__ import annotations

import copy
import json
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from connectors.formats.fhir_json import FhirJson
from connectors.formats.fhir_xml import FhirXml
from connectors.formats.fhir_xml_convert import from_xml, to_xml
from mappings.codebook import CodebookShelf
from mappings.engine import CompiledMapping, load_mapping
from schakel.errors import Refusal, Unmappable
from tests.property.test_fhir_bundles import BODIES, CANARY, FOLDER, NOW, _edits, _mangle

TREES = {name: to_xml(json.loads(body)) for name, body in BODIES.items()}
RELAXED = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
NS = "{http://hl7.org/fhir}"
_changes = st.lists(
    st.tuples(
        st.integers(0, 5_000),
        st.sampled_from(["drop", "double", "rename", "text", "attribute", "foreign", "nest", "value", "empty"]),
        st.sampled_from(["id", "value", "url", "extension", "Patient", "given", "div", CANARY, "1", "2026-02-30", ""]),
    ),
    min_size=1,
    max_size=4,
)


def mangled(body: bytes, changes: list[tuple[int, str, str]]) -> bytes:
    root = etree.fromstring(body)
    for number, change, word in changes:
        nodes = list(root.iter())
        node = nodes[number % len(nodes)]
        parent = node.getparent()
        name = word if word.isalpha() else "x"
        if change == "drop" and parent is not None:
            parent.remove(node)
        elif change == "double" and parent is not None:
            parent.insert(parent.index(node), copy.deepcopy(node))
        elif change == "rename":
            node.tag = NS + name
        elif change == "text":
            node.text = word
        elif change == "attribute":
            node.set(name, word)
        elif change == "foreign":
            etree.SubElement(node, f"{{urn:{name}}}{name}").text = word
        elif change == "nest":
            etree.SubElement(node, NS + name).set("value", word)
        elif change == "value":
            node.set("value", word)
        elif change == "empty":
            node.clear()
    return etree.tostring(root)


@cache
def mapping() -> CompiledMapping:
    return load_mapping(FOLDER, CodebookShelf.load())


def said(body: bytes, *, validate: bool) -> str:
    """Everything that the hub would say of it."""
    try:
        envelope = FhirXml(validate=validate).read(body)
    except Refusal as refusal:
        return str(refusal.findings)
    try:
        mapped = mapping().apply(envelope.document, now=NOW)
    except Unmappable as parked:
        return str((envelope.findings, parked.findings))
    return str((envelope.findings, mapped.losses))


@RELAXED
@given(name=st.sampled_from(sorted(TREES)), changes=_changes, validate=st.booleans())
def test_mangled_xml_is_read_or_refused(name: str, changes: list[tuple[int, str, str]], validate: bool) -> None:
    assert CANARY not in said(mangled(TREES[name], changes), validate=validate)


@RELAXED
@given(name=st.sampled_from(sorted(BODIES)), edits=_edits)
def test_whatever_is_written_as_xml_can_be_read_again(name: str, edits: list[tuple[int, str, Any]]) -> None:
    bundle = _mangle(json.loads(BODIES[name]), edits)
    try:
        body = to_xml(bundle)
    except ValueError:
        assert not isinstance(bundle.get("resourceType"), str) or not bundle["resourceType"].isalpha()
        return
    again = from_xml(body)
    assert from_xml(to_xml(again)) == again


@pytest.mark.parametrize("name", sorted(TREES))
def test_indenting_and_comments_change_nothing(name: str) -> None:
    root = etree.fromstring(TREES[name])
    etree.indent(root, space="\t")
    root.insert(0, etree.Comment("door ons"))
    assert from_xml(etree.tostring(root)) == from_xml(TREES[name])


def test_the_same_message_in_both_syntaxes_has_one_digest() -> None:
    for name, body in BODIES.items():
        if name in ("no-header", "looks-like-r5"):
            continue  # refused in both
        assert FhirJson(validate=False).read(body).digest == FhirXml(validate=False).read(TREES[name]).digest
