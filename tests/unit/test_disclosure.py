# SPDX-License-Identifier: EUPL-1.2
"""What each role gets of one concrete household: the table, the persons, the secrets."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from regions import FOLDER
from schakel.disclosure import VIEW, Asked, Disclosure, Secrecy, View, serving
from schakel.errors import ConfigurationError, PoisonDelivery
from schakel.message import (
    Address,
    CaseHeader,
    CaseMessage,
    Incident,
    InvolvedOrganisation,
    Member,
    MemberRole,
    MessageHeader,
    MessageKind,
    Municipality,
    Names,
    OrderStatus,
    PartialDate,
    Phone,
    Precision,
    Programme,
    Reporter,
    RestrainingOrder,
    Trigger,
    Urgency,
)
from schakel.region import Partner
from schakel.region_files import load_region

REGION = load_region(FOLDER / "haaglanden")
NOW = datetime(2026, 11, 3, 20, tzinfo=UTC)
HOME = Address(street="Voorbeeldlaan", house_number="12", postcode="2611AA", place="Delft")
SHELTER = Address(use="stay", street="Schuilstraat", house_number="7", postcode="2722BB", place="Zoetermeer")
HIS = Address(street="Elders", house_number="3", postcode="2512CC", place="Den Haag")
SENTENCE = f"{REGION.disclosure.withheld.nl} / {REGION.disclosure.withheld.en}"


def blind(kind: str, *parts: str) -> bytes:
    return hmac.digest(b"test key", "\0".join((kind, *parts)).encode(), hashlib.sha256)


DISCLOSURE = Disclosure(REGION.disclosure, blind=blind)


def person(role: MemberRole, *addresses: Address, phone: str | None = None, **more: Any) -> Member:
    return Member(
        id=role.value,
        role=role,
        names=Names(given=role.value.title(), family=f"Voorbeeld{role.value.title()}"),
        born=PartialDate(value="1990-01-02", precision=Precision.DAY),
        addresses=addresses,
        phones=(Phone(number=phone),) if phone else (),
        **more,
    )


def household(*members: Member, programme: Programme = Programme.ICM, **more: Any) -> CaseMessage:
    people = members or (
        person(MemberRole.VICTIM, HOME, phone="0612345678"),
        person(MemberRole.REMOVED, HIS, phone="0687654321"),
        person(MemberRole.CHILD, HOME),
    )
    order = RestrainingOrder(status=OrderStatus.IMPOSED, imposed_at=NOW, address=HOME)
    values: dict[str, Any] = {
        "trigger": Trigger(restraining_order=order, incident=Incident(description="Zij vluchtte naar familie.")),
        "organisations": (InvolvedOrganisation(name="Opvang De Haven", contact_phone="0151234567"),),
        "question": "Kunt u vandaag langs?",
        **more,
    }
    return CaseMessage(
        members=people,
        message=MessageHeader(
            id=UUID(int=1),
            kind=MessageKind.REFERRAL,
            source="thv-pool",
            message_reference="MR-1",
            source_case_reference="ZAAK-1",
            received_at=NOW,
        ),
        case=CaseHeader(
            reference="OF-ANOTHER",
            region="haaglanden",
            programme=programme,
            municipality=Municipality(code="0503", name="Delft", rule="order-address:place+postcode"),
            urgency=Urgency.CRISIS,
        ),
        **values,
    )


def view(message: CaseMessage, role: str = "lead", serves: str = "household", **more: Any) -> View:
    recipient = Partner(id="partner", name="P", kind="partner", serves=serves)
    values = {"programme": message.case.programme.value, "secrecy": Secrecy(), "case_reference": "OWN", **more}
    return DISCLOSURE.view(message, role=role, recipient=recipient, **values)


def text(shown: View) -> str:
    return json.dumps(shown.document, ensure_ascii=False)


def hidden_victim(**more: Any) -> Member:
    return person(MemberRole.VICTIM, SHELTER.model_copy(update={"secret": True}), phone="0612345678", **more)


def test_without_secrets_the_lead_sees_all_and_the_view_says_what_it_is():
    shown = view(household())
    assert shown.rules == ()
    assert "withheld" not in shown.document
    assert shown.document["schema"] == VIEW
    assert shown.document["members"][0]["phones"] == [{"number": "0612345678"}]
    assert shown.document["message"]["sourceCaseReference"] == "ZAAK-1"
    assert "Zij vluchtte" in text(shown)


def test_each_recipient_sees_its_own_reference_and_its_own_request():
    shown = view(household(), request=Asked(reference="ANSWER", due_at=NOW), held=2, late=True)
    assert shown.document["case"]["reference"] == "OWN"
    assert "OF-ANOTHER" not in text(shown)
    assert shown.document["request"] == {"reference": "ANSWER", "role": "lead", "dueAt": "2026-11-03T20:00:00Z"}
    assert (shown.document["held"], shown.document["late"]) == (2, True)


def test_the_duo_gets_what_it_needs_and_not_what_the_table_leaves_out():
    message = household(reporter=Reporter(name="Buurvrouw", kind="35"))
    shown = view(message, "duo").document
    assert shown["members"][0]["addresses"][0]["street"] == "Voorbeeldlaan"
    assert "reporter" not in shown
    assert "messageReference" not in shown["message"]


def test_the_involved_partner_gets_identification_only():
    shown = view(household(), "partner").document
    assert set(shown) == {"schema", "message", "case", "members"}
    assert {key for member in shown["members"] for key in member} <= {"id", "names", "born", "sex", "bsn", "bsnStatus"}


def test_the_source_gets_nothing_of_the_case():
    shown = view(household(), "source").document
    assert set(shown) == {"schema", "message", "case"}
    assert shown["case"] == {"reference": "OWN"}


def test_the_lead_sees_the_secret_address_and_the_prose():
    shown = text(view(household(hidden_victim())))
    assert "Schuilstraat" in shown
    assert "Zij vluchtte" in shown


@pytest.mark.parametrize(
    ("role", "programme"),
    [("duo", Programme.ICM), ("process-director", Programme.MDA), ("case-director", Programme.MDA)],
)
def test_no_other_role_sees_a_secret_address_nor_prose_that_could_hold_it(role: str, programme: Programme):
    message = household(hidden_victim(), person(MemberRole.REMOVED, HIS), programme=programme)
    shown = view(message, role)
    for canary in (
        "Schuilstraat",
        "2722",
        "Zoetermeer",
        "0612345678",
        "Zij vluchtte",
        "De Haven",
        "0151234567",
        "langs",
    ):
        assert canary not in text(shown), canary
    assert shown.document["trigger"]["incident"]["description"] == SENTENCE
    assert "secret-address" in shown.rules
    assert {"rule": "secret-address"} in shown.document["withheld"]
    assert "addresses" not in shown.document["members"][0]


def test_what_can_be_shown_to_lie_elsewhere_stays():
    shown = view(household(hidden_victim(), person(MemberRole.REMOVED, HIS, phone="0687654321")), "duo").document
    assert shown["members"][1]["addresses"][0]["street"] == "Elders"
    assert shown["members"][1]["phones"][0]["number"] == "0687654321"
    assert shown["trigger"]["restrainingOrder"]["address"]["street"] == "Voorbeeldlaan"


def test_an_order_or_incident_address_that_is_the_secret_one_is_cut():
    same_door = Address(street="Schuilstr.", house_number="7", postcode="2722BB", place="Zoetermeer", use="scene")
    message = household(hidden_victim(), trigger=Trigger(incident=Incident(address=same_door, forms=("01",))))
    assert view(message, "duo").document["trigger"] == {"incident": {"forms": ["01"]}}


def test_an_address_that_cannot_be_compared_with_the_secret_one_is_cut():
    vague = Address(street="Schuilstraat", place="Zoetermeer")
    message = household(hidden_victim(), trigger=Trigger(incident=Incident(address=vague, forms=("01",))))
    assert "address" not in view(message, "duo").document["trigger"]["incident"]
    unstated = person(MemberRole.VICTIM, secret_address=True)
    assert "address" not in view(household(unstated), "duo").document["trigger"]["restrainingOrder"]


def test_who_lives_with_a_hidden_person_is_hidden_too():
    child = person(MemberRole.CHILD, SHELTER.model_copy(update={"house_number": None}), phone="0611111111")
    shown = text(view(household(hidden_victim(), child), "duo"))
    assert "Schuilstraat" not in shown
    assert "0611111111" not in shown


def test_when_the_removed_person_hides_the_others_stay_visible():
    secret = HIS.model_copy(update={"secret": True})
    shown = view(household(person(MemberRole.VICTIM, HOME), person(MemberRole.REMOVED, secret)), "duo")
    assert "Voorbeeldlaan" in text(shown)
    assert "Elders" not in text(shown)


def test_a_secret_told_later_covers_a_message_accepted_before():
    before = household(person(MemberRole.VICTIM, SHELTER), person(MemberRole.REMOVED, HIS))
    assert "Schuilstraat" in text(view(before, "duo"))
    secrecy = Secrecy().merge(household(hidden_victim()), blind)
    shown = view(before, "duo", secrecy=secrecy)
    assert "Schuilstraat" not in text(shown)
    assert "Zij vluchtte" not in text(shown)


def test_a_hidden_person_is_recognised_by_bsn_or_by_name_and_birth_date():
    secrecy = Secrecy().merge(household(hidden_victim(bsn="999990019", bsn_status="known")), blind)
    by_bsn = person(MemberRole.VICTIM, SHELTER, bsn="999990019", bsn_status="known").model_copy(
        update={"names": Names()}
    )
    by_name = person(MemberRole.VICTIM, SHELTER)
    for again in (by_bsn, by_name):
        shown = view(household(again, person(MemberRole.REMOVED, HIS)), "duo", secrecy=secrecy).document
        assert "addresses" not in shown["members"][0]
        assert "addresses" in shown["members"][1]


def test_a_hidden_person_who_cannot_be_found_in_a_message_hides_everybody():
    secrecy = Secrecy().merge(household(hidden_victim()), blind)
    stranger = Member(id="m1", role=MemberRole.VICTIM, addresses=(HOME,))
    shown = view(household(stranger, person(MemberRole.REMOVED, HIS)), "duo", secrecy=secrecy)
    assert "Elders" not in text(shown)
    assert "Voorbeeldlaan" not in text(shown)


def test_secrecy_never_shrinks_and_holds_no_address_and_no_name():
    secrecy = Secrecy().merge(household(hidden_victim()), blind)
    again = secrecy.merge(household(), blind)
    assert again == secrecy == Secrecy.from_bytes(secrecy.to_bytes())
    kept = secrecy.to_bytes().decode()
    for value in ("Schuilstraat", "schuilstraat", "2722BB", "Voorbeeld", "1990"):
        assert value not in kept
    assert Secrecy.from_bytes(None) == Secrecy()


def test_an_organisation_of_the_removed_person_learns_where_to_find_nobody_else():
    shown = text(view(household(), serves="removed"))
    assert "0687654321" in shown
    assert "Elders" in shown
    for canary in ("0612345678", "Voorbeeldlaan", "Zij vluchtte", "De Haven"):
        assert canary not in shown


def test_and_the_other_way_round():
    shown = text(view(household(), serves="victim"))
    assert "0612345678" in shown
    assert "0687654321" not in shown
    assert "Elders" not in shown


def test_an_organisation_that_serves_nobody_knows_whom_learns_where_to_find_nobody():
    shown = text(view(household(), serves="unknown"))
    for canary in ("0612345678", "0687654321", "Voorbeeldlaan", "Elders"):
        assert canary not in shown
    assert "VoorbeeldVictim" in shown


def test_an_address_or_number_that_is_shared_with_somebody_else_is_not_shown_to_an_organisation_of_one_side():
    victim = person(MemberRole.VICTIM, HOME, phone="+31 15 1234567")
    removed = person(MemberRole.REMOVED, HOME, phone="015-1234567")
    shown = text(view(household(victim, removed, organisations=()), serves="removed"))
    assert "Voorbeeldlaan" not in shown
    assert "1234567" not in shown


def test_a_masked_reporter_is_shown_to_no_role():
    masked = Reporter(kind="35", name="Ans Buurvrouw", phone="06-22223333", masked=True)
    message = household(reporter=masked, question="Bel mevrouw buurvrouw op 0622223333.")
    shown = view(message)
    assert shown.document["reporter"] == {"masked": True}
    assert "uurvrouw" not in text(shown)
    assert "2222" not in text(shown)
    assert shown.rules == ("reporter-masked",)
    assert "Zij vluchtte" in text(shown)


def test_a_reporter_who_is_not_masked_is_shown_to_the_lead():
    assert view(household(reporter=Reporter(name="Huisarts"))).document["reporter"]["name"] == "Huisarts"


def test_empty_lists_look_like_lists_that_were_cut():
    bare = person(MemberRole.REMOVED)
    full = person(MemberRole.REMOVED, HIS, phone="0687654321")
    assert (
        view(household(bare), serves="victim").document["members"]
        == view(household(full), serves="victim").document["members"]
    )


def test_the_static_proof_covers_every_leaf_that_is_shown():
    for role, programme in (("duo", Programme.ICM), ("partner", Programme.ICM), ("case-director", Programme.MDA)):
        allowed = DISCLOSURE.may_see(role, programme.value)
        shown = view(household(programme=programme), role).document
        own = {"schema", "case.reference"}
        assert set(paths(shown)) <= allowed | own
    assert DISCLOSURE.may_see("lead", "mda++") == frozenset()


def paths(value: Any, path: str = "") -> list[str]:
    if isinstance(value, dict):
        return [found for key, each in value.items() for found in paths(each, f"{path}.{key}" if path else key)]
    if isinstance(value, list):
        return [found for each in value for found in paths(each, path)]
    return [path]


def test_a_role_without_a_row_gets_nothing_at_all():
    with pytest.raises(PoisonDelivery):
        view(household(programme=Programme.MDA), "lead")


def test_a_table_that_names_an_unknown_field_is_refused():
    row = REGION.disclosure.roles[0].model_copy(update={"fields": ("members.adres",)})
    with pytest.raises(ConfigurationError):
        Disclosure(REGION.disclosure.model_copy(update={"roles": (row,)}), blind=blind)


@pytest.mark.parametrize(
    ("known", "asked_for", "whom"),
    [
        ("removed", None, "removed"),
        ("household", "victim", "victim"),  # narrowed
        ("unknown", "victim", "victim"),  # filled in
        ("unknown", "household", "household"),
        ("removed", "removed", "removed"),
        ("removed", "victim", "unknown"),  # who works for the one never learns of the other, whoever says so
        ("removed", "household", "unknown"),
        ("children", "unknown", "unknown"),
        ("household", "everybody", "unknown"),
    ],
)
def test_the_leads_word_narrows_or_fills_in_whom_an_organisation_serves(known: Any, asked_for: Any, whom: str):
    assert serving(known, asked_for) == whom
