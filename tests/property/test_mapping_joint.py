# SPDX-License-Identifier: EUPL-1.2
"""All rules at once give what the rules one by one give: the same document, the same losses, the same findings."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import mappings
from connectors.formats import formats
from mappings.codebook import CodebookShelf
from mappings.engine import CompiledMapping, load_mappings
from mappings.plain_run import NotPlain
from schakel.errors import Refusal, Unmappable
from schakel.ports import AnswerFormat

NOW = datetime(2026, 11, 16, 9, 0, tzinfo=UTC)
ROOT = Path(mappings.__file__).parent
LOADED = load_mappings(codebooks=CodebookShelf.load())
FORMATS = formats(stuf_schemas=None, validate_fhir=False)


def documents(mapping: CompiledMapping) -> Iterator[dict[str, Any]]:
    """What the mapping's own examples become before it."""
    for path in sorted((mapping.folder / "examples").iterdir()):
        if ".golden." in path.name:
            continue
        body = path.read_bytes()
        if mapping.reads_kind is not None:
            yield json.loads(body)
            continue
        for each in FORMATS.values():
            if each.recognises(body):
                try:
                    answers = mapping.writes == "answer@1" and isinstance(each, AnswerFormat)
                    envelope = each.read_answer(body) if answers else each.read(body)  # type: ignore[attr-defined]
                except Refusal:
                    continue
                if envelope.mapping == mapping.name:
                    yield dict(envelope.document)
                    break


def outcome(mapping: CompiledMapping, document: Mapping[str, Any]) -> object:
    try:
        mapped = mapping.apply(document, now=NOW)
    except Unmappable as parked:
        return parked.cause, parked.findings
    return json.dumps(mapped.document), mapped.losses


EXAMPLES = {name: list(documents(mapping)) for name, mapping in LOADED.items()}
TRIED = [name for name in sorted(LOADED) if EXAMPLES[name]]


def asked_in_vain(*_: object) -> None:
    raise NotPlain


def test_every_mapping_that_comes_along_runs_at_once_on_its_own_examples() -> None:
    slow = []
    for name in TRIED:
        joint = LOADED[name].joint
        assert joint is not None, name
        for document in EXAMPLES[name]:
            try:
                mapped = replace(LOADED[name], joint=None).apply(document, now=NOW)
            except Unmappable:
                continue
            try:
                made = joint.apply(dict(document), now=NOW, ask=asked_in_vain, most_items=1000, most=20_000)
            except NotPlain:
                slow.append(name)
            else:
                assert json.dumps(made) == json.dumps(mapped.document)
    assert slow == []
    assert len(TRIED) >= 14


@pytest.mark.parametrize("name", sorted(LOADED))
def test_no_mapping_that_comes_along_takes_the_engine(name: str) -> None:
    joint = LOADED[name].joint
    assert joint is not None
    assert joint.asked == ()
    assert "def mapped(" in joint.source


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from(
        ["", "x", "ja", "J", "crisis", "2026-11-14", "2026-02-30", "1990", "999990019", "1234 AB", " a  b "]
    ),
    st.sampled_from([0, 1, 5.0, 2.5, -1]),
    st.sampled_from([[], [""], ["x"], ["x", "y"], [None], [["x"]], {}, {"x": "y"}, [{}], [{"x": 1}], [{}, {}]]),
)


def places(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    pairs = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for name, each in pairs:
        yield from places(each, (*path, name))


def changed(document: dict[str, Any], path: tuple[Any, ...], how: str, value: Any) -> dict[str, Any]:
    copy: dict[str, Any] = json.loads(json.dumps(document))
    here: Any = copy
    try:
        for name in path[:-1]:
            here = here[name]
        if how == "drop":
            del here[path[-1]]
        elif how == "twice" and isinstance(here, list):
            here.append(json.loads(json.dumps(here[path[-1]])))
        elif how == "listed":
            here[path[-1]] = [here[path[-1]]]
        else:
            here[path[-1]] = value
    except (KeyError, IndexError, TypeError):
        return copy  # an earlier change took this place away
    return copy


@pytest.mark.parametrize("name", TRIED)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_at_once_is_as_one_by_one_whatever_the_message_holds(name: str, data: st.DataObject) -> None:
    mapping = LOADED[name]
    document = data.draw(st.sampled_from(EXAMPLES[name]))
    found = sorted(places(document), key=str)
    for _ in range(data.draw(st.integers(0, 4))):
        path = data.draw(st.sampled_from(found))
        how = data.draw(st.sampled_from(["drop", "twice", "listed", "other", "other"]))
        document = changed(document, path, how, data.draw(VALUES))
    assert outcome(mapping, document) == outcome(replace(mapping, joint=None), document)
