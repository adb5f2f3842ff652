# SPDX-License-Identifier: EUPL-1.2
"""The whole way over HTTP, with a real hub and real sockets: a source hands in, recipients get it, answer and see."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import httpx2
import pytest
from standardwebhooks.webhooks import Webhook

from api.listening import listen
from api.server import door
from connectors.channels import channels
from schakel.bootstrap import Hub, SystemClock, build, initialise
from schakel.keys import new_key
from schakel.settings import Settings
from schakel.webhook_secrets import new_secret
from tests.conformance.channel_suite import Recipient, running
from tests.integration.stage import FHIR, JSON, RecordingSender, cit, thv

HUB_OIN = "00000099000000000001"


@dataclass
class House:
    """A hub behind its door, Perspektief behind a real webhook, the local team of Delft with a mailbox."""

    hub: Hub
    base: str
    perspektief: Recipient
    secret: str
    stack: AsyncExitStack

    async def client(self, partner: str) -> httpx2.AsyncClient:
        text, row = new_key(partner, now=self.hub.clock.now())
        await self.hub.store.add_key(row)
        headers = {"authorization": f"Bearer {text}"}
        client = httpx2.AsyncClient(base_url=self.base, headers=headers, trust_env=False, timeout=30)
        return await self.stack.enter_async_context(client)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with AsyncExitStack() as stack:
        perspektief = await stack.enter_async_context(running(Recipient()))
        overlay = tmp_path / "overlay"
        overlay.mkdir()
        reach = {"id": "perspektief", "receives": {"channel": "webhook", "mode": "full", "url": perspektief.url}}
        (overlay / "partners.yaml").write_text(json.dumps({"partners": [reach]}))
        sock = listen("127.0.0.1", 0)
        base = f"http://127.0.0.1:{sock.getsockname()[1]}"
        settings = Settings(
            _env_file=None, home=tmp_path / "home", region_overlay=overlay, public_url=base, log_level="error"
        )
        initialise(settings)
        ways = channels(settings=settings, hub_oin=HUB_OIN)
        hub = await stack.enter_async_context(
            build(settings, clock=SystemClock(), channels=ways, senders={"smtp": RecordingSender()})
        )
        secret, row = new_secret("perspektief", "v1", vault=hub.vault, now=hub.clock.now())
        await hub.store.add_secret(row)
        server = door(hub)
        serving = asyncio.create_task(server.serve(sockets=[sock]))
        try:
            yield House(hub, base, perspektief, secret, stack)
        finally:
            await stack.aclose()
            server.stop()
            server.force_exit = True
            await serving


async def test_from_the_source_to_the_answers_and_back(house: House) -> None:
    pool, lead, duo = [await house.client(name) for name in ("thv-pool", "perspektief", "lokaal-team-delft")]
    answer = await pool.post("/v1/referrals", content=thv("delft-tweede-thv"), headers={"content-type": JSON})
    assert answer.status_code == 202, answer.text
    receipt = answer.json()
    assert (receipt["state"], receipt["duplicate"]) == ("routed", False)
    assert {one["role"] for one in receipt["recipients"] if one["outcome"] == "deliver"} == {"lead", "duo"}

    await house.hub.dispatch.run_once()
    (request,) = house.perspektief.journal
    event = Webhook(house.secret).verify(request.body, dict(request.headers))
    assert event["source"] == f"urn:nld:oin:{HUB_OIN}:systeem:schakel"
    assert event["sequence"] == "1"
    lead_view = event["data"]

    (entry,) = (await duo.get("/v1/mailbox")).json()["entries"]
    content = await duo.get(f"/v1/mailbox/{entry['number']}")
    digest = base64.b64encode(sha256(content.content).digest()).decode()
    assert content.headers["content-digest"] == f"sha-256=:{digest}:"
    assert (await duo.get(f"/v1/mailbox/{entry['number']}")).content == content.content

    for client, view in ((lead, lead_view), (duo, content.json())):
        said = {
            "reference": view["request"]["reference"],
            "answer": "confirmed",
            "contact": {"name": "A. Bakker", "phone": "070-1"},
        }
        assert (await client.post("/v1/answers", json=said)).json()["requestState"] == "confirmed"
        again = (await client.post("/v1/answers", json=said)).json()
        assert again == {"outcome": "repeated", "requestState": "confirmed"}

    case = (await lead.get(f"/v1/cases/{lead_view['case']['reference']}")).json()
    assert {line["role"]: line["state"] for line in case["requests"]} == {"lead": "confirmed", "duo": "confirmed"}
    assert case["requests"][0]["answers"][0]["contact"]["name"] == "A. Bakker"
    assert (await duo.get(f"/v1/cases/{lead_view['case']['reference']}")).status_code == 404

    status = (await pool.get(f"/v1/referrals/{receipt['id']}")).json()
    assert {one["role"]: one["state"] for one in status["recipients"]} == {"lead": "confirmed", "duo": "confirmed"}
    assert "Bakker" not in json.dumps(status)


async def test_a_repeat_gets_the_first_answer_and_other_content_a_conflict(house: House) -> None:
    pool = await house.client("thv-pool")
    headers = {"content-type": JSON}
    first = await pool.post("/v1/referrals", content=thv("delft-tweede-thv"), headers=headers)
    again = await pool.post("/v1/referrals", content=thv("delft-tweede-thv"), headers=headers)
    assert again.status_code == 202
    assert (again.json()["id"], again.json()["duplicate"]) == (first.json()["id"], True)
    changed = json.loads(thv("delft-tweede-thv"))
    other = json.loads(thv("den-haag-eerste-thv"))
    other["kenmerk"] = changed["kenmerk"]
    conflict = await pool.post("/v1/referrals", content=json.dumps(other), headers=headers)
    assert conflict.status_code == 409
    assert conflict.headers["content-type"] == "application/problem+json"


async def test_a_referral_for_den_haag_by_the_cit_is_accepted_and_parked_and_told_so(house: House) -> None:
    source = await house.client("cit")
    answer = await source.post("/v1/referrals", content=cit("den-haag"), headers={"content-type": FHIR})
    assert answer.status_code == 202
    assert answer.json()["resourceType"] == "OperationOutcome"
    await house.hub.dispatch.run_once()
    assert house.perspektief.journal == []


@pytest.mark.parametrize("accept", [FHIR, f"text/html, {FHIR}"])
async def test_who_asks_for_fhir_is_refused_in_fhir_also_before_the_body_is_read(house: House, accept: str) -> None:
    async with httpx2.AsyncClient(base_url=house.base, trust_env=False) as stranger:
        answer = await stranger.post("/v1/referrals", content=b"{}", headers={"content-type": FHIR, "accept": accept})
    assert (answer.status_code, answer.json()["resourceType"]) == (401, "OperationOutcome")
    assert answer.headers["www-authenticate"] == 'Bearer realm="schakel"'


async def test_the_hub_is_ready_and_says_so(house: House) -> None:
    async with httpx2.AsyncClient(base_url=house.base, trust_env=False) as anybody:
        assert (await anybody.get("/readyz")).json() == {"status": "ready", "causes": []}


async def test_an_expired_key_no_longer_opens(house: House) -> None:
    now = house.hub.clock.now()
    text, row = new_key("vvt", now=now - timedelta(days=2), expires_at=now - timedelta(days=1))
    await house.hub.store.add_key(row)
    async with httpx2.AsyncClient(base_url=house.base, trust_env=False) as client:
        answer = await client.get("/v1/mailbox", headers={"authorization": f"Bearer {text}"})
    assert answer.status_code == 401
