# SPDX-License-Identifier: EUPL-1.2
"""Fills every field of a source's message that a person can write in with a canary of its own, and finds canaries back.

A canary's class says what it is (`person`, `address`, `reporter`, …), by where in the *source's* document it stands;
who may see which class is no business of this file.
"""

from __future__ import annotations

import base64
import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from lxml import etree
from stdnum.nl import bsn as bsn_number

import mappings

FOLDER = Path(mappings.__file__).parent
MARK = "qzxk"  # every canary of letters begins with it
OTHERS, REMOVED, NOBODY = "others", "removed", ""  # whose it is: the side of a household (or nobody's)


@dataclass(frozen=True, slots=True)
class Canary:
    text: str
    path: str
    kind: str
    side: str


# Canaries of letters, citizen service and telephone numbers wherever they stand; shorter numbers as whole words.
_IN_CLEAR = (
    re.compile(rb"(?=(qzxk[a-z]{4}wv))"),
    re.compile(rb"(?=(9999[0-9]{5}|0699[0-9]{6}))"),
    re.compile(rb"(?<![0-9a-z])([0-9]{4}[a-z]{2}|[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{8}|[0-9]{5})(?![0-9a-z])"),
)
_MARKS = ("Qzxk", "9999", "0699")  # how those begin that are looked for in disguise


def texts_in(data: bytes) -> set[str]:
    """What could be a canary in `data`, in lower case."""
    lower = data.lower()
    return {match[1].decode() for pattern in _IN_CLEAR for match in pattern.finditer(lower)}


def found(canaries: Iterable[Canary], data: bytes, *, disguised: bool = False) -> list[Canary]:
    """The canaries that `data` holds; `disguised`: also in UTF-16, hexadecimal or base64."""
    texts = texts_in(data)
    look_closer = disguised and any(form in data for mark in _MARKS for form in _disguises(mark))
    return [
        canary
        for canary in canaries
        if canary.text.lower() in texts or (look_closer and any(form in data for form in _disguises(canary.text)))
    ]


@cache
def _disguises(text: str) -> tuple[bytes, ...]:
    if len(text) < 9 and text not in _MARKS:  # shorter ones occur by chance
        return ()
    plain = text.encode()
    shifted = []
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + plain).rstrip(b"=")
        shifted.append(
            encoded[(shift * 8 + 5) // 6 : (shift + len(plain)) * 8 // 6]
        )  # what the neighbours do not change
    utf_16 = (text.encode("utf-16-le"), text.encode("utf-16-be"))
    return (*utf_16, plain.hex().encode(), plain.hex().upper().encode(), *shifted)


_NUMBERS = itertools.count(1)
_PEOPLE = itertools.count()  # apart: there are few hundred BSNs in the test range, and each is one person's
_BSNS = [text for number in range(999990000, 999999991) if bsn_number.is_valid(text := str(number))]


@dataclass
class Garden:
    """The canaries of one message. Texts are unique over all gardens of a process."""

    planted: dict[str, Canary] = field(default_factory=dict)

    def plant(self, text: str, path: str, kind: str, side: str = NOBODY) -> str:
        self.planted[text] = Canary(text, path, kind, side)
        return text

    def word(self, path: str, kind: str, side: str = NOBODY) -> str:
        number = next(_NUMBERS)
        return self.plant(
            "Qzxk" + "".join(chr(97 + number // 26**at % 26) for at in (3, 2, 1, 0)) + "wv", path, kind, side
        )

    def bsn(self, path: str, side: str) -> str:
        return self.plant(_BSNS[next(_PEOPLE) % len(_BSNS)], path, "person", side)

    def phone(self, path: str, kind: str, side: str) -> str:
        return self.plant(f"0699{next(_NUMBERS):06}", path, kind, side)

    def house_number(self, path: str, kind: str, side: str) -> str:
        return self.plant(f"{70_000 + next(_NUMBERS) % 29_000}", path, kind, side)  # no port has such a number

    def postcode(self, path: str, kind: str, side: str) -> str:
        number = next(_NUMBERS)
        letters = "GHJKLMNPRTVXZ"  # not hexadecimal
        return self.plant(
            f"{3000 + number % 6000}{letters[number // 6000 % 13]}{letters[number % 13]}", path, kind, side
        )

    def birthday(self, path: str, side: str, form: str = "%Y-%m-%d") -> str:
        day = date(1921, 1, 1) + timedelta(days=next(_NUMBERS) % 20_000)
        text = day.strftime(form)
        if form != "%Y-%m-%d":
            self.plant(text, path, "person", side)
        self.plant(day.isoformat(), path, "person", side)
        return text


# -- thv-aanmelding@1: driven by the schema, so that a new field has its canary by being there -------------------------

_THV_CODES = {
    "soort": "aanmelding",
    "huisverbod.status": "opgelegd",
    "betrokkenen.bsnStatus": None,
    "betrokkenen.adressen.soort": "woonadres",
    "huisverbod.adres.soort": "woonadres",
    "incident.adres.soort": "plaats-delict",
    "aanpak": None,
}
_THV_CLASSES = (
    (r"kenmerk", "own-reference"),
    (r"zaakkenmerk", "case-reference"),
    (r"huisverbod\.nummer", "order-number"),
    (r"huisverbod\.reden", "order-prose"),
    (r"(huisverbod|incident)\.adres\..*", "event-address"),
    (r"incident\.politieregistratie", "police-number"),
    (r"incident\.(locatie|toelichting)", "incident-prose"),
    (r"incident\..*", "prosecution-prose"),
    (r"vastgelopenHulp\..*", "stalled-prose"),
    (r"betrokkenen\.(id|relaties\.tot)", "member-id"),
    (r"betrokkenen\.(namen\..*|geboren|bsn)", "person"),
    (r"betrokkenen\.nationaliteit", "nationality"),
    (r"betrokkenen\.taal", "language"),
    (r"betrokkenen\.(telefoons\.nummer|email)", "contact"),
    (r"betrokkenen\.telefoons\.toelichting", "phone-prose"),
    (r"betrokkenen\.adressen\..*", "address"),
    (r"betrokkenen\.informering\..*", "informed-prose"),
    (r"betrokkenen\.opmerkingen", "remarks-prose"),
    (r"risico\.veiligheidHulpverleners", "safety-prose"),
    (r"risico\..*", "risk-prose"),
    (r"voorgeschiedenis\.eerdereHuisverboden\.nummer", "history-number"),
    (r"voorgeschiedenis\..*", "history-prose"),
    (r"organisaties\.(telefoon|email)", "organisation-contact"),
    (r"organisaties\..*", "organisation-prose"),
    (r"melder\..*", "reporter"),
    (r"vraag", "question-prose"),
    (r"toelichting", "note-prose"),
    (r"bijlagen\..*", "attachment-prose"),
)


def _class_of(table: Iterable[tuple[str, str]], path: str) -> str:
    return next(kind for pattern, kind in table if re.fullmatch(pattern, path))


@cache
def _thv_schema() -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((FOLDER / "thv_aanmelding" / "schema.json").read_bytes())
    return schema


@cache
def _first_code(book: str) -> str:
    entries = yaml.safe_load((FOLDER / "codebooks" / f"{book}.yaml").read_text())["entries"]
    return str(next(iter(entries)))


def thv(garden: Garden, *, municipality: str, secret: str = "", masked: bool = False) -> dict[str, Any]:
    """An imposed order with everything filled in. `secret`: "", "person" (the victim), "address" (hers) or "home"
    (hers, which is also the one that the order is about)."""
    document: dict[str, Any] = _thv_value(garden, _thv_schema(), "", NOBODY)
    roles = ("slachtoffer", "uithuisgeplaatste", "kind", "anders")
    members = []
    for role in roles:
        side = REMOVED if role == "uithuisgeplaatste" else OTHERS
        member = _thv_value(garden, _thv_schema()["$defs"]["betrokkene"], "betrokkenen", side) | {"rol": role}
        members.append(member | {"hoofdpersoon": role == "slachtoffer", "ongeboren": False, "geheimAdres": False})
        del members[-1]["verwacht"]
        for address in members[-1]["adressen"]:
            address["geheim"] = False
    for member in members:
        member["relaties"] = [{"tot": members[0]["id"], "soort": _first_code("thv-relatie"), "gezag": False}]
    document["betrokkenen"] = members
    document["huisverbod"] |= {
        "opgelegdOp": "2026-11-20T21:00:00Z",
        "eindigtOp": "2026-11-30T21:00:00Z",
        "verlengdTot": None,
    }
    del document["huisverbod"]["verlengdTot"]
    document["huisverbod"]["adres"] |= {"gemeentecode": municipality, "geheim": False}
    document["incident"]["adres"] |= {"gemeentecode": municipality, "geheim": False}
    document["organisaties"][0]["dient"] = [members[0]["id"]]
    document["melder"]["afschermen"] = masked
    return hide_thv(document, secret)


def hide_thv(document: dict[str, Any], secret: str) -> dict[str, Any]:
    victim = document["betrokkenen"][0]
    if secret == "person":
        victim["geheimAdres"] = True
    if secret == "home":
        victim["adressen"][0] = dict(document["huisverbod"]["adres"])
    if secret in ("address", "home"):
        victim["adressen"][0]["geheim"] = True
    return document


def _thv_value(garden: Garden, schema: Mapping[str, Any], path: str, side: str) -> Any:
    if "$ref" in schema:
        return _thv_value(garden, _thv_schema()["$defs"][schema["$ref"].rpartition("/")[2]] | {"x": 1}, path, side)
    if "const" in schema:
        return schema["const"]
    if schema["type"] == "object":
        made = {}
        for name, part in schema["properties"].items():
            below = f"{path}.{name}" if path else name
            if below in ("betrokkenen", "betrokkenen.relaties", "organisaties.dient"):
                made[name] = []
                continue
            value = _thv_value(garden, part | ({} if "description" in part else {"description": ""}), below, side)
            if value is not None:
                made[name] = value
        return made
    if schema["type"] == "array":
        value = _thv_value(garden, schema["items"], path, side)
        return [] if value is None else [value]
    if schema["type"] in ("integer", "boolean"):
        return 2 if schema["type"] == "integer" else False
    return _thv_text(garden, schema, path, side)


def _thv_text(garden: Garden, schema: Mapping[str, Any], path: str, side: str) -> str | None:
    book = re.search(r"Codelijst ([a-z-]+)", schema.get("description", ""))
    if path in _THV_CODES:
        return _THV_CODES[path]
    if book:
        return _first_code(book[1])
    pattern, name = schema.get("pattern", ""), path.rpartition(".")[2]
    if "T[0-9]" in pattern:
        return "2026-11-20T20:00:00Z"
    if name == "geboren":
        return garden.birthday(path, side)
    if pattern.startswith("^[0-9]{4}-") or pattern.startswith("^[0-9]{4}(-"):
        return "2026-11-19"
    kind = _class_of(_THV_CLASSES, path)
    match name:
        case "bsn":
            return garden.bsn(path, side)
        case "huisnummer":
            return garden.house_number(path, kind, side)
        case "huisletter":
            return "k"  # one letter cannot be told from another
        case "postcode":
            return garden.postcode(path, kind, side)
        case "gemeentecode" | "land":
            return None
        case "nummer" | "telefoon" if path.endswith(("telefoons.nummer", ".telefoon")):
            return garden.phone(path, kind, side)
    return garden.word(path, kind, side)


# -- FHIR: an example, each text in it replaced ------------------------------------------------------------------------

_FHIR_KEPT = {"resourceType", "system", "code", "use", "type", "status", "intent", "priority", "gender", "url"}
_FHIR_KEPT |= {"contentType", "valueCode", "country", "event", "mode", "fullUrl", "category", "docStatus"}


def fhir(
    garden: Garden, example: str, *, secret: str = "", masked: bool = False, strange: bool = False
) -> dict[str, Any]:
    """A CIT bundle. `strange`: with names and resources that FHIR does not have, also canaries."""
    bundle: dict[str, Any] = json.loads((FOLDER / "cit_fhir" / "examples" / f"{example}.json").read_bytes())
    reported = _requested_by(bundle)
    names: dict[str, str] = {}
    for entry in bundle["entry"]:
        body = entry["resource"]
        if "id" in body:
            names[body["id"]] = garden.word(f"{body['resourceType']}.id", "technical")
    if "identifier" in bundle:
        bundle["identifier"]["value"] = garden.word("Bundle.identifier", "own-reference")
    again: dict[tuple[str, str], str] = {}
    for entry in bundle["entry"]:
        body = entry["resource"]
        kind, removed = body["resourceType"], "removed" in json.dumps(body.get("extension", []))
        side = REMOVED if removed else OTHERS if kind in ("Patient", "RelatedPerson") else NOBODY
        walker = _FhirWalk(garden, names, again, side, reporter=id(body) in reported)
        entry["resource"] = walker.walk(body, kind)
    if secret:
        hide_fhir(bundle)
    if masked:
        for entry in bundle["entry"]:
            if entry["resource"]["resourceType"] in ("Practitioner", "PractitionerRole"):
                label = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}
                entry["resource"].setdefault("meta", {})["security"] = [label]
    if strange:
        _strangers(garden, bundle)
    return bundle


def hide_fhir(bundle: dict[str, Any]) -> None:
    label = {"system": "urn:schakel:security", "code": "secret-address"}
    _patient(bundle).setdefault("meta", {})["security"] = [label]


def _patient(bundle: dict[str, Any]) -> dict[str, Any]:
    bodies = [entry["resource"] for entry in bundle["entry"]]
    return next(body for body in bodies if body["resourceType"] == "Patient")


def _strangers(garden: Garden, bundle: dict[str, Any]) -> None:
    patient = _patient(bundle)
    patient[garden.word("Patient.(key)", "lost")] = garden.word("Patient.(unknown)", "lost")
    url = f"https://{garden.word('extension.url', 'lost')}.example/{garden.word('extension.url', 'lost')}"
    patient.setdefault("extension", []).append({"url": url, "valueString": garden.word("extension.value", "lost")})
    patient["photo"] = [{"title": garden.word("Patient.photo.title", "lost")}]
    invented = {"resourceType": garden.word("resourceType", "lost"), "text": garden.word("(invented).text", "lost")}
    bundle["entry"].append({"fullUrl": "urn:uuid:00000000-0000-4000-8000-00000000ffff", "resource": invented})


def _requested_by(bundle: dict[str, Any]) -> set[int]:
    """The resources that say who reported: the requester and what it points at."""
    by_url = {entry.get("fullUrl"): entry["resource"] for entry in bundle["entry"]}
    by_url |= {f"{each['resourceType']}/{each.get('id')}": each for each in list(by_url.values())}
    request = next(each for each in by_url.values() if each["resourceType"] == "ServiceRequest")
    found_: set[int] = set()
    waiting = [request.get("requester", {}).get("reference")]
    while waiting:
        body = by_url.get(waiting.pop())
        if body is not None and id(body) not in found_:
            found_.add(id(body))
            waiting += [body[name].get("reference") for name in ("practitioner", "organization") if name in body]
    return found_


@dataclass
class _FhirWalk:
    garden: Garden
    names: Mapping[str, str]
    again: dict[tuple[str, str], str]  # the same old text in the same role gets the same canary
    side: str
    reporter: bool

    def walk(self, value: Any, path: str, holder: Mapping[str, Any] | None = None, name: str = "") -> Any:
        if isinstance(value, dict):
            return {key: self.walk(each, f"{path}.{key}", value, key) for key, each in value.items()}
        if isinstance(value, list):
            return [self.walk(each, path, holder, name) for each in value]
        return self._text(value, path, holder or {}, name) if isinstance(value, str) else value

    def _text(self, text: str, path: str, holder: Mapping[str, Any], name: str) -> str:
        if name == "id" and text in self.names:
            return self.names[text]
        if name == "reference":
            return re.sub(r"[^/#]+$", lambda match: self.names.get(match[0], match[0]), text)
        if name in _FHIR_KEPT or name in ("endpoint", "software") or (name == "div"):
            return text
        if name == "birthDate":
            return self.garden.birthday(path, self.side) if len(text) == 10 else text
        if re.match(r"^[0-9]{4}-[0-9]{2}", text):
            return text
        key = (text, "bsn" if holder.get("system", "").endswith("/bsn") else path)
        if key not in self.again:
            self.again[key] = self._new(text, path, holder, name)
        return self.again[key]

    def _new(self, text: str, path: str, holder: Mapping[str, Any], name: str) -> str:
        kind, garden = self._class(path), self.garden
        if holder.get("system", "").endswith("/bsn"):
            return garden.bsn(path, self.side)
        if name == "postalCode":
            return garden.postcode(path, kind, self.side)
        if holder.get("url", "").endswith("houseNumber"):
            return garden.house_number(path, kind, self.side)
        if name == "line":
            return f"{garden.word(path, kind, self.side)} {garden.house_number(path, kind, self.side)}"
        if name == "value" and ".telecom" in path:
            if holder.get("system") == "email":
                return f"{garden.word(path, kind, self.side)}@huis.example"
            return garden.phone(path, kind, self.side)
        return garden.word(path, kind, self.side)

    def _class(self, path: str) -> str:
        resource, _, rest = path.partition(".")
        if self.reporter:
            return "reporter"
        if resource in ("Patient", "RelatedPerson"):
            for start, kind in (
                ("name", "person"),
                ("address", "address"),
                ("telecom", "contact"),
                ("identifier", "person"),
            ):
                if rest.startswith(start):
                    return kind
            return "language" if rest.startswith("communication") else "remarks-prose"
        by_path = {
            "ServiceRequest.identifier.value": "case-reference",
            "ServiceRequest.code.text": "question-prose",
            "MessageHeader.id": "own-reference",
        }
        if path in by_path:
            return by_path[path]
        by_resource = {
            "Flag": "safety-prose",
            "Location": "event-address" if rest.startswith("address") else "incident-prose",
            "Organization": "organisation-contact" if rest.startswith("telecom") else "organisation-prose",
            "CareTeam": "organisation-prose",
            "Practitioner": "organisation-prose",
            "PractitionerRole": "organisation-prose",
            "DocumentReference": "attachment-prose",
        }
        return by_resource.get(resource, "note-prose")


# -- StUF: an example, each text in it replaced ------------------------------------------------------------------------

_STUF_KEPT = re.compile(
    r"berichtcode|functie|tijdstipBericht|organisatie|.*[cC]ode|hoedanigheid|betrokkenheidRelatie|geslachtsaanduiding"
    r"|soortadres|huisnummertoevoeging|indicatie.*|datum.*|SASHniveau|jeugzorgrol|huisletter|gemeenteVanInschrijving|.*[dD]atumTijd.*"
    r"|verwachteGeboortedatum|omschrijvingSocialeRelatie|rsin|kvkNummer|vestigingsNummer|stopVerstrekking.*"
)
_STUF_EXTRA = {"gemeenteIncident", "geheimAdres", "veiligTeBellen", "spoed", "berichtsoort", "melderAfschermen"}
_STUF_EXTRA |= {"hoedanigheid", "geboortedatum", "verwachteGeboortedatum"}
_STUF = "http://www.egem.nl/StUF/StUF0301"


def stuf(
    garden: Garden,
    mapping: str,
    example: str,
    *,
    municipality: str,
    secret: str = "",
    masked: bool = False,
    strange: bool = False,
) -> bytes:
    """A message of Veilig Thuis (`mapping`: stuf_melding_generiek or stuf_vt_melding)."""
    root = etree.parse(str(FOLDER / mapping / "examples" / f"{example}.xml")).getroot()
    target = next(each for each in root.iter("{*}object"))
    numbers: dict[str, str] = {}
    for element in list(root.iter("*")):
        if len(element) == 0 and (element.text or "").strip():
            element.text = _stuf_text(garden, element, numbers)
    extra = {"gemeenteIncident": municipality, "melderAfschermen": "J" if masked else "N"}
    _set_extra(target, extra)
    if secret:
        _hide_stuf(root)
    if strange:
        namespace = etree.QName(target).namespace
        unknown = etree.SubElement(target, f"{{{namespace}}}{garden.word('(element)', 'lost')}")
        unknown.text = garden.word("(unknown)", "lost")
    return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8"))


def _hide_stuf(root: Any) -> None:
    victim = next(each for each in root.iter("{*}geslachtsaanduiding") if each.text == "V").getparent()
    _set_extra(victim, {"geheimAdres": "J"})


def raised(garden: Garden, body: bytes) -> bytes:
    """The same message again as an update under a new reference, which tells that the victim's address is secret."""
    if body.startswith(b"<"):
        root = etree.fromstring(body)
        next(root.iter("{*}referentienummer")).text = garden.word("stuurgegevens.referentienummer", "own-reference")
        _hide_stuf(root)
        return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8"))
    document: dict[str, Any] = json.loads(body)
    if "entry" in document:
        document["identifier"] = {"value": garden.word("Bundle.identifier", "own-reference")}
        hide_fhir(document)
    else:
        document |= {"kenmerk": garden.word("kenmerk", "own-reference"), "soort": "wijziging"}
        hide_thv(document, "person")
    return json.dumps(document).encode()


def _set_extra(holder: Any, values: Mapping[str, str]) -> None:
    group = holder.find(f"{{{_STUF}}}extraElementen")
    if group is None:
        group = etree.SubElement(holder, f"{{{_STUF}}}extraElementen")
    for name, value in values.items():
        for old in [each for each in group if each.get("naam") == name]:
            group.remove(old)
        etree.SubElement(group, f"{{{_STUF}}}extraElement", naam=name).text = value


def _stuf_text(garden: Garden, element: Any, numbers: dict[str, str]) -> str:
    text, name = element.text.strip(), etree.QName(element).localname.rpartition(".")[2]
    above = [etree.QName(each).localname for each in element.iterancestors()]
    path = ".".join([*reversed(above), name])
    extra = element.get("naam")
    side = _stuf_side(element)
    if extra in _STUF_EXTRA or (extra is None and _STUF_KEPT.fullmatch(name)):
        return str(text)
    kind = _stuf_class(name, above, extra, _stuf_role(element))
    if name == "bsn":
        if text not in numbers:
            numbers[text] = garden.bsn(path, side) if not text.startswith(("00000", "99999999")) else text
        return numbers[text]
    if name == "geboortedatum":
        return garden.birthday(path, side, "%Y%m%d") if not text.endswith("00") and text < "2005" else str(text)
    if name == "postcode":
        return garden.postcode(path, kind, side)
    if name == "huisnummer":
        return garden.house_number(path, kind, side)
    if name in ("telefoonnummer",):
        return garden.phone(path, kind, side)
    if extra is not None:
        element.set("naam", garden.word(f"{path}@naam", kind, side))
    return garden.word(path, kind, side)


def _stuf_side(element: Any) -> str:
    """Of whose element it is in: under the person whose hoedanigheid is suspect (001)."""
    for above in element.iterancestors():
        if etree.QName(above).localname in ("heeftBetrekkingOp", "heeftAlsOverigBetrokkene", "heeftBetrokken"):
            stated = [each.text for each in above.iter("{*}hoedanigheid")]
            stated += [each.text for each in above.iter("{*}extraElement") if each.get("naam") == "hoedanigheid"]
            return REMOVED if "001" in stated else OTHERS
    return NOBODY


def _stuf_role(element: Any) -> str:
    """vtMelding lists reporter and professionals among the people involved, and tells them by a word."""
    for above in element.iterancestors("{*}heeftBetrokken"):
        return next((str(each.text) for each in above.iter("{*}jeugzorgrol")), "")
    return ""


def _stuf_class(name: str, above: list[str], extra: str | None, role: str) -> str:
    if role == "melder":
        return "reporter"
    if role == "hulpverlener":
        return "organisation-contact" if name == "telefoonnummer" else "organisation-prose"
    if "stuurgegevens" in above:
        return "own-reference"
    if name in ("identificatieVtMelding",) or (name == "identificatie" and above[0] == "object"):
        return "case-reference"
    if {"heeftAlsInitiator", "isIngediendDoor", "contactgegevensVerdiepingOpInfo"} & set(above):
        return "reporter"
    if "heeftAlsUitvoerende" in above:
        return "receiver"
    if "organisatorischeEenheid" in above:
        return "organisation-contact" if name in ("telefoonnummer", "emailadres") else "organisation-prose"
    if {"adres", "feitelijkVerblijfsadresBinnenland", "nederlandsadres"} & set(above):
        return "address"
    if name in ("telefoonnummer", "emailadres"):
        return "contact"
    if {"staatInRelatieTot", "isGeinformeerdAan"} & set(above):
        return "note-prose"
    if "taal" in above:
        return "language"
    if {"natuurlijkPersoon", "heeftBetrokken"} & set(above) and extra is None:
        if name in ("nationaliteit", "taal"):
            return {"taal": "language"}.get(name, "nationality")
        if re.fullmatch(r"bsn|geslachtsnaam|voor.*|naam|geboortedatum|volledigeNaam", name):
            return "person"
    if "informering" in above or name == "informering":
        return "informed-prose"
    if name in ("omschrijvingIncident", "locatieIncident", "locatieAanduiding") or (
        name == "omschrijving" and "kent" in above
    ):
        return "incident-prose"
    return {"verzoekOmschrijving": "question-prose"}.get(name, "note-prose")


# -- what a recipient or an operator writes ----------------------------------------------------------------------------


def contact_person(garden: Garden, partner: str) -> dict[str, str]:
    """Somebody who can be reached at `partner` (which is the canaries' side)."""
    return {
        "name": garden.word("answer.contact.name", "contact-person", partner),
        "phone": garden.phone("answer.contact.phone", "contact-person", partner),
        "email": f"{garden.word('answer.contact.email', 'contact-person', partner)}@team.example",
    }


def words_of(gardens: Iterable[Garden]) -> Iterator[Canary]:
    for garden in gardens:
        yield from garden.planted.values()
