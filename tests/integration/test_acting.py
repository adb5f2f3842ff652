# SPDX-License-Identifier: EUPL-1.2
"""What a lead does in a case, on the whole hub: who is asked in learns of those it serves, and every act stands."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from regions import FOLDER
from schakel.acting import Said
from schakel.errors import Refusal
from schakel.ledger_records import ActOutcome, CaseLedger
from schakel.message import Answer, Contact
from schakel.records import RequestQuery
from tests.integration.stage import Stage, open_stage, thv

LEAD, DUO, POLICE, CLINIC = "perspektief", "lokaal-team-delft", "politie", "de-waag"
OPERATOR: Final = "operator:Test Coördinator"
PERSON: Final = Said(name="Fictief van Test", function="ICM'er", medium="phone", evidence="dossier 12")
CONTACT: Final = Contact(name="Fictief de Tester", phone="015 0000000")
HERS, HIS = "Schuilstraat", "Logeerstraat"


def _address(street: str, digits: str) -> dict[str, str]:
    return {
        "soort": "verblijfadres", "straat": street, "huisnummer": "3", "postcode": digits, "woonplaats": "Delft",
        "gemeentecode": "0503",
    }  # fmt: skip


def message(number: int = 1) -> bytes:
    """A household in which victim and removed person stay apart, neither at the address of the order."""
    document = json.loads(thv("delft-tweede-thv", kenmerk=f"K-{number}"))
    for person in document["betrokkenen"]:
        person["adressen"] = [_address(*((HERS, "2611 AA") if person["id"] == "v" else (HIS, "2613 BB")))]
    return json.dumps(document).encode()


def shows_addresses() -> dict[str, Any]:
    """Haaglanden shows its partners no address; a region may."""
    table = yaml.safe_load((FOLDER / "haaglanden" / "disclosure.yaml").read_text(encoding="utf-8"))
    for row in table["roles"]:
        if row["role"] == "partner":
            row["fields"] += ["members.role", "members.addresses"]
    return {"roles": table["roles"]}


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    opened = open_stage(tmp_path, overlay={"disclosure.yaml": shows_addresses()})
    async with opened.hub:
        await opened.send("thv-pool", message())
        await opened.hub.dispatch.run_once()
        await say(opened, LEAD, "confirmed", contact=CONTACT)
        yield opened
        assert await opened.holes() == []


async def say(stage: Stage, partner: str, word: str, *, on: str = "", **more: Any) -> str:
    stage.clock.forward(timedelta(seconds=1))
    found = [view["request"]["reference"] for view in stage.views()[partner] if "request" in view]
    answer = Answer(reference=on or found[-1], answer=word, **more)  # type: ignore[arg-type]
    outcome = await stage.hub.involvement.answer(stage.partner(partner), answer, now=stage.clock.now())
    await stage.hub.dispatch.run_once()
    return outcome.outcome


async def act(stage: Stage, actor: str, kind: str, *, key: str = "", **fields: Any) -> ActOutcome:
    stage.clock.forward(timedelta(seconds=1))
    case = stage.views()[LEAD][0]["case"]["reference"]
    own = case if ":" in actor else stage.views()[actor][0]["case"]["reference"]
    outcome = await stage.hub.acting.act(
        kind, actor=actor, reference=own, fields=fields, now=stage.clock.now(), said=PERSON, key=key
    )
    await stage.hub.dispatch.run_once()
    return outcome


async def ledger(stage: Stage) -> CaseLedger:
    found = await stage.hub.store.ledger("", stage.views()[LEAD][0]["case"]["reference"])
    assert found is not None
    return found


# -- whom it serves ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("serves", "hers", "his"), [("victim", True, False), ("removed", False, True), ("household", True, True)]
)
async def test_who_is_asked_in_for_one_learns_nothing_of_where_the_other_is(
    stage: Stage, serves: str, hers: bool, his: bool
) -> None:
    await act(stage, LEAD, "ask", partner=POLICE, serves=serves)
    await stage.send("thv-pool", message(2))  # an update goes to it under the same word
    await stage.hub.dispatch.run_once()
    seen = [json.dumps(view) for view in stage.views()[POLICE]]
    assert len(seen) == 2
    assert [(HERS in view, HIS in view) for view in seen] == [(hers, his)] * 2


async def test_without_a_word_of_the_lead_the_region_says_whom_a_partner_serves(stage: Stage) -> None:
    await act(stage, LEAD, "ask", partner=POLICE)  # unknown
    await act(stage, LEAD, "ask", partner="reclassering")  # the removed person
    seen = {partner: json.dumps(stage.views()[partner]) for partner in (POLICE, "reclassering")}
    assert (HERS in seen[POLICE], HIS in seen[POLICE]) == (False, False)
    assert (HERS in seen["reclassering"], HIS in seen["reclassering"]) == (False, True)


# -- the whole way -----------------------------------------------------------------------------------------------------


async def test_a_case_from_asking_in_to_closing(stage: Stage) -> None:
    await say(stage, DUO, "confirmed", contact=CONTACT)
    await act(stage, LEAD, "ask", partner=POLICE, phase="direct-safety")
    (view,) = stage.views()[POLICE]
    assert (view["schema"], view["request"]["role"]) == ("case-view@1", "partner")
    assert await say(stage, POLICE, "in-consideration") == "recorded"
    assert await say(stage, POLICE, "confirmed") == "recorded"
    await act(stage, LEAD, "establish", partner=POLICE)
    await act(stage, LEAD, "milestone", event="first-visit")
    await act(stage, LEAD, "milestone", event="plan-made")
    since, until = stage.clock.now(), stage.clock.now() + timedelta(days=3)
    terms = {"direction": "raise", "level": "elke dag", "reason": "Onrust"}
    await act(stage, LEAD, "effort", partner=POLICE, **terms, **{"from": since.isoformat(), "until": until.isoformat()})
    asked = stage.views()[POLICE][-1]
    assert (asked["occasion"], asked["terms"]["level"]) == ("effort-asked", "elke dag")
    assert await say(stage, POLICE, "adjusted", level="om de dag") == "recorded"
    told = stage.views()[LEAD][-1]
    assert (told["occasion"], told["terms"]["answer"], told["terms"]["level"]) == (
        "effort-answered",
        "adjusted",
        "om de dag",
    )
    await act(stage, LEAD, "withdrawal", partner=POLICE, reason="Rustig.")
    assert stage.views()[POLICE][-1]["occasion"] == "withdrawal-asked"
    assert await say(stage, POLICE, "withdrawn") == "recorded"
    await act(stage, LEAD, "close", reason="Klaar.")
    assert stage.views()[DUO][-1]["occasion"] == "closed"
    case = await ledger(stage)
    assert case.state == "closed"
    assert {one.kind for one in case.deadlines} == {"follow-up"}
    assert [(one.machine, one.state) for one in case.matters] == [
        ("establishment", "released"),
        ("effort", "cancelled"),
    ]
    await act(stage, DUO, "milestone", event="evaluated")
    assert (await ledger(stage)).deadlines == ()
    phoned = [line for line in case.entries if line.actor == LEAD and line.event == "establish"]
    assert [line.medium for line in phoned] == ["phone"]


async def test_a_partner_that_declined_gets_the_case_again_when_it_is_asked_again(stage: Stage) -> None:
    await act(stage, LEAD, "ask", partner=POLICE)
    await say(stage, POLICE, "declined", reason_code="no-capacity")
    await act(stage, LEAD, "ask", partner=POLICE)
    first, second = stage.views()[POLICE]
    assert first["request"]["reference"] != second["request"]["reference"]
    assert await say(stage, POLICE, "confirmed") == "recorded"


async def test_the_same_act_twice_is_written_once(stage: Stage) -> None:
    first = await act(stage, LEAD, "ask", key="een", partner=POLICE)
    again = await act(stage, LEAD, "ask", key="een", partner=POLICE)
    assert (first.outcome, again.outcome) == ("recorded", "repeated")
    assert len(stage.views()[POLICE]) == 1
    with pytest.raises(Refusal) as caught:
        await act(stage, LEAD, "ask", key="een", partner=CLINIC)
    assert (caught.value.status, caught.value.findings[0].rule) == (409, "act:key-reused")


async def test_another_person_to_call_reaches_the_matrix(stage: Stage) -> None:
    other = Contact(name="Fictief van Nacht", phone="015 0000001")
    versions = [await _version(stage)]
    for outcome in ("recorded", "repeated"):
        assert await say(stage, LEAD, "confirmed", contact=other) == outcome
        versions.append(await _version(stage))
    assert versions[0] < versions[1] == versions[2]  # who looked before does not write over what it did not see
    matrix = await stage.hub.involvement.case_view(stage.partner(DUO), _own(stage, DUO), now=stage.clock.now())
    (line,) = [line for line in matrix["requests"] if line["role"] == "lead"]
    assert [answer["contact"]["name"] for answer in line["answers"]] == ["Fictief de Tester", "Fictief van Nacht"]
    assert (line["state"], line["contradicted"]) == ("confirmed", False)


async def _version(stage: Stage) -> int:
    found = await stage.hub.store.own_requests(LEAD, RequestQuery(), after="", limit=1)
    return found.rows[0].version


def _own(stage: Stage, partner: str) -> str:
    return str(stage.views()[partner][0]["case"]["reference"])


async def test_a_contradiction_stays_alarmed_when_the_answer_settles_other_alarms(stage: Stage) -> None:
    await say(stage, LEAD, "declined", reason_code="no-capacity")
    causes = {alarm.cause for alarm in await stage.hub.store.alarms() if alarm.acknowledged_by is None}
    assert "answer-contradicted" in causes


async def test_what_is_said_lies_sealed(stage: Stage) -> None:
    await act(stage, LEAD, "note", note="Zij verblijft in het blauwe huis.")
    for file in stage.hub.settings.home.iterdir():
        content = file.read_bytes()
        for secret in (b"blauwe huis", b"Fictief van Test", b"dossier 12"):
            assert secret not in content


async def test_effort_ends_when_its_time_has_come(stage: Stage) -> None:
    await act(stage, LEAD, "ask", partner=POLICE)
    await say(stage, POLICE, "confirmed")
    since, until = stage.clock.now(), stage.clock.now() + timedelta(days=1)
    terms = {"direction": "raise", "level": "elke dag", "reason": "Onrust"}
    await act(stage, LEAD, "effort", partner=POLICE, **terms, **{"from": since.isoformat(), "until": until.isoformat()})
    await say(stage, POLICE, "accepted")
    stage.clock.at = until
    await stage.hub.clockwork.run_once(until)
    await stage.hub.dispatch.run_once()
    assert [one.state for one in (await ledger(stage)).matters] == ["ended"]
    for partner in (POLICE, LEAD):
        assert stage.views()[partner][-1]["occasion"] == "effort-ended"
