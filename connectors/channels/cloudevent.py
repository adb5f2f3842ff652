# SPDX-License-Identifier: EUPL-1.2
"""Writes the body of a webhook: an NL GOV CloudEvent 1.0 in structured mode, the same bytes for the same parcel.

Context attributes pass through logs and gateways: they hold identifiers of ours and nothing about a person (the
profile's own example puts a citizen service number in `subject`; never here).
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Final

import orjson

from schakel.errors import PoisonDelivery
from schakel.ports import Parcel

MEDIA_TYPE: Final = "application/cloudevents+json"
LARGEST: Final = 65_536  # bytes of a whole event (NL GOV CloudEvents §size); more goes thin


def source_of(hub_oin: str) -> str:
    """Who sends, as the profile writes it."""
    return f"urn:nld:oin:{hub_oin}:systeem:schakel"


def rfc3339(moment: datetime) -> str:
    """UTC, milliseconds, `Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def event(parcel: Parcel, *, hub_oin: str, public_url: str) -> tuple[bytes, bool]:
    """The bytes, and whether the content is in them (False: thin, it waits at `dataref`).

    Raises PoisonDelivery when JSON content is not JSON."""
    context = {
        "specversion": "1.0",
        "type": parcel.event_type,
        "source": source_of(hub_oin),
        "id": parcel.delivery_id,
        "time": rfc3339(parcel.rendered_at),
        "sequence": str(parcel.number),
        "sequencetype": "Integer",
        "datacontenttype": parcel.media_type,
    }
    if parcel.mode == "full":
        whole = orjson.dumps(context)[:-1] + _data(parcel) + b"}"
        if len(whole) <= LARGEST:
            return whole, True
    dataref = f"{public_url.rstrip('/')}/v1/mailbox/{parcel.number}"
    return orjson.dumps({**context, "dataref": dataref}), False


def _data(parcel: Parcel) -> bytes:
    """`,"data":…`: JSON as it was rendered, byte for byte; XML as a text; anything else in base64."""
    essence = parcel.media_type.partition(";")[0].strip().lower()
    if essence == "application/json" or essence.endswith("+json"):
        try:
            orjson.loads(parcel.content)
        except orjson.JSONDecodeError:
            raise PoisonDelivery("content-not-json") from None
        return b',"data":' + parcel.content.strip()
    if essence in ("text/xml", "application/xml") or essence.endswith("+xml"):
        try:
            return b',"data":' + orjson.dumps(parcel.content.decode())
        except UnicodeDecodeError:
            pass  # another encoding than UTF-8: as bytes
    return b',"data_base64":' + orjson.dumps(base64.b64encode(parcel.content).decode())
