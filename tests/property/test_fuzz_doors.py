# SPDX-License-Identifier: EUPL-1.2
"""Whatever bytes come to a door: an answer in good time, in bounded memory, and nothing accepted that is not counted.

Over the real ASGI application with a real hub and its database, for every format at both doors, for what a FHIR client
writes and for what lies in the drop folder. A few examples each; `make fuzz` takes more (FUZZ_EXAMPLES), and goes on
with the readers alone. Time is the processor's, for others use the machine too.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import re
import resource
import time
import tracemalloc
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final

import apsw
import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.app import create_app
from connectors.formats import formats
from connectors.formats.fhir_xml_convert import to_xml
from connectors.intakes.drop_folder import SETTLED
from connectors.intakes.file_drop import FileDrop, Pass
from schakel.bootstrap import initialise
from schakel.errors import Refusal
from schakel.keys import new_key
from schakel.log import open_log
from schakel.ports import AnswerFormat, Envelope, Receipt
from schakel.region import Partner
from schakel.settings import Settings
from tests.integration.stage import MovedClock, Stage, household, reopen_stage, thv
from tests.support.hostile import CANARY, LARGEST, examples, mutated
from tests.support.large import large
from tests.support.tables import csv_file, row, workbook

SECONDS: Final = 2.0  # of this process, for one request
ROW: Final = 0.02  # of a file, for each of its rows: each is a message
WAITS: Final = 30.0  # by the clock on the wall: then it hangs
TIMES: Final = 80  # a body's own size, in objects of Python
LEAST: Final = 16 * 1024  # bytes: any request costs something
PROCESS: Final = 512 * 1024  # KiB that the process may grow by
ANSWERS: Final = tuple(name for name, each in formats().items() if isinstance(each, AnswerFormat))
PARTNERS: Final[list[dict[str, Any]]] = [
    {"id": "vvt", "receives": {"answers": list(ANSWERS)}},
]
SOURCES: Final = {
    "fhir-json": "cit",
    "fhir-xml": "cit",
    "thv-json": "thv-pool",
    "thv-csv": "thv-pool",
    "case-json": "thv-pool",
    "stuf-jz": "veilig-thuis",
}
LEAD: Final = "vvt"
LONG: Final = "FUZZ_EXAMPLES" in os.environ
FEW: Final = settings(
    deadline=None,
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "20")),
    database=None,
    suppress_health_check=list(HealthCheck),
)


@dataclass(frozen=True, slots=True)
class Door:
    """Where bytes go, as whom and as what, and good ones to begin with."""

    name: str
    method: str
    path: str
    partner: str
    media_type: str
    bodies: tuple[bytes, ...]
    headers: tuple[tuple[str, str], ...] = ()


@dataclass
class House:
    """A hub on disk behind its application. `reference`: what its lead was asked last."""

    runner: asyncio.Runner
    stage: Stage
    client: httpx2.AsyncClient
    keys: Mapping[str, str]
    accepted: set[str] = field(default_factory=set)
    reference: str = ""
    asked: int = 0

    def ask(self) -> None:
        """About a household that nobody knew: what was answered before may have ended an older request."""
        self.asked += 1
        self.runner.run(self.stage.send("thv-pool", household(self.asked)))
        self.runner.run(self.stage.hub.dispatch.run_once())
        self.reference = self.stage.views()[LEAD][-1]["request"]["reference"]

    def send(self, door: Door, body: bytes) -> httpx2.Response:
        headers = {
            "authorization": f"Bearer {self.keys[door.partner]}",
            "content-type": door.media_type,
            **dict(door.headers),
        }
        path = door.path.format(reference=self.reference)
        sent = self.client.request(door.method, path, content=body, headers=headers)
        return self.runner.run(asyncio.wait_for(sent, WAITS))

    def counted(self) -> None:
        """Everything accepted is in the database and nothing else is; the accountant finds no hole, now and when all
        that could be rendered has gone out."""
        holes = self.runner.run(self.stage.holes())
        assert holes == []
        for _ in range(50):
            if not self.runner.run(self.stage.hub.dispatch.run_once()):
                break
        assert self.runner.run(self.stage.holes()) == []
        connection = apsw.Connection(str(self.stage.hub.settings.database_file), flags=apsw.SQLITE_OPEN_READONLY)
        kept = {row[0] for row in connection.execute("SELECT id FROM raw_referral")}
        connection.close()
        assert kept == self.accepted


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("hub")
    (folder / "overlay").mkdir()
    (folder / "overlay" / "partners.yaml").write_text(json.dumps({"partners": PARTNERS}), encoding="utf-8")
    chosen = Settings(
        _env_file=None,
        home=folder / "home",
        region_overlay=folder / "overlay",
        log_level="error",
        requests_per_minute=10_000_000,
        waiting_limit=100_000,
    )
    initialise(chosen)
    with asyncio.Runner() as runner:
        stage = reopen_stage(chosen, MovedClock())
        keys = {}
        for name in ("cit", "thv-pool", "veilig-thuis", LEAD):
            keys[name], row = new_key(name, now=stage.clock.now())
            runner.run(stage.hub.store.add_key(row))
        through = httpx2.ASGITransport(app=create_app(stage.hub))
        client = httpx2.AsyncClient(transport=through, base_url="http://hub")
        made = House(runner, stage, client, keys)
        _note_accepted(made)
        yield made
        runner.run(client.aclose())
        runner.run(stage.hub.aclose())


def _note_accepted(house: House) -> None:
    """Keeps the id of every message that the intake says it has accepted, whatever the format makes of that."""
    intake = house.stage.hub.intake
    receive = intake.receive

    async def noting(partner: Partner, body: bytes, media_type: str, received_at: datetime) -> tuple[Envelope, Receipt]:
        envelope, receipt = await receive(partner, body, media_type, received_at)
        house.accepted.add(receipt.message_id)
        return envelope, receipt

    intake.receive = noting  # type: ignore[method-assign]


def doors() -> list[Door]:
    known, asked, answered = formats(), examples(answers=False), examples(answers=True)
    found = [
        Door(f"{name}", "POST", "/v1/referrals", SOURCES[name], known[name].media_types[0], tuple(asked[name]))
        for name in known
    ]
    found += [
        Door(f"{name} answer", "POST", "/v1/answers", LEAD, known[name].media_types[0], tuple(answered[name]))
        for name in ANSWERS
    ]
    plain = {"reference": "REFERENCE", "answer": "confirmed", "contact": {"name": "P. Proef", "phone": "015"}}
    alone = [each for each in map(json.loads, _readable(answered["fhir-json"])) if each.get("resourceType") == "Task"]
    tasks = [each | {"id": "REFERENCE"} for each in alone]
    contact = {"contained": [_PETRA], "owner": {"reference": "#p"}, "status": "accepted"}
    patches = (
        [
            {"op": "replace", "path": "/status", "value": "rejected"},
            _added("/statusReason", {"text": "Gezin is verhuisd"}),
        ],
        [_added(f"/{name}", value) for name, value in contact.items()],
    )
    merges = ({"status": "rejected", "statusReason": {"text": "Gezin is verhuisd"}}, contact)
    attributes = {
        "specversion": "1.0",
        "id": "1",
        "type": "nl.voorbeeld.aanmelding.v1",
        "source": "urn:nld:oin:00000099000000001001:systeem:pool",
    }
    event = attributes | {"data": json.loads(thv("den-haag-eerste-thv"))}
    binary = tuple((f"ce-{name}", value) for name, value in attributes.items())
    one_task, all_tasks, form = (
        "/v1/fhir/Task/{reference}",
        "/v1/fhir/Task/_search",
        "application/x-www-form-urlencoded",
    )
    searches = (
        b"status=requested,accepted&_count=5",
        b"code=lead&_lastUpdated=ge2026-01-01&_format=json",
        b"_id=REFERENCE",
    )
    return [
        *found,
        Door("plain answer", "POST", "/v1/answers", LEAD, "application/json", (_json(plain),)),
        Door("event", "POST", "/v1/referrals", "thv-pool", "application/cloudevents+json", (_json(event),)),
        Door(
            "event in headers",
            "POST",
            "/v1/referrals",
            "thv-pool",
            "application/json",
            tuple(asked["thv-json"]),
            binary,
        ),
        Door("task", "PUT", one_task, LEAD, "application/fhir+json", tuple(map(_json, tasks))),
        Door("task xml", "PUT", one_task, LEAD, "application/fhir+xml", tuple(map(to_xml, tasks))),
        Door("task patch", "PATCH", one_task, LEAD, "application/json-patch+json", tuple(map(_json, patches))),
        Door("task merge", "PATCH", one_task, LEAD, "application/merge-patch+json", tuple(map(_json, merges))),
        Door("task search", "POST", all_tasks, LEAD, form, searches),
    ]


_PETRA: Final = {
    "resourceType": "Practitioner",
    "id": "p",
    "name": [{"text": "Petra Proef"}],
    "telecom": [{"system": "phone", "value": "015 123 45 67"}],
}


def _added(path: str, value: Any) -> dict[str, Any]:
    return {"op": "add", "path": path, "value": value}


def _readable(bodies: Sequence[bytes]) -> Iterator[bytes]:
    for body in bodies:
        with contextlib.suppress(ValueError):
            json.loads(body)
            yield body


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


DOORS: Final = doors()
EACH: Final = pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)


def addressed(house: House, door: Door) -> tuple[bytes, ...]:
    """The good bodies as this partner would send them, about the request that really was made: answers get all the way
    in."""
    own = {b"(?:REFERENCE|ABCDEFGHIJKLMNOPQRSTUVWX23|ANTWOORD0123456789ABCDEFGH)": house.reference}
    own |= {b"00000099000000(?!000001)[0-9]{6}": house.stage.partner(door.partner).oins[0]}
    made = door.bodies
    for pattern, text in own.items():
        made = tuple(re.sub(pattern, text.encode(), body) for body in made)
    return made


def renamed(door: Door, body: bytes, number: int) -> bytes:
    """Under a message reference of its own, so that it is no duplicate of the one before."""
    reference = next((each for each in _references(door) if each in body), None)
    return body if reference is None else body.replace(reference, b"FUZZ-%06d" % number)


@cache
def _references(door: Door) -> tuple[bytes, ...]:
    """The message references of the good bodies: longest first, for one can be part of another."""
    found = set()
    known = formats().get(door.name)
    for body in door.bodies if known is not None else ():
        with contextlib.suppress(Refusal):
            found.add(known.read(body).message_reference.partition("#")[0].encode())
    return tuple(sorted(found, key=len, reverse=True))


def like(bodies: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Good ones after some mutations; now and then anything at all."""
    mangled = st.builds(mutated, st.sampled_from(bodies), st.integers(0, 2**63))
    return st.one_of(mangled, mangled, mangled, st.binary(max_size=300))


def check(answer: httpx2.Response, door: Door) -> None:
    """No failure of ours, and no refusal that repeats what came. SOAP 1.1 says refusals with 500, in a Fault."""
    fault = answer.status_code == 500 and b":Fault" in answer.content and b"Fo0" in answer.content
    assert answer.status_code < 500 or fault, (answer.status_code, answer.text[:300])
    if answer.status_code >= 400 and not door.name.startswith(
        "stuf"
    ):  # a StUF reply names the sender's system, as it must
        assert CANARY not in answer.text
    if answer.status_code >= 400 and answer.headers["content-type"] == "application/problem+json":
        assert {"title", "titleEn", "detail", "detailEn"} <= set(answer.json())


@EACH
def test_mangled_bytes_get_an_answer_in_time(house: House, door: Door) -> None:
    house.ask()
    bodies = addressed(house, door)

    def sent(body: bytes) -> int:
        now = house.stage.clock.forward(timedelta(milliseconds=100))
        body = renamed(door, body, int(now.timestamp() * 10) % 1_000_000)
        began = time.process_time()
        answer = house.send(door, body)
        took = time.process_time() - began
        assert took < SECONDS, f"{took:.1f} s"
        check(answer, door)
        return answer.status_code

    good, bad = [sent(body) for body in bodies], [sent(body[: len(body) // 2] + b"\0") for body in bodies]
    assert set(good) & {200, 202}, "good ones get all the way in"
    assert set(bad) & {400, 415}, "and it is known that bad ones do not"

    @FEW
    @given(like(bodies))
    def attempt(body: bytes) -> None:
        sent(body)

    attempt()
    house.counted()


@pytest.mark.parametrize("door", [door for door in DOORS if LONG or door.name in SOURCES], ids=lambda door: door.name)
def test_the_largest_bodies_take_bounded_time_and_memory(house: House, door: Door) -> None:
    house.ask()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    took: dict[str, float] = {}
    for name, body in large(addressed(house, door), LARGEST).items():
        began = time.process_time()
        check(house.send(door, body), door)
        took[name] = time.process_time() - began
        assert took[name] < SECONDS, f"{name}: {took[name]:.1f} s"
    # the memory of parsers that are not Python's shows here; the file's other tests may have been there before
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < PROCESS
    smaller = large(addressed(house, door), LARGEST // 16)
    for name in sorted(took, key=lambda each: took[each])[-2:]:
        tracemalloc.start()
        try:
            house.send(door, smaller[name])
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < TIMES * max(len(smaller[name]), LEAST), f"{name}: {peak / len(smaller[name]):.0f} times the body"
    house.counted()


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_mangled_files_in_the_drop_folder_are_taken_in_or_refused(house: House, tmp_path: Path, kind: str) -> None:
    hub, seconds = house.stage.hub, 0.0
    drop = FileDrop(
        tmp_path,
        door=hub.intake,
        admin=hub.store,
        region=hub.region,
        vault=hub.vault,
        clock=house.stage.clock,
        log=open_log("error", io.StringIO()),
        monotonic=lambda: seconds,
    )
    rows = [row(1, "0503"), row(2, slachtoffer_geheim_adres="ja")]
    bodies = [csv_file(rows), csv_file(rows, encoding="cp1252", ends="\n")] if kind == "csv" else [workbook(rows)]
    number = 0

    def dropped(body: bytes) -> Pass:
        nonlocal seconds, number
        number += 1
        house.stage.clock.forward(timedelta(milliseconds=100))
        began = time.process_time()
        house.runner.run(asyncio.wait_for(drop.run_once(), WAITS))
        (tmp_path / "thv-pool" / f"{number}.{kind}").write_bytes(body.replace(b"CSV-0", b"F%04d" % number))
        house.runner.run(asyncio.wait_for(drop.run_once(), WAITS))
        seconds += SETTLED
        done = house.runner.run(asyncio.wait_for(drop.run_once(), WAITS))
        assert time.process_time() - began < SECONDS + ROW * sum(done.rows.values())
        assert done.files + done.waiting == 1 or done.refused_files == 1
        for left in (tmp_path / "thv-pool").glob(f"{number}.{kind}"):
            left.unlink()  # what is never complete
        return done

    assert dropped(bodies[0]).rows == {"aangenomen": 2}

    @FEW
    @given(like(bodies))
    def attempt(body: bytes) -> None:
        dropped(body)

    attempt()
    house.counted()


def test_every_format_is_tried_at_its_doors() -> None:
    assert set(SOURCES) == set(formats())
    assert {door.name for door in DOORS} >= {*formats(), *(f"{name} answer" for name in ANSWERS)}
