# SPDX-License-Identifier: EUPL-1.2
"""What recipients ask and say: how a case stands, and their answer on their own request."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import ValidationError

from api.auth import Recipient, TheHub
from api.fhir.words import as_asked
from api.hub import Hub
from api.negotiation import JSON, check_accept, content_type, offered_by
from api.problems import malformed
from api.referrals import refused, said_in
from connectors.formats.foreign import looks_like
from connectors.formats.strict_json import read_json
from schakel.answering import wanted_as_answer
from schakel.errors import Finding, Malformed, Refusal, UnsupportedFormat
from schakel.message import ANSWER, Answer
from schakel.region import Partner


def cases(prefix: str) -> APIRouter:
    router = APIRouter(prefix=prefix, tags=["cases"])
    router.add_api_route(
        "/cases/{reference}",
        case,
        methods=["GET"],
        response_model=None,
        operation_id="caseView",
        summary="How a case stands: the matrix for lead and duo, the own line for others",
        description="By the partner's own reference of the case. Each look is kept in the audit.",
    )
    router.add_api_route(
        "/answers",
        answer,
        methods=["POST"],
        response_model=None,
        operation_id="answer",
        summary="Answer a request: received, confirmed or declined",
        description=(
            "In JSON, or in a format that was agreed with the partner (then the answer comes in that format)."
            " `reference` is the answer reference that came with the case. Declining needs a reason code; a lead or duo"
            " that confirms names a reachable person. Repeating is harmless, contradicting is recorded, late is fine."
        ),
    )
    return router


async def case(reference: str, request: Request, hub: TheHub, partner: Recipient) -> Response:
    check_accept(request, JSON)
    return JSONResponse(await hub.involvement.case_view(partner, reference, now=hub.clock.now()))


async def answer(request: Request, hub: TheHub, partner: Recipient) -> Response:
    wanted = wanted_as_answer(hub.answering.formats_of(partner))
    known = wanted.media_types()
    body = await request.body()
    try:
        essence = content_type(request, known)
    except UnsupportedFormat as refusal:
        explained = wanted.explain(refusal, body, looks_like)
        return refused(request, explained, headers={"accept-post": ", ".join(known)})
    if essence not in JSON:
        return await _in_own_words(request, hub, partner, body, essence)
    check_accept(request, JSON)
    try:
        said = _answer(body)
    except Malformed as refusal:
        raise wanted.explain(refusal, body, looks_like, tried=ANSWER) from None
    outcome = await hub.involvement.answer(partner, said, now=hub.clock.now())
    return JSONResponse({"outcome": outcome.outcome, "requestState": outcome.request_state})


async def _in_own_words(request: Request, hub: Hub, partner: Partner, body: bytes, media_type: str) -> Response:
    """An answer in a format of the partner, answered in that format."""
    formats = [one for one in hub.answering.formats_of(partner) if media_type in one.media_types]
    check_accept(request, offered_by(formats, media_type))
    now = hub.clock.now()
    came_in = next((one for one in formats if one.recognises(body)), None)
    try:
        envelope, outcome = await hub.answering.receive(partner, body, media_type, now)
    except Refusal as refusal:
        return refused(request, refusal, body=body, words_of=came_in)
    assert came_in is not None, "what was read was recognised"
    return said_in(as_asked(request, came_in.answered(envelope, outcome, now=now, hub_oin=hub.region.hub_oin)))


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
