# SPDX-License-Identifier: EUPL-1.2
"""Makes the log: each record has a machine name and never a person's data, because only listed keys pass.

An allow-list and not a list of what is forbidden: a key nobody thought of is dropped, a text that is not a machine
name is replaced. Of an exception only its class and the place that raised it are written, never its words.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, MutableMapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Protocol, TextIO

import orjson

ALLOWED: Final = frozenset(
    {
        "event", "level", "timestamp",
        "message", "delivery", "request", "parked", "alarm", "case", "partner", "recipient", "role", "number",
        "channel", "format", "mapping", "representation", "mode", "kind", "state", "cause", "reason", "rule",
        "count", "attempts", "crashes", "seconds", "status", "outcome",
        "host", "port", "region", "version", "failpoint", "error", "at",
    }
)  # fmt: skip
MACHINE_TEXT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,119}")
REPLACED: Final = "not-a-machine-name"
LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40}
Event = MutableMapping[str, Any]


class Log(Protocol):
    """Where the services write; `event` is a machine name such as `delivery.failed`."""

    def debug(self, event: str, /, **fields: Any) -> Any: ...
    def info(self, event: str, /, **fields: Any) -> Any: ...
    def warning(self, event: str, /, **fields: Any) -> Any: ...
    def error(self, event: str, /, **fields: Any) -> Any: ...


def only_allowed(event: Event) -> Event:
    """Unknown keys go, texts that are no machine names are replaced, exceptions become class and place."""
    fault = event.pop("exc_info", None)
    if isinstance(fault, BaseException):
        event["error"] = type(fault).__name__
        event["at"] = place_of(fault.__traceback__)
    return {key: _plain(value) for key, value in event.items() if key in ALLOWED}


def place_of(trace: TracebackType | None) -> str:
    """`file.py:line` of the innermost frame; no source line, because a line can hold a value."""
    frames = traceback.extract_tb(trace)
    return f"{frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}" if frames else "unknown"


class JsonLog:
    """Writes a JSON line per record from `level` up. Thread-safe: a line goes out in one write."""

    def __init__(self, level: str, write: Callable[[str], object], flush: Callable[[], object]) -> None:
        self._least = LEVELS[level.lower()]
        self._write = write
        self._flush = flush

    def debug(self, event: str, /, **fields: Any) -> None:
        self._put("debug", event, fields)

    def info(self, event: str, /, **fields: Any) -> None:
        self._put("info", event, fields)

    def warning(self, event: str, /, **fields: Any) -> None:
        self._put("warning", event, fields)

    def error(self, event: str, /, **fields: Any) -> None:
        self._put("error", event, fields)

    def _put(self, level: str, event: str, fields: Event) -> None:
        if LEVELS[level] < self._least:
            return
        at = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        record = only_allowed({**fields, "event": event, "level": level, "timestamp": at})
        self._write(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE).decode())
        self._flush()


def open_log(level: str, stream: TextIO) -> Log:
    """A log that writes a JSON line per record from `level` up. Every service gets it handed: there is no global."""
    return JsonLog(level, stream.write, stream.flush)


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    return value if isinstance(value, str) and MACHINE_TEXT.fullmatch(value) else REPLACED
