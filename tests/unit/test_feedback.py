# SPDX-License-Identifier: EUPL-1.2
"""Who is told what of a source's message, and that the same thing is told once."""

from __future__ import annotations

import itertools
from typing import get_args

import pytest

from regions import FOLDER
from schakel.feedback import AS_TOLD, FeedbackLine, Telling, kind_of
from schakel.records import SourceMessage
from schakel.region import Receiving, Region
from schakel.region_files import load_region
from schakel.states import RequestState

REGION = load_region(FOLDER / "haaglanden")
THERE = Receiving(channel="mailbox", feedback={"stuf-vt-melding": "feedback-stuf-vt"})
ABOUT = SourceMessage("m-1", "veilig-thuis", "stuf-vt-melding")


def telling(receives: Receiving | None = THERE) -> Telling:
    region: Region = REGION.model_copy(
        update={
            "partners": tuple(
                one.model_copy(update={"receives": receives}) if one.id == "veilig-thuis" else one
                for one in REGION.partners
            )
        }
    )
    numbers = itertools.count()
    return Telling(region=region, new_id=lambda: f"id-{next(numbers)}")


def test_a_source_that_nobody_knows_how_to_reach_is_not_told() -> None:
    assert telling(None).tell(ABOUT, "parked", "p-1") is None


def test_who_only_receives_is_no_source() -> None:
    assert telling().tell(SourceMessage("m-1", "vvt", ""), "parked", "p-1") is None


@pytest.mark.parametrize(
    ("mapping", "representation"),
    [("stuf-vt-melding", "feedback-stuf-vt"), ("cit-fhir", "feedback-json"), ("", "feedback-json")],
)
def test_the_form_follows_the_message(mapping: str, representation: str) -> None:
    told = telling().tell(SourceMessage("m-1", "veilig-thuis", mapping), "released", "p-1")
    assert told is not None
    assert (told.representation, told.role, told.channel, told.request_id) == (
        representation,
        "source",
        "mailbox",
        None,
    )


def test_an_occasion_names_what_happened() -> None:
    told = telling().tell(ABOUT, "dropped", "p-1")
    assert told is not None
    assert (told.occasion, kind_of(told.occasion)) == ("dropped:p-1", "dropped")


@pytest.mark.parametrize(
    ("role", "event", "kind"),
    [
        ("lead", "confirm", "lead-confirmed"),
        ("process-director", "confirm", "lead-confirmed"),
        ("lead", "decline", "lead-declined"),
        ("duo", "confirm", "duo-confirmed"),
        ("case-director", "decline", "duo-declined"),
        ("lead", "receive", None),
        ("lead", None, None),
        ("partner", "confirm", None),
    ],
)
def test_only_lead_and_duo_and_only_yes_and_no(role: str, event: str | None, kind: str | None) -> None:
    told = telling().answered((ABOUT,), role, event, "a-1")
    assert [kind_of(each.delivery.occasion) for each in told] == ([] if kind is None else [kind])


def test_each_source_of_the_case_is_told_of_its_own_message() -> None:
    told = telling().answered((ABOUT, SourceMessage("m-2", "cit", "cit-fhir")), "lead", "confirm", "a-1")
    assert [(each.message_id, each.delivery.recipient) for each in told] == [("m-1", "veilig-thuis")]  # CIT: no address


@pytest.mark.parametrize(
    ("kind", "source", "told"),
    [
        ("on-hold", "cit", True),
        ("lead-changed", "cit", True),
        ("closed", "thv-pool", True),
        ("first-visit", "veilig-thuis", True),
        ("first-visit", "cit", False),
        ("plan-made", "thv-pool", False),
        ("admitted", "veilig-thuis", True),
        ("referred-back", "cit", False),
        ("dropped", "cit", True),
    ],
)
def test_a_source_hears_only_the_turning_points_that_its_region_says_it_may_know(
    kind: str, source: str, told: bool
) -> None:
    partners = tuple(one.model_copy(update={"receives": THERE}) if one.sends else one for one in REGION.partners)
    speaking = Telling(region=REGION.model_copy(update={"partners": partners}), new_id=lambda: "id-1")
    made = speaking.tell(SourceMessage("m-1", source, "case-json"), kind, "e-1")  # type: ignore[arg-type]
    assert (made is not None) is told


@pytest.mark.parametrize("region", sorted(path.parent.name for path in FOLDER.glob("*/region.yaml")))
def test_every_region_tells_its_sources_who_has_it_and_when_nobody_has(region: str) -> None:
    told = {kind for row in load_region(FOLDER / region).disclosure.feedback for kind in row.occasions}
    assert {"lead-confirmed", "lead-declined", "on-hold", "resumed", "lead-changed", "closed"} <= told


def test_a_source_never_reads_that_a_team_was_asked_to_leave() -> None:
    told = set(get_args(FeedbackLine.model_fields["state"].annotation))
    assert {AS_TOLD.get(state, state) for state in RequestState} == told
    assert "withdrawal-requested" not in told
