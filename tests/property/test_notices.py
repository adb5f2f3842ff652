# SPDX-License-Identifier: EUPL-1.2
"""Plants a canary in every field of a household and in everything that can be written down with a matter, and looks for
them in the bytes of a notice: of every kind, for every role, in every form.

What may be seen is written down here a second time, from the law the hub keeps; nothing of the code under test decides.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.formats import formats
from mappings.engine import to_referral
from mappings.library import load_library
from regions import FOLDER
from schakel.disclosure import Disclosure, Secrecy
from schakel.errors import PoisonDelivery, Unmappable
from schakel.message import CaseHeader, CaseMessage, MessageHeader, MessageKind, Municipality, Programme, Urgency
from schakel.notice_view import NoticeView, Opened
from schakel.notices import KINDS
from schakel.records import Claimed, Happened
from schakel.region_files import load_region
from tests.support import canaries as plants
from tests.support.canaries import Garden, found

REGIONS = {name: load_region(FOLDER / name) for name in ("haaglanden", "national", "venlo", "youth-icm")}
NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
FORMATS, MAPPINGS = formats(), load_library(())
FORMS = [name for name, each in MAPPINGS.items() if each.reads_kind == "notice@1"]
CHECKS = ("known-check-asked", "known-check-answered")
# Free words that a kind may carry, when nobody is hidden or the role may know where everybody is.
PROSE = {
    "effort-asked": {"reason", "level", "function"},
    "effort-answered": {"reasonText", "level", "function"},
    "effort-cancelled": {"reason", "level", "function"},
    "effort-ended": {"level"},
    "withdrawal-asked": {"reason", "function"},
    "known-check-asked": {"function"},
    "known-check-answered": {"reasonText", "function"},
    "hand-over-asked": {"reason", "function"},
    "admission-decided": {"reason", "function"},
    "hand-over-accepted": {"function"},
    "hand-over-cancelled": {"reason", "function"},
    "closed": {"function"},
    "asked-voice": {"function"},
}


def blind(kind: str, *parts: str) -> bytes:
    return hmac.digest(b"test key", "\0".join((kind, *parts)).encode(), hashlib.sha256)


def household(garden: Garden, programme: str, secret: str, masked: bool) -> CaseMessage:
    """As the pool's own document becomes a case message, with a canary in every field."""
    body = json.dumps(plants.thv(garden, municipality="0503", secret=secret, masked=masked)).encode()
    envelope = FORMATS["thv-json"].read(body)
    referral = to_referral(MAPPINGS[envelope.mapping].apply(envelope.document, now=NOW).document)
    content = {
        name: getattr(referral, name)
        for name in type(referral).model_fields
        if name not in ("kind", "programme", "urgency", "phase", "occurred_at")
    }
    return CaseMessage(
        **content,
        message=MessageHeader(
            id=UUID(int=1),
            kind=MessageKind.REFERRAL,
            source="thv-pool",
            message_reference=envelope.message_reference,
            source_case_reference=envelope.source_case_reference,
            received_at=NOW,
        ),
        case=CaseHeader(
            reference="case",
            region="haaglanden",
            programme=Programme(programme),
            municipality=Municipality(code="0503", rule="test"),
            urgency=Urgency.CRISIS,
        ),
    )


def written_down(garden: Garden) -> tuple[dict[str, Any], dict[str, Any]]:
    """Terms of a matter and words of an entry, with a canary in all of them."""

    def word(name: str) -> str:
        return f"Zij is nu {garden.word(name, 'said')} daar."

    terms = {
        "direction": "raise",
        "level": word("level"),
        "reason": word("reason"),
        "outcome": "triage",
        "role": "duo",
        "secretly": word("secretly"),
    }
    words = {
        "actor": {"name": garden.word("name", "said"), "function": garden.word("function", "said")},
        "contact": {"name": garden.word("contact", "said"), "phone": garden.phone("contact", "said", "")},
        "evidence": word("evidence"),
        "note": word("note"),
        "reasonText": word("reasonText"),
        "contactHistory": word("contactHistory"),
    }
    return terms, words


def happened(partner: str, role: str) -> Happened:
    return Happened(
        matter_id="matter",
        machine="effort",
        partner=partner,
        role=role,
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


def claimed(kind: str, recipient: str, role: str, programme: str) -> Claimed:
    return Claimed(
        id="019a8a1e-2c00-7000-8000-000000000401",
        token="",
        recipient=recipient,
        role=role,
        number=1,
        channel="mailbox",
        mode="full",
        representation="notice-json",
        urgency="normal",
        late=False,
        held=0,
        attempts=0,
        crashes=0,
        created_at=NOW,
        message_id=str(UUID(int=1)),
        case_id="case",
        case_reference="OWNREFERENCE",
        request_reference="REQUESTREFERENCE",
        request_due_at=NOW,
        programme=programme,
        content=b"",
        wrapped_key=b"",
        secrecy=None,
        secrecy_version=0,
        rendered=None,
        occasion=f"{kind}:matter",
        happened=happened(recipient, role),
    )


def transport(recipient: str) -> dict[str, Any]:
    """As the renderer lays it beside what is told."""
    return {
        "id": "019a8a1e-2c00-7000-8000-000000000401",
        "number": 1,
        "role": "partner",
        "content": "https://hub.example/v1/mailbox/1/case",
        "createdAt": "2026-11-21T09:00:00.000Z",
        "sender": {"oin": "00000099000000000001", "name": "hub"},
        "recipient": {"id": recipient, "name": "Ontvanger", "oins": ["00000099000000004001"], "application": "zaak"},
    }


def in_any_form(document: dict[str, Any], kind: str, programme: str) -> dict[str, bytes]:
    """In each form that can say this kind."""
    shown = {}
    for name in FORMS:
        if name == "known-check-stuf" and (kind != "known-check-asked" or programme != "mda++"):
            continue
        mapping = MAPPINGS[name]
        try:
            shown[name] = FORMATS[mapping.format].write(mapping.apply(document, now=NOW).document)
        except Unmappable as error:
            raise AssertionError(f"{name} cannot say {kind}: {error.cause}") from error
    return shown


ROWS = [
    (name, row.role, programme)
    for name, region in REGIONS.items()
    for row in region.disclosure.roles
    for programme in row.programmes
    if row.role != "source"
]


@settings(max_examples=150, deadline=None)
@given(
    row=st.sampled_from(ROWS),
    kind=st.sampled_from(KINDS),
    who=st.sampled_from(["vvt", "lokaal-team-delft", "politie", "reclassering", "jeugdbescherming-west", "zvhh"]),
    secret=st.sampled_from(["", "person", "address", "home"]),
    later=st.booleans(),
    masked=st.booleans(),
    number=st.integers(0, 3),
)
def test_no_notice_holds_a_canary_that_its_role_may_not_see(
    row: tuple[str, str, str], kind: str, who: str, secret: str, later: bool, masked: bool, number: int
) -> None:
    name, role, programme = row
    region = REGIONS[name]
    recipient = REGIONS["haaglanden"].partner(who)
    assert recipient is not None
    garden = Garden()
    message = household(garden, programme, "" if later else secret, masked)
    # `later`: only another message of the case told that somebody is hidden
    secrecy = Secrecy().merge(household(Garden(), programme, secret, masked), blind) if later else Secrecy()
    terms, words = written_down(garden)
    person = message.members[number]
    view = NoticeView(region=region, disclosure=Disclosure(region.disclosure, blind=blind))
    opened = Opened(happened(who, role), {**terms, "member": person.id}, words)
    told = view.compose(
        claimed(kind, who, role, programme), kind, opened, message, recipient=recipient, secrecy=secrecy
    )

    own = {"id": person.id, "names": person.names.to_json(), "born": person.born.value, "bsn": person.bsn}
    shown = found(garden.planted.values(), json.dumps(own).encode()) if kind in CHECKS else []
    allowed = {canary.text for canary in shown if canary.kind in ("person", "member-id")}
    table = next(each for each in region.disclosure.roles if each.role == role and programme in each.programmes)
    if not secret or table.secret_addresses:
        allowed |= {each.text for each in garden.planted.values() if each.path in PROSE.get(kind, set())}
    if role in ("lead", "duo", "process-director", "case-director") and kind not in (
        "effort-ended",
        "on-hold",
        "resumed",
    ):
        allowed |= {each.text for each in garden.planted.values() if each.path == "contact"}

    document = {**told.to_json(), "transport": transport(who)}
    for form, data in in_any_form(document, kind, programme).items():
        there = found(garden.planted.values(), data)
        wrong = sorted({f"{each.kind}: {each.path} of {each.side}" for each in there if each.text not in allowed})
        assert not wrong, f"{form} of {kind} shows a {role} in {programme}: {wrong}"
        if form == "notice-json" and kind in CHECKS:
            assert {each.text for each in shown if each.kind == "person"} <= {each.text for each in there}


@settings(max_examples=40, deadline=None)
@given(
    row=st.sampled_from(ROWS),
    kind=st.sampled_from(CHECKS),
    number=st.integers(0, 3),
    fields=st.sampled_from(
        [
            ("members.id",),
            ("members.id", "members.addresses"),
            ("members.addresses",),
            ("message",),
            ("members.id", "members.born"),
        ]
    ),
)
def test_who_cannot_be_told_by_name_or_number_is_not_told_of(
    row: tuple[str, str, str], kind: str, number: int, fields: tuple[str, ...]
) -> None:
    """A table that shows a role where people live, and not who they are, makes no question of it."""
    name, role, programme = row
    region = REGIONS[name]
    table = region.disclosure.model_copy(
        update={"roles": tuple(each.model_copy(update={"fields": fields}) for each in region.disclosure.roles)}
    )
    message = household(Garden(), programme, "", False)
    recipient = REGIONS["haaglanden"].partner("politie")
    assert recipient is not None
    view = NoticeView(region=region, disclosure=Disclosure(table, blind=blind))
    opened = Opened(happened("politie", role), {"member": message.members[number].id}, {})
    with pytest.raises(PoisonDelivery) as caught:
        view.compose(
            claimed(kind, "politie", role, programme), kind, opened, message, recipient=recipient, secrecy=Secrecy()
        )
    assert caught.value.reason == "person-not-shown"
