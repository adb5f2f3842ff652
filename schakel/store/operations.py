# SPDX-License-Identifier: EUPL-1.2
"""SQL of running the hub: what waits per partner, pauses, deliveries an operator acts on, duties, data keys."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from schakel.errors import Conflict, Finding
from schakel.operating import LONGEST_PAUSE, Backlog, Pause, Progress, Queue, Selection, Stuck, WrappedKey
from schakel.records import AlarmRow, Bell, NewAlarm, NewDelivery
from schakel.states import DeliveryState, Machine, Role
from schakel.store import alarms
from schakel.store.admin import settle
from schakel.store.alarms import close_alarms, raise_alarm
from schakel.store.clock_jump import NOTICED
from schakel.store.db import Db
from schakel.store.decision import add_delivery
from schakel.store.delivery import FINAL, SET_BREAKER
from schakel.store.events import Author, move, note
from schakel.store.rows import Row, maybe_moment, maybe_text, moment, text
from schakel.store.terms import PAUSE_ENDED, PAUSE_HOLDS_CRISIS, Terms

# -- what waits --------------------------------------------------------------------------------------------------------

RECIPIENTS: Final = "SELECT partner, breaker_open_until FROM recipient"
LIVE: Final = """
SELECT recipient AS partner, min(created_at) AS oldest,
    sum(CASE WHEN state = 'notified' THEN 0 ELSE 1 END) AS waiting,
    sum(CASE WHEN state = 'notified' THEN 1 ELSE 0 END) AS notified
FROM delivery WHERE state IN ('waiting', 'sending', 'notified') GROUP BY recipient"""
# Why the delivery that was tried most often did not succeed the last time.
REASONS: Final = """
SELECT partner, last_reason FROM (
    SELECT recipient AS partner, last_reason,
        row_number() OVER (PARTITION BY recipient ORDER BY attempts DESC, next_at DESC) AS place
    FROM delivery WHERE state = 'waiting' AND last_reason IS NOT NULL
) AS tried WHERE place = 1"""
SET_ASIDE: Final = """
SELECT d.recipient AS partner, count(*) AS parked
FROM parked p JOIN delivery d ON d.id = p.delivery_id
WHERE p.state = 'open' AND d.state = 'parked' GROUP BY d.recipient"""
LATE_ANSWERS: Final = """
SELECT recipient AS partner, count(*) AS overdue FROM request
WHERE state IN ('asked', 'received', 'in-consideration') AND due_at <= :now GROUP BY recipient"""
LAST_SUCCESS: Final = """
SELECT r.partner, (SELECT max(d.delivered_at) FROM delivery d
    WHERE d.recipient = r.partner AND d.delivered_at IS NOT NULL) AS last_success
FROM recipient r"""
PAUSES: Final = "SELECT partner, paused_by, reason, paused_at, ends_at FROM pause WHERE ends_at > :now"
WHOLE_PARKED: Final = "SELECT count(*) FROM parked WHERE state = 'open' AND whole = 1"
ALARMS: Final = """
SELECT count(*) AS open, COALESCE(sum(CASE WHEN delivered_at IS NULL THEN 1 ELSE 0 END), 0) AS undelivered
FROM alarm WHERE acknowledged_by IS NULL"""
UNLINKED: Final = "SELECT count(*) AS rows, min(at) AS since FROM audit WHERE position IS NULL"


def backlog(db: Db, *, now: datetime) -> Backlog:
    """Each query reads an index that holds only what waits: it stays quick beside years of what arrived."""
    found: dict[str, dict[str, object]] = {}
    for sql in (RECIPIENTS, LIVE, REASONS, SET_ASIDE, LATE_ANSWERS, LAST_SUCCESS):
        values = {"now": text(now)} if ":now" in sql else {}
        for row in db.all(sql, **values):
            found.setdefault(row.pop("partner"), {}).update(row)
    paused = {row["partner"]: _pause(row) for row in db.all(PAUSES, now=text(now))}
    rung, unlinked = db.all(ALARMS)[0], db.all(UNLINKED)[0]
    return Backlog(
        queues=tuple(
            _queue(partner, found.get(partner, {}), paused.get(partner)) for partner in sorted({*found, *paused})
        ),
        parked_messages=db.value(WHOLE_PARKED),
        alarms_open=rung["open"],
        alarms_undelivered=rung["undelivered"],
        audit_unlinked=unlinked["rows"],
        audit_unlinked_since=maybe_moment(unlinked["since"]),
    )


def _queue(partner: str, row: Row, pause: Pause | None) -> Queue:
    return Queue(
        partner=partner,
        waiting=row.get("waiting", 0),
        notified=row.get("notified", 0),
        parked=row.get("parked", 0),
        oldest=maybe_moment(row.get("oldest")),
        breaker_open_until=maybe_moment(row.get("breaker_open_until")),
        last_success=maybe_moment(row.get("last_success")),
        last_reason=row.get("last_reason"),
        overdue=row.get("overdue", 0),
        pause=pause,
    )


# -- pauses ------------------------------------------------------------------------------------------------------------

SET_PAUSE: Final = """
INSERT INTO pause (partner, paused_by, reason, paused_at, ends_at, told_number)
VALUES (:partner, :by, :reason, :now, :until, 0)
ON CONFLICT (partner) DO UPDATE SET paused_by = excluded.paused_by, reason = excluded.reason,
    paused_at = excluded.paused_at, ends_at = excluded.ends_at, told_number = 0"""
END_PAUSE: Final = "DELETE FROM pause WHERE partner = :partner RETURNING ends_at"
PAUSES_OVER: Final = "SELECT partner FROM pause WHERE ends_at <= :now ORDER BY partner"
# Something of a crisis waits behind a pause, and nobody was told of it yet.
CRISES_HELD: Final = """
SELECT p.partner, max(d.number) AS number
FROM pause p JOIN delivery d ON d.recipient = p.partner AND d.number > p.told_number
WHERE d.state = 'waiting' AND d.urgency = 'crisis' AND p.ends_at > :now
GROUP BY p.partner ORDER BY p.partner"""
CRISIS_TOLD: Final = "UPDATE pause SET told_number = :number WHERE partner = :partner"


def pause(db: Db, wanted: Pause) -> None:
    """Raises Conflict: it ends in the past, or lasts too long to be without a second look."""
    if not wanted.paused_at < wanted.until <= wanted.paused_at + LONGEST_PAUSE:
        raise Conflict(
            Finding(
                "until",
                "pause:seven-days-at-most",
                "Een pauze eindigt in de toekomst, binnen zeven dagen",
                "A pause ends in the future, within seven days",
            )
        )
    until = text(wanted.until)
    db.run(
        SET_PAUSE,
        partner=wanted.partner,
        by=wanted.by,
        reason=wanted.reason,
        now=text(wanted.paused_at),
        until=until,
    )
    author = Author(Role.OPERATOR, f"operator:{wanted.by}", wanted.paused_at)
    note(db, author, "partner:pause", wanted.partner, f"until {until}: {wanted.reason}")


def resume(db: Db, partner: str, *, by: str, reason: str, now: datetime) -> bool:
    """False: it was not paused."""
    ends_at = db.value(END_PAUSE, partner=partner)
    if ends_at is None or ends_at <= text(now):
        return False
    note(db, Author(Role.OPERATOR, f"operator:{by}", now), "partner:resume", partner, reason)
    for cause in (PAUSE_HOLDS_CRISIS, PAUSE_ENDED):
        close_alarms(db, partner, by=f"operator:{by}", now=now, cause=cause)
    return True


def due_alarms(db: Db, terms: Terms, *, now: datetime, limit: int) -> list[AlarmRow]:
    """As alarms.due_alarms; a pause that ends or that holds up a crisis raises its own first."""
    for row in db.all(PAUSES_OVER, now=text(now)):
        db.run(END_PAUSE, partner=row["partner"])
        note(db, Author(Role.CLOCK, "clock", now), "partner:pause-ended", row["partner"])
        close_alarms(db, row["partner"], by="hub", now=now, cause=PAUSE_HOLDS_CRISIS)
        _ring(db, PAUSE_ENDED, row["partner"], terms, now)
    for row in db.all(CRISES_HELD, now=text(now)):
        db.run(CRISIS_TOLD, partner=row["partner"], number=row["number"])
        _ring(db, PAUSE_HOLDS_CRISIS, row["partner"], terms, now)
    return alarms.due_alarms(db, terms, now=now, limit=limit)


def _ring(db: Db, cause: str, partner: str, terms: Terms, now: datetime) -> None:
    nl, en = terms.sentence(cause)
    raise_alarm(db, NewAlarm(cause, partner, terms.owner, nl, en), now=now, ring=True)


def _pause(row: Row) -> Pause:
    return Pause(row["partner"], row["paused_by"], row["reason"], moment(row["paused_at"]), moment(row["ends_at"]))


# -- deliveries that an operator acts on -------------------------------------------------------------------------------

# What waits, and what is set aside; the reason of what crashed stands in its last event.
STUCK: Final = """
SELECT id, partner, number, state, reason, attempts, created_at, next_at FROM (
    SELECT d.id, d.recipient AS partner, d.number, d.state, COALESCE(d.last_reason, '') AS reason, d.attempts,
        d.created_at, d.next_at
    FROM delivery d WHERE d.state = 'waiting'
    UNION ALL
    SELECT d.id, d.recipient, d.number, d.state, COALESCE(d.last_reason, e.reason), d.attempts, d.created_at, d.next_at
    FROM parked p
    JOIN delivery d ON d.id = p.delivery_id AND d.state = 'parked'
    JOIN state_event e ON e.machine = 'delivery' AND e.object_id = d.id AND e.ordinal = d.state_ordinal
    WHERE p.state = 'open'
) AS stuck
WHERE (CAST(:partner AS TEXT) IS NULL OR partner = :partner)
    AND (CAST(:reason AS TEXT) IS NULL OR reason = :reason)
    AND (CAST(:since AS TEXT) IS NULL OR created_at >= :since)
ORDER BY created_at, id"""
DELIVERY: Final = """
SELECT d.*, p.id AS parked_id
FROM delivery d LEFT JOIN parked p ON p.delivery_id = d.id AND p.state = 'open' WHERE d.id = :id"""
AT_ONCE: Final = "UPDATE delivery SET next_at = :now WHERE id = :id"


def stuck(db: Db, selection: Selection) -> list[Stuck]:
    """Longest first."""
    rows = db.all(STUCK, partner=selection.partner, reason=selection.reason, since=maybe_text(selection.since))
    return [
        Stuck(**{**row, "created_at": moment(row["created_at"]), "next_at": moment(row["next_at"])}) for row in rows
    ]


def retry(db: Db, ids: Sequence[str], terms: Terms, *, by: str, reason: str, now: datetime) -> list[Bell]:
    """Due at once; what was set aside goes on, late; the breakers of their recipients close. What is no longer stuck
    is passed over."""
    author = Author(Role.OPERATOR, f"operator:{by}", now)
    bells: list[Bell] = []
    for row in _rows(db, ids):
        if row["state"] == DeliveryState.PARKED and row["parked_id"] is not None:
            settle(db, row["parked_id"], "release", None, terms, author, reason=reason)
        elif row["state"] == DeliveryState.WAITING:
            db.run(AT_ONCE, id=row["id"], now=text(now))
            note(db, author, "delivery:retry", row["id"], reason)
        else:
            continue
        bells.append(Bell(row["id"], row["recipient"], row["number"]))
    for partner in sorted({bell.recipient for bell in bells}):
        db.run(SET_BREAKER, partner=partner, until=None)
    return bells


def replace(
    db: Db, pairs: Sequence[tuple[str, str]], terms: Terms, *, by: str, reason: str, now: datetime
) -> list[Bell]:
    """(delivery, id of what takes its place): made anew from how things are now, under a new number."""
    author = Author(Role.OPERATOR, f"operator:{by}", now)
    fresh = dict(pairs)
    bells: list[Bell] = []
    for row in _rows(db, list(fresh)):
        if row["state"] == DeliveryState.PARKED and row["parked_id"] is not None:
            settle(db, row["parked_id"], "release", None, terms, author, reason=reason)
        elif row["state"] != DeliveryState.WAITING:
            continue
        move(db, Machine.DELIVERY, row["id"], "park", author, reason="to-supersede")
        move(db, Machine.DELIVERY, row["id"], "supersede", author, reason=reason)
        db.run(FINAL, id=row["id"], erase_at=text(now + terms.keeping.rendered))
        close_alarms(db, row["id"], by=author.actor, now=now)
        again = NewDelivery(
            id=fresh[row["id"]],
            recipient=row["recipient"],
            role=row["role"],
            channel=row["channel"],
            mode=row["mode"],
            representation=row["representation"],
            urgency=row["urgency"],
            request_id=row["request_id"],
            late=bool(row["late"]) or row["state"] == DeliveryState.PARKED,
            occasion=row["occasion"],
        )
        hub = Author(Role.HUB, "hub", now)
        add_delivery(db, row["message_id"], row["case_id"], again, hub, terms, supersedes=row["id"], bells=bells)
    return bells


def _rows(db: Db, ids: Sequence[str]) -> list[Row]:
    """In order of recipient and number, so that counters are always taken in one order."""
    rows = [row for one in ids if (row := db.one(DELIVERY, id=one)) is not None]
    return sorted(rows, key=lambda row: (row["recipient"], row["number"]))


# -- how one case is under way -----------------------------------------------------------------------------------------

PROGRESS: Final = """
SELECT d.id, d.message_id, d.recipient AS partner, d.role, d.number, d.state, d.attempts, d.last_reason, d.next_at,
    p.ends_at AS paused_until
FROM delivery d LEFT JOIN pause p ON p.partner = d.recipient AND p.ends_at > :now
WHERE d.state IN ('waiting', 'sending', 'notified', 'parked')
    AND (d.message_id = :id OR d.message_id IN (SELECT m.id FROM message m WHERE m.case_id = :id))
ORDER BY d.recipient, d.number"""


def progress(db: Db, object_id: str, *, now: datetime) -> list[Progress]:
    """Of a message or a case: every delivery that has not arrived."""
    rows = db.all(PROGRESS, id=object_id, now=text(now))
    return [
        Progress(**{**row, "next_at": moment(row["next_at"]), "paused_until": maybe_moment(row["paused_until"])})
        for row in rows
    ]


# -- duties ------------------------------------------------------------------------------------------------------------

TAKE_DUTY: Final = """
INSERT INTO duty (name, token, holder, lease_until) VALUES (:name, :token, :holder, :until)
ON CONFLICT (name) DO UPDATE SET token = excluded.token, holder = excluded.holder, lease_until = excluded.lease_until
WHERE duty.token = excluded.token OR duty.lease_until < :now OR duty.holder = :after
    OR duty.lease_until > :latest"""
HOLDER: Final = "SELECT holder FROM duty WHERE name = :name"
LEAVE_DUTY: Final = "DELETE FROM duty WHERE name = :name AND token = :token"


def take_duty(db: Db, name: str, token: str, *, holder: str, now: datetime, until: datetime, after: str | None) -> bool:
    """The token has the duty until then: it had it, nobody had, its lease ran out, or its holder was `after`. False:
    another has it. A lease that ends later than any that is given now, by more than clocks differ, is of a clock that
    was ahead."""
    values = {"name": name, "token": token, "holder": holder, "now": text(now), "until": text(until)}
    values["latest"] = text(until + NOTICED)
    return bool(db.run(TAKE_DUTY, **values, after=after))


def duty_holder(db: Db, name: str) -> str | None:
    holder = db.value(HOLDER, name=name)
    return None if holder is None else str(holder)


def leave_duty(db: Db, name: str, token: str) -> None:
    db.run(LEAVE_DUTY, name=name, token=token)


# -- data keys ---------------------------------------------------------------------------------------------------------

# Where wrapped data keys lie: the owner that a key is bound to is the row's own id.
KEYS: Final = {
    table: (
        f"SELECT id AS owner, wrapped_key AS wrapped FROM {table} "  # noqa: S608 (our own names)
        "WHERE wrapped_key IS NOT NULL AND id > :after ORDER BY id LIMIT :limit",
        f"UPDATE {table} SET wrapped_key = :new WHERE id = :owner AND wrapped_key = :old",  # noqa: S608
    )
    for table in ("raw_referral", "case_file", "answer", "partner_secret")
}


def wrapped_keys(db: Db, table: str, *, after: str, limit: int) -> list[WrappedKey]:
    """By id, beyond `after`."""
    return [WrappedKey(table, row["owner"], row["wrapped"]) for row in db.all(KEYS[table][0], after=after, limit=limit)]


def rewrap(db: Db, pairs: Sequence[tuple[WrappedKey, bytes]]) -> int:
    """Puts each new wrapping in the place of the one that was read; a key that was destroyed meanwhile stays so."""
    return sum(db.run(KEYS[key.table][1], owner=key.owner, old=key.wrapped, new=new) for key, new in pairs)
