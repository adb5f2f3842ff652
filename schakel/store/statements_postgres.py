# SPDX-License-Identifier: EUPL-1.2
"""The store's SQL in PostgreSQL's own words, and what waits to be written, with rows of one statement side by side."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from schakel.store.columns_postgres import column

Values = dict[str, Any]

_WORDS: Final = re.compile(r"'(?:[^']|'')*'|/\*!postgresql (.*?)\*/|(?<![:\w]):([a-z_]\w*)|%", re.DOTALL)
_INSERT: Final = re.compile(
    r"\s*INSERT INTO (\w+) \(([^()]*)\)\s+VALUES \(([^()]*)\)(\s+ON CONFLICT [^:]*DO NOTHING)?\s*"
)
_UPDATE: Final = re.compile(r"\s*UPDATE (\w+) SET (.*?)\s+WHERE (.*?)\s*", re.DOTALL)
_SAME: Final = re.compile(r"(\w+) = :(\w+)")
_NOT_TOGETHER: Final = re.compile(r"\b(?:SELECT|RETURNING|OR)\b|/\*!")
_PLACE: Final = re.compile(r"\s*(?::(\w+)|[\w']+)\s*")
_READS: Final = re.compile(r"\s*(?:SELECT|WITH)\b")

_KINDS: Final = {str: "text", bytes: "bytea", int: "bigint"}

# Column → its type, of every table of the hub.
COLUMNS: Final = """
SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = current_schema()"""


@dataclass(frozen=True, slots=True)
class Together:
    """One statement for many sets of values: each value is an array, and all arrays have the length of the sets.

    `keys`: of an UPDATE, the values by which it finds its row. It works on sets that differ in these, and no others: an
    UPDATE changes a row once."""

    sql: str
    types: Mapping[str, str]
    keys: tuple[str, ...] = ()

    def fits(self, rows: Sequence[Values]) -> bool:
        return not self.keys or len({tuple(row[key] for key in self.keys) for row in rows}) == len(rows)

    def columns(self, rows: Sequence[Values]) -> Values:
        return {name: column(kind, [row[name] for row in rows]) for name, kind in self.types.items()}


class Statements:
    """Translations, made once for each text. `columns`: what COLUMNS gives."""

    def __init__(self, columns: Sequence[tuple[str, str, str]]) -> None:
        self._types = {(table, column): kind for table, column, kind in columns}
        self._own: dict[str, str] = {}
        self._writes: dict[str, bool] = {}
        self._together: dict[str, Together | None] = {}
        self._asked: dict[str, Together] = {}

    def own(self, sql: str) -> str:
        """`:name` becomes psycopg's placeholder, and what is meant for PostgreSQL alone is let through."""
        known = self._own.get(sql)
        if known is None:
            known = self._own[sql] = _WORDS.sub(_own_word, sql)
        return known

    def writes(self, sql: str) -> bool:
        known = self._writes.get(sql)
        if known is None:
            known = self._writes[sql] = _READS.match(sql) is None
        return known

    def together(self, sql: str) -> Together | None:
        """None: rows of this statement are written one by one."""
        if sql not in self._together:
            self._together[sql] = self._insert(sql) or self._update(sql)
        return self._together[sql]

    def _update(self, sql: str) -> Together | None:
        """Of rows that are found by columns equal to values, and changed from themselves and values alone."""
        found = _UPDATE.fullmatch(sql)
        if found is None or _NOT_TOGETHER.search(sql):
            return None
        table, changes, condition = found.groups()
        keys = [same.group(2) for same in map(_SAME.fullmatch, condition.split(" AND ")) if same]
        kinds = {name: column for column, name in _SAME.findall(sql)}
        types: dict[str, str] = {}
        for name in dict.fromkeys(word.group(2) for word in _WORDS.finditer(sql) if word.group(2)):
            kind = self._types.get((table, str(kinds.get(name, name))))
            if kind is None:
                return None
            types[name] = kind

        def mine(text: str) -> str:
            return _WORDS.sub(lambda word: f"wanted.of_{word.group(2)}" if word.group(2) else _own_word(word), text)

        own = (
            f"UPDATE {table} SET {mine(changes)} "  # noqa: S608 (our own statement)
            f"FROM unnest({_arrays(types)}) AS wanted ({', '.join(f'of_{name}' for name in types)}) "
            f"WHERE {mine(condition)}"
        )
        return Together(own, types, tuple(keys)) if keys else None

    def _insert(self, sql: str) -> Together | None:
        found = _INSERT.fullmatch(sql)
        if found is None:
            return None
        table, columns, values, conflict = found.groups()
        names = [column.strip() for column in columns.split(",")]
        places = [_PLACE.fullmatch(value) for value in values.split(",")]
        types: dict[str, str] = {}
        selected = []
        for name, place in zip(names, places, strict=True):
            kind = self._types.get((table, name))
            if place is None or kind is None:
                return None
            value = place.group(1)
            selected.append(place.group(0).strip() if value is None else f"wanted.{value}")
            if value is not None:
                types[value] = kind
        own = (
            f"INSERT INTO {table} ({columns}) SELECT {', '.join(selected)} "  # noqa: S608 (our own statement)
            f"FROM unnest({_arrays(types)}) AS wanted ({', '.join(types)}){conflict or ''}"
        )
        return Together(own, types)

    def asked(self, sql: str, values: Values) -> Together | None:
        """A query for many sets of values like these: each row begins with the place of its set, from 1. None: it is
        asked one by one."""
        kinds = {name: _KINDS.get(type(value)) for name, value in values.items()}
        if self.writes(sql) or "/*!postgresql" in sql or None in kinds.values():
            return None
        if sql not in self._asked:
            types = {name: str(kind) for name, kind in kinds.items()}
            inner = _WORDS.sub(lambda found: f"wanted.{found.group(2)}" if found.group(2) else _own_word(found), sql)
            own = (
                f"SELECT wanted.place, found.* FROM unnest({_arrays(types)}) "  # noqa: S608 (our own statement)
                f"WITH ORDINALITY AS wanted ({', '.join(types)}, place) CROSS JOIN LATERAL ({inner}) AS found"
            )
            self._asked[sql] = Together(own, types)
        return self._asked[sql]


def _arrays(types: Mapping[str, str]) -> str:
    return ", ".join(f"%({name})b::{kind}[]" for name, kind in types.items())


def _own_word(found: re.Match[str]) -> str:
    own, name = found.groups()
    if name is not None:
        return f"%({name})s"
    if own is not None:
        return str(own)
    return found.group(0).replace("%", "%%")


@dataclass(slots=True, eq=False)
class Scope:
    """A piece of work, with what it put."""

    lengths: list[int]  # of the groups, when it began
    puts: bool = False  # some of it waits to be sent
    own: bool = False  # and not all of that by a piece of work inside it
    sent: bool = False  # some of it is with the server


@dataclass(slots=True)
class Written:
    """What was put and not sent yet: groups of rows of one statement, in an order that keeps each piece's own order."""

    groups: list[tuple[str, list[Values]]] = field(default_factory=list)
    _places: dict[str, list[int]] = field(default_factory=dict)  # statement → its groups
    _locks: list[tuple[str, list[Values]]] = field(default_factory=list)
    _scopes: list[Scope] = field(default_factory=list)
    _place: int = 0  # the next row goes into this group or a later one

    def __bool__(self) -> bool:
        return bool(self.groups or self._locks)

    def put(self, sql: str, values: Values) -> None:
        places = self._places.setdefault(sql, [])
        nearest = bisect_left(places, self._place)
        if nearest == len(places):
            places.append(len(self.groups))
            self.groups.append((sql, []))
        self._place = places[nearest]
        self.groups[self._place][1].append(values)
        for scope in self._scopes:
            scope.puts = True
        if self._scopes:
            self._scopes[-1].own = True

    def first(self, sql: str, values: Values) -> None:
        """Goes before all that was put."""
        self._locks.append((sql, [values]))

    def at_once(self) -> None:
        """A statement that writes is about to be sent."""
        for scope in self._scopes:
            scope.sent = True

    def take(self) -> list[tuple[str, list[Values]]]:
        taken = self._locks + self.groups
        for scope in self._scopes:
            scope.sent = scope.sent or scope.puts
            scope.puts, scope.own, scope.lengths = False, False, []
        self.groups, self._locks, self._places, self._place = [], [], {}, 0
        return taken

    def enter(self) -> Scope:
        """A piece of work begins, which depends on no other that is not sent yet, but on the one around it."""
        if not any(scope.own for scope in self._scopes):
            self._place = 0
        scope = Scope([len(rows) for _, rows in self.groups])
        self._scopes.append(scope)
        return scope

    def leave(self, scope: Scope) -> None:
        self._scopes.remove(scope)
        self._place = max(len(self.groups) - 1, 0)

    def forget(self, scope: Scope) -> bool:
        """Takes back what the piece of work put. False: some of it was sent."""
        self._scopes.remove(scope)
        if scope.sent:
            return False
        for (_, rows), length in zip(self.groups, scope.lengths, strict=False):
            del rows[length:]
        for sql, _ in self.groups[len(scope.lengths) :]:
            self._places[sql].pop()
        del self.groups[len(scope.lengths) :]
        self._place = max(len(self.groups) - 1, 0)
        return True
