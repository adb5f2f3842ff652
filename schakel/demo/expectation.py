# SPDX-License-Identifier: EUPL-1.2
"""What the demo must count, published before it runs; docs/commands.md shows the same numbers.

Thirteen messages are sent, and a CSV file with two rows and a workbook with one are dropped. Two are refused (a JSON
key that stands twice, a row without its kenmerk) and one is a duplicate; the other thirteen are accepted. Eleven of
these go straight to a lead and a local team, and one (the crisis team's for Den Haag) after a person released it. The
update of a known case is delivered to the two who have it and asks nothing anew. The local team of Westland declines,
and another takes its place; De Waag is asked in. So twenty-six deliveries carry a case, and of twenty-four requests all
but one are confirmed. One message, with a code that nobody knows, stays parked, and its alarm has reached a human.

De Waag is asked to do more, and it and the police whether they know somebody: the police stays silent, its clock's
ladder tells a human, and the lead hears "no answer". A case of MDA++ is admitted. That makes seven notices: effort
asked and answered, the question twice with two answers, and the case director told of the admission. Veilig Thuis hears
five times how its two messages stand: lead and local team of each confirmed, and the admission.
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
    notices: int
    feedback: int
    confirmed: int
    declined: int
    escalations: int
    effort_requests: int
    known_checks: int
    mda_admissions: int
    lost: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


EXPECTED: Final = Counts(
    accepted=13,
    refused=2,
    parked=1,
    duplicates=1,
    deliveries=26,
    notices=7,
    feedback=5,
    confirmed=23,
    declined=1,
    escalations=1,
    effort_requests=1,
    known_checks=2,
    mda_admissions=1,
    lost=0,
)
FORMATS: Final = {
    "in": ["case-json", "fhir-json", "fhir-xml", "stuf-jz", "thv-csv", "thv-json"],
    "out": ["case-fhir", "case-fhir-xml", "case-json", "case-stuf", "feedback-stuf", "notice-json"],
    "answers": ["case-fhir", "case-fhir-xml", "case-json", "case-stuf"],
}
