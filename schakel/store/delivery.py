# SPDX-License-Identifier: EUPL-1.2
"""SQL of the delivery socket: what was rendered is kept, how it ended is written; the recipient's own mailbox."""

from __future__ import annotations

from collections.abc import Sequence, Set
from datetime import datetime
from typing import Final

from schakel.errors import Finding, LeaseLost
from schakel.feedback import SOURCE, carries_case
from schakel.records import (
    Bell,
    Claimed,
    DeliveryOutcome,
    Happened,
    MailboxEntry,
    NewAlarm,
    NewDelivery,
    NewParked,
    Rendered,
)
from schakel.states import FINAL_DELIVERY, DeliveryState, Machine, ParkCause, Role
from schakel.store.alarms import close_alarms, raise_alarm
from schakel.store.db import Db
from schakel.store.decision import add_delivery, add_parked
from schakel.store.events import Author, go_on, move, note
from schakel.store.rows import Row, maybe_moment, moment, new_id, text
from schakel.store.terms import MAILBOX_UNREAD, Terms

ENDINGS: Final = frozenset({"deliver", "notify", "fail", "park", "supersede"})

# All that rendering and sending need of a delivery. `held` counts the messages before it in its lane that wait for a
# person: parked deliveries, and parked messages of the case.
FULL: Final = """
SELECT d.*, m.content, c.programme, c.wrapped_key, c.secrecy, c.secrecy_version,
    COALESCE(r.reference, '') AS case_reference, q.reference AS request_reference, q.due_at AS request_due_at,
    q.serves,
    (SELECT count(*) FROM (
        SELECT e.message_id FROM delivery e
        WHERE e.recipient = d.recipient AND e.case_id = d.case_id AND e.number < d.number AND e.state = 'parked'
        UNION
        SELECT p.id FROM message p
        WHERE p.case_id = d.case_id AND p.state = 'parked' AND (p.received_at, p.id) < (m.received_at, m.id)
    ) before) AS held
FROM delivery d
JOIN message m ON m.id = d.message_id
JOIN case_file c ON c.id = d.case_id
LEFT JOIN case_reference r ON r.case_id = d.case_id AND r.partner = d.recipient
LEFT JOIN request q ON q.id = d.request_id
"""
BY_ID: Final = FULL + "WHERE d.id = :id"
BY_NUMBER: Final = FULL + "WHERE d.recipient = :partner AND d.number = :number"

# What a notice tells of, by the id in its occasion: an entry with the matter that it is about (if it is about one), or
# a matter with the first entry on it. `due_at`: of the clock that the asking started, as it was when it was asked.
_HAPPENED: Final = """
SELECT m.id AS matter_id, m.machine, m.partner, m.role, m.reference, m.valid_from, m.valid_until, m.sealed AS terms,
    e.id AS entry_id, e.event, e.actor, e.sealed AS words,
    (SELECT k.due_at FROM deadline k
     WHERE k.subject = COALESCE(m.id, e.subject) AND k.event = :kind AND k.started_at <= :made
     ORDER BY k.started_at DESC, k.id DESC LIMIT 1) AS due_at
"""
BY_ENTRY: Final = _HAPPENED + "FROM ledger_entry e LEFT JOIN matter m ON m.id = e.subject WHERE e.id = :id"
BY_MATTER: Final = (
    _HAPPENED
    + """FROM matter m LEFT JOIN ledger_entry e ON e.subject = m.id
WHERE m.id = :id ORDER BY e.ordinal LIMIT 1"""
)

FREE_LANE: Final = """
UPDATE lane SET token = NULL, lease_until = NULL, delivery_id = NULL WHERE delivery_id = :id AND token IS NOT NULL"""
RENEW: Final = """
UPDATE lane SET lease_until = :until WHERE delivery_id = :id AND token = :token RETURNING delivery_id"""
HELD_LANES: Final = """
SELECT delivery_id, token FROM lane WHERE delivery_id = ANY(:ids) AND token IS NOT NULL
ORDER BY delivery_id /*!postgresql FOR UPDATE*/"""
# `shut`: its breaker is open. `followed`: others wait in its lane. `alarmed`: a human was told of it.
ENDING: Final = """
SELECT d.id, d.message_id, d.case_id, d.recipient, d.channel, d.state, d.state_ordinal,
    r.breaker_open_until IS NOT NULL AS shut,
    EXISTS (SELECT 1 FROM delivery e WHERE e.recipient = d.recipient AND e.case_id = d.case_id
        AND e.state = 'waiting') AS followed,
    EXISTS (SELECT 1 FROM alarm a WHERE a.subject = d.id AND a.acknowledged_by IS NULL) AS alarmed
FROM delivery d JOIN recipient r ON r.partner = d.recipient WHERE d.id = ANY(:ids)"""
# Of each lane the one that can go on once that is free; a late one holds up nobody.
FOLLOWING: Final = """
SELECT DISTINCT e.id, e.recipient, e.number FROM delivery d
JOIN delivery e ON e.id = (
    SELECT h.id FROM delivery h
    WHERE h.recipient = d.recipient AND h.case_id = d.case_id AND h.state = 'waiting'
        AND (h.late = 0 OR h.next_at <= :now)
    ORDER BY h.number LIMIT 1)
WHERE d.id = ANY(:ids) AND e.next_at <= :now"""
LOCK_LANE: Final = """
SELECT l.recipient FROM lane l JOIN delivery d ON d.recipient = l.recipient AND d.case_id = l.case_id
WHERE d.id = :id FOR UPDATE OF l"""

KEEP_RENDERED: Final = """
UPDATE delivery SET rendered = :sealed, rendered_digest = :digest, rendered_media_type = :media_type,
    rendered_at = :at, rendered_secrecy_version = :secrecy_version
WHERE id = :id AND rendered_at IS NULL"""
RENDERED_DIGEST: Final = "SELECT id, rendered_digest, state FROM delivery WHERE id = ANY(:ids)"

TRIED: Final = """
UPDATE delivery SET attempts = attempts + :attempts, last_reason = :reason, next_at = COALESCE(:next_at, next_at),
    erase_at = COALESCE(:erase_at, erase_at)
WHERE id = :id"""
NOTIFIED: Final = """
UPDATE delivery SET notified_at = :now, alarm_at = CASE WHEN urgency = 'crisis' AND alarm_at < :alarm_at
    THEN alarm_at ELSE :alarm_at END WHERE id = :id"""
FINAL: Final = "UPDATE delivery SET erase_at = :erase_at WHERE id = :id"
# Nothing is written when nothing changes: the same row holds the recipient's counter.
SET_BREAKER: Final = """
UPDATE recipient SET breaker_open_until = :until
WHERE partner = :partner AND breaker_open_until IS DISTINCT FROM :until"""

MAILBOX: Final = """
SELECT number, id AS delivery_id, state, created_at, rendered_digest AS digest, rendered_media_type AS media_type
FROM delivery WHERE recipient = :partner AND number > :after ORDER BY number LIMIT :limit"""

WORKER: Final = "worker"


# -- one delivery -----------------------------------------------------------------------------------------------------


def park(db: Db, delivery_id: str, reason: str, alarm: NewAlarm | None, terms: Terms, author: Author) -> None:
    """The delivery waits for a person: parked row with an alarm time, and an alarm at once."""
    cause = ParkCause.POISON_DELIVERY.value
    nl, en = terms.sentence(cause)
    move(db, Machine.DELIVERY, delivery_id, "park", author, reason=reason)
    hub = Author(Role.HUB, "hub", author.now) if author.role is Role.RECIPIENT else author
    row = db.one(BY_ID, id=delivery_id)
    if row is None:
        raise LeaseLost("delivery")
    owner = terms.owner if alarm is None else alarm.owner
    parked = NewParked(
        id=new_id(author.now),
        cause=cause,
        owner=owner,
        findings=(Finding(f"delivery {delivery_id}", reason, nl, en),),
        suggests=(),
        next_alarm_at=author.now + terms.alarms.parked_every,
        whole=False,
    )
    add_parked(db, parked, hub, message_id=row["message_id"], case_id=row["case_id"], delivery_id=delivery_id)
    raise_alarm(db, alarm or NewAlarm(cause=cause, subject=delivery_id, owner=owner, nl=nl, en=en), now=author.now)


def claimed(db: Db, row: Row, *, token: str) -> Claimed:
    """From a row of FULL."""
    rendered = None
    if row["rendered_at"] is not None:
        rendered = Rendered(
            sealed=row["rendered"],
            digest=row["rendered_digest"],
            media_type=row["rendered_media_type"],
            at=moment(row["rendered_at"]),
            secrecy_version=row["rendered_secrecy_version"],
        )
    return Claimed(
        id=row["id"],
        token=token,
        recipient=row["recipient"],
        role=row["role"],
        number=row["number"],
        channel=row["channel"],
        mode=row["mode"],
        representation=row["representation"],
        urgency=row["urgency"],
        late=bool(row["late"]),
        held=row["held"],
        attempts=row["attempts"],
        crashes=row["crashes"],
        created_at=moment(row["created_at"]),
        message_id=row["message_id"],
        case_id=row["case_id"],
        case_reference=row["case_reference"],
        request_reference=row["request_reference"],
        request_due_at=maybe_moment(row["request_due_at"]),
        programme=row["programme"],
        content=row["content"] or b"",
        wrapped_key=row["wrapped_key"] or b"",
        secrecy=row["secrecy"],
        secrecy_version=row["secrecy_version"],
        rendered=rendered,
        occasion=row["occasion"],
        serves=row["serves"],
        happened=None if carries_case(row["occasion"]) or row["role"] == SOURCE else _happened(db, row),
    )


def _happened(db: Db, row: Row) -> Happened | None:
    kind, _, happened = row["occasion"].partition(":")
    known = {"id": happened, "kind": kind, "made": row["created_at"]}
    found = db.one(BY_ENTRY, **known) or db.one(BY_MATTER, **known)
    if found is None:
        return None
    return Happened(
        **{**found, **{name: maybe_moment(found[name]) for name in ("valid_from", "valid_until", "due_at")}}
    )


# -- while sending -----------------------------------------------------------------------------------------------------


def keep_rendered(db: Db, rendered: Sequence[tuple[Claimed, Rendered]]) -> None:
    """The first rendering stays. Without a token (a mailbox read) only while no worker is sending it."""
    ids = sorted({claim_.id for claim_, _ in rendered})
    tokens = _held(db, ids)
    found = {row["id"]: row for row in db.all(RENDERED_DIGEST, ids=ids)}
    for claim_, view in rendered:
        known = found.get(claim_.id)
        held = tokens.get(claim_.id) == claim_.token if claim_.token else True
        if known is None or not held or (not claim_.token and known["state"] == DeliveryState.SENDING):
            raise LeaseLost("lane")
        if known["rendered_digest"] is not None and known["rendered_digest"] != view.digest:
            raise LeaseLost("rendered")
        db.put(
            KEEP_RENDERED,
            id=claim_.id,
            sealed=view.sealed,
            digest=view.digest,
            media_type=view.media_type,
            at=text(view.at),
            secrecy_version=view.secrecy_version,
        )


def _held(db: Db, ids: Sequence[str]) -> dict[str, str]:
    """Delivery → the token that holds its lane; it holds it until this transaction ends."""
    return {row["delivery_id"]: row["token"] for row in db.all(HELD_LANES, ids=list(ids))}


def renew(db: Db, leases: Sequence[tuple[str, str]], terms: Terms, *, now: datetime) -> list[bool]:
    until = text(now + terms.lease)
    asked = sorted(set(leases))
    renewed = db.many(RENEW, [{"id": delivery_id, "token": token, "until": until} for delivery_id, token in asked])
    held = {lease for lease, rows in zip(asked, renewed, strict=True) if rows}
    return [lease in held for lease in leases]


# -- how it ended ------------------------------------------------------------------------------------------------------


def finish(db: Db, outcomes: Sequence[DeliveryOutcome], terms: Terms, *, now: datetime) -> list[bool]:
    """False, and nothing written, when the token no longer holds the lane or the recipient finished it meanwhile."""
    if any(outcome.event not in ENDINGS for outcome in outcomes):
        raise ValueError("finish: deliver, notify, fail, park or supersede")
    tokens = _held(db, sorted({outcome.id for outcome in outcomes}))
    holding = {one.id: one for one in reversed(outcomes) if tokens.get(one.id) == one.token}
    rows = {row["id"]: row for row in db.all(ENDING, ids=list(holding))} if holding else {}
    shut = {row["recipient"] for row in rows.values() if row["shut"]}
    shut |= {rows[one.id]["recipient"] for one in holding.values() if one.breaker_open_until is not None}
    done: dict[int, bool] = {}
    for delivery_id, outcome in holding.items():
        with db.savepoint():  # a piece of its own: what all of them write alike is written together
            done[id(outcome)] = _finish(db, outcome, rows[delivery_id], shut, terms, now=now)
    call_next(db, [row["id"] for row in rows.values() if row["followed"]], now=now)
    return [done.get(id(outcome), False) for outcome in outcomes]


def call_next(db: Db, freed: Sequence[str], *, now: datetime) -> None:
    """Rings for whoever waited for these deliveries to leave their lanes."""
    for row in db.all(FOLLOWING, ids=list(freed), now=text(now)) if freed else ():
        db.bell(Bell(row["id"], row["recipient"], row["number"]))


def _finish(db: Db, outcome: DeliveryOutcome, row: Row, shut: Set[str], terms: Terms, *, now: datetime) -> bool:
    """From a row of ENDING, while the token holds the lane. `shut`: whose breaker is open, or opens with this batch."""
    db.put(FREE_LANE, id=outcome.id)
    if row["state"] != DeliveryState.SENDING:
        return False
    author = Author(Role.WORKER, WORKER, now)
    reason = outcome.reason or ""
    db.put(
        TRIED,
        id=outcome.id,
        attempts=int(outcome.tried),
        reason=outcome.reason,
        next_at=None if outcome.event != "fail" else text(outcome.next_at or now),
        erase_at=None if outcome.event != "deliver" else text(now + terms.keeping.rendered),
    )
    if outcome.event == "park":
        park(db, outcome.id, reason or "cannot-be-rendered", outcome.alarm, terms, author)
        return True
    go_on(db, Machine.DELIVERY, row, outcome.event, author, reason=reason)
    if outcome.event == "supersede":
        _replace(db, row, outcome.replacement, terms, author)
    elif outcome.event == "notify":
        db.put(NOTIFIED, id=outcome.id, now=text(now), alarm_at=text(now + terms.alarms.mailbox_after))
    elif outcome.event == "deliver" and row["alarmed"]:
        close_alarms(db, row["id"], by="hub", now=now)
    if outcome.event in ("deliver", "notify") and row["channel"] != "mailbox":
        if row["recipient"] in shut:
            db.put(SET_BREAKER, partner=row["recipient"], until=None)
    elif outcome.breaker_open_until is not None:
        db.put(SET_BREAKER, partner=row["recipient"], until=text(outcome.breaker_open_until))
    if outcome.alarm is not None:
        raise_alarm(db, outcome.alarm, now=now)
    return True


def _done(db: Db, row: Row, terms: Terms, *, now: datetime) -> None:
    """The delivery is final: its rendered bytes get an end, its alarms stop."""
    db.put(FINAL, id=row["id"], erase_at=text(now + terms.keeping.rendered))
    close_alarms(db, row["id"], by="hub", now=now)


def _replace(db: Db, row: Row, replacement: NewDelivery | None, terms: Terms, author: Author) -> None:
    """A new id and a new number; the old entry stays as a tombstone."""
    if replacement is None:
        raise ValueError("supersede: what takes its place?")
    _done(db, row, terms, now=author.now)
    hub = Author(Role.HUB, "hub", author.now)
    add_delivery(db, row["message_id"], row["case_id"], replacement, hub, terms, supersedes=row["id"])


# -- the recipient's own hand ------------------------------------------------------------------------------------------


def mailbox(db: Db, partner: str, *, after: int, limit: int) -> list[MailboxEntry]:
    return [
        MailboxEntry(**{**row, "created_at": moment(row["created_at"])})
        for row in db.all(MAILBOX, partner=partner, after=after, limit=limit)
    ]


def mailbox_item(db: Db, partner: str, number: int) -> Claimed | None:
    row = db.one(BY_NUMBER, partner=partner, number=number)
    if row is None or row["state"] in (DeliveryState.SUPERSEDED, DeliveryState.DROPPED):
        return None
    return claimed(db, row, token="")


def receive(db: Db, partner: str, number: int, terms: Terms, *, now: datetime, how: str) -> str | None:
    """In any live state the recipient's word finishes the delivery, and frees its lane."""
    row = db.one(BY_NUMBER, partner=partner, number=number)
    return None if row is None else received(db, row, terms, now=now, how=how)


def received(db: Db, row: Row, terms: Terms, *, now: datetime, how: str) -> str:
    """From a row of FULL: the state afterwards."""
    row = _locked(db, row["id"]) or row
    if row["state"] in FINAL_DELIVERY:
        return str(row["state"])
    state = move(db, Machine.DELIVERY, row["id"], "receive", Author(Role.RECIPIENT, row["recipient"], now), reason=how)
    db.put(FREE_LANE, id=row["id"])
    _done(db, row, terms, now=now)
    call_next(db, [row["id"]], now=now)
    close_alarms(db, row["recipient"], by="hub", now=now, cause=MAILBOX_UNREAD)
    return state


def _locked(db: Db, delivery_id: str) -> Row | None:
    """A row of FULL, while nobody else takes or frees its lane."""
    db.lock(LOCK_LANE, id=delivery_id)
    return db.one(BY_ID, id=delivery_id)


def of_recipient(db: Db, partner: str, delivery_id: str) -> Claimed | None:
    row = db.one(BY_ID, id=delivery_id)
    return None if row is None or row["recipient"] != partner else claimed(db, row, token="")


def give_back(db: Db, partner: str, outcome: DeliveryOutcome, terms: Terms, *, now: datetime) -> str | None:
    """See ports.DeliveryStore.give_back."""
    row = _locked(db, outcome.id)
    if row is None or row["recipient"] != partner:
        return None
    author = Author(Role.RECIPIENT, partner, now)
    if row["state"] != DeliveryState.NOTIFIED:
        note(db, author, "delivery:given-back", outcome.id, outcome.reason or "")
        if outcome.alarm is not None:
            raise_alarm(db, outcome.alarm, now=now)
        return str(row["state"])
    db.put(TRIED, id=outcome.id, attempts=1, reason=outcome.reason, next_at=text(outcome.next_at or now), erase_at=None)
    if outcome.event == "park":
        park(db, outcome.id, outcome.reason or "refused", outcome.alarm, terms, author)
        return DeliveryState.PARKED.value
    state = move(db, Machine.DELIVERY, outcome.id, "fail", author, reason=outcome.reason or "")
    if outcome.alarm is not None:
        raise_alarm(db, outcome.alarm, now=now)
    return state


def supersede(db: Db, delivery_id: str, replacement: NewDelivery, terms: Terms, *, now: datetime) -> bool:
    """A mailbox read found the stored bytes too open. False: it is final or a person has it (parked)."""
    row = _locked(db, delivery_id)
    if row is None or row["state"] in FINAL_DELIVERY or row["state"] == DeliveryState.PARKED:
        return False
    author = Author(Role.WORKER, WORKER, now)
    if row["state"] == DeliveryState.WAITING:
        move(db, Machine.DELIVERY, delivery_id, "claim", author, reason="to-supersede")
    move(db, Machine.DELIVERY, delivery_id, "supersede", author, reason="stricter-disclosure")
    db.put(FREE_LANE, id=delivery_id)
    call_next(db, [delivery_id], now=now)
    _replace(db, row, replacement, terms, author)
    return True
