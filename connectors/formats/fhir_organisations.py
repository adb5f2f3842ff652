# SPDX-License-Identifier: EUPL-1.2
"""Finds the organisations around the household and whom each serves, and who reports.

Whom it serves decides what an organisation may see; nothing is guessed: general practitioner, managing organisation,
care team, episode and encounter say so, anything else serves nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from connectors.formats.fhir_bundle import Index, Resource, identifier_keys
from connectors.formats.fhir_codes import label, tokens
from connectors.formats.fhir_elements import human_name, telecoms
from connectors.formats.fhir_local import PARTNER
from connectors.formats.fhir_persons import Person, hides, owner
from connectors.formats.fhir_reading import Node, Plain, Reading, compact

_PROVIDERS: Final = ("Organization", "PractitionerRole", "Practitioner", "HealthcareService")
_SERVED_BY: Final = ("generalPractitioner", "managingOrganization")
_SERVICES: Final = (  # resource, element that says whom, elements that say who
    ("CareTeam", ("subject",), ("managingOrganization", "participant")),
    ("EpisodeOfCare", ("patient",), ("managingOrganization", "careManager")),
    ("Encounter", ("subject",), ("serviceProvider",)),
)
_KIND: Final = "urn:schakel:organisation-kind"
_NOTE: Final = "urn:schakel:note"
_REGISTERS: Final = (
    "urn:schakel:organisation",
    "http://fhir.nl/fhir/NamingSystem/",
    "urn:oid:2.16.528.1.1007.3.3",
    "urn:oid:2.16.840.1.113883.2.4",
)


@dataclass(slots=True)
class Source:
    """Who reports, and the resources that told it."""

    plain: Plain
    placed: list[Resource]


class Helpers:
    """The organisations of one bundle; `placed` are the resources that were read for it."""

    def __init__(self, reading: Reading, index: Index, used: list[Resource], people: list[Person]) -> None:
        self._reading, self._index, self._used, self._people = reading, index, used, people
        self._serves: dict[int, list[str]] = {}
        self._named: list[tuple[str, str]] = []  # (name, person) of helpers that are only a display text
        self.placed: list[Resource] = []

    def found(self, header: Resource, request: Resource) -> list[Plain]:
        """Organisations in the order of the bundle. Those that only send, receive or are asked are not helpers."""
        for person in self._people:
            for resource in list(person.resources):
                for element in _SERVED_BY:
                    if element in resource.body:
                        self._serve(resource, element, [person.plain["id"]])
        kinds = {resource.type for resource in self._used}
        for kind, whom, who in _SERVICES:
            for resource in [item for item in self._used if item.type == kind] if kind in kinds else ():
                self._service(resource, whom, who)
        technical = self._technical(header, request)
        made = []
        for resource in self._used:
            serves = self._serves.get(id(resource), [])
            if resource.type == "Organization" and (serves or id(resource) not in technical):
                made.append(self._organisation(resource, serves))
            elif resource.type in _PROVIDERS[1:] and serves:
                made.append(self._practitioner(resource, serves))
            elif resource.type == "Organization":
                self._quiet(resource)
        names = dict.fromkeys(name for name, _ in self._named)
        made += [{"name": name, "serves": [person for other, person in self._named if other == name]} for name in names]
        return [organisation for organisation in _joined(made) if "name" in organisation]

    def _service(self, resource: Resource, whom: tuple[str, ...], who: tuple[str, ...]) -> None:
        self.placed.append(resource)
        reading = self._reading
        reading.touch(resource.body, "status", "class", "period", "type", "name", "category", *whom)
        people = []
        for element in whom:
            for reference in reading.nodes(resource.body, element):
                reading.touch(reference, "reference", "type", "identifier", "display")
                person = owner(self._people, self._index.resolve(reference, resource))
                people += [person.plain["id"]] if person is not None else []
        for element in who:
            self._serve(resource, element, people)

    def _serve(self, resource: Resource, element: str, people: list[str]) -> None:
        """`element` of `resource` names who serves these people; a participant names him in `member`."""
        for node in self._reading.nodes(resource.body, element):
            for reference in [node] if element != "participant" else self._reading.nodes(node, "member"):
                self._reading.touch(reference, "reference", "type", "identifier")
                target = self._index.resolve(reference, resource)
                if target is None:
                    name = self._reading.text(reference, "display")
                    self._named += [(name, person) for person in people] if name else []
                elif target.type in _PROVIDERS:
                    self._reading.touch(reference, "display")
                    listed = self._serves.setdefault(id(target), [])
                    listed += [person for person in people if person not in listed]

    def _technical(self, header: Resource, request: Resource) -> set[int]:
        """Who sends, receives, asks or is asked; the organisation of such a practitioner too."""
        nodes: list[tuple[Resource, Node, str]] = [
            (header, header.body, n) for n in ("sender", "responsible", "author")
        ]
        nodes += [(header, destination, "receiver") for destination in self._reading.nodes(header.body, "destination")]
        nodes += [(request, request.body, name) for name in ("requester", "performer")]
        tasks = [
            (task, task.body, name) for task in self._used if task.type == "Task" for name in ("owner", "requester")
        ]
        found: set[int] = set()
        for holder, node, name in [*nodes, *tasks]:
            if name not in node:
                continue
            for reference in self._reading.nodes(node, name):
                self._reading.touch(reference, "reference", "type", "identifier", "display")
                target = self._index.resolve(reference, holder)
                if target is not None:
                    found.add(id(target))
                    employer = self._index.resolve(target.body.get("organization"), target)
                    found |= {id(employer)} if employer is not None else set()
        return found

    def _quiet(self, resource: Resource) -> None:
        """Sender or receiver: the hub knows its partners itself."""
        self.placed.append(resource)
        self._reading.touch(resource.body, *resource.body)
        for name in resource.body:
            for node in self._reading.nodes(resource.body, name):
                self._reading.touch(node, *node)

    def _organisation(self, resource: Resource, serves: list[str]) -> Plain:
        self.placed.append(resource)
        reading, body = self._reading, resource.body
        reading.touch(body, "active")
        phones, email = telecoms(reading, reading.nodes(body, "telecom"))
        contact = reading.node(body, "contact")
        person = human_name(reading, [contact["name"]]) if isinstance(contact.get("name"), dict) else {}
        reading.touch(contact, *(["name"] if person else []))
        kinds = [concept for concept in reading.nodes(body, "type")]
        ours = [code for concept in kinds for code in tokens(reading, concept, {_KIND})]
        return compact(
            {
                "kindCode": next((code.partition("|")[2] for code in ours), None),
                "note": reading.text(reading.extension(body, _NOTE), "valueString"),
                "name": reading.text(body, "name") or next((a for a in reading.texts(body, "alias") if a), None),
                "identifier": _identifier(reading, body),
                "kind": next((word for concept in kinds if (word := label(reading, concept))), None),
                "serves": serves,
                "contactName": written(person),
                "phone": phones[0]["number"] if phones else None,
                "email": email,
            }
        )

    def _practitioner(self, resource: Resource, serves: list[str]) -> Plain:
        """A practitioner who serves somebody: his organisation with his name, or his name alone."""
        own = details(self._reading, self._index, resource, self.placed)
        name = own.get("organisation") or own.get("name")
        contact = own.get("name") if own.get("organisation") else None
        return compact(
            {
                "name": name,
                "serves": serves,
                "contactName": contact,
                "phone": own.get("phone"),
                "email": own.get("email"),
            }
        )


def _joined(organisations: list[Plain]) -> list[Plain]:
    """The same name twice is one organisation that serves both."""
    made: dict[str, Plain] = {}
    for organisation in organisations:
        known = made.setdefault(organisation.get("name", ""), organisation)
        if known is not organisation:
            serves = [*known.get("serves", []), *organisation.get("serves", [])]
            known |= {name: value for name, value in organisation.items() if name not in known}
            known["serves"] = list(dict.fromkeys(serves))
    return list(made.values())


def _identifier(reading: Reading, body: Node) -> str | None:
    """The first identifier from a national register (OIN, URA, AGB)."""
    for item in reading.nodes(body, "identifier"):
        system = item.get("system")
        if isinstance(system, str) and system.startswith(_REGISTERS):
            reading.touch(item, "system", "use", "type", "assigner")
            return reading.text(item, "value")
    return None


def written(name: Plain) -> str | None:
    """A name on one line."""
    parts = (name.get("given") or name.get("initials"), name.get("prefix"), name.get("family"))
    return name.get("full") or " ".join(part for part in parts if part) or None


def details(reading: Reading, index: Index, resource: Resource, placed: list[Resource]) -> Plain:
    """{name, organisation, phone, email} of an Organization, Practitioner, PractitionerRole or other agent."""
    placed.append(resource)
    body = resource.body
    reading.touch(body, "active")
    phones, email = telecoms(reading, reading.nodes(body, "telecom"))
    found: Plain = compact({"phone": phones[0]["number"] if phones else None, "email": email})
    if resource.type in ("Organization", "HealthcareService"):
        return found | compact({"organisation": reading.text(body, "name")})
    if resource.type != "PractitionerRole":
        return found | compact({"name": written(human_name(reading, reading.nodes(body, "name")))})
    for element, take in (("practitioner", "name"), ("organization", "organisation")):
        reference = reading.node(body, element)
        reading.touch(reference, "reference", "type", "identifier")
        target = index.resolve(reference, resource)
        inner = details(reading, index, target, placed) if target is not None and target.type != resource.type else {}
        text = inner.pop(take, None) or (reading.text(reference, "display") if target is None else None)
        found = compact({take: text}) | {key: value for key, value in inner.items() if key not in found} | found
    return found


def reporter(reading: Reading, index: Index, request: Resource) -> Source:
    """ServiceRequest.requester: who asks. `masked`: his own label says restricted (Uitvoeringsbesluit Wmo 2015,
    art. 4.1.8(3))."""
    reference = reading.node(request.body, "requester")
    if not reference:
        return Source({}, [])
    target = index.resolve(reference, request)
    if target is None:
        name = reading.text(reference, "display")
        return Source(compact({"name": name}) | ({"masked": False} if name else {}), [])
    if target.type == "Organization" and any(system == PARTNER for system, _ in identifier_keys(target.body)):
        return Source({}, [])  # whose message the hub passes on: nobody who reports
    placed: list[Resource] = []
    plain = details(reading, index, target, placed)
    plain["masked"] = any(hides(reading, resource.body) for resource in placed)
    for concept in reading.nodes(target.body, "code"):
        plain |= compact({"kind": next(iter(tokens(reading, concept, {"urn:schakel:vt-reporter"})), None)})
    return Source(plain, placed)
