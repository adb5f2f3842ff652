# SPDX-License-Identifier: EUPL-1.2
"""All rules of a mapping as one Python function: what the rules one by one do, without asking the engine for each.

The function is written from the rules when the first message comes (`source` shows it). An expression that is not
plain (mappings/plain.py) is asked of the engine where it stands. Whenever anything is not as expected (a code that is
not in its book, a condition that is no truth value, a limit that is passed), nothing of this counts: the rules are run
one by one, and the finding names the rule. Of the engine's own limits two do not hold here, on the size of a value that
is handed on and on the steps of one expression: a message is a megabyte at most, and what is gone through is counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Final, Protocol

from mappings import plain_run
from mappings.codebook import Codebook
from mappings.expression import Node, NotRead, read
from mappings.functions import Unfit
from mappings.mapping_file import Compiled, Rule
from mappings.plain import Plain
from mappings.plain_code import CLOSED, WHOLE_NUMBER, Scope, Value, Writer, walked
from mappings.plain_run import NotPlain
from mappings.plain_tests import is_decided
from mappings.shape import Path, Shape
from schakel.jsonata import JsonataError


class Ask(Protocol):
    """Asks the engine for one expression."""

    def __call__(self, compiled: Compiled, item: Any, parent: Any, index: int | None) -> Any: ...


_SURPRISES: Final = (JsonataError, Unfit, KeyError, AttributeError, TypeError)  # something else than was declared


class Joint:
    """The rules of a mapping, written as one. Safe to share between threads. `functions`: as expressions call them."""

    def __init__(
        self,
        rules: Sequence[Rule],
        functions: Mapping[str, Callable[..., Any]],
        books: Mapping[str, Codebook],
        shape: Shape,
    ) -> None:
        self._rules = rules
        self._functions = functions
        self._books = books
        self._shape = shape

    def apply(self, document: dict[str, Any], *, now: datetime, ask: Ask, most_items: int, most: int) -> dict[str, Any]:
        """The target's document, as the rules one by one give it. Raises NotPlain: they are to be run so."""
        function = self._function
        try:
            made: dict[str, Any] = function(document, now, ask, most_items, most)
        except _SURPRISES:
            raise NotPlain from None
        return made

    @property
    def source(self) -> str:
        """The Python that runs, for who wants to see it."""
        return self._written()[0]

    @property
    def asked(self) -> tuple[str, ...]:
        """The expressions that take the engine."""
        return self._written()[2]

    def _written(self) -> tuple[str, Mapping[str, Any], tuple[str, ...]]:
        writing = _Writing(self._functions, self._books)
        return writing.function(self._rules, self._shape), writing.constants, tuple(writing.asked)

    @cached_property
    def _function(self) -> Callable[..., dict[str, Any]]:
        try:
            source, constants, _ = self._written()
            names: dict[str, Any] = {**vars(plain_run), **constants}
            # our own text: of a mapping it holds names and literals as `repr` writes them, nothing as it stands there
            exec(compile(source, "<mapping>", "exec"), names)  # noqa: S102
        except (NotRead, RecursionError, SyntaxError, MemoryError):  # Python has an end to what may lie in what
            return _too_large
        function: Callable[..., dict[str, Any]] = names["mapped"]
        return function


def _too_large(*_: object) -> dict[str, Any]:
    """For rules that make no function."""
    raise NotPlain


@dataclass(frozen=True, slots=True)
class _Level:
    """The rules for one input. `out`: the object they fill; `parent`, `index`: None at the top."""

    item: Value
    parent: Value | None
    index: str | None
    out: str
    shared: frozenset[Path]  # targets of more than one rule
    objects: dict[Path, str]  # those that lie on the way to a target


class _Writing:
    """Writes the rules of one mapping."""

    def __init__(self, functions: Mapping[str, Callable[..., Any]], books: Mapping[str, Codebook]) -> None:
        self._writer = Writer()
        self._plain = Plain(self._writer, functions, books)
        self.asked: list[str] = []
        self._root = CLOSED

    @property
    def constants(self) -> Mapping[str, Any]:
        return self._writer.constants

    def function(self, rules: Sequence[Rule], shape: Shape) -> str:
        """Its text."""
        self._root = shape
        root = Value("root", shape, sure=True)
        self._rules(rules, root, None, None, "out")
        before = [f" {name} = {code}" for code, name in self._writer.before.items()]
        head = "def mapped(root, now, ask, most_items, left):"
        return "\n".join([head, *before, *self._writer.lines, " return out", ""])

    def _rules(self, rules: Sequence[Rule], item: Value, parent: Value | None, index: str | None, out: str) -> None:
        targets = Counter(rule.to for rule in rules)
        shared = frozenset(path for path, times in targets.items() if times > 1)
        level = _Level(item, parent, index, out, shared, {})
        lines, self._writer.lines = self._writer.lines, []
        for rule in rules:
            self._rule(rule, level)
        lines, self._writer.lines = self._writer.lines, lines
        expressions = sum(1 for rule in rules for _ in rule.expressions())
        self._writer.line(f"left -= {expressions}")
        self._writer.line("if left < 0: not_plain()")
        self._writer.line(" = ".join([out, "{}"]))
        if level.objects:
            self._writer.line(" = ".join([*level.objects.values(), "None"]))
        self._writer.add(lines)

    def _scope(self, level: _Level) -> Scope:
        scope = Scope(level.item).knowing("root", Value("root", self._root, sure=True))
        if level.parent is not None and level.index is not None:
            scope = scope.knowing("parent", level.parent)
            scope = scope.knowing("index", Value(level.index, WHOLE_NUMBER, sure=True))
        return scope

    # -- one rule

    def _rule(self, rule: Rule, level: _Level) -> None:
        self._writer.line(f"# {rule.number} {rule.target}")
        if rule.when is None:
            self._put(rule, self._value(rule, level), level)
            return
        try:
            with self._writer.trying():
                node = read(rule.when.expression.source)
                test = self._test(node, level)
        except NotRead:
            node, test = None, self._plain.bound(self._ask(rule.when, level)).code
        sure = node is not None and is_decided(node)
        with self._writer.inside(f"if {test}:" if sure else f"if {test} is True:"):
            self._put(rule, self._value(rule, level), level)
        if not sure:
            self._writer.line(f"elif {test} is not False: not_plain()")

    def _test(self, node: Node, level: _Level) -> str:
        if is_decided(node):
            return self._plain.test(node, self._scope(level))
        value = self._plain.value(node, self._scope(level), nulls=True)
        if value.listed:
            raise NotRead
        return self._plain.bound(value).code

    def _value(self, rule: Rule, level: _Level) -> Value:
        source = rule.value.expression.source
        try:
            with self._writer.trying():
                value = self._plain.value(read(source), self._scope(level), nulls=not rule.rules)
        except NotRead:
            value = self._ask(rule.value, level)
        if rule.rules:
            return self._items(rule, value, level)
        return value

    def _ask(self, compiled: Compiled, level: _Level) -> Value:
        self.asked.append(compiled.expression.source)
        parent = level.parent.code if level.parent is not None else "None"
        code = f"ask({self._writer.constant(compiled)}, {level.item.code}, {parent}, {level.index})"
        return Value(code, CLOSED, atom=False)

    def _items(self, rule: Rule, value: Value, level: _Level) -> Value:
        """What the rules below make of each item."""
        writer, made, out = self._writer, self._writer.new("r"), self._writer.new("d")
        item, index = writer.new("e"), writer.new("n")
        if value.form == "raw" or (value.shape is CLOSED and not value.listed):
            value = Value(f"items_of({value.code})", CLOSED, "some", sure=True, atom=False)
        value = self._plain.bound(value)
        if not value.listed:
            writer.line(f"{made} = None")
            with writer.inside(f"if {value.code} is not None:" if not value.sure else "if True:"):
                writer.line(f"{index} = 0")
                self._rules(rule.rules, Value(value.code, value.shape, sure=True), level.item, index, out)
                writer.line(f"{made} = {out} or None")
            return Value(made, CLOSED)
        writer.line(f"{made} = []")
        writer.line(f"if len({value.each}) > most_items: not_plain()")
        with writer.inside(f"for {index}, {item} in enumerate({walked(value)}):"):
            self._rules(rule.rules, Value(item, value.shape, sure=True), level.item, index, out)
            writer.line(f"if {out}: {made}.append({out})")
        return Value(made, CLOSED, "list" if rule.many else "some", sure=True)

    # -- where it goes

    def _put(self, rule: Rule, value: Value, level: _Level) -> None:
        writer = self._writer
        if rule.many:
            value = self._many(rule, value)
        elif value.form == "some":
            value = Value(f"single({value.code})", value.shape, atom=False)
        elif value.form in ("list", "either"):
            writer.line(f"no_list({value.code})")
            return
        elif value.form == "raw" or (value.shape is CLOSED and not rule.rules):
            value = self._plain.bound(value)
            writer.line(f"if {value.code}.__class__ is list: not_plain()")
        if not rule.many and rule.code is not None:
            value = self._translated(rule.code, self._plain.bound(value))
        value = self._plain.bound(value)
        if value.sure and not rule.many:
            self._set(rule, value, level)
            return
        with writer.inside(f"if {value.code}:" if rule.many else f"if {value.code} is not None:"):
            self._set(rule, value, level)

    def _translated(self, book: Codebook, value: Value) -> Value:
        if value.shape is not CLOSED:
            return self._plain.host.code(book, value)
        translate = self._plain.host.translation(book)
        return Value(f"(None if {value.code} is None else {translate(value.code)})", CLOSED, atom=False)

    def _many(self, rule: Rule, value: Value) -> Value:
        """A list of what is not null."""
        value = self._plain.bound(value)
        if rule.rules and not value.listed:
            return Value(f"([] if {value.code} is None else [{value.code}])", CLOSED, "list", sure=True, atom=False)
        code = value.code
        if not value.listed or value.form == "raw":
            code = f"listed({code})"
        elif value.form != "some" and not rule.rules:
            code = f"[e for e in {value.each} if e is not None]"
        if rule.code is not None:
            code = f"[{self._plain.host.translation(rule.code)('e')} for e in {code}]"
        return Value(code, CLOSED, "list", sure=True, atom=False)

    def _set(self, rule: Rule, value: Value, level: _Level) -> None:
        writer, out = self._writer, level.out
        if not rule.to:
            writer.line(f"if {value.code}.__class__ is not dict: not_plain()")
            writer.line(f"{out}.update({value.code})")
            return
        if len(rule.to) > 1:
            out = self._reached(rule.to[:-1], level)
        name = f"{rule.to[-1]!r}"
        if rule.to not in level.shared:
            writer.line(f"{out}[{name}] = {value.code}")
        elif rule.many:
            writer.line(f"{out}.setdefault({name}, []).extend({value.code})")
        else:
            writer.line(f"if {name} in {out}: not_plain()")
            writer.line(f"{out}[{name}] = {value.code}")

    def _reached(self, path: Path, level: _Level) -> str:
        """The object at this target, made when it is not there."""
        if not path:
            return level.out
        here = level.objects.get(path)
        if here is None:
            here = level.objects[path] = self._writer.new("t")
        with self._writer.inside(f"if {here} is None:"):
            above = self._reached(path[:-1], level)
            self._writer.line(f"{here} = {above}[{path[-1]!r}] = {{}}")
        return here
