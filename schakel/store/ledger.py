# SPDX-License-Identifier: EUPL-1.2
"""SQL of the ledger socket: answers, the case with its matrix, the sender's status, what is due, joining cases."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final

from schakel.household import order_count
from schakel.ledger_records import AnswerArrival, AnswerDecision, AnswerOutcome, RequestFacts
from schakel.ports import DecideAnswer, ShareSecrecy
from schakel.records import AnswerRow, CaseRecord, MatchKey, MessageRow, RequestRow, StatusRecord, SuggestionRow
from schakel.region import DUO, LEADING
from schakel.states import Machine, RequestState, Role
from schakel.store.alarms import close_alarms, raise_alarm
from schakel.store.case_ledger import ENDS, LINKED, REFERENCES, case_id_of, ledger_of, write
from schakel.store.db import LOCK_CASE, Db
from schakel.store.decision import SHARE_SECRECY, add_delivery, add_keys, add_order, add_parked
from schakel.store.delivery import BY_ID, received
from schakel.store.events import Author, move, note
from schakel.store.facts import case_facts, orders_of
from schakel.store.intake import routing_of
from schakel.store.rows import Row, findings, maybe_moment, moment, source_message, text
from schakel.store.terms import Terms

# -- answers -----------------------------------------------------------------------------------------------------------

# The request of this reference, when it is this partner's; and what was said on it last.
REQUEST: Final = """
SELECT q.id, q.case_id, q.recipient, q.role, q.state, c.wrapped_key,
    q.state_ordinal + (SELECT count(*) FROM answer n WHERE n.request_id = q.id) AS version,
    (SELECT a.digest FROM answer a WHERE a.request_id = q.id ORDER BY a.at DESC, a.id DESC LIMIT 1) AS last_digest
FROM request q JOIN case_file c ON c.id = q.case_id
WHERE q.reference = :reference AND q.recipient = :partner"""

# The routed messages of a case, the newest last.
SOURCES: Final = """
SELECT id, source, versions FROM message WHERE case_id = :case_id AND state = 'routed' ORDER BY received_at, id"""

ADD_ANSWER: Final = """
INSERT INTO answer (id, request_id, parked_id, partner, answer, reason_code, digest, sealed, wrapped_key, at)
VALUES (:id, :request_id, :parked_id, :partner, :answer, :reason_code, :digest, :sealed, :wrapped_key, :at)"""
STATE_OF: Final = "SELECT state FROM request WHERE id = :id"
CONTRADICTED: Final = "UPDATE request SET contradicted = 1 WHERE id = :id"

# Which delivery carried the reference to the partner: the first one rendered for it, when none has arrived yet.
ANSWERED_DELIVERY: Final = """
SELECT d.id FROM delivery d
WHERE d.request_id = :request_id AND d.rendered_at IS NOT NULL
    AND d.state IN ('waiting', 'sending', 'notified', 'parked')
    AND NOT EXISTS (SELECT 1 FROM delivery e WHERE e.request_id = d.request_id AND e.state = 'delivered')
ORDER BY d.number LIMIT 1"""


def answer(db: Db, arrival: AnswerArrival, decide: DecideAnswer, terms: Terms) -> AnswerOutcome:
    """One answer, as `decide` says; it implies receipt of the delivery that carried the reference."""
    row = db.one(REQUEST, reference=arrival.reference, partner=arrival.partner)
    if row is not None:  # and again, now that nobody else changes the case
        db.lock(LOCK_CASE, case_id=row["case_id"])
        row = db.one(REQUEST, reference=arrival.reference, partner=arrival.partner)
    facts = None if row is None else _request_facts(db, row)
    decision = decide(arrival, facts)
    if decision.parked is not None or row is None:
        return _park_answer(db, arrival, decision, case_id=None if row is None else row["case_id"])
    if decision.event is None and not decision.contradicts and not decision.keep:
        return AnswerOutcome("repeated", row["state"])
    state = row["state"]
    author = Author(Role.RECIPIENT, arrival.partner, arrival.received_at)
    if decision.event is not None:
        state = move(db, Machine.REQUEST, row["id"], decision.event, author, reason=arrival.reason_code or "")
    _add_answer(db, arrival, decision, request_id=row["id"])
    if decision.contradicts:
        db.run(CONTRADICTED, id=row["id"])
        note(db, author, "answer:contradicts", row["id"], arrival.answer)
    if state in (RequestState.CONFIRMED, RequestState.DECLINED):
        close_alarms(db, row["id"], by="hub", now=arrival.received_at)
    if decision.alarm is not None:
        raise_alarm(db, decision.alarm, now=arrival.received_at)
    _imply_receipt(db, row["id"], terms, now=arrival.received_at)
    hub = Author(Role.HUB, "hub", arrival.received_at)
    for told in decision.told:
        add_delivery(db, told.message_id, row["case_id"], told.delivery, hub, terms)
    if decision.ledger is not None:
        write(db, row["case_id"], decision.ledger, terms, now=arrival.received_at)
        state = db.value(STATE_OF, id=row["id"])
    return AnswerOutcome("contradicts" if decision.contradicts else "recorded", state)


def _imply_receipt(db: Db, request_id: str, terms: Terms, *, now: datetime) -> None:
    delivery_id = db.value(ANSWERED_DELIVERY, request_id=request_id)
    row = None if delivery_id is None else db.one(BY_ID, id=delivery_id)
    if row is not None:
        received(db, row, terms, now=now, how="answer")


def _park_answer(db: Db, arrival: AnswerArrival, decision: AnswerDecision, *, case_id: str | None) -> AnswerOutcome:
    if decision.parked is None:
        raise ValueError("an answer without request is parked")
    author = Author(Role.HUB, "hub", arrival.received_at)
    add_parked(db, replace(decision.parked, whole=False), author, case_id=case_id)
    _add_answer(db, arrival, decision, parked_id=decision.parked.id)
    if decision.alarm is not None:
        raise_alarm(db, decision.alarm, now=arrival.received_at)
    return AnswerOutcome("parked", None)


def _add_answer(
    db: Db,
    arrival: AnswerArrival,
    decision: AnswerDecision,
    *,
    request_id: str | None = None,
    parked_id: str | None = None,
) -> None:
    db.run(
        ADD_ANSWER,
        id=arrival.id,
        request_id=request_id,
        parked_id=parked_id,
        partner=arrival.partner,
        answer=arrival.answer,
        reason_code=arrival.reason_code,
        digest=decision.digest,
        sealed=decision.sealed,
        wrapped_key=decision.wrapped_key if parked_id else None,
        at=text(arrival.received_at),
    )


def _request_facts(db: Db, row: Row) -> RequestFacts:
    last = {each["source"]: each for each in db.all(SOURCES, case_id=row["case_id"])}
    return RequestFacts(
        id=row["id"],
        case_id=row["case_id"],
        partner=row["recipient"],
        role=row["role"],
        state=row["state"],
        wrapped_key=row["wrapped_key"],
        last_answer_digest=row["last_digest"],
        version=row["version"],
        sources=tuple(source_message(each) for each in last.values()),
        ledger=ledger_of(db, row["case_id"]),
    )


# -- the case ----------------------------------------------------------------------------------------------------------

CASE_OF_PARTNER: Final = "SELECT case_id FROM case_reference WHERE partner = :partner AND reference = :reference"
CASE: Final = """
SELECT id, programme, municipality, opened_at, wrapped_key, max_ordinal, secrecy
FROM case_file WHERE id = :case_id AND wrapped_key IS NOT NULL"""

# Messages of a case and of the cases that were joined to it.
MESSAGES: Final = """
SELECT id, kind, source, state, received_at FROM message
WHERE case_id IN (SELECT :case_id UNION ALL SELECT id FROM case_file WHERE joined_to = :case_id)
ORDER BY received_at, id"""

# Suggestions seen from either side.
SUGGESTIONS: Final = """
SELECT CASE WHEN case_id = :case_id THEN other_case_id ELSE case_id END AS other_case_id, kinds, state
FROM suggestion WHERE case_id = :case_id OR other_case_id = :case_id ORDER BY made_at, other_case_id"""

# One line of the matrix: the request and the first delivery that carries it; what came later does not say it arrived.
MATRIX: Final = """
SELECT q.id, q.recipient, q.role, q.state, q.asked_at, q.due_at, q.contradicted,
    d.state AS delivery_state, d.delivered_at
FROM request q
LEFT JOIN delivery d ON d.id = (
    SELECT e.id FROM delivery e WHERE e.request_id = q.id AND e.state <> 'superseded' ORDER BY e.number LIMIT 1)
WHERE q.case_id = :case_id ORDER BY q.asked_at, q.role, q.id"""
ANSWERS: Final = """
SELECT id, answer, reason_code, sealed, at FROM answer WHERE request_id = :request_id ORDER BY at, id"""


def case_of(db: Db, partner: str, reference: str) -> CaseRecord | None:
    case_id = db.value(CASE_OF_PARTNER, partner=partner, reference=reference)
    return None if case_id is None else case_record(db, case_id)


def case_of_anybody(db: Db, reference: str) -> CaseRecord | None:
    case_id = case_id_of(db, "", reference)
    return None if case_id is None else case_record(db, case_id)


def case_record(db: Db, case_id: str) -> CaseRecord | None:
    row = db.one(CASE, case_id=case_id)
    if row is None:
        return None
    return CaseRecord(
        id=row["id"],
        programme=row["programme"],
        municipality=row["municipality"],
        opened_at=moment(row["opened_at"]),
        wrapped_key=row["wrapped_key"],
        references={line["partner"]: line["reference"] for line in db.all(REFERENCES, case_id=case_id)},
        order_count=order_count(orders_of(db, case_id), row["max_ordinal"]),
        requests=requests_of(db, case_id),
        messages=tuple(
            MessageRow(**{**line, "received_at": moment(line["received_at"])})
            for line in db.all(MESSAGES, case_id=case_id)
        ),
        suggestions=tuple(SuggestionRow(**line) for line in db.all(SUGGESTIONS, case_id=case_id)),
        linked=tuple(line["case_id"] for line in db.all(LINKED, case_id=case_id)),
        secrecy=row["secrecy"],
    )


def requests_of(db: Db, case_id: str) -> tuple[RequestRow, ...]:
    """The matrix."""
    return tuple(
        RequestRow(
            id=row["id"],
            partner=row["recipient"],
            role=row["role"],
            state=row["state"],
            asked_at=moment(row["asked_at"]),
            due_at=moment(row["due_at"]),
            delivery_state=row["delivery_state"],
            delivered_at=maybe_moment(row["delivered_at"]),
            contradicted=bool(row["contradicted"]),
            answers=tuple(
                AnswerRow(line["id"], line["answer"], line["reason_code"], line["sealed"] or b"", moment(line["at"]))
                for line in db.all(ANSWERS, request_id=row["id"])
            ),
        )
        for row in db.all(MATRIX, case_id=case_id)
    )


# -- the sender's status -----------------------------------------------------------------------------------------------

STATUS: Final = """
SELECT m.id, m.kind, m.state, m.received_at, m.case_id, m.warnings,
    (SELECT max(round) FROM routing_decision r WHERE r.message_id = m.id) AS round,
    (SELECT p.cause FROM parked p WHERE p.message_id = m.id AND p.whole = 1 AND p.state = 'open'
     ORDER BY p.parked_at, p.id LIMIT 1) AS parked_cause
FROM message m WHERE m.id = :message_id AND (:partner = '' OR m.source = :partner)"""

# Requests of a case that were made for a message of this source.
OWN_REQUESTS: Final = """
SELECT q.id FROM request q JOIN message m ON m.id = q.message_id
WHERE q.case_id = :case_id AND m.source = :partner"""
# MDA++: how the weighing of the case stands, and since when.
WEIGHED: Final = """
SELECT m.state, (SELECT max(e.at) FROM state_event e WHERE e.machine = 'admission' AND e.object_id = m.id) AS at
FROM matter m WHERE m.case_id = :case_id AND m.machine = 'admission'"""
# Who is a candidate only has no part in the case yet, and one that was turned down never had.
CANDIDATES: Final = """
SELECT request_id FROM matter
WHERE case_id = :case_id AND machine = 'hand-over' AND state <> 'accepted' AND request_id IS NOT NULL"""


def status(db: Db, partner: str, message_id: str) -> StatusRecord | None:
    row = db.one(STATUS, partner=partner, message_id=message_id)
    if row is None:
        return None
    requests = () if row["case_id"] is None else requests_of(db, row["case_id"])
    if partner:
        own = {each["id"] for each in db.all(OWN_REQUESTS, case_id=row["case_id"], partner=partner)}
        since = moment(row["received_at"])
        requests = tuple(each if each.id in own else _since(each, since) for each in requests)
    candidates = {each["request_id"] for each in db.all(CANDIDATES, case_id=row["case_id"])}
    requests = tuple(each for each in requests if each.id not in candidates)
    weighed = db.one(WEIGHED, case_id=row["case_id"])
    if weighed is not None and partner and weighed["at"] < text(moment(row["received_at"])):
        weighed = None  # decided before this source told of the household
    return StatusRecord(
        message_id=row["id"],
        kind=row["kind"],
        state=row["state"],
        received_at=moment(row["received_at"]),
        parked_cause=row["parked_cause"],
        routing=() if row["round"] is None else routing_of(db, row["id"], row["round"]),
        requests=tuple(request for request in requests if request.role in LEADING | DUO),
        warnings=findings(row["warnings"]),
        admission=None if weighed is None else weighed["state"],
    )


def _since(request: RequestRow, received_at: datetime) -> RequestRow:
    """What a source hears of a request that another source's message made: what was answered since its own one came.
    An answer that was there before would tell it that the household is known."""
    answered = any(answer.at > received_at for answer in request.answers)
    return request if answered else replace(request, state=RequestState.ASKED.value, contradicted=False)


# -- joining cases -----------------------------------------------------------------------------------------------------

OPEN_SUGGESTION: Final = """
SELECT case_id, other_case_id FROM suggestion
WHERE state = 'open' AND ((case_id = :one AND other_case_id = :two) OR (case_id = :two AND other_case_id = :one))"""
DECIDE_SUGGESTION: Final = """
UPDATE suggestion SET state = :state, decided_by = :by, decided_at = :now, reason = :reason
WHERE case_id = :case_id AND other_case_id = :other_case_id"""

# The older of two cases stays, when both are open and of one programme.
OLDER_FIRST: Final = """
SELECT id, programme, max_ordinal FROM case_file
WHERE id IN (:one, :two) AND closed_at IS NULL ORDER BY opened_at, id"""
KEYS_OF: Final = "SELECT kind, digest FROM match_key WHERE case_id = :case_id ORDER BY kind, digest"
CLOSE_JOINED: Final = """
UPDATE case_file SET joined_to = :older WHERE id = :younger"""
JOINED_BEFORE: Final = "UPDATE case_file SET joined_to = :older WHERE joined_to = :younger"
TAKE_ORDINAL: Final = """
UPDATE case_file SET max_ordinal = CASE WHEN max_ordinal < :ordinal THEN :ordinal ELSE max_ordinal END
WHERE id = :older"""


def decide_suggestion(
    db: Db,
    case_id: str,
    other: str,
    terms: Terms,
    *,
    join: bool,
    by: str,
    reason: str,
    now: datetime,
    share: ShareSecrecy,
) -> bool:
    """False: no open suggestion between the two, or (join) they are not two open cases of one programme."""
    suggestion = db.one(OPEN_SUGGESTION, one=case_id, two=other)
    if suggestion is None:
        return False
    author = Author(Role.OPERATOR, f"operator:{by}", now)
    if join and not _join(db, case_id, other, terms, author, share=share):
        return False
    state = "joined" if join else "kept-apart"
    db.run(DECIDE_SUGGESTION, **suggestion, state=state, by=by, now=text(now), reason=reason)
    note(db, author, f"suggestion:{state}", suggestion["case_id"], f"{suggestion['other_case_id']}: {reason}")
    return True


def _join(db: Db, case_id: str, other: str, terms: Terms, author: Author, *, share: ShareSecrecy) -> bool:
    """The younger case closes and hands keys and orders on: what comes for it goes on under the older one.

    Its messages, requests and answers stay readable under its own key; the older case lists its messages. Each learns
    what the other knows of secrets: a hidden address stays hidden under whichever case it goes out.
    """
    for one_of_them in sorted((case_id, other)):
        db.lock(LOCK_CASE, case_id=one_of_them)
    cases = db.all(OLDER_FIRST, one=case_id, two=other)
    if len(cases) != 2 or cases[0]["programme"] != cases[1]["programme"]:
        return False
    older, younger = cases[0]["id"], cases[1]["id"]
    facts, older_facts = case_facts(db, younger), case_facts(db, older)
    if facts is not None and older_facts is not None:
        for one, another in ((older_facts, facts), (facts, older_facts)):
            secrecy = share(one, another)
            if secrecy is not None:
                db.run(SHARE_SECRECY, id=one.id, secrecy=secrecy)
    keys = db.all(KEYS_OF, case_id=younger)
    erase_at = text(author.now + terms.keeping.content_after_close)
    db.run(JOINED_BEFORE, older=older, younger=younger)
    db.run(ENDS, case_id=younger, erase_at=erase_at)
    move(db, Machine.CASE, younger, "join", author, reason=older)
    db.run(CLOSE_JOINED, older=older, younger=younger)
    add_keys(db, older, [MatchKey(key["kind"], key["digest"]) for key in keys])
    for order in facts.orders if facts is not None else ():
        add_order(db, older, order)
    db.run(TAKE_ORDINAL, older=older, ordinal=cases[1]["max_ordinal"])
    return True
