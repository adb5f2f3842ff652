# SPDX-License-Identifier: EUPL-1.2
"""What is said and done in a case: partners asked in, effort, questions, events, closure, the ledger."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime, TypeAdapter, ValidationError

from api.auth import Recipient, TheHub
from api.negotiation import JSON, check_accept, content_type
from api.problems import malformed
from connectors.formats.strict_json import read_json
from schakel.acting import Said
from schakel.errors import Finding, Malformed
from schakel.forms import FORMS, Form

_SUMMARIES: Final = {
    "involvements": "Ask a partner in, establish it, ask it to leave, or hand over",
    "effort-requests": "Ask a partner to raise or lower its effort for a time",
    "known-checks": "Ask partners whether they know a person",
    "events": "Record a visit, a plan, an evaluation, a phase, a voice or the outcome of the weighing",
    "closure": "Close the case",
}
_OPERATIONS: Final = {
    "involvements": "involve",
    "effort-requests": "askEffort",
    "known-checks": "askKnown",
    "events": "recordEvent",
    "closure": "close",
}
_MOMENT: Final = TypeAdapter(AwareDatetime)


def acts(prefix: str) -> APIRouter:
    router = APIRouter(prefix=prefix, tags=["ledger"])
    for path in FORMS:
        router.add_api_route(
            f"/cases/{{reference}}/{path}",
            _door(path),
            methods=["POST"],
            response_model=None,
            operation_id=_OPERATIONS[path],
            summary=_SUMMARIES[path],
            description=(
                "By the partner's own reference of the case. `actor` is recorded as the organisation asserts it."
                " Who may do what: docs/states.md; a refusal names the rule. Repeating is harmless."
            ),
        )
    router.add_api_route(
        "/cases/{reference}/ledger",
        ledger,
        methods=["GET"],
        response_model=None,
        operation_id="ledger",
        summary="Who is in this case, on whose word and since when; now, or as it was known at a moment",
    )
    return router


def _door(path: str) -> Callable[..., Awaitable[Response]]:
    async def act(reference: str, request: Request, hub: TheHub, partner: Recipient) -> Response:
        check_accept(request, JSON)
        content_type(request, JSON)
        form = _form(FORMS[path], await request.body())
        done = await hub.acting.act(
            form.kind,
            actor=partner.id,
            reference=reference,
            fields=form.fields,
            now=hub.clock.now(),
            said=Said(**form.word),
            key=request.headers.get("idempotency-key", ""),
        )
        return JSONResponse({"outcome": done.outcome, "made": dict(done.made)})

    act.__name__ = _OPERATIONS[path]
    return act


async def ledger(reference: str, request: Request, hub: TheHub, partner: Recipient, at: str | None = None) -> Response:
    """`at`: RFC 3339 with an offset."""
    check_accept(request, JSON)
    return JSONResponse(await hub.ledger_views.ledger(partner, reference, at=_moment(at), now=hub.clock.now()))


def _moment(at: str | None) -> AwareDatetime | None:
    try:
        return None if at is None else _MOMENT.validate_python(at.replace(" ", "+"))
    except ValidationError:
        raise Malformed(
            Finding("at", "schema:date-time", "Een tijdstip met tijdzone wordt verwacht.", "A time with an offset.")
        ) from None


def _form(form: type[Form], body: bytes) -> Form:
    """Raises Malformed."""
    if not isinstance(read_json(body), dict):
        raise Malformed(
            Finding("(document)", "schema:object", "Een JSON-object wordt verwacht.", "A JSON object is expected.")
        )
    try:
        return form.model_validate_json(body)
    except ValidationError as error:
        raise malformed(error) from None
