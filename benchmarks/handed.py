# SPDX-License-Identifier: EUPL-1.2
"""Makes the referrals that are handed in: `referral@1`, each its own household, with a mark that every recipient sees.

Three recipients: the ICM team leads, the local team of Delft walks along, and an involved partner is asked whether it
knows these people. The overlay that makes it so stands here too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, Final

import mappings

JSON: Final = "application/json"
FHIR: Final = "application/fhir+json"
SOURCE: Final = "thv-pool"
SOURCE_FHIR: Final = "cit"
LEAD, DUO, PARTNER = "perspektief", "lokaal-team-delft", "vvt"
RECIPIENTS: Final = (LEAD, DUO, PARTNER)
DUO_FHIR: Final = "lokaal-team-westland"
EXAMPLE: Final = Path(mappings.__file__).parent / "referral_json" / "examples" / "delft.json"
BUNDLE: Final = Path(__file__).parent / "messages" / "cit-9kb.json"
NAMES: Final = ("Putten", "Giessen")  # in BUNDLE
REFERENCES: Final = ("CIT-2026-000900", "CIT-A-2026-0900")


class Referrals:
    """Each referral that it makes is another one: other references, another order, other persons."""

    def __init__(self) -> None:
        self._example: dict[str, Any] = json.loads(EXAMPLE.read_bytes())
        self._example["referral"]["history"].pop("earlierOrders")  # the order of another household is not earlier ours
        self._example["referral"]["urgency"] = "normal"  # nobody answers here: crises would ring after five minutes
        _date(self._example, datetime.now(UTC))
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


def _date(document: dict[str, Any], now: datetime) -> None:
    """It happened an hour ago: no clock of the hub is over before the measurement is."""
    happened, ends = (_text(now + ahead) for ahead in (timedelta(hours=-1), timedelta(days=10)))
    order = document["referral"]["trigger"]["restrainingOrder"]
    document["sentAt"], order["endsAt"] = _text(now), ends
    order["imposedAt"] = document["referral"]["occurredAt"] = happened


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


class Bundles:
    """The same as FHIR bundles of 9 kB. Nobody has a BSN: there are too few invented ones for so many households."""

    def __init__(self) -> None:
        bundle = json.loads(BUNDLE.read_bytes())
        for entry in bundle["entry"]:
            if entry["resource"]["resourceType"] in ("Patient", "RelatedPerson"):
                entry["resource"].pop("identifier", None)
        self._text = json.dumps(bundle)
        self._numbers = count(1)

    def bodies(self, number: int) -> dict[int, bytes]:
        """Mark → body."""
        return {mark: self._body(mark) for mark in (next(self._numbers) for _ in range(number))}

    def _body(self, mark: int) -> bytes:
        text = self._text
        for reference in REFERENCES:
            text = text.replace(reference, f"{reference}-{mark}")
        for place, each in enumerate(NAMES):
            text = text.replace(each, f"{each}-{mark}" if place else f"Bench-{mark}")
        return text.encode()


def to_webhooks(url: str) -> dict[str, Mapping[str, Any]]:
    """An overlay: the three recipients take webhooks, each under its own name below `url`."""
    receives = {"channel": "webhook", "mode": "full"}
    return {
        "partners.yaml": {"partners": [{"id": one, "receives": {**receives, "url": url + one}} for one in RECIPIENTS]},
        "routes.yaml": _routes(),
    }


def to_mailboxes() -> dict[str, Mapping[str, Any]]:
    """An overlay: the three recipients poll, and so does the local team that the bundles go to."""
    receives = {"channel": "mailbox"}
    return {
        "partners.yaml": {"partners": [{"id": one, "receives": receives} for one in (*RECIPIENTS, DUO_FHIR)]},
        "routes.yaml": _routes(),
    }


def _routes() -> dict[str, Any]:
    to = [
        {"partner": LEAD, "role": "lead"},
        {"partner": "local-team", "role": "duo"},
        {"partner": PARTNER, "role": "partner"},
    ]
    return {"routes": [{"id": "thv-region", "to": to, "withhold": []}]}
