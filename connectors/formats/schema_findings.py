# SPDX-License-Identifier: EUPL-1.2
"""Says where a JSON document does not fit its schema: place and rule, never what stands there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from mappings.shape import UNKNOWN
from schakel.errors import Finding
from schakel.strict_yaml import dotted, near

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

MAX_FINDINGS: Final = 20
_LOOKED_AT: Final = 1_000
CODES: Final = frozenset({"enum", "const"})  # a value of the right kind that nobody knows: to be parked, not refused
_RULES: Final = {
    "required": ("verplicht veld ontbreekt", "a required field is missing"),
    "type": ("dit moet een ander soort waarde zijn", "this must be another type of value"),
    "pattern": ("de vorm van deze tekst klopt niet", "this text does not have the right form"),
    "minLength": ("deze tekst is te kort", "this text is too short"),
    "maxLength": ("deze tekst is te lang", "this text is too long"),
    "minItems": ("hier moet er minstens één staan", "there must be at least one"),
    "maxItems": ("hier staan er te veel", "there are too many"),
    "minimum": ("dit getal is te klein", "this number is too small"),
    "maximum": ("dit getal is te groot", "this number is too large"),
    "const": ("hier moet de versie van het formaat staan", "this must be the version of the format"),
    "additionalProperties": ("dit veld bestaat niet", "this field does not exist"),
}


def findings_of(errors: Iterable[ValidationError]) -> tuple[Finding, ...]:
    """At most twenty, each once, in the order of their places; of a document with thousands of them, of the first."""
    ordered = sorted(islice(errors, _LOOKED_AT), key=lambda error: dotted(list(error.absolute_path)))
    return tuple(list(dict.fromkeys(finding for error in ordered for finding in _findings(error)))[:MAX_FINDINGS])


def unfolded(error: ValidationError) -> Iterator[ValidationError]:
    """The errors of the alternative that was meant: the first whose type fits; else the error itself."""
    if error.validator not in ("anyOf", "oneOf") or not error.context:
        yield error
        return
    branches: dict[Any, list[ValidationError]] = {}
    for each in error.context:
        branches.setdefault(each.relative_schema_path[0], []).append(each)
    for branch in branches.values():
        if not any(each.validator == "type" and not each.relative_path for each in branch):
            for each in branch:
                yield from unfolded(each)
            return
    yield error


def _findings(error: ValidationError) -> list[Finding]:
    """One schema violation: place and rule. jsonschema's own message holds the value and is not used."""
    rule = str(error.validator)
    place = dotted(list(error.absolute_path))
    nl, en = _RULES.get(rule, ("dit voldoet niet aan het schema", "this does not fit the schema"))
    schema: Any = error.schema
    names: list[str] = [""]
    if rule == "additionalProperties":
        known = list(schema["properties"])
        strangers = islice((name for name in _instance(error) if name not in known), MAX_FINDINGS)
        names = [f"{UNKNOWN}{near(name, known)}" for name in strangers]
    elif rule == "required":
        names = [name for name in schema["required"] if name not in _instance(error)]
    return [_finding(f"{place}.{name}".strip(".") or "(document)", f"schema: {rule}", nl, en) for name in names]


def _instance(error: ValidationError) -> Any:
    return error.instance


def _finding(place: str, rule: str, nl: str, en: str) -> Finding:
    return Finding(place=place, rule=rule, nl=f"{place}: {nl}.", en=f"{place}: {en}.")
