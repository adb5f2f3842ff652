# SPDX-License-Identifier: EUPL-1.2
"""What a notice holds for one recipient: the terms of its kind, who asks, and no text where somebody is hidden."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from regions import FOLDER
from schakel.disclosure import Disclosure, Secrecy
from schakel.errors import PoisonDelivery
from schakel.message import (
    Address,
    BsnStatus,
    CaseHeader,
    CaseMessage,
    Member,
    MemberRole,
    MessageHeader,
    MessageKind,
    Municipality,
    Names,
    Phone,
    Programme,
    Urgency,
)
from schakel.notice_view import NoticeView, Opened
from schakel.notices import ASKING, KINDS, TERMS, Notice, Notices
from schakel.records import Claimed, Happened
from schakel.region import Receiving, Region
from schakel.region_files import load_region

REGION = load_region(FOLDER / "haaglanden")
NOW = datetime(2026, 11, 16, 9, tzinfo=UTC)
HOME = Address(street="Voorbeeldlaan", house_number="12", postcode="2611AA", place="Delft")
SECRET = Address(use="stay", street="Schuilstraat", house_number="7", postcode="2722BB", secret=True)
WORDS = "Zij zit nu in de Schuilstraat; kom tweemaal per week."
SENTENCE = f"{REGION.disclosure.withheld.nl} / {REGION.disclosure.withheld.en}"


def blind(kind: str, *parts: str) -> bytes:
    return hmac.digest(b"test key", "\0".join((kind, *parts)).encode(), hashlib.sha256)


DISCLOSURE = Disclosure(REGION.disclosure, blind=blind)


def household(*, hidden: bool = False, programme: str = "icm") -> CaseMessage:
    return CaseMessage(
        members=(
            Member(
                id="v",
                role=MemberRole.VICTIM,
                names=Names(given="Anna", family="Voorbeeld"),
                bsn="999990019",
                bsn_status=BsnStatus.KNOWN,
                phones=(Phone(number="0612345678"),),
                addresses=(SECRET if hidden else HOME,),
            ),
            Member(id="r", role=MemberRole.REMOVED, names=Names(given="Bob", family="Voorbeeld"), addresses=(HOME,)),
            Member(id="nobody", role=MemberRole.CHILD, unborn=True),
        ),
        message=MessageHeader(
            id=UUID(int=1),
            kind=MessageKind.REFERRAL,
            source="thv-pool",
            message_reference="m",
            source_case_reference="c",
            received_at=NOW,
        ),
        case=CaseHeader(
            reference="case",
            region="haaglanden",
            programme=Programme(programme),
            municipality=Municipality(rule="test"),
            urgency=Urgency.CRISIS,
        ),
    )


HAPPENED = Happened(
    matter_id="matter",
    machine="effort",
    partner="de-waag",
    role="partner",
    reference="MATTERREFERENCE",
    valid_from=NOW,
    valid_until=NOW + timedelta(days=14),
    terms=None,
    entry_id="entry",
    event="ask",
    actor="perspektief",
    words=None,
    due_at=NOW + timedelta(days=2),
)
EFFORT = {"direction": "raise", "level": WORDS, "reason": WORDS, "secretly": WORDS, "answer": "accepted"}
SAID = {
    "actor": {"name": "P. Jansen", "function": "ICM'er"},
    "evidence": "dossier 12",
    "contact": {"name": "P. Jansen", "phone": "06 99999999"},
}


def claimed(kind: str, *, recipient: str = "de-waag", role: str = "partner", **more: Any) -> Claimed:
    values: dict[str, Any] = {
        "id": "delivery",
        "token": "",
        "recipient": recipient,
        "role": role,
        "number": 3,
        "channel": "mailbox",
        "mode": "full",
        "representation": "notice-json",
        "urgency": "normal",
        "late": False,
        "held": 0,
        "attempts": 0,
        "crashes": 0,
        "created_at": NOW,
        "message_id": str(UUID(int=1)),
        "case_id": "case",
        "case_reference": "OWNREFERENCE",
        "request_reference": None,
        "request_due_at": None,
        "programme": "icm",
        "content": b"",
        "wrapped_key": b"",
        "secrecy": None,
        "secrecy_version": 0,
        "rendered": None,
        "occasion": f"{kind}:matter",
        "happened": HAPPENED,
    }
    return Claimed(**{**values, **more})


def compose(
    one: Claimed,
    *,
    terms: dict[str, Any] | None = None,
    words: dict[str, Any] | None = None,
    message: CaseMessage | None = None,
    secrecy: Secrecy | None = None,
) -> dict[str, Any]:
    partner = REGION.partner(one.recipient)
    assert partner is not None
    made = NoticeView(region=REGION, disclosure=DISCLOSURE).compose(
        one,
        one.occasion.partition(":")[0],
        Opened(one.happened, EFFORT if terms is None else terms, SAID if words is None else words),
        message or household(),
        recipient=partner,
        secrecy=secrecy or Secrecy(),
    )
    assert Notice.model_validate(made.to_json()) == made
    return made.to_json()


# -- what it says ------------------------------------------------------------------------------------------------------


def test_an_effort_request_says_what_until_when_who_asks_and_what_to_answer_with() -> None:
    said = compose(claimed("effort-asked"))
    assert said["case"] == {"reference": "OWNREFERENCE", "region": "haaglanden", "programme": "icm"}
    assert said["request"] == {"reference": "MATTERREFERENCE", "role": "partner", "dueAt": "2026-11-18T09:00:00Z"}
    assert said["by"] == {"organisation": "Perspektief", "oin": "00000099000000002002", "function": "ICM'er"}
    assert said["terms"] == {
        "direction": "raise",
        "level": WORDS,
        "from": "2026-11-16T09:00:00Z",
        "until": "2026-11-30T09:00:00Z",
        "reason": WORDS,
    }
    assert "about" not in said


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_carries_its_own_terms_and_a_reference_only_when_it_asks(kind: str) -> None:
    terms = {**EFFORT, "role": "duo", "to": "vvt", "municipality": "0503", "outcome": "triage", "phase": "recovery"}
    said = compose(claimed(kind), terms={**terms, "member": "r"}, words={**SAID, "reason": WORDS})
    assert set(said["terms"]) == set(TERMS[kind])  # type: ignore[index]
    assert ("request" in said) == (kind in ASKING)
    assert bool(said["persons"]) == kind.startswith("known-check")


def test_a_withdrawal_is_answered_with_the_request_of_the_partner_itself() -> None:
    happened = replace(HAPPENED, matter_id=None, partner=None, role=None, reference=None)
    said = compose(
        claimed("withdrawal-asked", happened=happened, request_reference="REQUESTREFERENCE"),
        terms={},
        words={**SAID, "reason": "Er is rust."},
    )
    assert said["request"]["reference"] == "REQUESTREFERENCE"
    assert said["terms"] == {"reason": "Er is rust."}


@pytest.mark.parametrize(
    ("event", "answer"),
    [("accept", "accepted"), ("adjust", "adjusted"), ("refuse", "not-possible"), ("lapse", "no-answer")],
)
def test_the_lead_hears_whose_answer_it_is_and_what_it_was(event: str, answer: str) -> None:
    happened = replace(HAPPENED, event=event, actor="de-waag")
    lead = claimed("effort-answered", recipient="perspektief", role="lead", happened=happened)
    words = {"level": "eens per week", "reasonText": "Er is geen plek.", "actor": {"function": "behandelaar"}}
    said = compose(lead, words=words)
    assert said["about"] == {"partner": "de-waag", "name": "De Waag", "role": "partner"}
    assert said["terms"]["answer"] == answer
    assert (said["terms"]["level"], said["terms"]["reason"]) == ("eens per week", "Er is geen plek.")
    assert said["by"] == {"organisation": "De Waag", "oin": "00000099000000004004", "function": "behandelaar"}
    assert "request" not in said


def test_a_contact_is_for_who_leads_or_walks_along() -> None:
    assert "contact" not in compose(claimed("effort-asked"))["by"]
    lead = compose(claimed("effort-answered", recipient="perspektief", role="lead"))
    assert lead["by"]["contact"] == {"name": "P. Jansen", "phone": "06 99999999"}


def test_nobody_hears_from_on_hold_who_declined_or_why() -> None:
    happened = replace(HAPPENED, event="decline", actor="perspektief")
    duo = claimed("on-hold", recipient="lokaal-team-delft", role="duo", happened=happened)
    said = compose(duo, words={**SAID, "reason": WORDS, "reasonCode": "no-capacity"})
    assert said["by"] == {"organisation": REGION.hub_name, "oin": REGION.hub_oin}
    assert said["terms"] == {}
    assert "Perspektief" not in json.dumps(said)


def test_an_operator_is_never_named() -> None:
    said = compose(claimed("effort-asked", happened=replace(HAPPENED, actor="operator:J. de Vries")))
    assert said["by"] == {"organisation": REGION.hub_name, "oin": REGION.hub_oin}
    assert "Vries" not in json.dumps(said)


def test_a_kind_that_nobody_knows_is_not_sent() -> None:
    with pytest.raises(PoisonDelivery, match="notice-unknown"):
        compose(claimed("gossip"))


# -- what it does not say ----------------------------------------------------------------------------------------------


def test_somebody_hidden_withholds_every_text_from_who_may_not_see_it() -> None:
    said = compose(claimed("effort-asked"), message=household(hidden=True))
    assert (said["terms"]["level"], said["terms"]["reason"], said["by"]["function"]) == (SENTENCE,) * 3
    assert said["withheld"] == [{"rule": "secret-address"}]
    assert "Schuilstraat" not in json.dumps(said)
    assert said["terms"]["until"] == "2026-11-30T09:00:00Z"


def test_who_is_hidden_by_a_later_message_withholds_as_well() -> None:
    later = Secrecy().merge(household(hidden=True), blind)
    said = compose(claimed("effort-asked"), secrecy=later)
    assert said["terms"]["reason"] == SENTENCE


def test_the_lead_may_read_what_a_partner_wrote_about_somebody_hidden() -> None:
    lead = claimed("effort-answered", recipient="perspektief", role="lead")
    said = compose(lead, message=household(hidden=True), words={**SAID, "reason": WORDS})
    assert said["terms"]["reason"] == WORDS
    assert said["withheld"] == []


def test_a_known_check_says_who_it_is_about_and_nothing_of_where() -> None:
    said = compose(claimed("known-check-asked"), terms={"member": "v"})
    (person,) = said["persons"]
    assert person["names"] == {"given": "Anna", "family": "Voorbeeld"}
    assert person["bsn"] == "999990019"
    assert set(person) <= {"id", "names", "born", "sex", "bsn", "bsnStatus"}
    text = json.dumps(said)
    assert not any(each in text for each in ("Voorbeeldlaan", "2611AA", "0612345678", "Bob"))


@pytest.mark.parametrize("member", ["nobody", "somebody-else", ""])
def test_who_cannot_be_named_is_not_asked_about(member: str) -> None:
    with pytest.raises(PoisonDelivery, match="person-not-shown"):
        compose(claimed("known-check-asked"), terms={"member": member})


def test_a_role_without_a_row_gets_nothing() -> None:
    with pytest.raises(PoisonDelivery, match="no-disclosure-row"):
        compose(claimed("effort-asked", role="lead", programme="mda++"))


# -- which way it goes -------------------------------------------------------------------------------------------------


STUF = Receiving(channel="stuf", representation="case-stuf", url="https://x.example")


def reached(receives: Receiving | None) -> Region:
    partners = tuple(
        one.model_copy(update={"receives": receives}) if one.id == "de-waag" else one for one in REGION.partners
    )
    return REGION.model_copy(update={"partners": partners})


def made(receives: Receiving | None, kind: Any = "effort-asked") -> tuple[str, str, str]:
    numbers = itertools.count()
    told = Notices(region=reached(receives), new_id=lambda: f"id-{next(numbers)}").notice(
        kind, "matter", "de-waag", "partner", "normal", "request"
    )
    assert (told.occasion, told.request_id, told.role) == (f"{kind}:matter", "request", "partner")
    return told.channel, told.mode, told.representation


@pytest.mark.parametrize(
    ("receives", "way"),
    [
        (None, ("mailbox", "full", "notice-json")),
        (Receiving(channel="webhook", mode="thin", url="https://x.example"), ("webhook", "thin", "notice-json")),
        (STUF, ("mailbox", "full", "notice-json")),
        (Receiving(notices={"effort-asked": "own-notice"}), ("mailbox", "full", "own-notice")),
        (Receiving(notices={"closed": "own-notice"}), ("mailbox", "full", "notice-json")),
    ],
)
def test_a_notice_goes_the_way_that_the_partner_reads(receives: Receiving | None, way: tuple[str, str, str]) -> None:
    assert made(receives) == way
