# SPDX-License-Identifier: EUPL-1.2
"""Writes OperationOutcomes: what became of a message, as a FHIR system reads it; Dutch text, English diagnostics."""

from __future__ import annotations

import re
from typing import Any, Final

from schakel.errors import (
    Conflict,
    Finding,
    Forbidden,
    Malformed,
    NotAcceptable,
    NotFound,
    Refusal,
    Throttled,
    Unacceptable,
    Unauthenticated,
    UnsupportedFormat,
)
from schakel.ledger_records import AnswerOutcome
from schakel.ports import Receipt

_CODES: Final[tuple[tuple[type[Refusal], str], ...]] = (  # http://hl7.org/fhir/issue-type
    (Malformed, "structure"),
    (UnsupportedFormat, "not-supported"),
    (NotAcceptable, "not-supported"),
    (Unauthenticated, "login"),
    (Forbidden, "forbidden"),
    (NotFound, "not-found"),
    (Conflict, "duplicate"),
    (Throttled, "throttled"),
    (Unacceptable, "transient"),
)
_BY_STATUS: Final = {413: "too-long", 408: "timeout", 431: "too-long", 507: "no-store"}
_BY_RULE: Final = {
    "fhir-r4-required": "required",
    "fhir-r4-value": "value",
    "fhir-message": "invalid",
    "bdl-7": "invariant",
    "bdl-12": "invariant",
    "fhir-request": "required",
    "fhir-message-reference": "required",
    "fhir-task-status": "business-rule",
    "fhir-id": "invalid",
    "answer:stale-version": "conflict",
    "answer:request-over": "business-rule",
    "answer:reachable-person": "business-rule",
    "answer:withdrawal-not-asked": "business-rule",
    "answer:confirm-first": "business-rule",
    "answer:not-on-a-request": "business-rule",
    "answer:reason-required": "business-rule",
    "answer:other-needs-text": "business-rule",
}
_FHIRPATH: Final = re.compile(r"^[A-Z][A-Za-z]*(\.[_A-Za-z]+(\[[0-9]+\])?)*$")


def refused(refusal: Refusal) -> dict[str, Any]:
    """One issue of severity error per finding; without findings one that says what kind of refusal it is."""
    code = issue_code(refusal)
    issues = [
        _issue("error", _BY_RULE.get(finding.rule, code), finding.nl, f"{finding.place}: {finding.rule}: {finding.en}")
        | _expression(finding)
        for finding in refusal.findings
    ]
    return _outcome(issues or [_issue("error", code, refusal.title_nl, refusal.title_en)])


def accepted(receipt: Receipt) -> dict[str, Any]:
    """The message's id, then who gets it (or not) and why, then what a person should look at."""
    said = {
        "routed": ("Aangenomen en gerouteerd.", "accepted and routed"),
        "parked": ("Aangenomen; een mens beslist over de route.", "accepted and parked for a human decision"),
    }
    nl, en = said.get(receipt.state, ("Aangenomen.", "accepted"))
    first = _issue("information", "informational", nl, f"message {receipt.message_id}: {en}")
    if receipt.parked_cause is not None:
        first["severity"] = "warning"
        first["diagnostics"] += f" ({receipt.parked_cause})"
    issues = [first]
    if receipt.duplicate:
        text = "Dit bericht was al ontvangen; dit is het eerste antwoord opnieuw."
        issues.append(_issue("information", "duplicate", text, "received before: this is the first answer again"))
    for notice in receipt.notices:
        diagnostics = f"{notice.recipient} ({notice.role}): {notice.outcome}: {notice.rule}: {notice.en}"
        issues.append(_issue("information", "informational", notice.nl, diagnostics))
    for warning in receipt.warnings:
        issue = _issue("warning", "business-rule", warning.nl, f"{warning.place}: {warning.rule}: {warning.en}")
        issues.append(issue | _expression(warning))
    return _outcome(issues)


def answered(outcome: AnswerOutcome) -> dict[str, Any]:
    """What became of an answer: recorded, repeated, contradicting an earlier one, or kept for a person."""
    nl, en = _ANSWERED.get(outcome.outcome, _ANSWERED["recorded"])
    state = f"; the request is {outcome.request_state}" if outcome.request_state else ""
    severity = "warning" if outcome.outcome in ("contradicts", "parked") else "information"
    return _outcome([_issue(severity, "informational", nl, f"answer {outcome.outcome}: {en}{state}")])


_ANSWERED: Final = {
    "recorded": ("Het antwoord is vastgelegd.", "recorded"),
    "repeated": ("Dit antwoord was al bekend.", "known already"),
    "contradicts": ("Vastgelegd; het spreekt een eerder antwoord tegen.", "recorded; contradicts an earlier answer"),
    "parked": ("Ontvangen; een mens kijkt ernaar.", "kept; a person will look at it"),
}


def issue_code(refusal: Refusal) -> str:
    """The issue-type for a kind of refusal."""
    if refusal.status in _BY_STATUS:
        return _BY_STATUS[refusal.status]
    return next((code for kind, code in _CODES if isinstance(refusal, kind)), "processing")


def _issue(severity: str, code: str, nl: str, en: str) -> dict[str, Any]:
    return {"severity": severity, "code": code, "details": {"text": nl}, "diagnostics": en}


def _expression(finding: Finding) -> dict[str, Any]:
    return {"expression": [finding.place]} if _FHIRPATH.match(finding.place) else {}


def _outcome(issues: list[dict[str, Any]]) -> dict[str, Any]:
    return {"resourceType": "OperationOutcome", "issue": issues}
