# SPDX-License-Identifier: EUPL-1.2
"""A few kills of a hub in parts, on both engines, by the same means as the thousand of `make faults`."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests.faults.kills import IN_PARTS, ON_SERVERS, open_life, plan_of

pytestmark = pytest.mark.slow

KILLS = 6
SHORT = {"TEST_LEASE": "6"}  # what a killed worker had is claimed sooner than in the thousand kills, which wait for it


def the_seed() -> str:
    seed = os.environ.get("SCHAKEL_TEST_SEED") or str(random.SystemRandom().randrange(2**32))
    print(f"SCHAKEL_TEST_SEED={seed}")
    return seed


@pytest.mark.timeout(300)
@pytest.mark.fault("kill -9 at random moments: api, worker and clock, on SQLite")
async def test_nothing_is_lost_when_parts_are_killed(tmp_path: Path) -> None:
    seed = the_seed()
    plan = plan_of(IN_PARTS, seed, KILLS)
    print(plan)
    async with open_life(IN_PARTS, tmp_path, seed, SHORT) as life:
        await life.run(plan, every=KILLS)
        assert life.seen.cycles == KILLS
        assert life.seen.arrivals >= 2 * life.seen.referrals > 0


@pytest.mark.timeout(300)
@pytest.mark.fault("kill -9 at random moments: api, two workers and clock, on PostgreSQL and RabbitMQ")
async def test_nothing_is_lost_when_parts_are_killed_beside_servers(
    tmp_path: Path, database_url: str, broker_url: str
) -> None:
    seed = the_seed()
    plan = plan_of(ON_SERVERS, seed, KILLS)
    print(plan)
    settings = {"SCHAKEL_DATABASE_URL": database_url, "SCHAKEL_BROKER_URL": broker_url, **SHORT}
    async with open_life(ON_SERVERS, tmp_path, seed, settings) as life:
        await life.run(plan, every=KILLS)
        assert life.seen.cycles == KILLS
        assert life.seen.arrivals >= 2 * life.seen.referrals > 0
