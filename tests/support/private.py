# SPDX-License-Identifier: EUPL-1.2
"""Private servers from installed binaries: RabbitMQ and PostgreSQL on free ports, with all they write in one folder.

They run without touching a server of the machine: own configuration, own name, own port mapper. Also as root.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import random
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any, Final

from tests.support import guard

GUARD: Final = Path(guard.__file__)
STARTS_WITHIN: Final = 60.0  # seconds
PORTS: Final = range(20_000, 32_000)  # below those that the system gives away itself, so a restart finds its own free
AMQP_GREETING: Final = b"AMQP\x00\x00\x09\x01"

RABBITMQ_PLACES: Final = ("/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin", "/opt/homebrew/sbin", "/usr/local/sbin")
POSTGRES_PLACES: Final = ("/usr/lib/postgresql/*/bin", "/opt/homebrew/opt/postgresql*/bin", "/usr/local/pgsql/bin")

INITDB: Final = ("-U", "schakel", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")


def rabbitmq_programs() -> Path | None:
    """The folder of `rabbitmq-server` and `rabbitmqctl`. Debian's in /usr/sbin insist on another user: passed by."""
    return _programs("rabbitmq-server", RABBITMQ_PLACES)


def postgres_programs() -> Path | None:
    """The folder of `initdb` and `postgres`, which Debian does not put on the path; of several the newest."""
    return _programs("initdb", POSTGRES_PLACES)


def _programs(name: str, places: Sequence[str]) -> Path | None:
    for place in places:
        found = sorted(one.parent for one in Path("/").glob(f"{place}/{name}".lstrip("/")))
        if found:
            return found[-1]
    found_on_path = shutil.which(name)
    return Path(found_on_path).resolve().parent if found_on_path else None


def free_port() -> int:
    while True:
        port = random.SystemRandom().choice(PORTS)
        with socket.socket() as one:
            try:
                one.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class Guarded:
    """A new folder for servers, whose guard stops them when this process and its fellows have let go."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="schakel-servers-"))
        self.folder.chmod(0o755)  # PostgreSQL runs as somebody else
        (self.folder / guard.GROUPS).touch()
        (self.folder / guard.USERS).touch()
        hold = hold_on(self.folder)
        assert hold is not None
        self.hold = hold
        subprocess.Popen(
            [sys.executable, str(GUARD), str(self.folder)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def run(self, *command: str, env: dict[str, str], ends_by: signal.Signals, **more: Any) -> subprocess.Popen[bytes]:
        """A server in a process group of its own, which the guard knows of."""
        with (self.folder / f"{Path(command[0]).name}.log").open("ab") as log:
            child = subprocess.Popen(
                command, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, **more
            )
        with (self.folder / guard.GROUPS).open("a", encoding="ascii") as groups:
            groups.write(f"{child.pid} {ends_by.name}\n")
        return child

    def ended(self, child: subprocess.Popen[bytes]) -> None:
        """Nobody kills that process group any more: its number can become another's."""
        path = self.folder / guard.GROUPS
        lines = [one for one in path.read_text(encoding="ascii").splitlines() if int(one.split()[0]) != child.pid]
        path.write_text("".join(f"{one}\n" for one in lines), encoding="ascii")

    def close(self) -> None:
        self.hold.close()


def hold_on(folder: Path) -> IO[bytes] | None:
    """Keeps the servers of a folder until it is closed; None: they have gone, or are going."""
    try:
        users = (folder / guard.USERS).open("rb")
        fcntl.flock(users, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return None
    if not (folder / guard.USERS).exists():
        users.close()
        return None
    return users


class Rabbit:
    """One node of RabbitMQ that a test may kill, wipe and start again: ports and name stay."""

    def __init__(self, guarded: Guarded, *, more: str = "", first: Rabbit | None = None) -> None:
        """`more`: lines for rabbitmq.conf. `first`: the node whose cluster this one joins at its first start; as long
        as there are others that one stays, for its port mapper is theirs."""
        programs = rabbitmq_programs()
        assert programs is not None
        self._programs = programs
        self._guarded = guarded
        self.folder = Path(tempfile.mkdtemp(prefix="rabbitmq-", dir=guarded.folder))
        self.port = free_port()
        self.password = secrets.token_urlsafe(12) if first is None else first.password
        self._cookie = secrets.token_hex(16) if first is None else first._cookie
        self._first = first
        self._mapper_port = free_port() if first is None else first._mapper_port
        self._distribution_port = free_port()
        self._running: list[subprocess.Popen[bytes]] = []
        self._write_files(more)

    @property
    def url(self) -> str:
        return f"amqp://schakel:{self.password}@127.0.0.1:{self.port}/"

    @property
    def name(self) -> str:
        return f"schakel-{self.port}@localhost"

    def _write_files(self, more: str) -> None:
        (self.folder / "plugins").write_text("[].\n", encoding="ascii")
        (self.folder / "none").touch()
        cookie = self.folder / ".erlang.cookie"
        cookie.write_text(self._cookie, encoding="ascii")
        cookie.chmod(0o400)
        (self.folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self.port}\n"
            f"default_user = schakel\ndefault_pass = {self.password}\n"
            "disk_free_limit.absolute = 50MB\n"
            "raft.wal_max_size_bytes = 33554432\n"
            "log.file.level = warning\n"
            f"{more}",
            encoding="ascii",
        )

    def _environment(self) -> dict[str, str]:
        own = {name: value for name, value in os.environ.items() if not name.startswith(("RABBITMQ_", "ERL_"))}
        return own | {
            "HOME": str(self.folder),
            "ERL_EPMD_PORT": str(self._mapper_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": self.name,
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self._distribution_port),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.folder / "absent"),
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "none"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(self.folder / "generated"),
            "RABBITMQ_PID_FILE": str(self.folder / "pid"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none",
        }

    def start(self) -> None:
        """Returns when it greets."""
        env, new = self._environment(), not (self.folder / "data").exists()
        if self._first is None:
            mapper = shutil.which("epmd") or "epmd"
            mapping = self._guarded.run(mapper, "-port", str(self._mapper_port), env=env, ends_by=signal.SIGKILL)
            self._running = [mapping]
            _wait(self._maps, mapping, self._said)  # Erlang starts one of its own when it finds none, and leaves it
        self._running.append(
            self._guarded.run(str(self._programs / "rabbitmq-server"), env=env, ends_by=signal.SIGKILL)
        )
        _wait(self._greets, self._running[-1], self._said)
        if self._first is not None and new:
            for words in (("stop_app",), ("join_cluster", self._first.name), ("start_app",)):
                self.control(*words)
            _wait(self._greets, self._running[-1], self._said)

    def _maps(self) -> bool:
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", self._mapper_port)) == 0

    def _greets(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as one:
                one.sendall(AMQP_GREETING)
                return one.recv(1) == b"\x01"
        except OSError:
            return False

    def _said(self) -> str:
        logs = self._guarded.folder.glob("*.log")
        return "\n".join(log.read_text(encoding="utf-8", errors="replace") for log in logs)

    @property
    def runs(self) -> bool:
        return bool(self._running)

    def kill(self) -> None:
        """SIGKILL, to the whole server at once."""
        for child in self._running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            self._guarded.ended(child)
        self._running = []

    def wipe(self) -> None:
        """Everything it kept is gone; it must not run."""
        assert not self._running
        shutil.rmtree(self.folder / "data", ignore_errors=True)

    def control(self, *words: str) -> str:
        """`rabbitmqctl WORDS`."""
        done = subprocess.run(
            [str(self._programs / "rabbitmqctl"), "-q", *words],
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=STARTS_WITHIN,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


class Postgres:
    """A PostgreSQL that a test may kill and start again; trusts whoever reaches its port on loopback."""

    def __init__(self, guarded: Guarded, *, durable: bool = False) -> None:
        """`durable`: what is committed is on the disk. The tests kill the server and never the machine."""
        programs = postgres_programs()
        assert programs is not None
        self._durable = durable
        self._programs = programs
        self._guarded = guarded
        self._user = _somebody_else()
        self.folder = Path(tempfile.mkdtemp(prefix="postgres-", dir=guarded.folder))
        self.port = free_port()
        self._running: subprocess.Popen[bytes] | None = None
        if self._user is not None:
            os.chown(self.folder, self._user.pw_uid, self._user.pw_gid)

    @property
    def url(self) -> str:
        return f"postgresql://schakel@127.0.0.1:{self.port}/postgres"

    @property
    def runs(self) -> bool:
        return self._running is not None

    def start(self) -> None:
        """Returns when it takes connections."""
        data, how = self.folder / "data", self._as_user()
        if not data.exists():
            made = subprocess.run(
                [str(self._programs / "initdb"), "-D", str(data), *INITDB],
                capture_output=True,
                text=True,
                check=False,
                cwd=self.folder,
                **how,
            )
            assert made.returncode == 0, made.stdout + made.stderr
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "fsync": "on" if self._durable else "off",
            "max_connections": "300",
            "timezone": "UTC",
        }
        self._running = self._guarded.run(
            str(self._programs / "postgres"),
            "-D",
            str(data),
            *(f"--{name}={value}" for name, value in options.items()),
            env={name: value for name, value in os.environ.items() if not name.startswith("PG")},
            ends_by=signal.SIGQUIT,
            cwd=self.folder,
            **how,
        )
        _wait(self._accepts, self._running, self._said)

    def _accepts(self) -> bool:
        ready = str(self._programs / "pg_isready")
        asked = [ready, "-q", "-h", "127.0.0.1", "-p", str(self.port), "-d", "postgres"]
        return subprocess.run(asked, check=False).returncode == 0

    def _said(self) -> str:
        return (self._guarded.folder / "postgres.log").read_text(encoding="utf-8", errors="replace")

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT: at once and in order; SIGQUIT: as after a crash. Its processes have no group left to kill: each has
        one of its own, so SIGKILL to the first of them is what a test can do worse."""
        assert self._running is not None
        self._running.send_signal(how)
        self._running.wait(STARTS_WITHIN)
        self._guarded.ended(self._running)
        self._running = None

    def _as_user(self) -> dict[str, Any]:
        if self._user is None:
            return {}
        return {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}


def _somebody_else() -> pwd.struct_passwd | None:
    """PostgreSQL refuses to run as root: then it runs as `postgres`, or as `nobody`."""
    if os.geteuid() != 0:
        return None
    known = {one.pw_name: one for one in pwd.getpwall()}
    return known.get("postgres") or known["nobody"]


def _wait(ready: Callable[[], bool], child: subprocess.Popen[bytes], said: Callable[[], str]) -> None:
    until = time.monotonic() + STARTS_WITHIN
    while not ready():
        assert child.poll() is None, f"the server ended while it started\n{said()}"
        assert time.monotonic() < until, f"the server does not start\n{said()}"
        time.sleep(0.05)
