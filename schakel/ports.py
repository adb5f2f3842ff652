# SPDX-License-Identifier: EUPL-1.2
"""The sockets: what the heart asks of formats, channels, alarms, broker, vault, clock and store. Comments promise."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol, runtime_checkable

from schakel.errors import Finding, Refusal
from schakel.ledger_records import (
    Act,
    ActOutcome,
    AnswerArrival,
    AnswerDecision,
    AnswerOutcome,
    CaseLedger,
    DeadlineStep,
    LedgerDecision,
    RequestFacts,
    RunningDeadline,
)
from schakel.operating import Backlog, CommitSizes, Erased, Pause, Progress, Selection, Stuck, WrappedKey
from schakel.records import (
    Accepted,
    AlarmRow,
    Arrival,
    AuditEntry,
    Bell,
    BrokerHealth,
    CaseFacts,
    CaseRecord,
    Claimed,
    Decision,
    DeliveryOutcome,
    Facts,
    Health,
    KeyRow,
    MailboxEntry,
    NewAlarm,
    NewDelivery,
    OwnRequests,
    ParkedFacts,
    ParkedRow,
    Rendered,
    ReportFacts,
    RequestQuery,
    SealPlace,
    SecretRow,
    SourceMessage,
    StatusRecord,
)

# -- formats: from a source's bytes to a plain document, and back ------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DeliveryWord:
    """What a document says of one delivery of ours, and nothing else (StUF Bv03, Fo01, Fo03)."""

    delivery_id: str
    outcome: str  # "received", "failed" (another attempt may help) or "refused" (it cannot)
    reason: str  # machine name


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a Format reads of a message before any mapping."""

    format: str  # the format's name
    mapping: str  # the mapping for this kind of document, e.g. "stuf-melding-generiek"
    message_reference: str  # duplicates: (source, message reference)
    source_case_reference: str  # what belongs together
    document: Mapping[str, Any]  # plain JSON values, ready for the mapping; checked against the source's schema
    digest: bytes  # SHA-256 of the content without transport timestamps: equal → the first answer again
    sender_oin: str | None = None  # who the document says it is from, where the format carries that (StUF zender)
    findings: tuple[Finding, ...] = ()  # own invariants that are broken: the message is accepted and parked
    reply_context: Mapping[str, Any] = field(default_factory=dict)  # what the format needs to write its reply
    overtaken_by: tuple[str, ...] = ()  # message references of newer versions: once one is kept, this one is refused
    word: DeliveryWord | None = None  # then there is nothing to map


@dataclass(frozen=True, slots=True)
class Notice:
    """One line of the reply: who gets it (or does not) and why."""

    recipient: str  # the partner's name
    role: str
    outcome: str  # "deliver", "withhold" or "park"
    rule: str
    nl: str
    en: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the hub says to a source that handed over a message. Never reveals a match with another case."""

    message_id: str
    state: str  # "routed" or "parked"
    duplicate: bool
    notices: tuple[Notice, ...]
    warnings: tuple[Finding, ...] = ()
    parked_cause: str | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer in the source's own format."""

    status: int
    media_type: str
    body: bytes


class Format(Protocol):
    """Bytes to envelope, view to bytes, outcome to reply. Pure: no clock, no network, no state."""

    name: str
    media_types: tuple[str, ...]  # the first one is what it writes

    def recognises(self, body: bytes) -> bool:
        """A cheap look at the first bytes; among formats of one media type the first that recognises reads."""

    def read(self, body: bytes) -> Envelope:
        """Raises Malformed (names place and rule, never the value)."""

    def write(self, document: Mapping[str, Any]) -> bytes:
        """The same document gives the same bytes."""

    def accepted(self, envelope: Envelope, receipt: Receipt, *, now: datetime, hub_oin: str) -> Reply: ...

    def refused(self, refusal: Refusal, body: bytes, *, now: datetime, hub_oin: str, accept: str) -> Reply | None:
        """The refusal in this format's own words, or None: the caller answers with problem+json."""


@runtime_checkable
class AnswerFormat(Protocol):
    """A Format in which recipients answer too. The mapping that its envelope names writes `answer@1`."""

    name: str
    media_types: tuple[str, ...]

    def recognises(self, body: bytes) -> bool: ...

    def read_answer(self, body: bytes) -> Envelope:
        """`source_case_reference` is the answer reference. Raises Malformed, UnsupportedFormat (no answer)."""

    def answered(self, envelope: Envelope, outcome: AnswerOutcome, *, now: datetime, hub_oin: str) -> Reply:
        """That the answer is taken (also when it is parked)."""

    def refused(self, refusal: Refusal, body: bytes, *, now: datetime, hub_oin: str, accept: str) -> Reply | None: ...


# -- channels, alarms, broker, clock -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Parcel:
    """One delivery as a channel sends it; the same delivery id always carries the same bytes."""

    delivery_id: str  # webhook-id
    recipient: str
    number: int  # the recipient's gap-free number
    url: str | None
    mode: str  # "full" or "thin"
    media_type: str
    content: bytes  # the rendered view
    digest: bytes  # SHA-256 of content
    event_type: str  # reverse-DNS, ends in .v1
    rendered_at: datetime
    secrets: tuple[SigningSecret, ...] = ()


@dataclass(frozen=True, slots=True)
class SigningSecret:
    kind: str  # "v1" (HMAC-SHA256) or "v1a" (ed25519 private key, 32 bytes)
    value: bytes


class Channel(Protocol):
    """Hands a parcel to a recipient, at least once, in any order."""

    name: str

    async def send(self, parcel: Parcel, *, now: datetime) -> str:
        """`delivered` (the recipient has the content) or `notified` (it knows something is there).

        Raises TemporaryFailure (no answer, 3xx, 4xx, 5xx, 429 with retry_after) or RecipientGone (410). Never follows
        a redirect, never uses a proxy from the environment, reads a bounded answer."""

    async def aclose(self) -> None: ...


@dataclass(frozen=True, slots=True)
class AlarmNotice:
    """What a human is told; holds no person data."""

    id: str
    owner: str
    cause: str
    subject: str  # an opaque id: parked id, delivery id, request id, partner id
    count: int
    step: int
    nl: str
    en: str
    raised_at: datetime
    told_at: datetime | None = None  # None: as soon as it was raised


class AlarmSender(Protocol):
    """Reaches a human by one way; raises TemporaryFailure when it did not."""

    name: str

    async def send(self, notice: AlarmNotice, *, to: str) -> None: ...


class Broker(Protocol):
    """Rings for deliveries that are due. May lose or repeat a bell: the sweep finds what it missed."""

    def ring(self, bells: Sequence[Bell]) -> None:
        """At once, on the event loop; never raises: the store is the truth, and the sweep delivers without a bell."""

    async def listen(self, limit: int, wait: float) -> Sequence[Bell]:
        """Waits up to `wait` seconds for at least one bell; () when none came."""

    async def done(self, bells: Sequence[Bell]) -> None:
        """The claim attempt for these bells has returned. Bells that were heard and are not done with ring again for
        another, when this process has gone."""

    def health(self) -> BrokerHealth:
        """From memory, at once."""

    async def aclose(self) -> None: ...


class Clock(Protocol):
    def now(self) -> datetime:
        """Aware, UTC."""


# -- vault -------------------------------------------------------------------------------------------------------------


class Vault(Protocol):
    """Seals (zstd, then AES-256-GCM bound to its place) and blinds (keyed hash). Thread-safe; reads files only
    at start and when another process has rotated the keys."""

    def new_key(self, owner: str) -> bytes:
        """A new data key for `owner` (a case or raw referral id), wrapped by the master key."""

    def seal(self, wrapped_key: bytes, plain: bytes, *, owner: str, place: SealPlace) -> bytes: ...

    def open(self, wrapped_key: bytes, sealed: bytes, *, owner: str, place: SealPlace) -> bytes:
        """Raises Tampered."""

    def blind(self, kind: str, *parts: str) -> bytes:
        """A keyed hash (32 bytes) of an identifier; `kind` separates uses."""

    def reference(self, kind: str, row: str) -> str:
        """26 base32 characters for the outside world (answer and case references)."""


# -- store: the four sockets -------------------------------------------------------------------------------------------

Decide = Callable[[Arrival, Facts], Decision]
DecideAnswer = Callable[[AnswerArrival, "RequestFacts | None"], AnswerDecision]
DecideAct = Callable[[Act, "CaseLedger | None"], LedgerDecision]
DecideParked = Callable[[ParkedFacts], Decision]
DecideParkedCase = Callable[[ParkedRow, "CaseLedger"], "LedgerDecision | None"]
TellSource = Callable[[SourceMessage], "NewDelivery | None"]
ShareSecrecy = Callable[[CaseFacts, CaseFacts], bytes | None]  # the first's secrecy, with the second's; None: as it is


class IntakeStore(Protocol):
    async def known(self, source: str, references: Sequence[str]) -> frozenset[str]:
        """Which of these (blinded) message references of the source are kept."""

    async def accept_many(self, arrivals: Sequence[Arrival], decide: Decide) -> list[Accepted | Refusal]:
        """One transaction for all that wait; one outcome per arrival, in order; one's violation never touches another.

        Known (source, message reference) with an equal digest → the first answer again; with another → Conflict
        (and an alarm). Else `decide` is called inside the transaction, with the open cases that share a key and with
        earlier arrivals of the batch visible. Returns after COMMIT. Raises Unacceptable (503; 507 disk full)
        for the whole batch when durability cannot be promised."""


class DeliveryStore(Protocol):
    async def claim(
        self, *, now: datetime, limit: int, only: Sequence[str] | None = None, passing_over: Sequence[str] = ()
    ) -> list[Claimed]:
        """Heads of free lanes that are due (`only`: among these delivery ids; `passing_over`: not of these recipients),
        each with a lease of 15 s. An expired lease counts as a crash and is claimed alone; the third crash parks. Open
        breakers yield one probe."""

    async def keep_rendered(self, rendered: Sequence[tuple[Claimed, Rendered]]) -> None:
        """Before the first send. Raises LeaseLost when a token no longer holds."""

    async def renew(self, leases: Sequence[tuple[str, str]], *, now: datetime) -> list[bool]:
        """(delivery id, token) → still held, lease moved to now + 15 s."""

    async def finish(self, outcomes: Sequence[DeliveryOutcome], *, now: datetime) -> list[bool]:
        """Writes each outcome whose token still holds its lane and frees the lane; False: lost to another worker or
        finished by the recipient meanwhile. 2xx closes the recipient's breaker."""

    async def mailbox(self, partner: str, *, after: int, limit: int) -> list[MailboxEntry]:
        """By number, tombstones included. Only what is this partner's."""

    async def mailbox_item(self, partner: str, number: int) -> Claimed | None:
        """For rendering or reading; holds no lease (token is empty). None: not this partner's, or a tombstone."""

    async def receive(self, partner: str, number: int, *, now: datetime, how: str) -> str | None:
        """The recipient has it (`fetch` or `receipt`): the delivery's state afterwards; repeating is harmless."""

    async def delivery(self, partner: str, delivery_id: str) -> Claimed | None:
        """A delivery by its id, for its recipient's word on it; holds no lease. None: not this partner's."""

    async def give_back(self, partner: str, outcome: DeliveryOutcome, *, now: datetime) -> str | None:
        """The recipient says afterwards that it could not take what was handed over: what is `notified` fails (and is
        tried again) or is parked, as `outcome` says; in any other state only the alarm is raised. The state
        afterwards; None: not this partner's."""

    async def supersede(self, delivery_id: str, replacement: NewDelivery, *, now: datetime) -> bool:
        """A mailbox read found the stored bytes too open: replace by a stricter delivery."""


class LedgerStore(Protocol):
    async def answer_many(self, answers: Sequence[AnswerArrival], decide: DecideAnswer) -> list[AnswerOutcome]:
        """One transaction; an answer implies receipt of the delivery."""

    async def case(self, partner: str, reference: str) -> CaseRecord | None:
        """By the partner's own reference. None: absent or not this partner's."""

    async def case_by_id(self, case_id: str) -> CaseRecord | None:
        """For operators; also takes any partner's reference."""

    async def status(self, partner: str, message_id: str) -> StatusRecord | None:
        """None: absent or not sent by this partner. `partner` empty: for operators."""

    async def own_requests(self, partner: str, query: RequestQuery, *, after: str, limit: int) -> OwnRequests:
        """The partner's own requests, and what it is asked beside them, in cases that are not erased; oldest first,
        beyond id `after` ("": from the first). A version grows with every change that the partner can see."""

    async def act_many(self, acts: Sequence[Act], decide: DecideAct) -> list[ActOutcome | Refusal]:
        """One transaction; one outcome per act, in order. `decide` gets the case of the act's reference as it stands
        then (None: absent, erased, or not the actor's) and raises Refusal; what it gives is written as it is."""

    async def ledger(self, partner: str, reference: str, *, at: datetime | None = None) -> CaseLedger | None:
        """A case by the partner's own reference; `partner` empty: by any id, for operators. `at`: as it was known then,
        but for what the case itself says (municipality, urgency, end of an order, secrecy): that is the newest. None:
        absent then, erased or not this partner's."""

    async def due_deadlines(self, *, now: datetime, limit: int) -> list[RunningDeadline]:
        """Running clocks whose next step has come, longest waiting first."""

    async def step_deadlines(self, steps: Sequence[DeadlineStep], *, now: datetime) -> None:
        """Raises each alarm and notes the next step; a clock that ended or moved on meanwhile stays as it is."""

    async def ended_matters(self, *, now: datetime, limit: int) -> list[tuple[str, str]]:
        """(case id, matter id) of what ends by itself: valid until now or before, and still open."""

    async def decide_suggestion(
        self, case_id: str, other_case_id: str, *, join: bool, by: str, reason: str, now: datetime, share: ShareSecrecy
    ) -> bool:
        """Join (the younger case's messages go on under the older; `share` is called for each of the two) or keep
        apart; audited."""


class AdminStore(Protocol):
    async def parked(self, *, parked_id: str | None = None, settled: bool = False) -> list[ParkedRow]: ...

    async def settle_parked(
        self,
        parked_id: str,
        event: str,
        decide: DecideParked | None,
        *,
        by: str,
        reason: str,
        now: datetime,
        tell: TellSource | None = None,
        decide_case: DecideParkedCase | None = None,
    ) -> Accepted | None:
        """release, retry or drop, by a named person with a reason; one transaction, audited. None: not open.

        `decide_case` is asked first about what is parked of a case: what it gives is written, and the row is settled;
        None: it is no question about the case, `decide` says what becomes of the message.
        `tell`: what the source of a message that waited, and no longer does, is told; when the message has a case.
        A `retry` whose decision parks again leaves the parked row open with the new findings."""

    async def raise_alarms(self, alarms: Sequence[NewAlarm], *, now: datetime) -> None: ...

    async def due_alarms(self, *, now: datetime, limit: int) -> list[AlarmRow]:
        """Not acknowledged and due; parked rows and late deliveries whose alarm time has come raise theirs first."""

    async def alarm_outcomes(self, outcomes: Sequence[tuple[str, bool, datetime]], *, now: datetime) -> None:
        """(alarm id, reached a human, when to try or ring again). `now`: when they were found due; what another clock
        has told since stays as that one wrote it."""

    async def alarms(self) -> list[AlarmRow]: ...

    async def acknowledge(self, alarm_id: str, *, by: str, now: datetime) -> bool: ...

    async def add_key(self, key: KeyRow) -> None:
        """At most two valid at once per partner; a third raises Conflict."""

    async def keys(self, *, now: datetime) -> list[KeyRow]: ...

    async def revoke_key(self, key_id: str, *, now: datetime) -> bool: ...

    async def add_secret(self, secret: SecretRow) -> None: ...

    async def secrets(self, partner: str, *, now: datetime) -> list[SecretRow]: ...

    async def audit(self, entries: Sequence[AuditEntry]) -> None: ...

    async def report(self, *, since: datetime, until: datetime) -> ReportFacts:
        """What a report is made of: the cases that something came for from `since` until before `until`."""

    async def erase(self, *, by: str, now: datetime, limit: int) -> Erased:
        """Erases what is past its term, at most `limit` of each class, each on record in the audit. `by`: a person, or
        `clock`. What is not final is spared."""

    async def overdue(self, *, now: datetime) -> Erased:
        """What `erase` would take now without a limit, and what it would spare."""

    async def mind_the_clock(self, *, now: datetime) -> timedelta | None:
        """When the clock went back by more than a minute since something was last written: by how much. Leases, waits
        and alarms that were set by the clock that was ahead are brought back, and a human is told."""

    async def link_audit(self, *, now: datetime, limit: int) -> int:
        """Links unlinked audit rows into the hash chain; the number linked."""

    async def backlog(self, *, now: datetime) -> Backlog:
        """What waits, per partner and in all."""

    async def pause(self, pause: Pause) -> None:
        """Nothing is claimed for the partner until then; audited. An alarm rings when it ends, and when a crisis waits
        behind it. A pause that is there is replaced. Raises Conflict: not in the future, or longer than a week."""

    async def resume(self, partner: str, *, by: str, reason: str, now: datetime) -> bool:
        """Audited. False: it was not paused."""

    async def stuck(self, selection: Selection) -> list[Stuck]:
        """What waits to be sent or is set aside, oldest first."""

    async def retry_deliveries(self, ids: Sequence[str], *, by: str, reason: str, now: datetime) -> list[Bell]:
        """Due at once, parked ones too; closes their recipients' breakers; audited. Others are passed over."""

    async def replace_deliveries(
        self, pairs: Sequence[tuple[str, str]], *, by: str, reason: str, now: datetime
    ) -> list[Bell]:
        """(stuck delivery, id of the new one): superseded by one that is made anew; audited. Others are passed over."""

    async def progress(self, object_id: str, *, now: datetime) -> list[Progress]:
        """Of a message or a case (by the hub's own id): each delivery that has not arrived."""

    async def take_duty(
        self, name: str, token: str, *, holder: str, now: datetime, until: datetime, after: str | None = None
    ) -> bool:
        """Takes or keeps what one process does at a time. False: another token's lease still runs, and its holder is
        not `after` (of which the caller knows that it has ended)."""

    async def duty_holder(self, name: str) -> str | None: ...

    async def leave_duty(self, name: str, token: str) -> None: ...

    async def wrapped_keys(self, table: str, *, after: str, limit: int) -> list[WrappedKey]:
        """Of `raw_referral`, `case_file`, `answer` or `partner_secret`, by id beyond `after`."""

    async def rewrap(self, pairs: Sequence[tuple[WrappedKey, bytes]]) -> int:
        """Each key's new wrapping, unless it changed meanwhile; the number written."""

    def commits(self) -> CommitSizes:
        """From memory, at once."""

    async def health(self) -> Health: ...

    async def aclose(self) -> None: ...


class Store(IntakeStore, DeliveryStore, LedgerStore, AdminStore, Protocol):
    """All four, as one engine gives them."""
