# SPDX-License-Identifier: EUPL-1.2
"""A hub that is told to stop at the moment at which it has claimed deliveries: it ends, and they are due at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.integration.stage import Stage, household, open_stage

SOON: Final = 20.0  # seconds


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    opened = open_stage(tmp_path)
    async with opened.hub:
        for n in range(5):
            await opened.send("thv-pool", household(n))
        yield opened


@pytest.mark.fault("stop: at the moment of a claim")
async def test_what_was_claimed_at_the_moment_of_a_stop_goes_back_untried(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop, claim = asyncio.Event(), stage.hub.store.claim

    async def and_stop(**how: Any) -> Any:
        claimed = await claim(**how)
        stop.set()
        return claimed

    monkeypatch.setattr(stage.hub.store, "claim", and_stop)
    await asyncio.wait_for(stage.hub.dispatch.run(stop), SOON)
    sent = {parcel.delivery_id for parcel in stage.webhook.sent}
    again = await claim(now=stage.clock.now(), limit=100)
    assert len(sent) + len(again) == 10
    assert all((one.attempts, one.crashes) == (0, 0) for one in again)


async def test_what_was_claimed_at_the_moment_of_the_end_does_not_keep_it_from_ending(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop, claim = asyncio.Event(), stage.hub.store.claim
    claimed = asyncio.Event()

    async def and_say(**how: Any) -> Any:
        claimed.set()
        return await claim(**how)

    monkeypatch.setattr(stage.hub.store, "claim", and_say)
    running = asyncio.create_task(stage.hub.dispatch.run(stop))
    await asyncio.wait_for(claimed.wait(), SOON)
    await asyncio.wait_for(stage.hub.dispatch.aclose(), SOON)
    stop.set()
    await asyncio.wait_for(running, SOON)
