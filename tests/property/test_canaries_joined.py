# SPDX-License-Identifier: EUPL-1.2
"""Two cases that a person joins are one household: what either knows of hidden people holds for both, also for what was
accepted before and for what is told after."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support import canaries as plants
from tests.support.canaries import OTHERS, Garden, found
from tests.support.listening import Listening, listening

JSON, FHIR = "application/json", "application/fhir+json"
DUO = "lokaal-team-westland"
HIDDEN = {"address", "contact"}  # of the victim's side, for whoever may not know where she is


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Listening]:
    async with listening(tmp_path) as running:
        yield running


class Household:
    """A pool's case, and the crisis team's case of the same victim and somebody else: only a suggestion."""

    def __init__(self) -> None:
        self.order, self.crisis = Garden(), Garden()
        self.document = plants.thv(self.order, municipality="1783")
        self.bundle = plants.fhir(self.crisis, "westland")
        victim = next(
            entry["resource"]
            for entry in self.bundle["entry"]
            if entry["resource"].get("identifier", [{}])[0].get("system", "").endswith("/bsn")
        )
        victim["identifier"][0]["value"] = self.document["betrokkenen"][0]["bsn"]

    def update(self, *, secret: str = "") -> dict[str, Any]:
        changed = json.loads(json.dumps(self.document))
        changed |= {"kenmerk": self.order.word("kenmerk", "own-reference"), "soort": "wijziging"}
        return plants.hide_thv(changed, secret)

    def hidden_in(self, data: bytes) -> list[str]:
        every = list(plants.words_of([self.order, self.crisis]))
        prose = [each for each in every if each.kind.endswith("-prose")]
        hers = [each for each in every if each.kind in HIDDEN and each.side == OTHERS]
        return [f"{each.kind}: {each.path}" for each in found([*prose, *hers], data)]


async def send(hub: Listening, source: str, document: dict[str, Any]) -> None:
    reply = await hub.send(source, json.dumps(document).encode(), FHIR if source == "cit" else JSON)
    assert reply.status_code == 202, reply.content
    hub.clock.at += timedelta(seconds=1)


async def join(hub: Listening) -> None:
    """A person decides that the lead's two cases are one."""
    box = (await hub.client("perspektief").get("/v1/mailbox")).json()["entries"]
    views = [(await hub.client("perspektief").get(f"/v1/mailbox/{each['number']}")).json() for each in box]
    first, second = dict.fromkeys(view["case"]["reference"] for view in views)
    code, said = await hub.command("case", "join", first, second, "--by", "Fictief", "--reason", "zelfde huishouden")
    assert code == 0, said


async def heard_by_duo(hub: Listening) -> bytes:
    """What comes from now on."""
    hub.ears.drain()
    await hub.work(timedelta(minutes=2))
    sent = [data for who, data in hub.ears.drain() if who == DUO]
    assert sent
    return b"".join(sent)


async def test_the_older_case_learns_who_is_hidden_from_the_younger(hub: Listening) -> None:
    house = Household()
    await send(hub, "thv-pool", house.document)
    plants.hide_fhir(house.bundle)
    await send(hub, "cit", house.bundle)
    await hub.work()
    await send(hub, "thv-pool", house.update())
    assert house.hidden_in(await heard_by_duo(hub)), "two cases, and this one knows of no secret"
    await join(hub)
    await send(hub, "thv-pool", house.update())
    assert house.hidden_in(await heard_by_duo(hub)) == []


async def test_what_waits_of_the_younger_case_is_cut_again(hub: Listening) -> None:
    house = Household()
    await send(hub, "thv-pool", plants.hide_thv(house.document, "person"))
    hub.ears.refusing = {DUO}
    await send(hub, "cit", house.bundle)
    await hub.work()
    await join(hub)
    hub.ears.refusing = set()
    assert house.hidden_in(await heard_by_duo(hub)) == []


async def test_what_the_older_case_hears_afterwards_holds_for_what_waits_of_the_younger(hub: Listening) -> None:
    house = Household()
    await send(hub, "thv-pool", house.document)
    hub.ears.refusing = {DUO}
    await send(hub, "cit", house.bundle)
    await hub.work()
    await join(hub)
    await send(hub, "thv-pool", house.update(secret="person"))
    hub.ears.refusing = set()
    assert house.hidden_in(await heard_by_duo(hub)) == []
