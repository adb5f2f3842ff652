# SPDX-License-Identifier: EUPL-1.2
"""Whether the process lives and whether it can do its work; outside `/v1`, for whoever watches over the hub."""

from __future__ import annotations

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from api.auth import TheHub
from schakel.errors import SchakelError
from schakel.ports import Store


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


async def readiness(store: Store) -> tuple[int, dict[str, object]]:
    """503 when nothing can be accepted; `degraded` with 200 when work goes on but a human is not reached."""
    try:
        found = await store.health()
    except SchakelError:
        return 503, {"status": "unavailable", "causes": ["store"]}
    causes = [cause for cause in (found.store, found.alarms) if cause is not None]
    if found.store is not None:
        return 503, {"status": "unavailable", "causes": causes}
    return 200, {"status": "degraded" if causes else "ready", "causes": causes}
