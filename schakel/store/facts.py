# SPDX-License-Identifier: EUPL-1.2
"""Reads what the heart decides from: the open cases that share a key, each with orders and recipients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
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


@dataclass(frozen=True, slots=True)
class Cases:
    """Cases as they were read, to be matched with keys."""

    rows: Mapping[str, CaseFacts]
    opened: Mapping[str, str]

    def matching(self, matched: Mapping[MatchKey, Sequence[str]]) -> Facts:
        """Those that share a key, oldest first."""
        kinds: dict[str, set[str]] = {}
        for key, cases in matched.items():
            for case_id in cases:
                kinds.setdefault(case_id, set()).add(key.kind)
        found = sorted((case_id for case_id in kinds if case_id in self.rows), key=lambda one: (self.opened[one], one))
        return Facts(tuple(replace(self.rows[one], matched=frozenset(kinds[one])) for one in found))


def facts_of(db: Db, keys: Sequence[MatchKey]) -> Facts:
    """The open cases that share a key with `keys`, of any programme, oldest first; they stay as they are until what is
    decided on them is committed."""
    matched = cases_of_keys(db, keys)
    return read_cases(db, {case_id for cases in matched.values() for case_id in cases}).matching(matched)


def cases_of_keys(db: Db, keys: Sequence[MatchKey]) -> dict[MatchKey, list[str]]:
    """The open cases that hold each key."""
    asked = sorted(set(keys), key=lambda key: (key.kind, key.digest))
    found = db.many(CASES_OF_KEY, [{"kind": key.kind, "digest": key.digest} for key in asked])
    return {key: [row["case_id"] for row in rows] for key, rows in zip(asked, found, strict=True)}


def case_facts(db: Db, case_id: str) -> CaseFacts | None:
    """None: absent or erased. It stays as it is until what is decided on it is committed."""
    return read_cases(db, {case_id}).rows.get(case_id)


def read_cases(db: Db, case_ids: Set[str]) -> Cases:
    """Those that are there and are not erased; they stay as they are until what is decided on them is committed."""
    for case_id in sorted(case_ids):
        db.lock(LOCK_CASE, case_id=case_id)
    asked = [{"case_id": case_id} for case_id in sorted(case_ids)]
    found = [rows[0] for rows in db.many(CASE, asked) if rows]
    asked = [{"case_id": row["id"]} for row in found]
    parts = zip(*(db.many(sql, asked) for sql in (ORDERS, RECIPIENTS, JOINED, RECORDED)), strict=True)
    rows = {row["id"]: _case_facts(row, *part) for row, part in zip(found, parts, strict=True)}
    return Cases(rows, {row["id"]: row["opened_at"] for row in found})


def _case_facts(
    row: Row, orders: Sequence[Row], recipients: Sequence[Row], joined: Sequence[Row], recorded: Sequence[Row]
) -> CaseFacts:
    return CaseFacts(
        id=row["id"],
        programme=row["programme"],
        municipality=row["municipality"],
        matched=frozenset(),
        wrapped_key=row["wrapped_key"],
        secrecy=row["secrecy"],
        secrecy_version=row["secrecy_version"],
        orders=_orders(orders),
        max_ordinal=row["max_ordinal"],
        recipients=tuple(
            Recipient(asked["recipient"], asked["role"], asked["id"], asked["state"]) for asked in recipients
        ),
        joined=tuple(JoinedCase(**each) for each in joined),
        recorded={line["event"]: moment(line["at"]) for line in recorded},
    )


def orders_of(db: Db, case_id: str) -> tuple[KnownOrder, ...]:
    """The restraining orders that the case knows."""
    return _orders(db.all(ORDERS, case_id=case_id))


def _orders(rows: Sequence[Row]) -> tuple[KnownOrder, ...]:
    return tuple(KnownOrder(row["number"], maybe_moment(row["imposed_at"])) for row in rows)
