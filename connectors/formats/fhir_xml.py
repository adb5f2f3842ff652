# SPDX-License-Identifier: EUPL-1.2
"""The format `fhir-xml`: FHIR R4 messages and answers in XML, in and out; an OperationOutcome back.

The same content as `fhir-json` in the other syntax: a message sent again in the other one is known as the same message.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from connectors.formats import fhir_outcome as outcomes
from connectors.formats.fhir_message import REFERRALS, answer_of, referral_of
from connectors.formats.xml import starts_like_xml
from schakel.errors import Refusal
from schakel.ledger_records import AnswerOutcome
from schakel.ports import Envelope, Receipt, Reply

MEDIA_TYPE: Final = "application/fhir+xml"
_NAMESPACE: Final = re.compile(rb"""xmlns(?::[A-Za-z][\w.-]*)?\s*=\s*["']http://hl7\.org/fhir["']""")
_HEAD: Final = 4096  # bytes in which the root element's namespace is looked for


class FhirXml:
    """Stateless. `validate`: check the structure as `fhir.resources` does too."""

    name = "fhir-xml"
    media_types: tuple[str, ...] = (MEDIA_TYPE, "application/xml", "text/xml")

    def __init__(self, *, validate: bool = True, mapping: str = REFERRALS) -> None:
        self._validate = validate
        self._mapping = mapping

    def recognises(self, body: bytes) -> bool:
        return starts_like_xml(body) and _NAMESPACE.search(body[:_HEAD]) is not None

    def read(self, body: bytes) -> Envelope:
        """Raises Malformed and UnsupportedFormat; broken invariants that park are in `findings`."""
        from connectors.formats.fhir_xml_convert import from_xml

        return referral_of(from_xml(body), format=self.name, validate=self._validate, mapping=self._mapping)

    def read_answer(self, body: bytes) -> Envelope:
        """A response message Bundle, or the answered Task alone. Raises Malformed and UnsupportedFormat."""
        from connectors.formats.fhir_xml_convert import from_xml

        return answer_of(from_xml(body), format=self.name, validate=self._validate)

    def write(self, document: Mapping[str, Any]) -> bytes:
        """A FHIR resource as XML, its elements in the order of R4."""
        from connectors.formats.fhir_xml_convert import to_xml

        return to_xml(document)

    def accepted(self, envelope: Envelope, receipt: Receipt, *, now: datetime, hub_oin: str) -> Reply:
        """202 with an OperationOutcome: id, recipients and why, warnings."""
        return Reply(status=202, media_type=MEDIA_TYPE, body=self.write(outcomes.accepted(receipt)))

    def answered(self, envelope: Envelope, outcome: AnswerOutcome, *, now: datetime, hub_oin: str) -> Reply:
        """200 with an OperationOutcome: taken, and how the request stands; also when a person has to look first."""
        return Reply(status=200, media_type=MEDIA_TYPE, body=self.write(outcomes.answered(outcome)))

    def refused(self, refusal: Refusal, body: bytes, *, now: datetime, hub_oin: str, accept: str) -> Reply | None:
        """An OperationOutcome when FHIR is asked for or was sent; else None."""
        if "fhir+xml" not in accept.lower() and not self.recognises(body):
            return None
        return Reply(status=refusal.status, media_type=MEDIA_TYPE, body=self.write(outcomes.refused(refusal)))
