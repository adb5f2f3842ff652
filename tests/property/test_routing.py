# SPDX-License-Identifier: EUPL-1.2
"""Rules that hold for every message whatever the facts: nothing is silent, and nothing secret re-routes."""

from __future__ import annotations

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from regions import FOLDER
from schakel.region import DUO, LEADING
from schakel.region_files import load_region
from schakel.routing import CurrentTeam, Router, RoutingFacts

REGION = load_region(FOLDER / "haaglanden")
ROUTER = Router(REGION)
CODES = [entry.code for entry in REGION.municipalities.entries]
WHERE = st.sampled_from(
    [("found", code) for code in CODES] + [("outside", "0599"), ("outside", None), ("ambiguous", None), ("none", None)]
)
DAYS = st.dates(date(2025, 6, 1), date(2030, 1, 1))


@st.composite
def facts(draw):
    place, code = draw(WHERE)
    return RoutingFacts(
        source=draw(st.sampled_from(["thv-pool", "cit", "veilig-thuis", "vvt", "niemand"])),
        programme=draw(st.sampled_from(["icm", "mda++", "icm-youth"])),
        kind=draw(st.sampled_from(["referral", "update", "withdrawal"])),
        municipality=code,
        place=place,
        urgency=draw(st.sampled_from(["crisis", "normal"])),
        order_count=draw(st.integers(0, 5)),
    )


TEAMS = st.sampled_from(
    [
        (("vvt", "lead"), ("lokaal-team-den-haag", "duo")),
        (("perspektief", "lead"), ("lokaal-team-delft", "duo")),
        (("zvhh", "process-director"), ("lokaal-team-delft", "case-director")),
    ]
)


@given(facts(), DAYS)
def test_a_new_message_reaches_a_lead_and_a_duo_or_waits_for_an_owner(message, today):
    routed = ROUTER.route(message, today=today)
    roles = {role for _, role in routed.targets}
    if routed.parking is None:
        assert roles & LEADING
        assert roles & DUO
    else:
        assert routed.targets == ()
        assert routed.parking.whole
        assert routed.parking.owner
        assert routed.parking.cause in REGION.causes
    assert {row.recipient for row in routed.decisions if row.outcome == "deliver"} == {p for p, _ in routed.targets}
    assert any(row.outcome == "park" for row in routed.decisions) == (routed.parking is not None)
    assert all(row.rule and row.nl and row.en for row in routed.decisions)


@given(facts(), DAYS)
def test_a_recipient_is_never_both_given_and_refused_the_message(message, today):
    rows = ROUTER.route(message, today=today).decisions
    given_to = {row.recipient for row in rows if row.outcome == "deliver"}
    assert given_to.isdisjoint({row.recipient for row in rows if row.outcome == "withhold"})


@given(facts(), DAYS, TEAMS, st.sampled_from(CODES), st.booleans(), st.booleans())
def test_a_known_case_never_leaves_its_team_by_itself(message, today, team, code, own, secret_move):
    current = CurrentTeam(municipality=code, recipients=team, own=own, secret_move=secret_move)
    routed = ROUTER.route(message, today=today, current=current)
    assert routed.targets == team
    assert routed.parking is None or not routed.parking.whole
    moved = message.place == "outside" or (message.place == "found" and message.municipality != code)
    assert (routed.parking is not None) == (moved or secret_move)


@given(facts(), DAYS, TEAMS, st.sampled_from(CODES), st.booleans())
def test_whether_a_secret_address_moved_changes_nothing_that_another_sender_can_see(message, today, team, code, own):
    replies = [
        ROUTER.route(message, today=today, current=CurrentTeam(code, team, own=False, secret_move=secret)).decisions
        for secret in (True, False)
    ]
    assert replies[0] == replies[1]


@given(facts(), DAYS)
def test_the_same_facts_give_the_same_answer(message, today):
    assert ROUTER.route(message, today=today) == ROUTER.route(message, today=today)
