# SPDX-License-Identifier: EUPL-1.2
"""Goes through a document once, beside its shape: what nobody reads (losses) and what its schema has no place for.

What is expected at each place, and whether anybody reads it, is the same for every message of a mapping: it is worked
out when the first message comes there, and kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from mappings.shape import ANYTHING, UNKNOWN, Read, Shape, fits

_EXAMPLES: Final = {bool: True, int: 1}  # of the kinds that fit whatever their value; a text may be empty
_NONE: Final[frozenset[type]] = frozenset()
_DEEPEST_KEPT: Final = 24  # a schema that contains itself goes on as deep as its messages do


class Place:
    """One place of the documents of a mapping. Safe to share: what is added is the same whoever adds it."""

    __slots__ = (
        "_depth",
        "_items",
        "_read",
        "_shape",
        "declared",
        "fine",
        "is_read",
        "path",
        "settled",
        "takes_fields",
        "takes_text",
    )

    def __init__(self, shape: Shape, read: Read, path: str = "", depth: int = 0) -> None:
        """`read`: what is taken of the value here; `path`: as losses and misfits say it, without positions."""
        self._shape = shape
        self._read = read
        self._depth = depth
        self._items: Place | None = None
        self.path = path
        self.is_read = read is True
        self.takes_text = shape.anything or "string" in shape.scalars
        self.takes_fields = shape.anything or shape.is_object
        kinds = frozenset(kind for kind, example in _EXAMPLES.items() if self.takes(example))
        # the classes of values of which nothing is to be said here
        self.fine: frozenset[type] = kinds | ({str} if self.takes_text else frozenset()) if self.is_read else _NONE
        self.declared: dict[str, Place] = {}  # by name; filled as messages hold them
        self.settled: dict[str, frozenset[type]] = {}  # what is fine in the declared fields

    def field(self, name: str) -> Place | None:
        """The place of a declared field; None when nobody declared it."""
        shape = self._shape.fields.get(name)
        if shape is None:
            return None
        place = Place(shape, self._below(name), self._path(name), self._depth + 1)
        if self._depth < _DEEPEST_KEPT:
            self.declared[name] = place
            self.settled[name] = place.fine
        return place

    def items(self) -> Place | None:
        """The place of what a list here holds; None when this may not repeat."""
        if self._items is None:
            shape = self._shape.items or (ANYTHING if self._shape.anything else None)
            if shape is None:
                return None
            self._items = Place(shape, self._read, f"{self.path}[]", self._depth)
        return self._items

    def stranger(self, name: str) -> tuple[str, Place | None]:
        """Of a field that nobody declared: its path, and its place when something in it is read."""
        pattern = self._shape.made_by_format
        path = self._path(name if pattern is not None and pattern.fullmatch(name) else UNKNOWN)
        read = self._below(name)
        return path, None if read == {} else Place(ANYTHING, read, path, self._depth + 1)

    @property
    def closed(self) -> bool:
        return self._shape.closed

    def takes(self, value: Any) -> bool:
        """Whether a number, a truth value or a text may stand here."""
        return self._shape.anything or fits(value, self._shape.scalars)

    def _below(self, name: str) -> Read:
        return True if self.is_read else self._read.get(name, {})

    def _path(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name


@dataclass(slots=True)
class Survey:
    """What a document holds that nobody reads (`losses`) and where it leaves its schema (`misfits`); paths only."""

    losses: dict[str, None] = field(default_factory=dict)
    misfits: dict[str, str] = field(default_factory=dict)  # place → rule
    fractions: bool = False  # a number with a point was seen

    def look(self, value: Any, place: Place) -> None:
        """Walks the document once: plain JSON values."""
        kind = value.__class__
        if kind is dict:
            self._look_into(value, place)
        elif value is None or value == "":
            return
        elif kind is list or kind is tuple:
            self._look_at_items(value, place)
        else:
            self.fractions = self.fractions or kind is float
            if not place.takes(value):
                self.misfits[place.path] = "schema: type"
            elif not place.is_read:
                self.losses[place.path] = None

    def _look_into(self, value: dict[str, Any], place: Place) -> None:
        if not place.takes_fields:
            self.misfits[place.path] = "schema: type"
            return
        declared, settled = place.declared, place.settled
        for name, each in value.items():  # most of what a message holds is done with here, without a call of its own
            kind = each.__class__
            if kind in settled.get(name, _NONE):
                continue
            below = declared.get(name) or place.field(name)
            if below is None:
                self._look_at_stranger(name, each, place)
            elif kind is dict:
                self._look_into(each, below)
            elif kind is list:
                self._look_at_items(each, below)
            else:
                self.look(each, below)

    def _look_at_items(self, values: Sequence[Any], place: Place) -> None:
        items = place.items()
        if items is None:
            self.misfits[place.path] = "schema: may not repeat"
            return
        fine = items.fine
        for each in values:
            kind = each.__class__
            if kind is dict:
                self._look_into(each, items)
            elif kind not in fine:
                self.look(each, items)

    def _look_at_stranger(self, name: str, value: Any, place: Place) -> None:
        path, below = place.stranger(name)
        if place.closed:
            self.misfits[path] = "schema: unknown field"
        elif below is not None:
            self.look(value, below)
        elif value not in (None, "", [], {}):
            self.losses[path] = None
