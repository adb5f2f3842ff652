# SPDX-License-Identifier: EUPL-1.2
"""Writes a Decision: case, keys, orders, routing, requests, deliveries with their numbers, parked rows, suggestions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from schakel.records import (
    Bell,
    CaseChange,
    Decision,
    KnownOrder,
    MatchKey,
    NewCase,
    NewDelivery,
    NewParked,
    NewRequest,
    RoutingDecision,
)
from schakel.states import Machine, Role
from schakel.store import deadlines
from schakel.store.db import Db
from schakel.store.events import Author, begin
from schakel.store.facts import STRONG
from schakel.store.rows import findings_json, maybe_text, pairs_json, text
from schakel.store.terms import Terms

NEW_CASE: Final = """
INSERT INTO case_file (id, programme, municipality, urgency, state, state_ordinal, opened_at, wrapped_key, order_end,
    secrecy, secrecy_version, max_ordinal)
VALUES (:id, :programme, :municipality, :urgency, :state, 1, :now, :wrapped_key, :order_end,
    :secrecy, :secrecy_version, :max_ordinal)"""

# What a message changes of its case; a new secrecy raises the version.
CHANGE_CASE: Final = """
UPDATE case_file SET
    municipality = COALESCE(:municipality, municipality),
    urgency = COALESCE(:urgency, urgency),
    order_end = CASE WHEN :order_over = 1 THEN NULL
        WHEN order_end IS NULL OR order_end < :order_end THEN :order_end ELSE order_end END,
    secrecy_version = CASE WHEN :newly_secret = 1 THEN secrecy_version + 1 ELSE secrecy_version END,
    secrecy = COALESCE(:secrecy, secrecy),
    max_ordinal = CASE WHEN max_ordinal < :max_ordinal THEN :max_ordinal ELSE max_ordinal END
WHERE id = :id"""

# What a household knows of secrets reaches each of its cases; a new secrecy raises the version.
SHARE_SECRECY: Final = """
UPDATE case_file SET secrecy = :secrecy, secrecy_version = secrecy_version + 1 WHERE id = :id"""

# A key of the case; a strong key that another open case of the programme holds stays with that one.
FIRST_KEY: Final = """
INSERT INTO match_key (case_id, programme, kind, digest, strong, open)
VALUES (:case_id, :programme, :kind, :digest, :strong, 1) ON CONFLICT DO NOTHING"""
ADD_KEY: Final = """
INSERT INTO match_key (case_id, programme, kind, digest, strong, open)
SELECT id, programme, :kind, :digest, :strong, CASE WHEN closed_at IS NULL THEN 1 ELSE 0 END
FROM case_file WHERE id = :case_id
ON CONFLICT DO NOTHING"""

FIRST_ORDER: Final = "INSERT INTO known_order (case_id, number, imposed_at) VALUES (:case_id, :number, :imposed_at)"
# Orders: by number, else by time of imposition; one without number is the one with that time.
ORDER_AT: Final = """
INSERT INTO known_order (case_id, imposed_at) SELECT :case_id, :imposed_at
WHERE NOT EXISTS (SELECT 1 FROM known_order WHERE case_id = :case_id AND imposed_at = :imposed_at)"""
ORDER_NUMBERED: Final = """
INSERT INTO known_order (case_id, number, imposed_at) VALUES (:case_id, :number, :imposed_at)
ON CONFLICT (case_id, number) WHERE number IS NOT NULL
DO UPDATE SET imposed_at = COALESCE(excluded.imposed_at, known_order.imposed_at)"""
FORGET_UNNUMBERED: Final = """
DELETE FROM known_order WHERE case_id = :case_id AND number IS NULL AND imposed_at = (
    SELECT o.imposed_at FROM known_order o WHERE o.case_id = :case_id AND o.number = :number)"""

ORDER_IMPOSED: Final = "order-imposed"
ORDER_OVER: Final = "order-over"

LAST_ROUND: Final = "SELECT COALESCE(max(round), 0) FROM routing_decision WHERE message_id = :message_id"
ADD_ROUTING: Final = """
INSERT INTO routing_decision (message_id, round, position, recipient, role, outcome, rule, nl, en, decided_at)
VALUES (:message_id, :round, :position, :recipient, :role, :outcome, :rule, :nl, :en, :now)"""

ADD_REFERENCE: Final = """
INSERT INTO case_reference (case_id, partner, reference) VALUES (:case_id, :partner, :reference)
ON CONFLICT (case_id, partner) DO NOTHING"""
ADD_REQUEST: Final = """
INSERT INTO request (id, case_id, message_id, recipient, role, reference, state, state_ordinal, asked_by, phase,
    serves, asked_at, due_at)
VALUES (:id, :case_id, :message_id, :recipient, :role, :reference, :state, 1, :asked_by, :phase,
    :serves, :now, :due_at)"""

ADD_DELIVERY: Final = """
INSERT INTO delivery (id, message_id, case_id, recipient, number, role, channel, mode, representation, urgency,
    request_id, late, occasion, supersedes, state, state_ordinal, created_at, next_at, alarm_at)
VALUES (:id, :message_id, :case_id, :recipient, :number, :role, :channel, :mode, :representation, :urgency,
    :request_id, :late, :occasion, :supersedes, :state, 1, :now, :now, :alarm_at)"""
ADMISSION: Final = "SELECT 1 FROM matter WHERE case_id = :case_id AND machine = 'admission' LIMIT 1"
ADD_ADMISSION: Final = """
INSERT INTO matter (id, machine, case_id, request_id, partner, role, state, state_ordinal, made_at)
VALUES (:id, 'admission', :case_id, :request_id, :partner, :role, :state, 1, :now)"""

ADD_LANE: Final = """
INSERT INTO lane (recipient, case_id) VALUES (:recipient, :case_id) ON CONFLICT DO NOTHING"""

ADD_PARKED: Final = """
INSERT INTO parked (id, message_id, case_id, delivery_id, cause, owner, whole, findings, suggests, state,
    state_ordinal, parked_at, next_alarm_at)
VALUES (:id, :message_id, :case_id, :delivery_id, :cause, :owner, :whole, :findings, :suggests, :state,
    1, :now, :next_alarm_at)"""

ADD_SUGGESTION: Final = """
INSERT INTO suggestion (case_id, other_case_id, kinds, state, made_at)
SELECT :case_id, :other, :kinds, 'open', :now
WHERE NOT EXISTS (SELECT 1 FROM suggestion WHERE case_id = :other AND other_case_id = :case_id)
ON CONFLICT DO NOTHING"""


def write_case(db: Db, decision: Decision, *, now: datetime) -> None:
    """The case, before the message that points at it."""
    if decision.case_id is None:
        return
    change, new = decision.change, decision.new_case
    if new is None:
        _change_case(db, decision.case_id, change)
    else:
        _new_case(db, decision.case_id, new, change, now=now)
    if change.order_over:
        deadlines.end_started(db, decision.case_id, ORDER_IMPOSED, by=ORDER_OVER, now=now)
    for started in decision.deadlines:
        (deadlines.start if new is None else deadlines.first)(db, decision.case_id, started, now=now)
    for joined, secrecy in change.shared:
        db.put(SHARE_SECRECY, id=joined, secrecy=secrecy)
    add_keys(db, decision.case_id, decision.keys, programme=None if new is None else new.programme)
    if new is not None:
        _first_orders(db, decision.case_id, change.orders)
        return
    for order in change.orders:
        add_order(db, decision.case_id, order)


def _new_case(db: Db, case_id: str, new: NewCase, change: CaseChange, *, now: datetime) -> None:
    db.put(
        NEW_CASE,
        id=case_id,
        programme=new.programme,
        municipality=change.municipality or new.municipality,
        urgency=change.urgency or "normal",
        state=begin(db, Machine.CASE, case_id, "open", Author(Role.HUB, "hub", now)),
        now=text(now),
        wrapped_key=new.wrapped_key,
        order_end=None if change.order_over else maybe_text(change.order_end),
        secrecy=change.secrecy,
        secrecy_version=int(change.secrecy is not None),
        max_ordinal=change.max_ordinal,
    )


def _change_case(db: Db, case_id: str, change: CaseChange) -> None:
    db.put(
        CHANGE_CASE,
        id=case_id,
        municipality=change.municipality,
        urgency=change.urgency,
        order_end=maybe_text(change.order_end),
        order_over=int(change.order_over),
        newly_secret=int(change.secrecy is not None),
        secrecy=change.secrecy,
        max_ordinal=change.max_ordinal,
    )


def write_rest(
    db: Db,
    message_id: str,
    decision: Decision,
    author: Author,
    terms: Terms,
    *,
    parked: Sequence[NewParked],
    round_: int,
) -> list[Bell]:
    """All that points at the message. Numbers are taken last, recipients in order of their ids."""
    write_routing(db, message_id, decision.routing, round_, now=author.now)
    if decision.case_id is not None:
        for request in decision.requests:
            add_request(db, message_id, decision.case_id, request, author)
        for other, kinds in decision.suggestions:
            db.put(ADD_SUGGESTION, case_id=decision.case_id, other=other, kinds=kinds, now=text(author.now))
    for row in parked:
        add_parked(db, row, author, message_id=message_id, case_id=decision.case_id)
    if decision.case_id is None:
        return []
    return add_deliveries(db, message_id, decision.case_id, decision.deliveries, author, terms)


def last_round(db: Db, message_id: str) -> int:
    """How often was decided on the message."""
    return int(db.value(LAST_ROUND, message_id=message_id))


def write_routing(db: Db, message_id: str, routing: Sequence[RoutingDecision], round_: int, *, now: datetime) -> None:
    for position, line in enumerate(routing):
        db.put(
            ADD_ROUTING,
            message_id=message_id,
            round=round_,
            position=position,
            recipient=line.recipient,
            role=line.role,
            outcome=line.outcome,
            rule=line.rule,
            nl=line.nl,
            en=line.en,
            now=text(now),
        )


def add_keys(db: Db, case_id: str, keys: Sequence[MatchKey], *, programme: str | None = None) -> None:
    """`programme`: of a case that is new."""
    for key in sorted(set(keys), key=lambda key: (key.kind, key.digest)):
        row = {"case_id": case_id, "kind": key.kind, "digest": key.digest, "strong": int(key.kind in STRONG)}
        if programme is None:
            db.put(ADD_KEY, **row)
        else:
            db.put(FIRST_KEY, **row, programme=programme)


def add_order(db: Db, case_id: str, order: KnownOrder) -> None:
    """Each order once: distinct by number or, without one, by time of imposition; what is told later is added."""
    number, imposed_at = order.number, maybe_text(order.imposed_at)
    if number is None:
        if imposed_at is not None:
            db.put(ORDER_AT, case_id=case_id, imposed_at=imposed_at)
    else:
        db.put(ORDER_NUMBERED, case_id=case_id, number=number, imposed_at=imposed_at)
        db.put(FORGET_UNNUMBERED, case_id=case_id, number=number)


def _first_orders(db: Db, case_id: str, orders: Sequence[KnownOrder]) -> None:
    """As `add_order` for each of them, of a case that knows none yet: nothing is there to look for."""
    numbered: dict[bytes, str | None] = {}
    unnumbered: dict[str, None] = {}
    for order in orders:
        at = maybe_text(order.imposed_at)
        if order.number is not None:
            at = numbered[order.number] = at or numbered.get(order.number)
            unnumbered.pop(at or "", None)
        elif at is not None and at not in numbered.values():
            unnumbered[at] = None
    for number, at in (*numbered.items(), *((None, at) for at in unnumbered)):
        db.put(FIRST_ORDER, case_id=case_id, number=number, imposed_at=at)


def add_request(db: Db, message_id: str, case_id: str, request: NewRequest, author: Author) -> None:
    """The request, and the clocks that asking starts."""
    db.put(ADD_REFERENCE, case_id=case_id, partner=request.recipient, reference=request.case_reference)
    db.put(
        ADD_REQUEST,
        id=request.id,
        case_id=case_id,
        message_id=message_id,
        recipient=request.recipient,
        role=request.role,
        reference=request.reference,
        state=begin(db, Machine.REQUEST, request.id, "ask", author),
        asked_by=request.asked_by,
        phase=request.phase,
        serves=request.serves,
        now=text(author.now),
        due_at=text(request.due_at),
    )
    if request.weighing is not None and not db.value(ADMISSION, case_id=case_id):
        _report(db, case_id, request, request.weighing, now=author.now)
    for started in request.deadlines:
        deadlines.first(db, case_id, started, now=author.now)


def _report(db: Db, case_id: str, request: NewRequest, weighing: str, *, now: datetime) -> None:
    """MDA++: the case is reported; the weighing decides on it."""
    db.put(
        ADD_ADMISSION,
        id=weighing,
        case_id=case_id,
        request_id=request.id,
        partner=request.recipient,
        role=request.role,
        state=begin(db, Machine.ADMISSION, weighing, "report", Author(Role.HUB, "hub", now)),
        now=text(now),
    )


def add_deliveries(
    db: Db, message_id: str, case_id: str, deliveries: Sequence[NewDelivery], author: Author, terms: Terms
) -> list[Bell]:
    """In order of recipient, so that the counters are always taken in one order."""
    bells: list[Bell] = []
    for delivery in sorted(deliveries, key=lambda delivery: delivery.recipient):
        add_delivery(db, message_id, case_id, delivery, author, terms, bells=bells)
    return bells


def add_delivery(
    db: Db,
    message_id: str,
    case_id: str,
    delivery: NewDelivery,
    author: Author,
    terms: Terms,
    *,
    supersedes: str | None = None,
    bells: list[Bell] | None = None,
) -> None:
    """It is written as soon as it has its number, which may be at the end of the transaction; then its bell joins
    `bells`."""

    def write(number: int) -> None:
        db.put(ADD_LANE, recipient=delivery.recipient, case_id=case_id)
        db.put(
            ADD_DELIVERY,
            id=delivery.id,
            message_id=message_id,
            case_id=case_id,
            recipient=delivery.recipient,
            number=number,
            role=delivery.role,
            channel=delivery.channel,
            mode=delivery.mode,
            representation=delivery.representation,
            urgency=delivery.urgency,
            request_id=delivery.request_id,
            late=int(delivery.late),
            occasion=delivery.occasion,
            supersedes=supersedes,
            state=begin(db, Machine.DELIVERY, delivery.id, "create", author),
            now=text(author.now),
            alarm_at=text(author.now + terms.alarms.delivery(delivery.urgency)),
        )
        bell = Bell(delivery.id, delivery.recipient, number)
        db.bell(bell)
        if bells is not None:
            bells.append(bell)

    db.numbered(delivery.recipient, case_id, write)


def add_parked(
    db: Db,
    parked: NewParked,
    author: Author,
    *,
    message_id: str | None = None,
    case_id: str | None = None,
    delivery_id: str | None = None,
) -> None:
    db.put(
        ADD_PARKED,
        id=parked.id,
        message_id=message_id,
        case_id=case_id,
        delivery_id=delivery_id,
        cause=parked.cause,
        owner=parked.owner,
        whole=int(parked.whole),
        findings=findings_json(parked.findings),
        suggests=pairs_json(parked.suggests),
        state=begin(db, Machine.PARKED, parked.id, "park", author),
        now=text(author.now),
        next_alarm_at=text(parked.next_alarm_at),
    )
