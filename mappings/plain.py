# SPDX-License-Identifier: EUPL-1.2
"""What of an expression needs no engine: a path through objects, alone or as the argument of a host function.

Most rules are just that (`huisverbod.nummer`, `$moment(gebeurdOp)`), and a dictionary answers them in a tenth of the
time that the engine takes to be asked. The schema decides once, at load, whether a path is such: it leads through
objects only, to a scalar or a list of scalars. Where a message holds something else there, `NotPlain` says so, and the
engine has the word. A test holds both ways together, over paths and values that hypothesis makes up.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from mappings.shape import Path, Shape

Base = Literal["item", "root", "parent"]
HostFunction = Callable[[Any], Any]

_NAME: Final = r"[A-Za-z_][A-Za-z0-9_]*"
_PATH: Final = rf"(?:\$(?P<base>root|parent)\.)?(?P<path>{_NAME}(?:\.{_NAME})*)"
_EXPRESSION: Final = re.compile(
    rf"(?:{_PATH}|\$(?P<function>{_NAME})\(\s*(?:\"(?P<book>[a-z0-9-]+)\"\s*,\s*)?{_PATH.replace('?P<', '?P<a')}\s*\))"
)
_WORDS: Final = frozenset({"and", "or", "in", "true", "false", "null", "function"})
_ONE_ARGUMENT: Final = frozenset({"moment", "partialDate", "postcode", "phone", "stufMoment", "dutchTime"})


class NotPlain(Exception):
    """The rules must be run one by one: something is to be said about one of them, or they cost too much together."""


@dataclass(frozen=True, slots=True)
class Plain:
    """Reads a value without the engine. `function`: what the value goes through."""

    base: Base
    names: Path
    function: HostFunction | None = None

    def read(self, item: Mapping[str, Any], parent: Any, root: Mapping[str, Any]) -> Any:
        """The value as the engine would give it; None: absent or null. Raises NotPlain, and what `function` raises."""
        here: Any = item if self.base == "item" else root if self.base == "root" else parent
        for name in self.names:
            if here.__class__ is not dict:
                if here is None or here.__class__ in _SCALARS:
                    here = None  # nothing lies below a scalar
                    break
                raise NotPlain
            here = here.get(name)
        value = here if here is None or here.__class__ is str else _as_the_engine(here)
        return value if self.function is None else self.function(value)

    def items(self, item: Mapping[str, Any], parent: Any, root: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The objects at this place. Raises NotPlain."""
        here: Any = item if self.base == "item" else root if self.base == "root" else parent
        for name in self.names:
            if here.__class__ is not dict:
                if here is None:
                    return []
                raise NotPlain
            here = here.get(name)
        found = [] if here is None else here if here.__class__ is list else [here]
        if any(each.__class__ is not dict for each in found):
            raise NotPlain
        return found


_SCALARS: Final = frozenset({str, int, float, bool})


def _as_the_engine(value: Any) -> Any:
    """The engine knows one kind of number: 5.0 is 5."""
    kind = value.__class__
    if kind is bool or kind is int:
        return value
    if kind is float:
        return int(value) if value.is_integer() else value
    if kind is list and all(each.__class__ in _SCALARS or each is None for each in value):
        return [_as_the_engine(each) if each.__class__ is float else each for each in value]
    raise NotPlain


def plain_value(
    source: str, functions: Mapping[str, Callable[..., Any]], shape: Shape, bases: Mapping[Base, Sequence[Path]]
) -> Plain | None:
    """How to read this expression without the engine; None when that takes one. `bases`: where in the document the
    input, its parent and the root can lie."""
    match = _EXPRESSION.fullmatch(source.strip())
    if match is None:
        return None
    base, names = _taken(match)
    if not _leads(shape, bases[base], names, to_items=False):
        return None
    name, book = match["function"], match["book"]
    if name is None:
        return Plain(base, names)
    if name == "code" and book is not None:
        code = functions["code"]
        return Plain(base, names, lambda value: code(book, value))
    return Plain(base, names, functions[name]) if name in _ONE_ARGUMENT and book is None else None


def plain_items(source: str, shape: Shape, bases: Mapping[Base, Sequence[Path]]) -> Plain | None:
    """As `plain_value`, for what gives the items of an `each`: the objects at one place."""
    match = _EXPRESSION.fullmatch(source.strip())
    if match is None or match["function"] is not None:
        return None
    base, names = _taken(match)
    return Plain(base, names) if _leads(shape, bases[base], names, to_items=True) else None


def _taken(match: re.Match[str]) -> tuple[Base, Path]:
    base: Base = {"root": "root", "parent": "parent"}.get(match["base"] or match["abase"] or "", "item")  # type: ignore[assignment]
    return base, tuple((match["path"] or match["apath"]).split("."))


def _leads(shape: Shape, bases: Sequence[Path], names: Path, *, to_items: bool) -> bool:
    """Whether the path leads through objects to a scalar or a list of scalars (to objects), wherever its base lies."""
    if not bases or _WORDS & set(names):
        return False
    return all(_leads_from(shape.at(base), names, to_items=to_items) for base in bases)


def _leads_from(start: Shape | None, names: Path, *, to_items: bool) -> bool:
    here = (
        start.items if start is not None and start.items is not None else start
    )  # an item of the list that lies there
    for position, name in enumerate(names):
        here = here.fields.get(name) if here is not None else None
        if here is None or here.anything:
            return False
        if position < len(names) - 1 and (here.items is not None or not here.is_object):
            return False
    assert here is not None
    if to_items:
        return bool((here.items or here).fields)
    return here.is_leaf and not here.is_object and (here.items is None or not here.items.is_object)
