# SPDX-License-Identifier: EUPL-1.2
"""A second listening address, for whoever watches over the hub from inside: `/metrics`, `/livez`, `/readyz`.

It is never the door's: what a reverse proxy brings in from the internet comes to the door, and the door has no
`/metrics`. Nobody logs in here, so it belongs on loopback or on a network of one's own. Processes without a door
(worker, clock) answer here too.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from api.listening import ToldServer, serve_until
from api.metrics import MEDIA_TYPE, Figures, exposition
from api.readiness import readiness
from schakel.errors import SchakelError
from schakel.operating import Backlog
from schakel.ports import Broker, Clock, Store
from schakel.region import Region
from schakel.tally import Tally

FRESH: Final = 5.0  # seconds that a look at the store counts for: several watchers cost one look
SHUTDOWN_SECONDS: Final = 2


class Duty(Protocol):
    @property
    def held(self) -> bool: ...


class Watched(Protocol):
    """What there is to see of a hub."""

    @property
    def region(self) -> Region: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def store(self) -> Store: ...
    @property
    def broker(self) -> Broker: ...
    @property
    def tally(self) -> Tally: ...
    @property
    def clock_duty(self) -> Duty: ...
    def opaque(self, partner: str, /) -> str: ...


@dataclass(slots=True)
class Watch:
    """Looks at one hub."""

    hub: Watched
    _until: float = float("-inf")
    _seen: Backlog | None = None
    _looking: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def metrics(self, _: Request) -> Response:
        hub = self.hub
        figures = Figures(
            at=hub.clock.now(),
            tally=hub.tally,
            backlog=await self._backlog(),
            partners=frozenset(one.id for one in hub.region.partners if one.receives),
            commits=hub.store.commits(),
            broker=hub.broker.health(),
            has_clock=hub.clock_duty.held,
        )
        return Response(exposition(figures, hub.opaque), media_type=MEDIA_TYPE)

    async def _backlog(self) -> Backlog | None:
        loop = asyncio.get_running_loop()
        async with self._looking:
            if loop.time() >= self._until:
                try:
                    self._seen = await self.hub.store.backlog(now=self.hub.clock.now())
                except SchakelError:
                    self._seen = None
                self._until = loop.time() + FRESH
            return self._seen

    async def live(self, _: Request) -> Response:
        return JSONResponse({"status": "live"})

    async def ready(self, _: Request) -> Response:
        status, said = await readiness(self.hub.store)
        return JSONResponse(said, status)


def watching(hub: Watched) -> Starlette:
    """The application: three addresses, and no other."""
    watch = Watch(hub)
    places: dict[str, Callable[[Request], Awaitable[Response]]] = {
        "/metrics": watch.metrics,
        "/livez": watch.live,
        "/readyz": watch.ready,
    }
    return Starlette(routes=[Route(path, handler, methods=["GET"]) for path, handler in places.items()])


async def serve_watch(hub: Watched, *, sockets: Sequence[socket.socket], stop: asyncio.Event) -> None:
    """Until `stop`."""
    config = uvicorn.Config(
        watching(hub),
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    await serve_until(ToldServer(config), sockets=sockets, stop=stop)
