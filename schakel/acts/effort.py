# SPDX-License-Identifier: EUPL-1.2
"""The lead asks a partner to raise or lower its effort for a time; it says yes, no or otherwise, and it ends by itself
(S4: so that the household keeps an overview)."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from schakel.acts.reading import choice, maybe_moment, maybe_words, moment, partner_in, words
from schakel.acts.refusals import refused
from schakel.acts.tools import (
    CLOCK,
    LIVE,
    Tools,
    answered,
    entry,
    matter_of,
    must_run,
    repeated,
    role_of,
    seal,
    started,
    terms_of,
    told,
    told_lead,
    words_of,
)
from schakel.calendars import add_months
from schakel.ledger_records import (
    Act,
    CaseLedger,
    ChangedMatter,
    EndedDeadline,
    Involved,
    LedgerDecision,
    Matter,
    NewMatter,
    Transition,
)
from schakel.states import EffortState, Machine, Role, next_state

DIRECTIONS: Final = ("raise", "lower")
WORDS: Final = {"accepted": "accept", "adjusted": "adjust", "not-possible": "refuse"}
NOTED: Final = "noted"
OPEN: Final = frozenset({EffortState.ASKED, EffortState.ACCEPTED, EffortState.ADJUSTED})
LONGEST_LEVEL: Final = 200  # characters
LONGEST: Final = 12  # months

# -- asking ------------------------------------------------------------------------------------------------------------


def effort(act: Act, case: CaseLedger, tools: Tools) -> LedgerDecision:
    """`partner`, `role`, `direction`, `level`, `from`, `until`, `reason`."""
    one = partner_in(act, case)
    if one is None or one.state not in LIVE:
        raise refused("effort:not-involved", "partner")
    since, until = moment(act, "from"), moment(act, "until")
    _check_period(since, until, act.at)
    terms = {
        "direction": choice(act, "direction", DIRECTIONS),
        "level": words(act, "level", LONGEST_LEVEL),
        "reason": words(act, "reason"),
        "from": _text(since),
        "until": _text(until),
    }
    for other in _open(case, one):
        if terms_of(case, tools, other) == terms:
            return repeated(id=other.id, state=other.state)
        if _overlap(other, since, until):
            raise refused("effort:one-at-a-time", "from")
    return _ask(act, case, tools, one, terms, since, until)


def _ask(
    act: Act, case: CaseLedger, tools: Tools, one: Involved, terms: dict[str, Any], since: datetime, until: datetime
) -> LedgerDecision:
    matter = tools.new_id()
    clocks = started(case, tools, subject=matter, event="effort-asked", partner=one.partner, role=one.role, at=act.at)
    new = NewMatter(
        id=matter,
        machine=Machine.EFFORT,
        event="ask",
        by_role=role_of(act, case),
        by=act.actor,
        partner=one.partner,
        role=one.role,
        reference=tools.vault.reference("matter", matter),
        request_id=one.id,
        valid_from=since,
        valid_until=until,
        sealed=seal(case, tools, "matter", matter, "terms", terms),
    )
    return LedgerDecision(
        matters=(new,),
        entries=(entry(act, case, tools, subject=matter, event="ask", valid_from=since, valid_to=until),),
        deadlines=must_run(clocks, "effort"),
        deliveries=told(case, tools, "effort-asked", matter, one.partner, one.role),
        made={"id": matter, "state": EffortState.ASKED.value},
    )


def _check_period(since: datetime, until: datetime, now: datetime) -> None:
    if until <= since:
        raise refused("effort:ends-before-it-starts", "until")
    if until <= now:
        raise refused("effort:over-already", "until")
    if until > add_months(since, LONGEST):
        raise refused("effort:at-most-a-year", "until")


def _open(case: CaseLedger, one: Involved) -> list[Matter]:
    return [each for each in _running(case) if each.request_id == one.id]


def _running(case: CaseLedger) -> tuple[Matter, ...]:
    return tuple(each for each in case.matters if each.machine == Machine.EFFORT and _is_open(each))


def _is_open(matter: Matter) -> bool:
    return matter.state in OPEN


def _overlap(other: Matter, since: datetime, until: datetime) -> bool:
    return (other.valid_from is None or other.valid_from < until) and (
        other.valid_until is None or since < other.valid_until
    )


# -- the partner's word ------------------------------------------------------------------------------------------------


def answer(act: Act, case: CaseLedger, tools: Tools) -> LedgerDecision:
    """`answer`: accepted, adjusted (with `level`, `until` or both), not-possible; received and noted are kept or pass.

    Words that come when it is over are kept and change nothing."""
    matter = matter_of(case, act.reference, act.actor)
    if matter is None:
        raise refused("act:only-its-own", "reference")
    word = choice(act, "answer", (*WORDS, NOTED, "received"))
    if word == "received" or _said_before(act, case, tools, matter):
        return repeated(id=matter.id, state=matter.state)
    event = WORDS.get(word, NOTED)
    terms, until = _adjusted(act, case, tools, matter) if word == "adjusted" else ({}, None)
    state = next_state(Machine.EFFORT, matter.state, event, Role.RECIPIENT)
    line = entry(act, case, tools, subject=matter.id, event=event, valid_to=until)
    lead = () if event == NOTED else told_lead(case, tools, "effort-answered", line.id, but=act.actor)
    if state is None:
        return LedgerDecision(entries=(line,), deliveries=lead, made={"id": matter.id, "state": matter.state})
    sealed = seal(case, tools, "matter", matter.id, "terms", terms)
    changed = ChangedMatter(matter.id, until or matter.valid_until, sealed)
    return LedgerDecision(
        changed=(changed,) if terms else (),
        moves=(Transition(Machine.EFFORT, matter.id, event, Role.RECIPIENT, act.actor),),
        entries=(line,),
        ended=answered(case, matter.id, event),
        deliveries=lead,
        made={"id": matter.id, "state": state},
    )


def _adjusted(act: Act, case: CaseLedger, tools: Tools, matter: Matter) -> tuple[dict[str, Any], datetime | None]:
    """The terms as the partner can meet them: another level, another end, within the same bounds."""
    level, until = maybe_words(act, "level", LONGEST_LEVEL), maybe_moment(act, "until")
    if level is None and until is None:
        raise refused("effort:adjusted-how", "level")
    if until is not None:
        _check_period(matter.valid_from or matter.made_at, until, act.at)
    told_now = {"level": level, "until": None if until is None else _text(until)}
    return {**terms_of(case, tools, matter), **{name: value for name, value in told_now.items() if value}}, until


def _said_before(act: Act, case: CaseLedger, tools: Tools, matter: Matter) -> bool:
    """The last thing that this partner said on it was the same; when it was said does not count."""
    lines = [line for line in case.entries if line.subject == matter.id and line.actor == act.actor]
    if not lines:
        return False
    before = words_of(case, tools, max(lines, key=lambda line: line.ordinal))
    beside = ("kind", "actor", "evidence", "answeredAt")
    now = {name: value for name, value in act.fields.items() if name not in beside}
    return {name: value for name, value in before.items() if name not in beside} == now


# -- the end -----------------------------------------------------------------------------------------------------------


def ended(act: Act, case: CaseLedger, tools: Tools) -> LedgerDecision:
    """Its time has come: what was agreed ends, what was never answered lapses; both are told."""
    matter = matter_of(case, words(act, "matter", 64))
    if matter is None or not _is_open(matter) or matter.valid_until is None or matter.valid_until > act.at:
        return repeated()
    event = "lapse" if matter.state == EffortState.ASKED else "end"
    return LedgerDecision(
        moves=(Transition(Machine.EFFORT, matter.id, event, Role.CLOCK, CLOCK),),
        entries=(entry(act, case, tools, subject=matter.id, event=event, words={}, valid_from=matter.valid_until),),
        ended=(EndedDeadline(matter.id, event),),
        deliveries=(
            *told(case, tools, "effort-ended", matter.id, matter.partner, matter.role),
            *told_lead(case, tools, "effort-ended", matter.id, but=matter.partner),
        ),
        made={"id": matter.id},
    )


def cancel(act: Act, case: CaseLedger, tools: Tools) -> LedgerDecision:
    """`matter`, `reason`: who leads takes it back."""
    matter = matter_of(case, words(act, "matter", 64))
    if matter is None or not _is_open(matter):
        return repeated() if matter is not None else _unknown()
    words(act, "reason")
    return LedgerDecision(
        moves=(Transition(Machine.EFFORT, matter.id, "cancel", role_of(act, case), act.actor),),
        entries=(entry(act, case, tools, subject=matter.id, event="cancel"),),
        ended=(EndedDeadline(matter.id, "cancel"),),
        deliveries=told(case, tools, "effort-cancelled", act.id, matter.partner, matter.role),
        made={"id": matter.id, "state": EffortState.CANCELLED.value},
    )


def _unknown() -> LedgerDecision:
    raise refused("act:no-such-matter", "matter")


def dropped(
    case: CaseLedger, request_id: str | None, by: str
) -> tuple[tuple[Transition, ...], tuple[EndedDeadline, ...]]:
    """Open effort requests that end because the involvement does, or (None) because the case does."""
    matters = [each for each in _running(case) if request_id in (None, each.request_id)]
    moves = tuple(Transition(Machine.EFFORT, each.id, "cancel", Role.HUB, "hub", by) for each in matters)
    return moves, tuple(EndedDeadline(each.id, by) for each in matters)


def _text(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
