# SPDX-License-Identifier: EUPL-1.2
"""Everything that is said or done in a case: who may, what it does to the ledger, and the rule when it is refused.

One path for the lead, a coordinator, a partner and the clock: an Act goes into the store's transaction, is decided on
from the case as it stands there, and what is decided is written as it is. The pure part is in `schakel/acts/`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from schakel.acts import admission, closing, effort, establishing, hand_over, milestones, withdrawal
from schakel.acts.asking import ask
from schakel.acts.known_check import KNOWN_CHECK, known_check, known_check_answered, known_check_lapsed
from schakel.acts.reading import maybe_words, words
from schakel.acts.refusals import refused
from schakel.acts.tools import CLOCK, OPERATOR, Tools, matter_of, repeated, role_of, words_of
from schakel.acts.written import word
from schakel.errors import Forbidden, NotFound, Refusal
from schakel.ledger_records import Act, ActOutcome, CaseLedger, LedgerDecision, LedgerEntry
from schakel.log import Log
from schakel.message import Answer
from schakel.ports import DecideAct
from schakel.region import Partner
from schakel.states import CaseState, Machine, Role

Decides = Callable[[Act, CaseLedger, Tools], LedgerDecision]
LEADS: Final = frozenset({Role.LEAD, Role.OPERATOR})
EVERYBODY: Final = LEADS | {Role.RECIPIENT}
ANSWER: Final = "answer"
MEDIA: Final = frozenset({"own-system", "phone", "letter"})


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of act: what it does, who may, its fields, and who may in a case that is closed."""

    decides: Decides
    who: frozenset[Role]
    fields: frozenset[str]
    closed: frozenset[Role] = frozenset()


def _kind(decides: Decides, who: frozenset[Role], names: str, closed: frozenset[Role] = frozenset()) -> Kind:
    return Kind(decides, who, frozenset(names.split()), closed)


# A partner's word on a matter of its own, by the matter's machine; what ends by itself when its time has come.
ANSWERS: Final[Mapping[str, Decides]] = {
    Machine.EFFORT: effort.answer,
    Machine.KNOWN_CHECK: known_check_answered,
}
ENDS: Final[Mapping[str, Decides]] = {
    Machine.EFFORT: effort.ended,
    Machine.KNOWN_CHECK: known_check_lapsed,
    Machine.HAND_OVER: hand_over.lapsed,
}
CANCELS: Final[Mapping[str, Decides]] = {Machine.EFFORT: effort.cancel, Machine.HAND_OVER: hand_over.cancel}


def _answer(act: Act, case: CaseLedger, tools: Tools) -> LedgerDecision:
    """A partner's word on what it was asked beside taking part, by its answer reference."""
    matter = matter_of(case, act.reference, act.actor)
    decides = ANSWERS.get(matter.machine) if matter is not None else None
    if decides is not None:
        return decides(act, case, tools)
    if any(one.reference == act.reference for one in case.involved):
        raise refused("answer:not-on-a-request", "answer")
    raise NotFound()


def _cancel(act: Act, case: CaseLedger, tools: Tools) -> LedgerDecision:
    """Who leads takes back what was asked."""
    matter = matter_of(case, words(act, "matter", 64))
    decides = CANCELS.get(matter.machine) if matter is not None else None
    if decides is None:
        raise refused("act:no-such-matter", "matter")
    return decides(act, case, tools)


def _end(act: Act, case: CaseLedger, tools: Tools) -> LedgerDecision:
    """The time of a matter has come."""
    matter = matter_of(case, words(act, "matter", 64))
    decides = ENDS.get(matter.machine) if matter is not None else None
    return repeated() if decides is None else decides(act, case, tools)


KINDS: Final[Mapping[str, Kind]] = {
    "ask": _kind(ask, LEADS, "partner role phase serves"),
    "establish": _kind(establishing.establish, LEADS, "partner role"),
    "release": _kind(establishing.release, LEADS, "partner role"),
    "effort": _kind(effort.effort, LEADS, "partner role direction level from until"),
    "withdrawal": _kind(withdrawal.withdrawal, LEADS, "partner role"),
    "withdraw": _kind(withdrawal.withdraw, frozenset({Role.OPERATOR}), "partner role"),
    "word": _kind(word, LEADS, "partner role answer reasonCode reasonText contact", frozenset({Role.OPERATOR})),
    "cancel": _kind(_cancel, LEADS, "matter"),
    # beside the lead: whoever has a clock that the event ends, also when the case is closed
    "milestone": _kind(milestones.milestone, EVERYBODY, "event at phase note", EVERYBODY),
    "close": _kind(closing.close, LEADS, ""),
    "note": _kind(closing.note, LEADS, "note", frozenset({Role.OPERATOR})),
    "hand-over": _kind(hand_over.hand_over, LEADS, "to role municipality partner"),
    "ask-voice": _kind(admission.ask_voice, LEADS, "partner"),
    "voice": _kind(admission.voice, EVERYBODY, "partner voice contactHistory"),
    "admission": _kind(admission.admission, LEADS, "outcome"),
    KNOWN_CHECK: _kind(known_check, LEADS, "partners members"),
    ANSWER: _kind(
        _answer,
        frozenset({Role.RECIPIENT}),
        "answer reasonCode reasonText contact rerouteTo answeredAt level until",
        frozenset({Role.RECIPIENT}),
    ),
    "end": _kind(_end, frozenset({Role.CLOCK}), "matter", frozenset({Role.CLOCK})),
    "lapse": _kind(_end, frozenset({Role.CLOCK}), "matter", frozenset({Role.CLOCK})),
}
PERMITTED: Final[Mapping[str, frozenset[Role]]] = {name: kind.who for name, kind in KINDS.items()}


class ActStore(Protocol):
    """What acting asks of `ports.LedgerStore`."""

    async def act_many(self, acts: list[Act], decide: DecideAct) -> list[ActOutcome | Refusal]: ...


@dataclass(frozen=True, slots=True)
class Said:
    """By whom, on whose word and since when, as the organisation's key asserts."""

    name: str = ""
    function: str = ""
    medium: str = "own-system"
    evidence: str = ""
    valid_from: datetime | None = None
    valid_to: datetime | None = None


class Acting:
    def __init__(self, *, store: ActStore, tools: Tools, log: Log) -> None:
        self.tools: Final = tools
        self._store = store
        self._log = log

    async def act(
        self,
        kind: str,
        *,
        actor: str,
        reference: str,
        fields: Mapping[str, Any],
        now: datetime,
        said: Said = Said(),
        key: str = "",
    ) -> ActOutcome:
        """`actor`: a partner id, `operator:<name>` or `clock`. `key`: the sender's own name of this act, so that
        repeating it is harmless. Raises Refusal naming the rule; returns after COMMIT."""
        act = Act(
            id=self.tools.vault.reference("act", f"{actor}:{reference}:{key}") if key else self.tools.new_id(),
            kind=kind,
            actor=actor,
            reference=reference,
            at=now,
            fields={name: value for name, value in fields.items() if value is not None},
            name=said.name,
            function=said.function,
            medium="hub" if actor == CLOCK else said.medium,
            valid_from=said.valid_from,
            valid_to=said.valid_to,
            evidence=said.evidence,
        )
        return await self._taken(act)

    async def _taken(self, act: Act) -> ActOutcome:
        (outcome,) = await self._store.act_many([act], self.decide)
        kind = act.kind
        if isinstance(outcome, Refusal):
            rules = ",".join(finding.rule for finding in outcome.findings)
            self._log.warning("act.refused", kind=kind if kind in KINDS else "unknown", rule=rules)
            raise outcome
        self._log.info("act.taken", kind=kind, outcome=outcome.outcome, case=outcome.case_id)
        return outcome

    async def answered(self, partner: Partner, answer: Answer, *, arrival_id: str, now: datetime) -> ActOutcome:
        """A partner's word on what it was asked beside taking part. Raises Refusal naming the rule, and NotFound when
        nothing was asked under this reference."""
        said = {name: value for name, value in answer.to_json().items() if name not in ("schema", "reference")}
        act = Act(
            id=arrival_id,
            kind=ANSWER,
            actor=partner.id,
            reference=answer.reference.upper(),  # base32: some systems write it small
            at=now,
            fields=said,
            name=answer.contact.name if answer.contact else "",
        )
        return await self._taken(act)

    def decide(self, act: Act, case: CaseLedger | None) -> LedgerDecision:
        """What an act does to its case; called inside the store's transaction. Raises Refusal."""
        if case is None:
            raise NotFound()
        kind = KINDS.get(act.kind)
        if kind is None:
            raise refused("act:unknown-kind", "kind")
        _check_who(act, case, kind)
        before = next((line for line in case.entries if line.id == act.id), None)
        if before is not None:
            return self._again(act, case, before)
        _check_open(act, case, kind)
        _check_fields(act, kind)
        _check_said(act)
        return kind.decides(act, case, self.tools)

    def _again(self, act: Act, case: CaseLedger, before: LedgerEntry) -> LedgerDecision:
        known = words_of(case, self.tools, before)
        said = {name: value for name, value in known.items() if name not in ("kind", "actor", "evidence")}
        if (known.get("kind"), said) != (act.kind, dict(act.fields)):
            raise refused("act:key-reused", "key")
        return repeated(id=before.subject)


def _check_who(act: Act, case: CaseLedger, kind: Kind) -> None:
    role = role_of(act, case)
    if role in kind.who or (Role.RECIPIENT in kind.who and role is Role.LEAD):  # who leads can be asked things too
        return
    if kind.who == {Role.OPERATOR}:
        raise refused("act:only-a-coordinator")
    if kind.who & LEADS:
        raise refused("act:only-the-lead")
    raise refused("act:only-its-own") if Role.RECIPIENT in kind.who else Forbidden()


def _check_open(act: Act, case: CaseLedger, kind: Kind) -> None:
    if case.state == CaseState.OPEN or role_of(act, case) in kind.closed:
        return
    if Role.RECIPIENT in kind.closed and role_of(act, case) is Role.LEAD:
        return
    raise refused("act:case-joined" if case.state == CaseState.JOINED else "act:case-closed")


def _check_fields(act: Act, kind: Kind) -> None:
    """A reason may stand with every act; an operator always gives one."""
    known = kind.fields | {"reason"}
    for name in act.fields:
        if name not in known:
            raise refused("act:unknown-field", name if name.isascii() and name.isalnum() and len(name) < 33 else "act")
    reason = maybe_words(act, "reason")
    if act.actor.startswith(OPERATOR) and not (act.actor.removeprefix(OPERATOR).strip() and reason):
        raise refused("act:operator-gives-reason", "reason")


def _check_said(act: Act) -> None:
    person = not act.actor.startswith(OPERATOR) and act.actor != CLOCK and act.kind != ANSWER
    if person and not (act.name.strip() and act.function.strip()):
        raise refused("act:actor-named", "actor")
    if act.actor != CLOCK and act.medium not in MEDIA:
        raise refused("act:medium", "medium")
    if act.valid_from is not None and act.valid_to is not None and act.valid_to <= act.valid_from:
        raise refused("act:valid-period", "validTo")
