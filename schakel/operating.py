# SPDX-License-Identifier: EUPL-1.2
"""The values of running the hub that cross the store's sockets: queues, pauses, deliveries an operator acts on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Final

UNSIGNED: Final = "no-signing-secret"  # why a webhook is not sent, and the cause of the alarm about it
LONGEST_PAUSE: Final = timedelta(days=7)  # whoever still needs it then looks again, and says so


@dataclass(frozen=True, slots=True)
class Pause:
    """A partner to which nothing is sent until `until`, because a named person said so."""

    partner: str
    by: str
    reason: str
    paused_at: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Queue:
    """What waits for one partner, and how it takes what it gets."""

    partner: str
    waiting: int = 0  # to be sent, or being sent
    notified: int = 0  # the partner knows of it and has not fetched it
    parked: int = 0  # set aside for a person
    oldest: datetime | None = None  # since when the oldest of those waits
    breaker_open_until: datetime | None = None  # one probe goes out then
    last_success: datetime | None = None
    last_reason: str | None = None  # why the last attempt of what still waits did not succeed; machine name
    overdue: int = 0  # requests whose answer is late
    pause: Pause | None = None


@dataclass(frozen=True, slots=True)
class Backlog:
    """Everything that waits, at one moment."""

    queues: tuple[Queue, ...]  # of every partner that ever got something, or is paused
    parked_messages: int  # messages that wait for a person and went nowhere
    alarms_open: int
    alarms_undelivered: int  # open, and no human was reached yet
    audit_unlinked: int  # rows that are not in the chain yet
    audit_unlinked_since: datetime | None


@dataclass(frozen=True, slots=True)
class Selection:
    """Which deliveries that have not arrived an operator means; None leaves nothing out."""

    partner: str | None = None
    reason: str | None = None  # of the last attempt, or of its parking
    since: datetime | None = None  # made at or after


@dataclass(frozen=True, slots=True)
class Stuck:
    """A delivery that waits to be sent, or is set aside for a person."""

    id: str
    partner: str
    number: int
    state: str  # "waiting" or "parked"
    reason: str  # of the last attempt or of its parking; "": not tried yet
    attempts: int
    created_at: datetime
    next_at: datetime


@dataclass(frozen=True, slots=True)
class Progress:
    """How one delivery of a case is under way."""

    id: str
    message_id: str
    partner: str
    role: str
    number: int
    state: str
    attempts: int
    last_reason: str | None
    next_at: datetime
    paused_until: datetime | None


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A data key as it lies in the database, with what it belongs to."""

    table: str
    owner: str
    wrapped: bytes


@dataclass(frozen=True, slots=True)
class Erased:
    """How many of each class went, or would go, because their term is over (`regions/*/retention.yaml`)."""

    raw: int = 0  # as they came in
    rendered: int = 0  # as they went out
    cases: int = 0  # their content, with their key
    strays: int = 0  # messages and answers that belong to no case
    ledgers: int = 0  # all that is known of a case, or of a stray
    audit: int = 0  # rows
    spared: int = 0  # past their term, and not final: somebody must act first

    @property
    def total(self) -> int:
        """Without what was spared."""
        return self.raw + self.rendered + self.cases + self.strays + self.ledgers + self.audit


@dataclass(frozen=True, slots=True)
class CommitSizes:
    """How many pieces of work shared a commit in this process: a histogram. `counts`: per bound, and above the last."""

    bounds: tuple[int, ...]
    counts: tuple[int, ...]
    total: int  # pieces, over all commits

    def buckets(self) -> list[tuple[str, int]]:
        """(upper bound, how many commits were of this size or smaller), the last without bound."""
        names = [f"{float(bound)}" for bound in self.bounds] + ["+Inf"]
        return list(zip(names, accumulate(self.counts), strict=True))
