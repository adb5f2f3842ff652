# SPDX-License-Identifier: EUPL-1.2
"""The compliance scenarios of StUF-Jeugdzorg (2015), through format and mapping to the canonical referral."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from lxml import etree

from connectors.formats.stuf_jz import StufJeugdzorg
from mappings.case_tests import run_tests
from mappings.codebook import CodebookShelf
from mappings.engine import CompiledMapping, load_mapping, to_referral
from schakel.errors import Malformed, Unmappable
from schakel.message import BsnStatus, Member, MemberRole, MessageKind, Precision, Programme, Referral, Urgency
from schakel.ports import Receipt

MAPPINGS = Path(__file__).resolve().parents[2] / "mappings"
FORMAT = StufJeugdzorg()
NOW = datetime(2026, 11, 16, 10, 0, tzinfo=UTC)
OIN = "00000099000000000001"
STUF = "{http://www.egem.nl/StUF/StUF0301}"

Reader = Callable[..., Referral]


def example(path: str) -> bytes:
    folder, name = path.split("/")
    return (MAPPINGS / folder / "examples" / f"{name}.xml").read_bytes()


@pytest.fixture(scope="module")
def referral() -> Reader:
    shelf = CodebookShelf.load()
    mappings: dict[str, CompiledMapping] = {
        name: load_mapping(MAPPINGS / name.replace("-", "_"), shelf)
        for name in ("stuf-melding-generiek", "stuf-vt-melding")
    }

    def read(path: str, *changes: tuple[str, str]) -> Referral:
        body = example(path)
        for old, new in changes:
            assert old.encode() in body
            body = body.replace(old.encode(), new.encode(), 1)
        envelope = FORMAT.read(body)
        return to_referral(mappings[envelope.mapping].apply(envelope.document, now=NOW).document)

    return read


def by_id(referral: Referral, member_id: str) -> Member:
    return next(member for member in referral.members if member.id == member_id)


def children(referral: Referral) -> list[Member]:
    return [member for member in referral.members if member.role is MemberRole.CHILD]


# -- the scenarios -----------------------------------------------------------------------------------------------------


def test_a_child_with_a_bsn(referral: Reader) -> None:
    child = by_id(referral("stuf_melding_generiek/zoetermeer"), "m3")
    assert (child.role, child.bsn, child.bsn_status) == (MemberRole.CHILD, "999990032", BsnStatus.KNOWN)


@pytest.mark.parametrize(
    ("path", "member"),
    [("stuf_melding_generiek/onbekende-geboortedatum", "m2"), ("stuf_vt_melding/kind-zonder-bsn", "m1")],
)
def test_a_child_without_bsn_and_without_birth_date(referral: Reader, path: str, member: str) -> None:
    child = by_id(referral(path), member)
    assert child.bsn is None
    assert child.bsn_status is not BsnStatus.KNOWN
    assert (child.born.value, child.born.precision) == (None, Precision.UNKNOWN)


@pytest.mark.parametrize(
    ("path", "member", "value", "precision"),
    [
        ("stuf_melding_generiek/ongeboren", "m1", "2027-02-18", Precision.DAY),
        ("stuf_vt_melding/ongeboren", "m2", "2027-02", Precision.MONTH),
    ],
)
def test_an_unborn_child_with_the_expected_date(
    referral: Reader, path: str, member: str, value: str, precision: Precision
) -> None:
    child = by_id(referral(path), member)
    assert (child.unborn, child.role, child.bsn, child.bsn_status) == (True, MemberRole.CHILD, None, BsnStatus.NONE)
    assert child.expected is not None
    assert (child.expected.value, child.expected.precision) == (value, precision)
    assert child.born.value is None


@pytest.mark.parametrize(
    ("path", "member", "value"),
    [
        ("stuf_melding_generiek/onbekende-geboortedatum", "m1", "2014"),  # indOnvolledigeDatum M
        ("stuf_melding_generiek/zoetermeer", "m4", "2021"),  # JJJJ0000 by local agreement
        ("stuf_vt_melding/kind-zonder-bsn", "m2", "2015"),  # JJJJ0000
        ("stuf_vt_melding/drie-vaders", "m6", "2016"),
    ],
)
def test_only_the_year_of_birth_is_known(referral: Reader, path: str, member: str, value: str) -> None:
    born = by_id(referral(path), member).born
    assert (born.value, born.precision) == (value, Precision.YEAR)


def test_three_children_one_mother_three_fathers(referral: Reader) -> None:
    found = referral("stuf_vt_melding/drie-vaders")
    assert len(children(found)) == 3
    parents: dict[str, list[str]] = {child.id: [] for child in children(found)}
    for member in found.members:
        for relation in member.relations:
            assert relation.kind == "parent"
            parents[relation.to].append(member.id)
    mother, *fathers = ("m1", "m2", "m3", "m4")
    assert [sorted(each) for each in parents.values()] == [[mother, father] for father in fathers]
    custody = {member.id: {relation.custody for relation in member.relations} for member in found.members}
    assert (custody["m1"], custody["m2"], custody["m3"], custody["m4"]) == ({True}, {False}, {True}, {None})
    words = [note.text for note in found.notes if note.topic == "relatie"]
    assert "Chantal Willems / buurvrouw van / Trees Ooms" in words  # nobody of that name: the words are kept


def test_parents_not_informed_with_the_reason(referral: Reader) -> None:
    found = referral("stuf_melding_generiek/niet-geinformeerd")
    reasons = {member.id: member.informed for member in found.members}
    assert all(informed is not None and not informed.informed for informed in reasons.values())
    assert [informed.reason_not for informed in reasons.values() if informed] == [
        "Het kind is te jong.",
        "Moeder is onbereikbaar.",
        "Vader informeren brengt moeder en kind in gevaar.",
    ]


def test_the_police_report_says_in_words_who_was_not_informed(referral: Reader) -> None:
    found = referral("stuf_vt_melding/niet-geinformeerd")
    notes = {note.topic: note.text for note in found.notes}
    assert notes["informering"].startswith("Vader niet geïnformeerd")
    mother, father = by_id(found, "m2"), by_id(found, "m3")
    assert mother.informed is not None
    assert (mother.informed.informed, mother.informed.reaction) == (True, "Opgelucht; wil hulp.")
    assert father.informed is None  # free text is not read for facts


def test_diacritics_and_ligatures(referral: Reader) -> None:
    generic = referral("stuf_melding_generiek/diacrieten")
    assert generic.members[0].names.given == "Æsa Zoë Françoise"
    assert [member.names.full for member in generic.members[1:]] == ["Œdipe Nuñez-Åkesson", "Ĳsbrand Ŵyn Çelik ﬁ"]
    police = referral("stuf_vt_melding/niet-geinformeerd")
    assert (police.members[2].names.family, police.members[2].names.given) == ("Ĳzerman", "Œgbert")


@pytest.mark.parametrize("path", ["stuf_melding_generiek/zoetermeer", "stuf_melding_generiek/mda-delft"])
def test_a_fault_can_be_linked_to_the_message_that_was_sent(path: str) -> None:
    body = (
        example(path)
        .replace(b"<ZKN:hoedanigheid>", b"<ZKN:onbekend>")
        .replace(b"</ZKN:hoedanigheid>", b"</ZKN:onbekend>")
    )
    with pytest.raises(Malformed) as caught:
        FORMAT.read(body)
    reply = FORMAT.refused(caught.value, body, now=NOW, hub_oin=OIN, accept="text/xml")
    assert reply is not None
    sent = etree.fromstring(body).find(f".//{STUF}referentienummer")
    linked = etree.fromstring(reply.body).find(f".//{STUF}Fo03Bericht//{STUF}crossRefnummer")
    if linked is None:
        linked = etree.fromstring(reply.body).find(f".//{STUF}crossRefnummer")
    assert sent is not None
    assert linked is not None
    assert linked.text == sent.text


def test_a_duplicate_is_recognised_and_answered_with_stuf016() -> None:
    body = example("stuf_melding_generiek/zoetermeer")
    first, again = FORMAT.read(body), FORMAT.read(body.replace(b"20261116083112000", b"20261116091500000"))
    assert (first.message_reference, first.digest) == (again.message_reference, again.digest)
    receipt = Receipt(message_id="019a8f00-0000-7000-8000-000000000001", state="routed", duplicate=True, notices=())
    reply = FORMAT.accepted(again, receipt, now=NOW, hub_oin=OIN)
    code = etree.fromstring(reply.body).find(f".//{STUF}code")
    assert code is not None
    assert code.text == "StUF016"


# -- what else Veilig Thuis can say ------------------------------------------------------------------------------------


def test_veilig_thuis_for_zoetermeer(referral: Reader) -> None:
    found = referral("stuf_melding_generiek/zoetermeer")
    assert (found.programme, found.kind, found.urgency) == (Programme.ICM, MessageKind.REFERRAL, Urgency.CRISIS)
    assert [member.role for member in found.members[:2]] == [MemberRole.VICTIM, MemberRole.REMOVED]
    assert [member.main for member in found.members] == [True, False, False, False]
    assert [(each.use, each.municipality) for each in found.members[0].addresses] == [
        ("home", None),
        ("registered", "0637"),
    ]
    assert [phone.safe_to_call for member in found.members[:2] for phone in member.phones] == [True, False]
    assert found.reporter is not None
    assert not found.reporter.masked
    assert found.organisations[0].serves == ()


def test_mda_for_delft_comes_in_soap(referral: Reader) -> None:
    found = referral("stuf_melding_generiek/mda-delft")
    assert found.programme is Programme.MDA
    assert {member.role for member in found.members} == {MemberRole.REMOVED, MemberRole.VICTIM, MemberRole.CHILD}


def test_the_reporter_is_masked_unless_the_sender_says_otherwise(referral: Reader) -> None:
    for path in ("stuf_melding_generiek/den-haag", "stuf_vt_melding/huisverbod"):
        reporter = referral(path).reporter
        assert reporter is not None
        assert reporter.masked


@pytest.mark.parametrize("path", ["stuf_melding_generiek/geheim-adres", "stuf_vt_melding/geheim-adres"])
def test_a_secret_address_is_flagged_on_the_person_and_on_each_address(referral: Reader, path: str) -> None:
    found = referral(path)
    victim = found.members[0]
    assert victim.secret_address
    assert victim.addresses
    assert all(address.secret for address in victim.addresses)
    assert not any(address.secret for address in found.members[1].addresses)
    assert found.trigger.incident is not None
    assert found.trigger.incident.address is not None
    assert found.trigger.incident.address.use == "scene"


def test_a_restraining_order_in_free_text_is_a_note_and_never_an_order(referral: Reader) -> None:
    found = referral("stuf_vt_melding/huisverbod")
    assert found.trigger.restraining_order is None
    assert [note.text for note in found.notes if note.topic == "tijdelijk-huisverbod"] == [
        "Opgelegd op 14 november om 23.10 uur, tot 24 november."
    ]


def test_reporters_and_professionals_are_no_members_and_adult_children_are_told_apart(referral: Reader) -> None:
    found = referral("stuf_vt_melding/huisverbod")
    assert [member.role for member in found.members] == [MemberRole.VICTIM, MemberRole.REMOVED, MemberRole.ADULT_CHILD]
    assert found.reporter is not None
    assert found.reporter.name == "Wil Kuiper"
    assert [organisation.name for organisation in found.organisations] == ["Anja Post"]


def test_a_correction_and_a_withdrawal_by_local_agreement(referral: Reader) -> None:
    assert referral("stuf_melding_generiek/wijziging").kind is MessageKind.UPDATE
    assert referral("stuf_melding_generiek/intrekking").kind is MessageKind.WITHDRAWAL
    first = FORMAT.read(example("stuf_melding_generiek/zoetermeer"))
    later = FORMAT.read(example("stuf_melding_generiek/wijziging"))
    assert first.source_case_reference == later.source_case_reference
    assert first.message_reference != later.message_reference


@pytest.mark.parametrize(
    ("path", "old", "new", "place"),
    [
        ("stuf_melding_generiek/zoetermeer", "<ZKN:hoedanigheid>002", "<ZKN:hoedanigheid>099", "members[0].role"),
        ("stuf_melding_generiek/zoetermeer", "Relatie>028", "Relatie>099", "members[1].relations[0].kind"),
        ("stuf_melding_generiek/zoetermeer", "aanduiding>V<", "aanduiding>X<", "members[0].sex"),
        ("stuf_melding_generiek/zoetermeer", ">VT</JZ:soort", ">NAZ</JZ:soort", "programme"),
        ("stuf_melding_generiek/zoetermeer", "adres>02<", "adres>77<", "members[0].addresses[0].use"),
        (
            "stuf_melding_generiek/geheim-adres",
            'naam="geheimAdres">J',
            'naam="geheimAdres">ja!',
            "members[0].secretAddress",
        ),
        ("stuf_vt_melding/drie-vaders", "rol>jeugdige<", "rol>buurkind<", "members"),
        ("stuf_vt_melding/drie-vaders", "niveau>matig<", "niveau>extreem<", "risk.level"),
    ],
)
def test_an_unknown_code_parks_and_names_the_place(referral: Reader, path: str, old: str, new: str, place: str) -> None:
    with pytest.raises(Unmappable) as caught:
        referral(path, (old, new))
    assert caught.value.cause == "unknown-code"
    assert place in [finding.place for finding in caught.value.findings]


def test_a_number_that_fails_the_eleven_test_parks_as_a_contradiction(referral: Reader) -> None:
    with pytest.raises(Unmappable) as caught:
        referral("stuf_melding_generiek/zoetermeer", ("999990019", "123456789"))
    assert caught.value.cause == "contradiction"
    assert "123456789" not in str(caught.value)


@pytest.mark.parametrize("folder", ["stuf_melding_generiek", "stuf_vt_melding"])
def test_the_fallback_engine_gives_the_same_goldens(folder: str) -> None:
    results = run_tests(MAPPINGS / folder, {"stuf-jz": FORMAT}, engine="jsonatapy")
    assert [result for result in results if not result.passed] == []
    assert len(results) >= 7
