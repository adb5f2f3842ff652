# SPDX-License-Identifier: EUPL-1.2
"""Finds the municipality of a household from its addresses, never from a secret one, and names the rule that found it.

Order: the home the order is about, the scene of the incident, then homes of members (victim, main person, child,
removed person). The first of these that says anything decides: a weaker address never overrules a stronger one that is
unclear. Where someone is *registered* says nothing of where he lives (STANDARDS: StUF `gemeenteVanInschrijving`).
A stated CBS code counts before place and postcode; our list of places is coarse, so a contradiction warns, and the
code stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal

from schakel.errors import Finding
from schakel.identity import address_keys, fold
from schakel.message import Address, CaseContent, Member, MemberRole
from schakel.region import Municipalities, MunicipalityEntry, Place
from schakel.states import ParkCause

Answer = Literal["found", "outside", "ambiguous", "none"]
NETHERLANDS: Final = frozenset(
    {"nl", "nld", "nederland", "netherlands", "thenetherlands", "6030"}
)  # 6030: BRP table 34
_DAYS_KEPT: Final = 8  # messages are of today; what waited, of the days before
_HOME_OF: Final = (MemberRole.VICTIM, None, MemberRole.CHILD, MemberRole.REMOVED)  # None: the main person
_CAUSES: Final = {
    "none": ParkCause.NO_MUNICIPALITY,
    "ambiguous": ParkCause.AMBIGUOUS_PLACE,
    "outside": ParkCause.OUTSIDE_REGION,
}


def _never(_: Address | Member) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Resolution:
    """`place`: found, outside (of the region), ambiguous or none. `rule`: which address, and how it was read.

    `code` may be there outside the region too, then without a name. `findings`: warnings, or why it is unclear.
    """

    place: Answer
    rule: str
    code: str | None = None
    name: str | None = None
    findings: tuple[Finding, ...] = ()

    @property
    def in_region(self) -> bool:
        return self.place == "found"

    @property
    def cause(self) -> ParkCause | None:
        """Why a new referral parks; None when the municipality was found."""
        return _CAUSES.get(self.place)

    @property
    def finding(self) -> Finding | None:
        return self.findings[0] if self.findings else None


class Directory:
    """A region's municipalities. What holds on a day is worked out once. Safe to share between threads."""

    def __init__(self, municipalities: Municipalities) -> None:
        self._municipalities = municipalities
        self._days: dict[date, _Index] = {}

    def on(self, day: date) -> _Index:
        index = self._days.get(day)
        if index is None:
            if len(self._days) >= _DAYS_KEPT:
                self._days = {}
            index = self._days[day] = _Index(self._municipalities, day)
        return index


def resolve(
    content: CaseContent,
    directory: Directory,
    *,
    on: date,
    hides_address: Callable[[Address], bool] = _never,
    hides_person: Callable[[Member], bool] = _never,
) -> Resolution:
    """The municipality on that day. `hides_…`: what the case knows as secret beyond this message. Pure."""
    index = directory.on(on)
    secret = _secret_keys(content)

    def hidden(address: Address) -> bool:
        return address.secret or hides_address(address) or not address_keys(address).isdisjoint(secret)

    for basis, at, address in _addresses(content, hides_person):
        if hidden(address):
            continue
        located = index.locate(address, at)
        if located is not None:
            return Resolution(
                place=located.place,
                rule=f"{basis}:{located.rule}",
                code=located.code,
                name=located.name,
                findings=located.findings,
            )
    return Resolution(
        place="none",
        rule="no-address:none",
        findings=(
            Finding(
                place="trigger",
                rule="municipality-known",
                nl="Geen adres dat niet geheim is zegt in welke gemeente dit huishouden woont.",
                en="No address that is not secret says in which municipality this household lives.",
            ),
        ),
    )


def secret_move(
    content: CaseContent,
    current: str | None,
    directory: Directory,
    *,
    on: date,
    hides_address: Callable[[Address], bool] = _never,
    hides_person: Callable[[Member], bool] = _never,
) -> bool:
    """A secret address, or the home of a hidden person, lies in another municipality than the case's: a thing for the
    lead alone. False when the case has no municipality yet, or when nothing can be told from it. Where somebody is
    registered or gets his post is not where he lives: that is no move."""
    if current is None:
        return False
    index = directory.on(on)
    secret = _secret_keys(content)
    homes = [
        address
        for member in content.members
        if member.hidden or hides_person(member)
        for address in member.addresses
        if address.use in ("home", "stay")
    ]
    lived_in = [address for address in _every_address(content) if address.use not in ("registered", "post")]
    for address in (*homes, *lived_in):
        known = address.secret or hides_address(address) or not address_keys(address).isdisjoint(secret)
        if known or address in homes:
            located = index.locate(address, "members.addresses")
            if located is not None and located.place != "ambiguous" and located.code != current:
                return True
    return False


def _secret_keys(content: CaseContent) -> frozenset[str]:
    """Recognises an address flagged as secret anywhere in the message, also where it stands again without the flag."""
    return frozenset(key for address in _every_address(content) if address.secret for key in address_keys(address))


def _every_address(content: CaseContent) -> list[Address]:
    return [
        *(address for member in content.members for address in member.addresses),
        *(address for _, _, address in _events(content)),
    ]


def _events(content: CaseContent) -> Iterator[tuple[str, str, Address]]:
    order, incident = content.trigger.restraining_order, content.trigger.incident
    if order is not None and order.address is not None:
        yield "order-address", "trigger.restrainingOrder.address", order.address
    if incident is not None and incident.address is not None:
        yield "incident-address", "trigger.incident.address", incident.address


def _addresses(content: CaseContent, hides_person: Callable[[Member], bool]) -> Iterator[tuple[str, str, Address]]:
    yield from _events(content)
    for role in _HOME_OF:
        for position, member in enumerate(content.members):
            fits = member.main if role is None else member.role is role
            if not fits or member.hidden or hides_person(member):
                continue
            for number, address in enumerate(member.addresses):
                if address.use == "home":
                    yield "household-address", f"members[{position}].addresses[{number}]", address


# -- one address -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Located:
    place: Literal["found", "outside", "ambiguous"]
    rule: str
    code: str | None = None
    name: str | None = None
    findings: tuple[Finding, ...] = ()


class _Index:
    """The codebook as it holds on one day."""

    def __init__(self, municipalities: Municipalities, on: date) -> None:
        self._entries = [entry for entry in municipalities.entries if _valid(entry, on)]
        self._by_code = {entry.code: entry for entry in self._entries}
        self._by_name: dict[str, list[tuple[MunicipalityEntry, Place]]] = {}
        for entry in self._entries:
            for place in entry.places:
                if _valid(place, on):
                    for name in (place.name, *place.aliases):
                        self._by_name.setdefault(fold(name), []).append((entry, place))
            for name in (entry.name, *entry.aliases):
                if fold(name) not in self._by_name:  # written as if it were a place; any postcode of the municipality
                    self._by_name[fold(name)] = [(entry, _whole(entry, name))]

    def locate(self, address: Address, at: str) -> _Located | None:
        """None: the address says nothing of a municipality."""
        if address.municipality is not None:
            return self._by_stated_code(address, address.municipality, at)
        if address.country and fold(address.country) not in NETHERLANDS:
            return _Located("outside", "country")
        if address.place:
            return self._by_place(address.place, address.postcode, at)
        if address.postcode:
            return _unclear("postcode", f"{at}.place", "postcode-needs-place")
        return None

    def _by_stated_code(self, address: Address, code: str, at: str) -> _Located:
        entry = self._by_code.get(code)
        by_place = self._by_place(address.place, address.postcode, at) if address.place else None
        contradicts = (
            by_place is not None
            and by_place.code != code
            and (by_place.place == "found" or (by_place.place == "outside" and entry is not None))
        )
        warning = Finding(
            place=f"{at}.municipality",
            rule="municipality-fits-place",
            nl="De opgegeven gemeentecode past niet bij plaats en postcode; de code is gevolgd. Ga het adres na.",
            en="The stated municipality code does not fit place and postcode; the code was followed. Check it.",
        )
        findings = (warning,) if contradicts else ()
        if entry is None:
            return _Located("outside", "stated-code", code=code, findings=findings)
        return _Located("found", "stated-code", code=entry.code, name=entry.name, findings=findings)

    def _by_place(self, name: str, postcode: str | None, at: str) -> _Located:
        known = self._by_name.get(fold(name), [])
        digits = int(postcode[:4]) if postcode else None
        if not known:
            return self._by_unknown_place(digits, at)
        if digits is None:
            if len(known) == 1 and not known[0][1].elsewhere:
                return _Located("found", "place", code=known[0][0].code, name=known[0][0].name)
            return _unclear("place", f"{at}.postcode", "place-needs-postcode")
        fitting = [entry for entry, place in known if _fits(place, digits)]
        if len(fitting) == 1:
            return _Located("found", "place+postcode", code=fitting[0].code, name=fitting[0].name)
        return _unclear("place+postcode", f"{at}.postcode", "postcode-fits-place")

    def _by_unknown_place(self, digits: int | None, at: str) -> _Located:
        """A place we do not know lies outside, unless its postcode is ours (misspelt?) or there is none to tell by."""
        if digits is None:
            return _unclear("place", f"{at}.place", "place-known")
        if any(_fits(place, digits) for entry in self._entries for place in entry.places):
            return _unclear("place+postcode", f"{at}.place", "postcode-fits-place")
        return _Located("outside", "place+postcode")


def _whole(entry: MunicipalityEntry, name: str) -> Place:
    postcodes = tuple(code for place in entry.places for code in place.postcodes)
    return Place(name=name, postcodes=postcodes)


def _valid(what: MunicipalityEntry | Place, on: date) -> bool:
    return (what.valid_from is None or what.valid_from <= on) and (what.valid_to is None or on < what.valid_to)


def _fits(place: Place, digits: int) -> bool:
    """`2681` or `2611-2629`."""
    for span in place.postcodes:
        first, _, last = span.partition("-")
        if int(first) <= digits <= int(last or first):
            return True
    return False


def _unclear(how: str, at: str, rule: str) -> _Located:
    return _Located(
        "ambiguous",
        how,
        findings=(
            Finding(
                place=at,
                rule=rule,
                nl="Plaats en postcode wijzen samen niet één gemeente aan. Vul de CBS-code of een postcode aan.",
                en="Place and postcode do not point at one municipality together. Add the CBS code or a postcode.",
            ),
        ),
    )
