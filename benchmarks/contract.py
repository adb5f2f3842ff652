# SPDX-License-Identifier: EUPL-1.2
"""What a scenario is: a module with `name` and `run(settings) -> Result`, and nothing else that the runner asks for.

A figure is never one number: it is every run, and the median is quoted. What is compared is measured in one go, in
turns (A B A B), so that a machine that becomes slower is slower for both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Literal, Protocol

Better = Literal["less", "more"]


@dataclass(frozen=True, slots=True)
class Settings:
    """`folder`: empty, on the disk that is measured, removed afterwards. `rounds`: how often each subject has its turn;
    `seconds`: about how long one turn lasts. `scale`: less than 1 tries a long scenario out, with so much of its work.
    `say`: a line for whoever watches."""

    folder: Path
    rounds: int = 7
    seconds: float = 0.05
    scale: float = 1.0
    say: Callable[[str], None] = print


@dataclass(frozen=True, slots=True)
class Measure:
    """One row of the table: what was measured, in which unit, and every run."""

    name: str
    unit: str  # "µs", "ms", "s", "min", "/s", "MB", "%", "x" (a ratio of two subjects in the same round)
    runs: tuple[float, ...]

    @property
    def median(self) -> float:
        return median(self.runs)

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "unit": self.unit,
            "median": _short(self.median),
            "low": _short(min(self.runs)),
            "high": _short(max(self.runs)),
            "runs": [_short(each) for each in self.runs],
        }


@dataclass(frozen=True, slots=True)
class Target:
    """A promise with its figure. `gate` must hold, `stretch` is what we are after."""

    name: str
    unit: str
    better: Better
    gate: float
    stretch: float
    value: float

    def _within(self, limit: float) -> bool:
        return self.value <= limit if self.better == "less" else self.value >= limit

    @property
    def met(self) -> bool:
        return self._within(self.gate)

    @property
    def stretched(self) -> bool:
        return self._within(self.stretch)

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "unit": self.unit,
            "better": self.better,
            "gate": self.gate,
            "stretch": self.stretch,
            "value": _short(self.value),
            "met": self.met,
            "stretched": self.stretched,
        }


@dataclass(frozen=True, slots=True)
class Result:
    """`notes`: what a reader must know to judge the figures, one sentence each."""

    measures: tuple[Measure, ...]
    targets: tuple[Target, ...] = ()
    notes: tuple[str, ...] = field(default=())


class Scenario(Protocol):
    """A module of this package. `long = True` keeps it for `make bench-long`."""

    name: str

    def run(self, settings: Settings) -> Result: ...


def _short(value: float) -> float:
    """Four figures say all that such a measurement knows."""
    return float(f"{value:.4g}")
