# SPDX-License-Identifier: EUPL-1.2
"""Times small functions in turns, by the processor time they take: a machine shared with others stays out of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

Subject = Callable[[], object]


def in_turns(subjects: Mapping[str, Subject], *, rounds: int, seconds: float) -> dict[str, tuple[float, ...]]:
    """Microseconds of processor per call, one figure per round: A B C, A B C, …

    Each turn lasts about `seconds`, and its number of calls is set by a first turn that does not count."""
    calls = {name: _calls(subject, seconds) for name, subject in subjects.items()}
    taken: dict[str, list[float]] = {name: [] for name in subjects}
    for _ in range(rounds):
        for name, subject in subjects.items():
            taken[name].append(_turn(subject, calls[name]) / calls[name] * 1e6)
    return {name: tuple(runs) for name, runs in taken.items()}


def _turn(subject: Subject, calls: int) -> float:
    start = time.process_time()
    for _ in range(calls):
        subject()
    return time.process_time() - start


def _calls(subject: Subject, seconds: float) -> int:
    subject()
    calls = 1
    while (taken := _turn(subject, calls)) < seconds / 4:
        calls *= 2
    return max(1, round(calls * seconds / taken))
