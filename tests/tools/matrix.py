# SPDX-License-Identifier: EUPL-1.2
"""Runs the journey and the demo on {SQLite, PostgreSQL} × {no broker, RabbitMQ}; prints a table, and fails when one of
the eight fails or did not run. `--write FILE` puts the table between its markers in that file too.

The servers are those of `SCHAKEL_TEST_DATABASE_URL` and `SCHAKEL_TEST_BROKER_URL`, else private ones."""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

from tests.support.matrix import ALL, COMBINATIONS

ROOT: Final = Path(__file__).resolve().parents[2]
WHAT: Final = {
    "journey": "tests/integration/test_journey.py",
    "demo": "tests/integration/test_demo.py::test_the_demo_counts_what_is_published_and_prints_one_document",
}
NAMES: Final = {"sqlite": "SQLite", "postgresql": "PostgreSQL", "none": "none", "rabbitmq": "RabbitMQ"}
BEGIN: Final = "<!-- matrix -->"
END: Final = "<!-- /matrix -->"


@dataclass(frozen=True, slots=True)
class Ran:
    """One test, as pytest reported it. `seconds`: with its setting up and taking down."""

    what: str
    combination: str
    passed: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class Cell:
    """What ran on one combination."""

    combination: str
    what: str
    passed: int
    failed: int
    seconds: float

    @property
    def result(self) -> str:
        if self.failed:
            return f"{self.failed} failed"
        return "passed" if self.passed else "did not run"


def read(report: str) -> Iterator[Ran]:
    """From JUnit's XML; a skipped test counts as failed: what was to be shown is not shown."""
    for case in ElementTree.fromstring(report).iter("testcase"):
        combination = case.get("name", "").partition("[")[2].rstrip("]")
        known = next((str(one) for one in COMBINATIONS if combination.startswith(str(one))), None)
        if known is not None:
            well = not any(child.tag in ("failure", "error", "skipped") for child in case)
            what = next(name for name, path in WHAT.items() if Path(path.partition("::")[0]).stem in str(case.attrib))
            yield Ran(what, known, well, float(case.get("time", "0")))


def cells(ran: Iterable[Ran]) -> list[Cell]:
    """All eight, also those of which nothing ran."""
    tests = list(ran)
    found = []
    for combination in map(str, COMBINATIONS):
        for what in WHAT:
            mine = [one for one in tests if (one.combination, one.what) == (combination, what)]
            passed = sum(one.passed for one in mine)
            found.append(Cell(combination, what, passed, len(mine) - passed, sum(one.seconds for one in mine)))
    return found


def table(found: Iterable[Cell]) -> str:
    """In Markdown."""
    lines = ["| Database | Broker | What | Tests | Result | Seconds |", "|---|---|---|---|---|---|"]
    for cell in found:
        database, _, broker = cell.combination.partition("-")
        tests = cell.passed + cell.failed
        lines.append(
            f"| {NAMES[database]} | {NAMES[broker]} | {cell.what} | {tests} | {cell.result} | {cell.seconds:.0f} |"
        )
    return "\n".join(lines)


def written(text: str, block: str) -> str:
    """`text` with the block between the markers. Raises ValueError for a text without them."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"not both of {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{block}\n{END}{after}"


def _run() -> tuple[int, list[Cell]]:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-p", "no:xdist", f"--junitxml={report}", *WHAT.values()]
        code = subprocess.run(command, cwd=ROOT, env=os.environ | {ALL: "all"}, check=False).returncode
        return code, cells(read(report.read_text(encoding="utf-8"))) if report.exists() else cells([])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path, metavar="FILE")
    write: Path | None = parser.parse_args().write
    code, found = _run()
    print(table(found))
    if write is not None:
        busy = f"load {os.getloadavg()[1]:.0f} on {os.cpu_count()} cores"  # others may have worked at the same time
        on = f"{datetime.now(UTC):%Y-%m-%d}, {busy}, Python {platform.python_version()}"
        said = f"Seen on {on}: the journey is `{WHAT['journey']}`, the demo `schakel demo --json`."
        write.write_text(written(write.read_text(encoding="utf-8"), f"{said}\n\n{table(found)}"), encoding="utf-8")
    return code or int(any(cell.result != "passed" for cell in found))


if __name__ == "__main__":
    raise SystemExit(main())
