# SPDX-License-Identifier: EUPL-1.2
"""FHIR in XML: what comes in is what the same JSON says, what goes out is in R4's order, nothing goes unnoticed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from connectors.formats.fhir_json import FhirJson
from connectors.formats.fhir_xml import FhirXml
from connectors.formats.fhir_xml_convert import from_xml, to_xml
from mappings.codebook import CodebookShelf
from mappings.engine import load_mapping
from schakel.errors import Malformed, NotFound, Refusal, UnsupportedFormat
from schakel.ports import Receipt

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "mappings" / "cit_fhir"
SAMPLES = ROOT.parent / "shared" / "samples" / "nl-core"
NOW = datetime(2026, 11, 16, 9, tzinfo=UTC)
WORDS = {"now": NOW, "hub_oin": "00000099000000000001"}
NS = 'xmlns="http://hl7.org/fhir"'
BODIES = sorted(path for path in (FOLDER / "examples").glob("*.json") if ".golden" not in path.name)


def as_xml(path: Path) -> bytes:
    return to_xml(json.loads(path.read_bytes()))


def outcome_of(format: Any, body: bytes) -> tuple[Any, ...]:
    """What reading comes to, without the format's name."""
    try:
        envelope = format.read(body)
    except Refusal as refusal:
        return (refusal.slug, refusal.findings)
    return (envelope.message_reference, envelope.source_case_reference, envelope.document, envelope.digest,
            envelope.findings, envelope.mapping, envelope.sender_oin)  # fmt: skip


@pytest.mark.parametrize("path", BODIES, ids=lambda path: path.stem)
def test_a_message_says_in_xml_what_it_says_in_json(path: Path) -> None:
    assert outcome_of(FhirXml(), as_xml(path)) == outcome_of(FhirJson(), path.read_bytes())


def test_samples_of_nl_core_become_json_that_the_models_take_and_come_back_as_they_were() -> None:
    if not SAMPLES.is_dir():
        assert "CI" not in os.environ
        pytest.skip("no folder shared/samples beside the checkout")
    from fhir.resources.R4B import get_fhir_model_class

    paths = sorted(SAMPLES.glob("*.xml"))
    for path in paths:
        resource = from_xml(path.read_bytes())
        get_fhir_model_class(resource["resourceType"]).model_validate(resource)
        assert from_xml(to_xml(resource)) == resource
    assert len(paths) == 5


def test_elements_stand_in_the_order_of_r4_whatever_the_order_in_json() -> None:
    resource = {
        "birthDate": "1985",
        "name": [{"given": ["Ann"], "family": "Os", "extension": [{"valueCode": "x", "url": "u:v"}], "id": "n"}],
        "contained": [{"resourceType": "Organization", "name": "O", "id": "o"}],
        "active": True,
        "id": "p",
        "resourceType": "Patient",
    }
    assert to_xml(resource).decode().partition("?>\n")[2] == (
        f'<Patient {NS}><id value="p"/><contained><Organization><id value="o"/><name value="O"/></Organization>'
        '</contained><active value="true"/><name id="n"><extension url="u:v"><valueCode value="x"/></extension>'
        '<family value="Os"/><given value="Ann"/></name><birthDate value="1985"/></Patient>'
    )


def test_primitives_keep_their_extensions_lists_their_places_and_decimals_their_digits() -> None:
    absent = {
        "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "masked"}]
    }
    resource = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "gewicht"},
        "_issued": absent,
        "valueQuantity": {"value": Decimal("1.50")},
        "component": [{"code": {"text": "een"}, "valueInteger": 0}],
    }
    assert from_xml(to_xml(resource)) == resource
    assert b'<value value="1.50"/>' in to_xml(resource)
    patient = {
        "resourceType": "Patient",
        "name": [{"given": ["Ann", None, "Bo"], "_given": [None, absent, {"id": "b"}]}],
        "multipleBirthBoolean": False,
        "address": [{"line": ["Laan 1"]}],
    }
    assert from_xml(to_xml(patient)) == patient


def test_a_narrative_is_a_string_in_json_and_a_tree_in_xml() -> None:
    div = '<div xmlns="http://www.w3.org/1999/xhtml"><p>Een <b>zin</b> &amp; meer</p></div>'
    resource = {"resourceType": "Patient", "text": {"status": "generated", "div": div}}
    assert div.encode() in to_xml(resource)
    assert from_xml(to_xml(resource)) == resource
    broken = {"resourceType": "Patient", "text": {"status": "generated", "div": "<div>a &nbsp; <b></div>"}}
    assert b"&lt;div&gt;a &amp;nbsp;" in to_xml(broken)  # shown, not believed


def test_characters_that_xml_cannot_hold_are_marked_and_line_ends_kept() -> None:
    made = from_xml(to_xml({"resourceType": "Patient", "name": [{"text": "a\u0001b\nc\td"}]}))
    assert made["name"] == [{"text": "a\ufffdb\nc\td"}]


@pytest.mark.parametrize(
    "body",
    [
        b"<Patient/>",
        b'<patient xmlns="http://hl7.org/fhir"/>',
        b'<Patient xmlns="http://hl7.org/fhir/other"/>',
        b"<html><body/></html>",
        b'<?xml version="1.0"?><!DOCTYPE x><Patient xmlns="http://hl7.org/fhir"/>',
        b'<Bundle xmlns="http://hl7.org/fhir"><type value="message"/>',
    ],
)
def test_what_is_no_resource_is_refused(body: bytes) -> None:
    with pytest.raises(Malformed):
        from_xml(body)


def test_what_r4_has_no_place_for_is_in_the_loss_report_without_the_senders_words() -> None:
    body = as_xml(FOLDER / "examples" / "references.json").decode()
    body = body.replace(
        "<Patient>",
        '<Patient>stray<kanarie value="geheim"/><x:birthDate xmlns:x="urn:kanarie" value="geheim"/>'
        '<kanarie2><a value="geheim"/><b x="geheim">geheim</b></kanarie2>',
        1,
    )
    envelope = FhirXml().read(body.encode())
    mapped = load_mapping(FOLDER, CodebookShelf.load()).apply(envelope.document, now=NOW)
    assert {"Patient.?"} <= set(mapped.losses)
    assert "kanarie" not in str(mapped.losses)
    assert "geheim" not in str(mapped)


@pytest.mark.parametrize(
    ("put_in", "rule"),
    [
        ('<birthDate value="1985"/><birthDate value="1986"/>', "fhir-r4-"),
        ('<active value="misschien"/>', "fhir-r4-"),
        ('<contained value="x"/>', "fhir-r4-"),
        ("<identifier><type/><type/></identifier>", "fhir-r4-"),
    ],
)
def test_what_breaks_the_structure_is_refused_as_in_json(put_in: str, rule: str) -> None:
    body = as_xml(FOLDER / "examples" / "references.json").decode().replace("<Patient>", f"<Patient>{put_in}", 1)
    with pytest.raises(Malformed) as caught:
        FhirXml().read(body.encode())
    assert all(finding.rule.startswith(rule) for finding in caught.value.findings)
    assert "misschien" not in str(caught.value.findings)


def test_a_later_version_is_told_in_xml_too() -> None:
    with pytest.raises(UnsupportedFormat):
        FhirXml().read(as_xml(FOLDER / "examples" / "looks-like-r5.json"))


def test_only_xml_of_fhir_is_recognised() -> None:
    format = FhirXml()
    assert format.recognises(as_xml(BODIES[0]))
    assert format.recognises(b'\xef\xbb\xbf  <f:Bundle xmlns:f="http://hl7.org/fhir"/>')
    assert not format.recognises(b'<x xmlns="http://www.egem.nl/StUF/StUF0301"/>')
    assert not format.recognises(BODIES[0].read_bytes())


def test_replies_are_outcomes_in_xml() -> None:
    format = FhirXml()
    sent = as_xml(FOLDER / "examples" / "references.json")
    receipt = Receipt(message_id="m-1", state="routed", duplicate=False, notices=())
    reply = format.accepted(format.read(sent), receipt, **WORDS)  # type: ignore[arg-type]
    assert (reply.status, reply.media_type) == (202, "application/fhir+xml")
    assert from_xml(reply.body)["issue"][0]["diagnostics"] == "message m-1: accepted and routed"
    refused = format.refused(NotFound(), b"", accept="application/fhir+xml", **WORDS)  # type: ignore[arg-type]
    assert refused is not None
    assert refused.status == 404
    assert from_xml(refused.body)["resourceType"] == "OperationOutcome"
    assert format.refused(NotFound(), b"{}", accept="application/json", **WORDS) is None  # type: ignore[arg-type]
    assert format.refused(NotFound(), sent, accept="*/*", **WORDS) is not None  # type: ignore[arg-type]


def test_the_models_are_loaded_at_the_first_message_and_not_before() -> None:
    code = "import sys, connectors.formats.fhir_xml as f; f.FhirXml(); print('fhir.resources' in sys.modules)"
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert made.stdout.strip() == "False"
