# SPDX-License-Identifier: EUPL-1.2
"""Channel `webhook`: posts a signed CloudEvent to the recipient, with the content (full) or a reference (thin)."""

from __future__ import annotations

from datetime import datetime

from connectors.channels.cloudevent import MEDIA_TYPE, event
from connectors.channels.post import Poster
from connectors.channels.signing import signed_headers
from schakel.errors import TemporaryFailure
from schakel.operating import UNSIGNED
from schakel.ports import Parcel


class WebhookChannel:
    """At least once; each repeat has the same `webhook-id` and the same body, a new time and so a new signature."""

    name = "webhook"

    def __init__(self, *, poster: Poster, hub_oin: str, public_url: str) -> None:
        self._poster = poster
        self._hub_oin = hub_oin
        self._public_url = public_url

    async def send(self, parcel: Parcel, *, now: datetime) -> str:
        """`delivered`: 2xx on the content. `notified`: 2xx on a reference; it counts as delivered when fetched."""
        if parcel.url is None:
            raise TemporaryFailure("no-url")
        if not parcel.secrets:
            raise TemporaryFailure(UNSIGNED)  # unsigned, the recipient could not tell it from a forgery
        body, whole = event(parcel, hub_oin=self._hub_oin, public_url=self._public_url)
        headers = signed_headers(parcel.delivery_id, body, secrets=parcel.secrets, now=now)
        await self._poster.post(
            parcel.recipient, parcel.url, headers={"Content-Type": MEDIA_TYPE, **headers}, body=body, now=now
        )
        return "delivered" if whole else "notified"

    async def aclose(self) -> None:
        await self._poster.aclose()
