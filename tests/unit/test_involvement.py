# SPDX-License-Identifier: EUPL-1.2
"""The ledger: any row of answers follows the table of states, and each asker sees what its role may see."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from schakel.acts.answers import AGAIN, EVENT, PASSING, SETTLED
from schakel.errors import NotFound, Refusal
from schakel.message import Answer, Contact
from schakel.states import Machine, RequestState, Role, next_state
from tests.integration.stage import Stage, cit, household, open_stage, thv

CONTACT = Contact(name="Fictief de Tester", phone="070 0000000")


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    opened = open_stage(tmp_path)
    async with opened.hub:
        yield opened
        assert await opened.holes() == []


def said(reference: str, answer: str) -> Answer:
    reason = "no-capacity" if answer == "declined" else None
    contact = CONTACT if answer == "confirmed" else None
    return Answer(reference=reference, answer=answer, reason_code=reason, contact=contact)  # type: ignore[arg-type]


async def _plays(folder: Path, answers: list[str]) -> None:
    """One request, many answers; the model beside it is the table of states. What no move holds is kept when it says
    something new, or refused, and never moves anything."""
    stage = open_stage(folder)
    async with stage.hub:
        await stage.send("thv-pool", thv("den-haag-eerste-thv"))
        await stage.hub.dispatch.run_once()
        view = stage.views()["vvt"][0]
        partner, reference = stage.partner("vvt"), view["request"]["reference"]
        state, contradicted, recorded, last = str(RequestState.ASKED), False, 0, ""
        for answer in answers:
            stage.clock.forward(timedelta(minutes=1))
            after = next_state(Machine.REQUEST, state, EVENT[answer], Role.RECIPIENT)
            expected = _expected(answer, state, after, same=answer == last)
            try:
                outcome = await stage.hub.involvement.answer(partner, said(reference, answer), now=stage.clock.now())
            except Refusal:
                assert expected == "refused"
                continue
            assert outcome.outcome == expected
            contradicted |= expected == "contradicts"
            recorded += expected != "repeated"
            last = last if expected == "repeated" else answer
            state = after or state
            assert outcome.request_state == state
        matrix = await stage.hub.involvement.case_view(partner, view["case"]["reference"], now=stage.clock.now())
        (line,) = [line for line in matrix["requests"] if line["partner"] == "vvt"]
        assert (line["state"], line["contradicted"], len(line["answers"])) == (state, contradicted, recorded)
        assert await stage.holes() == []


def _expected(answer: str, state: str, after: str | None, *, same: bool) -> str:
    if after is not None:
        return "contradicts" if state in SETTLED and answer in ("confirmed", "declined") else "recorded"
    if answer == "withdrawn" and state in ("asked", "received", "in-consideration", "confirmed"):
        return "refused"  # nobody asked
    if answer == "completed" and state in ("asked", "received", "in-consideration"):
        return "refused"  # there was nothing to complete
    if same or (answer in PASSING and AGAIN.get(answer) != state):
        return "repeated"
    return "contradicts" if answer == "confirmed" and state in ("completed", "withdrawn") else "recorded"


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(answers=st.lists(st.sampled_from(sorted(EVENT)), max_size=6))
def test_any_row_of_answers_follows_the_table_of_states(
    tmp_path_factory: pytest.TempPathFactory, answers: list[str]
) -> None:
    asyncio.run(_plays(tmp_path_factory.mktemp("ledger"), answers))


async def test_an_answer_implies_receipt(stage: Stage) -> None:
    await stage.send("thv-pool", thv("delft-tweede-thv"))
    await stage.hub.dispatch.run_once()
    view = stage.views()["lokaal-team-delft"][0]
    answer = said(view["request"]["reference"], "received")
    await stage.hub.involvement.answer(stage.partner("lokaal-team-delft"), answer, now=stage.clock.now())
    entries = await stage.hub.store.mailbox("lokaal-team-delft", after=0, limit=5)
    assert [entry.state for entry in entries] == ["delivered"]


async def test_a_reference_written_small_is_the_same(stage: Stage) -> None:
    await stage.send("thv-pool", thv("den-haag-eerste-thv"))
    await stage.hub.dispatch.run_once()
    reference = stage.views()["vvt"][0]["request"]["reference"].lower()
    outcome = await stage.hub.involvement.answer(
        stage.partner("vvt"), said(reference, "received"), now=stage.clock.now()
    )
    assert outcome.outcome == "recorded"


@pytest.mark.parametrize("wrong", ["", "a b", "x" * 65, "naam@voorbeeld"])
def test_a_reference_that_is_none_is_no_answer(wrong: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Answer(reference=wrong, answer="received")
    assert not wrong or wrong not in str(caught.value)


async def test_what_a_partner_told_lies_sealed(stage: Stage) -> None:
    await stage.send("thv-pool", household(1))
    await stage.hub.dispatch.run_once()
    reference = stage.views()["vvt"][0]["request"]["reference"]
    await stage.hub.involvement.answer(stage.partner("vvt"), said(reference, "confirmed"), now=stage.clock.now())
    for file in stage.hub.settings.home.iterdir():
        content = file.read_bytes()
        assert b"Fictief de Tester" not in content
        assert b"070 0000000" not in content


async def test_a_reason_in_words_reaches_the_matrix_and_not_the_source(stage: Stage) -> None:
    receipt = await stage.send("thv-pool", household(1))
    await stage.hub.dispatch.run_once()
    views = stage.views()
    answer = Answer(
        reference=views["lokaal-team-den-haag"][0]["request"]["reference"],
        answer="declined",
        reason_code="other",
        reason_text="Het huishouden is ons niet bekend",
    )
    await stage.hub.involvement.answer(stage.partner("lokaal-team-den-haag"), answer, now=stage.clock.now())
    matrix = await stage.hub.involvement.case_view(
        stage.partner("vvt"), views["vvt"][0]["case"]["reference"], now=stage.clock.now()
    )
    assert "niet bekend" in json.dumps(matrix)
    status = await stage.hub.involvement.status(stage.partner("thv-pool"), receipt.message_id)
    assert "niet bekend" not in json.dumps(status)
    assert ("duo", "declined") in {(line["role"], line["state"]) for line in status["recipients"]}


async def test_reading_the_matrix_is_audited(stage: Stage) -> None:
    await stage.send("thv-pool", household(1))
    await stage.hub.dispatch.run_once()
    view = stage.views()["vvt"][0]
    before = await linked(stage)
    await stage.hub.involvement.case_view(stage.partner("vvt"), view["case"]["reference"], now=stage.clock.now())
    assert await linked(stage) == 1
    assert before > 0


async def linked(stage: Stage) -> int:
    return (await stage.hub.clockwork.run_once(stage.clock.now())).linked


async def test_what_may_be_the_same_household_is_suggested_to_the_lead_and_to_nobody_else(stage: Stage) -> None:
    """The same victim by BSN, another removed person and another order: two cases until a person decides."""
    await stage.send("thv-pool", thv("den-haag-eerste-thv"))
    document: dict[str, Any] = json.loads(thv("den-haag-eerste-thv", kenmerk="ANDER", zaakkenmerk="ANDER"))
    document["huisverbod"]["nummer"] = "THV-ANDERS-0001"
    for person in document["betrokkenen"]:
        if person["rol"] == "uithuisgeplaatste":
            person.pop("bsn", None)
            person["bsnStatus"] = "onbekend"
    receipt = await stage.send("thv-pool", json.dumps(document).encode())
    assert receipt.state == "routed"  # delivered without delay
    await stage.hub.dispatch.run_once()
    seen = {}
    for name in ("vvt", "lokaal-team-den-haag"):
        first, second = stage.views()[name]
        assert first["case"]["reference"] != second["case"]["reference"]
        view = await stage.hub.involvement.case_view(
            stage.partner(name), first["case"]["reference"], now=stage.clock.now()
        )
        seen[name] = view.get("suggestions")
    assert seen["lokaal-team-den-haag"] is None
    (suggestion,) = seen["vvt"]
    assert (suggestion["kinds"], suggestion["state"]) == ("person", "open")


async def test_an_operator_reads_the_status_of_any_message(stage: Stage) -> None:
    receipt = await stage.send("cit", cit("den-haag"), "application/fhir+json")
    status = await stage.hub.involvement.status(None, receipt.message_id)
    assert status["parked"]["nl"]
    with pytest.raises(NotFound):
        await stage.hub.involvement.status(None, "01900000-0000-7000-8000-000000000000")
