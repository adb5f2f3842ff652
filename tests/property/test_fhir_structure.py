# SPDX-License-Identifier: EUPL-1.2
"""What fits the compiled schema of R4, `fhir.resources` takes: each type, each resource, and whole messages."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B import fhirtypes, get_fhir_model_class
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

import mappings
from connectors.formats.fhir_json import FhirJson
from connectors.formats.fhir_r4b import exact_findings, quick_check, structure_findings
from connectors.formats.fhir_r4b_schema import PRIMITIVES, RESOURCES, schema
from connectors.formats.schema_check import SchemaCheck
from connectors.formats.strict_json import read_json

ROOT = Path(mappings.__file__).parent
SCHEMA = schema()
SLOW = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def test_the_file_is_what_the_library_makes_of_it() -> None:
    kept = (ROOT.parent / "connectors" / "formats" / "fhir_r4b.schema.json").read_bytes()
    assert json.loads(kept) == SCHEMA, "run: python -m connectors.formats.fhir_r4b_schema (see there)"


# -- primitive types ---------------------------------------------------------------------------------------------------

ADAPTERS = {name: TypeAdapter(getattr(fhirtypes, f"{name[0].upper()}{name[1:]}Type")) for name in PRIMITIVES}
NUMBERS = st.one_of(st.integers(-(2**31) - 1, 2**31), st.floats(allow_nan=False, allow_infinity=False))
LOOSE = st.text(alphabet="019T:.+-Z /aé\n\t\v", max_size=30)


def fitting(part: dict[str, Any]) -> st.SearchStrategy[Any]:
    if part["type"] == "boolean":
        return st.booleans()
    if part["type"] in ("integer", "number"):
        return NUMBERS
    return st.one_of(st.from_regex(part["pattern"]), LOOSE)


@pytest.mark.parametrize("name", PRIMITIVES)
@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_a_value_that_fits_is_a_value_of_its_type(name: str, data: st.DataObject) -> None:
    value = data.draw(fitting(PRIMITIVES[name]))
    if SchemaCheck(PRIMITIVES[name]).fits(value):
        ADAPTERS[name].validate_python(value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("date", "2026-02-30"),
        ("date", "2026-02-29"),
        ("date", "1900-02-29"),
        ("date", "2026-04-31"),
        ("date", "2026-13-01"),
        ("date", "26-01-01"),
        ("dateTime", "2026-01-01T10:00:00"),
        ("dateTime", "2026-01-01T24:00:00Z"),
        ("instant", "2026-01-01"),
        ("code", " a"),
        ("id", "a_b"),
        ("string", ""),
        ("positiveInt", 0),
        ("boolean", "true"),
        ("integer", 2**31),
    ],
)
def test_a_value_that_the_library_refuses_does_not_fit(name: str, value: Any) -> None:
    with pytest.raises(ValidationError):
        ADAPTERS[name].validate_python(value, strict=name == "boolean")
    assert not SchemaCheck(PRIMITIVES[name]).fits(value)


# -- made of the schema ------------------------------------------------------------------------------------------------

SAMPLES: dict[str, list[Any]] = {
    json.dumps(PRIMITIVES[name]): values
    for name, values in {
        "string": ["x", "a b\n"],
        "url": ["https://a.example/b", "urn:oid:1.2"],
        "code": ["a", "a b"],
        "id": ["a-1"],
        "date": ["2024-02-29", "1990", "1990-05"],
        "dateTime": ["2026-11-14T22:40:00+01:00", "2026-11", "2026-11-14"],
        "instant": ["2026-11-14T22:40:00.123Z"],
        "time": ["10:00:00"],
        "base64Binary": ["YWJj", "YQ=="],
        "decimal": [1, 1.5, -3.25],
        "integer": [-1, 0, 7],
        "unsignedInt": [0, 7],
        "positiveInt": [1],
        "boolean": [True, False],
    }.items()
}


@st.composite
def made(draw: st.DrawFn, part: dict[str, Any], depth: int = 0) -> Any:
    """A value that the schema describes, or nearly."""
    if "$ref" in part:
        name = part["$ref"].rpartition("/")[2]
        part = SCHEMA["$defs"][draw(st.sampled_from(["Flag", "Patient"])) if name == "Resource" else name]
    if "const" in part:
        return part["const"]
    if part["type"] == "array":
        return draw(st.lists(made(part["items"], depth + 1), min_size=1, max_size=2))
    if part["type"] != "object":
        return draw(st.sampled_from(SAMPLES[json.dumps({key: part[key] for key in part})]))
    needed = [name for name in part.get("required", ()) if name in part["properties"]]
    others = sorted(set(part["properties"]) - set(needed))
    few = 3 if depth < 3 else 0
    chosen = draw(st.lists(st.sampled_from(others), unique=True, max_size=few)) if others and few else []
    if "resourceType" in part["properties"] and "resourceType" not in chosen:
        chosen.append("resourceType")
    for choice in part.get("allOf", ()):
        if "anyOf" in choice and draw(st.booleans()):
            chosen += draw(st.sampled_from(choice["anyOf"]))["required"]
    return {name: draw(made(part["properties"][name], depth + 1)) for name in dict.fromkeys([*needed, *chosen])}


@SLOW
@given(name=st.sampled_from(sorted(set(SCHEMA["$defs"]) - {"Resource"})), data=st.data())
def test_an_object_that_fits_is_one_of_its_type(name: str, data: st.DataObject) -> None:
    value = data.draw(made({"$ref": f"#/$defs/{name}"}))
    check = CHECKS.setdefault(name, SchemaCheck({"$ref": f"#/$defs/{name}", "$defs": SCHEMA["$defs"]}))
    if check.fits(value):
        model = CLASSES.get(name) or get_fhir_model_class(name)
        model.model_validate(value)


CHECKS: dict[str, SchemaCheck] = {}


def classes() -> dict[str, Any]:
    """Every model by its name, also those that stand inside the module of another."""
    found = {}
    for module in [each for name, each in sys.modules.items() if name.startswith("fhir.resources.R4B.")]:
        for each in vars(module).values():
            if isinstance(each, type) and hasattr(each, "get_resource_type"):
                found[each.get_resource_type()] = each
    return found


CLASSES = classes()


# -- whole messages ----------------------------------------------------------------------------------------------------

EXAMPLES = [
    json.loads(path.read_bytes())
    for folder in ("cit_fhir", "case_fhir")
    for path in sorted((ROOT / folder / "examples").glob("*.json"))
    if (".golden." in path.name) == (folder == "case_fhir")
]
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([0, -1, 1.5, 10**12, "", " ", "x", "x\n", "2026-02-30", "2026-11-14T22:40:00", "é", "ftp://x"]),
    st.sampled_from([[], [None], ["x"], {}, {"extension": [{"url": "x", "valueCode": "unknown"}]}, {"x": "y"}]),
)


def places(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    pairs = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for name, each in pairs:
        yield from places(each, (*path, name))


def change(document: Any, path: tuple[Any, ...], how: str, value: Any) -> None:
    here = document
    try:
        for step in path[:-1]:
            here = here[step]
        if how == "drop":
            del here[path[-1]]
        elif how == "again" and isinstance(here, list):
            here.append(here[path[-1]])
        elif how == "beside" and isinstance(here, dict):
            here[f"_{path[-1]}"] = value
        else:
            here[path[-1]] = value
    except (KeyError, IndexError, TypeError):
        return  # an earlier change took this place away


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_message_is_judged_as_the_library_judges_it(data: st.DataObject) -> None:
    bundle = json.loads(json.dumps(data.draw(st.sampled_from(EXAMPLES))))
    for path in data.draw(st.lists(st.sampled_from(sorted(places(bundle), key=str)), min_size=1, max_size=3)):
        change(bundle, path, data.draw(st.sampled_from(["other", "drop", "again", "beside"])), data.draw(VALUES))
    assert structure_findings(bundle) == exact_findings(bundle)


def test_the_library_is_hardly_asked_of_a_good_message() -> None:
    asked = [not quick_check().fits(example) for example in EXAMPLES]
    wrong = [bool(exact_findings(example)) for example in EXAMPLES]
    assert sum(asked) <= sum(wrong) + 2  # resources of types that R4 or the schema does not have


def test_every_resource_of_the_schema_is_one_that_the_format_reads() -> None:
    assert set(RESOURCES) == set(SCHEMA["$defs"]["Resource"]["properties"]["resourceType"]["enum"])
    body = (ROOT / "cit_fhir" / "examples" / "westland.json").read_bytes()
    kinds = {entry["resource"]["resourceType"] for entry in read_json(body)["entry"]}
    assert kinds <= set(RESOURCES)
    assert FhirJson().read(body).message_reference
