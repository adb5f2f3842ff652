# SPDX-License-Identifier: EUPL-1.2
"""The ledger over HTTP: the lead asks a partner in, establishes it, records a visit; each reads what is his."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from tests.integration.stage import JSON, thv
from tests.integration.test_api_hub import House, house

__all__ = ["house"]
ICM = {"name": "Fictieve Casemanager", "function": "intensief casemanager"}
CONTACT = {"name": "Fictieve Casemanager", "phone": "070 0000000"}


@dataclass
class Case:
    """A confirmed case in Delft, its lead and duo with their own references of it."""

    house: House
    lead: httpx2.AsyncClient
    waag: httpx2.AsyncClient
    stranger: httpx2.AsyncClient  # a team that has no part in it
    reference: str

    async def act(self, path: str, body: dict[str, Any], **headers: str) -> httpx2.Response:
        return await self.lead.post(f"/v1/cases/{self.reference}/{path}", json={"actor": ICM, **body}, headers=headers)


@pytest.fixture
async def case(house: House) -> Case:
    pool, lead, waag, stranger = [await house.client(name) for name in ("thv-pool", "perspektief", "de-waag", "vvt")]
    taken = await pool.post("/v1/referrals", content=thv("delft-tweede-thv"), headers={"content-type": JSON})
    assert taken.status_code == 202, taken.text
    await house.hub.dispatch.run_once()
    view = json.loads(house.perspektief.journal[0].body)["data"]
    answer = {"reference": view["request"]["reference"], "answer": "confirmed", "contact": CONTACT}
    assert (await lead.post("/v1/answers", json=answer)).json() == {
        "outcome": "recorded",
        "requestState": "confirmed",
    }
    return Case(house, lead, waag, stranger, view["case"]["reference"])


async def test_the_lead_asks_in_and_establishes_and_only_the_lead_and_duo_see_all(case: Case) -> None:
    asked = await case.act("involvements", {"action": "ask", "partner": "de-waag", "phase": "risk-driven-care"})
    assert asked.status_code == 200, asked.text
    assert asked.json()["outcome"] == "recorded"
    established = await case.act("involvements", {"action": "establish", "partner": "de-waag", "evidence": "gesprek"})
    assert established.status_code == 200, established.text

    own = (await case.waag.get("/v1/mailbox/1")).json()
    told = await case.waag.get(f"/v1/cases/{own['case']['reference']}/ledger")
    assert {one["partner"] for one in told.json()["involvements"]} == {"de-waag"}
    assert "standing" not in told.json()
    refused = await case.waag.post(
        f"/v1/cases/{own['case']['reference']}/closure", json={"actor": ICM, "reason": "mag niet"}
    )
    assert (refused.status_code, refused.json()["errors"][0]["rule"]) == (403, "act:only-the-lead")

    ledger = (await case.lead.get(f"/v1/cases/{case.reference}/ledger")).json()
    line = next(one for one in ledger["involvements"] if one["partner"] == "de-waag")
    assert (line["state"], line["established"], line["phase"]) == ("asked", True, "risk-driven-care")
    assert ledger["standing"]["state"] == "waiting"
    assert ledger["standing"]["next"] is not None
    entry = next(one for one in ledger["entries"] if one["event"] == "establish")
    assert (entry["by"], entry["medium"], entry["words"]["actor"]) == ("perspektief", "own-system", ICM)


async def test_as_known_at_an_instant_shows_what_the_hub_knew_then(case: Case) -> None:
    before = case.house.hub.clock.now().isoformat()
    assert (await case.act("involvements", {"action": "ask", "partner": "de-waag"})).status_code == 200
    then = await case.lead.get(f"/v1/cases/{case.reference}/ledger", params={"at": before})
    assert "de-waag" not in {one["partner"] for one in then.json()["involvements"]}
    now = await case.lead.get(f"/v1/cases/{case.reference}/ledger")
    assert "de-waag" in {one["partner"] for one in now.json()["involvements"]}


async def test_a_repeat_under_the_same_key_changes_nothing(case: Case) -> None:
    body = {"event": "first-visit", "at": case.house.hub.clock.now().isoformat()}
    first = await case.act("events", body, **{"idempotency-key": "bezoek-1"})
    again = await case.act("events", body, **{"idempotency-key": "bezoek-1"})
    assert (first.json()["outcome"], again.json()["outcome"]) == ("recorded", "repeated")
    ledger = (await case.lead.get(f"/v1/cases/{case.reference}/ledger")).json()
    assert [one["event"] for one in ledger["entries"]].count("first-visit") == 1
    assert {"plan", "year"} <= {one["kind"] for one in ledger["deadlines"]}


async def test_what_a_partner_said_by_telephone_is_written_down_and_effort_taken_back(case: Case) -> None:
    assert (await case.act("involvements", {"action": "ask", "partner": "de-waag"})).status_code == 200
    said = {
        "action": "word",
        "partner": "de-waag",
        "answer": "confirmed",
        "medium": "phone",
        "evidence": "met de balie",
    }
    assert (await case.act("involvements", said)).json()["made"]["state"] == "confirmed"
    now = case.house.hub.clock.now()
    terms = {"partner": "de-waag", "direction": "raise", "level": "twee keer per week", "reason": "Onrust"}
    times = {"from": now.isoformat(), "until": (now + timedelta(days=7)).isoformat()}
    asked = await case.act("effort-requests", {**terms, **times})
    assert asked.status_code == 200, asked.text
    matter = asked.json()["made"]["id"]
    back = await case.act("events", {"event": "cancel", "matter": matter, "reason": "Het is rustig."})
    assert back.json()["made"] == {"id": matter, "state": "cancelled"}
    assert (await case.act("events", {"event": "note", "note": "Gebeld met de school."})).status_code == 200
    ledger = (await case.lead.get(f"/v1/cases/{case.reference}/ledger")).json()
    (confirmed,) = [one for one in ledger["entries"] if one["event"] == "confirm" and one["medium"] == "phone"]
    assert (confirmed["by"], confirmed["words"]["evidence"]) == ("perspektief", "met de balie")


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        ({"action": "withdraw", "partner": "lokaal-team-delft", "role": "duo"}, "act:only-a-coordinator"),
        ({"action": "hand-over", "partner": "vvt", "role": "lead"}, ""),
    ],
)
async def test_who_may_what_holds_at_the_door(case: Case, body: dict[str, Any], rule: str) -> None:
    done = await case.act("involvements", {**body, "reason": "Proef"})
    assert done.status_code == (403 if rule else 200), done.text
    assert not rule or [one["rule"] for one in done.json()["errors"]] == [rule]


@pytest.mark.parametrize(
    ("path", "body", "rule"),
    [
        ("involvements", {"action": "word", "partner": "de-waag"}, "schema:value-error"),
        ("involvements", {"action": "ask", "partner": "de-waag", "answer": "confirmed"}, "schema:value-error"),
        ("involvements", {"action": "ask", "partner": "de-waag", "reasonCode": "other"}, "schema:value-error"),
        ("events", {"event": "cancel"}, "schema:value-error"),
        ("events", {"event": "first-visit", "matter": "x"}, "schema:value-error"),
        ("involvements", {"action": "ask", "partner": "bestaat-niet"}, "ask:unknown-partner"),
        ("events", {"event": "admission"}, "schema:value-error"),
        ("effort-requests", {"partner": "de-waag"}, "schema:missing"),
        ("closure", {}, "schema:missing"),
    ],
)
async def test_what_cannot_be_is_refused_by_a_rule(case: Case, path: str, body: dict[str, Any], rule: str) -> None:
    refused = await case.act(path, body)
    assert refused.status_code == 400, refused.text
    assert rule in {one["rule"] for one in refused.json()["errors"]}


async def test_a_moment_that_is_none_and_another_partners_case_are_refused(case: Case) -> None:
    wrong = await case.lead.get(f"/v1/cases/{case.reference}/ledger", params={"at": "gisteren"})
    assert (wrong.status_code, wrong.json()["errors"][0]["rule"]) == (400, "schema:date-time")
    assert (await case.stranger.get(f"/v1/cases/{case.reference}/ledger")).status_code == 404
    body = {"actor": ICM, "reason": "niet van ons"}
    assert (await case.stranger.post(f"/v1/cases/{case.reference}/closure", json=body)).status_code == 404
