# SPDX-License-Identifier: EUPL-1.2
"""Validates a bundle as `fhir.resources` does, which is asked only where a compiled schema of it does not fit.

The schema (fhir_r4b_schema.py) knows a good referral in a hundredth of the time. The library says what is wrong, and
judges what the schema says nothing of; it is large, and loaded when it is first asked. `R4B` is its nearest to R4 (its
default is R5 and refuses real R4). What it calls unknown is not refused here but left to the silent-loss report: extra
elements, and resource types it has no model for.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Final

from pydantic import ValidationError

from connectors.formats.fhir_bundle import type_of
from connectors.formats.fhir_reading import spoken
from connectors.formats.schema_check import SchemaCheck
from schakel.errors import Finding

MAX_FINDINGS: Final = 20
_RULES: Final = {
    "missing": "required",
    "model_field_validation.missing": "required",
    "list_type": "cardinality",
    "value_error": "value",
    "recursion_loop": "structure",
}
_NL: Final = {
    "required": "Hier ontbreekt een verplicht element.",
    "cardinality": "Dit element hoort een lijst te zijn.",
    "value": "Deze waarde past niet bij het FHIR-gegevenstype.",
    "structure": "Dit past niet in de structuur van FHIR R4.",
}
_EN: Final = {
    "required": "A required element is missing here.",
    "cardinality": "This element has to be a list.",
    "value": "This value does not fit its FHIR data type.",
    "structure": "This does not fit the structure of FHIR R4.",
}


@cache
def quick_check() -> SchemaCheck:
    """Knows most of what `fhir.resources` takes. Read at the first call: a hub without FHIR does without it."""
    return SchemaCheck(json.loads(files("connectors").joinpath("formats", "fhir_r4b.schema.json").read_bytes()))


def structure_findings(bundle: Mapping[str, Any]) -> list[Finding]:
    """Where the bundle breaks the structure of FHIR R4: FHIRPath and rule, never the value; empty when it holds."""
    return [] if quick_check().fits(bundle) else exact_findings(bundle)


def exact_findings(bundle: Mapping[str, Any]) -> list[Finding]:
    """As `fhir.resources` judges it."""
    found: dict[str, Finding] = {}
    for place, rule in _broken(_known(bundle)):
        found.setdefault(place, Finding(place=place, rule=f"fhir-r4-{rule}", nl=_NL[rule], en=_EN[rule]))
    return list(found.values())[:MAX_FINDINGS]


def _broken(bundle: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    from fhir.resources.R4B.bundle import Bundle

    try:
        Bundle.model_validate(bundle)
    except ValidationError as error:
        for each in error.errors(include_url=False, include_input=False, include_context=False):
            if each["type"] != "extra_forbidden":
                yield _place(each["loc"]), _RULES.get(each["type"], _kind(each["type"]))
    except Exception:  # it answers some shapes with KeyError, TypeError or RecursionError: none of them is R4
        yield "Bundle", "structure"


def _kind(kind: str) -> str:
    return "value" if kind.endswith(("_parsing", "_type")) or kind.startswith("string_") else "structure"


def _place(location: Sequence[str | int]) -> str:
    """A FHIRPath. Names that a sender may have made up are not repeated."""
    path = "Bundle"
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        elif part not in ("root", "__root__"):
            path += f".{spoken(part)}"
    return path


def _known(bundle: Mapping[str, Any]) -> dict[str, Any]:
    """The bundle without resources of a type that R4B has no model for."""
    entries = bundle.get("entry")
    kept = []
    for entry in entries if isinstance(entries, list) else []:
        if not isinstance(entry, dict) or not isinstance(entry.get("resource"), dict):
            kept.append(entry)
            continue
        resource = entry["resource"]
        if not has_model(type_of(resource)):
            continue
        contained = resource.get("contained")
        if isinstance(contained, list):
            resource = {**resource, "contained": [item for item in contained if has_model(type_of(item))]}
            if not resource["contained"]:
                del resource["contained"]
        kept.append({**entry, "resource": resource})
    return {**bundle, "entry": kept}


@cache
def has_model(name: str) -> bool:
    """Whether R4B has a resource of this name."""
    from fhir.resources.R4B import get_fhir_model_class
    from fhir.resources.R4B.resource import Resource

    try:
        model = get_fhir_model_class(name)
    except ValueError:
        return False
    return isinstance(model, type) and issubclass(model, Resource)
