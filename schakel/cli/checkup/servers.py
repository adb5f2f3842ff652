# SPDX-License-Identifier: EUPL-1.2
"""Checks of the servers around the hub: broker, mail server, pagers. They are connected to, and told nothing."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from schakel.cli.checkup.check import Check, attention, ok, wrong
from schakel.errors import ConfigurationError

if TYPE_CHECKING:
    from schakel.settings import Settings

REACH: Final = 5.0  # seconds to connect to a server


async def broker(settings: Settings) -> AsyncIterator[Check]:
    """A connection of its own, without queues: it takes no bell from anybody."""
    from broker.address import ServerFiles
    from broker.open import Surroundings, open_broker
    from schakel.log import open_log

    if not settings.broker_url:
        yield ok("broker", "geen: de hub belt binnen zijn eigen proces", "none: the hub rings within its own process")
        return
    files = ServerFiles(
        ca=settings.broker_ca_file,
        certificate=settings.broker_cert_file,
        key=settings.broker_key_file,
        password=settings.broker_password_file,
    )
    try:
        opened = open_broker(
            settings.broker_url,
            Surroundings(recipients=(), blind=_unused, log=open_log("error", sys.stderr), files=files),
        )
    except ConfigurationError as error:
        (finding,) = error.findings
        yield wrong("broker", (finding.nl, finding.en), ("herstel de instelling", "mend the setting"))
        return
    try:
        yield await _connects(opened)
    finally:
        await opened.aclose()


async def _connects(opened: Any) -> Check:
    end = asyncio.get_running_loop().time() + REACH
    while asyncio.get_running_loop().time() < end:
        await opened.listen(1, 0.1)
        if opened.health().state == "connected":
            return ok("broker", "bereikbaar", "reachable")
    do = (
        "start de broker, kijk naam en wachtwoord na; bezorging gaat trager door",
        "start it, check name and password",
    )
    if opened.health().state == "blocked":
        return attention(
            "broker", ("neemt nu niets aan (geheugen of schijf)", "takes nothing now (memory or disk)"), do
        )
    return attention("broker", ("niet bereikbaar", "cannot be reached"), do)


async def ways(
    settings: Settings, routes: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]
) -> AsyncIterator[Check]:
    """`routes`: owner → mail addresses and pagers. Each owner has a way, and the servers behind the ways answer."""
    deaf = sorted(owner for owner, (mail, pagers) in routes.items() if not pagers and not (mail and settings.smtp_host))
    if deaf or not routes:
        names = ", ".join(deaf) or "-"
        yield wrong(
            "alarm-ways",
            (f"geen weg naar: {names}", f"no way to: {names}"),
            (
                "SCHAKEL_SMTP_HOST, of een pager bij alarms in region.yaml",
                "SCHAKEL_SMTP_HOST, or a pager in region.yaml",
            ),
        )
    servers: dict[str, tuple[str, int]] = {}
    if settings.smtp_host and any(mail for mail, _ in routes.values()):
        servers["mail"] = (settings.smtp_host, settings.smtp_port)
    for owner, (_, pagers) in routes.items():
        for url in pagers:
            parts = urlsplit(url)
            port = parts.port or (443 if parts.scheme == "https" else 80)
            servers[f"pager {owner}"] = (parts.hostname or "", port)
    for name, (host, port) in servers.items():
        if await _reaches(host, port):
            yield ok("alarm-ways", f"{name} antwoordt", f"{name} answers")
        else:
            do = ("kijk of die server draait en bereikbaar is", "see whether that server runs and can be reached")
            yield wrong("alarm-ways", (f"{name} antwoordt niet", f"{name} does not answer"), do)


async def _reaches(host: str, port: int) -> bool:
    try:
        async with asyncio.timeout(REACH):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError, ValueError):
        return False
    writer.close()
    return True


def _unused(_use: str, _id: str) -> bytes:
    return b""
