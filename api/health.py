# SPDX-License-Identifier: EUPL-1.2
"""Whether the process lives and whether it can do its work; outside `/v1`, for whoever watches over the hub."""

from __future__ import annotations

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from api.auth import TheHub
from api.readiness import readiness


def health() -> APIRouter:
    router = APIRouter(include_in_schema=False)
    router.add_api_route("/livez", livez, methods=["GET", "HEAD"])
    router.add_api_route("/readyz", readyz, methods=["GET", "HEAD"])
    return router


async def livez() -> Response:
    return JSONResponse({"status": "live"})


async def readyz(hub: TheHub) -> Response:
    status, said = await readiness(hub.store)
    return JSONResponse(said, status)
