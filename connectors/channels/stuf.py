# SPDX-License-Identifier: EUPL-1.2
"""Channel `stuf`: posts a StUF message in a SOAP 1.1 envelope and reads what the other side says of it.

Bv03 means that the other side has taken it, and so does Fo03 StUF016 (it had it already). A technical fault there is
tried again, any other fault waits for a person. An answer without a StUF message in it says only that the bytes arrived
somewhere: `notified`, and the clock runs until the other side says Bv03 afterwards, answers, or fetches.

SOAP 1.1 over HTTP is how StUF is carried (Protocolbindingen StUF 03.01); who is who, TLS tells. Where the partner has a
signing secret the headers of Standard Webhooks go along, over the whole body.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

from connectors.channels.line import Answered
from connectors.channels.post import Poster, judge
from connectors.channels.signing import signed_headers
from connectors.formats.stuf_jz_read import SOAP
from connectors.formats.stuf_jz_word import word_in
from schakel.errors import PoisonDelivery, TemporaryFailure
from schakel.ports import Parcel

MEDIA_TYPE: Final = "text/xml; charset=utf-8"
XML: Final = frozenset({"text/xml", "application/xml"})
_DECLARATION: Final = re.compile(rb"^\s*<\?xml[^>]*\?>\s*")
_BEFORE: Final = f'<?xml version="1.0" encoding="UTF-8"?>\n<soap:Envelope xmlns:soap="{SOAP}"><soap:Body>'.encode()
_AFTER: Final = b"</soap:Body></soap:Envelope>"


class StufChannel:
    """At least once; each repeat has the same bytes, and so the same referentienummer."""

    name = "stuf"

    def __init__(self, *, poster: Poster) -> None:
        self._poster = poster

    async def send(self, parcel: Parcel, *, now: datetime) -> str:
        """`delivered`: the other side said so. `notified`: 2xx without a word of StUF.

        Raises PoisonDelivery for what this channel cannot carry and for a fault that no repeat mends."""
        if parcel.media_type.partition(";")[0].strip().lower() not in XML:
            raise PoisonDelivery("content-not-stuf")
        if parcel.mode != "full":
            raise PoisonDelivery("stuf-has-no-thin")  # a notification without content is no message of the standard
        if parcel.url is None:
            raise TemporaryFailure("no-url")
        body = _BEFORE + _DECLARATION.sub(b"", parcel.content) + _AFTER
        signed = signed_headers(parcel.delivery_id, body, secrets=parcel.secrets, now=now) if parcel.secrets else {}
        headers = {"Content-Type": MEDIA_TYPE, "SOAPAction": '""', **signed}
        answered = await self._poster.ask(parcel.recipient, parcel.url, headers=headers, body=body)
        return _outcome(answered, parcel.delivery_id, now=now)

    async def aclose(self) -> None:
        await self._poster.aclose()


def _outcome(answered: Answered, delivery_id: str, *, now: datetime) -> str:
    """A fault travels with HTTP 500 (SOAP 1.1, 6.2): the words count before the status does."""
    word = word_in(answered.body)
    if word is None:
        judge(answered, now=now)
        return "notified"
    if word.delivery_id != delivery_id:
        raise TemporaryFailure("stuf-other-message")  # speaks of another message: says nothing of this one
    if word.outcome == "received":
        return "delivered"
    if word.outcome == "refused":
        raise PoisonDelivery(word.reason)
    raise TemporaryFailure(word.reason)
