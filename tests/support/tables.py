# SPDX-License-Identifier: EUPL-1.2
"""Makes rows, CSV files and workbooks as a pool's office would: invented households, one per row."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any, Final

import openpyxl

Row = Mapping[str, Any]
PLACES: Final = {"0518": ("Den Haag", "2526 DA"), "0503": ("Delft", "2611 AB"), "0603": ("Rijswijk", "2281 AB")}


def row(n: int, municipality: str = "0518", **changes: Any) -> dict[str, Any]:
    """The n-th household's row; another `n` has nothing in common with it."""
    place, postcode = PLACES[municipality]
    return {
        "kenmerk": f"CSV-{n:04}",
        "versie": "1",
        "huisverbod_status": "opgelegd",
        "huisverbod_nummer": f"THV-CSV-{n:04}",
        "huisverbod_opgelegd_op": "20-11-2026 22:05",
        "huisverbod_straat": f"Proefstraat {n}",
        "huisverbod_huisnummer": "1",
        "huisverbod_postcode": postcode,
        "huisverbod_woonplaats": place,
        "huisverbod_gemeentecode": municipality,
        "slachtoffer_geslachtsnaam": f"Verzonnen-{n}",
        "slachtoffer_bsn": "0",
        "uithuisgeplaatste_geslachtsnaam": f"Bedacht-{n}",
        "toelichting": "",
    } | changes


def header_of(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(name for one in rows for name in one))


def csv_file(rows: Sequence[Row], *, separator: str = ";", encoding: str = "utf-8", ends: str = "\r\n") -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator, lineterminator=ends)
    header = header_of(rows)
    writer.writerow(header)
    writer.writerows([[one.get(name, "") for name in header] for one in rows])
    return out.getvalue().encode(encoding)


def workbook(rows: Sequence[Row], *, before: int = 0) -> bytes:
    """`before`: empty rows above the header."""
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    header = header_of(rows)
    for at, values in enumerate([header, *([one.get(name, "") for name in header] for one in rows)], start=1 + before):
        for column, value in enumerate(values, start=1):
            cell = sheet.cell(at, column)
            cell.value = value
            if isinstance(value, str):
                cell.data_type = "s"  # a text that begins with = is a text
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()
