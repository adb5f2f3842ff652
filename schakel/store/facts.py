# SPDX-License-Identifier: EUPL-1.2
"""Reads what the heart decides from: the open cases that share a key, each with orders and recipients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from schakel.records import CaseFacts, Facts, JoinedCase, KnownOrder, MatchKey, Recipient
from schakel.store.db import LOCK_CASE, Db
from schakel.store.rows import Row, maybe_moment, moment

# Kinds that join by themselves; any other kind is only a suggestion (ARCHITECTURE §4, Case).
STRONG: Final = frozenset({"source-case", "order", "pair"})

# Open cases that hold this key.
CASES_OF_KEY: Final = """
SELECT case_id FROM match_key WHERE kind = :kind AND digest = :digest AND open = 1"""

CASE: Final = """
SELECT id, programme, municipality, wrapped_key, secrecy, secrecy_version, max_ordinal, opened_at
FROM case_file WHERE id = :case_id AND wrapped_key IS NOT NULL"""

ORDERS: Final = """
SELECT number, imposed_at FROM known_order WHERE case_id = :case_id ORDER BY imposed_at, number"""

# Who has the case now.
RECIPIENTS: Final = """
SELECT recipient, role, id, state FROM request
WHERE case_id = :case_id AND state NOT IN ('withdrawn', 'superseded') ORDER BY asked_at, id"""


# Younger cases that were joined to it and are not erased.
JOINED: Final = """
SELECT id, wrapped_key, secrecy FROM case_file
WHERE joined_to = :case_id AND wrapped_key IS NOT NULL ORDER BY id"""

# When what is on record of the case itself happened last.
RECORDED: Final = """
SELECT event, max(valid_from) AS at FROM ledger_entry WHERE case_id = :case_id AND subject = :case_id GROUP BY event"""


def facts_of(db: Db, keys: Sequence[MatchKey]) -> Facts:
    """The open cases that share a key with `keys`, of any programme, oldest first; they stay as they are until what is
    decided on them is committed."""
    matched: dict[str, set[str]] = {}
    asked = sorted({(key.kind, key.digest) for key in keys})
    found = db.many(CASES_OF_KEY, [{"kind": kind, "digest": digest} for kind, digest in asked])
    for (kind, _), rows in zip(asked, found, strict=True):
        for row in rows:
            matched.setdefault(row["case_id"], set()).add(kind)
    for case_id in sorted(matched):
        db.lock(LOCK_CASE, case_id=case_id)
    cases = [case for case_id in matched if (case := db.one(CASE, case_id=case_id)) is not None]
    cases.sort(key=lambda row: (row["opened_at"], row["id"]))
    return Facts(tuple(_case_facts(db, row, frozenset(matched[row["id"]])) for row in cases))


def case_facts(db: Db, case_id: str, matched: frozenset[str] = frozenset()) -> CaseFacts | None:
    """None: absent or erased."""
    db.lock(LOCK_CASE, case_id=case_id)
    row = db.one(CASE, case_id=case_id)
    return None if row is None else _case_facts(db, row, matched)


def _case_facts(db: Db, row: Row, matched: frozenset[str]) -> CaseFacts:
    case_id = row["id"]
    return CaseFacts(
        id=case_id,
        programme=row["programme"],
        municipality=row["municipality"],
        matched=matched,
        wrapped_key=row["wrapped_key"],
        secrecy=row["secrecy"],
        secrecy_version=row["secrecy_version"],
        orders=orders_of(db, case_id),
        max_ordinal=row["max_ordinal"],
        recipients=tuple(
            Recipient(asked["recipient"], asked["role"], asked["id"], asked["state"])
            for asked in db.all(RECIPIENTS, case_id=case_id)
        ),
        joined=tuple(JoinedCase(**joined) for joined in db.all(JOINED, case_id=case_id)),
        recorded={line["event"]: moment(line["at"]) for line in db.all(RECORDED, case_id=case_id)},
    )


def orders_of(db: Db, case_id: str) -> tuple[KnownOrder, ...]:
    """The restraining orders that the case knows."""
    return tuple(KnownOrder(row["number"], maybe_moment(row["imposed_at"])) for row in db.all(ORDERS, case_id=case_id))
