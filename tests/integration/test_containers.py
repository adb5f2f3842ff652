# SPDX-License-Identifier: EUPL-1.2
"""Compose file and Dockerfile, without a container engine: the schema, the hardening, and the services as processes."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import yaml

from schakel.cli.commands import app
from schakel.settings import Settings
from tests.support.hub import WITHIN

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "docker-compose.yml"
DOCKERFILE = ROOT / "Dockerfile"
BIN = Path(sys.executable).parent
VARIABLE = re.compile(r"\$\{(\w+):-([^}]*)\}")
TRIES, EVERY = 60, 2.0  # a health check is tried so often, and so many seconds apart
OURS = ("api", "worker", "clock", "init", "demo")


def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]
    return found


def environment(service: str) -> dict[str, str]:
    """As compose gives it, with nothing set outside."""
    return {name: VARIABLE.sub(r"\2", str(value)) for name, value in services()[service].get("environment", {}).items()}


def instructions() -> list[tuple[str, str]]:
    """Of the last stage of the Dockerfile."""
    text = re.sub(r"\\\n", " ", DOCKERFILE.read_text(encoding="utf-8"))
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    last = max(at for at, line in enumerate(lines) if line.startswith("FROM "))
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines[last:])]


# -- what is written ---------------------------------------------------------------------------------------------------


def test_the_compose_file_fits_the_compose_schema() -> None:
    command = [BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", COMPOSE]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_there_are_two_doors_two_workers_a_clock_two_servers_and_a_demo() -> None:
    found = services()
    replicas = {name: one.get("deploy", {}).get("replicas", 1) for name, one in found.items()}
    assert (replicas["api"], replicas["worker"], replicas["clock"]) == (2, 2, 1)
    assert {name for name, one in found.items() if "profiles" not in one} == {
        "api", "worker", "clock", "database", "broker"
    }  # fmt: skip
    assert found["demo"]["profiles"] == ["demo"]


@pytest.mark.parametrize("name", OURS)
def test_each_of_ours_runs_as_nobody_on_a_read_only_file_system(name: str) -> None:
    one = services()[name]
    assert one["read_only"] is True
    assert one["user"] == "10001:10001"
    assert one["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in one["security_opt"]
    assert one["tmpfs"]
    assert not one.get("privileged")


@pytest.mark.parametrize("name", ["api", "worker", "clock", "database", "broker"])
def test_each_that_stays_is_watched_and_started_again(name: str) -> None:
    one = services()[name]
    assert one["healthcheck"]["test"][0] == "CMD"
    assert one["restart"] == "unless-stopped"


def test_stopping_waits_longer_than_the_slowest_send() -> None:
    from schakel.dispatch import SEND_LIMIT

    for name in ("api", "worker", "clock"):
        grace = services()[name]["stop_grace_period"]
        assert int(grace.removesuffix("s")) > SEND_LIMIT


def test_only_the_door_is_published_and_only_on_loopback() -> None:
    published = {name: one["ports"] for name, one in services().items() if "ports" in one}
    assert set(published) == {"api"}
    assert all(port.startswith("127.0.0.1:") and port.endswith(":8420") for port in published["api"])
    networks = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["networks"]
    assert networks["inside"] == {"internal": True}
    assert all(services()[name]["networks"] == ["inside"] for name in ("database", "broker"))


@pytest.mark.parametrize("name", OURS)
def test_every_setting_that_is_given_exists_and_holds_no_secret(name: str) -> None:
    for setting, value in environment(name).items():
        assert setting.removeprefix("SCHAKEL_").lower() in Settings.model_fields
        assert urlsplit(value).password is None
    secrets = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["secrets"]
    named = {Path(value).name for value in environment(name).values() if value.startswith("/run/secrets/")}
    assert named <= set(services()[name].get("secrets", ())) <= set(secrets)


def test_every_command_is_one_of_ours() -> None:
    known = {command.name for command in app.registered_commands}
    assert {one["command"][0] for name, one in services().items() if name in OURS} <= known


def test_the_image_runs_as_nobody_in_particular_and_is_watched() -> None:
    found = instructions()
    words = [word for word, _ in found]
    users = [rest for word, rest in found if word == "USER"]
    assert users == ["10001:10001"]
    assert words.index("USER") < words.index("ENTRYPOINT")
    assert json.loads(next(rest for word, rest in found if word == "ENTRYPOINT")) == ["schakel"]
    assert json.loads(next(rest for word, rest in found if word == "CMD")) == ["serve"]
    assert "HEALTHCHECK" in words
    assert "ADD" not in words
    assert next(rest for word, rest in found if word == "STOPSIGNAL") == "SIGTERM"


def test_everything_that_is_copied_is_there_and_reaches_the_builder() -> None:
    allowed = {
        line.removeprefix("!").strip()
        for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        if line.startswith("!")
    }
    for line in DOCKERFILE.read_text(encoding="utf-8").splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            *sources, _ = shlex.split(line)[1:]
            for source in sources:
                assert (ROOT / source).exists(), source
                assert source in allowed, source


# -- what it does, as processes of this machine ------------------------------------------------------------------------


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def here(service: str, home: Path, servers: dict[str, str]) -> tuple[dict[str, str], str]:
    """The service's own environment, with servers, folders and ports of this machine; and its watch address."""
    given = environment(service)
    files = home / "secrets"
    files.mkdir(exist_ok=True)
    for name, url in servers.items():
        stated, real = urlsplit(given[f"SCHAKEL_{name}_URL"]), urlsplit(url)
        assert stated.scheme == real.scheme
        password = files / name.lower()
        password.write_text(unquote(real.password or "none"), encoding="utf-8")
        host = real.netloc.rpartition("@")[2]
        given[f"SCHAKEL_{name}_URL"] = real._replace(netloc=f"{real.username}@{host}").geturl()
        given[f"SCHAKEL_{name}_PASSWORD_FILE"] = str(password)
    watch = f"127.0.0.1:{free_port()}"
    given |= {
        "SCHAKEL_HOME": str(home / "hub"),
        "SCHAKEL_HOST": "127.0.0.1",
        "SCHAKEL_PORT": "0",
        "SCHAKEL_WATCH_ADDRESS": watch,
    }
    plain = {name: value for name, value in os.environ.items() if not name.startswith("SCHAKEL_")}
    return plain | given, watch


async def run(command: list[str], env: dict[str, str]) -> int:
    child = await asyncio.create_subprocess_exec(*command, env=env, cwd=ROOT, stderr=asyncio.subprocess.DEVNULL)
    return await asyncio.wait_for(child.wait(), WITHIN)


@pytest.mark.slow
@pytest.mark.timeout(300)  # five processes start at once, on two cores
async def test_the_services_run_and_are_healthy_on_servers_of_this_machine(
    tmp_path: Path, database_url: str, broker_url: str
) -> None:
    servers = {"DATABASE": database_url, "BROKER": broker_url}
    env, _ = here("init", tmp_path, servers)
    assert await run([str(BIN / "schakel"), *services()["init"]["command"]], env) == 0
    running: list[tuple[str, asyncio.subprocess.Process]] = []
    checks: list[tuple[list[str], dict[str, str]]] = []
    try:
        for name in ("api", "worker", "clock"):
            for _ in range(services()[name].get("deploy", {}).get("replicas", 1)):
                env, watch = here(name, tmp_path, servers)
                with (tmp_path / f"{name}.log").open("ab") as log:
                    command = [str(BIN / "schakel"), *services()[name]["command"]]
                    child = await asyncio.create_subprocess_exec(*command, env=env, cwd=ROOT, stdout=log, stderr=log)
                running.append((name, child))
                _, program, *rest = services()[name]["healthcheck"]["test"]
                checks.append(([str(BIN / program), *(one.replace("127.0.0.1:9464", watch) for one in rest)], env))
        assert [name for name, _ in running] == ["api", "api", "worker", "worker", "clock"]
        for (name, child), (command, env) in zip(running, checks, strict=True):
            for _ in range(TRIES):
                assert child.returncode is None, (tmp_path / f"{name}.log").read_text()
                if await run(command, env) == 0:
                    break
                await asyncio.sleep(EVERY)
            else:
                raise AssertionError((tmp_path / f"{name}.log").read_text())
    finally:
        for _, child in running:
            child.terminate()
        ended = [await asyncio.wait_for(child.wait(), 2 * WITHIN) for _, child in running]
    assert ended == [0] * len(running)


@pytest.mark.slow
def test_the_demo_of_the_demo_profile_plays(tmp_path: Path) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith("SCHAKEL_")}
    command = [BIN / "schakel", *services()["demo"]["command"], "--json"]
    done = subprocess.run(
        command, env=env | environment("demo"), cwd=tmp_path, capture_output=True, text=True, timeout=110
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert list(tmp_path.iterdir()) == []  # it writes to its temporary folder alone
