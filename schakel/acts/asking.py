# SPDX-License-Identifier: EUPL-1.2
"""The lead asks a partner in: a request with its own clock, and the newest message of the case as that partner may
see it (S4)."""

from __future__ import annotations

from typing import Final, get_args

from schakel.acts.reading import maybe_choice, words
from schakel.acts.refusals import refused
from schakel.acts.tools import OPERATOR, Tools, entry, lead_of, live, must_run, repeated
from schakel.clocks import ACCEPTED
from schakel.deadlines import clock_for
from schakel.feedback import ASKED_IN
from schakel.ledger_records import Act, CaseLedger, Involved, LedgerDecision
from schakel.message import Phase, Programme
from schakel.records import NewRequest, ToldSource
from schakel.region import ANSWER, LEADING, PARTNER, Partner, RecipientRole, Serves
from schakel.states import AdmissionState, Machine

ASKED: Final = "asked"
# The roles in which a kind of organisation can take part; anybody who is no source can be asked in as a partner.
FITS: Final = {
    "icm-team": frozenset({"lead", PARTNER}),
    "zvhh": frozenset({"process-director", PARTNER}),
    "local-team": frozenset({"duo", "case-director", PARTNER}),
    "partner": frozenset({PARTNER}),
    "network": frozenset({PARTNER}),
}

NOT_IN_MDA: Final = frozenset({"lead", "duo"})
ONLY_IN_MDA: Final = frozenset({"process-director", "case-director"})


def ask(act: Act, case: CaseLedger, tools: Tools) -> LedgerDecision:
    """`partner`, `role` (default: partner), `phase`, `serves`."""
    name, role = words(act, "partner", 64), maybe_choice(act, "role", get_args(RecipientRole)) or PARTNER
    phase, serves = maybe_choice(act, "phase", list(Phase)), maybe_choice(act, "serves", get_args(Serves))
    partner = may_be_asked(case, tools, name, role)
    _check_serves(partner, serves)
    before = live(case, partner.id, role)
    if before is not None:
        if (before.asked_by, before.phase, before.serves) == (act.actor, phase, serves):
            return repeated(id=before.id, state=before.state)
        raise refused("ask:already-asked", "partner")
    _check_who_leads(act, case, role)
    _check_admitted(act, case, role)
    request, carried = asked_in(act, case, tools, partner, role, phase=phase, serves=serves)
    return LedgerDecision(
        about=case.newest_message,
        requests=(request,),
        entries=(entry(act, case, tools, subject=request.id, event="ask"),),
        deliveries=carried,
        made={"id": request.id, "state": ASKED},
    )


def asked_in(
    act: Act,
    case: CaseLedger,
    tools: Tools,
    partner: Partner,
    role: str,
    *,
    phase: str | None = None,
    serves: str | None = None,
) -> tuple[NewRequest, tuple[ToldSource, ...]]:
    """A request to a partner, and the delivery that carries the case's newest message with its answer reference.

    Raises Refusal: the case has no message to carry, or the region has no deadline for the answer."""
    if case.newest_message is None:
        raise refused("act:nothing-routed")
    request = tools.asking.request(
        partner.id,
        role,
        case_id=case.id,
        programme=case.programme,
        urgency=case.urgency,
        now=act.at,
        event=_event(case, tools, role, act),
        asked_by=act.actor,
        phase=phase,
        serves=serves,
    )
    must_run(request.deadlines, ANSWER)
    if partner.receives is None:  # of the household's own network: somebody tells it in person
        return request, ()
    delivery = tools.asking.delivery(partner.id, role, case.urgency, request.id, occasion=f"{ASKED_IN}:{request.id}")
    return request, (ToldSource(case.newest_message, delivery),)


def may_be_asked(case: CaseLedger, tools: Tools, name: str, role: str) -> Partner:
    """The partner, when it takes part in the region and can have this role in this programme. Raises Refusal."""
    partner = tools.region.partner(name)
    if partner is None:
        raise refused("ask:unknown-partner", "partner")
    if partner.kind not in FITS:
        raise refused("ask:not-a-recipient", "partner")
    director = case.programme == Programme.MDA
    if role not in FITS[partner.kind] or role in (
        ("lead", "duo") if director else ("process-director", "case-director")
    ):
        raise refused("ask:role-does-not-fit", "role")
    table = tools.region.disclosure.roles
    if not any(row.role == role and case.programme in row.programmes for row in table):
        raise refused("ask:role-not-in-programme", "role")
    return partner


def _check_who_leads(act: Act, case: CaseLedger, role: str) -> None:
    lead: Involved | None = lead_of(case)
    if role in LEADING and lead is not None:
        raise refused("ask:leads-already", "role")
    if lead is not None and lead.partner == act.fields.get("partner") and role == PARTNER:
        raise refused("ask:itself", "partner")


def _check_admitted(act: Act, case: CaseLedger, role: str) -> None:
    """MDA++: admitted, each partner supplies its tailored part (S4). A coordinator may go before it."""
    weighed = next((one for one in case.matters if one.machine == Machine.ADMISSION), None)
    early = weighed is not None and weighed.state != AdmissionState.ADMITTED
    if early and role == PARTNER and not act.actor.startswith(OPERATOR):
        raise refused("admission:not-admitted")


def _check_serves(partner: Partner, serves: str | None) -> None:
    """The lead's word narrows what the region says of an organisation, or fills in what the region does not know; it
    never turns one that works for the removed person into one that works for the victim."""
    if serves is None or serves == "unknown" or partner.serves in ("household", "unknown"):
        return
    if serves != partner.serves:
        raise refused("ask:serves-another", "serves")


def _event(case: CaseLedger, tools: Tools, role: str, act: Act) -> str:
    """What starts the clock of the answer: being asked, or where the region knows no such row, being accepted."""
    dues = clock_for(
        tools.region.deadlines,
        event=ASKED,
        role=role,
        programme=case.programme,
        urgency=case.urgency,
        at=act.at,
        order_end=case.order_end,
    )
    return ASKED if any(due.kind == ANSWER for due in dues) else ACCEPTED
