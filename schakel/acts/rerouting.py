# SPDX-License-Identifier: EUPL-1.2
"""What a coordinator's decision on a parked case writes: who takes the place of a team that declined.

A parked message is released by `schakel/release.py`; here nothing waits but the question who goes on with the case.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from schakel.acts.asking import asked_in, may_be_asked
from schakel.acts.declines import goes_on, others_on, side_of
from schakel.acts.refusals import refused
from schakel.acts.tools import ANSWERED, LIVE, OPERATOR, Tools, entry, live, together
from schakel.acts.withdrawal import left
from schakel.ledger_records import Act, CaseLedger, Involved, LedgerDecision, Transition
from schakel.records import ParkedRow
from schakel.region import LEADING
from schakel.release import role_of
from schakel.states import CaseState, Machine, ParkCause, RequestState, Role

RELEASE: Final = "release"
RETRY: Final = "retry"
DROP: Final = "drop"
REPLACED: Final = "replaced"
SUPERSEDE: Final = "supersede"
TEAMS: Final = frozenset({ParkCause.LEAD_DECLINED, ParkCause.DUO_DECLINED, ParkCause.REROUTE_ASKED})


@dataclass(frozen=True, slots=True)
class Settling:
    """What a person decides on something parked. `to`: `partner` or `partner:role`, once per partner."""

    event: str  # release, retry or drop
    to: Sequence[str]
    by: str
    reason: str
    now: datetime


class Rerouter:
    """Runs inside the store's transaction."""

    def __init__(self, *, tools: Tools) -> None:
        self._tools = tools

    def settle(self, settling: Settling, row: ParkedRow, case: CaseLedger) -> LedgerDecision | None:
        """None: this is no question about a team of the case. Raises Refusal naming the rule."""
        if row.cause not in TEAMS:
            return None
        if settling.event == RETRY:
            raise refused("parked:release-or-drop", "parked")
        if settling.event == DROP:
            return self._dropped(row, case)
        if case.state != CaseState.OPEN:
            raise refused("act:case-closed")
        if not settling.to:
            raise refused("act:field-missing", "to")
        return together([self._successor(settling, name, case) for name in settling.to])

    def _dropped(self, row: ParkedRow, case: CaseLedger) -> LedgerDecision:
        """Nobody is asked: right when the case is closed, or when somebody leads after all."""
        if case.state == CaseState.OPEN and row.cause != ParkCause.DUO_DECLINED and not others_on(case, "lead", ""):
            raise refused("parked:nobody-leads", "parked")
        return LedgerDecision()

    def _successor(self, settling: Settling, name: str, case: CaseLedger) -> LedgerDecision:
        """A request to the successor; those it takes the place of end, and what was on hold goes on."""
        partner_id, _, said = name.partition(":")
        partner = self._tools.region.partner(partner_id)
        role = said or (role_of(partner, case.programme) if partner is not None else "")
        partner = may_be_asked(case, self._tools, partner_id, role)
        if live(case, partner_id, role) is not None:
            raise refused("ask:already-asked", "to")
        act = _act(settling, case, partner_id, role, self._tools)
        request, carried = asked_in(act, case, self._tools, partner, role)
        replaced = _replaced(case, role)
        left_behind = [left(case, one, SUPERSEDE) for one in replaced]
        return LedgerDecision(
            about=case.newest_message,
            requests=(request,),
            moves=(
                *(_superseded(one, act.actor) for one in replaced),
                *(move for moves, _ in left_behind for move in moves),
            ),
            entries=(entry(act, case, self._tools, subject=request.id, event="ask"),),
            ended=tuple(each for _, ended in left_behind for each in ended),
            deliveries=(*carried, *(goes_on(case, self._tools, act.id) if role in LEADING else ())),
            silenced=tuple(one.id for one in replaced),
            made={"id": request.id},
        )


def _replaced(case: CaseLedger, role: str) -> list[Involved]:
    """Whose place the successor takes: teams that declined, and one that was asked to lead and has not answered (a new
    message asks a team that declined anew). Raises Refusal when a team leads: it hands the case over."""
    if side_of(role) is None:
        return []
    on = [one for one in case.involved if side_of(one.role) == side_of(role)]
    if role not in LEADING:
        return [one for one in on if one.state == RequestState.DECLINED]
    if any(one.state in ANSWERED for one in on):
        raise refused("ask:leads-already", "to")
    return [one for one in on if one.state in LIVE or one.state == RequestState.DECLINED]


def _act(settling: Settling, case: CaseLedger, partner: str, role: str, tools: Tools) -> Act:
    """The decision as the ledger keeps it, on the coordinator's word."""
    return Act(
        id=tools.new_id(),
        kind=RELEASE,
        actor=f"{OPERATOR}{settling.by}",
        reference=case.id,
        at=settling.now,
        fields={"partner": partner, "role": role, "reason": settling.reason},
        name=settling.by,
        function="coordinator",
    )


def _superseded(one: Involved, actor: str) -> Transition:
    return Transition(Machine.REQUEST.value, one.id, SUPERSEDE, Role.OPERATOR.value, actor, REPLACED)
