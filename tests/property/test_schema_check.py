# SPDX-License-Identifier: EUPL-1.2
"""The compiled validator takes nothing that jsonschema refuses, whatever becomes of a document."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

import mappings
from connectors.formats.schema_check import SchemaCheck
from connectors.formats.strict_json import read_json
from mappings.canonical_schemas import case_message_schema, referral_schema
from schakel.errors import Malformed

ROOT = Path(mappings.__file__).parent
THV: Mapping[str, Any] = json.loads((ROOT / "thv_aanmelding" / "schema.json").read_bytes())
SCHEMAS = {"thv_aanmelding": THV, "referral_json": referral_schema(), "case_message_json": case_message_schema()}
CHECKS = {name: (SchemaCheck(schema), Draft202012Validator(schema)) for name, schema in SCHEMAS.items()}


def examples(name: str) -> list[Any]:
    found = []
    for path in sorted((ROOT / name / "examples").glob("*.json")):
        if ".golden." not in path.name:
            try:
                found.append(read_json(path.read_bytes()))
            except Malformed:
                continue
    return found


EXAMPLES = {name: examples(name) for name in SCHEMAS}
DIGITS = "0519\n\r٣߁²"  # in Python `$` is also before a last newline, and `\d` is a digit of any script
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 2),
    st.sampled_from([1.0, 1.5, -0.0, 1e300, 2**53, 10**400, 1e-400, 5]),
    st.text(alphabet=DIGITS + "abAB-:+.TZ _/é", max_size=12),
    st.sampled_from(
        ["0518\n", "2512AB\n", "x" * 200, "x" * 201, "é" * 200, "\U0001f600" * 200, "2026-11-14T22:40:00Z"]
    ),
    st.sampled_from([[], [[]], [None], {}, {"a": 1}, ["x"] * 3]),
)


def places(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    pairs = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for name, each in pairs:
        yield from places(each, (*path, name))


@pytest.mark.parametrize("name", SCHEMAS)
@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_what_fits_for_the_one_fits_for_the_other(name: str, data: st.DataObject) -> None:
    document = json.loads(json.dumps(data.draw(st.sampled_from(EXAMPLES[name]))))
    for path in data.draw(st.lists(st.sampled_from(sorted(places(document), key=str)), min_size=1, max_size=4)):
        change(document, path, data.draw(st.sampled_from(["other", "other", "drop", "add"])), data.draw(VALUES))
    check, exact = CHECKS[name]
    assert check.fits(document) <= exact.is_valid(document)
    errors = [(error.json_path, error.validator) for error in check.errors(document)]
    assert errors == [(error.json_path, error.validator) for error in exact.iter_errors(document)]


def change(document: Any, path: tuple[Any, ...], how: str, value: Any) -> None:
    here = document
    try:
        for step in path[:-1]:
            here = here[step]
        if how == "drop":
            del here[path[-1]]
        elif how == "add" and isinstance(here, dict):
            here[str(path[-1]) + "x"] = value
        else:
            here[path[-1]] = value
    except (KeyError, IndexError, TypeError):
        return  # an earlier change took this place away


@pytest.mark.parametrize("name", SCHEMAS)
def test_good_examples_are_judged_by_the_compiled_one_alone(name: str) -> None:
    check, exact = CHECKS[name]
    verdicts = [(check.fits(document), exact.is_valid(document)) for document in EXAMPLES[name]]
    assert all(quick == sure for quick, sure in verdicts)
    assert any(quick for quick, _ in verdicts)


@pytest.mark.parametrize("value", [{1, 2}, {"schema": object()}, {"schema": "\ud800"}, {1: 2}])
def test_what_is_no_json_is_left_to_the_exact_one(value: Any) -> None:
    assert CHECKS["thv_aanmelding"][0].fits(value) is False
