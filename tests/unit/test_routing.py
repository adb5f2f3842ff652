# SPDX-License-Identifier: EUPL-1.2
"""Who gets it, who does not, and why: Haaglanden's routes, a case that is known already, and the remarks."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from regions import FOLDER
from schakel.eligibility import CONTENT_FACTS, Eligibility, content_facts
from schakel.errors import ConfigurationError
from schakel.message import (
    Incident,
    Member,
    MemberRole,
    OrderStatus,
    Referral,
    Reporter,
    RestrainingOrder,
    Risk,
    StalledHelp,
    Trigger,
    Willingness,
)
from schakel.region import RemarkRule
from schakel.region_files import load_region
from schakel.routing import FACTS, CurrentTeam, Routed, Router, RoutingFacts, for_sender
from schakel.states import ParkCause

REGION = load_region(FOLDER / "haaglanden")
ROUTER = Router(REGION)
TODAY = date(2026, 11, 3)
SLUGS = {
    "0503": "delft",
    "0518": "den-haag",
    "0603": "rijswijk",
    "0629": "wassenaar",
    "0637": "zoetermeer",
    "1783": "westland",
    "1842": "midden-delfland",
    "1916": "leidschendam-voorburg",
    "1926": "pijnacker-nootdorp",
}
EIGHT = sorted(SLUGS.keys() - {"0518"})


def facts(source: str = "thv-pool", municipality: str | None = "0503", **more: Any) -> RoutingFacts:
    values = {
        "programme": "icm",
        "kind": "referral",
        "urgency": "crisis",
        "place": "found" if municipality else "none",
        **more,
    }
    return RoutingFacts(source=source, municipality=municipality, **values)


def route(*args: Any, current: CurrentTeam | None = None, today: date = TODAY, **more: Any) -> Routed:
    return ROUTER.route(facts(*args, **more), today=today, current=current)


def test_the_pool_refers_for_den_haag_to_vvt_and_the_local_team():
    routed = route(municipality="0518")
    assert routed.targets == (("vvt", "lead"), ("lokaal-team-den-haag", "duo"))
    assert routed.parking is None


@pytest.mark.parametrize("code", EIGHT)
@pytest.mark.parametrize("source", ["thv-pool", "cit", "veilig-thuis"])
def test_every_source_refers_for_the_other_eight_to_perspektief_and_the_local_team(source: str, code: str):
    assert route(source, code).targets == (("perspektief", "lead"), (f"lokaal-team-{SLUGS[code]}", "duo"))


@pytest.mark.parametrize("source", ["cit", "veilig-thuis"])
def test_cit_and_veilig_thuis_for_den_haag_wait_for_a_person_who_is_told_whom_it_could_go_to(source: str):
    routed = route(source, "0518")
    assert routed.targets == ()
    assert routed.parking.cause == ParkCause.HUMAN_DECISION
    assert routed.parking.whole
    assert routed.parking.suggests == (("vvt", "lead"), ("lokaal-team-den-haag", "duo"))


@pytest.mark.parametrize("code", sorted(SLUGS))
def test_mda_from_veilig_thuis_goes_to_zvhh_and_the_local_team_in_all_nine(code: str):
    routed = route("veilig-thuis", code, programme="mda++")
    assert routed.targets == (("zvhh", "process-director"), (f"lokaal-team-{SLUGS[code]}", "case-director"))


@pytest.mark.parametrize("source", ["thv-pool", "cit"])
def test_mda_from_anybody_else_waits_and_the_zvhh_does_not_get_it(source: str):
    routed = route(source, programme="mda++")
    assert routed.parking.cause == ParkCause.NO_ROUTE
    assert [(row.recipient, row.outcome) for row in routed.decisions] == [(None, "park"), ("zvhh", "withhold")]


@pytest.mark.parametrize(
    ("place", "cause"),
    [
        ("none", ParkCause.NO_MUNICIPALITY),
        ("ambiguous", ParkCause.AMBIGUOUS_PLACE),
        ("outside", ParkCause.OUTSIDE_REGION),
    ],
)
def test_without_a_municipality_of_the_region_a_new_referral_waits(place: str, cause: ParkCause):
    routed = route(municipality=None, place=place)
    assert (routed.parking.cause, routed.parking.owner, routed.parking.whole) == (cause, "coordinator", True)


def test_what_no_route_covers_waits():
    routed = route(programme="icm-youth")
    assert (routed.parking.cause, routed.rule) == (ParkCause.NO_ROUTE, "no-route")
    assert [row.outcome for row in routed.decisions] == ["park"]


def test_experimental_routes_hold_from_their_first_day():
    assert route("cit", today=date(2026, 1, 1)).targets
    assert route("cit", today=date(2025, 12, 31)).parking.cause == ParkCause.NO_ROUTE


def test_a_route_does_not_hold_on_its_last_date():
    ended = REGION.routing.model_copy(
        update={"routes": tuple(one.model_copy(update={"valid_to": TODAY}) for one in REGION.routing.routes)}
    )
    router = Router(REGION.model_copy(update={"routing": ended}))
    assert router.route(facts(), today=TODAY - timedelta(days=1)).targets
    assert router.route(facts(), today=TODAY).parking.cause == ParkCause.NO_ROUTE


def test_each_decision_says_who_and_why_in_both_languages_and_who_not():
    routed = route(municipality="0518")
    assert [(row.recipient, row.outcome) for row in routed.decisions] == [
        ("vvt", "deliver"),
        ("lokaal-team-den-haag", "deliver"),
        ("perspektief", "withhold"),
    ]
    assert all(row.rule == "thv-den-haag" and row.nl and row.en for row in routed.decisions)


def test_a_withdrawal_of_what_is_not_known_waits_for_a_person():
    assert route(kind="withdrawal").parking.cause == ParkCause.HUMAN_DECISION


def test_an_update_of_what_is_not_known_goes_its_way_because_there_is_a_household_behind_it():
    assert route(kind="update").targets == route().targets


# -- a known case ------------------------------------------------------------------------------------------------------

DELFT_TEAM = (("perspektief", "lead"), ("lokaal-team-delft", "duo"))


def current(**more: Any) -> CurrentTeam:
    return CurrentTeam(**{"municipality": "0503", "recipients": DELFT_TEAM, "own": True, **more})


@pytest.mark.parametrize("kind", ["referral", "update", "withdrawal"])
def test_a_known_case_goes_to_the_team_that_has_it(kind: str):
    routed = route(kind=kind, current=current())
    assert (routed.targets, routed.parking) == (DELFT_TEAM, None)


@pytest.mark.parametrize(("code", "place"), [(None, "none"), (None, "ambiguous")])
def test_a_known_case_needs_no_address(code: str | None, place: str):
    routed = route(municipality=code, place=place, current=current())
    assert (routed.targets, routed.parking) == (DELFT_TEAM, None)


def test_a_known_case_that_moves_within_the_region_stays_and_is_handed_over_by_people():
    routed = route(municipality="0518", current=current())
    assert routed.targets == DELFT_TEAM
    assert (routed.parking.cause, routed.parking.whole) == (ParkCause.HAND_OVER, False)
    assert routed.parking.suggests == (("vvt", "lead"), ("lokaal-team-den-haag", "duo"))


def test_a_known_case_that_moves_outside_the_region_is_delivered_and_waits_for_hand_over():
    routed = route(municipality=None, place="outside", current=current())
    assert routed.targets == DELFT_TEAM
    assert (routed.parking.cause, routed.parking.whole) == (ParkCause.HAND_OVER, False)


def test_a_move_that_only_a_secret_address_tells_of_is_for_the_lead_alone():
    routed = route(current=current(secret_move=True))
    assert routed.targets == DELFT_TEAM
    assert (routed.parking.cause, routed.parking.owner) == (ParkCause.SECRET_MOVE, "perspektief")
    assert (routed.parking.whole, routed.parking.suggests) == (False, ())


def test_a_case_that_has_no_team_yet_is_routed_as_new():
    assert route(current=current(recipients=())).targets == DELFT_TEAM
    assert route(current=current(recipients=())).rule == "thv-region"


def test_the_reply_for_a_matched_case_of_another_source_reads_like_that_for_a_new_one():
    assert route("cit", current=current(own=False)).decisions == route("cit").decisions


@pytest.mark.parametrize("secret_move", [True, False])
def test_the_reply_never_tells_another_source_that_something_waits_beside_a_matched_case(secret_move: bool):
    routed = route("cit", current=current(own=False, municipality="0503", secret_move=secret_move))
    assert {row.outcome for row in routed.decisions} <= {"deliver", "withhold"}
    moved = route("cit", "0637", current=current(own=False))
    assert moved.parking is not None
    assert {row.outcome for row in moved.decisions} == {"deliver"}


def test_the_sender_of_the_case_itself_is_told_that_a_person_looks_at_the_municipality():
    assert [row.outcome for row in route(municipality="0518", current=current()).decisions] == [
        "deliver",
        "deliver",
        "park",
    ]


def test_a_municipality_without_a_local_team_parks_the_whole_message():
    partners = tuple(one for one in REGION.partners if one.id != "lokaal-team-delft")
    routed = Router(REGION.model_copy(update={"partners": partners})).route(facts(), today=TODAY)
    assert (routed.targets, routed.parking.cause) == ((), ParkCause.NO_ROUTE)


def test_the_facts_a_condition_may_read_are_those_it_is_given():
    assert facts().document().keys() == FACTS


# -- remarks -----------------------------------------------------------------------------------------------------------

ELIGIBILITY = Eligibility(REGION)
PERSON = Member(id="m1", role=MemberRole.VICTIM)


def remarks(order_count: int = 2, trigger: Trigger | None = None, **more: Any) -> set[str]:
    content = Referral(trigger=trigger or Trigger(stalled_help=StalledHelp()), members=(PERSON,), **more)
    return {one.rule for one in ELIGIBILITY.remarks(facts(order_count=order_count), content)}


def order(status: OrderStatus) -> Trigger:
    imposed = datetime(2026, 11, 3, tzinfo=UTC) if status is OrderStatus.IMPOSED else None
    return Trigger(restraining_order=RestrainingOrder(status=status, imposed_at=imposed), stalled_help=StalledHelp())


def test_a_repeated_order_after_everything_was_tried_needs_no_remark():
    assert remarks(2, order(OrderStatus.IMPOSED)) == set()


def test_a_first_order_and_none_are_delivered_with_a_remark():
    assert remarks(1, order(OrderStatus.IMPOSED)) == {"first-order"}
    assert remarks(0) == {"no-order"}
    assert remarks(0, order(OrderStatus.CONSIDERED)) == {"no-order", "order-considered"}


def test_nothing_that_triggers_is_a_remark_and_never_a_wall():
    assert remarks(2, Trigger(stalled_help=None)) == {"no-trigger", "stalled-help-not-stated"}
    assert remarks(2, Trigger(incident=Incident())) == {"stalled-help-not-stated"}


def test_intimate_terrorism_and_refused_help_are_remarked():
    assert remarks(risk=Risk(intimate_terrorism=True)) == {"intimate-terrorism"}
    assert remarks(willingness=Willingness.REFUSES) == {"refuses-help"}


def test_a_case_for_mda_whose_reporter_is_not_known_is_remarked():
    reporters = (None, Reporter(kind="neighbour"), Reporter(name="Fictieve Buur"), Reporter(organisation="School"))
    said = []
    for reporter in reporters:
        content = Referral(trigger=Trigger(stalled_help=StalledHelp()), members=(PERSON,), reporter=reporter)
        rules = {one.rule for one in ELIGIBILITY.remarks(facts(programme="mda++"), content)}
        said.append("reporter-not-known" in rules)
    assert said == [True, True, False, False]
    assert "reporter-not-known" not in remarks()


def test_remarks_carry_both_languages():
    for remark in ELIGIBILITY.remarks(facts(order_count=0), Referral(members=(PERSON,))):
        assert remark.nl
        assert remark.en


def test_the_facts_a_remark_may_read_are_those_it_is_given():
    assert content_facts(Referral(members=(PERSON,))).keys() == CONTENT_FACTS


def test_a_remark_that_reads_a_name_is_refused():
    rule = RemarkRule(id="naam", when='members.names.family = "x"', text=REGION.routing.remarks[0].text)
    region = REGION.model_copy(update={"routing": REGION.routing.model_copy(update={"remarks": (rule,)})})
    with pytest.raises(ConfigurationError) as caught:
        Eligibility(region)
    assert [(one.place, one.rule) for one in caught.value.findings] == [
        ("routes.yaml remarks[naam].when", "known-fact")
    ]


def test_whom_the_lead_asked_in_gets_the_next_message_and_the_sender_hears_nothing_of_it() -> None:
    first = ROUTER.route(facts(), today=TODAY)
    involved = (*first.targets, ("reclassering", "partner"))
    current = CurrentTeam(municipality=facts().municipality, recipients=involved, own=False)
    later = ROUTER.route(facts(), today=TODAY, current=current)
    assert later.targets == involved
    assert {(one.recipient, one.role) for one in later.decisions if one.outcome == "deliver"} == set(involved)
    assert for_sender(later.decisions) == first.decisions
