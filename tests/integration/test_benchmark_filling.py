# SPDX-License-Identifier: EUPL-1.2
"""The benchmarks' database full of cases is one that the accountant would accept: what is measured there is real."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks.filling import fill
from benchmarks.handed import JSON, SOURCE, Referrals, to_mailboxes
from benchmarks.running import Home, make_home
from schakel.bootstrap import build
from schakel.verify import verify

COPIES = 300


async def one_case(home: Home) -> None:
    async with build(home.settings) as hub:
        partner = hub.region.partner(SOURCE)
        assert partner is not None
        (body,) = Referrals().bodies(1).values()
        await hub.intake.receive(partner, body, JSON, hub.clock.now())
        await hub.dispatch.run_once()


@pytest.mark.slow
def test_every_copy_of_a_case_is_whole_and_counted(tmp_path: Path) -> None:
    home = make_home(tmp_path, overlay=to_mailboxes())
    asyncio.run(one_case(home))
    before = verify(home.database, now=datetime.now(UTC)).counts
    fill(home.settings.database_file, COPIES)
    after = verify(home.database, now=datetime.now(UTC)).counts
    for counted in ("accepted", "routed", "decided", "requests", "clocksRunning", "casesOpen", "auditRows"):
        assert after[counted] == before[counted] * (COPIES + 1), counted
    for wrong in ("lost", "duplicated", "misordered", "numberGaps", "requestsOverdue", "clocksOverdue", "merged"):
        assert after[wrong] == 0, wrong


def test_a_database_with_another_number_of_cases_is_not_filled(tmp_path: Path) -> None:
    home = make_home(tmp_path, overlay=to_mailboxes())
    with pytest.raises(ValueError, match="one case"):
        fill(home.settings.database_file, COPIES)
