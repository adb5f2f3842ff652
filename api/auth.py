# SPDX-License-Identifier: EUPL-1.2
"""Who asks: a partner by its API key, and which doors are open to it.

One answer for every way of not being known (no key, a wrong one, an expired one, a partner that is no longer there):
who tries keys learns nothing. Keys are read anew every second, so that revoking one works at once.
"""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Callable
from typing import Annotated, Final

from fastapi import Depends, Request

from api.hub import Hub
from api.limits import Rate
from schakel.errors import Forbidden, Unauthenticated
from schakel.keys import PresentedKey, read_key
from schakel.records import KeyRow
from schakel.region import Partner

FRESH_SECONDS: Final = 1.0
_NOBODY: Final = bytes(32)


class Doorkeeper:
    """Knows keys by their digest only. Safe for many requests at once: one of them reads the store."""

    def __init__(self, hub: Hub, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._hub = hub
        self._monotonic = monotonic
        self._rate = Rate(hub.settings.requests_per_minute, monotonic=monotonic)
        self._keys: dict[str, KeyRow] = {}
        self._fresh_until = float("-inf")
        self._reading = asyncio.Lock()

    async def partner(self, request: Request) -> Partner:
        """Raises Unauthenticated, Throttled, or Unacceptable when the store is away."""
        presented = _presented(request)
        row = (await self._known()).get(presented.id) if presented else None
        digest = row.digest if row else _NOBODY
        same = hmac.compare_digest(digest, presented.digest if presented else _NOBODY)
        if row is None or not same or (row.expires_at is not None and row.expires_at <= self._hub.clock.now()):
            raise Unauthenticated()
        partner = self._hub.region.partner(row.partner)
        if partner is None:
            raise Unauthenticated()
        self._rate.count(partner.id)
        return partner

    async def _known(self) -> dict[str, KeyRow]:
        if self._monotonic() >= self._fresh_until:
            async with self._reading:
                if self._monotonic() >= self._fresh_until:
                    rows = await self._hub.store.keys(now=self._hub.clock.now())
                    self._keys = {row.id: row for row in rows}
                    self._fresh_until = self._monotonic() + FRESH_SECONDS
        return self._keys


def _presented(request: Request) -> PresentedKey | None:
    given = request.headers.getlist("authorization")
    if len(given) != 1:
        return None
    scheme, _, text = given[0].partition(" ")
    return read_key(text.strip()) if scheme.lower() == "bearer" else None


async def caller(request: Request) -> Partner:
    keeper: Doorkeeper = request.app.state.doorkeeper
    return await keeper.partner(request)


async def sender(request: Request) -> Partner:
    """A partner that hands messages in. Raises Forbidden."""
    partner = await caller(request)
    if partner.sends is None:
        raise Forbidden()
    return partner


async def recipient(request: Request) -> Partner:
    """A partner that gets cases: only it has a mailbox, a case and something to answer. Raises Forbidden."""
    partner = await caller(request)
    if partner.receives is None:
        raise Forbidden()
    return partner


async def the_hub(request: Request) -> Hub:
    """A coroutine, or the framework would ask a thread for it."""
    hub: Hub = request.app.state.hub
    return hub


Sender = Annotated[Partner, Depends(sender)]
Recipient = Annotated[Partner, Depends(recipient)]
TheHub = Annotated[Hub, Depends(the_hub)]
