# SPDX-License-Identifier: EUPL-1.2
"""The shapes of what the HTTP interface answers, for the published description; answers are made by the heart.

`schakel.message.Answer` is the one shape that comes in as plain JSON.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field

from schakel.message import Frozen


class FindingOut(Frozen):
    """Where and by which rule; never the value."""

    place: str
    rule: str
    nl: str
    en: str


class ProblemOut(Frozen):
    """RFC 9457; Dutch first, English beside."""

    type: str
    status: int
    title: str
    title_en: str
    detail: str
    detail_en: str
    instance: str | None = None
    errors: tuple[FindingOut, ...] = ()


class Notice(Frozen):
    """Who gets it, who does not, and why."""

    recipient: str | None = None
    role: str
    outcome: Literal["deliver", "withhold", "park"]
    rule: str
    nl: str
    en: str


class Receipt(Frozen):
    """Accepted: on disk, and routed or parked."""

    id: str
    state: str
    duplicate: bool
    recipients: tuple[Notice, ...]
    warnings: tuple[FindingOut, ...] = ()
    parked_cause: str | None = None


class Standing(Frozen):
    """How one asked partner stands."""

    partner: str
    name: str
    role: str
    state: Literal["asked", "received", "confirmed", "declined", "withdrawn", "superseded"]


class WhyParked(Frozen):
    cause: str
    nl: str
    en: str


class Status(Frozen):
    """What the sender may know of its message: no persons."""

    id: str
    kind: str
    state: str
    received_at: AwareDatetime
    parked: WhyParked | None
    recipients: tuple[Standing, ...]
    decisions: tuple[Notice, ...]
    warnings: tuple[FindingOut, ...]


class ContactOut(Frozen):
    name: str
    phone: str
    email: str | None = None


class RerouteOut(Frozen):
    oin: str | None = None
    name: str


class AnswerOut(Frozen):
    answer: str
    at: AwareDatetime
    reason_code: str | None = None
    reason_text: str | None = None
    contact: ContactOut | None = None
    reroute_to: RerouteOut | None = None
    answered_at: AwareDatetime | None = None


class Line(Standing):
    """One line of the matrix."""

    asked_at: AwareDatetime
    due_at: AwareDatetime
    overdue: bool
    delivery_state: str | None
    delivered_at: AwareDatetime | None
    contradicted: bool
    answers: tuple[AnswerOut, ...]


class CaseMessageLine(Frozen):
    id: str
    kind: str
    source: str
    state: str
    received_at: AwareDatetime


class Suggestion(Frozen):
    """Another open case that may be the same household; for the lead."""

    case: str
    kinds: str
    state: Literal["open", "joined", "kept-apart"]


class CaseView(Frozen):
    """The matrix for who leads or walks along; for others their own line only."""

    reference: str
    programme: str
    opened_at: AwareDatetime
    requests: tuple[Line, ...]
    municipality: str | None = None
    order_count: int | None = None
    messages: tuple[CaseMessageLine, ...] = ()
    suggestions: tuple[Suggestion, ...] = ()
    linked_cases: tuple[str, ...] = ()


class Answered(Frozen):
    """`recorded`, `repeated`, `contradicts` (recorded all the same) or `parked` (no request of yours has it)."""

    outcome: Literal["recorded", "repeated", "contradicts", "parked"]
    request_state: str | None = None


class Acted(Frozen):
    """`recorded`, or `repeated` (it stood already); with the names of what it made."""

    outcome: Literal["recorded", "repeated"]
    made: dict[str, str]


class Because(Frozen):
    """Why a case waits or is at risk."""

    rule: str
    partner: str | None
    role: str | None
    nl: str
    en: str


class Coming(Frozen):
    """The next thing to happen."""

    what: str
    at: AwareDatetime
    partner: str | None
    role: str | None
    nl: str
    en: str


class RollUp(Frozen):
    state: Literal["waiting", "complete", "at-risk", "closed"]
    risks: tuple[Because, ...]
    waits: tuple[Because, ...]
    next: Coming | None


class InvolvementOut(Frozen):
    """One organisation in one role: what it answered (`state`) and what the lead established stand apart."""

    id: str
    partner: str
    name: str
    role: str
    state: str
    established: bool
    asked_by: str
    phase: str | None
    serves: str | None
    asked_at: AwareDatetime
    due_at: AwareDatetime


class MatterOut(Frozen):
    """Effort for a time, a question, a hand-over, the weighing, an establishment."""

    id: str
    kind: str
    partner: str
    name: str
    role: str
    state: str
    made_at: AwareDatetime
    valid_from: AwareDatetime | None
    valid_until: AwareDatetime | None
    terms: dict[str, Any] | None = None


class EntryOut(Frozen):
    """What was said or done: by whom, on whose word, since when, and when the hub knew."""

    ordinal: int
    subject: str
    event: str
    by: str
    role: str
    medium: str
    valid_from: AwareDatetime
    valid_to: AwareDatetime | None
    known_at: AwareDatetime
    words: dict[str, Any] | None = None


class DeadlineOut(Frozen):
    kind: str
    subject: str
    partner: str
    role: str
    started_at: AwareDatetime
    due_at: AwareDatetime
    overdue: bool
    next_at: AwareDatetime


class LedgerView(Frozen):
    """The ledger: all of it for who leads or walks along, the own part for others."""

    reference: str
    programme: str
    state: Literal["open", "closed", "joined"]
    opened_at: AwareDatetime
    closed_at: AwareDatetime | None
    involvements: tuple[InvolvementOut, ...]
    matters: tuple[MatterOut, ...]
    entries: tuple[EntryOut, ...]
    municipality: str | None = None
    order_ends_at: AwareDatetime | None = None
    standing: RollUp | None = None
    deadlines: tuple[DeadlineOut, ...] = ()


class Entry(Frozen):
    """One number of a mailbox; `superseded` and `dropped` are tombstones."""

    number: Annotated[int, Field(ge=1)]
    delivery_id: str
    state: str
    created_at: AwareDatetime
    media_type: str | None = None
    content_digest: str | None = None


class Mailbox(Frozen):
    """Entries by number; ask again with `after` = `last`."""

    entries: tuple[Entry, ...]
    last: int


class Received(Frozen):
    number: int
    state: str
