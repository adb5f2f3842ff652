# SPDX-License-Identifier: EUPL-1.2
"""`schakel serve`: the hub, until it is told to stop."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

from schakel.cli.console import Exit, run, say, stop
from schakel.cli.opened import opened

if TYPE_CHECKING:
    from schakel.bootstrap import Hub


def serve() -> None:
    """Runs the hub: door, deliveries and clock. SIGINT or SIGTERM ends it after what is under way. 5: port taken."""
    run(_serve())


async def _serve() -> None:
    async with opened() as hub:
        await serve_until_told(hub)


async def serve_until_told(hub: Hub) -> None:
    """Door and loops, until a signal; the first that fails takes the others along."""
    from api.server import listen
    from api.server import serve as serve_door

    settings = hub.settings
    try:
        door = listen(settings.host, settings.port)
    except OSError as error:
        raise stop(Exit.UNREACHABLE, f"cannot listen on port {settings.port}: {error.strerror}") from None
    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    host, port = door.getsockname()[:2]
    say(f"listens on http://{host}:{port} for region {hub.region.id}")
    async with asyncio.TaskGroup() as group:
        group.create_task(serve_door(hub, sockets=[door], stop=told))
        group.create_task(hub.run(told))
    say("stopped; what was under way is done or will be taken up at the next start")
