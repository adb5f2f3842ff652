# SPDX-License-Identifier: EUPL-1.2
"""What a source hears back of its own message at turning points: how it stands and who has it; never a person.

A feedback is a delivery of its own (role `source`), with an *occasion* beside the message that it is about. It is made
in the transaction of the change that it tells of, and rendered from how things stand when it is first sent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Literal

from pydantic import AwareDatetime, Field

from schakel.message import Code, Frozen, MessageKind, Programme
from schakel.records import NewDelivery, SourceMessage, ToldSource
from schakel.region import DUO, LEADING, Partner, Region, TurningPoint

FEEDBACK: Final = "feedback@1"
MESSAGE: Final = "message"  # the occasion of a delivery that carries the message itself
ASKED_IN: Final = "asked"  # the same, for a partner that is asked in later; with the id of its request
SOURCE: Final = "source"
PLAIN: Final = "feedback-json"  # the representation where the region names none
OWN_MESSAGE: Final = frozenset({"parked", "released", "dropped"})
ANSWERED: Final = {"confirm": "confirmed", "decline": "declined"}

Occasion = Literal[TurningPoint, "parked", "released", "dropped"]
# What a source reads of a request's state: that somebody was asked to leave is between the teams.
AS_TOLD: Final = {"withdrawal-requested": "confirmed"}


class FeedbackMessage(Frozen):
    """Which message it is about, in the source's own references."""

    id: str
    kind: MessageKind | None = None
    message_reference: str | None = None
    source_case_reference: str | None = None
    received_at: AwareDatetime | None = None


class FeedbackParked(Frozen):
    cause: Code
    nl: str
    en: str


class FeedbackLine(Frozen):
    """How one of those who lead or walk along stands."""

    partner: str
    name: str
    role: str
    state: Literal[
        "asked", "received", "in-consideration", "confirmed", "declined", "withdrawn", "completed", "superseded"
    ]


class Feedback(Frozen):
    """Status only, `feedback@1`: the state of the source's message, why it waits, how lead and duo stand, and what the
    weighing decided (MDA++)."""

    schema_: Literal["feedback@1"] = Field(default=FEEDBACK, alias="schema")
    occasion: Occasion
    at: AwareDatetime
    message: FeedbackMessage
    programme: Programme
    state: Literal["routed", "parked", "dropped", "merged"]
    parked: FeedbackParked | None = None
    recipients: tuple[FeedbackLine, ...] = ()
    admission: Literal["reported", "triage", "admitted", "referred-back"] | None = None


def kind_of(occasion: str) -> str:
    """`lead-confirmed:<id of what happened>` → `lead-confirmed`."""
    return occasion.partition(":")[0]


def carries_case(occasion: str) -> bool:
    """The delivery carries the message itself."""
    return kind_of(occasion) in (MESSAGE, ASKED_IN)


class Telling:
    """Makes the deliveries that tell a source: only sources that the region says how to reach, and of turning points
    only where the region says that the source may know."""

    def __init__(self, *, region: Region, new_id: Callable[[], str]) -> None:
        self._region = region
        self._new_id = new_id

    def tell(self, source: SourceMessage, kind: Occasion, happened: str) -> NewDelivery | None:
        """`happened`: the id of what is told of; the same thing is never told twice. None: nobody to be reached."""
        partner = self._region.partner(source.source)
        if partner is None or partner.sends is None or partner.receives is None or not self._may_know(partner, kind):
            return None
        reached = partner.receives
        return NewDelivery(
            id=self._new_id(),
            recipient=partner.id,
            role=SOURCE,
            channel=reached.channel,
            mode=reached.mode,
            representation=reached.feedback.get(source.mapping, PLAIN),
            urgency="normal",
            request_id=None,
            occasion=f"{kind}:{happened}",
        )

    def answered(
        self, sources: Sequence[SourceMessage], role: str, event: str | None, happened: str
    ) -> tuple[ToldSource, ...]:
        """What each source of a case hears when a lead or a duo has confirmed or declined."""
        word = ANSWERED.get(event or "")
        side = "lead" if role in LEADING else "duo" if role in DUO else None
        if word is None or side is None:
            return ()
        return self.turned(sources, _KINDS[side, word], happened)

    def turned(self, sources: Sequence[SourceMessage], kind: TurningPoint, happened: str) -> tuple[ToldSource, ...]:
        """What each source of a case hears of a turning point in it, of its own last message."""
        made = ((one.message_id, self.tell(one, kind, happened)) for one in sources)
        return tuple(ToldSource(message_id, delivery) for message_id, delivery in made if delivery is not None)

    def _may_know(self, source: Partner, kind: Occasion) -> bool:
        """How its own message fares every source may know."""
        if kind in OWN_MESSAGE:
            return True
        rows = self._region.disclosure.feedback
        return any(kind in row.occasions and (not row.sources or source.id in row.sources) for row in rows)


_KINDS: Final[dict[tuple[str, str], TurningPoint]] = {
    ("lead", "confirmed"): "lead-confirmed",
    ("lead", "declined"): "lead-declined",
    ("duo", "confirmed"): "duo-confirmed",
    ("duo", "declined"): "duo-declined",
}
