# SPDX-License-Identifier: EUPL-1.2
"""The watch address of a real hub: what passed the door is counted, what waits is shown, and the door shows nothing."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from api.app import create_app
from api.watch import watching
from schakel.bootstrap import build, initialise
from schakel.hub import Hub
from schakel.keys import new_key
from schakel.settings import Settings
from tests.support.messages import referral
from tests.support.parts import open_parts


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    settings = Settings(_env_file=None, home=tmp_path / "home", log_level="error")
    initialise(settings)
    async with build(settings) as hub:
        yield hub


def client(app: object) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://hub")  # type: ignore[arg-type]


async def figures(hub: Hub) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    async with client(watching(hub)) as inside:
        answer = await inside.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    families = text_string_to_metric_families(answer.text)
    return {(one.name, frozenset(one.labels.items())): one.value for each in families for one in each.samples}


async def test_what_passes_the_door_and_the_worker_is_counted(hub: Hub) -> None:
    text, key = new_key("thv-pool", now=datetime.now(UTC))
    await hub.store.add_key(key)
    message = referral(1)
    headers = {"authorization": f"Bearer {text}", "content-type": message.media_type}
    async with client(create_app(hub)) as door:
        assert (await door.post("/v1/referrals", content=message.body, headers=headers)).status_code == 202
        assert (await door.post("/v1/referrals", content=message.body, headers=headers)).status_code == 202
        assert (await door.post("/v1/referrals", content=b"{}", headers=headers)).status_code == 400
        assert (await door.post("/v1/referrals", content=message.body)).status_code == 401
        assert (await door.get("/Prinsegracht/12")).status_code == 404
    await hub.dispatch.run_once()
    found = await figures(hub)

    def labels(**pairs: str) -> frozenset[tuple[str, str]]:
        return frozenset(pairs.items())

    assert found["schakel_accepted_total", labels(state="routed", outcome="new")] == 1
    assert found["schakel_accepted_total", labels(state="routed", outcome="duplicate")] == 1
    refused = {dict(pairs)["kind"]: value for (name, pairs), value in found.items() if name == "schakel_refused_total"}
    assert refused == {"malformed": 1, "unauthenticated": 1} or refused == {
        "unsupported-format": 1,
        "unauthenticated": 1,
    }
    assert found["schakel_http_answers_total", labels(kind="referrals", status="202")] == 2
    assert found["schakel_http_answers_total", labels(kind="other", status="404")] == 1  # the path is not repeated
    lead = hub.opaque("vvt")
    attempts = labels(recipient=lead, outcome="fail", reason="no-signing-secret")
    assert found["schakel_delivery_attempts_total", attempts] == 1
    assert found["schakel_waiting", labels(recipient=lead)] == 1
    assert found["schakel_commit_batch_size_count", labels()] > 0


async def test_the_door_has_no_metrics_and_the_watch_has_no_door(hub: Hub) -> None:
    async with client(create_app(hub)) as door, client(watching(hub)) as inside:
        assert (await door.get("/metrics")).status_code == 404
        assert (await inside.get("/v1/openapi.json")).status_code == 404
        assert (await inside.post("/metrics")).status_code == 405
        assert (await inside.get("/livez")).json() == {"status": "live"}
        ready = await inside.get("/readyz")
        assert (ready.status_code, ready.json()) == (200, (await door.get("/readyz")).json())


@pytest.mark.slow
async def test_a_worker_and_a_clock_are_watched_at_their_own_address(tmp_path: Path) -> None:
    async with open_parts(tmp_path, {}) as parts:
        for part, duty in (("worker", 0.0), ("clock", 1.0)):
            with socket.create_server(("127.0.0.1", 0)) as free:
                address = f"127.0.0.1:{free.getsockname()[1]}"
            process = await parts.start(part, SCHAKEL_WATCH_ADDRESS=address)
            async with httpx2.AsyncClient(base_url=f"http://{address}", trust_env=False) as inside:
                assert (await inside.get("/readyz")).status_code == 200
                text = (await inside.get("/metrics")).text
            found = {one.name: one.value for each in text_string_to_metric_families(text) for one in each.samples}
            assert (found["schakel_clock_duty"], found["schakel_store_up"]) == (duty, 1.0)
            await process.end()
