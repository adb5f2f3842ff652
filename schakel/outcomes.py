# SPDX-License-Identifier: EUPL-1.2
"""Says how an attempt to deliver ended: when to try again, when to leave a recipient alone, when a human is told."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import datetime
from typing import Final

from schakel.errors import PoisonDelivery, Tampered, TemporaryFailure
from schakel.operating import UNSIGNED
from schakel.records import Claimed, DeliveryOutcome, NewAlarm
from schakel.region import Region
from schakel.retry import breaker_open_until, next_attempt

COORDINATOR: Final = "coordinator"
STOPPED: Final = "hub-stopped"
LEFT_ALONE: Final = "left-alone"  # the recipient's breaker opened while the delivery waited for its place


class Outcomes:
    """Counts the failures of each recipient in a row, in this process; all else is a function of claim and error."""

    def __init__(self, *, region: Region, jitter: Callable[[], float]) -> None:
        """`jitter`: a number from 0 up to 1, anew at each call."""
        self._region = region
        self._jitter = jitter
        self._failures: defaultdict[str, int] = defaultdict(int)

    def reached(self, claimed: Claimed, how: str) -> DeliveryOutcome:
        """`how`: what the channel said, `delivered` or `notified`."""
        self._failures.pop(claimed.recipient, None)
        return DeliveryOutcome(id=claimed.id, token=claimed.token, event="notify" if how == "notified" else "deliver")

    def failed(self, claimed: Claimed, failure: TemporaryFailure, *, now: datetime) -> DeliveryOutcome:
        """By the region's schedule; after it the slow probe goes on and a human is told."""
        self._failures[claimed.recipient] += 1
        plan = next_attempt(
            claimed.attempts + 1,
            schedule=self._region.deadlines.retry,
            probe_every=self._region.deadlines.probe_every,
            now=now,
            retry_after=failure.retry_after,
            jitter=self._jitter(),
        )
        return DeliveryOutcome(
            id=claimed.id,
            token=claimed.token,
            event="fail",
            reason=failure.reason,
            next_at=plan.at,
            alarm=self._alarm_of(claimed, failure, exhausted=plan.exhausted),
            breaker_open_until=breaker_open_until(self._failures[claimed.recipient], now=now),
        )

    def _alarm_of(self, claimed: Claimed, failure: TemporaryFailure, *, exhausted: bool) -> NewAlarm | None:
        """At once for what no further attempt can mend; one per recipient."""
        if failure.reason == UNSIGNED:
            return self.alarm(claimed, UNSIGNED, _NO_SECRET, subject=claimed.recipient)
        return self.alarm(claimed, "delivery-failing", _FAILING) if exhausted else None

    def gone(self, claimed: Claimed, *, now: datetime) -> DeliveryOutcome:
        """410: one alarm per recipient, and a slow probe until the endpoint is back or an operator ends it."""
        self._failures[claimed.recipient] += 1
        return DeliveryOutcome(
            id=claimed.id,
            token=claimed.token,
            event="fail",
            reason="recipient-gone",
            next_at=now + self._region.deadlines.probe_every,
            alarm=self.alarm(claimed, "recipient-gone", _GONE, subject=claimed.recipient),
            breaker_open_until=breaker_open_until(self._failures[claimed.recipient], now=now, gone=True),
        )

    def poisoned(self, claimed: Claimed, poison: PoisonDelivery | Tampered) -> DeliveryOutcome:
        """Trying again cannot help: it is set aside for a person."""
        return DeliveryOutcome(
            id=claimed.id,
            token=claimed.token,
            event="park",
            reason=poison.reason if isinstance(poison, PoisonDelivery) else "tampered",
            alarm=self.cannot_be_made(claimed),
        )

    def let_go(self, claimed: Claimed, *, reason: str, now: datetime) -> DeliveryOutcome:
        """Nothing was sent: due again at once, and no attempt. A deploy is no crash; whoever is left alone gets no more
        attempts than its breaker lets through."""
        return DeliveryOutcome(
            id=claimed.id, token=claimed.token, event="fail", reason=reason, next_at=now, tried=False
        )

    def cannot_be_made(self, claimed: Claimed) -> NewAlarm:
        return self.alarm(claimed, "poison-delivery", _POISON)

    def alarm(self, claimed: Claimed, cause: str, text: tuple[str, str], *, subject: str | None = None) -> NewAlarm:
        """`text`: Dutch and English, with {name} and {number}."""
        partner = self._region.partner(claimed.recipient)
        name = partner.name if partner else claimed.recipient
        nl, en = text
        return NewAlarm(
            cause=cause,
            subject=subject or claimed.id,
            owner=COORDINATOR,
            nl=nl.format(name=name, number=claimed.number),
            en=en.format(name=name, number=claimed.number),
        )


_FAILING: Final = (
    "Bericht {number} komt niet aan bij {name}: alle geplande pogingen zijn mislukt. Bel de organisatie; wij blijven "
    "het langzaam proberen.",
    "Message {number} does not reach {name}: every planned attempt failed. Call the organisation; we keep trying "
    "slowly.",
)
_NO_SECRET: Final = (
    "Voor {name} is er geen webhook-geheim: zonder gaat er niets weg, en berichten wachten. Maak het met "
    "`schakel partners secret` en geef het aan de organisatie.",
    "There is no webhook secret for {name}: without one nothing goes out, and messages wait. Make it with "
    "`schakel partners secret` and hand it to the organisation.",
)
_GONE: Final = (
    "Het adres van {name} bestaat niet meer (410). Bel de organisatie; berichten wachten.",
    "The address of {name} is gone (410). Call the organisation; messages wait.",
)
_POISON: Final = (
    "Bericht {number} voor {name} kan niet worden gemaakt of verzonden en staat apart. Een beheerder moet kijken.",
    "Message {number} for {name} cannot be made or sent and is set aside. An operator must look.",
)
