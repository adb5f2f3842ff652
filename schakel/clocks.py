# SPDX-License-Identifier: EUPL-1.2
"""Starts clocks: from an event in a case and the region's table to the rows that the store keeps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache, partial
from typing import Final

from schakel.deadlines import answer_due, answer_row, begun_along, clock_rows
from schakel.records import NewDeadline
from schakel.region import Deadlines

ACCEPTED: Final = "accepted"
KINDS_KEPT: Final = 1024  # of role, programme, urgency and event: more than any region has


class Clocks:
    def __init__(self, *, deadlines: Deadlines, new_id: Callable[[], str]) -> None:
        self._new_id = new_id
        # the table is asked for the same few kinds of message again and again
        self._rows = lru_cache(KINDS_KEPT)(partial(clock_rows, deadlines))
        self._answer = lru_cache(KINDS_KEPT)(partial(answer_row, deadlines))

    def answer_due(self, *, role: str, programme: str, urgency: str, start: datetime) -> datetime:
        """When an answer to what is asked at `start` is due."""
        return answer_due(self._answer(role=role, programme=programme, urgency=urgency), start)

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
        rows = self._rows(event=event, role=role, programme=programme, urgency=urgency)
        clocks = begun_along(rows, at=at, order_end=order_end)
        return tuple(
            NewDeadline(
                id=self._new_id(),
                subject=subject,
                kind=each.kind,
                event=event,
                partner=partner,
                role=role,
                urgency=urgency,
                started_at=at,
                due_at=each.due_at,
                next_at=each.first_at,
                order_end=order_end,
            )
            for each in clocks
            if not any(recorded[end] >= at for end in each.until if recorded and end in recorded)
        )
