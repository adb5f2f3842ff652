# SPDX-License-Identifier: EUPL-1.2
"""The tree of a message's fields with the class of each: what disclosure walks and what a table of fields is checked
against. Read from the model's own annotations, so a new field is in it by being written."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from schakel.message import Sensitivity


@dataclass(frozen=True, slots=True)
class FieldNode:
    """One field: its JSON name, its attribute, what it holds (a model, many), its classes and what lies below."""

    name: str
    attribute: str
    model: type[BaseModel] | None = None
    many: bool = False
    classes: frozenset[Sensitivity] = frozenset()
    children: Mapping[str, FieldNode] = field(default_factory=dict)  # by JSON name


def field_tree(model: type[BaseModel]) -> FieldNode:
    """The root has no name; its children are the model's fields."""
    return FieldNode(name="", attribute="", model=model, children=_children(model))


def leaves(node: FieldNode, path: tuple[str, ...] = ()) -> Iterator[tuple[str, FieldNode]]:
    """(dotted JSON path, leaf) of each field that holds no further fields."""
    if not node.children:
        yield ".".join(path), node
    for name, child in node.children.items():
        yield from leaves(child, (*path, name))


def covers(allowed: str, path: str) -> bool:
    """A path in a table includes all below it."""
    return path == allowed or path.startswith(f"{allowed}.")


def _children(model: type[BaseModel]) -> dict[str, FieldNode]:
    found: dict[str, FieldNode] = {}
    for attribute, info in model.model_fields.items():
        inner, many, classes = _look_into(info.annotation)
        classes |= {each for each in info.metadata if isinstance(each, Sensitivity)}
        name = info.serialization_alias or info.alias or attribute
        found[name] = FieldNode(
            name=name,
            attribute=attribute,
            model=inner,
            many=many,
            classes=frozenset(classes),
            children=_children(inner) if inner is not None else {},
        )
    return found


def _look_into(annotation: Any) -> tuple[type[BaseModel] | None, bool, set[Sensitivity]]:
    """The model inside an annotation, whether it is a list, and the classes written anywhere in it."""
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, many, classes = _look_into(get_args(annotation)[0])
        return inner, many, classes | {each for each in get_args(annotation)[1:] if isinstance(each, Sensitivity)}
    if origin in (Union, types.UnionType, tuple, list):
        model, many, classes = None, origin in (tuple, list), set[Sensitivity]()
        for part in get_args(annotation):
            inner, inner_many, inner_classes = _look_into(part)
            model, many, classes = model or inner, many or inner_many, classes | inner_classes
        return model, many, classes
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, False, set()
    return None, False, set()
