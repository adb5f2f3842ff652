# SPDX-License-Identifier: EUPL-1.2
"""The functions that an expression calls, as Python: JSONata's own (`CALLS`) and those of the house (`Host`)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from mappings.codebook import Codebook
from mappings.expression import Call, Function, List, Literal, Name, Node, NotRead, Object, Path, Pattern
from mappings.plain_code import (
    CLOSED,
    NO_LITERAL,
    TEXT,
    TRUTH,
    WHOLE_NUMBER,
    Scope,
    Value,
    Writer,
    Writes,
    as_one,
    both,
    is_text,
    kind_of,
    kinds,
)
from mappings.plain_run import LONGEST
from mappings.shape import Shape

Nodes = Sequence[Node]
DATE: Final = Shape(is_object=True, closed=True, fields={"value": TEXT, "precision": TEXT})


def _bound(plain: Writes, node: Node, scope: Scope) -> Value:
    return plain.bound(plain.value(node, scope))


def _text(plain: Writes, node: Node, scope: Scope) -> Value:
    """A text, or undefined."""
    value = as_one(plain.value(node, scope))
    if not is_text(value):
        raise NotRead
    return value


def _literal(node: Node, kind: type) -> Any:
    if not isinstance(node, Literal) or type(node.value) is not kind:
        raise NotRead
    return node.value


def _exists(plain: Writes, nodes: Nodes, scope: Scope) -> Value:
    (node,) = nodes
    code: str
    last = node.steps[-1] if isinstance(node, Path) else node
    if isinstance(last, Name):
        above = node.steps[:-1] if isinstance(node, Path) else ()
        of = plain.steps(above, scope, field=True) if above else scope.item
        if not of.listed:
            of = plain.context(of)
            kind_of(of.shape.fields.get(last.name))
            return Value(f"({last.name!r} in {of.code})", TRUTH, sure=True, atom=False)
    value = plain.value(node, scope)
    if value.form == "some":
        code = f"(not not {value.code})"
    elif value.form == "either" and value.sure:
        raise NotRead  # an empty one can be undefined
    else:
        code = "True" if value.sure else f"({value.code} is not None)"
    return Value(code, TRUTH, sure=True, atom=False)


def _not(plain: Writes, nodes: Nodes, scope: Scope) -> Value:
    (node,) = nodes
    value = _bound(plain, node, scope)
    if value.listed:
        raise NotRead
    kinds(value.shape)
    code = f"(not {value.code})" if value.sure else f"(None if {value.code} is None else not {value.code})"
    return Value(code, TRUTH, sure=value.sure, atom=False)


def _count(plain: Writes, nodes: Nodes, scope: Scope) -> Value:
    (node,) = nodes
    value = _bound(plain, node, scope)
    one = "1" if value.sure else f"(1 if {value.code} is not None else 0)"
    code = f"len({value.each})" if value.listed else one
    return Value(code, WHOLE_NUMBER, sure=True, atom=False)


def _append(plain: Writes, nodes: Nodes, scope: Scope) -> Value:
    one, other = (_bound(plain, node, scope) for node in nodes)
    shape = both(one.shape, other.shape)
    if {one.form, other.form} <= {"one", "some"}:
        made = plain.writer.new("r")
        plain.writer.line(f"{made} = []")
        plain.gather(made, one)
        plain.gather(made, other)
        return Value(made, shape, "some", sure=True)
    return Value(f"appended({plain.raw(one)}, {plain.raw(other)})", shape, "raw", atom=False)


def _distinct(plain: Writes, nodes: Nodes, scope: Scope) -> Value:
    (node,) = nodes
    value = _bound(plain, node, scope)
    if not is_text(value):
        raise NotRead
    if not value.listed:
        return value
    if value.form == "raw":
        return replace(value, code=f"distinct({value.code})", atom=False)
    code = f"list(dict.fromkeys({value.code}))"
    code = code if value.sure else f"({code} if {value.code} is not None else None)"
    return replace(value, code=code, atom=False)


def _join(plain: Writes, nodes: Nodes, scope: Scope) -> Value:
    value = _bound(plain, nodes[0], scope)
    between = _literal(nodes[1], str) if len(nodes) > 1 else ""
    if not is_text(value):
        raise NotRead
    if not value.listed:
        return value
    if value.form == "either":
        raise NotRead
    code = f"{value.code} or None" if value.form == "some" else value.code
    return Value(f"join({code}, {between!r})", TEXT, sure=value.form == "list" and value.sure, atom=False)


def _contains(plain: Writes, nodes: Nodes, scope: Scope) -> Value:
    text = plain.bound(_text(plain, nodes[0], scope))
    if isinstance(nodes[1], Pattern):
        pattern = _pattern(nodes[1].source)
        code = f"{plain.writer.constant(pattern.search)}({text.code}) is not None"
    else:
        code = f"{_literal(nodes[1], str)!r} in {text.code}"
    code = f"({code})" if text.sure else f"(None if {text.code} is None else {code})"
    return Value(code, TRUTH, sure=text.sure, atom=False)


def _pattern(source: str) -> re.Pattern[str]:
    """What means the same in Python. Raises NotRead."""
    if "$" in source[:-1] or any(odd in source for odd in ("{,", "[]", "[^]")):
        raise NotRead
    try:
        return re.compile(source.replace("$", r"\Z"), re.ASCII)
    except re.error:
        raise NotRead from None


def _called(function: str, *kinds_: type) -> Callable[[Writes, Nodes, Scope], Value]:
    """A function of plain_run.py that takes a text and constants."""

    def call(plain: Writes, nodes: Nodes, scope: Scope) -> Value:
        text = _text(plain, nodes[0], scope)
        given = [_literal(node, kind) for node, kind in zip(nodes[1:], kinds_, strict=True)]
        if "" in given[:1] or any(isinstance(each, int) and each < 0 for each in given):
            raise NotRead  # an empty text to look for, or a place from the end
        rest = [repr(each) for each in given]
        return Value(f"{function}({', '.join([text.code, *rest])})", TEXT, sure=text.sure, atom=False)

    return call


def _length(plain: Writes, nodes: Nodes, scope: Scope) -> Value:
    (node,) = nodes
    text = plain.bound(_text(plain, node, scope))
    code = f"len({text.code})" if text.sure else f"(None if {text.code} is None else len({text.code}))"
    return Value(code, WHOLE_NUMBER, sure=text.sure, atom=False)


def _pad(plain: Writes, nodes: Nodes, scope: Scope) -> Value:
    text_node, width_node, sign_node = nodes
    text, sign = _text(plain, text_node, scope), _literal(sign_node, str)
    width = plain.value(width_node, scope).literal
    if not isinstance(width, int) or isinstance(width, bool) or len(sign) != 1 or abs(width) > LONGEST:
        raise NotRead
    return Value(f"padded({text.code}, {width}, {sign!r})", TEXT, sure=text.sure, atom=False)


def _type(plain: Writes, nodes: Nodes, scope: Scope) -> Value:
    (node,) = nodes
    text = _text(plain, node, scope)
    return Value("'string'" if text.sure else f"(None if {text.code} is None else 'string')", TEXT, atom=False)


def _number(plain: Writes, nodes: Nodes, scope: Scope) -> Value:
    (node,) = nodes
    text = _text(plain, node, scope)
    return Value(f"number({text.code})", WHOLE_NUMBER, sure=text.sure, atom=False)


def _string(plain: Writes, nodes: Nodes, scope: Scope) -> Value:
    (node,) = nodes
    value = plain.bound(as_one(plain.value(node, scope)))
    kinds(value.shape)
    code = f"text_of({value.code})"
    code = code if value.sure else f"(None if {value.code} is None else {code})"
    return Value(code, TEXT, sure=value.sure, atom=False)


def _merge(plain: Writes, nodes: Nodes, scope: Scope) -> Value:
    """Of an array that is written out, of objects."""
    (node,) = nodes
    if not isinstance(node, List):
        raise NotRead
    if all(isinstance(part, Object) for part in node.parts):
        fields = [field for part in node.parts if isinstance(part, Object) for field in part.fields]
        if len({plain.value(name, scope).literal for name, _ in fields}) == len(fields):
            return plain.value(Object(tuple(fields)), scope)
    parts = [_bound(plain, part, scope) for part in node.parts]
    found: dict[str, Shape] = {}
    for part in parts:
        if part.listed or part.shape.anything or kind_of(part.shape) != "object" or not part.shape.closed:
            raise NotRead  # what is not declared of one part would be taken for a field of another
        for name, shape in part.shape.fields.items():
            found[name] = both(found.get(name, shape), shape)
    codes = ", ".join(f"**{part.code}" if part.sure else f"**({part.code} or NOTHING)" for part in parts)
    return Value(f"{{{codes}}}", Shape(is_object=True, closed=True, fields=found), sure=True, atom=False)


def _lookup(plain: Writes, nodes: Nodes, scope: Scope) -> Value:
    """Of an object that is written out, of texts or objects of texts."""
    table_node, key_node = nodes
    if isinstance(table_node, Object):
        table = _constant(table_node)
    else:
        literal = plain.value(table_node, scope).literal
        if not isinstance(literal, dict):
            raise NotRead
        table = literal
    key = _text(plain, key_node, scope)
    if not table:
        return Value("None", CLOSED)
    shape, *others = (_shape_of(each) for each in table.values())
    if not all(_same(shape, other) for other in others):
        raise NotRead
    found = f"{plain.writer.constant(table)}.get({key.code})"
    return Value(found if kind_of(shape) == "scalar" else f"copied({found})", shape, atom=False)


def _constant(node: Object) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for name, value in node.fields:
        made = _constant(value) if isinstance(value, Object) else _literal(value, str)
        table[_literal(name, str)] = made
    if len(table) != len(node.fields):
        raise NotRead
    return table


def _shape_of(constant: Any) -> Shape:
    if isinstance(constant, dict):
        fields = {name: _shape_of(each) for name, each in constant.items()}
        return Shape(is_object=True, closed=True, fields=fields)
    return TEXT


def _same(one: Shape, other: Shape) -> bool:
    """Of constants."""
    if one.is_object != other.is_object or one.fields.keys() != other.fields.keys():
        return False
    return all(_same(each, other.fields[name]) for name, each in one.fields.items())


def constant_of(node: Object) -> Any:
    """An object of constants, to look things up in; no literal when it holds more."""
    try:
        return _constant(node)
    except NotRead:
        return NO_LITERAL


def _now(plain: Writes, nodes: Nodes, scope: Scope) -> Value:
    return Value(plain.writer.once("now_text(now)"), TEXT, sure=True)


def _map(plain: Writes, nodes: Nodes, scope: Scope) -> Value:
    """With a function that is written out."""
    of, function = _bound(plain, nodes[0], scope), nodes[1]
    if not isinstance(function, Function) or not of.listed or len(function.parameters) > 2:
        raise NotRead
    made, item, position = (plain.writer.new(letter) for letter in "ren")
    plain.writer.line(f"{made} = []")
    values = of.code if of.form == "some" else f"full({of.each})"
    with plain.writer.inside(f"for {position}, {item} in enumerate({plain.writer.counted(values)}):"):
        known = (Value(item, of.shape, sure=True), Value(position, WHOLE_NUMBER, sure=True))
        inner = scope
        for name, value in zip(function.parameters, known, strict=False):
            inner = inner.knowing(name, value)
        result = plain.bound(plain.value(function.body, inner))
        if result.listed:
            raise NotRead
        plain.gather(made, result)
    return Value(made, result.shape, "some", sure=True)


_TAKES: Final[Mapping[str, tuple[int, ...]]] = {  # how many arguments, when not one
    "append": (2,), "join": (1, 2), "contains": (2,), "lookup": (2,), "map": (2,), "now": (0,), "pad": (3,),
    "substring": (3,), "substringBefore": (2,), "substringAfter": (2,), "replace": (3,),
}  # fmt: skip
CALLS: Final[Mapping[str, Callable[[Any, Nodes, Scope], Value]]] = {
    "exists": _exists,
    "not": _not,
    "count": _count,
    "append": _append,
    "distinct": _distinct,
    "join": _join,
    "contains": _contains,
    "substring": _called("substring", int, int),
    "substringBefore": _called("substring_before", str),
    "substringAfter": _called("substring_after", str),
    "trim": _called("trimmed"),
    "lowercase": _called("lowercase"),
    "replace": _called("replaced", str, str),
    "length": _length,
    "number": _number,
    "pad": _pad,
    "type": _type,
    "string": _string,
    "merge": _merge,
    "lookup": _lookup,
    "now": _now,
    "map": _map,
}


def call(plain: Writes, node: Call, scope: Scope) -> Value:
    """One of `CALLS`. Raises NotRead."""
    if len(node.arguments) not in _TAKES.get(node.name, (1,)):
        raise NotRead
    return CALLS[node.name](plain, node.arguments, scope)


_GIVES: Final = {  # what the functions of the house make of one text
    "moment": TEXT, "partialDate": DATE, "postcode": TEXT, "phone": TEXT, "stufMoment": TEXT, "dutchTime": TEXT,
}  # fmt: skip


class Host:
    """The functions of the house."""

    def __init__(
        self, writer: Writer, functions: Mapping[str, Callable[..., Any]], books: Mapping[str, Codebook]
    ) -> None:
        self._writer = writer
        self._functions = functions
        self._books = books
        self._tables: dict[str, Mapping[str, Any]] = {}  # what stands in a book, by its name

    def call(self, name: str, arguments: Sequence[Value]) -> Value:
        """Raises NotRead."""
        book = arguments[0].literal if name == "code" and len(arguments) == 2 else None
        if isinstance(book, str) and book in self._books:
            return self.code(self._books[book], arguments[1])
        if name not in self._functions:
            raise NotRead
        if name in _GIVES and len(arguments) == 1:
            function, argument = self._writer.constant(self._functions[name]), as_one(arguments[0])
            given = f" if {argument.code} is not None else None" if argument.atom and not argument.sure else ""
            return Value(f"({function}({argument.code}){given})", _GIVES[name], atom=False)
        if name == "urn" and not any(each.listed for each in arguments):
            function = self._writer.constant(self._functions[name])
            return Value(f"{function}({', '.join(each.code for each in arguments)})", TEXT, sure=True, atom=False)
        if name in ("mapping", "yearsAgo") and all(isinstance(each.literal, int) for each in arguments):
            function = self._writer.constant(self._functions[name])
            code = f"{function}({', '.join(each.code for each in arguments)})"
            return Value(self._writer.once(code), TEXT, sure=True)
        raise NotRead

    def code(self, book: Codebook, value: Value) -> Value:
        """`$code(book, value)`: of a list each."""
        shape, some = _of_book(book)
        translate = self.translation(book)
        if not value.listed:
            kinds(value.shape)
            code = (
                translate(value.code) if value.sure else f"(None if {value.code} is None else {translate(value.code)})"
            )
            return Value(code, shape, sure=value.sure and some, atom=False)
        kinds(value.shape)
        if value.form == "raw":
            raise NotRead
        item = self._writer.new("e")
        each = f"[{translate(item)} for {item} in {value.code}]"
        if value.sure:
            return replace(value, code=each if some else f"full({each})", shape=shape, atom=False)
        each = f"(None if {value.code} is None else {each if some else f'full({each})'})"
        return replace(value, code=each, shape=shape, atom=False)

    def translation(self, book: Codebook) -> Callable[[str], str]:
        """The code that translates one value; a code that is not in the book is not plain."""
        if book.otherwise is None and all(first is None and last is None for _, first, last in book.entries.values()):
            if book.name not in self._tables:
                self._tables[book.name] = {code: to for code, (to, _, _) in book.entries.items()}
            table = self._writer.constant(self._tables[book.name])
            return lambda code: f"{table}[{code}]"
        function = self._writer.constant(self._functions["code"])
        return lambda code: f"{function}({book.name!r}, {code})"


def _of_book(book: Codebook) -> tuple[Shape, bool]:
    """What stands in a book; whether each code says something."""
    values = [to for to, _, _ in book.entries.values()]
    scalars = {"boolean" if isinstance(to, bool) else "string" for to in values if to is not None}
    return Shape(scalars=scalars or {"string"}), all(to is not None for to in values)
