# SPDX-License-Identifier: EUPL-1.2
"""Raises and closes alarms: one per (cause, subject) while nobody has acknowledged it, with a count."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from schakel.records import AlarmRow, NewAlarm
from schakel.states import DeliveryState, Role
from schakel.store.db import Db
from schakel.store.events import Author, note
from schakel.store.rows import Row, maybe_moment, moment, new_id, text
from schakel.store.terms import DELIVERY_OVERDUE, MAILBOX_UNREAD, Terms

# A new alarm, or so many more to the count of the open one. `:ring`: it sounds again now.
RAISE: Final = """
INSERT INTO alarm (id, cause, subject, owner, nl, en, count, raised_at, next_at)
VALUES (:id, :cause, :subject, :owner, :nl, :en, :times, :now, :now)
ON CONFLICT (cause, subject) WHERE acknowledged_by IS NULL DO UPDATE SET
    count = alarm.count + excluded.count,
    owner = excluded.owner,
    nl = excluded.nl,
    en = excluded.en,
    next_at = CASE WHEN :ring = 1 AND excluded.next_at < alarm.next_at THEN excluded.next_at ELSE alarm.next_at END"""

# What an alarm was about is over: the hub (or who settled it) acknowledges.
CLOSE: Final = """
UPDATE alarm SET acknowledged_by = :by, acknowledged_at = :now WHERE subject = :subject AND acknowledged_by IS NULL"""

CLOSE_CAUSE: Final = """
UPDATE alarm SET acknowledged_by = :by, acknowledged_at = :now
WHERE subject = :subject AND cause = :cause AND acknowledged_by IS NULL"""


def raise_alarm(
    db: Db, alarm: NewAlarm, *, now: datetime, ring: bool = False, times: int = 1, since: datetime | None = None
) -> None:
    """`since`: when this should have been told; alarms that are raised together sort by it, in their ids."""
    db.put(
        RAISE,
        id=new_id(since or now),
        cause=alarm.cause,
        subject=alarm.subject,
        owner=alarm.owner,
        nl=alarm.nl,
        en=alarm.en,
        times=times,
        now=text(now),
        ring=int(ring),
    )


def raise_all(db: Db, new: Sequence[NewAlarm], *, now: datetime) -> None:
    for alarm in new:
        raise_alarm(db, alarm, now=now)


def close_alarms(db: Db, subject: str, *, by: str, now: datetime, cause: str | None = None) -> None:
    """All open alarms about `subject`, or those of one cause."""
    if cause is None:
        db.put(CLOSE, subject=subject, by=by, now=text(now))
    else:
        db.put(CLOSE_CAUSE, subject=subject, cause=cause, by=by, now=text(now))


# -- what is due -------------------------------------------------------------------------------------------------------

# Parked things whose time has come; what is about a delivery rings under the delivery's own alarm.
PARKED_DUE: Final = """
SELECT id, cause, owner, COALESCE(delivery_id, id) AS subject FROM parked
WHERE state = 'open' AND next_alarm_at <= :now ORDER BY next_alarm_at"""
PARKED_AGAIN: Final = "UPDATE parked SET next_alarm_at = :next_at WHERE id = :id"

# Deliveries that have not arrived by their time.
DELIVERY_DUE: Final = """
SELECT id, recipient, state, urgency FROM delivery
WHERE state IN ('waiting', 'sending', 'notified') AND alarm_at <= :now ORDER BY alarm_at"""
DELIVERY_AGAIN: Final = "UPDATE delivery SET alarm_at = :next_at WHERE id = :id"

DUE: Final = """
SELECT * FROM alarm WHERE acknowledged_by IS NULL AND next_at <= :now ORDER BY next_at, id LIMIT :limit"""
ALL: Final = "SELECT * FROM alarm ORDER BY raised_at, id"

# It reached a human and rings again later, one step up; or it did not, and is tried again. `:now` is when it was found
# due: a clock that slept over it, while another rang, changes nothing any more.
OUTCOME: Final = """
UPDATE alarm SET attempts = attempts + 1, failing = 1 - :reached, next_at = :next_at,
    step = step + :reached, delivered_at = CASE WHEN :reached = 1 THEN :now ELSE delivered_at END
WHERE id = :id AND next_at <= :now"""
ACKNOWLEDGE: Final = """
UPDATE alarm SET acknowledged_by = :by, acknowledged_at = :now WHERE id = :id AND acknowledged_by IS NULL"""
FAILING: Final = "SELECT count(*) FROM alarm WHERE acknowledged_by IS NULL AND failing = 1"


def ring_what_is_due(db: Db, terms: Terms, *, now: datetime) -> None:
    """Raises the alarm of each parked row and each delivery whose alarm time has come, and sets the next time."""
    for row in db.all(PARKED_DUE, now=text(now)):
        nl, en = terms.sentence(row["cause"])
        raise_alarm(db, NewAlarm(row["cause"], row["subject"], row["owner"], nl, en), now=now, ring=True)
        db.put(PARKED_AGAIN, id=row["id"], next_at=text(now + terms.alarms.parked_every))
    for row in db.all(DELIVERY_DUE, now=text(now)):
        unread = row["state"] == DeliveryState.NOTIFIED
        cause, subject = (MAILBOX_UNREAD, row["recipient"]) if unread else (DELIVERY_OVERDUE, row["id"])
        nl, en = terms.sentence(cause)
        raise_alarm(db, NewAlarm(cause, subject, terms.owner, nl, en), now=now, ring=True)
        every = terms.alarms.mailbox_after if unread else terms.alarms.delivery(row["urgency"])
        db.put(DELIVERY_AGAIN, id=row["id"], next_at=text(now + every))


def due_alarms(db: Db, terms: Terms, *, now: datetime, limit: int) -> list[AlarmRow]:
    ring_what_is_due(db, terms, now=now)
    return [_row(row) for row in db.all(DUE, now=text(now), limit=limit)]


def outcomes(db: Db, results: Sequence[tuple[str, bool, datetime]], *, now: datetime) -> None:
    for alarm_id, reached, next_at in results:
        db.put(OUTCOME, id=alarm_id, reached=int(reached), next_at=text(next_at), now=text(now))


def all_alarms(db: Db) -> list[AlarmRow]:
    return [_row(row) for row in db.all(ALL)]


def acknowledge(db: Db, alarm_id: str, *, by: str, now: datetime) -> bool:
    if not db.run(ACKNOWLEDGE, id=alarm_id, by=by, now=text(now)):
        return False
    note(db, Author(Role.OPERATOR, f"operator:{by}", now), "alarm:acknowledge", alarm_id)
    return True


def failing(db: Db) -> bool:
    """Some open alarm did not reach a human at the last try."""
    return bool(db.value(FAILING))


def _row(row: Row) -> AlarmRow:
    return AlarmRow(
        id=row["id"],
        cause=row["cause"],
        subject=row["subject"],
        owner=row["owner"],
        count=row["count"],
        step=row["step"],
        attempts=row["attempts"],
        nl=row["nl"],
        en=row["en"],
        raised_at=moment(row["raised_at"]),
        delivered_at=maybe_moment(row["delivered_at"]),
        acknowledged_by=row["acknowledged_by"],
    )
