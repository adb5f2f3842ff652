# SPDX-License-Identifier: EUPL-1.2
"""Checks a mapping without running it: paths that do not exist, parts of the source that go nowhere, wrong targets."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from mappings.codebook import CodebookShelf
from mappings.engine import CompiledMapping, load_mapping
from mappings.lineage import coverage, item_bases, plain_path, taken
from mappings.mapping_file import Engine, Rule
from mappings.shape import Path as Place
from mappings.shape import Read, Shape, reaches, shape_of, union
from schakel.errors import ConfigurationError, Finding
from schakel.message import Answer, Frozen, Referral
from schakel.strict_yaml import fault, near

NOUNS: Final[Mapping[str, type[Frozen]]] = {"referral@1": Referral, "answer@1": Answer}


def check_mapping(folder: Path, codebooks: CodebookShelf | None = None, *, engine: Engine = "jlens") -> list[Finding]:
    """Everything that is wrong with the mapping in `folder`; an empty list is a mapping that may be deployed.

    `codebooks`: the packaged ones by default. With the fallback engine nothing can be known: that is a finding.
    """
    place = f"{folder.name}/mapping.yaml"
    if engine != "jlens":
        return [fault(place, "engine-with-read-set", f"{engine} cannot tell what an expression reads: check refused")]
    try:
        shelf = codebooks if codebooks is not None else CodebookShelf.load()
        mapping = load_mapping(folder, shelf)
    except ConfigurationError as error:
        return list(error.findings)
    return check_loaded(mapping)


def check_loaded(mapping: CompiledMapping) -> list[Finding]:
    """As `check_mapping`, of a mapping that loads."""
    place = f"{mapping.folder.name}/mapping.yaml"
    findings: list[Finding] = []
    for rule in mapping.rules:
        findings.extend(_sources(rule, mapping.shape, ((),), ()))
    findings.extend(_losses(mapping, place))
    target = _target_shape(mapping)
    if target is not None:
        findings.extend(_targets(mapping.rules, target, ()))
    used = {rule.code.name for rule in _all(mapping.rules) if rule.code is not None}
    called = " ".join(compiled.expression.source for rule in _all(mapping.rules) for compiled in rule.expressions())
    for name in sorted(set(mapping.books) - used):
        if f'"{name}"' not in called and f"'{name}'" not in called:
            findings.append(fault(place, "codebook-used", f"codebook {name} is declared and not used"))
    return findings


def lineage(mapping: CompiledMapping) -> dict[str, tuple[str, ...]]:
    """Per target path (dotted, `[]` for lists) the source paths that any of its rules takes, also to decide."""
    found: dict[str, set[str]] = {}
    for rule in mapping.rules:
        _lineage(rule, mapping.shape, ((),), (), "", found)
    return {target: tuple(sorted(paths)) for target, paths in sorted(found.items())}


def lost(mapping: CompiledMapping) -> tuple[str, ...]:
    """The leaves (dotted) of what it reads that no rule takes: what stays behind, each ignored with a reason."""
    read: Read = {}
    for rule in mapping.rules:
        read = union(read, coverage(rule, mapping.shape, ((),), ()))
    return tuple(sorted(".".join(leaf) for leaf in mapping.shape.leaves() if not reaches(read, leaf)))


def _lineage(
    rule: Rule,
    shape: Shape,
    bases: Sequence[Place],
    outer: Sequence[Place],
    above: str,
    found: dict[str, set[str]],
) -> None:
    target = f"{above}.{rule.target}".strip(".")
    paths = {".".join(path) for compiled in rule.expressions() for path, _ in taken(compiled, shape, bases, outer)}
    found.setdefault(target or "$", set()).update(paths)
    for nested in rule.rules:
        _lineage(nested, shape, item_bases(rule, shape, bases, outer), bases, target, found)


def _sources(rule: Rule, shape: Shape, bases: Sequence[Place], outer: Sequence[Place]) -> Iterator[Finding]:
    """Each path that is read exists; a whole object is read only with a reason."""
    for compiled in rule.expressions():
        for path, whole in taken(compiled, shape, bases, outer):
            here = shape.at(path)
            if here is None:
                yield fault(rule.label, "path-in-schema", f"reads {'.'.join(path)}: {_missing(shape, path)}")
            elif whole and not here.is_leaf and rule.reason is None and not (rule.rules and compiled is rule.value):
                yield fault(rule.label, "whole-read", f"reads {'.'.join(path) or 'its input'} whole; give a `reason`")
    if rule.rules and rule.reason is None:
        below = item_bases(rule, shape, bases, outer)
        for nested in rule.rules:
            yield from _sources(nested, shape, below, bases)


def _missing(shape: Shape, path: Place) -> str:
    """Where a path leaves the schema, with the name that lies nearest."""
    for depth in range(len(path)):
        parent = shape.at(path[:depth])
        if parent is not None and parent.child(path[depth]) is None:
            where = ".".join(path[:depth]) or "the document"
            return f"the schema has no {path[depth]} in {where}{near(path[depth], parent.names())}"
    return "the schema has no such path"


def _losses(mapping: CompiledMapping, place: str) -> Iterator[Finding]:
    """Every leaf of the source's schema is read or ignored with a reason; what is ignored exists and is not read."""
    leaves = list(mapping.shape.leaves())
    for leaf in leaves:
        if not reaches(mapping.covered, leaf):
            path = ".".join(leaf) or "the document"
            yield fault(place, "silent-loss", f"{path} is neither read by a rule nor ignored with a reason")
    for ignored in mapping.ignored:
        if mapping.shape.at(plain_path(ignored.path)) is None:
            text = f"ignores {ignored.path}: {_missing(mapping.shape, plain_path(ignored.path))}"
            yield fault(place, "ignore-in-schema", text)


def _target_shape(mapping: CompiledMapping) -> Shape | None:
    """The shape of what is written; None when nobody declared it. `target.json` beside the mapping does, or the schema
    of the mapping that reads such documents and that `writes` names."""
    if mapping.writes in NOUNS:
        return shape_of(NOUNS[mapping.writes].model_json_schema(by_alias=True))
    read_by = mapping.folder.parent / mapping.writes.partition("@")[0].replace("-", "_")
    for declared in (mapping.folder / "target.json", read_by / "schema.json"):
        if declared.exists():
            schema: Any = json.loads(declared.read_bytes())
            return shape_of(schema)
    return None


def _targets(rules: Sequence[Rule], target: Shape, above: Place) -> Iterator[Finding]:
    """Each target exists, and is a list exactly where the target has a list."""
    for rule in rules:
        path = (*above, *rule.to)
        here = target.at(path)
        if here is None:
            yield fault(rule.label, "target-exists", f"writes {'.'.join(path)}: {_missing(target, path)}")
            continue
        if rule.to and not here.anything and rule.many != (here.items is not None):
            yield fault(rule.label, "list-ness", "write `[]` after a list target, and only there")
        yield from _targets(rule.rules, target, path)


def _all(rules: Sequence[Rule]) -> Iterator[Rule]:
    for rule in rules:
        yield rule
        yield from _all(rule.rules)
