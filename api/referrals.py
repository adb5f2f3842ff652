# SPDX-License-Identifier: EUPL-1.2
"""Handing a message in, in the source's own format, and asking how it stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from api.auth import Sender, TheHub
from api.fhir.words import as_asked
from api.hub import Hub
from api.negotiation import JSON, check_accept, content_type, media_type_of, offered_by
from api.problems import Problem, note_refusal, problem_of
from connectors.formats.cloudevent_in import STRUCTURED, is_event, unwrap
from connectors.formats.foreign import CLOUDEVENT, looks_like
from schakel.errors import Malformed, Refusal, UnsupportedFormat
from schakel.likeness import Wanted
from schakel.ports import AnswerFormat, Format, Reply
from schakel.region import Partner


def referrals(prefix: str) -> APIRouter:
    router = APIRouter(prefix=prefix, tags=["referrals"])
    router.add_api_route(
        "/referrals",
        hand_in,
        methods=["POST"],
        status_code=202,
        response_model=None,
        operation_id="handIn",
        summary="Hand in a referral, update or withdrawal",
        description="In the sender's own format; the answer comes in that format. 202 is sent after it is on disk.",
    )
    router.add_api_route(
        "/referrals/{id}",
        status,
        methods=["GET"],
        response_model=None,
        operation_id="referralStatus",
        summary="How a message stands; for its sender only",
    )
    return router


async def hand_in(request: Request, hub: TheHub, partner: Sender) -> Response:
    formats = _formats(hub, partner)
    wanted = Wanted(tuple(formats))
    came = await request.body()
    try:
        media_type, body = _document(request, partner, formats, came)
    except (Malformed, UnsupportedFormat) as refusal:
        accept_post = {"accept-post": ", ".join((*wanted.media_types(), STRUCTURED))}
        headers = accept_post if isinstance(refusal, UnsupportedFormat) else None
        return refused(request, wanted.explain(refusal, came, looks_like, tried=CLOUDEVENT), headers=headers)
    now = hub.clock.now()
    try:
        envelope, receipt = await hub.intake.receive(partner, body, media_type, now)
    except Refusal as refusal:
        came_in = (one for one in formats if media_type in one.media_types and one.recognises(body))
        return refused(request, refusal, body=body, words_of=next(came_in, None))
    reply = hub.formats[envelope.format].accepted(envelope, receipt, now=now, hub_oin=hub.region.hub_oin)
    return said_in(as_asked(request, reply))


def _document(request: Request, partner: Partner, formats: list[Format], came: bytes) -> tuple[str, bytes]:
    """Media type and bytes of the document, taken out of its CloudEvent where it comes in one."""
    wanted = Wanted(tuple(formats))
    headers = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in request.headers.raw]
    if not is_event(headers):
        media_type = content_type(request, wanted.media_types())
        check_accept(request, offered_by(formats, media_type))
        return media_type, came
    oins = (*partner.oins, *(partner.sends.forwards_for if partner.sends else ()))
    carried = unwrap(headers, came, oins=oins)
    try:
        media_type = media_type_of([carried.media_type], wanted.media_types())
    except UnsupportedFormat as refusal:
        raise wanted.explain(refusal, carried.body, looks_like) from None
    check_accept(request, offered_by(formats, media_type))
    return media_type, carried.body


def _formats(hub: Hub, partner: Partner) -> list[Format]:
    names = partner.sends.formats if partner.sends else ()
    return [hub.formats[name] for name in names if name in hub.formats]


def refused(
    request: Request,
    refusal: Refusal,
    *,
    body: bytes = b"",
    words_of: Format | AnswerFormat | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """In the words of the format that came in or that is asked for, where it has them; else as a problem."""
    note_refusal(request, refusal)
    problem = problem_of(refusal, headers=headers)
    hub: Hub = request.app.state.hub
    accept = ",".join(request.headers.getlist("accept")).lower()
    chosen = words_of or next((one for one in hub.formats.values() if _is_asked(one, accept)), None)
    if chosen is None:
        return problem
    reply = chosen.refused(refusal, body, now=hub.clock.now(), hub_oin=hub.region.hub_oin, accept=accept)
    return problem if reply is None else said_in(as_asked(request, reply), headers=_kept(problem))


def _is_asked(one: Format, accept: str) -> bool:
    return one.media_types[0] not in JSON and one.media_types[0] in accept


def _kept(problem: Problem) -> dict[str, str]:
    """Headers that a refusal has in any format."""
    kept = ("retry-after", "www-authenticate", "accept-post", "connection")
    return {name: problem.headers[name] for name in kept if name in problem.headers}


def said_in(reply: Reply, *, headers: dict[str, str] | None = None) -> Response:
    """What a format says."""
    return Response(reply.body, reply.status, headers, media_type=reply.media_type)


async def status(id: str, request: Request, hub: TheHub, partner: Sender) -> Response:
    check_accept(request, JSON)
    found: dict[str, Any] = await hub.involvement.status(partner, id)
    return JSONResponse(found)
