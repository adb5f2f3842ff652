# SPDX-License-Identifier: EUPL-1.2
"""From a FHIR R4 message Bundle (or an answered Task), in whichever syntax, to the envelope that the heart reads.

The local code systems and extensions that a source may use are in docs/fhir.md; all are optional.

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
from decimal import Decimal
from typing import Any, Final

import orjson

from connectors.formats import fhir_answer
from connectors.formats import fhir_invariants as invariants
from connectors.formats.fhir_bundle import Index, Resource, type_of
from connectors.formats.fhir_document import convert
from connectors.formats.fhir_r4b import structure_findings
from schakel.errors import Finding, Malformed, UnsupportedFormat
from schakel.ports import Envelope

REFERRALS: Final = "cit-fhir"  # the mapping of what sources send
_OIN: Final = re.compile(r"^urn:nld:oin:([0-9]{20})(?::|$)")


def referral_of(resource: Any, *, format: str, validate: bool, mapping: str = REFERRALS) -> Envelope:
    """Raises Malformed and UnsupportedFormat; broken invariants that park are in `findings`.

    `validate`: check the structure with `fhir.resources` too."""
    bundle, index, header = _message(resource)
    if isinstance(header.body.get("response"), dict):
        nl, en = "Dit is een antwoord; antwoorden gaan naar /v1/answers.", "This is an answer; send it to /v1/answers."
        raise UnsupportedFormat(Finding(f"{header.place}.response", "fhir-referral", nl, en))
    if validate:
        _check_structure(bundle)
    reference = invariants.message_reference(bundle, header)
    request, findings = invariants.focus_request(index, header)
    converted = convert(bundle, index, header, request)
    content = content_of(bundle)
    findings += converted.findings
    findings += invariants.parking_findings(converted.used, modified=b'"modifierExtension"' in content)
    return Envelope(
        format=format,
        mapping=mapping,
        message_reference=reference,
        # a request without any identifier belongs with nothing but itself
        source_case_reference=invariants.case_reference(request) or reference,
        document=converted.document,
        digest=hashlib.sha256(content).digest(),
        sender_oin=_sender_oin(header),
        findings=tuple(dict.fromkeys(findings)),
    )


def answer_of(resource: Any, *, format: str, validate: bool) -> Envelope:
    """Of a message Bundle about one Task, or of that Task alone (what a client of the FHIR interface writes back).

    Raises Malformed and UnsupportedFormat; what a person has to look at first is in `findings`."""
    if type_of(resource) == "Task":
        alone = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": resource}]}
        invariants.check_version(alone)
        if validate:
            _check_structure(alone)
        answered = fhir_answer.convert_task(Index(alone))
        return _answer(answered, resource, digest(resource).hex(), format=format)
    bundle, index, header = _message(resource)
    if validate:
        _check_structure(bundle)
    reference = invariants.message_reference(bundle, header)
    answered = fhir_answer.convert_bundle(bundle, index, header)
    return _answer(answered, bundle, reference, format=format, sender_oin=_sender_oin(header))


def _message(resource: Any) -> tuple[Mapping[str, Any], Index, Resource]:
    bundle = invariants.check_bundle(resource)
    invariants.check_version(bundle)
    index = Index(bundle)
    return bundle, index, invariants.message_header(index)


def _answer(
    answered: fhir_answer.Answered,
    content: Mapping[str, Any],
    reference: str,
    *,
    format: str,
    sender_oin: str | None = None,
) -> Envelope:
    return Envelope(
        format=format,
        mapping=fhir_answer.MAPPING,
        message_reference=reference,
        source_case_reference=answered.reference,
        document=answered.document,
        digest=digest(content),
        sender_oin=sender_oin,
        findings=answered.findings,
    )


def digest(bundle: Mapping[str, Any]) -> bytes:
    """SHA-256 of the content. The same in JSON and in XML."""
    return hashlib.sha256(content_of(bundle)).digest()


def content_of(bundle: Mapping[str, Any]) -> bytes:
    """Canonical JSON without Bundle.timestamp and without any resource's meta.lastUpdated."""
    plain = {name: value for name, value in bundle.items() if name != "timestamp"}
    content = canonical(plain)
    dated = b'"meta":{' in content and (b'"lastUpdated"' in content or b'"meta":{}' in content)
    return canonical(_undated(plain)) if dated else content


def _undated(value: Any) -> Any:
    if isinstance(value, dict):
        made = {name: _undated(each) for name, each in value.items()}
        meta = made.get("meta")
        if isinstance(meta, dict) and "resourceType" in made:
            meta.pop("lastUpdated", None)
            if not meta:
                del made["meta"]
        return made
    return [_undated(each) for each in value] if isinstance(value, list) else value


def canonical(value: Any) -> bytes:
    """JSON with sorted names and no blanks. A decimal that came as XML is written as it would have come in JSON."""
    try:
        return orjson.dumps(value, default=_number, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # an integer of more than 64 bits
        blanks = (",", ":")
        return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=blanks, default=_number).encode()


def _number(value: Decimal) -> int | float:
    return int(value) if value.as_tuple().exponent == 0 else float(value)


def _check_structure(bundle: Mapping[str, Any]) -> None:
    if findings := structure_findings(bundle):
        raise Malformed(*findings)


def _sender_oin(header: Resource) -> str | None:
    """MessageHeader.source.endpoint as `urn:nld:oin:<OIN>`; other endpoints say nothing about who sends."""
    source = header.body.get("source")
    endpoint = source.get("endpoint") if isinstance(source, dict) else None
    match = _OIN.match(endpoint) if isinstance(endpoint, str) else None
    return match[1] if match else None
