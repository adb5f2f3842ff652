# SPDX-License-Identifier: EUPL-1.2
"""Bodies as large as a door takes, each dear to some parser: the time and memory they cost must be bounded."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from lxml import etree


def large(bodies: Sequence[bytes], size: int) -> dict[str, bytes]:
    """By a name that says what is dear about it. `bodies`: good ones, whose lists are made as long as fits; what is
    nonsense begins as they do, so that the format knows it for its own."""
    longest = max(bodies, key=len)
    first = longest.lstrip()[:1]
    made = _nonsense(size)
    if first in (b"{", b"["):
        made |= _json_nonsense(_mark(longest), size)
        made |= dict(_json(longest, size))
    elif first == b"<":
        made |= _xml_nonsense(longest, size)
        made |= dict(_xml(longest, size))
    else:
        made |= _csv(longest, size)
    return {name: body[:size] for name, body in made.items()}


def _nonsense(size: int) -> dict[str, bytes]:
    """Of no syntax, or of one that this door does not speak."""
    return {
        "zeros": bytes(size),
        "blanks": b" " * size,
        "quotes": b'"' * size,
        "open arrays": b"[" * size,
        "open objects": b'{"a":' * (size // 5),
        "open elements": b"<a>" * (size // 3),
        "numbers": b"[" + b"1," * (size // 2 - 2) + b"1]",
        "one number": b"9" * size,
        "one fraction": b"0." + b"9" * (size - 2),
    }


def _mark(body: bytes) -> bytes:
    """The members by which a format knows its documents."""
    document = json.loads(body)
    own = ("resourceType", "type", "schema", "kenmerk", "specversion", "id", "source", "op", "path", "reference")
    told = {name: each for name, each in document.items() if name in own} if isinstance(document, dict) else {}
    return json.dumps(told or {"a": 1}).encode()[1:-1]


def _json_nonsense(mark: bytes, size: int) -> dict[str, bytes]:
    def holding(content: bytes) -> bytes:
        return b"{" + mark + b"," + content + b"}"

    room = size - len(mark) - 20
    keys = b",".join(b'"k%d":1' % n for n in range(room // 12))
    near = b",".join(b'"kenmerk%d":1' % n for n in range(room // 18))
    return {
        "list of numbers": holding(b'"entry":[' + b"1," * (room // 2 - 10) + b"1]"),
        "list of objects": holding(b'"entry":[' + b"{}," * (room // 3 - 10) + b"{}]"),
        "list of lists": holding(b'"a":[' + b"[]," * (room // 3 - 10) + b"[]]"),
        "layers": holding(b'"a":' + b"[" * 60 + b"1," * (room // 2 - 200) + b"1" + b"]" * 60),
        "one text": holding(b'"a":"' + b"a" * (room - 10) + b'"'),
        "escapes": holding(b'"a":"' + b"\\u0041" * (room // 6 - 10) + b'"'),
        "half pairs": holding(b'"a":"' + b"\\ud83d\\ude00" * (room // 12 - 10) + b'"'),
        "one name": holding(b'"' + b"a" * (room - 10) + b'":1'),
        "many keys": holding(keys),
        "keys like ours": holding(near),
        "one key": holding(b",".join([b'"a":1'] * (room // 6))),
        "digits": holding(b'"a":' + b"9" * (room - 10)),
        "resources": holding(b'"entry":[' + b",".join([b'{"resource":{"resourceType":"Task"}}'] * (room // 37)) + b"]"),
    }


def _xml_nonsense(body: bytes, size: int) -> dict[str, bytes]:
    start = re.search(rb"<(?![?!])[^>]*(?=>)", body)
    assert start is not None
    opened = start[0].removesuffix(b"/")
    closed = b"</" + opened[1:].split()[0] + b">"
    room = size - len(opened) - len(closed) - 20
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12)).encode()
    attributes = b"".join(b' a%d="x"' % n for n in range(room // 14))
    spaces = b"".join(b' xmlns:n%d="urn:x:%d"' % (n, n) for n in range(room // 28))

    def holding(content: bytes) -> bytes:
        return opened + b">" + content + closed

    return {
        "flat elements": holding(b"<b/>" * (room // 4)),
        "own elements": holding((opened + b"/>") * (room // (len(opened) + 2))),
        "deep elements": holding(b"<b>" * 60 + b"<b/>" * (room // 5) + b"</b>" * 60),
        "attributes": opened + attributes + b">" + closed,
        "namespaces": opened + spaces + b">" + closed,
        "one name": holding(b"<" + b"b" * (room - 10) + b"/>"),
        "comments": holding(b"<!---->" * (room // 7)),
        "instructions": holding(b"<?a?>" * (room // 5)),
        "entities": b'<!DOCTYPE b [<!ENTITY e0 "ha">' + entities + b"]>" + holding(b"&e11;"),
        "characters": holding(b"&#65;" * (room // 5)),
        "text": holding(b"a" * room),
        "pieces of text": holding(b"a<b/>" * (room // 5)),
    }


def _json(body: bytes, size: int) -> Iterator[tuple[str, bytes]]:
    """Lists of the document repeated, texts prolonged, until it is as large as may be."""
    document = json.loads(body)
    for path in _some(list(_paths(document, list)), 5):
        grown = copy.deepcopy(document)
        holder = _at(grown, path)
        room = (size - len(body)) // (len(json.dumps(holder)) + 2)
        holder.extend(holder * max(0, room - 1))
        yield f"list {path}", json.dumps(grown).encode()
    for path in _some(list(_paths(document, str)), 3):
        grown = copy.deepcopy(document)
        *above, last = path
        _at(grown, above)[last] = "a" * (size - len(body) - 100)
        yield f"text {path}", json.dumps(grown).encode()


def _paths(value: Any, kind: type, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where values of a kind stand; of a list's items only the first is gone into."""
    if isinstance(value, kind) and value:
        yield path
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _paths(each, kind, (*path, name))
    elif isinstance(value, list) and value:
        yield from _paths(value[0], kind, (*path, 0))


def _at(value: Any, path: Sequence[Any]) -> Any:
    for name in path:
        value = value[name]
    return value


def _some(all_: Sequence[Any], most: int) -> list[Any]:
    """At most so many, from all over."""
    return [all_[at * len(all_) // most] for at in range(most)] if len(all_) > most else list(all_)


def _xml(body: bytes, size: int) -> Iterator[tuple[str, bytes]]:
    """Elements with children repeated, one text prolonged."""
    root = etree.fromstring(body)
    places = [at for at, each in enumerate(root.iter()) if at and isinstance(each.tag, str) and len(each)]
    for at in _some(places, 5):
        grown = copy.deepcopy(root)
        element = next(each for number, each in enumerate(grown.iter()) if number == at)
        parent = element.getparent()
        assert parent is not None
        room = (size - len(body)) // (len(etree.tostring(element)) + 1)
        parent.extend([copy.deepcopy(element) for _ in range(room)])
        yield f"element {etree.QName(element).localname}", etree.tostring(grown, encoding="UTF-8", xml_declaration=True)
    leaf = next(each for each in root.iter() if isinstance(each.tag, str) and not len(each))
    leaf.text = "a" * (size - len(body) - 100)
    yield "text", etree.tostring(root, encoding="UTF-8", xml_declaration=True)


def _csv(body: bytes, size: int) -> dict[str, bytes]:
    header, _, row = body.partition(b"\r\n")
    columns = header.split(b";")
    return {
        "separators": b"kenmerk" + b";" * (size - 7),
        "open quote": b'kenmerk;versie\r\n"' + b"a\r\n" * (size // 3 - 6),
        "rows": b"kenmerk\r\n" + b"a\r\n" * (size // 3 - 4),
        "quoted rows": b"kenmerk\r\n" + b'"a\r\n' * (size // 4 - 4),
        "good rows": body + row * (size // (len(row) + 1) - 2),
        "one cell": body + b"a" * (size - len(body)),
        "columns": b";".join(columns * (size // (len(header) + 1))) + b"\r\n" + row,
    }
