# SPDX-License-Identifier: EUPL-1.2
"""Over HTTP: StUF outcomes answered with Bv03, faults in StUF's own words, and the whole case beside a notification."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from lxml import etree

from api.listening import listen
from api.server import door
from connectors.channels import channels
from schakel.bootstrap import Hub, SystemClock, build, initialise
from schakel.keys import new_key
from schakel.settings import Settings
from tests.integration.stage import EXAMPLES, RecordingSender
from tests.support.stuf_partner import NAMES, StufPartner, serving, text

HUB_OIN, ZVHH, VT = "00000099000000000001", "00000099000000002003", "00000099000000001003"
XML = {"content-type": "text/xml; charset=utf-8"}
CALL = ("T. Willems", "070 1230003")


@dataclass
class House:
    hub: Hub
    base: str
    zvhh: StufPartner
    clients: dict[str, httpx2.AsyncClient]

    async def notice(self) -> etree._Element:
        """A referral for MDA++ comes in over HTTP and goes to the ZVHH as StUF."""
        body = (EXAMPLES / "stuf_melding_generiek/examples/mda-delft.xml").read_bytes()
        body = body.replace(b"00000099000000003000", VT.encode())
        answer = await self.clients["veilig-thuis"].post("/v1/referrals", content=body, headers=XML)
        assert answer.status_code == 200  # in SOAP
        await self.hub.dispatch.run_once()
        (message,) = self.zvhh.journal
        return message

    async def says(self, body: bytes, partner: str = "zvhh", **headers: str) -> httpx2.Response:
        return await self.clients[partner].post("/v1/answers", content=body, headers=XML | headers)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with AsyncExitStack() as stack:
        zvhh = await stack.enter_async_context(serving(StufPartner(ZVHH)))
        overlay = tmp_path / "overlay"
        overlay.mkdir()
        way = {
            "channel": "stuf",
            "mode": "full",
            "representation": "case-stuf",
            "url": zvhh.url,
            "answers": ["stuf-jz"],
        }
        laid = {"partners": [{"id": "zvhh", "receives": way}]}
        (overlay / "partners.yaml").write_text(json.dumps(laid))
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
        server = door(hub)
        serve = asyncio.create_task(server.serve(sockets=[sock]))
        clients = {}
        for partner in ("veilig-thuis", "zvhh", "perspektief"):
            key, row = new_key(partner, now=hub.clock.now())
            await hub.store.add_key(row)
            client = httpx2.AsyncClient(
                base_url=base, headers={"authorization": f"Bearer {key}"}, trust_env=False, timeout=30
            )
            clients[partner] = await stack.enter_async_context(client)
        try:
            yield House(hub, base, zvhh, clients)
        finally:
            await stack.aclose()
            server.stop()
            server.force_exit = True
            await serve


def reference(notice: etree._Element) -> str:
    found = text(notice, "JZ:object/ZKN:identificatie")
    assert found is not None
    return found


def in_soap(body: bytes) -> bytes:
    message = etree.tostring(etree.fromstring(body)).decode()
    soap = "http://schemas.xmlsoap.org/soap/envelope/"
    return f'<s:Envelope xmlns:s="{soap}"><s:Body>{message}</s:Body></s:Envelope>'.encode()


async def test_an_outcome_is_answered_with_bv03(house: House) -> None:
    said = house.zvhh.outcome(reference(await house.notice()), "ZVH-01", contact=CALL, number="U-77")
    answer = await house.says(said)
    assert (answer.status_code, answer.headers["content-type"]) == (202, "text/xml; charset=utf-8")
    reply = etree.fromstring(answer.content)
    assert etree.QName(reply).localname == "Bv03Bericht"
    assert text(reply, ".//StUF:crossRefnummer") == "U-77"
    assert text(reply, ".//StUF:ontvanger/StUF:organisatie") == ZVHH
    repeated = await house.says(in_soap(said))
    assert repeated.status_code == 200
    assert etree.fromstring(repeated.content).find(".//StUF:Bv03Bericht", NAMES) is not None


async def test_an_outcome_that_cannot_be_taken_is_a_fault_that_names_the_rule(house: House) -> None:
    said = house.zvhh.outcome(reference(await house.notice()), "ZVH-01", number="U-78")
    answer = await house.says(said)
    fault = etree.fromstring(answer.content)
    assert (answer.status_code, etree.QName(fault).localname) == (400, "Fo01Bericht")
    assert text(fault, ".//StUF:crossRefnummer") == "U-78"
    assert "answer:reachable-person" in (text(fault, ".//StUF:details") or "")


async def test_an_outcome_that_nobody_knows_is_taken_all_the_same(house: House) -> None:
    said = house.zvhh.outcome(reference(await house.notice()), "ZVH-01", contact=CALL)
    answer = await house.says(said.replace(b">ZVH-01<", b">ZVH-77<"))
    assert (answer.status_code, b"Bv03Bericht" in answer.content) == (202, True)
    assert [row.cause for row in await house.hub.store.parked()] == ["unknown-code"]


async def test_on_a_bv03_nothing_is_said(house: House) -> None:
    number = text(await house.notice(), ".//StUF:referentienummer")
    assert number is not None
    answer = await house.says(house.zvhh.word("Bv03", number))
    assert (answer.status_code, answer.content) == (202, b"")


async def test_a_referral_at_the_door_for_answers_is_told_what_is_read_there(house: House) -> None:
    answer = await house.says((EXAMPLES / "stuf_melding_generiek/examples/diacrieten.xml").read_bytes())
    assert (answer.status_code, b"uitkomstMeldingGeneriekDi01" in answer.content) == (415, True)


async def test_who_answers_in_json_only_is_told_so(house: House) -> None:
    answer = await house.says(house.zvhh.outcome("VERZONNEN01", "ZVH-01"), partner="perspektief")
    assert (answer.status_code, answer.headers["accept-post"]) == (415, "application/json")


async def test_plain_json_is_always_an_answer(house: House) -> None:
    said = {"reference": reference(await house.notice()), "answer": "received"}
    answer = await house.clients["zvhh"].post("/v1/answers", json=said)
    assert (answer.status_code, answer.json()) == (200, {"outcome": "recorded", "requestState": "received"})


async def test_the_whole_case_beside_the_bytes_of_the_notification(house: House) -> None:
    notice = await house.notice()
    client = house.clients["zvhh"]
    content = await client.get("/v1/mailbox/1")
    assert (content.status_code, content.headers["content-type"]) == (200, "text/xml; charset=utf-8")
    assert etree.canonicalize(etree.fromstring(content.content)) == etree.canonicalize(notice)
    where = text(notice, ".//JZ:overigeInformatie/JZ:url")
    assert where == f"{house.base}/v1/mailbox/1/case"
    whole = await client.get(where)
    assert whole.headers["content-type"] == "application/json"
    assert whole.json()["request"]["reference"] == reference(notice)
    assert (await client.get("/v1/mailbox/1")).content == content.content
    assert (await house.clients["perspektief"].get("/v1/mailbox/1/case")).status_code == 404


@pytest.mark.parametrize(
    ("path", "accept"), [("/v1/mailbox/1", "application/json"), ("/v1/mailbox/1/case", "text/xml")]
)
async def test_a_form_that_is_not_written_is_406_and_nothing_has_happened(house: House, path: str, accept: str) -> None:
    house.zvhh.answer = b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n"
    await house.notice()
    answer = await house.clients["zvhh"].get(path, headers={"accept": accept})
    assert answer.status_code == 406
    (entry,) = (await house.clients["zvhh"].get("/v1/mailbox")).json()["entries"]
    assert entry["state"] == "notified"
