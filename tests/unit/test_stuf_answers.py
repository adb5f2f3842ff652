# SPDX-License-Identifier: EUPL-1.2
"""The books of StUF outcomes are agreements, line by line, and whole; and what is read as a word on a delivery."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml
from lxml import etree

import mappings
from connectors.formats.stuf_jz import StufJeugdzorg
from schakel.errors import Malformed, UnsupportedFormat
from schakel.ledger_records import AnswerOutcome
from tests.support.stuf_partner import AT, HUB, StufPartner

BOOKS = Path(mappings.__file__).parent / "codebooks"
SCHEMAS = Path(__file__).resolve().parents[2] / "../shared/standards/stuf-jeugdzorg"
AGREED = (
    "stuf-uitkomst",
    "stuf-uitkomst-reden",
    "stuf-antwoord",
    "stuf-antwoord-reden",
    "stuf-uit-uitkomst",
    "stuf-uit-vt-status",
    "stuf-uit-soortmelding",
    "stuf-uit-berichtsoort",
)
FORMAT = StufJeugdzorg()
ZVHH = StufPartner("00000099000000002003")
RECORDED = AnswerOutcome("recorded", "confirmed")


def entries(book: str) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = yaml.safe_load((BOOKS / f"{book}.yaml").read_text(encoding="utf-8"))["entries"]
    return found


@pytest.mark.parametrize("book", AGREED)
def test_every_line_says_that_it_is_a_local_agreement(book: str) -> None:
    assert {entry["agreement"] for entry in entries(book).values()} == {"local"}


def test_no_bare_veilig_thuis_code_confirms() -> None:
    confirms = {code for code, entry in entries("stuf-uitkomst").items() if entry["to"] == "confirmed"}
    assert confirms == {"ZVH-01"}
    told = {entry["to"] for code, entry in entries("stuf-uitkomst").items() if code.startswith("VT-01")}
    assert told == {"noted"}


def test_every_outcome_of_the_standard_has_its_line() -> None:
    if not SCHEMAS.is_dir() and os.environ.get("CI") != "true":
        pytest.skip("the StUF-Jeugdzorg schemas are not beside this checkout")
    schema = etree.parse(str(SCHEMAS / "gm/jz0100_msg_gmberichten_resolved2025.xsd"))
    found = schema.xpath(
        "//xs:simpleType[@name='StatusMeldingContentType']//xs:enumeration/@value",
        namespaces={"xs": "http://www.w3.org/2001/XMLSchema"},
    )
    assert isinstance(found, list)
    codes = {str(code) for code in found}
    assert codes == set(entries("stuf-uitkomst"))
    assert codes >= {entry["to"] for entry in entries("stuf-uit-uitkomst").values()}


# -- reading -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "code", "place", "outcome"),
    [
        ("Bv03", "", "", "received"),
        ("Fo03", "StUF016", "client", "received"),
        ("Fo03", "StUF046", "server", "failed"),
        ("Fo03", "StUF055", "client", "refused"),
        ("Fo01", "StUF052", "client", "refused"),
    ],
)
def test_a_word_on_a_delivery_needs_no_mapping(kind: str, code: str, place: str, outcome: str) -> None:
    envelope = FORMAT.read_answer(ZVHH.word(kind, "019a-1", code=code, place=place))
    assert envelope.word is not None
    assert (envelope.word.delivery_id, envelope.word.outcome) == ("019a-1", outcome)
    assert (envelope.mapping, envelope.sender_oin) == ("", ZVHH.oin)
    reply = FORMAT.answered(envelope, RECORDED, now=AT, hub_oin=HUB)
    assert (reply.status, reply.body) == (202, b"")  # no thanks for thanks


def test_a_word_that_does_not_say_on_what_is_refused() -> None:
    with pytest.raises(Malformed):
        FORMAT.read_answer(ZVHH.word("Bv03", ""))


def test_an_outcome_names_the_request_and_its_own_number() -> None:
    envelope = FORMAT.read_answer(ZVHH.outcome("ANTWOORD01", "ZVH-02", number="U-9"))
    assert (envelope.mapping, envelope.source_case_reference, envelope.message_reference) == (
        "stuf-uitkomst",
        "ANTWOORD01",
        "U-9",
    )
    assert b"Bv03Bericht" in FORMAT.answered(envelope, RECORDED, now=AT, hub_oin=HUB).body


@pytest.mark.parametrize("body", [b"<a/>", b"<html><body/></html>"])
def test_what_is_no_answer_is_told_so(body: bytes) -> None:
    with pytest.raises(UnsupportedFormat):
        FORMAT.read_answer(body)


@pytest.mark.parametrize("body", [b"", b"<a", b"<!DOCTYPE a><a/>", b"\xff\xfe<a/>"])
def test_what_cannot_be_read_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        FORMAT.read_answer(body)
