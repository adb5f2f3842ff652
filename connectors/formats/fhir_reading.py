# SPDX-License-Identifier: EUPL-1.2
"""Remembers which elements of a FHIR resource were looked at, so that the rest can be listed as lost."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final

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
            found = [item for item in value if item.__class__ is dict]
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

    def extension_texts(self, node: Node, known: Mapping[str, str], element: str = "valueString") -> dict[str, str]:
        """{name: text} of the extensions whose URL is in `known` (URL → name), of equal ones the first: as `text` of
        `extension` for each of them, and the extensions are gone through once."""
        found: dict[str, str] = {}
        items = node.get("extension")
        if items is None:
            return found
        met: set[str] = set()
        for item in items if items.__class__ is list else (items,):
            url = item.get("url") if item.__class__ is dict else None
            name = known.get(url) if url.__class__ is str else None
            if name is None:
                continue
            self._extensions.add(id(item))
            seen = self._seen[id(item)]
            seen.add("url")
            value = item.get(element)
            if name in met or value.__class__ is not str:
                met.add(name)
                continue
            met.add(name)
            seen.add(element)
            if text := value.strip():
                found[name] = text
        return found

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

    def unread(self, node: Node, path: str) -> list[str]:
        """Paths of what of a resource was not looked at, without positions and without values."""
        found: list[str] = []
        self._collect(found, node, (None, path), aside=_AT_ROOT)
        return found

    def _collect(self, found: list[str], node: Node, path: _Steps, aside: Collection[str] = _ASIDE) -> None:
        seen, settled = self._seen.get(id(node), _NOBODY), self._settled.get(id(node), _NOBODY)
        for name, value in node.items():
            if name in _EXTENDING:
                if name not in settled:
                    self._collect_extensions(found, value, (path, name))
            elif name in seen:
                kind = value.__class__
                if kind is str or name in settled or name in aside:
                    continue
                if kind is dict:
                    self._collect(found, value, (path, name))
                elif kind is list:
                    for item in value:
                        if item.__class__ is dict:
                            self._collect(found, item, (path, name))
            elif name not in settled and name not in aside:
                found.append(_written((path, name)))

    def _collect_extensions(self, found: list[str], value: Any, path: _Steps) -> None:
        for item in value if value.__class__ is list else (value,):
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
            parts.append(step)
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
    return {name: value for name, value in plain.items() if value or value == 0}  # False is a value, and equals 0
