# SPDX-License-Identifier: EUPL-1.2
"""Proves a region's deadlines: each can be counted, reminds before and tells after, of somebody who can be reached."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import combinations, pairwise, product
from typing import Final, NamedTuple

from schakel.calendars import Roster, find_roster
from schakel.deadlines import advance, deadline_for
from schakel.errors import Finding
from schakel.message import Urgency
from schakel.region import (
    ANSWER,
    ASKED,
    CASE_EVENTS,
    CHECK,
    DUO,
    LEAD,
    LEADING,
    ORDER_WITHOUT_PLAN,
    PARTNER,
    REQUEST_EVENTS,
    REQUEST_KINDS,
    Deadline,
    Length,
    Region,
    RosterRow,
)

LONGEST_ANSWER: Final = timedelta(days=92)
LONGEST: Final = timedelta(days=5 * 366)
# A fortnight with Christmas and New Year in it, every three hours: rows are counted from each of these moments.
_FIRST: Final = datetime(2026, 12, 21, tzinfo=UTC)
_STARTS: Final = tuple(_FIRST + timedelta(hours=3 * step) for step in range(14 * 8))
_MONTHS: Final = tuple(datetime(2027, month, 1, tzinfo=UTC) for month in range(1, 13))
# Who can be asked what: everybody to take part; teams to take a case over; who walks along or was asked in, to do more
# or less or to leave; partners whether they know somebody.
_TEAMS: Final = LEADING | DUO
ASKED_OF: Final[Mapping[str, frozenset[str]]] = {
    ANSWER: _TEAMS | {PARTNER},
    CHECK: _TEAMS | {PARTNER},
    "hand-over": _TEAMS,
    "effort": DUO | {PARTNER},
    "withdrawal": DUO | {PARTNER},
    "known-check": frozenset({PARTNER}),
}
CLOSED: Final = "closed"
_HOURS: Final = frozenset({"s", "m", "h"})
_CALENDAR: Final = frozenset({"d", "mo", "y"})


def check_deadlines(region: Region) -> Iterator[Finding]:
    """Every fault of deadlines.yaml and calendars.yaml that can be seen without the routes."""
    yield from _rosters(region)
    rosters = {row.id: row for row in region.deadlines.calendars.rosters}
    hours = {name: find_roster(region.deadlines.calendars, name) for name in rosters}
    counted: dict[_Lengths, _Counted] = {}
    events = REQUEST_EVENTS | CASE_EVENTS | {milestone.id for milestone in region.deadlines.milestones}
    for row in region.deadlines.clocks:
        place = _place(row)
        yield from _events(row, place, events)
        yield from _never_shifted(row, place, rosters.get(row.roster))
        yield from _route(region, row, place)
        if row.roster not in rosters:
            yield _fault(
                f"{place}.roster",
                "roster-exists",
                f"rooster {row.roster} bestaat niet",
                f"there is no roster {row.roster}",
            )
        elif faults := list(_units(row, place, rosters[row.roster])):
            yield from faults
        else:
            lengths = _Lengths.of(row)
            if lengths not in counted:  # half of the rows differ in who they are for, and not in how they count
                counted[lengths] = _count(lengths, hours[row.roster])
            yield from _order(row, place, counted[lengths])
            yield from _told_while_kept(region, row, hours[row.roster])
    yield from _waits(region)


def _told_while_kept(region: Region, row: Deadline, hours: Roster) -> Iterator[Finding]:
    """What starts when a case closes is told to its last step before the content of the case goes."""
    if CLOSED not in row.start or row.within is None:
        return
    longest = timedelta(0)
    for start in _MONTHS:
        due = advance(start, row.within, hours)
        last = max((advance(due, rung.after, hours) for rung in row.ladder), default=due)
        longest = max(longest, last - start)
    if longest > region.retention.content_after_close:
        yield _fault(
            "retention.yaml content_after_close",
            "content-until-told",
            f"inhoud gaat weg voordat {row.kind} aan iedereen is gemeld",
            f"content goes before everybody has been told of {row.kind}",
        )


def check_asked(region: Region, asked: Collection[tuple[str, str, str]]) -> Iterator[Finding]:
    """Whoever can be asked something (role, programme, urgency) has a clock for it, whatever it is asked."""
    for (role, programme, urgency), kind in product(sorted(asked), REQUEST_KINDS):
        if role not in ASKED_OF[kind]:
            continue
        if deadline_for(region.deadlines, role=role, programme=programme, urgency=urgency, kind=kind) is None:
            yield _fault(
                "deadlines.yaml clocks",
                "role-has-deadline",
                f"{role} in {programme}, {urgency}, heeft geen termijn ({kind})",
                f"{role} in {programme}, {urgency}, has no deadline ({kind})",
            )


# -- rosters -----------------------------------------------------------------------------------------------------------


def _rosters(region: Region) -> Iterator[Finding]:
    calendars = region.deadlines.calendars
    for row in calendars.rosters:
        for one, other in combinations(row.hours, 2):
            if set(one.days) & set(other.days) and one.opens < other.closes and other.opens < one.closes:
                yield _fault(
                    f"calendars.yaml rosters[{row.id}]",
                    "no-overlap",
                    "twee openingstijden van één dag overlappen",
                    "two openings of one day overlap",
                )
    days = [day.on for day in calendars.equated]
    if len(days) != len(set(days)):
        yield _fault("calendars.yaml equated", "day-once", "een dag staat er twee keer", "a day stands there twice")


# -- rows --------------------------------------------------------------------------------------------------------------


def _events(row: Deadline, place: str, events: Collection[str]) -> Iterator[Finding]:
    for name in {*row.start, *row.until} - set(events):
        yield _fault(
            place, "event-known", f"gebeurtenis {name} bestaat niet", f"there is no event {name}"
        )  # fmt: skip
    fitting = REQUEST_KINDS.get(row.kind)
    if fitting is not None and not fitting.issuperset(row.start):
        yield _fault(
            f"{place}.start",
            "start-fits-kind",
            f"deze termijn begint bij {', '.join(sorted(fitting))}",
            f"this deadline starts with {', '.join(sorted(fitting))}",
        )
    if fitting is None and not row.until and CLOSED not in row.start:
        yield _fault(
            f"{place}.until",
            "clock-ends",
            "een termijn die geen antwoord vraagt, noemt de gebeurtenis die haar beëindigt",
            "a deadline that asks for no answer names the event that ends it",
        )


def _never_shifted(row: Deadline, place: str, roster: RosterRow | None) -> Iterator[Finding]:
    """Wth art. 13; and in a crisis whoever leads can be reached day and night (S3)."""
    of_order = row.kind == ORDER_WITHOUT_PLAN or row.before_order_end is not None
    in_crisis = not row.urgencies or Urgency.CRISIS in row.urgencies
    leads = row.role in LEADING and row.kind in (ANSWER, CHECK) and in_crisis
    if (of_order or leads) and roster is not None and not roster.always:
        yield _fault(
            f"{place}.roster",
            "never-shifted",
            "een huisverbod, en een crisis voor wie leidt, loopt altijd door, ook buiten kantooruren",
            "a restraining order, and a crisis for whoever leads, runs on, also outside office hours",
        )
    if row.kind == ORDER_WITHOUT_PLAN and row.before_order_end is None:
        yield _fault(
            place, "order-counts-back", "telt terug vanaf het einde van het huisverbod", "counts back from the order"
        )


def _units(row: Deadline, place: str, roster: RosterRow) -> Iterator[Finding]:
    """Days of the calendar go with a roster that is always, working days with one that has hours."""
    allowed = _HOURS | (_CALENDAR if roster.always else {"wd"})
    if row.before_order_end is not None:
        allowed = _HOURS | {"d"}
    for length in _lengths(row):
        if length.unit not in allowed or (length.unit == "wd" and length.amount == 0):
            yield _fault(
                place,
                "unit-fits-roster",
                f"hier past: {', '.join(sorted(allowed))}; werkdagen horen bij een rooster met uren",
                f"what fits here: {', '.join(sorted(allowed))}; working days need a roster with hours",
            )


def _lengths(row: Deadline) -> Iterator[Length]:
    if row.within is not None:
        yield row.within
    yield from row.remind
    yield from (rung.after for rung in row.ladder)


class _Lengths(NamedTuple):
    """How a row counts."""

    within: Length | None
    before_order_end: timedelta | None
    remind: tuple[Length, ...]
    ladder: tuple[Length, ...]
    longest: timedelta
    roster: str

    @classmethod
    def of(cls, row: Deadline) -> _Lengths:
        longest = LONGEST_ANSWER if row.kind in REQUEST_KINDS else LONGEST
        ladder = tuple(rung.after for rung in row.ladder)
        return cls(row.within, row.before_order_end, tuple(row.remind), ladder, longest, row.roster)


class _Counted(NamedTuple):
    """What was found from each of many moments."""

    fits: bool
    reminds_before: bool
    ascends: bool


def _order(row: Deadline, place: str, counted: _Counted) -> Iterator[Finding]:
    """Reminders before the deadline, the steps of the ladder one after the other."""
    if row.again <= timedelta(0):
        yield _fault(f"{place}.again", "wait-positive", "is groter dan nul", "is more than nothing")
    if row.before_order_end is None and not counted.fits:
        yield _fault(
            f"{place}.within",
            "deadline-positive",
            "een termijn is groter dan nul; een antwoord heeft hooguit drie maanden, het andere hooguit vijf jaar",
            "a deadline is more than nothing; an answer has at most three months, the rest at most five years",
        )
    if not counted.reminds_before:
        yield _fault(
            f"{place}.remind",
            "reminder-before-deadline",
            "een herinnering komt na het begin en vóór de termijn, op volgorde",
            "a reminder comes after the start and before the deadline, in order",
        )
    if not row.ladder or not counted.ascends:
        yield _fault(
            f"{place}.ladder",
            "ladder-ascends",
            "na de termijn wordt ten minste één iemand verteld, en elke stap komt na de vorige",
            "after the deadline at least one is told, and each step comes after the one before",
        )


def _count(row: _Lengths, roster: Roster) -> _Counted:
    counted = [(start, _due(row, roster, start)) for start in _STARTS]
    return _Counted(
        fits=all(start < due <= start + row.longest for start, due in counted),
        reminds_before=all(_reminds_before(row, roster, start, due) for start, due in counted),
        ascends=all(_ascending(advance(due, after, roster) for after in row.ladder) for _, due in counted),
    )


def _reminds_before(row: _Lengths, roster: Roster, start: datetime, due: datetime) -> bool:
    if row.before_order_end is not None:  # counted back from the order's end: the furthest first
        moments = [start - (advance(start, each, roster) - start) for each in row.remind]
        return _ascending([*moments, start - row.before_order_end])
    moments = [advance(start, each, roster) for each in row.remind]
    return _ascending([*moments, due]) and all(moment > start for moment in moments)


def _due(row: _Lengths, roster: Roster, start: datetime) -> datetime:
    return advance(start, row.within, roster) if row.within is not None else start


def _ascending(moments: Iterable[datetime]) -> bool:
    return all(one < other for one, other in pairwise(moments))


# -- who is told -------------------------------------------------------------------------------------------------------


def _route(region: Region, row: Deadline, place: str) -> Iterator[Finding]:
    """Each step of the ladder reaches somebody: by a route of that name, or a contact of every partner in the role."""
    for rung in row.ladder:
        if rung.tell in (LEAD, ASKED) or _told(region, rung.tell):
            continue
        for partner in sorted(_partners_in(region, row.role)):
            if not _told(region, f"{partner}:{rung.tell}"):
                yield _fault(
                    f"{place}.ladder",
                    "tell-has-route",
                    f"{rung.tell} van {partner} heeft geen mailadres en geen pieper",
                    f"{rung.tell} of {partner} has no mail address and no pager",
                )


def _told(region: Region, owner: str) -> bool:
    return any(route.mail or route.webhooks for route in region.alarm_routes(owner))


def _partners_in(region: Region, role: str) -> set[str]:
    """Who can be asked in this role: by a route, or (an involved partner) by the team that leads."""
    found: set[str] = set()
    for route in region.routing.routes:
        for target in (*route.to, *(route.park.suggests if route.park else ())):
            if target.role == role and target.partner == "local-team":
                found |= {partner.id for partner in region.partners if partner.kind == "local-team"}
            elif target.role == role:
                found.add(target.partner)
    if role == PARTNER:
        found |= {partner.id for partner in region.partners if partner.kind == PARTNER}
    return found


# -- waits -------------------------------------------------------------------------------------------------------------


def _waits(region: Region) -> Iterator[Finding]:
    waits = {"probe_every": region.deadlines.probe_every, "parked_alarm_every": region.deadlines.parked_alarm_every}
    for name, wait in waits.items():
        if wait <= timedelta(0):
            yield _fault(f"deadlines.yaml {name}", "wait-positive", "is groter dan nul", "is more than nothing")
    if not region.deadlines.retry:
        yield _fault("deadlines.yaml retry", "retry-list", "noemt ten minste één poging", "names at least one attempt")


def _place(row: Deadline) -> str:
    return f"deadlines.yaml clocks[{'/'.join([row.kind, row.role, *row.programmes, *row.urgencies])}]"


def _fault(place: str, rule: str, nl: str, en: str) -> Finding:
    return Finding(place=place, rule=rule, nl=nl, en=en)
