# SPDX-License-Identifier: EUPL-1.2
"""Shows what each recipient would get of a message, by the hub's own way from bytes to bytes, keeping nothing.

The message goes through the real intake, over a store that remembers the decision and nothing else: no case is known,
so it is decided as the first of its household.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import cast

from schakel.errors import Finding, NotFound, PoisonDelivery, Refusal
from schakel.feedback import MESSAGE
from schakel.intake import AcceptStore, Intake
from schakel.ports import Decide, Envelope, Receipt
from schakel.records import Accepted, Arrival, Claimed, Decision, Facts, NewDelivery
from schakel.region import Partner, Receiving, Region
from schakel.rendering import Renderer, View


@dataclass(frozen=True, slots=True)
class Shown:
    """What one recipient would get, and why. `view` None: it cannot be made, and `trouble` says why."""

    recipient: str
    name: str
    role: str
    outcome: str  # "deliver"; of a view that was only asked for: "withhold" with the reason, or "not-routed"
    rule: str
    nl: str
    en: str
    channel: str
    mode: str
    representation: str
    view: View | None
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class Preview:
    """What the hub would say to the source, what it would make of the message, and what would go out."""

    envelope: Envelope
    receipt: Receipt
    shown: tuple[Shown, ...]


class Nowhere:
    """The part of a store that the door needs. Remembers one decision in memory, and forgets it with itself."""

    def __init__(self) -> None:
        self.decided: tuple[Arrival, Decision] | None = None

    async def known(self, source: str, references: Sequence[str]) -> frozenset[str]:
        return frozenset()

    async def accept_many(self, arrivals: Sequence[Arrival], decide: Decide) -> list[Accepted | Refusal]:
        outcomes: list[Accepted | Refusal] = []
        for arrival in arrivals:
            decision = decide(arrival, Facts(matches=()))
            self.decided = (arrival, decision)
            cause = next((parked.cause for parked in decision.parked if parked.whole), None)
            outcomes.append(
                Accepted(
                    message_id=arrival.message_id,
                    state=decision.state,
                    duplicate=False,
                    routing=decision.routing,
                    warnings=decision.warnings,
                    parked_cause=cause,
                    bells=(),
                )
            )
        return outcomes


class Previewer:
    """`door` makes an intake over a store."""

    def __init__(self, *, region: Region, renderer: Renderer, door: Callable[[AcceptStore], Intake]) -> None:
        self._region = region
        self._renderer = renderer
        self._door = door

    async def show(
        self,
        source: Partner,
        body: bytes,
        media_type: str,
        now: datetime,
        *,
        also: tuple[str, str] | None = None,
        representation: str | None = None,
    ) -> Preview:
        """`also`: a (partner id, role) whose view is made too, routed or not. `representation`: for everybody, in place
        of the one in the region's file. Raises Refusal as the door would, and NotFound when there is no such partner or
        the message is not mapped, so that nobody would get it."""
        store = Nowhere()
        envelope, receipt = await self._door(cast(AcceptStore, store)).receive(source, body, media_type, now)
        assert store.decided is not None
        arrival, decision = store.decided
        deliveries = [each for each in decision.deliveries if each.occasion == MESSAGE]
        if also is not None:
            deliveries.append(self._as_if(decision, *also))
        if representation is not None:
            deliveries = [replace(each, representation=representation) for each in deliveries]
        return Preview(
            envelope=envelope,
            receipt=receipt,
            shown=tuple(self._shown(arrival, decision, each, at) for at, each in enumerate(deliveries, start=1)),
        )

    def _as_if(self, decision: Decision, partner_id: str, role: str) -> NewDelivery:
        partner = self._region.partner(partner_id)
        if partner is None or decision.content is None:
            raise NotFound(_nobody(partner_id if partner is None else "message"))
        reached = partner.receives or Receiving()
        return NewDelivery(
            id="preview",
            recipient=partner.id,
            role=role,
            channel=reached.channel,
            mode=reached.mode,
            representation=reached.representation,
            urgency="normal",
            request_id=None,
        )

    def _shown(self, arrival: Arrival, decision: Decision, delivery: NewDelivery, number: int) -> Shown:
        partner = self._region.partner(delivery.recipient)
        why = next(
            (one for one in decision.routing if (one.recipient, one.role) == (delivery.recipient, delivery.role)), None
        )
        shown = Shown(
            recipient=delivery.recipient,
            name=partner.name if partner else delivery.recipient,
            role=delivery.role,
            outcome=why.outcome if why else "not-routed",
            rule=why.rule if why else "-",
            nl=why.nl if why else "Niet gerouteerd; alleen getoond.",
            en=why.en if why else "Not routed; only shown.",
            channel=delivery.channel,
            mode=delivery.mode,
            representation=delivery.representation,
            view=None,
        )
        try:
            claimed = first_attempt(arrival, decision, delivery, number)
            return replace(shown, view=self._renderer.render(claimed, now=arrival.received_at))
        except PoisonDelivery as error:
            return replace(shown, trouble=error.reason)


def first_attempt(arrival: Arrival, decision: Decision, delivery: NewDelivery, number: int) -> Claimed:
    """The delivery as a worker would hold it, at its first attempt."""
    assert decision.case_id is not None
    assert decision.new_case is not None
    assert decision.content is not None
    request = next((one for one in decision.requests if one.id == delivery.request_id), None)
    return Claimed(
        id=delivery.id,
        token="",
        recipient=delivery.recipient,
        role=delivery.role,
        number=number,
        channel=delivery.channel,
        mode=delivery.mode,
        representation=delivery.representation,
        urgency=delivery.urgency,
        late=delivery.late,
        held=0,
        attempts=0,
        crashes=0,
        created_at=arrival.received_at,
        message_id=arrival.message_id,
        case_id=decision.case_id,
        case_reference=request.case_reference if request else "PREVIEW",
        request_reference=request.reference if request else None,
        request_due_at=request.due_at if request else None,
        programme=decision.new_case.programme,
        content=decision.content,
        wrapped_key=decision.new_case.wrapped_key,
        secrecy=decision.change.secrecy,
        secrecy_version=0,
        rendered=None,
    )


def _nobody(place: str) -> Finding:
    return Finding(
        place=place,
        rule="preview:nobody",
        nl="Deze partner is er niet, of niemand zou dit bericht krijgen.",
        en="There is no such partner, or nobody would get this message.",
    )
