# SPDX-License-Identifier: EUPL-1.2
"""What happened in the case itself: the first visit, the plan, each evaluation, the phase it entered, and whatever else
the region puts on record. Each ends and starts the clocks that the region's table names it for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final

from schakel.acts.reading import choice, maybe_moment, maybe_words, words
from schakel.acts.refusals import refused
from schakel.acts.tools import LIVE, Tools, entry, is_open, lead_of, norms, repeated, role_of, until, words_of
from schakel.ledger_records import Act, CaseLedger, Involved, LedgerDecision, LedgerEntry
from schakel.message import Phase
from schakel.records import NewDeadline, ToldSource
from schakel.region import TurningPoint
from schakel.states import RequestState, Role

PHASE: Final = "phase-entered"
EVALUATED: Final = "evaluated"
KNOWN: Final = ("first-visit", "plan-made", EVALUATED, PHASE)
TURNING: Final[Mapping[str, TurningPoint]] = {"first-visit": "first-visit", "plan-made": "plan-made"}
ADMISSION: Final = "admission-"  # these go on record with the weighing's decision itself, never on their own


def milestone(act: Act, case: CaseLedger, tools: Tools) -> LedgerDecision:
    """`event`, `at` (default: now), `phase` (of phase-entered), `note`."""
    event, at = words(act, "event", 64), maybe_moment(act, "at") or act.at
    if event not in (*KNOWN, *(each.id for each in tools.region.deadlines.milestones)) or event.startswith(ADMISSION):
        raise refused("milestone:unknown", "event")
    if at > act.at:
        raise refused("act:in-the-future", "at")
    if not is_open(case) or role_of(act, case) is Role.RECIPIENT:
        _check_own_clock(act, case, tools, event)
    phase = choice(act, "phase", list(Phase)) if event == PHASE else None
    if event != PHASE and "phase" in act.fields:
        raise refused("milestone:phase-only-when-entered", "phase")
    maybe_words(act, "note")
    if any(_same(line, case, tools, event, at, phase) for line in case.entries):
        return repeated(id=case.id, event=event)
    kept = entry(act, case, tools, subject=case.id, event=event, valid_from=at)
    return LedgerDecision(
        entries=(kept,),
        ended=until(case, tools, event, at),
        deadlines=tuple(from_then(case, tools, event, at)) if is_open(case) else (),
        deliveries=_turned(case, tools, event, kept.id),
        made={"id": case.id, "event": event},
    )


def _turned(case: CaseLedger, tools: Tools, event: str, happened: str) -> tuple[ToldSource, ...]:
    """What the sources may know of it, the first time that it happens."""
    kind = TURNING.get(event)
    if kind is None or any(line.event == event for line in case.entries):
        return ()
    return tools.telling.turned(case.sources, kind, happened)


def from_then(case: CaseLedger, tools: Tools, event: str, at: datetime) -> Iterator[NewDeadline]:
    """The norms of the case that an event starts for those who take part; not one whose end is on record already."""
    for one in by_role(case):
        yield from norms(case, tools, subject=case.id, event=event, partner=one.partner, role=one.role, at=at)


def by_role(case: CaseLedger) -> tuple[Involved, ...]:
    """One for each role in the case, who confirmed and was asked last before others; of the leading roles who leads."""
    lead = lead_of(case)
    found: dict[str, Involved] = {}
    for one in sorted(case.involved, key=lambda one: (one.state == RequestState.CONFIRMED, one.asked_at, one.id)):
        if one.state in LIVE:
            found[one.role] = one
    return tuple(found.values()) if lead is None else tuple({**found, lead.role: lead}.values())


def _check_own_clock(act: Act, case: CaseLedger, tools: Tools, event: str) -> None:
    """After closing, and beside the lead, only whoever has a clock that this event ends (S4: the local team keeps a
    finger on the pulse); a coordinator always."""
    role = role_of(act, case)
    if role is Role.OPERATOR:
        return
    ends = {(one.subject, one.kind) for one in until(case, tools, event, act.at)}
    if not any(one.partner == act.actor and (one.subject, one.kind) in ends for one in case.deadlines):
        raise refused("act:only-the-lead" if is_open(case) else "act:case-closed", "event")


def _same(line: LedgerEntry, case: CaseLedger, tools: Tools, event: str, at: datetime, phase: str | None) -> bool:
    if (line.subject, line.event, line.valid_from) != (case.id, event, at):
        return False
    return phase is None or words_of(case, tools, line).get("phase") == phase
