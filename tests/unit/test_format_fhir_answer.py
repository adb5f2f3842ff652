# SPDX-License-Identifier: EUPL-1.2
"""Answers in FHIR: which request, what is said of it, and who can be reached, however a system writes it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.formats.fhir_json import FhirJson
from connectors.formats.fhir_xml import FhirXml
from connectors.formats.fhir_xml_convert import from_xml, to_xml
from schakel.errors import Malformed, UnsupportedFormat
from schakel.ledger_records import AnswerOutcome
from schakel.ports import AnswerFormat, Envelope

REFERENCE = "ABCDEFGHIJKLMNOPQRSTUVWX23"
NOW = datetime(2026, 11, 16, 9, tzinfo=UTC)
PHONE = {"system": "phone", "value": "015 123 45 67"}
CONTACT = {"name": "Petra Proef", "phone": "015 123 45 67"}
PERSON = {"resourceType": "Practitioner", "id": "p", "name": [{"text": "Petra Proef"}], "telecom": [PHONE]}


def task(**elements: Any) -> dict[str, Any]:
    return {"resourceType": "Task", "id": REFERENCE, "status": "accepted", "intent": "order", **elements}


def read(resource: dict[str, Any]) -> Envelope:
    """In both forms, and they say the same."""
    as_json = FhirJson().read_answer(json.dumps(resource).encode())
    as_xml = FhirXml().read_answer(to_xml(resource))
    assert (as_json.document, as_json.digest, as_json.findings) == (as_xml.document, as_xml.digest, as_xml.findings)
    return as_json


def message(*resources: dict[str, Any], response: dict[str, Any] | None = None) -> dict[str, Any]:
    header: dict[str, Any] = {"resourceType": "MessageHeader", "id": "h", "eventUri": "urn:schakel:event:answer"}
    header |= {"source": {"endpoint": "urn:nld:oin:00000099000000003002"}}
    header |= {"response": response or {"identifier": "x", "code": "ok"}}
    return {"resourceType": "Bundle", "type": "message", "entry": [{"resource": each} for each in (header, *resources)]}


@pytest.mark.parametrize(
    "answer",
    [
        task(contained=[PERSON], owner={"reference": "#p"}),
        task(contained=[PERSON], owner={"display": "Lokaal team"}),
        task(
            contained=[
                {
                    "resourceType": "PractitionerRole",
                    "id": "r",
                    "practitioner": {"reference": "#p"},
                    "telecom": [PHONE],
                },
                {name: value for name, value in PERSON.items() if name != "telecom"},
            ],
            owner={"reference": "#r"},
        ),
        task(
            contained=[
                {
                    "resourceType": "Organization",
                    "id": "o",
                    "name": "Lokaal team",
                    "contact": [{"name": {"text": "Petra Proef"}, "telecom": [PHONE]}],
                }
            ],
            owner={"reference": "#o"},
        ),
        message(task(owner={"reference": "Practitioner/p"}), PERSON),
    ],
)
def test_who_can_be_reached_is_found_however_it_is_written(answer: dict[str, Any]) -> None:
    envelope = read(answer)
    assert envelope.document["contact"] == CONTACT
    assert [name for name, value in envelope.document.items() if value is True] == []


def test_without_a_person_there_is_no_contact() -> None:
    assert "contact" not in read(task(owner={"display": "Lokaal team"})).document


@pytest.mark.parametrize(
    "identifiers",
    [
        [],
        [{"system": "urn:schakel:answer-reference", "value": REFERENCE}],
        [{"system": "urn:eigen", "value": "T-7"}, {"system": "urn:schakel:answer-reference", "value": REFERENCE}],
        [{"system": "urn:eigen", "value": "T-7"}, {"type": {"coding": [{"code": "PLAC"}]}, "value": REFERENCE}],
    ],
)
def test_the_request_is_found_by_our_identifier_the_placers_or_the_id(identifiers: list[dict[str, Any]]) -> None:
    answer = task(
        id=REFERENCE if not identifiers else "eigen-7", **({"identifier": identifiers} if identifiers else {})
    )
    assert read(answer).source_case_reference == REFERENCE


def test_an_answer_is_no_referral_and_a_referral_no_answer() -> None:
    body = json.dumps(message(task())).encode()
    with pytest.raises(UnsupportedFormat) as referral:
        FhirJson().read(body)
    assert [finding.rule for finding in referral.value.findings] == ["fhir-referral"]
    with pytest.raises(Malformed):
        FhirJson().read_answer(json.dumps(message({"resourceType": "Patient", "id": "p"})).encode())
    with pytest.raises(Malformed):
        FhirJson().read(json.dumps(task()).encode())


def test_what_nobody_read_is_named_without_the_senders_words() -> None:
    answer = message(
        task(output=[{"type": {"text": "geheim"}, "valueString": "geheim"}]), {"resourceType": "Patient", "id": "p"}
    )
    document = read(answer).document
    assert [name for name, value in document.items() if value is True] == ["Task.output", "Patient"]
    assert "geheim" not in str(document)


def test_a_machine_that_could_not_handle_it_has_not_answered() -> None:
    envelope = read(message(task(), response={"identifier": "x", "code": "fatal-error"}))
    assert [finding.rule for finding in envelope.findings] == ["fhir-response"]


def test_the_reply_is_an_outcome_in_the_form_of_the_answer() -> None:
    words: dict[str, Any] = {"now": NOW, "hub_oin": "00000099000000000001"}
    for format in (FhirJson(), FhirXml()):
        assert isinstance(format, AnswerFormat)
        reply = format.answered(read(task()), AnswerOutcome("contradicts", "declined"), **words)
        outcome = json.loads(reply.body) if format.name == "fhir-json" else from_xml(reply.body)
        assert (reply.status, reply.media_type) == (200, format.media_types[0])
        assert [issue["severity"] for issue in outcome["issue"]] == ["warning"]


# -- what a status cannot say ------------------------------------------------------------------------------------------


def said(name: str, **value: Any) -> dict[str, Any]:
    return {"type": {"coding": [{"system": "urn:schakel:answer", "code": name}]}, **value}


def asked(kind: str) -> dict[str, Any]:
    return {"coding": [{"system": "urn:schakel:notice", "code": kind}]}


def test_an_output_of_ours_says_what_a_status_cannot() -> None:
    until = "2026-12-01T09:00:00Z"
    document = read(
        task(
            code=asked("effort-asked"),
            output=[
                said("answer", valueCode="adjusted"),
                said("level", valueString="eens"),
                said("until", valueDateTime=until),
            ],
        )
    ).document
    shown = {name: document[name] for name in ("asked", "said", "level", "until")}
    assert shown == {"asked": "effort-asked", "said": "adjusted", "level": "eens", "until": until}
    assert True not in document.values()


def test_one_output_that_is_not_ours_is_named_as_not_read() -> None:
    document = read(
        task(output=[said("answer", valueCode="known"), {"type": {"text": "verslag"}, "valueString": "x"}])
    ).document
    assert (document["said"], document["Task.output"]) == ("known", True)


@pytest.mark.parametrize(
    "output",
    [
        "known",
        [None],
        [said("answer")],
        [said("answer", valueCode=7)],
        [said("verdict", valueCode="known")],
        [{"type": {"coding": [{"system": "urn:other", "code": "answer"}]}, "valueCode": "known"}],
    ],
)
def test_what_is_no_output_of_ours_says_nothing(output: Any) -> None:
    assert "said" not in FhirJson(validate=False).read_answer(json.dumps(task(output=output)).encode()).document
