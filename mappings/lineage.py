# SPDX-License-Identifier: EUPL-1.2
"""Lineage: which paths of the source each rule takes, read from the expressions without running them."""

from __future__ import annotations

from collections.abc import Sequence

from mappings.mapping_file import Compiled, Rule
from mappings.shape import Path as Place
from mappings.shape import Read, Shape, under, union


def plain_path(path: str) -> Place:
    """`a.b[].c` → ("a", "b", "c")."""
    return tuple(path.replace("[]", "").split("."))


def coverage(rule: Rule, shape: Shape, bases: Sequence[Place], outer: Sequence[Place]) -> Read:
    """What a rule takes of the whole document. `bases`: where its input can lie; `outer`: where `$parent` can."""
    read: Read = {}
    for compiled in rule.expressions():
        items = compiled is rule.value and bool(rule.rules)
        for path, whole in taken(compiled, shape, bases, outer):
            place = shape.at(path)
            if place is None or not whole:
                continue
            if not items or place.is_leaf or rule.reason is not None:
                read = union(read, under(path, True))
    for nested in rule.rules:
        read = union(read, coverage(nested, shape, item_bases(rule, shape, bases, outer), bases))
    return read


def taken(compiled: Compiled, shape: Shape, bases: Sequence[Place], outer: Sequence[Place]) -> list[tuple[Place, bool]]:
    """The paths from the document's root that an expression takes, each with whether it takes the value itself."""
    found: list[tuple[Place, bool]] = []
    for read, from_bases in ((compiled.reads, bases), (compiled.reads_root, ((),)), (compiled.reads_parent, outer)):
        for path, whole in flat(read):
            known = [(*base, *path) for base in from_bases if shape.at((*base, *path)) is not None]
            found.extend((place, whole) for place in known or [(*base, *path) for base in from_bases[:1]])
    return found


def item_bases(rule: Rule, shape: Shape, bases: Sequence[Place], outer: Sequence[Place]) -> tuple[Place, ...]:
    """Where the items of an `each` can lie: what it takes whole."""
    return tuple(dict.fromkeys(path for path, whole in taken(rule.value, shape, bases, outer) if whole))


def flat(read: Read | None, path: Place = ()) -> list[tuple[Place, bool]]:
    """A read-set as paths; `{}` under a name means: needs to know whether it is there."""
    if read is None:
        return []
    if read is True:
        return [(path, True)]
    if not read:
        return [(path, False)] if path else []
    return [each for name, sub in read.items() for each in flat(sub, (*path, name))]
