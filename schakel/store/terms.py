# SPDX-License-Identifier: EUPL-1.2
"""What a store is told at its making: when alarms ring, how long rendered bytes stay, and the sentences it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

Sentences = Mapping[str, tuple[str, str]]  # cause → (Dutch, English)

DELIVERY_OVERDUE: Final = "delivery-overdue"
MAILBOX_UNREAD: Final = "mailbox-unread"
REFERENCE_CONFLICT: Final = "reference-conflict"
PAUSE_ENDED: Final = "pause-ended"
PAUSE_HOLDS_CRISIS: Final = "pause-holds-crisis"
CLOCK_WENT_BACK: Final = "clock-went-back"

# What the store says by itself, where the region's files have no sentence for the cause.
OWN_SENTENCES: Final[Sentences] = {
    DELIVERY_OVERDUE: (
        "Een bericht is nog niet bij de ontvanger aangekomen; bel de ontvanger.",
        "A message has not reached its recipient yet; call the recipient.",
    ),
    MAILBOX_UNREAD: (
        "Een partner haalt zijn berichten niet op; bel de partner.",
        "A partner does not fetch its messages; call the partner.",
    ),
    REFERENCE_CONFLICT: (
        "Een bron gebruikt een berichtkenmerk opnieuw met andere inhoud; bel de bron.",
        "A source used a message reference again with other content; call the source.",
    ),
    PAUSE_ENDED: (
        "De pauze van een partner is afgelopen: wat wachtte gaat weer op weg. Kijk of het aankomt (schakel queues).",
        "The pause of a partner is over: what waited goes out again. See whether it arrives (schakel queues).",
    ),
    PAUSE_HOLDS_CRISIS: (
        "Voor een partner die op pauze staat wacht een crisis. Bel de partner, of hef de pauze op "
        "(schakel queues resume).",
        "A crisis waits for a partner that is paused. Call the partner, or end the pause (schakel queues resume).",
    ),
    CLOCK_WENT_BACK: (
        "De klok van een machine is teruggezet. Wat wachtte wordt nu weer geprobeerd; kijk of de klok nu goed staat "
        "(schakel doctor).",
        "The clock of a machine went back. What waited is tried again now; see whether the clock is right "
        "(schakel doctor).",
    ),
    "poison-delivery": (
        "Een bezorging is drie keer vastgelopen en wacht op een besluit.",
        "A delivery crashed three times and waits for a decision.",
    ),
}
_UNNAMED: Final = ("Iets wacht op een besluit van een mens.", "Something waits for a person's decision.")


@dataclass(frozen=True, slots=True)
class AlarmTimes:
    """After how long a human is told, and how often again (`regions/*/deadlines.yaml`)."""

    parked_every: timedelta
    crisis_delivery_after: timedelta
    delivery_after: timedelta
    mailbox_after: timedelta

    def delivery(self, urgency: str) -> timedelta:
        return self.crisis_delivery_after if urgency == "crisis" else self.delivery_after


@dataclass(frozen=True, slots=True)
class Keeping:
    """How long after they are final things stay (`regions/*/retention.yaml`)."""

    rendered: timedelta = timedelta(hours=24)
    content_after_close: timedelta = timedelta(days=365)
    ledger: timedelta = timedelta(days=1826)  # without content, after the case was closed
    audit: timedelta = timedelta(days=1826)


@dataclass(frozen=True, slots=True)
class Terms:
    """All of it, as every socket of the store reads it."""

    alarms: AlarmTimes
    causes: Sentences = field(default_factory=dict)
    keeping: Keeping = Keeping()
    owner: str = "coordinator"  # of what the store parks or raises by itself
    lease: timedelta = timedelta(seconds=15)

    def sentence(self, cause: str) -> tuple[str, str]:
        return self.causes.get(cause) or OWN_SENTENCES.get(cause) or _UNNAMED
