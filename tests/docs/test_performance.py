# SPDX-License-Identifier: EUPL-1.2
"""docs/performance.md shows the figures of the last run, and names scenarios that exist."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from benchmarks.__main__ import LATEST, scenarios
from benchmarks.page import BEGIN, END, PAGE, figures, number, write


def test_the_page_holds_the_figures_of_the_last_run() -> None:
    text = PAGE.read_text(encoding="utf-8")
    shown = text.partition(BEGIN)[2].partition(END)[0].lstrip("\n")
    assert shown == figures(json.loads(LATEST.read_bytes()))


def test_the_page_names_every_scenario_that_make_bench_runs() -> None:
    text = PAGE.read_text(encoding="utf-8")
    rows = set(re.findall(r"^\| ([a-z]+) \| ", text.partition("## How to run it")[2], re.MULTILINE))
    assert rows == {name for name, module in scenarios().items() if not getattr(module, "long", False)}


def test_writing_the_figures_leaves_the_rest_of_the_page_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    report = json.loads(LATEST.read_bytes())
    write(report, page)
    assert page.read_text(encoding="utf-8") == f"before\n{BEGIN}\n{figures(report)}{END}\nafter\n"


@pytest.mark.parametrize(
    ("value", "shown"), [(0.01923, "0.0192"), (1.5, "1.5"), (52.46, "52.5"), (184.3, "184"), (14653.2, "14,653")]
)
def test_figures_are_told_in_three(value: float, shown: str) -> None:
    assert number(value) == shown
