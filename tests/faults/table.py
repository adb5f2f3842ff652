# SPDX-License-Identifier: EUPL-1.2
"""The table of faults in docs/reliability.md: read, renewed row by row, written back; what a run did not play stays."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"
BEGIN: Final = "<!-- faults -->"
END: Final = "<!-- /faults -->"
HEAD: Final = ("Fault", "Last run", "Runs", "What was seen", "Result")
WELL: Final = "as promised"
NOT_PLAYED: Final = "not played in a long run yet; `make test` plays it"
_CELL: Final = re.compile(r"(?<!\\)\|")


@dataclass(frozen=True, slots=True)
class Row:
    """One fault: how often it was played on which day, what was seen, and whether the promise held."""

    fault: str
    day: str
    runs: str
    seen: str
    result: str

    def line(self) -> str:
        cells = (self.fault, self.day, self.runs, self.seen, self.result)
        return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def read(page: Path = PAGE) -> list[Row]:
    """The rows that stand there; none when the page has no table yet. Raises ValueError without the markers."""
    lines = [line for line in _table(page).splitlines() if line.startswith("|")]
    return [Row(*(cell.strip().replace("\\|", "|") for cell in _CELL.split(line)[1:-1])) for line in lines[2:]]


def renew(rows: Iterable[Row], page: Path = PAGE, *, known: frozenset[str] | None = None) -> None:
    """Writes these rows over those of the same fault. `known`: every other fault goes out of the table."""
    all_ = {row.fault: row for row in read(page)} | {row.fault: row for row in rows}
    kept = [
        row for name, row in sorted(all_.items(), key=lambda each: each[0].lower()) if known is None or name in known
    ]
    lines = ["| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD), *(row.line() for row in kept)]
    text = page.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN, 1)
    _, after = rest.split(END, 1)
    page.write_text(f"{before}{BEGIN}\n" + "\n".join(lines) + f"\n{END}{after}", encoding="utf-8")


def _table(page: Path) -> str:
    _, begin, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    table, end, _ = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page.name}: no {BEGIN} … {END}")
    return table
