# SPDX-License-Identifier: EUPL-1.2
"""`schakel serve`, `api`, `worker` and `clock`: the hub, or a part of it, until it is told to stop."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
import sys
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Final

from schakel.cli.complaint import say
from schakel.cli.opened import opened
from schakel.errors import ConfigurationError, Finding, TemporaryFailure

if TYPE_CHECKING:
    from api.listening import ToldServer
    from schakel.hub import Hub, Part

# Seconds that a busy thread may keep the interpreter from one that waits for it. The thread that writes asks for it
# anew after each statement: at Python's own 5 ms it would stand in line longer than it works.
SWITCH_SECONDS: Final = 0.000_2


def serve() -> None:
    """Runs the hub: door, deliveries and clock. SIGINT or SIGTERM ends it after what is under way. 5: port taken."""
    _run(_serve("api", "worker", "clock"))


def api() -> None:
    """Runs the door alone, and the drop folder: any number, each on its own address. 5: port taken."""
    _run(_serve("api"))


def worker() -> None:
    """Brings deliveries to their recipients: any number of processes share the work."""
    _run(_serve("worker"))


def clock() -> None:
    """Watches deadlines, rings alarms, links the audit: any number of processes, one at a time has the duty."""
    _run(_serve("clock"))


def _run(work: Coroutine[Any, Any, None]) -> None:
    """As `console.run`, for a process that lives long: on the faster event loop, where it is to be had."""
    sys.setswitchinterval(SWITCH_SECONDS)
    loops = None
    if sys.platform != "win32":
        import uvloop

        loops = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=loops) as runner:
        runner.run(work)


async def _serve(*names: str) -> None:
    """What is made at start stays until the end: nothing looks for garbage in it, neither while it grows (a fifth of
    the start) nor ever after (each full look would hold up every message by a tenth of a second)."""
    gc.disable()
    from schakel.hub import Part

    parts = frozenset(Part(name) for name in names)
    async with opened(rings=True) as hub:
        await _serve_until_told(hub, parts)


async def _serve_until_told(hub: Hub, parts: frozenset[Part]) -> None:
    """Door and loops, until a signal; the first that fails takes the others along.

    Nothing new is taken in or claimed after the signal; what is being answered or sent is ended first."""
    from schakel.hub import Part

    settings = hub.settings
    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    watch = _listen(*_address(settings.watch_address)) if settings.watch_address else None
    door = _door(hub) if Part.API in parts else None
    if door is not None:
        host, port = door[1].getsockname()[:2]
        say(f"listens on http://{host}:{port} for region {hub.region.id}")
    else:
        say(f"runs as {', '.join(sorted(parts))} for region {hub.region.id}")
    if watch is not None:
        say(f"is watched at http://{settings.watch_address}/metrics")
    async with asyncio.TaskGroup() as group:
        if watch is not None:
            from api.watch import serve_watch

            group.create_task(serve_watch(hub, sockets=[watch], stop=told))
        if door is not None:
            from api.listening import serve_until

            server, listening = door
            group.create_task(serve_until(server, sockets=[listening], stop=told))
        gc.freeze()
        gc.enable()
        group.create_task(hub.run(told, parts))
    say("stopped; what was under way is done or will be taken up at the next start")


def _door(hub: Hub) -> tuple[ToldServer, socket.socket]:
    """It listens once it is whole: whoever gets a connection gets an answer."""
    from api.lean import models_when_used

    with models_when_used():
        from api.server import door

    server = door(hub)
    return server, _listen(hub.settings.host, hub.settings.port)


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ConfigurationError(
            Finding(
                place="SCHAKEL_WATCH_ADDRESS",
                rule="host:port",
                nl="De instelling is geen adres met een poort.",
                en="The setting is no address with a port.",
            )
        )
    return host.strip("[]"), int(port)


def _listen(host: str, port: int) -> socket.socket:
    from api.listening import listen

    try:
        return listen(host, port)
    except OSError as error:
        raise TemporaryFailure(f"cannot listen on port {port}: {error.strerror}") from None
