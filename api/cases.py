# SPDX-License-Identifier: EUPL-1.2
"""What recipients ask and say: how a case stands, and their answer on their own request."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import ValidationError

from api.auth import Recipient, TheHub
from api.models import Answered, CaseView
from api.negotiation import JSON, check_accept, content_type
from api.problems import malformed
from connectors.formats.strict_json import read_json
from schakel.errors import Finding, Malformed
from schakel.message import Answer


def cases() -> APIRouter:
    router = APIRouter(tags=["cases"])
    router.add_api_route(
        "/cases/{reference}",
        case,
        methods=["GET"],
        response_model=CaseView,
        operation_id="caseView",
        summary="How a case stands: the matrix for lead and duo, the own line for others",
        description="By the partner's own reference of the case. Each look is kept in the audit.",
    )
    router.add_api_route(
        "/answers",
        answer,
        methods=["POST"],
        response_model=Answered,
        operation_id="answer",
        summary="Answer a request: received, confirmed or declined",
        description=(
            "`reference` is the answer reference that came with the case. Declining needs a reason code; a lead or duo"
            " that confirms names a reachable person. Repeating is harmless, contradicting is recorded, late is fine."
        ),
    )
    return router


async def case(reference: str, request: Request, hub: TheHub, partner: Recipient) -> Response:
    check_accept(request, JSON)
    return JSONResponse(await hub.involvement.case_view(partner, reference, now=hub.clock.now()))


async def answer(request: Request, hub: TheHub, partner: Recipient) -> Response:
    content_type(request, JSON)
    check_accept(request, JSON)
    said = _answer(await request.body())
    outcome = await hub.involvement.answer(partner, said, now=hub.clock.now())
    return JSONResponse({"outcome": outcome.outcome, "requestState": outcome.request_state})


def _answer(body: bytes) -> Answer:
    """Raises Malformed."""
    document = read_json(body)
    if not isinstance(document, dict):
        raise Malformed(
            Finding("(document)", "schema:object", "Een JSON-object wordt verwacht.", "A JSON object is expected.")
        )
    try:
        return Answer.model_validate_json(body)
    except ValidationError as error:
        raise malformed(error) from None
