# SPDX-License-Identifier: EUPL-1.2
"""What the hub answers in JSON when it has accepted a message; any format without words of its own uses it."""

from __future__ import annotations

from typing import Any, Final

import orjson

from schakel.errors import Finding
from schakel.ports import Receipt, Reply

MEDIA_TYPE: Final = "application/json"


def receipt_json(receipt: Receipt) -> dict[str, Any]:
    """`{id, state, duplicate, recipients, warnings}`, and `parkedCause` when a person must decide first."""
    said: dict[str, Any] = {
        "id": receipt.message_id,
        "state": receipt.state,
        "duplicate": receipt.duplicate,
        "recipients": [
            {
                "recipient": notice.recipient,
                "role": notice.role,
                "outcome": notice.outcome,
                "rule": notice.rule,
                "nl": notice.nl,
                "en": notice.en,
            }
            for notice in receipt.notices
        ],
        "warnings": [finding_json(finding) for finding in receipt.warnings],
    }
    if receipt.parked_cause is not None:
        said["parkedCause"] = receipt.parked_cause
    return said


def finding_json(finding: Finding) -> dict[str, str]:
    """A finding as every JSON answer shows it."""
    return {"place": finding.place, "rule": finding.rule, "nl": finding.nl, "en": finding.en}


def accepted_json(receipt: Receipt) -> Reply:
    """202: accepted and kept; a repeat gets the same answer with `duplicate` true."""
    return Reply(status=202, media_type=MEDIA_TYPE, body=orjson.dumps(receipt_json(receipt)))
