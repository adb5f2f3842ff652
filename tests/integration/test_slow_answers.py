# SPDX-License-Identifier: EUPL-1.2
"""A store that does not answer: who asked hears 503 in time, and what waits in the store goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import mappings
from schakel.ports import Envelope, Receipt
from schakel.records import Health
from schakel.region import Partner
from tests.integration.small_hub import Intake, SmallHub, Store, serving

EXAMPLES = Path(mappings.__file__).parent / "thv_aanmelding" / "examples"
ORDER = next(path for path in sorted(EXAMPLES.glob("*.json")) if "golden" not in path.name).read_bytes()
JSON = {"content-type": "application/json"}
PATIENCE = 0.5  # seconds


class FrozenStore(Store):
    async def health(self) -> Health:
        await asyncio.Event().wait()
        raise AssertionError("it is frozen")


class FrozenIntake(Intake):
    """Keeps what comes and never says so."""

    async def receive(self, partner: Partner, body: bytes, *_: object) -> tuple[Envelope, Receipt]:
        self.seen.append(body)
        await asyncio.Event().wait()
        raise AssertionError("it is frozen")


@pytest.fixture
async def hub() -> AsyncIterator[SmallHub]:
    async with serving(SmallHub(answer_timeout=PATIENCE)) as hub:
        yield hub


async def test_who_gets_no_answer_in_time_hears_503_and_when_to_come_back(hub: SmallHub) -> None:
    hub.intake = FrozenIntake(hub.formats)
    async with hub.client("thv-pool") as client:
        answer = await client.post("/v1/referrals", content=ORDER, headers=JSON)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    problem = answer.json()
    assert problem["type"] == "urn:schakel:problem:store-unavailable"
    assert problem["errors"][0]["rule"] == "limit:answer-time"
    assert hub.intake.seen == [ORDER]
    assert '"rule":"limit:answer-time"' in hub.log_lines.getvalue()


async def test_the_connection_of_who_got_no_answer_can_be_used_again(hub: SmallHub) -> None:
    frozen, hub.intake = hub.intake, FrozenIntake(hub.formats)
    async with hub.client("thv-pool") as client:
        assert (await client.post("/v1/referrals", content=ORDER, headers=JSON)).status_code == 503
        hub.intake = frozen
        assert (await client.post("/v1/referrals", content=ORDER, headers=JSON)).status_code == 202


async def test_readiness_is_not_waited_for_either(hub: SmallHub) -> None:
    hub.store = FrozenStore()
    async with hub.client() as client:
        assert (await client.get("/readyz")).status_code == 503
        assert (await client.get("/livez")).status_code == 200
