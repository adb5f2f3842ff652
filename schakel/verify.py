# SPDX-License-Identifier: EUPL-1.2
"""The accountant: counts from the messages and the decisions, with its own SQL, and names every hole.

It shares no code with the store, changes nothing, and may run beside the hub: one read transaction sees one instant.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from schakel.audit import AuditRow, LinkedRow, SignatureCheck, broken_links, checkpoint_message
from schakel.states import MOVES
from schakel.verify_journal import Journals, compare
from schakel.verify_ledger import LEDGER_COUNTS, LEDGER_RULES
from schakel.verify_reading import SQLITE, Query, reading
from schakel.verify_rules import COUNTED_RULES, COUNTS, RULES, STATES, Rule

GRACE: Final = timedelta(seconds=60)  # how late linking and alarms may be
ERASING: Final = timedelta(hours=2)  # how late erasing may be: the clock looks every hour
MOST_NAMED: Final = 100  # holes of one rule that are named one by one; all are counted

IMPOSSIBLE: Final = Rule(
    "history:impossible",
    "SELECT machine, object_id, ordinal, from_state, event, role, to_state FROM state_event",
    "Deze stap bestaat niet",
    "There is no such step",
)
FOREIGN_MOVE: Final = Rule(
    "moves:foreign",
    "SELECT machine, from_state, event, role, to_state FROM allowed_move",
    "De database staat een stap toe die niet bestaat",
    "The database allows a step that does not exist",
)
CHAIN: Final = Rule(
    "audit:broken-chain",
    "SELECT id, at, actor, action, object, detail, position, hash FROM audit WHERE position > 0 ORDER BY position",
    "De auditketen is hier gebroken",
    "The audit chain is broken here",
)
# The first row that is left, when it stands at a signed point and the cut there is on record.
CUT: Final = """
SELECT a.position FROM audit a JOIN audit_checkpoint c ON c.position = a.position AND c.hash = a.hash
WHERE a.position = (SELECT min(position) FROM audit) AND EXISTS (
    SELECT 1 FROM audit r WHERE r.action = 'retention:audit' AND r.object = 'position ' || a.position)"""
SIGNATURES: Final = Rule(
    "audit:signature",
    "SELECT position, hash, at, key_id, signature FROM audit_checkpoint ORDER BY position",
    "De ondertekening van dit punt klopt niet",
    "The signature of this point is wrong",
)


@dataclass(frozen=True, slots=True)
class Hole:
    """One thing that is wrong: by which rule, with what, in both languages."""

    rule: str
    object: str
    nl: str
    en: str


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """`counts`: what there is; `holes`: what is wrong, at most a hundred per rule; `found`: how many per rule."""

    at: datetime
    counts: Mapping[str, int]
    found: Mapping[str, int]
    holes: tuple[Hole, ...]

    @property
    def ok(self) -> bool:
        return not self.holes

    @property
    def lost(self) -> int:
        """Decided deliveries that are not there."""
        return self.counts["lost"]

    def to_json(self) -> dict[str, Any]:
        return {
            "ok": self.ok,
            "at": _text(self.at),
            "counts": dict(self.counts),
            "holes": [{"rule": h.rule, "object": h.object, "nl": h.nl, "en": h.en} for h in self.holes],
            "found": dict(self.found),
        }


def verify(
    database: str, *, now: datetime, check: SignatureCheck | None = None, journals: Journals | None = None
) -> VerifyReport:
    """Of `sqlite:///path` or `postgresql://…`; changes nothing. `check` proves the signatures of the audit
    checkpoints; without it only the chain is followed. `journals`: what recipients wrote down. Raises
    ConfigurationError when there is no database."""
    with reading(database) as engine:
        own = engine.own_checks
        return account(engine.query, now=now, check=check, own_checks=own, journals=journals or {})


def verify_sqlite(path: Path, *, now: datetime, check: SignatureCheck | None = None) -> VerifyReport:
    """As `verify`, of a file."""
    return verify(f"{SQLITE}{path}", now=now, check=check)


def account(
    query: Query,
    *,
    now: datetime,
    check: SignatureCheck | None,
    own_checks: tuple[Rule, ...] = (),
    journals: Journals = MappingProxyType({}),
) -> VerifyReport:
    """The whole account over one engine. `own_checks`: what that engine can say of itself."""
    values = {"now": _text(now), "grace": _text(now - GRACE), "erased_by": _text(now - ERASING)}
    holes: list[Hole] = []
    found: dict[str, int] = {}

    def note(rule: Rule, objects: Iterable[str]) -> None:
        for object_ in objects:
            found[rule.name] = found.get(rule.name, 0) + 1
            if found[rule.name] <= MOST_NAMED:
                holes.append(Hole(rule.name, object_, rule.nl, rule.en))

    for rule in (*RULES, *STATES, *LEDGER_RULES):
        note(rule, (str(row[0]) for row in query(rule.sql, _used(rule.sql, values)) if row[0] is not None))
    note(IMPOSSIBLE, _impossible(query))
    note(FOREIGN_MOVE, _foreign_moves(query))
    note(CHAIN, (f"position {position}" for position in broken_links(_linked(query), first=_cut(query))))
    if check is not None:
        note(SIGNATURES, _unsigned(query, check))
    for rule in own_checks:
        note(rule, _own(query, rule))
    for rule, object_ in compare(query, journals):
        note(rule, [object_])
    counts = {
        name: int(next(iter(query(sql, _used(sql, values))))[0]) for name, sql in (COUNTS | LEDGER_COUNTS).items()
    }
    counts |= {name: sum(found.get(rule, 0) for rule in rules) for name, rules in COUNTED_RULES.items()}
    return VerifyReport(at=now, counts=counts, found=found, holes=tuple(holes))


def _impossible(query: Query) -> Iterator[str]:
    known = {tuple(map(str, move)) for move in MOVES}
    for machine, object_id, ordinal, *rest in query(IMPOSSIBLE.sql, {}):
        if (machine, *rest) not in known:
            yield f"{machine} {object_id} {ordinal}"


def _foreign_moves(query: Query) -> Iterator[str]:
    known = {tuple(map(str, move)) for move in MOVES}
    return (" ".join(row) for row in query(FOREIGN_MOVE.sql, {}) if row not in known)


def _linked(query: Query) -> Iterator[LinkedRow]:
    for *row, position, link_hash in query(CHAIN.sql, {}):
        yield LinkedRow(AuditRow(*row), position, link_hash)


def _cut(query: Query) -> int:
    """Where the chain begins: at its first link, or at the signed point where rows past their term were cut off."""
    return next((int(row[0]) for row in query(CUT, {})), 1)


def _unsigned(query: Query, check: SignatureCheck) -> Iterator[str]:
    for position, link_hash, at, key_id, signature in query(SIGNATURES.sql, {}):
        if not check(key_id, checkpoint_message(position, link_hash, at), signature):
            yield f"position {position}"


def _own(query: Query, rule: Rule) -> Iterator[str]:
    return (" ".join(map(str, row)) for row in query(rule.sql, {}) if row[0] != "ok")


def _used(sql: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if f":{name}" in sql}


def _text(at: datetime) -> str:
    """As the database writes times."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
