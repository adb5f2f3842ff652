# SPDX-License-Identifier: EUPL-1.2
"""The FHIR format: references, invariants, validation, names and addresses, secrecy, OperationOutcomes."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.formats.fhir_json import FhirJson
from schakel.errors import (
    Conflict,
    Finding,
    Forbidden,
    Malformed,
    NotFound,
    Refusal,
    Unacceptable,
    Unauthenticated,
    UnsupportedFormat,
)
from schakel.ports import Envelope, Notice, Receipt

EXAMPLES = Path(__file__).resolve().parents[2] / "mappings" / "cit_fhir" / "examples"
NOW = datetime(2026, 11, 16, 9, tzinfo=UTC)
OIN = "00000099000000000001"
HL7 = "http://hl7.org/fhir/StructureDefinition/"
BSN = "http://fhir.nl/fhir/NamingSystem/bsn"

Bundle = dict[str, Any]


def bundle(name: str = "references") -> Bundle:
    made: Bundle = json.loads((EXAMPLES / f"{name}.json").read_bytes())
    return made


def small(*resources: dict[str, Any], request: dict[str, Any] | None = None) -> Bundle:
    """A message with a Patient `p` as subject and whatever else is given."""
    asked = {"resourceType": "ServiceRequest", "id": "r", "status": "active", "intent": "order"}
    asked |= {"subject": {"reference": "Patient/p"}, "identifier": [{"value": "zaak-1"}]} | (request or {})
    header = {"resourceType": "MessageHeader", "id": "h", "source": {"endpoint": "https://cit.example"}}
    header |= {"eventUri": "urn:schakel:event:referral", "focus": [{"reference": "ServiceRequest/r"}]}
    body = [header, asked, *resources]
    if not any(each.get("id") == "p" for each in resources):
        body.append({"resourceType": "Patient", "id": "p", "name": [{"text": "Iemand"}]})
    return {"resourceType": "Bundle", "type": "message", "entry": [{"resource": each} for each in body]}


def patient(**elements: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": "p"} | elements


def read(message: Bundle, *, validate: bool = True) -> Envelope:
    return FhirJson(validate=validate).read(json.dumps(message).encode())


def refusal_of(message: Bundle, *, validate: bool = True) -> Refusal:
    with pytest.raises(Refusal) as caught:
        read(message, validate=validate)
    return caught.value


def rules(envelope: Envelope) -> list[str]:
    return [finding.rule for finding in envelope.findings]


def person(envelope: Envelope, number: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = envelope.document["persons"][number]
    return found


# -- the envelope -----------------------------------------------------------------------------------------------------


def test_importing_the_format_loads_no_fhir_library() -> None:
    code = (
        "import sys, connectors.formats.fhir_json as f; f.FhirJson();"
        "sys.exit(any(m.split('.')[0] == 'fhir' for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_fhir_library_is_loaded_for_a_bundle_that_is_wrong_and_for_no_other() -> None:
    code = (
        "import sys; from pathlib import Path; from connectors.formats.fhir_json import FhirJson;"
        "from schakel.errors import Malformed; folder = Path(sys.argv[1]);"
        "FhirJson(validate=False).read((folder / 'bad-date.json').read_bytes());"
        "FhirJson().read((folder / 'westland.json').read_bytes());"
        "assert 'fhir' not in sys.modules\n"
        "try: FhirJson().read((folder / 'bad-date.json').read_bytes())\n"
        "except Malformed: assert 'fhir' in sys.modules\n"
        "else: sys.exit('it was not refused')"
    )
    assert subprocess.run([sys.executable, "-c", code, str(EXAMPLES)], check=False).returncode == 0


def test_message_and_case_reference_come_from_bundle_identifier_and_placer() -> None:
    message = bundle()
    request = message["entry"][1]["resource"]
    request["identifier"].insert(0, {"system": "https://ander.example", "value": "filler-7"})
    envelope = read(message)
    assert (envelope.message_reference, envelope.source_case_reference) == ("CIT-2026-000419", "CIT-A-2026-0419")


def test_without_identifiers_the_header_names_the_message_and_the_requisition_the_case() -> None:
    message = small(request={"identifier": [], "requisition": {"value": "REQ-1"}})
    del message["entry"][1]["resource"]["identifier"]
    envelope = read(message)
    assert (envelope.message_reference, envelope.source_case_reference) == ("h", "REQ-1")


def test_the_digest_ignores_transport_timestamps_and_nothing_else() -> None:
    message = bundle("westland")
    before = read(message).digest
    message["timestamp"] = "2027-01-01T00:00:00Z"
    message["entry"][2]["resource"]["meta"] = {"lastUpdated": "2027-01-01T00:00:00Z"}
    assert read(message).digest == before
    message["entry"][2]["resource"]["birthDate"] = "1988-04-29"
    assert read(message).digest != before


def test_the_sender_oin_is_read_from_a_urn_endpoint_only() -> None:
    message = bundle("westland")
    assert read(message).sender_oin is None
    message["entry"][0]["resource"]["source"]["endpoint"] = f"urn:nld:oin:{OIN}:systeem:crisisdossier"
    assert read(message).sender_oin == OIN


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b' \n{"id": 1, "resourceType" : "Bundle"}', True),
        (b'{"tekst": "\\"resourceType\\": \\"Bundle\\""}', False),
        (b"<Bundle/>", False),
        (b"", False),
    ],
)
def test_it_recognises_a_fhir_resource_by_its_first_look(body: bytes, expected: bool) -> None:
    assert FhirJson().recognises(body) is expected


# -- references -------------------------------------------------------------------------------------------------------


def test_an_absolute_reference_does_not_take_the_patient_of_another_server() -> None:
    related = {"resourceType": "RelatedPerson", "id": "k", "patient": {"reference": "https://a.example/Patient/p"}}
    message = small(related)
    message["entry"][-1]["fullUrl"] = "https://b.example/Patient/p"
    envelope = read(message)
    assert rules(envelope) == ["fhir-reference"]
    assert person(envelope, 1)["relations"] == []


def test_a_reference_that_fits_two_resources_points_at_none() -> None:
    message = small(patient(), patient())
    assert rules(read(message)) == ["fhir-reference"]


def test_a_contained_resource_is_found_only_from_its_own_container() -> None:
    related = {"resourceType": "RelatedPerson", "id": "k", "patient": {"reference": "#binnen"}}
    holder = {"resourceType": "Flag", "id": "f", "status": "active", "code": {"text": "x"}}
    holder |= {"subject": {"reference": "#binnen"}, "contained": [{"resourceType": "Patient", "id": "binnen"}]}
    envelope = read(small(related, holder))
    assert [finding.place for finding in envelope.findings] == ["Bundle.entry[2].resource.patient"]
    assert envelope.document["flags"][0]["person"] == "p3"


def test_a_person_who_is_patient_and_related_person_is_one() -> None:
    child = patient(
        id="k", birthDate="2017-01-01", link=[{"other": {"reference": "RelatedPerson/rk"}, "type": "seealso"}]
    )
    related = {"resourceType": "RelatedPerson", "id": "rk", "patient": {"reference": "Patient/p"}}
    related["relationship"] = [
        {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-RoleCode", "code": "SON"}]}
    ]
    envelope = read(small(child, related))
    assert [each["id"] for each in envelope.document["persons"]] == ["p1", "p2"]
    assert person(envelope, 1)["relations"][0]["to"] == "p1"
    assert person(envelope, 1)["birthDate"] == "2017-01-01"


def test_linked_records_with_different_bsns_stay_two_so_that_no_number_is_lost() -> None:
    link = [{"other": {"reference": "Patient/q"}, "type": "seealso"}]
    one = patient(identifier=[{"system": BSN, "value": "999990019"}], link=link)
    other = patient(id="q", identifier=[{"system": BSN, "value": "999990020"}])
    assert [each["bsn"] for each in read(small(one, other)).document["persons"]] == ["999990019", "999990020"]


def test_two_people_with_one_bsn_stay_two_and_park() -> None:
    number = [{"system": BSN, "value": "999990019"}]
    envelope = read(
        small(patient(identifier=number, birthDate="1980"), patient(id="q", identifier=number, birthDate="2010"))
    )
    assert len(envelope.document["persons"]) == 2
    assert rules(envelope) == ["bsn-of-one-person"]


def test_five_hundred_resources_are_read_and_more_are_refused() -> None:
    related = {"resourceType": "RelatedPerson", "patient": {"reference": "Patient/p"}}
    assert len(read(small(*[related] * 497), validate=False).document["persons"]) == 498
    assert isinstance(refusal_of(small(*[related] * 499), validate=False), Malformed)


# -- refused ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spoil", "kind", "rule"),
    [
        (lambda b: b.update(type="collection"), Malformed, "fhir-message"),
        (lambda b: b.update(resourceType="Patient"), Malformed, "fhir-message"),
        (lambda b: b.update(entry=[]), Malformed, "fhir-r4-structure"),
        (lambda b: b["entry"].reverse(), Malformed, "bdl-12"),
        (lambda b: b["entry"].pop(1), Malformed, "fhir-request"),
        (lambda b: [each.update(fullUrl="urn:uuid:1") for each in b["entry"]], Malformed, "bdl-7"),
        (lambda b: b["identifier"].update(value="x" * 201), Malformed, "fhir-message-reference"),
        (lambda b: b["entry"][1]["resource"].update(reason=[{}]), UnsupportedFormat, "fhir-version"),
        (lambda b: b["entry"][1]["resource"].update(resourceType="ReferralRequest"), UnsupportedFormat, "fhir-version"),
        (lambda b: b["entry"][0]["resource"].update(timestamp="2017"), UnsupportedFormat, "fhir-version"),
    ],
)
@pytest.mark.parametrize("validate", [True, False])
def test_a_broken_message_is_refused_with_and_without_validation(
    spoil: Callable[[Bundle], object], kind: type[Refusal], rule: str, validate: bool
) -> None:
    message = bundle()
    spoil(message)
    refusal = refusal_of(message, validate=validate)
    assert isinstance(refusal, kind)
    assert [finding.rule for finding in refusal.findings] == [rule]


def test_the_version_refusal_says_what_was_expected_and_what_it_looks_like() -> None:
    message = bundle("looks-like-r5")
    (finding,) = refusal_of(message).findings
    assert finding.en == "Expected FHIR R4; this element looks like FHIR R5."


@pytest.mark.parametrize(
    ("element", "value", "place", "rule"),
    [
        ("birthDate", "geheim-2-2-1992", "birthDate", "fhir-r4-value"),
        ("name", {"text": "geheim"}, "name", "fhir-r4-cardinality"),
        ("deceasedBoolean", "geheim", "deceasedBoolean", "fhir-r4-value"),
        ("extension", [{"valueString": "geheim"}], "extension[0].url", "fhir-r4-required"),
    ],
)
def test_validation_names_place_and_rule_and_never_the_value(element: str, value: Any, place: str, rule: str) -> None:
    message = small(patient(**{element: value}))
    (finding,) = refusal_of(message).findings
    assert (finding.place, finding.rule) == (f"Bundle.entry[2].resource.{place}", rule)
    assert "geheim" not in repr(finding)
    assert read(message, validate=False).document["persons"]


def test_unknown_elements_and_resource_types_are_not_refused_but_listed() -> None:
    message = small(patient(lievelingskleur="blauw"), {"resourceType": "Huisdier", "soort": "hond"})
    document = read(message).document
    assert document["?"] is True
    assert document["Patient.?"] is True
    assert not {"Huisdier", "lievelingskleur", "blauw"} & set(re.findall("[A-Za-z]+", json.dumps(document)))


def test_what_fhir_has_no_name_for_is_not_repeated() -> None:
    strange = {"999990019": "x", "Jansen": "x", "extension": [{"url": "https://elders.example/jansen"}]}
    document = read(small(patient(photo=[{"title": "x"}], **strange))).document
    assert "999990019" not in json.dumps(document)
    assert "jansen" not in json.dumps(document).lower()
    assert {"Patient.?", "Patient.extension:?", "Patient.photo"} <= document.keys()


def test_a_strange_name_around_a_modifier_is_not_repeated() -> None:
    envelope = read(small(patient(Jansen={"modifierExtension": [{"url": "urn:x", "valueBoolean": True}]})))
    assert [finding.place for finding in envelope.findings] == ["Bundle.entry[2].resource.?.modifierExtension"]


# -- parked -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "rule"),
    [
        (small(patient(identifier=[{"system": BSN, "value": "123456789"}])), "bsn-eleven-test"),
        (
            small(patient(identifier=[{"system": BSN, "value": n} for n in ("999990019", "999990020")])),
            "bsn-one-per-person",
        ),
        (small({"resourceType": "Task", "status": "nonsense", "intent": "order"}), "task-status"),
        (small(request={"subject": {"reference": "Patient/niemand"}}), "fhir-reference"),
        (small(request={"subject": {"reference": "ServiceRequest/r"}}), "fhir-subject"),
        (small(patient(modifierExtension=[{"url": "urn:x", "valueBoolean": True}])), "fhir-modifier"),
        (small(patient(implicitRules="urn:x")), "fhir-modifier"),
    ],
)
def test_a_broken_invariant_parks(message: Bundle, rule: str) -> None:
    assert rules(read(message)) == [rule]


def test_a_focus_that_leads_nowhere_parks_but_the_only_request_is_read() -> None:
    message = small()
    message["entry"][0]["resource"]["focus"] = [{"reference": "Task/weg"}]
    envelope = read(message)
    assert rules(envelope) == ["fhir-focus"]
    assert envelope.source_case_reference == "zaak-1"


def test_two_requests_in_focus_park() -> None:
    message = small()
    second = copy.deepcopy(message["entry"][1])
    second["resource"]["id"] = "r2"
    message["entry"].append(second)
    message["entry"][0]["resource"]["focus"].append({"reference": "ServiceRequest/r2"})
    assert rules(read(message)) == ["fhir-focus"]


@pytest.mark.parametrize("number", ["000000000", "999999999"])
def test_the_sentinel_numbers_are_no_bsn(number: str) -> None:
    found = person(read(small(patient(identifier=[{"system": BSN, "value": number}]))))
    assert "bsn" not in found
    assert found["bsnAbsent"] == ("unknown" if number == "000000000" else "not-applicable")
    assert found["unborn"] is (number == "999999999")


@pytest.mark.parametrize(
    "resource",
    [
        {
            "resourceType": "Flag",
            "status": "entered-in-error",
            "code": {"text": "x"},
            "subject": {"reference": "Patient/p"},
        },
        {"resourceType": "Flag", "status": "inactive", "code": {"text": "x"}, "subject": {"reference": "Patient/p"}},
        {
            "resourceType": "Condition",
            "verificationStatus": {"coding": [{"code": "entered-in-error"}]},
            "code": {"text": "x"},
            "subject": {"reference": "Patient/p"},
        },
    ],
)
def test_what_was_taken_back_is_not_used_and_is_listed(resource: dict[str, Any]) -> None:
    document = read(small(resource)).document
    assert "flags" not in document
    assert "reasons" not in document
    assert document[f"{resource['resourceType']}:not-in-use"] is True


# -- names and addresses ----------------------------------------------------------------------------------------------


def test_own_and_partner_names_as_nl_core_writes_them() -> None:
    parts = [
        {"url": f"{HL7}humanname-{part}", "valueString": text}
        for part, text in (
            ("own-prefix", "van"),
            ("own-name", "Putten"),
            ("partner-prefix", "van der"),
            ("partner-name", "Giessen"),
        )
    ]
    name = {"use": "official", "family": "van Putten-van der Giessen", "_family": {"extension": parts}}
    name |= {
        "given": ["Johanna", "J."],
        "_given": [None, {"extension": [{"url": f"{HL7}iso21090-EN-qualifier", "valueCode": "IN"}]}],
    }
    found = person(read(small(patient(name=[{"use": "old", "family": "Oud"}, name]))))["name"]
    assert found == {
        "family": "Putten",
        "prefix": "van",
        "given": "Johanna",
        "initials": "J.",
        "full": "Johanna van Putten-van der Giessen",
    }


@pytest.mark.parametrize(
    ("family", "prefix", "rest"),
    [
        ("van der Berg", "van der", "Berg"),
        ("de Vries", "de", "Vries"),
        ("in 't Veld", "in 't", "Veld"),
        ("Vandenberg", None, "Vandenberg"),
        ("Deckers", None, "Deckers"),
        ("de", None, "de"),
    ],
)
def test_a_plain_family_name_is_split_at_its_prefix(family: str, prefix: str | None, rest: str) -> None:
    found = person(read(small(patient(name=[{"family": family}]))))["name"]
    assert (found.get("prefix"), found["family"]) == (prefix, rest)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Duinlaan 12", ("Duinlaan", "12", None, None)),
        ("Laan van Meerdervoort 101-B", ("Laan van Meerdervoort", "101", "B", None)),
        ("Plein 1944 7 hs", ("Plein 1944", "7", None, "hs")),
        ("1e Jacob van Campenstr 15a-2", ("1e Jacob van Campenstr", "15", "a", "2")),
        ("Woonboot De Zwaan", ("Woonboot De Zwaan", None, None, None)),
    ],
)
def test_a_written_address_line_is_taken_apart(line: str, expected: tuple[str | None, ...]) -> None:
    (home,) = person(read(small(patient(address=[{"line": [line]}]))))["addresses"]
    assert tuple(home.get(part) for part in ("street", "houseNumber", "houseLetter", "addition")) == expected


def test_a_foreign_address_stays_as_it_is_written() -> None:
    (home,) = person(read(small(patient(address=[{"line": ["Rue Haute 3"], "city": "Gent", "country": "BE"}]))))[
        "addresses"
    ]
    assert home["foreign"] is True
    assert home["lines"] == ["Rue Haute 3"]


def test_work_and_old_addresses_are_not_taken_and_are_listed() -> None:
    document = read(small(patient(address=[{"use": "work", "line": ["Werk 1"]}]))).document
    assert "addresses" not in document["persons"][0]
    assert document["Patient.address.line"] is True


# -- secrecy ----------------------------------------------------------------------------------------------------------

HOME = {"line": ["Schuilhof 8"], "postalCode": "2713 AA", "city": "Zoetermeer"}
RESTRICTED = {"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}]}


def test_the_restricted_label_hides_the_person_and_whoever_lives_behind_the_same_door() -> None:
    other = patient(id="q", address=[{"line": ["Schuilhof 8"], "postalCode": "2713aa"}])
    elsewhere = patient(id="s", address=[{"line": ["Vlietweg 20"], "postalCode": "2266 KB"}])
    envelope = read(small(patient(meta=RESTRICTED, address=[HOME]), other, elsewhere))
    assert [each["secret"] for each in envelope.document["persons"]] == [True, True, False]


MASKED = {"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "masked"}]}


@pytest.mark.parametrize(
    "address",
    [
        {"line": [None], "_line": [MASKED], "city": "Utrecht"},
        {"line": ["Duinlaan 12", None], "_line": [None, MASKED], "city": "Utrecht"},
        {"line": ["Duinlaan 12"], "_line": MASKED, "city": "Utrecht"},
        {"line": ["Duinlaan 12"], "city": "Utrecht", **MASKED},
    ],
)
def test_whoever_has_an_address_with_a_masked_line_is_secret(address: dict[str, Any]) -> None:
    assert person(read(small(patient(address=[address])), validate=False))["secret"] is True


def test_a_line_that_is_only_unknown_hides_nobody() -> None:
    unknown = {"extension": [{**MASKED["extension"][0], "valueCode": "unknown"}]}
    message = small(patient(address=[{"line": [None], "_line": [unknown], "city": "Utrecht"}]))
    assert person(read(message, validate=False))["secret"] is False


def test_an_incident_behind_a_secret_door_has_a_secret_address() -> None:
    scene = {"resourceType": "Location", "id": "l", "address": HOME}
    request = {"locationReference": [{"reference": "Location/l"}]}
    envelope = read(small(patient(meta=RESTRICTED, address=[HOME]), scene, request=request))
    assert envelope.document["request"]["location"]["address"]["secret"] is True


def test_a_secrecy_flag_that_names_nobody_hides_everybody() -> None:
    code = {"coding": [{"system": "urn:schakel:flag", "code": "secret-address"}]}
    flag = {"resourceType": "Flag", "status": "active", "code": code, "subject": {"reference": "Patient/weg"}}
    envelope = read(small(patient(), patient(id="q"), flag))
    assert [each["secret"] for each in envelope.document["persons"]] == [True, True]


@pytest.mark.parametrize("place", ["bundle", "header", "request"])
def test_a_restricted_message_hides_everybody(place: str) -> None:
    message = small()
    target = {"bundle": message, "header": message["entry"][0]["resource"], "request": message["entry"][1]["resource"]}
    target[place]["meta"] = RESTRICTED
    assert person(read(message))["secret"] is True


# -- answers ----------------------------------------------------------------------------------------------------------


def test_acceptance_is_an_operation_outcome_with_the_message_id_recipients_and_warnings() -> None:
    receipt = Receipt(
        message_id="0199-id",
        state="parked",
        duplicate=False,
        notices=(Notice("vvt", "lead", "park", "cit-the-hague", "wordt beoordeeld", "is weighed"),),
        warnings=(Finding("Patient.birthDate", "partial", "onvolledig", "partial"),),
        parked_cause="human-decision",
    )
    reply = FhirJson().accepted(read(bundle()), receipt, now=NOW, hub_oin=OIN)
    outcome = json.loads(reply.body)
    assert (reply.status, reply.media_type) == (202, "application/fhir+json")
    assert "0199-id" in outcome["issue"][0]["diagnostics"]
    assert [issue["severity"] for issue in outcome["issue"]] == ["warning", "information", "warning"]
    assert outcome["issue"][2]["expression"] == ["Patient.birthDate"]
    _valid_outcome(outcome)


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        (Malformed(Finding("Bundle.type", "x", "nl", "en")), "structure"),
        (Malformed(status=413), "too-long"),
        (Malformed(status=408), "timeout"),
        (UnsupportedFormat(), "not-supported"),
        (Unauthenticated(), "login"),
        (Forbidden(), "forbidden"),
        (NotFound(), "not-found"),
        (Conflict(), "duplicate"),
        (Unacceptable(), "transient"),
        (Unacceptable(status=507), "no-store"),
    ],
)
def test_each_refusal_has_its_issue_type(refusal: Refusal, code: str) -> None:
    reply = FhirJson().refused(refusal, b"", now=NOW, hub_oin=OIN, accept="application/fhir+json")
    assert reply is not None
    outcome = json.loads(reply.body)
    assert reply.status == refusal.status
    assert [(issue["severity"], issue["code"]) for issue in outcome["issue"]] == [("error", code)]
    _valid_outcome(outcome)


def test_a_refusal_is_fhir_only_when_fhir_was_asked_for_or_sent() -> None:
    refusal, sent = Malformed(), b'{"resourceType": "Bundle"'
    words = {"now": NOW, "hub_oin": OIN}
    assert FhirJson().refused(refusal, b"{}", accept="application/json", **words) is None  # type: ignore[arg-type]
    assert FhirJson().refused(refusal, sent, accept="*/*", **words) is not None  # type: ignore[arg-type]


def test_an_expression_is_given_only_where_the_place_is_a_fhirpath() -> None:
    refusal = Malformed(Finding("line 3, column 1", "json", "nl", "en"))
    reply = FhirJson().refused(refusal, b"", now=NOW, hub_oin=OIN, accept="application/fhir+json")
    assert reply is not None
    assert "expression" not in json.loads(reply.body)["issue"][0]


def _valid_outcome(outcome: dict[str, Any]) -> None:
    from fhir.resources.R4B.operationoutcome import OperationOutcome

    OperationOutcome.model_validate(outcome)
