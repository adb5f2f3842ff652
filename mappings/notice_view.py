# SPDX-License-Identifier: EUPL-1.2
"""The schema of what outgoing mappings for notices read: what a partner is asked or told, and which delivery does."""

from __future__ import annotations

from typing import Any

from mappings.case_view import TRANSPORT
from schakel.notices import NOTICE, Notice


def notice_schema() -> dict[str, Any]:
    """JSON Schema of `notice@1`, with `transport` as in a case view."""
    schema: dict[str, Any] = Notice.model_json_schema(by_alias=True, mode="serialization")
    schema["title"] = NOTICE
    schema["properties"]["transport"] = TRANSPORT
    return schema
