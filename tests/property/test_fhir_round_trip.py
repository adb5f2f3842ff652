# SPDX-License-Identifier: EUPL-1.2
"""Canonical → FHIR → canonical loses nothing but what mappings/case_fhir says that it loses; and R4 takes all of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import mappings
import regions
from connectors.formats.fhir_json import FhirJson
from connectors.formats.fhir_xml import FhirXml
from connectors.formats.fhir_xml_convert import from_xml, to_xml
from mappings.codebook import CodebookShelf
from mappings.engine import CompiledMapping, load_mappings, to_referral
from schakel.disclosure import Asked, Disclosure, Secrecy
from schakel.fields import field_tree, leaves
from schakel.message import CaseMessage, Referral
from schakel.region import Region
from schakel.region_files import load_region
from tests.support.case_messages import NOW, case_messages

MAPPINGS = Path(mappings.__file__).parent
REFERENCE = "ABCDEFGHIJKLMNOPQRSTUVWX23"
HEADER = {"kind": "message.kind", "occurredAt": "message.occurredAt", "programme": "case.programme"}
HEADER |= {"urgency": "case.urgency", "phase": "case.phase"}
RELAXED = settings(
    max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much], deadline=None
)


@cache
def loaded(name: str) -> CompiledMapping:
    """No fixture: hypothesis would print it whole with every falsifying example."""
    return load_mappings(MAPPINGS, codebooks=CodebookShelf.load())[name]


@cache
def region() -> Region:
    return load_region(Path(regions.__file__).parent / "haaglanden")


def transport(number: int = 7) -> dict[str, Any]:
    return {
        "id": f"019a8a1e-2c00-7000-8000-{number:012}",
        "number": number,
        "role": "lead",
        "content": "https://schakel.example.nl/v1/mailbox/7/case",
        "createdAt": "2026-11-16T09:00:00.000Z",
        "sender": {"oin": "00000099000000000001", "name": "schakel-haaglanden"},
        "recipient": {"id": "perspektief", "name": "Perspektief", "oins": ["00000099000000002002"], "application": "x"},
    }


def view_of(message: CaseMessage, role: str, programme: str) -> dict[str, Any]:
    cut = Disclosure(region().disclosure, blind=lambda *parts: repr(parts).encode()).view(
        message,
        role=role,
        programme=programme,
        recipient=next(each for each in region().partners if each.id == "perspektief"),
        secrecy=Secrecy(),
        case_reference="PK4ZAAK",
        request=Asked(reference=REFERENCE, due_at=NOW),
        held=1,
        late=True,
    )
    return {**cut.document, "transport": transport()}


def whole(message: CaseMessage) -> dict[str, Any]:
    """All that the hub knows: as for a lead, without anything withheld."""
    request = {"reference": REFERENCE, "role": "lead", "dueAt": "2026-11-16T10:00:00Z"}
    said = {"schema": "case-view@1", "request": request, "transport": transport()}
    return {**message.to_json(), **said}


def referral_of(message: CaseMessage) -> dict[str, Any]:
    """What a source would have had to say for the hub to know this."""
    said = message.to_json()
    content = {name: said[name] for name in Referral.model_json_schema()["properties"] if name in said}
    header = {name: said[place.split(".")[0]].get(place.split(".")[1]) for name, place in HEADER.items()}
    return {**content, **{name: value for name, value in header.items() if value is not None}}


def settled(document: dict[str, Any]) -> dict[str, Any]:
    """Without what says nothing, members by id, and without secrecy, which is compared apart."""
    referral = to_referral(document).to_json()
    referral["members"] = sorted(referral["members"], key=lambda each: each["id"])
    for organisation in referral["organisations"]:
        organisation["serves"] = sorted(organisation["serves"])

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            made = {name: plain(each) for name, each in value.items() if name not in ("secret", "secretAddress")}
            return {name: each for name, each in made.items() if each not in ({}, [])}
        return [plain(each) for each in value] if isinstance(value, list) else value

    made: dict[str, Any] = plain(referral)
    return made


def hidden(document: dict[str, Any]) -> tuple[set[str], list[bool]]:
    """Whose whereabouts are secret, and which other addresses."""
    referral = to_referral(document)
    who = {member.id for member in referral.members if member.hidden}
    order, incident = referral.trigger.restraining_order, referral.trigger.incident
    places = [each.address for each in (order, incident) if each is not None and each.address is not None]
    return who, [place.secret for place in places]


@RELAXED
@given(message=case_messages())
def test_nothing_is_lost_on_the_way_to_fhir_and_back(message: CaseMessage) -> None:
    out = loaded("case-fhir").apply(whole(message), now=NOW)
    assert out.losses == ()
    for format in (FhirJson(validate=False), FhirXml(validate=False)):  # R4 has its own test below
        envelope = format.read(format.write(out.document))
        assert envelope.findings == ()
        back = loaded("cit-fhir").apply(envelope.document, now=NOW)
        assert back.losses == ()
        assert settled(back.document) == settled(referral_of(message))
        (who, places), (were, stated) = hidden(back.document), hidden(referral_of(message))
        assert who >= were
        assert all(now or not then for now, then in zip(places, stated, strict=True))


@RELAXED
@given(message=case_messages(), data=st.data())
def test_every_view_of_every_role_is_a_message_that_r4_takes(message: CaseMessage, data: st.DataObject) -> None:
    from fhir.resources.R4B.bundle import Bundle

    rows = [(row.role, programme) for row in region().disclosure.roles for programme in row.programmes]
    role, programme = data.draw(st.sampled_from(rows))
    view = view_of(message, role, programme)
    made = loaded("case-fhir").apply(view, now=NOW)
    Bundle.model_validate(made.document)
    entries = made.document["entry"]
    assert entries[0]["resource"]["resourceType"] == "MessageHeader"
    urls = [entry["fullUrl"] for entry in entries]
    assert len(set(urls)) == len(urls)
    assert _pointed_at(made.document) <= set(urls)
    body = FhirJson().write(made.document)
    assert FhirJson().write(loaded("case-fhir").apply(view, now=NOW).document) == body
    assert from_xml(FhirXml().write(made.document)) == json.loads(body)


def _pointed_at(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["reference"]} if str(value.get("reference", "")).startswith("urn:uuid:") else set()
        return own.union(*(_pointed_at(each) for each in value.values()))
    return set().union(*(_pointed_at(each) for each in value)) if isinstance(value, list) else set()


def test_the_published_losses_are_exactly_what_does_not_come_back() -> None:
    """Every leaf of a message is carried (the property above) or on the list; what is on it changes no byte."""
    published = {each.path for each in loaded("case-fhir").ignored}
    assert (MAPPINGS / "case_fhir" / "losses.txt").read_text(encoding="utf-8").split() == sorted(published)
    paths = {path for path, _ in leaves(field_tree(CaseMessage))}
    of_message = {path for path in published if path in paths}
    assert of_message == {
        "schema",
        "trigger.incident.occurredOn.precision",
        "trigger.stalledHelp.since.precision",
        "members.expected.precision",
    }
    message = json.loads((MAPPINGS / "case_fhir" / "examples" / "lead.json").read_bytes())
    before = loaded("case-fhir").apply(message, now=NOW).document
    for path in sorted(published):
        without = json.loads(json.dumps(message))
        for holder, name in _places(without, path.split(".")):
            holder.pop(name, None)
        assert loaded("case-fhir").apply(without, now=NOW).document == before, path


def _places(value: Any, path: list[str]) -> Iterator[tuple[dict[str, Any], str]]:
    if isinstance(value, list):
        for each in value:
            yield from _places(each, path)
    elif isinstance(value, dict) and len(path) == 1:
        yield value, path[0]
    elif isinstance(value, dict) and path[0] in value:
        yield from _places(value[path[0]], path[1:])


def test_another_delivery_has_other_identifiers_and_otherwise_the_same_content() -> None:
    message = json.loads((MAPPINGS / "case_fhir" / "examples" / "lead.json").read_bytes())
    one = loaded("case-fhir").apply(message, now=NOW).document
    other = loaded("case-fhir").apply({**message, "transport": transport(8)}, now=NOW).document
    urls = {entry["fullUrl"] for entry in one["entry"]}
    assert urls.isdisjoint(entry["fullUrl"] for entry in other["entry"])
    assert [each["resource"]["resourceType"] for each in one["entry"]] == [
        each["resource"]["resourceType"] for each in other["entry"]
    ]


def test_xml_of_a_message_is_the_same_message() -> None:
    message = json.loads((MAPPINGS / "case_fhir" / "examples" / "lead.json").read_bytes())
    made = loaded("case-fhir-xml")
    assert (made.name, made.format) == ("case-fhir-xml", "fhir-xml")
    document = made.apply(message, now=NOW).document
    as_json, as_xml = FhirJson().read(FhirJson().write(document)), FhirXml().read(to_xml(document))
    assert (as_json.digest, as_json.document) == (as_xml.digest, as_xml.document)
