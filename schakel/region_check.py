# SPDX-License-Identifier: EUPL-1.2
"""Proves a region before it runs: every route ends and can be reached, every role asked knows what it sees and when it
must answer, every partner can be reached, every identifier is one. What it finds is told by file, place and rule.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import combinations, product
from typing import Final
from urllib.parse import urlsplit

from schakel.deadline_check import check_asked, check_deadlines
from schakel.disclosure import unknown_fields
from schakel.eligibility import Eligibility
from schakel.errors import ConfigurationError, Finding
from schakel.fields import covers, field_tree, leaves
from schakel.jsonata import JsonataError
from schakel.message import CaseMessage, MessageKind, Programme, Sensitivity, Urgency
from schakel.region import (
    DUO,
    LEADING,
    PARTNER,
    MunicipalityEntry,
    Parking,
    Partner,
    Place,
    Receiving,
    Region,
    Route,
    Target,
)
from schakel.routing import Router, RoutingFacts
from schakel.states import ParkCause

ORDER_COUNTS: Final = (0, 1, 2, 3)
ELSEWHERE: Final = "0000"  # stands for every municipality outside the region


def check_region(region: Region) -> list[Finding]:
    """Every fault; empty when the region may run. Never raises for what a file says."""
    faults = [
        *_partners(region),
        *_municipalities(region),
        *_targets(region),
        *_windows(region),
        *_causes(region),
        *_alarms(region),
        *unknown_fields(region.disclosure),
        *check_deadlines(region),
        *_retention(region),
    ]
    try:
        Eligibility(region)
        router = Router(region)
    except ConfigurationError as error:
        return [*dict.fromkeys(faults), *error.findings]
    return list(dict.fromkeys([*faults, *_routes(region, router)]))


@dataclass(frozen=True, slots=True)
class SensitiveFields:
    """What a role may see of one class: for a person to look at and nod."""

    role: str
    programme: str
    kind: Sensitivity
    secret_addresses: bool
    paths: tuple[str, ...]


def fields_of(region: Region, role: str) -> Mapping[str, tuple[str, ...]]:
    """Programme → every leaf that this role can ever get."""
    paths = tuple(path for path, _ in leaves(field_tree(CaseMessage)))
    return {
        programme: tuple(path for path in paths if any(covers(field, path) for field in row.fields))
        for row in region.disclosure.roles
        if row.role == role
        for programme in row.programmes
    }


def sensitive_fields(region: Region) -> list[SensitiveFields]:
    """Per role, programme and class, the fields that can hurt."""
    classes = {path: node.classes for path, node in leaves(field_tree(CaseMessage))}
    secret = {
        (row.role, programme): row.secret_addresses for row in region.disclosure.roles for programme in row.programmes
    }
    found = []
    for role in dict.fromkeys(row.role for row in region.disclosure.roles):
        for programme, paths in fields_of(region, role).items():
            for kind in Sensitivity:
                of_kind = tuple(path for path in paths if kind in classes[path])
                if of_kind:
                    found.append(SensitiveFields(role, programme, kind, secret[role, programme], of_kind))
    return found


# -- partners and places -----------------------------------------------------------------------------------------------


def _partners(region: Region) -> Iterator[Finding]:
    yield from _twice((partner.id for partner in region.partners), "partners.yaml partners", "partner-id-unique")
    oins = [oin for partner in region.partners for oin in partner.oins]
    yield from _twice([*oins, region.hub_oin], "partners.yaml partners", "oin-unique", show=False)
    for partner in region.partners:
        place = f"partners.yaml partners[{partner.id}]"
        if partner.kind == "source" and partner.sends is None:
            yield _fault(f"{place}.sends", "source-sends", "een bron noemt haar formaten", "a source names its formats")
        if partner.sends is not None and not partner.oins:
            yield _fault(f"{place}.oins", "source-has-oin", "een bron heeft een OIN", "a source has an OIN")
        if partner.kind == "network":
            yield from _network(partner, place)
        elif partner.kind != "source" and partner.receives is None:
            yield _fault(
                f"{place}.receives",
                "partner-receives",
                "een ontvanger heeft een webhook of een postbus",
                "a recipient has a webhook or a mailbox",
            )
        way = partner.receives
        if way is not None and way.channel == "stuf":
            yield from _stuf(partner, way, place)
        if way is not None and way.channel in ("webhook", "stuf") and not _reachable(way.url):
            yield _fault(
                f"{place}.receives.url",
                "webhook-url",
                "een webhook heeft een https-adres (http alleen op loopback), zonder naam of wachtwoord erin",
                "a webhook has an https address (http on loopback only), without credentials in it",
            )


def _stuf(partner: Partner, way: Receiving, place: str) -> Iterator[Finding]:
    """A StUF message names who gets it by OIN, and there is none without content."""
    if not partner.oins:
        yield _fault(f"{place}.oins", "stuf-oin", "een StUF-ontvanger heeft een OIN", "a StUF recipient has an OIN")
    if way.mode != "full":
        yield _fault(
            f"{place}.receives.mode",
            "stuf-full",
            "StUF kent geen bericht zonder inhoud: alleen `full`",
            "StUF has no message without content: `full` only",
        )


def _network(partner: Partner, place: str) -> Iterator[Finding]:
    """Somebody of a household's own network is no organisation: what it says, somebody else writes down."""
    if partner.oins or partner.sends or partner.receives or partner.municipalities:
        yield _fault(
            place,
            "network-has-no-system",
            "iemand uit het netwerk heeft geen OIN, verzendt niets en ontvangt niets",
            "somebody of the network has no OIN, sends nothing and receives nothing",
        )


def _reachable(url: str | None) -> bool:
    try:
        parts = urlsplit(url or "")
        host = parts.hostname
        _ = parts.port
    except ValueError:
        return False
    if not host or parts.username is not None or parts.fragment or parts.query:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _loopback(host))


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _municipalities(region: Region) -> Iterator[Finding]:
    entries = region.municipalities.entries
    teams = Counter(
        code for partner in region.partners if partner.kind == "local-team" for code in partner.municipalities
    )
    for code in dict.fromkeys(entry.code for entry in entries):
        if teams[code] != 1:
            yield _fault(
                f"municipalities.yaml entries[{code}]",
                "one-local-team",
                "een gemeente heeft precies één lokaal team",
                "a municipality has exactly one local team",
            )
    known = {entry.code for entry in entries}
    for partner in region.partners:
        for code in partner.municipalities:
            if code not in known:
                yield _fault(
                    f"partners.yaml partners[{partner.id}].municipalities",
                    "municipality-known",
                    f"gemeente {code} staat niet in de codelijst",
                    f"municipality {code} is not in the codebook",
                )
    for one, other in combinations(entries, 2):
        if one.code == other.code and _overlap(one, other):
            yield _overlapping(f"entries[{one.code}]")
    places = [(entry, place) for entry in entries for place in entry.places]
    for (entry, place), (other_entry, other_place) in combinations(places, 2):
        shared = {place.name, *place.aliases} & {other_place.name, *other_place.aliases}
        together = _overlap(place, other_place) and _overlap(entry, other_entry)
        if shared and together and _ranges_meet(place, other_place):
            yield _overlapping(f"entries[{entry.code}].places[{min(shared)}]")


def _overlap(one: MunicipalityEntry | Place, other: MunicipalityEntry | Place) -> bool:
    first = max(one.valid_from or date.min, other.valid_from or date.min)
    return first < min(one.valid_to or date.max, other.valid_to or date.max)


def _overlapping(where: str) -> Finding:
    return _fault(
        f"municipalities.yaml {where}",
        "no-overlap",
        "dezelfde naam of code staat er twee keer voor dezelfde tijd en postcodes",
        "the same name or code stands here twice for the same time and postcodes",
    )


def _ranges_meet(one: Place, other: Place) -> bool:
    if not one.postcodes or not other.postcodes:
        return True
    return any(
        int(a[:4]) <= int(b[-4:]) and int(b[:4]) <= int(a[-4:]) for a, b in product(one.postcodes, other.postcodes)
    )


# -- routes ------------------------------------------------------------------------------------------------------------


def _targets(region: Region) -> Iterator[Finding]:
    known = {partner.id: partner for partner in region.partners}
    yield from _twice((route.id for route in region.routing.routes), "routes.yaml routes", "route-id-unique")
    for route in region.routing.routes:
        place = f"routes.yaml routes[{route.id}]"
        if bool(route.to) == (route.park is not None):
            yield _fault(
                place,
                "route-ends",
                "een route bezorgt óf parkeert, precies één van beide",
                "a route delivers or parks, exactly one of the two",
            )
        roles = {target.role for target in route.to}
        if route.to and (not roles & LEADING or not roles & DUO):
            yield _fault(
                f"{place}.to",
                "lead-and-duo",
                "een route bezorgt ten minste aan een leidende en aan een meelopende partij",
                "a route delivers to at least a leading and a duo party",
            )
        named = [*route.to, *(route.park.suggests if route.park else ())]
        for partner in [*(each.partner for each in named), *(each.partner for each in route.withhold)]:
            if partner != "local-team" and (partner not in known or known[partner].receives is None):
                yield _fault(
                    place,
                    "recipient-known",
                    f"{partner} is geen partner die iets kan ontvangen",
                    f"{partner} is no partner that can receive",
                )
        if route.park is not None and route.park.cause not in {cause.value for cause in ParkCause}:
            yield _fault(f"{place}.park.cause", "cause-known", "deze oorzaak bestaat niet", "there is no such cause")


def _windows(region: Region) -> Iterator[Finding]:
    windows = [(f"routes.yaml routes[{route.id}]", route.valid_from, route.valid_to) for route in region.routing.routes]
    for entry in region.municipalities.entries:
        at = f"municipalities.yaml entries[{entry.code}]"
        windows.append((at, entry.valid_from, entry.valid_to))
        windows += [(f"{at}.places[{place.name}]", place.valid_from, place.valid_to) for place in entry.places]
    for at, first, end in windows:
        if first is not None and end is not None and first >= end:
            yield _fault(at, "valid-window", "valid_from ligt vóór valid_to", "valid_from lies before valid_to")


def _routes(region: Region, router: Router) -> Iterator[Finding]:
    """Tries the routes on every combination of facts, on every day on which one begins or ends."""
    reached: set[str] = set()
    asked: set[tuple[str, str, str]] = set()
    failed: set[str] = set()
    for today in _days(region.routing.routes):
        for facts in _all_facts(region):
            try:
                route = router.first(facts, today=today)
            except JsonataError as error:
                failed.add(error.code)
                continue
            if route is None:
                continue
            reached.add(route.id)
            if facts.place == "found" or route.to:
                asked |= {(target.role, facts.programme, facts.urgency) for target in _recipients(route)}
            for target in _recipients(route):
                if facts.place == "found" and router.partner_of(target, facts.municipality) is None:
                    yield _fault(
                        f"routes.yaml routes[{route.id}]",
                        "local-team-known",
                        "een gemeente heeft geen lokaal team",
                        "a municipality has no local team",
                    )
    for code in sorted(failed):
        yield _fault(
            "routes.yaml routes",
            "strictly-boolean",
            f"een voorwaarde geeft niet altijd waar of onwaar ({code})",
            f"a condition does not always give true or false ({code})",
        )
    if not failed:
        for route in region.routing.routes:
            if route.id not in reached:
                yield _fault(
                    f"routes.yaml routes[{route.id}]",
                    "route-reachable",
                    "geen enkel bericht komt bij deze route uit",
                    "no message ever gets to this route",
                )
    if any(partner.kind == PARTNER for partner in region.partners):  # whoever leads may ask it in, in any case
        asked |= {(PARTNER, programme, urgency) for _, programme, urgency in asked}
    yield from _roles(region, asked)


def _recipients(route: Route) -> tuple[Target, ...]:
    park: Parking | None = route.park
    return (*route.to, *(park.suggests if park is not None else ()))


def _roles(region: Region, asked: Collection[tuple[str, str, str]]) -> Iterator[Finding]:
    """Every role that can be asked has a row in the tables of disclosure and of deadlines."""
    rows = {(row.role, programme) for row in region.disclosure.roles for programme in row.programmes}
    yield from _twice(
        (f"{row.role}/{programme}" for row in region.disclosure.roles for programme in row.programmes),
        "disclosure.yaml roles",
        "one-row-per-role",
    )
    for role, programme in sorted({(role, programme) for role, programme, _ in asked}):
        if (role, programme) not in rows:
            yield _fault(
                "disclosure.yaml roles",
                "role-has-disclosure",
                f"{role} in {programme} heeft geen regel",
                f"{role} in {programme} has no row",
            )
    yield from check_asked(region, asked)


def _days(routes: Iterable[Route]) -> list[date]:
    """Each day on which the set of valid routes changes, and one before them all."""
    edges = {edge for route in routes for edge in (route.valid_from, route.valid_to) if edge is not None}
    return [min(edges, default=date(2000, 1, 2)) - timedelta(days=1), *sorted(edges)]


def _all_facts(region: Region) -> Iterator[RoutingFacts]:
    """The finite product. Facts that no condition names are held still."""
    conditions = " ".join(route.when for route in region.routing.routes)
    counts = ORDER_COUNTS if "orderCount" in conditions else (0,)
    sources = [partner.id for partner in region.partners if partner.sends is not None]
    places: list[tuple[str, str | None]] = [("found", entry.code) for entry in region.municipalities.entries]
    places += [("outside", ELSEWHERE), ("outside", None), ("ambiguous", None), ("none", None)]
    for source, programme, kind, (place, code), urgency, count in product(
        sources, Programme, MessageKind, places, Urgency, counts
    ):
        yield RoutingFacts(
            source=source,
            programme=programme.value,
            kind=kind.value,
            municipality=code,
            place=place,
            urgency=urgency.value,
            order_count=count,
        )


# -- the rest ----------------------------------------------------------------------------------------------------------


def _causes(region: Region) -> Iterator[Finding]:
    causes = {cause.value for cause in ParkCause}
    for missing in sorted(causes - region.causes.keys()):
        yield _fault(
            f"causes.yaml causes.{missing}",
            "cause-has-sentence",
            "deze oorzaak heeft geen zin die zegt wat iemand moet doen",
            "this cause has no sentence that says what to do",
        )
    for stranger in sorted(region.causes.keys() - causes):
        yield _fault(
            f"causes.yaml causes.{stranger}", "cause-known", "deze oorzaak bestaat niet", "there is no such cause"
        )


def _alarms(region: Region) -> Iterator[Finding]:
    """Whoever owns a decision can be told; `lead` is the team that has the case."""
    told = {route.owner for route in region.alarms if route.mail or route.webhooks}
    owners = {route.park.owner for route in region.routing.routes if route.park is not None} | {"coordinator"}
    for owner in sorted(owners - told - {"lead"}):
        yield _fault(
            f"region.yaml alarms[{owner}]",
            "owner-is-told",
            "deze eigenaar heeft geen mailadres en geen pieper",
            "this owner has no mail address and no pager",
        )


def _retention(region: Region) -> Iterator[Finding]:
    """Everything kept has an end, and content never outlives what is known of it."""
    kept = region.retention
    for name in ("raw", "rendered", "content_after_close", "ledger", "audit"):
        if getattr(kept, name) <= timedelta(0):
            yield _fault(f"retention.yaml {name}", "retention-positive", "is groter dan nul", "is more than nothing")
    if max(kept.raw, kept.rendered, kept.content_after_close) > min(kept.ledger, kept.audit):
        yield _fault(
            "retention.yaml",
            "content-before-ledger",
            "inhoud wordt niet langer bewaard dan het grootboek",
            "content is not kept longer than the ledger",
        )


def _twice(names: Iterable[str], place: str, rule: str, *, show: bool = True) -> Iterator[Finding]:
    for name, times in Counter(names).items():
        if times > 1:
            at = f"{place}[{name}]" if show else place
            yield _fault(at, rule, "staat er meer dan één keer", "stands there more than once")


def _fault(place: str, rule: str, nl: str, en: str) -> Finding:
    return Finding(place=place, rule=rule, nl=nl, en=en)
