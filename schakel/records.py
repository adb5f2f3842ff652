# SPDX-License-Identifier: EUPL-1.2
"""The values that cross the store's sockets: frozen, without behaviour; what is sealed names its key and place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from schakel.errors import Finding


@dataclass(frozen=True, slots=True)
class Bell:
    """What a broker carries: identifiers and a digest, never a person."""

    delivery_id: str
    recipient: str
    number: int


@dataclass(frozen=True, slots=True)
class BrokerHealth:
    """How the bells fare, as this process knows it. No delivery is lost with a bell: the sweep finds it."""

    state: str  # "embedded", "idle" (nobody asked yet), "connected", "blocked" (it takes nothing now) or "absent"
    waiting: int = 0  # bells that no server has taken yet
    unconfirmed: int = 0  # sent, and not yet confirmed
    rung: int = 0  # since start: in the keeping of a queue
    forgotten: int = 0  # since start: the oldest, because too many waited
    unroutable: int = 0  # since start: came back, for no queue takes them
    refused: int = 0  # since start: the server could not keep them

    @property
    def lost(self) -> int:
        return self.forgotten + self.unroutable + self.refused


@dataclass(frozen=True, slots=True)
class Sealed:
    """Bytes sealed under a data key, with the wrapped key beside them."""

    wrapped_key: bytes
    data: bytes


@dataclass(frozen=True, slots=True)
class SealPlace:
    """Where sealed bytes live; they open nowhere else."""

    table: str
    row: str
    purpose: str


@dataclass(frozen=True, slots=True)
class MatchKey:
    """A blinded identifier of a household. Strong kinds join by themselves: `source-case`, `order`, `pair`; `person` is
    only a suggestion."""

    kind: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message at the door, read, mapped (or not) and sealed; ready for one transaction."""

    message_id: str  # UUIDv7
    source: str  # partner id
    message_reference: str  # blinded
    source_case_reference: str  # blinded
    digest: bytes  # blinded
    format: str
    media_type: str
    received_at: datetime
    programme: str
    keys: tuple[MatchKey, ...]
    raw: Sealed
    raw_erase_at: datetime


@dataclass(frozen=True, slots=True)
class KnownOrder:
    """A restraining order the case already knows, by blinded number or by time of imposition."""

    number: bytes | None
    imposed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who has a case now, in which role, and how its request stands."""

    partner: str
    role: str
    request_id: str
    request_state: str


@dataclass(frozen=True, slots=True)
class CaseFacts:
    """What the store knows of an open case that shares a key with an arrival."""

    id: str
    programme: str
    municipality: str | None
    matched: frozenset[str]  # kinds of the shared keys
    wrapped_key: bytes
    secrecy: bytes | None  # sealed; place ("case_file", id, "secrecy")
    secrecy_version: int
    orders: tuple[KnownOrder, ...]
    max_ordinal: int
    recipients: tuple[Recipient, ...]
    joined: tuple[JoinedCase, ...] = ()  # younger cases that were joined to it
    recorded: Mapping[str, datetime] = field(default_factory=dict)  # when each milestone happened last


@dataclass(frozen=True, slots=True)
class JoinedCase:
    """What was accepted under it still goes out under its own key, with the secrecy of the whole household."""

    id: str
    wrapped_key: bytes
    secrecy: bytes | None


@dataclass(frozen=True, slots=True)
class Facts:
    matches: tuple[CaseFacts, ...]


@dataclass(frozen=True, slots=True)
class NewCase:
    programme: str
    municipality: str | None
    wrapped_key: bytes


@dataclass(frozen=True, slots=True)
class CaseChange:
    """What a message changes of its case; None leaves as is. A new secrecy raises the version by one."""

    municipality: str | None = None
    urgency: str | None = None
    order_end: datetime | None = None  # the last one counts
    order_over: bool = False  # its order was withdrawn: nothing ends any more, and the order's clocks stop
    secrecy: bytes | None = None
    orders: tuple[KnownOrder, ...] = ()
    max_ordinal: int = 0
    shared: tuple[tuple[str, bytes], ...] = ()  # (joined case, its new sealed secrecy)


@dataclass(frozen=True, slots=True)
class RoutingDecision:
    """Who gets it, who does not, and why; kept beside the deliveries and counted from by verify."""

    recipient: str | None  # partner id; None: nobody yet
    role: str
    outcome: str  # "deliver", "withhold" or "park"
    rule: str
    nl: str
    en: str


@dataclass(frozen=True, slots=True)
class NewDelivery:
    id: str
    recipient: str
    role: str
    channel: str
    mode: str
    representation: str
    urgency: str
    request_id: str | None  # the request whose reference it carries
    late: bool = False
    occasion: str = "message"  # else what a source is told of: kind and id of what happened


@dataclass(frozen=True, slots=True)
class NewDeadline:
    """A clock that starts. One of a kind runs for a subject: a new one takes the place of the one before."""

    id: str
    subject: str  # request, matter or case
    kind: str  # of regions/*/deadlines.yaml
    event: str  # that starts it
    partner: str  # who must act
    role: str
    urgency: str
    started_at: datetime
    due_at: datetime
    next_at: datetime  # its first step
    order_end: datetime | None = None


@dataclass(frozen=True, slots=True)
class NewRequest:
    id: str
    recipient: str
    role: str
    reference: str  # the answer reference
    case_reference: str  # the recipient's own opaque reference of the case
    due_at: datetime
    deadlines: tuple[NewDeadline, ...] = ()  # the clocks that asking starts
    asked_by: str = "hub"  # else a partner (the lead), or "operator:<name>"
    phase: str | None = None
    serves: str | None = None
    weighing: str | None = None  # MDA++: id of the admission that starts with it, where the case has none yet


@dataclass(frozen=True, slots=True)
class NewParked:
    id: str
    cause: str
    owner: str
    findings: tuple[Finding, ...]
    suggests: tuple[tuple[str, str], ...]  # (partner, role)
    next_alarm_at: datetime
    whole: bool = True  # the message itself waits; False: it was delivered and something beside it waits


@dataclass(frozen=True, slots=True)
class Decision:
    """Everything one transaction writes for one message."""

    case_id: str | None  # None: not mappable, no case yet
    new_case: NewCase | None
    change: CaseChange
    keys: tuple[MatchKey, ...]
    kind: str
    state: str  # MessageState: routed or parked
    content: bytes | None  # the sealed case message; place ("message", message_id, "content"), under the case's key
    versions: str  # JSON: mapping, codebooks, engine, losses
    routing: tuple[RoutingDecision, ...]
    deliveries: tuple[NewDelivery, ...]
    requests: tuple[NewRequest, ...]
    parked: tuple[NewParked, ...]
    suggestions: tuple[tuple[str, str], ...]  # (other case id, kinds of shared keys)
    warnings: tuple[Finding, ...]
    occurred_at: datetime | None = None  # the incident, as far as the source says
    deadlines: tuple[NewDeadline, ...] = ()  # the clocks of the case itself that the message starts


@dataclass(frozen=True, slots=True)
class Accepted:
    """The outcome of one arrival. `duplicate`: the first answer again; then `message_id` is the first one's."""

    message_id: str
    state: str
    duplicate: bool
    routing: tuple[RoutingDecision, ...]
    warnings: tuple[Finding, ...]
    parked_cause: str | None
    bells: tuple[Bell, ...]


@dataclass(frozen=True, slots=True)
class Rendered:
    """What was rendered at first claim: the same bytes for ever (until erased; the digest outlives them)."""

    sealed: bytes | None  # place ("delivery", id, "rendered"), under the case's key
    digest: bytes
    media_type: str
    at: datetime
    secrecy_version: int


@dataclass(frozen=True, slots=True)
class Happened:
    """What a notice tells of, as the ledger keeps it: a matter, an entry, or both. Sealed parts stand under the case's
    key; None: there is none, or it is erased."""

    matter_id: str | None
    machine: str | None
    partner: str | None  # whom the matter asks
    role: str | None
    reference: str | None  # its answer reference
    valid_from: datetime | None
    valid_until: datetime | None
    terms: bytes | None  # place ("matter", matter_id, "terms")
    entry_id: str | None
    event: str | None
    actor: str | None
    words: bytes | None  # place ("ledger_entry", entry_id, "words")
    due_at: datetime | None  # by when an answer was asked


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery whose lane this worker holds until the lease ends, with all that rendering needs."""

    id: str
    token: str  # random fencing token of the lane
    recipient: str
    role: str
    number: int
    channel: str
    mode: str
    representation: str
    urgency: str
    late: bool
    held: int  # earlier messages of this lane that are parked
    attempts: int
    crashes: int
    created_at: datetime
    message_id: str
    case_id: str
    case_reference: str
    request_reference: str | None
    request_due_at: datetime | None
    programme: str
    content: bytes
    wrapped_key: bytes
    secrecy: bytes | None
    secrecy_version: int
    rendered: Rendered | None
    occasion: str = "message"  # else: feedback to the source (role `source`), or a notice
    happened: Happened | None = None  # of a notice
    serves: str | None = None  # whom of the household its request is for, when the lead said so


@dataclass(frozen=True, slots=True)
class DeliveryOutcome:
    """How one claim ended; written only while the token still holds the lane.

    `event` is a move of the delivery machine: deliver, notify, fail, park, supersede.
    """

    id: str
    token: str
    event: str
    reason: str | None = None  # machine name
    next_at: datetime | None = None  # fail: when to try again
    tried: bool = True  # fail: False when nothing was sent; then it is no attempt
    alarm: NewAlarm | None = None
    replacement: NewDelivery | None = None  # supersede: takes a new id and a new number
    breaker_open_until: datetime | None = (
        None  # fail: keep the recipient's breaker open until then (410, many failures)
    )


@dataclass(frozen=True, slots=True)
class NewAlarm:
    """One per (cause, subject); raising it again raises the count."""

    cause: str
    subject: str
    owner: str
    nl: str
    en: str


@dataclass(frozen=True, slots=True)
class MailboxEntry:
    number: int
    delivery_id: str
    state: str
    created_at: datetime
    digest: bytes | None
    media_type: str | None


@dataclass(frozen=True, slots=True)
class SourceMessage:
    """A message as its source is told of it. `mapping`: by which it was read, without version; "" when by none."""

    message_id: str
    source: str
    mapping: str


@dataclass(frozen=True, slots=True)
class ToldSource:
    """A feedback delivery, and the message that it is about."""

    message_id: str
    delivery: NewDelivery


@dataclass(frozen=True, slots=True)
class RequestQuery:
    """Which of its own requests a partner looks for; an empty tuple and None leave nothing out."""

    references: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()  # or kinds of notice
    updated_from: datetime | None = None
    updated_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class OwnRequest:
    """A partner's own request with the last thing it said on it (place ("answer", answer id, "detail")); or what it was
    asked beside that, whose state tells what it said."""

    id: str
    case_id: str
    reference: str
    case_reference: str
    role: str
    state: str
    version: int
    asked_at: datetime
    due_at: datetime
    updated_at: datetime
    wrapped_key: bytes
    answer: AnswerRow | None
    asked_as: str = ""  # a kind of notice (known-check-asked, effort-asked); empty: to take part


@dataclass(frozen=True, slots=True)
class OwnRequests:
    """One page, oldest first, and how many there are in all."""

    total: int
    rows: tuple[OwnRequest, ...]


@dataclass(frozen=True, slots=True)
class AnswerRow:
    id: str
    answer: str
    reason_code: str | None
    sealed: bytes
    at: datetime


@dataclass(frozen=True, slots=True)
class RequestRow:
    """One partner's line of the matrix."""

    id: str
    partner: str
    role: str
    state: str
    asked_at: datetime
    due_at: datetime
    delivery_state: str | None
    delivered_at: datetime | None
    contradicted: bool
    answers: tuple[AnswerRow, ...]

    def late(self, now: datetime) -> bool:
        """Asked, and neither confirmed nor declined when it was due."""
        return self.due_at < now and self.state in ("asked", "received", "in-consideration")


@dataclass(frozen=True, slots=True)
class CaseRecord:
    """A case as the store holds it; involvement.py cuts it to what the asker may see."""

    id: str
    programme: str
    municipality: str | None
    opened_at: datetime
    wrapped_key: bytes
    references: Mapping[str, str]  # partner → its own reference
    order_count: int
    requests: tuple[RequestRow, ...]
    messages: tuple[MessageRow, ...]
    suggestions: tuple[SuggestionRow, ...]
    linked: tuple[str, ...]  # other open cases of the same household in another programme
    secrecy: bytes | None = None  # sealed; place ("case_file", id, "secrecy")


@dataclass(frozen=True, slots=True)
class MessageRow:
    id: str
    kind: str
    source: str
    state: str
    received_at: datetime


@dataclass(frozen=True, slots=True)
class SuggestionRow:
    other_case_id: str
    kinds: str
    state: str  # "open", "joined" or "kept-apart"


@dataclass(frozen=True, slots=True)
class StatusRecord:
    """What the sender of a message may know of it."""

    message_id: str
    kind: str
    state: str
    received_at: datetime
    parked_cause: str | None
    routing: tuple[RoutingDecision, ...]
    requests: tuple[RequestRow, ...]  # lead and duo only
    warnings: tuple[Finding, ...]
    admission: str | None = None  # MDA++: how the weighing of the case stands


@dataclass(frozen=True, slots=True)
class ParkedRow:
    id: str
    message_id: str | None
    case_id: str | None
    cause: str
    owner: str
    state: str
    findings: tuple[Finding, ...]
    suggests: tuple[tuple[str, str], ...]
    parked_at: datetime
    next_alarm_at: datetime
    source: str | None
    settled_by: str | None
    settled_reason: str | None
    whole: bool


@dataclass(frozen=True, slots=True)
class ParkedFacts:
    """What settling a parked message needs: the arrival again, its content if mapped, and its case."""

    parked: ParkedRow
    arrival: Arrival
    content: bytes | None
    case: CaseFacts | None
    facts: Facts


@dataclass(frozen=True, slots=True)
class AlarmRow:
    id: str
    cause: str
    subject: str
    owner: str
    count: int
    step: int
    attempts: int
    nl: str
    en: str
    raised_at: datetime
    delivered_at: datetime | None
    acknowledged_by: str | None


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A partner's API key: `digest` is SHA-256 of the secret part."""

    id: str
    partner: str
    digest: bytes
    created_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class SecretRow:
    """A partner's webhook secret, sealed; place ("partner_secret", id, "secret"), under the row's own key."""

    id: str
    partner: str
    kind: str
    sealed: Sealed
    created_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who did or saw what. `actor` is a partner id, `operator:<name>` or `hub`; no person data."""

    at: datetime
    actor: str
    action: str
    object: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Health:
    """What /readyz tells: each `None` is well, else a short cause."""

    store: str | None
    alarms: str | None


@dataclass(frozen=True, slots=True)
class ReportMessage:
    id: str
    case_id: str
    source: str
    kind: str
    occurred_at: datetime | None
    received_at: datetime


@dataclass(frozen=True, slots=True)
class ReportRequest:
    """When one asked partner got how far; the first time of each."""

    case_id: str
    partner: str
    role: str
    due_at: datetime
    open: bool
    delivered_at: datetime | None
    received_at: datetime | None
    confirmed_at: datetime | None
    answered_at: datetime | None
    established_at: datetime | None
    decline_reason: str | None  # of a request that stands declined


@dataclass(frozen=True, slots=True)
class ReportFacts:
    """The cases that something came for in a period; no persons."""

    messages: tuple[ReportMessage, ...]
    requests: tuple[ReportRequest, ...]
    first_visits: Mapping[str, datetime]  # case → when somebody first stood at the door
    orders: Mapping[str, int]  # case → how many restraining orders it knows
