# SPDX-License-Identifier: EUPL-1.2
"""The case closes: who was asked is told, every clock ends but the follow-up, its content gets its last day.

S4: the local team keeps a finger on the pulse; the day: regions/*/retention.yaml. A note changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from schakel.acts import effort
from schakel.acts.milestones import from_then
from schakel.acts.reading import words
from schakel.acts.tools import LIVE, Tools, entry, role_of, told
from schakel.ledger_records import Act, CaseLedger, EndedDeadline, LedgerDecision, Transition
from schakel.records import ToldSource
from schakel.states import CaseState, HandOverState, KnownCheckState, Machine, Role

CLOSED: Final = "closed"
# What is still open then, how it ends, and by which move of the hub.
OPEN: Final[Mapping[tuple[str, str], str]] = {
    (Machine.KNOWN_CHECK, KnownCheckState.ASKED): "lapse",
    (Machine.HAND_OVER, HandOverState.PROPOSED): "cancel",
    (Machine.HAND_OVER, HandOverState.LAPSED): "cancel",
}


def close(act: Act, case: CaseLedger, tools: Tools) -> LedgerDecision:
    """`reason`."""
    words(act, "reason")
    line = entry(act, case, tools, subject=case.id, event=CLOSED)
    dropped, _ = effort.dropped(case, None, CLOSED)
    others = tuple(
        Transition(each.machine, each.id, OPEN[each.machine, each.state], Role.HUB, "hub", CLOSED)
        for each in case.matters
        if (each.machine, each.state) in OPEN
    )
    subjects = sorted({running.subject for running in case.deadlines})
    return LedgerDecision(
        moves=(*dropped, *others, Transition(Machine.CASE, case.id, "close", role_of(act, case), act.actor)),
        entries=(line,),
        ended=tuple(EndedDeadline(subject, CLOSED) for subject in subjects),
        deadlines=tuple(from_then(case, tools, CLOSED, act.at)),
        deliveries=(*_told(act, case, tools, line.id), *tools.telling.turned(case.sources, "closed", line.id)),
        erase_at=act.at + tools.region.retention.content_after_close,
        made={"id": case.id, "state": CaseState.CLOSED.value},
    )


def _told(act: Act, case: CaseLedger, tools: Tools, happened: str) -> tuple[ToldSource, ...]:
    """Everybody who takes part or was asked to, once in each role; not who closes it."""
    pairs = dict.fromkeys((one.partner, one.role) for one in case.involved if one.state in LIVE)
    return tuple(
        notice
        for partner, role in pairs
        if partner != act.actor
        for notice in told(case, tools, CLOSED, happened, partner, role)
    )


def note(act: Act, case: CaseLedger, tools: Tools) -> LedgerDecision:
    """`note`."""
    words(act, "note")
    return LedgerDecision(entries=(entry(act, case, tools, subject=case.id, event="note"),), made={"id": case.id})
