# SPDX-License-Identifier: EUPL-1.2
"""The door for answers in a partner's own format: choose the format, read, map to an answer, hand it to the ledger.

Whatever can be read is kept: what cannot be mapped (an outcome code nobody knows) is kept and parked. A document that
speaks of one delivery only (StUF Bv03, Fo01, Fo03) finishes that delivery, or gives it back. Plain JSON answers are the
noun itself and need no format.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, Protocol

from schakel.errors import Finding, Malformed, Unmappable, UnsupportedFormat
from schakel.intake import check_sender
from schakel.ledger_records import AnswerOutcome
from schakel.likeness import LooksLike, Wanted
from schakel.log import Log
from schakel.message import ANSWER, Answer
from schakel.ports import AnswerFormat, DeliveryStore, DeliveryWord, Envelope
from schakel.records import Claimed, DeliveryOutcome, NewAlarm
from schakel.region import Partner, Region
from schakel.rendering import Mapper
from schakel.retry import next_attempt

COORDINATOR: Final = "coordinator"
GIVEN_BACK: Final = "delivery-given-back"
ToAnswer = Callable[[Mapping[str, Any]], Answer]


class Ledger(Protocol):
    """What answering asks of `schakel.involvement.Involvement`."""

    async def answer(
        self, partner: Partner, answer: Answer, *, now: datetime, if_version: int | None = None
    ) -> AnswerOutcome: ...
    async def unread(
        self, partner: Partner, reference: str, body: bytes, media_type: str, trouble: Unmappable, *, now: datetime
    ) -> AnswerOutcome: ...


class Answering:
    def __init__(
        self,
        *,
        formats: Mapping[str, AnswerFormat],
        mappings: Mapping[str, Mapper],
        to_answer: ToAnswer,
        involvement: Ledger,
        deliveries: DeliveryStore,
        region: Region,
        looks_like: LooksLike,
        log: Log,
    ) -> None:
        """`formats`: those in which somebody can answer. `to_answer` raises Unmappable("contradiction")."""
        self._formats = formats
        self._mappings = mappings
        self._to_answer = to_answer
        self._involvement = involvement
        self._deliveries = deliveries
        self._region = region
        self._looks_like = looks_like
        self._log = log

    def formats_of(self, partner: Partner) -> tuple[AnswerFormat, ...]:
        """The formats in which this partner may answer, beside plain JSON."""
        names = partner.receives.answers if partner.receives else ()
        return tuple(self._formats[name] for name in names if name in self._formats)

    async def receive(
        self, partner: Partner, body: bytes, media_type: str, received_at: datetime, if_version: int | None = None
    ) -> tuple[Envelope, AnswerOutcome]:
        """Takes one answer of an authenticated partner; returns after COMMIT. `if_version`: see Involvement.answer.

        Raises Refusal: the partner is to be told. What fits no request, or says what nobody knows, is kept."""
        envelope = self._envelope(partner, body, media_type)
        check_sender(partner, envelope)
        if envelope.word is not None:
            return envelope, await self._of_delivery(partner, envelope.word, received_at)
        try:
            answer = self._read(envelope, received_at)
        except Unmappable as trouble:
            reference = envelope.source_case_reference
            outcome = await self._involvement.unread(partner, reference, body, media_type, trouble, now=received_at)
        else:
            outcome = await self._involvement.answer(partner, answer, now=received_at, if_version=if_version)
        return envelope, outcome

    def _envelope(self, partner: Partner, body: bytes, media_type: str) -> Envelope:
        """As the partner's format reads it. Raises Malformed and UnsupportedFormat, saying what was expected."""
        own = self.formats_of(partner)
        chosen = self._format(own, body, media_type)
        try:
            return chosen.read_answer(body)
        except (Malformed, UnsupportedFormat) as refusal:
            raise wanted_as_answer(own).explain(refusal, body, self._looks_like, tried=chosen.name) from None

    def _format(self, own: tuple[AnswerFormat, ...], body: bytes, media_type: str) -> AnswerFormat:
        essence = media_type.partition(";")[0].strip().lower()
        for each in own:
            if essence in each.media_types and each.recognises(body):
                return each
        raise wanted_as_answer(own).explain(UnsupportedFormat(), body, self._looks_like)

    def _read(self, envelope: Envelope, now: datetime) -> Answer:
        """Raises Unmappable."""
        mapper = self._mappings.get(envelope.mapping)
        if mapper is None:
            raise Unmappable("mapping-error", Finding("envelope", "mapping:none", _NO_MAPPING_NL, _NO_MAPPING_EN))
        answer = self._to_answer(mapper.apply(envelope.document, now=now).document)
        if envelope.findings:
            raise Unmappable("invariant", *envelope.findings)
        return answer

    # -- a word on a delivery

    async def _of_delivery(self, partner: Partner, word: DeliveryWord, now: datetime) -> AnswerOutcome:
        """An unknown reference changes nothing: whoever made it up learns nothing, and nothing waits for it."""
        delivery = await self._deliveries.delivery(partner.id, word.delivery_id)
        if delivery is None:
            self._log.warning("delivery.word-unmatched", partner=partner.id, outcome=word.outcome, reason=word.reason)
            return AnswerOutcome("unmatched", None)
        if word.outcome == "received":
            state = await self._deliveries.receive(partner.id, delivery.number, now=now, how=word.reason)
        else:
            state = await self._deliveries.give_back(partner.id, self._given_back(delivery, word, now), now=now)
        self._log.info("delivery.word", delivery=delivery.id, outcome=word.outcome, reason=word.reason, state=state)
        return AnswerOutcome("recorded", None)

    def _given_back(self, delivery: Claimed, word: DeliveryWord, now: datetime) -> DeliveryOutcome:
        """What failed over there is tried again by the schedule; what was refused waits for a person."""
        again = word.outcome == "failed"
        plan = next_attempt(
            delivery.attempts + 1,
            schedule=self._region.deadlines.retry,
            probe_every=self._region.deadlines.probe_every,
            now=now,
        )
        name = partner.name if (partner := self._region.partner(delivery.recipient)) else delivery.recipient
        nl, en = _AGAIN if again else _REFUSED
        return DeliveryOutcome(
            id=delivery.id,
            token="",
            event="fail" if again else "park",
            reason=word.reason,
            next_at=plan.at if again else None,
            alarm=NewAlarm(
                cause=GIVEN_BACK,
                subject=delivery.id,
                owner=COORDINATOR,
                nl=nl.format(name=name, number=delivery.number, reason=word.reason),
                en=en.format(name=name, number=delivery.number, reason=word.reason),
            ),
        )


def wanted_as_answer(formats: tuple[AnswerFormat, ...]) -> Wanted:
    """What may come as an answer: plain JSON always, and the partner's own formats."""
    return Wanted(formats, plain=(ANSWER, "application/json"), as_answer=True)


_NO_MAPPING_NL: Final = "Voor dit soort antwoord is er geen mapping."
_NO_MAPPING_EN: Final = "There is no mapping for this kind of answer."
_AGAIN: Final = (
    "{name} meldt achteraf dat bericht {number} daar niet kon worden verwerkt ({reason}). Wij sturen het opnieuw.",
    "{name} says afterwards that message {number} could not be processed there ({reason}). We send it again.",
)
_REFUSED: Final = (
    "{name} weigert bericht {number} ({reason}); opnieuw sturen helpt niet. Bel de organisatie nu zelf.",
    "{name} refuses message {number} ({reason}); sending again does not help. Call the organisation yourself now.",
)
