# SPDX-License-Identifier: EUPL-1.2
"""Reads a table as Dutch offices save it from Excel: bytes to header and rows, one bad row never spoiling another.

Taken in: semicolon, comma or tab (the header tells, or a first line `sep=;`), UTF-8 with or without byte order mark,
Windows-1252, UTF-16 with its mark ("Unicode text"), any line end, quotes doubled inside quotes, line breaks inside
quotes. Cells are text and stay text: nothing here is ever calculated, so `=1+1` is four characters.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NoReturn

from schakel.errors import Finding, Malformed

MAX_ROWS: Final = 10_000
MAX_COLUMNS: Final = 1_000
SEPARATORS: Final = (";", "\t", ",")
_BOM: Final = b"\xef\xbb\xbf"
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")
_LINES: Final = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_SEP_LINE: Final = re.compile(r'"?sep=([;,\t])"?', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row: its first line in the file (from 1), its cells without outer blanks, or what is wrong with it."""

    number: int
    cells: tuple[str, ...]
    fault: Finding | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """`header`: the names of the columns, trimmed, lower case, without empty ones at the end; empty rows are gone."""

    header: tuple[str, ...]
    rows: tuple[TableRow, ...]


def read_csv(body: bytes, *, most: int = MAX_ROWS) -> Table:
    """The table in a CSV file. Raises Malformed when no row can be read: encoding, no header, too many rows."""
    text = _decoded(body)
    lines = _LINES.findall(text)
    first = next((at for at, line in enumerate(lines) if line.strip(' ;,\t\r\n"')), None)
    if first is None:
        refuse("line 1", "csv: header", "Het bestand is leeg", "The file is empty")
    stated = _SEP_LINE.fullmatch(lines[first].strip())
    separator = stated[1] if stated else _separator(lines[first])
    rows = _records(lines, first + (1 if stated else 0), separator)
    head = next(rows, None)
    if head is None or head.fault is not None:
        refuse("line 1", "csv: header", "De regel met kolomnamen is niet leesbaar", "The header cannot be read")
    return table_of(head.cells, rows, most=most)


def table_of(header: Sequence[str], rows: Iterator[TableRow], *, most: int = MAX_ROWS) -> Table:
    """A table from cells that were read before: names trimmed, empty rows left out. Raises Malformed."""
    names = [" ".join(name.split()).lower() for name in header]
    while names and not names[-1]:
        names.pop()
    if not names or len(names) > MAX_COLUMNS:
        refuse("line 1", "csv: header", "Er zijn geen of te veel kolomnamen", "There are no or too many column names")
    twice = [at for at, name in enumerate(names) if name and name in names[:at]]
    if twice:
        refuse(f"column {twice[0] + 1}", "csv: column once", "Een kolomnaam staat er twee keer", "A column name twice")
    kept: list[TableRow] = []
    for row in rows:
        if row.fault is None and not any(row.cells):
            continue
        if len(kept) == most:
            refuse(f"line {row.number}", "csv: rows", f"Meer dan {most} rijen", f"More than {most} rows")
        kept.append(_fitted(row, len(names)))
    return Table(header=tuple(names), rows=tuple(kept))


def write_csv(rows: Sequence[Sequence[str]]) -> bytes:
    """Canonical bytes: UTF-8, semicolons, CR LF, quotes only where needed. Reading them gives the same cells."""
    out = io.StringIO()
    csv.writer(out, delimiter=";", lineterminator="\r\n").writerows(rows)
    return out.getvalue().encode()


def refuse(place: str, rule: str, nl: str, en: str) -> NoReturn:
    raise Malformed(fault(place, rule, nl, en))


def fault(place: str, rule: str, nl: str, en: str) -> Finding:
    return Finding(place=place, rule=rule, nl=f"{nl} ({place}).", en=f"{en} ({place}).")


def _fitted(row: TableRow, columns: int) -> TableRow:
    """As many cells as there are columns; what Excel leaves off at the end is empty."""
    if row.fault is not None:
        return row
    if any(row.cells[columns:]):
        wrong = fault(f"line {row.number}", "csv: cells", "Meer cellen dan kolommen", "More cells than columns")
        return TableRow(row.number, row.cells[:columns], wrong)
    return TableRow(row.number, (*row.cells[:columns], *("",) * (columns - len(row.cells))))


def _decoded(body: bytes) -> str:
    """UTF-16 only with its mark; UTF-8 if it is that; else Windows-1252, what Excel calls CSV."""
    try:
        if body.startswith(_UTF16):
            text = body.decode("utf-16")
        else:
            plain = body.removeprefix(_BOM)
            try:
                text = plain.decode("utf-8")
            except UnicodeDecodeError:
                text = plain.decode("cp1252")
    except UnicodeDecodeError:
        refuse("line 1", "csv: encoding", "Geen UTF-8 en geen Windows-1252", "Neither UTF-8 nor Windows-1252")
    found = _CONTROL.search(text)
    if found is not None:
        line = text.count("\n", 0, found.start()) + 1
        refuse(f"line {line}", "csv: no control characters", "Er staat een stuurteken in", "A control character")
    return text


def _separator(line: str) -> str:
    """What stands most often in the header outside quotes; the semicolon when nothing does."""
    outside = re.sub(r'"[^"]*"', "", line)
    return max(SEPARATORS, key=outside.count)


class _Lines:
    """Physical lines from a position that can be put back."""

    def __init__(self, lines: Sequence[str], at: int) -> None:
        self._lines = lines
        self.at = at

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        if self.at >= len(self._lines):
            raise StopIteration
        self.at += 1
        return self._lines[self.at - 1]


def _records(lines: Sequence[str], at: int, separator: str) -> Iterator[TableRow]:
    """Records with their first line. After a broken one reading goes on at its next line: a quote that is never closed
    costs its own row and not all that follow."""
    source = _Lines(lines, at)
    while source.at < len(lines):
        start = source.at
        reader = csv.reader(source, delimiter=separator, strict=True)
        try:
            cells = next(reader, [])
        except csv.Error:
            source.at = start + 1
            wrong = fault(f"line {start + 1}", "csv: quotes", "De aanhalingstekens kloppen niet", "Quotes do not match")
            yield TableRow(start + 1, _salvaged(lines[start], separator), wrong)
            continue
        yield TableRow(start + 1, tuple(_trimmed(cell) for cell in cells))


def _salvaged(line: str, separator: str) -> tuple[str, ...]:
    """The cells before the first quote of a broken row: they can tell which row it is."""
    return tuple(_trimmed(cell) for cell in line.partition('"')[0].split(separator)[:-1])


def _trimmed(cell: str) -> str:
    """Without outer blanks; line ends inside become one kind."""
    return cell.strip().replace("\r\n", "\n").replace("\r", "\n")
