# SPDX-License-Identifier: EUPL-1.2
"""Reads FHIR data types: names, addresses, telecoms.

Dutch habits (nl-core, zib2020): own and partner names in extensions of `family`, the address in parts in extensions of
`line`, `IN`/`BR`/`CL` qualifiers on given names, an AddressType that says what `use` cannot.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from connectors.formats.fhir_codes import CODES, SPECIFIED, tokens
from connectors.formats.fhir_reading import Node, Plain, Reading, compact
from connectors.formats.fhir_shapes import (
    ITSELF,
    KNOWN,
    TEXTS,
    WORDS,
    Known,
    Shape,
    beside,
    besides,
    extensions,
)

HL7: Final = "http://hl7.org/fhir/StructureDefinition/"
DATA_ABSENT: Final = HL7 + "data-absent-reason"
ADDRESS_TYPE: Final = "http://nictiz.nl/fhir/StructureDefinition/ext-AddressInformation.AddressType"
COMMENT: Final = "http://nictiz.nl/fhir/StructureDefinition/ext-Comment"
SAFE_TO_CALL: Final = "urn:schakel:safe-to-call"
SECRET_ADDRESS: Final = "urn:schakel:secret-address"  # noqa: S105 (a label on an address)
ADDRESS_PARTS: Final = "urn:schakel:address"  # the parts of an address as they are, where FHIR has one line
NAME_PARTS: Final = "urn:schakel:parts"  # on a HumanName: its parts say all there is to say
FULL_NAME: Final = "urn:schakel:full-name"

_PREFIXES: Final = re.compile(
    r"^((?:van|von|uit|op|in|aan|bij|onder|over|voor) (?:der|den|de|het|'t|’t|ter|ten|dem|den)|"
    r"van|von|de la|de l'|de|den|der|du|ter|ten|te|'t|’t|'s|el|al|di|da|dos|la|le) (?=\S)(.+)$",
    re.IGNORECASE,
)
_LINE: Final = re.compile(
    r"^(?P<street>.*\S)\s+(?P<number>[0-9]{1,5})(?P<rest>(?:\s*|-)[A-Za-z0-9][A-Za-z0-9 \-]{0,10})?$"
)
_SUFFIX: Final = re.compile(r"^(?P<letter>[A-Za-z])?(?:[\s\-]*(?P<addition>[A-Za-z0-9][A-Za-z0-9 \-]*))?$")
_LINE_PARTS: Final[Known] = {
    f"{HL7}iso21090-ADXP-{part}": (part, "valueString", str)
    for part in ("streetName", "houseNumber", "buildingNumberSuffix", "unitID", "additionalLocator")
}
_NUMBER: Final = re.compile(r"[0-9]{1,5}")
_LETTER_APART: Final = re.compile(r"[A-Za-z][\s\-0-9]")
_HOLLAND: Final = frozenset({"", "nl", "nld", "nederland", "netherlands", "the netherlands", "6030"})
_ELSEWHERE: Final = frozenset({"work", "billing", "old", "WP", "BAD", "DIR", "PUB"})
_MUNICIPALITY: Final = re.compile(r"^[0-9]{4}$")


def absent_reason(reading: Reading, node: Node, name: str) -> str | None:
    """The data-absent-reason beside a primitive, or on the element itself."""
    if "extension" not in node and f"_{name}" not in node:
        return None
    return _absent(reading, reading.beside(node, name)) or _absent(reading, node)


def _absent(reading: Reading, holder: Node) -> str | None:
    if "extension" not in holder:
        return None
    return reading.text(reading.extension(holder, DATA_ABSENT), "valueCode")


# -- names ------------------------------------------------------------------------------------------------------------

_USES: Final = ("official", "usual", None, "temp", "nickname", "anonymous", "maiden")
_FAMILY_PARTS: Final[Known] = {
    f"{HL7}humanname-{part}": (part, "valueString", str)
    for part in ("own-name", "own-prefix", "partner-name", "partner-prefix")
}
_QUALIFIER: Final[Known] = {HL7 + "iso21090-EN-qualifier": ("qualifier", "valueCode", str)}
_NAME: Final = Shape(
    {
        "use": KNOWN,
        "period": KNOWN,
        "prefix": WORDS,
        "suffix": WORDS,
        "text": str,
        "family": str,
        "_family": beside(_FAMILY_PARTS),
        "given": TEXTS,
        "_given": besides("given", _QUALIFIER),
    }
)
_INITIALS: Final = re.compile(r"(?:\w{1,2}\.[ \-]?)+")


def human_name(reading: Reading, names: Sequence[Node]) -> Plain:
    """{family, prefix, given, initials, full}: own name without prefix; `full` where one string says more."""
    if not names:
        return {}
    if len(names) > 1 or names[0].get("use") == "old":
        names = [name for name in names if name.get("use") != "old"]
        if not names:
            return {}
    name = names[0] if len(names) == 1 else min(names, key=_use)
    found = reading.take(name, _NAME)
    text: str | None = found.get("text")
    family, prefix, married = _family(found)
    given, initials, calls = _given(found)
    titles = found.get("prefix") or found.get("suffix")
    for other in names if len(names) > 1 else ():
        if other is not name and other.get("use") in ("usual", "nickname") and not other.get("family"):
            reading.touch(other, "use", "text")
            calls += [call for call in reading.texts(other, "given") if call]
    full = None
    if not family or married or titles or calls:
        full = text or " ".join([part for part in (given, found.get("family") if married else None) if part])
        if calls and text and not any(call in text for call in calls):
            full = f"{full} ({', '.join(calls)})"
    if "extension" in name and reading.truth(reading.extension(name, NAME_PARTS), "valueBoolean"):
        full = reading.text(reading.extension(name, FULL_NAME), "valueString")
    given = given or (calls[0] if calls else None)
    return compact({"family": family, "prefix": prefix, "given": given, "initials": initials, "full": full})


def _use(name: Node) -> int:
    """The name by which somebody goes stands first."""
    use = name.get("use")
    return _USES.index(use) if use in _USES else len(_USES)


def _family(name: Plain) -> tuple[str | None, str | None, bool]:
    """(family, prefix, whether a partner's name goes with it)."""
    family, parts = name.get("family"), name.get("_family") or {}
    own, prefix, partner = parts.get("own-name"), parts.get("own-prefix"), parts.get("partner-name")
    if own:
        return own, prefix, partner is not None
    if partner:
        return partner, parts.get("partner-prefix"), False
    if family and prefix and family.lower().startswith(prefix.lower() + " "):
        return family[len(prefix) + 1 :].strip(), prefix, False
    match = _PREFIXES.match(family) if family and prefix is None else None
    if match:
        return match[2], match[1], False
    return family, prefix, False


def _given(name: Plain) -> tuple[str | None, str | None, list[str]]:
    """(given names, initials, call names), told apart by the qualifier, else by the look of `J.`."""
    given, initials, calls = [], [], []
    beside_them = name.get("_given") or ()
    for position, text in enumerate(name.get("given") or ()):
        qualifier = beside_them[position].get("qualifier") if position < len(beside_them) else None
        if not text:
            continue
        if qualifier == "IN" or (qualifier is None and _INITIALS.fullmatch(text)):
            initials.append(text)
        elif qualifier == "CL":
            calls.append(text)
        else:
            given.append(text)
    return " ".join(given) or None, "".join(initials) or None, calls


# -- addresses and numbers --------------------------------------------------------------------------------------------


_ADDRESS: Final = Shape(
    {
        "extension": extensions(
            {ADDRESS_TYPE: ("types", "valueCodeableConcept", CODES), ADDRESS_PARTS: ("parts", None, ITSELF)}
        ),
        "use": KNOWN,
        "type": KNOWN,
        "country": str,
        "_country": SPECIFIED,
        "line": TEXTS,
        "_line": besides("line", _LINE_PARTS),
        "district": str,
        "_district": SPECIFIED,
        "postalCode": str,
        "city": str,
    }
)


def address(reading: Reading, node: Node) -> Plain:
    """{use, street, houseNumber, houseLetter, addition, postalCode, city, municipality, country, foreign, lines, end,
    secret, exact}. `use` is the nl-core AddressType (or our own word) where there is one, else FHIR's. `exact`: the
    parts are as a hub wrote them. Work, billing and old addresses are not read: they say nothing about where somebody
    is."""
    read = reading.take(node, _ADDRESS)
    extended = read.get("extension") or {}
    types, parts = extended.get("types"), extended.get("parts")
    use: str | None = types[0] if types else _use_of(node)
    if use in _ELSEWHERE:
        return _left(reading, node, spoken=not types and node.get("type") != "postal")
    country: str | None = read.get("country")
    codes = (read.get("_country") or {}).get("codes", ())
    foreign = (country or "").lower() not in _HOLLAND and not any(code.lower() in _HOLLAND for code in codes)
    if parts:
        foreign = reading.truth(reading.extension(parts, "foreign"), "valueBoolean") is True
    hidden = not reading.whole(node) and _hidden(reading, node)
    municipalities = (read.get("_district") or {}).get("codes", ())
    made: Plain = _parts(reading, node, parts) if parts else {}
    if foreign:
        made |= _lines(reading, node, read)
    elif not parts:
        made = _street(reading, node, read)
    made["postalCode"] = read.get("postalCode")
    made["city"] = read.get("city") or read.get("district")
    made["municipality"] = next(filter(_MUNICIPALITY.match, municipalities), None)
    made["country"] = country
    found = compact(made)
    if not found and not hidden:
        return {}
    said: Plain = {"use": use} | found if use else found
    if "period" in node:
        period = reading.node(node, "period")
        reading.touch(period, "start")
        said |= compact({"end": reading.text(period, "end")})
    said["foreign"] = foreign
    said["secret"] = hidden
    return said | {"exact": True} if parts else said


def _use_of(node: Node) -> str | None:
    if node.get("type") == "postal":
        return "postal"
    use = node.get("use")
    return use.strip() or None if isinstance(use, str) else None


def _left(reading: Reading, node: Node, spoken: bool) -> Plain:
    """Nothing of this address, and all of it on the list of what was not read but what says so."""
    reading.forget(node)
    if "extension" in node:
        tokens(reading, reading.node(reading.extension(node, ADDRESS_TYPE), "valueCodeableConcept"))
    if spoken:
        reading.text(node, "use")
    return {}


def _hidden(reading: Reading, node: Node) -> bool:
    """Its own label says so, or its lines are masked."""
    if "extension" in node and reading.truth(reading.extension(node, SECRET_ADDRESS), "valueBoolean") is True:
        return True
    lines = node.get("_line")
    if lines.__class__ is not list:
        return absent_reason(reading, node, "line") == "masked"
    reasons = [_absent(reading, reading.beside(node, "line", position)) for position in range(len(lines))]
    return "masked" in (*reasons, _absent(reading, node))


def _lines(reading: Reading, node: Node, read: Plain) -> Plain:
    """As they are written; no parts of them count where an address is foreign."""
    if read.get("_line"):
        reading.leave(node, _ADDRESS, "_line")
    return {"lines": [line for line in read.get("line") or () if line] or [reading.text(node, "text")]}


def _street(reading: Reading, node: Node, read: Plain) -> Plain:
    """Street and number from the parts in the extensions, else from the first line (or text) as it is written."""
    lines: list[str | None] = read.get("line") or []
    for position, parts in enumerate(read.get("_line") or ()):
        street, number = parts.get("streetName"), parts.get("houseNumber")
        if street or number:
            if position + 1 < len(read["_line"]):
                reading.leave(node, _ADDRESS, "_line", position + 1)
            suffix = " ".join([parts[part] for part in ("buildingNumberSuffix", "unitID") if parts.get(part)])
            return _numbered(street or lines[position], number, suffix)
    written = next((line for line in lines if line), None) or reading.text(node, "text")
    match = _LINE.match(written or "")
    if match is None:
        return {"street": written}
    return _numbered(match["street"], match["number"], (match["rest"] or "").strip(" -"))


def _parts(reading: Reading, node: Node, parts: Node) -> Plain:
    """As the hub wrote them; the line says the same to others."""
    reading.settle(node, "line", "_line")
    names = ("street", "houseNumber", "houseLetter", "addition")
    return {name: reading.text(reading.extension(parts, name), "valueString") for name in names}


def _numbered(street: str | None, number: str | None, suffix: str) -> Plain:
    number = (number or "").strip()
    if not _NUMBER.fullmatch(number):
        return {"street": " ".join(part for part in (street, number, suffix) if part) or None}
    match = _SUFFIX.match(suffix.strip())
    if match is None or len(match["addition"] or "") > 10:
        return {"street": street, "houseNumber": number, "addition": suffix[:10]}
    letter, addition = match["letter"], match["addition"]
    if letter and addition and not _LETTER_APART.match(suffix):  # "hs", "bis": one word, not a letter
        letter, addition = None, suffix.strip()
    return {"street": street, "houseNumber": number, "houseLetter": letter, "addition": addition}


_TOLD: Final = {**dict.fromkeys(("system", "use", "rank", "period"), KNOWN), "value": str}
_MAIL: Final = Shape(_TOLD)
_PHONE: Final = Shape(
    {
        **_TOLD,
        "_system": SPECIFIED,  # mobile or not: nothing hangs on it
        "extension": extensions(
            {SAFE_TO_CALL: ("safe", "valueBoolean", bool), COMMENT: ("note", "valueString", str)},
        ),
    }
)


def telecoms(reading: Reading, items: Sequence[Node]) -> tuple[list[Plain], str | None]:
    """(phones {number, safe, note}, first e-mail address), best rank first; what is no longer in use is left out."""
    phones: list[Plain] = []
    email: str | None = None
    for item in sorted(items, key=_rank) if len(items) > 1 else items:
        if item.get("use") == "old":
            continue
        if item.get("system") in ("phone", "sms", None):
            phone = _phone(reading, item)
            phones += [phone] if phone and phone not in phones else []
        elif item.get("system") == "email" and email is None:
            email = reading.take(item, _MAIL).get("value")
    return phones, email


def _rank(item: Node) -> int:
    rank = item.get("rank")
    return rank if isinstance(rank, int) and not isinstance(rank, bool) else 99


def _phone(reading: Reading, item: Node) -> Plain:
    number = item.get("value")
    if not isinstance(number, str) or not number.strip():
        reading.text(item, "value")
        return {}
    found = reading.take(item, _PHONE)
    said = found.get("extension") or {}
    phone: Plain = {"number": found["value"]}
    if said.get("note"):
        phone["note"] = said["note"]
    if said.get("safe") is not None:
        phone["safe"] = said["safe"]
    return phone
