# SPDX-License-Identifier: EUPL-1.2
"""Whatever fits the schema of thv-aanmelding@1 is mapped, or parked without saying a value; nothing else happens."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

from connectors.formats.strict_json import read_json
from connectors.formats.thv_json import SCHEMA, ThvJson
from mappings.codebook import CodebookShelf
from mappings.engine import CompiledMapping, Mapped, load_mapping, to_referral
from schakel.errors import Malformed, Unmappable

NOW = datetime(2026, 11, 16, 9, 0, tzinfo=UTC)
CANARY = "kanarie7731"
ROOT: dict[str, Any] = json.loads(SCHEMA.read_bytes())
SHELF = CodebookShelf.load()
# dates and times that can be right, beside any that only look so
MOMENTS: dict[str, list[str]] = {
    ROOT["$defs"]["tijdstip"]["pattern"]: ["2026-11-01T10:00:00Z", "2026-11-11T10:00:00", "2026-11-20T10:00:00+01:00"],
    ROOT["$defs"]["datum"]["pattern"]: ["1985-03-12", "1985-03", "1985"],
}


@cache
def mapping() -> CompiledMapping:
    return load_mapping(SCHEMA.parent, SHELF)


@cache
def thv() -> ThvJson:
    return ThvJson()


def values(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Documents of the part of JSON Schema that our own schema uses."""
    if "$ref" in schema:
        return st.deferred(lambda: values(ROOT["$defs"][schema["$ref"].rsplit("/", 1)[1]]))
    if "const" in schema:
        return st.just(schema["const"])
    match schema["type"]:
        case "object":
            fields = {name: values(part) for name, part in schema["properties"].items()}
            required = set(schema.get("required", ()))
            return st.fixed_dictionaries(
                {name: each for name, each in fields.items() if name in required},
                optional={name: each for name, each in fields.items() if name not in required},
            )
        case "array":
            return st.lists(values(schema["items"]), min_size=schema.get("minItems", 0), max_size=3)
        case "boolean":
            return st.booleans()
        case "integer":
            return st.integers(schema["minimum"], schema.get("maximum", 2**53 - 1))
        case _:
            return texts(schema)


def texts(schema: dict[str, Any]) -> st.SearchStrategy[str]:
    """Text by pattern, a code, or free text that holds the canary."""
    low, high = schema.get("minLength", 0), min(schema.get("maxLength", 40), 40)
    if "Codelijst" in schema["description"]:
        book = next(name for name in SHELF.names() if f"Codelijst {name};" in schema["description"])
        known = sorted(SHELF.get(book, place="test").entries)
        return st.integers(0, 40).map(lambda chosen: CANARY if chosen == 40 else known[chosen % len(known)])
    if schema.get("pattern") in MOMENTS:
        return st.one_of(st.sampled_from(MOMENTS[schema["pattern"]]), st.from_regex(schema["pattern"], fullmatch=True))
    if "pattern" in schema and schema["pattern"] != "\\S":
        return st.from_regex(schema["pattern"]).filter(lambda text: "\n" not in text)
    plain = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=low, max_size=high)
    if "pattern" in schema:
        return plain.map(lambda text: f"{text}{CANARY}"[-high:])
    return st.one_of(plain, st.just(CANARY[:high]), st.sampled_from(["1", "2"]))


DOCUMENTS = values(ROOT)
PATIENT = settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
ANY_ONE = settings(PATIENT, phases=[Phase.generate])  # need not be the smallest


def outcome(document: dict[str, Any]) -> Mapped | Unmappable:
    try:
        mapped = mapping().apply(document, now=NOW)
        to_referral(mapped.document)
    except Unmappable as parked:
        return parked
    return mapped


@PATIENT
@given(DOCUMENTS)
def test_a_valid_document_maps_or_parks_without_saying_a_value(document: dict[str, Any]) -> None:
    envelope = thv().read(json.dumps(document).encode())
    made = outcome(dict(envelope.document))
    if isinstance(made, Mapped):
        assert made.losses == ()
    else:
        assert made.cause in {"unknown-code", "contradiction"}
        assert made.findings
        assert CANARY not in f"{made} {made.findings}"
    assert repr(outcome(document)) == repr(made)


def test_the_documents_are_of_both_kinds() -> None:
    for kind in (Mapped, Unmappable):
        assert find(DOCUMENTS, lambda document, kind=kind: isinstance(outcome(document), kind), settings=ANY_ONE)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8", exclude_characters="\0")),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(codec="utf-8", exclude_characters="\0")), inner, max_size=4)
    ),
    max_leaves=20,
)


@settings(deadline=None)
@given(JSON, st.booleans(), st.sampled_from([None, 2]))
def test_strict_json_reads_what_json_reads(value: Any, ascii_only: bool, indent: int | None) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    assert read_json(text.encode()) == json.loads(text)


@settings(deadline=None)
@given(JSON, st.text(st.characters(codec="utf-8", exclude_characters="\0")), JSON, JSON)
def test_strict_json_refuses_a_key_twice_wherever_it_stands(outer: Any, key: str, one: Any, two: Any) -> None:
    twice = f"{{{json.dumps(key)}: {json.dumps(one)}, {json.dumps(key, ensure_ascii=False)}: {json.dumps(two)}}}"
    with pytest.raises(Malformed, match="json: duplicate key"):
        read_json(f'[{json.dumps(outer)}, {{"x": {twice}}}]'.encode())


@settings(deadline=None)
@given(st.binary(max_size=60) | st.text('[]{}",:\\u0dD8e1 ', max_size=40).map(str.encode))
def test_strict_json_reads_what_json_reads_or_refuses(body: bytes) -> None:
    try:
        value = read_json(body)
    except Malformed:
        return
    assert value == json.loads(body)
