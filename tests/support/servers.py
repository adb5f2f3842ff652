# SPDX-License-Identifier: EUPL-1.2
"""Real servers for the tests: those that the environment names, or private ones that live as long as the test run.

In this order: `SCHAKEL_TEST_BROKER_URL` and `SCHAKEL_TEST_DATABASE_URL`; programs that are installed; Debian's
packages, which are installed when we may (root, with apt-get). Else the tests are skipped, and the run says so in one
line; in CI (`CI=true`) they fail.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from tests.support.private import Guarded, Postgres, Rabbit, hold_on, postgres_programs, rabbitmq_programs

BROKER_URL: Final = "SCHAKEL_TEST_BROKER_URL"
DATABASE_URL: Final = "SCHAKEL_TEST_DATABASE_URL"
POLICY: Final = Path("/usr/sbin/policy-rc.d")  # Debian asks it whether a package may start its service
APT: Final = {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of server: how it is called, found and installed."""

    name: str
    variable: str
    package: str
    programs: Callable[[], Path | None]

    @property
    def absent(self) -> str:
        return f"no {self.name}: set {self.variable} or install {self.package}"

    def present(self) -> bool:
        """Finds it, and installs it when it is not there and we may."""
        return self.programs() is not None or (install(self.package) and self.programs() is not None)


RABBITMQ: Final = Kind("RabbitMQ", BROKER_URL, "rabbitmq-server", rabbitmq_programs)
POSTGRESQL: Final = Kind("PostgreSQL", DATABASE_URL, "postgresql", postgres_programs)


def need(kind: Kind) -> None:
    """Skips the test that needs a server which is not to be had here; fails it in CI."""
    if not kind.present():
        if os.environ.get("CI") == "true":
            pytest.fail(kind.absent)
        pytest.skip(kind.absent)


# -- fixtures


@pytest.fixture(scope="session")
def broker_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A RabbitMQ that all tests share: nobody may stop it."""
    with _shared("rabbitmq", tmp_path_factory, os.environ.get(BROKER_URL), RABBITMQ, _start_rabbit) as url:
        yield url


@pytest.fixture(scope="session")
def database_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL that all tests share: nobody may stop it. Its URL names a database to connect to."""
    with _shared("postgresql", tmp_path_factory, os.environ.get(DATABASE_URL), POSTGRESQL, _start_postgres) as url:
        yield url


@contextlib.contextmanager
def new_database(server: str) -> Iterator[str]:
    """The URL of a new, empty database on that server; it goes when nobody needs it any more."""
    name = f"schakel_{secrets.token_hex(6)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        yield urlsplit(server)._replace(path=f"/{name}").geturl()
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def database_url(database_server: str) -> Iterator[str]:
    """A new, empty database for one test."""
    with new_database(database_server) as url:
        yield url


@pytest.fixture(scope="session")
def own_rabbit() -> Iterator[Rabbit]:
    """A RabbitMQ of this test process alone, started when the first file asks for it."""
    need(RABBITMQ)
    with contextlib.closing(Guarded()) as guarded:
        server = Rabbit(guarded)
        yield server
        server.kill()


@pytest.fixture(scope="module")
def rabbit(own_rabbit: Rabbit) -> Rabbit:
    """It, for the tests of one file, which may kill and wipe it; each leaves it running. What another file left in its
    queues goes by other names: queues are called after the keys of their hub."""
    if not own_rabbit.runs:
        own_rabbit.start()
    return own_rabbit


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL for one test, which may stop it."""
    need(POSTGRESQL)
    with contextlib.closing(Guarded()) as guarded:
        server = Postgres(guarded)
        server.start()
        yield server


def _start_rabbit(guarded: Guarded) -> str:
    server = Rabbit(guarded)
    server.start()
    return server.url


def _start_postgres(guarded: Guarded) -> str:
    server = Postgres(guarded)
    server.start()
    return server.url


@contextlib.contextmanager
def _shared(
    name: str,
    paths: pytest.TempPathFactory,
    given: str | None,
    kind: Kind,
    start: Callable[[Guarded], str],
) -> Iterator[str]:
    """One server per run: the first test process starts it and writes down where, the others read that."""
    if given:
        yield given
        return
    need(kind)
    ours = paths.getbasetemp()
    run = ours.parent if "PYTEST_XDIST_WORKER" in os.environ else ours
    note = run / f"{name}.json"
    with _locked(run / f"{name}.lock"):
        written = json.loads(note.read_text(encoding="utf-8")) if note.exists() else None
        hold = hold_on(Path(written["folder"])) if written else None
        if written and hold:
            url = str(written["url"])
        else:
            guarded = Guarded()
            hold, url = guarded.hold, start(guarded)
            note.write_text(json.dumps({"folder": str(guarded.folder), "url": url}), encoding="utf-8")
    with hold:
        yield url


# -- what the run does before and after (called from conftest.py)


def prepare(fixtures: set[str]) -> None:
    """Installs what the collected tests need: here and not in a fixture, whose time counts as the test's."""
    for kind, wanted in ((RABBITMQ, {"broker_url", "rabbit"}), (POSTGRESQL, {"database_server", "postgres"})):
        if wanted & fixtures and not os.environ.get(kind.variable):
            kind.present()


def told(reasons: set[str]) -> Iterator[str]:
    """A line for each kind of server that was absent."""
    for kind in (RABBITMQ, POSTGRESQL):
        if any(kind.absent in reason for reason in reasons):
            yield f"its tests were skipped: {kind.absent}"


# -- installing


def install(package: str) -> bool:
    """Debian's package, when we may; its service is not started."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return False
    env = os.environ | APT
    with _locked(Path(tempfile.gettempdir()) / "schakel-tests-apt.lock"), _services_stay_off():
        for words in (("update",), ("install", "--yes", "--no-install-recommends", package)):
            command = ["apt-get", "--quiet=2", "-o", "DPkg::Lock::Timeout=300", *words]
            if subprocess.run(command, env=env, capture_output=True, check=False).returncode:
                return False
    return True


@contextlib.contextmanager
def _services_stay_off() -> Iterator[None]:
    ours = not POLICY.exists()
    if ours:
        POLICY.write_text("#!/bin/sh\nexit 101\n", encoding="ascii")
        POLICY.chmod(0o755)
    try:
        yield
    finally:
        if ours:
            POLICY.unlink()


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
