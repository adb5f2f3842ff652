# SPDX-License-Identifier: EUPL-1.2
"""The schema of what outgoing mappings for sources read: how a message stands, and which delivery says so."""

from __future__ import annotations

from typing import Any

from mappings.case_view import TRANSPORT
from schakel.feedback import FEEDBACK, Feedback


def feedback_schema() -> dict[str, Any]:
    """JSON Schema of `feedback@1`, with `transport` as in a case view."""
    schema: dict[str, Any] = Feedback.model_json_schema(by_alias=True, mode="serialization")
    schema["title"] = FEEDBACK
    schema["properties"]["transport"] = TRANSPORT
    return schema
