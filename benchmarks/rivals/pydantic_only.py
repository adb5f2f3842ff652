# SPDX-License-Identifier: EUPL-1.2
"""A FastAPI endpoint that validates the same body with pydantic and keeps nothing: the floor of a door in Python.

For `referral@1` the model is the hub's own; a FHIR bundle is validated by `fhir.resources`, which is pydantic too.
"""

from __future__ import annotations

from typing import Any, Literal

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from fhir.resources.R4B.bundle import Bundle
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from schakel.message import Referral

app = FastAPI(openapi_url=None)


class Handed(BaseModel):
    """A `referral@1` document: envelope and referral."""

    model_config = ConfigDict(extra="forbid")

    schema_: Literal["referral@1"] = Field(alias="schema")
    messageReference: str  # noqa: N815 (as it is published)
    sourceCaseReference: str  # noqa: N815
    sentAt: str  # noqa: N815
    sender: dict[str, Any]
    referral: Referral


@app.post("/v1/referrals", status_code=202)
async def hand_in(document: Handed) -> dict[str, str]:
    return {"id": document.messageReference, "state": "routed"}


@app.post("/fhir", status_code=202)
async def hand_in_bundle(request: Request) -> Response:
    """From the bytes at once: the fastest way that the library has."""
    try:
        bundle = Bundle.model_validate_json(await request.body())
    except ValidationError:
        return JSONResponse({"detail": "not a valid bundle"}, 422)
    return JSONResponse({"type": bundle.type, "state": "routed"}, 202)
