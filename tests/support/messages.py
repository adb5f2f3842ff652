# SPDX-License-Identifier: EUPL-1.2
"""Makes referrals of invented households: as many as a test wants, each with its own reference, order and numbers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from operator import mul
from typing import Any, Final

JSON: Final = "application/json"
FHIR: Final = "application/fhir+json"
TEST_BSNS: Final = (*range(999_990_007, 999_999_991), *range(999_900_006, 999_990_007))  # that are given to nobody

PLACES: Final = {  # code → (place, postcode)
    "0503": ("Delft", "2611 AB"),  # its local team reads a mailbox
    "0518": ("Den Haag", "2526 DA"),
    "0603": ("Rijswijk", "2281 AB"),
    "0637": ("Zoetermeer", "2711 AB"),
    "1783": ("Naaldwijk", "2671 AB"),
}


@dataclass(frozen=True, slots=True)
class Message:
    """Bytes that a source hands in; `reference` is what the source calls them, for people who read a failure."""

    source: str
    reference: str
    media_type: str
    body: bytes


def referral(n: int, municipality: str = "0518", *, removed: int | None = None) -> Message:
    """The n-th household's referral from the pool; another `n` has nothing in common with it.

    `removed`: whose number the removed person has instead, as if somebody mistyped it for the same household."""
    document: dict[str, Any] = json.loads(files("schakel.demo").joinpath("messages/thv-den-haag.json").read_bytes())
    place, postcode = PLACES[municipality]
    home = {"straat": f"Proefstraat {n}", "huisnummer": str(n + 1), "postcode": postcode, "woonplaats": place}
    document |= {"kenmerk": f"FAULT-{n:04d}", "zaakkenmerk": f"FAULT-CASE-{n:04d}"}
    document["huisverbod"] |= {"nummer": f"FAULT-ORDER-{n:04d}"}
    document["huisverbod"]["adres"] = {"soort": "woonadres", **home, "gemeentecode": municipality}
    for person, number in zip(document["betrokkenen"], numbers(n), strict=False):
        person["namen"] = {"geslachtsnaam": f"Verzonnen-{n}", "voornamen": person["id"]}
        if "bsn" in person:
            person["bsn"] = number
        if "adressen" in person:
            person["adressen"] = [{"soort": "woonadres", **home}]
    if removed is not None:
        document["betrokkenen"][1]["bsn"] = numbers(removed)[1]
    return Message("thv-pool", document["kenmerk"], JSON, json.dumps(document, ensure_ascii=False).encode())


def nameless(n: int, municipality: str = "0518") -> Message:
    """As `referral`, of people whose numbers nobody knows: of these there are as many as a test wants."""
    message = referral(n, municipality)
    document: dict[str, Any] = json.loads(message.body)
    for person in document["betrokkenen"]:
        if person.pop("bsn", None) is not None:
            person["bsnStatus"] = "onbekend"
    return Message(message.source, message.reference, JSON, json.dumps(document, ensure_ascii=False).encode())


def hidden(message: Message) -> Message:
    """Later the same source says of the same case that the victim's address is secret."""
    document = json.loads(message.body)
    document |= {"kenmerk": f"{message.reference}-SECRET", "soort": "wijziging"}
    document["betrokkenen"][0]["geheimAdres"] = True
    return Message(message.source, document["kenmerk"], JSON, json.dumps(document, ensure_ascii=False).encode())


def unknown_code(n: int) -> Message:
    """With a code that nobody knows: kept, and parked for a person."""
    document = json.loads(referral(n).body)
    document["incident"]["vormen"] = ["88"]
    return Message("thv-pool", document["kenmerk"], JSON, json.dumps(document, ensure_ascii=False).encode())


def parked_referral() -> Message:
    """From the crisis team for Den Haag: waits for a person's decision."""
    body = files("mappings").joinpath("cit_fhir/examples/den-haag.json").read_bytes()
    return Message("cit", "cit den-haag", FHIR, body)


def numbers(n: int, each: int = 4) -> list[str]:
    """Citizen service numbers of the n-th household, from the test range: there are some two thousand households."""
    return _valid()[n * each : (n + 1) * each]


@cache
def _valid() -> list[str]:
    """By the eleven-test; asking stdnum takes ten times as long."""
    weights = (9, 8, 7, 6, 5, 4, 3, 2, -1)
    texts = map(str, TEST_BSNS)
    return [text for text in texts if not sum(map(mul, weights, map(int, text))) % 11]
