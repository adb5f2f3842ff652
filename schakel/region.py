# SPDX-License-Identifier: EUPL-1.2
"""What a region is: partners, routes, disclosure, deadlines, retention, municipalities — frozen values read from YAML.

`load_region` (schakel/region_files.py) reads the folder `regions/<name>/`, lays overlays over it and refuses what does
not fit, naming file, place and rule.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from schakel.message import Code, Frozen, MunicipalityCode

PartnerId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,62}$")]
Oin = Annotated[str, Field(pattern=r"^[0-9]{20}$")]
RecipientRole = Literal["lead", "duo", "process-director", "case-director", "partner", "source"]
LEADING: frozenset[str] = frozenset({"lead", "process-director"})
DUO: frozenset[str] = frozenset({"duo", "case-director"})
Serves = Literal["household", "victim", "removed", "children", "unknown"]

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION: Final = re.compile(r"([0-9]{1,9})([smhd])")


def read_duration(text: Any) -> Any:
    """`90s`, `15m`, `4h`, `2d` → timedelta; anything else is left to pydantic, which reads ISO 8601 (`PT15M`)."""
    found = _DURATION.fullmatch(text) if isinstance(text, str) else None
    return timedelta(seconds=int(found[1]) * _UNITS[found[2]]) if found else text


Duration = Annotated[timedelta, BeforeValidator(read_duration), Field(ge=timedelta(0))]


class Length(Frozen):
    """How long, in the unit that a person wrote: hours of a roster (`s`, `m`, `h`), working days of it (`wd`), or days,
    months and years of the calendar (`d`, `mo`, `y`)."""

    amount: Annotated[int, Field(ge=0, le=999_999)]
    unit: Literal["s", "m", "h", "wd", "d", "mo", "y"]


_LENGTH: Final = re.compile(r"([0-9]{1,6})(wd|mo|[smhdy])")


def read_length(text: Any) -> Any:
    """`15m`, `4h`, `2wd`, `10d`, `3mo`, `1y` → Length."""
    if not isinstance(text, str):
        return text
    found = _LENGTH.fullmatch(text)
    if found is None:
        raise ValueError("length: written as 15m, 4h, 2wd, 10d, 3mo or 1y")
    return {"amount": int(found[1]), "unit": found[2]}


Span = Annotated[Length, BeforeValidator(read_length)]


class Sentence(Frozen):
    """A text for people, Dutch first."""

    nl: str
    en: str


class Sending(Frozen):
    """How a partner hands messages in."""

    formats: tuple[Code, ...]
    forwards_for: tuple[Oin, ...] = ()  # OINs whose messages this partner may hand on
    mappings: tuple[Code, ...] = ()  # its own mappings, each in the place of the one it says it `replaces`


UNKNOWN_APPLICATION: Final = "onbekend"  # StUF wants a name of the receiving system, also where nobody gave one


class Receiving(Frozen):
    """How a partner is reached: push to a webhook (full content or thin) or as StUF, or leave in its mailbox."""

    channel: Literal["webhook", "mailbox", "stuf"] = "mailbox"
    mode: Literal["full", "thin"] = "full"
    representation: Code = "case-json"
    url: str | None = None  # https, or http on loopback
    application: Annotated[str, Field(min_length=3, max_length=50)] = UNKNOWN_APPLICATION  # its system, for StUF
    answers: tuple[Code, ...] = ()  # formats it may answer in, beside plain JSON
    # a source: the mapping that read its message → the representation in which it hears of it
    feedback: dict[Code, Code] = Field(default_factory=dict)
    notices: dict[Code, Code] = Field(default_factory=dict)  # kind of notice → representation; else by its own language


class Partner(Frozen):
    id: PartnerId
    name: str
    # network: somebody of the household's own network (a football trainer, S5); no system, so nothing is ever sent
    kind: Literal["source", "icm-team", "local-team", "zvhh", "partner", "network"]
    oins: tuple[Oin, ...] = ()
    municipalities: tuple[MunicipalityCode, ...] = ()  # a local team's own
    covenant: bool = False  # has a voice in the weighing of MDA++ (S4)
    serves: Serves = "unknown"  # unknown whom it serves: nobody's whereabouts
    sends: Sending | None = None
    receives: Receiving | None = None
    mail: str | None = None  # where alarms about it go
    contacts: Mapping[
        Code, tuple[str, ...]
    ] = {}  # step of a ladder (second-contact, team-coordinator) → mail addresses


class Target(Frozen):
    """A recipient of a route: a partner by id, or the local team of the municipality."""

    partner: PartnerId | Literal["local-team"]
    role: RecipientRole


class Parking(Frozen):
    cause: Code
    owner: Code  # who decides: "coordinator", or "lead"
    suggests: tuple[Target, ...] = ()


class Withheld(Frozen):
    """Somebody who might have been expected among the recipients, and why it is not."""

    partner: PartnerId
    role: RecipientRole
    why: Sentence


class Route(Frozen):
    """The first route whose condition holds decides. `when` is JSONata, strictly boolean, over the routing facts."""

    id: Code
    when: str
    to: tuple[Target, ...] = ()
    park: Parking | None = None
    withhold: tuple[Withheld, ...] = ()
    valid_from: date | None = None
    valid_to: date | None = None  # exclusive
    why: Sentence
    source: str | None = None  # S1–S5, a law, or "our default"


class RemarkRule(Frozen):
    id: Code
    when: str
    text: Sentence
    source: str | None = None


class Routing(Frozen):
    routes: tuple[Route, ...]
    remarks: tuple[RemarkRule, ...] = ()


class RoleDisclosure(Frozen):
    """What a role may see: field paths (camelCase; a path includes all below it), and secret addresses."""

    role: RecipientRole
    programmes: tuple[Code, ...]
    fields: tuple[str, ...]
    secret_addresses: bool = False
    reporter: bool = False  # may see a masked reporter
    source: str | None = None


TurningPoint = Literal[
    "lead-confirmed", "lead-declined", "duo-confirmed", "duo-declined",
    "on-hold",  # a team declined, and a person decides who takes its place
    "resumed",
    "lead-changed",
    "duo-changed",
    "first-visit", "plan-made",
    "admitted", "triage", "referred-back",  # MDA++: the weighing
    "closed",
]  # fmt: skip


class FeedbackRow(Frozen):
    """Which turning points of a case its sources may know; of how its own message fares every source hears."""

    occasions: tuple[TurningPoint, ...]
    sources: tuple[PartnerId, ...] = ()  # empty: all that can be reached
    source: str | None = None


class Disclosure(Frozen):
    withheld: Sentence  # stands in the place of a text that cannot be shown
    roles: tuple[RoleDisclosure, ...]
    matrix: tuple[RecipientRole, ...]  # who sees all requests and answers of the case
    feedback: tuple[FeedbackRow, ...] = ()  # what the sources of a case may know of it


Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
WEEKDAYS: Final[tuple[Weekday, ...]] = (
    "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday",
)  # fmt: skip
DAY_MINUTES: Final = 1440
_CLOCK_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])|24:00")


def read_clock_time(text: Any) -> Any:
    """`08:30` → minutes since midnight; `24:00` is the end of the day."""
    if not isinstance(text, str):
        return text
    found = _CLOCK_TIME.fullmatch(text)
    if found is None:
        raise ValueError("time: written as 08:30, from 00:00 to 24:00")
    return int(found[1]) * 60 + int(found[2]) if found[1] else DAY_MINUTES


ClockTime = Annotated[int, BeforeValidator(read_clock_time), Field(ge=0, le=DAY_MINUTES)]


class Opening(Frozen):
    """Hours of a weekday, as the clocks in the Netherlands say."""

    days: Annotated[tuple[Weekday, ...], Field(min_length=1)]
    opens: ClockTime
    closes: ClockTime

    @model_validator(mode="after")
    def _opens_first(self) -> Self:
        if self.opens >= self.closes:
            raise ValueError("opening: opens before it closes, on the same day")
        return self


class RosterRow(Frozen):
    """When somebody works: always, or in the hours listed, public holidays and equated days excepted."""

    id: Code
    always: bool = False
    hours: tuple[Opening, ...] = ()
    on_holidays: bool = False  # works on public holidays and equated days too

    @model_validator(mode="after")
    def _works_some_time(self) -> Self:
        if self.always == bool(self.hours):
            raise ValueError("roster: always, or hours; exactly one of the two")
        return self


class EquatedDay(Frozen):
    """A day equated with a public holiday by royal decree (Algemene termijnenwet art. 3(3))."""

    on: date
    source: str


class Calendars(Frozen):
    rosters: tuple[RosterRow, ...]
    equated: tuple[EquatedDay, ...] = ()


# What can start a clock. The hub knows these of requests and of cases; a region adds milestones of its own.
REQUEST_EVENTS: Final = frozenset(
    {
        "accepted",  # the referral, whether it was delivered or not
        "asked",  # later on, by the team that leads
        "in-consideration",
        "confirmed",
        "withdrawal-asked",
        "hand-over-asked",
        "effort-asked",
        "known-check-asked",
    }
)
CASE_EVENTS: Final = frozenset({"order-imposed", "first-visit", "plan-made", "evaluated", "phase-entered", "closed"})
# Kinds of deadline that the hub itself knows, and what may start them. Each ends when its request gets an answer.
REQUEST_KINDS: Final[Mapping[str, frozenset[str]]] = {
    "answer": frozenset({"accepted", "asked"}),
    "check": frozenset({"in-consideration"}),  # known? suitable? capacity?
    "withdrawal": frozenset({"withdrawal-asked"}),
    "hand-over": frozenset({"hand-over-asked"}),
    "effort": frozenset({"effort-asked"}),
    "known-check": frozenset({"known-check-asked"}),
}
PARTNER: Final = "partner"  # a kind of organisation, and the role in which the team that leads asks it in
ANSWER: Final = "answer"
CHECK: Final = "check"
ORDER_WITHOUT_PLAN: Final = "order-without-plan"
ASKED: Final = "asked"  # who a reminder and a ladder may tell without a route: the one that was asked,
LEAD: Final = "lead"  # and the team that leads the case


class Rung(Frozen):
    """A step of a ladder: how long after the deadline, and whom to tell then."""

    after: Span
    tell: Code


def _several(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


class Deadline(Frozen):
    """By when something must have happened, who is reminded before and who is told after. For each kind, the first row
    that fits counts."""

    kind: Code = ANSWER
    role: RecipientRole
    programmes: tuple[Code, ...] = ()  # empty: all
    urgencies: tuple[Code, ...] = ()
    start: Annotated[tuple[Code, ...], BeforeValidator(_several), Field(min_length=1)]
    within: Span | None = None
    before_order_end: Duration | None = None  # instead of `within`: so long before a restraining order ends
    roster: Code
    remind: tuple[Span, ...] = ()  # after the start; with `before_order_end`: before the order ends
    ladder: tuple[Rung, ...]
    again: Duration  # after the last step: how often it is told once more, until somebody acts
    until: Annotated[tuple[Code, ...], BeforeValidator(_several)] = ()  # events that end it, besides `closed`
    source: str

    @model_validator(mode="after")
    def _one_end(self) -> Self:
        if (self.within is None) == (self.before_order_end is None):
            raise ValueError("deadline: within, or before_order_end; exactly one of the two")
        return self


class Milestone(Frozen):
    """Something in a case that this region puts on record beside what the hub knows by itself."""

    id: Code
    text: Sentence
    source: str | None = None


class Deadlines(Frozen):
    clocks: tuple[Deadline, ...]
    calendars: Calendars  # calendars.yaml
    milestones: tuple[Milestone, ...] = ()
    parked_alarm_every: Duration
    crisis_delivery_alarm_after: Duration  # a crisis referral not delivered by then alarms a human
    delivery_alarm_after: Duration
    mailbox_alarm_after: Duration
    retry: tuple[Duration, ...]  # a list a person can read; jitter is added
    probe_every: Duration  # after the list: slow probe, and a human is told
    alarm_retry: tuple[Duration, ...]


class Retention(Frozen):
    raw: Duration
    rendered: Duration
    content_after_close: Duration
    ledger: Duration
    audit: Duration


class Place(Frozen):
    """A place name in a municipality; `postcodes` are the digits of its postcodes: `2681`, or a range `2611-2629`.

    `elsewhere`: the name exists outside the region too, so that it tells nothing without a fitting postcode.
    """

    name: str
    aliases: tuple[str, ...] = ()
    postcodes: tuple[Annotated[str, Field(pattern=r"^[1-9][0-9]{3}(-[1-9][0-9]{3})?$")], ...] = ()
    elsewhere: bool = False
    valid_from: date | None = None
    valid_to: date | None = None


class MunicipalityEntry(Frozen):
    code: MunicipalityCode
    name: str
    aliases: tuple[str, ...] = ()
    places: tuple[Place, ...]
    valid_from: date | None = None
    valid_to: date | None = None


class Municipalities(Frozen):
    version: str
    source: str
    entries: tuple[MunicipalityEntry, ...]


class AlarmRoute(Frozen):
    """Who is told: mail addresses and pager webhooks (names of settings hold the secrets)."""

    owner: Code
    mail: tuple[str, ...] = ()
    webhooks: tuple[str, ...] = ()


class Region(Frozen):
    id: Code
    name: str
    version: str
    hub_oin: Oin
    hub_name: str
    contact: str
    alarms: tuple[AlarmRoute, ...]
    causes: dict[str, Sentence]  # ParkCause → what a person can do about it
    partners: tuple[Partner, ...]
    routing: Routing
    disclosure: Disclosure
    deadlines: Deadlines
    retention: Retention
    municipalities: Municipalities

    def partner(self, partner_id: str) -> Partner | None:
        return next((partner for partner in self.partners if partner.id == partner_id), None)

    def alarm_routes(self, owner: str) -> tuple[AlarmRoute, ...]:
        """The routes of an owner. `vvt:second-contact` is a contact of a partner, where no route has that name."""
        routes = tuple(route for route in self.alarms if route.owner == owner)
        partner, _, contact = owner.partition(":")
        known = self.partner(partner) if contact and not routes else None
        mail = known.contacts.get(contact, ()) if known is not None else ()
        return (AlarmRoute(owner=owner, mail=mail),) if mail else routes

    def local_team(self, municipality: str) -> Partner | None:
        return next(
            (p for p in self.partners if p.kind == "local-team" and municipality in p.municipalities),
            None,
        )
