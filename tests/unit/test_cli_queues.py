# SPDX-License-Identifier: EUPL-1.2
"""`schakel queues` and `schakel deliveries`: what waits and why, in 80 columns; pausing, trying again, making anew."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import apsw
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schakel.bootstrap import build
from schakel.cli.app import main
from schakel.cli.complaint import Exit
from schakel.cli.moments import age, ago, ahead
from schakel.cli.queues import WIDTH, lines
from schakel.operating import Backlog, Pause, Queue
from schakel.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
SCHAKEL = Path(sys.executable).parent / "schakel"
MESSAGES = ROOT / "schakel/demo/messages"
NOW = datetime(2026, 11, 22, 2, 30, tzinfo=UTC)
LEAD, DUO = "perspektief", "lokaal-team-delft"
WHY = ("--reason", "storing bij de partner")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """A hub that has tried, in vain, to send one referral to its lead: it has no webhook secret."""
    monkeypatch.setenv("SCHAKEL_HOME", str(tmp_path / "hub"))
    assert main(["init"]) == 0
    capsys.readouterr()

    async def work() -> None:
        async with build(Settings()) as hub:
            sender = hub.region.partner("thv-pool")
            assert sender is not None
            body = (MESSAGES / "thv-delft-tweede.json").read_bytes()
            await hub.intake.receive(sender, body, "application/json", datetime.now(UTC))
            await hub.dispatch.run_once()

    asyncio.run(work())
    return tmp_path / "hub"


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> Any:
    assert main([*arguments, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def of(capsys: pytest.CaptureFixture[str], partner: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = said(capsys, "queues")["partners"]
    return next(one for one in found if one["partner"] == partner)


def rows(home: Path, sql: str) -> list[tuple[Any, ...]]:
    with apsw.Connection(str(home / "schakel.sqlite")) as connection:
        return list(connection.execute(sql))


# -- looking -----------------------------------------------------------------------------------------------------------


def test_the_queue_of_a_partner_says_what_waits_and_why(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lead = of(capsys, LEAD)
    assert (lead["waiting"], lead["lastReason"], lead["overdueAnswers"]) == (1, "no-signing-secret", 0)
    assert lead["oldest"] is not None
    duo = of(capsys, DUO)
    assert (duo["waiting"], duo["notified"], duo["lastReason"]) == (0, 1, None)
    idle = of(capsys, "zvhh")
    assert len(idle.pop("opaque")) == 26  # as the metrics and the broker call it
    assert idle == {
        "partner": "zvhh",
        "waiting": 0,
        "notified": 0,
        "parked": 0,
        "oldest": None,
        "breakerOpenUntil": None,
        "lastSuccess": None,
        "lastReason": None,
        "overdueAnswers": 0,
        "pause": None,
    }


def test_people_see_what_waits_first_in_80_columns_dutch_first(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["queues"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].split() == ["partner", "wacht", "haalt", "apart", "oudste", "breker", "laat", "gelukt"]
    assert shown[1].split()[1:] == ["waits", "fetch", "aside", "oldest", "breaker", "late", "ok"]
    assert shown[2].startswith(DUO)
    assert shown[3].startswith(LEAD)
    assert shown[4].strip() == "laatste reden (last reason): no-signing-secret"
    assert all(len(line) <= WIDTH for line in shown)


moments = st.none() | st.datetimes(datetime(2026, 8, 1), datetime(2026, 11, 22), timezones=st.just(UTC))
counts = st.integers(0, 9_999)
pauses = st.none() | st.builds(
    Pause, st.just(LEAD), st.text("abc d", min_size=1, max_size=40), st.text("abc d", min_size=1, max_size=300),
    st.just(NOW), st.just(NOW + timedelta(hours=3)),
)  # fmt: skip


@example(Queue(partner="lokaal-team-leidschendam-voorburg", oldest=datetime(2026, 8, 1, 3, tzinfo=UTC)))  # 112d19u
@given(
    st.builds(Queue, st.just("lokaal-team-leidschendam-voorburg"), counts, counts, counts, moments, moments, moments,
              st.none() | st.text("abc-", min_size=1, max_size=120), counts, pauses)
)  # fmt: skip
def test_whatever_waits_fits_in_80_columns(queue: Queue) -> None:
    backlog = Backlog((queue,), 12_345, 12_345, 12_345, 1_234_567, None)
    shown = list(lines([queue], backlog, NOW))
    assert max(map(len, shown)) <= WIDTH
    assert shown[2].split()[1:4] == [str(queue.waiting), str(queue.notified), str(queue.parked)]


def test_watch_looks_again_until_it_is_interrupted(home: Path) -> None:
    env = {**os.environ, "SCHAKEL_HOME": str(home)}
    command = [SCHAKEL, "queues", "--watch", "--every", "0.1"]
    process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    looks = 0
    for line in process.stdout:
        looks += line.startswith("(partner)")
        if looks == 3:
            break
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors


def test_as_many_looks_as_were_asked_for(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["queues", "--watch", "--every", "0.1", "--looks", "2"]) == 0
    assert capsys.readouterr().out.count("(partner)") == 2


# -- pausing -----------------------------------------------------------------------------------------------------------


def test_a_paused_partner_shows_who_why_and_until_when_and_gets_nothing(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = said(capsys, "queues", "pause", LEAD, *WHY, "--until", "2h", "--by", "A. de Wacht")
    assert (made["pause"]["by"], made["pause"]["reason"]) == ("A. de Wacht", "storing bij de partner")
    until = datetime.fromisoformat(made["pause"]["until"])
    assert timedelta(hours=1, minutes=58) < until - datetime.now(UTC) <= timedelta(hours=2)
    assert of(capsys, LEAD)["pause"] == made["pause"]
    assert main(["queues"]) == 0
    shown = capsys.readouterr().out
    assert "A. de Wacht: storing bij de partner" in " ".join(shown.split())
    assert main(["deliveries", "retry", *WHY, "--yes"]) == 0

    async def attempts() -> int:
        async with build(Settings()) as hub:
            return await hub.dispatch.run_once()

    assert asyncio.run(attempts()) == 0  # it is due, and paused
    assert main(["queues", "resume", LEAD, *WHY]) == 0
    assert asyncio.run(attempts()) > 0
    assert rows(home, "SELECT actor, action FROM audit WHERE action LIKE 'partner:%' ORDER BY id")[0] == (
        "operator:A. de Wacht",
        "partner:pause",
    )


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("pause", LEAD, *WHY), Exit.USAGE),  # a pause without a clock
        (("pause", LEAD, "--until", "2h"), Exit.USAGE),  # without a reason
        (("pause", LEAD, "--until", "2h", "--reason", " "), Exit.USAGE),
        (("pause", LEAD, "--until", "soon", *WHY), Exit.USAGE),
        (("pause", LEAD, "--until", "25:00", *WHY), Exit.USAGE),
        (("pause", LEAD, "--until", "8d", *WHY), Exit.REFUSED),
        (("pause", LEAD, "--until", "2020-01-01 09:00", *WHY), Exit.REFUSED),
        (("pause", "nobody", "--until", "2h", *WHY), Exit.NOT_FOUND),
        (("pause", "thv-pool", "--until", "2h", *WHY), Exit.NOT_FOUND),  # it only sends
        (("resume", LEAD, *WHY), Exit.NOT_FOUND),
    ],
)
def test_a_pause_that_cannot_be_is_told(
    home: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: int
) -> None:
    assert main(["queues", *arguments]) == code
    assert capsys.readouterr().err
    assert rows(home, "SELECT count(*) FROM pause") == [(0,)]


# -- acting on what is stuck -------------------------------------------------------------------------------------------


def test_a_retry_counts_first_and_asks(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = rows(home, "SELECT next_at FROM delivery WHERE recipient = 'perspektief'")
    for refusal in ("n\n", "\n", ""):  # also an empty line, and nobody there
        monkeypatch.setattr("sys.stdin", io.StringIO(refusal))
        assert main(["deliveries", "retry", *WHY, "--partner", LEAD]) == Exit.REFUSED
    told = capsys.readouterr()
    assert f"1  {LEAD}  waiting  no-signing-secret" in told.err
    assert told.out == ""
    assert rows(home, "SELECT next_at FROM delivery WHERE recipient = 'perspektief'") == before
    monkeypatch.setattr("sys.stdin", io.StringIO("ja\n"))
    assert main(["deliveries", "retry", *WHY, "--partner", LEAD]) == 0
    assert capsys.readouterr().out == "retried: 1\n"
    assert rows(home, "SELECT next_at FROM delivery WHERE recipient = 'perspektief'") != before
    ((who,),) = rows(home, "SELECT actor FROM audit WHERE action = 'delivery:retry'")
    assert who.startswith("operator:")


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ((), 1),
        (("--because", "no-signing-secret"), 1),
        (("--because", "http-500"), 0),
        (("--partner", DUO), 0),
        (("--since", "1h"), 1),
        (("--since", "2099-01-01 00:00"), 0),
    ],
)
def test_filters_choose_what_is_meant(
    home: Path, capsys: pytest.CaptureFixture[str], filters: tuple[str, ...], found: int
) -> None:
    assert len(said(capsys, "deliveries", "list", *filters)) == found
    assert said(capsys, "deliveries", "retry", *filters, *WHY, "--yes")["found"] == found


def test_what_is_superseded_is_made_anew_and_the_books_stay_whole(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (old,) = said(capsys, "deliveries", "list")
    done = said(capsys, "deliveries", "supersede", *WHY, "--yes")
    assert (done["outcome"], done["found"], len(done["deliveries"])) == ("superseded", 1, 1)
    (new,) = said(capsys, "deliveries", "list")
    assert (new["id"], new["number"], new["attempts"]) == (done["deliveries"][0], old["number"] + 1, 0)
    assert said(capsys, "verify")["ok"]


def test_the_limit_stops_after_the_oldest(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def more() -> None:
        async with build(Settings()) as hub:
            sender = hub.region.partner("thv-pool")
            assert sender is not None
            body = (MESSAGES / "thv-geheim-adres.json").read_bytes()
            await hub.intake.receive(sender, body, "application/json", datetime.now(UTC))

    asyncio.run(more())
    found = said(capsys, "deliveries", "list")
    assert len(found) > 1
    assert main(["deliveries", "retry", *WHY, "--yes", "--limit", "1"]) == 0
    told = capsys.readouterr()
    assert told.out == "retried: 1\n"
    assert f"{len(found)} gevonden" in told.err
    assert rows(home, "SELECT object FROM audit WHERE action = 'delivery:retry'") == [(found[0]["id"],)]


# -- moments as people write them --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30m", NOW + timedelta(minutes=30)),
        ("2u", NOW + timedelta(hours=2)),
        ("1d", NOW + timedelta(days=1)),
        ("09:00", datetime(2026, 11, 22, 8, 0, tzinfo=UTC)),  # later this (Dutch) morning
        ("03:30", datetime(2026, 11, 23, 2, 30, tzinfo=UTC)),  # it is 03:30 now: tomorrow
        ("2026-11-22 09:00", datetime(2026, 11, 22, 8, 0, tzinfo=UTC)),
        ("2026-11-22T09:00:00Z", datetime(2026, 11, 22, 9, 0, tzinfo=UTC)),
    ],
)
def test_a_moment_ahead_is_read_on_a_dutch_clock(text: str, expected: datetime) -> None:
    assert ahead(text, "--until", now=NOW) == expected


def test_the_next_nine_o_clock_is_right_in_the_night_that_the_clock_changes() -> None:
    before = datetime(2026, 10, 24, 22, 30, tzinfo=UTC)  # 00:30 in summer time; it is winter time by nine
    assert ahead("09:00", "--until", now=before) == datetime(2026, 10, 25, 8, 0, tzinfo=UTC)
    evening = datetime(2026, 10, 24, 20, 0, tzinfo=UTC)  # 22:00 the evening before
    assert ahead("09:00", "--until", now=evening) == datetime(2026, 10, 25, 8, 0, tzinfo=UTC)


def test_a_length_ago_is_before_now() -> None:
    assert ago("2h", "--since", now=NOW) == NOW - timedelta(hours=2)


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0s"), (59, "59s"), (60, "1m"), (3599, "59m"), (8040, "2u14"), (273_600, "3d4u")]
)
def test_an_age_is_short(seconds: int, shown: str) -> None:
    assert age(NOW - timedelta(seconds=seconds), now=NOW) == shown


# -- what a waiting delivery says of itself ----------------------------------------------------------------------------


def test_status_and_case_say_why_a_delivery_waits_and_when_it_is_tried_again(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ((message, case),) = rows(home, "SELECT id, case_id FROM message")
    for command, subject in (("status", message), ("case", case)):
        found = {one["partner"]: one for one in said(capsys, command, subject)["underWay"]}
        lead = found[LEAD]
        assert (lead["state"], lead["attempts"], lead["lastReason"]) == ("waiting", 1, "no-signing-secret")
        assert datetime.fromisoformat(lead["nextAttemptAt"]) > datetime.now(UTC) - timedelta(minutes=1)
        assert (found[DUO]["state"], found[DUO]["nextAttemptAt"]) == ("notified", None)
        assert main([command, subject]) == 0
        shown = capsys.readouterr().out
        assert "Nog onderweg (still under way):" in shown
        assert "no-signing-secret" in shown


# -- alarms ------------------------------------------------------------------------------------------------------------


def test_a_missing_secret_rings_at_once_and_stops_when_it_is_made(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (alarm,) = said(capsys, "alarms", "list")
    assert (alarm["cause"], alarm["subject"], alarm["acknowledgedBy"]) == ("no-signing-secret", LEAD, None)
    assert "schakel partners secret" in alarm["nl"]
    assert main(["partners", "secret", LEAD]) == 0
    capsys.readouterr()
    assert [one["acknowledgedBy"] for one in said(capsys, "alarms", "list")] == ["hub"]


def test_an_alarm_that_reached_nobody_is_silence_to_the_accountant(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said(capsys, "verify")["ok"]  # it was raised just now
    with apsw.Connection(str(home / "schakel.sqlite")) as connection:
        connection.execute("UPDATE alarm SET raised_at = '2026-01-01T00:00:00.000000Z'")
    report = said(capsys, "verify", code=Exit.WRONG)
    assert report["found"] == {"alarm:undelivered": 1}
    (alarm,) = said(capsys, "alarms", "list")
    assert [hole["object"] for hole in report["holes"]] == [alarm["id"]]
    assert main(["alarms", "ack", alarm["id"], "--by", "A. de Wacht"]) == 0
    capsys.readouterr()
    assert said(capsys, "verify")["ok"]


def test_a_pause_that_ended_in_silence_is_a_hole(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["queues", "pause", LEAD, "--until", "1h", *WHY]) == 0
    capsys.readouterr()
    assert said(capsys, "verify")["ok"]
    with apsw.Connection(str(home / "schakel.sqlite")) as connection:
        connection.execute("UPDATE pause SET paused_at = '2026-01-01T00:00:00.000000Z'")
        connection.execute("UPDATE pause SET ends_at = '2026-01-01T01:00:00.000000Z'")
    assert said(capsys, "verify", code=Exit.WRONG)["found"] == {"pause:over-and-silent": 1}
