# SPDX-License-Identifier: EUPL-1.2
"""Every partner that sends a document of another world hears, at each door, what was expected of it and what came.

Over the real ASGI application and a real hub: in the document's own media type, and in each of the partner's own ones,
for offices rename files.
"""

from __future__ import annotations

import html
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from api.app import create_app
from schakel.bootstrap import region_folder
from schakel.keys import new_key
from schakel.region import Partner
from schakel.region_files import load_region
from tests.integration.stage import Stage, open_stage
from tests.support.foreign import DOCUMENTS, NUMBER, STREET, Document, soap, stuf_bg

OVERLAY: dict[str, Any] = {  # answers in formats, and a source for each of them
    "partners.yaml": {
        "partners": [
            {"id": "cit", "sends": {"formats": ["fhir-json", "fhir-xml"]}},
            {"id": "perspektief", "receives": {"answers": ["stuf-jz"]}},
            {"id": "vvt", "receives": {"answers": ["fhir-json"]}},
            {"id": "lokaal-team-delft", "receives": {"answers": ["fhir-json", "fhir-xml", "stuf-jz"]}},
        ]
    }
}
DOORS = ("/v1/referrals", "/v1/answers")
PARTNERS = [partner.id for partner in load_region(region_folder("haaglanden")).partners]
pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class House:
    stage: Stage
    client: httpx2.AsyncClient
    keys: dict[str, str]

    async def post(self, partner: str, door: str, body: bytes, **headers: str) -> httpx2.Response:
        known = {"authorization": f"Bearer {self.keys[partner]}", **headers}
        return await self.client.post(door, content=body, headers=known)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    stage = open_stage(tmp_path_factory.mktemp("hub"), overlay=OVERLAY)
    async with stage.hub as hub:
        keys = {}
        for name in PARTNERS:
            keys[name], row = new_key(name, now=stage.clock.now())
            await hub.store.add_key(row)
        through = httpx2.ASGITransport(app=create_app(hub))
        async with httpx2.AsyncClient(transport=through, base_url="http://hub") as client:
            yield House(stage, client, keys)


def expected(house: House, partner: Partner, door: str) -> dict[str, tuple[str, ...]]:
    """Name → media types of what this partner may send at this door; empty: the door is not this partner's."""
    hub = house.stage.hub
    if door == "/v1/referrals":
        names = partner.sends.formats if partner.sends else ()
        return {name: hub.formats[name].media_types for name in names}
    if partner.receives is None:
        return {}
    return {"answer@1": ("application/json",)} | {
        name: hub.formats[name].media_types for name in partner.receives.answers
    }


def check(answer: httpx2.Response, document: Document, wanted: dict[str, tuple[str, ...]]) -> None:
    assert answer.status_code in (400, 415), answer.text
    said = html.unescape(answer.text)
    if answer.headers["content-type"].endswith("json"):
        said = " ".join(texts(answer.json()))
    listed = ", ".join(f"{name} ({', '.join(types)})" for name, types in wanted.items())
    assert f": {listed}. Dit lijkt op: {document.nl}." in said
    assert f": {listed}. This looks like: {document.en}." in said
    assert STREET not in answer.text
    assert NUMBER not in answer.text


def texts(value: Any) -> list[str]:
    if isinstance(value, dict | list):
        return [each for one in (value.values() if isinstance(value, dict) else value) for each in texts(one)]
    return [str(value)]


@pytest.mark.parametrize("partner", PARTNERS)
@pytest.mark.parametrize("name", DOCUMENTS)
async def test_each_partner_hears_what_was_expected_and_what_came(house: House, name: str, partner: str) -> None:
    document, who = DOCUMENTS[name], house.stage.partner(partner)
    for door in DOORS:
        wanted = expected(house, who, door)
        own = {document.media_type, *(each for types in wanted.values() for each in types)}
        for media_type in sorted(own, key=str):
            headers = {"content-type": media_type} if media_type else {}
            answer = await house.post(partner, door, document.body, **headers)
            if wanted:
                check(answer, document, wanted)
                assert (answer.status_code == 415) or media_type in {
                    each for types in wanted.values() for each in types
                }
            else:
                assert answer.status_code == 403
                assert "Dit lijkt op" not in answer.text


@pytest.mark.parametrize("version", ["3.0", "5.0"])
async def test_a_fhir_version_in_the_header_is_believed(house: House, version: str) -> None:
    body = (Path(__file__).parents[2] / "mappings/cit_fhir/examples/westland.json").read_bytes()
    answer = await house.post(
        "cit", "/v1/referrals", body, **{"content-type": f"application/fhir+json; fhirVersion={version}"}
    )
    assert answer.status_code == 415
    assert "FHIR R4" in answer.text


async def test_what_an_event_carries_is_looked_at_and_not_the_event(house: House) -> None:
    event = {
        "specversion": "1.0",
        "id": "1",
        "type": "nl.voorbeeld.aanmelding.v1",
        "source": "urn:nld:oin:00000099000000001001:systeem:pool",
        "datacontenttype": "application/hl7-v2",
        "data": DOCUMENTS["hl7v2"].body.decode(),
    }
    answer = await house.post(
        "thv-pool", "/v1/referrals", json.dumps(event).encode(), **{"content-type": "application/cloudevents+json"}
    )
    check(answer, DOCUMENTS["hl7v2"], expected(house, house.stage.partner("thv-pool"), "/v1/referrals"))
    bare = await house.post(
        "thv-pool", "/v1/referrals", DOCUMENTS["pdf"].body, **{"content-type": "application/cloudevents+json"}
    )
    check(bare, DOCUMENTS["pdf"], expected(house, house.stage.partner("thv-pool"), "/v1/referrals"))


async def test_another_sector_in_soap_hears_it_in_a_fault(house: House) -> None:
    answer = await house.post("veilig-thuis", "/v1/referrals", soap(stuf_bg()), **{"content-type": "text/xml"})
    assert answer.status_code == 500  # SOAP 1.1, section 6.2
    assert "Fo03" in answer.text
    assert "Dit lijkt op: StUF-BG." in answer.text
    assert STREET not in answer.text


async def test_nothing_of_all_this_was_kept(house: House) -> None:
    assert await house.stage.holes() == []
    assert await house.stage.hub.store.parked() == []
