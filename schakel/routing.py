# SPDX-License-Identifier: EUPL-1.2
"""Who gets a message, who does not, and by which rule: the region's routes in order, the first that holds decides.

A known case goes to the team that has it. It never moves by itself: a move is handed over by people, and a move that
only a secret address tells of is for the lead alone (sending the case elsewhere would give the whereabouts away).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import date
from functools import lru_cache
from typing import Any, Final

from schakel.errors import ConfigurationError, Finding
from schakel.jsonata import Expression, JsonataError
from schakel.records import RoutingDecision
from schakel.region import DUO, LEADING, Region, Route, Sentence, Target
from schakel.states import ParkCause

DELIVER: Final = "deliver"
WITHHOLD: Final = "withhold"
PARK: Final = "park"
NO_ROUTE: Final = "no-route"
RESPONSIBLE_TEAM: Final = "responsible-team"
ASKED_IN: Final = "asked-in"  # by the lead: whom it works with is none of a sender's business
MUNICIPALITY_REVIEW: Final = "municipality-review"
COORDINATOR: Final = "coordinator"
LEAD: Final = "lead"
TEAM: Final = LEADING | DUO
_FALLBACK: Final = Sentence(
    nl="Geen regel van deze regio bepaalt wie dit krijgt; een mens beslist.",
    en="No rule of this region says who gets this; a person decides.",
)
# Says nothing of a match with a case that another source reported.
_RESPONSIBLE: Final = Sentence(
    nl="Het team dat voor dit huishouden verantwoordelijk is, krijgt dit bericht.",
    en="The team that is responsible for this household gets this message.",
)
_ASKED_IN: Final = Sentence(
    nl="Deze partner is door het leidende team bij de zaak gevraagd, en krijgt wat zijn rol mag zien.",
    en="The team that leads asked this partner in; it gets what its role may see.",
)
_REVIEW: Final = Sentence(
    nl="Het bericht is bezorgd; een mens beziet of de gemeente nog klopt.",
    en="The message was delivered; a person looks whether the municipality is still right.",
)


@dataclass(frozen=True, slots=True)
class RoutingFacts:
    """All that a route may look at. `place`: found, outside, ambiguous or none (schakel/municipality.py)."""

    source: str
    programme: str
    kind: str
    municipality: str | None
    place: str
    urgency: str
    order_count: int = 0
    known: bool = False

    def document(self) -> dict[str, Any]:
        """As conditions see them."""
        return {
            "source": self.source,
            "programme": self.programme,
            "kind": self.kind,
            "municipality": self.municipality,
            "place": self.place,
            "urgency": self.urgency,
            "orderCount": self.order_count,
            "known": self.known,
            "inRegion": self.place == "found",
        }


FACTS_KEPT: Final = 1024  # combinations of facts whose route is remembered; they name nobody
FACTS: Final = frozenset(
    {"inRegion", *("orderCount" if field.name == "order_count" else field.name for field in fields(RoutingFacts))}
)


@dataclass(frozen=True, slots=True)
class CurrentTeam:
    """Who has the case now (partner, role), and where the case is. `own`: the sender itself named this case."""

    municipality: str | None
    recipients: tuple[tuple[str, str], ...]
    own: bool
    secret_move: bool = False  # a secret address of the message lies in another municipality


@dataclass(frozen=True, slots=True)
class Park:
    """What waits for a person. `whole`: the message itself; else it was delivered and this waits beside it."""

    cause: str
    owner: str
    suggests: tuple[tuple[str, str], ...]
    whole: bool


@dataclass(frozen=True, slots=True)
class Routed:
    """`targets`: (partner, role). `decisions`: one row per recipient, per one left out, and for what waits."""

    targets: tuple[tuple[str, str], ...]
    parking: Park | None
    rule: str
    decisions: tuple[RoutingDecision, ...]


class Router:
    """The region's routes, compiled. Pure."""

    def __init__(self, region: Region) -> None:
        """Raises ConfigurationError when a condition is not JSONata or reads what is not a routing fact."""
        self._region = region
        faults: list[Finding] = []
        self._routes: list[tuple[Route, Expression]] = []
        for route in region.routing.routes:
            expression = compile_condition(route.when, f"routes.yaml routes[{route.id}].when", FACTS, faults)
            if expression is not None:
                self._routes.append((route, expression))
        if faults:
            raise ConfigurationError(*faults)
        self._first = lru_cache(FACTS_KEPT)(self._find)

    def route(self, facts: RoutingFacts, *, today: date, current: CurrentTeam | None = None) -> Routed:
        """`today`: the local day of receipt. `current`: the team of the known case; without recipients it is no team.

        What `for_sender` leaves of the decisions may be shown to the sender: it never says that another source's case
        was matched.
        """
        if current is not None and current.recipients:
            return self._to_current_team(facts, current, today)
        return self._fresh(facts, today)

    def first(self, facts: RoutingFacts, *, today: date) -> Route | None:
        """The route that decides for a new case; None: no route. Raises JsonataError when a condition fails."""
        return self._first(facts, today)

    def _find(self, facts: RoutingFacts, today: date) -> Route | None:
        document = facts.document()
        for route, expression in self._routes:
            if _valid(route, today) and expression.test(document):
                return route
        return None

    def partner_of(self, target: Target, municipality: str | None) -> str | None:
        """The partner a target means; None: this municipality has no local team."""
        if target.partner != "local-team":
            return target.partner
        team = self._region.local_team(municipality) if municipality is not None else None
        return team.id if team is not None else None

    def _fresh(self, facts: RoutingFacts, today: date) -> Routed:
        try:
            route = self.first(facts, today=today)
        except JsonataError:
            route = None
        if route is None:
            return self._parked(NO_ROUTE, _FALLBACK, Park(ParkCause.NO_ROUTE, COORDINATOR, (), True), ())
        withheld = tuple(
            RoutingDecision(each.partner, each.role, WITHHOLD, route.id, each.why.nl, each.why.en)
            for each in route.withhold
        )
        if route.park is not None:
            suggests = self._pairs(route.park.suggests, facts.municipality)
            park = Park(route.park.cause, route.park.owner, suggests or (), True)
            return self._parked(route.id, route.why, park, withheld)
        targets = self._pairs(route.to, facts.municipality)
        if not targets:
            return self._parked(route.id, _FALLBACK, Park(ParkCause.NO_ROUTE, COORDINATOR, (), True), ())
        delivered = tuple(_row(partner, role, DELIVER, route.id, route.why) for partner, role in targets)
        return Routed(targets=targets, parking=None, rule=route.id, decisions=delivered + withheld)

    def _pairs(self, targets: tuple[Target, ...], municipality: str | None) -> tuple[tuple[str, str], ...] | None:
        """All of them, or None: a message is never routed to half of its recipients."""
        pairs = [(self.partner_of(target, municipality), target.role) for target in targets]
        found = tuple((partner, str(role)) for partner, role in pairs if partner is not None)
        return found if len(found) == len(pairs) else None

    def _to_current_team(self, facts: RoutingFacts, current: CurrentTeam, today: date) -> Routed:
        fresh = self._fresh(facts, today)
        team = tuple(pair for pair in current.recipients if pair[1] in TEAM)
        if set(fresh.targets) == set(team):  # reads exactly as a first message would
            decisions, rule = fresh.decisions, fresh.rule
        else:
            rule = RESPONSIBLE_TEAM
            decisions = tuple(_row(partner, role, DELIVER, rule, _RESPONSIBLE) for partner, role in team)
        asked_in = (pair for pair in current.recipients if pair not in team)
        decisions += tuple(_row(partner, role, DELIVER, ASKED_IN, _ASKED_IN) for partner, role in asked_in)
        park = self._beside(facts, current, fresh)
        if park is not None and current.own:
            decisions += (_row(None, LEAD, PARK, MUNICIPALITY_REVIEW, _REVIEW),)
        return Routed(targets=current.recipients, parking=park, rule=rule, decisions=decisions)

    def _beside(self, facts: RoutingFacts, current: CurrentTeam, fresh: Routed) -> Park | None:
        """A move that an open address tells of is handed over; one that only a secret address tells of is the lead's"""
        elsewhere = facts.place == "found" and current.municipality not in (None, facts.municipality)
        if elsewhere or facts.place == "outside":
            suggests = fresh.targets or (fresh.parking.suggests if fresh.parking else ())
            return Park(ParkCause.HAND_OVER, COORDINATOR, suggests if elsewhere else (), False)
        if current.secret_move:
            return Park(ParkCause.SECRET_MOVE, self._lead_of(current), (), False)
        return None

    def _lead_of(self, current: CurrentTeam) -> str:
        """The leading partner itself, so that the alarm reaches it."""
        return next((partner for partner, role in current.recipients if role in LEADING), LEAD)

    @staticmethod
    def _parked(rule: str, why: Sentence, park: Park, withheld: tuple[RoutingDecision, ...]) -> Routed:
        decisions = (_row(None, LEAD, PARK, rule, why), *withheld)
        return Routed(targets=(), parking=park, rule=rule, decisions=decisions)


def for_sender(decisions: Iterable[RoutingDecision]) -> tuple[RoutingDecision, ...]:
    """What the sender of a message may read of who gets it."""
    return tuple(one for one in decisions if one.rule != ASKED_IN)


def compile_condition(source: str, place: str, known: frozenset[str], faults: list[Finding]) -> Expression | None:
    """The condition; None with a fault added when it is not JSONata or reads what is not among `known`."""
    try:
        expression = Expression(source)
    except JsonataError as error:
        faults.append(_fault(place, "jsonata", f"is geen geldige voorwaarde ({error})", f"is no condition ({error})"))
        return None
    strangers = sorted(expression.reads().keys() - known)
    names = sorted(expression.names())
    if strangers or names:
        what = ", ".join([name or "the whole input" for name in strangers] + [f"${name}" for name in names])
        faults.append(_fault(place, "known-fact", f"leest wat geen feit is: {what}", f"reads what is no fact: {what}"))
        return None
    return expression


def _fault(place: str, rule: str, nl: str, en: str) -> Finding:
    return Finding(place=place, rule=rule, nl=f"De voorwaarde {nl}.", en=f"The condition {en}.")


def _row(partner: str | None, role: str, outcome: str, rule: str, why: Sentence) -> RoutingDecision:
    return RoutingDecision(recipient=partner, role=role, outcome=outcome, rule=rule, nl=why.nl, en=why.en)


def _valid(route: Route, today: date) -> bool:
    return (route.valid_from is None or route.valid_from <= today) and (
        route.valid_to is None or today < route.valid_to
    )
