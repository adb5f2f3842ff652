# SPDX-License-Identifier: EUPL-1.2
"""The drop folder in a whole hub: each row its own referral, the bad ones apart, and a result for each."""

from __future__ import annotations

import asyncio
import csv
import errno
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.intakes.drop_folder import SETTLED, DropFolder, Taken
from connectors.intakes.file_drop import AT_ONCE, WAITS_TOO_LONG, FileDrop, Pass
from schakel.errors import Unacceptable
from schakel.log import open_log
from tests.integration.stage import Stage, open_stage, reopen_stage
from tests.support.hub import until
from tests.support.tables import csv_file, row, workbook


@dataclass
class Dropped:
    """A stage with a drop folder and a clock for it that the test moves."""

    stage: Stage
    root: Path
    log: io.StringIO = field(default_factory=io.StringIO)
    seconds: float = 0.0
    drop: FileDrop = field(init=False)

    def __post_init__(self) -> None:
        self.drop = self.watcher()

    @property
    def place(self) -> Path:
        return self.root / "thv-pool"

    def watcher(self, **changes: Any) -> FileDrop:
        hub = self.stage.hub
        given: dict[str, Any] = {
            "door": hub.intake,
            "admin": hub.store,
            "region": hub.region,
            "vault": hub.vault,
            "clock": self.stage.clock,
            "log": open_log("info", self.log),
            "monotonic": lambda: self.seconds,
        }
        return FileDrop(self.root, **(given | changes))

    async def put(self, name: str, content: bytes) -> Pass:
        """Drops a file and looks until it is settled."""
        await self.drop.run_once()
        (self.place / name).write_bytes(content)
        await self.drop.run_once()
        return await self.later()

    async def later(self, seconds: float = SETTLED) -> Pass:
        self.seconds += seconds
        return await self.drop.run_once()

    def results(self) -> list[dict[str, str]]:
        """The newest result file."""
        (*_, newest) = sorted(self.place.glob("*/*.resultaat.csv"), key=lambda path: path.stat().st_mtime_ns)
        return list(csv.DictReader(io.StringIO(newest.read_text(encoding="utf-8-sig")), delimiter=";"))

    async def alarms(self) -> dict[str, int]:
        return {alarm.cause: alarm.count for alarm in await self.stage.hub.store.alarms()}


@pytest.fixture
async def dropped(tmp_path: Path) -> AsyncIterator[Dropped]:
    stage = open_stage(tmp_path)
    async with stage.hub:
        yield Dropped(stage, tmp_path / "drop")
        assert await stage.holes() == []


async def test_each_row_is_its_own_referral_and_a_bad_one_stops_nobody(dropped: Dropped) -> None:
    body = (
        csv_file(
            [
                row(1, "0518"),
                row(2, huisverbod_status="gegeven"),
                row(3, slachtoffer_geheimadres="ja"),
                row(4, kenmerk=""),
                row(5, "0503", toelichting='met "aanhalingen"\nen een regel'),
            ]
        )
        + b'CSV-0006;1;"nooit dicht\r\n'
    )
    done = await dropped.put("aanmeldingen.csv", body)
    assert done.rows == {"aangenomen": 2, "geparkeerd": 1, "geweigerd": 3}
    results = dropped.results()
    assert [(one["regel"], one["kenmerk"], one["uitkomst"]) for one in results] == [
        ("2", "CSV-0001", "aangenomen"),
        ("3", "CSV-0002", "geparkeerd"),
        ("4", "CSV-0003", "geweigerd"),
        ("5", "", "geweigerd"),
        ("6", "CSV-0005", "aangenomen"),
        ("8", "CSV-0006", "geweigerd"),
    ]
    assert "Veilig Verder Team Den Haag (lead)" in results[0]["reden_nl"]
    assert results[1]["reden_nl"].startswith("unknown-code")
    assert "Verzonnen" not in str(results)  # no cell but the reference and the version
    await dropped.stage.hub.dispatch.run_once()
    assert set(dropped.stage.views()) == {"vvt", "lokaal-team-den-haag", "perspektief", "lokaal-team-delft"}
    status = await dropped.stage.hub.involvement.status(dropped.stage.partner("thv-pool"), results[0]["bericht_id"])
    assert status["state"] == "routed"
    assert (await dropped.alarms())["drop-rows-refused"] == 1


async def test_the_same_file_again_is_harmless_and_a_raised_version_is_an_update(dropped: Dropped) -> None:
    await dropped.put("a.csv", csv_file([row(1), row(2)]))
    again = await dropped.put("b.xlsx", workbook([row(1), row(2)]))
    assert again.rows == {"dubbel": 2}
    changed = await dropped.put("a.csv", csv_file([row(1, versie="2", toelichting="nieuw"), row(2)]))
    assert changed.rows == {"aangenomen": 1, "dubbel": 1}
    await dropped.stage.hub.dispatch.run_once()
    kinds = [view["message"]["kind"] for view in dropped.stage.views()["vvt"]]
    assert sorted(kinds) == ["referral", "referral", "update"]


async def test_a_changed_row_without_a_higher_version_is_refused_and_alarmed(dropped: Dropped) -> None:
    await dropped.put("a.csv", csv_file([row(1)]))
    done = await dropped.put("a.csv", csv_file([row(1, toelichting="anders")]))
    assert done.rows == {"geweigerd": 1}
    assert "Verhoog de versie" in dropped.results()[0]["reden_nl"]
    assert {"reference-conflict", "drop-rows-refused"} <= (await dropped.alarms()).keys()


async def test_a_version_that_a_newer_one_has_overtaken_is_refused(dropped: Dropped) -> None:
    await dropped.put("a.csv", csv_file([row(1, versie="3")]))
    done = await dropped.put("b.csv", csv_file([row(1, versie="2")]))
    assert done.rows == {"geweigerd": 1}
    assert "nieuwere versie" in dropped.results()[0]["reden_nl"]
    assert (await dropped.put("c.csv", csv_file([row(1, versie="3")]))).rows == {"dubbel": 1}


async def test_versions_in_one_file_go_in_order_whatever_their_place(dropped: Dropped) -> None:
    rows = [row(1, versie="2", toelichting="tweede"), row(1, versie="1", toelichting="eerste")]
    assert (await dropped.put("a.csv", csv_file(rows))).rows == {"aangenomen": 2}
    assert [one["versie"] for one in dropped.results()] == ["2", "1"]
    for _ in range(2):  # one entry of a lane at a time
        await dropped.stage.hub.dispatch.run_once()
    assert [view["notes"][0]["text"] for view in dropped.stage.views()["vvt"]] == ["eerste", "tweede"]


# -- which files -------------------------------------------------------------------------------------------------------


async def test_half_a_file_is_left_alone_and_after_ten_minutes_a_human_is_told_once(dropped: Dropped) -> None:
    half = csv_file([row(1), row(2, slachtoffer_geheim_adres="ja")])[:-20]
    assert (await dropped.put("half.csv", half)).files == 0
    assert await dropped.alarms() == {}
    for _ in range(3):
        assert (await dropped.later(WAITS_TOO_LONG)).waiting == 1
    assert await dropped.alarms() == {"drop-file-waits": 1}
    (dropped.place / "half.csv").write_bytes(csv_file([row(1)]))
    await dropped.later(1)
    assert (await dropped.later()).rows == {"aangenomen": 1}


async def test_a_file_renamed_from_part_is_taken_at_once(dropped: Dropped) -> None:
    await dropped.drop.run_once()
    part = dropped.place / "a.csv.part"
    part.write_bytes(csv_file([row(1)]).rstrip())
    assert (await dropped.later(60)).files == 0
    part.rename(dropped.place / "a.csv")
    assert (await dropped.later(0)).rows == {"aangenomen": 1}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"%PDF-1.7\n...\n", "een kolom kenmerk. Dit lijkt op: een PDF."),
        (b"<!doctype html>\n<html></html>\n", "Dit lijkt op: een webpagina (HTML)."),
        (b'{"resourceType": "Bundle"}\n', "Dit lijkt op: FHIR (JSON)."),
        (b"MSH|^~\\&|X\r\n", "Dit lijkt op: HL7 versie 2."),
        (b"zomaar een regel\n", "Dit lijkt op: platte tekst."),
        (b"\xd0\xcf\x11\xe0 an old workbook\n", "xls"),
        (b"PK\x03\x04 no zip at all\r\n", ""),
        (b"versie;soort\r\n1;aanmelding\r\n", "kenmerk"),
        (b"\r\n", "leeg"),
        (b"kenmerk;toelichting\r\nA;\x00\r\n", "stuurteken"),
    ],
)
async def test_what_cannot_be_read_at_all_is_set_apart_sealed_and_alarmed(
    dropped: Dropped, content: bytes, told: str
) -> None:
    done = await dropped.put("a.csv", content)
    if content.startswith(b"PK"):
        assert done.files == 0  # not a whole workbook: half written, as far as anybody can tell
        return
    assert (done.files, done.refused_files) == (1, 1)
    assert await dropped.alarms() == {"drop-file-refused": 1}
    (result,) = dropped.results()
    assert (result["uitkomst"], result["bericht_id"]) == ("geweigerd", "")
    assert told in result["reden_nl"]
    assert len(list((dropped.place / "geweigerd").iterdir())) == 2
    assert list((dropped.place / "bezig").iterdir()) == []


async def test_two_hubs_on_one_folder_take_each_row_once(dropped: Dropped, tmp_path: Path) -> None:
    other_stage = reopen_stage(dropped.stage.hub.settings, dropped.stage.clock)
    async with other_stage.hub:
        other = Dropped(other_stage, dropped.root)
        await asyncio.gather(dropped.drop.run_once(), other.drop.run_once())
        for number in range(6):
            (dropped.place / f"{number}.csv").write_bytes(csv_file([row(10 * number + n) for n in range(3)]))
        await asyncio.gather(dropped.drop.run_once(), other.drop.run_once())
        done = await asyncio.gather(dropped.later(), other.later())
    assert sum(one.files for one in done) == 6
    assert sum(one.rows.get("aangenomen", 0) for one in done) == 18
    assert all("dubbel" not in one.rows for one in done)
    assert len(list((dropped.place / "resultaat").iterdir())) == 6


# -- under load and trouble --------------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_a_thousand_rows_share_commits(dropped: Dropped, monkeypatch: pytest.MonkeyPatch) -> None:
    batches: list[int] = []
    store = dropped.stage.hub.store
    accept_many = store.accept_many

    async def counted(arrivals: Any, decide: Any) -> Any:
        batches.append(len(arrivals))
        return await accept_many(arrivals, decide)

    monkeypatch.setattr(store, "accept_many", counted)
    done = await dropped.put("veel.csv", csv_file([row(n, ("0518", "0503", "0603")[n % 3]) for n in range(1000)]))
    assert done.rows == {"aangenomen": 1000}
    assert sum(batches) == 1000
    assert len(batches) <= 4 * 1000 / AT_ONCE


async def test_a_file_that_cannot_be_finished_stays_and_stops_no_other(
    dropped: Dropped, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = DropFolder.finish

    def full_for_a(folder: DropFolder, taken: Taken, result: bytes, **rest: Any) -> None:
        if taken.name == "a.csv":
            raise OSError(errno.ENOSPC, "no space")
        finish(folder, taken, result, **rest)

    await dropped.drop.run_once()
    for at, name in enumerate(("a.csv", "b.csv")):
        (dropped.place / name).write_bytes(csv_file([row(at)]))
    await dropped.drop.run_once()
    with monkeypatch.context() as patched:
        patched.setattr(DropFolder, "finish", full_for_a)
        with pytest.raises(OSError, match="no space"):
            await dropped.later()
    assert [path.name[:5] for path in (dropped.place / "bezig").iterdir()] == ["a.csv"]
    assert (await dropped.later(1)).rows == {"dubbel": 1}  # kept all the same, and now finished


async def test_a_folder_that_cannot_be_read_is_alarmed_once_and_tried_again(dropped: Dropped) -> None:
    dropped.root.write_bytes(b"no folder")
    stop = asyncio.Event()

    async def alarmed() -> bool:
        return "drop-fails" in await dropped.alarms()

    running = asyncio.create_task(dropped.drop.run(stop))
    await until(alarmed, "nobody is told")
    dropped.root.unlink()
    await until((dropped.place / "archief").exists, "it does not look again")
    stop.set()
    await running
    assert await dropped.alarms() == {"drop-fails": 1}


class Away:
    """A door whose store is away for the first `times` rows."""

    def __init__(self, stage: Stage, times: int) -> None:
        self._stage = stage
        self.left = times

    async def receive(self, *arguments: Any) -> Any:
        if self.left:
            self.left -= 1
            raise Unacceptable(retry_after=0)
        return await self._stage.hub.intake.receive(*arguments)


async def test_a_store_that_is_away_refuses_no_row(dropped: Dropped) -> None:
    dropped.drop = dropped.watcher(door=Away(dropped.stage, 2))
    await dropped.drop.run_once()
    (dropped.place / "a.csv").write_bytes(csv_file([row(1), row(2)]))
    await dropped.drop.run_once()
    dropped.seconds += SETTLED
    stop = asyncio.Event()
    stop.set()  # the hub ends while rows wait: the file stays, taken and whole
    assert (await dropped.drop.run_once(stop)).files == 0
    assert len(list((dropped.place / "bezig").iterdir())) == 1
    assert (await dropped.watcher().run_once()).rows == {"aangenomen": 2}


class Stopping:
    """A door during whose first row the hub is told to stop."""

    def __init__(self, stage: Stage, stop: asyncio.Event) -> None:
        self._stage = stage
        self._stop = stop

    async def receive(self, *arguments: Any) -> Any:
        self._stop.set()
        return await self._stage.hub.intake.receive(*arguments)


async def test_a_stop_waits_for_a_commit_and_not_for_the_rest_of_a_file(dropped: Dropped) -> None:
    stop = asyncio.Event()
    dropped.drop = dropped.watcher(door=Stopping(dropped.stage, stop))
    await dropped.drop.run_once()
    (dropped.place / "a.csv").write_bytes(csv_file([row(n) for n in range(2 * AT_ONCE)]))
    await dropped.drop.run_once()
    dropped.seconds += SETTLED
    assert (await dropped.drop.run_once(stop)).files == 0
    assert (await dropped.watcher().run_once()).rows == {"aangenomen": AT_ONCE, "dubbel": AT_ONCE}


class Faulty:
    """A door with a fault of its own in one row."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    async def receive(self, partner: Any, body: bytes, *rest: Any) -> Any:
        if b"CSV-0002" in body:
            raise ZeroDivisionError("geheim7731")
        return await self._stage.hub.intake.receive(partner, body, *rest)


async def test_a_fault_of_ours_in_one_row_stops_no_other_and_tells_nothing(dropped: Dropped) -> None:
    dropped.drop = dropped.watcher(door=Faulty(dropped.stage))
    done = await dropped.put("a.csv", csv_file([row(1), row(2), row(3)]))
    assert done.rows == {"aangenomen": 2, "geweigerd": 1}
    assert "geheim7731" not in dropped.log.getvalue() + str(dropped.results())
    assert '"drop.row-failed"' in dropped.log.getvalue()


async def test_the_log_and_the_audit_name_no_file_and_no_cell(dropped: Dropped) -> None:
    await dropped.put("Familie Verzonnen.csv", csv_file([row(1), row(2, kenmerk="")]))
    assert '"drop.file-done"' in dropped.log.getvalue()
    assert "Verzonnen" not in dropped.log.getvalue()
    assert "CSV-0001" not in dropped.log.getvalue()


async def test_originals_are_erased_at_their_term(dropped: Dropped) -> None:
    await dropped.put("a.csv", csv_file([row(1)]))
    assert len(list((dropped.place / "archief").iterdir())) == 1
    dropped.stage.clock.forward(timedelta(hours=24))
    await dropped.later(61)
    assert list((dropped.place / "archief").iterdir()) == []
    assert len(list((dropped.place / "resultaat").iterdir())) == 1
