# SPDX-License-Identifier: EUPL-1.2
"""Each rival as something that runs for a turn: a door and, beside Node-RED, one worker process."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Final

from benchmarks.rivals.installing import NODE_RED, node_red, python
from benchmarks.running import READY_WITHIN, Home, free_port, hub, process

WORKERS: Final[Mapping[str, tuple[str, ...]]] = {
    "celery": (
        *("celery", "--app", "benchmarks.rivals.celery_app", "worker", "--loglevel", "ERROR"),
        *("--pool", "threads", "--concurrency", "16", "--without-gossip", "--without-mingle"),
    ),
    "dramatiq": ("dramatiq", "benchmarks.rivals.dramatiq_app", "--processes", "1", "--threads", "16"),
    "faststream": (
        *("faststream", "run", "benchmarks.rivals.faststream_app:app", "--log-level", "error"),
        *("--loop", "uvloop:Loop"),
    ),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What every rival is told."""

    database: str
    broker: str
    webhooks: tuple[str, ...]
    books: Path  # JSON: book → code → ours

    def environment(self) -> dict[str, str]:
        own = {name: value for name, value in os.environ.items() if not name.startswith(("SCHAKEL_", "RIVAL_"))}
        numbered = {f"RIVAL_WEBHOOK_{place}": url for place, url in enumerate(self.webhooks, 1)}
        return (
            own
            | numbered
            | {
                "RIVAL_DATABASE": self.database,
                "RIVAL_BROKER": self.broker,
                "RIVAL_WEBHOOKS": ",".join(self.webhooks),
                "RIVAL_BOOKS": str(self.books),
            }
        )


@dataclass(frozen=True, slots=True)
class Door:
    """Where referrals are handed in while somebody runs."""

    port: int
    path: str = "/referrals"
    key: str = ""


@contextmanager
def schakel_runs(home: Home, key: str) -> Iterator[Door]:
    """The hub, and a second process for deliveries."""
    with hub(home, "serve"), hub(home, "worker"):
        yield Door(home.port, "/v1/referrals", key)


@contextmanager
def python_rival_runs(name: str, asked: Asked) -> Iterator[Door]:
    """Raises NotInstalled."""
    programs, port = python().parent, free_port()
    environment = asked.environment()
    server = ("--port", str(port), "--http", "httptools", "--loop", "uvloop", "--no-access-log", "--log-level", "error")
    door = (str(programs / "uvicorn"), f"benchmarks.rivals.{name}_app:web", *server)
    program, *arguments = WORKERS[name]
    with (
        process(door, environment=environment, port=port),
        process((str(programs / program), *arguments), environment=environment),
    ):
        yield Door(port)


@contextmanager
def node_red_runs(asked: Asked, folder: Path) -> Iterator[Door]:
    """`folder`: what it writes of its own. Raises NotInstalled."""
    node, program = node_red()
    folder.mkdir(exist_ok=True)
    port = free_port()
    settings = ("--settings", str(NODE_RED / "settings.js"), "--userDir", str(folder))
    environment = asked.environment() | {"RIVAL_PORT": str(port), "NODE_ENV": "production"}
    with process((str(node), str(program), *settings), environment=environment, port=port):
        _until_ready(port)
        yield Door(port)


def _until_ready(port: int) -> None:
    """It listens before its flows run. Raises TimeoutError."""
    end = time.monotonic() + READY_WITHIN
    while time.monotonic() < end:
        connection = HTTPConnection("127.0.0.1", port, timeout=READY_WITHIN)
        with closing(connection), suppress(OSError):
            connection.request("GET", "/ready")
            if connection.getresponse().status == 200:
                return
        time.sleep(0.02)
    raise TimeoutError("its flows do not run")
