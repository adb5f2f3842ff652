# SPDX-License-Identifier: EUPL-1.2
"""A whole hub behind its real door, with everybody who hears from it recorded byte for byte: partners' webhooks, pager,
mail server, log, standard logging, stdout, stderr and every file it writes."""

from __future__ import annotations

import asyncio
import contextlib
import io
import logging
import os
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import yaml

from api.listening import listen
from api.server import door
from schakel.bootstrap import Hub, build, initialise
from schakel.cli.app import main
from schakel.keys import new_key
from schakel.region import Region
from schakel.region_files import load_region
from schakel.settings import Settings
from schakel.webhook_secrets import new_secret

REGION = Path(__file__).parents[2] / "regions" / "haaglanden"
START = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
PAGER = "pager"
MAIL = "mail"


@dataclass
class MovedClock:
    at: datetime = START

    def now(self) -> datetime:
        return self.at


@dataclass
class Ears:
    """HTTP and SMTP servers that keep the bytes of every connection, by who was called."""

    heard: list[tuple[str, bytes]] = field(default_factory=list)
    refusing: set[str] = field(default_factory=set)  # partners whose webhook answers 500
    base: str = ""
    smtp_port: int = 0

    async def http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
                body = await reader.readexactly(int(lengths[0].partition(b":")[2])) if lengths else b""
                who = head.split(b" ")[1].decode().strip("/")
                self.heard.append((who, head + body))
                status = b"500 No" if who in self.refusing else b"204 Yes"
                writer.write(b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\n\r\n")
                await writer.drain()
        writer.close()

    async def smtp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen = b""
        writer.write(b"220 sink\r\n")
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                line = await reader.readline()
                seen += line
                word = line[:4].upper()
                if word == b"DATA":
                    writer.write(b"354 go on\r\n")
                    seen += await reader.readuntil(b"\r\n.\r\n")
                if word in (b"QUIT", b""):
                    writer.write(b"221 bye\r\n")
                    break
                writer.write(b"250 sink\r\n")
        self.heard.append((MAIL, seen))
        writer.close()

    def drain(self) -> list[tuple[str, bytes]]:
        heard, self.heard = self.heard, []
        return heard


class _Logging(logging.Handler):
    def __init__(self, stream: io.StringIO) -> None:
        super().__init__(logging.DEBUG)
        self._stream = stream
        self.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self._stream.write(self.format(record) + "\n")


@dataclass
class Listening:
    """`log`: our log at DEBUG, and whatever any library logs. `folder`: holds home and temporary files."""

    hub: Hub
    clock: MovedClock
    ears: Ears
    base: str
    folder: Path
    log: io.StringIO
    keys: dict[str, str]
    _clients: dict[str, httpx2.AsyncClient] = field(default_factory=dict)

    def client(self, partner: str = "") -> httpx2.AsyncClient:
        if partner not in self._clients:
            headers = {"authorization": f"Bearer {self.keys[partner]}"} if partner else {}
            self._clients[partner] = httpx2.AsyncClient(
                base_url=self.base, headers=headers, trust_env=False, timeout=30
            )
        return self._clients[partner]

    async def send(self, source: str, body: bytes, media_type: str, accept: str = "*/*") -> httpx2.Response:
        headers = {"content-type": media_type, "accept": accept}
        return await self.client(source).post("/v1/referrals", content=body, headers=headers)

    async def work(self, forward: timedelta = timedelta(0)) -> None:
        """What the loops would do in that time, in three steps."""
        for _ in range(3):
            self.clock.at += forward / 3
            await self.hub.dispatch.run_once()
            await self.hub.clockwork.run_once(self.clock.now())

    async def command(self, *arguments: str) -> tuple[int, str]:
        """Exit code, and all that a command of the hub's own command line printed."""
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            code = await asyncio.to_thread(main, arguments)
        return code, printed.getvalue()

    def log_so_far(self) -> bytes:
        return self.log.getvalue().encode()

    def files(self) -> list[tuple[str, bytes]]:
        found = [path for path in sorted(self.folder.rglob("*")) if path.is_file()]
        return [(str(path.relative_to(self.folder)), path.read_bytes()) for path in found]

    async def aclose(self) -> None:
        for client in self._clients.values():
            await client.aclose()


@contextlib.asynccontextmanager
async def listening(folder: Path) -> AsyncIterator[Listening]:
    """Starts it in `folder`, and ends it."""
    ears, log = Ears(), io.StringIO()
    handler, root = _Logging(log), logging.getLogger()
    level = root.level
    async with contextlib.AsyncExitStack() as stack:
        http = await asyncio.start_server(ears.http, "127.0.0.1", 0)
        smtp = await asyncio.start_server(ears.smtp, "127.0.0.1", 0)
        stack.callback(http.close)
        stack.callback(smtp.close)
        ears.base = f"http://127.0.0.1:{http.sockets[0].getsockname()[1]}"
        ears.smtp_port = smtp.sockets[0].getsockname()[1]
        sock = listen("127.0.0.1", 0)
        base = f"http://127.0.0.1:{sock.getsockname()[1]}"
        settings = _settings(folder, ears, base)
        stack.enter_context(_environment(folder, settings))
        root.addHandler(handler)
        root.setLevel(logging.DEBUG)
        stack.callback(root.setLevel, level)
        stack.callback(root.removeHandler, handler)
        initialise(settings)
        clock = MovedClock()
        with contextlib.redirect_stderr(log):
            hub = build(settings, clock=clock)
        keys = await _hand_out(hub)
        server = door(hub)
        serving = asyncio.create_task(server.serve(sockets=[sock]))
        running = Listening(hub, clock, ears, base, folder, log, keys)
        try:
            yield running
        finally:
            await running.aclose()
            server.stop()
            server.force_exit = True
            await serving
            await hub.aclose()


def _settings(folder: Path, ears: Ears, base: str) -> Settings:
    overlay = folder / "overlay"
    overlay.mkdir(parents=True)
    (folder / "tmp").mkdir()
    region = load_region(REGION)
    _write_overlay(overlay, region, ears.base)
    return Settings(
        _env_file=None,  # type: ignore[call-arg]  # pydantic-settings takes it
        home=folder / "home",
        region_overlay=overlay,
        public_url=base,
        log_level="debug",
        smtp_host="127.0.0.1",
        smtp_port=ears.smtp_port,
        smtp_tls=False,
        requests_per_minute=100_000,
    )


def _write_overlay(overlay: Path, region: Region, base: str) -> None:
    webhooks = [one.id for one in region.partners if one.receives and one.receives.channel == "webhook"]
    partners = {"partners": [{"id": name, "receives": {"url": f"{base}/{name}"}} for name in webhooks]}
    alarms = {"alarms": [{"owner": "coordinator", "mail": ["c@hub.example"], "webhooks": [f"{base}/{PAGER}"]}]}
    (overlay / "partners.yaml").write_text(yaml.safe_dump(partners))
    (overlay / "region.yaml").write_text(yaml.safe_dump(alarms))


async def _hand_out(hub: Hub) -> dict[str, str]:
    keys = {}
    for partner in hub.region.partners:
        keys[partner.id], row = new_key(partner.id, now=START)
        await hub.store.add_key(row)
        if partner.receives is not None and partner.receives.channel == "webhook":
            _, secret = new_secret(partner.id, "v1", vault=hub.vault, now=START)
            await hub.store.add_secret(secret)
    return keys


@contextlib.contextmanager
def _environment(folder: Path, settings: Settings) -> Any:
    """Temporary files and the command line go where this hub lives."""
    temporary = str(folder / "tmp")
    values = {"TMPDIR": temporary, "SQLITE_TMPDIR": temporary}
    names = ("home", "region_overlay", "public_url", "log_level", "smtp_host", "smtp_port", "smtp_tls")
    values |= {f"SCHAKEL_{name.upper()}": str(getattr(settings, name)) for name in names}
    before = {name: os.environ.get(name) for name in values}
    os.environ |= values
    tempfile.tempdir = None
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        tempfile.tempdir = None
