# SPDX-License-Identifier: EUPL-1.2
"""From a clock whose step has come to the alarm that tells it: whom, what it says, and when the next step comes.

The latest step that has come is told once, with the number of steps that passed: a hub that was down for three days
tells each deadline once. Pure.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from schakel.deadline_words import Told, overdue, reminder
from schakel.deadlines import COORDINATOR, Due, Step, due_of, next_step, overdue_steps, owner_of
from schakel.ledger_records import DeadlineStep, RunningDeadline
from schakel.records import NewAlarm
from schakel.region import ASKED, LEADING, Region

DEADLINE: Final = "deadline:"  # the cause of an alarm, before the kind of deadline


def step_of(region: Region, running: RunningDeadline, now: datetime) -> DeadlineStep:
    """The latest step that has come, and when the next one does.

    A deadline that the region's table has lost is told to the coordinator, and again, until it ends."""
    due = due_of(region.deadlines, running)
    if due is None:
        lost = Step(running.due_at, COORDINATOR)
        return DeadlineStep(running, now + region.deadlines.parked_alarm_every, _alarm(region, running, lost, None), 1)
    step, count = overdue_steps(due, running.seen_at, now)
    following = next_step(due, now, False)
    next_at = following.at if following else now + region.deadlines.parked_alarm_every
    return DeadlineStep(running, next_at, _alarm(region, running, step, due) if step else None, count)


def who_must_act(running: RunningDeadline) -> str:
    """A norm of the case is on whoever leads it now, who may have taken it over since."""
    if running.subject == running.case_id and running.role in LEADING and running.lead is not None:
        return running.lead
    return running.partner


def _alarm(region: Region, running: RunningDeadline, step: Step, due: Due | None) -> NewAlarm:
    who = who_must_act(running)
    partner = region.partner(who)
    told = Told(
        kind=running.kind,
        whom=f"{partner.name if partner else who} ({running.role})",
        due_at=due.due_at if due else running.due_at,
        order_end=running.order_end,
    )
    before = due is not None and step.at < due.due_at
    words = reminder(told) if before else overdue(told, itself=step.tell == ASKED)
    owner = owner_of(region, step.tell, partner=who, lead=running.lead)
    return NewAlarm(f"{DEADLINE}{running.kind}", running.subject, owner, words.nl, words.en)
