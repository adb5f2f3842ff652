# SPDX-License-Identifier: EUPL-1.2
"""Writes OperationOutcomes: what became of a message, as a FHIR system reads it; Dutch text, English diagnostics."""

from __future__ import annotations

import json
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
from schakel.ports import Receipt, Reply

MEDIA_TYPE: Final = "application/fhir+json"
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
}
_FHIRPATH: Final = re.compile(r"^[A-Z][A-Za-z]*(\.[_A-Za-z]+(\[[0-9]+\])?)*$")


def refusal_reply(refusal: Refusal) -> Reply:
    """One issue of severity error per finding; without findings one that says what kind of refusal it is."""
    code = issue_code(refusal)
    issues = [
        _issue("error", _BY_RULE.get(finding.rule, code), finding.nl, f"{finding.place}: {finding.rule}: {finding.en}")
        | _expression(finding)
        for finding in refusal.findings
    ]
    return _reply(refusal.status, issues or [_issue("error", code, refusal.title_nl, refusal.title_en)])


def accepted_reply(receipt: Receipt) -> Reply:
    """202: the message's id, then who gets it (or not) and why, then what a person should look at."""
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
    return _reply(202, issues)


def issue_code(refusal: Refusal) -> str:
    """The issue-type for a kind of refusal."""
    if refusal.status in _BY_STATUS:
        return _BY_STATUS[refusal.status]
    return next((code for kind, code in _CODES if isinstance(refusal, kind)), "processing")


def _issue(severity: str, code: str, nl: str, en: str) -> dict[str, Any]:
    return {"severity": severity, "code": code, "details": {"text": nl}, "diagnostics": en}


def _expression(finding: Finding) -> dict[str, Any]:
    return {"expression": [finding.place]} if _FHIRPATH.match(finding.place) else {}


def _reply(status: int, issues: list[dict[str, Any]]) -> Reply:
    outcome = {"resourceType": "OperationOutcome", "issue": issues}
    return Reply(status=status, media_type=MEDIA_TYPE, body=json.dumps(outcome, ensure_ascii=False).encode())
