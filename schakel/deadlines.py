# SPDX-License-Identifier: EUPL-1.2
"""When something is due, who is reminded before and who is told after: the region's table, made into moments.

For each kind of deadline the first row that fits counts. Restraining orders run in calendar time and are never shifted
(Wth art. 13); every other row names its roster. Nothing here knows whether somebody answered: who asks for the next
step says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from schakel.calendars import ALWAYS, Roster, add, add_days, add_months, add_working_days, find_roster, working_between
from schakel.ledger_records import RunningDeadline
from schakel.region import ANSWER, ASKED, LEAD, Deadline, Deadlines, Length, Region

COORDINATOR: Final = "coordinator"
Row = tuple[Deadline, Roster]  # of the table, with the roster that it names
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@dataclass(frozen=True, slots=True)
class Step:
    """At this moment this one is told. `asked`: the one that was asked, a reminder; else a step of the ladder."""

    at: datetime
    tell: str


@dataclass(frozen=True, slots=True)
class Due:
    """One deadline of one request or case. `until`: the events that end it, besides `closed`; none: the answer to the
    request does. `again`: how much time of `roster` lies between repetitions of the ladder's last step."""

    kind: str
    due_at: datetime
    reminders: tuple[datetime, ...]
    ladder: tuple[Step, ...]
    source: str
    again: timedelta
    until: tuple[str, ...] = ()
    roster: Roster = ALWAYS

    @property
    def steps(self) -> tuple[Step, ...]:
        """Everything that is listed, in order: reminders, then the ladder."""
        return (*(Step(at, ASKED) for at in self.reminders), *self.ladder)


@dataclass(frozen=True, slots=True)
class Begun:
    """A deadline as it begins: of a `Due` what the store keeps. `first_at`: of its steps the first."""

    kind: str
    due_at: datetime
    first_at: datetime
    until: tuple[str, ...]


# -- the table ---------------------------------------------------------------------------------------------------------


def deadline_for(
    deadlines: Deadlines, *, role: str, programme: str, urgency: str, kind: str = ANSWER
) -> Deadline | None:
    """The first row that fits; empty programmes or urgencies fit all. None: there is no such deadline."""
    return next((row for row in deadlines.clocks if row.kind == kind and _fits(row, role, programme, urgency)), None)


def answer_row(deadlines: Deadlines, *, role: str, programme: str, urgency: str) -> Row | None:
    """What `answer_due` counts along; the same for all messages of this kind."""
    row = deadline_for(deadlines, role=role, programme=programme, urgency=urgency)
    return (row, find_roster(deadlines.calendars, row.roster)) if row else None


def answer_due(found: Row | None, start: datetime) -> datetime:
    """When the answer is due. A role without a row (`region check` refuses that) is due at once: a human is told."""
    return advance(start, found[0].within, found[1]) if found and found[0].within else start


def clock_for(
    deadlines: Deadlines,
    *,
    event: str,
    role: str,
    programme: str,
    urgency: str,
    at: datetime,
    order_end: datetime | None = None,
) -> tuple[Due, ...]:
    """Every clock that this event starts for this role, one per kind, in the table's order.

    `order_end`: when the restraining order ends; a deadline before that is left out when nobody knows (None)."""
    rows = clock_rows(deadlines, event=event, role=role, programme=programme, urgency=urgency)
    dues = (_due(row, roster, at, order_end) for row, roster in rows)
    return tuple(due for due in dues if due is not None)


def clock_rows(deadlines: Deadlines, *, event: str, role: str, programme: str, urgency: str) -> tuple[Row, ...]:
    """What the clocks of an event count along; the same for all messages of this kind."""
    rows: dict[str, Deadline] = {}
    for row in deadlines.clocks:
        if event in row.start and _fits(row, role, programme, urgency):
            rows.setdefault(row.kind, row)
    return tuple((row, find_roster(deadlines.calendars, row.roster)) for row in rows.values())


def begun_along(rows: Sequence[Row], *, at: datetime, order_end: datetime | None) -> tuple[Begun, ...]:
    """As `clock_for`, by rows that were found before. Most steps never come, so they are not counted out here."""
    begun = (_begun(row, roster, at, order_end) for row, roster in rows)
    return tuple(each for each in begun if each is not None)


def due_of(deadlines: Deadlines, running: RunningDeadline) -> Due | None:
    """The deadline of a clock that runs, from the table as it is now. None: the table has it no more."""
    dues = clock_for(
        deadlines,
        event=running.event,
        role=running.role,
        programme=running.programme,
        urgency=running.urgency,
        at=running.started_at,
        order_end=running.order_end,
    )
    return next((due for due in dues if due.kind == running.kind), None)


def advance(start: datetime, length: Length, roster: Roster) -> datetime:
    """`length` after `start`: hours and working days along the roster, other units along the calendar."""
    match length.unit:
        case "wd":
            return add_working_days(start, length.amount, roster) if length.amount else start
        case "d":
            return add_days(start, length.amount)
        case "mo" | "y":
            return add_months(start, length.amount * (12 if length.unit == "y" else 1))
        case _:
            return add(start, timedelta(seconds=length.amount * _SECONDS[length.unit]), roster)


def _fits(row: Deadline, role: str, programme: str, urgency: str) -> bool:
    return (
        row.role == role
        and (not row.programmes or programme in row.programmes)
        and (not row.urgencies or urgency in row.urgencies)
    )


def _due(row: Deadline, roster: Roster, at: datetime, order_end: datetime | None) -> Due | None:
    counted = _counted(row, roster, at, order_end)
    if counted is None:
        return None
    due, reminders, hours = counted
    return Due(
        kind=row.kind,
        due_at=due,
        reminders=reminders,
        ladder=_ladder(row, due, hours),
        source=row.source,
        again=row.again,
        until=row.until,
        roster=hours,
    )


def _begun(row: Deadline, roster: Roster, at: datetime, order_end: datetime | None) -> Begun | None:
    counted = _counted(row, roster, at, order_end)
    if counted is None:
        return None
    due, reminders, hours = counted
    first = reminders[0] if reminders else min(step.at for step in _ladder(row, due, hours))
    return Begun(kind=row.kind, due_at=due, first_at=first, until=row.until)


def _counted(
    row: Deadline, roster: Roster, at: datetime, order_end: datetime | None
) -> tuple[datetime, tuple[datetime, ...], Roster] | None:
    """When it is due, the reminders before that in order, and the roster that it runs along."""
    if row.within is not None:
        hours, due = roster, advance(at, row.within, roster)
        reminders = [advance(at, each, hours) for each in row.remind]
    elif row.before_order_end is not None and order_end is not None:
        hours, due = ALWAYS, order_end - row.before_order_end  # Wth art. 13
        reminders = [order_end - timedelta(seconds=each.amount * _SECONDS.get(each.unit, 0)) for each in row.remind]
    else:
        return None
    return due, tuple(sorted(each for each in reminders if at <= each < due)), hours


def _ladder(row: Deadline, due: datetime, hours: Roster) -> tuple[Step, ...]:
    return tuple(Step(advance(due, rung.after, hours), rung.tell) for rung in row.ladder) or (Step(due, COORDINATOR),)


# -- time goes by ------------------------------------------------------------------------------------------------------


def next_step(due: Due, now: datetime, done: bool) -> Step | None:
    """What comes after `now`; after the ladder's last step that one again, and again. None once somebody answered."""
    if done:
        return None
    return next((step for step in due.steps if step.at > now), None) or _repeated(due, _repetitions(due, now) + 1)


def overdue_steps(due: Due, last_seen: datetime | None, now: datetime) -> tuple[Step | None, int]:
    """The latest step after `last_seen` (None: of all) up to `now`, and how many there were. A hub that was down for
    three days tells the latest once, with the count, and not the ones in between: (None, 0) when there is none."""
    steps = [step for step in due.steps if step.at <= now and (last_seen is None or step.at > last_seen)]
    before = _repetitions(due, last_seen) if last_seen is not None else 0
    repeated = _repetitions(due, now)
    count = len(steps) + repeated - before
    if repeated > before:
        return _repeated(due, repeated), count
    return (steps[-1] if steps else None), count


@dataclass(frozen=True, slots=True)
class Overdue:
    """One cause, told once: which deadline, its latest step, and how many steps there were since last time."""

    subject: str
    due: Due
    step: Step
    count: int


def collapse(dues: Mapping[str, Due], last_seen: datetime | None, now: datetime) -> tuple[Overdue, ...]:
    """Subject → deadline, of those that nobody answered: one alarm for each that has a step, longest overdue first."""
    found = []
    for subject, due in dues.items():
        step, count = overdue_steps(due, last_seen, now)
        if step is not None:
            found.append(Overdue(subject, due, step, count))
    return tuple(sorted(found, key=lambda each: (each.due.due_at, each.subject)))


def owner_of(region: Region, tell: str, *, partner: str, lead: str | None = None) -> str:
    """The owner of the alarm that tells this step about this partner. `lead`: who leads the case, as far as known."""
    if tell == ASKED:
        return partner
    if tell == LEAD:
        return lead or COORDINATOR
    own = f"{partner}:{tell}"
    return own if region.alarm_routes(own) else tell


def _repetitions(due: Due, moment: datetime) -> int:
    """How often the last step had been repeated by then."""
    last = due.ladder[-1].at
    return working_between(last, moment, due.roster) // due.again if due.again and moment > last else 0


def _repeated(due: Due, times: int) -> Step | None:
    """The `times`-th repetition of the ladder's last step."""
    last = due.ladder[-1]
    return Step(add(last.at, due.again * times, due.roster), last.tell) if due.again else None
