# SPDX-License-Identifier: EUPL-1.2
"""The compliance scenarios of StUF-Jeugdzorg (2015), sent as FHIR: bytes in, referral out, answers back.

A duplicate and a fault that can be linked are judged here by what the format gives for them: the same digest under the
same reference, and an OperationOutcome that names the place. `parents not informed` travels as a local extension.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connectors.formats import formats
from mappings.codebook import CodebookShelf
from mappings.engine import CompiledMapping, load_mapping, to_referral
from schakel.errors import Malformed
from schakel.message import BsnStatus, Member, MemberRole, MessageKind, Precision, Referral, Urgency
from schakel.ports import Envelope

FOLDER = Path(__file__).resolve().parents[2] / "mappings" / "cit_fhir"
NOW = datetime(2026, 11, 16, 9, tzinfo=UTC)
OIN = "00000099000000000001"


@pytest.fixture(scope="module")
def mapping() -> CompiledMapping:
    return load_mapping(FOLDER, CodebookShelf.load())


def _body(name: str) -> bytes:
    return (FOLDER / "examples" / f"{name}.json").read_bytes()


def _envelope(name: str) -> Envelope:
    return formats()["fhir-json"].read(_body(name))


def _referral(mapping: CompiledMapping, name: str) -> Referral:
    return to_referral(mapping.apply(_envelope(name).document, now=NOW).document)


def _member(referral: Referral, name: str) -> Member:
    return next(member for member in referral.members if name in (member.names.given, member.names.full))


def test_a_child_with_bsn(mapping: CompiledMapping) -> None:
    child = _member(_referral(mapping, "westland"), "Eva")
    assert (child.role, child.bsn, child.bsn_status) == (MemberRole.CHILD, "999990032", BsnStatus.KNOWN)


def test_a_child_without_bsn_and_without_birth_date(mapping: CompiledMapping) -> None:
    child = _member(_referral(mapping, "contained"), "Bram")
    assert child.role is MemberRole.CHILD
    assert (child.bsn, child.bsn_status, child.born.precision) == (None, BsnStatus.NOT_STATED, Precision.UNKNOWN)


@pytest.mark.parametrize("name", ["unborn", "unborn-expected"])
def test_an_unborn_child_with_its_expected_date(mapping: CompiledMapping, name: str) -> None:
    (child,) = [member for member in _referral(mapping, name).members if member.unborn]
    assert child.expected is not None
    assert (child.expected.value, child.bsn_status) == ("2027-02-14", BsnStatus.NONE)


def test_only_the_year_of_birth_is_known(mapping: CompiledMapping) -> None:
    child = _member(_referral(mapping, "year-only"), "Amir")
    assert (child.born.value, child.born.precision, child.role) == ("2014", Precision.YEAR, MemberRole.CHILD)
    assert child.bsn_status is BsnStatus.UNKNOWN


def test_three_children_one_mother_three_fathers(mapping: CompiledMapping) -> None:
    referral = _referral(mapping, "three-fathers")
    children = {member.id for member in referral.members if member.role is MemberRole.CHILD}
    stands = [(member.id, relation.kind, relation.to) for member in referral.members for relation in member.relations]
    assert len(children) == 3
    assert {to for _, kind, to in stands if kind == "mother"} == children
    assert len({who for who, kind, _ in stands if kind == "mother"}) == 1
    assert {to for _, kind, to in stands if kind == "father"} == children
    assert len({who for who, kind, _ in stands if kind == "father"}) == 3


def test_parents_not_informed_with_the_reason(mapping: CompiledMapping) -> None:
    told = [member.informed for member in _referral(mapping, "year-only").members if member.informed is not None]
    assert [each.informed for each in told] == [False, False]
    assert all(each.reason_not for each in told)


def test_names_with_diacritics_and_ligatures_arrive_letter_by_letter(mapping: CompiledMapping) -> None:
    referral = _referral(mapping, "diacritics")
    mother = _member(referral, "Şükran Zoë")
    assert (mother.names.prefix, mother.names.family) == ("van ’t", "Çelik-Gödel")
    assert mother.addresses[0].street == "Ĳsvogelstraat"
    assert _member(referral, "Łukasz").names.family == "Brzęczyszczykiewicz"


def test_a_fault_can_be_linked_to_the_message_and_its_place() -> None:
    fhir = formats()["fhir-json"]
    with pytest.raises(Malformed) as caught:
        fhir.read(_body("bad-date"))
    reply = fhir.refused(caught.value, _body("bad-date"), now=NOW, hub_oin=OIN, accept="*/*")
    assert reply is not None
    (issue,) = json.loads(reply.body)["issue"]
    assert issue["expression"] == ["Bundle.entry[2].resource.birthDate"]
    assert "februari" not in reply.body.decode()


def test_a_duplicate_has_the_same_reference_and_digest_and_a_correction_another_digest() -> None:
    fhir = formats()["fhir-json"]
    first = fhir.read(_body("westland"))
    again = json.loads(_body("westland"))
    again["timestamp"] = "2026-11-15T02:00:00+01:00"
    repeat = fhir.read(json.dumps(again).encode())
    again["entry"][1]["resource"]["priority"] = "routine"
    changed = fhir.read(json.dumps(again).encode())
    assert (repeat.message_reference, repeat.digest) == (first.message_reference, first.digest)
    assert changed.message_reference == first.message_reference
    assert changed.digest != first.digest


def test_the_cit_referral_for_westland_is_complete_enough_to_route(mapping: CompiledMapping) -> None:
    referral = _referral(mapping, "westland")
    assert (referral.kind, referral.urgency) == (MessageKind.REFERRAL, Urgency.CRISIS)
    assert [member.role.value for member in referral.members] == ["victim", "removed", "child", "adult-child"]
    assert referral.trigger.incident is not None
    assert referral.trigger.incident.address is not None
    assert referral.trigger.incident.address.municipality == "1783"
    serves = {organisation.name: organisation.serves for organisation in referral.organisations}
    assert serves == {"Huisartsenpraktijk De Duinen": ("p1", "p3"), "Verslavingszorg Kust": ("p2",)}


def test_what_nobody_reads_is_listed_by_path(mapping: CompiledMapping) -> None:
    losses = mapping.apply(_envelope("silent-loss").document, now=NOW).losses
    assert {"Appointment", "?", "Patient.maritalStatus", "ServiceRequest.patientInstruction"} <= set(losses)
