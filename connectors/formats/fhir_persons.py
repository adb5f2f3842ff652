# SPDX-License-Identifier: EUPL-1.2
"""Makes one list of persons out of Patients, RelatedPersons and contacts, with how they stand to each other.

A person may be there twice, as Patient and as RelatedPerson: `Patient.link` or the same BSN says so, and they become
one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from connectors.formats.fhir_bundle import Index, Resource
from connectors.formats.fhir_codes import label, token_of, tokens
from connectors.formats.fhir_elements import COMMENT, HL7, absent_reason, address, human_name, telecoms
from connectors.formats.fhir_reading import Node, Plain, Reading, compact
from connectors.formats.fhir_shapes import BODY, ITSELF, KNOWN, NODES, SETTLED, Known, Shape
from schakel.errors import Finding
from schakel.identifiers import is_bsn

BSN_SYSTEMS: Final = ("http://fhir.nl/fhir/NamingSystem/bsn", "urn:oid:2.16.840.1.113883.2.4.6.3")
ROLE: Final = "urn:schakel:role"
UNBORN: Final = "urn:schakel:unborn"
INFORMED: Final = "urn:schakel:informed"
SECURITY: Final = "urn:schakel:security"
MEMBER: Final = "urn:schakel:member"  # system of an identifier: how the hub calls this person in this message
MAIN: Final = "urn:schakel:main"
REMARKS: Final = "urn:schakel:remarks"
CUSTODY: Final = "urn:schakel:custody"
OUR_RELATIONS: Final = "urn:schakel:relation"
CONFIDENTIALITY: Final = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
RELATIONS: Final = frozenset({"http://terminology.hl7.org/CodeSystem/v3-RoleCode", "http://hl7.org/fhir/v3/RoleCode"})
_STANDINGS: Final = RELATIONS | {ROLE, OUR_RELATIONS}
_OF_ROLE: Final = f"{ROLE}|"
_OF_OURS: Final = f"{OUR_RELATIONS}|"
_RELATION_SYSTEM: Final = "http://terminology.hl7.org/CodeSystem/v3-RoleCode"
_HIDING: Final = frozenset({f"{CONFIDENTIALITY}|R", f"{CONFIDENTIALITY}|V", f"{SECURITY}|secret-address"})
_NO_PLACE: Final = frozenset({"foreign", "secret"})  # what an address says beside where it is
_UNKNOWN_BSN, _UNBORN_BSN = "000000000", "999999999"  # Uitvoeringsregeling Wmo 2015, annex


@dataclass(frozen=True, slots=True)
class Standing:
    """How a person stands to another one: `code` is a relation token."""

    to: Resource | None
    code: str | None
    custody: bool | None = None


@dataclass(slots=True)
class Person:
    """One person while the document is being made; `plain` is what goes into it."""

    plain: Plain
    resources: list[Resource] = field(default_factory=list)
    standing: list[Standing] = field(default_factory=list)
    known_as: str | None = None  # by the hub, in this message


def hides(reading: Reading, resource: Node) -> bool:
    """`meta.security` restricted or very restricted, or our own label: the safest reading of a label on a person is
    that his whereabouts are secret."""
    if "meta" not in resource:
        return False
    meta = reading.node(resource, "meta")
    return any(token_of(reading, coding) in _HIDING for coding in reading.nodes(meta, "security"))


def persons(reading: Reading, index: Index, used: Iterable[Resource], subject: Resource | None) -> list[Person]:
    """The persons, the subject first, then in the order of the bundle."""
    order = [resource for resource in used if resource.type in ("Patient", "RelatedPerson")]
    order.sort(key=lambda resource: resource is not subject)
    linked = _linked(index, order)
    found: list[Person] = []
    for resource in order:
        person = _person(reading, index, resource)
        twin = _twin(found, linked, person)
        if twin is None:
            found.append(person)
        else:
            _merge(twin, person)
    for resource in order:
        if "contact" in resource.body:
            found += _contacts(reading, found, resource)
    names = [person.known_as for person in found]
    whole = None not in names and len(set(names)) == len(names)
    for number, person in enumerate(found, start=1):
        person.plain["id"] = person.known_as if whole else f"p{number}"
    for person in found:
        person.plain["relations"] = _relations(person, found)
    return found


def owner(found: Iterable[Person], resource: Resource | None) -> Person | None:
    """The person that this resource is about."""
    if resource is not None:
        for person in found:
            if resource in person.resources:
                return person
    return None


def _linked(index: Index, order: Iterable[Resource]) -> dict[int, set[int]]:
    """Which resources are about the same person, as `Patient.link` says it; both ways."""
    linked: dict[int, set[int]] = defaultdict(set)
    for resource in order:
        links = resource.body.get("link")
        for item in links if resource.type == "Patient" and isinstance(links, list) else []:
            target = index.resolve(item.get("other"), resource) if isinstance(item, dict) else None
            if target is not None:
                linked[id(resource)].add(id(target))
                linked[id(target)].add(id(resource))
    return linked


def _twin(found: list[Person], linked: dict[int, set[int]], person: Person) -> Person | None:
    """The person that this one is too: linked and not with another BSN, or with the same BSN and nothing against it."""
    same = linked.get(id(person.resources[0]), ())
    number = person.plain.get("bsn")
    for other in found:
        known = other.plain.get("bsn")
        if number is not None and number == known and _agree(person.plain, other.plain):
            return other
        if same and any(id(each) in same for each in other.resources) and (number is None or known is None):
            return other
    return None


def _agree(one: Plain, other: Plain) -> bool:
    """Nothing that is stated of both says that they are two people."""
    born, known = one.get("birthDate"), other.get("birthDate")
    same_birth = born is None or known is None or born.startswith(known) or known.startswith(born)
    return same_birth and one.get("gender", other.get("gender")) == other.get("gender", one.get("gender"))


def shared_bsn_findings(found: Iterable[Person]) -> list[Finding]:
    """Two different people with one BSN: merging would lose one of them, so a person looks at it."""
    numbers = [person.plain["bsn"] for person in found if "bsn" in person.plain]
    if len(set(numbers)) == len(numbers):
        return []
    nl, en = "Twee verschillende personen hebben hetzelfde BSN.", "Two different people have the same BSN."
    return [Finding("Bundle.entry", "bsn-of-one-person", nl, en)]


def _merge(person: Person, other: Person) -> None:
    """What the first resource says stands; the second one fills the gaps, lists are joined; secrecy is sticky."""
    for name, value in other.plain.items():
        mine = person.plain.get(name)
        if isinstance(value, list) and isinstance(mine, list):
            mine.extend(item for item in value if item not in mine)
        elif isinstance(value, bool) and isinstance(mine, bool):
            person.plain[name] = mine or value
        elif name not in person.plain:
            person.plain[name] = value
    person.resources += other.resources
    person.standing += other.standing
    person.known_as = person.known_as or other.known_as


_SAID: Final[Known] = {
    HL7 + "patient-nationality": ("nationality", None, ITSELF),
    INFORMED: ("informed", None, ITSELF),
    REMARKS: ("remarks", "valueString", str),
    HL7 + "patient-interpreterRequired": ("interpreter", "valueBoolean", bool),
    MAIN: ("main", "valueBoolean", bool),
    UNBORN: ("unborn", "valueBoolean", bool),
}
_PERSON: Final = Shape(
    {
        **BODY,
        "active": KNOWN,
        "link": SETTLED,
        "identifier": NODES,
        "name": NODES,
        "birthDate": str,
        "gender": str,
        "communication": NODES,
        "telecom": NODES,
        "address": NODES,
    }
)
_RELATED: Final = Shape({**_PERSON.kinds, "patient": SETTLED, "relationship": NODES})


def _person(reading: Reading, index: Index, resource: Resource) -> Person:
    body = resource.body
    related = resource.type == "RelatedPerson"
    read = reading.take(body, _RELATED if related else _PERSON)
    identifiers = read.get("identifier") or ()
    phones, email = telecoms(reading, read.get("telecom") or ())
    addresses = [found for node in read.get("address") or () if (found := address(reading, node))]
    masked = absent_reason(reading, body, "address") == "masked"
    language, spoken = _language(reading, read.get("communication") or ())
    plain = _numbers(reading, identifiers)
    if name := human_name(reading, read.get("name") or ()):
        plain["name"] = name
    for element in ("birthDate", "gender"):
        if text := read.get(element):
            plain[element] = text
    if "extension" in body:
        plain |= compact(_extended(reading, body))
    plain |= compact({"language": language, "languageNote": spoken, "phones": phones, "email": email})
    if places := [found for found in addresses if found.keys() - _NO_PLACE]:
        plain["addresses"] = places
    absent_reason(reading, body, "birthDate")
    plain["secret"] = masked or hides(reading, body) or any([found["secret"] for found in addresses])
    plain.setdefault("unborn", False)
    person = Person(plain, [resource], known_as=_known_as(reading, identifiers))
    if related:
        _stand(reading, index, person, resource, read.get("relationship") or ())
    return person


def _extended(reading: Reading, body: Node) -> Plain:
    """What only extensions say of a person; None and empty where they do not."""
    said = reading.take_extensions(body["extension"], _SAID)
    return {
        "roles": _roles(reading, body),
        "nationality": _nationality(reading, said.get("nationality")),
        "informed": _informed(reading, said.get("informed")),
        "remarks": said.get("remarks"),
        "interpreter": said.get("interpreter"),
        "main": said.get("main"),
        **({"unborn": True} if said.get("unborn") is True else {}),
    }


def _known_as(reading: Reading, identifiers: Iterable[Node]) -> str | None:
    for item in identifiers:
        if item.get("system") == MEMBER:
            reading.touch(item, "system")
            return reading.text(item, "value")
    return None


def _informed(reading: Reading, outer: Node | None) -> Plain:
    """Whether this person knows of the referral: an extension with `informed`, `at`, `reason` and `reaction` in it."""
    if outer is None:
        return {}
    informed = reading.truth(reading.extension(outer, "informed"), "valueBoolean")
    if informed is None:
        return {}
    at = reading.text(reading.extension(outer, "at"), "valueDate")
    words = {name: reading.text(reading.extension(outer, name), "valueString") for name in ("reason", "reaction")}
    return compact({"at": at, **words}) | {"informed": informed}


def _stand(reading: Reading, index: Index, person: Person, resource: Resource, relationships: Iterable[Node]) -> None:
    to = index.resolve(resource.body.get("patient"), resource)
    codes: list[str] = []
    for concept in relationships:
        named = tokens(reading, concept, _STANDINGS)
        person.plain.setdefault("roles", []).extend([code for code in named if code.startswith(_OF_ROLE)])
        ours = [code for code in named if code.startswith(_OF_OURS)]
        codes += ours or [_relation(code) for code in named if not code.startswith(_OF_ROLE)]  # our own word is exact
        reading.text(concept, "text")
    custody = reading.truth(reading.extension(resource.body, CUSTODY), "valueBoolean")
    person.standing += [Standing(to, code, custody) for code in codes] or [Standing(to, None, custody)]


def _relation(token: str) -> str:
    return f"{_RELATION_SYSTEM}|{token.partition('|')[2]}"


def _relations(person: Person, found: list[Person]) -> list[Plain]:
    relations: list[Plain] = []
    for standing in person.standing:
        to = owner(found, standing.to)
        if to is None or to is person:
            continue
        relation = {"to": to.plain["id"], "code": standing.code} if standing.code else {"to": to.plain["id"]}
        if standing.custody is not None:
            relation["custody"] = standing.custody
        if relation not in relations:
            relations.append(relation)
    return relations


def _roles(reading: Reading, body: Node) -> list[str]:
    found = []
    for item in reading.extensions(body, ROLE):
        code = reading.text(item, "valueCode")
        token = f"{ROLE}|{code}" if code else token_of(reading, reading.node(item, "valueCoding"))
        found += [token] if token else []
    return found


_NUMBER: Final = Shape({**dict.fromkeys(("system", "use", "type", "assigner", "period"), SETTLED), "value": str})


def _numbers(reading: Reading, identifiers: Iterable[Node]) -> Plain:
    """{bsn} or {bsnAbsent} and perhaps {unborn}. A broken number is a finding (`bsn_findings`) and is not passed on."""
    plain: Plain = {}
    for item in identifiers:
        if item.get("system") not in BSN_SYSTEMS or item.get("use") == "old":
            continue
        number: str | None = reading.take(item, _NUMBER).get("value")
        if number == _UNKNOWN_BSN:
            plain.setdefault("bsnAbsent", "unknown")
        elif number == _UNBORN_BSN:
            plain |= {"bsnAbsent": "not-applicable", "unborn": True}
        elif number is not None and is_bsn(number):
            plain.setdefault("bsn", number)
        elif number is None:
            plain.setdefault("bsnAbsent", absent_reason(reading, item, "value") or "unknown")
    if "bsn" in plain:
        plain.pop("bsnAbsent", None)
    return plain


def bsn_findings(resource: Resource) -> list[Finding]:
    """BSNs that fail the eleven-test, and a person with two of them: contradictions a person has to look at."""
    identifiers = resource.body.get("identifier")
    numbers = set()
    found = []
    for position, item in enumerate(identifiers if isinstance(identifiers, list) else []):
        if not isinstance(item, dict) or item.get("system") not in BSN_SYSTEMS or item.get("use") == "old":
            continue
        number = item.get("value")
        number = number.strip() if isinstance(number, str) else number
        if number is None or number in (_UNKNOWN_BSN, _UNBORN_BSN):
            continue
        if isinstance(number, str) and is_bsn(number):
            numbers.add(number)
            continue
        place = f"{resource.place}.identifier[{position}].value"
        found.append(
            Finding(place, "bsn-eleven-test", "Het BSN voldoet niet aan de elfproef.", "BSN fails eleven-test.")
        )
    if len(numbers) > 1:
        place = f"{resource.place}.identifier"
        found.append(Finding(place, "bsn-one-per-person", "Eén persoon met twee BSN's.", "One person with two BSNs."))
    return found


def _nationality(reading: Reading, extension: Node | None) -> str | None:
    if extension is None:
        return None
    concept = reading.node(reading.extension(extension, "code"), "valueCodeableConcept")
    tokens(reading, concept)
    return label(reading, concept)


def _language(reading: Reading, spoken: Iterable[Node]) -> tuple[str | None, str | None]:
    """(language, what is noted with it), the preferred one first."""
    if not spoken:
        return None, None
    item = min(spoken, key=lambda each: each.get("preferred") is not True)
    reading.touch(item, "preferred")
    concept = reading.node(item, "language")
    code = next((token.partition("|")[2] for token in tokens(reading, concept)), None)
    note = reading.text(reading.extension(item, COMMENT), "valueString")
    return label(reading, concept) or code, note


def _contacts(reading: Reading, found: list[Person], resource: Resource) -> list[Person]:
    """`Patient.contact`: a person that is only named there; nl-core repeats RelatedPersons in it, those are skipped."""
    made: list[Person] = []
    for contact in reading.nodes(resource.body, "contact"):
        name = human_name(reading, [contact["name"]]) if isinstance(contact.get("name"), dict) else {}
        if not name:
            continue  # an organisation only: listed as not placed
        reading.touch(contact, "name", "gender")
        phones, email = telecoms(reading, reading.nodes(contact, "telecom"))
        home = address(reading, reading.node(contact, "address"))
        standing: list[Standing] = []
        roles: list[str] = []
        for concept in reading.nodes(contact, "relationship"):
            roles += tokens(reading, concept, {ROLE})
            standing += [Standing(resource, _relation(code)) for code in tokens(reading, concept, RELATIONS)]
        if any(_same_contact(person, name, phones) for person in found):
            continue
        plain: Plain = compact({"name": name, "roles": roles, "phones": phones, "email": email})
        plain |= compact({"gender": reading.text(contact, "gender"), "addresses": [home] if len(home) > 2 else []})
        plain |= {"secret": bool(home.get("secret")), "unborn": False}
        made.append(Person(plain, [], standing or [Standing(resource, None)]))
    return made


def _same_contact(person: Person, name: Plain, phones: list[Plain]) -> bool:
    """The same family name with the same given names, initials or number."""
    known: Any = person.plain.get("name", {})
    if not known or known.get("family") != name.get("family"):
        return False
    numbers = {phone["number"] for phone in person.plain.get("phones", [])}
    return any(known.get(part) == name[part] for part in ("given", "initials", "full") if part in name) or any(
        phone["number"] in numbers for phone in phones
    )
