# SPDX-License-Identifier: EUPL-1.2
"""Turns an answered Task into the plain document that mappings/fhir_answer reads (schema: its schema.json).

The Task is the partner's own: the one it got with the case, with another status. It comes in a message or
alone. What no line below looked at stands at the root under its FHIR path with the value `true`, as in fhir_document.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from connectors.formats.fhir_bundle import Index, Resource, codes_of
from connectors.formats.fhir_codes import label, tokens
from connectors.formats.fhir_elements import human_name as name_of
from connectors.formats.fhir_elements import telecoms
from connectors.formats.fhir_organisations import details, written
from connectors.formats.fhir_reading import Plain, Reading, compact, spoken
from schakel.errors import Finding, Malformed

MAPPING: Final = "fhir-answer"
REFERENCE: Final = "urn:schakel:answer-reference"  # system of the Task.identifier that a request is known by
NOTICE: Final = "urn:schakel:notice"  # system of the Task.code of what is asked beside taking part
ANSWER: Final = "urn:schakel:answer"  # system of Task.output.type: `answer`, and with it `level` and `until`
_OUR_ID: Final = re.compile(r"^[A-Za-z2-7]{26}$")  # Task.id as we give it: the answer reference
_PEOPLE: Final = ("Practitioner", "PractitionerRole", "RelatedPerson")
# what the Task says because we said so first, or what only says how the message travelled
_OURS: Final = (
    "identifier", "intent", "code", "focus", "for", "basedOn", "partOf", "groupIdentifier", "requester", "authoredOn",
    "lastModified", "restriction", "performerType", "executionPeriod", "priority", "instantiatesUri", "description",
    "reasonCode", "reasonReference", "encounter", "input", "relevantHistory",
)  # fmt: skip
_CARRIES: Final = ("Bundle", "MessageHeader", "Task", "Organization", "ServiceRequest", *_PEOPLE)


@dataclass(frozen=True, slots=True)
class Answered:
    """`reference`: of the request that is answered. `findings`: why a person has to look first."""

    reference: str
    document: Plain
    findings: tuple[Finding, ...]


def convert_bundle(bundle: Mapping[str, Any], index: Index, header: Resource) -> Answered:
    """Raises Malformed: no Task, several, or one that does not say which request it answers."""
    focus = header.body.get("focus")
    named = [index.resolve(each, header) for each in (focus if isinstance(focus, list) else [])]
    tasks = {id(each): each for each in named if each is not None and each.type == "Task"}
    found = list(tasks.values()) or index.of_type("Task")
    if len(found) != 1:
        nl, en = "Verwacht: precies één Task per antwoord.", "Expected exactly one Task in an answer."
        raise Malformed(Finding("Bundle.entry", "fhir-answer-task", nl, en))
    answered = _convert(index, found[0], bundle.get("timestamp"))
    return Answered(answered.reference, answered.document, (*answered.findings, *_trouble(header)))


def convert_task(index: Index) -> Answered:
    """The Task that stands alone in `index`. Raises Malformed."""
    return _convert(index, index.resources[0], None)


def _convert(index: Index, task: Resource, sent_at: Any) -> Answered:
    reading = Reading()
    body = task.body
    reference = _reference(body)
    if reference is None:
        nl, en = "De Task noemt geen antwoordkenmerk.", "The Task names no answer reference."
        raise Malformed(Finding(f"{task.place}.identifier", "fhir-answer-reference", nl, en))
    reading.settle(body, *_OURS)
    reason = reading.node(body, "statusReason")
    business = reading.node(body, "businessStatus")
    outputs = _outputs(reading, body)
    notes = [reading.text(note, "text") for note in reading.nodes(body, "note")]
    for note in reading.nodes(body, "note"):
        reading.settle(note, "time", "authorString", "authorReference")
    placed = [task]
    plain = {
        "reference": reference,
        "status": reading.text(body, "status"),
        "asked": next((code for code in codes_in(body.get("code"), NOTICE)), None),
        "said": outputs.get("answer"),
        "level": outputs.get("level"),
        "until": outputs.get("until"),
        "reasons": tokens(reading, reason),
        "reasonText": label(reading, reason),
        "business": tokens(reading, business),
        "businessText": reading.text(business, "text"),
        "notes": [note for note in notes if note],
        "contact": _contact(reading, index, task, placed),
        "sentAt": sent_at if isinstance(sent_at, str) else None,
    }
    reading.settle(body, "owner")
    return Answered(reference, compact(plain) | dict.fromkeys(_unread(reading, index, placed), True), ())


def codes_in(concept: Any, system: str) -> list[str]:
    """The codes of one system in a CodeableConcept."""
    coding = concept.get("coding") if isinstance(concept, dict) else None
    found = [each for each in (coding if isinstance(coding, list) else []) if isinstance(each, dict)]
    return [each["code"] for each in found if each.get("system") == system and isinstance(each.get("code"), str)]


def _outputs(reading: Reading, body: Mapping[str, Any]) -> Plain:
    """{answer, level, until}: what Task.output says in our own codes; the first of each counts. An output that is not
    ours leaves all of them among what nobody read."""
    given = body.get("output")
    outputs = given if isinstance(given, list) else []
    said: Plain = {}
    ours = [_output(each) if isinstance(each, dict) else None for each in outputs]
    for one in ours:
        said |= {name: value for name, value in (one or {}).items() if name not in said}
    if outputs and all(one is not None for one in ours):
        reading.settle(body, "output")
    return said


def _output(output: Mapping[str, Any]) -> Plain | None:
    """{name: text} of an output of ours; None: not ours, or nothing in it that can be read."""
    name = next((each for each in codes_in(output.get("type"), ANSWER) if each in ("answer", "level", "until")), None)
    texts = [output.get(kind) for kind in ("valueCode", "valueString", "valueDateTime")]
    found = [*codes_in(output.get("valueCodeableConcept"), ANSWER), *(each for each in texts if isinstance(each, str))]
    return {name: found[0].strip()} if name is not None and found else None


def _reference(body: Mapping[str, Any]) -> str | None:
    """By our own identifier, else the placer's, else the Task's id where it looks like one we gave."""
    identifiers = body.get("identifier")
    items = [each for each in identifiers if isinstance(each, dict)] if isinstance(identifiers, list) else []
    ours = [each.get("value") for each in items if each.get("system") == REFERENCE]
    placers = [each.get("value") for each in items if "PLAC" in codes_of(each.get("type"))]
    own_id = body.get("id")
    given = [own_id] if isinstance(own_id, str) and _OUR_ID.match(own_id) else []
    found = [each.strip() for each in (*ours, *placers, *given) if isinstance(each, str)]
    return next((each for each in found if re.fullmatch(r"[A-Za-z0-9-]{1,64}", each)), None)


def _contact(reading: Reading, index: Index, task: Resource, placed: list[Resource]) -> Plain:
    """{name, phone, email} of who can be reached: Task.owner when it is a person, else a person in the Task (or the
    message), else the contact of the organisation that owns it."""
    owner = index.resolve(task.body.get("owner"), task)
    people = [each for each in index.resources if each.type in _PEOPLE and each is not owner]
    own = [each for each in people if each.root is task] or people
    for who in [*([owner] if owner is not None and owner.type in _PEOPLE else []), *own]:
        found = details(reading, index, who, placed)
        if "name" in found:
            return compact({name: found.get(name) for name in ("name", "phone", "email")})
    if owner is None or owner.type != "Organization":
        return {}
    placed.append(owner)
    reading.settle(owner.body, "name", "identifier", "type", "active")  # the hub knows its partners itself
    for contact in reading.nodes(owner.body, "contact"):
        name = written(name_of(reading, [contact["name"]]) if isinstance(contact.get("name"), dict) else {})
        phones, email = telecoms(reading, reading.nodes(contact, "telecom"))
        if name:
            reading.touch(contact, "name", "purpose")
            return compact({"name": name, "phone": phones[0]["number"] if phones else None, "email": email})
    return {}


def _trouble(header: Resource) -> list[Finding]:
    """A response that says that the message could not be handled is no answer of a person."""
    response = header.body.get("response")
    code = response.get("code") if isinstance(response, dict) else "ok"
    if code == "ok":
        return []
    nl = "De ontvanger meldt dat het bericht niet verwerkt kon worden."
    en = "The recipient could not handle the message."
    return [Finding(f"{header.place}.response.code", "fhir-response", nl, en)]


def _unread(reading: Reading, index: Index, placed: Iterable[Resource]) -> list[str]:
    """What nobody looked at: of the Task and who answers; of other resources their kind, where it is unexpected."""
    looked = {id(each): each for each in placed}
    paths: dict[str, None] = {}
    for resource in index.resources:
        if id(resource) in looked:
            paths |= dict.fromkeys(reading.unread(resource.body, resource.type))
        elif resource.type not in _CARRIES:
            paths[spoken(resource.type)] = None
    return list(paths)
