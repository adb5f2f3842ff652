# SPDX-License-Identifier: EUPL-1.2
"""A backup that is made under load and put back elsewhere: what it has goes on under its own ids, and the accountant
says what it has not. Without its keys it is refused.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import shutil
import subprocess
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from schakel.vault import create_key_file
from tests.support import nursery
from tests.support.hub import WITHIN, until
from tests.support.messages import referral
from tests.support.parts import Parts, open_parts
from tests.support.private import postgres_programs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

LEAD = "vvt"
BEFORE, DURING, AFTER = range(1, 4), range(4, 10), range(10, 13)  # referrals, by their number
USAGE = 2
WHY = ("--by", "A. de Tester", "--reason", "de ontvanger is er weer")
EITHER = ("sqlite", "postgresql")


@dataclass
class Place:
    """Where a hub keeps its books, and how that is copied and put back."""

    settings: dict[str, str]
    file: Path

    async def copy(self, parts: Parts) -> None:
        await parts.run("db", "backup", str(self.file))

    def put_back(self, home: Path) -> dict[str, str]:
        """The settings of a hub that runs on it."""
        shutil.copy2(self.file, home / "schakel.sqlite")
        return {}


@dataclass
class Server(Place):
    url: str
    another: str

    async def copy(self, parts: Parts) -> None:
        await asyncio.to_thread(program, "pg_dump", "--format=custom", f"--file={self.file}", self.url)

    def put_back(self, home: Path) -> dict[str, str]:
        program("pg_restore", "--exit-on-error", f"--dbname={self.another}", str(self.file))
        return {"SCHAKEL_DATABASE_URL": self.another}


def program(name: str, *words: str) -> None:
    folder = postgres_programs()
    path = shutil.which(name, path=str(folder)) if folder else None
    done = subprocess.run([path or name, *words], capture_output=True, text=True, check=False, timeout=WITHIN)
    assert done.returncode == 0, done.stderr


@pytest.fixture(params=EITHER)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    file = tmp_path / "backup"
    if request.param == "sqlite":
        yield Place({}, file)
        return
    url = request.getfixturevalue("database_url")
    with another_database(url) as another:
        yield Server({"SCHAKEL_DATABASE_URL": url}, file, url, another)


@contextlib.contextmanager
def another_database(url: str) -> Iterator[str]:
    name = f"{urlsplit(url).path[1:]}_again"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield urlsplit(url)._replace(path=f"/{name}").geturl()
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@contextlib.asynccontextmanager
async def backed_up(folder: Path, place: Place) -> AsyncIterator[tuple[Parts, dict[str, str]]]:
    """A backup from the middle of a stream; then all arrives, more is accepted and arrives, and the machine is gone.

    With the parts: message reference → id, of what the backup has."""
    async with open_parts(folder, place.settings) as parts:
        refuses = {LEAD}

        async def moody(partner: str) -> int:
            return 503 if partner in refuses else 204

        parts.recipients.behave = moody
        hub = await parts.start("serve")
        ids = {n: await parts.hand_in(hub.url, referral(n)) for n in BEFORE}
        streams = [asyncio.create_task(parts.hand_in(hub.url, referral(n))) for n in DURING]
        await place.copy(parts)
        during = dict(zip(DURING, await asyncio.gather(*streams), strict=True))
        refuses.clear()
        await parts.run("deliveries", "retry", "--partner", LEAD, "--yes", *WHY)  # its breaker is open
        after = {n: await parts.hand_in(hub.url, referral(n)) for n in AFTER}
        await parts.drained()
        await hub.kill()
        assert len(arrived(parts)) == 2 * len(ids | during | after)
        yield parts, {referral(n).reference: id for n, id in (ids | during | after).items()}


@pytest.mark.fault("backup under load, put back elsewhere")
async def test_a_backup_goes_on_elsewhere_under_its_own_ids_and_names_what_it_has_not(
    tmp_path: Path, place: Place
) -> None:
    async with backed_up(tmp_path, place) as (parts, ids):
        before = deliveries(parts)
        partners = {partner for partner, _ in before}
        elsewhere(parts, tmp_path / "elsewhere", place)
        journals = [
            word
            for partner in sorted(partners)
            for word in ("--journal", f"{partner}={parts.recipients.folder / partner}.jsonl")
        ]
        report = await parts.run("verify", *journals, code=1)
        named = {tuple(one["object"].split()) for one in report["holes"] if one["rule"] == "journal:unknown"}
        assert {(partner, one) for (partner, id), (one,) in before.items() if id in late(ids)} <= named
        assert report["counts"]["lost"] == 0

        hub = await parts.start("serve")
        await parts.run("deliveries", "retry", "--partner", LEAD, "--yes", *WHY)  # open in the copy too
        again = {referral(n).reference: await parts.hand_in(hub.url, referral(n)) for n in (*BEFORE, *DURING, *AFTER)}
        kept = {reference for reference, id in again.items() if ids[reference] == id}
        assert {referral(n).reference for n in BEFORE} <= kept
        assert kept.isdisjoint({referral(n).reference for n in AFTER})
        assert len(named) == 2 * len(ids.keys() - kept)  # exactly what it does not know any more
        promised = {(partner, id) for partner in partners for id in again.values()}
        await until(lambda: promised <= arrived(parts), "not all arrived", parts.logs)
        for (_, message), delivery_ids in deliveries(parts).items():
            assert len(delivery_ids) == 1, message  # what the backup has never comes under a new id
        assert all(len(contents) == 1 for contents in contents_of(parts).values())
        await until(lambda: well(parts), "the accountant finds something", parts.logs)
        await hub.end()


@pytest.mark.fault("backup put back without its keys, or with others")
@pytest.mark.parametrize("place", EITHER if os.environ.get("SCHAKEL_FAULTS") == "long" else EITHER[:1], indirect=True)
async def test_a_backup_without_its_keys_is_refused_in_words(tmp_path: Path, place: Place) -> None:
    async with open_parts(tmp_path, place.settings) as parts:
        hub = await parts.start("serve")
        await parts.hand_in(hub.url, referral(1))
        await parts.drained()
        await parts.linked()
        await place.copy(parts)
        await hub.end()
        home = tmp_path / "elsewhere"
        elsewhere(parts, home, place)
        (home / "keys.json").unlink()
        assert "keys:absent" in await refused(parts)
        create_key_file(home / "keys.json")
        assert "keys:of-another-database" in await refused(parts)
        shutil.copy2(tmp_path / "home" / "keys.json", home / "keys.json")
        await (await parts.start("serve")).end()


async def test_a_backup_is_never_written_over_a_file_and_is_its_owners_alone(tmp_path: Path) -> None:
    place = Place({}, tmp_path / "backup")
    async with open_parts(tmp_path, {}) as parts:
        await place.copy(parts)
        assert place.file.stat().st_mode & 0o777 == 0o600
        assert "backup:exists" in await refused(parts, "db", "backup", str(place.file))


def elsewhere(parts: Parts, home: Path, place: Place) -> None:
    """From now on the parts are another machine: the keys from the safe, the database from the backup."""
    home.mkdir()
    shutil.copy2(parts.folder / "home" / "keys.json", home / "keys.json")
    parts.settings = {"SCHAKEL_HOME": str(home), **place.put_back(home)}


async def refused(parts: Parts, *words: str) -> str:
    """What a command says that ends as wrongly configured."""
    code, _, errors = await nursery.run(words or ("serve",), parts.environment())
    assert code == USAGE, errors
    return errors


async def well(parts: Parts) -> bool:
    """Whether the accountant finds nothing any more: what it had in hand at the copy is linked and told first."""
    code, _, _ = await nursery.run(["verify"], parts.environment())
    return code == 0


def late(ids: dict[str, str]) -> set[str]:
    """Messages that were accepted when the backup had been made."""
    return {ids[referral(n).reference] for n in AFTER}


def arrived(parts: Parts) -> set[tuple[str, str]]:
    return set(deliveries(parts))


def deliveries(parts: Parts) -> dict[tuple[str, str], set[str]]:
    """(partner, message) → the ids under which it came."""
    found: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for partner, arrivals in parts.recipients.journals().items():
        for one in arrivals:
            found[partner, one.message].add(one.id)
    return dict(found)


def contents_of(parts: Parts) -> dict[tuple[str, str], set[str]]:
    """(partner, delivery) → what it said. Its envelope may bear another time: what the backup had not rendered yet is
    rendered anew."""
    found: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for path in parts.recipients.folder.glob("*.jsonl"):
        for line in path.read_text(encoding="utf-8").splitlines():
            written = json.loads(line)
            event = json.loads(base64.b64decode(written["body"]))
            found[path.stem, written["id"]].add(json.dumps(event["data"], sort_keys=True))
    return dict(found)
