# SPDX-License-Identifier: EUPL-1.2
"""Says which acknowledgements to send: as many bells as can be with one, and no bell before it is done with."""

from __future__ import annotations

from collections.abc import Iterable


class Receipts:
    """Of one channel. Delivery tags on a channel only grow."""

    def __init__(self) -> None:
        self._open: dict[int, None] = {}  # in the order in which they came

    def came(self, tag: int) -> None:
        self._open[tag] = None

    def done(self, tags: Iterable[int]) -> list[tuple[int, bool]]:
        """(tag, everything up to it) for each acknowledgement. Tags it does not know, or knew, are passed over."""
        left = {tag for tag in tags if tag in self._open}
        last = None
        for tag in self._open:
            if tag not in left:
                break
            left.remove(tag)
            last = tag
        singles = sorted(left)
        if last is not None:
            self._open = {tag: None for tag in self._open if tag > last}
        for tag in singles:
            del self._open[tag]
        return ([(last, True)] if last is not None else []) + [(tag, False) for tag in singles]
