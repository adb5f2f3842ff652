# SPDX-License-Identifier: EUPL-1.2
"""The shape of a document as its JSON Schema declares it: which paths exist, what may repeat, what is not covered."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

Read = Any  # what is read of a value: True for the whole, or {field: Read}; of a list, of each item alike
Path = tuple[str, ...]

UNKNOWN: Final = "?"  # an undeclared field: its name is the sender's own text, and can be somebody's


@dataclass(slots=True, eq=False)
class Shape:
    """One place of the schema. The graph may be cyclic. `scalars`: JSON types that may stand here, `anything`: all."""

    fields: dict[str, Shape] = field(default_factory=dict)
    items: Shape | None = None
    scalars: set[str] = field(default_factory=set)
    is_object: bool = False
    closed: bool = False  # additionalProperties: false
    anything: bool = False
    made_by_format: re.Pattern[str] | None = None  # names that are no sender's text (`patternProperties`)

    def child(self, name: str) -> Shape | None:
        """The place of field `name`; a list passes the question on to its items. None: the schema has no such field."""
        if name in self.fields:
            return self.fields[name]
        if self.items is not None:
            return self.items.child(name)
        return ANYTHING if self.anything or (self.is_object and not self.fields and not self.closed) else None

    def at(self, path: Path) -> Shape | None:
        """The place that a dotted path leads to, lists passed through."""
        here: Shape | None = self
        for name in path:
            here = here.child(name) if here is not None else None
        return here

    @property
    def is_leaf(self) -> bool:
        """Holds no named fields: a scalar, a list of scalars, or an object whose fields nobody declared."""
        return not self.fields and (self.items is None or self.items is self or self.items.is_leaf)

    def names(self) -> list[str]:
        """The declared fields here, lists passed through."""
        return [*self.fields, *(self.items.names() if self.items is not None and not self.fields else ())]

    def leaves(self, path: Path = (), above: tuple[int, ...] = ()) -> Iterator[Path]:
        """The dotted paths of all leaves; a place that contains itself is gone into once."""
        if id(self) in above:
            return
        if self.is_leaf:
            yield path
            return
        for name, child in self.fields.items():
            yield from child.leaves((*path, name), (*above, id(self)))
        if self.items is not None:
            yield from self.items.leaves(path, (*above, id(self)))


ANYTHING: Final = Shape(anything=True)


def shape_of(schema: Mapping[str, Any]) -> Shape:
    """The shape that a JSON Schema (2020-12, local `$ref`) declares; branches of anyOf, oneOf, allOf together."""
    known: dict[str, Shape] = {}

    def fill(shape: Shape, part: Any) -> None:
        if part is True or part == {}:
            shape.anything = True
            return
        if not isinstance(part, Mapping):
            return
        if "$ref" in part:
            fill(shape, _resolve(schema, part["$ref"]))
        for branch in ("anyOf", "oneOf", "allOf"):
            for each in part.get(branch, ()):
                fill(shape, each)
        kinds = part.get("type", ())
        kinds = {kinds} if isinstance(kinds, str) else set(kinds)
        values = [part["const"]] if "const" in part else part.get("enum", ())
        kinds |= {_kind(value) for value in values} if not kinds else set()
        shape.scalars |= kinds - {"object", "array"}
        if "properties" in part or "object" in kinds:
            shape.is_object = True
            shape.closed = shape.closed or part.get("additionalProperties") is False
            for pattern in part.get("patternProperties", ()):
                shape.made_by_format = re.compile(pattern)
            for name, child in part.get("properties", {}).items():
                shape.fields[name] = place(child) if name not in shape.fields else both(shape.fields[name], child)
        if "items" in part or "array" in kinds:
            shape.items = place(part.get("items", True)) if shape.items is None else both(shape.items, part["items"])

    def both(shape: Shape, part: Any) -> Shape:
        merged = replace(shape, fields=dict(shape.fields), scalars=set(shape.scalars))
        fill(merged, part)
        return merged

    def place(part: Any) -> Shape:
        reference = part.get("$ref") if isinstance(part, Mapping) and set(part) - _NOTES == {"$ref"} else None
        if reference in known:
            return known[reference]
        shape = Shape()
        if reference is not None:
            known[reference] = shape
        fill(shape, part)
        return shape

    return place(schema)


_NOTES: Final = {"description", "title", "default", "examples", "$comment"}


def _resolve(schema: Mapping[str, Any], reference: str) -> Any:
    here: Any = schema
    if not reference.startswith("#"):
        raise ValueError("schema: only references within the file")
    for part in reference[1:].split("/")[1:]:
        here = here[part.replace("~1", "/").replace("~0", "~")]
    return here


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "number"
    if value is None:
        return "null"
    return "object" if isinstance(value, Mapping) else "array" if isinstance(value, list) else "string"


# -- reads -------------------------------------------------------------------------------------------------------------


def union(one: Read, other: Read) -> Read:
    """What either reads."""
    if one is True or other is True:
        return True
    if not one or not other:
        return one or other
    merged = dict(one)
    for name, read in other.items():
        merged[name] = union(merged[name], read) if name in merged else read
    return merged


def under(path: Path, read: Read) -> Read:
    """`read` seen from above `path`."""
    for name in reversed(path):
        read = {name: read}
    return read


def reaches(read: Read, path: Path) -> bool:
    """Whether `read` takes the value at `path` (or something whole above it)."""
    for name in path:
        if read is True:
            return True
        if name not in read:
            return False
        read = read[name]
    return read is True


def prune(value: Any, read: Read) -> Any:
    """`value` cut down to what `read` takes; the engine gives the same result on it, cheaper."""
    if read is True:
        return value
    if isinstance(value, Mapping):
        return {name: prune(value[name], sub) for name, sub in read.items() if name in value}
    if isinstance(value, list | tuple):
        return [prune(item, read) for item in value]
    return value


def fits(value: Any, scalars: set[str]) -> bool:
    """Whether a value that is neither object nor list is of one of these JSON types."""
    kind = _kind(value)
    return (
        kind in scalars
        or (kind == "integer" and "number" in scalars)
        or (kind == "number" and "integer" in scalars and float(value).is_integer())
    )
