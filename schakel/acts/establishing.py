# SPDX-License-Identifier: EUPL-1.2
"""The lead establishes that a partner is involved, or no longer: a fact of its own, beside the partner's answer (S4).

A partner that was asked and has not answered can be established: somebody met it at the kitchen table.
"""

from __future__ import annotations

from typing import Final

from schakel.acts.reading import partner_in
from schakel.acts.refusals import refused
from schakel.acts.tools import Tools, entry, repeated, role_of
from schakel.ledger_records import Act, CaseLedger, Involved, LedgerDecision, NewMatter, Transition
from schakel.states import EstablishmentState, Machine, RequestState

ESTABLISH: Final = "establish"
RELEASE: Final = "release"


def establish(act: Act, case: CaseLedger, tools: Tools) -> LedgerDecision:
    """`partner`, `role`."""
    one = _asked(act, case)
    if one.established:
        return repeated(id=one.establishment or "", state=EstablishmentState.ESTABLISHED)
    matter = one.establishment or tools.new_id()
    state = EstablishmentState.ESTABLISHED.value
    line = entry(act, case, tools, subject=one.id, event=ESTABLISH)
    made = {"id": matter, "state": state, "answered": one.state}
    if one.establishment is not None:
        return LedgerDecision(moves=(_move(act, case, matter, ESTABLISH),), entries=(line,), made=made)
    new = NewMatter(
        id=matter,
        machine=Machine.ESTABLISHMENT,
        event=ESTABLISH,
        by_role=role_of(act, case),
        by=act.actor,
        partner=one.partner,
        role=one.role,
        request_id=one.id,
        valid_from=line.valid_from,
    )
    return LedgerDecision(matters=(new,), entries=(line,), made=made)


def release(act: Act, case: CaseLedger, tools: Tools) -> LedgerDecision:
    """`partner`, `role`."""
    one = _asked(act, case)
    if one.establishment is None:
        raise refused("establish:not-established", "partner")
    made = {"id": one.establishment, "state": EstablishmentState.RELEASED.value, "answered": one.state}
    if not one.established:
        return repeated(**made)
    return LedgerDecision(
        moves=(_move(act, case, one.establishment, RELEASE),),
        entries=(entry(act, case, tools, subject=one.id, event=RELEASE),),
        made=made,
    )


def _asked(act: Act, case: CaseLedger) -> Involved:
    one = partner_in(act, case)
    if one is None or one.state == RequestState.SUPERSEDED:
        raise refused("establish:not-asked", "partner")
    return one


def _move(act: Act, case: CaseLedger, matter: str, event: str) -> Transition:
    return Transition(Machine.ESTABLISHMENT, matter, event, role_of(act, case), act.actor)
