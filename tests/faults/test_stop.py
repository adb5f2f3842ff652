# SPDX-License-Identifier: EUPL-1.2
"""SIGTERM to a hub with a large backlog, before partners that are slow: what is being sent ends, the rest goes back at
once, and the process is gone in time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest

from schakel.bootstrap import build
from schakel.dispatch import HELD, SENDING_TO_ONE
from schakel.settings import Settings
from schakel.verify import verify_sqlite
from tests.support.hub import Home, open_home
from tests.support.messages import nameless

HOUSEHOLDS: Final = 1_250  # two deliveries each: to the lead and the local team
RECIPIENTS: Final = 2
STATES: Final = "SELECT state, count(*) FROM delivery GROUP BY state"
SENDING: Final = "SELECT count(*) FROM delivery WHERE state = 'sending'"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Home]:
    """More deliveries wait than a hub takes in hand, and nothing runs."""
    async with open_home(tmp_path) as home:
        settings = Settings(
            _env_file=None, home=tmp_path / "home", region_overlay=tmp_path / "overlay", log_level="error"
        )
        async with build(settings) as hub:
            source = hub.region.partner("thv-pool")
            assert source is not None
            for start in range(0, HOUSEHOLDS, 250):
                handed = [nameless(start + n) for n in range(250)]
                now = datetime.now(UTC)
                await asyncio.gather(*(hub.intake.receive(source, one.body, one.media_type, now) for one in handed))
        assert home.rows(STATES) == [("waiting", RECIPIENTS * HOUSEHOLDS)]
        yield home


async def test_what_is_being_sent_ends_and_the_rest_goes_back_at_once(home: Home) -> None:
    answers = asyncio.Event()

    async def slow(partner: str) -> int:
        await answers.wait()
        return 204

    home.recipients.behave = slow
    home.settings["SCHAKEL_SEND_TIMEOUT"] = "55"  # none of them gives up while we look
    process = await home.start()
    await home.until(SENDING, HELD)
    process.child.terminate()
    await home.until(SENDING, RECIPIENTS * SENDING_TO_ONE)  # while the partners still think
    assert process.child.returncode is None
    answers.set()
    assert await process.died() == 0, home.log()
    found = dict(home.rows(STATES))
    assert found == {"delivered": RECIPIENTS * SENDING_TO_ONE, "waiting": RECIPIENTS * (HOUSEHOLDS - SENDING_TO_ONE)}
    assert len(home.arrived()) == RECIPIENTS * SENDING_TO_ONE
    report = verify_sqlite(home.database, now=datetime.now(UTC))
    assert (report.lost, [hole.rule for hole in report.holes]) == (0, [])
