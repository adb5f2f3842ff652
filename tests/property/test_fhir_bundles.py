# SPDX-License-Identifier: EUPL-1.2
"""Any FHIR bundle, however mangled, becomes an envelope or a refusal; all four ways of referring mean the same."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.formats.fhir_json import FhirJson
from mappings.codebook import CodebookShelf
from mappings.engine import CompiledMapping, load_mapping, to_referral
from schakel.errors import Finding, Refusal, Unmappable
from schakel.ports import Envelope

FOLDER = Path(__file__).resolve().parents[2] / "mappings" / "cit_fhir"
NOW = datetime(2026, 11, 16, 9, tzinfo=UTC)
BODIES = {
    path.stem: path.read_bytes() for path in sorted((FOLDER / "examples").glob("*.json")) if ".golden" not in path.name
}
SCHEMA = jsonschema.Draft202012Validator(json.loads((FOLDER / "schema.json").read_bytes()))
CANARY = "KANARIE-7"  # stands for a person's data in what is put in

_scalars = st.sampled_from(
    [None, True, False, 0, -1, 2.5, "", " ", "x", CANARY, "#", "Patient/p-1", "urn:uuid:", "2026-13"]
)
_odd = st.recursive(
    _scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                [
                    "reference",
                    "coding",
                    "code",
                    "system",
                    "value",
                    "url",
                    "extension",
                    "identifier",
                    "use",
                    "text",
                    "id",
                ]
            ),
            inner,
            max_size=3,
        ),
    ),
    max_leaves=5,
)


@pytest.fixture(scope="module")
def mapping() -> CompiledMapping:
    return load_mapping(FOLDER, CodebookShelf.load())


def _places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, each in items:
        yield (*path, name)
        yield from _places(each, (*path, name))


_edits = st.lists(
    st.tuples(
        st.integers(0, 5_000),
        st.sampled_from(["replace", "remove", "double", "modifierExtension", "contained", "link", "focus", CANARY]),
        _odd,
    ),
    min_size=1,
    max_size=4,
)


def _mangle(bundle: dict[str, Any], edits: list[tuple[int, str, Any]]) -> dict[str, Any]:
    """The bundle with elements replaced, removed, doubled or renamed."""
    for number, edit, value in edits:
        places = list(_places(bundle))
        if not places:
            break
        *parents, last = places[number % len(places)]
        holder: Any = bundle
        for part in parents:
            holder = holder[part]
        if edit == "replace":
            holder[last] = value
        elif edit == "remove":
            del holder[last]
        elif edit == "double":
            holder[last] = [copy.deepcopy(holder[last]), copy.deepcopy(holder[last])]
        elif isinstance(holder, dict):
            holder[edit] = holder.pop(last)
    return bundle


def _read(body: bytes, *, validate: bool) -> tuple[Envelope | None, tuple[Finding, ...]]:
    try:
        envelope = FhirJson(validate=validate).read(body)
    except Refusal as refusal:
        return None, refusal.findings
    return envelope, envelope.findings


def _map(mapping: CompiledMapping, envelope: Envelope) -> tuple[str, tuple[Finding, ...]]:
    try:
        to_referral(mapping.apply(envelope.document, now=NOW).document)
    except Unmappable as parked:
        return parked.cause, parked.findings
    return "mapped", ()


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(name=st.sampled_from(sorted(BODIES)), edits=_edits, validate=st.sampled_from([False, False, True]))
def test_a_mangled_bundle_gives_an_envelope_or_a_refusal_and_maps_or_parks(
    mapping: CompiledMapping, name: str, edits: list[tuple[int, str, Any]], validate: bool
) -> None:
    bundle = _mangle(json.loads(BODIES[name]), edits)
    envelope, findings = _read(json.dumps(bundle).encode(), validate=validate)
    assert CANARY not in repr(findings)
    if envelope is None:
        assert findings
        return
    assert 0 < len(envelope.message_reference) <= 200
    assert 0 < len(envelope.source_case_reference) <= 200
    assert [error.json_path for error in SCHEMA.iter_errors(envelope.document)] == []
    assert not any(CANARY in each for each in envelope.document)
    outcome, findings = _map(mapping, envelope)
    assert outcome in {"mapped", "unknown-code", "contradiction", "mapping-error"}
    assert CANARY not in repr(findings)


@settings(max_examples=100, deadline=None)
@given(body=st.one_of(st.binary(max_size=200), st.sampled_from(sorted(BODIES)).flatmap(lambda n: _cut(BODIES[n]))))
def test_any_bytes_give_an_envelope_or_a_refusal_with_findings(body: bytes) -> None:
    envelope, findings = _read(body, validate=False)
    assert envelope is not None or findings


def _cut(body: bytes) -> st.SearchStrategy[bytes]:
    return st.integers(0, len(body)).map(lambda at: body[:at])


WAYS = ("urn", "url", "versioned", "relative", "bare", "logical")
NUMBERS = ("999990019", "999990020", "999990032")


@settings(max_examples=60, deadline=None)
@given(ways=st.lists(st.sampled_from((*WAYS, "contained")), min_size=3, max_size=3))
def test_every_way_of_referring_gives_the_same_document(ways: list[str]) -> None:
    """The subject, a child's mother and a flag's person, each referred to in any way."""
    plain = FhirJson(validate=False).read(json.dumps(_message(["urn"] * 3)).encode())
    other = FhirJson(validate=False).read(json.dumps(_message(ways)).encode())
    assert other.findings == plain.findings == ()
    assert other.document == plain.document


def _message(ways: list[str]) -> dict[str, Any]:
    entries: list[dict[str, Any]] = []
    people = []
    for position, (way, number) in enumerate(zip(ways, NUMBERS, strict=True)):
        body = {"resourceType": "Patient", "id": f"p{position}", "birthDate": f"199{position}"}
        body["identifier"] = [{"system": "http://fhir.nl/fhir/NamingSystem/bsn", "value": number}]
        uid = f"urn:uuid:00000000-0000-4000-8000-00000000000{position}"
        base = "https://cit.example/fhir/Patient/"
        reference: dict[str, Any] = {
            "urn": {"reference": uid.upper().replace("URN:UUID", "urn:uuid")},
            "url": {"reference": f"{base}p{position}"},
            "versioned": {"reference": f"{base}p{position}/_history/3"},
            "relative": {"reference": f"Patient/p{position}"},
            "bare": {"reference": f"Patient/p{position}"},
            "logical": {"type": "Patient", "identifier": body["identifier"][0]},
            "contained": {"reference": f"#p{position}"},
        }[way]
        url = {"urn": uid, "bare": None, "contained": None}.get(way, f"{base}p{position}")
        people.append((way, body, reference, url))
    related = {"resourceType": "RelatedPerson", "id": "k", "birthDate": "2020", "patient": people[1][2]}
    flag = {"resourceType": "Flag", "status": "active", "code": {"text": "let op"}, "subject": people[2][2]}
    request = {
        "resourceType": "ServiceRequest",
        "id": "r",
        "identifier": [{"value": "zaak-1"}],
        "subject": people[0][2],
    }
    header = {"resourceType": "MessageHeader", "id": "h", "focus": [{"reference": "ServiceRequest/r"}]}
    # each contained person stands where he would stand as an entry, so that the order of persons is the same
    for holder, (way, body, _, url) in zip((request, related, flag), people, strict=True):
        if way == "contained":
            holder["contained"] = [body]
            continue
        entries.append({"resource": body} | ({"fullUrl": url} if url else {}))
    order = [header, request]
    made = [{"resource": each} for each in order]
    first = [] if ways[0] == "contained" else [entries.pop(0)]
    second = [] if ways[1] == "contained" else [entries.pop(0)]
    made += [*first, {"resource": flag}, *entries]
    made += [{"resource": related}, *second]
    return {"resourceType": "Bundle", "type": "message", "entry": made}
