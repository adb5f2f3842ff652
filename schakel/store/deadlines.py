# SPDX-License-Identifier: EUPL-1.2
"""SQL of the clocks that run: starting, ending, what is due, and how far each has been told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from schakel.ledger_records import DeadlineStep, EndedDeadline, MovedDeadline, RunningDeadline
from schakel.records import NewDeadline
from schakel.states import Role
from schakel.store.alarms import raise_alarm
from schakel.store.db import Db
from schakel.store.events import Author, note
from schakel.store.rows import Row, maybe_moment, maybe_text, moment, text

END: Final = """
UPDATE deadline SET ended_at = :now, ended_by = :by
WHERE subject = :subject AND ended_at IS NULL AND (CAST(:kind AS TEXT) IS NULL OR kind = :kind)"""
END_STARTED: Final = """
UPDATE deadline SET ended_at = :now, ended_by = :by
WHERE case_id = :case_id AND subject = :case_id AND event = :event AND ended_at IS NULL"""
# A new one in the place of the one that runs, but for the very same again.
END_OTHER: Final = """
UPDATE deadline SET ended_at = :now, ended_by = :event
WHERE subject = :subject AND kind = :kind AND ended_at IS NULL
    AND NOT (event = :event AND partner = :partner AND started_at = :started_at AND due_at = :due_at)"""
# The alarms of clocks that run no more.
CLOSE_LADDERS: Final = """
UPDATE alarm SET acknowledged_by = 'hub', acknowledged_at = :now
WHERE subject = :subject AND acknowledged_by IS NULL AND substr(cause, 1, 9) = 'deadline:'
    AND NOT EXISTS (SELECT 1 FROM deadline d WHERE d.subject = alarm.subject AND d.ended_at IS NULL
        AND 'deadline:' || d.kind = alarm.cause)"""
START: Final = """
INSERT INTO deadline (id, case_id, subject, kind, event, partner, role, urgency, order_end, started_at, made_at,
    due_at, next_at)
VALUES (:id, :case_id, :subject, :kind, :event, :partner, :role, :urgency, :order_end, :started_at, :now,
    :due_at, :next_at)
ON CONFLICT (subject, kind) WHERE ended_at IS NULL DO NOTHING"""

HAND_ON: Final = """
UPDATE deadline SET partner = :partner, subject = COALESCE(CAST(:subject AS TEXT), subject)
WHERE id = :id AND ended_at IS NULL"""

# A clock, with who leads the case now: whoever confirmed that last, else whoever was asked last.
RUNNING: Final = """
SELECT d.id, d.case_id, d.subject, d.kind, d.event, d.partner, d.role, c.programme, d.urgency, d.started_at, d.due_at,
    d.order_end, d.next_at, d.seen_at, d.steps,
    (SELECT q.recipient FROM request q
     WHERE q.case_id = d.case_id AND q.role IN ('lead', 'process-director')
        AND q.state IN ('asked', 'received', 'in-consideration', 'confirmed')
     ORDER BY CASE WHEN q.state = 'confirmed' THEN 0 ELSE 1 END, q.asked_at DESC, q.id DESC LIMIT 1) AS lead
FROM deadline d JOIN case_file c ON c.id = d.case_id"""
DUE: Final = RUNNING + " WHERE d.ended_at IS NULL AND d.next_at <= :now ORDER BY d.next_at, d.id LIMIT :limit"
# Those of a case that ran at a moment, as far as the hub knew then.
OF_CASE: Final = (
    RUNNING
    + """
WHERE d.case_id = :case_id AND d.made_at <= :at AND (d.ended_at IS NULL OR d.ended_at > :at)
ORDER BY d.due_at, d.id"""
)

STEP: Final = """
UPDATE deadline SET next_at = :next_at, seen_at = :seen_at, steps = steps + :steps
WHERE id = :id AND ended_at IS NULL AND steps = :known AND next_at = :was_next"""


def start(db: Db, case_id: str, new: NewDeadline, *, now: datetime) -> None:
    """One of a kind runs for a subject: a new one ends the one before. The very same again goes on as it runs."""
    same = {"subject": new.subject, "kind": new.kind, "event": new.event, "partner": new.partner}
    times = {"started_at": text(new.started_at), "due_at": text(new.due_at), "now": text(now)}
    db.put(END_OTHER, **same, **times)
    db.put(CLOSE_LADDERS, subject=new.subject, now=text(now))
    first(db, case_id, new, now=now)


def first(db: Db, case_id: str, new: NewDeadline, *, now: datetime) -> None:
    """Of a subject that has no clocks yet."""
    db.put(
        START,
        id=new.id,
        case_id=case_id,
        subject=new.subject,
        kind=new.kind,
        event=new.event,
        partner=new.partner,
        role=new.role,
        urgency=new.urgency,
        order_end=maybe_text(new.order_end),
        started_at=text(new.started_at),
        now=text(now),
        due_at=text(new.due_at),
        next_at=text(new.next_at),
    )


def end(db: Db, ended: EndedDeadline, *, now: datetime) -> None:
    """With the clock its ladder stops: the alarm is closed."""
    db.put(END, subject=ended.subject, kind=ended.kind, by=ended.by, now=text(now))
    db.put(CLOSE_LADDERS, subject=ended.subject, now=text(now))


def end_started(db: Db, case_id: str, event: str, *, by: str, now: datetime) -> None:
    """The clocks of the case itself that this event started."""
    db.put(END_STARTED, case_id=case_id, event=event, by=by, now=text(now))
    db.put(CLOSE_LADDERS, subject=case_id, now=text(now))


def hand_on(db: Db, moved: MovedDeadline) -> None:
    """The same clock, its next step told to another."""
    db.put(HAND_ON, id=moved.id, partner=moved.partner, subject=moved.subject)


def due(db: Db, *, now: datetime, limit: int) -> list[RunningDeadline]:
    return [_running(row) for row in db.all(DUE, now=text(now), limit=limit)]


def of_case(db: Db, case_id: str, *, at: str) -> tuple[RunningDeadline, ...]:
    """`at`: a moment as the database writes it, or what sorts after all of them."""
    return tuple(_running(row) for row in db.all(OF_CASE, case_id=case_id, at=at))


def step(db: Db, steps: Sequence[DeadlineStep], *, now: datetime) -> None:
    """An answer that came meanwhile, or another clock, wins: then no alarm."""
    for one in steps:
        clock = one.deadline
        moved = db.run(
            STEP,
            id=clock.id,
            next_at=text(one.next_at),
            seen_at=text(now),
            steps=one.steps,
            known=clock.steps,
            was_next=text(clock.next_at),
        )
        if moved and one.alarm is not None:
            raise_alarm(db, one.alarm, now=now, ring=True, times=one.steps, since=clock.next_at)
            told = f"{clock.kind} {clock.steps + one.steps} {one.alarm.owner}"
            note(db, Author(Role.CLOCK, "clock", now), "deadline:step", clock.subject, told)


def _running(row: Row) -> RunningDeadline:
    times = {name: moment(row[name]) for name in ("started_at", "due_at", "next_at")}
    maybe = {name: maybe_moment(row[name]) for name in ("order_end", "seen_at")}
    return RunningDeadline(**{**row, **times, **maybe})
