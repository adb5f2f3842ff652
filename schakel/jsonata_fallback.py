# SPDX-License-Identifier: EUPL-1.2
"""A second JSONata engine for run time only, for the day the first one must be switched off.

`jsonatapy` has no read-set: nothing can be checked at deploy with it, and runtime losses are not known. It takes host
functions only by registering them, so evaluations of one expression take turns.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, Final

import jsonatapy

from schakel.jsonata import JsonataError

ENGINE: Final = f"jsonatapy/{version('jsonatapy')}"
_CODE: Final = re.compile(r"\b([A-Z][0-9]{4})\b")
_FORBIDDEN: Final = re.compile(r"\$eval\b")


class FallbackExpression:
    """As `schakel.jsonata.Expression`, without `reads`. Safe to share between threads."""

    __slots__ = ("_compiled", "_lock", "source")

    def __init__(self, source: str) -> None:
        """Raises JsonataError on a syntax error and on `$eval`."""
        if _FORBIDDEN.search(source):
            raise JsonataError("eval-refused", None)
        self.source = source
        self._lock = threading.Lock()
        try:
            self._compiled = jsonatapy.compile(source, timeout=250, max_stack_depth=200, max_sequence_length=10_000)
        except ValueError as error:
            raise JsonataError(_code(error), None) from None

    def evaluate(self, document: Any, bindings: Mapping[str, Any] | None = None, *, now: datetime | None = None) -> Any:
        """The value, or None when undefined or null. Raises JsonataError; an exception of a host function passes."""
        raised: list[Exception] = []
        functions = {name: each for name, each in (bindings or {}).items() if callable(each)}
        values = {name: each for name, each in (bindings or {}).items() if name not in functions}
        with self._lock:
            for name, function in functions.items():
                self._compiled.register(name, _keeping(function, raised))
            if now is not None:
                moment = now.astimezone(UTC)
                text = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
                self._compiled.register_override("now", lambda: text)
                self._compiled.register_override("millis", lambda: int(moment.timestamp() * 1000))
            try:
                return self._compiled.evaluate(document, values)
            except (ValueError, TypeError) as error:
                if raised:
                    raise raised[0] from None
                raise JsonataError(_code(error), None) from None


def _keeping(function: Callable[..., Any], raised: list[Exception]) -> Callable[..., Any]:
    """The engine turns an exception into text that holds the value: keep the exception itself."""

    def call(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except Exception as error:
            raised.append(error)
            raise

    return call


def _code(error: Exception) -> str:
    """The engine's code alone; its text can hold a value."""
    found = _CODE.search(str(error)[:40])
    return found.group(1) if found else "unclassified"
