# SPDX-License-Identifier: EUPL-1.2
"""Writes what an expression decides by as Python: comparisons, conditions and what stands between brackets."""

from __future__ import annotations

from typing import Final

from mappings.expression import Block, Call, List, Literal, Node, NotRead, Operation
from mappings.plain_calls import call
from mappings.plain_code import CLOSED, Scope, Value, Writes, as_one, kinds, unread
from mappings.shape import Shape

ORDERED: Final = ("<", "<=", ">", ">=")


def tested(plain: Writes, node: Node, scope: Scope) -> str:
    """A Python expression that is true when this is: undefined is not."""
    if isinstance(node, Block) and len(node.parts) == 1:
        return tested(plain, node.parts[0], scope)
    if isinstance(node, Operation):
        if node.sign in ("and", "or"):
            return _two_tests(plain, node, scope)
        if node.sign in ("=", "!="):
            return _equal(plain, node, scope)
        if node.sign == "in":
            return _within(plain, node, scope)
        if node.sign in ORDERED:
            return _ordered(plain, node, scope)
    if isinstance(node, Call) and node.name in ("exists", "not", "contains"):
        return call(plain, node, scope).code if node.name != "not" else _not(plain, node, scope)
    value = plain.value(node, scope, nulls=True)
    if value.listed:
        kinds(value.shape)
        return f"any({value.each})"
    if value.shape is CLOSED and value.code == "None":
        return "False"
    kinds(value.shape)
    return value.code


def _two_tests(plain: Writes, node: Operation, scope: Scope) -> str:
    left = tested(plain, node.left, scope)
    with plain.writer.aside() as lines:
        right = tested(plain, node.right, scope)
        if not lines:
            return f"({left} {node.sign} {right})"
        name = plain.writer.new("t")
        plain.writer.line(f"{name} = {right}")
    plain.writer.line(f"{name} = {left}")
    plain.writer.line(f"if {name}:" if node.sign == "and" else f"if not {name}:")
    plain.writer.add(lines)
    return name


def _not(plain: Writes, node: Call, scope: Scope) -> str:
    if len(node.arguments) != 1:
        raise NotRead
    (argument,) = node.arguments
    if is_decided(argument):
        return f"(not {tested(plain, argument, scope)})"
    value = plain.bound(plain.value(argument, scope))
    kinds(value.shape)
    if value.listed:
        return f"({value.code} and not any({value.code}))" if value.form == "some" else unread()
    return f"({' and '.join([*value.there, f'not {value.code}'])})"


def _equal(plain: Writes, node: Operation, scope: Scope) -> str:
    """Undefined is equal to nothing, and unequal to nothing."""
    known = node.sign == "=" and (isinstance(node.left, Literal) or isinstance(node.right, Literal))
    one = plain.value(node.left, scope, nulls=known)
    other = plain.value(node.right, scope, nulls=known)
    if one.form not in ("one", "some") or other.form not in ("one", "some") or (one.listed and other.listed):
        raise NotRead
    _comparable(one.shape, other.shape)
    if other.listed:
        one, other = other, one
    if one.listed:
        one = plain.bound(one)
        if node.sign == "=":
            return f"({one.code} == [{other.code}])"
        return f"({one.code} and {one.code} != [{other.code}])" if other.sure else unread()
    if other.literal is True and node.sign == "=":
        return f"({one.code} is True)"
    if node.sign == "=" and (one.sure or other.sure):
        return f"({one.code} == {other.code})"
    one, other = plain.bound(one), plain.bound(other)
    compared = f"{one.code} {'==' if node.sign == '=' else '!='} {other.code}"
    return f"({' and '.join([*one.there, *other.there, compared])})"


def _within(plain: Writes, node: Operation, scope: Scope) -> str:
    one = plain.value(node.left, scope, nulls=True)
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
    other = plain.value(node.right, scope)
    _comparable(one.shape, other.shape)
    if not other.listed:
        one, other = plain.bound(one), plain.bound(other)
        return f"({' and '.join([*one.there, f'{one.code} == {other.code}'])})"
    if one.sure or other.form == "some":
        return f"({one.code} in {f'({other.each})'})"
    one = plain.bound(one)
    return f"({one.code} is not None and {one.code} in ({other.each}))"


def _ordered(plain: Writes, node: Operation, scope: Scope) -> str:
    one, other = (plain.bound(as_one(plain.value(each, scope))) for each in (node.left, node.right))
    return f"({' and '.join([*one.there, *other.there, order(one, node.sign, other)])})"


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


def is_truth(node: Node) -> bool:
    """Whether it is true, false or undefined."""
    ordered = isinstance(node, Operation) and node.sign in ORDERED
    return is_decided(node) or ordered or (isinstance(node, Call) and node.name in ("not", "contains"))


def _comparable(one: Shape, other: Shape) -> None:
    """Python has a truth value equal to a number."""
    together = kinds(one) | kinds(other)
    if {"boolean", "number"} <= together:
        raise NotRead


def order(one: Value, sign: str, other: Value) -> str:
    """The comparison of two texts or two numbers that are there."""
    if kinds(one.shape) != kinds(other.shape) or kinds(one.shape) not in ({"string"}, {"number"}):
        raise NotRead
    if kinds(one.shape) == {"number"}:
        return f"({one.code} {sign} {other.code})"
    first, second = (one, other) if sign in ("<", ">=") else (other, one)
    return f"({'not ' if '=' in sign else ''}precedes({first.code}, {second.code}))"
