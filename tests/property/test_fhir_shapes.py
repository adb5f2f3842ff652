# SPDX-License-Identifier: EUPL-1.2
"""The quick reader of a shape gives what the careful one gives, and nothing where that one passes something over."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.formats import fhir_codes, fhir_elements, fhir_persons
from connectors.formats.fhir_reading import Reading
from connectors.formats.fhir_shapes import Shape
from tests.property.test_fhir_bundles import BODIES, _edits, _mangle

SHAPES = {
    (module.__name__.rpartition(".")[2], name): shape
    for module in (fhir_codes, fhir_elements, fhir_persons)
    for name, shape in vars(module).items()
    if isinstance(shape, Shape)
}


def _objects(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, list):
        return [each for item in value for each in _objects(item)]
    return [value, *(each for item in value.values() for each in _objects(item))] if isinstance(value, dict) else []


ELEMENTS = [each for body in BODIES.values() for each in _objects(json.loads(body))]


def _careful(node: dict[str, Any], shape: Shape) -> tuple[dict[str, Any], list[str]]:
    slow = copy.copy(shape)
    slow.__dict__["usual"] = lambda _: None
    return _read(node, slow)


def _read(node: dict[str, Any], shape: Shape) -> tuple[dict[str, Any], list[str]]:
    """What is taken of it, and what nobody read of it."""
    reading = Reading()
    found = reading.take(node, shape)
    around = {"part": node}
    reading.touch(around, "part")
    return found, reading.unread(around, "X")


def _agree(node: dict[str, Any], shape: Shape) -> bool:
    """Whether the quick reader takes it."""
    quick = shape.usual(node)
    if quick is None:
        return False
    found, unread = _careful(node, shape)
    assert unread == _read(node, shape)[1]
    assert _plain(quick) == _plain(found)
    return True


def _plain(value: Any) -> Any:
    """Without what is not there: the quick reader says None of it, the careful one nothing."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items() if each is not None}
    return [_plain(each) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", sorted(SHAPES))
def test_the_quick_reader_takes_elements_of_the_examples_and_agrees_on_each(name: tuple[str, str]) -> None:
    assert any([_agree(node, SHAPES[name]) for node in ELEMENTS if len(node) > 1 or "coding" in node])


@settings(max_examples=400, deadline=None)
@given(name=st.sampled_from(sorted(SHAPES)), number=st.integers(0, len(ELEMENTS) - 1), edits=_edits)
def test_they_agree_on_elements_that_are_mangled(name: tuple[str, str], number: int, edits: Any) -> None:
    _agree(_mangle(copy.deepcopy(ELEMENTS[number]), edits), SHAPES[name])
