# SPDX-License-Identifier: EUPL-1.2
"""A part of the case changes hands: to the team of another municipality, or to one that takes over.

The old team keeps its part and the new one is candidate: it has the case and a request of its own, which it answers as
any request. Confirmed, the request of the old team ends and nothing more goes to it; the clocks of the case go on with
the new one. Declined, or not answered in time, the coordinator decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from schakel.acts.asking import may_be_asked
from schakel.acts.declines import COORDINATOR, others_on, side_of
from schakel.acts.reading import choice, maybe_words, words
from schakel.acts.refusals import refused
from schakel.acts.tools import (
    CLOCK,
    HUB,
    LIVE,
    Tools,
    candidacy,
    entry,
    line,
    live,
    matter_of,
    must_run,
    repeated,
    role_of,
    seal,
    terms_of,
    together,
    told,
)
from schakel.acts.withdrawal import left
from schakel.feedback import ASKED_IN
from schakel.ledger_records import (
    Act,
    CaseLedger,
    EndedDeadline,
    Involved,
    LedgerDecision,
    Matter,
    MovedDeadline,
    NewEntry,
    NewMatter,
    Transition,
)
from schakel.reading import reads_openly
from schakel.records import NewParked, ToldSource
from schakel.region import DUO, LEADING, REQUEST_KINDS, Partner, TurningPoint
from schakel.states import HandOverState, Machine, ParkCause, RequestState, Role

HAND_OVER: Final = "hand-over"
ASKED: Final = "hand-over-asked"
ACCEPTED: Final = "hand-over-accepted"
DECLINED: Final = "hand-over-declined"
CANCELLED: Final = "hand-over-cancelled"
SUPERSEDE: Final = "supersede"
ROLES: Final = tuple(sorted(LEADING | DUO))
OPEN: Final = frozenset({HandOverState.PROPOSED, HandOverState.LAPSED})  # lapsed: the candidate may still answer


@dataclass(frozen=True, slots=True)
class Proposal:
    """Who hands which part to whom. `by`: actor, and the role in which it moves the matter."""

    old: Involved
    to: Partner
    municipality: str | None
    by: tuple[str, Role]
    at: datetime
    said: Mapping[str, Any]  # words that go with it: who, why
    medium: str


# -- proposing ---------------------------------------------------------------------------------------------------------


def hand_over(act: Act, case: CaseLedger, tools: Tools) -> LedgerDecision:
    """`to`, `role`, `municipality`, `reason`; `partner`: whose part, where several have this role."""
    words(act, "reason")
    role = choice(act, "role", ROLES)
    old = _incumbent(act, case, role)
    to = may_be_asked(case, tools, words(act, "to", 64), role)
    municipality = maybe_words(act, "municipality", 4)
    if municipality is not None and tools.region.local_team(municipality) is None:
        raise refused("hand-over:unknown-municipality", "municipality")
    if to.id == old.partner:
        raise refused("hand-over:has-it-already", "to")
    open_one = next((each for each in running(case) if each.role == role), None)
    if open_one is not None and open_one.partner == to.id and open_one.state == HandOverState.PROPOSED:
        return repeated(id=open_one.id, state=open_one.state)
    if open_one is not None and open_one.state == HandOverState.PROPOSED:
        raise refused("hand-over:one-at-a-time", "to")
    if live(case, to.id, role) is not None:
        raise refused("ask:already-asked", "to")
    proposal = Proposal(old, to, municipality, (act.actor, role_of(act, case)), act.at, act.fields, act.medium)
    made = proposed(proposal, case, tools)
    asked = entry(act, case, tools, subject=made.made["id"], event="propose")
    return together([made, LedgerDecision(entries=(asked,)), *_lapsed_before(case, role, tools)])


def _incumbent(act: Act, case: CaseLedger, role: str) -> Involved:
    """Whose part it is: the only one on it, or the `partner` that is named."""
    name = maybe_words(act, "partner", 64)
    on = [one for one in others_on(case, role, "") if one.role == role and candidacy(case, one.id) is None]
    found = [one for one in on if name in (None, one.partner)]
    if not found:
        raise refused("hand-over:nobody-has-it", "role")
    if len(found) > 1 and side_of(role) == "duo":
        raise refused("act:role-unclear", "partner")
    return max(found, key=lambda one: (one.state == RequestState.CONFIRMED, one.asked_at, one.id))


def proposed(proposal: Proposal, case: CaseLedger, tools: Tools) -> LedgerDecision:
    """The matter, and the request to the candidate with the case that goes along. The request's clock is the
    hand-over's."""
    if case.newest_message is None:
        raise refused("act:nothing-routed")
    actor, by_role = proposal.by
    role, to = proposal.old.role, proposal.to
    request = tools.asking.request(
        to.id,
        role,
        case_id=case.id,
        programme=case.programme,
        urgency=case.urgency,
        now=proposal.at,
        event=ASKED,
        asked_by=actor,
    )
    (clock,) = [one for one in must_run(request.deadlines, HAND_OVER) if one.kind == HAND_OVER]
    matter_id = tools.new_id()
    terms = {"role": role, "to": to.id, "from": proposal.old.id, "municipality": proposal.municipality}
    terms |= {"reason": proposal.said.get("reason")}
    matter = NewMatter(
        id=matter_id,
        machine=Machine.HAND_OVER.value,
        event="propose",
        by_role=by_role.value,
        by=actor,
        partner=to.id,
        role=role,
        request_id=request.id,  # its reference is the one to answer with
        valid_until=clock.due_at,
        sealed=seal(case, tools, "matter", matter_id, "terms", _present(terms)),
    )
    carried = tools.asking.delivery(to.id, role, case.urgency, request.id, occasion=f"{ASKED_IN}:{request.id}")
    return LedgerDecision(
        about=case.newest_message,
        requests=(replace(request, due_at=clock.due_at),),
        matters=(matter,),
        deliveries=(
            ToldSource(case.newest_message, carried),
            *told(case, tools, ASKED, matter_id, to.id, role, request.id),
        ),
        made={"id": matter_id, "state": HandOverState.PROPOSED.value},
    )


def running(case: CaseLedger) -> list[Matter]:
    """What is still open."""
    return [one for one in case.matters if one.machine == Machine.HAND_OVER and one.state in OPEN]


def _lapsed_before(case: CaseLedger, role: str, tools: Tools) -> Iterator[LedgerDecision]:
    """A new candidate ends what another left without an answer."""
    for each in running(case):
        if each.role == role:
            yield ended(case, each, "cancel", (HUB, Role.HUB))


# -- the candidate's word ----------------------------------------------------------------------------------------------


def said(
    case: CaseLedger, one: Involved, matter: Matter, event: str | None, *, at: datetime, tools: Tools
) -> LedgerDecision:
    """What the candidate's answer on its request does. `event`: the move that it made; `decline` also when it sends the
    case on."""
    if matter.state not in OPEN:
        return LedgerDecision()
    if event == "confirm":
        return _accepted(case, one, matter, at=at, tools=tools)
    if event == "decline":
        return _declined(case, one, matter, at=at, tools=tools)
    return LedgerDecision()


def _accepted(case: CaseLedger, one: Involved, matter: Matter, *, at: datetime, tools: Tools) -> LedgerDecision:
    terms = terms_of(case, tools, matter)
    municipality = terms.get("municipality")
    olds = [each for each in others_on(case, one.role, one.id) if _hands_over(each, one, terms)]
    behind = [left(case, each, SUPERSEDE) for each in olds]
    happened = tools.new_id()
    done = LedgerDecision(
        municipality=municipality,
        moves=(
            Transition(Machine.HAND_OVER.value, matter.id, "accept", Role.RECIPIENT.value, one.partner),
            *(Transition(Machine.REQUEST.value, each.id, SUPERSEDE, "hub", HUB, HAND_OVER) for each in olds),
            *(move for moves, _ in behind for move in moves),
        ),
        entries=(_line(case, tools, matter.id, "accept", (one.partner, Role.RECIPIENT), at, entry_id=happened),),
        ended=tuple(each for _, ends in behind for each in ends),
        moved=tuple(_moved(case, one, olds)),
        silenced=tuple(each.id for each in olds),
    )
    kind: TurningPoint = "lead-changed" if side_of(one.role) == "lead" else "duo-changed"
    sources = LedgerDecision(deliveries=tools.telling.turned(case.sources, kind, happened))
    follows = _duo_likewise(case, one, terms, at=at, tools=tools)
    # the old team hears that its part has ended; whoever takes part, who has it now
    to = (one.partner, one.role)
    notices = _told(case, ACCEPTED, to, _on_it(case, one.id), at=at, tools=tools)
    return together([done, *notices, sources, *follows])


def _on_it(case: CaseLedger, but: str) -> list[Involved]:
    """Everybody who takes part or was asked to; no candidate."""
    return [one for one in case.involved if one.state in LIVE and one.id != but and candidacy(case, one.id) is None]


def _stay(case: CaseLedger, matter: Matter) -> list[Involved]:
    """Who keeps the part that did not change hands, and who leads."""
    return [
        one for one in _on_it(case, matter.request_id or "") if side_of(one.role) == "lead" or one.role == matter.role
    ]


def _moved(case: CaseLedger, one: Involved, olds: list[Involved]) -> Iterator[MovedDeadline]:
    """The clocks of the case that ran for the old team, and the norms of its request; not what it had to answer."""
    partners, requests = {each.partner for each in olds}, {each.id for each in olds}
    for clock in case.deadlines:
        if clock.role == one.role and clock.partner in partners and clock.kind not in REQUEST_KINDS:
            if clock.subject in requests:
                yield MovedDeadline(clock.id, one.partner, one.id)
            elif clock.subject == case.id:
                yield MovedDeadline(clock.id, one.partner)


def _hands_over(each: Involved, one: Involved, terms: Mapping[str, Any]) -> bool:
    """The part that was handed over; of the leading team every request that is left of it."""
    return each.id == terms.get("from") or (side_of(one.role) == "lead" and each.role == one.role)


def _told(
    case: CaseLedger, kind: str, to: tuple[str, str], whom: list[Involved], *, at: datetime, tools: Tools
) -> Iterator[LedgerDecision]:
    """`to`: partner and role. Where somebody hides, the name of a team can tell in which municipality: only a role that
    may know such a place reads it."""
    partner, role = to
    for openly in (True, False):
        spoken = {"role": role, **({"to": partner} if openly else {})}
        kept = _line(case, tools, case.id, kind, (HUB, Role.HUB), at, words=spoken)
        notices = [
            notice
            for each in whom
            if reads_openly(case, {each.role}, tools.region.disclosure, tools.vault) is openly
            for notice in told(case, tools, kind, kept.id, each.partner, each.role)
        ]
        if notices:
            yield LedgerDecision(entries=(kept,), deliveries=tuple(notices))


def _duo_likewise(
    case: CaseLedger, one: Involved, terms: Mapping[str, Any], *, at: datetime, tools: Tools
) -> Iterator[LedgerDecision]:
    """The lead has moved with the household: the local team of the new municipality is candidate for the duo's part."""
    municipality = terms.get("municipality")
    team = tools.region.local_team(municipality) if municipality else None
    if team is None or side_of(one.role) != "lead":
        return
    duo = [each for each in case.involved if each.role in DUO and each.state in LIVE]
    asked = any(each.role in DUO for each in running(case))
    if not duo or asked or any(each.partner == team.id for each in duo):
        return
    old = max(duo, key=lambda each: (each.state == RequestState.CONFIRMED, each.asked_at, each.id))
    proposal = Proposal(old, team, municipality, (HUB, Role.HUB), at, {"reason": terms.get("reason")}, HUB)
    made = proposed(proposal, case, tools)
    kept = _line(case, tools, made.made["id"], "propose", (HUB, Role.HUB), at)
    yield replace(made, entries=(kept,), made={})


def _declined(case: CaseLedger, one: Involved, matter: Matter, *, at: datetime, tools: Tools) -> LedgerDecision:
    """The old team keeps its part; what was asked ends."""
    kept = _line(case, tools, matter.id, "decline", (one.partner, Role.RECIPIENT), at)
    done = LedgerDecision(
        moves=(
            Transition(Machine.HAND_OVER.value, matter.id, "decline", Role.RECIPIENT.value, one.partner),
            Transition(Machine.REQUEST.value, one.id, SUPERSEDE, Role.HUB.value, HUB, HAND_OVER),
        ),
        entries=(kept,),
        ended=(EndedDeadline(one.id, "decline"),),
        silenced=(one.id,),
        parked=(_parked(tools, at),) if matter.state == HandOverState.PROPOSED else (),  # lapsed: it waits already
    )
    to = (one.partner, one.role)
    return together([done, *_told(case, DECLINED, to, _stay(case, matter), at=at, tools=tools)])


# -- without a word ----------------------------------------------------------------------------------------------------


def lapsed(act: Act, case: CaseLedger, tools: Tools) -> LedgerDecision:
    """Its time went by: the coordinator has it; the candidate may still answer, and its clock goes on telling."""
    matter = matter_of(case, words(act, "matter", 64))
    if matter is None or matter.state != HandOverState.PROPOSED:
        return repeated()
    if matter.valid_until is None or matter.valid_until > act.at:
        return repeated()
    done = LedgerDecision(
        moves=(Transition(Machine.HAND_OVER.value, matter.id, "lapse", Role.CLOCK.value, CLOCK),),
        entries=(entry(act, case, tools, subject=matter.id, event="lapse", words={}),),
        parked=(_parked(tools, act.at),),
        made={"id": matter.id, "state": HandOverState.LAPSED.value},
    )
    to = (matter.partner, matter.role)
    return together([done, *_told(case, DECLINED, to, _stay(case, matter), at=act.at, tools=tools)])


def cancel(act: Act, case: CaseLedger, tools: Tools) -> LedgerDecision:
    """`matter`, `reason`: who proposed it takes it back."""
    words(act, "reason")
    matter = matter_of(case, words(act, "matter", 64))
    if matter is None or matter.state not in OPEN:
        raise refused("hand-over:over", "matter")
    done = ended(case, matter, "cancel", (act.actor, role_of(act, case)))
    kept = entry(act, case, tools, subject=matter.id, event="cancel")
    notice = told(case, tools, CANCELLED, kept.id, matter.partner, matter.role)
    made = {"id": matter.id, "state": HandOverState.CANCELLED.value}
    return together([done, LedgerDecision(entries=(kept,), deliveries=notice, made=made)])


def ended(case: CaseLedger, matter: Matter, event: str, by: tuple[str, Role]) -> LedgerDecision:
    """The matter ends by this move, and with it the candidate's request: nothing more goes to it."""
    actor, role = by
    request = matter.request_id or ""
    asked = any(one.id == request and one.state in LIVE for one in case.involved)
    moves: tuple[Transition, ...] = (Transition(Machine.HAND_OVER.value, matter.id, event, role.value, actor),)
    if asked:
        moves += (Transition(Machine.REQUEST.value, request, SUPERSEDE, Role.HUB.value, HUB, HAND_OVER),)
    return LedgerDecision(moves=moves, ended=(EndedDeadline(request, event),), silenced=(request,) if asked else ())


# -- parts -------------------------------------------------------------------------------------------------------------


def _line(
    case: CaseLedger,
    tools: Tools,
    subject: str,
    event: str,
    by: tuple[str, Role],
    at: datetime,
    *,
    entry_id: str = "",
    words: Mapping[str, Any] | None = None,
) -> NewEntry:
    return line(
        case,
        tools,
        entry_id=entry_id or tools.new_id(),
        subject=subject,
        event=event,
        by=by,
        medium=HUB,
        valid_from=at,
        words={"kind": HAND_OVER, **(words or {})},
    )


def _parked(tools: Tools, at: datetime) -> NewParked:
    return NewParked(
        id=tools.new_id(),
        cause=ParkCause.HAND_OVER_DECLINED.value,
        owner=COORDINATOR,
        findings=(),
        suggests=(),
        next_alarm_at=at,
        whole=False,
    )


def _present(terms: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in terms.items() if value is not None}
