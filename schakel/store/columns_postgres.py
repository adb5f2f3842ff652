# SPDX-License-Identifier: EUPL-1.2
"""Whole columns of values as PostgreSQL's binary arrays, made in one pass: text, bytes and whole numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from struct import Struct
from typing import Any, Final

from psycopg.abc import AdaptContext
from psycopg.adapt import Dumper
from psycopg.pq import Format

_HEADER: Final = Struct(">iiIii")  # dimensions, may hold nulls, type of an element, length, first index
_LENGTH: Final = Struct(">i")
_NUMBER: Final = Struct(">iq")
_NULL: Final = _LENGTH.pack(-1)


class TextColumn(bytes):
    """text[]"""


class BytesColumn(bytes):
    """bytea[]"""


class NumberColumn(bytes):
    """bigint[]"""


def _text(values: Iterable[Any]) -> list[bytes]:
    encoded = [None if value is None else value.encode() for value in values]
    return [_NULL if value is None else _LENGTH.pack(len(value)) + value for value in encoded]


def _bytes(values: Iterable[Any]) -> list[bytes]:
    return [_NULL if value is None else _LENGTH.pack(len(value)) + value for value in values]


def _numbers(values: Iterable[Any]) -> list[bytes]:
    return [_NULL if value is None else _NUMBER.pack(8, value) for value in values]


# Type of a column → how its array is made, and the type of its elements and of the array in PostgreSQL's own numbers.
_MAKERS: Final[dict[str, tuple[type[bytes], Callable[[Iterable[Any]], list[bytes]], int]]] = {
    "text": (TextColumn, _text, 25),
    "bytea": (BytesColumn, _bytes, 17),
    "bigint": (NumberColumn, _numbers, 20),
}
_ARRAYS: Final = ((TextColumn, 1009), (BytesColumn, 1001), (NumberColumn, 1016))


def column(kind: str, values: Sequence[Any]) -> bytes:
    """`kind`: text, bytea or bigint."""
    made, encode, element = _MAKERS[kind]
    return made(_HEADER.pack(1, 1, element, len(values), 1) + b"".join(encode(values)))


def teach(context: AdaptContext) -> None:
    """The connection sends columns as they are."""
    for made, array in _ARRAYS:
        context.adapters.register_dumper(made, type(f"{made.__name__}Dumper", (_AsItIs,), {"oid": array}))


class _AsItIs(Dumper):
    format = Format.BINARY

    def dump(self, obj: bytes) -> bytes:
        return obj
