# SPDX-License-Identifier: EUPL-1.2
"""Counts what happens in this process, from the same events that the log writes: nothing is told twice.

A log that counts stands before the real one; it sees every event, also those below the level that is written. Which
event counts as what stands in one table here, and a test holds the names to what the code logs.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from schakel.log import Log

MOST_KINDS: Final = 2_000  # different sets of labels under one name; more are counted together
OTHER: Final = "other"
Labels = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Counted:
    """`name` is the counter's, `labels` are fields of the event."""

    name: str
    labels: tuple[str, ...]


COUNTED: Final[Mapping[str, Counted]] = {
    "intake.accepted": Counted("accepted", ("state", "outcome")),
    "request.refused": Counted("refused", ("status", "kind", "rule")),
    "drop.row-refused": Counted("refused", ("status", "kind", "rule")),
    "request.answered": Counted("http_answers", ("kind", "status")),
    "delivery.attempted": Counted("delivery_attempts", ("recipient", "outcome", "reason")),
    "answer.taken": Counted("answers", ("outcome",)),
    "alarm.attempt-failed": Counted("alarm_attempts_failed", ("channel",)),
}
ERRORS: Final = Counted("errors", ("event",))  # every event of level error


class Tally:
    """Counters that only grow, from the start of the process on. Thread-safe."""

    def __init__(self) -> None:
        self._counts: dict[str, dict[Labels, int]] = {counted.name: {} for counted in (*COUNTED.values(), ERRORS)}
        self._lock = threading.Lock()

    def add(self, name: str, labels: Labels) -> None:
        with self._lock:
            counts = self._counts[name]
            if labels not in counts and len(counts) >= MOST_KINDS:
                labels = (OTHER,) * len(labels)
            counts[labels] = counts.get(labels, 0) + 1

    def counts(self, name: str) -> Mapping[Labels, int]:
        """As they are now."""
        with self._lock:
            return dict(self._counts[name])


class CountingLog:
    """A Log that counts and passes on."""

    def __init__(self, log: Log, tally: Tally) -> None:
        self._log = log
        self._tally = tally

    def debug(self, event: str, /, **fields: Any) -> Any:
        self._count(event, fields)
        return self._log.debug(event, **fields)

    def info(self, event: str, /, **fields: Any) -> Any:
        self._count(event, fields)
        return self._log.info(event, **fields)

    def warning(self, event: str, /, **fields: Any) -> Any:
        self._count(event, fields)
        return self._log.warning(event, **fields)

    def error(self, event: str, /, **fields: Any) -> Any:
        self._tally.add(ERRORS.name, (event,))
        self._count(event, fields)
        return self._log.error(event, **fields)

    def _count(self, event: str, fields: Mapping[str, Any]) -> None:
        counted = COUNTED.get(event)
        if counted is not None:
            values = (fields.get(label) for label in counted.labels)
            self._tally.add(counted.name, tuple("" if value is None else str(value) for value in values))
