# SPDX-License-Identifier: EUPL-1.2
"""FHIR's own words over HTTP: JSON or XML as asked for, OperationOutcomes, ETags."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import format_datetime
from typing import Any, Final

from fastapi import Request, Response

from api.problems import problem_of
from connectors.formats import fhir_outcome
from connectors.formats.fhir_json import MEDIA_TYPE as FHIR_JSON
from connectors.formats.fhir_json import FhirJson
from connectors.formats.fhir_xml import MEDIA_TYPE as FHIR_XML
from connectors.formats.fhir_xml import FhirXml
from connectors.formats.fhir_xml_convert import from_xml
from connectors.formats.strict_json import read_json
from schakel.errors import Finding, Malformed, NotAcceptable, Refusal
from schakel.ports import Reply

PREFIX: Final = "/v1/fhir"
_FORMS: Final = {  # what may be asked for → what is said
    FHIR_JSON: FHIR_JSON,
    "application/json": FHIR_JSON,
    "text/json": FHIR_JSON,
    "json": FHIR_JSON,
    FHIR_XML: FHIR_XML,
    "application/xml": FHIR_XML,
    "text/xml": FHIR_XML,
    "xml": FHIR_XML,
}
_KEPT: Final = ("retry-after", "www-authenticate", "connection")
_VERSION: Final = re.compile(r'^(?:W/)?"?([0-9]{1,9})"?$')
_NO_FORM: Final = Finding(
    "header Accept",
    "media-type",
    "Wij antwoorden in application/fhir+json of application/fhir+xml.",
    "We answer in application/fhir+json or application/fhir+xml.",
)
_NO_VERSION: Final = Finding(
    "header If-Match", "version", 'Verwacht: de ETag van de Task, W/"3".', 'Expected the ETag of the Task, W/"3".'
)


def form_of(request: Request) -> str:
    """The media type of the answer: `_format`, else the best of Accept; JSON when all is well. Raises NotAcceptable."""
    asked = request.query_params.get("_format")
    if asked is not None:
        form = _FORMS.get(asked.partition(";")[0].strip().lower().replace(" ", "+"))
        if form is None:
            raise NotAcceptable(_NO_FORM)
        return form
    ranges = _ranges(request)
    if not ranges:
        return FHIR_JSON
    ranked: dict[str, float] = {}
    for name, quality in ranges:
        form = FHIR_JSON if name in ("*/*", "application/*") else _FORMS.get(name)
        if form is not None:
            ranked[form] = max(ranked.get(form, 0.0), quality)
    best = max(ranked.values(), default=0.0)
    if best <= 0.0:
        raise NotAcceptable(_NO_FORM)
    return next(form for form, quality in ranked.items() if quality == best)


def as_asked(request: Request, reply: Reply) -> Reply:
    """A reply in FHIR in the other form, when that is the one that was asked for; any other reply as it is."""
    other = {FHIR_JSON: FHIR_XML, FHIR_XML: FHIR_JSON}.get(reply.media_type)
    if other is None:
        return reply
    ranked = {name: quality for name, quality in _ranges(request) if name in (FHIR_JSON, FHIR_XML, "*/*")}
    own = max(ranked.get(reply.media_type, 0.0), ranked.get("*/*", 0.0) if reply.media_type not in ranked else 0.0)
    if ranked.get(other, 0.0) <= own:
        return reply
    resource = from_xml(reply.body) if reply.media_type == FHIR_XML else read_json(reply.body)
    return Reply(reply.status, other, (FhirXml() if other == FHIR_XML else FhirJson()).write(resource))


def said(request: Request, resource: Mapping[str, Any], status: int = 200, **headers: str) -> Response:
    """The resource in the form asked for."""
    form = form_of(request)
    body = (FhirXml() if form == FHIR_XML else FhirJson()).write(resource)
    return Response(body, status, {name.replace("_", "-"): value for name, value in headers.items()}, form)


def refused(request: Request, refusal: Refusal) -> Response:
    """An OperationOutcome; in JSON when the form asked for is not one of ours."""
    problem = problem_of(refusal)
    kept = {name.replace("-", "_"): problem.headers[name] for name in _KEPT if name in problem.headers}
    outcome = fhir_outcome.refused(refusal)
    try:
        return said(request, outcome, refusal.status, **kept)
    except NotAcceptable:
        headers = {name.replace("_", "-"): value for name, value in kept.items()}
        return Response(FhirJson().write(outcome), refusal.status, headers, FHIR_JSON)


def etag(version: int) -> str:
    return f'W/"{version}"'


def modified(at: datetime) -> str:
    return format_datetime(at, usegmt=True)


def version_in(header: str | None) -> int | None:
    """The version that a precondition names; None without one. Raises Malformed."""
    if header is None:
        return None
    match = _VERSION.match(header.strip())
    if match is None:
        raise Malformed(_NO_VERSION)
    return int(match[1])


def _ranges(request: Request) -> list[tuple[str, float]]:
    """The media ranges of Accept with their quality (RFC 9110 §12.5.1); none without the header."""
    accept = ",".join(request.headers.getlist("accept")).lower()
    if not accept.strip():
        return []
    parts = ([piece.strip() for piece in part.split(";")] for part in accept.split(","))
    return [(name, _quality(parameters)) for name, *parameters in parts]


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return min(1.0, max(0.0, float(value)))
            except ValueError:
                return 0.0
    return 1.0
