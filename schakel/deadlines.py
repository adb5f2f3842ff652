# SPDX-License-Identifier: EUPL-1.2
"""When an answer is due and when to remind: the first row of the region's table that fits counts.

Restraining orders and crises run in calendar time and are never shifted (Wth art. 13). Working time will be another way
to advance; `_advance` is its one place.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from schakel.region import Deadline, Deadlines


def deadline_for(deadlines: Deadlines, *, role: str, programme: str, urgency: str) -> Deadline | None:
    """The first row that fits; empty programmes or urgencies fit all. None: this role is never asked."""
    return next(
        (
            row
            for row in deadlines.answers
            if row.role == role
            and (not row.programmes or programme in row.programmes)
            and (not row.urgencies or urgency in row.urgencies)
        ),
        None,
    )


def due_at(deadlines: Deadlines, *, role: str, programme: str, urgency: str, start: datetime) -> datetime:
    """When the answer is due. A role without a row (`region check` refuses that) is due at once: a human is told."""
    row = deadline_for(deadlines, role=role, programme=programme, urgency=urgency)
    return _advance(start, row.within) if row is not None else start


def remind_at(deadlines: Deadlines, *, role: str, programme: str, urgency: str, now: datetime) -> datetime:
    """When to remind again of an answer that is late."""
    row = deadline_for(deadlines, role=role, programme=programme, urgency=urgency)
    return _advance(now, row.remind_every if row is not None else deadlines.parked_alarm_every)


def _advance(start: datetime, length: timedelta) -> datetime:
    """Calendar time: an hour is an hour, also in the night the clock changes (times are UTC)."""
    return start + length
