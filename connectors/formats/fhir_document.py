# SPDX-License-Identifier: EUPL-1.2
"""Turns a FHIR R4 message bundle into the plain document that mappings read (schema: mappings/cit_fhir/schema.json).

References are resolved, persons are one list, codes are `system|code` tokens; resources that say "entered in error" are
not used. What no line below looked at stands at the root under its FHIR path with the value `true`: no mapping reads
it, so the silent-loss report names it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from connectors.formats.fhir_answer import REFERENCE
from connectors.formats.fhir_bundle import Index, Resource, codes_of, identifier_keys
from connectors.formats.fhir_codes import label, token_of, tokens
from connectors.formats.fhir_elements import address
from connectors.formats.fhir_local import label_of, requested, told
from connectors.formats.fhir_organisations import Helpers, reporter
from connectors.formats.fhir_persons import (
    ROLE,
    Person,
    hides,
    owner,
    persons,
    shared_bsn_findings,
)
from connectors.formats.fhir_reading import Node, Plain, Reading, compact, spoken
from schakel.errors import Finding

FLAG: Final = "urn:schakel:flag"
POLICE_REGISTRATION: Final = "urn:schakel:police-registration"
LOINC_EXPECTED: Final = "http://loinc.org|11778-8"  # Delivery date Estimated
_SECRET_FLAG: Final = f"{FLAG}|secret-address"
_UNUSED_STATUS: Final = ("entered-in-error", "nullified")
_SNOMED: Final = "http://snomed.info/sct"
_NOTED: Final = ("Observation", "ClinicalImpression", "Communication", "RiskAssessment")


@dataclass(frozen=True, slots=True)
class Converted:
    """`findings`: what a person has to look at before this can be trusted. `used`: the resources it was made of."""

    document: Plain
    findings: tuple[Finding, ...]
    used: tuple[Resource, ...]


def usable(resource: Resource) -> bool:
    """False for resources that were taken back (`entered-in-error`, `refuted`), and for a flag no longer active."""
    body = resource.body
    if body.get("status") in _UNUSED_STATUS:
        return False
    if resource.type == "Flag":
        return body.get("status") != "inactive"
    if resource.type != "Condition":
        return True
    return not {"entered-in-error", "refuted"} & codes_of(body.get("verificationStatus"))


def convert(bundle: Node, index: Index, header: Resource, request: Resource) -> Converted:
    """The document of a bundle whose header and focus request are known."""
    return _Conversion(bundle, index, header, request).run()


class _Conversion:
    """One bundle on its way to a document; used once."""

    def __init__(self, bundle: Node, index: Index, header: Resource, request: Resource) -> None:
        self.bundle, self.index, self.header, self.request = bundle, index, header, request
        self.reading = Reading()
        self.findings: list[Finding] = []
        self.used = [resource for resource in index.resources if usable(resource) or resource is request]
        self._by_type: dict[str, list[Resource]] = {}
        for resource in self.used:
            self._by_type.setdefault(resource.type, []).append(resource)
        self.placed: list[Resource] = [header, request]
        self.scene: Plain = {}
        self.ours: Plain = {}  # what only a hub writes

    def run(self) -> Converted:
        subject = self._needed(self.request, "subject")
        self.people = persons(self.reading, self.index, self.used, subject)
        self.placed += [resource for person in self.people for resource in person.resources]
        self._check_people(subject)
        self.scene = self._location()
        self.ours = requested(self.reading, self.request.body)
        document: Plain = {"header": self._header(), "request": self._request()}
        document["flags"] = [self._flag(resource) for resource in self._all("Flag")]
        reasons = [self._condition(resource) for resource in self._all("Condition")]
        self._expectations()
        notes = [note for kind in _NOTED for resource in self._all(kind) for note in self._noted(resource)]
        document["reasons"] = [*self._request_reasons(), *(reason for reason in reasons if reason)]
        document["texts"] = self._texts()
        document["notes"] = [*self._notes(self.request.body, "request"), *notes]
        document["tasks"] = [task for resource in self._all("Task") if (task := self._task(resource))]
        helpers = Helpers(self.reading, self.index, self.used, self.people)
        document["organisations"] = helpers.found(self.header, self.request)
        source = reporter(self.reading, self.index, self.request)
        self.placed += [*helpers.placed, *source.placed]
        document["attachments"] = [
            file for resource in self._all("DocumentReference") for file in self._files(resource)
        ]
        self._hide()
        document["persons"] = [person.plain for person in self.people]
        if source.plain:
            document["reporter"] = source.plain
        unplaced = self._unplaced()
        always = ("header", "request")
        plain = {name: value for name, value in document.items() if name in always or value not in ([], {})}
        used = {id(resource): resource for resource in self.placed}
        return Converted(plain | dict.fromkeys(unplaced, True), tuple(self.findings), tuple(used.values()))

    # -- persons ------------------------------------------------------------------------------------------------------

    def _check_people(self, subject: Resource | None) -> None:
        main = owner(self.people, subject)
        if main is not None:
            if not any("main" in person.plain for person in self.people):  # else a hub has said it of each
                main.plain["main"] = True
        elif subject is not None:
            self._find(f"{self.request.place}.subject", "fhir-subject", "Geen persoon.", "Not a person.")
        for resource in self.used:
            if resource.type == "RelatedPerson":
                self._needed(resource, "patient")
        self.findings += shared_bsn_findings(self.people)

    def _hide(self) -> None:
        """A restricted message, or a secrecy flag that names nobody, hides everybody: the safest reading."""
        everybody = hides(self.reading, self.bundle) or any(
            hides(self.reading, resource.body) for resource in (self.header, self.request)
        )
        for resource in self._all("Flag"):
            code = self.reading.node(resource.body, "code")
            if _SECRET_FLAG in tokens(self.reading, code, {FLAG}):
                person = owner(self.people, self.index.resolve(resource.body.get("subject"), resource))
                everybody = everybody or person is None
                if person is not None:
                    person.plain["secret"] = True
        for person in self.people:
            person.plain["secret"] = person.plain["secret"] or everybody
        secret = [person for person in self.people if person.plain["secret"]]
        if not secret:
            return
        hidden = {_door(home) for person in secret for home in _homes(person)} - {None}
        for person in self.people:  # who lives behind a secret door gives it away
            person.plain["secret"] = person.plain["secret"] or any(_door(home) in hidden for home in _homes(person))
        for home in (self.scene.get("address", {}), self.ours.get("order", {}).get("address", {})):
            if _door(home) in hidden:  # and so does an incident there, or the home that an order is about
                home["secret"] = True

    def _expectations(self) -> None:
        """LOINC 11778-8: the expected date of a child that is in the message as unborn, or that is made here."""
        for resource in self._all("Observation"):
            reading, body = self.reading, resource.body
            if LOINC_EXPECTED not in tokens(reading, reading.node(body, "code"), {"http://loinc.org"}):
                continue
            date = reading.text(body, "valueDateTime")
            about = [
                self.index.resolve(item, resource) for item in [*reading.nodes(body, "focus"), body.get("subject")]
            ]
            named = [person for person in (owner(self.people, target) for target in about) if person is not None]
            unborn = [person for person in self.people if person.plain["unborn"]]
            child = next((person for person in named if person.plain["unborn"]), None)
            mother = next((person for person in named if not person.plain["unborn"]), None)
            if child is None and len(unborn) == 1:
                child = unborn[0]
            if child is None:
                child = Person({"id": f"p{len(self.people) + 1}", "unborn": True, "secret": False, "relations": []})
                self.people.append(child)
                if mother is not None:
                    code = "http://terminology.hl7.org/CodeSystem/v3-RoleCode|MTH"
                    mother.plain["relations"].append({"to": child.plain["id"], "code": code})
            if date:
                child.plain["expected"] = date[:10]
            self._understood(resource, "status", "category", "subject", "focus", "effectiveDateTime", "issued")

    # -- header, request, tasks ---------------------------------------------------------------------------------------

    def _header(self) -> Plain:
        reading, body = self.reading, self.header.body
        self._understood(self.header, "focus", "source", "destination", "sender", "responsible", "author", "enterer")
        told(reading, body)
        for resource in self._all("Provenance"):  # how the message was made, nothing of the household
            self._understood(resource, *resource.body)
        event = token_of(reading, reading.node(body, "eventCoding"))
        return compact({"event": event or reading.text(body, "eventUri")})

    def _request(self) -> Plain:
        reading, body = self.reading, self.request.body
        self._understood(self.request, "identifier", "requisition", "intent", "subject", "requester", "performer")
        code = reading.node(body, "code")
        period = reading.node(body, "occurrencePeriod")
        numbers = [item for item in reading.nodes(body, "identifier") if item.get("system") == POLICE_REGISTRATION]
        categories = reading.nodes(body, "category")
        return compact(
            {
                "status": reading.text(body, "status"),
                "priority": reading.text(body, "priority"),
                "authoredOn": reading.text(body, "authoredOn"),
                "occurrence": reading.text(body, "occurrenceDateTime") or reading.text(period, "start"),
                "programme": next((t for c in categories for t in tokens(reading, c, {"urn:schakel:programme"})), None),
                "category": [t for c in categories for t in tokens(reading, c, {_SNOMED})],
                "code": tokens(reading, code, {_SNOMED}),
                "question": reading.text(code, "text"),
                "policeRegistration": next((text for item in numbers if (text := reading.text(item, "value"))), None),
                "location": self.scene,
                **self.ours,
            }
        )

    def _location(self) -> Plain:
        """The place of the incident: the first Location that the request names."""
        reading = self.reading
        if not reading.nodes(self.request.body, "locationReference"):
            return {}
        resource = self._needed(self.request, "locationReference")
        if resource is None or resource.type != "Location":
            return {}
        self.placed.append(resource)
        self._understood(resource, "status", "mode")
        place = address(reading, reading.node(resource.body, "address"))
        words = [reading.text(resource.body, name) for name in ("name", "description")]
        return compact({"address": place, "text": ". ".join(word for word in words if word) or None})

    def _task(self, resource: Resource) -> Plain:
        self._understood(resource, "status", "intent", "focus", "for", "owner", "requester", "basedOn", "identifier")
        priority = self.reading.text(resource.body, "priority")
        if any(system == REFERENCE for system, _ in identifier_keys(resource.body)):  # a request that a hub made
            self._understood(resource, "authoredOn", "businessStatus", "code", "restriction")
        return compact({"priority": priority})

    # -- why ----------------------------------------------------------------------------------------------------------

    def _request_reasons(self) -> list[Plain]:
        reading, body = self.reading, self.request.body
        main = next((person.plain["id"] for person in self.people if person.plain.get("main")), None)
        reading.settle(body, "reasonReference")
        reading.settle(body, "supportingInfo")
        found = []
        for concept in reading.nodes(body, "reasonCode"):
            reason = compact({"codes": tokens(reading, concept), "text": label(reading, concept), "person": main})
            found += [reason] if set(reason) - {"person"} else []
        return found

    def _condition(self, resource: Resource) -> Plain:
        reading, body = self.reading, resource.body
        self._understood(resource, "clinicalStatus", "verificationStatus", "category", "subject", "recordedDate")
        concept = reading.node(body, "code")
        codes = tokens(reading, concept)
        words = [label(reading, concept), *self._words(body)]
        person = owner(self.people, self._needed(resource, "subject"))
        text = "\n".join(word for word in words if word) or None
        return compact({"codes": codes, "text": text, "person": person.plain["id"] if person else None})

    def _flag(self, resource: Resource) -> Plain:
        reading, body = self.reading, resource.body
        self._understood(resource, "status", "subject", "identifier", "period")
        categories = [token for concept in reading.nodes(body, "category") for token in tokens(reading, concept)]
        code = reading.node(body, "code")
        person = owner(self.people, self._needed(resource, "subject"))
        if person is not None:
            person.plain.setdefault("roles", []).extend(tokens(reading, code, {ROLE}))
        found = {"codes": tokens(reading, code, {FLAG}), "category": categories, "text": label(reading, code)}
        return compact({**found, "person": person.plain["id"] if person is not None else None})

    def _noted(self, resource: Resource) -> list[Plain]:
        """The prose of an observation and its kin, in the words of the source."""
        reading, body = self.reading, resource.body
        if LOINC_EXPECTED in tokens(reading, reading.node(body, "code"), {"http://loinc.org"}):
            return self._notes(body, "observation")
        value = reading.text(body, "valueString") or label(reading, reading.node(body, "valueCodeableConcept"))
        prose = [value, *(reading.text(body, name) for name in ("summary", "description", "mitigation"))]
        prose += [reading.text(item, "contentString") for item in reading.nodes(body, "payload")]
        words = [word for word in prose if word]
        name = label(reading, reading.node(body, "code")) if words else None
        self._understood(resource, "status")
        reading.settle(body, "subject")
        topic = resource.type.lower()
        text = "\n".join(words)
        return [
            *([{"topic": topic, "text": f"{name}: {text}" if name else text}] if text else []),
            *self._notes(body, topic),
        ]

    def _texts(self) -> list[Plain]:
        """The request's notes of which the hub says which field they are the text of."""
        found = []
        for note in self.reading.nodes(self.request.body, "note"):
            field, word = label_of(self.reading, note, "field"), self.reading.text(note, "text")
            found += [{"field": field, "text": word}] if field and word else []
        return found

    def _notes(self, body: Node, topic: str) -> list[Plain]:
        found = []
        for note in self.reading.nodes(body, "note"):
            word = self._word(note)
            if word and not label_of(self.reading, note, "field"):
                found.append({"topic": label_of(self.reading, note, "topic") or topic, "text": word})
        return found

    def _words(self, body: Node) -> list[str]:
        return [word for note in self.reading.nodes(body, "note") if (word := self._word(note))]

    def _word(self, note: Node) -> str | None:
        self.reading.touch(note, "time", "authorString")
        self.reading.settle(note, "authorReference")
        return self.reading.text(note, "text")

    def _files(self, resource: Resource) -> Iterable[Plain]:
        """That a document exists, not what is in it: the content stays with the source."""
        reading, body = self.reading, resource.body
        self._understood(resource, "status", "docStatus", "subject", "date")
        reading.settle(body, "subject")
        description = reading.text(body, "description")
        custodian = reading.text(reading.node(body, "custodian"), "display")
        for content in reading.nodes(body, "content"):
            file = reading.node(content, "attachment")
            reading.touch(file, "data", "url", "hash", "creation", "language")
            size = reading.value(file, "size")
            name = reading.text(file, "title") or description
            if name:
                found = compact({"name": name, "mediaType": reading.text(file, "contentType"), "heldBy": custodian})
                yield found | ({"size": size} if isinstance(size, int) and not isinstance(size, bool) else {})

    # -- keeping count ------------------------------------------------------------------------------------------------

    def _all(self, kind: str) -> list[Resource]:
        found = self._by_type.get(kind, [])
        self.placed += found
        return found

    def _understood(self, resource: Resource, *names: str) -> None:
        self.reading.settle(resource.body, *names)

    def _needed(self, resource: Resource, name: str) -> Resource | None:
        """The resource that this element points at; when it cannot be found a person has to look."""
        value = resource.body.get(name)
        self.reading.settle(resource.body, name)
        found = self.index.resolve(value[0] if isinstance(value, list) and value else value, resource)
        if found is None:
            place = f"{resource.place}.{name}"
            self._find(place, "fhir-reference", "Deze verwijzing wijst niets aan.", "This reference points at nothing.")
        return found

    def _find(self, place: str, rule: str, nl: str, en: str) -> None:
        finding = Finding(place=place, rule=rule, nl=nl, en=en)
        if finding not in self.findings:
            self.findings.append(finding)

    def _unplaced(self) -> list[str]:
        """Paths in the order of the bundle, each once."""
        paths: dict[str, None] = {}
        placed = {id(resource) for resource in self.placed}
        used = {id(resource) for resource in self.used}
        for resource in self.index.resources:
            if id(resource) not in used:
                paths[f"{spoken(resource.type)}:not-in-use"] = None
            elif id(resource) not in placed:
                paths[spoken(resource.type)] = None
            else:
                narrative: Any = resource.body.get("text")
                if isinstance(narrative, dict) and narrative.get("status") == "additional":
                    paths[f"{spoken(resource.type)}.text"] = None
                for path in self.reading.unread(resource.body, resource.type):
                    paths[path] = None
        return list(paths)


def _homes(person: Person) -> list[Plain]:
    homes: list[Plain] = person.plain.get("addresses", [])
    return homes


def _door(home: Plain) -> tuple[str, str] | None:
    """(postcode, house number): the same door however the rest is written; None when it cannot be told."""
    postcode, number = home.get("postalCode"), home.get("houseNumber")
    return (postcode.replace(" ", "").upper(), number) if postcode and number else None
