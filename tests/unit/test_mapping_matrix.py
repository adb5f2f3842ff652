# SPDX-License-Identifier: EUPL-1.2
"""The matrix of what formats carry: complete, true to the goldens and to the published losses, and the docs' own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from mappings.codebook import CodebookShelf
from mappings.engine import CompiledMapping, load_mapping, load_mappings, mapping_folders
from mappings.matrix import CARRIED, DIRECTIONS, NOT, PARTLY, Direction, Line, fields, group_of, matrix
from schakel.cli.commands import app

ROOT = Path(__file__).resolve().parents[2]
LOADED = load_mappings(codebooks=CodebookShelf.load())
FOUND = matrix(LOADED.values())
INBOUND = [(line.mapping, line) for way in DIRECTIONS if way.inbound for line in FOUND[way.title]]


def leaves(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for name, each in value.items():
            yield from leaves(each, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for each in value:
            yield from leaves(each, path)
    else:
        yield path


def words(direction: Direction, line: Line) -> dict[str, str]:
    return {group.english: each.word for group, each in zip(direction.groups, line.groups, strict=True)}


@pytest.mark.parametrize("direction", DIRECTIONS, ids=lambda each: each.title)
def test_every_field_has_one_place_in_the_table(direction: Direction) -> None:
    own = [one for one in LOADED.values() if direction.noun == (one.writes if direction.inbound else one.reads_kind)]
    assert own
    known = {field for mapping in own for field in fields(mapping, direction)}
    assert {field for field in known if group_of(field, direction.groups) is None} == set()
    used = {group_of(field, direction.groups) for field in known}
    assert used == set(direction.groups)


def test_every_mapping_stands_in_one_table_once() -> None:
    named = [line.mapping for lines in FOUND.values() for line in lines]
    assert sorted(named) == sorted(folder.name.replace("_", "-") for folder in mapping_folders())


@pytest.mark.parametrize(("name", "line"), INBOUND, ids=[name for name, _ in INBOUND])
def test_no_golden_holds_what_the_table_says_is_never_filled(name: str, line: Line) -> None:
    goldens = (LOADED[name].folder / "examples").glob("*.golden.json")
    shown = {leaf for golden in goldens for leaf in leaves(json.loads(golden.read_bytes()))}
    assert shown
    assert shown & {field for each in line.groups for field in each.missing} == set()


def test_what_goes_out_as_stuf_is_what_the_published_losses_leave() -> None:
    published = (ROOT / "mappings/case_stuf/losses.txt").read_text(encoding="utf-8").split("\n")
    listed = {each for each in published if each and not each.startswith("#")}
    (line,) = (each for each in FOUND["Out: a case"] if each.mapping == "case-stuf")
    assert {field for each in line.groups for field in each.missing} == listed


def test_one_mapping_in_two_syntaxes_is_one_column() -> None:
    (line,) = (each for each in FOUND["Out: a case"] if each.mapping == "case-fhir")
    assert line.formats == ("fhir-json", "fhir-xml")


def test_the_words_follow_the_rules_of_a_mapping(tmp_path: Path) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    (folder / "schema.json").write_text('{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"}}}')
    (folder / "mapping.yaml").write_text(
        """
mapping: small
version: 1.0.0
format: thv-json
writes: referral@1
rules:
  - {to: notes, from: '{"topic": "a", "text": a}'}
  - {to: "history.earlierOrders[]", from: '{"number": a}'}
  - {to: reporter.name, from: a}
ignore:
  - {path: b, reason: nobody asks for it}
"""
    )
    small: CompiledMapping = load_mapping(folder, CodebookShelf.load())
    (line,) = matrix([small])["In: a referral"]
    said = words(DIRECTIONS[0], line)
    assert said["Notes"] == CARRIED
    assert said["History"] == said["Reporter"] == PARTLY
    assert {word for name, word in said.items() if name not in ("Notes", "History", "Reporter")} == {NOT}
    assert line.ignored == (("b", "nobody asks for it"),)


def test_the_page_is_what_the_command_prints() -> None:
    said = CliRunner().invoke(app, ["mapping", "matrix"])
    assert said.exit_code == 0
    page = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
    assert said.stdout == page, "run: schakel mapping matrix > docs/formats.md"


def test_machines_get_the_same() -> None:
    said = json.loads(CliRunner().invoke(app, ["mapping", "matrix", "--json"]).stdout)
    for direction in DIRECTIONS:
        for line in FOUND[direction.title]:
            told = said[direction.title][line.mapping]
            assert told["formats"] == list(line.formats)
            assert {name: each["carries"] for name, each in told["groups"].items()} == words(direction, line)
