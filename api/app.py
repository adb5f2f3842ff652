# SPDX-License-Identifier: EUPL-1.2
"""Puts the HTTP door together: thin handlers, each one call on the hub, under `/v1`."""

from __future__ import annotations

from asyncio import Lock
from functools import cache

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from api.acts import acts
from api.auth import Doorkeeper
from api.cases import cases
from api.fhir import words
from api.fhir.tasks import fhir
from api.guard import Guard
from api.health import health
from api.hub import Hub
from api.limits import Limits
from api.mailbox import mailbox
from api.problems import install_problems, note_refusal, problem_of
from api.referrals import referrals, refused
from schakel.errors import LeaseLost, Refusal, Unacceptable


def create_app(hub: Hub) -> FastAPI:
    """The ASGI application over `hub`. Starts nothing and closes nothing: the hub has its own life."""
    settings = hub.settings
    app = FastAPI(
        routes=[*routes(), *fhir().routes, *health().routes],
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        middleware=[
            Middleware(Guard, log=hub.log),
            Middleware(
                Limits,
                max_body=settings.max_body,
                body_timeout=settings.body_timeout,
                answer_timeout=settings.answer_timeout,
            ),
        ],
    )
    app.state.hub = hub
    app.state.doorkeeper = Doorkeeper(hub)
    install_problems(app)
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(LeaseLost, _busy)

    @cache
    def document() -> bytes:
        shown = openapi_document(public_url=settings.public_url, contact=hub.region.contact)
        return bytes(JSONResponse(shown).body)

    making = Lock()

    async def openapi() -> Response:
        async with making:  # it is made once, also when many ask at the same moment
            return Response(await run_in_threadpool(document), media_type="application/json")

    app.add_api_route("/v1/openapi.json", openapi, methods=["GET"], include_in_schema=False)
    return app


def routes() -> list[BaseRoute]:
    """Everything under `/v1` that is described. A list, as a router within a router is gone through at each request."""
    return [route for made in (referrals, cases, acts, mailbox) for route in made("/v1").routes]


def openapi_document(*, public_url: str = "https://schakel.example.nl", contact: str = "") -> dict[str, object]:
    """The description of the interface, without a hub; `contact` is a mail address."""
    from api.openapi import described  # with the models that it is made of: a hub is seldom asked for it

    return described(routes(), public_url=public_url, contact=contact)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    if request.url.path.startswith(f"{words.PREFIX}/"):
        note_refusal(request, error)
        return words.refused(request, error)
    if request.url.path == "/v1/referrals":  # a source may ask for refusals in the words of its own format
        return refused(request, error)
    note_refusal(request, error)
    return problem_of(error)


async def _busy(_: Request, __: Exception) -> Response:
    """Somebody else just rendered the same content: it is there in a moment."""
    return problem_of(Unacceptable(retry_after=1))
