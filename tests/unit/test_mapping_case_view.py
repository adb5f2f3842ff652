# SPDX-License-Identifier: EUPL-1.2
"""From the pool's bytes to a recipient's bytes: each role's view of each THV example fits the outgoing mapping."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

import mappings
import regions
from connectors.formats import formats
from mappings.case_view import case_view_schema
from mappings.codebook import CodebookShelf
from mappings.engine import load_mapping, to_referral
from mappings.feedback_view import feedback_schema
from mappings.notice_view import notice_schema
from schakel.disclosure import VIEW, Disclosure, Secrecy
from schakel.message import CaseContent, CaseHeader, CaseMessage, MessageHeader, Municipality, Remark
from schakel.region_files import load_region

NOW = datetime(2026, 11, 16, 9, 0, tzinfo=UTC)
MAPPINGS = Path(mappings.__file__).parent
REGION = Path(regions.__file__).parent / "haaglanden"
EXAMPLES = sorted((MAPPINGS / "thv_aanmelding" / "examples").glob("*.golden.json"))


def blind(*parts: object) -> bytes:
    return hashlib.sha256(repr(parts).encode()).digest()


def case_message(golden: Path) -> CaseMessage:
    referral = to_referral(json.loads(golden.read_bytes()))
    return CaseMessage(
        **{name: getattr(referral, name) for name in CaseContent.model_fields},
        message=MessageHeader(
            id=UUID("019a8a1e-2c00-7000-8000-000000000102"),
            kind=referral.kind,
            source="thv-pool",
            message_reference="THVP-1",
            source_case_reference="ZAAK-1",
            received_at=NOW,
        ),
        case=CaseHeader(
            reference="hub",
            region="haaglanden",
            programme=referral.programme,
            municipality=Municipality(code="0518", name="Den Haag", rule="order-address:stated-code"),
            urgency=referral.urgency,
        ),
        remarks=(Remark(rule="repeated-order", nl="Tweede huisverbod.", en="Second order."),),
    )


@pytest.mark.parametrize("golden", EXAMPLES, ids=lambda path: path.name.removesuffix(".golden.json"))
def test_each_view_comes_out_as_canonical_json(golden: Path) -> None:
    region = load_region(REGION)
    disclosure = Disclosure(region.disclosure, blind=blind)
    mapping = load_mapping(MAPPINGS / "case_json", CodebookShelf.load())
    rows = [(row.role, programme) for row in region.disclosure.roles for programme in row.programmes]
    for role, programme in rows:
        view = disclosure.view(
            case_message(golden),
            role=role,
            programme=programme,
            recipient=region.partners[0],
            secrecy=Secrecy(),
            case_reference="ZZ",
            held=1,
            late=True,
        )
        mapped = mapping.apply(view.document, now=NOW)
        body = formats()["case-json"].write(mapped.document)
        assert json.loads(body) == view.document
        assert mapped.losses == ()
    assert len(rows) >= 6


def test_the_view_that_mappings_read_is_the_one_that_disclosure_makes() -> None:
    assert case_view_schema()["properties"]["schema"] == {"const": VIEW}


@pytest.mark.parametrize(
    ("name", "schema"),
    [("case-view", case_view_schema), ("feedback", feedback_schema), ("notice", notice_schema)],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_the_schema_that_is_kept_is_the_one_of_the_nouns(name: str, schema: Callable[[], dict[str, Any]]) -> None:
    """When this fails the file is to be written anew: `json.dumps(schema(), indent=1, ensure_ascii=False)`."""
    assert json.loads((MAPPINGS / "views" / f"{name}.schema.json").read_bytes()) == schema()
