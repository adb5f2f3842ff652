# SPDX-License-Identifier: EUPL-1.2
"""A case changes hands: the old team keeps its part until the new one confirms, then its sight ends and the clocks of
the case go on with the new one; declined or not answered, the coordinator decides."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from schakel.acting import Said
from schakel.errors import Refusal
from schakel.ledger_records import CaseLedger, RunningDeadline
from schakel.message import Answer, Contact
from schakel.standing import StandingState, standing_of
from tests.integration.stage import Stage, open_stage, thv

CONTACT: Final = Contact(name="Fictief de Tester", phone="070 0000000")
WHO: Final = Said(name="Fictief de Tester", function="ICM'er")
REACHED: Final = {
    "partners": [{"id": "thv-pool", "receives": {"channel": "webhook", "url": "https://pool.example/in"}}]
}
VVT, PERSPEKTIEF = "vvt", "perspektief"
HERE, THERE = "lokaal-team-den-haag", "lokaal-team-delft"
DELFT: Final = "0503"
MINUTE: Final = timedelta(minutes=1)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    opened = open_stage(tmp_path, overlay={"partners.yaml": REACHED})
    async with opened.hub:
        await opened.send("thv-pool", thv("den-haag-eerste-thv"))
        await opened.hub.dispatch.run_once()
        await say(opened, VVT, "confirmed")
        await say(opened, HERE, "confirmed")
        yield opened
        assert await opened.holes() == []


def views(stage: Stage, partner: str) -> list[dict[str, Any]]:
    return [view for view in stage.views()[partner] if "occasion" not in view]


def occasions(stage: Stage, partner: str) -> list[str]:
    return [view["occasion"] for view in stage.views()[partner] if "occasion" in view]


async def say(stage: Stage, partner: str, answer: str) -> str:
    stage.clock.forward(MINUTE)
    said = Answer(
        reference=views(stage, partner)[-1]["request"]["reference"],
        answer=answer,  # type: ignore[arg-type]
        reason_code="no-capacity" if answer == "declined" else None,
        contact=CONTACT if answer == "confirmed" else None,
    )
    outcome = await stage.hub.involvement.answer(stage.partner(partner), said, now=stage.clock.now())
    await stage.hub.dispatch.run_once()
    return str(outcome.request_state)


async def act(stage: Stage, actor: str, kind: str, **fields: Any) -> dict[str, str]:
    stage.clock.forward(MINUTE)
    reference = views(stage, actor)[0]["case"]["reference"]
    done = await stage.hub.acting.act(
        kind, actor=actor, reference=reference, fields=fields, now=stage.clock.now(), said=WHO
    )
    await stage.hub.dispatch.run_once()
    return dict(done.made)


async def propose(stage: Stage, **more: Any) -> dict[str, str]:
    fields = {"to": PERSPEKTIEF, "role": "lead", "municipality": DELFT, "reason": "verhuisd", **more}
    return await act(stage, VVT, "hand-over", **{name: value for name, value in fields.items() if value})


async def ledger(stage: Stage) -> CaseLedger:
    found = await stage.hub.store.ledger(VVT, views(stage, VVT)[0]["case"]["reference"])
    assert found is not None
    return found


def states(case: CaseLedger) -> dict[tuple[str, str], str]:
    return {(one.partner, one.role): one.state for one in case.involved}


def proposed(case: CaseLedger) -> list[RunningDeadline]:
    """The clocks of hand-overs that run."""
    return [clock for clock in case.deadlines if clock.kind == "hand-over"]


async def test_until_the_new_team_confirms_the_old_one_leads_and_the_source_knows_nothing(stage: Stage) -> None:
    await propose(stage)
    case = await ledger(stage)
    assert states(case) == {(VVT, "lead"): "confirmed", (HERE, "duo"): "confirmed", (PERSPEKTIEF, "lead"): "asked"}
    (clock,) = proposed(case)
    assert (clock.kind, clock.partner, clock.due_at - clock.started_at) == (
        "hand-over",
        PERSPEKTIEF,
        timedelta(hours=1),
    )
    asked = stage.views()[PERSPEKTIEF]
    assert [view.get("occasion") for view in asked] == [None, "hand-over-asked"]
    assert asked[1]["request"]["reference"] == asked[0]["request"]["reference"]
    assert asked[1]["request"]["dueAt"] == asked[0]["request"]["dueAt"]
    assert asked[1]["terms"] == {"role": "lead", "municipality": DELFT, "reason": "verhuisd"}
    assert asked[0]["members"]
    assert await act(stage, VVT, "milestone", event="first-visit")  # the old team leads
    with pytest.raises(Refusal) as refusal:
        await act(stage, PERSPEKTIEF, "ask", partner="politie")
    assert refusal.value.findings[0].rule == "act:only-the-lead"
    status = await stage.hub.involvement.status(stage.partner("thv-pool"), str(asked[0]["message"]["id"]))
    assert {line["partner"] for line in status["recipients"]} == {VVT, HERE}
    assert PERSPEKTIEF not in json.dumps([view for view in stage.views()["thv-pool"]])


async def test_confirmed_the_case_its_clocks_and_its_partners_go_on_with_the_new_team(stage: Stage) -> None:
    await act(stage, VVT, "ask", partner="politie")
    await say(stage, "politie", "confirmed")
    await act(stage, VVT, "milestone", event="first-visit")
    effort = await act(
        stage,
        VVT,
        "effort",
        partner="politie",
        direction="raise",
        level="wekelijks langs",
        reason="dreiging",
        until="2026-12-24T00:00:00Z",
        **{"from": "2026-11-22T00:00:00Z"},
    )
    before = {clock.kind: clock for clock in (await ledger(stage)).deadlines if clock.partner == VVT}
    assert set(before) == {"plan", "year", "order-without-plan"}
    await propose(stage)
    assert await say(stage, PERSPEKTIEF, "confirmed") == "confirmed"
    case = await ledger(stage)
    assert states(case) == {
        (VVT, "lead"): "superseded",
        (PERSPEKTIEF, "lead"): "confirmed",
        (HERE, "duo"): "confirmed",
        (THERE, "duo"): "asked",
        ("politie", "partner"): "confirmed",
    }
    assert case.municipality == DELFT
    after = {clock.kind: clock for clock in case.deadlines if clock.partner == PERSPEKTIEF}
    assert {kind: clock.due_at for kind, clock in after.items()} == {
        kind: clock.due_at for kind, clock in before.items()
    }
    assert {one.id: one.state for one in case.matters if one.machine == "effort"} == {effort["id"]: "asked"}
    assert occasions(stage, VVT) == ["hand-over-accepted"]
    assert occasions(stage, HERE) == ["hand-over-accepted"]
    assert occasions(stage, "thv-pool")[-1] == "lead-changed"
    assert "lead-confirmed" not in occasions(stage, "thv-pool")[2:]


async def test_the_local_team_of_the_new_municipality_is_candidate_likewise(stage: Stage) -> None:
    await propose(stage)
    await say(stage, PERSPEKTIEF, "confirmed")
    case = await ledger(stage)
    (likewise,) = [one for one in case.matters if one.role == "duo"]
    assert (likewise.machine, likewise.partner, likewise.state) == ("hand-over", THERE, "proposed")
    await say(stage, THERE, "confirmed")
    case = await ledger(stage)
    assert states(case)[HERE, "duo"] == "superseded"
    assert states(case)[THERE, "duo"] == "confirmed"
    assert standing_of(case, stage.hub.region, stage.clock.now()).state is StandingState.COMPLETE
    assert occasions(stage, "thv-pool")[-2:] == ["lead-changed", "duo-changed"]


async def test_after_the_hand_over_nothing_more_goes_to_the_old_team_and_it_looks_no_further(stage: Stage) -> None:
    await propose(stage)
    await say(stage, PERSPEKTIEF, "confirmed")
    await say(stage, THERE, "confirmed")
    before = {partner: len(stage.views()[partner]) for partner in (VVT, HERE)}
    await stage.send("thv-pool", thv("den-haag-eerste-thv", kenmerk="U-1"))
    await stage.hub.dispatch.run_once()
    assert {partner: len(stage.views()[partner]) for partner in (VVT, HERE)} == before
    update = views(stage, PERSPEKTIEF)[-1]["message"]
    assert update["messageReference"] == "U-1"
    assert views(stage, THERE)[-1]["message"]["id"] == update["id"]
    reference = views(stage, VVT)[0]["case"]["reference"]
    matrix = await stage.hub.involvement.case_view(stage.partner(VVT), reference, now=stage.clock.now())
    assert {line["partner"] for line in matrix["requests"]} == {VVT}
    with pytest.raises(Refusal):
        await act(stage, VVT, "milestone", event="plan-made")


async def test_what_still_waited_for_the_old_team_goes_out_no_more(stage: Stage) -> None:
    await propose(stage)
    await stage.send("thv-pool", thv("den-haag-eerste-thv", kenmerk="U-1"))  # not dispatched yet
    reference = views(stage, PERSPEKTIEF)[-1]["request"]["reference"]
    said = Answer(reference=reference, answer="confirmed", contact=CONTACT)
    await stage.hub.involvement.answer(stage.partner(PERSPEKTIEF), said, now=stage.clock.now())
    await stage.hub.dispatch.run_once()
    assert all(view["message"]["messageReference"] != "U-1" for view in views(stage, VVT))
    assert views(stage, PERSPEKTIEF)[-1]["message"]["messageReference"] == "U-1"


async def test_declined_the_old_team_leads_on_and_the_coordinator_decides(stage: Stage) -> None:
    await propose(stage)
    told = occasions(stage, "thv-pool")
    assert await say(stage, PERSPEKTIEF, "declined") == "superseded"
    case = await ledger(stage)
    assert [one.state for one in case.matters] == ["declined"]
    assert states(case)[VVT, "lead"] == "confirmed"
    assert proposed(case) == []
    (row,) = await stage.hub.store.parked()
    assert (row.cause, row.owner) == ("hand-over-declined", "coordinator")
    assert occasions(stage, "thv-pool") == told
    assert (occasions(stage, VVT), occasions(stage, HERE)) == (["hand-over-declined"], [])
    assert stage.views()[VVT][-1]["terms"] == {"role": "lead", "to": "Perspektief"}
    await stage.hub.intake.drop(row.id, by="Jo", reason="het blijft zo", now=stage.clock.now())
    assert standing_of(await ledger(stage), stage.hub.region, stage.clock.now()).state is StandingState.COMPLETE


async def test_not_answered_in_time_it_lapses_and_a_late_yes_still_counts(stage: Stage) -> None:
    await propose(stage)
    stage.clock.forward(timedelta(hours=1, seconds=1))
    for _ in range(2):
        await stage.hub.clockwork.run_once(stage.clock.now())
    case = await ledger(stage)
    assert [one.state for one in case.matters] == ["lapsed"]
    (row,) = await stage.hub.store.parked()
    assert row.cause == "hand-over-declined"
    found = standing_of(case, stage.hub.region, stage.clock.now())
    assert {one.rule for one in found.risks} == {"standing:hand-over-lapsed", "standing:overdue"}
    assert await say(stage, PERSPEKTIEF, "confirmed") == "confirmed"
    case = await ledger(stage)
    assert states(case)[VVT, "lead"] == "superseded"
    assert [clock.partner for clock in proposed(case)] == [THERE]
    await stage.hub.intake.drop(row.id, by="Jo", reason="alsnog aanvaard", now=stage.clock.now())


async def test_dropped_by_the_coordinator_a_lapsed_hand_over_is_over(stage: Stage) -> None:
    await propose(stage)
    stage.clock.forward(timedelta(hours=2))
    await stage.hub.clockwork.run_once(stage.clock.now())
    (row,) = await stage.hub.store.parked()
    await stage.hub.intake.drop(row.id, by="Jo", reason="het blijft zo", now=stage.clock.now())
    case = await ledger(stage)
    assert [one.state for one in case.matters] == ["cancelled"]
    assert states(case)[PERSPEKTIEF, "lead"] == "superseded"
    assert proposed(case) == []


async def test_taken_back_it_is_over_and_a_repetition_is_harmless(stage: Stage) -> None:
    made = await propose(stage)
    assert (await propose(stage))["id"] == made["id"]
    with pytest.raises(Refusal) as refusal:
        await propose(stage, role="process-director", to="zvhh")
    assert refusal.value.findings[0].rule == "hand-over:nobody-has-it"
    await act(stage, VVT, "cancel", matter=made["id"], reason="toch niet verhuisd")
    case = await ledger(stage)
    assert [one.state for one in case.matters] == ["cancelled"]
    assert proposed(case) == []
    assert occasions(stage, PERSPEKTIEF) == ["hand-over-asked", "hand-over-cancelled"]
    again = await propose(stage)
    assert again["id"] != made["id"]


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"to": VVT}, "hand-over:has-it-already"),
        ({"to": "politie"}, "ask:role-does-not-fit"),
        ({"to": "niemand"}, "ask:unknown-partner"),
        ({"municipality": "9999"}, "hand-over:unknown-municipality"),
        ({"reason": None}, "act:field-missing"),
        ({"role": "partner"}, "act:field-wrong"),
    ],
)
async def test_what_is_no_hand_over_is_refused_by_its_rule(stage: Stage, fields: dict[str, Any], rule: str) -> None:
    with pytest.raises(Refusal) as refusal:
        await propose(stage, **fields)
    assert refusal.value.findings[0].rule == rule
    assert (await ledger(stage)).matters == ()


async def test_a_duo_cannot_hand_the_case_over(stage: Stage) -> None:
    with pytest.raises(Refusal) as refusal:
        await act(stage, HERE, "hand-over", to=PERSPEKTIEF, role="lead", reason="druk")
    assert refusal.value.findings[0].rule == "act:only-the-lead"


async def test_what_tells_that_a_known_case_moved_is_released_as_a_hand_over(stage: Stage) -> None:
    moved = json.loads(thv("delft-tweede-thv"))
    first = json.loads(thv("den-haag-eerste-thv"))
    moved["huisverbod"]["nummer"], moved["zaakkenmerk"] = first["huisverbod"]["nummer"], first["zaakkenmerk"]
    moved["kenmerk"] = "VERHUISD-1"
    await stage.send("thv-pool", json.dumps(moved).encode())
    await stage.hub.dispatch.run_once()
    (row,) = await stage.hub.store.parked()
    assert (row.cause, row.whole) == ("hand-over", False)
    assert set(row.suggests) == {(PERSPEKTIEF, "lead"), (THERE, "duo")}
    now = stage.clock.forward(MINUTE)
    await stage.hub.intake.release(row.id, to=[PERSPEKTIEF, THERE], by="Jo", reason="verhuisd", now=now)
    await stage.hub.dispatch.run_once()
    case = await ledger(stage)
    assert [(one.machine, one.partner, one.role, one.state) for one in case.matters] == [
        ("hand-over", PERSPEKTIEF, "lead", "proposed")
    ]
    assert states(case)[VVT, "lead"] == "confirmed"
    await say(stage, PERSPEKTIEF, "confirmed")
    case = await ledger(stage)
    assert case.municipality == DELFT
    assert states(case)[THERE, "duo"] == "asked"
