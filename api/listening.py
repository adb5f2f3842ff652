# SPDX-License-Identifier: EUPL-1.2
"""Listening sockets, and servers that run until they are told to stop; for the door, and for who is only watched."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator, Sequence

import uvicorn


class ToldServer(uvicorn.Server):
    """A server whose signals are its caller's: the hub stops its own loops too."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def stop(self) -> None:
        """No new requests; those under way are answered."""
        self.should_exit = True


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.create_server((host, port), family=family, backlog=1024)
    # each connection inherits it; without, the body of an answer waits 40 ms for the acknowledgement of its head
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    made.setblocking(False)
    return made


async def serve_until(server: ToldServer, *, sockets: Sequence[socket.socket], stop: asyncio.Event) -> None:
    """Serves until `stop`, then answers what is under way and returns."""
    waiting = asyncio.create_task(stop.wait())
    serving = asyncio.create_task(server.serve(sockets=list(sockets)))
    try:
        await asyncio.wait({waiting, serving}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        server.stop()
        waiting.cancel()
        await serving
