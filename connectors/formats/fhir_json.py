# SPDX-License-Identifier: EUPL-1.2
"""The format `fhir-json`: FHIR R4 messages and answers in JSON, in and out; an OperationOutcome back.

What a message may hold is in connectors/formats/fhir_message.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from connectors.formats import fhir_outcome as outcomes
from connectors.formats.fhir_message import REFERRALS, answer_of, canonical, referral_of
from connectors.formats.strict_json import read_json
from schakel.errors import Refusal
from schakel.ledger_records import AnswerOutcome
from schakel.ports import Envelope, Receipt, Reply

MEDIA_TYPE: Final = "application/fhir+json"
_RESOURCE: Final = re.compile(rb'"resourceType"\s*:\s*"')


class FhirJson:
    """Stateless. `validate`: check the structure as `fhir.resources` does too."""

    name = "fhir-json"
    media_types: tuple[str, ...] = (MEDIA_TYPE, "application/json")

    def __init__(self, *, validate: bool = True, mapping: str = REFERRALS) -> None:
        self._validate = validate
        self._mapping = mapping

    def recognises(self, body: bytes) -> bool:
        return body[:64].lstrip().startswith(b"{") and _RESOURCE.search(body) is not None

    def read(self, body: bytes) -> Envelope:
        """Raises Malformed and UnsupportedFormat; broken invariants that park are in `findings`."""
        return referral_of(read_json(body), format=self.name, validate=self._validate, mapping=self._mapping)

    def read_answer(self, body: bytes) -> Envelope:
        """A response message Bundle, or the answered Task alone. Raises Malformed and UnsupportedFormat."""
        return answer_of(read_json(body), format=self.name, validate=self._validate)

    def write(self, document: Mapping[str, Any]) -> bytes:
        """A FHIR resource as JSON with sorted names."""
        return canonical(document)

    def accepted(self, envelope: Envelope, receipt: Receipt, *, now: datetime, hub_oin: str) -> Reply:
        """202 with an OperationOutcome: id, recipients and why, warnings."""
        return Reply(status=202, media_type=MEDIA_TYPE, body=self.write(outcomes.accepted(receipt)))

    def answered(self, envelope: Envelope, outcome: AnswerOutcome, *, now: datetime, hub_oin: str) -> Reply:
        """200 with an OperationOutcome: taken, and how the request stands; also when a person has to look first."""
        return Reply(status=200, media_type=MEDIA_TYPE, body=self.write(outcomes.answered(outcome)))

    def refused(self, refusal: Refusal, body: bytes, *, now: datetime, hub_oin: str, accept: str) -> Reply | None:
        """An OperationOutcome when FHIR is asked for or was sent; else None."""
        if "fhir+json" not in accept.lower() and not self.recognises(body):
            return None
        return Reply(status=refusal.status, media_type=MEDIA_TYPE, body=self.write(outcomes.refused(refusal)))
