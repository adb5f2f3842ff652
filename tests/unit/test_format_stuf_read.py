# SPDX-License-Identifier: EUPL-1.2
"""StUF-Jeugdzorg in: from bytes to envelope, and what is refused with place and rule."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.formats import formats
from connectors.formats.stuf_jz import StufJeugdzorg
from schakel.errors import Malformed, Refusal, UnsupportedFormat

MAPPINGS = Path(__file__).resolve().parents[2] / "mappings"
GENERIC = MAPPINGS / "stuf_melding_generiek" / "examples"
POLICE = MAPPINGS / "stuf_vt_melding" / "examples"
EXAMPLES = sorted([*GENERIC.glob("*.xml"), *POLICE.glob("*.xml")])
FORMAT = StufJeugdzorg()
ZOETERMEER = (GENERIC / "zoetermeer.xml").read_bytes()
DELFT = (GENERIC / "mda-delft.xml").read_bytes()  # in SOAP


def changed(body: bytes, old: str, new: str) -> bytes:
    assert old.encode() in body
    return body.replace(old.encode(), new.encode(), 1)


def findings(body: bytes) -> list[tuple[str, str]]:
    with pytest.raises(Malformed) as caught:
        FORMAT.read(body)
    return [(finding.place, finding.rule) for finding in caught.value.findings]


def test_it_is_registered_and_recognises_xml() -> None:
    assert formats()["stuf-jz"].media_types == ("text/xml", "application/xml", "application/soap+xml")
    assert FORMAT.recognises(ZOETERMEER)
    assert FORMAT.recognises(DELFT)
    assert not FORMAT.recognises(b"{}")


def test_the_envelope_holds_reference_case_sender_and_mapping() -> None:
    generic = FORMAT.read(ZOETERMEER)
    assert (generic.format, generic.mapping) == ("stuf-jz", "stuf-melding-generiek")
    assert (generic.message_reference, generic.source_case_reference) == ("VT-2026-004512", "VT-ZAAK-2026-118")
    assert generic.sender_oin == "00000099000000001003"
    police = FORMAT.read((POLICE / "drie-vaders.xml").read_bytes())
    assert (police.mapping, police.source_case_reference) == ("stuf-vt-melding", "PL1500-2026310001")


def test_a_message_in_soap_reads_as_the_same_message_without() -> None:
    found = re.search(rb"<JZ:meldingGeneriekDi01.*</JZ:meldingGeneriekDi01>", DELFT, re.DOTALL)
    assert found is not None
    plain, soap = FORMAT.read(found[0]), FORMAT.read(DELFT)
    assert plain.document == soap.document
    assert plain.digest == soap.digest
    assert (plain.reply_context["soap"], soap.reply_context["soap"]) == (False, True)


def test_what_may_repeat_is_always_a_list_and_order_is_kept() -> None:
    document = FORMAT.read(DELFT).document
    person = document["object"]["heeftBetrekkingOp"]["gerelateerde"]["natuurlijkPersoon"]
    assert [address["soortadres"] for address in person["adres"]] == ["02", "08"]
    single = FORMAT.read(
        changed(DELFT, DELFT[DELFT.index(b"<BG:adres>") : DELFT.index(b"</BG:adres>") + 11].decode(), "")
    )
    person = single.document["object"]["heeftBetrekkingOp"]["gerelateerde"]["natuurlijkPersoon"]
    assert [address["soortadres"] for address in person["adres"]] == ["08"]


def test_extra_elements_are_a_list_of_name_and_value() -> None:
    document = FORMAT.read(ZOETERMEER).document
    assert document["object"]["extraElementen"] == [
        {"naam": "spoed", "waarde": "J"},
        {"naam": "melderAfschermen", "waarde": "N"},
    ]


def test_an_element_without_value_is_left_out_and_named_with_its_reason() -> None:
    document = FORMAT.read((GENERIC / "onbekende-geboortedatum.xml").read_bytes()).document
    person = document["object"]["heeftBetrekkingOp"]["gerelateerde"]["natuurlijkPersoon"]
    assert "bsn" not in person
    assert person["zonderWaarde"] == [{"element": "bsn", "reden": "waardeOnbekend"}]


@pytest.mark.parametrize(
    ("indicator", "expected"),
    [("V", "19890412"), ("D", "19890400"), ("M", "19890000"), ("J", "00000000")],
)
def test_an_incomplete_date_has_zeroes_for_what_is_unknown(indicator: str, expected: str) -> None:
    body = changed(ZOETERMEER, "<BG:geboortedatum>", f'<BG:geboortedatum StUF:indOnvolledigeDatum="{indicator}">')
    person = FORMAT.read(body).document["object"]["heeftBetrekkingOp"]["gerelateerde"]["natuurlijkPersoon"]
    assert person["geboortedatum"] == expected


def test_diacritics_and_ligatures_come_through_unchanged() -> None:
    document = FORMAT.read((GENERIC / "diacrieten.xml").read_bytes()).document
    person = document["object"]["heeftBetrekkingOp"]["gerelateerde"]["natuurlijkPersoon"]
    assert (person["voornamen"], person["geslachtsnaam"]) == ("Æsa Zoë Françoise", "Dvořák-Müller")
    others = [
        each["gerelateerde"]["natuurlijkPersoon"]["naam"] for each in document["object"]["heeftAlsOverigBetrokkene"]
    ]
    assert others == ["Œdipe Nuñez-Åkesson", "Ĳsbrand Ŵyn Çelik ﬁ"]


# -- digest ------------------------------------------------------------------------------------------------------------


def test_the_digest_does_not_see_transport_prefixes_and_blanks() -> None:
    first = FORMAT.read(ZOETERMEER).digest
    later = changed(ZOETERMEER, "20261116083112000", "20261116094500000")
    renamed = ZOETERMEER.replace(b"BG:", b"bg2:").replace(b"xmlns:BG=", b"xmlns:bg2=")
    squeezed = re.sub(rb">\s+<", b"><", ZOETERMEER)
    for other in (later, renamed, squeezed):
        assert other != ZOETERMEER
        assert FORMAT.read(other).digest == first


def test_the_digest_sees_a_change_of_content() -> None:
    first = FORMAT.read(ZOETERMEER).digest
    assert FORMAT.read(changed(ZOETERMEER, "Vuurdoornlaan", "Vuurdoornhof")).digest != first
    assert FORMAT.read(changed(ZOETERMEER, ">VT</JZ:soort", ">ZVH</JZ:soort")).digest != first
    for part, other in (
        (b'StUF:entiteittype="NPSNAT"', b'StUF:entiteittype="NPSNAT" StUF:verwerkingssoort="V"'),  # an attribute
        (b"<ZKN:gerelateerde ", b"<ZKN:gerelateerde xmlns:ZKN='http://www.egem.nl/StUF/sector/bg/0310' "),  # another
    ):
        assert part in ZOETERMEER
        assert FORMAT.read(ZOETERMEER.replace(part, other, 1)).digest != first


# -- refusals ----------------------------------------------------------------------------------------------------------


def test_missing_elements_are_named_by_place() -> None:
    assert findings(changed(ZOETERMEER, "<ZKN:hoedanigheid>002</ZKN:hoedanigheid>", "")) == [
        ("object/heeftBetrekkingOp/hoedanigheid", "stuf-required")
    ]
    assert ("object/identificatie", "stuf-required") in findings(
        changed(ZOETERMEER, "<ZKN:identificatie>VT-ZAAK-2026-118</ZKN:identificatie>", "")
    )


def test_a_required_element_is_not_there_when_it_has_no_value() -> None:
    nil = b'<JZ:object xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:nil="true"/>'
    body = re.sub(rb"<JZ:object.*</JZ:object>", nil, ZOETERMEER, flags=re.DOTALL)
    assert findings(body) == [("object", "stuf-required")]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("<StUF:berichtcode>Di01", "<StUF:berichtcode>Lk01", ("stuurgegevens/berichtcode", "stuf-enumeration")),
        ("<StUF:functie>melding", "<StUF:functie>vtMelding", ("stuurgegevens/functie", "stuf-enumeration")),
        ("20261116083112000", "16-11-2026", ("stuurgegevens/tijdstipBericht", "stuf-pattern")),
        (">VT-ZAAK-2026-118<", ">VT-1<", ("object/identificatie", "stuf-length")),
        (
            "<BG:inp.bsn>999990019",
            "<BG:inp.bsn>12345",
            ("object/heeftBetrekkingOp/gerelateerde/natuurlijkPersoon/bsn", "stuf-pattern"),
        ),
        (
            "<BG:inp.bsn>999990020",
            "<BG:inp.bsn>x",
            ("object/heeftAlsOverigBetrokkene[1]/gerelateerde/natuurlijkPersoon/bsn", "stuf-pattern"),
        ),
        (
            "<ZKN:hoedanigheid>",
            "<ZKN:hoedanigheid>001</ZKN:hoedanigheid><ZKN:hoedanigheid>",
            ("object/heeftBetrekkingOp/hoedanigheid", "stuf-once"),
        ),
        ("<JZ:datumTijdMelding>", "losse tekst<JZ:datumTijdMelding>", ("object", "stuf-text")),
        (
            "<JZ:verzoekOmschrijving>",
            "<JZ:verzoekOmschrijving><b>x</b>",
            ("object/verzoekOmschrijving", "stuf-leaf"),
        ),
        ("<JZ:datumTijdMelding>", "<zonderWaarde/><JZ:datumTijdMelding>", None),
    ],
)
def test_what_is_not_the_standards_form_is_refused(old: str, new: str, expected: tuple[str, str] | None) -> None:
    body = changed(ZOETERMEER, old, new)
    if expected is None:  # a name that only the conversion uses is just unknown where it means nothing
        assert FORMAT.read(body).document["object"]["zonderWaarde"] == ""
        return
    assert findings(body) == [expected]


def test_a_case_reference_that_no_table_can_hold_is_refused() -> None:
    body = (POLICE / "drie-vaders.xml").read_bytes()
    assert findings(changed(body, ">PL1500-2026310001<", f">{'9' * 201}<")) == [
        ("object/identificatieVtMelding", "stuf-length")
    ]


def test_a_refusal_never_holds_a_value() -> None:
    with pytest.raises(Malformed) as caught:
        FORMAT.read(changed(ZOETERMEER, ">2724XA<", ">geheim<"))
    assert "geheim" not in str(caught.value)
    assert "geheim" not in repr(caught.value.findings)


def test_an_unknown_code_is_not_the_formats_business() -> None:
    body = changed(ZOETERMEER, "<ZKN:hoedanigheid>002", "<ZKN:hoedanigheid>099")
    assert FORMAT.read(body).document["object"]["heeftBetrekkingOp"]["hoedanigheid"] == "099"


def test_what_the_schema_does_not_know_is_kept_for_the_loss_report() -> None:
    body = changed(
        ZOETERMEER, "<JZ:datumTijdMelding>", "<JZ:nieuw><JZ:a>1</JZ:a><JZ:a>2</JZ:a></JZ:nieuw><JZ:datumTijdMelding>"
    )
    assert FORMAT.read(body).document["object"]["nieuw"] == {"a": ["1", "2"]}


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        (b"<a/>", "stuf-message"),
        (b'<Bundle xmlns="http://hl7.org/fhir"/>', "stuf-message"),
        (b'<meldingGeneriekDi01 xmlns="urn:other"/>', "stuf-message"),
        (b'<Envelope xmlns="http://www.w3.org/2003/05/soap-envelope"><Body/></Envelope>', "soap-1.1"),
        (ZOETERMEER.replace(b"JZ:meldingGeneriekDi01", b"JZ:uitkomstMeldingGeneriekDi01"), "stuf-function"),
    ],
)
def test_other_xml_is_not_read_here(body: bytes, rule: str) -> None:
    with pytest.raises(UnsupportedFormat) as caught:
        FORMAT.read(body)
    assert caught.value.findings[0].rule == rule


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("<soapenv:Body>", "<soapenv:Body><x/>", "soap-one-message"),
        (
            "<soapenv:Header/>",
            '<soapenv:Header><w:Security xmlns:w="urn:w" soapenv:mustUnderstand="1"/></soapenv:Header>',
            "soap-must-understand",
        ),
    ],
)
def test_a_soap_envelope_holds_one_message_and_no_mandatory_header(old: str, new: str, rule: str) -> None:
    assert [each for _, each in findings(changed(DELFT, old, new))] == [rule]


def test_a_message_without_header_is_refused() -> None:
    body = re.sub(rb"<JZ:stuurgegevens>.*</JZ:stuurgegevens>", b"", ZOETERMEER, flags=re.DOTALL)
    assert findings(body) == [("stuurgegevens", "stuf-required")]


# -- any bytes ---------------------------------------------------------------------------------------------------------


def read_or_refuse(body: bytes) -> None:
    with contextlib.suppress(Refusal):
        FORMAT.read(body)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400))
def test_arbitrary_bytes_are_read_or_refused(body: bytes) -> None:
    read_or_refuse(body)


@settings(max_examples=200, deadline=None)
@given(
    example=st.sampled_from([path.read_bytes() for path in EXAMPLES]),
    edits=st.lists(
        st.tuples(st.integers(0, 20_000), st.integers(0, 40), st.one_of(st.binary(max_size=12), st.text(max_size=8))),
        min_size=1,
        max_size=6,
    ),
)
def test_a_damaged_message_is_read_or_refused(example: bytes, edits: list[tuple[int, int, bytes | str]]) -> None:
    for place, length, piece in edits:
        at = place % len(example)
        example = (
            example[:at]
            + (piece.encode(errors="replace") if isinstance(piece, str) else piece)
            + example[at + length :]
        )
    read_or_refuse(example)


@settings(max_examples=150, deadline=None)
@given(
    example=st.sampled_from([path.read_bytes() for path in EXAMPLES]),
    cuts=st.lists(
        st.tuples(st.integers(0, 400), st.sampled_from(["drop", "twice", "empty", "nil", "text"])), max_size=5
    ),
)
def test_a_message_with_elements_dropped_doubled_or_emptied_is_read_or_refused(
    example: bytes, cuts: list[tuple[int, str]]
) -> None:
    from lxml import etree

    root = etree.fromstring(example)
    for number, how in cuts:
        elements = [each for each in root.iter() if isinstance(each.tag, str) and each.getparent() is not None]
        if not elements:
            break
        element = elements[number % len(elements)]
        parent = element.getparent()
        assert parent is not None
        if how == "drop":
            parent.remove(element)
        elif how == "twice":
            parent.append(etree.fromstring(etree.tostring(element, with_tail=False)))
        elif how == "empty":
            element.clear()
        elif how == "nil":
            element.clear()
            element.set("{http://www.w3.org/2001/XMLSchema-instance}nil", "true")
        else:
            element.text = "999999999999"
    read_or_refuse(etree.tostring(root))
