# SPDX-License-Identifier: EUPL-1.2
"""Reads `thv-csv@1`: one row of the CSV of a coordination pool without a system, under its header.

The columns are those of `mappings/thv_csv/schema.json`: a field, or `group_field`. What a spreadsheet does to a value
is undone here (Dutch dates, leading zeros, capitals in codes); what cannot be undone with certainty is left as it
stands, so that the mapping parks it. What the words mean is the mapping's work.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import orjson

import mappings
from connectors.formats.csv_table import Table, TableRow, fault, read_csv, refuse, write_csv
from connectors.formats.json_reply import accepted_json
from schakel.errors import Finding, Malformed, Refusal, UnsupportedFormat
from schakel.identifiers import is_bsn
from schakel.ports import Envelope, Receipt, Reply
from schakel.strict_yaml import near

SCHEMA: Final = Path(mappings.__file__).parent / "thv_csv" / "schema.json"
REFERENCE: Final = "kenmerk"
VERSION: Final = "versie"
CASE: Final = "zaakkenmerk"
PERSONS: Final = "betrokkenen"
GROUP: Final = "groep"
MOST_VERSIONS: Final = 99
_LONGEST_REFERENCE: Final = 180
_OF_A_CHILD: Final = (
    *("geslachtsnaam", "voornamen", "geboren", "ongeboren", "verwacht", "geslacht", "bsn", "geheim_adres"),
    *("relatie_slachtoffer", "relatie_uithuisgeplaatste", "opmerkingen"),
)
_BSN_UNKNOWN: Final = "000000000"


@dataclass(frozen=True, slots=True)
class Column:
    """Where a column's cell goes in the document, and how it is read."""

    name: str
    group: str | None  # an object of the document, or a group of persons' columns
    field: str
    kind: str
    person: bool
    about: str  # Dutch, for the manual


def columns(schema: Path = SCHEMA) -> tuple[Column, ...]:
    """Every column, in the order of the schema; persons' groups one after another."""
    return tuple(_columns(json.loads(schema.read_bytes())))


def _columns(schema: Mapping[str, Any]) -> Iterator[Column]:
    for name, part in schema["properties"].items():
        if name == PERSONS:
            fields = part["items"]["properties"]
            for group in fields[GROUP]["enum"]:
                for field, each in fields.items():
                    if field not in (GROUP, f"relatie_{group}") and (field != "rol" or group.startswith("ander")):
                        yield Column(f"{group}_{field}", group, field, each["kind"], True, each["description"])
        elif part["type"] == "object":
            for field, each in part["properties"].items():
                yield Column(f"{name}_{field}", name, field, each["kind"], False, each["description"])
        else:
            yield Column(name, None, name, part["kind"], False, part["description"])


def template() -> tuple[str, ...]:
    """The header of an empty file: everything about the order, the two adults, and the usual of three children."""
    return tuple(each.name for each in columns() if _usual(each))


def _usual(column: Column) -> bool:
    if not column.person:
        return True
    if column.group in ("slachtoffer", "uithuisgeplaatste"):
        return column.field not in ("ongeboren", "verwacht")
    return column.group in ("kind1", "kind2", "kind3") and column.field in _OF_A_CHILD


class ThvCsv:
    """The format `thv-csv`. Structure is refused here; codes, dates and numbers that make no sense park the row."""

    name = "thv-csv"
    media_types: tuple[str, ...] = ("text/csv",)

    def __init__(self, schema: Path = SCHEMA) -> None:
        self._columns = {each.name: each for each in columns(schema)}

    def recognises(self, body: bytes) -> bool:
        """A header with one of our columns."""
        header = body[:32_768].replace(b"\0", b"").decode("latin-1").lower()
        first = header.lstrip("\xef\xbb\xbf\xff\xfe\r\n ").removeprefix("sep=").splitlines()[:2]
        return any(cell.strip(' "') in self._columns for line in first for cell in re.split("[;,\t]", line))

    def read(self, body: bytes) -> Envelope:
        """One row. Raises Malformed; a file with more rows belongs in the drop folder."""
        table = read_csv(body, most=2)
        if len(table.rows) != 1:
            refuse("line 2", "csv: one row", "Een bericht is één rij onder de kolomnamen", "A message is one row")
        return self.read_row(table, table.rows[0])

    def check_header(self, table: Table) -> None:
        """Raises Malformed when no row under this header could be read."""
        if REFERENCE not in table.header:
            refuse("line 1", "thv-csv: kenmerk", "De kolom kenmerk ontbreekt", "The column kenmerk is missing")

    def read_row(self, table: Table, row: TableRow) -> Envelope:
        """Raises Malformed, with a place by line and column and never what stands there."""
        self.check_header(table)
        if row.fault is not None:
            raise Malformed(row.fault)
        cells = dict(zip(table.header, row.cells, strict=True))
        strangers = [at for at, name in enumerate(table.header) if row.cells[at] and name not in self._columns]
        if strangers:
            raise Malformed(*(self._stranger(table, row, at) for at in strangers[:20]))
        reference, version = self._identity(cells, row)
        document = self._document(cells, reference, version)
        return Envelope(
            format=self.name,
            mapping="thv-csv",
            message_reference=_versioned(reference, version),
            source_case_reference=document[CASE],
            document=document,
            digest=hashlib.sha256(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)).digest(),
            overtaken_by=tuple(_versioned(reference, later) for later in range(version + 1, MOST_VERSIONS + 1)),
        )

    def row_bytes(self, table: Table, row: TableRow) -> bytes:
        """The header and this row alone, in canonical CSV: what `read` takes as one message."""
        return write_csv([table.header, row.cells])

    def write(self, document: Mapping[str, Any]) -> bytes:
        """This format only comes in."""
        raise UnsupportedFormat(
            Finding("(format)", "thv-csv: inbound only", "Dit formaat gaat alleen naar binnen.", "Inbound only.")
        )

    def accepted(self, envelope: Envelope, receipt: Receipt, *, now: datetime, hub_oin: str) -> Reply:
        return accepted_json(receipt)

    def refused(self, refusal: Refusal, body: bytes, *, now: datetime, hub_oin: str, accept: str) -> Reply | None:
        return None  # problem+json says it

    def _stranger(self, table: Table, row: TableRow, at: int) -> Finding:
        """A cell under a name that we do not know could be a secrecy that we would not see: the row is not taken."""
        place = f"line {row.number}, column {at + 1}{near(table.header[at], list(self._columns))}"
        return fault(place, "thv-csv: unknown column", "Deze kolom bestaat niet", "There is no such column")

    def _identity(self, cells: Mapping[str, str], row: TableRow) -> tuple[str, int]:
        reference, version = cells[REFERENCE], cells.get(VERSION, "") or "1"
        if not 0 < len(reference) <= _LONGEST_REFERENCE or "\n" in reference:
            refuse(f"line {row.number}, {REFERENCE}", "thv-csv: kenmerk", "Het kenmerk ontbreekt", "No kenmerk")
        if not re.fullmatch(r"0*[1-9][0-9]?", version, re.ASCII):
            nl = f"De versie is geen getal van 1 tot {MOST_VERSIONS}"
            refuse(f"line {row.number}, {VERSION}", "thv-csv: versie", nl, f"No number from 1 to {MOST_VERSIONS}")
        return reference, int(version)

    def _document(self, cells: Mapping[str, str], reference: str, version: int) -> dict[str, Any]:
        document: dict[str, Any] = {}
        persons: dict[str, dict[str, Any]] = {}
        for column in self._columns.values():
            text = cells.get(column.name, "")
            if not text:
                continue
            value = _READ[column.kind](text)
            if column.person:
                assert column.group is not None
                persons.setdefault(column.group, {GROUP: column.group})[column.field] = value
            elif column.group is not None:
                document.setdefault(column.group, {})[column.field] = value
            else:
                document[column.field] = value
        if persons:
            document[PERSONS] = list(persons.values())
        return document | {REFERENCE: reference, VERSION: version, CASE: document.get(CASE, reference)}


def _versioned(reference: str, version: int) -> str:
    return f"{reference}#{version}"


# -- cells, by kind: the same text as it was before the spreadsheet had it ---------------------------------------------

_DUTCH_MOMENT: Final = re.compile(
    r"([0-9]{1,2})-([0-9]{1,2})-([0-9]{4})(?:[ T,]+([0-9]{1,2})[:.]([0-9]{2})(?:[:.]([0-9]{2}))?)?", re.ASCII
)
_DUTCH_MONTH: Final = re.compile(r"([0-9]{1,2})-([0-9]{4})", re.ASCII)


def _date(text: str) -> str:
    """`dd-mm-jjjj` → `jjjj-mm-dd`, `mm-jjjj` → `jjjj-mm`; anything else (two-digit years, slashes) stays as it is:
    a guess could make somebody a century older."""
    month = _DUTCH_MONTH.fullmatch(text)
    if month is not None:
        return f"{month[2]}-{int(month[1]):02}"
    found = _DUTCH_MOMENT.fullmatch(text)
    if found is None:
        return text
    day = f"{found[3]}-{int(found[2]):02}-{int(found[1]):02}"
    return day if found[4] is None or (int(found[4]) == 0 and int(found[5]) == 0) else text


def _moment(text: str) -> str:
    """`dd-mm-jjjj uu:mm[:ss]` → ISO 8601 without offset: Dutch time."""
    found = _DUTCH_MOMENT.fullmatch(text)
    if found is None:
        return text
    day = f"{found[3]}-{int(found[2]):02}-{int(found[1]):02}"
    hours, minutes, seconds = int(found[4] or 0), found[5] or "00", found[6] or "00"
    return f"{day}T{hours:02}:{minutes}:{seconds}"


def _bsn(text: str) -> str:
    """Nine digits. Excel makes `0` of nine zeros, and takes a leading zero off: put back where the eleven-test fits."""
    digits = re.sub(r"[\s.]", "", text)
    if digits.lower() in ("0", "onbekend"):
        return _BSN_UNKNOWN
    if re.fullmatch(r"[0-9]{8}", digits, re.ASCII) and is_bsn(f"0{digits}"):
        return f"0{digits}"
    return digits


def _phone(text: str) -> str:
    """Nine digits that do not begin with a zero are a Dutch number whose zero Excel took off."""
    return f"0{text}" if re.fullmatch(r"[1-9][0-9]{8}", text, re.ASCII) else text


def _count(text: str) -> int | str:
    """A whole number; other text stays text, and the mapping parks it."""
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text, re.ASCII) else text


def _codes(text: str) -> list[str]:
    return [_two_digits(each) for each in re.split(r"[\s,;/+|]+", text) if each]


def _two_digits(text: str) -> str:
    """Codes of Veilig Thuis are two digits; Excel takes the zero off."""
    return f"0{text}" if re.fullmatch(r"[0-9]", text, re.ASCII) else text.lower()


_READ: Final[Mapping[str, Callable[[str], Any]]] = {
    "text": str,
    "reference": str,
    "code": lambda text: text.lower(),
    "codes": _codes,
    "vtcode": _two_digits,
    "count": _count,
    "date": _date,
    "moment": _moment,
    "bsn": _bsn,
    "phone": _phone,
    "municipality": lambda text: text.zfill(4) if text.isdigit() else text,
}
