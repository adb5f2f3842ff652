# SPDX-License-Identifier: EUPL-1.2
"""What the store suite sends in: invented arrivals and simple `decide` functions, no mapping, no routing."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from schakel.audit import GENESIS
from schakel.errors import Finding
from schakel.ledger_records import (
    Act,
    ActOutcome,
    AnswerArrival,
    AnswerDecision,
    CaseLedger,
    EndedDeadline,
    LedgerDecision,
    RequestFacts,
    Transition,
)
from schakel.ports import Store
from schakel.records import (
    Accepted,
    Arrival,
    CaseChange,
    Claimed,
    Decision,
    DeliveryOutcome,
    Facts,
    KnownOrder,
    MatchKey,
    NewCase,
    NewDeadline,
    NewDelivery,
    NewParked,
    NewRequest,
    ParkedFacts,
    Rendered,
    RoutingDecision,
    Sealed,
)
from schakel.store.terms import AlarmTimes

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
SECOND = timedelta(seconds=1)
LEASE = timedelta(seconds=15)
TIMES = AlarmTimes(
    parked_every=timedelta(minutes=30),
    crisis_delivery_after=timedelta(minutes=5),
    delivery_after=timedelta(hours=1),
    mailbox_after=timedelta(hours=2),
)
CAUSES = {"unknown-code": ("Onbekende code: vul het codeboek aan.", "Unknown code: complete the codebook.")}

_counter = itertools.count(1)


def fresh(kind: str = "id") -> str:
    return f"{kind}-{next(_counter):06d}"


def digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def key(kind: str, text: str) -> MatchKey:
    return MatchKey(kind, digest(f"{kind}:{text}"))


def clock(subject: str, partner: str, role: str, *, at: datetime = NOW, **changes: Any) -> NewDeadline:
    """The clock on an answer: due in four hours, with nobody told before."""
    value = NewDeadline(
        id=fresh("deadline"),
        subject=subject,
        kind="answer",
        event="accepted",
        partner=partner,
        role=role,
        urgency="normal",
        started_at=at,
        due_at=at + timedelta(hours=4),
        next_at=at + timedelta(hours=4),
    )
    return replace(value, **changes)


def request(case_id: str, partner: str, role: str, *, at: datetime = NOW, **changes: Any) -> NewRequest:
    id = fresh("request")
    value = NewRequest(
        id=id,
        recipient=partner,
        role=role,
        reference=fresh("REFERENCE"),
        case_reference=f"{partner}/{case_id}",
        due_at=at + timedelta(hours=4),
        deadlines=(clock(id, partner, role, at=at),),
    )
    return replace(value, **changes)


def arrival(reference: str = "", household: str = "", **changes: Any) -> Arrival:
    """A message; the same `household` gives the same strong key."""
    reference = reference or fresh("ref")
    household = household or fresh("household")
    value = Arrival(
        message_id=fresh("message"),
        source="thv-pool",
        message_reference=reference,
        source_case_reference=household,
        digest=digest(reference),
        format="json",
        media_type="application/json",
        received_at=NOW,
        programme="icm",
        keys=(key("source-case", household),),
        raw=Sealed(b"wrapped-raw", b"sealed-raw"),
        raw_erase_at=NOW + timedelta(days=1),
    )
    return replace(value, **changes)


@dataclass
class Decider:
    """Routes every arrival to a lead and a duo, under the case of its household; `fails` raises for a reference."""

    lead: str = "vvt"
    duo: str = "lokaal-team-den-haag"
    channel: str = "webhook"
    mode: str = "full"
    urgency: str = "normal"
    park: str | None = None  # a cause: then nobody gets it
    fails: frozenset[str] = frozenset()
    change: CaseChange = field(default_factory=CaseChange)
    late: bool = False
    seen: list[Facts] = field(default_factory=list)

    def __call__(self, item: Arrival, facts: Facts) -> Decision:
        self.seen.append(facts)
        if item.message_reference in self.fails:
            raise RuntimeError("a fault in deciding")
        if self.park is not None:
            return parked_decision(item, self.park)
        return self.route(item, facts)

    def settle(self, facts: ParkedFacts) -> Decision:
        """As DecideParked."""
        return self(facts.arrival, facts.facts)

    def route(self, item: Arrival, facts: Facts) -> Decision:
        match = next((case for case in facts.matches if case.programme == item.programme), None)
        case_id = fresh("case") if match is None else match.id
        asked = {} if match is None else {(r.partner, r.role): r.request_id for r in match.recipients}
        roles = (("lead", self.lead), ("duo", self.duo))
        requests = tuple(
            request(case_id, partner, role, at=item.received_at)
            for role, partner in roles
            if (partner, role) not in asked
        )
        ids = asked | {(one.recipient, one.role): one.id for one in requests}
        return Decision(
            case_id=case_id,
            new_case=None if match else NewCase(item.programme, "0518", b"wrapped-case"),
            change=self.change,
            keys=item.keys,
            kind="update" if match else "referral",
            state="routed",
            content=b"sealed-content",
            versions="{}",
            routing=tuple(RoutingDecision(p, role, "deliver", "route:test", "nl", "en") for role, p in roles),
            deliveries=tuple(
                NewDelivery(
                    id=fresh("delivery"),
                    recipient=partner,
                    role=role,
                    channel=self.channel,
                    mode=self.mode,
                    representation="case-json",
                    urgency=self.urgency,
                    request_id=ids[(partner, role)],
                    late=self.late,
                )
                for role, partner in roles
            ),
            requests=requests,
            parked=(),
            suggestions=(),
            warnings=(Finding("remark", "eligibility:first-order", "eerste", "first"),),
        )


def parked_decision(item: Arrival, cause: str, *, at: datetime | None = None) -> Decision:
    return Decision(
        case_id=None,
        new_case=None,
        change=CaseChange(),
        keys=(),
        kind="referral",
        state="parked",
        content=None,
        versions="{}",
        routing=(RoutingDecision(None, "lead", "park", f"park:{cause}", "nl", "en"),),
        deliveries=(),
        requests=(),
        parked=(
            NewParked(
                id=fresh("parked"),
                cause=cause,
                owner="coordinator",
                findings=(Finding("trigger", "code:unknown", "onbekend", "unknown"),),
                suggests=(("vvt", "lead"),),
                next_alarm_at=at or item.received_at,
            ),
        ),
        suggestions=(),
        warnings=(),
    )


def orders(*numbers: str) -> CaseChange:
    return CaseChange(orders=tuple(KnownOrder(digest(number), None) for number in numbers))


def rendered(text: str = "view", *, now: datetime = NOW, secrecy_version: int = 0) -> Rendered:
    return Rendered(
        sealed=f"sealed:{text}".encode(),
        digest=digest(text),
        media_type="application/json",
        at=now,
        secrecy_version=secrecy_version,
    )


def delivered(claimed: Claimed) -> DeliveryOutcome:
    return DeliveryOutcome(claimed.id, claimed.token, "deliver")


def failed(claimed: Claimed, *, next_at: datetime, **more: Any) -> DeliveryOutcome:
    return DeliveryOutcome(claimed.id, claimed.token, "fail", reason="http-500", next_at=next_at, **more)


def replacement(of: Claimed) -> NewDelivery:
    return NewDelivery(
        id=fresh("delivery"),
        recipient=of.recipient,
        role=of.role,
        channel=of.channel,
        mode=of.mode,
        representation=of.representation,
        urgency=of.urgency,
        request_id=None,
    )


def answer(partner: str, reference: str, word: str = "confirmed", **changes: Any) -> AnswerArrival:
    value = AnswerArrival(
        id=fresh("answer"),
        partner=partner,
        reference=reference,
        answer=word,
        reason_code="no-capacity" if word == "declined" else None,
        detail=b"{}",
        received_at=NOW + SECOND,
    )
    return replace(value, **changes)


EVENTS = {"received": "receive", "confirmed": "confirm", "declined": "decline"}


def decide_answer(item: AnswerArrival, request: RequestFacts | None) -> AnswerDecision:
    """Repeats change nothing, another word on an answered request contradicts, without request it is parked."""
    said = digest(item.answer)
    if request is None:
        parked = NewParked(fresh("parked"), "unmatched-answer", "coordinator", (), (), item.received_at, whole=False)
        return AnswerDecision(None, b"sealed", said, parked=parked, wrapped_key=b"wrapped-answer")
    if request.last_answer_digest == said:
        return AnswerDecision(None, None, said)
    contradicts = request.state in ("confirmed", "declined")
    event = EVENTS[item.answer]
    ended = LedgerDecision(ended=(EndedDeadline(request.id, event),)) if event != "receive" else None
    return AnswerDecision(event, b"sealed", said, contradicts=contradicts, ledger=ended)


def act(reference: str, kind: str = "note", *, actor: str = "vvt", **changes: Any) -> Act:
    return replace(Act(id=fresh("act"), kind=kind, actor=actor, reference=reference, at=NOW + SECOND), **changes)


async def act_one(store: Store, item: Act, decision: LedgerDecision) -> ActOutcome:
    """What the store makes of a decision as it is; a refusal fails the test."""

    def decide(_: Act, case: CaseLedger | None) -> LedgerDecision:
        assert case is not None
        return decision

    (outcome,) = await store.act_many([item], decide)
    assert isinstance(outcome, ActOutcome), outcome
    return outcome


async def close_case(store: Store, case_id: str, *, at: datetime = NOW + SECOND, **decision: Any) -> ActOutcome:
    """The lead closes the case; its content stays a day."""
    closed = Transition("case", case_id, "close", "operator", "operator:Jo")
    decided = LedgerDecision(moves=(closed,), erase_at=at + timedelta(days=1), **decision)
    return await act_one(store, act(case_id, "close", actor="operator:Jo", at=at), decided)


class TestSigner:
    """Stands for the vault's checkpoint key where signatures are not what is tested."""

    __test__ = False
    key_id = "test"

    def sign(self, message: bytes) -> bytes:
        return hashlib.sha256(GENESIS + message).digest()


Decide = Callable[[Arrival, Facts], Decision]


class Side(Protocol):
    """A hand on the same database, beside the store."""

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """`?` stands for a value."""

    def refuses(self, *statements: tuple[str, tuple[Any, ...]]) -> bool:
        """Runs the statements in one transaction and rolls back: whether the database refused the last one.

        Those before it must be taken."""


async def accept_one(store: Store, decide: Decide, item: Arrival | None = None) -> Accepted:
    """Accepts one arrival and gives its outcome; anything but accepted fails the test."""
    (outcome,) = await store.accept_many([item or arrival()], decide)
    assert isinstance(outcome, Accepted), outcome
    return outcome


async def claim_one(store: Store, *, now: datetime = NOW, only: Sequence[str] | None = None) -> Claimed:
    (claimed,) = await store.claim(now=now, limit=1, only=only)
    return claimed


async def deliver_all(store: Store, *, now: datetime = NOW) -> list[Claimed]:
    """Everything that is due is rendered and delivered, in the order of claiming."""
    done: list[Claimed] = []
    while batch := await store.claim(now=now, limit=50):
        await store.keep_rendered([(one, rendered(one.id)) for one in batch if one.rendered is None])
        assert all(await store.finish([delivered(one) for one in batch], now=now))
        done += batch
    return done
