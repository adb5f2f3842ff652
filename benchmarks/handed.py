# SPDX-License-Identifier: EUPL-1.2
"""Makes the referrals that are handed in: `referral@1`, each its own household, with a mark that every recipient sees.

Three recipients: the ICM team leads, the local team of Delft walks along, and an involved partner is asked whether it
knows these people. The overlay that makes it so stands here too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any, Final

import mappings

JSON: Final = "application/json"
SOURCE: Final = "thv-pool"
LEAD, DUO, PARTNER = "perspektief", "lokaal-team-delft", "vvt"
RECIPIENTS: Final = (LEAD, DUO, PARTNER)
EXAMPLE: Final = Path(mappings.__file__).parent / "referral_json" / "examples" / "delft.json"


class Referrals:
    """Each referral that it makes is another one: other references, another order, other persons."""

    def __init__(self) -> None:
        self._example: dict[str, Any] = json.loads(EXAMPLE.read_bytes())
        self._example["referral"]["history"].pop("earlierOrders")  # the order of another household is not earlier ours
        self._numbers = count(1)

    def bodies(self, number: int) -> dict[int, bytes]:
        """Mark → body."""
        return {mark: self._body(mark) for mark in (next(self._numbers) for _ in range(number))}

    def _body(self, mark: int) -> bytes:
        document = json.loads(json.dumps(self._example))
        document["messageReference"], document["sourceCaseReference"] = f"BENCH-{mark}", f"ZAAK-{mark}"
        referral = document["referral"]
        referral["trigger"]["restrainingOrder"]["number"] = f"THV-{mark}"
        for place, member in enumerate(referral["members"]):
            member["names"]["family"] = f"Bench-{mark}" if place == 0 else f"{member['names']['family']}-{mark}"
        return json.dumps(document).encode()


def to_webhooks(url: str) -> dict[str, Mapping[str, Any]]:
    """An overlay: the three recipients take webhooks, each under its own name below `url`."""
    receives = {"channel": "webhook", "mode": "full"}
    return {
        "partners.yaml": {"partners": [{"id": one, "receives": {**receives, "url": url + one}} for one in RECIPIENTS]},
        "routes.yaml": _routes(),
    }


def to_mailboxes() -> dict[str, Mapping[str, Any]]:
    """An overlay: the three recipients poll."""
    receives = {"channel": "mailbox", "mode": None, "url": None}
    return {
        "partners.yaml": {"partners": [{"id": one, "receives": receives} for one in RECIPIENTS]},
        "routes.yaml": _routes(),
    }


def _routes() -> dict[str, Any]:
    to = [
        {"partner": LEAD, "role": "lead"},
        {"partner": "local-team", "role": "duo"},
        {"partner": PARTNER, "role": "partner"},
    ]
    return {"routes": [{"id": "thv-region", "to": to, "withhold": []}]}
