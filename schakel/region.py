# SPDX-License-Identifier: EUPL-1.2
"""What a region is: partners, routes, disclosure, deadlines, retention, municipalities — frozen values read from YAML.

`load_region` (schakel/region_files.py) reads the folder `regions/<name>/`, lays overlays over it and refuses what does
not fit, naming file, place and rule.
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field

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


class Sentence(Frozen):
    """A text for people, Dutch first."""

    nl: str
    en: str


class Sending(Frozen):
    """How a partner hands messages in."""

    formats: tuple[Code, ...]
    forwards_for: tuple[Oin, ...] = ()  # OINs whose messages this partner may hand on


UNKNOWN_APPLICATION: Final = "onbekend"  # StUF wants a name of the receiving system, also where nobody gave one


class Receiving(Frozen):
    """How a partner is reached: push to a webhook (full content or thin) or as StUF, or leave in its mailbox."""

    channel: Literal["webhook", "mailbox", "stuf"] = "mailbox"
    mode: Literal["full", "thin"] = "full"
    representation: Code = "case-json"
    url: str | None = None  # https, or http on loopback
    application: Annotated[str, Field(min_length=3, max_length=50)] = UNKNOWN_APPLICATION  # its system, for StUF
    answers: tuple[Code, ...] = ()  # formats it may answer in, beside plain JSON


class Partner(Frozen):
    id: PartnerId
    name: str
    kind: Literal["source", "icm-team", "local-team", "zvhh", "partner"]
    oins: tuple[Oin, ...] = ()
    municipalities: tuple[MunicipalityCode, ...] = ()  # a local team's own
    serves: Serves = "unknown"  # unknown whom it serves: nobody's whereabouts
    sends: Sending | None = None
    receives: Receiving | None = None
    mail: str | None = None  # where alarms about it go


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


class Disclosure(Frozen):
    withheld: Sentence  # stands in the place of a text that cannot be shown
    roles: tuple[RoleDisclosure, ...]
    matrix: tuple[RecipientRole, ...]  # who sees all requests and answers of the case


class Deadline(Frozen):
    """Within how long a role answers; the first that fits counts."""

    role: RecipientRole
    programmes: tuple[Code, ...] = ()  # empty: all
    urgencies: tuple[Code, ...] = ()
    within: Duration
    remind_every: Duration
    source: str


class Deadlines(Frozen):
    answers: tuple[Deadline, ...]
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

    def local_team(self, municipality: str) -> Partner | None:
        return next(
            (p for p in self.partners if p.kind == "local-team" and municipality in p.municipalities),
            None,
        )
