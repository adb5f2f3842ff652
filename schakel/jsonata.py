# SPDX-License-Identifier: EUPL-1.2
"""The one place that speaks to the JSONata engine: compile once, evaluate within limits, tell what is read.

`jlens` is pinned exactly. An error keeps the engine's code and position and drops its value: that can be a person's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

import jlens

from schakel.errors import SchakelError

ENGINE: Final = f"jlens/{jlens.__version__}"
LIMITS: Final[dict[str, Any]] = {
    "timeout": 0.25,  # seconds
    "max_depth": 200,
    "max_steps": 200_000,
    "max_string_length": 262_144,  # bytes
    "max_array_length": 10_000,
    "max_result_size": 1_048_576,  # bytes of JSON
}
HostFunctions = Mapping[str, Callable[..., Any]]


class JsonataError(SchakelError):
    """An expression failed. `code` is JSONata's, `position` a character offset; the offending value is not kept."""

    def __init__(self, code: str, position: int | None) -> None:
        super().__init__(f"{code} at {position}" if position is not None else code)
        self.code = code
        self.position = position


class Expression:
    """A compiled expression. Safe to share between threads."""

    __slots__ = ("_compiled", "_functions", "source")

    def __init__(self, source: str, functions: HostFunctions | None = None) -> None:
        """`functions`: what the expression may call by `$name`; those that it mentions are made known to it here, once.

        Raises JsonataError on a syntax error and on `$eval` (a mapping is not to run what a message says)."""
        self.source = source
        self._functions = functions
        self._compiled: Any = None
        if self._made().reads().get("everyBinding"):
            raise JsonataError("eval-refused", None)

    def _made(self) -> Any:
        if self._compiled is None:
            try:
                made = jlens.Expression(self.source)
            except jlens.JlensError as error:
                raise JsonataError(error.code, error.position) from None
            for name, function in (self._functions or {}).items():
                if f"${name}" in self.source:  # each that is made known costs a little at every evaluation
                    made.register_function(name, function)
            self._compiled = made
        return self._compiled

    def set_aside(self) -> None:
        """It is right and may never be used: until then its text is all that is kept of it. A mapping has hundreds, of
        eight kilobytes each, that are run only where a message does not fit; made again in some microseconds."""
        self._compiled = None

    def reads(self) -> dict[str, Any]:
        """The static read-set of the input: `True` for a whole value, a dict of fields otherwise; {} for nothing."""
        read = self._made().reads().get("input", {})
        return {"": True} if read is True else dict(read)

    def names(self) -> frozenset[str]:
        """The variables and host functions (`$name`) that it takes from outside."""
        return frozenset(self._made().reads()["bindings"])

    def reads_binding(self, name: str) -> Any:
        """What is read of the binding `$name`: None, True or a dict of fields."""
        return self._made().reads()["bindings"].get(name)

    def evaluate(self, document: Any, bindings: dict[str, Any] | None = None, *, now: datetime | None = None) -> Any:
        """The value, or None when undefined or null. `now` pins the clock. Raises JsonataError; an exception of a
        host function passes through."""
        try:
            return self._made().evaluate(document, bindings, now=now, seed=0, **LIMITS)
        except jlens.JlensError as error:
            raise JsonataError(error.code, error.position) from None

    def test(self, document: Any, bindings: dict[str, Any] | None = None, *, now: datetime | None = None) -> bool:
        """Strictly boolean: anything but true or false raises JsonataError("not-boolean")."""
        value = self.evaluate(document, bindings, now=now)
        if value is True or value is False:
            return bool(value)
        raise JsonataError("not-boolean", None)
