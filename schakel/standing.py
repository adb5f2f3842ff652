# SPDX-License-Identifier: EUPL-1.2
"""How a case stands at a moment: waiting, complete, at risk or closed, why, and what happens next.

Pure: the case as its ledger stands and a time in, a roll-up out. Who may read it is decided elsewhere: it tells of
every organisation's answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from schakel.deadline_words import name_of
from schakel.ledger_records import CaseLedger, Involved, Matter, RunningDeadline
from schakel.region import DUO, LEADING, Region, Sentence
from schakel.states import AdmissionState, CaseState, EffortState, HandOverState, Machine, RequestState

PLAN_MADE: Final = "plan-made"
WITHOUT_PLAN: Final = timedelta(hours=24)  # a restraining order that ends sooner than this needs a plan
LONGEST_ORDER: Final = timedelta(days=28)  # from imposition (Wth artt. 2, 9): an older plan is of another order
OPEN: Final = frozenset(
    {RequestState.ASKED, RequestState.RECEIVED, RequestState.IN_CONSIDERATION, RequestState.WITHDRAWAL_REQUESTED}
)
LIVE: Final = OPEN | {RequestState.CONFIRMED}
_RUNS: Final = frozenset({EffortState.ASKED, EffortState.ACCEPTED, EffortState.ADJUSTED})
_WEIGHING: Final = frozenset({AdmissionState.REPORTED, AdmissionState.TRIAGE})


class StandingState(StrEnum):
    WAITING = "waiting"
    COMPLETE = "complete"  # lead and duo confirmed, every partner that was asked is established or declined
    AT_RISK = "at-risk"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Because:
    """Why a case is not complete, or at risk: a rule, and what it is about."""

    rule: str
    subject: str  # request, matter, clock or case
    partner: str | None
    role: str | None
    nl: str
    en: str


@dataclass(frozen=True, slots=True)
class Coming:
    """What is to happen next. `at` lies in the past for what is overdue: that comes first."""

    what: str  # a kind of deadline, "order-end" or "effort-end"
    at: datetime
    subject: str
    partner: str | None
    role: str | None
    nl: str
    en: str


@dataclass(frozen=True, slots=True)
class Standing:
    """`risks` is empty unless the case is at risk; `waits`: what keeps it from being complete."""

    state: StandingState
    risks: tuple[Because, ...]
    waits: tuple[Because, ...]
    coming: Coming | None


def standing_of(case: CaseLedger, region: Region, now: datetime) -> Standing:
    """A closed case has neither risks nor waits; its follow-up may still be to come."""
    coming = min(_comings(case, region, now), key=lambda one: (one.at, one.subject), default=None)
    if case.state != CaseState.OPEN:
        return Standing(StandingState.CLOSED, (), (), coming)
    risks, waits = tuple(_risks(case, region, now)), tuple(_waits(case, region))
    state = StandingState.AT_RISK if risks else StandingState.WAITING if waits else StandingState.COMPLETE
    return Standing(state, risks, waits, coming)


# -- at risk -----------------------------------------------------------------------------------------------------------


def _risks(case: CaseLedger, region: Region, now: datetime) -> Iterator[Because]:
    leading = [one for one in case.involved if one.role in LEADING]
    if leading and not any(one.state in LIVE for one in leading):
        yield _because("lead-declined", leading[-1].id, leading[-1], region)
    for matter in case.matters:
        if matter.machine == Machine.HAND_OVER and matter.state == HandOverState.LAPSED:
            yield _because("hand-over-lapsed", matter.id, matter, region)
    if case.order_end is not None and case.order_end - WITHOUT_PLAN <= now and not _planned(case, case.order_end):
        yield _because("order-without-plan", case.id, None, region)
    for clock in case.deadlines:
        if clock.due_at <= now:
            yield _because("overdue", clock.subject, clock, region, kind=name_of(clock.kind))


def _planned(case: CaseLedger, order_end: datetime) -> bool:
    """A plan was made for the order that ends then."""
    made = (entry.valid_from for entry in case.entries if entry.event == PLAN_MADE)
    return any(order_end - LONGEST_ORDER <= at for at in made)


# -- waiting -----------------------------------------------------------------------------------------------------------


def _waits(case: CaseLedger, region: Region) -> Iterator[Because]:
    for side, roles in (("lead", LEADING), ("duo", DUO)):
        own = [one for one in case.involved if one.role in roles]
        if not any(one.state in LIVE for one in own):
            yield _because(f"no-{side}", own[-1].id if own else case.id, own[-1] if own else None, region)
    for one in case.involved:
        if one.state in OPEN:
            rule = "withdrawal-open" if one.state == RequestState.WITHDRAWAL_REQUESTED else "request-open"
            yield _because(rule, one.id, one, region)
        elif one.role in LEADING | DUO:
            continue
        elif one.state == RequestState.CONFIRMED and not one.established:
            yield _because("not-established", one.id, one, region)
        elif one.state != RequestState.CONFIRMED and one.established:
            yield _because("decline-not-noted", one.id, one, region)
    for matter in case.matters:
        if matter.machine == Machine.HAND_OVER and matter.state == HandOverState.PROPOSED:
            yield _because("hand-over-open", matter.id, matter, region)
        if matter.machine == Machine.ADMISSION and matter.state in _WEIGHING:
            yield _because("admission-open", matter.id, matter, region)


# -- what comes --------------------------------------------------------------------------------------------------------


def _comings(case: CaseLedger, region: Region, now: datetime) -> Iterator[Coming]:
    for clock in case.deadlines:
        yield _coming(clock.kind, clock.due_at, clock.subject, clock, region)
    if case.state != CaseState.OPEN:
        return
    if case.order_end is not None and case.order_end > now:
        yield _coming("order-end", case.order_end, case.id, None, region)
    for matter in case.matters:
        ends = matter.valid_until
        if matter.machine == Machine.EFFORT and matter.state in _RUNS and ends is not None and ends > now:
            yield _coming("effort-end", ends, matter.id, matter, region)


def _coming(
    what: str, at: datetime, subject: str, about: Involved | Matter | RunningDeadline | None, region: Region
) -> Coming:
    name, kind = _name(about, region), name_of(what)
    return Coming(
        what=what,
        at=at,
        subject=subject,
        partner=about.partner if about else None,
        role=about.role if about else None,
        nl=f"{name}: {kind.nl}." if name else f"{kind.nl[:1].upper()}{kind.nl[1:]}.",
        en=f"{name}: {kind.en}." if name else f"{kind.en[:1].upper()}{kind.en[1:]}.",
    )


# -- words -------------------------------------------------------------------------------------------------------------


def _because(
    rule: str,
    subject: str,
    about: Involved | Matter | RunningDeadline | None,
    region: Region,
    *,
    kind: Sentence | None = None,
) -> Because:
    text, name = _RULES[rule], _name(about, region)
    return Because(
        rule=f"standing:{rule}",
        subject=subject,
        partner=about.partner if about else None,
        role=about.role if about else None,
        nl=text.nl.format(name=name, kind=kind.nl if kind else ""),
        en=text.en.format(name=name, kind=kind.en if kind else ""),
    )


def _name(about: Involved | Matter | RunningDeadline | None, region: Region) -> str:
    if about is None:
        return ""
    partner = region.partner(about.partner)
    return f"{partner.name if partner else about.partner} ({about.role})"


_RULES: Final = {
    "lead-declined": Sentence(
        nl="Niemand heeft de leiding meer: {name} doet het niet (meer), en er is geen opvolger gevraagd.",
        en="Nobody leads any more: {name} does not (any longer), and no successor has been asked.",
    ),
    "hand-over-lapsed": Sentence(
        nl="De overdracht aan {name} bleef zonder antwoord; de coördinator beslist.",
        en="The hand-over to {name} went without an answer; the coordinator decides.",
    ),
    "order-without-plan": Sentence(
        nl="Het huisverbod eindigt binnen 24 uur, of is geëindigd, en er is geen plan.",
        en="The restraining order ends within 24 hours, or has ended, and there is no plan.",
    ),
    "overdue": Sentence(nl="{name} is te laat: {kind}.", en="{name} is late: {kind}."),
    "no-lead": Sentence(nl="Nog geen team leidt deze zaak.", en="No team leads this case yet."),
    "no-duo": Sentence(nl="Nog geen lokaal team loopt mee.", en="No local team walks along yet."),
    "request-open": Sentence(nl="{name} heeft nog niet geantwoord.", en="{name} has not answered yet."),
    "withdrawal-open": Sentence(
        nl="{name} is gevraagd zich terug te trekken en heeft dat nog niet bevestigd.",
        en="{name} was asked to withdraw and has not confirmed that yet.",
    ),
    "not-established": Sentence(
        nl="{name} heeft bevestigd; het leidende team heeft de betrokkenheid nog niet vastgesteld.",
        en="{name} confirmed; the team that leads has not established its involvement yet.",
    ),
    "decline-not-noted": Sentence(
        nl="{name} doet niet (meer) mee en staat nog als betrokken vastgesteld.",
        en="{name} does not take part (any more) and still stands established as involved.",
    ),
    "hand-over-open": Sentence(
        nl="De overdracht aan {name} wacht op antwoord.", en="The hand-over to {name} waits for an answer."
    ),
    "admission-open": Sentence(
        nl="Het weegoverleg heeft nog niet besloten.", en="The weighing has not been decided yet."
    ),
}
