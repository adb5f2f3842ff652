# SPDX-License-Identifier: EUPL-1.2
"""thv-aanmelding@1: what is read, what is refused where, what the sender is told."""

from __future__ import annotations

import json
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from connectors.formats import formats
from connectors.formats.case_json import CaseJson
from connectors.formats.thv_json import SCHEMA, ThvJson
from schakel.errors import Finding, Malformed, UnsupportedFormat
from schakel.ports import Notice, Receipt

NOW = datetime(2026, 11, 16, 9, 0, tzinfo=UTC)
CANARY = "CANARY-7731"
DOCUMENT: dict[str, Any] = {
    "schema": "thv-aanmelding@1",
    "kenmerk": "THVP-1",
    "zaakkenmerk": "ZAAK-1",
    "soort": "aanmelding",
    "verzondenOp": "2026-11-14T23:05:00+01:00",
    "huisverbod": {"status": "opgelegd", "opgelegdOp": "2026-11-14T22:40:00+01:00", "volgnummer": 1},
    "betrokkenen": [{"id": "1", "rol": "slachtoffer", "geboren": "1990-04", "adressen": [{"postcode": "2512 AB"}]}],
}


def body(**changes: Any) -> bytes:
    return json.dumps({**DOCUMENT, **changes}).encode()


def refusal(document: Any) -> list[tuple[str, str]]:
    with pytest.raises(Malformed) as caught:
        ThvJson().read(json.dumps(document).encode())
    assert CANARY not in f"{caught.value} {caught.value.findings}"
    return [(finding.place, finding.rule) for finding in caught.value.findings]


def test_reads_the_two_references_before_any_mapping() -> None:
    envelope = ThvJson().read(body())
    assert (envelope.format, envelope.mapping) == ("thv-json", "thv-aanmelding")
    assert (envelope.message_reference, envelope.source_case_reference) == ("THVP-1", "ZAAK-1")
    assert envelope.document == DOCUMENT


def test_the_digest_is_of_the_content_not_of_its_transport() -> None:
    read = ThvJson().read
    digest = read(body()).digest
    assert len(digest) == 32
    assert read(body(verzondenOp="2026-11-15T08:00:00Z")).digest == digest
    assert read(json.dumps(dict(reversed(DOCUMENT.items())), indent=3).encode()).digest == digest
    assert read(body(toelichting="anders")).digest != digest


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda d: d.pop("kenmerk"), ("kenmerk", "schema: required")),
        (lambda d: d.update(kenmerk=7), ("kenmerk", "schema: type")),
        (lambda d: d.update(kenmerk=None), ("kenmerk", "schema: type")),
        (lambda d: d.update(betrokkenen=[]), ("betrokkenen", "schema: minItems")),
        (lambda d: d["betrokkenen"][0].update(geboren=CANARY), ("betrokkenen[0].geboren", "schema: pattern")),
        (lambda d: d["betrokkenen"][0].update(bsn=CANARY), ("betrokkenen[0].bsn", "schema: pattern")),
        (
            lambda d: d["betrokkenen"][0]["adressen"][0].update(huisnummer=12),
            ("betrokkenen[0].adressen[0].huisnummer", "schema: type"),
        ),
        (
            lambda d: d["huisverbod"].update(statuss=CANARY),
            ("huisverbod.? (did you mean status?)", "schema: additionalProperties"),
        ),
        (lambda d: d["huisverbod"].update({"999990019": 1}), ("huisverbod.?", "schema: additionalProperties")),
        (lambda d: d["huisverbod"].update(volgnummer=True), ("huisverbod.volgnummer", "schema: type")),
        (lambda d: d["huisverbod"].update(volgnummer=0), ("huisverbod.volgnummer", "schema: minimum")),
        (lambda d: d["huisverbod"].update(opgelegdOp="gisteren"), ("huisverbod.opgelegdOp", "schema: pattern")),
        (lambda d: d.update(schema="thv-aanmelding@2"), ("schema", "schema: const")),
    ],
)
def test_structure_is_refused_with_place_and_rule(change: Any, expected: tuple[str, str]) -> None:
    document = deepcopy(DOCUMENT)
    change(document)
    assert refusal(document) == [expected]


@pytest.mark.parametrize("document", [[], "x", 3, None, True])
def test_something_else_than_an_object_is_refused(document: Any) -> None:
    assert refusal(document) == [("(document)", "schema: type")]


def test_an_unknown_code_is_not_refused() -> None:
    document = deepcopy(DOCUMENT)
    document["soort"] = "nog-nooit-gezien"
    document["betrokkenen"][0]["rol"] = "buurman"
    document["huisverbod"]["status"] = "misschien"
    assert ThvJson().read(json.dumps(document).encode()).document["soort"] == "nog-nooit-gezien"


def test_all_faults_are_told_at_once() -> None:
    document = deepcopy(DOCUMENT)
    del document["kenmerk"], document["zaakkenmerk"]
    document["betrokkenen"].append({})
    assert [place for place, _ in refusal(document)] == [
        "kenmerk",
        "zaakkenmerk",
        "betrokkenen[1].id",
        "betrokkenen[1].rol",
    ]


def test_recognises_json_that_is_not_fhir() -> None:
    assert ThvJson().recognises(body())
    assert ThvJson().recognises(b"{ broken")
    assert not ThvJson().recognises(b'{"resourceType": "Bundle"}')
    assert not ThvJson().recognises(b" <soap:Envelope/>")


def test_the_reply_says_who_gets_it_and_why() -> None:
    receipt = Receipt(
        message_id="019a",
        state="parked",
        duplicate=False,
        notices=(Notice("vvt", "lead", "deliver", "route:den-haag", "Naar VVT.", "To VVT."),),
        warnings=(Finding("members[0].role", "code", "Onbekend.", "Unknown."),),
        parked_cause="unknown-code",
    )
    reply = ThvJson().accepted(ThvJson().read(body()), receipt, now=NOW, hub_oin="00000099000000000000")
    assert (reply.status, reply.media_type) == (202, "application/json")
    assert json.loads(reply.body) == {
        "id": "019a",
        "state": "parked",
        "duplicate": False,
        "parkedCause": "unknown-code",
        "recipients": [
            {
                "recipient": "vvt",
                "role": "lead",
                "outcome": "deliver",
                "rule": "route:den-haag",
                "nl": "Naar VVT.",
                "en": "To VVT.",
            }
        ],
        "warnings": [{"place": "members[0].role", "rule": "code", "nl": "Onbekend.", "en": "Unknown."}],
    }


def test_a_refusal_is_left_to_problem_json() -> None:
    assert ThvJson().refused(Malformed(), b"", now=NOW, hub_oin="", accept="*/*") is None


def test_it_only_comes_in() -> None:
    with pytest.raises(UnsupportedFormat):
        ThvJson().write({})


def test_the_schema_is_valid_and_describes_every_field_in_dutch() -> None:
    schema = json.loads(SCHEMA.read_bytes())
    Draft202012Validator.check_schema(schema)

    def undescribed(part: Any, path: str = "") -> list[str]:
        found = []
        for name, each in part.get("properties", {}).items():
            found += [] if each.get("description") else [f"{path}.{name}"]
            found += undescribed(each, f"{path}.{name}")
        return found + (undescribed(part["items"], f"{path}[]") if "items" in part else [])

    assert undescribed(schema) == []
    assert [each for name, part in schema["$defs"].items() for each in undescribed(part, name)] == []


def test_case_json_is_the_same_for_the_same_view() -> None:
    write = CaseJson().write
    assert write({"b": {"y": "é", "x": [1]}, "a": None}) == '{"a":null,"b":{"x":[1],"y":"é"}}'.encode()
    assert write({"a": 1, "b": 2}) == write({"b": 2, "a": 1})
    with pytest.raises(Malformed):
        CaseJson().read(b"{}")
    assert not CaseJson().recognises(b"{}")


def test_the_register_names_each_format_by_its_own_name() -> None:
    assert all(name == each.name for name, each in formats().items())
    assert {"thv-json", "case-json"} <= formats().keys()
