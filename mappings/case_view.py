# SPDX-License-Identifier: EUPL-1.2
"""The schema of what outgoing mappings read: a case message as disclosure has cut it for one recipient."""

from __future__ import annotations

from typing import Any, Final

from schakel.message import CaseMessage

CASE_VIEW: Final = "case-view@1"


def case_view_schema() -> dict[str, Any]:
    """JSON Schema of `case-view@1`: the case message with everything optional, and what is said to this recipient.

    `withheld`: the rules by which something was left out; `request`: what is asked of the recipient; `reminder`: which
    reminder of that request this is; `held`: older messages of the case that wait; `late`: released after newer ones;
    `transport`: which delivery this is, its number at the recipient, in which role, from which hub and to whom (the
    name of its system too), and where the whole case waits (`content`).
    """
    schema: dict[str, Any] = _optional(CaseMessage.model_json_schema(by_alias=True, mode="serialization"))
    text = {"type": "string"}
    schema["title"] = CASE_VIEW
    schema["properties"]["schema"] = {"const": CASE_VIEW}
    schema["properties"] |= {
        "withheld": {"type": "array", "items": {"type": "object", "properties": {"rule": text}}},
        "request": {"type": "object", "properties": {"reference": text, "role": text, "dueAt": text}},
        "reminder": {"type": ["integer", "string", "object"]},
        "held": {"type": "integer"},
        "late": {"type": "boolean"},
        "transport": {
            "type": "object",
            "properties": {
                "id": text,
                "number": {"type": "integer"},
                "role": text,
                "content": text,
                "createdAt": text,
                "sender": {"type": "object", "properties": {"oin": text, "name": text}},
                "recipient": {
                    "type": "object",
                    "properties": {
                        "id": text,
                        "name": text,
                        "oins": {"type": "array", "items": text},
                        "application": text,
                    },
                },
            },
        },
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
