# SPDX-License-Identifier: EUPL-1.2
"""Holds what recipients wrote down against what the hub says it delivered: the one thing its own books cannot tell.

A journal is a recipient's export: one JSON object a line, whose `id` is the webhook-id, or the deliveryId in a mailbox.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from schakel.errors import ConfigurationError, Finding
from schakel.verify_reading import Query
from schakel.verify_rules import Rule

UNKNOWN: Final = Rule(
    "journal:unknown",
    "SELECT id FROM delivery WHERE recipient = :partner",
    "De ontvanger heeft iets wat deze hub niet kent: het kwam na deze kopie, of van elders",
    "The recipient has something that this hub does not know: it came after this copy, or from elsewhere",
)
MISSING: Final = Rule(
    "journal:missing",
    "SELECT id FROM delivery WHERE recipient = :partner AND state = 'delivered'",
    "Volgens de hub is dit bezorgd, maar de ontvanger heeft het niet opgeschreven",
    "The hub says that this was delivered, and the recipient did not write it down",
)
Journals = Mapping[str, frozenset[str]]  # partner → ids


def read_journal(path: Path) -> frozenset[str]:
    """The ids in one export. Raises ConfigurationError: cannot be read, or a line without an id."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        ids = [json.loads(line)["id"] for line in lines if line.strip()]
    except (OSError, ValueError, KeyError, TypeError):
        ids = [None]
    if not all(isinstance(one, str) for one in ids):
        raise ConfigurationError(
            Finding(
                str(path),
                "journal:format",
                "Dit is geen logboek: één JSON-object per regel, met een id",
                "This is not a journal: one JSON object a line, with an id",
            )
        )
    return frozenset(ids)


def compare(query: Query, journals: Journals) -> Iterator[tuple[Rule, str]]:
    """What is on one side only, as `partner id`."""
    for partner, written in sorted(journals.items()):
        known = {str(row[0]) for row in query(UNKNOWN.sql, {"partner": partner})}
        delivered = {str(row[0]) for row in query(MISSING.sql, {"partner": partner})}
        yield from ((UNKNOWN, f"{partner} {one}") for one in sorted(written - known))
        yield from ((MISSING, f"{partner} {one}") for one in sorted(delivered - written))
