# SPDX-License-Identifier: EUPL-1.2
"""Values that the heart and the ledger's side of the store hand each other: a case as it stands, and what to write.

`schakel/acting.py` decides on an Act from a CaseLedger, inside the store's transaction; the store writes the
LedgerDecision as it is. Times are aware and UTC. Sealed parts stand under the case's key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from schakel.errors import Finding
from schakel.records import NewAlarm, NewDeadline, NewParked, NewRequest, SourceMessage, ToldSource


@dataclass(frozen=True, slots=True)
class Act:
    """What somebody says or does in a case."""

    id: str
    kind: str  # see schakel/acting.py: "ask", "establish", "effort", "known-check", "milestone", "close", …
    actor: str  # partner id, "operator:<name>", or "clock"
    reference: str  # the actor's own reference of the case, or an answer reference; an operator: any id of the case
    at: datetime  # when the hub took it in
    fields: Mapping[str, Any] = field(default_factory=dict)  # what this kind needs, plain JSON values
    name: str = ""  # the person, as the organisation's key asserts
    function: str = ""
    medium: str = "own-system"  # "phone": a call written down; "letter"; "hub"
    valid_from: datetime | None = None  # since when it holds; None: since `at`
    valid_to: datetime | None = None
    evidence: str = ""  # where the word can be found: a file number, who called


@dataclass(frozen=True, slots=True)
class Involved:
    """One organisation in one role."""

    id: str  # of the request
    partner: str
    role: str
    state: str  # RequestState
    reference: str  # answer reference
    asked_by: str
    phase: str | None
    serves: str | None
    asked_at: datetime
    due_at: datetime
    established: bool
    establishment: str | None  # the matter's id, once there was one


@dataclass(frozen=True, slots=True)
class Matter:
    """Something asked beside taking part; `terms` is opened, plain JSON."""

    id: str
    machine: str
    partner: str
    role: str
    state: str
    reference: str | None
    request_id: str | None
    valid_from: datetime | None
    valid_until: datetime | None
    made_at: datetime
    sealed: bytes | None  # place ("matter", id, "terms")


@dataclass(frozen=True, slots=True)
class RunningDeadline:
    """A clock that runs. `due_deadlines` gives those whose next step has come."""

    id: str
    case_id: str
    subject: str
    kind: str
    event: str
    partner: str
    role: str
    programme: str
    urgency: str
    started_at: datetime
    due_at: datetime
    order_end: datetime | None
    next_at: datetime
    seen_at: datetime | None
    steps: int
    lead: str | None = None  # who leads the case now


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """Something that was said or done, as kept."""

    id: str
    ordinal: int
    subject: str
    event: str
    actor: str
    role: str
    medium: str
    valid_from: datetime
    valid_to: datetime | None
    known_at: datetime
    sealed: bytes | None  # place ("ledger_entry", id, "words")


@dataclass(frozen=True, slots=True)
class CaseLedger:
    """A case as its ledger stands; what deciding on an act needs."""

    id: str
    programme: str
    municipality: str | None
    urgency: str
    state: str  # CaseState
    opened_at: datetime
    closed_at: datetime | None
    order_end: datetime | None
    wrapped_key: bytes
    secrecy: bytes | None
    references: Mapping[str, str]  # partner → its own reference of the case
    involved: tuple[Involved, ...]
    matters: tuple[Matter, ...]
    entries: tuple[LedgerEntry, ...]
    deadlines: tuple[RunningDeadline, ...]
    newest_message: str | None  # id of the newest routed message: what a partner that is asked in now gets
    content: bytes | None  # of that message; place ("message", id, "content")
    sources: tuple[SourceMessage, ...]  # the last routed message from each source
    linked: tuple[str, ...] = ()  # open cases of the household in another programme


@dataclass(frozen=True, slots=True)
class Transition:
    """A move of schakel/states.py for an object that is there already."""

    machine: str
    object_id: str
    event: str
    role: str  # states.Role
    actor: str
    reason: str = ""  # machine name


@dataclass(frozen=True, slots=True)
class NewMatter:
    id: str
    machine: str
    event: str  # the first move: "ask", "establish", "propose", "report"
    by_role: str  # states.Role that makes it
    by: str  # actor
    partner: str
    role: str
    reference: str | None = None
    case_reference: str | None = None  # for a partner that has no reference of the case yet
    request_id: str | None = None
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    sealed: bytes | None = None


@dataclass(frozen=True, slots=True)
class ChangedMatter:
    """What was asked, as the one that was asked can meet it."""

    id: str
    valid_until: datetime | None
    sealed: bytes | None  # its terms; place ("matter", id, "terms")


@dataclass(frozen=True, slots=True)
class NewEntry:
    id: str
    subject: str
    event: str
    actor: str
    role: str
    medium: str
    valid_from: datetime
    valid_to: datetime | None
    sealed: bytes | None


@dataclass(frozen=True, slots=True)
class EndedDeadline:
    """The clocks of a subject end; `kind` None: all of them."""

    subject: str
    by: str  # the event
    kind: str | None = None


@dataclass(frozen=True, slots=True)
class MovedDeadline:
    """A clock of the case goes on with another organisation."""

    id: str
    partner: str
    subject: str | None = None  # of another request; None: as it is


@dataclass(frozen=True, slots=True)
class LedgerDecision:
    """Everything one transaction writes for one act, in this order: requests, matters, moves, entries, clocks that end
    and start, deliveries, what waits for a person, alarms."""

    requests: tuple[NewRequest, ...] = ()
    matters: tuple[NewMatter, ...] = ()
    changed: tuple[ChangedMatter, ...] = ()
    moves: tuple[Transition, ...] = ()
    entries: tuple[NewEntry, ...] = ()
    ended: tuple[EndedDeadline, ...] = ()
    deadlines: tuple[NewDeadline, ...] = ()
    deliveries: tuple[ToldSource, ...] = ()  # (message that it is about, delivery)
    references: tuple[tuple[str, str], ...] = ()  # (partner, its own reference of the case), where it has none yet
    moved: tuple[MovedDeadline, ...] = ()
    silenced: tuple[str, ...] = ()  # requests under which nothing more goes out: what still waited is dropped
    parked: tuple[NewParked, ...] = ()
    alarms: tuple[NewAlarm, ...] = ()
    about: str | None = None  # the message that new requests are about
    municipality: str | None = None  # the case goes on in another municipality
    erase_at: datetime | None = None  # with the move that closes the case
    outcome: str = "recorded"  # or "repeated"
    made: Mapping[str, str] = field(default_factory=dict)  # names for the reply: {"id": …, "state": …}


@dataclass(frozen=True, slots=True)
class ActOutcome:
    """`recorded` or `repeated`, and the names of what it made."""

    outcome: str
    case_id: str
    made: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class DeadlineStep:
    """How far a clock has been told. A clock that ended, or moved on, meanwhile wins: then nothing is written."""

    deadline: RunningDeadline
    next_at: datetime
    alarm: NewAlarm | None
    steps: int  # how many steps this told


# -- answers


@dataclass(frozen=True, slots=True)
class AnswerArrival:
    """A partner's word on its own request."""

    id: str
    partner: str
    reference: str
    answer: str  # message.Answer.answer
    reason_code: str | None
    detail: bytes  # JSON: reason text, contact, answered at; sealed by decide under the case's key
    received_at: datetime
    trouble: AnswerTrouble | None = None  # it cannot be read as an answer: kept and parked
    if_version: int | None = None  # only when the request still stands as its partner saw it


@dataclass(frozen=True, slots=True)
class AnswerTrouble:
    """Why a document that came as an answer says nothing yet: a ParkCause, and where."""

    cause: str
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class RequestFacts:
    id: str
    case_id: str
    partner: str
    role: str
    state: str
    wrapped_key: bytes
    last_answer_digest: bytes | None
    version: int = 0  # grows with every change that the partner can see
    sources: tuple[SourceMessage, ...] = ()  # the last routed message of the case from each source
    ledger: CaseLedger | None = None  # the case as it stands, this request included


@dataclass(frozen=True, slots=True)
class AnswerDecision:
    """`event` None: a repeat, nothing changes; unless `keep`: recorded without a move. `contradicts`: recorded,
    visible, alarmed."""

    event: str | None
    sealed: bytes | None  # place ("answer", answer id, "detail")
    digest: bytes
    contradicts: bool = False
    keep: bool = False
    parked: NewParked | None = None  # no request of that reference that is this partner's, or it cannot be read
    alarm: NewAlarm | None = None
    wrapped_key: bytes | None = None  # parked: the answer is sealed under a key of its own; owner is the answer's id
    told: tuple[ToldSource, ...] = ()  # what the sources of the case hear of it
    ledger: LedgerDecision | None = None  # what the answer means for the case, beside its own move


@dataclass(frozen=True, slots=True)
class AnswerOutcome:
    """`recorded`, `repeated`, `contradicts` or `parked`, and how the request stands now."""

    outcome: str
    request_state: str | None
