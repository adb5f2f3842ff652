# SPDX-License-Identifier: EUPL-1.2
"""Haaglanden's deadlines: when something is due, who is reminded before and told after, and no flood after a stop."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from regions import FOLDER
from schakel.deadlines import (
    Due,
    Step,
    answer_due,
    answer_row,
    clock_for,
    collapse,
    deadline_for,
    next_step,
    overdue_steps,
    owner_of,
)
from schakel.region import AlarmRoute, Deadlines, Length
from schakel.region_files import load_region

REGION = load_region(FOLDER / "haaglanden")
TABLE = REGION.deadlines
LOCAL = ZoneInfo("Europe/Amsterdam")
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def due_at(deadlines: Deadlines, *, role: str, programme: str, urgency: str, start: datetime) -> datetime:
    return answer_due(answer_row(deadlines, role=role, programme=programme, urgency=urgency), start)


def at(text: str) -> datetime:
    """A moment by the clocks in the Netherlands."""
    return datetime.fromisoformat(text).replace(tzinfo=LOCAL).astimezone(UTC)


NOW = at("2026-11-03T21:00")  # a Tuesday evening


def clock(event: str, role: str = "lead", *, start: datetime = NOW, **more: Any) -> dict[str, Due]:
    facts: dict[str, Any] = {"programme": "icm", "urgency": "crisis", **more}
    return {due.kind: due for due in clock_for(TABLE, event=event, role=role, at=start, **facts)}


CRISIS = clock("accepted")["answer"]


# -- Haaglanden's own norms


@pytest.mark.parametrize(
    ("role", "urgency", "start", "due"),
    [
        ("lead", "crisis", "2026-11-03T21:00", "2026-11-03T21:15"),
        ("lead", "crisis", "2026-12-25T03:00", "2026-12-25T03:15"),  # Christmas night
        ("lead", "normal", "2026-11-03T21:00", "2026-11-04T12:30"),
        ("duo", "crisis", "2026-11-06T16:55", "2026-11-09T12:25"),  # Friday: five minutes, then Monday
        ("duo", "normal", "2026-11-04T09:00", "2026-11-04T13:00"),
        ("partner", "crisis", "2026-11-06T16:55", "2026-11-10T17:00"),
        ("process-director", "crisis", "2026-11-06T16:55", "2026-11-06T17:55"),
        ("process-director", "normal", "2026-11-06T16:55", "2026-11-09T17:00"),
    ],
)
def test_each_role_answers_within_its_own_time(role: str, urgency: str, start: str, due: str):
    assert due_at(TABLE, role=role, programme="icm", urgency=urgency, start=at(start)) == at(due)


def test_a_crisis_reminds_the_lead_twice_and_then_climbs_its_ladder():
    assert CRISIS.reminders == (NOW + 5 * MINUTE, NOW + 10 * MINUTE)
    assert CRISIS.due_at == NOW + 15 * MINUTE
    assert CRISIS.ladder == (
        Step(NOW + 15 * MINUTE, "second-contact"),
        Step(NOW + 20 * MINUTE, "team-coordinator"),
        Step(NOW + 25 * MINUTE, "coordinator-on-duty"),
    )


def test_the_clock_of_a_crisis_starts_when_the_referral_is_accepted_and_not_when_it_is_delivered():
    assert "answer" not in clock("delivered")
    assert clock("accepted")["answer"].due_at == NOW + 15 * MINUTE


def test_the_teams_check_has_a_deadline_of_its_own_for_every_role_that_is_asked():
    for role in ("lead", "duo", "process-director", "case-director", "partner"):
        for urgency in ("crisis", "normal"):
            assert clock("in-consideration", role, urgency=urgency)["check"].due_at > NOW
    assert clock("in-consideration")["check"].due_at == NOW + 30 * MINUTE


def test_the_plan_is_due_a_day_after_the_first_visit_also_at_the_weekend():
    saturday = at("2026-11-07T22:00")
    plan = clock("first-visit", start=saturday)["plan"]
    assert (plan.due_at, plan.until) == (saturday + DAY, ("plan-made",))


def test_an_evaluation_is_due_every_three_months():
    first = clock("plan-made", start=at("2026-11-30T10:00"))["evaluation"]
    assert first.due_at == at("2027-02-28T10:00")
    again = clock("evaluated", start=first.due_at)["evaluation"]
    assert again.due_at == at("2027-05-28T10:00")
    assert all(moment < first.due_at for moment in first.reminders)


def test_the_year_ends_on_the_same_day_also_from_a_leap_day():
    assert clock("first-visit")["year"].due_at == at("2027-11-03T21:00")
    assert clock("first-visit", start=at("2028-02-29T12:00"))["year"].due_at == at("2029-02-28T12:00")


def test_the_local_team_follows_up_after_closure_and_nobody_else():
    assert clock("closed", "duo")["follow-up"].due_at == at("2027-02-03T21:00")
    assert clock("closed") == {}


@pytest.mark.parametrize(
    ("event", "role", "kind", "due"),
    [
        ("hand-over-asked", "lead", "hand-over", "2026-11-03T22:00"),
        ("effort-asked", "partner", "effort", "2026-11-04T17:00"),
        ("withdrawal-asked", "partner", "withdrawal", "2026-11-05T17:00"),
        ("known-check-asked", "partner", "known-check", "2026-11-05T17:00"),
    ],
)
def test_whatever_is_asked_has_a_clock(event: str, role: str, kind: str, due: str):
    assert clock(event, role)[kind].due_at == at(due)


# -- restraining orders


@pytest.mark.parametrize("days", [10, 28])
def test_an_order_without_a_plan_alarms_a_day_before_its_end(days: int):
    end = NOW + days * DAY
    due = clock("order-imposed", order_end=end)["order-without-plan"]
    assert due.due_at == end - DAY
    assert due.reminders == (end - 3 * DAY, end - 2 * DAY)
    assert due.ladder[0] == Step(end - DAY, "team-coordinator")


def test_an_order_is_never_shifted_for_a_weekend_or_christmas():
    end = at("2026-12-26T03:00")
    due = clock("order-imposed", start=at("2026-12-16T03:00"), order_end=end)["order-without-plan"]
    assert (due.due_at, due.ladder[1].at) == (end - DAY, end - 20 * HOUR)


def test_an_order_is_not_shifted_even_where_a_region_wrote_a_roster():
    rows = tuple(
        row.model_copy(update={"roster": "office"}) if row.kind == "order-without-plan" else row for row in TABLE.clocks
    )
    table = TABLE.model_copy(update={"clocks": rows})
    end = at("2026-12-26T03:00")
    (due,) = clock_for(
        table, event="order-imposed", role="lead", programme="icm", urgency="crisis", at=NOW, order_end=end
    )
    assert due.due_at == end - DAY
    assert due.ladder[1].at == end - 20 * HOUR


def test_an_order_that_ends_within_a_day_is_overdue_at_once_and_reminds_of_nothing_past():
    due = clock("order-imposed", order_end=NOW + 5 * HOUR)["order-without-plan"]
    assert due.reminders == ()
    assert overdue_steps(due, None, NOW)[0] is not None


def test_an_order_whose_end_nobody_knows_has_no_clock():
    assert clock("order-imposed") == {}


def test_a_crisis_is_not_shifted_by_the_night_the_clock_changes():
    before = datetime(2026, 10, 25, 2, 50, fold=0, tzinfo=LOCAL).astimezone(UTC)
    assert due_at(TABLE, role="lead", programme="icm", urgency="crisis", start=before) - before == 15 * MINUTE


# -- the table


def test_the_first_row_that_fits_counts():
    quick = TABLE.clocks[0].model_copy(update={"programmes": ("mda++",), "within": Length(amount=1, unit="s")})
    table = TABLE.model_copy(update={"clocks": (quick, *TABLE.clocks)})
    assert due_at(table, role="lead", programme="mda++", urgency="crisis", start=NOW) == NOW + timedelta(seconds=1)
    assert due_at(table, role="lead", programme="icm", urgency="crisis", start=NOW) == NOW + 15 * MINUTE


def test_a_role_without_a_row_is_due_at_once():
    assert due_at(TABLE, role="source", programme="icm", urgency="crisis", start=NOW) == NOW
    assert deadline_for(TABLE, role="source", programme="icm", urgency="crisis") is None


def test_an_event_that_starts_nothing_starts_nothing():
    assert clock("phase-entered") == {}


def test_every_deadline_says_where_it_comes_from():
    assert all(row.source for row in TABLE.clocks)


# -- one step after the other


def test_the_steps_come_one_after_the_other_and_the_last_one_for_ever():
    seen, now = [], NOW
    for _ in range(8):
        step = next_step(CRISIS, now, False)
        assert step is not None
        seen.append((step.at - NOW, step.tell))
        now = step.at
    assert seen == [
        (5 * MINUTE, "asked"),
        (10 * MINUTE, "asked"),
        (15 * MINUTE, "second-contact"),
        (20 * MINUTE, "team-coordinator"),
        (25 * MINUTE, "coordinator-on-duty"),
        (30 * MINUTE, "coordinator-on-duty"),
        (35 * MINUTE, "coordinator-on-duty"),
        (40 * MINUTE, "coordinator-on-duty"),
    ]


def test_the_ladder_stops_when_somebody_answers():
    assert next_step(CRISIS, NOW + 16 * MINUTE, True) is None


def test_a_ladder_in_office_hours_rests_at_night_and_at_the_weekend():
    due = clock("accepted", "duo", start=at("2026-11-06T11:30"))["answer"]  # Friday; due at 15:30
    assert [step.at for step in due.steps] == [
        at("2026-11-06T13:30"),
        at("2026-11-06T15:30"),
        at("2026-11-06T16:30"),
        at("2026-11-09T09:00"),
    ]
    again = next_step(due, at("2026-11-09T09:00"), False)
    assert again == Step(at("2026-11-09T11:00"), "coordinator-on-duty")


def test_nothing_is_overdue_before_its_time_nor_twice():
    assert overdue_steps(CRISIS, None, NOW) == (None, 0)
    first = overdue_steps(CRISIS, None, NOW + 5 * MINUTE)
    assert first == (Step(NOW + 5 * MINUTE, "asked"), 1)
    assert overdue_steps(CRISIS, NOW + 5 * MINUTE, NOW + 9 * MINUTE) == (None, 0)


def test_a_hub_that_was_down_three_days_tells_the_latest_step_once_with_a_count():
    down = NOW + 7 * MINUTE  # after the first reminder
    up = down + 3 * DAY
    step, count = overdue_steps(CRISIS, down, up)
    assert step is not None
    assert (step.tell, up - step.at < CRISIS.again) == ("coordinator-on-duty", True)
    one_by_one, now = 0, down
    while (after := next_step(CRISIS, now, False)) is not None and after.at <= up:
        one_by_one, now = one_by_one + 1, after.at
    assert (count, step.at) == (one_by_one, now)
    assert next_step(CRISIS, up, False) == Step(step.at + CRISIS.again, "coordinator-on-duty")


def test_looking_often_and_looking_once_count_the_same():
    looks = [NOW + minutes * MINUTE for minutes in range(0, 90, 7)]
    often = sum(overdue_steps(CRISIS, one, other)[1] for one, other in pairwise(looks))
    assert often == overdue_steps(CRISIS, looks[0], looks[-1])[1]


def test_after_a_stop_there_is_one_alarm_for_each_cause_in_the_order_in_which_they_fell_due():
    monday = at("2026-11-02T09:00")
    dues = {
        "z-late": clock("accepted", start=monday)["answer"],
        "a-later": clock("accepted", "duo", start=monday)["answer"],
        "b-first": clock("accepted", start=monday - HOUR)["answer"],
        "c-not-yet": clock("first-visit", start=monday)["year"],
    }
    found = collapse(dues, monday, monday + 3 * DAY)
    assert [each.subject for each in found] == ["b-first", "z-late", "a-later"]
    assert [each.step.tell for each in found] == ["coordinator-on-duty"] * 3
    assert all(each.count > 1 for each in found)


# -- whom


def test_a_step_is_told_to_the_partners_own_contact_or_to_the_region():
    assert owner_of(REGION, "second-contact", partner="vvt") == "vvt:second-contact"
    assert owner_of(REGION, "coordinator-on-duty", partner="vvt") == "coordinator-on-duty"
    assert owner_of(REGION, "asked", partner="vvt") == "vvt"
    assert owner_of(REGION, "lead", partner="politie", lead="perspektief") == "perspektief"
    assert owner_of(REGION, "lead", partner="politie") == "coordinator"


def test_the_routes_of_a_contact_are_its_mail_unless_the_region_says_how():
    (route,) = REGION.alarm_routes("vvt:second-contact")
    assert route.mail == ("tweede@vvt.example",)
    pager = AlarmRoute(owner="vvt:second-contact", webhooks=("https://pager.example/vvt",))
    region = REGION.model_copy(update={"alarms": (*REGION.alarms, pager)})
    assert region.alarm_routes("vvt:second-contact") == (pager,)
    assert REGION.alarm_routes("nobody:second-contact") == ()
