# SPDX-License-Identifier: EUPL-1.2
"""Ways in beside a plain document: canonical JSON, a CSV row over HTTP, CloudEvents around any of them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import mappings
from tests.integration.small_hub import SmallHub, serving
from tests.integration.stage import open_stage, thv
from tests.support.tables import csv_file, row

EXAMPLES = Path(mappings.__file__).parent
STRUCTURED = "application/cloudevents+json"
JSON = "application/json"
CANONICAL = (EXAMPLES / "referral_json" / "examples" / "delft.json").read_bytes()
CASE_MESSAGE = (EXAMPLES / "case_message_json" / "examples" / "delft.json").read_bytes()
POOL = "00000099000000001001"


def context(oin: str = POOL, **more: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "type": "nl.voorbeeld.aanmelding.v1",
        "source": f"urn:nld:oin:{oin}:systeem:pool",
        "id": "7c5a31f0-6f4c-4be8-9f0c-7ad0f7a7d0ff",
        **more,
    }


def in_headers(media_type: str, **changes: str) -> dict[str, str]:
    return {"content-type": media_type, **{f"ce-{name}": value for name, value in (context() | changes).items()}}


@pytest.fixture
async def hub() -> AsyncIterator[SmallHub]:
    async with serving(SmallHub(max_body=200_000, body_timeout=5.0, header_timeout=5.0)) as hub:
        yield hub


@pytest.mark.parametrize(
    ("media_type", "body"),
    [(JSON, thv("delft-tweede-thv")), (JSON, CANONICAL), (JSON, CASE_MESSAGE), ("text/csv", csv_file([row(1)]))],
    ids=["thv-json", "referral", "case-message", "csv"],
)
async def test_a_document_comes_plain_in_headers_or_in_an_event(hub: SmallHub, media_type: str, body: bytes) -> None:
    event: dict[str, Any] = context(datacontenttype=media_type)
    if media_type == JSON:
        whole = json.dumps(event).encode()[:-1] + b', "data": ' + body.strip() + b"}"
    else:
        whole = json.dumps({**event, "data": body.decode()}).encode()
    async with hub.client("thv-pool") as client:
        for sent, headers in (
            (body, {"content-type": media_type}),
            (body, in_headers(media_type)),
            (whole, {"content-type": STRUCTURED}),
        ):
            answer = await client.post("/v1/referrals", content=sent, headers=headers)
            assert answer.status_code == 202, answer.text
    assert [one.strip() for one in hub.intake.seen] == [body.strip()] * 3


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        (in_headers(JSON, source="urn:nld:oin:00000099000000001002:systeem:x"), CANONICAL, 403),
        (in_headers(JSON, subject="999990342"), CANONICAL, 400),
        (in_headers("text/plain"), CANONICAL, 415),
        (in_headers(JSON), b"x" * 65_536, 413),
        ({"content-type": "application/cloudevents-batch+json"}, b"[]", 415),
        ({"content-type": STRUCTURED}, b"{", 400),
        ({"content-type": STRUCTURED}, json.dumps(context(datacontenttype="text/html", data="<p>")).encode(), 415),
        ({**in_headers(JSON), "accept": "text/html"}, CANONICAL, 406),
    ],
)
async def test_an_event_that_is_not_right_is_refused_before_anything_is_kept(
    hub: SmallHub, headers: dict[str, str], body: bytes, status: int
) -> None:
    async with hub.client("thv-pool") as client:
        answer = await client.post("/v1/referrals", content=body, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert ("accept-post" in answer.headers) == (status == 415)
    assert "999990342" not in answer.text
    assert hub.intake.seen == []


async def test_the_answer_to_an_event_is_in_the_words_of_its_document(hub: SmallHub) -> None:
    body = (EXAMPLES / "stuf_melding_generiek" / "examples" / "zoetermeer.xml").read_bytes()
    oin = "00000099000000001003"
    event = json.dumps({**context(oin), "datacontenttype": "text/xml", "data": body.decode()}).encode()
    async with hub.client("veilig-thuis") as client:
        answer = await client.post("/v1/referrals", content=event, headers={"content-type": STRUCTURED})
    assert answer.status_code == 202, answer.text
    assert b"Bv03" in answer.content
    assert hub.intake.seen == [body.decode().encode()]


async def test_the_same_document_in_another_envelope_is_a_duplicate(tmp_path: Path) -> None:
    stage = open_stage(tmp_path)
    async with stage.hub:
        first = await stage.send("thv-pool", CANONICAL)
        assert (first.state, first.duplicate) == ("routed", False)
        again = await stage.send("thv-pool", json.dumps(json.loads(CANONICAL), indent=1).encode())
        assert (again.message_id, again.duplicate) == (first.message_id, True)
        await stage.send("thv-pool", CASE_MESSAGE)
        await stage.hub.dispatch.run_once()
        assert set(stage.views()) == {"perspektief", "lokaal-team-delft"}
        assert await stage.holes() == []
