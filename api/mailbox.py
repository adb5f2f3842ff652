# SPDX-License-Identifier: EUPL-1.2
"""The mailbox: what waits for a recipient, by number without gaps; content, and a receipt for what came otherwise."""

from __future__ import annotations

import base64
from functools import partial
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import JSONResponse

from api.auth import Recipient, TheHub
from api.negotiation import JSON, check_accept
from schakel.errors import NotFound
from schakel.records import MailboxEntry

MOST: Final = 500
LARGEST_NUMBER: Final = 2**53 - 1

Number = Annotated[int, Path(ge=1, le=LARGEST_NUMBER, description="The recipient's own number of the entry.")]


def mailbox(prefix: str) -> APIRouter:
    router = APIRouter(prefix=prefix, tags=["mailbox"])
    router.add_api_route(
        "/mailbox",
        entries,
        methods=["GET"],
        response_model=None,
        operation_id="mailbox",
        summary="What waits, by number",
        description="Numbers have no gaps: what was replaced or dropped stays as a tombstone.",
    )
    router.add_api_route(
        "/mailbox/{number}",
        content,
        methods=["GET"],
        response_model=None,
        operation_id="mailboxContent",
        summary="The content, as it was rendered once; fetching it counts as receiving it",
    )
    router.add_api_route(
        "/mailbox/{number}/case",
        whole_case,
        methods=["GET"],
        response_model=None,
        operation_id="mailboxCase",
        summary="The whole case as canonical JSON, for who was notified in a form that cannot carry it",
        description=(
            "What this recipient may see now: made when it is asked, with the newest secrecy, and not kept. The entry's"
            " own content stays the same bytes. Fetching it counts as receiving the entry."
        ),
    )
    router.add_api_route(
        "/mailbox/{number}/receipt",
        receipt,
        methods=["POST"],
        response_model=None,
        operation_id="mailboxReceipt",
        summary="Say that it is received, by whichever way; repeating is harmless",
    )
    return router


async def entries(
    request: Request,
    hub: TheHub,
    partner: Recipient,
    after: Annotated[int, Query(ge=0, le=LARGEST_NUMBER, description="The last number you have; 0 for all.")] = 0,
    limit: Annotated[int, Query(ge=1, le=MOST, description="How many entries at most.")] = 100,
) -> Response:
    check_accept(request, JSON)
    found = await hub.store.mailbox(partner.id, after=after, limit=limit)
    last = found[-1].number if found else after
    return JSONResponse({"entries": [_entry(one) for one in found], "last": last})


async def content(number: Number, request: Request, hub: TheHub, partner: Recipient) -> Response:
    body, media_type, digest = await hub.mailbox.content(partner, number, acceptable=partial(check_accept, request))
    return Response(body, headers={"content-digest": _digest(digest)}, media_type=media_type)


async def whole_case(number: Number, request: Request, hub: TheHub, partner: Recipient) -> Response:
    check_accept(request, JSON)
    body, media_type = await hub.mailbox.whole_case(partner, number)
    return Response(body, media_type=media_type)


async def receipt(number: Number, request: Request, hub: TheHub, partner: Recipient) -> Response:
    check_accept(request, JSON)
    state = await hub.store.receive(partner.id, number, now=hub.clock.now(), how="receipt")
    if state is None:
        raise NotFound()
    return JSONResponse({"number": number, "state": state})


def _entry(one: MailboxEntry) -> dict[str, object]:
    return {
        "number": one.number,
        "deliveryId": one.delivery_id,
        "state": one.state,
        "createdAt": one.created_at.isoformat().replace("+00:00", "Z"),
        "mediaType": one.media_type,
        "contentDigest": _digest(one.digest) if one.digest else None,
    }


def _digest(digest: bytes) -> str:
    """RFC 9530."""
    return f"sha-256=:{base64.b64encode(digest).decode()}:"
