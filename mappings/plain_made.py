# SPDX-License-Identifier: EUPL-1.2
"""Writes what an expression makes of values as Python: texts, numbers, choices, arrays and objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from mappings.expression import Call, Choice, List, Node, NotRead, Object, Operation, Variable
from mappings.plain_code import (
    CLOSED,
    TEXT,
    TRUTH,
    UNDEFINED,
    WHOLE_NUMBER,
    Form,
    Scope,
    Value,
    Writes,
    as_one,
    both,
    kinds,
    unread,
)
from mappings.plain_tests import ORDERED, is_decided, order
from mappings.shape import Shape


def operation(plain: Writes, node: Operation, scope: Scope, nulls: bool) -> Value:
    if is_decided(node):
        return Value(f"(not not {plain.test(node, scope)})", TRUTH, sure=True, atom=False)
    if node.sign == "&":
        parts = [plain.bound(as_one(plain.value(each, scope))) for each in _joined(node)]
        sure = [kinds(part.shape) == {"string"} and part.sure for part in parts]
        code = f"{'glued' if all(sure) else 'joined'}({', '.join(part.code for part in parts)})"
        return Value(code, TEXT, sure=True, atom=False)
    one, other = (plain.bound(as_one(plain.value(each, scope))) for each in (node.left, node.right))
    missing = " or ".join([*one.missing, *other.missing])
    if node.sign in ORDERED:
        test = order(one, node.sign, other)
        return Value(f"(None if {missing} else {test})" if missing else test, TRUTH, sure=not missing, atom=False)
    if node.sign in ("+", "-"):
        if one.shape.scalars != {"integer"} or other.shape.scalars != {"integer"}:
            raise NotRead
        code = f"{one.code} {node.sign} {other.code}"
        code = f"None if {missing} else {code}" if missing else code
        return Value(f"({code})", WHOLE_NUMBER, sure=not missing, atom=False)
    raise NotRead


def _knowing(test: Node, scope: Scope) -> Scope:
    """The scope of what is done when the test holds: a variable that exists is there."""
    if isinstance(test, Call) and test.name == "exists" and len(test.arguments) == 1:
        (variable,) = test.arguments
        if isinstance(variable, Variable) and variable.name:
            value = scope.variables[variable.name]
            if isinstance(value, Value) and not value.listed:
                return scope.knowing(variable.name, replace(value, sure=True))
    return scope


def _joined(node: Node) -> tuple[Node, ...]:
    """The parts of `a & b & …`."""
    if isinstance(node, Operation) and node.sign == "&":
        return (*_joined(node.left), *_joined(node.right))
    return (node,)


def choice(plain: Writes, node: Choice, scope: Scope, nulls: bool) -> Value:
    test = plain.test(node.test, scope)
    with plain.writer.aside() as then:
        one = plain.value(node.then, _knowing(node.test, scope), nulls=nulls)
    with plain.writer.aside() as otherwise:
        other = UNDEFINED if node.otherwise is None else plain.value(node.otherwise, scope, nulls=nulls)
    shape = other.shape if _nothing(one) else one.shape if _nothing(other) else both(one.shape, other.shape)
    form, sure = _one_form(one, other), one.sure and other.sure
    if not then and not otherwise and form == "one":
        code = f"({one.code} if {test} else {other.code})"
        return Value(code, shape, sure=sure, atom=False)
    name = plain.writer.new()
    plain.writer.line(f"if {test}:")
    _assign(plain, name, one, form, then)
    plain.writer.line("else:")
    _assign(plain, name, other, form, otherwise)
    return Value(name, shape, form, sure=sure or form == "some")


def _assign(plain: Writes, name: str, value: Value, form: Form, lines: list[str]) -> None:
    """The end of a branch."""
    with plain.writer.aside() as more:
        if form == "one" or value.form == form:
            plain.writer.line(f"{name} = {value.code}")
        elif _nothing(value):
            plain.writer.line(f"{name} = {'[]' if form == 'some' else 'None'}")
        elif form == "raw":
            plain.writer.line(f"{name} = {plain.raw(plain.bound(value))}")
        elif value.listed:
            plain.writer.line(f"{name} = {value.code}" if value.form != "raw" else unread())
        else:
            value = plain.bound(value)
            there = f" if {value.code} is not None else {'[]' if form == 'some' else 'None'}"
            plain.writer.line(f"{name} = [{value.code}]{'' if value.sure else there}")
    plain.writer.add(lines)
    plain.writer.add(more)


def array(plain: Writes, node: List, scope: Scope, nulls: bool) -> Value:
    values = []
    for part in node.parts:
        if isinstance(part, List):
            raise NotRead  # stays a list in the list
        values.append(plain.bound(plain.value(part, scope)))
    shape = values[0].shape if values else CLOSED
    for value in values:
        shape = both(shape, value.shape)
    if all(value.sure and not value.listed for value in values):
        return Value(f"[{', '.join(value.code for value in values)}]", shape, "list", sure=True, atom=False)
    made = plain.writer.new("r")
    plain.writer.line(f"{made} = []")
    for value in values:
        plain.gather(made, value)
    return Value(made, shape, "list", sure=True)


def made_object(plain: Writes, node: Object, scope: Scope, nulls: bool) -> Value:
    fields: dict[str, Value] = {}
    for key, part in node.fields:
        name = plain.value(key, scope).literal
        if not isinstance(name, str) or name in fields:
            raise NotRead
        fields[name] = plain.bound(plain.value(part, scope))
    return object_of(plain, fields)


def object_of(plain: Writes, fields: Mapping[str, Value]) -> Value:
    shape = Shape(is_object=True, closed=True, fields={name: _inside(value) for name, value in fields.items()})
    made = plain.writer.new("d")
    first = True
    sure: list[str] = []
    for name, value in fields.items():
        if value.sure and value.form in ("one", "list"):
            if first:
                sure.append(f"{name!r}: {value.code}")
            else:
                plain.writer.line(f"{made}[{name!r}] = {value.code}")
            continue
        if first:
            plain.writer.line(f"{made} = {{{', '.join(sure)}}}")
            first = False
        if value.form == "some":
            plain.writer.line(
                f"if {value.code}: {made}[{name!r}] = {value.code} if len({value.code}) > 1 else {value.code}[0]"
            )
        elif value.form == "raw":
            plain.writer.line(f"if {value.code} is not None: {made}[{name!r}] = {value.code}")
        elif value.form == "either":
            value = plain.bound(replace(value, code=f"settled({value.code})", atom=False))
            plain.writer.line(f"if {value.code} is not None: {made}[{name!r}] = {value.code}")
        else:
            plain.writer.line(f"if {value.code} is not None: {made}[{name!r}] = {value.code}")
    if first:
        return Value(f"{{{', '.join(sure)}}}", shape, sure=True, atom=False)
    return Value(made, shape, sure=True)


def _nothing(value: Value) -> bool:
    return value.code == "None"


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
