# SPDX-License-Identifier: EUPL-1.2
"""Draws whole case messages (hypothesis): every field, alone and together, with text as people write it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from hypothesis import strategies as st
from stdnum.nl import bsn

from schakel.message import (
    Address,
    Attachment,
    BsnStatus,
    CaseHeader,
    CaseMessage,
    History,
    Incident,
    Informed,
    InvolvedOrganisation,
    KnownOrder,
    Member,
    MemberRole,
    MessageHeader,
    MessageKind,
    Municipality,
    Names,
    Note,
    OrderStatus,
    PartialDate,
    Phase,
    Phone,
    Precision,
    Programme,
    Relation,
    Remark,
    Reporter,
    RestrainingOrder,
    Risk,
    Sex,
    StalledHelp,
    Trigger,
    Urgency,
    Willingness,
)  # fmt: skip

NOW: Final = datetime(2026, 11, 16, 9, tzinfo=UTC)
BSNS: Final = [str(n) for n in range(999990000, 999990900) if bsn.is_valid(str(n))]
KINDS: Final = ("partner", "ex-partner", "child", "mother", "father", "step-parent", "sibling", "other", "buur:boven")
_LETTERS: Final = st.characters(codec="utf-8", categories=("L", "N", "P", "S"), include_characters=" \n")

words = st.one_of(
    st.sampled_from(["Müller", "d'Ancona", "Ğüneş", "ﬁnale", "’t Hof", "van Dijk", "J.", "A.B.", "Ann Bo", "x"]),
    st.text(_LETTERS, min_size=1, max_size=12).map(lambda text: " ".join(text.split())).filter(bool),
)
prose = st.one_of(words, st.just("Regel een.\nRegel twee: <b>&amp;</b> 'en' \"zo\"."))
codes = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:/+-]{0,12}", fullmatch=True)
moments = st.integers(-(10**6), 10**6).map(lambda seconds: NOW + timedelta(seconds=seconds, milliseconds=120))
days = st.dates(datetime(1930, 1, 1).date(), datetime(2026, 12, 31).date())
truths = st.booleans()


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


def tuples(strategy: st.SearchStrategy[Any], most: int = 2) -> st.SearchStrategy[Any]:
    return st.lists(strategy, max_size=most).map(tuple)


partial_dates = st.builds(
    lambda day, precision: PartialDate(
        value={"day": day.isoformat(), "month": day.isoformat()[:7], "year": day.isoformat()[:4]}[precision],
        precision=Precision(precision),
    ),
    days,
    st.sampled_from(["day", "month", "year"]),
)
unknown_date = st.just(PartialDate(precision=Precision.UNKNOWN))
dutch = {
    "street": maybe(words), "house_number": maybe(st.from_regex(r"[1-9][0-9]{0,4}", fullmatch=True)),
    "house_letter": maybe(st.sampled_from("aBz")), "house_number_addition": maybe(st.sampled_from(["2", "bis", "A"])),
    "postcode": maybe(st.from_regex(r"[1-9][0-9]{3}([A-Z]{2})?", fullmatch=True)), "place": maybe(words),
    "municipality": maybe(st.sampled_from(["0518", "0503", "1783"])), "secret": truths,
    "use": st.sampled_from(["home", "stay", "registered", "post", "scene"]),
}  # fmt: skip
addresses = st.one_of(
    st.builds(Address, **dutch, country=maybe(st.sampled_from(["NL", "Nederland"]))),
    st.builds(Address, **dutch, country=st.just("Duitsland"), foreign_lines=tuples(words)),
).filter(lambda address: address.to_json().keys() > {"use", "secret", "foreignLines"})
phones = st.builds(
    Phone,
    number=st.from_regex(r"[+0][0-9]{4,12}( [0-9]{2,4})?", fullmatch=True),
    safe_to_call=maybe(truths),
    note=maybe(prose),
)
names = st.builds(
    Names,
    family=maybe(words),
    prefix=maybe(st.sampled_from(["van", "van der", "el"])),
    given=maybe(words),
    initials=maybe(st.sampled_from(["J.", "A.B.", "Th"])),
    full=maybe(words),
)
informed = st.builds(Informed, informed=truths, at=maybe(days), reason_not=maybe(prose), reaction=maybe(prose))


@st.composite
def members(draw: st.DrawFn, ids: list[str], number: int) -> Member:
    unborn = draw(st.integers(0, 9)) == 0
    known = not unborn and draw(truths)
    others = [each for each in ids if each != ids[number]]
    relation = st.builds(
        Relation, to=st.sampled_from(others or ["-"]), kind=st.sampled_from(KINDS), custody=maybe(truths)
    )
    status = [BsnStatus.UNKNOWN, BsnStatus.NONE, BsnStatus.NOT_STATED]
    return Member(
        id=ids[number],
        role=MemberRole.CHILD if unborn else draw(st.sampled_from(MemberRole)),
        main=draw(truths),
        unborn=unborn,
        names=draw(names),
        born=draw(unknown_date if unborn else unknown_date | partial_dates),
        expected=draw(maybe(partial_dates)) if unborn else None,
        sex=draw(st.sampled_from(Sex)),
        bsn=BSNS[number] if known else None,
        bsn_status=BsnStatus.KNOWN if known else draw(st.sampled_from(status)),
        nationality=draw(maybe(words)),
        language=draw(maybe(words)),
        interpreter=draw(maybe(truths)),
        phones=draw(st.lists(phones, max_size=2, unique_by=lambda phone: phone.number).map(tuple)),
        email=draw(maybe(st.sampled_from(["a.b@voorbeeld.example"]))),
        addresses=draw(tuples(addresses)),
        secret_address=draw(truths),
        relations=tuple(dict.fromkeys(draw(st.lists(relation, max_size=2)))) if others else (),
        informed=draw(maybe(informed)),
        remarks=draw(maybe(prose)),
    )


@st.composite
def orders(draw: st.DrawFn) -> RestrainingOrder:
    imposed = draw(moments)
    status = draw(st.sampled_from(OrderStatus))
    until = imposed + timedelta(days=20)
    return RestrainingOrder(
        status=status,
        number=draw(maybe(words)),
        form=draw(maybe(st.sampled_from(["oral", "written"]))),
        imposed_at=imposed if status in ("imposed", "extended") else draw(st.sampled_from([None, imposed])),
        ends_at=draw(st.sampled_from([None, imposed + timedelta(days=10)])),
        extended_until=until if status == "extended" else draw(st.sampled_from([None, until])),
        ordinal=draw(maybe(st.integers(1, 99))),
        contact_ban=draw(maybe(truths)),
        address=draw(maybe(addresses)),
        reason=draw(maybe(prose)),
    )


incidents = st.builds(
    Incident,
    occurred_at=maybe(moments),
    occurred_on=maybe(partial_dates),
    forms=st.lists(st.sampled_from(["01", "05", "09"]), unique=True).map(tuple),
    natures=st.lists(st.sampled_from(["01", "10"]), unique=True).map(tuple),
    police_registration=maybe(words),
    address=maybe(addresses),
    location_text=maybe(prose),
    description=maybe(prose),
    arrest=maybe(prose),
    charges=maybe(prose),
)
stalled = st.builds(
    StalledHelp, stalled=truths, since=maybe(partial_dates), organisation=maybe(words), text=maybe(prose)
)
risks = st.builds(
    Risk,
    instrument=maybe(codes),
    level=st.sampled_from(["low", "medium", "high", "unknown"]),
    weapons=maybe(truths),
    weapons_text=maybe(prose),
    intimate_terrorism=maybe(truths),
    honour_related=maybe(truths),
    worker_safety=maybe(prose),
    text=maybe(prose),
)
histories = st.builds(
    History,
    earlier_reports=maybe(st.integers(0, 99)),
    earlier_orders=tuples(
        st.builds(KnownOrder, number=words, imposed_at=maybe(moments))
        | st.builds(KnownOrder, number=st.none(), imposed_at=moments)
    ),
    text=maybe(prose),
)
reporters = st.builds(
    Reporter,
    kind=maybe(st.sampled_from(["01", "41"])),
    name=words,
    organisation=maybe(words),
    phone=maybe(st.just("070 123 45 67")),
    email=maybe(st.just("m@voorbeeld.example")),
    masked=truths,
)
attachments = st.builds(
    Attachment,
    name=words,
    media_type=maybe(st.sampled_from(["application/pdf", "text/plain"])),
    size=maybe(st.integers(0, 2**31 - 1)),
    held_by=maybe(words),
)


@st.composite
def case_messages(draw: st.DrawFn) -> CaseMessage:
    """Any canonical message of one to four members. What no format can carry is not drawn: text with blanks around it,
    times finer than a millisecond, an address with nothing in it."""
    count = draw(st.integers(1, 4))
    ids = [f"{draw(st.sampled_from(['m', 'p', 'lid ']))}{number}" for number in range(count)]
    served = st.lists(st.sampled_from(ids), unique=True).map(lambda found: tuple(sorted(found)))
    organisation = st.builds(
        InvolvedOrganisation, name=words, identifier=maybe(words), kind=maybe(codes), serves=served,
        contact_name=maybe(words), contact_phone=maybe(st.just("015 123 45 67")),
        contact_email=maybe(st.just("o@voorbeeld.example")), note=maybe(prose),
    )  # fmt: skip
    return CaseMessage(
        trigger=Trigger(
            restraining_order=draw(maybe(orders())),
            incident=draw(maybe(incidents)),
            stalled_help=draw(maybe(stalled)),
        ),
        members=tuple(draw(members(ids, number)) for number in range(count)),
        risk=draw(maybe(risks)),
        history=draw(histories),
        organisations=draw(st.lists(organisation, max_size=2, unique_by=lambda each: each.name).map(tuple)),
        reporter=draw(maybe(reporters)),
        willingness=draw(st.sampled_from(Willingness)),
        legal_basis=draw(maybe(codes)),
        purpose=draw(codes),
        question=draw(maybe(prose)),
        notes=draw(tuples(st.builds(Note, topic=codes, text=prose))),
        attachments=draw(tuples(attachments)),
        message=MessageHeader(
            id=UUID("019a8a1e-2c00-7000-8000-000000000102"),
            kind=draw(st.sampled_from(MessageKind)),
            source="thv-pool",
            message_reference=draw(words),
            source_case_reference=draw(words),
            occurred_at=draw(maybe(moments)),
            received_at=NOW,
        ),
        case=CaseHeader(
            reference="hub",
            region="haaglanden",
            programme=draw(st.sampled_from(Programme)),
            municipality=Municipality(code="0518", name="Den Haag", rule="order-address:stated-code"),
            urgency=draw(st.sampled_from(Urgency)),
            phase=draw(maybe(st.sampled_from(Phase))),
            order_count=draw(st.integers(0, 3)),
        ),
        remarks=draw(tuples(st.builds(Remark, rule=codes, nl=prose, en=prose))),
    )
