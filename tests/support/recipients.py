# SPDX-License-Identifier: EUPL-1.2
"""Recipients as a chain partner runs them: one HTTP server that checks, writes down, syncs to disk, then answers.

What a test knows of arrivals it reads from the journal on disk, not from memory: what a recipient has confirmed is what
it can show after a crash of its own.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import os
import socket
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from schakel.demo import servers
from schakel.demo.signature import Verifier
from tests.support.private import free_port

ALARMS: Final = "alarms"


@dataclass(frozen=True, slots=True)
class Arrival:
    """One line of a journal. `id`: the webhook-id, or the delivery id of a mailbox entry."""

    id: str
    message: str
    digest: str
    request: str | None  # the reference that an answer must name
    how: str  # "webhook" or "mailbox"


Behave = Callable[[str], Awaitable[int]]  # partner → HTTP status to answer with; a 2xx is preceded by the journal


async def takes(partner: str) -> int:
    """Takes everything."""
    return 204


@functools.cache
def _usual_port() -> int:
    return free_port()


def _door() -> socket.socket:
    """On the same port for all tests of this process, one after the other, so that hubs are configured the same and
    the nursery reads their configuration once; on another while that one is in use."""
    try:
        return servers.free_socket(_usual_port())
    except OSError:
        return servers.free_socket()


@dataclass(slots=True)
class Recipients:
    """All recipients of one hub, each under its own path. `behave` may be replaced while it runs."""

    folder: Path
    behave: Behave = takes
    verifiers: dict[str, Verifier] = field(default_factory=dict)
    rejected: list[str] = field(default_factory=list)  # partners whose webhook had no good signature
    alarms: list[str] = field(default_factory=list)  # causes, as the pager of the coordinator got them
    _server: servers.Running | None = None

    async def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        routes = [
            Route(f"/{ALARMS}", self._alarm, methods=["POST"]),
            Route("/{partner}", self._hook, methods=["POST"]),
        ]
        self._server = await servers.start(Starlette(routes=routes), _door())

    async def aclose(self) -> None:
        if self._server is not None:
            await self._server.aclose()

    def url(self, name: str) -> str:
        assert self._server is not None, "start first"
        return f"{self._server.url}/{name}"

    def write(self, partner: str, delivery: str, body: bytes, *, content: dict[str, object], how: str) -> None:
        """On disk when this returns."""
        message, request = content["message"], content.get("request")
        assert isinstance(message, dict)
        line = {
            "id": delivery,
            "message": message["id"],
            "digest": hashlib.sha256(body).hexdigest(),
            "request": request["reference"] if isinstance(request, dict) else None,
            "how": how,
            "body": base64.b64encode(body).decode(),
        }
        with (self.folder / f"{partner}.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def journal(self, partner: str) -> list[Arrival]:
        """From disk, in order of arrival."""
        path = self.folder / f"{partner}.jsonl"
        if not path.exists():
            return []
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        return [Arrival(**{name: value for name, value in line.items() if name != "body"}) for line in lines]

    def journals(self) -> dict[str, list[Arrival]]:
        return {path.stem: self.journal(path.stem) for path in sorted(self.folder.glob("*.jsonl"))}

    def faults(self) -> list[str]:
        """What at-least-once delivery does not allow: one id with different bytes, one message under two ids."""
        found = []
        for partner, arrivals in self.journals().items():
            bytes_of: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
            ids_of: defaultdict[str, set[str]] = defaultdict(set)
            for one in arrivals:
                bytes_of[one.how, one.id].add(one.digest)
                ids_of[one.message].add(one.id)
            found += [f"{partner}: {id} came with other bytes" for (_, id), all_ in bytes_of.items() if len(all_) > 1]
            found += [f"{partner}: {message} came under two ids" for message, all_ in ids_of.items() if len(all_) > 1]
        return found + [f"{partner}: a webhook without a good signature" for partner in self.rejected]

    async def _hook(self, request: Request) -> Response:
        partner, body = request.path_params["partner"], await request.body()
        verifier = self.verifiers.get(partner)
        if verifier is None or not verifier.trusts(request.headers, body, now=datetime.now(UTC)):
            self.rejected.append(partner)
            return Response(status_code=401)
        status = await self.behave(partner)
        if 200 <= status < 300:
            event = json.loads(body)
            assert event["id"] == request.headers["webhook-id"]
            self.write(partner, event["id"], body, content=event["data"], how="webhook")
        return Response(status_code=status)

    async def _alarm(self, request: Request) -> Response:
        self.alarms.append((await request.body()).decode())
        return Response(status_code=204)
