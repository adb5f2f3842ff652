# SPDX-License-Identifier: EUPL-1.2
"""Fills a hub's SQLite database with cases, by SQL: each a copy of one that went from door to door.

What a case leaves behind is there, in every table and index: sealed bytes, events, deliveries, clocks, audit. A copy
has identifiers of its own in the shape of real ones, blinded keys by chance, and clocks that run for a year: the hub
looks through them all, and has none to act on. What the copies' audit says is not in the chain of hashes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import apsw

CHUNK: Final = 5_000  # cases in one transaction
_LATER: Final = "strftime('%Y-%m-%dT%H:%M:%S.000000Z', {0}, '+1 year')"
_ID: Final = "substr({0}, 1, 24) || printf('%012x', n.i)"  # a UUID; its first half tells one of a case from another
_REFERENCE: Final = "substr({0}, 1, 16) || printf('%010d', n.i)"
_BLIND: Final = "randomblob(32)"

# table → column → how a copy differs; what is not named is copied as it is
COPIES: Final[Mapping[str, Mapping[str, str]]] = {
    "raw_referral": {"id": _ID},
    "state_event": {"object_id": _ID},
    "case_file": {"id": _ID},
    "message": {"id": _ID, "message_reference": "{0} || '-' || n.i", "case_id": _ID, "digest": _BLIND},
    "match_key": {"case_id": _ID, "digest": _BLIND},
    "known_order": {"case_id": _ID, "number": _BLIND},
    "case_reference": {"case_id": _ID, "reference": _REFERENCE},
    "routing_decision": {"message_id": _ID},
    "request": {"id": _ID, "case_id": _ID, "message_id": _ID, "reference": _REFERENCE, "due_at": _LATER},
    "deadline": {"id": _ID, "case_id": _ID, "subject": _ID, "due_at": _LATER, "next_at": _LATER},
    "delivery": {"id": _ID, "message_id": _ID, "case_id": _ID, "request_id": _ID, "number": "{0} + n.i"},
    "lane": {"case_id": _ID},
    "audit": {"id": "NULL", "object": _ID, "position": "NULL", "hash": "NULL"},
}
COUNTED: Final = ("matter", "ledger_entry", "parked", "suggestion", "answer")  # of these the first case has none
_LINK: Final = "UPDATE audit SET position = id, hash = randomblob(32) WHERE position IS NULL"
_BEHIND: Final = "UPDATE recipient SET last_number = (SELECT max(number) FROM delivery d WHERE d.recipient = partner)"


def fill(file: Path, cases: int) -> None:
    """Copies the one case in this database so many times. Nobody may have it open; it is as durable as a file that was
    written and synced afterwards. Raises ValueError when there is another number of cases, or something not copied."""
    with contextlib.closing(apsw.Connection(str(file))) as db:
        _check(db)
        db.execute("PRAGMA synchronous = OFF").fetchall()
        triggers = list(db.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'"))
        for name, _ in triggers:
            db.execute(f"DROP TRIGGER {name}")
        for table in COPIES:
            db.execute(f"CREATE TEMP TABLE seed_{table} AS SELECT * FROM main.{table}")
        statements = [_copy(db, table, changes) for table, changes in COPIES.items()]
        for first in range(1, cases + 1, CHUNK):
            with db:
                for statement in statements:
                    db.execute(statement, {"first": first, "last": min(first + CHUNK - 1, cases)})
                db.execute(_LINK)
        with db:
            db.execute(_BEHIND)
            for _, sql in triggers:
                db.execute(sql)
        for pragma in ("synchronous = FULL", "wal_checkpoint(TRUNCATE)", "optimize"):
            db.execute(f"PRAGMA {pragma}").fetchall()


def _check(db: apsw.Connection) -> None:
    if _count(db, "case_file") != 1 or any(_count(db, table) for table in COUNTED):
        raise ValueError("the database must hold one case, with nothing said in it yet")


def _count(db: apsw.Connection, table: str) -> int:
    return int(next(iter(db.execute(f"SELECT count(*) FROM {table}")))[0])


def _copy(db: apsw.Connection, table: str, changes: Mapping[str, str]) -> str:
    columns: list[Any] = [row[1] for row in db.execute(f"PRAGMA table_xinfo({table})") if not row[6]]  # none generated
    values = ", ".join(changes.get(column, "{0}").format(f"s.{column}") for column in columns)
    return (
        "WITH RECURSIVE n (i) AS (SELECT :first UNION ALL SELECT i + 1 FROM n WHERE i < :last)"
        f" INSERT INTO main.{table} ({', '.join(columns)}) SELECT {values} FROM n, temp.seed_{table} s"
    )
