# SPDX-License-Identifier: EUPL-1.2
"""A machine's clock that went back: no wait that the hub set itself may last longer than it was meant to.

What people set (the end of a pause, a deadline) is a moment of the world and stays. What the hub set by a clock that
was ahead is brought back: leases and alarms to their own length, what waits to be tried again to now.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from schakel.records import NewAlarm
from schakel.states import Role
from schakel.store.alarms import raise_alarm
from schakel.store.db import Db
from schakel.store.events import Author, note
from schakel.store.rows import maybe_moment, text
from schakel.store.terms import CLOCK_WENT_BACK, Terms

NOTICED: Final = timedelta(minutes=1)  # less is the difference between machines, or a clock that is being set right

# The latest moment at which something was written, by the clock of whoever wrote it: of all since the last tick, which
# are not in the chain yet (some of them after the jump), and of the last that is.
NEWEST: Final = """
SELECT max(at) FROM (
    SELECT at FROM audit WHERE position IS NULL
    UNION ALL
    SELECT at FROM audit WHERE position = (SELECT max(position) FROM audit)
) newest"""

LEASES: Final = "UPDATE lane SET lease_until = :lease WHERE token IS NOT NULL AND lease_until > :lease"
TRIES: Final = "UPDATE delivery SET next_at = :now WHERE state = 'waiting' AND next_at > :now"
BREAKERS: Final = "UPDATE recipient SET breaker_open_until = :now WHERE breaker_open_until > :now"
LATE: Final = """
UPDATE delivery SET alarm_at = CASE WHEN urgency = 'crisis' THEN :crisis ELSE :others END
WHERE state IN ('waiting', 'sending', 'notified')
    AND alarm_at > CASE WHEN urgency = 'crisis' AND state <> 'notified' THEN :crisis ELSE :others END"""
PARKED: Final = "UPDATE parked SET next_alarm_at = :parked WHERE state = 'open' AND next_alarm_at > :parked"
ALARMS: Final = "UPDATE alarm SET next_at = :now WHERE acknowledged_by IS NULL AND next_at > :now"


def went_back(db: Db, *, now: datetime) -> timedelta | None:
    """By how much the latest row is ahead of now; None: not so much that the clock must have gone back."""
    newest = maybe_moment(db.value(NEWEST))
    return newest - now if newest is not None and newest > now + NOTICED else None


def bring_back(db: Db, terms: Terms, *, now: datetime) -> timedelta | None:
    """Brings back what waits too long, on record in the audit, and tells a human; by how much the clock went back."""
    jump = went_back(db, now=now)
    if jump is None:
        return None
    times = terms.alarms
    db.run(LEASES, lease=text(now + terms.lease))
    db.run(TRIES, now=text(now))
    db.run(BREAKERS, now=text(now))
    others = max(times.delivery_after, times.mailbox_after)
    db.run(LATE, crisis=text(now + times.crisis_delivery_after), others=text(now + others))
    db.run(PARKED, parked=text(now + times.parked_every))
    db.run(ALARMS, now=text(now))
    note(db, Author(Role.CLOCK, "clock", now), "clock:went-back", "clock", f"{jump.total_seconds():.0f} s")
    nl, en = terms.sentence(CLOCK_WENT_BACK)
    raise_alarm(db, NewAlarm(CLOCK_WENT_BACK, "clock", terms.owner, nl, en), now=now, ring=True)
    return jump
