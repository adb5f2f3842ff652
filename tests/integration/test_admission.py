# SPDX-License-Identifier: EUPL-1.2
"""MDA++ in the order of the fact sheet (S4): reported by Veilig Thuis, weighed by the ZVHH with the covenant's voices,
then admitted, triaged further or referred back; and Veilig Thuis hears of each."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from connectors.formats import formats
from schakel.acting import Said
from schakel.acts.admission import voices
from schakel.errors import Refusal
from schakel.ledger_records import CaseLedger
from schakel.message import Answer, Contact
from schakel.standing import StandingState, standing_of
from tests.integration.stage import EXAMPLES, Stage, open_stage, thv

WHO: Final = Said(name="Fictief de Tester", function="procesregisseur")
CONTACT: Final = Contact(name="Fictief de Tester", phone="070 0000000")
VT, ZVHH, LOCAL = "veilig-thuis", "zvhh", "lokaal-team-delft"
COVENANT: Final = {"perspektief", "politie", "reclassering", "jeugdbescherming-west", "de-waag"}
MINUTE: Final = timedelta(minutes=1)
XML: Final = "text/xml"


def overlay(feedback: str) -> dict[str, Any]:
    told = {"stuf-melding-generiek": feedback}
    receives = {"channel": "webhook", "url": "https://vt.example/in", "application": "Regas", "feedback": told}
    return {"partners.yaml": {"partners": [{"id": VT, "receives": receives}]}}


async def report(stage: Stage) -> None:
    body = (EXAMPLES / "stuf_melding_generiek" / "examples" / "mda-delft.xml").read_bytes()
    receipt = await stage.send(VT, body, XML)
    assert receipt.state == "routed"
    await stage.hub.dispatch.run_once()


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    opened = open_stage(tmp_path, overlay=overlay("feedback-json"))
    async with opened.hub:
        await report(opened)
        yield opened
        assert await opened.holes() == []


def views(stage: Stage, partner: str) -> list[dict[str, Any]]:
    return [view for view in stage.views()[partner] if "occasion" not in view]


def occasions(stage: Stage, partner: str) -> list[str]:
    return [view["occasion"] for view in stage.views()[partner] if "occasion" in view]


def reference(stage: Stage, partner: str) -> str:
    return str(next(view["case"]["reference"] for view in stage.views()[partner] if "case" in view))


async def confirm(stage: Stage, *partners: str) -> None:
    for partner in partners:
        stage.clock.forward(MINUTE)
        own = views(stage, partner)[-1]["request"]["reference"]
        said = Answer(reference=own, answer="confirmed", contact=CONTACT)
        await stage.hub.involvement.answer(stage.partner(partner), said, now=stage.clock.now())
    await stage.hub.dispatch.run_once()


async def act(stage: Stage, actor: str, kind: str, **fields: Any) -> dict[str, str]:
    stage.clock.forward(MINUTE)
    done = await stage.hub.acting.act(
        kind, actor=actor, reference=reference(stage, actor), fields=fields, now=stage.clock.now(), said=WHO
    )
    await stage.hub.dispatch.run_once()
    return dict(done.made)


async def refused(stage: Stage, actor: str, kind: str, **fields: Any) -> str:
    with pytest.raises(Refusal) as refusal:
        await act(stage, actor, kind, **fields)
    return refusal.value.findings[0].rule


async def ledger(stage: Stage) -> CaseLedger:
    found = await stage.hub.store.ledger(ZVHH, reference(stage, ZVHH))
    assert found is not None
    return found


async def test_every_reported_case_is_weighed_by_the_clock_from_its_receipt(stage: Stage) -> None:
    case = await ledger(stage)
    assert {(one.partner, one.role, one.state) for one in case.involved} == {
        (ZVHH, "process-director", "asked"),
        (LOCAL, "case-director", "asked"),
    }
    (weighing,) = case.matters
    assert (weighing.machine, weighing.partner, weighing.state) == ("admission", ZVHH, "reported")
    clocks = {clock.kind: clock for clock in case.deadlines if clock.partner == ZVHH}
    assert set(clocks) == {"answer", "admission"}
    assert clocks["admission"].started_at == case.opened_at
    await confirm(stage, ZVHH, LOCAL)
    assert [clock.kind for clock in (await ledger(stage)).deadlines] == ["admission"]


async def test_a_second_message_of_the_case_starts_no_second_weighing(stage: Stage) -> None:
    body = (EXAMPLES / "stuf_melding_generiek" / "examples" / "mda-delft.xml").read_text(encoding="utf-8")
    again = body.replace("<StUF:referentienummer>", "<StUF:referentienummer>W", 1)
    assert again != body
    await stage.send(VT, again.encode(), XML)
    assert [one.machine for one in (await ledger(stage)).matters] == ["admission"]


async def test_the_covenant_is_asked_for_its_voice_and_each_voice_is_on_record(stage: Stage) -> None:
    await confirm(stage, ZVHH, LOCAL)
    made = await act(stage, ZVHH, "ask-voice")
    assert made["asked"] == str(len(COVENANT))
    for partner in COVENANT:
        assert occasions(stage, partner) == ["asked-voice"]
        assert views(stage, partner) == []  # nobody of the household is named
    assert (await act(stage, ZVHH, "ask-voice"))["id"] == made["id"]
    assert occasions(stage, "politie") == ["asked-voice"]
    await act(stage, "politie", "voice", voice="admit", contactHistory="drie keer ter plaatse")
    await act(stage, ZVHH, "voice", partner="de-waag", voice="not-admit")
    await act(stage, LOCAL, "voice", voice="abstain")
    await act(stage, "politie", "voice", voice="not-admit")
    case = await ledger(stage)
    tools = stage.hub.acting.tools
    assert voices(case, tools) == {"politie": "not-admit", "de-waag": "not-admit", LOCAL: "abstain"}
    assert [one.actor for one in case.entries if one.event == "voice"] == ["politie", ZVHH, LOCAL, "politie"]
    assert {one.partner for one in case.involved} == {ZVHH, LOCAL}  # a voice makes nobody involved


async def test_who_has_no_voice_or_speaks_for_another_is_refused(stage: Stage) -> None:
    await confirm(stage, ZVHH)
    await act(stage, ZVHH, "ask-voice", partner="politie")
    assert occasions(stage, "de-waag") == []
    assert await refused(stage, "politie", "voice", partner="de-waag", voice="admit") == "voice:only-its-own"
    assert await refused(stage, ZVHH, "voice", partner="vvt", voice="admit") == "voice:not-of-the-covenant"
    assert await refused(stage, ZVHH, "ask-voice", partner="vvt") == "voice:not-of-the-covenant"
    assert await refused(stage, ZVHH, "voice", partner="politie", voice="misschien") == "act:field-wrong"
    assert await refused(stage, "politie", "admission", outcome="admitted") == "act:only-the-lead"
    assert await refused(stage, LOCAL, "ask-voice") == "act:only-the-lead"


async def test_admitted_the_tailored_parts_can_be_asked_and_veilig_thuis_hears_of_it(stage: Stage) -> None:
    await confirm(stage, ZVHH, LOCAL)
    assert await refused(stage, ZVHH, "ask", partner="reclassering") == "admission:not-admitted"
    await act(stage, ZVHH, "ask-voice")
    await act(stage, ZVHH, "admission", outcome="admitted")
    case = await ledger(stage)
    assert [one.state for one in case.matters] == ["admitted"]
    assert case.deadlines == ()
    assert "admission-decided" in [one.event for one in case.entries]
    told = stage.views()[VT][-1]
    assert (told["occasion"], told["admission"]) == ("admitted", "admitted")
    assert occasions(stage, LOCAL)[-1] == "admission-decided"
    assert occasions(stage, "politie") == ["asked-voice", "admission-decided"]
    assert stage.views()["politie"][-1]["terms"] == {"outcome": "admitted"}
    assert standing_of(case, stage.hub.region, stage.clock.now()).state is StandingState.COMPLETE
    await act(stage, ZVHH, "ask", partner="reclassering", phase="risk-driven-care")
    assert [one.state for one in (await ledger(stage)).involved if one.partner == "reclassering"] == ["asked"]
    assert await refused(stage, ZVHH, "voice", partner="politie", voice="admit") == "admission:decided-already"


async def test_triage_goes_on_with_a_clock_that_starts_anew(stage: Stage) -> None:
    await confirm(stage, ZVHH, LOCAL)
    (before,) = (await ledger(stage)).deadlines
    stage.clock.forward(timedelta(days=7))
    await act(stage, ZVHH, "admission", outcome="triage")
    case = await ledger(stage)
    assert [one.state for one in case.matters] == ["triage"]
    (after,) = case.deadlines
    assert (after.kind, after.partner) == ("admission", ZVHH)
    assert after.due_at > before.due_at
    assert stage.views()[VT][-1]["admission"] == "triage"
    assert standing_of(case, stage.hub.region, stage.clock.now()).state is StandingState.WAITING
    await act(stage, ZVHH, "admission", outcome="admitted")
    assert (await ledger(stage)).deadlines == ()


async def test_referred_back_needs_a_reason_that_only_the_case_directors_read(stage: Stage) -> None:
    await confirm(stage, ZVHH, LOCAL)
    await act(stage, ZVHH, "ask-voice", partner="politie")
    assert await refused(stage, ZVHH, "admission", outcome="referred-back") == "act:field-missing"
    await act(stage, ZVHH, "admission", outcome="referred-back", reason="eerst lokaal Kanarie")
    assert stage.views()[VT][-1]["admission"] == "referred-back"
    assert "Kanarie" in json.dumps(stage.views()[LOCAL])
    assert "Kanarie" not in json.dumps([stage.views()[VT], stage.views()["politie"]])
    (repeated,) = {(await act(stage, ZVHH, "admission", outcome="referred-back", reason="nog eens"))["state"]}
    assert repeated == "referred-back"
    assert await refused(stage, ZVHH, "admission", outcome="admitted") == "admission:decided-already"
    await act(stage, ZVHH, "close", reason="terugverwezen")


async def test_a_case_of_icm_is_not_weighed(tmp_path: Path) -> None:
    opened = open_stage(tmp_path)
    async with opened.hub:
        await opened.send("thv-pool", thv("den-haag-eerste-thv"))
        await opened.hub.dispatch.run_once()
        await confirm(opened, "vvt")
        assert await refused(opened, "vvt", "admission", outcome="admitted") == "admission:only-mda"
        assert await refused(opened, "vvt", "ask-voice") == "admission:only-mda"


async def test_a_source_that_reads_stuf_hears_the_outcome_by_its_code(tmp_path: Path) -> None:
    opened = open_stage(tmp_path, overlay=overlay("feedback-stuf"))
    async with opened.hub:
        await report(opened)
        own = [json.loads(each.content) for each in opened.webhook.sent if each.recipient == ZVHH]
        now = opened.clock.forward(MINUTE)
        said = Answer(reference=own[0]["request"]["reference"], answer="confirmed", contact=CONTACT)
        await opened.hub.involvement.answer(opened.partner(ZVHH), said, now=now)
        for outcome, code in (("triage", "ZVH-02"), ("admitted", "ZVH-01")):
            await opened.hub.acting.act(
                "admission",
                actor=ZVHH,
                reference=own[0]["case"]["reference"],
                fields={"outcome": outcome},
                now=opened.clock.forward(MINUTE),
                said=WHO,
            )
            await opened.hub.dispatch.run_once()
            told = [each for each in opened.webhook.sent if each.recipient == VT][-1]
            stuf = formats()["stuf-jz"]
            read = stuf.read_answer(told.content)  # type: ignore[attr-defined]  # checked against the XSD there
            assert read.document["object"]["statuscode"] == code
