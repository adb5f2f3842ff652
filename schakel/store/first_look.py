# SPDX-License-Identifier: EUPL-1.2
"""What a batch of arrivals meets, looked up once for all; anew for what an earlier one of the batch has touched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from schakel.records import Arrival, Decision, Facts, MatchKey
from schakel.store.db import Db
from schakel.store.facts import cases_of_keys, facts_of, read_cases
from schakel.store.rows import Row

# A message that we know by its source and reference, and how it first stood.
KNOWN: Final = """
SELECT m.id, m.digest, m.first_warnings, e.to_state AS first_state
FROM message m
JOIN state_event e ON e.machine = 'message' AND e.object_id = m.id AND e.ordinal = 1
WHERE m.source = :source AND m.message_reference = :reference"""


class FirstLook:
    """Taken before anything of the batch is written; `touched` is told of each arrival that was kept."""

    def __init__(self, db: Db, arrivals: Sequence[Arrival]) -> None:
        self._db = db
        names = list({_name(arrival): None for arrival in arrivals})
        known = db.many(KNOWN, [{"source": source, "reference": reference} for source, reference in names])
        self._known = {name: rows[0] for name, rows in zip(names, known, strict=True) if rows}
        self._matched = cases_of_keys(db, [key for arrival in arrivals for key in arrival.keys])
        self._cases = read_cases(db, {case_id for cases in self._matched.values() for case_id in cases})
        self._new_names: set[tuple[str, str]] = set()
        self._new_keys: set[MatchKey] = set()
        self._changed: set[str] = set()  # cases

    def known(self, arrival: Arrival) -> Row | None:
        """The message that came under this reference before."""
        source, reference = name = _name(arrival)
        if name in self._new_names:
            return self._db.one(KNOWN, source=source, reference=reference)
        return self._known.get(name)

    def facts(self, arrival: Arrival) -> Facts:
        """As facts_of."""
        keys = set(arrival.keys)
        matched = {key: self._matched[key] for key in keys}
        met = {case_id for cases in matched.values() for case_id in cases}
        if not keys.isdisjoint(self._new_keys) or not met.isdisjoint(self._changed):
            return facts_of(self._db, arrival.keys)
        return self._cases.matching(matched)

    def touched(self, arrival: Arrival, decision: Decision) -> None:
        self._new_names.add(_name(arrival))
        self._new_keys.update(arrival.keys, decision.keys)
        self._changed.update(case_id for case_id, _ in decision.change.shared)
        if decision.case_id is not None:
            self._changed.add(decision.case_id)


def _name(arrival: Arrival) -> tuple[str, str]:
    return arrival.source, arrival.message_reference
