# SPDX-License-Identifier: EUPL-1.2
"""Turns what goes wrong into `application/problem+json` (RFC 9457): Dutch first, English beside, never the input.

The framework's own answers are replaced: its 422 repeats what was sent, and what was sent can be a secret address.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from schakel.errors import Finding, Malformed, NotFound, Refusal, Unacceptable

MEDIA_TYPE: Final = "application/problem+json"
RETRY_SECONDS: Final = 5  # for a store that is away: short, a household waits

_DETAIL: Final = {
    "unauthenticated": (
        "Stuur een geldige sleutel mee: Authorization: Bearer.",
        "Send a valid key along: Authorization: Bearer.",
    ),
    "forbidden": ("Uw organisatie gebruikt deze ingang niet.", "Your organisation does not use this door."),
    "not-found": ("Er is hier niets dat u mag zien.", "There is nothing here that you may see."),
    "method-not-allowed": (
        "Deze methode bestaat hier niet; zie de kop Allow.",
        "There is no such method here; see the header Allow.",
    ),
    "throttled": ("Wacht en probeer het opnieuw; zie de kop Retry-After.", "Wait and try again; see Retry-After."),
    "store-unavailable": (
        "Er is niets aangenomen. Stuur het bericht opnieuw; zie de kop Retry-After.",
        "Nothing was accepted. Send the message again; see the header Retry-After.",
    ),
    "internal": (
        "Er ging bij ons iets mis. Noem het kenmerk in `instance` als u ons belt.",
        "Something went wrong on our side. Name the mark in `instance` when you call us.",
    ),
}
_CLOSING: Final = frozenset({408, 413, 431})  # what is left of the request is not read


class Problem(Response):
    """One problem, ready to be sent."""

    def __init__(
        self,
        status: int,
        slug: str,
        *,
        title: tuple[str, str],
        detail: tuple[str, str] | None = None,
        findings: Sequence[Finding] = (),
        headers: Mapping[str, str] | None = None,
        instance: str | None = None,
    ) -> None:
        said_nl, said_en = detail or _DETAIL.get(slug) or title
        if findings and detail is None:
            said_nl = " ".join(dict.fromkeys(finding.nl for finding in findings))
            said_en = " ".join(dict.fromkeys(finding.en for finding in findings))
        body: dict[str, Any] = {
            "type": f"urn:schakel:problem:{slug}",
            "status": status,
            "title": title[0],
            "titleEn": title[1],
            "detail": said_nl,
            "detailEn": said_en,
        }
        if findings:
            body["errors"] = [{"place": f.place, "rule": f.rule, "nl": f.nl, "en": f.en} for f in findings]
        if instance is not None:
            body["instance"] = instance
        close = {"connection": "close"} if status in _CLOSING else {}
        super().__init__(orjson.dumps(body), status, {**close, **(headers or {})}, MEDIA_TYPE)


def problem_of(refusal: Refusal, *, headers: Mapping[str, str] | None = None) -> Problem:
    """A refusal as the other side gets it."""
    wait = refusal.retry_after
    if wait is None and isinstance(refusal, Unacceptable):
        wait = RETRY_SECONDS
    made = dict(headers or {})
    if wait is not None:
        made["retry-after"] = str(wait)
    if refusal.status == 401:
        made["www-authenticate"] = 'Bearer realm="schakel"'
    return Problem(
        refusal.status,
        refusal.slug,
        title=(refusal.title_nl, refusal.title_en),
        findings=refusal.findings,
        headers=made,
    )


def note_refusal(request: Request, refusal: Refusal) -> None:
    """In the log, and so in the count: by which rule somebody was refused."""
    rule = refusal.findings[0].rule if refusal.findings else None
    request.app.state.hub.log.info("request.refused", status=refusal.status, kind=refusal.slug, rule=rule)


def failure(mark: str) -> Problem:
    """Our own fault: a mark to look up in the log, and nothing else."""
    return Problem(500, "internal", title=("Fout bij ons", "Fault on our side"), instance=f"urn:uuid:{mark}")


def malformed(error: ValidationError | RequestValidationError, *, root: str = "") -> Malformed:
    """Places and rules of what a model refuses; the input, and names that the sender chose, stay out of it."""
    findings = []
    for fault in error.errors():
        parts = [str(part) for part in fault["loc"]]
        if fault["type"] == "extra_forbidden":
            parts[-1] = "*"  # the name of a field we do not know is the sender's own text
        place = ".".join([root, *parts] if root else parts) or "body"
        nl, en = _SAID.get(fault["type"], _SAID["other"])
        findings.append(Finding(place, f"schema:{fault['type'].replace('_', '-')}", f"{place}: {nl}", f"{place}: {en}"))
    return Malformed(*findings)


_SAID: Final = {
    "missing": ("ontbreekt.", "is missing."),
    "extra_forbidden": ("een veld dat hier niet bestaat.", "a field that does not exist here."),
    "enum": ("geen van de mogelijke waarden.", "none of the possible values."),
    "literal_error": ("geen van de mogelijke waarden.", "none of the possible values."),
    "string_too_long": ("te lang.", "too long."),
    "string_too_short": ("te kort.", "too short."),
    "timezone_aware": ("een tijdstip zonder tijdzone.", "a time without an offset."),
    "other": ("voldoet niet aan de regel.", "does not fit the rule."),
}


async def _validation(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return problem_of(malformed(error))


async def _http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return problem_of(NotFound())
    if error.status_code == 405:
        title = ("Methode niet toegestaan", "Method not allowed")
        return Problem(405, "method-not-allowed", title=title, headers=error.headers)
    title = ("Geweigerd", "Refused")
    return Problem(error.status_code, "refused", title=title, headers=error.headers)


def install_problems(app: FastAPI) -> None:
    """In the place of what the framework itself would answer."""
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)
