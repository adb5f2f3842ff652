# SPDX-License-Identifier: EUPL-1.2
"""The schemas of the canonical documents that come in, made from the nouns themselves.

The `schema.json` beside the mappings `referral_json` and `case_message_json` are these; a test holds them together.
"""

from __future__ import annotations

from typing import Any, Final

from schakel.message import CASE_MESSAGE, REFERRAL, CaseMessage, Referral

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def referral_schema() -> dict[str, Any]:
    """`referral@1` as it is sent: two references, and the referral itself."""
    content = Referral.model_json_schema(by_alias=True)
    definitions = content.pop("$defs")
    reference = {"type": "string", "minLength": 1, "maxLength": 200}
    return {
        "$schema": DIALECT,
        "$id": "urn:schakel:referral:1",
        "title": REFERRAL,
        "description": "What a source reports. Absent is: not known. Unknown fields are refused.",
        "type": "object",
        "additionalProperties": False,
        "required": ["schema", "messageReference", "sourceCaseReference", "referral"],
        "properties": {
            "schema": {"const": REFERRAL},
            "messageReference": {
                **reference,
                "description": "Of this message; the same with other content is refused.",
            },
            "sourceCaseReference": {**reference, "description": "Of the case at the source; updates carry the same."},
            "sentAt": {"type": "string", "format": "date-time", "description": "Not part of the content."},
            "sender": {
                "type": "object",
                "description": "On whose behalf, when another hands it over.",
                "additionalProperties": False,
                "required": ["oin"],
                "properties": {"oin": {"type": "string", "pattern": "^[0-9]{20}$"}},
            },
            "referral": {"$ref": "#/$defs/Referral"},
        },
        "$defs": {**definitions, "Referral": content},
    }


def case_message_schema() -> dict[str, Any]:
    """`case-message@1` as another hub sends it: whole, with its name."""
    schema: dict[str, Any] = CaseMessage.model_json_schema(by_alias=True)
    return {
        "$schema": DIALECT,
        "$id": "urn:schakel:case-message:1",
        **schema,
        "title": CASE_MESSAGE,
        "required": ["schema", *schema["required"]],
    }
