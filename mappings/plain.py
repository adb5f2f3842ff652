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
    """Reads a value without the engine. `function`: what the value goes through. `whole`: objects are handed on as they
    are, and not scalars."""

    base: Base
    names: Path
    function: HostFunction | None = None
    whole: bool = False

    def read(self, item: Mapping[str, Any], parent: Any, root: Mapping[str, Any]) -> Any:
        """The value as the engine would give it; None: absent or null. Raises NotPlain, and what `function` raises."""
        here: Any = item if self.base == "item" else root if self.base == "root" else parent
        for name in self.names:
            if here.__class__ is not dict:
                if here is None or here.__class__ in _SCALARS:
                    return None  # nothing lies below a scalar
                raise NotPlain
            here = here.get(name)
        if here is None:
            return None
        if here.__class__ is not str:
            here = _whole(here) if self.whole else as_the_engine(here)
        return here if self.function is None else self.function(here)

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
        for each in found:
            if each.__class__ is not dict:
                raise NotPlain
        return found


_SCALARS: Final = frozenset({str, int, float, bool})


def as_the_engine(value: Any) -> Any:
    """A scalar or a list of them. The engine knows one kind of number: 5.0 is 5. Raises NotPlain."""
    kind = value.__class__
    if kind is str or kind is bool or kind is int:
        return value
    if kind is float:
        return int(value) if value.is_integer() else value
    if kind is list:
        for each in value:
            if each is not None and each.__class__ not in _SCALARS:
                raise NotPlain
        return [as_the_engine(each) if each.__class__ is float else each for each in value]
    raise NotPlain


def _whole(value: Any) -> Any:
    """An object or a list of objects. Raises NotPlain."""
    if value.__class__ is list:
        for each in value:
            if each.__class__ is not dict:
                raise NotPlain
        return value
    if value.__class__ is not dict:
        raise NotPlain
    return value


def plain_value(
    source: str,
    functions: Mapping[str, Callable[..., Any]],
    shape: Shape,
    bases: Mapping[Base, Sequence[Path]],
    *,
    many: bool = False,
) -> Plain | None:
    """How to read this expression without the engine; None when that takes one. `bases`: where in the document the
    input, its parent and the root can lie; `many`: a list of one may stay a list."""
    if source.strip() == "$" and bases["item"]:
        return Plain("item", (), whole=True)
    match = _EXPRESSION.fullmatch(source.strip())
    if match is None:
        return None
    base, names = _taken(match)
    if not _leads(shape, bases[base], names, to_items=False):
        whole = match["function"] is None and _leads(shape, bases[base], names, to_items=True)
        return Plain(base, names, whole=True) if whole and (many or not _listed(shape, bases[base], names)) else None
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
    ends = [_end(shape.at(base), names) for base in bases]
    if to_items:
        return all(end is not None and (end.items or end).fields for end in ends)
    return all(end is not None and _is_flat(end) for end in ends)


def _listed(shape: Shape, bases: Sequence[Path], names: Path) -> bool:
    """Whether there can be a list at the end of a path that leads."""
    ends = [_end(shape.at(base), names) for base in bases]
    return any(end is not None and end.items is not None for end in ends)


def _end(start: Shape | None, names: Path) -> Shape | None:
    """Where the path ends, when it leads there through objects only."""
    here = (
        start.items if start is not None and start.items is not None else start
    )  # an item of the list that lies there
    for position, name in enumerate(names):
        here = here.fields.get(name) if here is not None else None
        if here is None or here.anything:
            return None
        if position < len(names) - 1 and (here.items is not None or not here.is_object):
            return None
    return here


def _is_flat(end: Shape) -> bool:
    """A scalar or a list of scalars."""
    return end.is_leaf and not end.is_object and (end.items is None or not end.items.is_object)
