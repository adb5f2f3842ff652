# SPDX-License-Identifier: EUPL-1.2
"""SQL of the admin socket: settling what is parked, partners' keys and secrets, audit, health."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from schakel.audit import GENESIS, AuditRow, Signer, checkpoint_message, link
from schakel.errors import Conflict, Finding
from schakel.operating import UNSIGNED
from schakel.ports import DecideParked, DecideParkedCase, TellSource
from schakel.records import (
    Accepted,
    AuditEntry,
    Bell,
    Decision,
    KeyRow,
    MatchKey,
    NewParked,
    ParkedFacts,
    ParkedRow,
    RoutingDecision,
    Sealed,
    SecretRow,
)
from schakel.states import DeliveryState, Machine, MessageState, Role
from schakel.store.alarms import close_alarms
from schakel.store.case_ledger import ENDS, ledger_to_change, write
from schakel.store.db import Db
from schakel.store.decision import add_delivery, last_round, write_case, write_rest
from schakel.store.delivery import FINAL
from schakel.store.events import NOTE, Author, move, note
from schakel.store.facts import case_facts, facts_of
from schakel.store.intake import Kept, arrival_of, routing_of
from schakel.store.rows import (
    Row,
    findings,
    findings_json,
    maybe_moment,
    maybe_text,
    moment,
    pairs,
    pairs_json,
    source_message,
    text,
)
from schakel.store.terms import Terms

# -- parked ------------------------------------------------------------------------------------------------------------

PARKED: Final = """
SELECT p.*, m.source FROM parked p LEFT JOIN message m ON m.id = p.message_id
WHERE (CAST(:id AS TEXT) IS NULL OR p.id = :id)
    AND (:settled = 1 OR CAST(:id AS TEXT) IS NOT NULL OR p.state = 'open')
ORDER BY p.parked_at, p.id"""

LOCK_PARKED: Final = "SELECT id FROM parked WHERE id = :id FOR NO KEY UPDATE"

# The keys that a parked message came with.
KEYS_OF: Final = """
SELECT k.kind, k.digest FROM message_key k JOIN parked p ON p.message_id = k.message_id WHERE p.id = :id"""

MESSAGE: Final = """
SELECT m.*, r.wrapped_key, r.sealed, r.erase_at AS raw_erase_at
FROM message m JOIN raw_referral r ON r.id = m.id WHERE m.id = :message_id"""
MESSAGE_KEYS: Final = "SELECT kind, digest FROM message_key WHERE message_id = :message_id ORDER BY kind, digest"

SETTLED: Final = """
UPDATE parked SET settled_by = :by, settled_reason = :reason, settled_at = :now WHERE id = :id"""
STILL_PARKED: Final = """
UPDATE parked SET cause = :cause, owner = :owner, findings = :findings, suggests = :suggests, case_id = :case_id,
    next_alarm_at = :next_alarm_at WHERE id = :id"""

# What a decision on a kept message adds to it; a release that says nothing of versions and warnings leaves them.
UPDATE_MESSAGE: Final = """
UPDATE message SET kind = :kind, case_id = COALESCE(:case_id, case_id), content = COALESCE(:content, content),
    versions = CASE WHEN :versions = '{}' THEN versions ELSE :versions END,
    warnings = CASE WHEN :warnings = '[]' THEN warnings ELSE :warnings END
WHERE id = :id"""

# What belongs to no case gets its last day when a person is done with it.
STRAY_ENDS: Final = "UPDATE message SET erase_at = :erase_at WHERE id = :id AND case_id IS NULL"
WORD_ENDS: Final = """
UPDATE answer SET erase_at = :erase_at
WHERE parked_id = :id AND EXISTS (SELECT 1 FROM parked p WHERE p.id = :id AND p.case_id IS NULL)"""
# The open case of a message in which nobody was asked and nothing else is on its way: it ends with the message.
LEFT_ALONE: Final = """
SELECT c.id FROM message m JOIN case_file c ON c.id = m.case_id
WHERE m.id = :message_id AND c.state = 'open'
    AND NOT EXISTS (SELECT 1 FROM request q WHERE q.case_id = c.id)
    AND NOT EXISTS (SELECT 1 FROM message o WHERE o.case_id = c.id AND o.state IN ('routed', 'parked'))"""

RELEASE_DELIVERY: Final = """
UPDATE delivery SET late = 1, crashes = 0, next_at = :now, alarm_at = :alarm_at WHERE id = :id"""
DELIVERY: Final = "SELECT id, recipient, number, state, urgency, message_id FROM delivery WHERE id = :id"
MESSAGE_STATE: Final = "SELECT state FROM message WHERE id = :message_id"


def parked(db: Db, *, parked_id: str | None, settled: bool) -> list[ParkedRow]:
    return [_parked_row(row) for row in db.all(PARKED, id=parked_id, settled=int(settled))]


def keys_of(db: Db, parked_id: str) -> tuple[MatchKey, ...]:
    """What settling it is about."""
    return tuple(MatchKey(row["kind"], row["digest"]) for row in db.all(KEYS_OF, id=parked_id))


def settle(
    db: Db,
    parked_id: str,
    event: str,
    decide: DecideParked | None,
    terms: Terms,
    author: Author,
    *,
    reason: str,
    tell: TellSource | None = None,
    decide_case: DecideParkedCase | None = None,
) -> Kept | None:
    """release, retry or drop; None: not open. See ports.AdminStore.settle_parked."""
    db.lock(LOCK_PARKED, id=parked_id)
    row = db.one(PARKED, id=parked_id, settled=1)
    if row is None or row["state"] != "open":
        return None
    if decide_case is not None and _settle_case(db, row, decide_case, terms, author):
        return _close(db, row, event, author, reason)
    settled = _settle(db, row, event, decide, terms, author, reason)
    if tell is None or not row["whole"]:
        return settled
    _tell(db, row["message_id"], tell, terms, author, bells=settled.bells)
    return settled


def _settle_case(db: Db, row: Row, decide: DecideParkedCase, terms: Terms, author: Author) -> bool:
    """What waits for a decision about the case: who goes on with it. False: it is about a message, or an answer."""
    known = None if row["case_id"] is None or row["whole"] else ledger_to_change(db, row["case_id"])
    decision = None if known is None else decide(_parked_row(row), known)
    if known is None or decision is None:
        return False
    write(db, known.id, decision, terms, now=author.now)
    return True


def _tell(db: Db, message_id: str, tell: TellSource, terms: Terms, author: Author, *, bells: list[Bell]) -> None:
    """The source of a message that no longer waits hears so; of one without a case nothing can be sent."""
    message = db.one(MESSAGE, message_id=message_id)
    if message is None or message["case_id"] is None or message["state"] == MessageState.PARKED:
        return
    delivery = tell(source_message(message))
    if delivery is not None:
        hub = Author(Role.HUB, "hub", author.now)
        add_delivery(db, message_id, message["case_id"], delivery, hub, terms, bells=bells)


def _settle(
    db: Db, row: Row, event: str, decide: DecideParked | None, terms: Terms, author: Author, reason: str
) -> Kept:
    if row["delivery_id"] is not None:
        bells = _settle_delivery(db, row, event, terms, author, reason)
        return _close(db, row, event, author, reason, bells=bells)
    if row["message_id"] is None or event == "drop":
        if row["whole"]:
            move(db, Machine.MESSAGE, row["message_id"], "drop", author, reason=reason)
            _end_of_dropped(db, row["message_id"], terms, author)
        db.run(WORD_ENDS, id=row["id"], erase_at=text(author.now + terms.keeping.content_after_close))
        return _close(db, row, event, author, reason)
    if decide is None:
        raise ValueError("releasing or retrying a message needs a decision")
    decision = _decide(db, row, decide)
    return _apply(db, row, event, decision, terms, author, reason)


def _end_of_dropped(db: Db, message_id: str, terms: Terms, author: Author) -> None:
    """Everything kept has an end, also what went nowhere."""
    erase_at = text(author.now + terms.keeping.content_after_close)
    db.run(STRAY_ENDS, id=message_id, erase_at=erase_at)
    case_id = db.value(LEFT_ALONE, message_id=message_id)
    if case_id is not None:
        db.run(ENDS, case_id=case_id, erase_at=erase_at)
        move(db, Machine.CASE, case_id, "close", author, reason="dropped")


def _settle_delivery(db: Db, row: Row, event: str, terms: Terms, author: Author, reason: str) -> list[Bell]:
    """Released it goes on, late; dropped it leaves a tombstone; received meanwhile it stays delivered."""
    delivery = db.one(DELIVERY, id=row["delivery_id"])
    if delivery is None or delivery["state"] != DeliveryState.PARKED:
        return []
    if event == "drop":
        move(db, Machine.DELIVERY, delivery["id"], "drop", author, reason=reason)
        db.put(FINAL, id=delivery["id"], erase_at=text(author.now + terms.keeping.rendered))
        return []
    move(db, Machine.DELIVERY, delivery["id"], "release", author, reason=reason)
    alarm_at = text(author.now + terms.alarms.delivery(delivery["urgency"]))
    db.put(RELEASE_DELIVERY, id=delivery["id"], now=text(author.now), alarm_at=alarm_at)
    bell = Bell(delivery["id"], delivery["recipient"], delivery["number"])
    db.bell(bell)
    return [bell]


def _decide(db: Db, row: Row, decide: DecideParked) -> Decision:
    """`decide` sees the cases that share a key with the message as it came. Mapped at last, a message may turn out to
    carry more keys than it came with: then it decides once more, seeing those cases too."""
    message = db.one(MESSAGE, message_id=row["message_id"])
    if message is None:
        raise ValueError("a parked message without message")
    keys = tuple(MatchKey(key["kind"], key["digest"]) for key in db.all(MESSAGE_KEYS, message_id=message["id"]))
    decision = decide(_parked_facts(db, row, message, keys))
    wider = tuple(dict.fromkeys(keys + decision.keys))
    if decision.new_case is not None and facts_of(db, wider).matches != facts_of(db, keys).matches:
        decision = decide(_parked_facts(db, row, message, wider))
    return decision


def _parked_facts(db: Db, row: Row, message: Row, keys: tuple[MatchKey, ...]) -> ParkedFacts:
    raw = Sealed(message["wrapped_key"] or b"", message["sealed"] or b"")
    arrival = arrival_of(
        message,
        keys,
        received_at=moment(message["received_at"]),
        erase_at=moment(message["raw_erase_at"]),
        raw=raw,
    )
    case_id = message["case_id"]
    return ParkedFacts(
        parked=_parked_row(row),
        arrival=arrival,
        content=message["content"],
        case=None if case_id is None else case_facts(db, case_id),
        facts=facts_of(db, keys),
    )


def _apply(db: Db, row: Row, event: str, decision: Decision, terms: Terms, author: Author, reason: str) -> Kept:
    message_id = row["message_id"]
    stays = decision.state == MessageState.PARKED
    again = next((new for new in decision.parked if new.whole), None) if stays else None
    if stays and again is None:
        raise ValueError("a parked message needs an owner, a reason and a time")
    write_case(db, decision, now=author.now)
    db.put(
        UPDATE_MESSAGE,
        id=message_id,
        kind=decision.kind,
        case_id=decision.case_id,
        content=decision.content,
        versions=decision.versions,
        warnings=findings_json(decision.warnings),
    )
    if not stays and row["whole"]:
        move(db, Machine.MESSAGE, message_id, event, author, reason=reason)
    others = [new for new in decision.parked if new is not again]
    round_ = last_round(db, message_id) + 1
    bells = write_rest(db, message_id, decision, author, terms, parked=others, round_=round_)
    if again is None:
        return _close(db, row, event, author, reason, bells=bells)
    _still_parked(db, row, again, decision.case_id)
    note(db, author, f"parked:{event}-parks-again", row["id"], reason)
    return _outcome(db, message_id, bells=bells, cause=again.cause)


def _still_parked(db: Db, row: Row, again: NewParked, case_id: str | None) -> None:
    db.put(
        STILL_PARKED,
        id=row["id"],
        cause=again.cause,
        owner=again.owner,
        findings=findings_json(again.findings),
        suggests=pairs_json(again.suggests),
        case_id=case_id or row["case_id"],
        next_alarm_at=text(again.next_alarm_at),
    )


def _close(db: Db, row: Row, event: str, author: Author, reason: str, *, bells: list[Bell] | None = None) -> Kept:
    move(db, Machine.PARKED, row["id"], event, author, reason=reason)
    by = author.actor.removeprefix("operator:")
    db.put(SETTLED, id=row["id"], by=by, reason=reason, now=text(author.now))
    for subject in (row["id"], row["delivery_id"]):
        if subject is not None:
            close_alarms(db, subject, by=author.actor, now=author.now)
    return _outcome(db, row["message_id"], bells=bells)


def _outcome(db: Db, message_id: str | None, *, bells: list[Bell] | None, cause: str | None = None) -> Kept:
    state: str = ""
    routing: tuple[RoutingDecision, ...] = ()
    if message_id is not None:
        state = db.value(MESSAGE_STATE, message_id=message_id)
        routing = routing_of(db, message_id, last_round(db, message_id))
    accepted = Accepted(
        message_id=message_id or "",
        state=state,
        duplicate=False,
        routing=routing,
        warnings=(),
        parked_cause=cause,
        bells=(),
    )
    return Kept(accepted, [] if bells is None else bells)


def _parked_row(row: Row) -> ParkedRow:
    return ParkedRow(
        id=row["id"],
        message_id=row["message_id"],
        case_id=row["case_id"],
        cause=row["cause"],
        owner=row["owner"],
        state=row["state"],
        findings=findings(row["findings"]),
        suggests=pairs(row["suggests"]),
        parked_at=moment(row["parked_at"]),
        next_alarm_at=moment(row["next_alarm_at"]),
        source=row["source"],
        settled_by=row["settled_by"],
        settled_reason=row["settled_reason"],
        whole=bool(row["whole"]),
    )


# -- keys and secrets --------------------------------------------------------------------------------------------------

VALID_KEYS: Final = """
SELECT id, partner, digest, created_at, expires_at FROM partner_key
WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > :now)
    AND (CAST(:partner AS TEXT) IS NULL OR partner = :partner)
ORDER BY partner, created_at, id"""
ADD_KEY: Final = """
INSERT INTO partner_key (id, partner, digest, created_at, expires_at)
VALUES (:id, :partner, :digest, :created_at, :expires_at)"""
REVOKE_KEY: Final = "UPDATE partner_key SET revoked_at = :now WHERE id = :id AND revoked_at IS NULL"

ADD_WEBHOOK_SIGNING: Final = """
INSERT INTO partner_secret (id, partner, kind, wrapped_key, sealed, created_at, expires_at)
VALUES (:id, :partner, :kind, :wrapped_key, :sealed, :created_at, :expires_at)"""
SECRETS: Final = """
SELECT id, partner, kind, wrapped_key, sealed, created_at, expires_at FROM partner_secret
WHERE partner = :partner AND (expires_at IS NULL OR expires_at > :now) ORDER BY created_at DESC, id DESC"""

OPERATOR: Final = "operator"


def add_key(db: Db, key: KeyRow) -> None:
    if len(db.all(VALID_KEYS, now=text(key.created_at), partner=key.partner)) >= 2:
        raise Conflict(
            Finding(
                "key",
                "keys:two-at-most",
                "Een partner heeft hooguit twee geldige sleutels; trek er eerst een in",
                "A partner has at most two valid keys; revoke one first",
            )
        )
    db.run(
        ADD_KEY,
        id=key.id,
        partner=key.partner,
        digest=key.digest,
        created_at=text(key.created_at),
        expires_at=maybe_text(key.expires_at),
    )
    note(db, Author(Role.OPERATOR, OPERATOR, key.created_at), "key:add", key.id, key.partner)


def keys(db: Db, *, now: datetime) -> list[KeyRow]:
    return [
        KeyRow(row["id"], row["partner"], row["digest"], moment(row["created_at"]), maybe_moment(row["expires_at"]))
        for row in db.all(VALID_KEYS, now=text(now), partner=None)
    ]


def revoke_key(db: Db, key_id: str, *, now: datetime) -> bool:
    revoked = bool(db.run(REVOKE_KEY, id=key_id, now=text(now)))
    if revoked:
        note(db, Author(Role.OPERATOR, OPERATOR, now), "key:revoke", key_id)
    return revoked


def add_secret(db: Db, secret: SecretRow) -> None:
    db.run(
        ADD_WEBHOOK_SIGNING,
        id=secret.id,
        partner=secret.partner,
        kind=secret.kind,
        wrapped_key=secret.sealed.wrapped_key,
        sealed=secret.sealed.data,
        created_at=text(secret.created_at),
        expires_at=maybe_text(secret.expires_at),
    )
    note(db, Author(Role.OPERATOR, OPERATOR, secret.created_at), "secret:add", secret.id, secret.partner)
    close_alarms(db, secret.partner, by="hub", now=secret.created_at, cause=UNSIGNED)


def secrets(db: Db, partner: str, *, now: datetime) -> list[SecretRow]:
    """Newest first."""
    return [
        SecretRow(
            id=row["id"],
            partner=row["partner"],
            kind=row["kind"],
            sealed=Sealed(row["wrapped_key"], row["sealed"]),
            created_at=moment(row["created_at"]),
            expires_at=maybe_moment(row["expires_at"]),
        )
        for row in db.all(SECRETS, partner=partner, now=text(now))
    ]


# -- audit -------------------------------------------------------------------------------------------------------------

UNLINKED: Final = """
SELECT id, at, actor, action, object, detail FROM audit WHERE position IS NULL ORDER BY id LIMIT :limit"""
HEAD: Final = "SELECT position, hash FROM audit WHERE position IS NOT NULL ORDER BY position DESC LIMIT 1"
LINK: Final = "UPDATE audit SET position = :position, hash = :hash WHERE id = :id"
CHECKPOINT: Final = """
INSERT INTO audit_checkpoint (position, hash, at, key_id, signature)
VALUES (:position, :hash, :at, :key_id, :signature)"""


def add_audit(db: Db, entries: Sequence[AuditEntry]) -> None:
    for entry in entries:
        db.put(
            NOTE, at=text(entry.at), actor=entry.actor, action=entry.action, object=entry.object, detail=entry.detail
        )


def link_audit(db: Db, signer: Signer, *, now: datetime, limit: int) -> int:
    """Links in order of id and signs the new head."""
    rows = [AuditRow(**row) for row in db.all(UNLINKED, limit=limit)]
    if not rows:
        return 0
    head = db.one(HEAD)
    previous, position = (GENESIS, 0) if head is None else (head["hash"], head["position"])
    links = link(rows, previous=previous, position=position)
    for linked in links:
        db.put(LINK, id=linked.row, position=linked.position, hash=linked.hash)
    last, at = links[-1], text(now)
    signature = signer.sign(checkpoint_message(last.position, last.hash, at))
    db.put(CHECKPOINT, position=last.position, hash=last.hash, at=at, key_id=signer.key_id, signature=signature)
    return len(links)
