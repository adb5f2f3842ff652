# SPDX-License-Identifier: EUPL-1.2
"""What an element of FHIR that is always read in one way may hold: a kind for each name, and a quick reader of them.

A reading takes an element by its shape and keeps what it passed over. Nearly every element holds nothing else than its
shape knows, and of the usual kinds: the quick reader sees that in a third of the time, gives the same, and gives
nothing for any other element. That the two agree, a test tries.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from connectors.formats.fhir_reading import Node, Plain, Reading

KNOWN: Final = object()  # understood, and holds nothing of its own
SETTLED: Final = object()  # understood with everything in it
APART: Final = object()  # judged elsewhere
_PLAIN: Final = frozenset({str, int, bool, float})


@dataclass(frozen=True, slots=True, eq=False)
class Reader:
    """What is made of a value under a name of a node; None when it is not what belongs there.

    `usual` gives the same of a value in which nothing is passed over, and may give None for any other."""

    read: Callable[[Reading, Node, Any], Any]
    usual: Callable[[Node, Any], Any]


Kind = Any  # `str`, `bool`, KNOWN, SETTLED or a Reader
Known = Mapping[str, tuple[str, str | None, Kind]]  # URL → name, element with the value (None: the extension), its kind


class Shape:
    """The kinds of an element by name. What is not in it is passed over."""

    def __init__(self, kinds: Mapping[str, Kind]) -> None:
        self.kinds = kinds
        self.settled = tuple(name for name, kind in kinds.items() if kind is SETTLED)
        self.closed = not any(kind is NODES or kind is APART for kind in kinds.values())  # all of it is taken with it

    @cached_property
    def usual(self) -> Callable[[Node], Plain | None]:
        """{name: what is in it, or None} of a node in which every name is of its kind; None for any other. A node of
        a closed shape holds no other names either.

        Straight on: a loop over the names would cost as much as all the rest."""
        lines = ["def usual(node):", "    get, left = node.get, len(node)"]
        readers: dict[str, Any] = {"_PLAIN": _PLAIN}
        made = []
        for number, (name, kind) in enumerate(self.kinds.items()):
            value = f"v{number}"
            if kind is SETTLED or kind is APART:
                lines += [f"    if {name!r} in node:", "        left -= 1"] if self.closed else []
                continue
            lines += [f"    {value} = get({name!r})"]
            if kind is KNOWN:
                lines += [f"    if {value}.__class__ in _PLAIN:", "        left -= 1"]
            elif isinstance(kind, Reader):
                readers[f"usual{number}"] = kind.usual
                lines += [f"    if {value} is not None:", f"        {value} = usual{number}(node, {value})"]
                lines += [f"        if {value} is None:", "            return None", "        left -= 1"]
            else:
                lines += [f"    if {value}.__class__ is {kind.__name__}:", "        left -= 1"]
                lines += [f"        {value} = {value}.strip() or None"] if kind is str else []
            lines += [] if self.closed else [f"    elif {name!r} in node:", "        return None"]
            made += [] if kind is KNOWN else [f"{name!r}: {value}"]
        lines += ["    if left:", "        return None"] if self.closed else []
        lines += [f"    return {{{', '.join(made)}}}"]
        exec(compile("\n".join(lines), "<shape>", "exec"), readers)  # noqa: S102 (the names are our own)
        usual: Callable[[Node], Plain | None] = readers["usual"]
        return usual


def _texts(reading: Reading, node: Node, value: Any) -> list[str | None] | None:
    if value.__class__ is not list:
        return None
    if any(item.__class__ is not str for item in value):
        reading.open += 1
    return [item.strip() if item.__class__ is str else None for item in value]


def _usual_texts(node: Node, value: Any) -> list[str] | None:
    if value.__class__ is not list:
        return None
    found = []
    for item in value:
        if item.__class__ is not str:
            return None
        found.append(item.strip())
    return found


def _words(reading: Reading, node: Node, value: Any) -> list[str]:
    reading.open += 1
    return [item for item in _texts(reading, node, value) or [] if item]


def _usual_words(node: Node, value: Any) -> list[str] | None:
    found = _usual_texts(node, value)
    return None if found is None else [item for item in found if item]


def _nodes(reading: Reading, node: Node, value: Any) -> list[Node] | None:
    reading.open += 1
    if value.__class__ is dict:
        return [value]
    return [item for item in value if item.__class__ is dict] or None if value.__class__ is list else None


def _usual_nodes(node: Node, value: Any) -> list[Node] | None:
    if value.__class__ is not list:
        return None
    for item in value:
        if item.__class__ is not dict:
            return None
    return value or None


def _itself(reading: Reading, node: Node, value: Any) -> Node:
    reading.open += 1
    return node


def _never(node: Node, value: Any) -> None:
    return None


TEXTS: Final = Reader(_texts, _usual_texts)  # the strings of a repeating primitive; None keeps a place
WORDS: Final = Reader(_words, _usual_words)  # the same of what is understood whatever it is; only what there is
NODES: Final = Reader(_nodes, _usual_nodes)  # the objects of a repeating element, each to be taken by itself
ITSELF: Final = Reader(_itself, _never)  # the node, to be looked at name by name

BODY: Final = dict.fromkeys(("resourceType", "id", "meta", "text", "extension"), APART)  # of any resource


def extensions(known: Known) -> Reader:
    """Of `extension`: {name: value}."""

    def read(reading: Reading, node: Node, value: Any) -> Plain:
        return reading.take_extensions(value, known)

    def usual(node: Node, value: Any) -> Plain | None:
        if value.__class__ is not list:
            return None
        found: Plain = {}
        try:
            for item in value:
                name, element, kind = known[item["url"]]
                inner = item[element]
                if len(item) != 2 or name in found:
                    return None
                if inner.__class__ is kind:
                    found[name] = (inner.strip() or None) if kind is str else inner
                elif kind.__class__ is not Reader or (made := kind.usual(item, inner)) is None:
                    return None
                else:
                    found[name] = made
        except (KeyError, TypeError):  # another URL, or what is no extension
            return None
        return found

    return Reader(read, usual)


def beside(known: Known) -> Reader:
    """Of the `_name` object beside a primitive: {name: value} of its extensions."""
    inner = extensions(known)
    shape = Shape({"extension": inner})

    def read(reading: Reading, node: Node, value: Any) -> Plain | None:
        if value.__class__ is not dict:
            return None
        return reading.take(value, shape).get("extension") or {}

    def usual(node: Node, value: Any) -> Plain | None:
        if value.__class__ is not dict or len(value) != 1 or "extension" not in value:
            return None
        found: Plain | None = inner.usual(value, value["extension"])
        return found

    return Reader(read, usual)


def besides(name: str, known: Known) -> Reader:
    """Of the `_name` objects beside the strings of a repeating primitive: of each of those, in their order."""
    one = beside(known)

    def read(reading: Reading, node: Node, value: Any) -> list[Plain] | None:
        strings = node.get(name)
        if value.__class__ is not list or strings.__class__ is not list:
            return None
        if len(value) > len(strings):
            reading.open += 1
        found = [one.read(reading, node, item) for item in value[: len(strings)]]
        return None if all(each is None for each in found) else [each or {} for each in found]

    def usual(node: Node, value: Any) -> list[Plain] | None:
        strings = node.get(name)
        if value.__class__ is not list or strings.__class__ is not list or not 0 < len(value) <= len(strings):
            return None
        found = []
        for item in value:
            made = one.usual(node, item)
            if made is None:
                return None
            found.append(made)
        return found

    return Reader(read, usual)
