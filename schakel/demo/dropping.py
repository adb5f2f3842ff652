# SPDX-License-Identifier: EUPL-1.2
"""The demo's dropped files, for sources without a system: each row is a message, and a result file says what became of
it."""

from __future__ import annotations

import asyncio
import csv
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from schakel.demo.display import Display
from schakel.demo.ledger import Books
from schakel.demo.scenario import DROPPED, Dropped, Step
from schakel.hub import Hub

LOOK_EVERY: Final = 0.05  # seconds


@dataclass(frozen=True, slots=True)
class Dropping:
    """`within`: seconds in which a file must have its result."""

    hub: Hub
    books: Books
    display: Display
    within: float

    def begin(self, now: datetime) -> None:
        """The files as they lie there while their sources still write them: the hub leaves them alone."""
        for one in DROPPED:
            part = self._part(one)
            part.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(one.first.read(now))

    async def end(self) -> list[tuple[Step, str]]:
        """Renamed, a file is complete. What became of each row; raises TimeoutError."""
        outcomes = []
        for one in DROPPED:
            part = self._part(one)
            await asyncio.to_thread(part.rename, part.with_suffix(""))
            rows = await self._result(one)
            message = self.books.message(one.first.source, one.first.reference)
            state = message.state if message else "unknown"
            said = [f"rij {row['regel']}: {row['uitkomst']} {row['reden_nl']}".rstrip() for row in rows]
            self.display.sent(one.first, state, said)
            outcomes.append((one.first, state))
            outcomes += [(one.first, "refused") for row in rows if row["uitkomst"] == "geweigerd"]
        return outcomes

    def _part(self, one: Dropped) -> Path:
        folder = self.hub.settings.drop_folder
        assert folder is not None, "the demo has a drop folder"
        return folder / one.first.source / f"{one.name}.part"

    async def _result(self, one: Dropped) -> list[dict[str, str]]:
        until = asyncio.get_running_loop().time() + self.within
        while asyncio.get_running_loop().time() < until:
            if (rows := await asyncio.to_thread(_rows, self._part(one).parent, one.name)) is not None:
                return rows
            await asyncio.sleep(LOOK_EVERY)
        raise TimeoutError("no result file")


def _rows(folder: Path, name: str) -> list[dict[str, str]] | None:
    """Of the result file; None while there is none."""
    found = sorted((folder / "resultaat").glob(f"{name}*.resultaat.csv"))
    if not found:
        return None
    with found[0].open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file, delimiter=";"))
