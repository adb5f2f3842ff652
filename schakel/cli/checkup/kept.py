# SPDX-License-Identifier: EUPL-1.2
"""Checks of the database, and of what is in it: schema, durability, clock, secrets, alarms."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from schakel.cli.checkup.check import SOON, Check, attention, is_loopback, ok, wrong
from schakel.errors import ConfigurationError

if TYPE_CHECKING:
    from schakel.hub import Books
    from schakel.settings import Settings

SKEW: Final = timedelta(seconds=2)
WRONG_SKEW: Final = timedelta(seconds=30)


def database(settings: Settings, now: datetime) -> Iterator[Check]:
    """Schema, durability and the server's clock."""
    from schakel.store.register import database as place_of

    name = "database"
    try:
        place = place_of(settings.database)
        standing = place.standing()
    except ConfigurationError as error:
        (finding,) = error.findings
        do = (
            "schakel init maakt hem; een server: start hem, kijk de URL na",
            "schakel init makes it; a server: start it",
        )
        yield wrong(name, (finding.nl, finding.en), do)
        return
    version = f"{standing.version}/{standing.needed}"
    if standing.newer:
        do = ("werk het programma bij", "update the program")
        yield wrong(name, (f"schema {version}: van een nieuwere versie", f"schema {version}: newer"), do)
    elif standing.missing:
        yield wrong(name, (f"schema {version}: te oud", f"schema {version}: too old"), ("schakel db migrate",) * 2)
    else:
        yield ok(name, f"{place.place}, schema {standing.version}", f"{place.place}, schema {standing.version}")
    yield from _examined(settings, now)


def _examined(settings: Settings, now: datetime) -> Iterator[Check]:
    from schakel.store.register import database as place_of

    try:
        found = place_of(settings.database).examine()
    except ConfigurationError as error:
        (finding,) = error.findings
        yield wrong("database", (finding.nl, finding.en), ("start de database", "start the database"))
        return
    if found.unsafe:
        unsafe = ", ".join(found.unsafe)
        yield wrong(
            "durability",
            (
                f"een stroomstoring kan kosten wat is aangenomen: {unsafe}",
                f"a power cut can cost accepted work: {unsafe}",
            ),
            ("zet deze instellingen terug op hun standaard", "put these settings back to their default"),
        )
    else:
        yield ok("durability", f"{found.engine} bewaart wat is bevestigd", f"{found.engine} keeps what is acknowledged")
    if found.encrypted is False and not is_loopback(urlsplit(settings.database_url).hostname or "localhost"):
        do = ("sslmode=verify-full in SCHAKEL_DATABASE_URL",) * 2
        yield attention(
            "tls", ("de verbinding met de database is open", "the database connection is not encrypted"), do
        )
    yield from clock(now, found.now, found.newest)


def clock(now: datetime, server: datetime | None, newest: datetime | None) -> Iterator[Check]:
    """Ours against the server's, and against what was written last: a clock that went back makes leases too long."""
    do = ("zet NTP aan (chrony, systemd-timesyncd)", "turn NTP on (chrony, systemd-timesyncd)")
    if newest is not None and newest > now + SKEW:
        said = ("de laatste audit is van later dan nu", "the newest audit row is later than now")
        yield wrong("clock", said, do)
        return
    if server is None:
        yield ok(
            "clock", f"{now:%Y-%m-%d %H:%M:%S} UTC; geen andere klok", f"{now:%Y-%m-%d %H:%M:%S} UTC; no other clock"
        )
        return
    skew = abs(server - now)
    seconds = f"{skew.total_seconds():.1f}"
    said = (f"{seconds} s verschil met de database", f"{seconds} s off the database")
    if skew > WRONG_SKEW:
        yield wrong("clock", said, do)
    elif skew > SKEW:
        yield attention("clock", said, do)
    else:
        yield ok("clock", *said)


async def books(opened: Books, now: datetime) -> AsyncIterator[Check]:
    """Secrets, alarms, and whether a clock runs."""
    store = opened.store
    health = await store.health()
    if health.store is not None:
        do = ("kijk naar schijf en database hierboven", "look at disk and database above")
        yield wrong("store", (f"neemt nu niets aan: {health.store}", f"accepts nothing now: {health.store}"), do)
    for one in opened.region.partners:
        if one.receives is not None and one.receives.channel == "webhook":
            yield secret_of(one.id, [row.expires_at for row in await store.secrets(one.id, now=now)], now)
    known = {row.partner for row in await store.keys(now=now)}
    silent = sorted(one.id for one in opened.region.partners if one.sends is not None and one.id not in known)
    if silent:
        names = ", ".join(silent)
        do = (f"schakel partners key {silent[0]}",) * 2
        yield attention("keys-of-partners", (f"geen sleutel: {names}", f"without a key: {names}"), do)
    backlog = await store.backlog(now=now)
    unheard = backlog.alarms_undelivered
    if unheard:
        do = ("schakel alarms list; bel zelf", "schakel alarms list; call yourself")
        yield wrong("alarms", (f"{unheard} bereikten geen mens", f"{unheard} reached no human"), do)
    if await store.duty_holder("clock") is None:
        do = ("start schakel serve of schakel clock", "start schakel serve or schakel clock")
        said = ("niemand bewaakt termijnen en alarmen", "nobody watches deadlines and alarms")
        yield attention("clock-duty", said, do)
    else:
        yield ok("clock-duty", "er loopt een klok", "a clock runs")


def secret_of(partner: str, ends: list[datetime | None], now: datetime) -> Check:
    """Webhooks are not sent without a secret: what is for this partner waits."""
    do = (f"schakel partners secret {partner}",) * 2
    if not ends:
        said = (
            f"{partner} heeft geen webhook-geheim: niets gaat weg",
            f"{partner} has no webhook secret: nothing goes out",
        )
        return wrong("webhook-secret", said, do)
    last = max((one for one in ends if one is not None), default=None)
    if None not in ends and last is not None and last <= now + SOON:
        said = (f"{partner}: geheim loopt af op {last:%d-%m-%Y}", f"{partner}: secret ends on {last:%Y-%m-%d}")
        return attention("webhook-secret", said, do)
    return ok("webhook-secret", f"{partner} heeft een geheim", f"{partner} has a secret")
