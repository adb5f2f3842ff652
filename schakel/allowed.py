# SPDX-License-Identifier: EUPL-1.2
"""What a table of fields allows of a message, compiled: keeps those fields of its JSON form and drops the others.

Where nothing below a field can be judged (it is in no class that is cut in this household), keeping is all there is to
do. That is decided here, once per table: per message there is one look per field that the document has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel

from schakel.fields import FieldNode
from schakel.message import Address, Phone, Sensitivity

Keep = Callable[[Any], Any]

Judging = frozenset[Sensitivity | type[BaseModel]]

EVERYTHING: Final[Judging] = frozenset(  # who somebody is, the table alone decides
    {Sensitivity.FREE_TEXT, Sensitivity.CONTACT, Sensitivity.REPORTER, Sensitivity.WHEREABOUTS, Address, Phone}
)
REPORTER: Final[Judging] = frozenset({Sensitivity.FREE_TEXT, Sensitivity.REPORTER})  # by whom nobody else is hidden


@dataclass(frozen=True, slots=True)
class Allowed:
    """A field with what the table allows below it.

    `judged`: something here can be cut for this household or recipient. `keep`: what the table leaves of a JSON value;
    None when that is nothing. What it gives is a copy, down to the values that cannot change.
    """

    attribute: str
    model: type[BaseModel] | None
    many: bool
    free_text: bool  # its classes, as far as something is cut by them
    contact: bool
    reporter: bool
    whereabouts: bool
    children: Mapping[str, Allowed]  # by JSON name
    judged: bool
    judges: Mapping[str, Allowed]  # those of `children` that are judged
    keep: Keep


def allowed_of(node: FieldNode, paths: frozenset[str], judging: Judging, path: str = "") -> Allowed:
    """`paths`: the dotted JSON paths of what is allowed and of what leads to it. `judging`: the classes of fields, and
    the models that are shown or not as a whole, by which something can be cut."""
    below = {name: f"{path}.{name}" if path else name for name in node.children}
    children = {
        name: allowed_of(node.children[name], paths, judging, place) for name, place in below.items() if place in paths
    }
    return Allowed(
        attribute=node.attribute,
        model=node.model,
        many=node.many,
        free_text=Sensitivity.FREE_TEXT in node.classes,
        contact=Sensitivity.CONTACT in node.classes,
        reporter=Sensitivity.REPORTER in node.classes,
        whereabouts=Sensitivity.WHEREABOUTS in node.classes,
        children=children,
        judges={name: each for name, each in children.items() if each.judged},
        judged=bool(node.classes & judging) or node.model in judging or any(each.judged for each in children.values()),
        keep=_keep(node, {name: child.keep for name, child in children.items()}),
    )


def _keep(node: FieldNode, below: Mapping[str, Keep]) -> Keep:
    if node.model is None:
        return _values if node.many else _value
    one = _object(below)
    return _each(one) if node.many else one


def _value(value: Any) -> Any:
    return value


def _values(values: Any) -> list[Any] | None:
    return list(values) or None


def _object(below: Mapping[str, Keep]) -> Keep:
    single = frozenset(name for name, keep in below.items() if keep is _value)
    others = {name: keep for name, keep in below.items() if keep is not _value}

    def kept(document: Mapping[str, Any]) -> dict[str, Any] | None:
        found: dict[str, Any] = {}
        for name, value in document.items():
            if name in single:
                found[name] = value
            elif name in others:
                part = others[name](value)
                if part is not None:
                    found[name] = part
        return found or None

    return kept


def _each(one: Keep) -> Keep:
    def kept(documents: Any) -> list[Any] | None:
        return [part for part in map(one, documents) if part is not None] or None

    return kept
