# SPDX-License-Identifier: EUPL-1.2
"""The roll-up of a case, told as stories: an ICM case from referral to follow-up, and a weighing in MDA++."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Final

import pytest

from regions import FOLDER
from schakel.region_files import load_region
from schakel.standing import Standing, StandingState, standing_of
from tests.support.ledgers import OPENED, case, clock, entry, involved, matter

REGION: Final = load_region(FOLDER / "haaglanden")
LEAD: Final = involved("vvt", "lead", "confirmed")
DUO: Final = involved("lokaal-team-den-haag", "duo", "confirmed")
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def rules(found: Standing) -> list[str]:
    return [one.rule.removeprefix("standing:") for one in (*found.risks, *found.waits)]


def test_a_new_referral_waits_for_lead_and_duo_and_the_first_clock_comes_next() -> None:
    due = OPENED + 15 * MINUTE
    asked = case(
        involved("vvt", "lead", "asked"),
        involved("lokaal-team-den-haag", "duo", "asked"),
        deadlines=(
            clock("answer", "vvt", "lead", due),
            clock("answer", "lokaal-team-den-haag", "duo", OPENED + 4 * HOUR),
        ),
    )
    found = standing_of(asked, REGION, OPENED + MINUTE)
    assert found.state is StandingState.WAITING
    assert [(one.rule, one.partner) for one in found.waits] == [
        ("standing:request-open", "vvt"),
        ("standing:request-open", "lokaal-team-den-haag"),
    ]
    assert found.coming is not None
    assert (found.coming.what, found.coming.at, found.coming.partner) == ("answer", due, "vvt")
    assert found.coming.nl == "Veilig Verder Team Den Haag (lead): antwoord op het verzoek."


def test_a_late_lead_puts_the_case_at_risk_at_the_very_moment_it_is_due() -> None:
    due = OPENED + 15 * MINUTE
    asked = case(involved("vvt", "lead", "asked"), DUO, deadlines=(clock("answer", "vvt", "lead", due),))
    assert standing_of(asked, REGION, due - timedelta(microseconds=1)).state is StandingState.WAITING
    late = standing_of(asked, REGION, due)
    assert late.state is StandingState.AT_RISK
    assert [one.nl for one in late.risks] == ["Veilig Verder Team Den Haag (lead) is te laat: antwoord op het verzoek."]


def test_lead_and_duo_confirmed_is_complete_until_a_partner_is_asked() -> None:
    assert standing_of(case(LEAD, DUO), REGION, OPENED).state is StandingState.COMPLETE
    asked = case(LEAD, DUO, involved("politie", "partner", "asked"))
    assert rules(standing_of(asked, REGION, OPENED)) == ["request-open"]
    answered = case(LEAD, DUO, involved("politie", "partner", "confirmed"))
    assert rules(standing_of(answered, REGION, OPENED)) == ["not-established"]
    established = case(LEAD, DUO, involved("politie", "partner", "confirmed", established=True))
    assert standing_of(established, REGION, OPENED).state is StandingState.COMPLETE


def test_a_partner_that_declined_is_done_with_unless_it_still_stands_established() -> None:
    declined = involved("de-waag", "partner", "declined")
    assert standing_of(case(LEAD, DUO, declined), REGION, OPENED).state is StandingState.COMPLETE
    still = replace(declined, established=True)
    assert rules(standing_of(case(LEAD, DUO, still), REGION, OPENED)) == ["decline-not-noted"]


def test_a_lead_that_declined_without_successor_is_a_risk_and_with_one_is_not() -> None:
    declined = replace(LEAD, state="declined")
    alone = standing_of(case(declined, DUO), REGION, OPENED)
    assert alone.state is StandingState.AT_RISK
    assert rules(alone) == ["lead-declined", "no-lead"]
    successor = involved("perspektief", "lead", "asked")
    assert standing_of(case(declined, DUO, successor), REGION, OPENED).state is StandingState.WAITING
    taken = replace(successor, state="confirmed")
    assert standing_of(case(declined, DUO, taken), REGION, OPENED).state is StandingState.COMPLETE


def test_a_duo_that_declined_keeps_the_case_waiting() -> None:
    assert rules(standing_of(case(LEAD, replace(DUO, state="declined")), REGION, OPENED)) == ["no-duo"]


def test_a_restraining_order_that_ends_without_a_plan_is_a_risk_from_24_hours_before() -> None:
    ends = OPENED + 10 * DAY
    open_case = case(LEAD, DUO, order_end=ends)
    before = standing_of(open_case, REGION, ends - 24 * HOUR - MINUTE)
    assert before.state is StandingState.COMPLETE
    assert before.coming is not None
    assert (before.coming.what, before.coming.at) == ("order-end", ends)
    assert rules(standing_of(open_case, REGION, ends - 24 * HOUR)) == ["order-without-plan"]
    assert rules(standing_of(open_case, REGION, ends + DAY)) == ["order-without-plan"]
    planned = replace(open_case, entries=(entry("plan-made", OPENED + DAY),))
    assert standing_of(planned, REGION, ends).state is StandingState.COMPLETE


def test_the_plan_of_an_order_of_half_a_year_ago_is_not_the_plan_of_this_one() -> None:
    again = case(LEAD, DUO, order_end=OPENED + 180 * DAY, entries=(entry("plan-made", OPENED + DAY),))
    assert rules(standing_of(again, REGION, OPENED + 180 * DAY)) == ["order-without-plan"]


@pytest.mark.parametrize(
    ("state", "found"),
    [("proposed", ["hand-over-open"]), ("lapsed", ["hand-over-lapsed"]), ("accepted", []), ("cancelled", [])],
)
def test_a_hand_over_waits_and_is_a_risk_once_it_lapsed(state: str, found: list[str]) -> None:
    moving = case(LEAD, DUO, matters=(matter("hand-over", "perspektief", "lead", state),))
    assert rules(standing_of(moving, REGION, OPENED)) == found


def test_a_temporary_effort_that_ends_comes_before_the_evaluation() -> None:
    effort = matter("effort", "de-waag", "partner", "accepted", valid_until=OPENED + 14 * DAY)
    evaluation = clock("evaluation", "vvt", "lead", OPENED + 90 * DAY, subject="case-1")
    helped = case(LEAD, DUO, matters=(effort,), deadlines=(evaluation,))
    first = standing_of(helped, REGION, OPENED).coming
    assert first is not None
    assert (first.what, first.at) == ("effort-end", OPENED + 14 * DAY)
    then = standing_of(helped, REGION, OPENED + 15 * DAY).coming
    assert then is not None
    assert (then.what, then.nl) == (
        "evaluation",
        "Veilig Verder Team Den Haag (lead): evaluatie van het plan.",
    )


def test_a_closed_case_is_never_at_risk_and_still_tells_of_its_follow_up() -> None:
    follow_up = clock("follow-up", "lokaal-team-den-haag", "duo", OPENED + 90 * DAY, subject="case-1")
    closed = case(
        replace(LEAD, state="completed"),
        DUO,
        state="closed",
        closed_at=OPENED,
        order_end=OPENED,
        deadlines=(follow_up,),
    )
    found = standing_of(closed, REGION, OPENED + 120 * DAY)
    assert (found.state, found.risks, found.waits) == (StandingState.CLOSED, (), ())
    assert found.coming is not None
    assert found.coming.what == "follow-up"


def test_mda_waits_until_the_weighing_has_decided() -> None:
    director = involved("zvhh", "process-director", "confirmed")
    local = involved("lokaal-team-delft", "case-director", "confirmed")
    weighing = matter("admission", "zvhh", "process-director", "reported")
    decision = clock("admission", "zvhh", "process-director", OPENED + 14 * DAY)
    reported = case(director, local, programme="mda++", matters=(weighing,), deadlines=(decision,))
    found = standing_of(reported, REGION, OPENED)
    assert (found.state, rules(found)) == (StandingState.WAITING, ["admission-open"])
    assert found.coming is not None
    assert found.coming.nl == ("Zorg- en Veiligheidshuis Haaglanden (process-director): besluit van het weegoverleg.")
    triage = replace(reported, matters=(replace(weighing, state="triage"),))
    assert rules(standing_of(triage, REGION, OPENED)) == ["admission-open"]
    admitted = replace(reported, matters=(replace(weighing, state="admitted"),), deadlines=())
    assert standing_of(admitted, REGION, OPENED).state is StandingState.COMPLETE
