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
    CLOSED,
    TEXT,
    TRUTH,
    WHOLE_NUMBER,
    Closure,
    Form,
    Loose,
    Scope,
    Value,
    Writer,
    as_one,
    both,
    kind_of,
    kinds,
)
from mappings.shape import Shape

UNDEFINED: Final = Value("None", CLOSED)
_ORDERED: Final = ("<", "<=", ">", ">=")
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

    def one(self, value: Value) -> Value:
        return as_one(value)

    def raw(self, value: Value) -> str:
        """The code of what the engine would give."""
        if value.form == "some":
            return f"raw({value.code})"
        if value.form == "list":
            return f"full({value.code})" if value.sure else f"(None if {value.code} is None else full({value.code}))"
        return value.code if value.form != "either" else _raise()

    def _literal(self, node: Literal, scope: Scope, nulls: bool) -> Value:
        shape = _LITERALS.get(type(node.value))
        if shape is None:
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
        with self.writer.inside(f"for {item} in {walked(of)}:"):
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
        if isinstance(by, Range):
            return self._part(of, by)
        if isinstance(by, Literal) and type(by.value) is int:
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
        with self.writer.inside(f"for {item} in {walked(of)}:"):
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
        if not _is_truth(by):
            raise NotRead
        return self.test(by, scope)

    def _counted(self, of: Value, step: Filter, rest: tuple[Node, ...], scope: Scope) -> Value:
        """`list#$position[by].rest`."""
        values = self._step(of, step.of, scope, nulls=False)
        if values.form != "list" or step.position is None or step.by is None:
            raise NotRead
        made, item, position = self.writer.new("r"), self.writer.new("e"), self.writer.new("n")
        self.writer.line(f"{made} = []")
        with self.writer.inside(f"for {position}, {item} in enumerate({walked(values)}):"):
            found = Value(item, values.shape, sure=True)
            inner = scope.at(found).knowing(step.position, Value(position, WHOLE_NUMBER, sure=True))
            with self.writer.inside(f"if {self._keeps(step.by, inner)}:"):
                value = self.value(Path(rest), inner) if rest else found
                self.gather(made, value)
        return Value(made, value.shape, "some" if value.form in ("one", "some") else "either", sure=True)

    # -- tests

    def test(self, node: Node, scope: Scope) -> str:
        """A Python expression that is true when this is: undefined is not."""
        if isinstance(node, Block) and len(node.parts) == 1:
            return self.test(node.parts[0], scope)
        if isinstance(node, Operation):
            if node.sign in ("and", "or"):
                return self._two_tests(node, scope)
            if node.sign in ("=", "!="):
                return self._equal(node, scope)
            if node.sign == "in":
                return self._within(node, scope)
            if node.sign in _ORDERED:
                return self._ordered(node, scope)
        if isinstance(node, Call) and node.name in ("exists", "not", "contains"):
            return call(self, node, scope).code if node.name != "not" else self._not(node, scope)
        value = self.value(node, scope, nulls=True)
        if value.listed:
            kinds(value.shape)
            return f"any({value.each})"
        if value.shape is CLOSED and value.code == "None":
            return "False"
        kinds(value.shape)
        return value.code

    def _two_tests(self, node: Operation, scope: Scope) -> str:
        left = self.test(node.left, scope)
        with self.writer.aside() as lines:
            right = self.test(node.right, scope)
            if not lines:
                return f"({left} {node.sign} {right})"
            name = self.writer.new("t")
            self.writer.line(f"{name} = {right}")
        self.writer.line(f"{name} = {left}")
        self.writer.line(f"if {name}:" if node.sign == "and" else f"if not {name}:")
        self.writer.add(lines)
        return name

    def _not(self, node: Call, scope: Scope) -> str:
        if len(node.arguments) != 1:
            raise NotRead
        (argument,) = node.arguments
        if is_decided(argument):
            return f"(not {self.test(argument, scope)})"
        value = self.bound(self.value(argument, scope))
        kinds(value.shape)
        if value.listed:
            return f"({value.code} and not any({value.code}))" if value.form == "some" else _raise()
        return f"({' and '.join([*value.there, f'not {value.code}'])})"

    def _equal(self, node: Operation, scope: Scope) -> str:
        """Undefined is equal to nothing, and unequal to nothing."""
        known = node.sign == "=" and (isinstance(node.left, Literal) or isinstance(node.right, Literal))
        one = self.value(node.left, scope, nulls=known)
        other = self.value(node.right, scope, nulls=known)
        if one.form not in ("one", "some") or other.form not in ("one", "some") or (one.listed and other.listed):
            raise NotRead
        _comparable(one.shape, other.shape)
        if other.listed:
            one, other = other, one
        if one.listed:
            one = self.bound(one)
            if node.sign == "=":
                return f"({one.code} == [{other.code}])"
            return f"({one.code} and {one.code} != [{other.code}])" if other.sure else _raise()
        if other.literal is True and node.sign == "=":
            return f"({one.code} is True)"
        if node.sign == "=" and (one.sure or other.sure):
            return f"({one.code} == {other.code})"
        one, other = self.bound(one), self.bound(other)
        compared = f"{one.code} {'==' if node.sign == '=' else '!='} {other.code}"
        return f"({' and '.join([*one.there, *other.there, compared])})"

    def _within(self, node: Operation, scope: Scope) -> str:
        one = self.value(node.left, scope, nulls=True)
        if one.form == "some":
            one = Value(f"alone({one.code})", one.shape, atom=False)
        if one.listed:
            raise NotRead
        if isinstance(node.right, List) and all(isinstance(each, Literal) for each in node.right.parts):
            literals = [each.value for each in node.right.parts if isinstance(each, Literal)]
            if not all(isinstance(each, str) for each in literals):
                raise NotRead
            kinds(one.shape)
            return f"({one.code} in {tuple(literals)!r})"
        other = self.value(node.right, scope)
        _comparable(one.shape, other.shape)
        if not other.listed:
            one, other = self.bound(one), self.bound(other)
            return f"({' and '.join([*one.there, f'{one.code} == {other.code}'])})"
        if one.sure or other.form == "some":
            return f"({one.code} in {f'({other.each})'})"
        one = self.bound(one)
        return f"({one.code} is not None and {one.code} in ({other.each}))"

    def _ordered(self, node: Operation, scope: Scope) -> str:
        one, other = (self.bound(self.one(self.value(each, scope))) for each in (node.left, node.right))
        return f"({' and '.join([*one.there, *other.there, _order(one, node.sign, other)])})"

    # -- what is made of values

    def _operation(self, node: Operation, scope: Scope, nulls: bool) -> Value:
        if is_decided(node):
            return Value(f"(not not {self.test(node, scope)})", TRUTH, sure=True, atom=False)
        one, other = (self.bound(self.one(self.value(each, scope))) for each in (node.left, node.right))
        missing = " or ".join([*one.missing, *other.missing])
        if node.sign in _ORDERED:
            test = _order(one, node.sign, other)
            return Value(f"(None if {missing} else {test})" if missing else test, TRUTH, sure=not missing, atom=False)
        if node.sign == "&":
            kinds(one.shape), kinds(other.shape)
            return Value(f"joined({one.code}, {other.code})", TEXT, sure=True, atom=False)
        if node.sign in ("+", "-"):
            if one.shape.scalars != {"integer"} or other.shape.scalars != {"integer"}:
                raise NotRead
            code = f"{one.code} {node.sign} {other.code}"
            code = f"None if {missing} else {code}" if missing else code
            return Value(f"({code})", WHOLE_NUMBER, sure=not missing, atom=False)
        raise NotRead

    def _choice(self, node: Choice, scope: Scope, nulls: bool) -> Value:
        test = self.test(node.test, scope)
        with self.writer.aside() as then:
            one = self.value(node.then, scope, nulls=nulls)
        with self.writer.aside() as otherwise:
            other = UNDEFINED if node.otherwise is None else self.value(node.otherwise, scope, nulls=nulls)
        shape = other.shape if _nothing(one) else one.shape if _nothing(other) else both(one.shape, other.shape)
        form, sure = _one_form(one, other), one.sure and other.sure
        if not then and not otherwise and form == "one":
            code = f"({one.code} if {test} else {other.code})"
            return Value(code, shape, sure=sure, atom=False)
        name = self.writer.new()
        self.writer.line(f"if {test}:")
        self._assign(name, one, form, then)
        self.writer.line("else:")
        self._assign(name, other, form, otherwise)
        return Value(name, shape, form, sure=sure or form == "some")

    def _assign(self, name: str, value: Value, form: Form, lines: list[str]) -> None:
        """The end of a branch."""
        with self.writer.aside() as more:
            if form == "one" or value.form == form:
                self.writer.line(f"{name} = {value.code}")
            elif _nothing(value):
                self.writer.line(f"{name} = {'[]' if form == 'some' else 'None'}")
            elif form == "raw":
                self.writer.line(f"{name} = {self.raw(self.bound(value))}")
            elif value.listed:
                self.writer.line(f"{name} = {value.code}" if value.form != "raw" else _raise())
            else:
                value = self.bound(value)
                there = f" if {value.code} is not None else {'[]' if form == 'some' else 'None'}"
                self.writer.line(f"{name} = [{value.code}]{'' if value.sure else there}")
        self.writer.add(lines)
        self.writer.add(more)

    def _block(self, node: Block, scope: Scope, nulls: bool) -> Value:
        for part in node.parts[:-1]:
            if not isinstance(part, Binding):
                raise NotRead
            if isinstance(part.value, Function):
                scope = scope.knowing(part.name, Closure(part.value.parameters, part.value.body, scope))
            else:
                value = self.bound(self.value(part.value, scope))
                if isinstance(part.value, Object):
                    value = replace(value, literal=constant_of(part.value))
                scope = scope.knowing(part.name, value)
        return self.value(node.parts[-1], scope, nulls=nulls) if node.parts else UNDEFINED

    def _list(self, node: List, scope: Scope, nulls: bool) -> Value:
        values = []
        for part in node.parts:
            if isinstance(part, List):
                raise NotRead  # stays a list in the list
            values.append(self.bound(self.value(part, scope)))
        shape = values[0].shape if values else CLOSED
        for value in values:
            shape = both(shape, value.shape)
        if all(value.sure and not value.listed for value in values):
            return Value(f"[{', '.join(value.code for value in values)}]", shape, "list", sure=True, atom=False)
        made = self.writer.new("r")
        self.writer.line(f"{made} = []")
        for value in values:
            self.gather(made, value)
        return Value(made, shape, "list", sure=True)

    def _object(self, node: Object, scope: Scope, nulls: bool) -> Value:
        fields: dict[str, Value] = {}
        for key, part in node.fields:
            name = self.value(key, scope).literal
            if not isinstance(name, str) or name in fields:
                raise NotRead
            fields[name] = self.bound(self.value(part, scope))
        return self.object(fields)

    def object(self, fields: Mapping[str, Value]) -> Value:
        shape = Shape(is_object=True, closed=True, fields={name: _inside(value) for name, value in fields.items()})
        made = self.writer.new("d")
        first = True
        sure: list[str] = []
        for name, value in fields.items():
            if value.sure and value.form in ("one", "list"):
                if first:
                    sure.append(f"{name!r}: {value.code}")
                else:
                    self.writer.line(f"{made}[{name!r}] = {value.code}")
                continue
            if first:
                self.writer.line(f"{made} = {{{', '.join(sure)}}}")
                first = False
            if value.form == "some":
                self.writer.line(
                    f"if {value.code}: {made}[{name!r}] = {value.code} if len({value.code}) > 1 else {value.code}[0]"
                )
            elif value.form == "raw":
                self.writer.line(f"if {value.code} is not None: {made}[{name!r}] = {value.code}")
            elif value.form == "either":
                value = self.bound(replace(value, code=f"settled({value.code})", atom=False))
                self.writer.line(f"if {value.code} is not None: {made}[{name!r}] = {value.code}")
            else:
                self.writer.line(f"if {value.code} is not None: {made}[{name!r}] = {value.code}")
        if first:
            return Value(f"{{{', '.join(sure)}}}", shape, sure=True, atom=False)
        return Value(made, shape, sure=True)

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


def is_decided(node: Node) -> bool:
    """Whether it is true or false, and never undefined."""
    if isinstance(node, Block):
        return len(node.parts) == 1 and is_decided(node.parts[0])
    if isinstance(node, Operation):
        return node.sign in ("and", "or", "=", "!=", "in")
    if isinstance(node, Call):
        return node.name == "exists" or (
            node.name == "not" and len(node.arguments) == 1 and is_decided(node.arguments[0])
        )
    return isinstance(node, Literal) and isinstance(node.value, bool)


def _is_truth(node: Node) -> bool:
    """Whether it is true, false or undefined."""
    ordered = isinstance(node, Operation) and node.sign in _ORDERED
    return is_decided(node) or ordered or (isinstance(node, Call) and node.name in ("not", "contains"))


def _takes_field(step: Node) -> bool:
    """Whether it gives nothing of an object without fields."""
    return isinstance(step, Name) or (isinstance(step, Filter) and _takes_field(step.of))


def walked(value: Value) -> str:
    """The code to go through the values of a list with: null among objects shows itself, as it has no fields."""
    if value.form == "some" or value.shape.is_object:
        return value.each
    return f"full({value.each})"


def _nothing(value: Value) -> bool:
    return value.code == "None"


def _raise() -> str:
    raise NotRead


def _comparable(one: Shape, other: Shape) -> None:
    """Python has a truth value equal to a number."""
    together = kinds(one) | kinds(other)
    if {"boolean", "number"} <= together:
        raise NotRead


def _order(one: Value, sign: str, other: Value) -> str:
    """The comparison of two texts or two numbers that are there."""
    if kinds(one.shape) != kinds(other.shape) or kinds(one.shape) not in ({"string"}, {"number"}):
        raise NotRead
    return f"({one.code} {sign} {other.code})"


def _one_form(one: Value, other: Value) -> Form:
    """How what is one or the other lies."""
    if _nothing(one):
        return other.form
    if _nothing(other) or one.form == other.form:
        return one.form
    forms = {one.form, other.form}
    return "some" if forms == {"one", "some"} else "either" if "either" in forms else "raw"


def _inside(value: Value) -> Shape:
    """The shape of a field that holds this."""
    if value.form == "one":
        return value.shape
    return Shape(items=value.shape) if value.form == "list" else CLOSED


_WRITTEN: Final[Mapping[type, Callable[[Plain, Any, Scope, bool], Value]]] = {
    Literal: Plain._literal,
    Variable: Plain._variable,
    Name: Plain._name,
    Path: Plain._path,
    Filter: Plain._filter,
    Operation: Plain._operation,
    Choice: Plain._choice,
    Block: Plain._block,
    List: Plain._list,
    Object: Plain._object,
    Call: Plain._call,
    Binding: Plain._unread,
    Function: Plain._unread,
    Pattern: Plain._unread,
    Range: Plain._unread,
}
