# SPDX-License-Identifier: EUPL-1.2
"""The CapabilityStatement: what this interface does, as a FHIR client asks it first."""

from __future__ import annotations

from typing import Any, Final

from api.fhir.search import PARAMETERS
from api.guard import API_VERSION

DATE: Final = "2026-11-21"  # of the last change to what stands here
_KINDS: Final = {"status": "token", "code": "token", "_lastUpdated": "date", "_id": "token"}
_SAID: Final = {
    "status": "requested, received, accepted, rejected, completed, cancelled",
    "code": "fulfill, or as what you were asked: lead, duo, partner, …",
    "_lastUpdated": "with eq, ge, gt, le or lt; repeat for a period",
    "_id": "by POST Task/_search only: a reference has no place in a URL",
}


def capabilities(*, base: str, hub_name: str) -> dict[str, Any]:
    """`base`: the address of the FHIR interface."""
    names = [*(name for name in PARAMETERS if name in _KINDS), "_id"]
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": DATE,
        "publisher": hub_name,
        "kind": "instance",
        "software": {"name": "Schakel", "version": API_VERSION},
        "implementation": {"description": f"FHIR interface of {hub_name}", "url": base},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "application/fhir+xml"],
        "patchFormat": ["application/json-patch+json", "application/merge-patch+json"],
        "rest": [
            {
                "mode": "server",
                "documentation": "Your own requests as Tasks; the case itself comes as a message Bundle.",
                "security": {"cors": True, "description": "Authorization: Bearer, with the API key of the partner."},
                "resource": [
                    {
                        "type": "Task",
                        "interaction": [{"code": code} for code in ("read", "update", "patch", "search-type")],
                        "versioning": "versioned",
                        "readHistory": False,
                        "updateCreate": False,
                        "conditionalCreate": False,
                        "conditionalRead": "not-match",
                        "conditionalUpdate": False,
                        "conditionalDelete": "not-supported",
                        "searchParam": [
                            {"name": name, "type": _KINDS[name], "documentation": _SAID[name]} for name in names
                        ],
                    }
                ],
            }
        ],
        "messaging": [
            {
                "documentation": (
                    "Referrals: POST a message Bundle to /v1/referrals. Answers: POST a message Bundle about your Task"
                    " to /v1/answers, or update the Task here."
                )
            }
        ],
    }
