# SPDX-License-Identifier: EUPL-1.2
"""The lead asks a partner to leave the case; the partner itself says that it has withdrawn, or completed its work.

It is only asked (BSeR, IHE 360X). A coordinator alone can end an involvement without its word."""

from __future__ import annotations

from typing import Final

from schakel.acts import declines, effort
from schakel.acts.reading import partner_in, words
from schakel.acts.refusals import refused
from schakel.acts.tools import (
    LIVE,
    Tools,
    answered,
    entry,
    must_run,
    repeated,
    role_of,
    started,
    together,
    told,
)
from schakel.ledger_records import Act, CaseLedger, EndedDeadline, Involved, LedgerDecision, Transition
from schakel.states import Machine, RequestState, Role

REQUEST: Final = "request-withdrawal"
WITHDRAW: Final = "withdraw"


def withdrawal(act: Act, case: CaseLedger, tools: Tools) -> LedgerDecision:
    """`partner`, `role`, `reason`."""
    words(act, "reason")
    one = _involved(act, case)
    if one.state == RequestState.WITHDRAWAL_REQUESTED:
        return repeated(id=one.id, state=one.state)
    clocks = started(
        case, tools, subject=one.id, event="withdrawal-asked", partner=one.partner, role=one.role, at=act.at
    )
    line = entry(act, case, tools, subject=one.id, event=REQUEST)
    return LedgerDecision(
        moves=(Transition(Machine.REQUEST, one.id, REQUEST, role_of(act, case), act.actor),),
        entries=(line,),
        ended=answered(case, one.id, REQUEST),
        deadlines=must_run(clocks, "withdrawal"),
        deliveries=told(case, tools, "withdrawal-asked", line.id, one.partner, one.role, one.id),
        made={"id": one.id, "state": RequestState.WITHDRAWAL_REQUESTED.value},
    )


def withdraw(act: Act, case: CaseLedger, tools: Tools) -> LedgerDecision:
    """`partner`, `role`, `reason`: a coordinator ends an involvement that its partner does not end itself."""
    words(act, "reason")
    one = partner_in(act, case)
    if one is not None and one.state == RequestState.WITHDRAWN:
        return repeated(id=one.id, state=one.state)
    one = _involved(act, case)
    line = entry(act, case, tools, subject=one.id, event=WITHDRAW)
    moves, ended = left(case, one, WITHDRAW)
    done = LedgerDecision(
        moves=(Transition(Machine.REQUEST, one.id, WITHDRAW, Role.OPERATOR, act.actor), *moves),
        entries=(line,),
        ended=ended,
        silenced=(one.id,),
        made={"id": one.id, "state": RequestState.WITHDRAWN.value},
    )
    return together([done, declines.declined(case, one, tools, happened=line.id, at=act.at)])


def left(
    case: CaseLedger, one: Involved, by: str, *, released: bool = True
) -> tuple[tuple[Transition, ...], tuple[EndedDeadline, ...]]:
    """What ends with an involvement: its clocks, the effort that was asked of it and, with `released`, what the lead
    established of it."""
    moves, ended = effort.dropped(case, one.id, by)
    if released and one.established and one.establishment is not None:
        moves += (Transition(Machine.ESTABLISHMENT, one.establishment, "release", Role.HUB, "hub", by),)
    return moves, (EndedDeadline(one.id, by), *ended)


def _involved(act: Act, case: CaseLedger) -> Involved:
    one = partner_in(act, case)
    if one is None or one.state not in LIVE:
        raise refused("withdrawal:not-involved", "partner")
    return one
