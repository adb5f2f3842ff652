# SPDX-License-Identifier: EUPL-1.2
"""Each region's own scenarios (`regions/*/scenario.yaml`): a message goes into a whole hub of that region, and what
comes of it is what the file says: route, recipients, remarks, deadlines with their reminders and ladders."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from regions import FOLDER
from schakel.bootstrap import initialise
from schakel.deadlines import Due, clock_for
from schakel.region import DUO, LEADING
from schakel.settings import Settings
from schakel.strict_yaml import parse
from tests.integration.stage import EXAMPLES, MovedClock, Stage, reopen_stage


def scenarios(region: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = parse(FOLDER / region / "scenario.yaml")[1]["scenarios"]
    return found


REGIONS = sorted(path.parent.name for path in FOLDER.glob("*/region.yaml"))
ALL = [pytest.param(region, one, id=f"{region}-{one['id']}") for region in REGIONS for one in scenarios(region)]


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def open_region(folder: Path, region: str, at: datetime) -> Stage:
    settings = Settings(home=folder / "home", region=region, log_level="error")
    initialise(settings)
    return reopen_stage(settings, MovedClock(at))


def body(scenario: dict[str, Any]) -> bytes:
    if "example" in scenario:
        return (EXAMPLES / scenario["example"]).read_bytes()
    return str(scenario["message"]).encode()


def written(due: Due) -> dict[str, Any]:
    return {
        "due_at": due.due_at,
        "reminders": list(due.reminders),
        "ladder": [(step.at, step.tell) for step in due.ladder],
    }


@pytest.mark.parametrize(("region", "scenario"), ALL)
async def test_a_message_takes_the_way_that_its_region_says(
    region: str, scenario: dict[str, Any], tmp_path: Path
) -> None:
    at, expect = moment(scenario["received_at"]), scenario["expect"]
    stage = open_region(tmp_path, region, at)
    async with stage.hub as hub:
        receipt = await stage.send(scenario["source"], body(scenario), scenario["media_type"])
        status = await hub.involvement.status(stage.partner(scenario["source"]), receipt.message_id)
        running = await hub.store.due_deadlines(now=at + timedelta(days=3650), limit=99)
        while await hub.dispatch.run_once():
            pass
        views = stage.views()
    names = {partner.name: partner.id for partner in hub.region.partners}
    assert status["state"] == "routed"
    assert {one["rule"] for one in status["decisions"]} == {expect["route"]}
    withheld = [names[one["recipient"]] for one in status["decisions"] if one["outcome"] == "withhold"]
    assert withheld == expect["withheld"]
    asked = {(one.partner, one.role): one.due_at for one in running if one.kind == "answer"}
    assert asked == {(one["partner"], one["role"]): moment(one["due_at"]) for one in expect["requests"]}
    for one in expect["requests"]:
        (view,) = views[one["partner"]]
        if "case" not in view:  # a notice: its content is fetched
            continue
        case = view["case"]
        assert (case["programme"], case["urgency"]) == (expect["programme"], expect["urgency"])
        assert case["municipality"]["code"] == expect["municipality"]
        assert [remark["rule"] for remark in view.get("remarks", [])] == expect["remarks"]


@pytest.mark.parametrize(("region", "scenario"), ALL)
async def test_its_clocks_are_those_that_its_region_says(region: str, scenario: dict[str, Any], tmp_path: Path) -> None:
    at, expect = moment(scenario["received_at"]), scenario["expect"]
    stage = open_region(tmp_path, region, at)
    async with stage.hub as hub:
        deadlines = hub.region.deadlines
    facts = {"programme": expect["programme"], "urgency": expect["urgency"]}
    for one in expect["requests"]:
        dues = clock_for(deadlines, event="accepted", role=one["role"], at=at, **facts)
        (due,) = [each for each in dues if each.kind == "answer"]
        assert written(due) == {
            "due_at": moment(one["due_at"]),
            "reminders": [moment(each) for each in one["reminders"]],
            "ladder": [(moment(step["at"]), step["tell"]) for step in one["ladder"]],
        }
    for one in scenario["clocks"]:
        end = moment(one["order_end"]) if "order_end" in one else None
        dues = clock_for(deadlines, event=one["event"], role=one["role"], at=moment(one["at"]), order_end=end, **facts)
        assert {due.kind: due.due_at for due in dues} == {kind: moment(due) for kind, due in one["starts"].items()}


@pytest.mark.parametrize("region", REGIONS)
def test_every_region_has_a_scenario_that_asks_a_lead_and_a_duo_and_starts_clocks(region: str) -> None:
    for scenario in scenarios(region):
        roles = {one["role"] for one in scenario["expect"]["requests"]}
        assert roles & LEADING
        assert roles & DUO
        assert scenario["clocks"]
