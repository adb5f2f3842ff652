# SPDX-License-Identifier: EUPL-1.2
"""A hub as an operator runs it: a home on disk, `schakel serve` as a process of its own, senders over HTTP.

A test starts it, kills it, starts it again, and reads afterwards what is on disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

import apsw
import httpx2
import psycopg
import yaml

from schakel.bootstrap import initialise, open_books, region_folder
from schakel.demo.signature import Verifier
from schakel.keys import new_key
from schakel.region import Region
from schakel.region_files import load_region
from schakel.settings import Settings
from schakel.webhook_secrets import new_secret, read_text
from tests.support import nursery
from tests.support.messages import Message
from tests.support.recipients import ALARMS, Recipients

LEASE: Final = 20.0  # seconds; longer than a lease lasts
WITHIN: Final = 60.0  # seconds in which anything a test waits for must have happened
LOOK_EVERY: Final = 0.03  # seconds
UNDER_WAY: Final = "SELECT count(*) FROM delivery WHERE state IN ('waiting', 'sending', 'notified')"
HERE: Final = " AND datname = current_database()"
RETRY: Final = ("0s", "1s", "1s", "2s")


@dataclass(frozen=True, slots=True)
class Said:
    """What the hub answered a sender. A 202 is a promise: nothing of it may be lost."""

    message: Message
    status: int
    body: dict[str, Any]
    retry_after: str | None = None

    @property
    def accepted(self) -> bool:
        return self.status == 202


@dataclass(slots=True)
class Home:
    """Everything of one hub that outlives its process, with the recipients around it."""

    folder: Path
    region: Region
    keys: dict[str, str]
    recipients: Recipients
    later: float = 0.0  # seconds that the clock of its next process is ahead
    clock: Path | None = None  # a file that says how far the clock is ahead: see launch.py
    poison: str = ""  # whoever opens a message that holds this dies of it: see launch.py
    disk: Path | None = None  # a file that says what is wrong with the disk: see launch.py
    settings: dict[str, str] = field(default_factory=dict)  # of its next process, beside those below
    server: str = ""  # URL of its database; empty: a file in its home
    _running: list[Process] = field(default_factory=list)

    @property
    def database(self) -> Path:
        return self.folder / "home" / "schakel.sqlite"

    def environment(self, failpoint: str = "") -> dict[str, str]:
        own = {name: value for name, value in os.environ.items() if not name.startswith(("SCHAKEL_", "TEST_"))}
        own |= {
            "SCHAKEL_HOME": str(self.folder / "home"),
            "SCHAKEL_REGION_OVERLAY": str(self.folder / "overlay"),
            "SCHAKEL_PORT": "0",
            "SCHAKEL_REQUESTS_PER_MINUTE": "100000",
            **self.settings,
        }
        if failpoint:
            own["SCHAKEL_FAILPOINT"] = failpoint
        if self.later:
            own["TEST_LATER"] = str(self.later)
        if self.clock is not None:
            own["TEST_CLOCK"] = str(self.clock)
        if self.poison:
            own["TEST_POISON"] = self.poison
        if self.disk is not None:
            own["TEST_DISK"] = str(self.disk)
        return own

    async def start(self, *, failpoint: str = "") -> Process:
        """Runs `schakel serve`; returns when it listens, or has died on the way there."""
        log = self.folder / "serve.log"
        start = log.stat().st_size if log.exists() else 0
        process = Process(self, await nursery.start(["serve"], self.environment(failpoint), log))
        self._running.append(process)
        await process.listens(start)
        assert process.url or failpoint, self.log()
        return process

    async def run(self, *arguments: str, failpoint: str = "") -> tuple[int, str]:
        """A command beside the hub: exit code (negative: killed by that signal) and stdout."""
        code, out, errors = await nursery.run(arguments, self.environment(failpoint))
        with (self.folder / "commands.log").open("a", encoding="utf-8") as log:
            log.write(errors)
        return code, out

    async def json(self, *arguments: str) -> Any:
        """What a command says with `--json`; it must end well."""
        code, out = await self.run(*arguments, "--json")
        assert code == 0, f"schakel {' '.join(arguments)}: {code}\n{out}"
        return json.loads(out)

    def log(self) -> str:
        log = self.folder / "serve.log"
        return log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""

    # -- what is on disk

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """From the database as it is now, beside a hub that runs."""
        if self.server:
            with psycopg.connect(self.server, autocommit=True) as side:
                return side.execute(sql.replace("?", "%s").encode(), values or None).fetchall()
        with contextlib.closing(apsw.Connection(str(self.database), flags=apsw.SQLITE_OPEN_READONLY)) as connection:
            connection.set_busy_timeout(5_000)
            return list(connection.execute(sql, values))

    def count(self, sql: str, *values: Any) -> int:
        return int(self.rows(sql, *values)[0][0])

    @contextlib.contextmanager
    def after_death(self) -> Iterator[Callable[[str], int]]:
        """The database as the next process will find it: of a file from a copy, as looking must not repair anything; on
        a server when that has noticed the death."""
        if self.server:
            self._undone()
            yield self.count
            return
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            for part in self.database.parent.glob(f"{self.database.name}*"):
                shutil.copy2(part, folder)
            copy = Path(folder) / self.database.name
            with contextlib.closing(apsw.Connection(str(copy), flags=apsw.SQLITE_OPEN_READWRITE)) as connection:
                assert list(connection.execute("PRAGMA integrity_check")) == [("ok",)]

                def look(sql: str) -> int:
                    (row,) = connection.execute(sql)
                    return int(row[0])

                yield look

    def _undone(self) -> None:
        """The server has taken back what was not committed."""
        end = time.monotonic() + WITHIN
        while self.count("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'schakel'" + HERE):
            assert time.monotonic() < end, "the server still holds on to who died"
            time.sleep(LOOK_EVERY)

    async def until(self, sql: str, wanted: int = 0) -> None:
        """Waits until the query counts `wanted`."""
        await until(lambda: self.count(sql) == wanted, f"{sql} is not {wanted}", self.log)

    # -- what was promised, and what came

    def partner(self, name: str) -> str:
        """The id of the partner that a reply calls by its name."""
        return next(one.id for one in self.region.partners if one.name == name)

    def promised(self, said: Sequence[Said]) -> set[tuple[str, str]]:
        """(recipient, message id) for everything that a 202 said would be delivered."""
        return {
            (self.partner(notice["recipient"]), one.body["id"])
            for one in said
            if one.accepted
            for notice in one.body["recipients"]
            if notice["outcome"] == "deliver"
        }

    def arrived(self) -> set[tuple[str, str]]:
        return {(partner, one.message) for partner, all_ in self.recipients.journals().items() for one in all_}

    async def read_mailboxes(self, url: str) -> None:
        """Each partner that polls: fetches what waits, writes it down, and only then gives a receipt."""
        polls = {one.id for one in self.region.partners if one.receives and one.receives.channel == "mailbox"}
        for (partner,) in self.rows("SELECT partner FROM recipient ORDER BY partner"):
            if partner in polls:
                await self.read_mailbox(url, partner)

    async def read_mailbox(self, url: str, partner: str) -> None:
        """By what it has, not by what the hub thinks it has: what was fetched and never came is fetched again."""
        have = {one.id for one in self.recipients.journal(partner)}
        async with self.client(url, partner) as client:
            listed = (await client.get("/v1/mailbox?after=0&limit=500")).raise_for_status().json()["entries"]
            for entry in listed:
                if entry["deliveryId"] not in have and entry["state"] not in ("superseded", "dropped"):
                    path = f"/v1/mailbox/{entry['number']}"
                    content = await client.get(path)
                    if content.status_code in (410, 503):
                        continue  # another has taken its place, further on in the list; or it is being made: later
                    body = content.raise_for_status().content
                    self.recipients.write(partner, entry["deliveryId"], body, content=content.json(), how="mailbox")
                    (await client.post(f"{path}/receipt")).raise_for_status()

    async def drained(self, process: Process) -> None:
        """Until every delivery has reached its recipient; mailboxes are read on the way."""

        async def over() -> bool:
            await self.read_mailboxes(process.url)
            return not self.count(UNDER_WAY)

        await until(over, "deliveries are still under way", self.log)

    async def told(self) -> None:
        """Until every alarm has reached a human (one that goes off while we look too), and the audit is linked."""
        await until(
            lambda: len(self.recipients.alarms) >= self.count("SELECT count(*) FROM alarm"),
            "fewer alarms reached a human than went off",
            self.log,
        )
        await self.until("SELECT count(*) FROM alarm WHERE acknowledged_by IS NULL AND delivered_at IS NULL")
        await self.until("SELECT count(*) FROM audit WHERE position IS NULL")

    def client(self, url: str, partner: str) -> httpx2.AsyncClient:
        headers = {"authorization": f"Bearer {self.keys[partner]}"}
        return httpx2.AsyncClient(base_url=url, headers=headers, trust_env=False, verify=False, timeout=WITHIN)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for process in self._running:
            await process.kill()
        await self.recipients.aclose()


@dataclass(slots=True)
class Process:
    """One `schakel serve`. `url` is empty when it died before it listened."""

    home: Home
    child: nursery.Child
    url: str = ""

    async def listens(self, start: int) -> None:
        """Reads its address from what it says."""

        def said() -> bool:
            lines = self.home.log().encode()[start:].decode().splitlines()
            self.url = next((line.split()[2] for line in lines if line.startswith("listens on ")), "")
            return bool(self.url) or self.child.returncode is not None

        await until(said, "it does not listen", self.home.log)

    async def died(self) -> int:
        """The exit code, once it is there: -9 after SIGKILL."""
        return await asyncio.wait_for(self.child.wait(), WITHIN)

    async def kill(self) -> None:
        """SIGKILL, to this process alone."""
        if self.child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.child.kill()
        await self.died()

    async def end(self) -> None:
        """SIGTERM: it ends as an operator ends it."""
        self.child.send_signal(signal.SIGTERM)
        assert await self.died() == 0, self.home.log()

    async def hand_in(self, message: Message) -> Said | None:
        """As the source would. None: no answer came, so the source knows nothing and will send it again."""
        try:
            async with self.home.client(self.url, message.source) as client:
                answer = await client.post(
                    "/v1/referrals", content=message.body, headers={"content-type": message.media_type}
                )
        except httpx2.TransportError:
            return None
        return Said(message, answer.status_code, answer.json(), answer.headers.get("retry-after"))


async def until(condition: Any, what: str, log: Any = lambda: "") -> None:
    """Looks until the condition (which may be awaitable) holds. Fails after a bounded time, with the hub's log."""
    loop = asyncio.get_running_loop()
    end = loop.time() + WITHIN
    while loop.time() < end:
        holds = condition()
        if await holds if asyncio.iscoroutine(holds) else holds:
            return
        await asyncio.sleep(LOOK_EVERY)
    raise AssertionError(f"after {WITHIN} s: {what}\n{log()}")


@contextlib.asynccontextmanager
async def open_home(folder: Path, server: str = "") -> AsyncIterator[Home]:
    """A new home: keys, database, an API key for everybody, webhook secrets, and an overlay that leads to loopback.

    `server`: URL of an empty database; else it is a file."""
    recipients = Recipients(folder / "journals")
    await recipients.start()
    region = load_region(region_folder("haaglanden"))
    write_overlay(folder / "overlay", region, recipients)
    settings = Settings(_env_file=None, home=folder / "home", region_overlay=folder / "overlay", database_url=server)
    initialise(settings)
    async with Home(folder, region, await _hand_out(settings, region, recipients), recipients, server=server) as home:
        if server:
            home.settings["SCHAKEL_DATABASE_URL"] = server
        yield home


async def _hand_out(settings: Settings, region: Region, recipients: Recipients) -> dict[str, str]:
    """An API key for whoever sends or receives, a secret for whoever takes webhooks."""
    keys: dict[str, str] = {}
    books = open_books(settings)
    store, vault = books.store, books.vault
    now = datetime.now(UTC)
    for partner in region.partners:
        if partner.receives or partner.sends:
            keys[partner.id], row = new_key(partner.id, now=now)
            await store.add_key(row)
        if partner.receives and partner.receives.channel == "webhook":
            text, secret = new_secret(partner.id, "v1", vault=vault, now=now)
            await store.add_secret(secret)
            recipients.verifiers[partner.id] = Verifier(secrets=(read_text(text),))
    await books.aclose()
    return keys


def write_overlay(folder: Path, region: Region, recipients: Recipients) -> None:
    folder.mkdir(parents=True)
    partners = [
        {"id": one.id, "receives": {"url": recipients.url(one.id), "mode": "full"}}
        for one in region.partners
        if one.receives and one.receives.channel == "webhook"
    ]
    files: dict[str, Any] = {
        "partners.yaml": {"partners": partners},
        "deadlines.yaml": {"retry": list(RETRY), "probe_every": "2s", "alarm_retry": ["0s", "1s"]},
        "region.yaml": {
            "alarms": [
                {"owner": owner, "mail": [], "webhooks": [recipients.url(ALARMS)]}
                for owner in sorted({route.owner for route in region.alarms})
            ]
        },
    }
    for name, content in files.items():
        (folder / name).write_text(yaml.safe_dump(content), encoding="utf-8")
