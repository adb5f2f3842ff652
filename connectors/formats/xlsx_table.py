# SPDX-License-Identifier: EUPL-1.2
"""Reads the first sheet of an Excel workbook (.xlsx) as the table that Excel would have saved as CSV.

A workbook is a zip of XML: what it would unpack to is bounded before anything is unpacked, DOCTYPEs are refused, and of
a formula only the value that Excel stored is read.
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any, Final

from connectors.formats.csv_table import MAX_ROWS, Table, TableRow, refuse, table_of
from schakel.errors import Malformed

MAGIC: Final = b"PK\x03\x04"
OLD_EXCEL: Final = b"\xd0\xcf\x11\xe0"  # .xls, and also .xlsx behind a password
MAX_PARTS: Final = 500
MAX_UNPACKED: Final = 64 * 1024 * 1024
_FLAG_ENCRYPTED: Final = 0x1


def read_xlsx(body: bytes, *, most: int = MAX_ROWS) -> Table:
    """The table on the first sheet; row numbers are Excel's own. Raises Malformed."""
    _check_zip(body)
    rows = _rows(body, most)
    head = next((row for row in rows if any(row.cells)), None)
    if head is None:
        refuse("sheet 1", "xlsx: header", "Het eerste werkblad is leeg", "The first sheet is empty")
    return table_of(head.cells, rows, most=most)


def _rows(body: bytes, most: int) -> Iterator[TableRow]:
    import openpyxl

    try:
        book = openpyxl.load_workbook(io.BytesIO(body), read_only=True, data_only=True, keep_links=False)
        try:
            sheet = book.worksheets[0]
            sheet.reset_dimensions()  # the size that the file states can be anything
            # rows that are there but empty count as well: a sheet of a million blank rows is cut off, not gone through
            found = sheet.iter_rows(max_row=2 * most + 2, values_only=True)
            for number, values in enumerate(found, start=1):
                yield TableRow(number, tuple(_shown(value) for value in values))
        finally:
            book.close()
    except Malformed:
        raise
    except Exception:  # whatever the library stumbles over in a file from outside: the file is not readable
        refuse("sheet 1", "xlsx: readable", "Het werkboek is niet leesbaar", "The workbook cannot be read")


def _check_zip(body: bytes) -> None:
    """The unpacker reads no more of a part than the directory says, so that the directory's sum is the bound."""
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            parts = archive.infolist()
            if len(parts) > MAX_PARTS or sum(part.file_size for part in parts) > MAX_UNPACKED:
                refuse("(file)", "xlsx: size", "Het werkboek is uitgepakt te groot", "The workbook unpacks too large")
            if any(part.flag_bits & _FLAG_ENCRYPTED for part in parts):
                refuse("(file)", "xlsx: no password", "Het werkboek heeft een wachtwoord", "It has a password")
            for part in parts:
                if part.filename.endswith((".xml", ".rels")) and b"<!DOCTYPE" in archive.read(part):
                    refuse("(file)", "xlsx: no DOCTYPE", "Het werkboek bevat een DOCTYPE", "It holds a DOCTYPE")
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, OSError, EOFError, RuntimeError):
        refuse("(file)", "xlsx: readable", "Het werkboek is niet leesbaar", "The workbook cannot be read")
    except Exception as error:
        if isinstance(error, Malformed):
            raise
        refuse("(file)", "xlsx: readable", "Het werkboek is niet leesbaar", "The workbook cannot be read")


def _shown(value: Any) -> str:
    """As a Dutch Excel writes it into a CSV: `dd-mm-jjjj uu:mm:ss`, a comma in fractions, WAAR and ONWAAR."""
    match value:
        case None:
            return ""
        case bool():
            return "WAAR" if value else "ONWAAR"
        case datetime():
            moment = value + timedelta(microseconds=500_000)  # Excel counts in fractions of days
            return (
                f"{moment:%d-%m-%Y}"
                if moment.time().replace(microsecond=0) == time()
                else f"{moment:%d-%m-%Y %H:%M:%S}"
            )
        case date():
            return f"{value:%d-%m-%Y}"
        case time():
            return f"{value:%H:%M:%S}"
        case int():
            return str(value)
        case float():
            whole = math.isfinite(value) and value == int(value)
            return str(int(value)) if whole else str(value).replace(".", ",")
        case _:
            return str(value).strip().replace("\r\n", "\n").replace("\r", "\n")
