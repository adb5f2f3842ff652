# SPDX-License-Identifier: EUPL-1.2
"""Remarks on eligibility for the team's judgement: never a wall, never a reason not to deliver."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from schakel.errors import ConfigurationError, Finding
from schakel.jsonata import Expression, JsonataError
from schakel.message import CaseContent, Member, MemberRole, Remark
from schakel.region import Region, RemarkRule
from schakel.routing import FACTS, FACTS_KEPT, RoutingFacts, compile_condition

# what remarks may look at beyond the routing facts; none of it says who somebody is
CONTENT_FACTS: Final = frozenset(
    {
        "orderStatus",  # text, null without an order
        "incident",  # boolean
        "stalledHelp",  # boolean
        "earlierReports",  # number, null when not stated
        "willingness",
        "intimateTerrorism",  # boolean, null when not stated
        "children",  # number of minor children, the unborn included
        "adultChildren",
        "reporterKnown",  # boolean: the source says who reported, whether or not that may be passed on
        "victims",
    }
)


class Eligibility:
    """The region's remarks, compiled. Pure."""

    def __init__(self, region: Region) -> None:
        """Raises ConfigurationError when a condition is not JSONata or reads what is not a fact."""
        faults: list[Finding] = []
        self._rules: list[tuple[RemarkRule, Expression]] = []
        for rule in region.routing.remarks:
            place = f"routes.yaml remarks[{rule.id}].when"
            expression = compile_condition(rule.when, place, FACTS | CONTENT_FACTS, faults)
            if expression is not None:
                self._rules.append((rule, expression))
        if faults:
            raise ConfigurationError(*faults)
        self._remarks = lru_cache(FACTS_KEPT)(self._find)

    def remarks(self, facts: RoutingFacts, content: CaseContent) -> tuple[Remark, ...]:
        """Every remark whose condition holds, in the region's order. One that cannot be judged is left out: it is a
        remark, and the message must go."""
        return self._remarks(tuple((facts.document() | content_facts(content)).items()))

    def _find(self, known: tuple[tuple[str, Any], ...]) -> tuple[Remark, ...]:
        document = dict(known)
        return tuple(
            Remark(rule=rule.id, nl=rule.text.nl, en=rule.text.en)
            for rule, expression in self._rules
            if _holds(expression, document)
        )


def content_facts(content: CaseContent) -> dict[str, Any]:
    """The facts of CONTENT_FACTS."""
    trigger = content.trigger
    return {
        "orderStatus": trigger.restraining_order.status.value if trigger.restraining_order else None,
        "incident": trigger.incident is not None,
        "stalledHelp": trigger.stalled_help is not None and trigger.stalled_help.stalled,
        "earlierReports": content.history.earlier_reports,
        "willingness": content.willingness.value,
        "intimateTerrorism": content.risk.intimate_terrorism if content.risk else None,
        "children": _count(content.members, MemberRole.CHILD),
        "adultChildren": _count(content.members, MemberRole.ADULT_CHILD),
        "reporterKnown": content.reporter is not None and bool(content.reporter.name or content.reporter.organisation),
        "victims": _count(content.members, MemberRole.VICTIM),
    }


def _count(members: tuple[Member, ...], role: MemberRole) -> int:
    return sum(member.role is role for member in members)


def _holds(expression: Expression, document: dict[str, Any]) -> bool:
    try:
        return expression.test(document)
    except JsonataError:
        return False
