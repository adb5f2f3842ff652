# SPDX-License-Identifier: EUPL-1.2
"""Commands on a home of their own, with messages in it: look, decide, keys and secrets, and the accountant."""

from __future__ import annotations

import asyncio
import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import apsw
import pytest

from schakel.bootstrap import build
from schakel.cli.app import main
from schakel.cli.complaint import Exit
from schakel.keys import read_key
from schakel.ports import Receipt
from schakel.settings import Settings
from schakel.webhook_secrets import read_text

MESSAGES = Path(__file__).resolve().parents[2] / "schakel/demo/messages"
CIT = Path(__file__).resolve().parents[2] / "mappings/cit_fhir/examples/den-haag.json"
FHIR = "application/fhir+json"
JSON = "application/json"
DECIDED = ("--by", "A. de Beheerder", "--reason", "na overleg")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    folder = tmp_path / "hub"
    monkeypatch.setenv("SCHAKEL_HOME", str(folder))
    assert main(["init"]) == 0
    capsys.readouterr()
    return folder


def receive(partner: str, file: Path, media_type: str = JSON) -> Receipt:
    """Hands a message in, as the door would."""
    body = file.read_bytes()

    async def work() -> Receipt:
        async with build(Settings()) as hub:
            sender = hub.region.partner(partner)
            assert sender is not None
            _, receipt = await hub.intake.receive(sender, body, media_type, datetime.now(UTC))
            return receipt

    return asyncio.run(work())


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> Any:
    """The JSON document that a command prints."""
    assert main([*arguments, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def audit(home: Path) -> list[tuple[str, str, str]]:
    with apsw.Connection(str(home / "schakel.sqlite")) as connection:
        return [tuple(row) for row in connection.execute("SELECT actor, action, object FROM audit ORDER BY at, id")]


def test_init_makes_a_private_home_and_never_writes_over_it(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys = home / "keys.json"
    before = keys.read_bytes()
    assert stat.S_IMODE(keys.stat().st_mode) == 0o600
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert main(["init"]) == Exit.REFUSED
    assert keys.read_bytes() == before
    assert capsys.readouterr().out == ""


def test_keys_that_are_lost_are_not_made_anew_and_the_way_back_is_told(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "keys.json").rename(home.parent / "safe.json")
    for command in (["init"], ["status", "x"], ["serve"]):
        assert main(command) == Exit.USAGE
        assert "uit de kluis" in capsys.readouterr().err
    assert not (home / "keys.json").exists()


def test_whatever_id_a_person_has_leads_to_the_case(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    receipt = receive("thv-pool", MESSAGES / "thv-delft-tweede.json")
    with apsw.Connection(str(home / "schakel.sqlite")) as connection:
        ids = [
            str(value)
            for query in (
                "SELECT case_id FROM message",
                "SELECT reference FROM case_reference",
                "SELECT id FROM message",
                "SELECT id FROM delivery",
                "SELECT id FROM request",
                "SELECT reference FROM request",
            )
            for (value,) in connection.execute(query)
        ]
    assert len(ids) == 10
    assert {said(capsys, "case", one)["caseId"] for one in ids} == {ids[0]}
    assert main(["status", receipt.message_id]) == 0
    assert f"schakel case {receipt.message_id}" in capsys.readouterr().err


def test_people_read_a_dutch_clock_and_machines_utc(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    receipt = receive("thv-pool", MESSAGES / "thv-delft-tweede.json")
    at = datetime.fromisoformat(said(capsys, "status", receipt.message_id)["receivedAt"])
    assert main(["status", receipt.message_id]) == 0
    dutch = at.astimezone(ZoneInfo("Europe/Amsterdam")).isoformat(" ", "seconds")
    assert f"received  {dutch}" in capsys.readouterr().out
    assert at.utcoffset() == timedelta(0)


def test_without_a_home_every_command_says_how_to_make_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SCHAKEL_HOME", str(tmp_path / "none"))
    for command in (["parked", "list"], ["case", "x"], ["status", "x"], ["alarms", "list"], ["partners", "list"]):
        assert main(command) == Exit.USAGE
        assert "schakel init" in capsys.readouterr().err
    assert main(["verify"]) == Exit.USAGE
    assert not (tmp_path / "none").exists()


def test_a_message_shows_its_routing_its_case_and_its_matrix(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    receipt = receive("thv-pool", MESSAGES / "thv-delft-tweede.json")
    status = said(capsys, "status", receipt.message_id, "--by", "A. Lezer")
    assert status["state"] == "routed"
    assert {one["role"] for one in status["requests"]} == {"lead", "duo"}
    assert main(["status", receipt.message_id]) == 0
    text = capsys.readouterr().out
    assert "perspektief" in text

    with apsw.Connection(str(home / "schakel.sqlite")) as connection:
        ((case_id, reference),) = connection.execute(
            "SELECT case_id, reference FROM case_reference WHERE partner = 'perspektief'"
        )
    shown = said(capsys, "case", reference)
    assert shown["caseId"] == case_id
    assert said(capsys, "case", "show", case_id)["messages"][0]["id"] == receipt.message_id
    assert {one["partner"]: one["state"] for one in shown["requests"]} == {
        "perspektief": "asked",
        "lokaal-team-delft": "asked",
    }
    assert ("operator:A. Lezer", "status.read", receipt.message_id) in audit(home)
    assert any(action == "case.read" and subject == case_id for _, action, subject in audit(home))


def test_what_is_not_there_is_not_found(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (
        ["status", "01920000-0000-7000-8000-000000000000"],
        ["case", "AAAAAAAAAAAAAAAAAAAAAAAAAA"],
        ["case", "join", "A", "B", *DECIDED],
        ["parked", "show", "nothing"],
        ["parked", "drop", "nothing", *DECIDED],
        ["parked", "retry", "nothing", *DECIDED],
        ["parked", "release", "nothing", "--to", "vvt", *DECIDED],
        ["alarms", "ack", "nothing", "--by", "A"],
        ["partners", "key", "nobody"],
        ["partners", "secret", "nobody"],
        ["partners", "key", "vvt", "--revoke", "0000000000000000"],
    ):
        assert main(command) == Exit.NOT_FOUND, command
        assert capsys.readouterr().out == ""


def test_a_named_person_releases_what_a_route_parks(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    receipt = receive("cit", CIT, FHIR)
    (parked,) = said(capsys, "parked", "list")
    assert parked["cause"] == "human-decision"
    assert parked["messageId"] == receipt.message_id
    shown = said(capsys, "parked", "show", parked["id"])
    assert shown["advice"]["nl"]
    assert {one["partner"] for one in shown["suggests"]} == {"vvt", "lokaal-team-den-haag"}
    assert main(["parked", "show", receipt.message_id]) == 0
    assert f"schakel parked release {parked['id']} --to vvt" in capsys.readouterr().err

    assert main(["parked", "release", parked["id"], "--to", "vvt"]) == Exit.USAGE
    assert main(["parked", "release", parked["id"], "--to", "cit", *DECIDED]) == Exit.REFUSED
    capsys.readouterr()
    done = said(capsys, "parked", "release", parked["id"], "--to", "vvt", *DECIDED)
    assert done["outcome"] == "released"
    assert len(done["deliveries"]) == 2

    assert said(capsys, "parked", "list") == []
    (settled,) = said(capsys, "parked", "list", "--all")
    assert (settled["state"], settled["settledBy"], settled["settledReason"]) == (
        "released",
        "A. de Beheerder",
        "na overleg",
    )
    assert main(["parked", "drop", parked["id"], *DECIDED]) == Exit.NOT_FOUND
    assert said(capsys, "status", receipt.message_id)["state"] == "routed"


def test_a_retry_that_parks_again_is_wrong_and_a_drop_ends_it(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    receipt = receive("thv-pool", MESSAGES / "thv-onbekende-code.json")
    (parked,) = said(capsys, "parked", "list")
    assert main(["parked", "show", parked["id"]]) == 0
    assert "parked release" not in capsys.readouterr().err  # what was not mapped has nothing to release
    again = said(capsys, "parked", "retry", parked["id"], *DECIDED, code=Exit.WRONG)
    assert (again["outcome"], again["parkedCause"]) == ("parked", "unknown-code")
    assert said(capsys, "parked", "drop", parked["id"], *DECIDED)["state"] == "dropped"
    assert said(capsys, "status", receipt.message_id)["state"] == "dropped"
    assert said(capsys, "verify")["ok"]


def test_two_keys_are_valid_at_once_and_a_third_is_refused(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = said(capsys, "partners", "key", "vvt")
    presented = read_key(first["key"])
    assert presented is not None
    assert presented.id == first["id"]
    second = said(capsys, "partners", "key", "vvt", "--days", "30")
    assert main(["partners", "key", "vvt"]) == Exit.REFUSED
    capsys.readouterr()
    assert said(capsys, "partners", "key", "vvt", "--revoke", first["id"])["revoked"] == first["id"]
    listed = {row["partner"]: row for row in said(capsys, "partners", "list")}
    assert [key["id"] for key in listed["vvt"]["keys"]] == [second["id"]]
    assert listed["vvt"]["keys"][0]["expiresAt"] is not None
    stored = b"".join(path.read_bytes() for path in home.glob("schakel.sqlite*"))
    assert first["key"].split("_", 2)[2].encode() not in stored  # the secret may hold an underscore itself
    assert [action for _, action, subject in audit(home) if subject == "vvt"].count("key.made") == 2


def test_a_webhook_secret_is_shown_once_and_kept_sealed(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shared = said(capsys, "partners", "secret", "vvt")
    public = said(capsys, "partners", "secret", "perspektief", "--kind", "v1a")
    assert len(read_text(shared["secret"])) == 32
    assert len(read_text(public["publicKey"])) == 32
    stored = b"".join(path.read_bytes() for path in home.glob("schakel.sqlite*"))
    assert read_text(shared["secret"]) not in stored
    assert shared["secret"].encode() not in stored


def test_alarms_are_listed_and_acknowledged_by_name(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from schakel.records import NewAlarm

    async def ring() -> None:
        async with build(Settings()) as hub:
            alarm = NewAlarm("answer-overdue", "request-1", "coordinator", "Bel de partner.", "Call the partner.")
            await hub.store.raise_alarms([alarm, alarm], now=datetime.now(UTC))

    asyncio.run(ring())
    (alarm,) = said(capsys, "alarms", "list")
    assert (alarm["cause"], alarm["count"], alarm["acknowledgedBy"]) == ("answer-overdue", 2, None)
    assert main(["alarms", "list"]) == 0
    listed = capsys.readouterr().out
    assert "Bel de partner." in listed
    assert "request-1" in listed  # what it is about: an id that the other commands take
    assert said(capsys, "alarms", "ack", alarm["id"], "--by", "A. de Beheerder")["acknowledged"] == alarm["id"]
    assert main(["alarms", "ack", alarm["id"], "--by", "B"]) == Exit.NOT_FOUND


def test_what_is_past_its_term_is_counted_first_and_then_erased(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    receive("thv-pool", MESSAGES / "thv-delft-tweede.json")  # nobody has taken it: spared
    receive("thv-pool", MESSAGES / "thv-onbekende-code.json")
    (row,) = said(capsys, "parked", "list")
    said(capsys, "parked", "drop", row["id"], "--by", "A. de Beheerder", "--reason", "onleesbaar")
    nothing = {name: 0 for name in ("raw", "rendered", "cases", "strays", "ledgers", "audit", "spared")}
    assert said(capsys, "retention", "run", "--dry-run") == {"dryRun": True, **nothing}
    later = datetime.now(UTC) + timedelta(days=2)

    class Later:
        def now(self) -> datetime:
            return later

    monkeypatch.setattr("schakel.bootstrap.SystemClock", Later)
    for _ in range(2):
        assert said(capsys, "retention", "run", "--dry-run") == {"dryRun": True, **nothing, "raw": 1, "spared": 1}
    assert said(capsys, "retention", "run", "--by", "A. de Beheerder") == {
        "dryRun": False,
        **nothing,
        "raw": 1,
        "spared": 1,
    }
    assert said(capsys, "retention", "run") == {"dryRun": False, **nothing, "spared": 1}
    assert ("operator:A. de Beheerder", "retention:raw", row["messageId"]) in audit(home)
    assert main(["retention", "run"]) == 0
    assert capsys.readouterr().out.endswith("spared: not final, a person must act first   1\n")


def test_verify_is_well_names_a_hole_and_counts_it(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    receive("thv-pool", MESSAGES / "thv-delft-tweede.json")
    assert said(capsys, "verify")["ok"]
    with apsw.Connection(str(home / "schakel.sqlite")) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("DELETE FROM delivery WHERE recipient = 'perspektief'")
    report = said(capsys, "verify", code=Exit.WRONG)
    assert not report["ok"]
    assert report["counts"]["lost"] == 1
    assert main(["verify"]) == Exit.WRONG
    text = capsys.readouterr().out
    assert all(hole["rule"] in text for hole in report["holes"])


def test_two_cases_are_kept_apart_or_joined_by_a_named_person(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = json.loads((MESSAGES / "thv-delft-tweede.json").read_text(encoding="utf-8"))
    second = json.loads((MESSAGES / "thv-den-haag.json").read_text(encoding="utf-8"))
    second["betrokkenen"][0]["bsn"] = first["betrokkenen"][0]["bsn"]
    file = tmp_path / "second.json"
    file.write_text(json.dumps(second), encoding="utf-8")
    receive("thv-pool", MESSAGES / "thv-delft-tweede.json")
    receive("thv-pool", file)
    with apsw.Connection(str(home / "schakel.sqlite")) as connection:
        ((one, other),) = connection.execute("SELECT case_id, other_case_id FROM suggestion")
    assert main(["case", "join", one, other, "--by", " ", "--reason", "x"]) == Exit.USAGE
    capsys.readouterr()
    assert said(capsys, "case", "keep-apart", one, other, *DECIDED)["decided"] == "kept-apart"
    assert main(["case", "join", one, other, *DECIDED]) == Exit.REFUSED
