# SPDX-License-Identifier: EUPL-1.2
"""The door: choose a format, read, map, seal, keep in one transaction, then say who gets it and why.

Whatever can be read is kept: what cannot be mapped is accepted and parked, because behind it is a household. Whoever
comes while a commit is under way shares the next one; when too many wait, the door says so instead of promising.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, Protocol

from schakel.acts.rerouting import Rerouter, Settling
from schakel.batching import Batcher
from schakel.decision import Decider, Reading
from schakel.errors import (
    Conflict,
    Finding,
    Forbidden,
    Malformed,
    NotFound,
    Refusal,
    Unacceptable,
    Unmappable,
    UnsupportedFormat,
)
from schakel.failpoints import Failpoint, hit
from schakel.feedback import Occasion, Telling
from schakel.likeness import LooksLike, Wanted
from schakel.log import Log
from schakel.message import Referral
from schakel.ports import AdminStore, DecideParked, Envelope, Format, IntakeStore, Notice, Receipt, Vault
from schakel.records import Accepted, Arrival, Decision, Facts, ParkedFacts, Sealed, SealPlace
from schakel.region import Partner, Region
from schakel.release import Releaser
from schakel.rendering import Mapper
from schakel.routing import for_sender

BATCH: Final = 200  # arrivals in one transaction
WAIT_A_MOMENT: Final = 2  # seconds; Retry-After when too many wait
ToReferral = Callable[[Mapping[str, Any]], Referral]


class AcceptStore(IntakeStore, AdminStore, Protocol):
    """The two sockets that the door works with; one engine gives both."""


class Intake:
    def __init__(
        self,
        *,
        store: AcceptStore,
        formats: Mapping[str, Format],
        mappings: Mapping[str, Mapper],
        to_referral: ToReferral,
        decider: Decider,
        releaser: Releaser,
        rerouter: Rerouter,
        region: Region,
        vault: Vault,
        new_id: Callable[[], str],
        waiting_limit: int,
        looks_like: LooksLike,
        log: Log,
    ) -> None:
        """`to_referral` makes the noun of a mapped document and raises Unmappable("contradiction"); `looks_like` tells
        what came, when that is no document of a partner's own format."""
        self._store = store
        self._formats = formats
        self._mappings = mappings
        self._to_referral = to_referral
        self._decider = decider
        self._releaser = releaser
        self._rerouter = rerouter
        self._region = region
        self._vault = vault
        self._new_id = new_id
        self._waiting_limit = waiting_limit
        self._looks_like = looks_like
        self._log = log
        self._telling = Telling(region=region, new_id=new_id)
        self._accepting: Batcher[tuple[Arrival, Reading], Accepted | Refusal] = Batcher(self._accept, most=BATCH)

    async def receive(
        self, partner: Partner, body: bytes, media_type: str, received_at: datetime
    ) -> tuple[Envelope, Receipt]:
        """Accepts one message of an authenticated partner; returns after COMMIT.

        Raises Refusal: nothing was kept as accepted, and the sender is to be told."""
        if partner.sends is None:
            raise Forbidden()
        if self._accepting.waiting >= self._waiting_limit:
            raise Unacceptable(
                _finding("store", "intake:too-many-wait", _CROWD_NL, _CROWD_EN), retry_after=WAIT_A_MOMENT
            )
        envelope = self._envelope(partner, body, media_type)
        check_sender(partner, envelope)
        if envelope.overtaken_by:
            await self._check_version(partner.id, envelope)
        reading = self._read(partner.id, envelope, received_at)
        arrival = self._arrival(reading, body, media_type, received_at)
        outcome = await self._accepting.put((arrival, reading))
        if isinstance(outcome, Refusal):
            self._log.warning("intake.refused", partner=partner.id, format=envelope.format, status=outcome.status)
            raise outcome
        self._log.info(
            "intake.accepted",
            partner=partner.id,
            format=envelope.format,
            message=outcome.message_id,
            state=outcome.state,
            cause=outcome.parked_cause,
            outcome="duplicate" if outcome.duplicate else "new",
        )
        return envelope, self._receipt(outcome)

    async def _check_version(self, source: str, envelope: Envelope) -> None:
        """A version that comes for the first time after a newer one would take the newer one's place with whoever has
        it. Raises Conflict. Two versions in the very same moment are not told apart; the source sends them in order."""
        own = blind_reference(self._vault, source, envelope.message_reference)
        newer = [blind_reference(self._vault, source, reference) for reference in envelope.overtaken_by]
        known = await self._store.known(source, [own, *newer])
        if known and own not in known:
            raise Conflict(_finding("version", "reference:overtaken", _OVERTAKEN_NL, _OVERTAKEN_EN))

    # -- reading

    def _envelope(self, partner: Partner, body: bytes, media_type: str) -> Envelope:
        """As the partner's format reads it. Raises Malformed and UnsupportedFormat, saying what was expected."""
        names = partner.sends.formats if partner.sends else ()
        own = tuple(self._formats[name] for name in names if name in self._formats)
        chosen = self._format(own, body, media_type)
        try:
            return chosen.read(body)
        except (Malformed, UnsupportedFormat) as refusal:
            raise Wanted(own).explain(refusal, body, self._looks_like, tried=chosen.name) from None

    def _format(self, own: tuple[Format, ...], body: bytes, media_type: str) -> Format:
        """Among the formats of this media type the first that recognises the bytes."""
        essence = media_type.partition(";")[0].strip().lower()
        for each in own:
            if essence in each.media_types and each.recognises(body):
                return each
        raise Wanted(own).explain(UnsupportedFormat(), body, self._looks_like)

    def _read(self, source: str, envelope: Envelope, now: datetime) -> Reading:
        """Maps; what cannot be mapped keeps its trouble, to be parked with it. `now` is the time of receipt."""
        mapper = self._mapper(source, envelope.mapping)
        if mapper is None:
            trouble = Unmappable("mapping-error", _finding("envelope", "mapping:none", _NO_MAPPING_NL, _NO_MAPPING_EN))
            return Reading(source=source, envelope=envelope, referral=None, trouble=trouble)
        try:
            mapped = mapper.apply(envelope.document, now=now)
            referral = self._to_referral(mapped.document)
        except Unmappable as trouble:
            return Reading(source=source, envelope=envelope, referral=None, trouble=trouble)
        broken = Unmappable("invariant", *envelope.findings) if envelope.findings else None
        return Reading(
            source=source,
            envelope=envelope,
            referral=referral,
            trouble=broken,
            losses=mapped.losses,
            versions=mapped.versions,
        )

    def _mapper(self, source: str, asked: str) -> Mapper | None:
        """The source's own mapping where the region names one in this place, else the format's."""
        partner = self._region.partner(source)
        own = partner.sends.mappings if partner and partner.sends else ()
        named = (self._mappings.get(name) for name in own)
        return next((each for each in named if each and each.replaces == asked), self._mappings.get(asked))

    def _arrival(self, reading: Reading, body: bytes, media_type: str, received_at: datetime) -> Arrival:
        message_id = self._new_id()
        wrapped = self._vault.new_key(message_id)
        source, envelope = reading.source, reading.envelope
        return Arrival(
            message_id=message_id,
            source=source,
            # a source may name people in its own references, and a plain digest lets content be guessed: keyed hashes
            message_reference=blind_reference(self._vault, source, envelope.message_reference),
            source_case_reference=self._vault.blind(
                "source-case-reference", source, envelope.source_case_reference
            ).hex(),
            digest=self._vault.blind("content-digest", source, envelope.digest.hex()),
            format=reading.envelope.format,
            media_type=media_type,
            received_at=received_at,
            programme=self._decider.programme(reading),
            keys=self._decider.keys(reading),
            raw=Sealed(
                wrapped_key=wrapped, data=self._vault.seal(wrapped, body, owner=message_id, place=_raw_at(message_id))
            ),
            raw_erase_at=received_at + self._region.retention.raw,
        )

    # -- keeping

    async def _accept(self, batch: Sequence[tuple[Arrival, Reading]]) -> list[Accepted | Refusal]:
        readings = {arrival.message_id: reading for arrival, reading in batch}

        def decide(arrival: Arrival, facts: Facts) -> Decision:
            return self._decider.decide(arrival, facts, readings[arrival.message_id])

        hit(Failpoint.INTAKE_BEFORE_ACCEPT)
        outcomes = await self._store.accept_many([arrival for arrival, _ in batch], decide)
        hit(Failpoint.INTAKE_AFTER_ACCEPT)
        return outcomes

    def _receipt(self, accepted: Accepted) -> Receipt:
        return Receipt(
            message_id=accepted.message_id,
            state=accepted.state,
            duplicate=accepted.duplicate,
            notices=tuple(
                Notice(
                    recipient=self._name(one.recipient),
                    role=one.role,
                    outcome=one.outcome,
                    rule=one.rule,
                    nl=one.nl,
                    en=one.en,
                )
                for one in for_sender(accepted.routing)
            ),
            warnings=accepted.warnings,
            parked_cause=accepted.parked_cause,
        )

    def _name(self, partner_id: str | None) -> str:
        partner = self._region.partner(partner_id) if partner_id else None
        return partner.name if partner else partner_id or "-"

    # -- a person's decision on what is parked

    async def release(self, parked_id: str, *, to: Sequence[str], by: str, reason: str, now: datetime) -> Accepted:
        """To the partners named (ids, or `id:role` where a case waits for a team); the local team comes along where the
        parking of a message suggests it.

        Raises NotFound (nothing open of that id) and Refusal naming the rule."""
        partners = [self._known(name.partition(":")[0]) for name in to]

        def decide(facts: ParkedFacts) -> Decision:
            return self._releaser.release(facts, partners, now=now)

        return await self._settle(parked_id, Settling("release", to, by, reason, now), decide)

    async def retry(self, parked_id: str, *, by: str, reason: str, now: datetime) -> Accepted:
        """Reads, maps and routes anew, as at the time of receipt; what parks again stays parked with new findings."""

        def decide(facts: ParkedFacts) -> Decision:
            arrival = facts.arrival
            if not arrival.raw.data:
                raise Refusal(_finding("parked", "retry:erased", _ERASED_NL, _ERASED_EN), status=410)
            body = self._vault.open(
                arrival.raw.wrapped_key,
                arrival.raw.data,
                owner=arrival.message_id,
                place=_raw_at(arrival.message_id),
            )
            envelope = self._formats[arrival.format].read(body)
            reading = self._read(arrival.source, envelope, arrival.received_at)
            again = replace(arrival, keys=self._decider.keys(reading), programme=self._decider.programme(reading))
            return self._decider.decide(again, facts.facts, reading, held=True)

        return await self._settle(parked_id, Settling("retry", (), by, reason, now), decide)

    async def drop(self, parked_id: str, *, by: str, reason: str, now: datetime) -> Accepted:
        """Ends it without delivery; the source sees so in the status."""
        return await self._settle(parked_id, Settling("drop", (), by, reason, now), None)

    async def _settle(self, parked_id: str, settling: Settling, decide: DecideParked | None) -> Accepted:
        kind: Occasion = "dropped" if settling.event == "drop" else "released"
        settled = await self._store.settle_parked(
            parked_id,
            settling.event,
            decide,
            by=settling.by,
            reason=settling.reason,
            now=settling.now,
            tell=lambda source: self._telling.tell(source, kind, parked_id),
            decide_case=lambda row, case: self._rerouter.settle(settling, row, case),
        )
        if settled is None:
            raise NotFound()
        self._log.info("parked.settled", parked=parked_id, outcome=settling.event, state=settled.state)
        return settled

    def _known(self, partner_id: str) -> Partner:
        partner = self._region.partner(partner_id)
        if partner is None:
            raise Refusal(_finding("to", "release:unknown-partner", _UNKNOWN_NL, _UNKNOWN_EN))
        return partner


def blind_reference(vault: Vault, source: str, reference: str) -> str:
    """What the store knows a message by instead of its source's own reference."""
    return vault.blind("message-reference", source, reference).hex()


def check_sender(partner: Partner, envelope: Envelope) -> None:
    """The OIN in the document is the partner's own, or one it is configured to forward for. Raises Forbidden."""
    oin = envelope.sender_oin
    allowed = (*partner.oins, *(partner.sends.forwards_for if partner.sends else ()))
    if oin is not None and oin not in allowed:
        raise Forbidden(_finding("sender", "sender:oin-of-partner", _SENDER_NL, _SENDER_EN))


def _raw_at(message_id: str) -> SealPlace:
    return SealPlace("raw_referral", message_id, "sealed")


def _finding(place: str, rule: str, nl: str, en: str) -> Finding:
    return Finding(place=place, rule=rule, nl=nl, en=en)


_OVERTAKEN_NL: Final = "Een nieuwere versie van deze melding is al aangenomen."
_OVERTAKEN_EN: Final = "A newer version of this message was accepted already."
_CROWD_NL: Final = "Er wachten te veel berichten; probeer het zo weer."
_CROWD_EN: Final = "Too many messages wait; try again in a moment."
_NO_MAPPING_NL: Final = "Voor dit soort bericht is er geen mapping."
_NO_MAPPING_EN: Final = "There is no mapping for this kind of message."
_SENDER_NL: Final = "De afzender in het bericht hoort niet bij deze partner."
_SENDER_EN: Final = "The sender in the message does not belong to this partner."
_UNKNOWN_NL: Final = "Deze partner is er in deze regio niet."
_UNKNOWN_EN: Final = "There is no such partner in this region."
_ERASED_NL: Final = "De oorspronkelijke bytes zijn na hun termijn gewist; vraag de bron opnieuw te sturen."
_ERASED_EN: Final = "The original bytes were erased after their term; ask the source to send again."
