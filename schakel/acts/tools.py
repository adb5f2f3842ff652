# SPDX-License-Identifier: EUPL-1.2
"""What every act works with: the region's tables, seals, clocks and notices, and how a case's ledger is read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final, Protocol

from schakel.acts.refusals import refused
from schakel.asking import Asking
from schakel.clocks import Clocks
from schakel.deadlines import deadline_for, due_of
from schakel.feedback import Telling
from schakel.ledger_records import (
    Act,
    CaseLedger,
    EndedDeadline,
    Involved,
    LedgerDecision,
    LedgerEntry,
    Matter,
    NewEntry,
)
from schakel.ports import Vault
from schakel.records import NewDeadline, NewDelivery, SealPlace, ToldSource
from schakel.region import LEADING, REQUEST_KINDS, Region
from schakel.states import CaseState, HandOverState, Machine, RequestState, Role

OPERATOR: Final = "operator:"
CLOCK: Final = "clock"
HUB: Final = "hub"
ANSWERED: Final = frozenset({RequestState.CONFIRMED, RequestState.WITHDRAWAL_REQUESTED})
_UNDECIDED: Final = frozenset({HandOverState.PROPOSED, HandOverState.LAPSED})
LIVE: Final = frozenset({RequestState.ASKED, RequestState.RECEIVED, RequestState.IN_CONSIDERATION}) | ANSWERED


class Noticing(Protocol):
    """Makes what a team or partner is told beside the messages (schakel/notices.py)."""

    def notice(
        self,
        kind: Any,
        happened: str,
        partner: str,
        role: str,
        urgency: str,
        request_id: str | None = None,
        *,
        programme: str = "",
    ) -> NewDelivery: ...


@dataclass(frozen=True, slots=True)
class Tools:
    region: Region
    vault: Vault
    new_id: Callable[[], str]
    clocks: Clocks
    telling: Telling
    asking: Asking
    notices: Noticing


# -- who acts ----------------------------------------------------------------------------------------------------------


def lead_of(case: CaseLedger) -> Involved | None:
    """Who leads the case now: the leading team that has confirmed, the one asked last among equals; None: nobody."""
    leading = [
        one for one in case.involved if one.role in LEADING and one.state in LIVE and candidacy(case, one.id) is None
    ]
    return max(leading, key=lambda one: (one.state in ANSWERED, one.asked_at, one.id), default=None)


def candidacy(case: CaseLedger, request_id: str) -> Matter | None:
    """The hand-over that this request is a candidate's of, while it is open: until then the old team has the part."""
    return next(
        (
            one
            for one in case.matters
            if one.machine == Machine.HAND_OVER and one.request_id == request_id and one.state in _UNDECIDED
        ),
        None,
    )


def role_of(act: Act, case: CaseLedger) -> Role:
    """In which role this actor acts in the case."""
    if act.actor.startswith(OPERATOR):
        return Role.OPERATOR
    if act.actor in (CLOCK, HUB):
        return Role(act.actor)
    lead = lead_of(case)
    return Role.LEAD if lead is not None and lead.partner == act.actor else Role.RECIPIENT


# -- reading the case --------------------------------------------------------------------------------------------------


def involvement(case: CaseLedger, partner: str, role: str) -> Involved | None:
    """The last request to this partner in this role, however it stands."""
    return max(
        (one for one in case.involved if one.partner == partner and one.role == role),
        key=lambda one: (one.state in LIVE, one.asked_at, one.id),
        default=None,
    )


def live(case: CaseLedger, partner: str, role: str) -> Involved | None:
    """The request to this partner in this role that is open or confirmed."""
    found = involvement(case, partner, role)
    return found if found is not None and found.state in LIVE else None


def involvement_of(case: CaseLedger, request_id: str | None) -> Involved | None:
    return next((one for one in case.involved if one.id == request_id), None)


def matter_of(case: CaseLedger, name: str, partner: str = "") -> Matter | None:
    """By id or answer reference; with `partner` only one that is this partner's."""
    return next((one for one in case.matters if name in (one.id, one.reference) and partner in ("", one.partner)), None)


def is_open(case: CaseLedger) -> bool:
    return case.state == CaseState.OPEN


# -- writing -----------------------------------------------------------------------------------------------------------


def entry(
    act: Act,
    case: CaseLedger,
    tools: Tools,
    *,
    subject: str,
    event: str,
    words: Mapping[str, Any] | None = None,
    entry_id: str | None = None,
    valid_from: datetime | None = None,
    valid_to: datetime | None = None,
) -> NewEntry:
    """The act's line in the ledger, under the act's own id; `words` (default: what the act says) are sealed with who
    said it, as the organisation asserts."""
    said: dict[str, Any] = dict(act.fields if words is None else words)
    said |= {"kind": act.kind, "actor": {"name": act.name, "function": act.function}}
    if act.evidence:
        said["evidence"] = act.evidence
    return line(
        case,
        tools,
        entry_id=entry_id or act.id,
        subject=subject,
        event=event,
        by=(act.actor, role_of(act, case)),
        medium=act.medium,
        valid_from=valid_from or act.valid_from or act.at,
        valid_to=valid_to or act.valid_to,
        words=said,
    )


def line(
    case: CaseLedger,
    tools: Tools,
    *,
    entry_id: str,
    subject: str,
    event: str,
    by: tuple[str, Role],
    medium: str,
    valid_from: datetime,
    valid_to: datetime | None = None,
    words: Mapping[str, Any],
) -> NewEntry:
    """A line in the ledger; `words` are sealed."""
    return NewEntry(
        id=entry_id,
        subject=subject,
        event=event,
        actor=by[0],
        role=by[1].value,
        medium=medium,
        valid_from=valid_from,
        valid_to=valid_to,
        sealed=seal(case, tools, "ledger_entry", entry_id, "words", words),
    )


def seal(case: CaseLedger, tools: Tools, table: str, row: str, purpose: str, value: Mapping[str, Any]) -> bytes:
    """JSON under the case's key."""
    plain = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
    return tools.vault.seal(case.wrapped_key, plain, owner=case.id, place=SealPlace(table, row, purpose))


def words_of(case: CaseLedger, tools: Tools, line: LedgerEntry) -> dict[str, Any]:
    """`{kind, actor: {name, function}, evidence?, …}` of an entry; {} when it holds none, or was erased."""
    return _opened(case, tools, line.sealed, SealPlace("ledger_entry", line.id, "words"))


def terms_of(case: CaseLedger, tools: Tools, matter: Matter) -> dict[str, Any]:
    """What was asked; {} when erased."""
    return _opened(case, tools, matter.sealed, SealPlace("matter", matter.id, "terms"))


def _opened(case: CaseLedger, tools: Tools, sealed: bytes | None, place: SealPlace) -> dict[str, Any]:
    if sealed is None:
        return {}
    opened = json.loads(tools.vault.open(case.wrapped_key, sealed, owner=case.id, place=place))
    return opened if isinstance(opened, dict) else {}


def told(
    case: CaseLedger, tools: Tools, kind: str, happened: str, partner: str, role: str, request_id: str | None = None
) -> tuple[ToldSource, ...]:
    """A notice to one organisation; () for one that has no system, or when the case has no message to stand beside.
    `request_id`: whose reference the answer carries, where no matter has one of its own."""
    known = tools.region.partner(partner)
    if known is None or known.receives is None or case.newest_message is None:
        return ()
    made = tools.notices.notice(kind, happened, partner, role, case.urgency, request_id)
    return (ToldSource(case.newest_message, made),)


def told_lead(case: CaseLedger, tools: Tools, kind: str, happened: str, *, but: str = "") -> tuple[ToldSource, ...]:
    """The same to who leads the case; not to `but`, who did it."""
    lead = lead_of(case)
    return () if lead is None or lead.partner == but else told(case, tools, kind, happened, lead.partner, lead.role)


# -- clocks ------------------------------------------------------------------------------------------------------------


def started(
    case: CaseLedger, tools: Tools, *, subject: str, event: str, partner: str, role: str, at: datetime
) -> tuple[NewDeadline, ...]:
    """The clocks that an event starts for this partner in this role."""
    return tools.clocks.started(
        subject=subject,
        event=event,
        partner=partner,
        role=role,
        programme=case.programme,
        urgency=case.urgency,
        at=at,
        order_end=case.order_end,
    )


def norms(
    case: CaseLedger, tools: Tools, *, subject: str, event: str, partner: str, role: str, at: datetime
) -> tuple[NewDeadline, ...]:
    """The same, without those whose end is on record already: what happened may be told out of order."""
    made = started(case, tools, subject=subject, event=event, partner=partner, role=role, at=at)
    return tuple(one for one in made if not _ended_since(case, tools, one))


def _ended_since(case: CaseLedger, tools: Tools, made: NewDeadline) -> bool:
    row = deadline_for(
        tools.region.deadlines, role=made.role, programme=case.programme, urgency=made.urgency, kind=made.kind
    )
    ends = row.until if row is not None else ()
    return any(
        each.event in ends
        and (each.valid_from > made.started_at or (each.valid_from == made.started_at and each.event != made.event))
        for each in case.entries
        if each.subject == case.id
    )


def must_run(deadlines: tuple[NewDeadline, ...], kind: str) -> tuple[NewDeadline, ...]:
    """Raises Refusal when no clock of this kind is among them: whatever is asked has a clock."""
    if not any(one.kind == kind for one in deadlines):
        raise refused("act:no-deadline", "role")
    return deadlines


def answered(case: CaseLedger, subject: str, by: str) -> tuple[EndedDeadline, ...]:
    """The clocks that an answer ends: those of the request or matter itself, not the norms with an end of their own."""
    kinds = sorted(one.kind for one in case.deadlines if one.subject == subject and one.kind in REQUEST_KINDS)
    return tuple(EndedDeadline(subject, by, kind) for kind in kinds)


def until(case: CaseLedger, tools: Tools, event: str, at: datetime) -> tuple[EndedDeadline, ...]:
    """The norms of the case that this event ends, of those that had started by then."""
    found = []
    for running in case.deadlines:
        due = due_of(tools.region.deadlines, running)
        if due is not None and event in due.until and running.started_at <= at:
            found.append(EndedDeadline(running.subject, event, running.kind))
    return tuple(found)


# -- putting together --------------------------------------------------------------------------------------------------


def together(decisions: Iterable[LedgerDecision]) -> LedgerDecision:
    """Everything that several decisions write, in their order; the first that names something wins."""
    parts = list(decisions)
    if not parts:
        return LedgerDecision()
    merged: dict[str, Any] = {}
    for each in fields(LedgerDecision):
        values = [getattr(part, each.name) for part in parts]
        if isinstance(values[0], tuple):
            merged[each.name] = tuple(one for value in values for one in value)
        elif each.name == "made":
            merged[each.name] = {name: said for value in reversed(values) for name, said in value.items()}
        elif each.name == "outcome":
            merged[each.name] = values[0]
        else:
            merged[each.name] = next((value for value in values if value is not None), None)
    return LedgerDecision(**merged)


def repeated(**made: str) -> LedgerDecision:
    """It was said before, in the same words: nothing changes."""
    return LedgerDecision(outcome="repeated", made=made)
