# SPDX-License-Identifier: EUPL-1.2
"""The nouns: what a source reports (`Referral`) and what the hub makes of it (`CaseMessage`), frozen and versioned.

Attributes are snake_case here and camelCase in JSON; the JSON names are what mappings write and what disclosure tables
list. Each text that a person can write freely, or that can give whereabouts away, carries its class (`FREE_TEXT`,
`WHEREABOUTS`, …) in its annotation: disclosure cuts by class, so a new field cannot slip through unmarked.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, Self
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from schakel.identifiers import is_bsn

CASE_MESSAGE: Final = "case-message@1"
REFERRAL: Final = "referral@1"
ANSWER: Final = "answer@1"


class Sensitivity(StrEnum):
    """How a field can hurt; the class stands in the field's annotation."""

    FREE_TEXT = "free-text"  # prose or a name chosen by a person: a hidden address cannot be searched for in it
    WHEREABOUTS = "whereabouts"  # says where somebody is
    CONTACT = "contact"  # reaches somebody
    IDENTITY = "identity"  # says who somebody is
    REPORTER = "reporter"  # says who reported (Uitvoeringsbesluit Wmo 2015, art. 4.1.8(3))


FreeText = Annotated[str, Field(max_length=20_000), Sensitivity.FREE_TEXT]
Identity = Annotated[str, Field(max_length=200), Sensitivity.IDENTITY]
Whereabouts = Annotated[str, Field(max_length=200), Sensitivity.WHEREABOUTS]
ContactText = Annotated[str, Field(max_length=254), Sensitivity.CONTACT]
ReporterText = Annotated[str, Field(max_length=254), Sensitivity.REPORTER]
Code = Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+-]*$")]
Reference = Annotated[str, Field(min_length=1, max_length=200)]
MunicipalityCode = Annotated[str, Field(pattern=r"^[0-9]{4}$")]
MemberId = Annotated[str, Field(min_length=1, max_length=64)]


def _eleven_test(value: str) -> str:
    """BSN: eleven-test, and not the sentinels that mean unknown or unborn (Uitvoeringsregeling Wmo 2015, annex)."""
    if not is_bsn(value):
        raise ValueError("bsn: eleven-test")
    return value


Bsn = Annotated[str, AfterValidator(_eleven_test), Sensitivity.IDENTITY]


class Frozen(BaseModel):
    """A value: immutable, no unknown fields, camelCase outside."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        hide_input_in_errors=True,  # an error never shows the value
        ser_json_timedelta="iso8601",
        defer_build=True,  # most are part of another one, which is all that is ever read or written
    )

    def to_json(self) -> dict[str, Any]:
        """The published JSON form as Python values: camelCase, absent where nothing is known."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


# -- kinds -------------------------------------------------------------------------------------------------------------


class MessageKind(StrEnum):
    REFERRAL = "referral"
    UPDATE = "update"
    WITHDRAWAL = "withdrawal"


class Programme(StrEnum):
    """Which approach is asked for (S1, S4, S5)."""

    ICM = "icm"
    MDA = "mda++"
    ICM_YOUTH = "icm-youth"


class Urgency(StrEnum):
    """`crisis`: somebody at the door as soon as possible (S4)."""

    CRISIS = "crisis"
    NORMAL = "normal"


class Phase(StrEnum):
    """Gefaseerd samenwerken aan veiligheid (S4): the set of involved partners differs per phase."""

    DIRECT_SAFETY = "direct-safety"
    RISK_DRIVEN_CARE = "risk-driven-care"
    RECOVERY = "recovery"


class MemberRole(StrEnum):
    VICTIM = "victim"
    REMOVED = "removed"  # removed from home under the order, or the (alleged) perpetrator
    CHILD = "child"  # minor, incl. unborn
    ADULT_CHILD = "adult-child"  # belongs to the target group too (S4)
    OTHER = "other"


class Sex(StrEnum):
    FEMALE = "female"
    MALE = "male"
    OTHER = "other"
    UNKNOWN = "unknown"


class BsnStatus(StrEnum):
    KNOWN = "known"
    UNKNOWN = "unknown"  # the source says it does not know (StUF 000000000)
    NONE = "none"  # there is none: unborn (999999999), or not registered
    NOT_STATED = "not-stated"


class Precision(StrEnum):
    DAY = "day"
    MONTH = "month"
    YEAR = "year"
    UNKNOWN = "unknown"


class OrderStatus(StrEnum):
    """Life of a temporary restraining order (Wth artt. 2, 6, 9)."""

    CONSIDERED = "considered"
    IMPOSED = "imposed"
    EXTENDED = "extended"
    WITHDRAWN = "withdrawn"
    NOT_IMPOSED = "not-imposed"


class Willingness(StrEnum):
    """Accepting help is voluntary (S2)."""

    ACCEPTS = "accepts"
    REFUSES = "refuses"
    UNKNOWN = "unknown"


# -- parts -------------------------------------------------------------------------------------------------------------

_PARTIAL = {
    Precision.DAY: re.compile(r"[1-9][0-9]{3}-[0-9]{2}-[0-9]{2}"),
    Precision.MONTH: re.compile(r"[1-9][0-9]{3}-[0-9]{2}"),
    Precision.YEAR: re.compile(r"[1-9][0-9]{3}"),
}


class PartialDate(Frozen):
    """A date whose day, month or year may be unknown: 1985-03-12, 1985-03, 1985 or nothing (StUF JJJJMM00)."""

    value: Annotated[str, Sensitivity.IDENTITY] | None = None
    precision: Precision

    @model_validator(mode="after")
    def _value_fits_precision(self) -> Self:
        if self.precision is Precision.UNKNOWN:
            if self.value is not None:
                raise ValueError("date: an unknown date has no value")
            return self
        if self.value is None or not _PARTIAL[self.precision].fullmatch(self.value) or not _is_day(self.value):
            raise ValueError("date: value does not fit its precision")
        return self


def _is_day(value: str) -> bool:
    """Whether the calendar has it; of a year or month its first day."""
    try:
        date.fromisoformat(value if len(value) == 10 else f"{value}-01-01"[:10])
    except ValueError:
        return False
    return True


class Address(Frozen):
    """An address in the Netherlands or abroad. `secret`: whoever has not been told must not learn it."""

    use: Literal["home", "stay", "registered", "post", "scene"] = "home"
    street: Whereabouts | None = None
    house_number: Annotated[str, Field(pattern=r"^[0-9]{1,5}$"), Sensitivity.WHEREABOUTS] | None = None
    house_letter: Annotated[str, Field(max_length=1), Sensitivity.WHEREABOUTS] | None = None
    house_number_addition: Annotated[str, Field(max_length=10), Sensitivity.WHEREABOUTS] | None = None
    postcode: Annotated[str, Field(pattern=r"^[1-9][0-9]{3}([A-Z]{2})?$"), Sensitivity.WHEREABOUTS] | None = None
    place: Whereabouts | None = None
    municipality: Annotated[MunicipalityCode, Sensitivity.WHEREABOUTS] | None = None
    country: Annotated[str, Field(max_length=80), Sensitivity.WHEREABOUTS] | None = None
    foreign_lines: tuple[Whereabouts, ...] = ()
    secret: bool = False


class Names(Frozen):
    """`prefix` is the voorvoegsel (van der); `family` comes without it."""

    family: Identity | None = None
    prefix: Annotated[str, Field(max_length=20), Sensitivity.IDENTITY] | None = None
    given: Identity | None = None
    initials: Annotated[str, Field(max_length=40), Sensitivity.IDENTITY] | None = None
    full: Identity | None = None  # where a source knows only one string


class Phone(Frozen):
    """A number and whether it is safe to call: who answers may be the one the household fears."""

    number: Annotated[str, Field(max_length=40), Sensitivity.CONTACT]
    safe_to_call: bool | None = None
    note: FreeText | None = None


class Relation(Frozen):
    """How this member stands to another one of the same message."""

    to: MemberId
    kind: Code
    custody: bool | None = None


class Informed(Frozen):
    """Whether somebody knows of the referral; when not, why (StUF `informering`)."""

    informed: bool
    at: date | None = None
    reason_not: FreeText | None = None
    reaction: FreeText | None = None


class Member(Frozen):
    """One person of the household's system."""

    id: MemberId
    role: MemberRole
    main: bool = False
    unborn: bool = False
    names: Names = Names()
    born: PartialDate = PartialDate(precision=Precision.UNKNOWN)
    expected: PartialDate | None = None
    sex: Sex = Sex.UNKNOWN
    bsn: Bsn | None = None
    bsn_status: BsnStatus = BsnStatus.NOT_STATED
    nationality: Annotated[str, Field(max_length=80), Sensitivity.IDENTITY] | None = None
    language: Annotated[str, Field(max_length=80)] | None = None
    interpreter: bool | None = None
    phones: tuple[Phone, ...] = ()
    email: ContactText | None = None
    addresses: tuple[Address, ...] = ()
    secret_address: bool = False  # stays true even when the address itself was not given to us
    relations: tuple[Relation, ...] = ()
    informed: Informed | None = None
    remarks: FreeText | None = None

    @model_validator(mode="after")
    def _identity_is_consistent(self) -> Self:
        if (self.bsn is not None) != (self.bsn_status is BsnStatus.KNOWN):
            raise ValueError("bsn: status says known exactly when a number is there")
        if self.unborn and (self.role is not MemberRole.CHILD or self.bsn is not None or self.born.value is not None):
            raise ValueError("unborn: a child without number and birth date")
        if self.expected is not None and not self.unborn:
            raise ValueError("unborn: only an unborn child has an expected date")
        return self

    @property
    def hidden(self) -> bool:
        """This person's whereabouts are secret."""
        return self.secret_address or any(address.secret for address in self.addresses)


class RestrainingOrder(Frozen):
    """Tijdelijk huisverbod: ten days, at most 28 from imposition, never shifted (Wth artt. 2(1), 9(1), 13)."""

    status: OrderStatus
    number: Reference | None = None  # a referral can precede the number: given orally first (Wth art. 2)
    form: Literal["oral", "written"] | None = None
    imposed_at: AwareDatetime | None = None
    ends_at: AwareDatetime | None = None
    extended_until: AwareDatetime | None = None
    ordinal: Annotated[int, Field(ge=1, le=99)] | None = None  # which order for this household, as the source counts
    contact_ban: bool | None = None
    address: Address | None = None  # the home the order is about
    reason: FreeText | None = None

    @model_validator(mode="after")
    def _within_the_law(self) -> Self:
        imposed = self.imposed_at
        if self.status in (OrderStatus.IMPOSED, OrderStatus.EXTENDED) and imposed is None:
            raise ValueError("order: imposed without a time")
        for end in (self.ends_at, self.extended_until):
            if end is not None and imposed is not None and not _ends_in_time(imposed, end):
                raise ValueError("order: ends within 28 days of imposition (Wth art. 9(1))")
        if self.status is OrderStatus.EXTENDED and self.extended_until is None:
            raise ValueError("order: extended without an end")
        return self

    @property
    def end(self) -> datetime | None:
        """When the order ends as far as known: extension, stated end, or ten days from imposition (Wth art. 2(1))."""
        if self.imposed_at is None or self.status in (OrderStatus.CONSIDERED, OrderStatus.NOT_IMPOSED):
            return None
        return self.extended_until or self.ends_at or days_later(self.imposed_at, ORDER_LENGTH)


ORDER_LENGTH: Final = timedelta(days=10)  # Wth art. 2(1)
MAX_ORDER: Final = timedelta(days=28)  # Wth art. 9(1): four weeks from imposition, not ten days and four weeks
_SURELY: Final = MAX_ORDER - timedelta(days=1)


def _ends_in_time(imposed: datetime, end: datetime) -> bool:
    """Whether an order ends within the law. A day less is surely within it, and most orders are."""
    return imposed < end and (end - imposed < _SURELY or end <= days_later(imposed, MAX_ORDER))


def days_later(moment: datetime, length: timedelta) -> datetime:
    """`length` in days of the calendar, as the law counts: the same time of day in the Netherlands, in UTC. Between
    summer and winter time that is an hour more or less than as many times 24 hours."""
    return (moment.astimezone(_DUTCH_TIME) + length).astimezone(UTC)


_DUTCH_TIME: Final = ZoneInfo("Europe/Amsterdam")


class Incident(Frozen):
    """What happened; forms and natures are the Veilig Thuis codes (Uitvoeringsregeling Wmo 2015, annex)."""

    occurred_at: AwareDatetime | None = None
    occurred_on: PartialDate | None = None
    forms: tuple[Code, ...] = ()
    natures: tuple[Code, ...] = ()
    police_registration: Reference | None = None
    address: Address | None = None
    location_text: FreeText | None = None
    description: FreeText | None = None
    arrest: FreeText | None = None
    charges: FreeText | None = None


class StalledHelp(Frozen):
    """Regular help that has stalled: a ground for ICM and for MDA++ (S2, S4)."""

    stalled: bool = True
    since: PartialDate | None = None
    organisation: FreeText | None = None
    text: FreeText | None = None


class Trigger(Frozen):
    """Why now: an order, an incident, stalled help; at least one in a good referral, none is an eligibility remark."""

    restraining_order: RestrainingOrder | None = None
    incident: Incident | None = None
    stalled_help: StalledHelp | None = None


class Risk(Frozen):
    instrument: Code | None = None  # rihg, sash, …
    level: Literal["low", "medium", "high", "unknown"] = "unknown"
    weapons: bool | None = None
    weapons_text: FreeText | None = None
    intimate_terrorism: bool | None = None  # restoring the relation is never a goal then (S2)
    honour_related: bool | None = None
    worker_safety: FreeText | None = None
    text: FreeText | None = None


class KnownOrder(Frozen):
    """An earlier order the source knows of; counted once by number or by time of imposition."""

    number: Reference | None = None
    imposed_at: AwareDatetime | None = None


class History(Frozen):
    earlier_reports: Annotated[int, Field(ge=0)] | None = None
    earlier_orders: tuple[KnownOrder, ...] = ()
    text: FreeText | None = None


class InvolvedOrganisation(Frozen):
    """An organisation around the household and whom it serves; unknown whom = nobody's (no whereabouts for it)."""

    name: FreeText  # can be a shelter's: gives whereabouts away
    identifier: Annotated[Reference, Sensitivity.FREE_TEXT] | None = None  # names the organisation as well
    kind: Code | None = None
    serves: tuple[MemberId, ...] = ()
    contact_name: Annotated[str, Field(max_length=200), Sensitivity.FREE_TEXT] | None = None
    contact_phone: ContactText | None = None
    contact_email: ContactText | None = None
    note: FreeText | None = None


class Reporter(Frozen):
    """Who reported; `masked`: must not be passed on (Uitvoeringsbesluit Wmo 2015, art. 4.1.8(3))."""

    kind: Annotated[Code, Sensitivity.REPORTER] | None = None
    name: ReporterText | None = None
    organisation: ReporterText | None = None
    phone: ReporterText | None = None
    email: ReporterText | None = None
    masked: bool = False


class Note(Frozen):
    topic: Code
    text: FreeText


class Attachment(Frozen):
    """What exists elsewhere; the content stays with the source."""

    name: FreeText
    media_type: Annotated[str, Field(max_length=100), Sensitivity.FREE_TEXT] | None = None  # as the source wrote it
    size: Annotated[int, Field(ge=0)] | None = None
    held_by: Annotated[str, Field(max_length=200), Sensitivity.FREE_TEXT] | None = None


# -- wholes ------------------------------------------------------------------------------------------------------------


class CaseContent(Frozen):
    """What is known of household and occasion, from whichever source."""

    trigger: Trigger = Trigger()
    members: Annotated[tuple[Member, ...], Field(min_length=1, max_length=60)]
    risk: Risk | None = None
    history: History = History()
    organisations: tuple[InvolvedOrganisation, ...] = ()
    reporter: Reporter | None = None
    willingness: Willingness = Willingness.UNKNOWN
    legal_basis: Code | None = None
    purpose: Code = "icm-referral"
    question: FreeText | None = None  # what the source asks
    notes: tuple[Note, ...] = ()
    attachments: tuple[Attachment, ...] = ()

    @model_validator(mode="after")
    def _references_hold(self) -> Self:
        ids = [member.id for member in self.members]
        if len(set(ids)) != len(ids):
            raise ValueError("members: ids are unique")
        known = set(ids)
        if any(relation.to not in known for member in self.members for relation in member.relations):
            raise ValueError("relations: name a member of the same message")
        if any(not known.issuperset(organisation.serves) for organisation in self.organisations):
            raise ValueError("organisations: serve members of the same message")
        return self

    def member(self, role: MemberRole) -> Member | None:
        """The first member in this role."""
        return next((member for member in self.members if member.role is role), None)


class Referral(CaseContent):
    """What a source's mapping writes (`referral@1`): the content and what the source says of the message itself."""

    kind: MessageKind = MessageKind.REFERRAL
    programme: Programme = Programme.ICM
    urgency: Urgency = Urgency.NORMAL
    phase: Phase | None = None
    occurred_at: AwareDatetime | None = None  # the event in the source's world


class MessageHeader(Frozen):
    id: UUID  # UUIDv7
    kind: MessageKind
    source: Code
    message_reference: Reference
    source_case_reference: Reference
    occurred_at: AwareDatetime | None = None
    received_at: AwareDatetime


class Municipality(Frozen):
    """CBS code and *the rule that found it*, e.g. `order-address:stated-code` or `incident-address:place+postcode`."""

    code: MunicipalityCode | None = None
    name: Annotated[str, Field(max_length=80)] | None = None
    rule: Code


class CaseHeader(Frozen):
    reference: Reference  # opaque; each recipient sees its own
    region: Code
    programme: Programme
    municipality: Municipality
    urgency: Urgency
    phase: Phase | None = None
    order_count: Annotated[int, Field(ge=0)] = 0  # max(source's ordinal, distinct orders known)


class Remark(Frozen):
    """An eligibility remark: for the team's judgement, never a wall."""

    rule: Code
    nl: str
    en: str


class CaseMessage(CaseContent):
    """The canonical case message, `case-message@1`: what the hub keeps and from which every view is cut."""

    schema_: Literal["case-message@1"] = Field(default=CASE_MESSAGE, alias="schema")
    message: MessageHeader
    case: CaseHeader
    remarks: tuple[Remark, ...] = ()


# -- answers -----------------------------------------------------------------------------------------------------------


class Contact(Frozen):
    """A reachable person at the partner; seen by lead and duo only."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    phone: ContactText
    email: ContactText | None = None


class Reroute(Frozen):
    """Whom the answering partner thinks the request should have gone to; a person decides."""

    oin: Annotated[str, Field(pattern=r"^[0-9]{20}$")] | None = None
    name: Annotated[str, Field(min_length=1, max_length=200)]


class Answer(Frozen):
    """What a partner says on its own request (`answer@1`), in whichever format.

    On a request to take part: received, in-consideration, confirmed, declined, withdrawn, completed. On a request for
    more or less effort: accepted, adjusted (with `level`, `until` or both), not-possible. On a question after a person:
    known, unknown. On a hand-over: confirmed, declined. `noted`: it tells how it stands, and says none of these.
    """

    reference: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9-]+$")]
    answer: Literal[
        "received",
        "in-consideration",
        "confirmed",
        "declined",
        "withdrawn",
        "completed",
        "accepted",
        "adjusted",
        "not-possible",
        "known",
        "unknown",
        "noted",
    ]
    reason_code: Code | None = None
    reason_text: FreeText | None = None
    contact: Contact | None = None
    reroute_to: Reroute | None = None
    answered_at: AwareDatetime | None = None
    level: Annotated[str, Field(min_length=1, max_length=200), Sensitivity.FREE_TEXT] | None = None  # adjusted: this
    until: AwareDatetime | None = None  # adjusted: until then
    # of a process director in MDA++: what the weighing decided, where its own system says so with the answer
    admission: Literal["admitted", "triage", "referred-back"] | None = None
