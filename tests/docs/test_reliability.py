# SPDX-License-Identifier: EUPL-1.2
"""The table of faults in docs/reliability.md is of the tests that there are, and of nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.kills import ALL_IN_ONE, IN_PARTS, ON_SERVERS
from tests.faults.marks import marked_faults
from tests.faults.table import BEGIN, END, HEAD, NOT_PLAYED, WELL, Row, read, renew

AGAIN = "run: make faults ONLY=new"


def test_every_marked_fault_stands_in_the_table() -> None:
    assert sorted(marked_faults() - {row.fault for row in read()}) == [], AGAIN


def test_the_table_holds_no_fault_that_no_test_plays() -> None:
    assert sorted({row.fault for row in read()} - marked_faults()) == [], AGAIN


def test_each_row_was_seen_and_held() -> None:
    for row in read():
        if row.result == NOT_PLAYED:
            continue
        assert row.result == WELL, row.fault
        assert row.seen, row.fault
        assert int(row.runs.split()[0].replace(",", "")) > 0, row.fault


def test_each_shape_of_the_kills_is_marked_on_a_test_of_everyday() -> None:
    assert {shape.fault for shape in (ALL_IN_ONE, IN_PARTS, ON_SERVERS)} <= marked_faults()


def test_a_run_renews_its_own_rows_and_leaves_the_others(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\n{END}\nafter\n", encoding="utf-8")
    assert read(page) == []
    old, other = Row("b", "2026-11-01", "1", "x | y", WELL), Row("a", "2026-11-01", "2", "z", WELL)
    renew([old, other], page)
    renewed = Row("b", "2026-11-02", "3", "x", WELL)
    renew([renewed], page)
    assert read(page) == [other, renewed]
    renew([], page, known=frozenset({"a"}))
    assert read(page) == [other]
    text = page.read_text(encoding="utf-8")
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert all(word in text for word in HEAD)


def test_a_cell_may_hold_a_bar(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"{BEGIN}\n{END}", encoding="utf-8")
    row = Row("one | two", "2026-11-01", "1", "x", WELL)
    renew([row], page)
    assert read(page) == [row]


def test_a_fault_without_a_name_that_can_be_found_is_refused(tmp_path: Path) -> None:
    (tmp_path / "test_x.py").write_text("import pytest\n@pytest.mark.fault(NAME)\ndef test(): ...\n", encoding="utf-8")
    with pytest.raises(ValueError, match="written out"):
        marked_faults(tmp_path)
