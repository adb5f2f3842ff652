# SPDX-License-Identifier: EUPL-1.2
"""MDA++: the weighing of a reported case (S4). The process director asks the covenant partners for their voice, each
voice is put on record, and the case is admitted (ZVH-01), triaged further (ZVH-02) or referred back (ZVH-03)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from schakel.acts.reading import choice, maybe_words, words
from schakel.acts.refusals import refused
from schakel.acts.tools import (
    HUB,
    LIVE,
    Tools,
    entry,
    involvement_of,
    lead_of,
    line,
    repeated,
    role_of,
    started,
    together,
    told,
    until,
    words_of,
)
from schakel.ledger_records import Act, CaseLedger, LedgerDecision, LedgerEntry, Matter, NewEntry, Transition
from schakel.records import ToldSource
from schakel.region import DUO, PARTNER, Partner, TurningPoint
from schakel.states import AdmissionState, Machine, Role

VOICE: Final = "voice"
ASK_VOICE: Final = "ask-voice"
ASKED_VOICE: Final = "asked-voice"
DECIDED: Final = "admission-decided"
TRIAGE: Final = "admission-triage"
VOICES: Final = ("admit", "not-admit", "abstain")
MOVES: Final = {"admitted": "admit", "triage": "triage", "referred-back": "refer-back"}
TOLD: Final[dict[str, TurningPoint]] = {
    "admitted": "admitted",
    "triage": "triage",
    "referred-back": "referred-back",
}
OPEN: Final = frozenset({AdmissionState.REPORTED, AdmissionState.TRIAGE})


def weighing(case: CaseLedger) -> Matter | None:
    """The admission of the case; None: it is not one of MDA++."""
    return next((one for one in case.matters if one.machine == Machine.ADMISSION), None)


def undecided(case: CaseLedger) -> bool:
    """It is weighed and nothing has been decided yet."""
    matter = weighing(case)
    return matter is not None and matter.state in OPEN


def _open_weighing(case: CaseLedger) -> Matter:
    matter = weighing(case)
    if matter is None:
        raise refused("admission:only-mda")
    if matter.state not in OPEN:
        raise refused("admission:decided-already")
    return matter


# -- voices ------------------------------------------------------------------------------------------------------------


def ask_voice(act: Act, case: CaseLedger, tools: Tools) -> LedgerDecision:
    """`partner`: one of the covenant; none: all of them, once each. They learn that there is a case to weigh; about
    whom, the check op bekendheid asks them."""
    matter = _open_weighing(case)
    name = maybe_words(act, "partner", 64)
    covenant = [one for one in tools.region.partners if one.covenant]
    chosen = [one for one in covenant if name in (None, one.id)]
    if not chosen:
        raise refused("voice:not-of-the-covenant", "partner")
    asked = {words.get("partner") for words in _lines(case, tools, matter, ASK_VOICE)}
    fresh = [one for one in chosen if name is not None or one.id not in asked]
    if not fresh:
        return repeated(id=matter.id, state=matter.state)
    whole = LedgerDecision(
        references=tuple((one.id, tools.vault.reference("case", f"{case.id}:{one.id}")) for one in fresh),
        made={"id": matter.id, "state": matter.state, "asked": str(len(fresh))},
    )
    return together([whole, *(_asked(act, case, tools, matter, one, first=one is fresh[0]) for one in fresh)])


def _asked(
    act: Act, case: CaseLedger, tools: Tools, matter: Matter, partner: Partner, *, first: bool
) -> LedgerDecision:
    said: dict[str, Any] = {**act.fields, "partner": partner.id}
    row = act.id if first else tools.new_id()
    kept = entry(act, case, tools, subject=matter.id, event=ASK_VOICE, words=said, entry_id=row)
    role = next((one.role for one in case.involved if one.partner == partner.id and one.state in LIVE), PARTNER)
    return LedgerDecision(entries=(kept,), deliveries=told(case, tools, ASKED_VOICE, kept.id, partner.id, role))


def voice(act: Act, case: CaseLedger, tools: Tools) -> LedgerDecision:
    """`voice`, `contactHistory`; `partner`: whose, where the process director writes it down. The last one counts."""
    matter = _open_weighing(case)
    own = role_of(act, case) is Role.RECIPIENT
    partner = maybe_words(act, "partner", 64) or (act.actor if own else words(act, "partner", 64))
    if own and partner != act.actor:
        raise refused("voice:only-its-own", "partner")
    if not _has_voice(case, tools, partner):
        raise refused("voice:not-of-the-covenant", "partner")
    said = {"partner": partner, "voice": choice(act, "voice", VOICES)}
    history = maybe_words(act, "contactHistory")
    said |= {"contactHistory": history} if history else {}
    before = [words for words in _lines(case, tools, matter, VOICE) if words.get("partner") == partner]
    if before and {name: before[-1].get(name) for name in said} == said and before[-1].keys() >= said.keys():
        return repeated(id=matter.id, state=matter.state)
    kept = entry(act, case, tools, subject=matter.id, event=VOICE, words={**said, **_beside(act)})
    return LedgerDecision(entries=(kept,), made={"id": matter.id, "state": matter.state, "voice": said["voice"]})


def _beside(act: Act) -> dict[str, Any]:
    return {name: act.fields[name] for name in ("reason",) if name in act.fields}


def _has_voice(case: CaseLedger, tools: Tools, name: str) -> bool:
    """Partners of the covenant, and whoever takes part: the local team speaks for its municipality."""
    partner = tools.region.partner(name)
    on = any(one.partner == name and one.state in LIVE for one in case.involved)
    return partner is not None and (partner.covenant or on)


def voices(case: CaseLedger, tools: Tools) -> dict[str, str]:
    """Partner → what it said last."""
    matter = weighing(case)
    said = _lines(case, tools, matter, VOICE) if matter is not None else []
    return {words["partner"]: words["voice"] for words in said if "partner" in words and "voice" in words}


def _lines(case: CaseLedger, tools: Tools, matter: Matter, event: str) -> list[dict[str, Any]]:
    lines: list[LedgerEntry] = [one for one in case.entries if one.subject == matter.id and one.event == event]
    return [words_of(case, tools, one) for one in lines]


# -- the decision ------------------------------------------------------------------------------------------------------


def admission(act: Act, case: CaseLedger, tools: Tools) -> LedgerDecision:
    """`outcome`, `reason` (of what is referred back)."""
    outcome = choice(act, "outcome", tuple(MOVES))
    if outcome == "referred-back":
        words(act, "reason")
    matter = weighing(case)
    if matter is not None and matter.state == outcome:
        return repeated(id=matter.id, state=matter.state)
    matter = _open_weighing(case)
    kept = entry(act, case, tools, subject=matter.id, event=MOVES[outcome])
    decided = LedgerDecision(
        moves=(Transition(Machine.ADMISSION.value, matter.id, MOVES[outcome], role_of(act, case).value, act.actor),),
        entries=(kept,),
        deliveries=tools.telling.turned(case.sources, TOLD[outcome], kept.id),
        made={"id": matter.id, "state": outcome},
    )
    clock = _triaged(act, case, tools, matter) if outcome == "triage" else _ended(act, case, tools)
    return together([decided, clock, *_told(act, case, tools, outcome, kept.id)])


def _ended(act: Act, case: CaseLedger, tools: Tools) -> LedgerDecision:
    """The milestone that the region's clocks know."""
    kept = _milestone(act, case, tools, DECIDED)
    return LedgerDecision(entries=(kept,), ended=until(case, tools, DECIDED, act.at))


def _triaged(act: Act, case: CaseLedger, tools: Tools, matter: Matter) -> LedgerDecision:
    """The weighing goes on, with a clock that starts anew where the region says so."""
    kept = _milestone(act, case, tools, TRIAGE)
    director = lead_of(case) or involvement_of(case, matter.request_id)
    if director is None:
        return LedgerDecision(entries=(kept,))
    starts = started(
        case, tools, subject=director.id, event=TRIAGE, partner=director.partner, role=director.role, at=act.at
    )
    return LedgerDecision(entries=(kept,), deadlines=starts)


def _milestone(act: Act, case: CaseLedger, tools: Tools, event: str) -> NewEntry:
    return entry(act, case, tools, subject=case.id, event=event, words={}, entry_id=tools.new_id())


def _told(act: Act, case: CaseLedger, tools: Tools, outcome: str, happened: str) -> Iterator[LedgerDecision]:
    """The case director reads why; whoever was asked for its voice, what came of it."""
    duo = {one.partner: one.role for one in case.involved if one.role in DUO and one.state in LIVE}
    yield LedgerDecision(deliveries=_all(case, tools, duo, happened, but=act.actor))
    asked = {partner.id: PARTNER for partner in tools.region.partners if partner.id in case.references}
    others = {name: role for name, role in asked.items() if name not in duo and _was_asked(case, tools, name)}
    kept = line(
        case,
        tools,
        entry_id=tools.new_id(),
        subject=case.id,
        event="weighed",
        by=(act.actor, role_of(act, case)),
        medium=HUB,
        valid_from=act.at,
        words={"outcome": outcome},
    )
    notices = _all(case, tools, others, kept.id, but=act.actor)
    if notices:
        yield LedgerDecision(entries=(kept,), deliveries=notices)


def _was_asked(case: CaseLedger, tools: Tools, name: str) -> bool:
    """Asked for its voice, or taking part beside lead and duo."""
    matter = weighing(case)
    said = [*_lines(case, tools, matter, ASK_VOICE), *_lines(case, tools, matter, VOICE)] if matter else []
    on = any(one.partner == name and one.role == PARTNER and one.state in LIVE for one in case.involved)
    return on or any(words.get("partner") == name for words in said)


def _all(case: CaseLedger, tools: Tools, to: dict[str, str], happened: str, *, but: str) -> tuple[ToldSource, ...]:
    return tuple(
        notice
        for partner, role in to.items()
        if partner != but
        for notice in told(case, tools, DECIDED, happened, partner, role)
    )
