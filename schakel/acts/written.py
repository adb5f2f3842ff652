# SPDX-License-Identifier: EUPL-1.2
"""A partner's word that came by telephone or letter, written down by who leads the case or by a coordinator.

It counts as the partner's answer and says on whose word it stands: who wrote it down, and how it came. So somebody
without a system can answer at all (S5: of the household's own network).
"""

from __future__ import annotations

from typing import Final

from pydantic import ValidationError

from schakel.acts.answers import CONSIDERING, NOTED, effects, name_of, weigh
from schakel.acts.reading import choice, partner_in
from schakel.acts.refusals import refused
from schakel.acts.tools import Tools, entry, repeated, together
from schakel.acts.wording import check_reachable, check_reason, detail_of
from schakel.ledger_records import Act, AnswerArrival, CaseLedger, Involved, LedgerDecision, Transition
from schakel.message import Answer
from schakel.states import Machine, Role, next_state

WORDS: Final = (CONSIDERING, "confirmed", "declined", "withdrawn", "completed", NOTED)
SPOKEN: Final = frozenset({"phone", "letter"})
_OF_ANSWER: Final = ("answer", "reasonCode", "reasonText", "contact")


def word(act: Act, case: CaseLedger, tools: Tools) -> LedgerDecision:
    """`partner`, `role`, `answer`, `reasonCode`, `reasonText`, `contact`."""
    if act.medium not in SPOKEN:
        raise refused("word:by-phone-or-letter", "medium")
    one = partner_in(act, case)
    if one is None:
        raise refused("word:not-asked", "partner")
    if one.partner == act.actor:
        raise refused("word:answers-itself", "partner")
    answer = _answer(act, one)
    check_reason(answer)
    arrival = AnswerArrival(
        id=act.id,
        partner=one.partner,
        reference=one.reference,
        answer=answer.answer,
        reason_code=answer.reason_code,
        detail=detail_of(answer),
        received_at=act.at,
    )
    check_reachable(answer.answer, one.role, act.fields)
    weighed = weigh(answer.answer, one.state, same=False)
    if not weighed.recorded:
        return repeated(id=one.id, state=one.state)
    kept = entry(act, case, tools, subject=one.id, event=name_of(answer.answer, weighed))
    follows = effects(arrival, case, one.id, weighed, tools, kept=kept)
    if weighed.event is None:
        return together([follows, LedgerDecision(made={"id": one.id, "state": one.state})])
    state = next_state(Machine.REQUEST, one.state, weighed.event, Role.RECIPIENT)
    moved = Transition(Machine.REQUEST, one.id, weighed.event, Role.RECIPIENT, act.actor, answer.reason_code or "")
    return together([LedgerDecision(moves=(moved,), made={"id": one.id, "state": str(state)}), follows])


def _answer(act: Act, one: Involved) -> Answer:
    choice(act, "answer", WORDS)
    said = {name: act.fields[name] for name in _OF_ANSWER if name in act.fields}
    try:
        return Answer.model_validate({"reference": one.reference, **said})
    except ValidationError as error:
        place = str(error.errors()[0]["loc"][0])
        raise refused("act:field-wrong", place if place in _OF_ANSWER else "answer") from None
