# SPDX-License-Identifier: EUPL-1.2
"""What a partner's answer on its request means: the move that it makes, and what follows from it for clocks and ledger.

Repeating is harmless; contradicting is recorded and visible; late is fine; words that no move holds any more are kept.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from schakel.acts import admission, declines, hand_over
from schakel.acts.refusals import refused
from schakel.acts.tools import (
    Tools,
    answered,
    candidacy,
    involvement_of,
    is_open,
    line,
    norms,
    started,
    together,
)
from schakel.acts.withdrawal import left
from schakel.ledger_records import Act, AnswerArrival, CaseLedger, EndedDeadline, Involved, LedgerDecision, NewEntry
from schakel.records import NewAlarm
from schakel.region import ANSWER, CHECK, LEADING
from schakel.states import Machine, RequestState, Role, next_state

COORDINATOR: Final = "coordinator"
CONTRADICTED: Final = "answer-contradicted"
OWN_SYSTEM: Final = "own-system"
NOTED: Final = "noted"
CONSIDERING: Final = "in-consideration"
# The move that each word makes; whoever tells how it stands has received it.
EVENT: Final = {
    "received": "receive",
    CONSIDERING: "consider",
    "confirmed": "confirm",
    "declined": "decline",
    "withdrawn": "withdraw",
    "completed": "complete",
    NOTED: "receive",
}
SETTLED: Final = frozenset({RequestState.CONFIRMED, RequestState.DECLINED})
GONE: Final = frozenset({RequestState.WITHDRAWN, RequestState.COMPLETED, RequestState.SUPERSEDED})
UNANSWERED: Final = frozenset({RequestState.ASKED, RequestState.RECEIVED, RequestState.IN_CONSIDERATION})
# Where a word says again how the request stands: other words than before are kept.
AGAIN: Final = {
    CONSIDERING: RequestState.IN_CONSIDERATION,
    "confirmed": RequestState.CONFIRMED,
    "declined": RequestState.DECLINED,
    "withdrawn": RequestState.WITHDRAWN,
    "completed": RequestState.COMPLETED,
}
PASSING: Final = frozenset({"received", CONSIDERING})  # came after a later word: that one stands
LEAVES: Final = frozenset({"withdraw", "complete"})


@dataclass(frozen=True, slots=True)
class Weighed:
    """`event` None: no move; then it is kept, or (neither kept nor contradicting) only a repeat."""

    event: str | None
    keep: bool = False
    contradicts: bool = False

    @property
    def recorded(self) -> bool:
        return self.event is not None or self.keep or self.contradicts


def weigh(word: str, state: str, *, same: bool) -> Weighed:
    """What a word does to a request in this state. `same`: it was the last thing said, in the same words.

    Raises Refusal: the word says something that cannot be, and another word would."""
    event = EVENT[word]
    if next_state(Machine.REQUEST, state, event, Role.RECIPIENT) is not None:
        return Weighed(event, contradicts=event in ("confirm", "decline") and state in SETTLED)
    if word == "withdrawn" and state in UNANSWERED | {RequestState.CONFIRMED}:
        raise refused("answer:withdrawal-not-asked", "answer")
    if word == "completed" and state in UNANSWERED:
        raise refused("answer:confirm-first", "answer")
    if same or (word in PASSING and AGAIN.get(word) != state):
        return Weighed(None)
    if word == "confirmed" and state in GONE:
        return Weighed(None, contradicts=True)
    return Weighed(None, keep=True)


def effects(
    arrival: AnswerArrival,
    case: CaseLedger,
    request_id: str,
    weighed: Weighed,
    tools: Tools,
    *,
    kept: NewEntry | None = None,
) -> LedgerDecision:
    """What is written beside the answer and its move. In a case that is closed: that it was said, and no more.

    `kept`: its entry, when another wrote the word down."""
    one = involvement_of(case, request_id)
    if one is None or not weighed.recorded:
        return LedgerDecision()
    detail: dict[str, Any] = json.loads(arrival.detail)
    kept = kept or line(
        case,
        tools,
        entry_id=arrival.id,
        subject=one.id,
        event=name_of(arrival.answer, weighed),
        by=(arrival.partner, Role.RECIPIENT),
        medium=OWN_SYSTEM,
        valid_from=arrival.received_at,
        words=_words(arrival, detail),
    )
    said = LedgerDecision(entries=(kept,), alarms=(_contradicted(one, tools),) if weighed.contradicts else ())
    if not is_open(case):
        return together([said, LedgerDecision(ended=_over(case, one, weighed))])
    candidate = candidacy(case, one.id) is not None  # a hand-over is told of when it is done
    sources = () if candidate else tools.telling.answered(case.sources, one.role, weighed.event, arrival.id)
    follows = _follows(arrival, case, one, weighed, tools)
    turns = _turns(arrival, case, one, weighed, detail, tools)
    weighs = _weighs(arrival, case, one, detail, tools)
    return together([said, follows, LedgerDecision(deliveries=sources), turns, weighs])


def name_of(word: str, weighed: Weighed) -> str:
    """The entry's event: the move; what was said, where there is none."""
    if word == NOTED:
        return NOTED
    return weighed.event or f"said-{word}"


def _words(arrival: AnswerArrival, detail: dict[str, Any]) -> dict[str, Any]:
    """Who can be reached is who answers, as the organisation asserts."""
    contact = detail.get("contact") or {}
    kept: dict[str, Any] = {"kind": ANSWER, "actor": {"name": contact.get("name", ""), "function": ""}}
    kept |= {"answer": arrival.answer, **detail}
    return kept if arrival.reason_code is None else {**kept, "reasonCode": arrival.reason_code}


def _contradicted(one: Involved, tools: Tools) -> NewAlarm:
    partner = tools.region.partner(one.partner)
    name = partner.name if partner else one.partner
    return NewAlarm(
        cause=CONTRADICTED,
        subject=one.id,
        owner=COORDINATOR,
        nl=f"{name} ({one.role}) komt terug op een eerder antwoord. Ga na wat nu geldt.",
        en=f"{name} ({one.role}) goes back on an earlier answer. Find out what holds now.",
    )


# -- clocks ------------------------------------------------------------------------------------------------------------


def _follows(arrival: AnswerArrival, case: CaseLedger, one: Involved, weighed: Weighed, tools: Tools) -> LedgerDecision:
    """The clocks that an answer ends and starts, and what ends with an involvement."""
    event, at = weighed.event, arrival.received_at
    if event == "consider":
        starts = started(case, tools, subject=one.id, event=CONSIDERING, partner=one.partner, role=one.role, at=at)
        checked = any(each.kind == CHECK for each in starts)  # without a clock of its own the answer's goes on
        return LedgerDecision(ended=(EndedDeadline(one.id, event, ANSWER),) if checked else (), deadlines=starts)
    if event == "confirm":
        return LedgerDecision(
            ended=answered(case, one.id, event),
            deadlines=norms(case, tools, subject=one.id, event="confirmed", partner=one.partner, role=one.role, at=at),
        )
    if event in LEAVES or event == "decline":
        moves, ended = left(case, one, event or "", released=event in LEAVES)
        return LedgerDecision(moves=moves, ended=ended, silenced=(one.id,) if event in LEAVES else ())
    return LedgerDecision()


def _over(case: CaseLedger, one: Involved, weighed: Weighed) -> tuple[EndedDeadline, ...]:
    return answered(case, one.id, weighed.event) if weighed.event is not None else ()


# -- the case ----------------------------------------------------------------------------------------------------------


def _weighs(
    arrival: AnswerArrival, case: CaseLedger, one: Involved, detail: dict[str, Any], tools: Tools
) -> LedgerDecision:
    """MDA++: the process director's own system says with the answer what the weighing decided (StUF ZVH-01, 02, 03)."""
    outcome = detail.get("admission")
    if outcome is None or one.role not in LEADING or not admission.undecided(case):
        return LedgerDecision()
    words = {"outcome": outcome, "reason": detail.get("reasonText") or arrival.reason_code or outcome}
    contact = detail.get("contact") or {}
    act = Act(
        id=tools.new_id(),
        kind="admission",
        actor=arrival.partner,
        reference=arrival.reference,
        at=arrival.received_at,
        fields=words,
        name=contact.get("name", ""),
    )
    return admission.admission(act, case, tools)


def _turns(
    arrival: AnswerArrival, case: CaseLedger, one: Involved, weighed: Weighed, detail: dict[str, Any], tools: Tools
) -> LedgerDecision:
    """What it means for the case as a whole: a team is lost or found again, or the case should go elsewhere."""
    happened, at = arrival.id, arrival.received_at
    proposed = candidacy(case, one.id)
    if proposed is not None:
        event = "decline" if "rerouteTo" in detail and weighed.event != "confirm" else weighed.event
        return hand_over.said(case, one, proposed, event, at=at, tools=tools)
    gone = weighed.event == "decline" or weighed.event in LEAVES
    if "rerouteTo" in detail and weighed.event != "confirm" and weighed.event not in LEAVES:
        on = declines.sent_on(case, one, detail["rerouteTo"], tools, happened=happened, at=at)
        moves, ended = ((), ()) if gone or not on.moves else left(case, one, declines.SUPERSEDE)
        return together([on, LedgerDecision(moves=moves, ended=ended)])
    if gone:
        return declines.declined(case, one, tools, happened=happened, at=at)
    if weighed.event == "confirm":
        return declines.confirmed(case, one, tools, happened=happened)
    return LedgerDecision()
