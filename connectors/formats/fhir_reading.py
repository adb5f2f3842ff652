# SPDX-License-Identifier: EUPL-1.2
"""Remembers which elements of a FHIR resource were looked at, so that the rest can be listed as lost.

An element that is always read in one way is taken at once, by its shape (fhir_shapes.py); any other is looked at name
by name.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final

from connectors.formats.fhir_shapes import APART, KNOWN, SETTLED, Known, Shape

Node = Mapping[str, Any]
Plain = dict[str, Any]

_ASIDE: Final = frozenset({"resourceType", "id", "fhir_comments"})  # say nothing about the household
_AT_ROOT: Final = _ASIDE | {"meta", "language", "contained", "text"}  # judged elsewhere, or the same in prose
_EXTENDING: Final = frozenset({"extension", "modifierExtension"})
_NOTHING: Final[Node] = {}
_NOBODY: Final[frozenset[str]] = frozenset()
# Whose extensions are named in the silent-loss report; any other URL is its sender's own text.
_KNOWN_URL: Final = re.compile(
    r"^(?:https?://(?:hl7\.org|nictiz\.nl|fhir\.nl|terminology\.hl7\.org)/[A-Za-z0-9./_\-]{1,120}|urn:schakel:[a-z-]{1,40})$"
)
UNKNOWN: Final = "?"


class Reading:
    """Every look at an element goes through here; what was never looked at is the silent loss.

    What was looked at is kept by the identity of the object that holds it: for as long as the bundle is there."""

    def __init__(self) -> None:
        self._seen: defaultdict[int, set[str]] = defaultdict(set)
        self._settled: defaultdict[int, set[str]] = defaultdict(set)
        self._extensions: set[int] = set()
        self._whole: set[int] = set()  # in these nothing was passed over, however deep
        self._lost: dict[int, Collection[str]] = {}  # of what was taken and is not whole: the names passed over
        self.open = 0  # goes up with each thing that `unread` has to look at again

    # -- at once ------------------------------------------------------------------------------------------------------

    def take(self, node: Node, shape: Shape) -> Plain:
        """{name: what is in it} of the elements that `shape` knows; texts are stripped, and not there when empty."""
        found = shape.usual(node)
        if found is None:
            return self._take_apart(node, shape)
        if shape.closed:
            self._whole.add(id(node))
        else:
            self._lost[id(node)] = node.keys() - shape.kinds.keys()
            if shape.settled:
                self._settled[id(node)].update(shape.settled)
        return found

    def _take_apart(self, node: Node, shape: Shape) -> Plain:
        found: Plain = {}
        lost: set[str] | None = None
        before, kinds = self.open, shape.kinds
        for name, value in node.items():
            kind, given = kinds.get(name), value.__class__
            if kind is given:  # a text or a truth, as expected
                if kind is not str:
                    found[name] = value
                elif text := value.strip():
                    found[name] = text
            elif kind is KNOWN:
                if given is dict or given is list:
                    self.open += 1
            elif kind is SETTLED:
                self._settled[id(node)].add(name)
            elif kind is APART:
                self.open += 1
            elif kind is None or kind is str or kind is bool or (made := kind.read(self, node, value)) is None:
                if name not in _ASIDE:
                    lost = {name} if lost is None else lost | {name}
            else:
                found[name] = made
        if lost is None and self.open == before:
            self._whole.add(id(node))
        else:
            self._pass_over(node, lost or _NOBODY)
        return found

    def whole(self, node: Node) -> bool:
        """Whether all of this is known to have been looked at."""
        return id(node) in self._whole

    def close(self, node: Node, parts: Iterable[Node]) -> None:
        """There is nothing in this but what is in `parts`."""
        if all([id(part) in self._whole for part in parts]):
            self._whole.add(id(node))

    def take_extensions(self, value: Any, known: Known) -> Plain:
        """{name: value} of the extensions whose URL is in `known`, of equal ones the first."""
        found: Plain = {}
        met: set[str] = set()
        for item in value if value.__class__ is list else (value,):
            url = item.get("url") if item.__class__ is dict else None
            entry = known.get(url) if url.__class__ is str else None
            if entry is None:
                self.open += 1
                continue
            name, element, kind = entry
            if name in met:
                self._extensions.add(id(item))
                self._pass_over(item, item.keys() - {"url"})
                continue
            met.add(name)
            inner = item.get(element) if element is not None else item
            before = self.open
            if kind is inner.__class__:
                made = inner.strip() if kind is str else inner
            elif kind is str or kind is bool or inner is None:
                made = None
            else:
                made = kind.read(self, item, inner)
            if made is not None and made != "":
                found[name] = made
            if made is not None and len(item) == 2 and self.open == before:
                self._whole.add(id(item))
            else:
                self._extensions.add(id(item))
                self._pass_over(item, item.keys() - ({"url"} if made is None else {"url", element}))
        return found

    def _pass_over(self, node: Node, names: Collection[str]) -> None:
        """These were not looked at, nor by who took it before."""
        self.open += 1
        known = self._lost.get(id(node))
        self._lost[id(node)] = names if known is None else {name for name in known if name in names}

    def leave(self, node: Node, shape: Shape, name: str, start: int = 0) -> None:
        """As if nobody had looked at what is under this name of a node that was taken: all of it, or the items from
        `start` on."""
        self._take_apart(node, shape)
        value = node.get(name)
        for item in value[start:] if isinstance(value, list) else [value]:
            self.forget(item)
        self._whole.discard(id(node))
        self._lost[id(node)] = {*self._lost.get(id(node), ()), *([] if start else [name])}

    def forget(self, value: Any) -> None:
        """As if nobody had looked at this."""
        if isinstance(value, dict):
            key = id(value)
            self._whole.discard(key)
            self._extensions.discard(key)
            for kept in (self._lost, self._seen, self._settled):
                kept.pop(key, None)
        if isinstance(value, dict | list):
            for inner in value.values() if isinstance(value, dict) else value:
                self.forget(inner)

    # -- name by name -------------------------------------------------------------------------------------------------

    def value(self, node: Node, name: str) -> Any:
        self._seen[id(node)].add(name)
        return node.get(name)

    def text(self, node: Node, name: str) -> str | None:
        """A non-empty string, stripped; anything else is nothing."""
        value = node.get(name)
        if value is None or not isinstance(value, str):
            return None
        self._seen[id(node)].add(name)
        return value.strip() or None

    def truth(self, node: Node, name: str) -> bool | None:
        value = node.get(name)
        if not isinstance(value, bool):
            return None
        self._seen[id(node)].add(name)
        return value

    def nodes(self, node: Node, name: str) -> list[Node]:
        """The objects of a repeating element (a single object counts as one)."""
        value = node.get(name)
        if value is None:
            return []
        if value.__class__ is dict:
            found: list[Node] = [value]
        elif value.__class__ is list:
            found = value
            for item in value:
                if item.__class__ is not dict:
                    found = [each for each in value if each.__class__ is dict]
                    break
        else:
            return []
        if found:
            self._seen[id(node)].add(name)
        return found

    def node(self, node: Node, name: str) -> Node:
        """The first of them; an empty one when there is none."""
        if name not in node:
            return _NOTHING
        found = self.nodes(node, name)
        return found[0] if found else _NOTHING

    def texts(self, node: Node, name: str) -> list[str | None]:
        """The strings of a repeating primitive; None keeps a place."""
        value = node.get(name)
        if not isinstance(value, list):
            return []
        self._seen[id(node)].add(name)
        return [item.strip() if isinstance(item, str) else None for item in value]

    def touch(self, node: Node, *names: str) -> None:
        """These are understood and hold nothing of their own."""
        if node:
            self._seen[id(node)].update(names)

    def settle(self, node: Node, *names: str) -> None:
        """These are understood with everything in them."""
        if node:
            self._settled[id(node)].update(names)

    def extensions(self, node: Node, url: str) -> list[Node]:
        items = node.get("extension")
        if items is None:
            return []
        found: list[Node] = []
        for item in items if items.__class__ is list else (items,):
            if item.__class__ is dict and item.get("url") == url:
                self._extensions.add(id(item))
                self._seen[id(item)].add("url")
                found.append(item)
        return found

    def extension(self, node: Node, url: str) -> Node:
        """The first of them; an empty one when there is none."""
        if "extension" not in node:
            return _NOTHING
        found = self.extensions(node, url)
        return found[0] if found else _NOTHING

    def beside(self, node: Node, name: str, position: int | None = None) -> Node:
        """The `_name` object beside a primitive (of item `position` of a repeating one)."""
        value = node.get("_" + name)
        if value is None:
            return _NOTHING
        if position is not None:
            value = value[position] if isinstance(value, list) and position < len(value) else None
        if not isinstance(value, dict):
            return _NOTHING
        self._seen[id(node)].add("_" + name)
        return value

    def unread(self, node: Node, kind: str) -> list[str]:
        """Paths of what of a resource of this kind was not looked at, without positions and without values."""
        found: list[str] = []
        if id(node) not in self._whole:
            self._collect(found, node, (None, kind), aside=_AT_ROOT)
        return found

    def _collect(self, found: list[str], node: Node, path: _Steps, aside: Collection[str] = _ASIDE) -> None:
        key, whole = id(node), self._whole
        seen, settled = self._seen.get(key, _NOBODY), self._settled.get(key, _NOBODY)
        lost = self._lost.get(key)
        for name, value in node.items():
            if name in settled:
                continue
            if name in _EXTENDING:
                self._collect_extensions(found, value, (path, name))
            elif name in seen or (lost is not None and name not in lost):
                kind = value.__class__
                if kind is str or name in aside:
                    continue
                if kind is dict:
                    if id(value) not in whole:
                        self._collect(found, value, (path, name))
                elif kind is list:
                    for item in value:
                        if item.__class__ is dict and id(item) not in whole:
                            self._collect(found, item, (path, name))
            elif name not in aside:
                found.append(_written((path, name)))

    def _collect_extensions(self, found: list[str], value: Any, path: _Steps) -> None:
        for item in value if value.__class__ is list else (value,):
            if id(item) in self._whole:
                continue
            if id(item) not in self._extensions:
                found.append(_written((path, item)))
            elif item.__class__ is dict:
                self._collect(found, item, (path, item))


_Steps = tuple[Any, Any]  # (the steps before, the last one); a step is a name, or the extension that it is


def _written(steps: _Steps) -> str:
    """The path as the report shows it; worked out for what is reported and for nothing else."""
    parts: list[str] = []
    here: Any = steps
    while here is not None:
        here, step = here
        if here is None:
            parts.append(spoken(step))
        else:
            parts.append(f".{spoken(step)}" if isinstance(step, str) else f":{_url(step)}")
    return _cut("".join(reversed(parts)))


def spoken(name: str) -> str:
    """A name that FHIR R4 has (`_name` too); any other is the sender's own text, and can be somebody's."""
    return name if name.removeprefix("_") in _r4_names() else UNKNOWN


@cache
def _r4_names() -> frozenset[str]:
    lines = files("connectors").joinpath("formats", "fhir_r4_names.txt").read_text("utf-8").splitlines()
    return frozenset(name for line in lines if not line.startswith("#") for name in line.split())


def _url(extension: Any) -> str:
    """The last part of the extension's URL, when a standard (or we) gave it."""
    url = extension.get("url") if isinstance(extension, dict) else None
    return re.split("[/:]", url)[-1] if isinstance(url, str) and _KNOWN_URL.match(url) else UNKNOWN


def _cut(path: str) -> str:
    """A path that the silent-loss report shows as it is: without digits, at most 60 characters."""
    return re.sub(r"[0-9]", "#", path)[:60]


def compact(plain: Plain) -> Plain:
    """Without what is not known: None, empty lists and empty objects."""
    return {
        name: value for name, value in plain.items() if value is not None and (value or value == 0)
    }  # False is a value, and equals 0
