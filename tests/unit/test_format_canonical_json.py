# SPDX-License-Identifier: EUPL-1.2
"""Canonical JSON in: its references and digest, which document is which, and what is refused or left to park."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mappings
from connectors.formats.case_json import CaseJson
from connectors.formats.thv_json import ThvJson
from mappings.canonical_schemas import case_message_schema, referral_schema
from mappings.engine import to_referral
from schakel.errors import Malformed
from schakel.message import Referral

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(mappings.__file__).parent
CASE = CaseJson()
CANARY = "kanarie7731"


def example(folder: str, name: str = "delft") -> dict[str, Any]:
    read: dict[str, Any] = json.loads((HERE / folder / "examples" / f"{name}.json").read_bytes())
    return read


def read(document: Any) -> Any:
    return CASE.read(json.dumps(document).encode())


def places(document: Any) -> list[str]:
    with pytest.raises(Malformed) as caught:
        read(document)
    assert CANARY not in f"{caught.value} {caught.value.findings}"
    return [finding.place for finding in caught.value.findings]


@pytest.mark.parametrize(
    ("folder", "schema"), [("referral_json", referral_schema()), ("case_message_json", case_message_schema())]
)
def test_the_schema_beside_the_mapping_is_that_of_the_nouns(folder: str, schema: dict[str, Any]) -> None:
    assert json.loads((HERE / folder / "schema.json").read_bytes()) == schema


@pytest.mark.parametrize(
    ("folder", "mapping", "references", "oin"),
    [
        ("referral_json", "referral-json", ("BOUW-2026-0001", "ZAAK-1"), "00000099000000001001"),
        ("case_message_json", "case-message-json", ("HUB-1", "HUBCASE-1"), None),
    ],
)
def test_references_are_read_before_any_mapping(
    folder: str, mapping: str, references: tuple[str, str], oin: str | None
) -> None:
    envelope = read(example(folder))
    assert (envelope.mapping, envelope.sender_oin) == (mapping, oin)
    assert (envelope.message_reference, envelope.source_case_reference) == references


def test_the_digest_leaves_out_transport_time_and_nothing_else() -> None:
    one, message = example("referral_json"), example("case_message_json")
    later = {**message, "message": {**message["message"], "receivedAt": "2026-11-16T00:00:00Z"}}
    assert read(one).digest == read({**one, "sentAt": "2026-11-16T00:00:00Z"}).digest
    assert read(message).digest == read(later).digest
    assert read(one).digest != read({**one, "sourceCaseReference": "other"}).digest
    assert read(dict(reversed(one.items()))).digest == read(one).digest


def test_it_is_recognised_by_its_schema_wherever_that_stands() -> None:
    document = example("referral_json", "everything")
    last = {**{name: each for name, each in document.items() if name != "schema"}, "schema": "referral@1"}
    for body in (json.dumps(last).encode(), json.dumps(last, indent=3).encode()):
        assert CASE.recognises(body)
        assert not ThvJson().recognises(body)
    own = (HERE / "thv_aanmelding" / "examples" / "delft-tweede-thv.json").read_bytes()
    assert ThvJson().recognises(own)
    assert not CASE.recognises(own)


@pytest.mark.parametrize("document", [[], "referral@1", {"schema": "referral@2"}, {"schema": 1}, {}])
def test_another_document_is_refused(document: Any) -> None:
    assert places(document) == ["schema"]


def test_every_fault_of_structure_is_told_by_place() -> None:
    document = example("referral_json")
    document["referral"]["members"][0][CANARY] = CANARY
    document["referral"]["members"][1]["names"] = CANARY
    document["referral"]["trigger"]["restrainingOrder"]["address"]["postcode"] = CANARY
    del document["messageReference"]
    assert places(document) == [
        "messageReference",
        "referral.members[0].?",
        "referral.members[1].names",
        "referral.trigger.restrainingOrder.address.postcode",
    ]


def test_an_unknown_code_is_left_to_be_parked_wherever_it_stands() -> None:
    document = example("referral_json", "everything")
    document["referral"]["members"][0]["sex"] = CANARY
    document["referral"]["phase"] = CANARY  # an alternative of the schema: a code or nothing
    document["referral"]["trigger"]["restrainingOrder"]["form"] = CANARY
    assert read(document).message_reference == "BOUW-2026-0002"


def test_a_duplicate_key_is_refused() -> None:
    body = json.dumps(example("referral_json")).encode().replace(b'"schema"', b'"schema": "x", "schema"', 1)
    with pytest.raises(Malformed):
        CASE.read(body)


def test_the_example_in_the_manual_is_read() -> None:
    page = (ROOT / "docs" / "canonical.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    envelope = CASE.read(block.encode())
    assert to_referral(envelope.document["referral"]).members[0].id == "1"


def referrals() -> st.SearchStrategy[dict[str, Any]]:
    """Valid referrals made smaller at random: any optional part may be missing."""
    whole = example("referral_json", "everything")["referral"]
    return st.sets(st.sampled_from(sorted(whole))).map(
        lambda gone: {name: each for name, each in whole.items() if name not in gone or name == "members"}
    )


@settings(deadline=None, max_examples=40)
@given(referrals())
def test_what_the_noun_accepts_the_schema_accepts_and_loses_nothing(content: dict[str, Any]) -> None:
    noun = Referral.model_validate(content)
    envelope = read(
        {"schema": "referral@1", "messageReference": "a", "sourceCaseReference": "b", "referral": noun.to_json()}
    )
    assert to_referral(envelope.document["referral"]) == noun
