# SPDX-License-Identifier: EUPL-1.2
"""What an answer must say before it counts: a reason where it declines, somebody to call where a team confirms."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from schakel.acts.refusals import DECLINE_REASONS, OTHER, refused
from schakel.message import Answer
from schakel.region import DUO, LEADING

_KEPT: Final = ("reasonText", "contact", "rerouteTo", "answeredAt", "level", "until", "admission")


def check_reason(answer: Answer) -> None:
    """Raises Refusal."""
    if answer.reason_code is None:
        if answer.answer == "declined":
            raise refused("answer:reason-required", "reasonCode")
        return
    if answer.reason_code not in DECLINE_REASONS:
        raise refused("answer:unknown-reason", "reasonCode")
    if answer.reason_code == OTHER and not answer.reason_text:
        raise refused("answer:other-needs-text", "reasonText")


def check_reachable(word: str, role: str, detail: Mapping[str, Any]) -> None:
    """Raises Refusal."""
    if word == "confirmed" and role in LEADING | DUO and "contact" not in detail:
        raise refused("answer:reachable-person", "contact")


def detail_of(answer: Answer) -> bytes:
    """The part that can name a person: the same answer gives the same bytes."""
    said = answer.to_json()
    return as_bytes({name: said[name] for name in _KEPT if name in said})


def as_bytes(words: Mapping[str, Any]) -> bytes:
    return json.dumps(words, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
