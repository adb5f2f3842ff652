# SPDX-License-Identifier: EUPL-1.2
"""The demo's own parts: partners that check signatures and journal first, messages that are invented and sent now."""

from __future__ import annotations

import base64
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from standardwebhooks import Webhook
from stdnum.nl import bsn

from connectors.formats.xlsx_table import read_xlsx
from schakel.demo.journal import Journal
from schakel.demo.partner import Character, DemoPartner, Person
from schakel.demo.scenario import DROPPED, NOT_FOR, SECRET_TRACES, STEPS, moved
from schakel.demo.signature import Verifier

NOW = datetime(2027, 3, 4, 5, 6, 7, tzinfo=UTC)
SECRET = base64.b64encode(b"s" * 32).decode()
BODY = b'{"specversion": "1.0", "id": "d-1", "sequence": "1", "data": {"a": "\\u00e9"}}'


def signed(body: bytes, at: datetime, secret: str = SECRET) -> dict[str, str]:
    """Headers by the reference implementation of Standard Webhooks."""
    return {
        "webhook-id": "d-1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign("d-1", at, body.decode()),
    }


def test_a_signature_of_the_reference_implementation_is_trusted() -> None:
    assert Verifier(secrets=(b"s" * 32,)).trusts(signed(BODY, NOW), BODY, now=NOW)


@pytest.mark.parametrize("change", ["body", "id", "old", "new", "secret", "none", "garbage"])
def test_anything_else_is_not(change: str) -> None:
    headers, body, now = signed(BODY, NOW), BODY, NOW
    match change:
        case "body":
            body = BODY + b" "
        case "id":
            headers["webhook-id"] = "d-2"
        case "old":
            now = NOW + timedelta(minutes=6)
        case "new":
            now = NOW - timedelta(minutes=6)
        case "secret":
            headers = signed(BODY, NOW, base64.b64encode(b"t" * 32).decode())
        case "none":
            del headers["webhook-signature"]
        case "garbage":
            headers["webhook-signature"] = "v1,%%% v9,AAAA v1"
    assert not Verifier(secrets=(b"s" * 32,)).trusts(headers, body, now=now)


def test_one_good_signature_of_two_keys_is_enough() -> None:
    old, new = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    stamp = str(int(NOW.timestamp()))
    text = b".".join((b"d-1", stamp.encode(), BODY))
    signatures = " ".join("v1a," + base64.b64encode(key.sign(text)).decode() for key in (old, new))
    headers = {"webhook-id": "d-1", "webhook-timestamp": stamp, "webhook-signature": signatures}
    verifier = Verifier(public_keys=(new.public_key().public_bytes_raw(),))
    assert verifier.trusts(headers, BODY, now=NOW)
    assert not Verifier(public_keys=(Ed25519PrivateKey.generate().public_key().public_bytes_raw(),)).trusts(
        headers, BODY, now=NOW
    )


async def test_a_partner_has_journalled_when_it_answers_and_refuses_what_is_not_signed(tmp_path: Path) -> None:
    seen: list[tuple[str, str, str]] = []
    character = Character("vvt", Person("A", "1"))
    partner = DemoPartner(character, polls=False, folder=tmp_path, watch=lambda *what: seen.append(what))
    await partner.start()
    try:
        partner.connect("http://127.0.0.1:9", key="k", verifier=Verifier(secrets=(b"s" * 32,)))
        assert partner.url is not None
        async with httpx2.AsyncClient(trust_env=False) as client:
            refused = await client.post(partner.url, content=BODY, headers=signed(BODY + b" ", datetime.now(UTC)))
            assert refused.status_code == 401
            assert not (tmp_path / "vvt").exists()
            taken = await client.post(partner.url, content=BODY, headers=signed(BODY, datetime.now(UTC)))
        assert taken.status_code == 204
        (line,) = (tmp_path / "vvt" / "journal.jsonl").read_text(encoding="utf-8").splitlines()
        assert json.loads(line)["id"] == "d-1"
        assert (partner.rejected, partner.journal.distinct) == (1, 1)
    finally:
        await partner.aclose()


def test_the_journal_knows_a_repeat_by_its_id(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    assert journal.write("d-1", 1, b"a", what="content", now=NOW).first
    assert not journal.write("d-1", 1, b"a", what="content", now=NOW).first
    assert journal.write("d-2", 2, b"b", what="notice", now=NOW).first
    assert journal.distinct == 1


def test_moving_a_message_moves_its_instants_and_leaves_birth_dates() -> None:
    sent = {"verzondenOp": "2026-11-21T00:40:00+01:00", "a": ["2026-11-20T23:40:00+01:00"], "geboren": "1985-12-01"}
    document = json.loads(moved(json.dumps(sent).encode(), NOW))
    assert datetime.fromisoformat(document["verzondenOp"]) == NOW
    assert datetime.fromisoformat(document["a"][0]) == NOW - timedelta(hours=1)
    assert document["geboren"] == "1985-12-01"


@pytest.mark.parametrize("body", [b"<a/>", b'{"a": 1, "a": 2}', b'{"a": "2026-11-21T00:40:00+01:00"}'])
def test_what_cannot_be_moved_is_sent_as_it_is(body: bytes) -> None:
    assert moved(body, NOW) == body


def test_everybody_in_the_messages_is_invented_and_each_household_its_own() -> None:
    seen: dict[str, str] = {}
    for step in STEPS:
        text = step.read(NOW).decode()
        numbers = set(re.findall(r"(?<![0-9-])9999[0-9]{5}(?![0-9-])", text)) - {"999999999"}
        assert all(bsn.is_valid(number) and "999900006" <= number <= "999999990" for number in numbers), step.name
        assert not re.findall(r"(?<![0-9])(?!00000099)[0-9]{20}(?![0-9])", text), step.name
        for number in numbers:
            first = seen.setdefault(number, step.name)
            assert {first, step.name} in ({step.name}, {"thv-den-haag", "duplicate"}, {"thv-delft", "update"}), number


def test_the_workbook_is_a_household_of_its_own_with_moments_as_excel_keeps_them() -> None:
    drops = {one.name: one for one in DROPPED}
    assert [one.rows for one in DROPPED] == [2, 1]
    (row,) = read_xlsx(drops["aanmelding.xlsx"].first.read(NOW)).rows
    cells = set(row.cells)
    assert "14-11-2026 22:05:00" in cells  # as text it has no seconds
    others = [step.read(NOW).decode() for step in (*STEPS, drops["aanmeldingen.csv"].first)]
    for mine in (cell for cell in cells if cell.startswith("9999") or cell.startswith("THV-")):
        assert not any(mine in other for other in others), mine
        assert mine.startswith("THV-") or bsn.is_valid(mine)
    assert sum(cell.startswith("9999") for cell in cells) == 3


def test_the_secret_address_stands_in_one_message_only() -> None:
    holding = {step.name for step in STEPS for trace in SECRET_TRACES if trace in step.read(NOW).decode()}
    assert holding == {"secret"}
    assert NOT_FOR.startswith("lokaal-team-")
