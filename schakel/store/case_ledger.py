# SPDX-License-Identifier: EUPL-1.2
"""SQL of a case's ledger: the case as it stands or stood, and everything that one act writes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from schakel.errors import Refusal
from schakel.ledger_records import (
    Act,
    ActOutcome,
    CaseLedger,
    ChangedMatter,
    Involved,
    LedgerDecision,
    LedgerEntry,
    Matter,
    NewEntry,
    NewMatter,
)
from schakel.states import Machine, Role
from schakel.store import deadlines
from schakel.store.alarms import close_alarms, raise_alarm
from schakel.store.db import LOCK_CASE, Db, Violated
from schakel.store.decision import ADD_REFERENCE, add_delivery, add_parked, add_request
from schakel.store.delivery import BY_ID, call_next, received
from schakel.store.events import Author, move
from schakel.store.rows import Row, maybe_moment, maybe_text, moment, source_message, text
from schakel.store.terms import Terms

Decide = Callable[[Act, "CaseLedger | None"], LedgerDecision]

ALWAYS: Final = "9999"  # sorts after every moment

# By the actor's own name of the case, or by the answer reference of something that it was asked.
CASE_OF_ACTOR: Final = """
SELECT case_id FROM case_reference WHERE partner = :partner AND reference = :reference
UNION ALL SELECT case_id FROM request WHERE recipient = :partner AND reference = :reference
UNION ALL SELECT case_id FROM matter WHERE partner = :partner AND reference = :reference
LIMIT 1"""
# For whoever looks after the hub: whatever id an alarm, a log line or a partner gave leads to the case.
CASE_OF_ANYBODY: Final = """
SELECT case_id FROM (
    SELECT id AS case_id FROM case_file WHERE id = :reference
    UNION ALL SELECT case_id FROM case_reference WHERE reference = :reference
    UNION ALL SELECT case_id FROM message WHERE id = :reference
    UNION ALL SELECT case_id FROM delivery WHERE id = :reference
    UNION ALL SELECT case_id FROM request WHERE id = :reference OR reference = :reference
    UNION ALL SELECT case_id FROM matter WHERE id = :reference OR reference = :reference
    UNION ALL SELECT case_id FROM parked WHERE id = :reference
) found WHERE case_id IS NOT NULL LIMIT 1"""

# What stood at a moment is what the last event up to then says. Secrecy is always the newest.
CASE: Final = """
SELECT c.id, c.programme, c.municipality, c.urgency,
    (SELECT e.to_state FROM state_event e WHERE e.machine = 'case' AND e.object_id = c.id AND e.at <= :at
     ORDER BY e.ordinal DESC LIMIT 1) AS state,
    c.opened_at, CASE WHEN c.closed_at <= :at THEN c.closed_at END AS closed_at, c.order_end, c.wrapped_key, c.secrecy
FROM case_file c WHERE c.id = :case_id AND c.wrapped_key IS NOT NULL AND c.opened_at <= :at"""
REFERENCES: Final = "SELECT partner, reference FROM case_reference WHERE case_id = :case_id ORDER BY partner"

INVOLVED: Final = """
SELECT q.id, q.recipient AS partner, q.role,
    (SELECT e.to_state FROM state_event e WHERE e.machine = 'request' AND e.object_id = q.id AND e.at <= :at
     ORDER BY e.ordinal DESC LIMIT 1) AS state,
    q.reference, q.asked_by, q.phase, q.serves, q.asked_at, q.due_at, m.id AS establishment,
    (SELECT e.to_state FROM state_event e WHERE e.machine = 'establishment' AND e.object_id = m.id AND e.at <= :at
     ORDER BY e.ordinal DESC LIMIT 1) AS established
FROM request q LEFT JOIN matter m ON m.request_id = q.id AND m.machine = 'establishment' AND m.made_at <= :at
WHERE q.case_id = :case_id AND q.asked_at <= :at ORDER BY q.asked_at, q.role, q.id"""
MATTERS: Final = """
SELECT m.id, m.machine, m.partner, m.role,
    (SELECT e.to_state FROM state_event e WHERE e.machine = m.machine AND e.object_id = m.id AND e.at <= :at
     ORDER BY e.ordinal DESC LIMIT 1) AS state,
    m.reference, m.request_id, m.valid_from, m.valid_until, m.made_at, m.sealed
FROM matter m WHERE m.case_id = :case_id AND m.made_at <= :at ORDER BY m.made_at, m.id"""
ENTRIES: Final = """
SELECT id, ordinal, subject, event, actor, role, medium, valid_from, valid_to, known_at, sealed
FROM ledger_entry WHERE case_id = :case_id AND known_at <= :at ORDER BY ordinal"""
MESSAGES: Final = """
SELECT m.id, m.source, m.versions, m.content FROM message m
WHERE m.case_id = :case_id AND (
    SELECT e.to_state FROM state_event e WHERE e.machine = 'message' AND e.object_id = m.id AND e.at <= :at
    ORDER BY e.ordinal DESC LIMIT 1) = 'routed'
ORDER BY m.received_at, m.id"""
# Open cases of the same household (a strong key is shared) in another programme.
LINKED: Final = """
SELECT DISTINCT o.case_id FROM match_key k
JOIN match_key o ON o.kind = k.kind AND o.digest = k.digest AND o.open = 1 AND o.strong = 1
WHERE k.case_id = :case_id AND k.strong = 1 AND o.case_id <> :case_id AND o.programme <> k.programme
ORDER BY o.case_id"""

ADD_MATTER: Final = """
INSERT INTO matter (id, machine, case_id, request_id, partner, role, reference, state, state_ordinal, valid_from,
    valid_until, sealed, made_at)
VALUES (:id, :machine, :case_id, :request_id, :partner, :role, :reference, :state, 1, :valid_from, :valid_until,
    :sealed, :now)"""
CHANGE_MATTER: Final = """
UPDATE matter SET valid_until = :valid_until, sealed = :sealed WHERE id = :id AND case_id = :case_id"""
NEXT_ORDINAL: Final = "SELECT COALESCE(max(ordinal), 0) + 1 FROM ledger_entry WHERE case_id = :case_id"
ADD_ENTRY: Final = """
INSERT INTO ledger_entry (id, case_id, ordinal, subject, event, actor, role, medium, valid_from, valid_to, known_at,
    sealed)
VALUES (:id, :case_id, :ordinal, :subject, :event, :actor, :role, :medium, :valid_from, :valid_to, :now, :sealed)"""
MOVES_TO: Final = "UPDATE case_file SET municipality = :municipality WHERE id = :case_id"
ENDS: Final = "UPDATE case_file SET erase_at = :erase_at WHERE id = :case_id"
STILL_WAITS: Final = """
SELECT id FROM delivery
WHERE request_id = :request_id AND state IN ('waiting', 'sending', 'notified', 'parked') ORDER BY number"""
SILENCED: Final = "UPDATE delivery SET erase_at = :erase_at WHERE id = :id"
ENDED_MATTERS: Final = """
SELECT case_id, id FROM matter
WHERE valid_until <= :now AND state IN ('asked', 'accepted', 'adjusted', 'proposed')
    AND NOT (machine = 'hand-over' AND state = 'accepted') ORDER BY valid_until, id LIMIT :limit"""


# The notice by which a matter was asked of its partner, while nobody knows that it has arrived.
ANSWERED_NOTICE: Final = """
SELECT d.id FROM matter m
JOIN delivery d ON d.case_id = m.case_id AND d.recipient = m.partner AND d.rendered_at IS NOT NULL
    AND d.state IN ('waiting', 'sending', 'notified', 'parked')
    AND substr(d.occasion, length(d.occasion) - length(m.id)) = ':' || m.id
WHERE m.partner = :partner AND m.reference = :reference ORDER BY d.number LIMIT 1"""


# -- reading -----------------------------------------------------------------------------------------------------------


def case_id_of(db: Db, partner: str, reference: str) -> str | None:
    """`partner` empty: by any id, for operators and the clock."""
    found = (
        db.value(CASE_OF_ACTOR, partner=partner, reference=reference)
        if partner
        else db.value(CASE_OF_ANYBODY, reference=reference)
    )
    return None if found is None else str(found)


def ledger(db: Db, partner: str, reference: str, *, at: datetime | None) -> CaseLedger | None:
    case_id = case_id_of(db, partner, reference)
    return None if case_id is None else ledger_of(db, case_id, at=at)


def ledger_of(db: Db, case_id: str, *, at: datetime | None = None) -> CaseLedger | None:
    """The case as it stands, or as it was known `at`: not there yet, absent or erased is None."""
    then = ALWAYS if at is None else text(at)
    row = db.one(CASE, case_id=case_id, at=then)
    if row is None:
        return None
    messages = db.all(MESSAGES, case_id=case_id, at=then)
    newest = messages[-1] if messages else None
    last = {each["source"]: each for each in messages}
    times: dict[str, datetime | None] = {"opened_at": moment(row["opened_at"])}
    times |= {name: maybe_moment(row[name]) for name in ("closed_at", "order_end")}
    return CaseLedger(
        **{**row, **times},
        references={line["partner"]: line["reference"] for line in db.all(REFERENCES, case_id=case_id)},
        involved=tuple(_involved(line) for line in db.all(INVOLVED, case_id=case_id, at=then)),
        matters=tuple(_matter(line) for line in db.all(MATTERS, case_id=case_id, at=then)),
        entries=tuple(_entry(line) for line in db.all(ENTRIES, case_id=case_id, at=then)),
        deadlines=deadlines.of_case(db, case_id, at=then),
        newest_message=None if newest is None else newest["id"],
        content=None if newest is None else newest["content"],
        sources=tuple(source_message(each) for each in last.values()),
        linked=tuple(line["case_id"] for line in db.all(LINKED, case_id=case_id)),
    )


def ledger_to_change(db: Db, case_id: str) -> CaseLedger | None:
    """The case as it stands; it stays so until what is decided on it is committed."""
    db.lock(LOCK_CASE, case_id=case_id)
    return ledger_of(db, case_id)


def ended_matters(db: Db, *, now: datetime, limit: int) -> list[tuple[str, str]]:
    return [(row["case_id"], row["id"]) for row in db.all(ENDED_MATTERS, now=text(now), limit=limit)]


def _involved(row: Row) -> Involved:
    known = {"asked_at": moment(row["asked_at"]), "due_at": moment(row["due_at"])}
    return Involved(**{**row, **known, "established": row["established"] == "established"})


def _matter(row: Row) -> Matter:
    times = {name: maybe_moment(row[name]) for name in ("valid_from", "valid_until")}
    return Matter(**{**row, **times, "made_at": moment(row["made_at"])})


def _entry(row: Row) -> LedgerEntry:
    known = {"valid_from": moment(row["valid_from"]), "known_at": moment(row["known_at"])}
    return LedgerEntry(**{**row, **known, "valid_to": maybe_moment(row["valid_to"])})


# -- writing -----------------------------------------------------------------------------------------------------------


def act_all(db: Db, acts: Sequence[Act], decide: Decide, terms: Terms) -> list[ActOutcome | Refusal]:
    """Each in a savepoint of its own: one's refusal never touches another."""
    return [_act(db, act, decide, terms) for act in acts]


def _act(db: Db, act: Act, decide: Decide, terms: Terms) -> ActOutcome | Refusal:
    try:
        with db.savepoint():
            anybody = act.actor.startswith("operator:") or act.actor in ("clock", "hub")
            case_id = case_id_of(db, "" if anybody else act.actor, act.reference)
            known = None if case_id is None else ledger_to_change(db, case_id)
            decision = decide(act, known)
            if known is not None:
                write(db, known.id, decision, terms, now=act.at)
                _imply_receipt(db, act, terms)
            return ActOutcome(decision.outcome, "" if known is None else known.id, decision.made)
    except Refusal as refusal:
        return refusal
    except Violated as violated:
        return violated.refusal


def _imply_receipt(db: Db, act: Act, terms: Terms) -> None:
    """Whoever answers by the reference of a matter has the notice that carried it."""
    delivery_id = db.value(ANSWERED_NOTICE, partner=act.actor, reference=act.reference)
    row = None if delivery_id is None else db.one(BY_ID, id=delivery_id)
    if row is not None:
        received(db, row, terms, now=act.at, how="answer")


def write(db: Db, case_id: str, decision: LedgerDecision, terms: Terms, *, now: datetime) -> None:
    """In the order of LedgerDecision; the case's own move goes last, for nothing may follow it."""
    if decision.municipality is not None:
        db.run(MOVES_TO, case_id=case_id, municipality=decision.municipality)
    for request in decision.requests:
        role = Role.HUB if request.asked_by == "hub" else _asking(request.asked_by)
        add_request(db, decision.about or "", case_id, request, Author(role, request.asked_by, now))
    for partner, reference in decision.references:
        db.put(ADD_REFERENCE, case_id=case_id, partner=partner, reference=reference)
    for matter in decision.matters:
        _add_matter(db, case_id, matter, now=now)
    for changed in decision.changed:
        _change_matter(db, case_id, changed)
    for one in decision.moves:
        if one.machine == Machine.CASE and decision.erase_at is not None:
            db.run(ENDS, case_id=case_id, erase_at=text(decision.erase_at))
        author = Author(Role(one.role), one.actor, now)
        move(db, Machine(one.machine), one.object_id, one.event, author, reason=one.reason)
    add_entries(db, case_id, decision.entries, now=now)
    for moved in decision.moved:
        deadlines.hand_on(db, moved)
    for ended in decision.ended:
        deadlines.end(db, ended, now=now)
    for started in decision.deadlines:
        deadlines.start(db, case_id, started, now=now)
    hub = Author(Role.HUB, "hub", now)
    for request_id in decision.silenced:
        silence(db, request_id, terms, now=now)
    for told in sorted(decision.deliveries, key=lambda each: each.delivery.recipient):
        add_delivery(db, told.message_id, case_id, told.delivery, hub, terms)
    for parked in decision.parked:
        add_parked(db, parked, hub, case_id=case_id)
    for alarm in decision.alarms:
        raise_alarm(db, alarm, now=now)


def silence(db: Db, request_id: str, terms: Terms, *, now: datetime) -> None:
    """What waits to go out under a request goes no more: a tombstone in its recipient's mailbox, no bytes kept."""
    silenced = [row["id"] for row in db.all(STILL_WAITS, request_id=request_id)]
    for delivery_id in silenced:
        move(db, Machine.DELIVERY, delivery_id, "drop", Author(Role.HUB, "hub", now), reason="request-ended")
        db.run(SILENCED, id=delivery_id, erase_at=text(now + terms.keeping.rendered))
        close_alarms(db, delivery_id, by="hub", now=now)
    call_next(db, silenced, now=now)


def _asking(actor: str) -> Role:
    return Role.OPERATOR if actor.startswith("operator:") else Role.LEAD


def _add_matter(db: Db, case_id: str, matter: NewMatter, *, now: datetime) -> None:
    if matter.case_reference is not None:
        db.run(ADD_REFERENCE, case_id=case_id, partner=matter.partner, reference=matter.case_reference)
    db.run(
        ADD_MATTER,
        id=matter.id,
        machine=matter.machine,
        case_id=case_id,
        request_id=matter.request_id,
        partner=matter.partner,
        role=matter.role,
        reference=matter.reference,
        state=move(db, Machine(matter.machine), matter.id, matter.event, Author(Role(matter.by_role), matter.by, now)),
        valid_from=maybe_text(matter.valid_from),
        valid_until=maybe_text(matter.valid_until),
        sealed=matter.sealed,
        now=text(now),
    )


def _change_matter(db: Db, case_id: str, changed: ChangedMatter) -> None:
    until = maybe_text(changed.valid_until)
    db.run(CHANGE_MATTER, id=changed.id, case_id=case_id, valid_until=until, sealed=changed.sealed)


def add_entries(db: Db, case_id: str, entries: Sequence[NewEntry], *, now: datetime) -> None:
    for entry in entries:
        db.run(
            ADD_ENTRY,
            id=entry.id,
            case_id=case_id,
            ordinal=db.value(NEXT_ORDINAL, case_id=case_id),
            subject=entry.subject,
            event=entry.event,
            actor=entry.actor,
            role=entry.role,
            medium=entry.medium,
            valid_from=text(entry.valid_from),
            valid_to=maybe_text(entry.valid_to),
            now=text(now),
            sealed=entry.sealed,
        )
