# SPDX-License-Identifier: EUPL-1.2
"""A case in memory: what `schakel/acts` decides is written to it as a store would, by the tables of moves.

It is the model beside the store: small, pure, and strict. A move that `schakel/states.py` does not hold, a second
running clock of a kind, a notice that was sent before or an entry that was there already is an error of who decided.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any, Final, cast

from schakel.acting import Acting, Said
from schakel.acts.tools import Tools
from schakel.asking import Asking
from schakel.bootstrap import region_folder
from schakel.clocks import ACCEPTED, Clocks
from schakel.errors import Refusal
from schakel.feedback import Telling
from schakel.involvement import Involvement, InvolvementStore
from schakel.ledger_records import (
    Act,
    ActOutcome,
    AnswerArrival,
    AnswerDecision,
    AnswerOutcome,
    CaseLedger,
    Involved,
    LedgerDecision,
    LedgerEntry,
    Matter,
    NewEntry,
    NewMatter,
    RequestFacts,
    RunningDeadline,
    Transition,
)
from schakel.log import open_log
from schakel.message import Answer, Contact
from schakel.notices import Notices
from schakel.ports import LedgerStore
from schakel.records import NewAlarm, NewDeadline, NewParked, NewRequest, SealPlace, ToldSource
from schakel.region import LEADING, Partner, Region
from schakel.region_files import load_region
from schakel.states import NONE, Machine, Role, next_state
from schakel.vault import FileVault, create_key_file, open_vault
from tests.support.ledgers import OPENED, case

MESSAGE: Final = "01900000-0000-7000-8000-00000000c0de"
PERSON: Final = Said(name="Fictief van Test", function="ICM'er")
CONTACT: Final = Contact(name="Fictief de Tester", phone="070 0000000")


def haaglanden() -> Region:
    return load_region(region_folder("haaglanden"), None)


def fresh_vault(folder: Path) -> FileVault:
    keys = folder / "keys.json"
    if not keys.exists():
        create_key_file(keys)
    return open_vault(keys)


@dataclass
class Casebook:
    """One case, its clock that the test moves, and everything that went out of it."""

    region: Region
    vault: FileVault
    now: datetime
    case: CaseLedger
    lines: StringIO = field(default_factory=StringIO)  # of the log
    told: list[ToldSource] = field(default_factory=list)
    parked: list[NewParked] = field(default_factory=list)
    alarms: list[NewAlarm] = field(default_factory=list)
    moves: list[Transition] = field(default_factory=list)
    decisions: list[LedgerDecision] = field(default_factory=list)
    last_digest: dict[str, bytes] = field(default_factory=dict)
    contradicted: set[str] = field(default_factory=set)
    closed_until: datetime | None = None  # when its content goes
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    # -- the services, on this book

    def __post_init__(self) -> None:
        region, new_id, log = self.region, self.new_id, open_log("debug", self.lines)
        self.tools = Tools(
            region=region,
            vault=self.vault,
            new_id=new_id,
            clocks=Clocks(deadlines=region.deadlines, new_id=new_id),
            telling=Telling(region=region, new_id=new_id),
            asking=Asking(region=region, vault=self.vault, new_id=new_id),
            notices=Notices(region=region, new_id=new_id),
        )
        self.acting = Acting(store=self, tools=self.tools, log=log)
        ledger = cast(LedgerStore, self)  # of the socket it has what answering asks
        self.involvement = Involvement(
            store=InvolvementStore(ledger=ledger, admin=cast(Any, None)),
            region=region,
            vault=self.vault,
            new_id=new_id,
            acting=self.acting,
            log=log,
        )

    def new_id(self) -> str:
        return f"01900000-0000-7000-8000-{next(self._numbers):012d}"

    # -- what tests say

    async def act(self, actor: str, kind: str, *, said: Said = PERSON, key: str = "", **fields: Any) -> ActOutcome:
        """`actor`: a partner, `operator:<name>` or `clock`; `from_` is the field `from`."""
        reference = self.case.id if ":" in actor or actor == "clock" else self.case.references.get(actor, "NOBODY")
        named = {name.rstrip("_"): value for name, value in fields.items()}
        return await self.acting.act(
            kind, actor=actor, reference=reference, fields=named, now=self.now, said=said, key=key
        )

    async def answer(self, partner: str, word: str, *, on: str | None = None, **more: Any) -> AnswerOutcome:
        """On its request, or on the matter whose id or reference `on` is."""
        told: dict[str, Any] = {"contact": CONTACT} if word == "confirmed" else {}
        told |= {"reason_code": "no-capacity"} if word == "declined" else {}
        answer = Answer.model_validate({"reference": self._reference(partner, on), "answer": word, **told, **more})
        return await self.involvement.answer(self.partner(partner), answer, now=self.now)

    async def refused(self, actor: str, kind: str, **more: Any) -> str:
        """The rule by which the act is refused; "" when it is not."""
        before = self.case
        try:
            await self.act(actor, kind, **more)
        except Refusal as refusal:
            assert self.case == before, "what is refused changes nothing"
            return refusal.findings[0].rule if refusal.findings else refusal.slug
        return ""

    def told_otherwise(self, region: Region, **case_: Any) -> Casebook:
        """The same case in a region that differs, from now on."""
        case_now = replace(self.case, **case_)
        return Casebook(region=region, vault=self.vault, now=self.now, case=case_now, _numbers=self._numbers)

    def later(self, **length: float) -> None:
        self.now += timedelta(**length)

    def partner(self, partner: str) -> Partner:
        found = self.region.partner(partner)
        assert found is not None
        return found

    def _reference(self, partner: str, on: str | None) -> str:
        if on is not None:
            return next((one.reference or "" for one in self.case.matters if on == one.id), on)
        return [one.reference for one in self.case.involved if one.partner == partner][-1]

    # -- looking

    def request(self, partner: str, role: str = "partner") -> Involved:
        return [one for one in self.case.involved if (one.partner, one.role) == (partner, role)][-1]

    def matter(self, name: str) -> Matter:
        (found,) = [one for one in self.case.matters if one.id == name]
        return found

    def words(self, line: LedgerEntry) -> dict[str, Any]:
        assert line.sealed is not None
        place = SealPlace("ledger_entry", line.id, "words")
        return dict(json.loads(self.vault.open(self.case.wrapped_key, line.sealed, owner=self.case.id, place=place)))

    def terms(self, matter: str) -> dict[str, Any]:
        sealed = self.matter(matter).sealed
        assert sealed is not None
        place = SealPlace("matter", matter, "terms")
        return dict(json.loads(self.vault.open(self.case.wrapped_key, sealed, owner=self.case.id, place=place)))

    def events(self) -> list[str]:
        return [line.event for line in self.case.entries]

    def clocks(self, subject: str | None = None) -> set[tuple[str, str]]:
        """(kind, partner) of the clocks that run."""
        return {(one.kind, one.partner) for one in self.case.deadlines if subject in (None, one.subject)}

    def notices(self) -> list[tuple[str, str]]:
        """(kind, recipient) of what went out, oldest first."""
        return [(one.delivery.occasion.partition(":")[0], one.delivery.recipient) for one in self.told]

    # -- the store's side

    async def act_many(
        self, acts: Sequence[Act], decide: Callable[[Act, CaseLedger | None], LedgerDecision]
    ) -> list[ActOutcome | Refusal]:
        outcomes: list[ActOutcome | Refusal] = []
        for act in acts:
            try:
                decision = decide(act, self.case if self._knows(act) else None)
            except Refusal as refusal:
                outcomes.append(refusal)
                continue
            self.write(decision, at=act.at)
            outcomes.append(ActOutcome(decision.outcome, self.case.id, decision.made))
        return outcomes

    def _knows(self, act: Act) -> bool:
        if ":" in act.actor or act.actor == "clock":
            return True
        own = {one.reference for one in (*self.case.involved, *self.case.matters) if one.partner == act.actor}
        return act.reference in own | {self.case.references.get(act.actor)}

    async def answer_many(
        self,
        answers: Sequence[AnswerArrival],
        decide: Callable[[AnswerArrival, RequestFacts | None], AnswerDecision],
    ) -> list[AnswerOutcome]:
        return [self._answer(arrival, decide(arrival, self._facts(arrival))) for arrival in answers]

    def _facts(self, arrival: AnswerArrival) -> RequestFacts | None:
        for one in self.case.involved:
            if (one.reference, one.partner) == (arrival.reference, arrival.partner):
                return RequestFacts(
                    id=one.id,
                    case_id=self.case.id,
                    partner=one.partner,
                    role=one.role,
                    state=one.state,
                    wrapped_key=self.case.wrapped_key,
                    last_answer_digest=self.last_digest.get(one.id),
                    sources=self.case.sources,
                    ledger=self.case,
                )
        return None

    def _answer(self, arrival: AnswerArrival, decision: AnswerDecision) -> AnswerOutcome:
        if decision.parked is not None:
            self.parked.append(decision.parked)
            return AnswerOutcome("parked", None)
        request = next(one for one in self.case.involved if one.reference == arrival.reference)
        if decision.event is None and not decision.contradicts and not decision.keep:
            return AnswerOutcome("repeated", request.state)
        if decision.event is not None:
            self._move(Transition(Machine.REQUEST, request.id, decision.event, Role.RECIPIENT, arrival.partner))
        self.last_digest[request.id] = decision.digest
        if decision.contradicts:
            self.contradicted.add(request.id)
        assert decision.alarm is None or decision.ledger is None or not decision.ledger.ended
        self.alarms += [decision.alarm] if decision.alarm else []
        if decision.ledger is not None:
            self.write(decision.ledger, at=arrival.received_at)
        self._tell(decision.told)
        state = next(one.state for one in self.case.involved if one.id == request.id)
        return AnswerOutcome("contradicts" if decision.contradicts else "recorded", state)

    def write(self, decision: LedgerDecision, *, at: datetime) -> None:
        """In the order of LedgerDecision."""
        self.decisions.append(decision)
        for request in decision.requests:
            self._ask(request, about=decision.about, at=at)
        for new in decision.matters:
            self._add(new, at=at)
        for changed in decision.changed:
            old = self.matter(changed.id)
            self._put(replace(old, valid_until=changed.valid_until, sealed=changed.sealed))
        for move in decision.moves:
            assert self.case.state == "open" or move.machine != Machine.CASE, "nothing follows the case's own move"
            self._move(move, at=at)
            self.closed_until = decision.erase_at if move.machine == Machine.CASE else self.closed_until
        for entry in decision.entries:
            self._enter(entry, at=at)
        for ended in decision.ended:
            stays = [
                one for one in self.case.deadlines if one.subject != ended.subject or ended.kind not in (None, one.kind)
            ]
            self.case = replace(self.case, deadlines=tuple(stays))
        for started in decision.deadlines:
            self._start(started)
        self._tell(decision.deliveries)
        self.parked += decision.parked
        self.alarms += decision.alarms

    def _ask(self, new: NewRequest, *, about: str | None, at: datetime) -> None:
        assert about is not None, "a request is about a message"
        role = Role.OPERATOR if new.asked_by.startswith("operator:") else Role.LEAD
        state = next_state(Machine.REQUEST, NONE, "ask", Role.HUB if new.asked_by == "hub" else role)
        assert state is not None
        line = Involved(
            id=new.id,
            partner=new.recipient,
            role=new.role,
            state=state,
            reference=new.reference,
            asked_by=new.asked_by,
            phase=new.phase,
            serves=new.serves,
            asked_at=at,
            due_at=new.due_at,
            established=False,
            establishment=None,
        )
        references = {new.recipient: new.case_reference, **self.case.references}
        self.case = replace(self.case, involved=(*self.case.involved, line), references=references)
        for started in new.deadlines:
            self._start(started)

    def _add(self, new: NewMatter, *, at: datetime) -> None:
        state = next_state(Machine(new.machine), NONE, new.event, Role(new.by_role))
        assert state is not None, f"{new.machine} cannot begin with {new.event} by {new.by_role}"
        assert all(one.id != new.id for one in self.case.matters)
        assert new.machine not in (Machine.EFFORT, Machine.ESTABLISHMENT) or new.request_id is not None
        once = (Machine.ESTABLISHMENT, Machine.ADMISSION)
        about = [one for one in self.case.matters if (one.machine, one.request_id) == (new.machine, new.request_id)]
        assert new.machine not in once or not about, "there is one already"
        if new.case_reference is not None:
            references = {new.partner: new.case_reference, **self.case.references}
            self.case = replace(self.case, references=references)
        matter = Matter(
            id=new.id,
            machine=new.machine,
            partner=new.partner,
            role=new.role,
            state=state,
            reference=new.reference,
            request_id=new.request_id,
            valid_from=new.valid_from,
            valid_until=new.valid_until,
            made_at=at,
            sealed=new.sealed,
        )
        self.case = replace(self.case, matters=(*self.case.matters, matter))
        self._establish(matter)

    def _put(self, matter: Matter) -> None:
        matters = tuple(matter if one.id == matter.id else one for one in self.case.matters)
        self.case = replace(self.case, matters=matters)
        self._establish(matter)

    def _establish(self, matter: Matter) -> None:
        if matter.machine != Machine.ESTABLISHMENT:
            return
        lines = [
            replace(one, establishment=matter.id, established=matter.state == "established")
            if one.id == matter.request_id
            else one
            for one in self.case.involved
        ]
        self.case = replace(self.case, involved=tuple(lines))

    def _move(self, move: Transition, *, at: datetime | None = None) -> None:
        machine, role = Machine(move.machine), Role(move.role)
        self.moves.append(move)

        def to(state: str) -> str:
            after = next_state(machine, state, move.event, role)
            assert after is not None, f"{machine}: {state} has no {move.event} by {role}"
            return after

        if machine is Machine.CASE:
            assert move.object_id == self.case.id
            self.case = replace(self.case, state=to(self.case.state), closed_at=at)
        elif machine is Machine.REQUEST:
            lines = [
                replace(one, state=to(one.state)) if one.id == move.object_id else one for one in self.case.involved
            ]
            assert lines != list(self.case.involved) or any(one.id == move.object_id for one in lines)
            self.case = replace(self.case, involved=tuple(lines))
        else:
            matter = self.matter(move.object_id)
            assert matter.machine == machine
            self._put(replace(matter, state=to(matter.state)))

    def _enter(self, new: NewEntry, *, at: datetime) -> None:
        assert all(one.id != new.id for one in self.case.entries), "an entry has an id of its own"
        assert new.medium in ("own-system", "phone", "letter", "hub")
        line = LedgerEntry(
            id=new.id,
            ordinal=len(self.case.entries) + 1,
            subject=new.subject,
            event=new.event,
            actor=new.actor,
            role=new.role,
            medium=new.medium,
            valid_from=new.valid_from,
            valid_to=new.valid_to,
            known_at=at,
            sealed=new.sealed,
        )
        self.case = replace(self.case, entries=(*self.case.entries, line))

    def _start(self, new: NewDeadline) -> None:
        running = RunningDeadline(
            id=new.id,
            case_id=self.case.id,
            subject=new.subject,
            kind=new.kind,
            event=new.event,
            partner=new.partner,
            role=new.role,
            programme=self.case.programme,
            urgency=new.urgency,
            started_at=new.started_at,
            due_at=new.due_at,
            order_end=new.order_end,
            next_at=new.next_at,
            seen_at=None,
            steps=0,
        )
        others = [one for one in self.case.deadlines if (one.subject, one.kind) != (new.subject, new.kind)]
        self.case = replace(self.case, deadlines=(*others, running))

    def _tell(self, told: Sequence[ToldSource]) -> None:
        def key(one: ToldSource) -> tuple[str, str, str, str]:
            return (one.message_id, one.delivery.recipient, one.delivery.role, one.delivery.occasion)

        sent = {key(one) for one in self.told}
        for one in told:
            assert key(one) not in sent, f"told before: {one.delivery.occasion}"
            sent.add(key(one))
        self.told += told


def open_book(folder: Path, *, programme: str = "icm", region: Region | None = None) -> Casebook:
    """A crisis in Den Haag: the lead and the duo were asked when the message came, and nobody has answered."""
    vault = fresh_vault(folder)
    known = case(programme=programme, wrapped_key=vault.new_key("case-1"), newest_message=MESSAGE)
    book = Casebook(region=region or haaglanden(), vault=vault, now=OPENED, case=known)
    team = [("zvhh", "process-director"), ("lokaal-team-den-haag", "case-director")]
    if programme != "mda++":
        team = [("vvt", "lead"), ("lokaal-team-den-haag", "duo")]
    for partner, role in team:
        asked = book.tools.asking.request(
            partner,
            role,
            case_id=known.id,
            programme=programme,
            urgency=known.urgency,
            now=OPENED,
            event=ACCEPTED,
        )
        book.write(LedgerDecision(requests=(asked,), about=MESSAGE), at=OPENED)
    return book


def leads(book: Casebook) -> str:
    return next(one.partner for one in book.case.involved if one.role in LEADING)
