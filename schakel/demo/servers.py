# SPDX-License-Identifier: EUPL-1.2
"""Runs small HTTP servers on free loopback ports, in the loop that is already there."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import uvicorn

if TYPE_CHECKING:
    from starlette.types import ASGIApp

HOST: Final = "127.0.0.1"


class _Server(uvicorn.Server):
    """Leaves the signals alone: several servers share this process, and the demo listens itself."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@dataclass(slots=True)
class Running:
    """A server that answers; `url` has no trailing slash."""

    url: str
    server: uvicorn.Server
    task: asyncio.Task[None]

    async def aclose(self) -> None:
        self.server.should_exit = True
        self.server.force_exit = True  # nobody in this process waits for an answer any more
        await self.task


def free_socket(port: int = 0) -> socket.socket:
    """A listening socket on loopback; 0: a port that is free. Raises OSError when it is taken."""
    bound = socket.create_server((HOST, port), backlog=128)
    bound.setblocking(False)
    return bound


async def start(app: ASGIApp, bound: socket.socket | None = None, **options: Any) -> Running:
    """Serves `app` until closed; returns when it answers."""
    bound = bound or free_socket()
    config = uvicorn.Config(app, log_level="critical", lifespan="off", access_log=False, http="httptools", **options)
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[bound]))
    while not server.started:
        if task.done():
            await task
            raise RuntimeError("the server stopped before it answered")
        await asyncio.sleep(0.005)
    return Running(f"http://{HOST}:{bound.getsockname()[1]}", server, task)
