# SPDX-License-Identifier: EUPL-1.2
"""What a region learns of a period: how much came, what came back, how long each step took, who declined and was late.

Pure: rows without a person in, figures out (DOMAIN, "What success looked like"). Small numbers are left out of what
leaves the region: below five, a figure can point at a family.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median, quantiles
from typing import Any, Final

from schakel.records import ReportFacts, ReportRequest
from schakel.region import DUO, LEADING

SMALL: Final = 5  # figures below it are suppressed on export
SUPPRESSED: Final = "<5"
STEPS: Final = ("delivered", "received", "lead-confirmed", "first-visit", "all-established")


@dataclass(frozen=True, slots=True)
class Duration:
    """From the incident to a step, over `count` cases."""

    count: int
    median: timedelta
    p90: timedelta


@dataclass(frozen=True, slots=True)
class Report:
    since: datetime
    until: datetime
    referrals: Mapping[str, int]  # source → messages that started or repeated something
    repeats: int  # a referral for a household that had one already (hermelding)
    repeated_orders: int  # cases with a second or later restraining order
    durations: Mapping[str, Duration]  # step → from the incident; steps that no case reached are left out
    declines: Mapping[str, int]  # reason code → how often
    overdue: Mapping[str, int]  # partner → answers that came late, or are late


def report_of(facts: ReportFacts, *, since: datetime, until: datetime, now: datetime) -> Report:
    """`facts`: of the cases with a message received from `since` until before `until`."""
    referrals = [one for one in facts.messages if one.kind == "referral" and since <= one.received_at < until]
    earliest: dict[str, str] = {}
    for one in sorted(facts.messages, key=lambda each: (each.received_at, each.id)):
        if one.kind == "referral":
            earliest.setdefault(one.case_id, one.id)
    cases = {one.case_id for one in referrals}
    requests = [one for one in facts.requests if one.case_id in cases]
    return Report(
        since=since,
        until=until,
        referrals=dict(sorted(Counter(one.source for one in referrals).items())),
        repeats=sum(1 for one in referrals if earliest[one.case_id] != one.id),
        repeated_orders=sum(1 for case_id in cases if facts.orders.get(case_id, 0) > 1),
        durations=_durations(facts, cases, requests),
        declines=dict(sorted(Counter(one.decline_reason for one in requests if one.decline_reason).items())),
        overdue=dict(sorted(Counter(one.partner for one in requests if _late(one, now)).items())),
    )


def _late(one: ReportRequest, now: datetime) -> bool:
    if one.answered_at is not None:
        return one.answered_at > one.due_at
    return one.open and one.due_at < now


# -- how long each step took -------------------------------------------------------------------------------------------


def _durations(facts: ReportFacts, cases: Iterable[str], requests: Sequence[ReportRequest]) -> dict[str, Duration]:
    incidents: dict[str, datetime] = {}
    for message in facts.messages:
        at = message.occurred_at or message.received_at
        incidents[message.case_id] = min(incidents.get(message.case_id, at), at)
    of_case: dict[str, list[ReportRequest]] = defaultdict(list)
    for request in requests:
        of_case[request.case_id].append(request)
    found: dict[str, list[timedelta]] = defaultdict(list)
    for case_id in sorted(cases):
        for step, reached in _reached(of_case[case_id], facts.first_visits.get(case_id)).items():
            if reached is not None:
                found[step].append(max(reached - incidents[case_id], timedelta(0)))
    return {step: _duration(found[step]) for step in STEPS if found[step]}


def _reached(requests: Sequence[ReportRequest], first_visit: datetime | None) -> dict[str, datetime | None]:
    leads = [one for one in requests if one.role in LEADING]
    partners = [one for one in requests if one.role not in LEADING | DUO]
    return {
        "delivered": _first(leads, lambda one: one.delivered_at),
        "received": _first(leads, lambda one: one.received_at),
        "lead-confirmed": _first(leads, lambda one: one.confirmed_at),
        "first-visit": first_visit,
        "all-established": _last(partners, lambda one: one.established_at),
    }


def _first(requests: Iterable[ReportRequest], moment: Callable[[ReportRequest], datetime | None]) -> datetime | None:
    return min((at for one in requests if (at := moment(one)) is not None), default=None)


def _last(requests: Sequence[ReportRequest], moment: Callable[[ReportRequest], datetime | None]) -> datetime | None:
    """None while one has not got there: partners that declined do not count."""
    moments = [moment(one) for one in requests if not one.decline_reason]
    known = [at for at in moments if at is not None]
    return max(known) if known and len(known) == len(moments) else None


def _duration(values: Sequence[timedelta]) -> Duration:
    seconds = sorted(value.total_seconds() for value in values)
    p90 = quantiles(seconds, n=10, method="inclusive")[-1] if len(seconds) > 1 else seconds[0]
    return Duration(len(values), timedelta(seconds=median(seconds)), timedelta(seconds=p90))


# -- as it leaves the region -------------------------------------------------------------------------------------------


def report_json(report: Report, *, whole: bool) -> dict[str, Any]:
    """Published shape; unless `whole`, every figure below five (but nought) reads `<5`."""

    def figure(count: int) -> int | str:
        return count if whole or count == 0 or count >= SMALL else SUPPRESSED

    return {
        "schema": "report@1",
        "since": report.since.isoformat().replace("+00:00", "Z"),
        "until": report.until.isoformat().replace("+00:00", "Z"),
        "referrals": {source: figure(count) for source, count in report.referrals.items()},
        "repeats": figure(report.repeats),
        "repeatedOrders": figure(report.repeated_orders),
        "fromIncidentTo": {
            step: {"cases": figure(one.count)}
            | (
                {"medianSeconds": round(one.median.total_seconds()), "p90Seconds": round(one.p90.total_seconds())}
                if whole or one.count >= SMALL
                else {}
            )
            for step, one in report.durations.items()
        },
        "declines": {reason: figure(count) for reason, count in report.declines.items()},
        "overdue": {partner: figure(count) for partner, count in report.overdue.items()},
    }
