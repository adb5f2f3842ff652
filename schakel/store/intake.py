# SPDX-License-Identifier: EUPL-1.2
"""SQL of the intake socket: an arrival becomes a kept message with everything its decision says, or is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, NamedTuple

from schakel.errors import Conflict, Finding, Refusal, Unacceptable
from schakel.ports import Decide
from schakel.records import Accepted, Arrival, Bell, Decision, NewAlarm, RoutingDecision
from schakel.states import Machine, MessageState, Role
from schakel.store.alarms import raise_alarm
from schakel.store.db import Db, Reach, Undone, Violated
from schakel.store.decision import write_case, write_rest
from schakel.store.events import Author, begin
from schakel.store.first_look import FirstLook
from schakel.store.rows import Row, findings, findings_json, maybe_text, text
from schakel.store.terms import REFERENCE_CONFLICT, Terms

# Which references of a source are kept.
AMONG: Final = """
SELECT message_reference FROM message
WHERE source = :source AND message_reference = ANY(:references)"""

# Why it was parked when it came.
FIRST_CAUSE: Final = """
SELECT cause FROM parked WHERE message_id = :message_id AND whole = 1 ORDER BY parked_at, id LIMIT 1"""

ROUTING: Final = """
SELECT recipient, role, outcome, rule, nl, en FROM routing_decision
WHERE message_id = :message_id AND round = :round ORDER BY position"""

ADD_RAW: Final = """
INSERT INTO raw_referral (id, wrapped_key, sealed, format, media_type, received_at, erase_at)
VALUES (:id, :wrapped_key, :sealed, :format, :media_type, :received_at, :erase_at)"""
ADD_MESSAGE: Final = """
INSERT INTO message (id, source, message_reference, source_case_reference, digest, format, media_type, programme, kind,
    case_id, state, state_ordinal, content, versions, warnings, first_warnings, occurred_at,
    received_at)
VALUES (:id, :source, :message_reference, :source_case_reference, :digest, :format, :media_type, :programme, :kind,
    :case_id, :state, 1, :content, :versions, :warnings, :warnings, :occurred_at, :received_at)"""
ADD_MESSAGE_KEY: Final = """
INSERT INTO message_key (message_id, kind, digest) VALUES (:message_id, :kind, :digest) ON CONFLICT DO NOTHING"""


def known(db: Db, source: str, references: Sequence[str]) -> frozenset[str]:
    rows = db.all(AMONG, source=source, references=list(references))
    return frozenset(row["message_reference"] for row in rows)


@dataclass(frozen=True, slots=True)
class Kept:
    """What was accepted; its bells are there once its numbers are, at COMMIT."""

    accepted: Accepted
    bells: list[Bell] = field(default_factory=list)

    def told(self) -> Accepted:
        return replace(self.accepted, bells=tuple(self.bells))


class Asked(NamedTuple):
    """An arrival, and by whose rules it is decided."""

    arrival: Arrival
    decide: Decide


def reach(arrivals: Sequence[Arrival]) -> Reach:
    """Equal references and shared keys wait for each other."""
    names = tuple(f"message:{arrival.source}:{arrival.message_reference}" for arrival in arrivals)
    return Reach(names=names, keys=tuple(key for arrival in arrivals for key in arrival.keys))


def accept_all(db: Db, asked: Sequence[Asked], *, terms: Terms) -> list[Kept | Refusal]:
    """One outcome per arrival, in order; each in a savepoint of its own."""
    look = FirstLook(db, [each.arrival for each in asked])
    return [_guarded(db, each, look, terms) for each in asked]


def _guarded(db: Db, asked: Asked, look: FirstLook, terms: Terms) -> Kept | Refusal:
    """An arrival that violates something is refused alone; a fault in deciding too, for nothing may be half kept."""
    arrival = asked.arrival
    try:
        with db.savepoint():
            known = look.known(arrival)
            if known is None:
                decision = asked.decide(arrival, look.facts(arrival))
                kept = _accept(db, arrival, decision, terms)
                look.touched(arrival, decision)
                return kept
            if known["digest"] == arrival.digest:
                return Kept(_first_answer(db, known))
            raise_alarm(db, _reference_conflict(known["id"], terms), now=arrival.received_at)
            return _conflict()
    except Undone:
        raise
    except Refusal as refusal:
        return refusal
    except Violated as error:
        return _not_kept(error.refusal.findings[0].rule)
    except Exception as error:
        return _not_kept(f"intake:{type(error).__name__}")


def _accept(db: Db, arrival: Arrival, decision: Decision, terms: Terms) -> Kept:
    author = Author(Role.HUB, "hub", arrival.received_at)
    db.put(
        ADD_RAW,
        id=arrival.message_id,
        wrapped_key=arrival.raw.wrapped_key,
        sealed=arrival.raw.data,
        format=arrival.format,
        media_type=arrival.media_type,
        received_at=text(arrival.received_at),
        erase_at=text(arrival.raw_erase_at),
    )
    write_case(db, decision, now=arrival.received_at)
    _add_message(db, arrival, decision, author)
    bells = write_rest(db, arrival.message_id, decision, author, terms, parked=decision.parked, round_=1)
    accepted = Accepted(
        message_id=arrival.message_id,
        state=decision.state,
        duplicate=False,
        routing=decision.routing,
        warnings=decision.warnings,
        parked_cause=next((parked.cause for parked in decision.parked if parked.whole), None),
        bells=(),
    )
    return Kept(accepted, bells)


def _add_message(db: Db, arrival: Arrival, decision: Decision, author: Author) -> None:
    waits = decision.state == MessageState.PARKED
    if waits and not any(parked.whole for parked in decision.parked):
        raise ValueError("a parked message needs an owner, a reason and a time")
    db.put(
        ADD_MESSAGE,
        id=arrival.message_id,
        source=arrival.source,
        message_reference=arrival.message_reference,
        source_case_reference=arrival.source_case_reference,
        digest=arrival.digest,
        format=arrival.format,
        media_type=arrival.media_type,
        programme=arrival.programme,
        kind=decision.kind,
        case_id=decision.case_id,
        state=begin(db, Machine.MESSAGE, arrival.message_id, "park" if waits else "route", author),
        content=decision.content,
        versions=decision.versions,
        warnings=findings_json(decision.warnings),
        occurred_at=maybe_text(decision.occurred_at),
        received_at=text(arrival.received_at),
    )
    for key in arrival.keys if decision.parked else ():
        db.put(ADD_MESSAGE_KEY, message_id=arrival.message_id, kind=key.kind, digest=key.digest)


def _first_answer(db: Db, known: Row) -> Accepted:
    return Accepted(
        message_id=known["id"],
        state=known["first_state"],
        duplicate=True,
        routing=routing_of(db, known["id"], 1),
        warnings=findings(known["first_warnings"]),
        parked_cause=db.value(FIRST_CAUSE, message_id=known["id"])
        if known["first_state"] == MessageState.PARKED
        else None,
        bells=(),
    )


def routing_of(db: Db, message_id: str, round_: int) -> tuple[RoutingDecision, ...]:
    """One round of decisions on a message."""
    return tuple(RoutingDecision(**row) for row in db.all(ROUTING, message_id=message_id, round=round_))


def arrival_of(row: Row, keys: tuple[Any, ...], *, received_at: datetime, erase_at: datetime, raw: Any) -> Arrival:
    """The arrival again, from a row of `message` joined with `raw_referral`."""
    return Arrival(
        message_id=row["id"],
        source=row["source"],
        message_reference=row["message_reference"],
        source_case_reference=row["source_case_reference"],
        digest=row["digest"],
        format=row["format"],
        media_type=row["media_type"],
        received_at=received_at,
        programme=row["programme"],
        keys=keys,
        raw=raw,
        raw_erase_at=erase_at,
    )


def _reference_conflict(message_id: str, terms: Terms) -> NewAlarm:
    nl, en = terms.sentence(REFERENCE_CONFLICT)
    return NewAlarm(cause=REFERENCE_CONFLICT, subject=message_id, owner=terms.owner, nl=nl, en=en)


def _conflict() -> Conflict:
    return Conflict(
        Finding(
            "messageReference",
            "message-reference:other-content",
            "Dit berichtkenmerk is al gebruikt voor een bericht met andere inhoud",
            "This message reference was used before for a message with other content",
        )
    )


def _not_kept(rule: str) -> Unacceptable:
    return Unacceptable(
        Finding("store", rule, "Dit bericht kon niet worden bewaard", "This message could not be kept"), retry_after=30
    )
