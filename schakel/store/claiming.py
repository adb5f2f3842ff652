# SPDX-License-Identifier: EUPL-1.2
"""SQL of claiming: which deliveries are due, whose lane is free, and what becomes of a lane whose worker is silent."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from schakel.records import Claimed
from schakel.states import DeliveryState, Machine, Role
from schakel.store.db import Db
from schakel.store.delivery import BY_ID, FREE_LANE, WORKER, claimed, park
from schakel.store.events import Author, go_on, move
from schakel.store.rows import Row, text
from schakel.store.terms import Terms

CRASHES_AT_MOST: Final = 3

# Lanes whose worker has gone silent.
EXPIRED: Final = """
SELECT l.recipient, l.case_id, l.delivery_id, d.state, d.crashes, d.message_id
FROM lane l JOIN delivery d ON d.id = l.delivery_id
WHERE l.token IS NOT NULL AND l.lease_until < :now ORDER BY l.lease_until
/*!postgresql FOR UPDATE OF l SKIP LOCKED*/"""

# Heads of free lanes that are due. A late one goes out of order; a parked one blocks nobody; a waiting or sending one
# blocks what comes after it. An open breaker lets nothing through until its time, then one probe at a time; a pause
# lets nothing through until it ends.
_DUE: Final = """
SELECT d.id, d.recipient, d.case_id, d.crashes, r.breaker_open_until IS NOT NULL AS probe
FROM delivery d
JOIN recipient r ON r.partner = d.recipient
WHERE d.state = 'waiting' AND d.next_at <= :now {among}
    AND (SELECT l.token FROM lane l WHERE l.recipient = d.recipient AND l.case_id = d.case_id) IS NULL
    AND NOT d.recipient = ANY(:passing_over)
    AND (d.late = 1 OR NOT EXISTS (
        SELECT 1 FROM delivery e
        WHERE e.recipient = d.recipient AND e.case_id = d.case_id AND e.number < d.number AND e.late = 0
            AND e.state IN ('waiting', 'sending')))
    AND (r.breaker_open_until IS NULL OR (r.breaker_open_until <= :now AND NOT EXISTS (
        SELECT 1 FROM lane busy WHERE busy.recipient = d.recipient AND busy.token IS NOT NULL)))
    AND NOT EXISTS (SELECT 1 FROM pause WHERE pause.partner = d.recipient AND pause.ends_at > :now)
ORDER BY d.crashes > 0 DESC, d.urgency = 'crisis' DESC, d.next_at, d.recipient, d.number
LIMIT :window"""
DUE: Final = _DUE.format(among="")
# Found by their ids: looking through all that waits would take longer with each one more that waits.
DUE_AMONG: Final = _DUE.format(among="AND d.id = ANY(:only)")

# Who probes a recipient whose breaker is open: one at a time, over all processes. Whoever does not get the lock at once
# leaves it, so nobody waits; whoever gets it looks again whether another took a lane in between.
PROBING: Final = """
SELECT partner /*!postgresql , pg_try_advisory_xact_lock(hashtextextended('schakel:probe ' || partner, 0)) AS ours */
FROM recipient WHERE partner = ANY(:partners) ORDER BY partner"""
BUSY: Final = "SELECT DISTINCT recipient FROM lane WHERE recipient = ANY(:partners) AND token IS NOT NULL"

# Those of them that nobody else takes at this moment.
FREE: Final = """
SELECT d.id, d.recipient, d.case_id, d.state, d.state_ordinal
FROM delivery d JOIN lane l ON l.recipient = d.recipient AND l.case_id = d.case_id
WHERE d.id = ANY(:ids) AND d.state = 'waiting' AND l.token IS NULL
/*!postgresql FOR UPDATE OF l, d SKIP LOCKED*/"""

TAKE_LANE: Final = """
UPDATE lane SET token = :token, lease_until = :until, delivery_id = :id
WHERE recipient = :recipient AND case_id = :case_id AND token IS NULL"""

CRASHED: Final = "UPDATE delivery SET crashes = crashes + 1, next_at = :now WHERE id = :id"


@dataclass(frozen=True, slots=True)
class Choice:
    """Which deliveries somebody claims: see ports.DeliveryStore.claim."""

    limit: int
    only: Sequence[str] | None
    passing_over: Sequence[str]

    def due(self, db: Db, now: datetime) -> list[Row]:
        """Rows of DUE; its window has room for what cannot be had together."""
        known = {"now": text(now), "passing_over": list(self.passing_over), "window": 4 * self.limit + 64}
        return db.all(DUE, **known) if self.only is None else db.all(DUE_AMONG, **known, only=list(self.only))


def claim(db: Db, terms: Terms, choice: Choice, *, now: datetime) -> list[Claimed]:
    """See ports.DeliveryStore.claim. A delivery that crashed before is claimed alone."""
    expire(db, terms, now=now)
    chosen: list[Row] = []
    lanes: set[tuple[str, str]] = set()
    probed: set[str] = set()
    for row in choice.due(db, now):
        lane = (row["recipient"], row["case_id"])
        if lane in lanes or row["recipient"] in probed:
            continue
        chosen.append(row)
        lanes.add(lane)
        if row["probe"]:
            probed.add(row["recipient"])
        if len(chosen) >= choice.limit or row["crashes"]:
            break
    if probed:
        left = probed - _to_probe(db, sorted(probed))
        chosen = [row for row in chosen if row["recipient"] not in left]
    return _take(db, [row["id"] for row in chosen], terms, now=now) if chosen else []


def _to_probe(db: Db, partners: Sequence[str]) -> set[str]:
    """Those of whom nobody else has a probe under way, or is choosing one at this moment."""
    ours = {row["partner"] for row in db.all(PROBING, partners=list(partners)) if row.get("ours", True)}
    busy = {row["recipient"] for row in db.all(BUSY, partners=sorted(ours))} if ours else set()
    return ours - busy


def _take(db: Db, ids: Sequence[str], terms: Terms, *, now: datetime) -> list[Claimed]:
    """Those whose lane is still free, in the order of `ids`."""
    free = {row["id"]: row for row in db.all(FREE, ids=list(ids))}
    taken = {one: secrets.token_hex(16) for one in ids if one in free}
    until, author = text(now + terms.lease), Author(Role.WORKER, WORKER, now)
    for one, token in taken.items():
        row = free[one]
        with db.savepoint():  # a piece of its own: what all of them write alike is written together
            db.put(TAKE_LANE, token=token, until=until, id=one, recipient=row["recipient"], case_id=row["case_id"])
            go_on(db, Machine.DELIVERY, row, "claim", author)
    rows = db.many(BY_ID, [{"id": one} for one in taken])
    return [claimed(db, row, token=token) for (row,), token in zip(rows, taken.values(), strict=True)]


def expire(db: Db, terms: Terms, *, now: datetime) -> None:
    """A lease that ran out while sending is a crash; the third parks the delivery."""
    author = Author(Role.WORKER, WORKER, now)
    for row in db.all(EXPIRED, now=text(now)):
        db.put(FREE_LANE, id=row["delivery_id"])
        if row["state"] != DeliveryState.SENDING:
            continue
        db.put(CRASHED, id=row["delivery_id"], now=text(now))
        if row["crashes"] + 1 < CRASHES_AT_MOST:
            move(db, Machine.DELIVERY, row["delivery_id"], "expire", author, reason="lease-expired")
        else:
            park(db, row["delivery_id"], "three-crashes", None, terms, author)
