# SPDX-License-Identifier: EUPL-1.2
"""PostgreSQL restarts, ends connections, is in its own way, slow, full or out of reach: under a hub in parts.

Refused with 503 or 507 and a Retry-After, within a bounded time, and taken when it is sent again: nothing is lost, and
what was in doubt at COMMIT is there once.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
import pytest_asyncio

from schakel.store.connections_postgres import connect_once
from tests.faults.proxy import ANSWER_LOST, BLACKHOLE, Ending, Proxy, latency, open_proxy
from tests.faults.standing import Standing, stand
from tests.support.hub import Said, until
from tests.support.messages import Message
from tests.support.private import Guarded, Postgres
from tests.support.servers import POSTGRESQL, need, new_database

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.asyncio(loop_scope="module")]

Side = psycopg.Connection[Any]

LONG: Final = os.environ.get("SCHAKEL_FAULTS") == "long"
PATIENCE: Final = "20" if LONG else "10"  # seconds in which the door answers, here; a slow database needs some
LEASE: Final = {} if LONG else {"TEST_LEASE": "6"}  # what nobody could finish comes again sooner
SLOWLY: Final = 10 if LONG else 4  # referrals that a slow database takes
ROUND_TRIP: Final = 0.2  # seconds, of a slow database
DISK: Final = "160m"
GATE: Final = 4711  # an advisory lock: who holds it holds up every COMMIT of a referral

# From here on COMMIT of a transaction with a referral waits until nobody holds the gate.
GATED: Final = f"""
CREATE FUNCTION gate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('lock_timeout', '0', true);
    PERFORM pg_advisory_xact_lock_shared({GATE});
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER gate AFTER INSERT ON message DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION gate()"""
AT_THE_GATE: Final = """
SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid = %s AND objsubid = 1"""
WAITS_FOR: Final = "SELECT 1 FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))"
MESSAGES: Final = "SELECT count(*) FROM message"

# So many statements on these tables fail as two transactions that were in each other's way.
ROUGH: Final = """
CREATE SEQUENCE roughness;
CREATE FUNCTION rough() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF random() < TG_ARGV[0]::float THEN
        PERFORM nextval('roughness');
        RAISE EXCEPTION USING ERRCODE = (ARRAY['40001', '40P01', '55P03'])[1 + floor(random() * 3)], MESSAGE = 'rough';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER rough AFTER INSERT ON message FOR EACH STATEMENT EXECUTE FUNCTION rough('0.2');
CREATE TRIGGER rough AFTER UPDATE ON lane FOR EACH STATEMENT EXECUTE FUNCTION rough('0.05');
CREATE TRIGGER rough AFTER UPDATE ON delivery FOR EACH STATEMENT EXECUTE FUNCTION rough('0.05')"""
SMOOTH: Final = "DROP FUNCTION rough CASCADE; DROP SEQUENCE roughness"
NO_ROOM: Final = """
CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = '53100', MESSAGE = 'no room';
END $$;
CREATE TRIGGER no_room AFTER INSERT ON message FOR EACH STATEMENT EXECUTE FUNCTION no_room();
CREATE TRIGGER no_room AFTER UPDATE ON write_probe FOR EACH STATEMENT EXECUTE FUNCTION no_room()"""
END_CONNECTIONS: Final = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'schakel'"""


@dataclass(frozen=True, slots=True)
class Setting:
    """A hub whose way to its database is in the hands of the test."""

    standing: Standing
    server: Postgres
    proxy: Proxy
    database: str  # straight to it
    filler: Path | None  # a file on the database's own small disk; None: we may not mount one

    def side(self) -> psycopg.Connection[Any]:
        """As an administrator, by another name than the hub's."""
        return psycopg.connect(self.database, autocommit=True)


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    need(POSTGRESQL)
    with contextlib.closing(Guarded()) as guarded:
        one = Postgres(guarded)
        one.start()
        yield one


@contextlib.contextmanager
def small_disk(server: Postgres, database: str) -> Iterator[Path | None]:
    """Brings the database to a disk of its own, in memory, where we may mount one."""
    place = server.folder / "small"
    place.mkdir()
    mounted = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mounted, check=False, capture_output=True).returncode:
        yield None
        return
    try:
        owner = (server.folder / "data").stat()
        os.chown(place, owner.st_uid, owner.st_gid)
        with psycopg.connect(server.url, autocommit=True) as side:
            side.execute(f"CREATE TABLESPACE small LOCATION '{place}'".encode())
            side.execute(f"ALTER DATABASE {database.rpartition('/')[2]} SET TABLESPACE small".encode())
        yield place / "filler"
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def setting(
    tmp_path_factory: pytest.TempPathFactory, server: Postgres, broker_url: str
) -> AsyncIterator[Setting]:
    with new_database(server.url) as database, small_disk(server, database) as filler:
        async with open_proxy(database) as proxy:
            settings = {
                "SCHAKEL_DATABASE_URL": proxy.through(database),
                "SCHAKEL_BROKER_URL": broker_url,
                "SCHAKEL_ANSWER_TIMEOUT": PATIENCE,
                **LEASE,
            }
            beside = {"SCHAKEL_DATABASE_URL": database}
            async with stand(tmp_path_factory.mktemp("hub"), settings, beside=beside) as standing:
                yield Setting(standing, server, proxy, database, filler)


@pytest_asyncio.fixture(loop_scope="module")
async def hub(setting: Setting) -> Setting:
    """Whole, whatever the test before left."""
    if not setting.server.runs:
        await asyncio.to_thread(setting.server.start)
    await setting.proxy.heal()
    if setting.filler is not None:
        setting.filler.unlink(missing_ok=True)
    with setting.side() as side:
        await change(side, "DROP FUNCTION IF EXISTS gate, rough, no_room CASCADE")
        await change(side, "DROP SEQUENCE IF EXISTS roughness")
    await setting.standing.whole()
    return setting


async def change(side: Side, sql: str) -> None:
    """What waits for a lock waits beside the loop: in it runs the proxy through which those who hold the lock go on.
    Whoever loses a deadlock with the hub tries again, as the hub does."""
    for _ in range(20):
        with contextlib.suppress(psycopg.errors.DeadlockDetected):
            await asyncio.to_thread(side.execute, sql.encode())
            return
    raise AssertionError("twenty deadlocks")


async def until_ready(hub: Setting) -> None:
    async def ready() -> bool:
        return (await hub.standing.ready())[0] == 200

    await until(ready, "it does not come back", hub.standing.parts.logs)


@pytest.mark.fault("PostgreSQL restarted under load")
@pytest.mark.parametrize("how", [signal.SIGQUIT, *([signal.SIGINT] if LONG else [])], ids=str)
async def test_a_database_that_goes_and_comes_back_loses_nothing(hub: Setting, how: signal.Signals) -> None:
    async with hub.standing.under_load() as senders:
        await senders.more(5)
        await asyncio.to_thread(hub.server.stop, how)
        await senders.refusals(5)
        assert (await hub.standing.ready())[0] == 503
        await asyncio.to_thread(hub.server.start)
        await senders.more(5)
        assert set(senders.not_now) == {503}
        await until_ready(hub)


@pytest.mark.fault("PostgreSQL ends connections at random moments under load")
async def test_connections_that_end_at_any_moment_lose_nothing(hub: Setting) -> None:
    plan = random.Random(hub.standing.seed)
    with hub.side() as side:
        async with hub.standing.under_load() as senders:
            await senders.more(5)
            ended = 0
            for _ in range(10):
                await asyncio.sleep(plan.uniform(0.05, 0.4))
                ((count,),) = side.execute(END_CONNECTIONS).fetchall()
                ended += count  # none, when they are just being made anew
            assert ended > 10
            await senders.more(5)


@pytest.mark.fault("serialization failures, deadlocks and lock timeouts in PostgreSQL, under load")
async def test_transactions_in_each_others_way_lose_nothing(hub: Setting) -> None:
    with hub.side() as side:
        await change(side, ROUGH)
        async with hub.standing.under_load() as senders:
            await senders.more(10)
            await hub.standing.arrivals(10)
            await until(
                lambda: failures(side) >= 5, "transactions are not in each other's way", hub.standing.parts.logs
            )
            await change(side, SMOOTH)
            await senders.more(5)
            assert set(senders.not_now) <= {503}


def failures(side: Side) -> int:
    (count,) = side.execute("SELECT last_value FROM roughness").fetchone() or (0,)
    return int(count)


# -- COMMIT in doubt: the gate holds up a COMMIT until the test has done what it wants to do to its connection


@contextlib.asynccontextmanager
async def held_at_commit(hub: Setting) -> AsyncIterator[tuple[Message, asyncio.Task[Said], Side, int]]:
    """A message whose transaction waits in its COMMIT: with its sender, and the number of its backend."""
    with hub.side() as side:
        await change(side, GATED)
        await change(side, f"SELECT pg_advisory_lock({GATE})")
        message = hub.standing.household()
        sending = asyncio.create_task(hub.standing.ask(message))
        waiting: list[int] = []

        def waits() -> bool:
            waiting.extend(row[0] for row in side.execute(AT_THE_GATE, [GATE]))
            return bool(waiting)

        await until(waits, "no COMMIT waits", hub.standing.parts.logs)
        yield message, sending, side, waiting[0]
        await change(side, "DROP FUNCTION gate CASCADE")


def open_gate(side: Side) -> None:
    side.execute("SELECT pg_advisory_unlock(%s)", [GATE])


def messages(side: Side) -> int:
    (count,) = side.execute(MESSAGES).fetchone() or (0,)
    return int(count)


async def taken(hub: Setting, message: Message) -> Said:
    """As a sender: again until it is."""
    answers: list[Said] = []

    async def accepted() -> bool:
        answers.append(await hub.standing.ask(message))
        assert answers[-1].status in (202, 503)
        return answers[-1].accepted

    await until(accepted, "it is not taken", hub.standing.parts.logs)
    return answers[-1]


@pytest.mark.fault("PostgreSQL commits, and its answer is lost")
async def test_what_was_committed_and_not_told_is_recognised_when_it_is_sent_again(hub: Setting) -> None:
    async with held_at_commit(hub) as (message, sending, side, _):
        before = messages(side)
        await hub.proxy.set(ANSWER_LOST)
        open_gate(side)
        first = await sending
        assert first.status == 503
        assert first.retry_after is not None
        await hub.proxy.heal()
        assert messages(side) == before + 1
        again = await taken(hub, message)
        assert again.body["duplicate"] is True
        assert messages(side) == before + 1
    await hub.standing.accounted()


@pytest.mark.fault("PostgreSQL ends the connection during COMMIT, and nothing is committed")
async def test_what_was_undone_at_commit_is_new_when_it_is_sent_again(hub: Setting) -> None:
    async with held_at_commit(hub) as (message, sending, side, backend):
        before = messages(side)
        side.execute("SELECT pg_terminate_backend(%s)", [backend])
        first = await sending
        assert first.status == 503
        assert first.retry_after is not None
        assert messages(side) == before
        open_gate(side)
        again = await taken(hub, message)
        assert again.body["duplicate"] is False
        assert messages(side) == before + 1
    await hub.standing.accounted()


@pytest.mark.fault("connection to PostgreSQL lost during COMMIT, which goes on at the server")
async def test_what_is_sent_again_while_its_first_commit_goes_on_waits_for_it(hub: Setting) -> None:
    """The sender is back before the server knows that the hub has gone."""
    async with held_at_commit(hub) as (message, sending, side, backend):
        before = messages(side)
        hub.proxy.sever(Ending.RESET)
        first = await sending
        assert first.status == 503
        again = asyncio.create_task(taken(hub, message))
        await until(
            lambda: side.execute(WAITS_FOR, [backend]).fetchone(), "nobody waits for it", hub.standing.parts.logs
        )
        assert messages(side) == before
        open_gate(side)
        assert (await again).body["duplicate"] is True
        assert messages(side) == before + 1
    await hub.standing.accounted()


# -- slow, silent, full


@pytest.mark.fault("PostgreSQL slow: 200 ms for each round trip")
async def test_a_slow_database_slows_and_loses_nothing(hub: Setting) -> None:
    async with hub.standing.under_load() as senders:
        await hub.proxy.set(latency(ROUND_TRIP / 2))
        await senders.more(SLOWLY)
        await hub.standing.arrivals(SLOWLY)
        assert hub.proxy.felt > 100
        await hub.proxy.heal()


@pytest.mark.fault("PostgreSQL frozen: connections stand and nothing answers; later they go on, or are torn down")
@pytest.mark.parametrize("torn", [True, *([False] if LONG else [])], ids=["torn-down", *(["goes-on"] if LONG else [])])
async def test_nobody_waits_for_a_frozen_database(hub: Setting, torn: bool) -> None:
    async with hub.standing.under_load() as senders:
        await senders.more(3)
        await hub.proxy.set(BLACKHOLE)
        (ready, _), _ = await asyncio.gather(hub.standing.ready(), senders.refusals(3))
        assert ready == 503
        if torn:
            hub.proxy.sever(Ending.RESET)
        await hub.proxy.heal()
        await senders.more(5)
        assert set(senders.not_now) == {503}
        await until_ready(hub)


@pytest.mark.fault("the disk of PostgreSQL is full")
async def test_a_full_disk_is_507_and_passes_by_itself(hub: Setting) -> None:
    with hub.side() as side:
        async with hub.standing.under_load() as senders:
            await senders.more(3)
            if hub.filler is None:
                await change(side, NO_ROOM)  # in the server's own words: no disk of our own to fill
            else:
                fill(hub.filler)
            await until(lambda: senders.not_now[507] >= 3, "the disk is not full", hub.standing.parts.logs)
            assert (await hub.standing.ready())[0] == 503
            if hub.filler is None:
                await change(side, "DROP FUNCTION no_room CASCADE")
            else:
                hub.filler.unlink()
            await senders.more(5)
            assert set(senders.not_now) <= {503, 507}
            await until_ready(hub)


def fill(filler: Path) -> None:
    """To the last byte."""
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(65_536))


@pytest.mark.fault("half-open connection to PostgreSQL: the other side is gone and has not said so")
async def test_the_system_looks_whether_the_other_side_is_there(hub: Setting) -> None:
    """Within some fifteen seconds, on both sides: a connection that is dead is not waited on for hours."""
    with contextlib.closing(connect_once(hub.database)) as connection:
        with socket.socket(fileno=os.dup(connection.fileno())) as ours:
            level = socket.IPPROTO_TCP
            assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            idle, every, times = (
                ours.getsockopt(level, option)
                for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
            )
            assert idle + every * times <= 15
            assert 0 < ours.getsockopt(level, socket.TCP_USER_TIMEOUT) <= 15_000
        theirs = [
            int((connection.execute(f"SHOW tcp_keepalives_{name}".encode()).fetchone() or "0")[0].removesuffix("s"))
            for name in ("idle", "interval", "count")
        ]
        assert 0 < theirs[0] + theirs[1] * theirs[2] <= 15
