# SPDX-License-Identifier: EUPL-1.2
"""Tables as Dutch offices save them: separators, encodings, quotes, empty ends; and what is no table."""

from __future__ import annotations

import io
import zipfile
from datetime import date, datetime

import openpyxl
import pytest

from connectors.formats.csv_table import read_csv, write_csv
from connectors.formats.xlsx_table import read_xlsx
from schakel.errors import Malformed

ZOE = 'Zoë; zei "ja"\nen ging – voor € 5'


@pytest.mark.parametrize("separator", [";", ",", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
@pytest.mark.parametrize("ends", ["\r\n", "\n", "\r"])
def test_every_way_of_saving_gives_the_same_cells(separator: str, encoding: str, ends: str) -> None:
    quoted = '"' + ZOE.replace('"', '""').replace("\n", ends) + '"'
    text = ends.join([separator.join(["Kenmerk", "toelichting", ""]), separator.join(["A1", quoted, ""]), ""])
    table = read_csv(text.encode(encoding))
    assert table.header == ("kenmerk", "toelichting")
    assert [row.cells for row in table.rows] == [("A1", ZOE)]


def test_empty_rows_and_columns_at_the_end_are_nothing() -> None:
    table = read_csv(b"kenmerk;versie;;;\r\nA;1;;;\r\n;;;;\r\n\r\n;;;;\r\n")
    assert table.header == ("kenmerk", "versie")
    assert [row.cells for row in table.rows] == [("A", "1")]


def test_excels_own_first_line_names_the_separator() -> None:
    assert read_csv(b"sep=,\r\nkenmerk,a;b\r\nA,1\r\n").header == ("kenmerk", "a;b")


def test_a_row_that_leaves_off_its_last_cells_has_them_empty() -> None:
    assert read_csv(b"a;b;c\nA\n").rows[0].cells == ("A", "", "")


def test_a_row_with_cells_beyond_the_columns_is_at_fault_alone() -> None:
    first, second = read_csv(b"a;b\n1;2;3\n4;5;;\n").rows
    assert first.fault is not None
    assert first.fault.rule == "csv: cells"
    assert second.fault is None


def test_a_quote_that_is_never_closed_costs_its_own_row_only() -> None:
    table = read_csv(b'kenmerk;t\nA;goed\nB;"open\nC;goed\nD;"ook ""goed"""\nE;goed\n')
    assert [(row.number, row.cells[0], row.fault is None) for row in table.rows] == [
        (2, "A", True),
        (3, "B", False),
        (4, "C", True),
        (5, "D", True),
        (6, "E", True),
    ]


def test_rows_are_numbered_by_their_first_line() -> None:
    table = read_csv(b'a;b\n1;"x\ny\nz"\n\n2;c\n')
    assert [row.number for row in table.rows] == [2, 6]


def test_a_formula_is_text() -> None:
    assert read_csv(b"a;b\n=1+1;@SUM(A1)\n").rows[0].cells == ("=1+1", "@SUM(A1)")


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        (b"", "csv: header"),
        (b"\r\n ;;\r\n", "csv: header"),
        (b"a;b\n\x00;1\n", "csv: no control characters"),
        (b"a;b\n\x81;1\n", "csv: encoding"),  # neither UTF-8 nor Windows-1252 has it
        (b"\xff\xfea", "csv: encoding"),
        (b"a;A\n1;2\n", "csv: column once"),
        (b'a;"b\n', "csv: header"),
        (b"a\n" + b"1\n" * 10_001, "csv: rows"),
    ],
)
def test_what_is_no_table_is_refused_by_rule(body: bytes, rule: str) -> None:
    with pytest.raises(Malformed) as caught:
        read_csv(body)
    assert [finding.rule for finding in caught.value.findings] == [rule]


def test_canonical_rows_read_back() -> None:
    cells = (ZOE, "=1", " ", "", "'s")
    assert read_csv(write_csv([("a", "b", "c", "d", "e"), cells])).rows[0].cells == (ZOE, "=1", "", "", "'s")


# -- workbooks ---------------------------------------------------------------------------------------------------------


def book_of(*rows: tuple[object, ...]) -> bytes:
    book = openpyxl.Workbook()
    for one in rows:
        book.active.append(one)
    book.create_sheet("tweede").append(["iets", "anders"])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def test_a_workbook_shows_its_values_as_a_dutch_csv_would() -> None:
    values = ("A", 99990068, 1.5, 2.0, True, False, date(1985, 12, 3), datetime(2026, 11, 14, 22, 5), None, "=x")
    table = read_xlsx(book_of(tuple("abcdefghij"), (*values[:-1], "x")))
    assert table.rows[0].cells == (
        "A", "99990068", "1,5", "2", "WAAR", "ONWAAR", "03-12-1985", "14-11-2026 22:05:00", "", "x",
    )  # fmt: skip
    assert table.rows[0].number == 2


def test_a_formula_in_a_workbook_is_the_value_that_was_stored_or_nothing() -> None:
    assert read_xlsx(book_of(("a", "b"), ("x", "=1+1"))).rows[0].cells == ("x", "")


def packed(name: str, content: bytes, *, times: int = 1) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for at in range(times):
            archive.writestr(f"{at}{name}", content)
    return out.getvalue()


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        (b"PK\x03\x04 and then nothing of a zip", "xlsx: readable"),
        (packed("a.txt", b"x"), "xlsx: readable"),
        (packed("bomb.xml", b"\0" * (33 * 2**20), times=2), "xlsx: size"),
        (packed("a.xml", b"x", times=501), "xlsx: size"),
        (packed("sheet.xml", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'), "xlsx: no DOCTYPE"),
        (book_of(), "xlsx: header"),
        (book_of(("a",), *(("1",) for _ in range(10_001))), "csv: rows"),
    ],
    ids=["cut", "no-workbook", "bomb", "parts", "doctype", "empty", "rows"],
)
def test_what_is_no_workbook_or_too_much_of_one_is_refused_by_rule(body: bytes, rule: str) -> None:
    with pytest.raises(Malformed) as caught:
        read_xlsx(body)
    assert [finding.rule for finding in caught.value.findings] == [rule]
