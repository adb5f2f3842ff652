# SPDX-License-Identifier: EUPL-1.2
"""Whatever bytes come: rows or a refusal. The same cells, however saved, are the same referral."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from connectors.formats.csv_table import Table, read_csv, write_csv
from connectors.formats.thv_csv import SCHEMA, ThvCsv, columns
from connectors.formats.xlsx_table import read_xlsx
from mappings.codebook import CodebookShelf
from mappings.engine import CompiledMapping, load_mapping, to_referral
from schakel.errors import Malformed, Unmappable
from tests.support.tables import csv_file, workbook

NOW = datetime(2026, 11, 16, 9, 0, tzinfo=UTC)
CANARY = "kanarie7731"
THV = ThvCsv()
PATIENT = settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
# what Windows-1252 can write too, without control characters
CHARACTERS = st.characters(codec="cp1252", exclude_categories=("Cc",)) | st.sampled_from('\n;,"=é€')
TEXT = st.text(CHARACTERS, max_size=30)
LIKELY: dict[str, st.SearchStrategy[str]] = {
    "code": st.sampled_from(["ja", "Nee", "onbekend", "opgelegd", "vrouw", "kind", CANARY]),
    "date": st.sampled_from(["3-12-1985", "12-1985", "1985", "03-12-85", CANARY]),
    "moment": st.sampled_from(["14-11-2026 22:05", "14-11-2026", "31-02-2026 10:00", CANARY]),
    "bsn": st.sampled_from(["0", "999990019", "99990019", "12345678", CANARY]),
    "count": st.sampled_from(["1", "2", "02", CANARY]),
    "codes": st.sampled_from(["1 + 6", "01", "77", CANARY]),
}


def _reads_as_utf8(cells: dict[str, str]) -> bool:
    """Whether these words in Windows-1252 are the bytes of other words in UTF-8: nobody can tell which was meant."""
    bytes_ = "".join(cells.values()).encode("cp1252")
    try:
        return bytes_.decode("utf-8").encode("utf-8") == bytes_ and not bytes_.isascii()
    except UnicodeDecodeError:
        return False


@st.composite
def rows(draw: st.DrawFn) -> dict[str, str]:
    chosen = draw(st.lists(st.sampled_from(columns()), max_size=12, unique=True))
    cells = {one.name: draw(LIKELY.get(one.kind, TEXT)) for one in chosen}
    assume(not _reads_as_utf8(cells))
    return cells | {"kenmerk": draw(st.sampled_from(["A-1", "=A", "Ç 3"])), "versie": draw(st.sampled_from(["", "2"]))}


@cache
def mapping() -> CompiledMapping:
    return load_mapping(SCHEMA.parent, CodebookShelf.load())


def outcome(body: bytes) -> Any:
    """The referral or why it would park, with what decides on duplicates; or why it is refused."""
    try:
        envelope = THV.read(body)
    except Malformed as refusal:
        return _silent(refusal.findings)
    try:
        mapped = mapping().apply(envelope.document, now=NOW)
        made: Any = to_referral(mapped.document)
    except Unmappable as parked:
        made = _silent((parked.cause, parked.findings))
    else:
        assert mapped.losses == ()
    return envelope.message_reference, envelope.digest, made


def _silent(said: tuple[Any, ...]) -> tuple[Any, ...]:
    """What is told of a trouble holds no value."""
    assert said
    assert CANARY not in str(said)
    return said


@PATIENT
@given(rows())
def test_two_encodings_give_the_same_referral(cells: dict[str, str]) -> None:
    plain = outcome(csv_file([cells]))
    assert len(plain) == 3, "refused"
    assert plain == outcome(csv_file([cells], encoding="cp1252", separator=","))
    assert plain == outcome(csv_file([cells], encoding="utf-16", separator="\t", ends="\n"))


@PATIENT
@given(rows())
def test_a_workbook_and_a_csv_give_the_same_referral(cells: dict[str, str]) -> None:
    sheet = read_xlsx(workbook([cells], before=2))
    assert outcome(THV.row_bytes(sheet, sheet.rows[0])) == outcome(csv_file([cells]))


@PATIENT
@given(rows())
def test_a_row_taken_out_of_its_file_is_the_same_row(cells: dict[str, str]) -> None:
    other = {"kenmerk": "ander", "interne_notitie": "x"}
    table = read_csv(csv_file([other, cells], encoding="cp1252"))
    whole = outcome(csv_file([cells]))
    assert outcome(THV.row_bytes(table, table.rows[1])) == whole


@settings(deadline=None)
@given(
    st.binary(max_size=300)
    | st.text('";,\t\r\nkenmrverisa=1\x00é', max_size=120).map(lambda text: f"kenmerk;versie\n{text}".encode())
)
def test_any_bytes_are_rows_or_a_refusal(body: bytes) -> None:
    for read in (read_csv, read_xlsx):
        try:
            table = read(body)
        except Malformed as refusal:
            _silent(refusal.findings)
            continue
        assert isinstance(table, Table)
        assert all(len(row.cells) == len(table.header) for row in table.rows if row.fault is None)
    assert outcome(body)


@settings(deadline=None)
@given(st.lists(TEXT.map(str.strip), min_size=1, max_size=5))
def test_canonical_bytes_read_back_as_the_same_cells(cells: list[str]) -> None:
    header = [f"k{at}" for at in range(len(cells))]
    table = read_csv(write_csv([header, cells]))
    assert [row.cells for row in table.rows] == ([tuple(cells)] if any(cells) else [])


@settings(deadline=None)
@given(st.lists(st.sampled_from(["A;goed", 'B;"open', 'C;"dicht"', 'D;"a""b"', "E;x;y"]), max_size=8))
def test_a_bad_row_never_takes_more_than_itself(lines: list[str]) -> None:
    """Whatever quotes are open: each sound line that no open quote can have swallowed is a row."""
    table = read_csv("\n".join(["kenmerk;t", *lines, ""]).encode())
    if 'B;"open' not in lines:
        assert [row.cells[0] for row in table.rows] == [line[0] for line in lines]
    assert {row.number for row in table.rows if row.fault is None} >= {
        at for at, line in enumerate(lines[: lines.index('B;"open')] if 'B;"open' in lines else lines, start=2)
        if line != "E;x;y"
    }  # fmt: skip
