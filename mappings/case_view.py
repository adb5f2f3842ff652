# SPDX-License-Identifier: EUPL-1.2
"""The schema of what outgoing mappings read: a case message as disclosure has cut it for one recipient."""

from __future__ import annotations

from typing import Any, Final

from schakel.message import CaseMessage

CASE_VIEW: Final = "case-view@1"
_TEXT: Final = {"type": "string"}
TRANSPORT: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "id": _TEXT,
        "number": {"type": "integer"},
        "role": _TEXT,
        "content": _TEXT,
        "createdAt": _TEXT,
        "sender": {"type": "object", "properties": {"oin": _TEXT, "name": _TEXT}},
        "recipient": {
            "type": "object",
            "properties": {
                "id": _TEXT,
                "name": _TEXT,
                "oins": {"type": "array", "items": _TEXT},
                "application": _TEXT,
            },
        },
    },
}


def case_view_schema() -> dict[str, Any]:
    """JSON Schema of `case-view@1`: the case message with everything optional, and what is said to this recipient.

    `withheld`: the rules by which something was left out; `request`: what is asked of the recipient; `reminder`: which
    reminder of that request this is; `held`: older messages of the case that wait; `late`: released after newer ones;
    `transport`: which delivery this is, its number at the recipient, in which role, from which hub and to whom (the
    name of its system too), and where the whole case waits (`content`).
    """
    schema: dict[str, Any] = _optional(CaseMessage.model_json_schema(by_alias=True, mode="serialization"))
    text = _TEXT
    schema["title"] = CASE_VIEW
    schema["properties"]["schema"] = {"const": CASE_VIEW}
    schema["properties"] |= {
        "withheld": {"type": "array", "items": {"type": "object", "properties": {"rule": text}}},
        "request": {"type": "object", "properties": {"reference": text, "role": text, "dueAt": text}},
        "reminder": {"type": ["integer", "string", "object"]},
        "held": {"type": "integer"},
        "late": {"type": "boolean"},
        "transport": TRANSPORT,
    }
    schema["additionalProperties"] = True  # what more is said to a recipient, canonical JSON passes on
    return schema


def _optional(part: Any) -> Any:
    """Nothing is required in a view: any field can be withheld."""
    if isinstance(part, dict):
        return {
            name: _optional(each) for name, each in part.items() if not (name == "required" and isinstance(each, list))
        }
    if isinstance(part, list):
        return [_optional(each) for each in part]
    return part
