# SPDX-License-Identifier: EUPL-1.2
"""The pager of the coordinator on duty: an HTTP server that takes alarms, and remembers that a human was told."""

from __future__ import annotations

import json
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from schakel.demo import servers


class Pager:
    def __init__(self) -> None:
        self.alarms: list[dict[str, Any]] = []
        self._server: servers.Running | None = None

    async def start(self) -> str:
        """The URL to which alarms are sent."""
        self._server = await servers.start(Starlette(routes=[Route("/alarm", self._ring, methods=["POST"])]))
        return f"{self._server.url}/alarm"

    async def aclose(self) -> None:
        if self._server is not None:
            await self._server.aclose()

    async def _ring(self, request: Request) -> Response:
        self.alarms.append(json.loads(await request.body()))
        return Response(status_code=204)
