# SPDX-License-Identifier: EUPL-1.2
"""Every registered format keeps the promises."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import mappings
from connectors.formats import formats
from connectors.formats.fhir_xml_convert import to_xml
from schakel.ports import Format
from tests.conformance.format_suite import Case, FormatSuite
from tests.support.hostile import CANARY
from tests.support.tables import csv_file, row

HERE = Path(mappings.__file__).parent
DOCTYPE = f'<!DOCTYPE a [<!ENTITY x "{CANARY}">]>'.encode()
ANOTHER = "2026-12-24T12:00:00Z"


def registered(name: str) -> Format:
    return formats()[name]


def goldens(mapping: str) -> list[dict[str, Any]]:
    return [json.loads(path.read_bytes()) for path in sorted((HERE / mapping / "examples").glob("*.golden.json"))]


def example_bytes(path: str) -> bytes:
    """`mapping/file`."""
    mapping, file = path.split("/")
    return (HERE / mapping / "examples" / file).read_bytes()


def example(mapping: str, name: str) -> Any:
    return json.loads(example_bytes(f"{mapping}/{name}.json"))


def json_case(document: dict[str, Any], again: dict[str, Any], other: dict[str, Any]) -> Case:
    """`again` is written in another way too."""
    return Case(json.dumps(document).encode(), json.dumps(again, indent=1).encode(), json.dumps(other).encode())


def json_broken(kind: dict[str, Any]) -> list[bytes]:
    """Broken whatever a JSON document says; `kind`: by which it is known."""
    own = json.dumps(kind)[1:-1].encode()
    twice = b"{" + own + b',"%s":1,"%s":2}' % (CANARY.encode(), CANARY.encode())
    return [b"{" + own, twice, b"{" + own + b',"a":NaN}', b"{" + own + b',"a":"\\u0000"}', b"{" + own + b"}\xff"]


def xml_broken(root: bytes) -> list[bytes]:
    return [root, DOCTYPE + root + b"</a>", b"<a>&x;</a>", b"<a>", b"<" + CANARY.encode() + b"/>", b"<a>\xff</a>"]


class TestThvJson(FormatSuite):
    name = "thv-json"
    document = example("thv_aanmelding", "delft-tweede-thv")
    cases = (json_case(document, document | {"verzondenOp": ANOTHER}, document | {"toelichting": "Anders."}),)
    broken = (*json_broken({"zaakkenmerk": "Z"}), json.dumps(document | {CANARY: 1}).encode())

    @pytest.fixture
    def format(self) -> Format:
        return registered(self.name)


class TestThvCsv(FormatSuite):
    name = "thv-csv"
    own = row(1, "0503")
    cases = (
        Case(
            csv_file([own]),
            csv_file([dict(reversed(own.items()))], separator=",", encoding="utf-8-sig", ends="\n"),
            csv_file([own | {"toelichting": "Anders."}]),
        ),
    )
    broken = (
        csv_file([own, row(2)]),
        csv_file([own | {CANARY.lower(): "x"}]),
        csv_file([own | {"kenmerk": ""}]),
        csv_file([own]).replace(b";", b"\0"),
        b"kenmerk;versie\r\n",
    )

    @pytest.fixture
    def format(self) -> Format:
        return registered(self.name)


class TestCaseJson(FormatSuite):
    name = "case-json"
    referral = example("referral_json", "delft")
    message = example("case_message_json", "delft")
    cases = (
        json_case(
            referral,
            referral | {"sentAt": ANOTHER},
            referral | {"referral": referral["referral"] | {"question": "Iets anders?"}},
        ),
        json_case(
            message,
            message | {"message": message["message"] | {"receivedAt": ANOTHER}},
            message | {"question": "Iets anders?"},
        ),
    )
    broken = (*json_broken({"schema": "referral@1"}), json.dumps(referral | {CANARY: 1}).encode())
    written = goldens("case_json")

    @pytest.fixture
    def format(self) -> Format:
        return registered(self.name)

    def test_the_same_document_gives_the_same_bytes(self, format: Format) -> None:
        """A view is no message that comes in: it need not be recognised."""
        for document in self.written:
            assert format.write(document) == format.write(dict(reversed(document.items())))


def fhir_cases() -> Iterator[tuple[Any, Any, Any]]:
    """A bundle; the same an hour later; the same reference with another question."""
    for name in ("westland", "contained", "secret-address"):
        bundle = example("cit_fhir", name)
        changed = json.loads(json.dumps(bundle))
        request = next(
            each["resource"] for each in changed["entry"] if each["resource"]["resourceType"] == "ServiceRequest"
        )
        request["priority"] = "routine" if request.get("priority") == "stat" else "stat"
        yield bundle, bundle | {"timestamp": ANOTHER}, changed


NO_MESSAGE = {"resourceType": "Bundle", "type": "collection", "identifier": {"value": CANARY}}


class TestFhirJson(FormatSuite):
    name = "fhir-json"
    cases = tuple(json_case(*each) for each in fhir_cases())
    broken = (*json_broken({"resourceType": "Bundle"}), json.dumps(NO_MESSAGE).encode())
    written = goldens("case_fhir")
    answers = tuple(map(example_bytes, ("fhir_answer/accepted.json", "fhir_answer/rejected.json")))

    @pytest.fixture
    def format(self) -> Format:
        return registered(self.name)


class TestFhirXml(FormatSuite):
    name = "fhir-xml"
    cases = tuple(Case(*map(to_xml, each)) for each in fhir_cases())
    broken = (*xml_broken(b'<Bundle xmlns="http://hl7.org/fhir">'), to_xml(NO_MESSAGE))
    written = goldens("case_fhir")
    answers = (example_bytes("fhir_answer/accepted.xml"), to_xml(example("fhir_answer", "rejected")))

    @pytest.fixture
    def format(self) -> Format:
        return registered(self.name)


def stuf_case(mapping: str, name: str) -> Case:
    body = example_bytes(f"{mapping}/{name}.xml")
    later = re.sub(rb"(tijdstipBericht>)[0-9]+", rb"\g<1>20261224120000", body).replace(b"?>", b"?><!-- later -->", 1)
    return Case(body, later, re.sub(rb"(<JZ:omschrijvingZorgelijkeSituatie>)[^<]+", rb"\g<1>Anders.", body))


class TestStufJeugdzorg(FormatSuite):
    name = "stuf-jz"
    cases = (stuf_case("stuf_melding_generiek", "zoetermeer"), stuf_case("stuf_vt_melding", "drie-vaders"))
    broken = xml_broken(b'<a xmlns="http://www.stufstandaarden.nl/koppelvlak/jz0100">')
    written = (*goldens("case_stuf"), *goldens("feedback_stuf"), *goldens("feedback_stuf_vt"))
    answers = tuple(
        example_bytes(f"stuf_uitkomst/{name}.xml") for name in ("zvh-01-in-behandeling", "vt-99-onjuist-geadresseerd")
    )

    @pytest.fixture
    def format(self) -> Format:
        return registered(self.name)


def test_every_registered_format_has_its_suite() -> None:
    assert sorted(each.name for each in FormatSuite.__subclasses__()) == sorted(formats())
