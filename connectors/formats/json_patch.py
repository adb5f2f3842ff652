# SPDX-License-Identifier: EUPL-1.2
"""Changes JSON values by JSON Patch (RFC 6902) and Merge Patch (RFC 7396). Pure: the value given stays as it is.

A patch can be short and still make much: whoever copies the whole into itself doubles it each time. So what a patch
puts in its place, all operations together, is bounded, and so is how deep it comes to stand.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any, Final

from schakel.errors import Conflict, Finding, Malformed, Refusal

MAX_OPERATIONS: Final = 100
MAX_PLACED: Final = 1_048_576  # characters of text, a value counting for sixteen: as much as a body can hold
MAX_DEPTH: Final = 64  # as of a document that comes in
_INDEX: Final = re.compile(r"^(?:0|[1-9][0-9]{0,5})$", re.ASCII)
_NEEDS: Final = {
    "add": {"path", "value"},
    "replace": {"path", "value"},
    "test": {"path", "value"},
    "remove": {"path"},
    "move": {"path", "from"},
    "copy": {"path", "from"},
}


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7396: null takes away, an object is merged, anything else replaces."""
    if not isinstance(patch, Mapping):
        return copy.deepcopy(patch)
    made = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            made.pop(name, None)
        else:
            made[name] = merge_patch(made.get(name), value)
    return made


def json_patch(target: Any, patch: Any) -> Any:
    """RFC 6902. Raises Malformed (no patch, or a place that is not there) and Conflict (a test that fails)."""
    if not isinstance(patch, list) or len(patch) > MAX_OPERATIONS:
        raise _fault(
            "(document)", "list", "Een lijst van bewerkingen wordt verwacht.", "Expected a list of operations."
        )
    made, room = copy.deepcopy(target), _Room()
    for position, operation in enumerate(patch):
        place = f"[{position}]"
        word = operation.get("op") if isinstance(operation, Mapping) else None
        if not isinstance(word, str) or word not in _NEEDS or not _NEEDS[word] <= operation.keys():
            nl, en = "Deze bewerking bestaat niet of is niet compleet.", "No such operation, or it is not complete."
            raise _fault(place, "operation", nl, en)
        made = _apply(made, word, operation, place, room)
    return made


def _apply(document: Any, word: str, operation: Mapping[str, Any], place: str, room: _Room) -> Any:
    path = _parts(operation["path"], place)
    if word == "test":
        if not _same(_at(document, path, place), operation["value"]):
            nl, en = "De waarde is niet wat de test verwacht.", "The value is not what the test expects."
            raise _fault(place, "test", nl, en, Conflict)
        return document
    if word == "remove":
        return _without(document, path, place)
    source = _parts(operation["from"], place) if word in ("move", "copy") else []
    value = _at(document, source, place) if word in ("move", "copy") else operation["value"]
    room.take(value, len(path), place)
    if word == "replace":
        _at(document, path, place)
        return _with(_without(document, path, place) if path else None, path, value, place)
    if word == "add":
        return _with(document, path, value, place)
    value = copy.deepcopy(value)
    if word == "move":
        if path[: len(source)] == source and path != source:
            raise _fault(place, "move", "Niets kan in zichzelf.", "Nothing moves into itself.")
        document = _without(document, source, place)
    return _with(document, path, value, place)


class _Room:
    """What may still be put in a place."""

    def __init__(self) -> None:
        self._left = MAX_PLACED

    def take(self, value: Any, depth: int, place: str) -> None:
        """`depth`: of the place that the value comes to. Raises Malformed."""
        stack = [(value, depth)]
        while stack:
            each, level = stack.pop()
            self._left -= 16 + (len(each) if isinstance(each, str) else 0)
            if level > MAX_DEPTH:
                raise _fault(place, "depth", "Zo wordt het te diep.", "This becomes too deep.")
            if self._left < 0:
                raise _fault(place, "size", "Zo wordt het te groot.", "This becomes too large.")
            if isinstance(each, Mapping):
                self._left -= sum(map(len, each))
                stack.extend((one, level + 1) for one in each.values())
            elif isinstance(each, list):
                stack.extend((one, level + 1) for one in each)


def _same(one: Any, other: Any) -> bool:
    """As JSON compares: true is not 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_same(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(_same(*pair) for pair in zip(one, other, strict=True))
    return bool(one == other)


def _parts(pointer: Any, place: str) -> list[str]:
    """RFC 6901."""
    if not isinstance(pointer, str) or (pointer and not pointer.startswith("/")) or pointer.count("/") > 64:
        raise _fault(place, "pointer", "Dit is geen JSON Pointer.", "This is no JSON Pointer.")
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def _at(document: Any, path: list[str], place: str) -> Any:
    for part in path:
        if isinstance(document, Mapping) and part in document:
            document = document[part]
        elif isinstance(document, list) and _INDEX.match(part) and int(part) < len(document):
            document = document[int(part)]
        else:
            raise _missing(place)
    return document


def _with(document: Any, path: list[str], value: Any, place: str) -> Any:
    value = copy.deepcopy(value)
    if not path:
        return value
    holder, last = _at(document, path[:-1], place), path[-1]
    if isinstance(holder, dict):
        holder[last] = value
    elif isinstance(holder, list) and last == "-":
        holder.append(value)
    elif isinstance(holder, list) and _INDEX.match(last) and int(last) <= len(holder):
        holder.insert(int(last), value)
    else:
        raise _missing(place)
    return document


def _without(document: Any, path: list[str], place: str) -> Any:
    _at(document, path, place)
    if not path:
        return None
    holder = _at(document, path[:-1], place)
    del holder[path[-1] if isinstance(holder, dict) else int(path[-1])]
    return document


def _missing(place: str) -> Refusal:
    return _fault(place, "place", "Deze plaats is er niet.", "There is no such place.")


def _fault(place: str, rule: str, nl: str, en: str, kind: type[Refusal] = Malformed) -> Refusal:
    return kind(Finding(place, f"json-patch: {rule}", nl, en))
