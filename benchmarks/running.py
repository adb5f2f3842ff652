# SPDX-License-Identifier: EUPL-1.2
"""Starts what is measured as processes of its own: the hub as operators start it, and what it is compared with.

Whatever is started here ends with its block, and with this process, also when that is killed.
"""

from __future__ import annotations

import asyncio
import compileall
import contextlib
import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from schakel.bootstrap import build, initialise
from schakel.keys import new_key
from schakel.settings import Settings
from schakel.webhook_secrets import new_secret

READY_WITHIN: Final = 60.0  # seconds
ENDS_WITHIN: Final = 20.0
SOURCES: Final = ("thv-pool", "cit", "veilig-thuis")
ROOT: Final = Path(__file__).resolve().parents[1]
PACKAGES: Final = ("api", "broker", "connectors", "mappings", "regions", "schakel")
SCHAKEL: Final = Path(sys.executable).parent / "schakel"
_PR_SET_PDEATHSIG: Final = 1  # prctl(2), Linux


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


# -- processes ---------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def process(
    command: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    port: int | None = None,
    says: str = "",
    folder: Path = ROOT,
) -> Iterator[int]:
    """Runs until the block ends; its process id. `port`: waits until something listens there; `says`: until a line that
    it writes begins so. Raises TimeoutError, and RuntimeError when it ends before that; what it wrote is shown when the
    block fails."""
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(
            command,
            env=dict(environment or os.environ),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            preexec_fn=_end_with_parent,
        ) as running,
    ):
        try:
            _wait(lambda: (port is None or _listens(port)) and f"\n{says}" in f"\n{_text(log)}", running)
            yield running.pid
        except BaseException:
            print(f"{' '.join(command)}\n{_text(log)[-4000:]}", file=sys.stderr)
            raise
        finally:
            running.terminate()
            try:
                running.wait(ENDS_WITHIN)
            except subprocess.TimeoutExpired:
                running.kill()


def uvicorn(
    app: str, port: int, *, environment: Mapping[str, str] | None = None
) -> contextlib.AbstractContextManager[int]:
    """A rival behind the same HTTP server with the same settings of it."""
    options = [
        "--port",
        str(port),
        "--http",
        "httptools",
        "--loop",
        "uvloop",
        "--no-access-log",
        "--log-level",
        "error",
    ]
    return process([sys.executable, "-m", "uvicorn", app, *options], environment=environment, port=port)


def _end_with_parent() -> None:
    """The system kills the child when we die, however we do. Linux only; elsewhere the block alone ends it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
        return True
    return False


def _wait(ready: Callable[[], bool], running: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + READY_WITHIN
    while not ready():
        if running.poll() is not None:
            raise RuntimeError(f"ended with {running.returncode}")
        if time.monotonic() > end:
            raise TimeoutError("it is not ready")
        time.sleep(0.005)


def _text(log: IO[bytes]) -> str:
    return os.pread(log.fileno(), 1_000_000, 0).decode(errors="replace")


# -- a hub -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Home:
    """A hub's home with its keys, and the environment in which its commands run."""

    folder: Path
    port: int
    keys: Mapping[str, str]  # partner → API key
    environment: Mapping[str, str]

    @property
    def settings(self) -> Settings:
        return _settings(self.environment)

    @property
    def database(self) -> str:
        """URL."""
        return self.settings.database


def make_home(
    folder: Path,
    *,
    overlay: Mapping[str, Mapping[str, Any]],
    receivers: Sequence[str] = (),
    more: Mapping[str, str] | None = None,
) -> Home:
    """A hub that is initialised. `overlay`: file → what is laid over the region's; `receivers`: whose webhooks are
    signed; `more`: further settings, by environment name."""
    _compile()
    over = folder / "overlay"
    over.mkdir(parents=True)
    for name, content in overlay.items():
        (over / name).write_text(json.dumps(content), encoding="utf-8")
    port = free_port()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("SCHAKEL_")},
        "SCHAKEL_HOME": str(folder / "home"),
        "SCHAKEL_REGION_OVERLAY": str(over),
        "SCHAKEL_PORT": str(port),
        "SCHAKEL_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "SCHAKEL_LOG_LEVEL": "error",
        "SCHAKEL_REQUESTS_PER_MINUTE": "100000000",
        **(more or {}),
    }
    return Home(folder, port, _keys(_settings(environment), receivers), environment)


def _compile() -> None:
    """What pip does when it installs the hub. Where Python is told to keep no compiled code (in CI, say), a checkout
    would be compiled anew at each start, a quarter of it. What did not change since is not compiled again."""
    for name in PACKAGES:
        compileall.compile_dir(ROOT / name, quiet=2)


def hub(home: Home, role: str = "serve") -> contextlib.AbstractContextManager[int]:
    """`schakel serve`, or another role of it. Of one home one process listens."""
    door = role in ("serve", "api")
    return process(
        [str(SCHAKEL), role],
        environment=home.environment,
        port=home.port if door else None,
        says="" if door else "runs as ",
    )


def _settings(environment: Mapping[str, str]) -> Settings:
    named = {name[8:].lower(): value for name, value in environment.items() if name.startswith("SCHAKEL_")}
    return Settings(_env_file=None, **named)  # type: ignore[arg-type]


def _keys(settings: Settings, receivers: Sequence[str]) -> dict[str, str]:
    initialise(settings)

    async def add() -> dict[str, str]:
        async with build(settings) as hub:
            keys = {}
            for name in SOURCES:
                keys[name], row = new_key(name, now=hub.clock.now())
                await hub.store.add_key(row)
            for name in receivers:
                _, secret = new_secret(name, "v1", vault=hub.vault, now=hub.clock.now())
                await hub.store.add_secret(secret)
            return keys

    return asyncio.run(add())


# -- what a process takes ----------------------------------------------------------------------------------------------


def memory(pid: int) -> float:
    """MB that are in use by this process alone or shared (resident set)."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise ProcessLookupError(pid)


def processor(pid: int) -> float:
    """Seconds of processor that it has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
