# SPDX-License-Identifier: EUPL-1.2
"""A team says no, or sends a case on: it waits for the coordinator; the duo hears "on hold", the source "with a human".

Nobody is told here who declined or why: who may see that reads it in the matrix.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from schakel.acts.asking import FITS
from schakel.acts.tools import LIVE, Tools, told
from schakel.ledger_records import CaseLedger, EndedDeadline, Involved, LedgerDecision, Transition
from schakel.records import NewParked, ToldSource
from schakel.region import DUO, LEADING, TurningPoint
from schakel.states import CaseState, Machine, ParkCause, RequestState, Role

COORDINATOR: Final = "coordinator"
ON_HOLD: Final[TurningPoint] = "on-hold"
RESUMED: Final[TurningPoint] = "resumed"
SUPERSEDE: Final = "supersede"
REROUTED: Final = "rerouted"
GONE: Final = frozenset({RequestState.WITHDRAWN, RequestState.COMPLETED, RequestState.SUPERSEDED})
CAUSES: Final = {"lead": ParkCause.LEAD_DECLINED, "duo": ParkCause.DUO_DECLINED}


def side_of(role: str) -> str | None:
    """`lead` or `duo`; None for a partner that is asked in."""
    return "lead" if role in LEADING else "duo" if role in DUO else None


def others_on(case: CaseLedger, role: str, but: str) -> list[Involved]:
    """Who else leads, or walks along, or may yet; `but`: a request that does not count."""
    side = side_of(role)
    return [one for one in case.involved if one.id != but and side_of(one.role) == side and one.state in LIVE]


def declined(case: CaseLedger, one: Involved, tools: Tools, *, happened: str, at: datetime) -> LedgerDecision:
    """What it means for the case that this team declines, beside the answer itself. `happened`: the answer's id.

    Nothing when the case goes on without it: a partner, a team beside which another is asked, a case that is closed."""
    side = side_of(one.role)
    if side is None or case.state != CaseState.OPEN or others_on(case, one.role, one.id):
        return LedgerDecision()
    fits = _others_of_kind(case, one, tools) if side == "lead" else ()
    return LedgerDecision(
        parked=(_parked(CAUSES[side], fits, tools, at),),
        deliveries=_waiting(case, tools, happened) if side == "lead" else (),
    )


def sent_on(
    case: CaseLedger, one: Involved, to: Mapping[str, Any], tools: Tools, *, happened: str, at: datetime
) -> LedgerDecision:
    """A partner says that another organisation should have it (`{oin?, name}`): its request ends, a person decides."""
    if case.state != CaseState.OPEN or one.state in GONE:
        return LedgerDecision()
    alone = side_of(one.role) == "lead" and not others_on(case, one.role, one.id)
    return LedgerDecision(
        moves=(Transition(Machine.REQUEST.value, one.id, SUPERSEDE, Role.HUB.value, one.partner, REROUTED),),
        ended=(EndedDeadline(one.id, SUPERSEDE),),
        parked=(_parked(ParkCause.REROUTE_ASKED, _meant(one, to, tools), tools, at),),
        deliveries=_waiting(case, tools, happened) if alone else (),
        silenced=(one.id,),
    )


def confirmed(case: CaseLedger, one: Involved, tools: Tools, *, happened: str) -> LedgerDecision:
    """A team that had declined takes it up after all: the duo hears that the case goes on."""
    waited = one.state == RequestState.DECLINED and side_of(one.role) == "lead"
    if not waited or others_on(case, one.role, one.id):
        return LedgerDecision()
    return LedgerDecision(deliveries=_duo_told(case, tools, RESUMED, happened))  # sources hear that it confirmed


def goes_on(case: CaseLedger, tools: Tools, happened: str) -> tuple[ToldSource, ...]:
    """Duo and sources hear that the case no longer waits for a person."""
    return (*_duo_told(case, tools, RESUMED, happened), *tools.telling.turned(case.sources, RESUMED, happened))


def _waiting(case: CaseLedger, tools: Tools, happened: str) -> tuple[ToldSource, ...]:
    return (*_duo_told(case, tools, ON_HOLD, happened), *tools.telling.turned(case.sources, ON_HOLD, happened))


def _duo_told(case: CaseLedger, tools: Tools, kind: str, happened: str) -> tuple[ToldSource, ...]:
    duo = [one for one in case.involved if one.role in DUO and one.state in LIVE]
    return tuple(notice for one in duo for notice in told(case, tools, kind, happened, one.partner, one.role))


def _others_of_kind(case: CaseLedger, one: Involved, tools: Tools) -> tuple[tuple[str, str], ...]:
    """Other teams of the region that can have this role and did not decline it here."""
    asked = {each.partner for each in case.involved if each.role == one.role}
    own = tools.region.partner(one.partner)
    return tuple(
        (partner.id, one.role)
        for partner in tools.region.partners
        if own is not None and partner.kind == own.kind and partner.id not in asked
    )


def _meant(one: Involved, to: Mapping[str, Any], tools: Tools) -> tuple[tuple[str, str], ...]:
    """The partner that has the OIN that was named, when it can have the role."""
    oin = to.get("oin")
    found = [each for each in tools.region.partners if oin in each.oins and one.role in FITS.get(each.kind, ())]
    return tuple((each.id, one.role) for each in found if each.id != one.partner)


def _parked(cause: ParkCause, suggests: Sequence[tuple[str, str]], tools: Tools, at: datetime) -> NewParked:
    return NewParked(
        id=tools.new_id(),
        cause=cause.value,
        owner=COORDINATOR,
        findings=(),
        suggests=tuple(suggests),
        next_alarm_at=at,
        whole=False,  # no message waits
    )
