# SPDX-License-Identifier: EUPL-1.2
"""What a coordinator's decision on a parked case writes: who takes the place of a team that declined.

A parked message is released by `schakel/release.py`; here nothing waits but the question who goes on with the case.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from schakel.acts import hand_over
from schakel.acts.asking import asked_in, may_be_asked
from schakel.acts.declines import goes_on, others_on, side_of
from schakel.acts.refusals import refused
from schakel.acts.tools import ANSWERED, LIVE, OPERATOR, Tools, entry, live, together
from schakel.acts.withdrawal import left
from schakel.ledger_records import Act, CaseLedger, Involved, LedgerDecision, Transition
from schakel.records import ParkedRow
from schakel.region import DUO, LEADING
from schakel.release import role_of
from schakel.states import CaseState, HandOverState, Machine, ParkCause, RequestState, Role

RELEASE: Final = "release"
RETRY: Final = "retry"
DROP: Final = "drop"
REPLACED: Final = "replaced"
SUPERSEDE: Final = "supersede"
LOCAL: Final = "local-team"
HANDS: Final = frozenset({ParkCause.HAND_OVER, ParkCause.HAND_OVER_DECLINED})
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
        if row.cause in HANDS:
            return self._hands(settling, row, case)
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

    def _hands(self, settling: Settling, row: ParkedRow, case: CaseLedger) -> LedgerDecision | None:
        """The case moves: each team that is named is candidate for the part of the team that has it now."""
        if settling.event == DROP and row.cause == ParkCause.HAND_OVER_DECLINED:
            lapsed = [each for each in hand_over.running(case) if each.state == HandOverState.LAPSED]
            by = (f"{OPERATOR}{settling.by}", Role.OPERATOR)
            return together([hand_over.ended(case, each, "cancel", by) for each in lapsed])
        if settling.event != RELEASE:
            return None  # the message that told of the move is read anew, or nothing is done
        if case.state != CaseState.OPEN:
            raise refused("act:case-closed")
        if not settling.to:
            raise refused("act:field-missing", "to")
        municipality = self._municipality(settling, row)
        named = [pair for pair in (self._named(name, case) for name in settling.to) if live(case, *pair) is None]
        if not named:
            raise refused("hand-over:has-it-already", "to")
        lead = any(role in LEADING for _, role in named)
        parts = [pair for pair in named if not (lead and pair[1] in DUO)]  # the duo follows when the lead has accepted
        return together([self._candidate(settling, *pair, municipality, case) for pair in parts])

    def _candidate(
        self, settling: Settling, partner: str, role: str, municipality: str | None, case: CaseLedger
    ) -> LedgerDecision:
        if not others_on(case, role, ""):
            return self._successor(settling, f"{partner}:{role}", case)
        fields = {"to": partner, "role": role, "municipality": municipality, "reason": settling.reason}
        act = _act(settling, case, {name: value for name, value in fields.items() if value}, self._tools)
        return hand_over.hand_over(act, case, self._tools)

    def _named(self, name: str, case: CaseLedger) -> tuple[str, str]:
        partner_id, _, said = name.partition(":")
        partner = self._tools.region.partner(partner_id)
        return partner_id, said or (role_of(partner, case.programme) if partner is not None else "")

    def _municipality(self, settling: Settling, row: ParkedRow) -> str | None:
        """Of the local team that is named, or that the parking suggests."""
        names = [*(name.partition(":")[0] for name in settling.to), *(partner for partner, _ in row.suggests)]
        teams = [partner for name in names if (partner := self._tools.region.partner(name)) is not None]
        return next((team.municipalities[0] for team in teams if team.kind == LOCAL and team.municipalities), None)

    def _dropped(self, row: ParkedRow, case: CaseLedger) -> LedgerDecision:
        """Nobody is asked: right when the case is closed, or when somebody leads after all."""
        if case.state == CaseState.OPEN and row.cause != ParkCause.DUO_DECLINED and not others_on(case, "lead", ""):
            raise refused("parked:nobody-leads", "parked")
        return LedgerDecision()

    def _successor(self, settling: Settling, name: str, case: CaseLedger) -> LedgerDecision:
        """A request to the successor; those it takes the place of end, and what was on hold goes on."""
        partner_id, role = self._named(name, case)
        partner = may_be_asked(case, self._tools, partner_id, role)
        if live(case, partner_id, role) is not None:
            raise refused("ask:already-asked", "to")
        act = _act(settling, case, {"partner": partner_id, "role": role, "reason": settling.reason}, self._tools)
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


def _act(settling: Settling, case: CaseLedger, fields: Mapping[str, str], tools: Tools) -> Act:
    """The decision as the ledger keeps it, on the coordinator's word."""
    return Act(
        id=tools.new_id(),
        kind=RELEASE,
        actor=f"{OPERATOR}{settling.by}",
        reference=case.id,
        at=settling.now,
        fields=fields,
        name=settling.by,
        function="coordinator",
    )


def _superseded(one: Involved, actor: str) -> Transition:
    return Transition(Machine.REQUEST.value, one.id, SUPERSEDE, Role.OPERATOR.value, actor, REPLACED)
