# SPDX-License-Identifier: EUPL-1.2
"""What the demo must count, published before it runs; docs/commands.md shows the same numbers.

Thirteen messages are sent and a file with two rows is dropped. Two are refused (a JSON key that stands twice, a row
without its kenmerk) and one is a duplicate; the other twelve are accepted. Ten of these go straight to a lead and a
local team, and one (the crisis team's for Den Haag) after a person released it: twenty-two deliveries. The update of a
known case is delivered to the two who have it and asks nothing anew, so twenty requests are answered: nineteen are
confirmed, and the local team of Westland declines. One, with a code that nobody knows, stays parked, and its alarm has
reached a human. Veilig Thuis hears four times how its two messages stand: lead and local team of each confirmed.
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
    feedback: int
    confirmed: int
    declined: int
    lost: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


EXPECTED: Final = Counts(
    accepted=12,
    refused=2,
    parked=1,
    duplicates=1,
    deliveries=22,
    feedback=4,
    confirmed=19,
    declined=1,
    lost=0,
)
FORMATS: Final = {
    "in": ["case-json", "fhir-json", "fhir-xml", "stuf-jz", "thv-csv", "thv-json"],
    "out": ["case-fhir", "case-fhir-xml", "case-json", "case-stuf", "feedback-stuf"],
    "answers": ["case-fhir", "case-fhir-xml", "case-json", "case-stuf"],
}
