# SPDX-License-Identifier: EUPL-1.2
"""Connections to PostgreSQL, which come back by themselves when the server does; and what its errors mean to us."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import TransactionStatus
from psycopg.types.numeric import Int8BinaryDumper
from tenacity import retry, retry_if_exception, stop_after_delay, wait_random_exponential

from schakel.errors import ConfigurationError, Conflict, Finding, Unacceptable
from schakel.store.columns_postgres import teach
from schakel.store.db import not_allowed, unavailable

Connection = psycopg.Connection[Any]
RV = TypeVar("RV")

WAIT: Final = 3.0  # seconds of trying to connect, before the caller hears that the store is absent
PAUSE: Final = 1.0  # seconds in which the next caller hears so at once
ANSWERS_WITHIN: Final = 120.0  # seconds; a server that says nothing for longer counts as gone
_IDLE: Final = 60_000  # ms that a transaction may do nothing: a hub that froze holds up no other for longer
_LOCK: Final = 20_000  # ms that one statement waits for another's commit
_PREPARED: Final = 1000  # statements that stay prepared on a connection

# Notices when the other side is gone, within some fifteen seconds, on both sides.
_LIVELINESS: Final = {
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
_OPTIONS: Final = {
    "timezone": "UTC",
    "idle_in_transaction_session_timeout": _IDLE,
    "lock_timeout": _LOCK,
    "tcp_keepalives_idle": 5,
    "tcp_keepalives_interval": 3,
    "tcp_keepalives_count": 3,
    "jit": "off",  # for queries of minutes; ours take less than its compiling
}


class _Bounded(psycopg.Connection[Any]):
    """Does not wait for ever: the machine of a server that is frozen keeps a connection alive that nobody answers."""

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        try:
            return super().wait(gen, interval, ANSWERS_WITHIN if timeout is None else timeout)
        except psycopg.OperationalError as error:
            if error.sqlstate is None and self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                self.pgconn.finish()  # what was asked is in doubt: nothing more is said on it, also no ROLLBACK
            raise


class Connections:
    """A connection for each thread that asks, kept while it works.

    `ready` is called with each new connection and raises ConfigurationError when the database is not one to work with.
    """

    def __init__(self, url: str, ready: Callable[[Connection], None]) -> None:
        self._wanted = _wanted(url)
        self._ready = ready
        self._own = threading.local()
        self._open: set[Connection] = set()
        self._absent_until = 0.0  # monotonic

    @contextlib.contextmanager
    def use(self) -> Iterator[Connection]:
        """This thread's connection. Raises Unacceptable when there is none to be had."""
        connection: Connection | None = getattr(self._own, "connection", None)
        if connection is None:
            connection = self._own.connection = self._connect()
        try:
            yield connection
        finally:
            if connection.broken or connection.info.transaction_status != TransactionStatus.IDLE:
                self._drop(connection)

    def drop(self) -> None:
        """Closes this thread's connection."""
        connection: Connection | None = getattr(self._own, "connection", None)
        if connection is not None:
            self._drop(connection)

    def close(self) -> None:
        """When no thread uses them any more."""
        for connection in list(self._open):
            connection.close()
        self._open.clear()

    def _drop(self, connection: Connection) -> None:
        self._own.connection = None
        self._open.discard(connection)
        with contextlib.suppress(psycopg.Error):
            connection.close()

    def _connect(self) -> Connection:
        """Tries for seconds; who comes just after that failed hears at once that it did."""
        if time.monotonic() < self._absent_until:
            raise unavailable("store:absent")
        try:
            connection = self._try()
        except psycopg.Error as error:
            self._absent_until = time.monotonic() + PAUSE
            raise translated(error) from None
        self._open.add(connection)
        return connection

    @retry(
        retry=retry_if_exception(lambda error: isinstance(error, psycopg.OperationalError) and lost(error)),
        wait=wait_random_exponential(0.1, max=1),
        stop=stop_after_delay(WAIT),
        reraise=True,
    )
    def _try(self) -> Connection:
        connection = _Bounded.connect(**self._wanted)
        try:
            _settle(connection)
            self._ready(connection)
        except BaseException as error:
            connection.close()
            if isinstance(error, ConfigurationError):
                raise unavailable("store:schema") from error
            raise
        return connection


def connect_once(url: str) -> Connection:
    """For whoever works on a database by itself. Raises psycopg.Error."""
    connection: Connection = psycopg.connect(**_wanted(url))
    _settle(connection)
    return connection


def shown(url: str) -> str:
    """Where a URL leads, for people: server, database and user, and nothing secret. Raises ConfigurationError."""
    try:
        said = conninfo_to_dict(url)
    except psycopg.Error:  # its text can hold the password
        raise ConfigurationError(
            Finding(
                "SCHAKEL_DATABASE_URL",
                "database:url",
                "PostgreSQL kan deze URL niet lezen",
                "PostgreSQL cannot read this URL",
            )
        ) from None
    user = f"{said['user']}@" if said.get("user") else ""
    port = f":{said['port']}" if said.get("port") else ""
    return f"postgresql://{user}{said.get('host') or ''}{port}/{said.get('dbname') or ''}"


def _wanted(url: str) -> dict[str, Any]:
    """What the URL says, with our own options beside it. Raises psycopg.Error for what is no URL of PostgreSQL."""
    said = conninfo_to_dict(url)
    ours = " ".join(f"-c {name}={value}" for name, value in _OPTIONS.items())
    options = f"{ours} {said.get('options') or ''}".strip()
    return {"application_name": "schakel", **_LIVELINESS, **said, "options": options, "autocommit": True}


def _settle(connection: Connection) -> None:
    """Whole numbers are one type, so that a statement is prepared once whatever its values. Raises
    ConfigurationError when a commit would be called done that a power cut can undo."""
    connection.adapters.register_dumper(int, Int8BinaryDumper)
    teach(connection)
    connection.prepared_max = _PREPARED
    found = connection.execute("SHOW synchronous_commit").fetchone()
    if found is None or found[0] not in ("on", "remote_apply"):
        raise ConfigurationError(
            Finding(
                "PostgreSQL",
                "database:synchronous-commit",
                "synchronous_commit moet aan staan: anders kan verdwijnen wat als bewaard is gemeld",
                "synchronous_commit must be on: what was said to be kept could vanish",
            )
        )


# -- foreign errors ----------------------------------------------------------------------------------------------------

_LOST: Final = ("08", "57P")  # the connection, or the server, has gone
_RACE: Final = ("40", "55P03")  # two transactions were in each other's way
_LASTING: Final = ("53", "58", "XX", "25006")  # trying again does not help now
_RULES: Final = {
    "53100": "store:disk-full",
    "53": "store:exhausted",
    "58": "store:disk-error",
    "XX": "store:corrupt",
    "25006": "store:read-only",
    "40": "store:busy",
    "55P03": "store:busy",
    "57P": "store:absent",
    "08": "store:absent",
}


def _state(error: psycopg.Error) -> str:
    """SQLSTATE; a connection that broke has none and counts as 08."""
    return error.sqlstate or ("08006" if isinstance(error, psycopg.OperationalError) else "")


def lost(error: psycopg.Error) -> bool:
    return _state(error).startswith(_LOST)


def race(error: psycopg.Error) -> bool:
    return _state(error).startswith(_RACE)


def lasting(error: psycopg.Error) -> bool:
    return _state(error).startswith(_LASTING)


def translated(error: psycopg.Error) -> Unacceptable | Conflict:
    """One table from PostgreSQL's errors to ours; their texts stay behind, as they can hold a value."""
    state = _state(error)
    if state.startswith("23"):
        return not_allowed()
    rule = next((rule for prefix, rule in _RULES.items() if state.startswith(prefix)), "store:error")
    if state == "53100":
        return unavailable(rule, status=507, retry_after=60)
    return unavailable(rule)
