# SPDX-License-Identifier: EUPL-1.2
"""What the Python of a mapping is put together from: its lines, and what is known beforehand of each value in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, Protocol

from mappings.expression import Node, NotRead
from mappings.shape import Shape

# How a value lies in Python. `one`: itself, None when undefined. `some`: a list of what a path found, one of which is
# that one and none of which is undefined. `list`: an array, which stays one. `either`: one of the last two, and not
# known which. `raw`: as the engine gives it, a list or one.
Form = Literal["one", "some", "list", "either", "raw"]
NO_LITERAL: Final = object()
TEXT: Final = Shape(scalars={"string"})
TRUTH: Final = Shape(scalars={"boolean"})
WHOLE_NUMBER: Final = Shape(scalars={"integer"})
CLOSED: Final = Shape(anything=True)  # nothing is known of it, but for handing it on
_MOST_LINES: Final = 40_000  # of one mapping: ten times what our largest takes
_DEEPEST: Final = 60  # blocks in each other: Python takes 100
_MOST_LOOPS: Final = 15  # of them: Python takes 20
_TOGETHER: Final = 8  # how deep two shapes are laid together; a schema may contain itself


@dataclass(frozen=True, slots=True)
class Value:
    """`code`: a Python expression without effects. `atom`: short, to be repeated. `sure`: never None."""

    code: str
    shape: Shape  # of one value
    form: Form = "one"
    sure: bool = False
    atom: bool = True
    literal: Any = NO_LITERAL

    @property
    def listed(self) -> bool:
        return self.form != "one"

    @property
    def missing(self) -> tuple[str, ...]:
        """What tells that it is undefined; nothing when it never is."""
        return () if self.sure else (f"{self.code} is None",)

    @property
    def there(self) -> tuple[str, ...]:
        """What tells that it is defined."""
        return () if self.sure else (f"{self.code} is not None",)

    @property
    def each(self) -> str:
        """The code to go through it with."""
        if self.form == "raw":
            return f"listed({self.code})"
        return self.code if self.sure else f"{self.code} or ()"


UNDEFINED: Final = Value("None", CLOSED)


@dataclass(frozen=True, slots=True)
class Closure:
    """A function of an expression, to be written out where it is called."""

    parameters: tuple[str, ...]
    body: Node
    scope: Scope

    @property
    def code(self) -> str:
        """What it does, as far as others are to be told from it."""
        return repr((self.parameters, self.body, self.scope.key))


@dataclass(frozen=True, slots=True)
class Scope:
    """`item`: `$`."""

    item: Value
    variables: Mapping[str, Value | Closure] = field(default_factory=dict)
    bound: str = ""  # the variables with what they stand for, as text

    @property
    def key(self) -> str:
        """What tells what an expression means here."""
        return f"{self.item.code}: {self.bound}"

    def at(self, item: Value) -> Scope:
        return replace(self, item=item)

    def knowing(self, name: str, value: Value | Closure) -> Scope:
        return Scope(self.item, {**self.variables, name: value}, f"{self.bound}{name} = {value.code}; ")


class Writer:
    """The lines of one function. What is constant for all messages is handed to it under a name (`constants`)."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.constants: dict[str, Any] = {}
        self.before: dict[str, str] = {}  # what is worked out once per message: code → name
        self._depth = 1
        self._written = 0
        self._loops = 0  # that we are in
        self._names = 0
        self._known: list[dict[tuple[str, str], Value]] = [{}]  # what was read, for each block that we are in

    def line(self, text: str) -> None:
        self._written += 1
        if self._written > _MOST_LINES:
            raise NotRead
        self.lines.append(f"{' ' * self._depth}{text}")

    def new(self, letter: str = "v") -> str:
        self._names += 1
        return f"{letter}{self._names}"

    def constant(self, value: Any) -> str:
        for name, known in self.constants.items():
            if known is value:
                return name
        name = self.new("k")
        self.constants[name] = value
        return name

    def counted(self, values: str) -> str:
        """The name of a list that is gone through: what a message may take in all is limited."""
        name = self.new("w")
        self.line(f"{name} = {values}")
        self.line(f"left -= len({name})")
        self.line("if left < 0: not_plain()")
        return name

    def once(self, code: str) -> str:
        """The name of what this code gives, which is the same all through a message."""
        return self.before.setdefault(code, f"b{len(self.before)}")

    @contextmanager
    def inside(self, head: str) -> Iterator[None]:
        """A block under `head`."""
        self.line(head)
        loops = self._loops
        self._loops += head.startswith("for ")
        with self._deeper():
            before = len(self.lines)
            yield
            if len(self.lines) == before:
                self.line("pass")
        self._loops = loops

    @contextmanager
    def aside(self) -> Iterator[list[str]]:
        """What is written here is kept apart, as of a block that is put somewhere by `add`."""
        lines, self.lines = self.lines, []
        made = self.lines
        try:
            with self._deeper():
                yield made
        finally:
            self.lines = lines

    def add(self, lines: list[str]) -> None:
        self.lines += lines

    @contextmanager
    def trying(self) -> Iterator[None]:
        """Nothing of it counts when it raises."""
        lines, known = len(self.lines), [dict(each) for each in self._known]
        depth, loops = self._depth, self._loops
        try:
            yield
        except NotRead:
            del self.lines[lines:]
            self._known, self._depth, self._loops = known, depth, loops
            raise

    @contextmanager
    def _deeper(self) -> Iterator[None]:
        if self._depth > _DEEPEST or self._loops > _MOST_LOOPS:
            raise NotRead
        self._depth += 1
        self._known.append({})
        try:
            yield
        finally:
            self._depth -= 1
            self._known.pop()

    def known(self, of: str, what: str) -> Value | None:
        """What was read of it before, in a variable that has a value here."""
        return next((each[of, what] for each in self._known if (of, what) in each), None)

    def learn(self, of: str, what: str, value: Value) -> None:
        self._known[-1][of, what] = value


class Writes(Protocol):
    """What writes expressions (mappings/plain.py)."""

    writer: Writer

    def value(self, node: Node, scope: Scope, *, nulls: bool = False) -> Value: ...
    def bound(self, value: Value) -> Value: ...
    def test(self, node: Node, scope: Scope) -> str: ...
    def steps(self, steps: tuple[Node, ...], scope: Scope, *, nulls: bool = False, field: bool = False) -> Value: ...
    def context(self, of: Value) -> Value: ...
    def gather(self, made: str, value: Value) -> None: ...
    def raw(self, value: Value) -> str: ...


def unread() -> str:
    """For where a value is to stand that there is none of."""
    raise NotRead


def kind_of(shape: Shape | None) -> Literal["scalar", "object", "list"]:
    """What stands at this place, when that can be one kind of thing only. Raises NotRead."""
    if shape is None or shape.anything:
        raise NotRead
    scalars = bool(shape.scalars - {"null"})
    if shape.items is not None and not shape.is_object and not scalars:
        return "list"
    if shape.is_object and shape.items is None and not scalars:
        return "object"
    if scalars and not shape.is_object and shape.items is None:
        return "scalar"
    raise NotRead


def kinds(shape: Shape) -> frozenset[str]:
    """Of scalars: which. Raises NotRead for all else."""
    if kind_of(shape) != "scalar":
        raise NotRead
    return frozenset("number" if each == "integer" else each for each in shape.scalars if each != "null")


def is_text(value: Value) -> bool:
    return kinds(value.shape) == {"string"}


class Loose(Shape):
    """Of a text that is declared for some of what may lie here: it is looked at before it is believed."""


def _loosely(shape: Shape) -> Shape:
    try:
        return Loose(scalars=shape.scalars) if kinds(shape) == {"string"} else CLOSED
    except NotRead:
        return CLOSED


def as_one(value: Value) -> Value:
    """The value where one is to stand: more than one are something to be told."""
    if value.form == "some":
        return replace(value, code=f"single({value.code})", form="one", sure=False, atom=False)
    if value.form == "raw":
        return replace(value, code=f"unlisted({value.code})", form="one", sure=False, atom=False)
    if value.listed:
        raise NotRead
    return value


def both(one: Shape, other: Shape, depth: int = 0) -> Shape:
    """The shape of what is one or the other."""
    if one is other:
        return one
    try:
        kind = kind_of(one)
        if kind != kind_of(other) or depth > _TOGETHER:
            return CLOSED
    except NotRead:
        return CLOSED
    if kind == "scalar":
        found = Shape(scalars=one.scalars | other.scalars)
        return _loosely(found) if isinstance(one, Loose) or isinstance(other, Loose) else found
    if kind == "list":
        return Shape(items=both(one.items or CLOSED, other.items or CLOSED, depth + 1))
    fields: dict[str, Shape] = {}
    for name in {**one.fields, **other.fields}:
        here, there = one.fields.get(name), other.fields.get(name)
        if here is not None and there is not None:
            fields[name] = both(here, there, depth + 1)
        else:
            found = here or there or CLOSED
            fields[name] = found if (other if there is None else one).closed else _loosely(found)
    return Shape(is_object=True, closed=one.closed and other.closed, fields=fields)


def walked(value: Value) -> str:
    """The code to go through the values of a list with."""
    return value.each if value.form == "some" else f"full({value.each})"
