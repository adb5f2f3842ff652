# SPDX-License-Identifier: EUPL-1.2
"""A whole hub for tests: the real region, formats, mappings, vault and SQLite file; a clock that tests move, and
channels and alarm senders that record."""

from __future__ import annotations

import asyncio
import functools
import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import mappings
from schakel import bootstrap
from schakel.bootstrap import Hub, build, initialise, read_configuration
from schakel.errors import TemporaryFailure
from schakel.ports import AlarmNotice, Channel, Parcel, Receipt
from schakel.region import Partner
from schakel.settings import Settings
from schakel.verify import verify

START = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
EXAMPLES = Path(mappings.__file__).parent
JSON = "application/json"
FHIR = "application/fhir+json"


@dataclass
class MovedClock:
    """Stands still until a test moves it."""

    at: datetime = START

    def now(self) -> datetime:
        return self.at

    def forward(self, length: timedelta) -> datetime:
        self.at += length
        return self.at


@dataclass
class RecordingChannel:
    """Keeps what it is given. `on_send` may raise, to be a recipient that does not take it, or wait."""

    name: str
    how: str
    sent: list[Parcel] = field(default_factory=list)
    on_send: Callable[[Parcel], Any] | None = None

    async def send(self, parcel: Parcel, *, now: datetime) -> str:
        self.sent.append(parcel)
        if self.on_send is not None:
            waits = self.on_send(parcel)
            if asyncio.iscoroutine(waits):
                await waits
        return self.how

    async def aclose(self) -> None:
        return None


@dataclass
class RecordingSender:
    name: str = "smtp"
    told: list[tuple[str, AlarmNotice]] = field(default_factory=list)
    broken: bool = False

    async def send(self, notice: AlarmNotice, *, to: str) -> None:
        if self.broken:
            raise TemporaryFailure("mail-server-away")
        self.told.append((to, notice))


@dataclass
class Stage:
    hub: Hub
    clock: MovedClock
    webhook: RecordingChannel
    mailbox: RecordingChannel
    mail: RecordingSender

    def partner(self, name: str) -> Partner:
        found = self.hub.region.partner(name)
        assert found is not None
        return found

    async def send(self, source: str, body: bytes, media_type: str = JSON) -> Receipt:
        _, receipt = await self.hub.intake.receive(
            self.partner(source), body, media_type=media_type, received_at=self.clock.now()
        )
        return receipt

    def views(self) -> dict[str, list[dict[str, Any]]]:
        """What each recipient has been sent, in order."""
        found: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        for parcel in (*self.webhook.sent, *self.mailbox.sent):
            found[parcel.recipient].append(json.loads(parcel.content))
        return found

    async def holes(self) -> list[tuple[str, str]]:
        """What the accountant finds, after the clock has done its round."""
        await self.hub.clockwork.run_once(self.clock.now())
        check = self.hub.vault.checkpoint_signer().check
        report = verify(self.hub.settings.database, now=self.clock.now(), check=check)
        return [(hole.rule, hole.object) for hole in report.holes]


def open_stage(
    folder: Path,
    *,
    overlay: dict[str, Any] | None = None,
    mail_port: int | None = None,
    at: datetime = START,
    servers: Mapping[str, str] | None = None,
) -> Stage:
    """`overlay`: file name → content, laid over the region. `mail_port`: alarms go out by SMTP to that port.
    `servers`: the settings `database_url` and `broker_url`."""
    laid = None
    if overlay is not None:
        laid = folder / "overlay"
        laid.mkdir(parents=True)
        for name, content in overlay.items():
            (laid / name).write_text(json.dumps(content), encoding="utf-8")
    mail = {} if mail_port is None else {"smtp_host": "127.0.0.1", "smtp_port": mail_port, "smtp_tls": False}
    settings = Settings(home=folder / "home", region_overlay=laid, log_level="error", **mail, **(servers or {}))
    initialise(settings)
    return reopen_stage(settings, MovedClock(at))


@functools.cache
def _without_overlay(region: str, schemas: Path | None, validates: bool) -> bootstrap.Configuration:
    return read_configuration(
        Settings(_env_file=None, region=region, region_overlay=None, stuf_schemas=schemas, validate_fhir=validates)
    )


def _read(settings: Settings) -> bootstrap.Configuration:
    """A region of the product without an overlay is read once for all tests of this process: no use changes it."""
    if settings.region_overlay is not None or "/" in settings.region:
        return read_configuration(settings)
    return _without_overlay(settings.region, settings.stuf_schemas, settings.validate_fhir)


def reopen_stage(settings: Settings, clock: MovedClock) -> Stage:
    """A new process on the same home."""
    webhook = RecordingChannel(name="webhook", how="delivered")
    mailbox = RecordingChannel(name="mailbox", how="notified")
    mail = RecordingSender()
    channels: dict[str, Channel] = {"webhook": webhook, "mailbox": mailbox}
    senders = None if settings.smtp_host else {"smtp": mail}
    with mock.patch.object(bootstrap, "read_configuration", _read):
        hub = build(settings, clock=clock, channels=channels, senders=senders)
    return Stage(hub=hub, clock=clock, webhook=webhook, mailbox=mailbox, mail=mail)


def thv(example: str, **changes: Any) -> bytes:
    """An example of the pool; `changes` replaces top-level fields (None takes one out)."""
    document = json.loads((EXAMPLES / "thv_aanmelding" / "examples" / f"{example}.json").read_bytes())
    document |= changes
    return json.dumps({name: value for name, value in document.items() if value is not None}).encode()


def household(number: int) -> bytes:
    """A referral for Den Haag about a household of its own."""
    document = json.loads(thv("den-haag-eerste-thv", kenmerk=f"T-{number}", zaakkenmerk=f"Z-{number}"))
    document["huisverbod"]["nummer"] = f"THV-PROEF-{number:05}"
    for person in document["betrokkenen"]:
        person.pop("bsn", None)
        person["bsnStatus"] = "onbekend"
        person["namen"]["geslachtsnaam"] = f"Proef{number}"
    return json.dumps(document).encode()


def cit(example: str) -> bytes:
    return (EXAMPLES / "cit_fhir" / "examples" / f"{example}.json").read_bytes()
