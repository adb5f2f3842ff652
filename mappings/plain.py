# SPDX-License-Identifier: EUPL-1.2
"""Writes an expression as Python, when the schema tells enough of what it reads: most need no engine then.

A dictionary answers `huisverbod.nummer` in a fiftieth of the time that the engine takes to be asked, and a comparison
or a condition costs no more. What is not surely the same is left to the engine: at load by NotRead (a form that is not
known here, a field that the schema leaves open), and per message by NotPlain (null where that matters, something else
than declared). A test holds both ways together, over expressions and documents that hypothesis makes up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from mappings import plain_run
from mappings.codebook import Codebook
from mappings.expression import (
    Binding,
    Block,
    Call,
    Choice,
    Filter,
    Function,
    List,
    Literal,
    Name,
    Node,
    NotRead,
    Object,
    Operation,
    Path,
    Pattern,
    Range,
    Variable,
)
from mappings.plain_calls import CALLS, Host, call, constant_of
from mappings.plain_code import (
    TEXT,
    TRUTH,
    UNDEFINED,
    WHOLE_NUMBER,
    Closure,
    Loose,
    Scope,
    Value,
    Writer,
    kind_of,
    unread,
    walked,
)
from mappings.plain_made import array, choice, made_object, operation
from mappings.plain_tests import is_truth, tested
from mappings.shape import Shape

_LARGEST: Final = 2**53 - 1  # whole number that is the same in the engine
_LITERALS: Final[Mapping[type, Shape]] = {str: TEXT, bool: TRUTH, int: WHOLE_NUMBER}


class Plain:
    """Writes expressions into one function."""

    def __init__(
        self, writer: Writer, functions: Mapping[str, Callable[..., Any]], books: Mapping[str, Codebook]
    ) -> None:
        self.writer = writer
        self.host = Host(writer, functions, books)

    # -- values

    def value(self, node: Node, scope: Scope, *, nulls: bool = False) -> Value:
        """Writes what an expression takes and gives its value. `nulls`: null and undefined are one where it goes.

        What was written before, in a block that this one lies in, is not written again. Raises NotRead."""
        write = _WRITTEN[type(node)]
        if not isinstance(node, Path | Call | Filter):
            return write(self, node, scope, nulls)
        key = (scope.key, repr(node))
        known: Value | None = self.writer.known(*key)
        if known is None:
            known = write(self, node, scope, nulls)
            if known.atom and not nulls:
                self.writer.learn(*key, known)
        return known

    def bound(self, value: Value) -> Value:
        """The same value in a variable."""
        if value.atom:
            return value
        name = self.writer.new()
        self.writer.line(f"{name} = {value.code}")
        return replace(value, code=name, atom=True)

    def raw(self, value: Value) -> str:
        """The code of what the engine would give."""
        if value.form == "some":
            return f"raw({value.code})"
        if value.form == "list":
            return f"full({value.code})" if value.sure else f"(None if {value.code} is None else full({value.code}))"
        return value.code if value.form != "either" else unread()

    def _literal(self, node: Literal, scope: Scope, nulls: bool) -> Value:
        shape = _LITERALS.get(type(node.value))
        if shape is None or (isinstance(node.value, int) and abs(node.value) > _LARGEST):
            raise NotRead
        return Value(repr(node.value), shape, sure=True, literal=node.value)

    def _variable(self, node: Variable, scope: Scope, nulls: bool) -> Value:
        found = scope.variables.get(node.name) if node.name else scope.item
        if not isinstance(found, Value):
            raise NotRead
        return found

    def _name(self, node: Name, scope: Scope, nulls: bool) -> Value:
        return self._field(self.context(scope.item), node.name, nulls)

    def _path(self, node: Path, scope: Scope, nulls: bool) -> Value:
        return self.steps(node.steps, scope, nulls=nulls)

    def steps(self, steps: tuple[Node, ...], scope: Scope, *, nulls: bool = False, field: bool = False) -> Value:
        """`field`: what the steps give is taken a field of, so that an object without fields does for undefined."""
        found = scope.item
        for position, step in enumerate(steps):
            rest = steps[position + 1 :]
            if isinstance(step, Filter) and step.position is not None:
                return self._counted(found, step, rest, scope)
            taken = _takes_field(rest[0]) if rest else field
            if isinstance(step, Name) and taken and not found.listed:
                found = self._below(self.context(found), step.name)
            else:
                found = self._step(found, step, scope, nulls and not rest, first=position == 0)
        return found

    def _step(self, of: Value, node: Node, scope: Scope, nulls: bool, *, first: bool = False) -> Value:
        """What a step gives of a value, or of each value of a list."""
        if first and not of.listed and (of.sure or isinstance(node, Variable)):
            return self.value(node, scope, nulls=nulls)
        if isinstance(node, List):
            raise NotRead  # an array as a step is kept apart
        if of.listed:
            return self._each(of, lambda item: self.value(node, scope.at(item)))
        if isinstance(node, Name):
            return self._field(self.context(of), node.name, nulls)
        return self._when(of, lambda item: self.value(node, scope.at(item)))

    def _when(self, of: Value, then: Callable[[Value], Value]) -> Value:
        """`then` of a value that is there."""
        of, name = self.bound(of), self.writer.new()
        if of.sure:
            return then(of)
        with self.writer.aside() as lines:
            value = then(replace(of, sure=True))
            self.writer.line(f"{name} = {value.code}")
        self.writer.line(f"{name} = {'[]' if value.form == 'some' else 'None'}")
        self.writer.line(f"if {of.code} is not None:")
        self.writer.add(lines)
        return Value(name, value.shape, value.form, sure=value.form == "some")

    def _each(self, of: Value, then: Callable[[Value], Value]) -> Value:
        """`then` of every value, in one list."""
        made, item = self.writer.new("r"), self.writer.new("e")
        self.writer.line(f"{made} = []")
        with self.writer.inside(f"for {item} in {self.writer.counted(walked(of))}:"):
            value = then(Value(item, of.shape, sure=True))
            self.gather(made, value)
        self.writer.line(f"if len({made}) > {plain_run.MOST}: not_plain()")
        return Value(made, value.shape, "some" if value.form in ("one", "some") else "either", sure=True)

    def gather(self, made: str, value: Value) -> None:
        """Adds what there is of a value to a list."""
        if value.form == "one":
            value = self.bound(value)
            self.writer.line(f"{'' if value.sure else f'if {value.code} is not None: '}{made}.append({value.code})")
        elif value.form == "some":
            self.writer.line(f"{made} += {value.code}")
        else:
            self.writer.line(f"{made} += full({value.each})")

    def context(self, of: Value) -> Value:
        """A value to take fields of: an object without fields when it is undefined."""
        if of.listed or kind_of(of.shape) != "object":
            raise NotRead
        if of.sure:
            return self.bound(of)
        known: Value | None = self.writer.known(of.code, "or nothing")
        if known is None:
            known = Value(self.writer.new("o"), of.shape, sure=True)
            self.writer.line(f"{known.code} = {of.code} or NOTHING")
            if of.atom:
                self.writer.learn(of.code, "or nothing", known)
        return known

    def _below(self, of: Value, name: str) -> Value:
        """A field to take fields of in turn."""
        child = of.shape.fields.get(name)
        if child is None or kind_of(child) != "object":
            return self._field(of, name, nulls=False)
        known: Value | None = self.writer.known(of.code, f"below {name}")
        if known is None:
            known = Value(self.writer.new("o"), child, sure=True)
            self.writer.line(f"{known.code} = {of.code}.get({name!r}) or NOTHING")
            self.writer.learn(of.code, f"below {name}", known)
        return known

    def _field(self, of: Value, name: str, nulls: bool) -> Value:
        known: Value | None = self.writer.known(of.code, f"field {name}")
        if known is None:
            known = self._new_field(of, name, nulls)
            if known.atom and not nulls:
                self.writer.learn(of.code, f"field {name}", known)
        return known

    def _new_field(self, of: Value, name: str, nulls: bool) -> Value:
        child = of.shape.fields.get(name)
        kind = kind_of(child)
        assert child is not None
        code = f"{of.code}.get({name!r})"
        if kind == "scalar" and nulls and not isinstance(child, Loose):
            return Value(code, child, atom=False)
        found = self.writer.new()
        self.writer.line(f"{found} = {code}")
        if not nulls:
            self.writer.line(f"if {found} is None:")
            self.writer.line(f" if {name!r} in {of.code}: not_plain()")
        if kind == "scalar":
            if isinstance(child, Loose):
                self.writer.line(f"if {found} is not None and {found}.__class__ is not str: not_plain()")
            return Value(found, child)
        python = "list" if kind == "list" else "dict"
        there = f"if {found} is not None and" if nulls else "elif"
        self.writer.line(f"{there} {found}.__class__ is not {python}: not_plain()")
        if kind == "object":
            return Value(found, child)
        items = child.items
        if items is None or kind_of(items) == "list":
            raise NotRead
        return Value(found, items, "list")

    # -- between brackets

    def _filter(self, node: Filter, scope: Scope, nulls: bool) -> Value:
        if node.position is not None:
            return self._counted(scope.item, node, (), scope)
        of = self.value(node.of, scope)
        by = node.by
        if isinstance(by, Range) and by.first <= by.last:
            return self._part(of, by)
        if isinstance(by, Literal) and type(by.value) is int:
            if by.value < 0:
                raise NotRead
            if not of.listed:
                return of if by.value == 0 else UNDEFINED
            name = self.writer.new()
            self.writer.line(f"{name} = at({of.each}, {by.value})")
            return Value(name, of.shape)
        if by is None:
            raise NotRead
        if not of.listed:
            return self._when_it(of, lambda item: self._keeps(by, scope.at(item)))
        made, item = self.writer.new("r"), self.writer.new("e")
        self.writer.line(f"{made} = []")
        with self.writer.inside(f"for {item} in {self.writer.counted(walked(of))}:"):
            test = self._keeps(by, scope.at(Value(item, of.shape, sure=True)))
            self.writer.line(f"if {test}: {made}.append({item})")
        return Value(made, of.shape, "some", sure=True)

    def _part(self, of: Value, by: Range) -> Value:
        if not of.listed:
            return of if by.first == 0 else UNDEFINED
        return Value(f"{walked(of)}[{by.first}:{by.last + 1}]", of.shape, "some", sure=True, atom=False)

    def _when_it(self, of: Value, test: Callable[[Value], str]) -> Value:
        def kept(item: Value) -> Value:
            return Value(f"({item.code} if {test(item)} else None)", item.shape, atom=False)

        return self._when(of, kept) if not of.sure else self.bound(kept(self.bound(of)))

    def _keeps(self, by: Node, scope: Scope) -> str:
        """The test of a predicate; a number would be a position."""
        if not is_truth(by):
            raise NotRead
        return self.test(by, scope)

    def _counted(self, of: Value, step: Filter, rest: tuple[Node, ...], scope: Scope) -> Value:
        """`list#$position[by].rest`."""
        values = self._step(of, step.of, scope, nulls=False)
        if values.form != "list" or step.position is None or step.by is None:
            raise NotRead
        made, item, position = self.writer.new("r"), self.writer.new("e"), self.writer.new("n")
        self.writer.line(f"{made} = []")
        with self.writer.inside(f"for {position}, {item} in enumerate({self.writer.counted(walked(values))}):"):
            found = Value(item, values.shape, sure=True)
            inner = scope.at(found).knowing(step.position, Value(position, WHOLE_NUMBER, sure=True))
            with self.writer.inside(f"if {self._keeps(step.by, inner)}:"):
                value = self.value(Path(rest), inner) if rest else found
                self.gather(made, value)
        return Value(made, value.shape, "some" if value.form in ("one", "some") else "either", sure=True)

    def test(self, node: Node, scope: Scope) -> str:
        """A Python expression that is true when this is: undefined is not. Raises NotRead."""
        return tested(self, node, scope)

    # -- what is called

    def _block(self, node: Block, scope: Scope, nulls: bool) -> Value:
        for part in node.parts[:-1]:
            if not isinstance(part, Binding):
                raise NotRead
            if part.name in CALLS:
                raise NotRead
            if isinstance(part.value, Function):
                scope = scope.knowing(part.name, Closure(part.value.parameters, part.value.body, scope))
            else:
                value = self.bound(self.value(part.value, scope))
                if isinstance(part.value, Object):
                    value = replace(value, literal=constant_of(part.value))
                scope = scope.knowing(part.name, value)
        return self.value(node.parts[-1], scope, nulls=nulls) if node.parts else UNDEFINED

    def _call(self, node: Call, scope: Scope, nulls: bool) -> Value:
        closure = scope.variables.get(node.name)
        if isinstance(closure, Closure):
            inner = closure.scope
            if len(node.arguments) > len(closure.parameters):
                raise NotRead
            given = [self.bound(self.value(each, scope)) for each in node.arguments]
            given += [UNDEFINED] * (len(closure.parameters) - len(given))
            for name, value in zip(closure.parameters, given, strict=True):
                inner = inner.knowing(name, value)
            return self.value(closure.body, inner, nulls=nulls)
        if closure is not None:
            raise NotRead
        if node.name in CALLS:
            return call(self, node, scope)
        return self.host.call(node.name, [self.bound(self.value(each, scope, nulls=True)) for each in node.arguments])

    def _unread(self, node: Node, scope: Scope, nulls: bool) -> Value:
        raise NotRead


def _takes_field(step: Node) -> bool:
    """Whether it gives nothing of an object without fields."""
    return isinstance(step, Name) or (isinstance(step, Filter) and _takes_field(step.of))


_WRITTEN: Final[Mapping[type, Callable[[Plain, Any, Scope, bool], Value]]] = {
    Literal: Plain._literal,
    Variable: Plain._variable,
    Name: Plain._name,
    Path: Plain._path,
    Filter: Plain._filter,
    Operation: operation,
    Choice: choice,
    Block: Plain._block,
    List: array,
    Object: made_object,
    Call: Plain._call,
    Binding: Plain._unread,
    Function: Plain._unread,
    Pattern: Plain._unread,
    Range: Plain._unread,
}
