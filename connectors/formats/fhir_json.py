# SPDX-License-Identifier: EUPL-1.2
"""The format `fhir-json`: a FHIR R4 message Bundle in JSON, in; an OperationOutcome, out.

Local code systems and extensions that a source may use (all optional):

==============================  ================================================================================
`urn:schakel:event`             MessageHeader.event: referral, update, withdrawal
`urn:schakel:role`              relationship or Flag.code coding, or an extension on Patient or RelatedPerson with a
                                valueCode: victim, removed, child, adult-child, other
`urn:schakel:flag`              Flag.code: secret-address, worker-safety, weapons, intimate-terrorism, honour-related,
                                stalled-help
`urn:schakel:programme`         ServiceRequest.category: icm, icm-youth, mda++
`urn:schakel:vt-form`           ServiceRequest.reasonCode or Condition.code: 01 … 09 (Veilig Thuis forms)
`urn:schakel:vt-nature`         likewise: 01 … 11
`urn:schakel:vt-reporter`       PractitionerRole.code of the requester: 01 … 41
`urn:schakel:security`          meta.security: secret-address
`urn:schakel:police-registration`  system of a ServiceRequest.identifier
`urn:schakel:unborn`            extension on Patient, valueBoolean
`urn:schakel:informed`          extension on Patient or RelatedPerson with `informed` (valueBoolean), `at` (valueDate),
                                `reason` and `reaction` (valueString) in it
`urn:schakel:secret-address`    extension on Address, valueBoolean
`urn:schakel:safe-to-call`      extension on ContactPoint, valueBoolean
==============================  ================================================================================

A person's whereabouts are secret when his address says so or is masked, when his `meta.security` is R or V, when a Flag
says so, and for everybody when the message itself is labelled R or V or the flag names nobody. Whoever lives behind a
secret door (postcode and number) is hidden too, and an incident there has a secret address: the safest reading wins.
An unborn child is a Patient with the extension (or the StUF number 999999999), or an Observation of LOINC 11778-8.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from connectors.formats import fhir_invariants as invariants
from connectors.formats.fhir_bundle import Index, Resource
from connectors.formats.fhir_document import convert
from connectors.formats.fhir_outcome import MEDIA_TYPE, accepted_reply, refusal_reply
from connectors.formats.strict_json import read_json
from schakel.errors import Malformed, Refusal
from schakel.ports import Envelope, Receipt, Reply

_RESOURCE: Final = re.compile(rb'"resourceType"\s*:\s*"')
_OIN: Final = re.compile(r"^urn:nld:oin:([0-9]{20})(?::|$)")


class FhirJson:
    """Stateless. `validate`: check the structure with `fhir.resources` too, loaded at the first message."""

    name = "fhir-json"
    media_types: tuple[str, ...] = (MEDIA_TYPE, "application/json")

    def __init__(self, *, validate: bool = True, mapping: str = "cit-fhir") -> None:
        self._validate = validate
        self._mapping = mapping

    def recognises(self, body: bytes) -> bool:
        return body[:64].lstrip().startswith(b"{") and _RESOURCE.search(body) is not None

    def read(self, body: bytes) -> Envelope:
        """Raises Malformed and UnsupportedFormat; broken invariants that park are in `findings`."""
        bundle = invariants.check_bundle(read_json(body))
        invariants.check_version(bundle)
        index = Index(bundle)
        header = invariants.message_header(index)
        if self._validate:
            _check_structure(bundle)
        reference = invariants.message_reference(bundle, header)
        request, findings = invariants.focus_request(index, header)
        converted = convert(bundle, index, header, request)
        findings += [*converted.findings, *invariants.parking_findings(converted.used)]
        return Envelope(
            format=self.name,
            mapping=self._mapping,
            message_reference=reference,
            # a request without any identifier belongs with nothing but itself
            source_case_reference=invariants.case_reference(request) or reference,
            document=converted.document,
            digest=digest(bundle),
            sender_oin=_sender_oin(header),
            findings=tuple(dict.fromkeys(findings)),
        )

    def write(self, document: Mapping[str, Any]) -> bytes:
        """A FHIR resource as JSON with sorted names."""
        return _canonical(document)

    def accepted(self, envelope: Envelope, receipt: Receipt, *, now: datetime, hub_oin: str) -> Reply:
        """202 with an OperationOutcome: id, recipients and why, warnings."""
        return accepted_reply(receipt)

    def refused(self, refusal: Refusal, body: bytes, *, now: datetime, hub_oin: str, accept: str) -> Reply | None:
        """An OperationOutcome when FHIR is asked for or was sent; else None."""
        if "fhir+json" not in accept.lower() and not self.recognises(body):
            return None
        return refusal_reply(refusal)


def digest(bundle: Mapping[str, Any]) -> bytes:
    """SHA-256 of the content: canonical JSON without Bundle.timestamp and without any resource's meta.lastUpdated."""
    plain = {name: value for name, value in _undated(bundle).items() if name != "timestamp"}
    return hashlib.sha256(_canonical(plain)).digest()


def _undated(value: Any) -> Any:
    if isinstance(value, Mapping):
        made = {name: _undated(each) for name, each in value.items()}
        meta = made.get("meta")
        if isinstance(meta, dict) and "resourceType" in made:
            meta.pop("lastUpdated", None)
            if not meta:
                del made["meta"]
        return made
    return [_undated(each) for each in value] if isinstance(value, list) else value


def _canonical(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def _check_structure(bundle: Mapping[str, Any]) -> None:
    from connectors.formats.fhir_r4b import structure_findings  # it loads the FHIR models: not before it is needed

    findings = structure_findings(bundle)
    if findings:
        raise Malformed(*findings)


def _sender_oin(header: Resource) -> str | None:
    """MessageHeader.source.endpoint as `urn:nld:oin:<OIN>`; other endpoints say nothing about who sends."""
    source = header.body.get("source")
    endpoint = source.get("endpoint") if isinstance(source, Mapping) else None
    match = _OIN.match(endpoint) if isinstance(endpoint, str) else None
    return match[1] if match else None
