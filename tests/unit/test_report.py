# SPDX-License-Identifier: EUPL-1.2
"""The report of a period: what counts as a repeat, how long each step took, who was late; small numbers stay inside."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schakel.records import ReportFacts, ReportMessage, ReportRequest
from schakel.report import SMALL, SUPPRESSED, report_json, report_of

SINCE = datetime(2026, 11, 1, tzinfo=UTC)
UNTIL = datetime(2026, 12, 1, tzinfo=UTC)
NOW = datetime(2026, 12, 2, tzinfo=UTC)
INCIDENT = datetime(2026, 11, 5, 20, 0, tzinfo=UTC)


def message(id: str = "m1", case_id: str = "c1", **changes: Any) -> ReportMessage:
    known = {"source": "thv-pool", "kind": "referral", "occurred_at": INCIDENT}
    return ReportMessage(**{**known, "id": id, "case_id": case_id, "received_at": INCIDENT + hours(1), **changes})


def request(role: str = "lead", **changes: Any) -> ReportRequest:
    known: dict[str, Any] = dict.fromkeys(
        ("delivered_at", "received_at", "confirmed_at", "answered_at", "established_at", "decline_reason")
    )
    known |= {"case_id": "c1", "partner": "perspektief", "role": role, "due_at": INCIDENT + hours(2), "open": False}
    return ReportRequest(**{**known, **changes})


def hours(count: float) -> timedelta:
    return timedelta(hours=count)


def report(*messages: ReportMessage, requests: tuple[ReportRequest, ...] = (), **facts: Any) -> Any:
    known = {"first_visits": {}, "orders": {}, **facts}
    return report_of(ReportFacts(messages=messages, requests=requests, **known), since=SINCE, until=UNTIL, now=NOW)


def test_a_second_referral_for_a_household_is_a_repeat_and_an_update_is_none() -> None:
    found = report(
        message("m1"),
        message("m2", received_at=INCIDENT + timedelta(days=9)),
        message("m3", kind="update", received_at=INCIDENT + timedelta(days=10)),
        message("m4", case_id="c2", source="cit"),
    )
    assert (found.referrals, found.repeats) == ({"cit": 1, "thv-pool": 2}, 1)


def test_a_referral_after_one_from_before_the_period_is_a_repeat() -> None:
    found = report(message("m1", received_at=SINCE - hours(1)), message("m2"))
    assert (found.referrals, found.repeats) == ({"thv-pool": 1}, 1)


def test_a_case_that_knows_two_orders_counts_as_a_repeated_order() -> None:
    found = report(message("m1"), message("m2", case_id="c2"), orders={"c1": 2, "c2": 1})
    assert found.repeated_orders == 1


def test_each_step_is_measured_from_the_incident() -> None:
    lead = request(
        delivered_at=INCIDENT + hours(1),
        received_at=INCIDENT + hours(1.25),
        confirmed_at=INCIDENT + hours(1.5),
        answered_at=INCIDENT + hours(1.5),
    )
    waag = request("partner", partner="de-waag", established_at=INCIDENT + hours(30))
    visited = {"c1": INCIDENT + hours(3)}
    found = report(message(), requests=(lead, waag), first_visits=visited).durations
    assert {step: one.median for step, one in found.items()} == {
        "delivered": hours(1),
        "received": hours(1.25),
        "lead-confirmed": hours(1.5),
        "first-visit": hours(3),
        "all-established": hours(30),
    }


def test_not_all_are_established_while_one_is_not_but_who_declined_does_not_count() -> None:
    established = request("partner", partner="de-waag", established_at=INCIDENT + hours(30))
    missing = request("partner", partner="politie")
    declined = request("partner", partner="brijder", decline_reason="no-capacity")
    assert "all-established" not in report(message(), requests=(established, missing)).durations
    assert "all-established" in report(message(), requests=(established, declined)).durations


def test_median_and_ninetieth_percentile_of_many_cases() -> None:
    messages = [message(f"m{n}", case_id=f"c{n}") for n in range(1, 12)]
    leads = tuple(request(case_id=f"c{n}", confirmed_at=INCIDENT + hours(n)) for n in range(1, 12))
    found = report(*messages, requests=leads).durations["lead-confirmed"]
    assert (found.count, found.median, found.p90) == (11, hours(6), hours(10))


@pytest.mark.parametrize(
    ("one", "late"),
    [
        (request(answered_at=INCIDENT + hours(3)), True),
        (request(answered_at=INCIDENT + hours(1)), False),
        (request(open=True), True),
        (request(open=True, due_at=NOW + hours(1)), False),
    ],
)
def test_an_answer_is_late_when_it_came_or_is_still_missing_after_its_deadline(one: ReportRequest, late: bool) -> None:
    assert report(message(), requests=(one,)).overdue == ({"perspektief": 1} if late else {})


@given(st.integers(0, 40), st.integers(0, 40))
def test_no_figure_below_five_leaves_the_region_and_nought_does(firsts: int, repeats: int) -> None:
    messages = [message(f"m{n}", case_id=f"c{n}") for n in range(firsts)]
    messages += [message(f"r{n}", case_id="again", received_at=INCIDENT + hours(n)) for n in range(repeats)]
    leads = tuple(request(case_id=one.case_id, confirmed_at=INCIDENT + hours(1)) for one in messages)
    found = report(*messages, requests=leads)
    out, whole = report_json(found, whole=False), report_json(found, whole=True)
    figures = [out["repeats"], out["repeatedOrders"], *out["referrals"].values(), *out["overdue"].values()]
    figures += [one["cases"] for one in out["fromIncidentTo"].values()]
    assert all(figure == SUPPRESSED or figure == 0 or figure >= SMALL for figure in figures)
    assert all("medianSeconds" in one or one["cases"] == SUPPRESSED for one in out["fromIncidentTo"].values())
    assert whole["repeats"] == found.repeats
