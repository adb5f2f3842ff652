# SPDX-License-Identifier: EUPL-1.2
"""Any case, cut for any role, is a notification of the standard; and what stays behind is what is published."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

import mappings
from connectors.formats.stuf_jz import StufJeugdzorg
from mappings.check import lost
from mappings.codebook import CodebookShelf
from mappings.engine import CompiledMapping, load_mapping, to_referral
from regions import FOLDER
from schakel.disclosure import Disclosure, Secrecy
from schakel.message import CaseMessage
from schakel.region_files import load_region
from tests.support.case_messages import NOW, case_messages, prose

ROOT = Path(mappings.__file__).parent
SCHEMAS = Path(__file__).resolve().parents[2] / "../shared/standards/stuf-jeugdzorg"
REGION = load_region(FOLDER / "haaglanden")
DISCLOSURE = Disclosure(REGION.disclosure, blind=lambda *parts: hashlib.sha256(repr(parts).encode()).digest())
FORMAT = StufJeugdzorg()
STUF = "{http://www.egem.nl/StUF/StUF0301}"
ROLES = sorted({row.role for row in REGION.disclosure.roles})
EXAMPLES = sorted(each for each in (ROOT / "case_stuf/examples").iterdir() if ".golden" not in each.name)
FOLDERS = ("case_stuf", "feedback_stuf", "feedback_stuf_vt", "feedback_json")


def mapping(folder: str) -> CompiledMapping:
    return load_mapping(ROOT / folder, CodebookShelf.load())


CASE_STUF = mapping("case_stuf")
READS = mapping("stuf_melding_generiek")
TRANSPORT = {
    "id": "019a8a1e-2c00-7000-8000-000000000201",
    "number": 7,
    "role": "lead",
    "content": "https://schakel.example/v1/mailbox/7/case",
    "createdAt": "2026-11-16T09:00:00.123Z",
    "sender": {"oin": REGION.hub_oin, "name": REGION.hub_name},
    "recipient": {"id": "zvhh", "name": "Z" * 60, "oins": ["00000099000000002003"], "application": "onbekend"},
}


@pytest.fixture(scope="module")
def schema() -> etree.XMLSchema:
    if not SCHEMAS.is_dir() and os.environ.get("CI") != "true":
        pytest.skip("the StUF-Jeugdzorg schemas are not beside this checkout")
    return etree.XMLSchema(etree.parse(str(SCHEMAS / "gm/jz0100_msg_gmberichten_resolved2025.xsd")))


def view(message: CaseMessage, role: str) -> dict[str, Any]:
    programme = message.case.programme.value
    row = next((row for row in REGION.disclosure.roles if row.role == role and programme in row.programmes), None)
    cut = DISCLOSURE.view(
        message,
        role=row.role if row else "partner",
        programme=programme,
        recipient=REGION.partners[-1],
        secrecy=Secrecy(),
        case_reference="ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        held=1,
        late=True,
    )
    return {**cut.document, "transport": TRANSPORT}


def whole(message: CaseMessage) -> dict[str, Any]:
    """Everything shown: what the mapping itself leaves out is all that is missing."""
    document = message.to_json()
    case = {**document["case"], "reference": "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
    return {**document, "case": case, "schema": "case-view@1", "transport": TRANSPORT}


def written(document: dict[str, Any]) -> bytes:
    return FORMAT.write(CASE_STUF.apply(document, now=NOW).document)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(message=case_messages(), role=st.sampled_from([*ROLES, "whole"]))
def test_any_view_is_a_message_of_the_standard(schema: etree.XMLSchema, message: CaseMessage, role: str) -> None:
    body = written(whole(message) if role == "whole" else view(message, role))
    element = etree.fromstring(body)
    assert schema.validate(element), [error.message for error in schema.error_log]  # type: ignore[attr-defined]
    reasons = {each.get(f"{STUF}noValue") for each in element.iter() if each.get(f"{STUF}noValue")}
    assert reasons <= {"waardeOnbekend"}  # withheld and unknown look alike
    assert body == written(whole(message) if role == "whole" else view(message, role))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(message=case_messages())
def test_our_own_reader_takes_what_we_write(message: CaseMessage) -> None:
    envelope = FORMAT.read(written(whole(message)))
    referral = to_referral(READS.apply(envelope.document, now=NOW).document)
    assert (envelope.message_reference, envelope.mapping) == (TRANSPORT["id"], READS.name)
    assert len(referral.members) == len(message.members)
    main = next((member for member in message.members if member.main), None)
    if main is not None:
        assert (referral.members[0].main, referral.members[0].bsn) == (True, main.bsn)
    known = {member.bsn for member in message.members if member.bsn}
    assert {member.bsn for member in referral.members if member.bsn} == known
    assert (referral.urgency, referral.kind) == (message.case.urgency, message.message.kind)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(message=case_messages())
def test_a_secret_address_and_an_unsafe_number_are_never_written(message: CaseMessage) -> None:
    body = written(whole(message)).decode()
    for member in message.members:
        for phone in member.phones:
            safe_elsewhere = any(
                other.number == phone.number and other.safe_to_call is not False
                for each in message.members
                for other in each.phones
            )
            if phone.safe_to_call is False and not safe_elsewhere:
                assert f">{phone.number}<" not in body
    shown = _addresses(etree.fromstring(written(whole(message))))
    assert shown == sum(
        not address.secret and address.use != "scene" and bool(address.to_json().keys() & WRITTEN)
        for member in message.members
        if not member.secret_address
        for address in member.addresses
    )


WRITTEN = {"street", "houseNumber", "postcode", "place", "country", "foreignLines"}


def _addresses(element: etree._Element) -> int:
    return sum(len(each) > 0 for each in element.iter("{http://www.egem.nl/StUF/sector/bg/0310}adres"))


@given(text=st.text(min_size=1) | prose)
def test_any_text_is_writable(schema: etree.XMLSchema, text: str) -> None:
    document = json.loads((ROOT / "case_stuf/examples/duo-delft.json").read_bytes())
    document["question"] = text
    try:
        text.encode()
    except UnicodeEncodeError:
        return  # half a character never gets through the door
    element = etree.fromstring(written(document))
    assert schema.validate(element)


# -- the loss ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("folder", ["case_stuf"])
def test_the_published_loss_is_the_loss(folder: str) -> None:
    published = (ROOT / folder / "losses.txt").read_text(encoding="utf-8").split()
    assert published == list(lost(mapping(folder)))


def leaves(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for name, each in value.items():
            yield from leaves(each, f"{path}.{name}".strip("."))
    elif isinstance(value, list) and any(isinstance(each, dict | list) for each in value):
        for each in value:
            yield from leaves(each, path)
    else:
        yield path


def without(value: Any, path: list[str]) -> Any:
    """The document with the leaf taken out, in every item of a list."""
    if isinstance(value, list):
        return [without(each, path) for each in value]
    if not isinstance(value, dict) or path[0] not in value:
        return value
    if len(path) == 1:
        return {name: each for name, each in value.items() if name != path[0]}
    return {**value, path[0]: without(value[path[0]], path[1:])}


def test_what_is_on_the_list_changes_nothing_and_what_is_not_does() -> None:
    """Each leaf of each example, taken out: the message stays the same exactly when the leaf is on the list."""
    published = set((ROOT / "case_stuf/losses.txt").read_text(encoding="utf-8").split())
    told: dict[str, bool] = {}
    for path in EXAMPLES:
        document = json.loads(path.read_bytes())
        before = written(document)
        for leaf in set(leaves(document)):
            changed = written(without(document, leaf.split("."))) != before
            told[leaf] = told.get(leaf, False) or changed
    assert {leaf for leaf, changed in told.items() if changed} & published == set()
    assert {leaf for leaf, changed in told.items() if not changed} - published == SHOWN_BY_OTHERS
    assert len(told) > 100


SHOWN_BY_OTHERS: set[str] = set()
