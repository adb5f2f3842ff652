# SPDX-License-Identifier: EUPL-1.2
"""Starts clocks: from an event in a case and the region's table to the rows that the store keeps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from schakel.deadlines import clock_for
from schakel.records import NewDeadline
from schakel.region import Deadlines

ACCEPTED: Final = "accepted"


class Clocks:
    def __init__(self, *, deadlines: Deadlines, new_id: Callable[[], str]) -> None:
        self._deadlines = deadlines
        self._new_id = new_id

    def started(
        self,
        *,
        subject: str,
        event: str,
        partner: str,
        role: str,
        programme: str,
        urgency: str,
        at: datetime,
        order_end: datetime | None = None,
        recorded: Mapping[str, datetime] | None = None,
    ) -> tuple[NewDeadline, ...]:
        """Every clock that `event` starts for this partner in this role, each with its first step. `recorded`: when
        what may end it happened last; a clock whose end is on record since `at` is none."""
        dues = clock_for(
            self._deadlines, event=event, role=role, programme=programme, urgency=urgency, at=at, order_end=order_end
        )
        return tuple(
            NewDeadline(
                id=self._new_id(),
                subject=subject,
                kind=due.kind,
                event=event,
                partner=partner,
                role=role,
                urgency=urgency,
                started_at=at,
                due_at=due.due_at,
                next_at=min(step.at for step in due.steps),
                order_end=order_end,
            )
            for due in dues
            if not any(recorded[end] >= at for end in due.until if recorded and end in recorded)
        )
