# SPDX-License-Identifier: EUPL-1.2
"""Reads the part of JSONata that can be run without the engine (mappings/plain.py) into a tree; the rest is NotRead.

Precedences are those of JSONata. Nothing is made better here: whether a text is an expression at all, the engine says.
"""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple


class NotRead(Exception):
    """This expression takes the engine."""


class Literal(NamedTuple):
    value: str | int | float | bool | None


class Pattern(NamedTuple):
    """A regular expression, of signs that mean the same everywhere."""

    source: str


class Range(NamedTuple):
    """`[first..last]`."""

    first: int
    last: int


class Name(NamedTuple):
    """A field of the context."""

    name: str


class Variable(NamedTuple):
    """`$name`; "" is the context itself."""

    name: str


class Path(NamedTuple):
    """Steps, each taken from every value that the one before gives."""

    steps: tuple[Node, ...]


class Filter(NamedTuple):
    """`of[by]`. `position`: the variable that holds the place in the list (`of#$position[by]`)."""

    of: Node
    by: Node | None
    position: str | None = None


class Operation(NamedTuple):
    sign: str
    left: Node
    right: Node


class Choice(NamedTuple):
    test: Node
    then: Node
    otherwise: Node | None


class Block(NamedTuple):
    parts: tuple[Node, ...]


class Binding(NamedTuple):
    name: str
    value: Node


class List(NamedTuple):
    parts: tuple[Node, ...]


class Object(NamedTuple):
    fields: tuple[tuple[Node, Node], ...]


class Call(NamedTuple):
    name: str
    arguments: tuple[Node, ...]


class Function(NamedTuple):
    parameters: tuple[str, ...]
    body: Node


Node = (
    Literal
    | Pattern
    | Range
    | Name
    | Variable
    | Path
    | Filter
    | Operation
    | Choice
    | Block
    | Binding
    | List
    | Object
    | Call
    | Function
)

_TOKEN: Final = re.compile(
    r"""\s*(?:
      (?P<text>"[^"\\]*(?:\\n[^"\\]*)*"|'[^'\\]*')
    | /(?P<pattern>[A-Za-z0-9^$\[\](){}|,-]+)/
    | (?P<number>\d+(?:\.\d+)?)
    | \$(?P<variable>\w*)
    | (?P<name>[A-Za-z_]\w*)
    | (?P<sign>:=|!=|<=|>=|~>|\.\.|[-.\[\](){},;:?=<>+&#])
    )""",
    re.VERBOSE | re.ASCII,
)
_BINDS: Final = {  # how strongly each sign binds to its left
    ".": 75, "[": 80, "#": 80, "(": 80, "+": 50, "-": 50, "&": 50, "=": 40, "!=": 40, "<": 40, "<=": 40, ">": 40,
    ">=": 40, "in": 40, "~>": 40, "and": 30, "or": 25, "?": 20, ":=": 10,
}  # fmt: skip
_CONSTANTS: Final[dict[str, bool | None]] = {"true": True, "false": False, "null": None}
_DEEPEST: Final = 60


def read(source: str) -> Node:
    """The tree of an expression. Raises NotRead."""
    reading = _Reading(_tokens(source))
    node = reading.expression(0)
    if reading.kind != "end":
        raise NotRead
    return node


def _tokens(source: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    at, end = 0, len(source.rstrip())
    while at < end:
        match = _TOKEN.match(source, at)
        if match is None or match.lastgroup is None:
            raise NotRead
        found.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    return [*found, ("end", "")]


class _Reading:
    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    @property
    def kind(self) -> str:
        return self._tokens[self._at][0]

    @property
    def _sign(self) -> str:
        """The sign or word that stands here; "" for anything else."""
        kind, text = self._tokens[self._at]
        return text if kind in ("sign", "name") else ""

    def _next(self) -> tuple[str, str]:
        token = self._tokens[self._at]
        self._at += 1
        return token

    def _take(self, sign: str) -> None:
        if self._next() != ("sign", sign):
            raise NotRead

    def expression(self, binding: int) -> Node:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise NotRead
        node = self._first()
        while _BINDS.get(self._sign, 0) > binding:
            node = self._after(node, self._next()[1])
        self._depth -= 1
        return node

    def _first(self) -> Node:
        kind, text = self._next()
        if kind == "text":
            return Literal(text[1:-1].replace("\\n", "\n"))
        if kind == "pattern":
            return Pattern(text)
        if kind == "number":
            return Literal(float(text) if "." in text else int(text))
        if (kind, text) == ("sign", "-") and self.kind == "number":
            number = self._first()
            assert isinstance(number, Literal)
            assert isinstance(number.value, int | float)
            return Literal(-number.value)
        if kind == "variable":
            return Variable(text)
        if kind == "name":
            if text in _CONSTANTS:
                return Literal(_CONSTANTS[text])
            if text == "function" and self._sign == "(":
                return self._function()
            if text in ("and", "or", "in"):
                raise NotRead
            return Name(text)
        if text == "(":
            return Block(self._until(")", ";"))
        if text == "[":
            return self._range() or List(self._until("]", ","))
        if text == "{":
            return self._object()
        raise NotRead

    def _after(self, left: Node, sign: str) -> Node:
        if sign == ".":
            return _path(left, self.expression(_BINDS["."]))
        if sign == "[":
            by = self.expression(0)
            self._take("]")
            if isinstance(left, Filter) and left.by is None:
                return Filter(left.of, by, left.position)
            return _filtered(left, by, None)
        if sign == "#":
            kind, name = self._next()
            if kind != "variable":
                raise NotRead
            return _filtered(left, None, name)
        if sign == "(":
            if not isinstance(left, Variable) or not left.name:
                raise NotRead
            return Call(left.name, self._until(")", ","))
        if sign == "?":
            then = self.expression(0)
            if self._sign != ":":
                return Choice(left, then, None)
            self._take(":")
            return Choice(left, then, self.expression(0))
        if sign == ":=":
            if not isinstance(left, Variable) or not left.name:
                raise NotRead
            return Binding(left.name, self.expression(_BINDS[":="] - 1))
        right = self.expression(_BINDS[sign])
        if sign == "~>":
            if not isinstance(right, Call):
                raise NotRead
            return Call(right.name, (left, *right.arguments))
        return Operation(sign, left, right)

    def _range(self) -> Range | None:
        (first, from_), (_, sign), (last, to), _ = [*self._tokens[self._at : self._at + 4], *[("end", "")] * 4][:4]
        if (first, sign, last) != ("number", "..", "number") or "." in from_ + to:
            return None
        self._at += 3
        self._take("]")
        return Range(int(from_), int(to))

    def _until(self, end: str, between: str) -> tuple[Node, ...]:
        parts: list[Node] = []
        while self._sign != end:
            parts.append(self.expression(0))
            if self._sign != end:
                self._take(between)
        self._take(end)
        return tuple(parts)

    def _object(self) -> Node:
        fields: list[tuple[Node, Node]] = []
        while self._sign != "}":
            name = self.expression(0)
            self._take(":")
            fields.append((name, self.expression(0)))
            if self._sign != "}":
                self._take(",")
        self._take("}")
        return Object(tuple(fields))

    def _function(self) -> Node:
        self._take("(")
        parameters = self._until(")", ",")
        self._take("{")
        body = self.expression(0)
        self._take("}")
        if not all(isinstance(each, Variable) for each in parameters):
            raise NotRead
        return Function(tuple(each.name for each in parameters if isinstance(each, Variable)), body)


def _path(left: Node, right: Node) -> Node:
    steps: list[Any] = [*(left.steps if isinstance(left, Path) else (left,))]
    steps += right.steps if isinstance(right, Path) else (right,)
    if any(isinstance(_innermost(step), Literal) for step in steps):
        raise NotRead  # a text in a path is a field of that name
    return Path(tuple(steps))


def _innermost(step: Node) -> Node:
    while isinstance(step, Filter):
        step = step.of
    return step


def _filtered(left: Node, by: Node | None, position: str | None) -> Node:
    """What stands between brackets belongs to the last step."""
    if isinstance(left, Path):
        return Path((*left.steps[:-1], Filter(left.steps[-1], by, position)))
    return Filter(left, by, position)
