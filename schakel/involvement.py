# SPDX-License-Identifier: EUPL-1.2
"""The ledger of involvement: what each asked partner answered, and what source, lead and duo may see of it.

Repeating an answer is harmless, contradicting one is recorded, visible and alarmed, and late is fine. Authority is the
authenticated partner that owns the request; the reference only correlates.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from schakel.acting import Acting
from schakel.acts.answers import EVENT, NOTED, effects, weigh
from schakel.acts.refusals import refused
from schakel.acts.wording import as_bytes, check_reachable, check_reason, detail_of
from schakel.errors import Finding, NotFound, Unmappable
from schakel.ledger_records import (
    AnswerArrival,
    AnswerDecision,
    AnswerOutcome,
    AnswerTrouble,
    RequestFacts,
)
from schakel.log import Log
from schakel.message import Answer
from schakel.ports import AdminStore, LedgerStore, Vault
from schakel.reading import reads_openly, roles_of, sees_all
from schakel.records import (
    AnswerRow,
    AuditEntry,
    CaseRecord,
    NewParked,
    OwnRequest,
    RequestQuery,
    RequestRow,
    SealPlace,
    StatusRecord,
)
from schakel.region import DUO, LEADING, Partner, Region
from schakel.routing import for_sender
from schakel.states import ParkCause

COORDINATOR: Final = "coordinator"
STALE: Final = "answer:stale-version"


@dataclass(frozen=True, slots=True)
class InvolvementStore:
    """The two sockets that this service works with; one engine gives both."""

    ledger: LedgerStore
    admin: AdminStore


@dataclass(frozen=True, slots=True)
class OwnWord:
    """A partner's own request and its last answer, opened: `{answer, reasonCode?, reasonText?, contact?, …}` or {}."""

    request: OwnRequest
    answer: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class OwnWords:
    """One page, oldest first, and how many there are in all."""

    total: int
    requests: tuple[OwnWord, ...]


class Involvement:
    def __init__(
        self,
        *,
        store: InvolvementStore,
        region: Region,
        vault: Vault,
        new_id: Callable[[], str],
        acting: Acting,
        log: Log,
    ) -> None:
        """`acting` takes the answers on what was asked beside taking part."""
        self._ledger = store.ledger
        self._admin = store.admin
        self._region = region
        self._vault = vault
        self._new_id = new_id
        self._log = log
        self._acting = acting

    # -- answering

    async def answer(
        self, partner: Partner, answer: Answer, *, now: datetime, if_version: int | None = None
    ) -> AnswerOutcome:
        """Records the word of `partner` on whatever it was asked. Raises Refusal naming the rule; what fits nothing is
        kept and parked.

        `if_version`: only when the request still stands as the partner saw it; else Conflict."""
        check_reason(answer)
        arrival = AnswerArrival(
            id=self._new_id(),
            partner=partner.id,
            reference=answer.reference.upper(),  # base32: some systems write it small
            answer=answer.answer,
            reason_code=answer.reason_code,
            detail=detail_of(answer),
            received_at=now,
            if_version=if_version,
        )
        outcome = await self._say(partner, answer, arrival)
        self._log.info("answer.taken", partner=partner.id, outcome=outcome.outcome, state=outcome.request_state)
        return outcome

    async def _say(self, partner: Partner, answer: Answer, arrival: AnswerArrival) -> AnswerOutcome:
        """On its request; else on what it was asked beside that; else it waits for a person."""
        try:
            if arrival.answer in EVENT:
                (outcome,) = await self._ledger.answer_many([arrival], self.decide)
                return outcome
        except NotFound:
            pass
        try:
            done = await self._acting.answered(partner, answer, arrival_id=arrival.id, now=arrival.received_at)
        except NotFound:
            (outcome,) = await self._ledger.answer_many([_as_note(arrival)], self._unmatched)
            return outcome
        return AnswerOutcome(done.outcome, done.made.get("state"))

    async def unread(
        self, partner: Partner, reference: str, body: bytes, media_type: str, trouble: Unmappable, *, now: datetime
    ) -> AnswerOutcome:
        """A document that came as an answer and cannot be mapped to one: kept as it came, parked for a person."""
        arrival = AnswerArrival(
            id=self._new_id(),
            partner=partner.id,
            reference=reference.upper(),
            answer=NOTED,
            reason_code=None,
            detail=json.dumps({"mediaType": media_type, "body": base64.b64encode(body).decode()}).encode(),
            received_at=now,
            trouble=AnswerTrouble(trouble.cause, trouble.findings),
        )
        (outcome,) = await self._ledger.answer_many([arrival], self.decide)
        self._log.warning("answer.unread", partner=partner.id, outcome=outcome.outcome, cause=trouble.cause)
        return outcome

    def decide(self, arrival: AnswerArrival, facts: RequestFacts | None) -> AnswerDecision:
        """What an answer does to its request; called inside the store's transaction. Raises Refusal; NotFound when the
        reference is no request's of this partner, or its case is erased."""
        digest = self._digest(arrival)
        if arrival.trouble is not None:
            return self._parked(arrival, digest, arrival.trouble)
        case = None if facts is None else facts.ledger
        if facts is None or case is None:
            raise NotFound()
        if arrival.if_version not in (None, facts.version):
            raise refused(STALE, "version")
        check_reachable(arrival.answer, facts.role, json.loads(arrival.detail))
        weighed = weigh(arrival.answer, facts.state, same=facts.last_answer_digest == digest)
        if not weighed.recorded:
            return AnswerDecision(event=None, sealed=None, digest=digest)
        place = SealPlace("answer", arrival.id, "detail")
        return AnswerDecision(
            event=weighed.event,
            sealed=self._vault.seal(facts.wrapped_key, arrival.detail, owner=facts.case_id, place=place),
            digest=digest,
            keep=weighed.keep,
            contradicts=weighed.contradicts,
            ledger=effects(arrival, case, facts.id, weighed, self._acting.tools),
        )

    def _digest(self, arrival: AnswerArrival) -> bytes:
        """Keyed: a telephone number is too short to stand under a plain hash. The same words at another time are the
        same words."""
        words = json.loads(arrival.detail)
        words.pop("answeredAt", None)
        return self._vault.blind("answer", arrival.answer, arrival.reason_code or "", as_bytes(words).decode())

    def _unmatched(self, arrival: AnswerArrival, facts: RequestFacts | None) -> AnswerDecision:
        cause = ParkCause.UNMATCHED_ANSWER
        text = self._region.causes.get(cause)
        rule = "answer:no-request-of-this-partner"
        finding = _finding("reference", rule, text.nl if text else rule, text.en if text else rule)
        return self._parked(arrival, self._digest(arrival), AnswerTrouble(cause, (finding,)))

    def _parked(self, arrival: AnswerArrival, digest: bytes, trouble: AnswerTrouble) -> AnswerDecision:
        """Kept under a key of its own, because it belongs to no request yet."""
        wrapped = self._vault.new_key(arrival.id)
        place = SealPlace("answer", arrival.id, "detail")
        sealed = self._vault.seal(wrapped, arrival.detail, owner=arrival.id, place=place)
        return AnswerDecision(
            event=None,
            sealed=sealed,
            digest=digest,
            wrapped_key=wrapped,
            parked=NewParked(
                id=self._new_id(),
                cause=trouble.cause,
                owner=COORDINATOR,
                findings=trouble.findings,
                suggests=(),
                next_alarm_at=arrival.received_at,
                whole=False,  # no message waits
            ),
        )

    # -- seeing

    async def own(self, partner: Partner, query: RequestQuery, *, after: str = "", limit: int = 1) -> OwnWords:
        """The partner's own requests, each with the last thing it said on it; never another's."""
        found = await self._ledger.own_requests(partner.id, query, after=after, limit=limit)
        return OwnWords(total=found.total, requests=tuple(_own(self._vault, row) for row in found.rows))

    async def case_view(self, partner: Partner, reference: str, *, now: datetime) -> dict[str, Any]:
        """The matrix for who leads or walks along, the own line for others; audited. Raises NotFound."""
        record = await self._ledger.case(partner.id, reference)
        if record is None:
            raise NotFound()
        await self._admin.audit([AuditEntry(at=now, actor=partner.id, action="read-matrix", object=record.id)])
        roles = roles_of(partner.id, record.requests)
        whole = sees_all(roles, self._region.disclosure)
        rows = [row for row in record.requests if whole or row.partner == partner.id]
        openly = reads_openly(record, roles, self._region.disclosure, self._vault)
        view: dict[str, Any] = {
            "reference": reference,
            "programme": record.programme,
            "openedAt": _moment(record.opened_at),
            "requests": [self._line(record, row, to=partner, openly=openly, now=now) for row in rows],
        }
        if whole:
            view |= {
                "municipality": record.municipality,
                "orderCount": record.order_count,
                "messages": [
                    {"id": row.id, "kind": row.kind, "source": row.source, "state": row.state}
                    | {"receivedAt": _moment(row.received_at)}
                    for row in record.messages
                ],
            }
        if not roles.isdisjoint(LEADING):
            view |= {
                "suggestions": [
                    {"case": row.other_case_id, "kinds": row.kinds, "state": row.state} for row in record.suggestions
                ],
                "linkedCases": list(record.linked),
            }
        return view

    def _line(self, record: CaseRecord, row: RequestRow, *, to: Partner, openly: bool, now: datetime) -> dict[str, Any]:
        return {
            **self._standing(row),
            "askedAt": _moment(row.asked_at),
            "dueAt": _moment(row.due_at),
            "overdue": row.late(now),
            "deliveryState": row.delivery_state,
            "deliveredAt": _moment(row.delivered_at) if row.delivered_at else None,
            "contradicted": row.contradicted,
            "answers": [self._answered(record, answer, openly or row.partner == to.id) for answer in row.answers],
        }

    def _standing(self, row: RequestRow) -> dict[str, Any]:
        partner = self._region.partner(row.partner)
        return {
            "partner": row.partner,
            "name": partner.name if partner else row.partner,
            "role": row.role,
            "state": row.state,
        }

    def _answered(self, record: CaseRecord, row: AnswerRow, openly: bool) -> dict[str, Any]:
        place = SealPlace("answer", row.id, "detail")
        detail = json.loads(self._vault.open(record.wrapped_key, row.sealed, owner=record.id, place=place))
        if not openly:  # a hidden address cannot be searched for in prose
            instead = self._region.disclosure.withheld
            said = f"{instead.nl} / {instead.en}"
            detail |= {name: said for name in ("reasonText",) if name in detail}
            detail |= {name: {"name": said} for name in ("rerouteTo",) if name in detail}
        return {"answer": row.answer, "at": _moment(row.at), "reasonCode": row.reason_code, **detail}

    async def status(self, partner: Partner | None, message_id: str) -> dict[str, Any]:
        """What the sender may know: the state, why, and how lead and duo stand; no persons. None: an operator asks.

        Raises NotFound for a message that is not this partner's, as for one that is not there."""
        record = await self._ledger.status(partner.id if partner else "", message_id)
        if record is None:
            raise NotFound()
        return {
            "id": record.message_id,
            "kind": record.kind,
            "state": record.state,
            "receivedAt": _moment(record.received_at),
            "parked": self._why_parked(record),
            "recipients": [self._standing(row) for row in record.requests if row.role in LEADING | DUO],
            "decisions": [
                {
                    "recipient": self._name(one.recipient),
                    "role": one.role,
                    "outcome": one.outcome,
                    "rule": one.rule,
                    "nl": one.nl,
                    "en": one.en,
                }
                for one in (record.routing if partner is None else for_sender(record.routing))
            ],
            "warnings": findings_json(record.warnings),
        }

    def _name(self, partner_id: str | None) -> str | None:
        partner = self._region.partner(partner_id) if partner_id else None
        return partner.name if partner else partner_id

    def _why_parked(self, record: StatusRecord) -> Mapping[str, Any] | None:
        cause = record.parked_cause
        if cause is None or record.state != "parked":
            return None
        text = self._region.causes.get(cause)
        return {"cause": cause, "nl": text.nl if text else cause, "en": text.en if text else cause}


def findings_json(findings: Sequence[Finding]) -> list[dict[str, str]]:
    """Findings as they are published."""
    return [{"place": one.place, "rule": one.rule, "nl": one.nl, "en": one.en} for one in findings]


def _own(vault: Vault, row: OwnRequest) -> OwnWord:
    said = row.answer
    if said is None:
        return OwnWord(row, {})
    place = SealPlace("answer", said.id, "detail")
    detail = json.loads(vault.open(row.wrapped_key, said.sealed, owner=row.case_id, place=place))
    return OwnWord(row, {"answer": said.answer, "reasonCode": said.reason_code, **detail})


def _as_note(arrival: AnswerArrival) -> AnswerArrival:
    """What fits nothing is kept with its word beside it: no request can have been answered with it."""
    if arrival.answer in EVENT:
        return arrival
    detail = as_bytes({**json.loads(arrival.detail), "answer": arrival.answer})
    return replace(arrival, answer=NOTED, detail=detail)


def _finding(place: str, rule: str, nl: str, en: str) -> Finding:
    return Finding(place=place, rule=rule, nl=nl, en=en)


def _moment(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
