# SPDX-License-Identifier: EUPL-1.2
"""The servers that tests ask for are there, are theirs alone, and are gone when the tests are."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from tests.support import servers
from tests.support.private import Guarded, Postgres, hold_on
from tests.support.servers import POSTGRESQL, Kind, need

ROOT = Path(__file__).resolve().parents[2]
WITHIN = 30.0  # seconds
CHILD = """
import sys
from tests.support.private import Guarded, Postgres
guarded = Guarded()
server = Postgres(guarded)
server.start()
print(guarded.folder, server.url, flush=True)
sys.stdin.read()
"""


def test_postgresql_answers(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SELECT current_setting('server_version_num')::int, 1 + %s", [1]).fetchone()
    assert row is not None
    assert row[0] >= 150_000
    assert row[1] == 2


def test_each_test_has_a_database_of_its_own(database_url: str, database_server: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("CREATE TABLE only_here ()")
    with psycopg.connect(database_server) as connection:
        found = connection.execute("SELECT count(*) FROM pg_tables WHERE tablename = 'only_here'").fetchone()
    assert found == (0,)


def test_a_private_postgresql_keeps_what_it_committed_when_it_crashes(postgres: Postgres) -> None:
    with psycopg.connect(postgres.url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1")
    postgres.stop(signal.SIGQUIT)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(postgres.url)
    postgres.start()
    with psycopg.connect(postgres.url) as connection:
        assert connection.execute("SELECT * FROM kept").fetchone() == (1,)


def test_a_server_ends_with_the_test_process_that_was_killed() -> None:
    need(POSTGRESQL)
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    folder, url = child.stdout.readline().split()
    psycopg.connect(url).close()
    child.kill()
    child.communicate()
    until = time.monotonic() + WITHIN
    while Path(folder).exists():
        assert time.monotonic() < until, "its folder is still there"
        time.sleep(0.05)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)


def test_who_comes_when_the_servers_are_going_starts_his_own() -> None:
    with contextlib.closing(Guarded()) as guarded:
        second = hold_on(guarded.folder)
        assert second is not None
        second.close()
    until = time.monotonic() + WITHIN
    while guarded.folder.exists():
        assert time.monotonic() < until, "its folder is still there"
        time.sleep(0.05)
    assert hold_on(guarded.folder) is None


@pytest.mark.parametrize(("ci", "outcome"), [("true", pytest.fail.Exception), ("", pytest.skip.Exception)])
def test_a_server_that_is_not_to_be_had_fails_in_ci_and_skips_elsewhere(
    ci: str, outcome: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", ci)
    monkeypatch.setattr(servers, "install", lambda package: False)  # as on a laptop
    absent = Kind("Nonesuch", "SCHAKEL_TEST_NONESUCH_URL", "nonesuch-server", lambda: None)
    with pytest.raises(outcome) as caught:
        need(absent)
    assert str(caught.value) == "no Nonesuch: set SCHAKEL_TEST_NONESUCH_URL or install nonesuch-server"


def test_the_run_says_in_one_line_what_was_skipped() -> None:
    reasons = {
        f"('tests/x.py', 1, 'Skipped: {POSTGRESQL.absent}')",
        f"('tests/y.py', 2, 'Skipped: {POSTGRESQL.absent}')",
    }
    assert list(servers.told(reasons)) == [f"its tests were skipped: {POSTGRESQL.absent}"]


def test_nothing_is_installed_by_who_may_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert servers.install("nonesuch-server") is False
