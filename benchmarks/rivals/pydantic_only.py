# SPDX-License-Identifier: EUPL-1.2
"""A FastAPI endpoint that validates the same body with pydantic and keeps nothing: the floor of a door in Python."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict

from schakel.message import Referral

app = FastAPI(openapi_url=None)


class Handed(BaseModel):
    """A `referral@1` document: envelope and referral."""

    model_config = ConfigDict(extra="allow")

    schema_: str | None = None
    messageReference: str  # noqa: N815 (as it is published)
    sourceCaseReference: str  # noqa: N815
    sender: dict[str, Any]
    referral: Referral


@app.post("/v1/referrals", status_code=202)
async def hand_in(document: Handed) -> dict[str, str]:
    return {"id": document.messageReference, "state": "routed"}
