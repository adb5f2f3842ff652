# SPDX-License-Identifier: EUPL-1.2
"""Checks that each partner's ways exist: formats it sends and answers in, representations it reads.

What a region names and the hub does not have would park every delivery, or refuse every message, of that partner.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from schakel import notices
from schakel.errors import Finding
from schakel.feedback import PLAIN
from schakel.region import Partner, Region


@dataclass(frozen=True, slots=True)
class Ways:
    """The names of what this hub has. `views`: representations of a case; `feedback`: of how a message stands;
    `notices`: of what a partner is asked or told beside it."""

    formats: Collection[str]
    answers: Collection[str]
    mappings: Collection[str]  # those that stand in another's place
    views: Collection[str]
    feedback: Collection[str]
    notices: Collection[str]


def check_ways(region: Region, ways: Ways) -> list[Finding]:
    """Every name that is not there."""
    return [fault for partner in region.partners for fault in _faults(partner, ways)]


def _faults(partner: Partner, ways: Ways) -> Iterator[Finding]:
    place = f"partners.yaml partners[{partner.id}]"
    for name in partner.sends.formats if partner.sends else ():
        yield from _known(name, ways.formats, f"{place}.sends.formats", "format")
    for name in partner.sends.mappings if partner.sends else ():
        yield from _known(name, ways.mappings, f"{place}.sends.mappings", "own-mapping")
    if partner.receives is None:
        return
    reached = partner.receives
    yield from _known(reached.representation, ways.views, f"{place}.receives.representation", "representation")
    for name in reached.answers:
        yield from _known(name, ways.answers, f"{place}.receives.answers", "answer-format")
    for name in {PLAIN, *reached.feedback.values()} if partner.sends else ():
        yield from _known(name, ways.feedback, f"{place}.receives.feedback", "feedback-representation")
    for kind in reached.notices:
        yield from _known(kind, notices.KINDS, f"{place}.receives.notices", "notice-kind")
    for name in reached.notices.values():
        yield from _known(name, ways.notices, f"{place}.receives.notices", "notice-representation")


def _known(name: str, there: Collection[str], place: str, what: str) -> Iterator[Finding]:
    if name not in there:
        known = ", ".join(sorted(there))
        yield Finding(place, f"{what}-exists", f"bestaat hier niet; wel: {known}", f"does not exist; known: {known}")
