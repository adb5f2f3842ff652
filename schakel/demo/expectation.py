# SPDX-License-Identifier: EUPL-1.2
"""What the demo must count, published before it runs; docs/commands.md shows the same numbers.

Eleven messages are sent. One is refused (a JSON key that stands twice) and one is a duplicate; the other nine are
accepted. Seven of these go straight to a lead and a local team, and one (the crisis team's for Den Haag) after a person
released it: sixteen deliveries. The update of a known case is delivered to the two who have it and asks nothing anew,
so fourteen requests are answered: thirteen are confirmed, and the local team of Westland declines. One, with a code
that nobody knows, stays parked, and its alarm has reached a human.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Counts:
    """What `schakel demo --json` prints, beside the report of verify."""

    accepted: int
    refused: int
    parked: int
    duplicates: int
    deliveries: int
    confirmed: int
    declined: int
    lost: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


EXPECTED: Final = Counts(accepted=9, refused=1, parked=1, duplicates=1, deliveries=16, confirmed=13, declined=1, lost=0)
