# SPDX-License-Identifier: EUPL-1.2
"""The host functions of mappings, codebooks from files, and strict YAML."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid5
from zoneinfo import ZoneInfo

import pytest

from mappings.codebook import Codebook, CodebookShelf, UnknownCode, read_codebook
from mappings.functions import URN_SPACE, Unfit, host_functions, moment, partial_date, phone, postcode, years_ago
from schakel.errors import ConfigurationError


@pytest.mark.parametrize(
    ("now", "years", "made"),
    [
        (datetime(2026, 11, 16, 9, tzinfo=UTC), 18, "2008-11-16"),
        (datetime(2026, 11, 16, 9, tzinfo=UTC), 18.0, "2008-11-16"),  # the engine knows one kind of number
        (datetime(2026, 1, 1, 0, 30, tzinfo=ZoneInfo("Europe/Amsterdam")), 0, "2025-12-31"),
        (datetime(2028, 2, 29, 9, tzinfo=UTC), 18, "2010-02-29"),
    ],
)
def test_years_ago(now: datetime, years: float, made: str) -> None:
    assert years_ago(years, now=now) == made


@pytest.mark.parametrize("years", [None, "18", True, -1, 151])
def test_years_ago_takes_a_number_of_years(years: object) -> None:
    with pytest.raises(Unfit):
        years_ago(years, now=datetime(2026, 11, 16, 9, tzinfo=UTC))


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ("2026-11-14T22:40:00+01:00", "2026-11-14T21:40:00Z"),
        ("2026-11-14T22:40Z", "2026-11-14T22:40:00Z"),
        ("2026-11-14T22:40:00.250Z", "2026-11-14T22:40:00.250Z"),
        ("2026-11-14T22:40:00", "2026-11-14T21:40:00Z"),
        ("2026-07-01T12:00:00", "2026-07-01T10:00:00Z"),
        ("2026-10-25T02:30:00", "2026-10-25T00:30:00Z"),  # comes twice: the first is meant
        ("20261114", "2026-11-13T23:00:00Z"),
        ("20261114224005", "2026-11-14T21:40:05Z"),
        ("202611142240", "2026-11-14T21:40:00Z"),
        ("2026111422400512", "2026-11-14T21:40:05.120Z"),
        ("20261114224005123", "2026-11-14T21:40:05.123Z"),
        (" 2026-11-14T22:40:00Z ", "2026-11-14T22:40:00Z"),
        ("", None),
        (None, None),
    ],
)
def test_moment(given: str | None, made: str | None) -> None:
    assert moment(given) == made


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ("1985-03-12", {"value": "1985-03-12", "precision": "day"}),
        ("1985-03", {"value": "1985-03", "precision": "month"}),
        ("1985", {"value": "1985", "precision": "year"}),
        ("19850312", {"value": "1985-03-12", "precision": "day"}),
        ("19850300", {"value": "1985-03", "precision": "month"}),
        ("19850000", {"value": "1985", "precision": "year"}),
        ("99999999", {"precision": "unknown"}),
        ("00000000", {"precision": "unknown"}),
        ("2024-02-29", {"value": "2024-02-29", "precision": "day"}),
        ("", None),
        (None, None),
    ],
)
def test_partial_date(given: str | None, made: dict[str, str] | None) -> None:
    assert partial_date(given) == made


@pytest.mark.parametrize(
    ("function", "given"),
    [
        (moment, "gisteren"),
        (moment, "2026-02-30T10:00:00Z"),
        (moment, "202611142"),
        (moment, "20261314"),
        (moment, "0001-01-01T00:00:00+14:00"),
        (partial_date, "2023-02-29"),
        (partial_date, "1985-13"),
        (partial_date, "85"),
        (partial_date, "12-03-1985"),
        (postcode, "0123AB"),
        (postcode, "B-1000"),
    ],
)
def test_what_cannot_be_right_is_a_contradiction_without_the_value(function: Any, given: str) -> None:
    with pytest.raises(Unfit) as caught:
        function(given)
    assert caught.value.cause == "contradiction"
    assert given not in str(caught.value)


@pytest.mark.parametrize("function", [moment, partial_date, postcode, phone])
def test_a_number_is_refused(function: Any) -> None:
    with pytest.raises(Unfit, match="takes text"):
        function(2026)


def test_postcode_and_phone() -> None:
    assert [postcode("2512 ab"), postcode("2512AB"), postcode("2512"), postcode(""), postcode(None)] == [
        "2512AB",
        "2512AB",
        "2512",
        None,
        None,
    ]
    assert [phone("  06  0000 0001 "), phone("  "), phone(None)] == ["06 0000 0001", None, None]


def write(folder: Path, text: str) -> Path:
    path = folder / "proef.yaml"
    path.write_text(text)
    return path


HEAD = "codebook: proef\nversion: 2026-11-01\nsource: test\n"


def test_a_codebook_keeps_codes_as_text(tmp_path: Path) -> None:
    book = read_codebook(write(tmp_path, HEAD + 'entries:\n  01: one\n  no: "nee"\n  J: true\n  "2": ~\n'))
    now = datetime(2026, 11, 16, tzinfo=UTC)
    assert [book.translate(code, now=now) for code in ("01", "no", "J", "2")] == ["one", "nee", True, None]
    for code in ("1", "NO", "j", ""):
        with pytest.raises(UnknownCode):
            book.translate(code, now=now)


def test_a_code_holds_from_its_first_to_its_last_day_in_the_netherlands(tmp_path: Path) -> None:
    text = (
        HEAD + "valid_from: 2026-01-01\nentries:\n  a: x\n  b: {to: y, valid_from: 2026-03-01, valid_to: 2026-03-31}\n"
    )
    book = read_codebook(write(tmp_path, text))

    def holds(code: str, moment: str) -> bool:
        try:
            return book.translate(code, now=datetime.fromisoformat(moment)) is not None
        except UnknownCode:
            return False

    assert [holds("a", "2025-12-31T22:59:59Z"), holds("a", "2025-12-31T23:00:00Z")] == [False, True]
    assert [holds("b", "2026-02-28T22:59:00Z"), holds("b", "2026-02-28T23:00:00Z")] == [False, True]
    with pytest.raises(UnknownCode, match="not-valid-on-date"):
        book.translate("b", now=datetime(2026, 2, 1, tzinfo=UTC))
    assert [holds("b", "2026-03-31T21:59:00Z"), holds("b", "2026-03-31T22:00:00Z")] == [True, False]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEAD + "entries:\n  a: x\n  a: y\n", "proef.yaml:6: the key stands here twice"),
        (HEAD + "entries: {}\n", "entries"),
        (HEAD + "entires:\n  a: x\n", "proef.yaml:4 entires"),
        (HEAD.replace("proef", "anders") + "entries: {a: x}\n", "carries another name"),
        (HEAD + "entries: {a: [x]}\n", "entries.a"),
        (HEAD + "entries: {a: &x {to: y, *x}}\n", "proef.yaml"),
        ("[", "proef.yaml"),
        ("", "proef.yaml"),
    ],
)
def test_a_wrong_codebook_says_where(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_codebook(write(tmp_path, text))
    assert said in str(caught.value)


def test_two_books_of_one_name_are_refused() -> None:
    book = Codebook(name="a", version="1", source="test", entries={})
    with pytest.raises(ConfigurationError, match="two codebooks"):
        CodebookShelf([book, book])


def test_the_veilig_thuis_lists_are_whole() -> None:
    shelf = CodebookShelf.load()
    counts = {name: len(shelf.get(name, place="test").entries) for name in ("vt-form", "vt-nature", "vt-reporter")}
    assert counts == {"vt-form": 9, "vt-nature": 11, "vt-reporter": 23}


def test_a_urn_is_made_of_its_parts_and_of_nothing_else() -> None:
    functions = host_functions({}, lambda: datetime(2026, 11, 16, tzinfo=UTC), "case-fhir@1.0.0")
    urn = functions["urn"]
    assert urn("a", "b") == urn("a", "b")
    assert len({urn("a", "b"), urn("ab"), urn("a", "b", ""), urn("a", " b"), urn("b", "a")}) == 5
    assert urn("a", None) == urn("a", "")
    for parts in (("a",), ("", None), ("0192f0c1", "contained", "m1"), ("é", "𝄞")):
        assert urn(*parts) == f"urn:uuid:{uuid5(URN_SPACE, chr(31).join(part or '' for part in parts))}"
    with pytest.raises(Unfit):
        urn("a", 1)
    assert functions["mapping"]() == "case-fhir@1.0.0"
