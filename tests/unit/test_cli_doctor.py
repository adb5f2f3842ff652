# SPDX-License-Identifier: EUPL-1.2
"""`schakel doctor`: each thing that can be wrong is told with what to do, and the exit code says whether any is."""

from __future__ import annotations

import json
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import apsw
import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from schakel.cli.app import main
from schakel.cli.checkup import here, kept, servers
from schakel.cli.checkup.check import State
from schakel.cli.complaint import Exit
from schakel.settings import Settings

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
FULL_KINDS = {"configuration", "keys", "disk", "tls", "database", "durability", "clock", "broker", "webhook-secret",
              "keys-of-partners", "clock-duty", "alarm-ways"}  # fmt: skip


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    folder = tmp_path / "hub"
    monkeypatch.setenv("SCHAKEL_HOME", str(folder))
    assert main(["init"]) == 0
    capsys.readouterr()
    return folder


def told(capsys: pytest.CaptureFixture[str], *, code: int = Exit.WRONG) -> dict[str, list[dict[str, Any]]]:
    assert main(["doctor", "--json"]) == code
    found: dict[str, list[dict[str, Any]]] = {}
    for check in json.loads(capsys.readouterr().out)["checks"]:
        found.setdefault(check["name"], []).append(check)
    return found


def worst(checks: list[dict[str, Any]]) -> str:
    return max((one["state"] for one in checks), key=["ok", "attention", "wrong"].index)


def test_a_new_home_is_looked_at_all_round_and_each_trouble_has_its_next_step(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = told(capsys)
    assert set(found) == FULL_KINDS
    for name in ("configuration", "keys", "disk", "database", "durability", "clock"):
        assert worst(found[name]) == "ok", found[name]
    assert worst(found["webhook-secret"]) == "wrong"  # nobody has one yet
    assert worst(found["clock-duty"]) == "attention"  # nothing runs
    for check in (one for checks in found.values() for one in checks):
        assert (check["next"] is None) == (check["state"] == "ok")
        assert check["nl"]
        assert check["en"]


def test_people_read_what_is_wrong_first_in_80_columns(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == Exit.WRONG
    shown = capsys.readouterr().out.splitlines()
    assert all(len(line) <= 80 for line in shown)
    marks = [line.split()[0] for line in shown if not line.startswith(" ")]
    assert marks == sorted(marks, key=["FOUT", "let", "goed"].index)
    assert any("→ schakel partners secret vvt" in line for line in shown)


def test_when_all_that_is_wrong_is_mended_the_exit_code_says_so(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for check in told(capsys)["webhook-secret"]:
        assert main(check["next"]["nl"].split()[1:]) == 0  # the next step is a command that can be pasted
    capsys.readouterr()
    with socket.create_server(("127.0.0.1", 0)) as mail:
        monkeypatch.setenv("SCHAKEL_SMTP_HOST", "127.0.0.1")
        monkeypatch.setenv("SCHAKEL_SMTP_PORT", str(mail.getsockname()[1]))
        found = told(capsys, code=Exit.OK)
    assert worst(found["webhook-secret"]) == "ok"
    assert worst(found["alarm-ways"]) == "ok"
    assert worst([one for checks in found.values() for one in checks]) == "attention"  # no clock runs


def test_a_mail_server_that_does_not_answer_is_wrong(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    monkeypatch.setenv("SCHAKEL_SMTP_HOST", "127.0.0.1")
    monkeypatch.setenv("SCHAKEL_SMTP_PORT", str(port))
    assert worst(told(capsys)["alarm-ways"]) == "wrong"


def test_lost_keys_are_told_and_the_other_lines_are_there(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "keys.json").rename(home.parent / "safe.json")
    found = told(capsys)
    assert worst(found["keys"]) == "wrong"
    assert "kluis" in found["keys"][0]["next"]["nl"]
    assert worst(found["database"]) == "ok"


def test_keys_that_others_can_replace_are_wrong(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home.chmod(0o777)
    assert worst(told(capsys)["keys"]) == "wrong"


@pytest.mark.parametrize(("version", "state"), [(99, "wrong"), (0, "wrong")])
def test_a_schema_of_another_version_is_wrong(
    home: Path, capsys: pytest.CaptureFixture[str], version: int, state: str
) -> None:
    with apsw.Connection(str(home / "schakel.sqlite")) as connection:
        connection.execute(f"PRAGMA user_version = {version}")
    assert worst(told(capsys)["database"]) == state


def test_no_database_is_wrong_and_says_how_to_make_one(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "schakel.sqlite").unlink()
    check = told(capsys)["database"][0]
    assert check["state"] == "wrong"
    assert "schakel init" in check["next"]["nl"]


def test_a_broker_that_is_absent_is_told_without_its_password(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SCHAKEL_BROKER_URL", "amqp://schakel:kanarie-wachtwoord@127.0.0.1:1/")
    assert main(["doctor", "--json"]) == Exit.WRONG
    said = capsys.readouterr()
    assert "kanarie-wachtwoord" not in said.out + said.err
    (check,) = [one for one in json.loads(said.out)["checks"] if one["name"] == "broker"]
    assert check["state"] == "attention"  # absent is degraded, not down


async def test_a_broker_that_answers_is_well(broker_url: str) -> None:
    found = [one async for one in servers.broker(Settings(_env_file=None, broker_url=broker_url))]
    assert [one.state for one in found] == [State.OK]


def test_a_region_that_is_wrong_is_told_by_place_and_rule(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    overlay = tmp_path / "overlay"
    overlay.mkdir()
    (overlay / "unknown.yaml").write_text("a: 1\n", encoding="utf-8")
    monkeypatch.setenv("SCHAKEL_REGION_OVERLAY", str(overlay))
    check = told(capsys)["configuration"][0]
    assert check["state"] == "wrong"
    assert "[" in check["nl"]


# -- one by one --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("server", "newest", "state"),
    [
        (None, None, State.OK),
        (NOW + timedelta(seconds=1), NOW, State.OK),
        (NOW - timedelta(seconds=3), NOW, State.ATTENTION),
        (NOW + timedelta(seconds=31), NOW, State.WRONG),
        (NOW, NOW + timedelta(minutes=5), State.WRONG),  # our clock went back since something was written
    ],
)
def test_a_clock_is_held_against_the_database(server: datetime | None, newest: datetime | None, state: State) -> None:
    assert [one.state for one in kept.clock(NOW, server, newest)] == [state]


@pytest.mark.parametrize(
    ("ends", "state"),
    [
        ([], State.WRONG),
        ([None], State.OK),
        ([NOW + timedelta(days=5)], State.ATTENTION),
        ([NOW + timedelta(days=5), None], State.OK),  # a newer one follows
        ([NOW + timedelta(days=90)], State.OK),
    ],
)
def test_a_webhook_secret_is_there_and_does_not_end_soon(ends: list[datetime | None], state: State) -> None:
    assert kept.secret_of("vvt", ends, NOW).state is state


def certificate(path: Path, *, days: int) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "proef")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - timedelta(days=400))
        .not_valid_after(NOW + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(made.public_bytes(Encoding.PEM))
    return path


@pytest.mark.parametrize(("days", "state"), [(90, State.OK), (10, State.ATTENTION), (-1, State.WRONG)])
def test_a_certificate_is_told_before_it_ends(tmp_path: Path, days: int, state: State) -> None:
    settings = Settings(_env_file=None, broker_ca_file=certificate(tmp_path / "ca.pem", days=days))
    assert [one.state for one in here.certificates(settings, NOW)] == [state]


def test_a_certificate_that_is_none_and_a_key_that_others_read_are_wrong(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("geen certificaat", encoding="utf-8")
    (tmp_path / "key.pem").write_text("sleutel", encoding="utf-8")
    (tmp_path / "key.pem").chmod(0o644)
    settings = Settings(_env_file=None, broker_ca_file=tmp_path / "ca.pem", broker_key_file=tmp_path / "key.pem")
    assert [one.state for one in here.certificates(settings, NOW)] == [State.WRONG, State.WRONG]


@pytest.mark.parametrize(
    ("free", "state"), [(10 * here.LITTLE, State.OK), (here.LITTLE - 1, State.ATTENTION), (here.FULL - 1, State.WRONG)]
)
def test_a_disk_is_told_before_it_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, state: State
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": free})())
    assert [one.state for one in here.disk(Settings(_env_file=None, home=tmp_path))] == [state]


@pytest.mark.parametrize(
    ("setting", "value", "name"),
    [
        ("public_url", "http://hub.example.nl", "public-url"),
        ("watch_address", "0.0.0.0:9464", "watch"),
        ("failpoint", "store.accept.before-commit", "configuration"),
    ],
)
def test_settings_that_are_dangerous_are_told(setting: str, value: str, name: str) -> None:
    found = list(here.configuration(Settings(_env_file=None, **{setting: value})))
    assert [one.name for one in found if one.state is not State.OK] == [name]


def test_postgresql_is_examined_for_durability_and_time(database_url: str, tmp_path: Path) -> None:
    from schakel.bootstrap import initialise

    settings = Settings(_env_file=None, home=tmp_path / "home", database_url=database_url)
    initialise(settings)
    found = {one.name: one for one in kept.database(settings, datetime.now(UTC))}
    assert found["database"].state is State.OK
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SHOW fsync").fetchone()
    durable = row == ("on",)  # a server of the tests itself may be quick instead of durable: then it must be told
    assert found["durability"].state is (State.OK if durable else State.WRONG)
    assert ("PostgreSQL" if durable else "fsync = off") in found["durability"].nl
    assert found["clock"].state is State.OK
