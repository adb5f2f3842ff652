# SPDX-License-Identifier: EUPL-1.2
"""The sockets: what the heart asks of formats, channels, alarms, broker, vault, clock and store. Comments promise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from schakel.errors import Finding, Refusal

# -- formats: from a source's bytes to a plain document, and back ------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a Format reads of a message before any mapping."""

    format: str  # the format's name
    mapping: str  # the mapping for this kind of document, e.g. "stuf-melding-generiek"
    message_reference: str  # duplicates: (source, message reference)
    source_case_reference: str  # what belongs together
    document: Mapping[str, Any]  # plain JSON values, ready for the mapping; checked against the source's schema
    digest: bytes  # SHA-256 of the content without transport timestamps: equal → the first answer again
    sender_oin: str | None = None  # who the document says it is from, where the format carries that (StUF zender)
    findings: tuple[Finding, ...] = ()  # own invariants that are broken: the message is accepted and parked
    reply_context: Mapping[str, Any] = field(default_factory=dict)  # what the format needs to write its reply


@dataclass(frozen=True, slots=True)
class Notice:
    """One line of the reply: who gets it (or does not) and why."""

    recipient: str  # the partner's name
    role: str
    outcome: str  # "deliver", "withhold" or "park"
    rule: str
    nl: str
    en: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the hub says to a source that handed over a message. Never reveals a match with another case."""

    message_id: str
    state: str  # "routed" or "parked"
    duplicate: bool
    notices: tuple[Notice, ...]
    warnings: tuple[Finding, ...] = ()
    parked_cause: str | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer in the source's own format."""

    status: int
    media_type: str
    body: bytes


class Format(Protocol):
    """Bytes to envelope, view to bytes, outcome to reply. Pure: no clock, no network, no state."""

    name: str
    media_types: tuple[str, ...]  # the first one is what it writes

    def recognises(self, body: bytes) -> bool:
        """A cheap look at the first bytes; among formats of one media type the first that recognises reads."""

    def read(self, body: bytes) -> Envelope:
        """Raises Malformed (names place and rule, never the value)."""

    def write(self, document: Mapping[str, Any]) -> bytes:
        """The same document gives the same bytes."""

    def accepted(self, envelope: Envelope, receipt: Receipt, *, now: datetime, hub_oin: str) -> Reply: ...

    def refused(self, refusal: Refusal, body: bytes, *, now: datetime, hub_oin: str, accept: str) -> Reply | None:
        """The refusal in this format's own words, or None: the caller answers with problem+json."""
