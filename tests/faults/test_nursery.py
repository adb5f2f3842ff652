# SPDX-License-Identifier: EUPL-1.2
"""What the tests start by forking is what an operator starts: the same words and codes, and deaths like any other."""

from __future__ import annotations

import asyncio
import os
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support import nursery
from tests.support.hub import Home, open_home, until
from tests.support.messages import referral

pytestmark = pytest.mark.skipif(not nursery.FORKS, reason="forks only on Linux")

CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("SCHAKEL_")}
SHORT = timedelta(seconds=6)


@pytest.mark.parametrize("words", [["--version"], ["states"], ["verify", "--nothing"]], ids=" ".join)
async def test_a_fork_says_what_the_installed_program_says(words: list[str], tmp_path: Path) -> None:
    environment = CLEAN | {"SCHAKEL_HOME": str(tmp_path / "home")}
    said = []
    for forked in (True, False):
        out, err = (tmp_path / f"{name}-{forked}" for name in ("out", "err"))
        code = await (await nursery.start(words, environment, out, err, forked=forked)).wait()
        said.append((code, out.read_text(encoding="utf-8"), err.read_text(encoding="utf-8")))
    assert said[0] == said[1]


async def test_a_fork_is_killed_as_any_process(tmp_path: Path) -> None:
    async with open_home(tmp_path) as home:
        child = await forked(home)
        child.kill()
        assert await child.wait() == child.returncode == -signal.SIGKILL


async def test_a_fork_ends_with_whoever_asked_for_it(tmp_path: Path) -> None:
    async with open_home(tmp_path) as home:
        child = await forked(home)
        assert there(child.pid)
        child._user.close()
        await until(lambda: not there(child.pid), "it goes on without its user")


async def test_what_is_laid_over_the_region_is_read_again_when_it_has_changed(tmp_path: Path) -> None:
    async with open_home(tmp_path) as home:
        await (await home.start()).end()
        (home.folder / "overlay" / "partners.yaml").write_text("partners: [{id: nobody-knows}]\n", encoding="utf-8")
        code, _, errors = await nursery.run(["serve"], home.environment())
        assert code != 0
        assert "nobody-knows" in errors


async def test_a_short_lease_is_short(tmp_path: Path) -> None:
    taken = asyncio.Event()

    async def never(partner: str) -> int:
        await taken.wait()
        return 204

    async with open_home(tmp_path) as home:
        home.settings["TEST_LEASE"] = str(SHORT.total_seconds())
        home.recipients.behave = never
        process = await home.start()
        await process.hand_in(referral(1, "0518"))
        await home.until("SELECT count(*) FROM lane WHERE token IS NOT NULL", 2)
        leases = home.rows("SELECT lease_until FROM lane")
        assert all(datetime.fromisoformat(until) - datetime.now(UTC) <= SHORT for (until,) in leases)
        taken.set()
        await home.drained(process)


async def forked(home: Home) -> nursery.Forked:
    """A hub that listens."""
    log = home.folder / "serve.log"
    child = await nursery.fork(["serve"], home.environment(), log, log)
    await until(lambda: "listens on" in home.log(), "it does not listen", home.log)
    return child


def there(pid: int) -> bool:
    """It runs; a dead one that nobody has buried yet does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
