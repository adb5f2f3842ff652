# SPDX-License-Identifier: EUPL-1.2
"""A hub as several processes: `schakel api`, `worker` and `clock` beside each other, over one database of any kind.

Nothing here looks into a database's file: the books are opened as the command line opens them, so that the same test
runs on each engine.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import httpx2

from schakel.bootstrap import initialise, open_books, region_folder
from schakel.demo.signature import Verifier
from schakel.hub import Books
from schakel.keys import new_key
from schakel.region_files import load_region
from schakel.settings import Settings
from schakel.webhook_secrets import new_secret, read_text
from tests.support import nursery
from tests.support.hub import WITHIN, until, write_overlay
from tests.support.messages import Message
from tests.support.recipients import Recipients


@dataclass(slots=True)
class Running:
    """One process of the hub. `log` is its own."""

    name: str
    child: nursery.Child
    log: Path
    url: str = ""

    def text(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""

    def said(self, event: str) -> list[dict[str, Any]]:
        """Its log lines of this event."""
        lines = [line for line in self.text().splitlines() if line.startswith("{")]
        return [one for line in lines if (one := json.loads(line)).get("event") == event]

    def delivered(self) -> list[str]:
        """Ids of the deliveries that it brought to somebody."""
        return [one["delivery"] for one in self.said("delivery.attempted") if one["outcome"] == "deliver"]

    async def kill(self) -> None:
        """SIGKILL, to this process alone."""
        if self.child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.child.kill()
        await asyncio.wait_for(self.child.wait(), WITHIN)

    async def end(self) -> None:
        """SIGTERM: as an operator, or a container engine, ends it."""
        self.child.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(self.child.wait(), WITHIN) == 0, self.text()


@dataclass(slots=True)
class Parts:
    """One hub; its processes come and go."""

    folder: Path
    recipients: Recipients
    settings: Mapping[str, str]
    books: Books  # the same store, beside the processes
    keys: dict[str, str] = field(default_factory=dict)
    beside: Mapping[str, str] = field(default_factory=dict)  # what commands and books have otherwise
    _running: list[Running] = field(default_factory=list)
    _started: int = 0

    def environment(self) -> dict[str, str]:
        own = {name: value for name, value in os.environ.items() if not name.startswith(("SCHAKEL_", "TEST_"))}
        return own | {
            "SCHAKEL_HOME": str(self.folder / "home"),
            "SCHAKEL_REGION_OVERLAY": str(self.folder / "overlay"),
            "SCHAKEL_PORT": "0",
            "SCHAKEL_REQUESTS_PER_MINUTE": "100000",
            **self.settings,
        }

    async def start(self, part: str, **settings: str) -> Running:
        """`schakel PART`; returns when it listens, or works."""
        self._started += 1
        log = self.folder / f"{part}-{self._started}.log"
        child = await nursery.start([part], self.environment() | settings, log)
        process = Running(log.stem, child, log)
        self._running.append(process)

        def ready() -> bool:
            lines = process.text().splitlines()
            process.url = next((line.split()[2] for line in lines if line.startswith("listens on ")), "")
            started = bool(process.url) or any(line.startswith("runs as ") for line in lines)
            assert child.returncode is None, process.text()
            return started

        await until(ready, f"{part} does not start", process.text)
        return process

    async def run(self, *arguments: str, code: int = 0) -> Any:
        """The JSON document that a command prints beside the hub."""
        ended, out, errors = await nursery.run([*arguments, "--json"], self.environment() | dict(self.beside))
        assert ended == code, errors + out
        return json.loads(out)

    async def hand_in(self, url: str, message: Message) -> str:
        """As the source would; the id that came with the 202."""
        headers = {"authorization": f"Bearer {self.keys[message.source]}", "content-type": message.media_type}
        async with httpx2.AsyncClient(base_url=url, headers=headers, trust_env=False, timeout=WITHIN) as client:
            answer = await client.post("/v1/referrals", content=message.body)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    async def waiting(self) -> int:
        """Deliveries that are still to be sent, over all partners."""
        return sum(one.waiting for one in (await self.books.store.backlog(now=datetime.now(UTC))).queues)

    async def drained(self) -> None:
        async def over() -> bool:
            return await self.waiting() == 0

        await until(over, "deliveries are still under way", self.logs)

    async def linked(self) -> None:
        async def over() -> bool:
            return (await self.books.store.backlog(now=datetime.now(UTC))).audit_unlinked == 0

        await until(over, "the audit is not in its chain", self.logs)

    def logs(self) -> str:
        return "\n".join(f"== {one.name}\n{one.text()}" for one in self._running)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for process in self._running:
            await process.kill()
        await self.books.aclose()
        await self.recipients.aclose()


@contextlib.asynccontextmanager
async def open_parts(
    folder: Path, settings: Mapping[str, str], *, beside: Mapping[str, str] | None = None
) -> AsyncIterator[Parts]:
    """A new hub, nothing running yet. Whoever takes webhooks in Den Haag has a secret: the lead and the local team.

    `beside`: what the test's own books have otherwise than the processes, as the way to the database."""
    recipients = Recipients(folder / "journals")
    await recipients.start()
    write_overlay(folder / "overlay", load_region(region_folder("haaglanden")), recipients)
    own_settings = {**settings, **(beside or {})}
    given = {
        name.removeprefix("SCHAKEL_").lower(): value
        for name, value in own_settings.items()
        if name.startswith("SCHAKEL_")  # and not what is the launcher's
    }
    own = Settings(_env_file=None, home=folder / "home", region_overlay=folder / "overlay", **given)
    initialise(own)
    async with Parts(folder, recipients, settings, open_books(own), beside=beside or {}) as parts:
        store, now = parts.books.store, datetime.now(UTC)
        parts.keys["thv-pool"], key = new_key("thv-pool", now=now)
        await store.add_key(key)
        for partner in ("vvt", "lokaal-team-den-haag"):
            text, secret = new_secret(partner, "v1", vault=parts.books.vault, now=now)
            await store.add_secret(secret)
            recipients.verifiers[partner] = Verifier(secrets=(read_text(text),))
        yield parts
