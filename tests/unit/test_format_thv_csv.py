# SPDX-License-Identifier: EUPL-1.2
"""The pool's CSV: which row is which, what a spreadsheet did to values, and what is refused instead of overlooked."""

from __future__ import annotations

from pathlib import Path

import pytest
from stdnum.nl import bsn

from connectors.formats.thv_csv import ThvCsv, columns, template
from schakel.errors import Malformed, UnsupportedFormat
from tests.support.tables import csv_file, row

DOCS = Path(__file__).resolve().parents[2] / "docs"
THV = ThvCsv()
WITHOUT_ZERO = next(str(n) for n in range(10_000_000, 10_001_000) if bsn.is_valid(f"0{n}"))


def document(**changes: str) -> dict[str, object]:
    return dict(THV.read(csv_file([row(1, **changes)])).document)


def refusal(**changes: str) -> tuple[str, str]:
    with pytest.raises(Malformed) as caught:
        THV.read(csv_file([row(1, **changes)]))
    finding = caught.value.findings[0]
    return finding.place, finding.rule


# -- which row ---------------------------------------------------------------------------------------------------------


def test_the_reference_is_the_kenmerk_with_its_version() -> None:
    envelope = THV.read(csv_file([row(1, versie="03")]))
    assert (envelope.message_reference, envelope.source_case_reference) == ("CSV-0001#3", "CSV-0001")


def test_an_empty_version_is_the_first_and_newer_ones_overtake_it() -> None:
    envelope = THV.read(csv_file([row(1, versie="", zaakkenmerk="Z-9")]))
    assert (envelope.message_reference, envelope.source_case_reference) == ("CSV-0001#1", "Z-9")
    assert envelope.overtaken_by[0] == "CSV-0001#2"
    assert envelope.overtaken_by[-1] == "CSV-0001#99"
    assert THV.read(csv_file([row(1, versie="99")])).overtaken_by == ()


def test_the_digest_is_of_what_the_cells_say() -> None:
    one, other = row(1, toelichting="Zoë"), row(1, toelichting="Zoë", vraag="")
    backwards = dict(reversed(list(other.items())))
    digests = {
        THV.read(csv_file([one])).digest,
        THV.read(csv_file([one], encoding="cp1252", separator=",")).digest,
        THV.read(csv_file([backwards])).digest,
    }
    assert len(digests) == 1
    assert THV.read(csv_file([row(1, toelichting="Zoe")])).digest not in digests


# -- what a spreadsheet does -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("999990019", "999990019"),
        ("9999.90.019", "999990019"),
        ("0", "000000000"),
        ("Onbekend", "000000000"),
        (WITHOUT_ZERO, f"0{WITHOUT_ZERO}"),
        ("12345678", "12345678"),  # no number with a zero before it either: left for the mapping to park
        ("1234567", "1234567"),
    ],
)
def test_a_citizen_service_number_gets_its_zero_back_only_where_the_eleven_test_fits(given: str, read: str) -> None:
    assert document(slachtoffer_bsn=given)["betrokkenen"][0]["bsn"] == read  # type: ignore[index]


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("3-12-1985", "1985-12-03"),
        ("03-12-1985 00:00:00", "1985-12-03"),
        ("12-1985", "1985-12"),
        ("1985", "1985"),
        ("1985-12-03", "1985-12-03"),
        ("03-12-85", "03-12-85"),
        ("12/03/1985", "12/03/1985"),
    ],
)
def test_a_dutch_date_is_read_and_a_doubtful_one_is_left(given: str, read: str) -> None:
    assert document(slachtoffer_geboren=given)["betrokkenen"][0]["geboren"] == read  # type: ignore[index]


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("14-11-2026 22:05", "2026-11-14T22:05:00"),
        ("14-11-2026 7:05:09", "2026-11-14T07:05:09"),
        ("14-11-2026", "2026-11-14T00:00:00"),
        ("2026-11-14T22:05:00+01:00", "2026-11-14T22:05:00+01:00"),
        ("gisteren", "gisteren"),
    ],
)
def test_a_dutch_moment_is_local_time_without_offset(given: str, read: str) -> None:
    assert document(gebeurd_op=given)["gebeurd_op"] == read


def test_zeros_that_are_taken_off_come_back_for_telephones_municipalities_and_codes() -> None:
    made = document(
        slachtoffer_telefoon="612345678", huisverbod_gemeentecode="518", incident_vormen="1+6, 9", melder_soort="1"
    )
    assert made["betrokkenen"][0]["telefoon"] == "0612345678"  # type: ignore[index]
    assert made["huisverbod"]["gemeentecode"] == "0518"  # type: ignore[index]
    assert made["incident"] == {"vormen": ["01", "06", "09"]}
    assert made["melder"] == {"soort": "01"}


def test_persons_are_the_groups_that_hold_something_in_the_order_of_the_columns() -> None:
    made = document(kind2_voornamen="B", ander1_rol="Meerderjarig-Kind", kind1_geboren="2015")
    assert [person["groep"] for person in made["betrokkenen"]] == [  # type: ignore[attr-defined]
        "slachtoffer",
        "uithuisgeplaatste",
        "kind1",
        "kind2",
        "ander1",
    ]


# -- what is refused ---------------------------------------------------------------------------------------------------


def test_a_filled_cell_under_an_unknown_name_is_refused_with_the_name_that_was_meant() -> None:
    place, rule = refusal(slachtoffer_geheimadres="ja")
    assert rule == "thv-csv: unknown column"
    assert "did you mean slachtoffer_geheim_adres?" in place
    assert "slachtoffer_geheimadres" not in place  # the sender's own text


def test_an_unknown_column_without_content_is_no_harm() -> None:
    assert document(interne_notitie="")["kenmerk"] == "CSV-0001"


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"kenmerk": ""}, "thv-csv: kenmerk"),
        ({"kenmerk": "x" * 181}, "thv-csv: kenmerk"),
        ({"versie": "0"}, "thv-csv: versie"),
        ({"versie": "100"}, "thv-csv: versie"),
        ({"versie": "1,5"}, "thv-csv: versie"),
        ({"versie": "-1"}, "thv-csv: versie"),
    ],
)
def test_a_row_that_cannot_be_told_from_others_is_refused(changes: dict[str, str], rule: str) -> None:
    assert refusal(**changes)[1] == rule


def test_a_message_is_one_row() -> None:
    for rows in ([], [row(1), row(2)], [row(1), row(2), row(3)]):
        body = csv_file(rows) if rows else csv_file([row(1)]).splitlines()[0] + b"\r\n"
        with pytest.raises(Malformed):
            THV.read(body)


def test_a_table_without_kenmerk_is_refused() -> None:
    with pytest.raises(Malformed) as caught:
        THV.read(b"versie;soort\r\n1;aanmelding\r\n")
    assert caught.value.findings[0].rule == "thv-csv: kenmerk"


def test_it_only_comes_in() -> None:
    with pytest.raises(UnsupportedFormat):
        THV.write({})


@pytest.mark.parametrize(
    ("body", "is_ours"),
    [
        (csv_file([row(1)]), True),
        (csv_file([row(1)], encoding="utf-16", separator="\t"), True),
        (csv_file([row(1)], encoding="utf-8-sig", separator=","), True),
        (b"sep=;\r\nkenmerk;versie\r\n", True),
        (b"MSH|^~\\&|A|B\r", False),
        (b'{"kenmerk": 1}', False),
        (b"<kenmerk/>", False),
        (b"", False),
    ],
)
def test_it_recognises_its_own_header(body: bytes, is_ours: bool) -> None:
    assert THV.recognises(body) is is_ours


# -- the columns -------------------------------------------------------------------------------------------------------


def test_the_template_holds_known_columns_once_and_is_read_as_an_empty_file() -> None:
    names = template()
    assert len(set(names)) == len(names)
    assert set(names) <= {each.name for each in columns()}
    assert {"kenmerk", "slachtoffer_geheim_adres", "kind3_geheim_adres"} <= set(names)


def test_every_column_stands_in_the_manual() -> None:
    page = (DOCS / "csv.md").read_text(encoding="utf-8")
    between = {"kind2", "kind3", "kind4", "kind5"}  # "kind1_ tot en met kind6_"
    for column in columns():
        assert f"| `{column.field}` | {column.about} |" in page, column.name
        assert column.group is None or column.group in between or f"`{column.group}_" in page, column.name
