# SPDX-License-Identifier: EUPL-1.2
"""Assembles what one transaction writes for one message: which case, who gets it and why, what is asked, what waits.

Pure but for fresh identifiers and seals: the same reading and the same facts give the same decision. It runs inside the
store's transaction, so that nothing it decides from can have changed meanwhile.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from schakel import household, municipality, orders
from schakel.asking import LIVE, Asking
from schakel.case_secrecy import secrecy_at, secrecy_of, secrecy_with
from schakel.disclosure import Secrecy
from schakel.eligibility import Eligibility
from schakel.errors import Finding, Unmappable
from schakel.feedback import Telling
from schakel.household import HouseholdDecision
from schakel.message import (
    Address,
    CaseHeader,
    CaseMessage,
    Member,
    MessageHeader,
    MessageKind,
    Municipality,
    Programme,
    Referral,
)
from schakel.municipality import Directory, Resolution
from schakel.ports import Envelope, Vault
from schakel.records import (
    Arrival,
    CaseChange,
    CaseFacts,
    Decision,
    Facts,
    MatchKey,
    NewCase,
    NewDelivery,
    NewParked,
    RoutingDecision,
    SealPlace,
    SourceMessage,
)
from schakel.region import DUO, LEADING, Region
from schakel.routing import CurrentTeam, Park, Routed, Router, RoutingFacts
from schakel.states import MessageState, ParkCause

COORDINATOR: Final = "coordinator"
LOCAL: Final = ZoneInfo("Europe/Amsterdam")  # routes and place names hold by the day in the Netherlands
MOST_LOSSES: Final = 20


@dataclass(frozen=True, slots=True)
class Reading:
    """What the door made of one message. Without `referral`, `trouble` says why it cannot be mapped; with it, `trouble`
    says which of the format's own rules it breaks."""

    source: str
    envelope: Envelope
    referral: Referral | None
    trouble: Unmappable | None = None
    losses: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Household:
    """The case a message belongs to, as far as it is known, with its secrecy after this message."""

    id: str
    wrapped_key: bytes
    case: CaseFacts | None  # None: a new one
    chosen: HouseholdDecision
    before: Secrecy
    secrecy: Secrecy
    blind: Callable[..., bytes]

    def hides_address(self, address: Address) -> bool:
        return self.secrecy.hides_address(address, self.blind)

    def hides_person(self, member: Member) -> bool:
        return self.secrecy.hides_person(member, self.blind)

    @property
    def own(self) -> bool:
        """The source itself named this case before."""
        return household.SOURCE_CASE in self.chosen.matched

    @property
    def team(self) -> tuple[tuple[str, str], ...]:
        """Who has the case. A team that declined is asked again by a new message, as long as no other took its place; a
        partner that declined is not."""
        known = self.case.recipients if self.case else ()
        on = [one for one in known if one.request_state in LIVE]
        for side in (LEADING, DUO):
            if not any(one.role in side for one in on):
                on += [one for one in known if one.role in side][-1:]
        return tuple(dict.fromkeys((one.partner, one.role) for one in known if one in on))


class Decider:
    def __init__(
        self, *, region: Region, router: Router, eligibility: Eligibility, vault: Vault, new_id: Callable[[], str]
    ) -> None:
        self._asking = Asking(region=region, vault=vault, new_id=new_id)
        self._telling = Telling(region=region, new_id=new_id)
        self._region = region
        self._directory = Directory(region.municipalities)
        self._router = router
        self._eligibility = eligibility
        self._vault = vault
        self._new_id = new_id

    # -- what the store looks for before it asks

    def programme(self, reading: Reading) -> str:
        return (reading.referral.programme if reading.referral else Programme.ICM).value

    def keys(self, reading: Reading) -> tuple[MatchKey, ...]:
        """What the store looks for among open cases. An unmapped message has its source's case reference only."""
        source, reference = reading.source, reading.envelope.source_case_reference
        if reading.referral is None:
            digest = self._vault.blind(household.SOURCE_CASE, source, reference)
            return (MatchKey(kind=household.SOURCE_CASE, digest=digest),)
        return household.keys(reading.referral, source=source, source_case_reference=reference, blind=self._vault.blind)

    # -- deciding

    def decide(self, arrival: Arrival, facts: Facts, reading: Reading, *, held: bool = False) -> Decision:
        """`held`: the message waited for a person; where its case went on meanwhile it goes out marked late."""
        referral = reading.referral
        if referral is None:
            return self._unmapped(arrival, reading)
        home = self._household(arrival, facts, referral)
        kind = self._kind(referral, home)
        today = arrival.received_at.astimezone(LOCAL).date()
        where = self._where(referral, home, today)
        order = referral.trigger.restraining_order
        told_orders = household.known_orders(referral, self._vault.blind)
        ordinal = order.ordinal or 0 if order else 0
        known_orders = home.case.orders if home.case else ()
        count = household.order_count(
            (*known_orders, *told_orders), max(ordinal, home.case.max_ordinal if home.case else 0)
        )
        routing_facts = RoutingFacts(
            source=arrival.source,
            programme=referral.programme.value,
            kind=kind.value,
            municipality=where.code if where.in_region else None,
            place=where.place,
            urgency=referral.urgency.value,
            order_count=count,
            known=bool(home.team),
        )
        message = self._message(arrival, reading, referral, home, kind, where, count, routing_facts)
        routed = self._route(routing_facts, referral, home, reading.trouble, today)
        parked = self._parked(routed.parking, reading.trouble, where, arrival.received_at)
        requests, deliveries = self._asking.ask(
            routed.targets,
            case_id=home.id,
            recipients=home.case.recipients if home.case else (),
            programme=referral.programme,
            urgency=referral.urgency,
            now=arrival.received_at,
            late=held and bool(home.team),
        )
        return Decision(
            case_id=home.id,
            new_case=None if home.case else self._new_case(home, referral, where),
            change=CaseChange(
                municipality=where.code if where.in_region and not (home.case and home.case.municipality) else None,
                urgency=referral.urgency.value,
                order_end=orders.ends_at(order),
                order_over=orders.is_over(order, (*known_orders, *told_orders), self._vault.blind),
                secrecy=self._sealed_secrecy(home),
                orders=told_orders,
                max_ordinal=ordinal,
                shared=self._shared(home),
            ),
            keys=arrival.keys,
            kind=kind.value,
            state=(MessageState.PARKED if routed.parking and routed.parking.whole else MessageState.ROUTED).value,
            content=self._sealed_message(arrival.message_id, message, home.id, home.wrapped_key),
            versions=_versions(reading),
            routing=routed.decisions,
            deliveries=(*deliveries, *self._told(arrival, reading, parked)),
            requests=requests,
            parked=parked,
            suggestions=home.chosen.suggestions,
            warnings=(*_losses(reading), *(where.findings if where.in_region else ())),
            occurred_at=_occurred_at(referral),
            deadlines=orders.clocks_of(
                self._asking.clocks,
                order,
                case_id=home.id,
                team=routed.targets,
                programme=referral.programme,
                urgency=referral.urgency,
                now=arrival.received_at,
                recorded=home.case.recorded if home.case else {},
            ),
        )

    def _told(self, arrival: Arrival, reading: Reading, parked: Sequence[NewParked]) -> tuple[NewDelivery, ...]:
        """The source hears that its message waits: not every format's reply can say so (StUF Bv03)."""
        about = SourceMessage(arrival.message_id, arrival.source, reading.envelope.mapping)
        made = (self._telling.tell(about, "parked", one.id) for one in parked if one.whole)
        return tuple(one for one in made if one is not None)

    def _unmapped(self, arrival: Arrival, reading: Reading) -> Decision:
        """Kept as it came: no case and no content yet; a person mends the message or the mapping."""
        trouble = reading.trouble or Unmappable(ParkCause.MAPPING_ERROR)
        return Decision(
            case_id=None,
            new_case=None,
            change=CaseChange(),
            keys=(),
            kind=MessageKind.REFERRAL.value,
            state=MessageState.PARKED.value,
            content=None,
            versions=_versions(reading),
            routing=(self._waits(trouble.cause),),
            deliveries=(),
            requests=(),
            parked=(
                NewParked(
                    id=self._new_id(),
                    cause=trouble.cause,
                    owner=COORDINATOR,
                    findings=trouble.findings,
                    suggests=(),
                    next_alarm_at=arrival.received_at,
                ),
            ),
            suggestions=(),
            warnings=(),
        )

    def _household(self, arrival: Arrival, facts: Facts, referral: Referral) -> _Household:
        chosen = household.choose(arrival.programme, facts.matches)
        case = next((match for match in facts.matches if match.id == chosen.join), None)
        case_id = case.id if case else self._new_id()
        before = secrecy_of(self._vault, case) if case else Secrecy()
        return _Household(
            id=case_id,
            wrapped_key=case.wrapped_key if case else self._vault.new_key(case_id),
            case=case,
            chosen=chosen,
            before=before,
            secrecy=before.merge(referral, self._vault.blind),
            blind=self._vault.blind,
        )

    def _kind(self, referral: Referral, home: _Household) -> MessageKind:
        """A second message of the source's own case is an update, whatever it calls itself; an update of what nobody
        has got is a referral to whoever gets it."""
        if referral.kind is MessageKind.WITHDRAWAL:
            return MessageKind.WITHDRAWAL
        if home.team and (home.own or referral.kind is MessageKind.UPDATE):
            return MessageKind.UPDATE
        return MessageKind.REFERRAL

    def _where(self, referral: Referral, home: _Household, today: date) -> Resolution:
        return municipality.resolve(
            referral,
            self._directory,
            on=today,
            hides_address=home.hides_address,
            hides_person=home.hides_person,
        )

    def _message(
        self,
        arrival: Arrival,
        reading: Reading,
        referral: Referral,
        home: _Household,
        kind: MessageKind,
        where: Resolution,
        count: int,
        facts: RoutingFacts,
    ) -> CaseMessage:
        content = {
            name: getattr(referral, name)
            for name in type(referral).model_fields
            if name not in ("kind", "programme", "urgency", "phase", "occurred_at")
        }
        return CaseMessage(
            **content,
            message=MessageHeader(
                id=UUID(arrival.message_id),
                kind=kind,
                source=arrival.source,
                message_reference=reading.envelope.message_reference,
                source_case_reference=reading.envelope.source_case_reference,
                occurred_at=referral.occurred_at,
                received_at=arrival.received_at,
            ),
            case=CaseHeader(
                reference=home.id,
                region=self._region.id,
                programme=referral.programme,
                municipality=Municipality(code=where.code, name=where.name, rule=where.rule),
                urgency=referral.urgency,
                phase=referral.phase,
                order_count=count,
            ),
            remarks=self._eligibility.remarks(facts, referral),
        )

    # -- who

    def _route(
        self, facts: RoutingFacts, referral: Referral, home: _Household, trouble: Unmappable | None, today: date
    ) -> Routed:
        if trouble is not None:
            return self._waiting(trouble.cause)
        fresh = self._router.route(facts, today=today)
        if not home.team or (not home.own and fresh.parking is not None):
            return fresh  # as it would be without the match: the reply never reveals one
        gone = [side for side in (LEADING, DUO) if not any(role in side for _, role in home.team)]
        afresh = [pair for pair in fresh.targets for side in gone if pair[1] in side]
        current = CurrentTeam(
            municipality=home.case.municipality if home.case else None,
            recipients=(*home.team, *afresh),
            own=home.own,
            secret_move=municipality.secret_move(
                referral,
                home.case.municipality if home.case else None,
                self._directory,
                on=today,
                hides_address=home.hides_address,
                hides_person=home.hides_person,
            ),
        )
        return self._router.route(facts, today=today, current=current)

    def _waiting(self, cause: str) -> Routed:
        return Routed(
            targets=(),
            parking=Park(cause=cause, owner=COORDINATOR, suggests=(), whole=True),
            rule=cause,
            decisions=(self._waits(cause),),
        )

    def _waits(self, cause: str) -> RoutingDecision:
        text = self._region.causes.get(cause)
        return RoutingDecision(
            recipient=None,
            role="lead",
            outcome="park",
            rule=f"parked:{cause}",
            nl=text.nl if text else "Een mens moet eerst beslissen.",
            en=text.en if text else "A person must decide first.",
        )

    def _parked(
        self, parking: Park | None, trouble: Unmappable | None, where: Resolution, now: datetime
    ) -> tuple[NewParked, ...]:
        if parking is None:
            return ()
        findings = trouble.findings if trouble else (where.findings if where.cause == parking.cause else ())
        return (
            NewParked(
                id=self._new_id(),
                cause=parking.cause,
                owner=parking.owner,
                findings=findings,
                suggests=parking.suggests,
                next_alarm_at=now,
                whole=parking.whole,
            ),
        )

    # -- seals

    def _sealed_secrecy(self, home: _Household) -> bytes | None:
        if home.secrecy == home.before:
            return None
        return self._vault.seal(home.wrapped_key, home.secrecy.to_bytes(), owner=home.id, place=secrecy_at(home.id))

    def _shared(self, home: _Household) -> tuple[tuple[str, bytes], ...]:
        """What this message tells of secrets, for the cases that were joined to its case."""
        if home.case is None or home.secrecy == home.before:
            return ()
        new = [(each, secrecy_with(self._vault, each, home.secrecy)) for each in home.case.joined]
        return tuple((each.id, sealed) for each, sealed in new if sealed is not None)

    def _sealed_message(self, message_id: str, message: CaseMessage, case_id: str, wrapped_key: bytes) -> bytes:
        plain = message.model_dump_json(by_alias=True, exclude_none=True).encode()
        return self._vault.seal(wrapped_key, plain, owner=case_id, place=SealPlace("message", message_id, "content"))

    def _new_case(self, home: _Household, referral: Referral, where: Resolution) -> NewCase:
        return NewCase(
            programme=referral.programme.value,
            municipality=where.code if where.in_region else None,
            wrapped_key=home.wrapped_key,
        )


def _occurred_at(referral: Referral) -> datetime | None:
    """The incident; else what the source says happened in its own world."""
    incident = referral.trigger.incident
    return (incident.occurred_at if incident else None) or referral.occurred_at


def _versions(reading: Reading) -> str:
    """By which files it was made, and which paths of the source nobody read (paths, never values)."""
    return json.dumps({**reading.versions, "losses": list(reading.losses)}, sort_keys=True)


def _losses(reading: Reading) -> tuple[Finding, ...]:
    shown = reading.losses[:MOST_LOSSES]
    warnings = [
        _finding(path, "mapping:not-read", "Dit veld is niet overgenomen.", "This field was not taken over.")
        for path in shown
    ]
    if len(reading.losses) > len(shown):
        more = len(reading.losses) - len(shown)
        warnings.append(
            _finding(
                "message",
                "mapping:more-not-read",
                f"En nog {more} velden zijn niet overgenomen.",
                f"And {more} more fields were not taken over.",
            )
        )
    return tuple(warnings)


def _finding(place: str, rule: str, nl: str, en: str) -> Finding:
    return Finding(place=place, rule=rule, nl=nl, en=en)
