# SPDX-License-Identifier: EUPL-1.2
"""Alarm sender `webhook`: posts a CloudEvent, signed as deliveries are, to a pager's URL."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from connectors.channels.address import AddressRule
from connectors.channels.cloudevent import MEDIA_TYPE, rfc3339, source_of
from connectors.channels.post import Poster
from connectors.channels.signing import signed_headers
from schakel.errors import RecipientGone, TemporaryFailure
from schakel.ports import AlarmNotice, Clock, SigningSecret

EVENT_TYPE = "nl.schakel.alarm.raised.v1"


class WebhookAlarm:
    """Signed when a secret is set; without one it goes unsigned, since waking somebody matters most."""

    name = "webhook"

    def __init__(self, *, rule: AddressRule, hub_oin: str, secrets: Sequence[SigningSecret], clock: Clock) -> None:
        self._rule = rule
        self._hub_oin = hub_oin
        self._secrets = tuple(secrets)
        self._clock = clock

    async def send(self, notice: AlarmNotice, *, to: str) -> None:
        now = self._clock.now()
        ring = f"{notice.id}.{notice.step}.{notice.count}"  # each ring is another event, each repeat the same
        body = _event(notice, ring, source=source_of(self._hub_oin))
        headers = {"Content-Type": MEDIA_TYPE}
        if self._secrets:
            headers |= signed_headers(ring, body, secrets=self._secrets, now=now)
        poster = Poster(rule=self._rule)  # alarms are few: no connection is kept between two of them
        try:
            await poster.post("alarm", to, headers=headers, body=body, now=now)
        except RecipientGone:
            raise TemporaryFailure("http-410") from None  # a pager that was taken away: the other ways must ring
        finally:
            await poster.aclose()


def _event(notice: AlarmNotice, ring: str, *, source: str) -> bytes:
    return orjson.dumps(
        {
            "specversion": "1.0",
            "type": EVENT_TYPE,
            "source": source,
            "id": ring,
            "time": rfc3339(notice.raised_at),
            "datacontenttype": "application/json",
            "data": {
                "alarm": notice.id,
                "owner": notice.owner,
                "cause": notice.cause,
                "subject": notice.subject,
                "count": notice.count,
                "step": notice.step,
                "nl": notice.nl,
                "en": notice.en,
            },
        }
    )
