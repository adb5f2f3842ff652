# SPDX-License-Identifier: EUPL-1.2
"""One line of `schakel doctor`: what was found, how bad that is, and what to do next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from ipaddress import ip_address
from typing import Final

SOON: Final = timedelta(days=30)  # what ends by then (a certificate, a secret) is told


class State(StrEnum):
    OK = "ok"
    ATTENTION = "attention"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Check:
    """One line. `next_nl` and `next_en` say what to do; empty when all is well."""

    name: str
    state: State
    nl: str
    en: str
    next_nl: str = ""
    next_en: str = ""


def ok(name: str, nl: str, en: str) -> Check:
    return Check(name, State.OK, nl, en)


def attention(name: str, said: tuple[str, str], do: tuple[str, str]) -> Check:
    return Check(name, State.ATTENTION, *said, *do)


def wrong(name: str, said: tuple[str, str], do: tuple[str, str]) -> Check:
    return Check(name, State.WRONG, *said, *do)


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
