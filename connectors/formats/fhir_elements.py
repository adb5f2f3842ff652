# SPDX-License-Identifier: EUPL-1.2
"""Reads FHIR data types: codings, names, addresses, telecoms.

Dutch habits (nl-core, zib2020): own and partner names in extensions of `family`, the address in parts in extensions of
`line`, `IN`/`BR`/`CL` qualifiers on given names, an AddressType that says what `use` cannot.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from connectors.formats.fhir_reading import Node, Plain, Reading, compact

HL7: Final = "http://hl7.org/fhir/StructureDefinition/"
DATA_ABSENT: Final = HL7 + "data-absent-reason"
CODE_SPECIFICATION: Final = "http://nictiz.nl/fhir/StructureDefinition/ext-CodeSpecification"
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
_LINE_PARTS: Final = {
    f"{HL7}iso21090-ADXP-{part}": part
    for part in ("streetName", "houseNumber", "buildingNumberSuffix", "unitID", "additionalLocator")
}
_NUMBER: Final = re.compile(r"[0-9]{1,5}")
_LETTER_APART: Final = re.compile(r"[A-Za-z][\s\-0-9]")
_HOLLAND: Final = frozenset({"", "nl", "nld", "nederland", "netherlands", "the netherlands", "6030"})
_ELSEWHERE: Final = frozenset({"work", "billing", "old", "WP", "BAD", "DIR", "PUB"})
_MUNICIPALITY: Final = re.compile(r"^[0-9]{4}$")


# -- codes ------------------------------------------------------------------------------------------------------------


def tokens(reading: Reading, concept: Node, systems: Collection[str] | None = None) -> list[str]:
    """The codings as `system|code` (FHIR's own token form), only those of `systems` when given."""
    found = []
    for coding in reading.nodes(concept, "coding"):
        token = token_of(reading, coding, systems)
        if token:
            found.append(token)
    return found


def token_of(reading: Reading, coding: Node, systems: Collection[str] | None = None) -> str | None:
    system, code = coding.get("system"), coding.get("code")
    system = system if isinstance(system, str) else ""
    if not isinstance(code, str) or not code or (systems is not None and system not in systems):
        return None
    reading.touch(coding, "system", "code", "version", "display", "userSelected")
    return f"{system}|{code}"


def label(reading: Reading, concept: Node) -> str | None:
    """What a person would read: the text, else the first display."""
    text = reading.text(concept, "text")
    displays = [reading.text(coding, "display") for coding in reading.nodes(concept, "coding")]
    return text or next((display for display in displays if display), None)


def absent_reason(reading: Reading, node: Node, name: str) -> str | None:
    """The data-absent-reason beside a primitive, or on the element itself."""
    if "extension" not in node and f"_{name}" not in node:
        return None
    for holder in (reading.beside(node, name), node):
        if "extension" not in holder:
            continue
        reason = reading.text(reading.extension(holder, DATA_ABSENT), "valueCode")
        if reason:
            return reason
    return None


# -- names ------------------------------------------------------------------------------------------------------------

_USES: Final = ("official", "usual", None, "temp", "nickname", "anonymous", "maiden")
_FAMILY_PARTS: Final = {
    f"{HL7}humanname-{part}": part for part in ("own-name", "own-prefix", "partner-name", "partner-prefix")
}
_QUALIFIER: Final = HL7 + "iso21090-EN-qualifier"
_INITIALS: Final = re.compile(r"(?:\w{1,2}\.[ \-]?)+")


def human_name(reading: Reading, holder: Node) -> Plain:
    """{family, prefix, given, initials, full}: own name without prefix; `full` where one string says more."""
    names = [name for name in reading.nodes(holder, "name") if name.get("use") != "old"]
    if not names:
        return {}
    name = names[0] if len(names) == 1 else min(names, key=_use)
    reading.touch(name, "use", "period", "prefix", "suffix")
    text = reading.text(name, "text")
    family, prefix, married = _family(reading, name)
    given, initials, calls = _given(reading, name)
    titles = [title for part in ("prefix", "suffix") if part in name for title in reading.texts(name, part) if title]
    for other in names:
        if other is not name and other.get("use") in ("usual", "nickname") and not other.get("family"):
            reading.touch(other, "use", "text")
            calls += [call for call in reading.texts(other, "given") if call]
    spoken = text or " ".join([part for part in (given, reading.text(name, "family") if married else None) if part])
    if calls and (text or "") and not any(call in (text or "") for call in calls):
        spoken = f"{spoken} ({', '.join(calls)})"
    says_more = not family or married or titles or calls
    if reading.truth(reading.extension(name, NAME_PARTS), "valueBoolean"):
        spoken, says_more = reading.text(reading.extension(name, FULL_NAME), "valueString") or "", True
    return compact(
        {
            "family": family,
            "prefix": prefix,
            "given": given or (calls[0] if calls else None),
            "initials": initials,
            "full": spoken if says_more else None,
        }
    )


def _use(name: Node) -> int:
    """The name by which somebody goes stands first."""
    use = name.get("use")
    return _USES.index(use) if use in _USES else len(_USES)


def _family(reading: Reading, name: Node) -> tuple[str | None, str | None, bool]:
    """(family, prefix, whether a partner's name goes with it)."""
    family = reading.text(name, "family")
    parts = reading.extension_texts(reading.beside(name, "family"), _FAMILY_PARTS)
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


def _given(reading: Reading, name: Node) -> tuple[str | None, str | None, list[str]]:
    """(given names, initials, call names), told apart by the qualifier, else by the look of `J.`."""
    given, initials, calls = [], [], []
    for position, text in enumerate(reading.texts(name, "given")):
        beside = reading.beside(name, "given", position)
        qualifier = reading.text(reading.extension(beside, _QUALIFIER), "valueCode") if beside else None
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


def address(reading: Reading, node: Node) -> Plain:
    """{use, street, houseNumber, houseLetter, addition, postalCode, city, municipality, country, foreign, lines, end,
    secret, exact}. `use` is the nl-core AddressType (or our own word) where there is one, else FHIR's. `exact`: the
    parts are as a hub wrote them. Work, billing and old addresses are not read: they say nothing about where somebody
    is."""
    extended = "extension" in node
    kind = reading.node(reading.extension(node, ADDRESS_TYPE), "valueCodeableConcept") if extended else {}
    codings = tokens(reading, kind)
    use = codings[0].partition("|")[2] if codings else None
    if use is None:
        use = "postal" if node.get("type") == "postal" else reading.text(node, "use")
    if use in _ELSEWHERE:
        return {}
    reading.touch(node, "use", "type")
    country = reading.text(node, "country")
    codes = _specified(reading, node, "country")
    foreign = (country or "").lower() not in _HOLLAND and not any(code.lower() in _HOLLAND for code in codes)
    parts = reading.extension(node, ADDRESS_PARTS) if extended else {}
    if parts:
        foreign = reading.truth(reading.extension(parts, "foreign"), "valueBoolean") is True
    lines = [line for line in reading.texts(node, "line") if line] if foreign else []
    district = reading.text(node, "district")
    hidden = (
        extended and reading.truth(reading.extension(node, SECRET_ADDRESS), "valueBoolean") is True
    ) or absent_reason(reading, node, "line") == "masked"
    found = compact(
        {
            **(_parts(reading, node, parts) if parts else {}),
            **(
                {"lines": lines or [reading.text(node, "text")]} if foreign else {} if parts else _street(reading, node)
            ),
            "postalCode": reading.text(node, "postalCode"),
            "city": reading.text(node, "city") or district,
            "municipality": next((c for c in _specified(reading, node, "district") if _MUNICIPALITY.match(c)), None),
            "country": country,
        }
    )
    if not found and not hidden:
        return {}
    said = compact({"use": use}) | found
    if "period" in node:
        period = reading.node(node, "period")
        reading.touch(period, "start")
        said |= compact({"end": reading.text(period, "end")})
    said |= {"foreign": foreign, "secret": hidden}
    return said | {"exact": True} if parts else said


def _specified(reading: Reading, node: Node, name: str) -> list[str]:
    """The codes of nl-core's ext-CodeSpecification beside a primitive."""
    if f"_{name}" not in node:
        return []
    concept = reading.node(reading.extension(reading.beside(node, name), CODE_SPECIFICATION), "valueCodeableConcept")
    return [token.partition("|")[2] for token in tokens(reading, concept)]


def _street(reading: Reading, node: Node) -> Plain:
    """Street and number from the parts in the extensions, else from the first line (or text) as it is written."""
    lines = reading.texts(node, "line")
    for position, line in enumerate(lines):
        parts = reading.extension_texts(reading.beside(node, "line", position), _LINE_PARTS)
        street, number = parts.get("streetName"), parts.get("houseNumber")
        if street or number:
            suffix = " ".join([parts[part] for part in ("buildingNumberSuffix", "unitID") if part in parts])
            return _numbered(street or line, number, suffix)
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


def telecoms(reading: Reading, holder: Node) -> tuple[list[Plain], str | None]:
    """(phones {number, safe, note}, first e-mail address), best rank first; what is no longer in use is left out."""
    phones: list[Plain] = []
    email: str | None = None
    if "telecom" not in holder:
        return phones, email
    for item in sorted(reading.nodes(holder, "telecom"), key=_rank):
        if item.get("use") == "old":
            continue
        if item.get("system") in ("phone", "sms", None):
            phone = _phone(reading, item)
            phones += [phone] if phone and phone not in phones else []
        elif item.get("system") == "email" and email is None:
            email = reading.text(item, "value")
            reading.touch(item, "system", "use", "rank", "period")
    return phones, email


def _rank(item: Node) -> int:
    rank = item.get("rank")
    return rank if isinstance(rank, int) and not isinstance(rank, bool) else 99


def _phone(reading: Reading, item: Node) -> Plain:
    number = reading.text(item, "value")
    if not number:
        return {}
    reading.touch(item, "system", "use", "rank", "period")
    _specified(reading, item, "system")  # mobile or not: nothing hangs on it
    if "extension" not in item:
        return {"number": number}
    safe = reading.truth(reading.extension(item, SAFE_TO_CALL), "valueBoolean")
    note = reading.text(reading.extension(item, COMMENT), "valueString")
    return compact({"number": number, "note": note}) | ({} if safe is None else {"safe": safe})
