# SPDX-License-Identifier: EUPL-1.2
"""Teams that say no: the coordinator has the case, the duo hears "on hold", the source "with a human", and another team
takes its place."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from schakel.errors import Refusal
from schakel.ledger_records import CaseLedger
from schakel.message import Answer, Contact, Reroute
from schakel.records import ParkedRow
from schakel.standing import StandingState, standing_of
from tests.integration.stage import Stage, open_stage, thv

CONTACT: Final = Contact(name="Fictief de Tester", phone="070 0000000")
SECRET: Final = "geheime toelichting Kanarie"
REACHED: Final = {
    "partners": [{"id": "thv-pool", "receives": {"channel": "webhook", "url": "https://pool.example/in"}}]
}
LEAD, DUO, NEXT = "vvt", "lokaal-team-den-haag", "perspektief"


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    opened = open_stage(tmp_path, overlay={"partners.yaml": REACHED})
    async with opened.hub:
        await opened.send("thv-pool", thv("den-haag-eerste-thv"))
        await opened.hub.dispatch.run_once()
        yield opened
        assert await opened.holes() == []


def references(stage: Stage, partner: str) -> str:
    cases = [view for view in stage.views()[partner] if view.get("schema") != "notice@1" and "request" in view]
    return str(cases[-1]["request"]["reference"])


async def say(stage: Stage, partner: str, answer: str, *, reference: str = "", **more: Any) -> str:
    stage.clock.forward(timedelta(seconds=1))
    said = Answer(
        reference=reference or references(stage, partner),
        answer=answer,  # type: ignore[arg-type]
        reason_code="other" if answer == "declined" else None,
        reason_text=SECRET if answer == "declined" else None,
        contact=CONTACT if answer == "confirmed" else None,
        **more,
    )
    outcome = await stage.hub.involvement.answer(stage.partner(partner), said, now=stage.clock.now())
    await stage.hub.dispatch.run_once()
    return str(outcome.request_state)


async def ledger(stage: Stage) -> CaseLedger:
    reference = stage.views()[DUO][0]["case"]["reference"]
    found = await stage.hub.store.ledger(DUO, reference)
    assert found is not None
    return found


async def waiting(stage: Stage) -> ParkedRow:
    (row,) = await stage.hub.store.parked()
    return row


def occasions(stage: Stage, partner: str) -> list[str]:
    return [view["occasion"] for view in stage.views()[partner] if "occasion" in view]


def states(case: CaseLedger) -> dict[tuple[str, str], str]:
    return {(one.partner, one.role): one.state for one in case.involved}


async def release(stage: Stage, row: ParkedRow, *to: str) -> None:
    stage.clock.forward(timedelta(minutes=1))
    now = stage.clock.now()
    await stage.hub.intake.release(row.id, to=to, by="Jo", reason="afgesproken", now=now)
    await stage.hub.dispatch.run_once()


async def test_a_lead_that_declines_leaves_the_case_with_the_coordinator(stage: Stage) -> None:
    await say(stage, DUO, "confirmed")
    assert await say(stage, LEAD, "declined") == "declined"
    row = await waiting(stage)
    assert (row.cause, row.owner, row.whole) == ("lead-declined", "coordinator", False)
    assert row.suggests == ((NEXT, "lead"),)
    assert occasions(stage, DUO) == ["on-hold"]
    assert occasions(stage, "thv-pool") == ["duo-confirmed", "lead-declined", "on-hold"]
    found = standing_of(await ledger(stage), stage.hub.region, stage.clock.now())
    assert found.state is StandingState.AT_RISK
    await stage.hub.clockwork.run_once(stage.clock.now())
    told = {(to, notice.cause) for to, notice in stage.mail.told}
    assert ("coordinator@schakel-haaglanden.example", "lead-declined") in told


async def test_nobody_but_who_may_see_the_matrix_reads_why(stage: Stage) -> None:
    await say(stage, LEAD, "declined")
    sent = [view for partner in (DUO, "thv-pool") for view in stage.views()[partner] if "occasion" in view]
    assert sent
    assert not any(SECRET in json.dumps(view, ensure_ascii=False) or "other" in json.dumps(view) for view in sent)


async def test_released_to_another_team_the_case_goes_on(stage: Stage) -> None:
    await say(stage, DUO, "confirmed")
    await say(stage, LEAD, "declined")
    await release(stage, await waiting(stage), NEXT)
    case = await ledger(stage)
    assert states(case) == {(LEAD, "lead"): "superseded", (DUO, "duo"): "confirmed", (NEXT, "lead"): "asked"}
    assert occasions(stage, DUO) == ["on-hold", "resumed"]
    assert occasions(stage, "thv-pool")[-1] == "resumed"
    asked = [one for one in case.deadlines if one.partner == NEXT]
    assert [one.kind for one in asked] == ["answer"]
    assert await say(stage, NEXT, "confirmed") == "confirmed"
    found = standing_of(await ledger(stage), stage.hub.region, stage.clock.now())
    assert found.state is StandingState.COMPLETE
    (line,) = [one for one in case.entries if one.event == "ask"]
    assert (line.actor, line.role) == ("operator:Jo", "operator")
    assert await stage.hub.store.parked() == []


async def test_the_team_that_declined_gets_nothing_more_once_another_has_its_place(stage: Stage) -> None:
    await say(stage, LEAD, "declined")
    await release(stage, await waiting(stage), NEXT)
    await say(stage, NEXT, "confirmed")
    before = len(stage.views()[LEAD])
    await stage.send("thv-pool", thv("den-haag-eerste-thv", kenmerk="U-1"))
    await stage.hub.dispatch.run_once()
    assert len(stage.views()[LEAD]) == before
    assert stage.views()[NEXT][-1]["message"]["messageReference"] == "U-1"


async def test_a_question_about_the_case_is_not_tried_again_and_not_dropped_while_nobody_leads(stage: Stage) -> None:
    await say(stage, LEAD, "declined")
    row, now = await waiting(stage), stage.clock.now()
    with pytest.raises(Refusal) as retried:
        await stage.hub.intake.retry(row.id, by="Jo", reason="nog eens", now=now)
    assert retried.value.findings[0].rule == "parked:release-or-drop"
    with pytest.raises(Refusal) as dropped:
        await stage.hub.intake.drop(row.id, by="Jo", reason="laat maar", now=now)
    assert dropped.value.findings[0].rule == "parked:nobody-leads"
    assert [one.id for one in await stage.hub.store.parked()] == [row.id]


async def test_a_team_that_comes_back_on_its_no_takes_the_case_up_again(stage: Stage) -> None:
    await say(stage, LEAD, "declined")
    assert await say(stage, LEAD, "confirmed") == "confirmed"
    assert occasions(stage, DUO) == ["on-hold", "resumed"]
    row = await waiting(stage)
    await stage.hub.intake.drop(row.id, by="Jo", reason="het team doet het toch", now=stage.clock.now())
    assert await stage.hub.store.parked() == []


async def test_a_release_to_who_cannot_lead_or_is_on_it_already_is_refused(stage: Stage) -> None:
    await say(stage, LEAD, "declined")
    row, now = await waiting(stage), stage.clock.now()
    for to, rule in (
        ((DUO,), "ask:already-asked"),
        (("politie:lead",), "ask:role-does-not-fit"),
        (("thv-pool",), "release:not-a-recipient"),
        ((), "act:field-missing"),
    ):
        with pytest.raises(Refusal) as refusal:
            await stage.hub.intake.release(row.id, to=to, by="Jo", reason="proef", now=now)
        assert refusal.value.findings[0].rule == rule
    assert states(await ledger(stage)) == {(LEAD, "lead"): "declined", (DUO, "duo"): "asked"}


async def test_a_duo_that_declines_waits_for_the_coordinator_too_and_holds_nobody_up(stage: Stage) -> None:
    await say(stage, LEAD, "confirmed")
    await say(stage, DUO, "declined")
    row = await waiting(stage)
    assert row.cause == "duo-declined"
    assert occasions(stage, LEAD) == []
    await release(stage, row, "lokaal-team-delft")
    assert states(await ledger(stage))["lokaal-team-delft", "duo"] == "asked"


async def test_a_partner_that_sends_the_case_on_ends_its_request_and_a_person_decides(stage: Stage) -> None:
    to = Reroute(oin="00000099000000002002", name="Perspektief")
    assert await say(stage, LEAD, "declined", reroute_to=to) == "superseded"
    row = await waiting(stage)
    assert (row.cause, row.suggests) == ("reroute-asked", ((NEXT, "lead"),))
    assert states(await ledger(stage))[LEAD, "lead"] == "superseded"
    assert occasions(stage, DUO) == ["on-hold"]
    await release(stage, row, NEXT)
    assert occasions(stage, DUO) == ["on-hold", "resumed"]
    assert states(await ledger(stage))[NEXT, "lead"] == "asked"
