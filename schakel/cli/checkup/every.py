# SPDX-License-Identifier: EUPL-1.2
"""Makes every check, in the order in which one would look. Nothing here changes anything.

A check that fails in itself is a line that is wrong, and never keeps the others from being made.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from schakel.cli.checkup import here, kept, servers
from schakel.cli.checkup.check import Check, wrong
from schakel.errors import SchakelError

if TYPE_CHECKING:
    from schakel.settings import Settings


async def every_check(settings: Settings, now: Callable[[], datetime]) -> list[Check]:
    """In the order in which one would look; what fails in itself is a line that is wrong."""
    from schakel.bootstrap import open_books

    found = [
        *_all("configuration", lambda: here.configuration(settings)),
        *_all("keys", lambda: here.keys(settings)),
        *_all("disk", lambda: here.disk(settings)),
        *_all("tls", lambda: here.certificates(settings, now())),
        *await asyncio.to_thread(_all, "database", lambda: kept.database(settings, now())),
        *await _all_async("broker", servers.broker(settings)),
    ]
    try:
        opened = open_books(settings)
    except SchakelError:
        return found  # said above: keys, configuration or database
    except Exception as error:
        return [*found, _failed("store", error)]
    try:
        routes = {one.owner: (one.mail, one.webhooks) for one in opened.region.alarms}
        found += await _all_async("store", kept.books(opened, now()))
        found += await _all_async("alarm-ways", servers.ways(settings, routes))
    finally:
        await opened.aclose()
    return found


def _all(name: str, checks: Callable[[], Iterator[Check]]) -> list[Check]:
    done: list[Check] = []
    try:
        done.extend(checks())
    except Exception as error:
        done.append(_failed(name, error))
    return done


async def _all_async(name: str, checks: AsyncIterator[Check]) -> list[Check]:
    done: list[Check] = []
    try:
        async for one in checks:
            done.append(one)
    except Exception as error:
        done.append(_failed(name, error))
    return done


def _failed(name: str, error: Exception) -> Check:
    """Class of the error, and none of its words: they may hold a value."""
    kind = type(error).__name__
    do = ("meld dit; de andere regels kloppen", "report this; the other lines hold")
    return wrong(name, (f"kon niet kijken: {kind}", f"could not look: {kind}"), do)
