# SPDX-License-Identifier: EUPL-1.2
"""StUF-Jeugdzorg back: Bv03, Fo01 and Fo03, plain and in SOAP, linked to the message they answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from lxml import etree

from connectors.formats.stuf_jz import StufJeugdzorg
from schakel.errors import (
    Conflict,
    Finding,
    Forbidden,
    Malformed,
    NotFound,
    Refusal,
    Throttled,
    Unacceptable,
    Unauthenticated,
    UnsupportedFormat,
)
from schakel.ports import Receipt, Reply

EXAMPLES = Path(__file__).resolve().parents[2] / "mappings" / "stuf_melding_generiek" / "examples"
FORMAT = StufJeugdzorg()
PLAIN = (EXAMPLES / "zoetermeer.xml").read_bytes()
SOAP = (EXAMPLES / "mda-delft.xml").read_bytes()
NOW = datetime(2026, 11, 16, 7, 31, 12, 345_000, tzinfo=UTC)
OIN = "00000099000000000001"
NS = {"s": "http://www.egem.nl/StUF/StUF0301", "soap": "http://schemas.xmlsoap.org/soap/envelope/"}
FINDING = Finding("object/identificatie", "stuf-required", "Ontbreekt.", "Missing.")


def receipt(*, duplicate: bool = False) -> Receipt:
    return Receipt(
        message_id="019a8f00-0000-7000-8000-000000000001", state="routed", duplicate=duplicate, notices=(), warnings=()
    )


def accepted(body: bytes, *, duplicate: bool = False) -> Reply:
    return FORMAT.accepted(FORMAT.read(body), receipt(duplicate=duplicate), now=NOW, hub_oin=OIN)


def refused(refusal: Refusal, body: bytes = PLAIN, accept: str = "*/*") -> Reply | None:
    return FORMAT.refused(refusal, body, now=NOW, hub_oin=OIN, accept=accept)


def text(reply: Reply, path: str) -> str:
    found = etree.fromstring(reply.body).find(path, NS)
    assert found is not None
    return found.text or ""


def test_an_accepted_message_gets_a_bv03_with_sender_and_receiver_swapped() -> None:
    reply = accepted(PLAIN)
    assert (reply.status, reply.media_type) == (202, "text/xml; charset=utf-8")
    assert etree.fromstring(reply.body).tag == f"{{{NS['s']}}}Bv03Bericht"
    assert text(reply, ".//s:zender/s:organisatie") == OIN
    assert text(reply, ".//s:zender/s:applicatie") == "Schakel"
    assert text(reply, ".//s:ontvanger/s:organisatie") == "00000099000000001003"
    assert text(reply, ".//s:ontvanger/s:applicatie") == "VT-registratie"
    assert text(reply, ".//s:crossRefnummer") == "VT-2026-004512"
    assert text(reply, ".//s:tijdstipBericht") == "20261116083112345"  # Dutch local time, StUF has no offset


def test_our_own_reference_is_the_same_for_the_same_answer_and_differs_between_answers() -> None:
    first, again, duplicate = accepted(PLAIN), accepted(PLAIN), accepted(PLAIN, duplicate=True)
    assert first.body == again.body
    later = FORMAT.accepted(FORMAT.read(PLAIN), receipt(duplicate=True), now=NOW + timedelta(seconds=1), hub_oin=OIN)
    references = {text(reply, ".//s:referentienummer") for reply in (first, duplicate, later)}
    assert len(references) == 3
    assert all(len(reference) <= 40 for reference in references)


def test_a_bv03_in_soap_is_a_200_with_an_envelope() -> None:
    reply = accepted(SOAP)
    assert reply.status == 200
    assert text(reply, "soap:Body/s:Bv03Bericht/s:stuurgegevens/s:crossRefnummer") == "VT-2026-004600"


def test_a_duplicate_gets_fo03_stuf016_and_is_not_told_to_try_again() -> None:
    reply = accepted(PLAIN, duplicate=True)
    assert reply.status == 200
    assert etree.fromstring(reply.body).tag == f"{{{NS['s']}}}Fo03Bericht"
    assert text(reply, "s:body/s:code") == "StUF016"
    assert text(reply, "s:body/s:plek") == "client"
    assert text(reply, ".//s:crossRefnummer") == "VT-2026-004512"


def test_a_duplicate_in_soap_is_a_fault_with_500() -> None:
    reply = accepted(SOAP, duplicate=True)
    assert reply.status == 500
    assert text(reply, "soap:Body/soap:Fault/faultcode") == "soap:Client"
    assert text(reply, "soap:Body/soap:Fault/detail/s:Fo03Bericht/s:body/s:code") == "StUF016"


@pytest.mark.parametrize(
    ("refusal", "message", "code", "place", "status"),
    [
        (Malformed(FINDING), "Fo03", "StUF055", "client", 400),
        (UnsupportedFormat(FINDING), "Fo03", "StUF037", "server", 415),
        (Conflict(FINDING), "Fo01", "StUF016", "client", 409),
        (Forbidden(FINDING), "Fo01", "StUF052", "client", 403),
        (Unacceptable(FINDING), "Fo03", "StUF046", "server", 503),
        (Unacceptable(FINDING, status=507), "Fo03", "StUF046", "server", 507),
        (Throttled(FINDING), "Fo03", "StUF058", "server", 429),
    ],
)
def test_each_refusal_has_its_fault(refusal: Refusal, message: str, code: str, place: str, status: int) -> None:
    reply = refused(refusal)
    assert reply is not None
    assert reply.status == status
    assert etree.fromstring(reply.body).tag == f"{{{NS['s']}}}{message}Bericht"
    assert (text(reply, "s:body/s:code"), text(reply, "s:body/s:plek")) == (code, place)
    assert text(reply, ".//s:crossRefnummer") == "VT-2026-004512"
    assert text(reply, "s:body/s:details") == "object/identificatie: Ontbreekt. Missing. [stuf-required]"
    in_soap = refused(refusal, SOAP)
    assert in_soap is not None
    assert in_soap.status == 500
    assert text(in_soap, f"soap:Body/soap:Fault/detail/s:{message}Bericht/s:body/s:code") == code


@pytest.mark.parametrize("refusal", [Unauthenticated(), NotFound()])
def test_where_stuf_has_no_words_a_problem_answers(refusal: Refusal) -> None:
    assert refused(refusal) is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<a/>",
        PLAIN[:-20],
        b"<!DOCTYPE x>" + PLAIN[38:],
        PLAIN.replace(b"StUF:referentienummer", b"StUF:anders"),
        PLAIN.replace(b"<StUF:referentienummer>VT", b"<StUF:referentienummer>" + b"9" * 41),
        PLAIN.replace(b"<StUF:applicatie>VT-registratie</StUF:applicatie>", b""),
    ],
)
def test_a_header_that_cannot_be_read_is_answered_with_a_problem(body: bytes) -> None:
    assert refused(Malformed(FINDING), body) is None


def test_who_takes_no_xml_gets_a_problem() -> None:
    assert refused(Malformed(FINDING), accept="application/problem+json") is None
    assert refused(Malformed(FINDING), accept="") is not None
    assert refused(Malformed(FINDING), accept="application/soap+xml, application/json;q=0.5") is not None


def test_a_message_that_we_do_not_read_is_still_answered_when_its_header_can_be_read() -> None:
    body = PLAIN.replace(b"meldingGeneriekDi01", b"uitkomstMeldingGeneriekDi01")
    with pytest.raises(UnsupportedFormat) as caught:
        FORMAT.read(body)
    reply = refused(caught.value, body)
    assert reply is not None
    assert text(reply, ".//s:crossRefnummer") == "VT-2026-004512"


def test_many_findings_stay_within_the_thousand_characters_of_stuf() -> None:
    reply = refused(Malformed(*[FINDING] * 100))
    assert reply is not None
    details = text(reply, "s:body/s:details")
    assert 900 < len(details) <= 1000
    assert details.endswith("[stuf-required]")
