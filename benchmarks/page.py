# SPDX-License-Identifier: EUPL-1.2
"""Writes the figures of `results/latest.json` into docs/performance.md, between its two markers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "performance.md"
BEGIN: Final = "<!-- figures: written by `make bench` -->"
END: Final = "<!-- end of figures -->"
LEFT_OUT: Final = ("micro",)  # its steps are many; the targets tell what they add up to
YEAR: Final = 250_000  # messages of the whole country


def write(report: Mapping[str, Any], page: Path = PAGE) -> None:
    text = page.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n{figures(report)}{END}{after}", encoding="utf-8")


def figures(report: Mapping[str, Any]) -> str:
    """What stands between the markers."""
    return "\n".join(
        (*_machine(report), "", *_targets(report["targets"]), "", *_measures(report), "", *_year(report), "")
    )


def _machine(report: Mapping[str, Any]) -> Iterator[str]:
    machine, scenarios = report["machine"], report["scenarios"].values()
    loads = [load for each in scenarios for load in each.get("load", ())]
    disk = [each["fdatasync_per_second"] for each in scenarios]
    day = min(each["at"] for each in scenarios)[:10]
    yield f"{day}: {machine['cores']} cores ({machine['processor']}), Python {machine['python']}."
    yield f"The disk kept {_span(disk)} fdatasync a second; the load, ours included, was {_span(loads)}."


def _targets(targets: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield "| Target | gate | stretch | measured | |"
    yield "|---|---|---|---|---|"
    for each in targets:
        sign, unit = ("≤" if each["better"] == "less" else "≥"), each["unit"]
        how = "stretch" if each["stretched"] else "gate" if each["met"] else "**missed**"
        limits = f"{sign} {each['gate']:g} {unit} | {sign} {each['stretch']:g} {unit}"
        yield f"| {each['name']} | {limits} | {number(each['value'])} {unit} | {how} |"


def _measures(report: Mapping[str, Any]) -> Iterator[str]:
    yield "| Scenario | Measured | median | low – high |"
    yield "|---|---|---|---|"
    for name, scenario in report["scenarios"].items():
        if name in LEFT_OUT:
            continue
        for each in scenario["measures"]:
            if each["unit"] != "x":
                span = f"{number(each['low'])} – {number(each['high'])}"
                yield f"| {name} | {each['name']} | {number(each['median'])} {each['unit']} | {span} |"


def _year(report: Mapping[str, Any]) -> Iterator[str]:
    """How long the work of the whole country takes at the rates above."""
    door = report["scenarios"].get("door", {"measures": ()})
    for each in door["measures"]:
        if each["unit"] == "/s" and "process" in each["name"]:
            minutes = number(YEAR / each["median"] / 60)
            yield f"- {each['name']}: the {YEAR:,} messages of a year of the Netherlands take {minutes} minutes."


def number(value: float) -> str:
    """Three figures, as a person reads them."""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _span(values: Sequence[float]) -> str:
    if not values:
        return "unknown"
    low, high = number(min(values)), number(max(values))
    return low if low == high else f"{low} to {high}"
