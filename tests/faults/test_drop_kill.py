# SPDX-License-Identifier: EUPL-1.2
"""A hub that is killed in the middle of a dropped file: every row is kept once, whoever takes the file up again."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from schakel.failpoints import Failpoint
from tests.support import nursery
from tests.support.hub import Home, open_home
from tests.support.tables import csv_file, row

ROWS = 70  # more than go into one commit
KEPT = "SELECT count(*) FROM message"


async def drop_once(home: Home, *, failpoint: str = "") -> tuple[int, dict[str, Any]]:
    """`schakel drop once`: exit code (negative: killed) and what it says."""
    environment = home.environment(failpoint) | {"SCHAKEL_DROP_FOLDER": str(home.folder / "drop")}
    code, out, _ = await nursery.run(["drop", "once", "--json"], environment)
    return code, json.loads(out) if out else {}


@pytest.mark.fault("kill -9 in the middle of a dropped file")
@pytest.mark.parametrize(
    "point", [Failpoint.INTAKE_BEFORE_ACCEPT, Failpoint.STORE_ACCEPT_AFTER_COMMIT, Failpoint.INTAKE_AFTER_ACCEPT]
)
async def test_a_file_is_taken_up_again_where_the_hub_was_killed(point: Failpoint, tmp_path: Path) -> None:
    async with open_home(tmp_path) as home:
        place = home.folder / "drop" / "thv-pool"
        (place / "bezig").mkdir(parents=True)
        # taken by a hub that is gone: no ten seconds of waiting
        taken = place / "bezig" / "aanmeldingen.csv.20261121T100000Z-0a1b2c3d"
        taken.write_bytes(csv_file([row(n) for n in range(ROWS)]))

        assert (await drop_once(home, failpoint=point))[0] == -signal.SIGKILL
        before = home.count(KEPT)
        assert before < ROWS
        assert (before == 0) == (point is Failpoint.INTAKE_BEFORE_ACCEPT)
        assert taken.exists()
        assert not list((place / "resultaat").glob("*"))

        code, said = await drop_once(home)
        assert code == 0
        assert said["rows"] == {"aangenomen": ROWS - before} | ({"dubbel": before} if before else {})
        assert home.count(KEPT) == ROWS
        assert not taken.exists()
        assert len(list((place / "archief").glob("*.sealed"))) == 1
        assert len(list((place / "resultaat").glob("*.resultaat.csv"))) == 1

        process = await home.start()
        await home.drained(process)
        assert {len(home.recipients.journal(name)) for name in ("vvt", "lokaal-team-den-haag")} == {ROWS}
        await process.kill()
        assert (await home.json("verify"))["ok"]


async def test_a_dropped_file_is_taken_by_the_command_when_it_has_settled(tmp_path: Path) -> None:
    async with open_home(tmp_path) as home:
        place = home.folder / "drop" / "thv-pool"
        place.mkdir(parents=True)
        (place / "heel.csv").write_bytes(csv_file([row(1)]))
        (place / "half.csv").write_bytes(csv_file([row(2)])[:-2])
        code, said = await drop_once(home)
        assert (code, said) == (0, {"files": 1, "refusedFiles": 0, "waiting": 1, "rows": {"aangenomen": 1}})
        (sealed,) = (place / "archief").iterdir()
        code, out = await home.run("drop", "open", str(sealed), "--by", "D. Beheer")
        assert (code, out.encode()) == (0, csv_file([row(1)]))
        actors = home.rows("SELECT actor, action FROM audit WHERE action LIKE 'drop:%' ORDER BY id")
        assert actors == [("thv-pool", "drop:file"), ("operator:D. Beheer", "drop:open")]
        assert (await home.run("drop", "open", str(place / "half.csv"), "--by", "D. Beheer"))[0] == 1
