# SPDX-License-Identifier: EUPL-1.2
"""Starts processes of the hub in a fraction of the time: forks them from one that has the program loaded.

What is started is a process of its own all the same, with its own connections, loops and memory, that runs the command
line's own `main`; only loading the program, and reading region and mappings, is done once for all of them. The long run
starts the installed program instead (`LONG`), as do machines that are not Linux.

Run as a program it takes orders on a socket: a line of JSON each, answered with the child's number at once and its exit
code when it has ended. Whoever hangs up before that has the child killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import functools
import gc
import hashlib
import importlib
import json
import os
import secrets
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tests.support import launch

ROOT: Final = Path(__file__).resolve().parents[2]
SCHAKEL: Final = Path(sys.executable).parent / "schakel"
LONG: Final = os.environ.get("SCHAKEL_FAULTS") == "long"
FORKS: Final = sys.platform == "linux"
ENDS_WITHIN: Final = 60.0  # seconds in which a command ends
PR_SET_PDEATHSIG: Final = 1  # prctl(2): the children die with the nursery
LOADED: Final = (  # what the commands that tests start import when they run
    "api.server",
    "api.watch",
    "broker.rabbitmq",
    "connectors.alarms.smtp",
    "connectors.alarms.webhook",
    "connectors.channels.stuf",
    "connectors.channels.webhook",
    "connectors.formats",
    "connectors.intakes.file_drop",
    "psycopg_pool",
    "schakel.acting",
    "schakel.answering",
    "schakel.clock",
    "schakel.dispatch",
    "schakel.duty",
    "schakel.intake",
    "schakel.involvement",
    "schakel.ledger_view",
    "schakel.retention",
    "schakel.store.own_keys",
    "schakel.store.postgres",
    "schakel.store.register",
    "schakel.store.sqlite",
    "schakel.verify",
    "uvloop",
)


# -- the program -------------------------------------------------------------------------------------------------------


class Nursery:
    """Takes orders until its user has gone (its stdin ends)."""

    def __init__(self, door: socket.socket) -> None:
        self._door = door
        self._waiting = selectors.DefaultSelector()
        self._known: dict[str, Any] = {}  # the last configuration that was read, by what it was read from

    def run(self) -> None:
        for name in LOADED:
            importlib.import_module(name)
        self._waiting.register(sys.stdin, selectors.EVENT_READ)
        self._waiting.register(self._door, selectors.EVENT_READ)
        while True:
            for key, _ in self._waiting.select():
                if key.fileobj is sys.stdin:
                    return
                if key.fileobj is self._door:
                    self._order(self._door.accept()[0])
                else:
                    self._ended(*key.data)

    def _order(self, user: socket.socket) -> None:
        order = json.loads(user.makefile("rb").readline())
        os.environ.clear()
        os.environ.update(order["env"])
        configuration = self._configuration()
        pid = os.fork()
        if not pid:
            self._become(order, configuration)
        user.sendall(json.dumps({"pid": pid}).encode() + b"\n")
        child = os.pidfd_open(pid)
        who = (pid, child, user)
        self._waiting.register(child, selectors.EVENT_READ, who)
        self._waiting.register(user, selectors.EVENT_READ, who)

    def _ended(self, pid: int, child: int, user: socket.socket) -> None:
        """The child has ended, or its user has hung up."""
        if child not in self._waiting.get_map():
            return  # both at once: seen already
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(child, signal.SIGKILL)  # a dead one feels nothing
        _, status = os.waitpid(pid, 0)
        self._waiting.unregister(child)
        self._waiting.unregister(user)
        os.close(child)
        with contextlib.suppress(OSError):
            user.sendall(json.dumps({"code": os.waitstatus_to_exitcode(status)}).encode() + b"\n")
        user.close()

    def _configuration(self) -> Any:
        """Region, overlay and mappings as the environment names them; None: the child may find out what is wrong."""
        from schakel import bootstrap
        from schakel.errors import SchakelError
        from schakel.settings import Settings

        with contextlib.suppress(SchakelError, ValueError, OSError):
            settings = Settings()
            named = (settings.region, settings.stuf_schemas, settings.validate_fhir)
            key = f"{named} {_content(settings.region_overlay)}"
            if key not in self._known:
                read = bootstrap.read_configuration(settings)
                if read.faults():
                    return None
                self._known = {key: read}
                gc.collect()
                gc.freeze()
            return self._known[key]
        return None

    def _become(self, order: Mapping[str, Any], configuration: Any) -> None:
        """The child; does not return."""
        code = 70
        try:
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            for key in list(self._waiting.get_map().values()):
                if key.fd:
                    os.close(key.fd)
            self._waiting.close()
            nothing = os.open(os.devnull, os.O_RDONLY)
            out, err = (os.open(order[name], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600) for name in ("out", "err"))
            for source, target in ((nothing, 0), (out, 1), (err, 2)):
                os.dup2(source, target)
            code = _command(order["arguments"], configuration)
        except BaseException:  # nothing of it may go on in the nursery
            traceback.print_exc()
        finally:
            with contextlib.suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)


def _command(arguments: list[str], configuration: Any) -> int:
    from schakel import bootstrap
    from schakel.cli.app import main

    if configuration is not None:

        class Checked(bootstrap.Configuration):
            def faults(self) -> list[Any]:
                return []

        checked = Checked(configuration.region, configuration.formats, configuration.mappings)
        bootstrap.read_configuration = lambda settings: checked
    prepared = launch.prepare()
    code = main(arguments)
    del prepared  # held until here
    return code


def _content(folder: Path | None) -> str:
    """A digest of all that stands there, wherever it is."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")) if folder else ():
        if folder and path.is_file():
            digest.update(f"{path.relative_to(folder)} {path.stat().st_size}\n".encode() + path.read_bytes())
    return digest.hexdigest()


# -- its user ----------------------------------------------------------------------------------------------------------


class Forked:
    """A process that was forked, in the words of `asyncio.subprocess.Process`."""

    def __init__(self, pid: int, said: asyncio.StreamReader, user: asyncio.StreamWriter) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._user = user
        self._ends = asyncio.create_task(self._follow(said))

    async def _follow(self, said: asyncio.StreamReader) -> int:
        line = await said.readline()
        self._user.close()
        self.returncode = int(json.loads(line)["code"]) if line else -signal.SIGKILL
        return self.returncode

    async def wait(self) -> int:
        return await asyncio.shield(self._ends)

    def send_signal(self, how: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, how)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


Child = Forked | asyncio.subprocess.Process


async def fork(arguments: Sequence[str], environment: Mapping[str, str], out: Path, err: Path) -> Forked:
    """`schakel ARGUMENTS`, which writes on to these files."""
    said, user = await asyncio.open_unix_connection(_nursery()[0])
    order = {"arguments": list(arguments), "env": dict(environment), "out": str(out), "err": str(err)}
    user.write(json.dumps(order).encode() + b"\n")
    line = await said.readline()
    assert line, "the nursery has gone"
    return Forked(int(json.loads(line)["pid"]), said, user)


async def start(
    arguments: Sequence[str], environment: Mapping[str, str], out: Path, err: Path | None = None, *,
    forked: bool = FORKS and not LONG
) -> Child:  # fmt: skip
    """`schakel ARGUMENTS`, forked or as the installed program; it writes on to these files (`err`: or to `out`)."""
    if forked:
        return await fork(arguments, environment, out, err or out)
    with out.open("ab") as output, (err or out).open("ab") as errors:
        plain = not any(name.startswith("TEST_") for name in environment)
        program = [str(SCHAKEL)] if plain else [sys.executable, str(launch.__file__)]
        return await asyncio.create_subprocess_exec(
            *program, *arguments, env=dict(environment), cwd=ROOT,
            stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=errors,
        )  # fmt: skip


async def run(arguments: Sequence[str], environment: Mapping[str, str]) -> tuple[int, str, str]:
    """`schakel ARGUMENTS` to its end, within a minute: exit code, and what it wrote on stdout and stderr."""
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder) / "out", Path(folder) / "err"
        child = await start(arguments, environment, out, err)
        code = await asyncio.wait_for(child.wait(), ENDS_WITHIN)
        return code, *(path.read_bytes().decode() for path in (out, err))


@functools.cache
def _nursery() -> tuple[str, subprocess.Popen[bytes]]:
    """One for all tests of this process, with which it ends: the name of its socket, and it."""
    name = f"\0schakel-nursery-{secrets.token_hex(8)}"
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(name)
        door.listen()
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.support.nursery", str(door.fileno())],
            stdin=subprocess.PIPE, pass_fds=[door.fileno()], cwd=ROOT,
        )  # fmt: skip
    return name, child


if __name__ == "__main__":
    Nursery(socket.socket(fileno=int(sys.argv[1]))).run()
