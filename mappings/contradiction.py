# SPDX-License-Identifier: EUPL-1.2
"""Says in words where a mapped document contradicts the canonical message; never with the value."""

from __future__ import annotations

from typing import Final

from pydantic import ValidationError

from schakel.errors import Finding
from schakel.strict_yaml import dotted

# the rules of schakel/message.py, by the text with which they are raised there
_OURS: Final = {
    "bsn: eleven-test": "het burgerservicenummer voldoet niet aan de elfproef",
    "date: an unknown date has no value": "een onbekende datum heeft geen waarde",
    "date: value does not fit its precision": "de datum past niet bij haar nauwkeurigheid",
    "bsn: status says known exactly when a number is there": "er is een BSN zonder status 'bekend', of andersom",
    "unborn: a child without number and birth date": "een ongeboren kind heeft geen BSN en geen geboortedatum",
    "unborn: only an unborn child has an expected date": "alleen een ongeboren kind heeft een verwachte datum",
    "order: imposed without a time": "het huisverbod is opgelegd, maar het tijdstip ontbreekt",
    "order: ends within 28 days of imposition (Wth art. 9(1))": (
        "het huisverbod eindigt later dan 28 dagen na oplegging, of vóór de oplegging (Wth art. 9 lid 1)"
    ),
    "order: extended without an end": "het huisverbod is verlengd, maar de einddatum ontbreekt",
    "members: ids are unique": "twee personen hebben hetzelfde kenmerk",
    "relations: name a member of the same message": "een relatie wijst naar iemand die niet in het bericht staat",
    "organisations: serve members of the same message": "een organisatie dient iemand die niet in het bericht staat",
}
_KINDS: Final = {
    "missing": "dit gegeven is verplicht en ontbreekt",
    "extra_forbidden": "dit gegeven bestaat niet in het doelbericht",
    "string_too_long": "de tekst is te lang",
    "string_pattern_mismatch": "de vorm klopt niet",
    "too_long": "er zijn er te veel",
    "too_short": "er zijn er te weinig",
}


def contradictions(error: ValidationError) -> tuple[Finding, ...]:
    """One finding per violation: place, rule, and both languages."""
    findings = []
    for each in error.errors(include_url=False, include_input=False, include_context=False):
        ours = each["msg"].removeprefix("Value error, ") if each["type"] == "value_error" else None
        nl = _OURS.get(ours, ours) if ours is not None else _KINDS.get(each["type"], "de waarde past hier niet")
        place = dotted(each["loc"]) or "(message)"
        findings.append(
            Finding(place=place, rule=ours or each["type"], nl=f"{place}: {nl}.", en=f"{place}: {ours or each['msg']}.")
        )
    return tuple(findings)
