# SPDX-License-Identifier: EUPL-1.2
"""Partners that answer badly: what the hub decides each time, by the rules of docs/delivery.md, and at what cost.

The wait is read from the row and held against the region's list; the message comes again when the partner is well.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio

from schakel.retry import JITTER, LONGEST_RETRY_AFTER
from tests.faults.bad_partner import (
    LUMP,
    Bad,
    BadPartner,
    answers,
    bomb,
    endless,
    later_by_date,
    open_bad_partner,
    slow,
)
from tests.faults.street import LONG, PARTNER, Street, open_street
from tests.support.hub import until

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(900 if LONG else 120)]

SEND_LIMIT: Final = 30.0 if LONG else 4.0  # seconds; the first is the setting's default
SLOW: Final = 29.0 if LONG else 2.8
WAIT: Final = 60.0  # seconds after the first attempt, by the list below
PROBE: Final = 120.0
DEADLINES: Final = {"retry": ["0s", f"{WAIT:.0f}s", f"{WAIT:.0f}s"], "probe_every": f"{PROBE:.0f}s"}
SLACK: Final = 2.0  # seconds; a date has whole seconds, and takes a while to come
NOT_HTTP: Final = frozenset({"not-http", "connection-lost"})
MOST_MEMORY: Final = 48_000_000  # bytes that an answer may cost the hub, of the many more that are sent

ROW: Final = """
SELECT d.attempts, d.last_reason, (julianday(d.next_at) - julianday(max(e.at))) * 86400.0
FROM delivery d JOIN state_event e ON e.object_id = d.id AND e.machine = 'delivery' AND e.event = 'fail'
WHERE d.recipient = ? AND d.message_id = ? GROUP BY d.id, d.attempts, d.last_reason, d.next_at"""
BREAKER: Final = """
SELECT (julianday(r.breaker_open_until) - julianday(max(e.at))) * 86400.0
FROM recipient r, state_event e JOIN delivery d ON d.id = e.object_id AND d.recipient = r.partner
WHERE r.partner = ? AND r.breaker_open_until IS NOT NULL AND e.machine = 'delivery' AND e.event = 'fail'"""
ALARMS: Final = "SELECT cause FROM alarm WHERE subject = ?"
DELIVERED: Final = "SELECT attempts FROM delivery WHERE recipient = ? AND message_id = ? AND state = 'delivered'"


@dataclass(slots=True)
class Scene:
    street: Street
    bad: BadPartner


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    folder = tmp_path_factory.mktemp("bad")
    async with (
        open_street(folder, {"SCHAKEL_SEND_TIMEOUT": str(SEND_LIMIT)}, DEADLINES) as street,
        open_bad_partner(PARTNER, street.home.recipients) as bad,
    ):
        street.partner.to = ("127.0.0.1", bad.port)
        yield Scene(street, bad)


async def tries(scene: Scene, bad: Bad) -> str:
    """The partner is that bad, and a message comes: its id."""
    scene.bad.bad = bad
    (said,) = await scene.street.load(1)
    return str(said.body["id"])


def memory(scene: Scene) -> int:
    """Bytes that the hub has in use now."""
    pages = Path(f"/proc/{scene.street.process.child.pid}/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * 4096


def told(scene: Scene, name: str, *words: object) -> None:
    print(f"SCHAKEL_TEST_SEED={scene.street.seed}: {name}:", *words)


# -- what fails --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "reason", "wait"),
    [
        pytest.param(
            slow(SEND_LIMIT * 3), "timeout", WAIT, marks=pytest.mark.fault("bad partner: answers after the time-out")
        ),
        pytest.param(answers("500 No"), "http-500", WAIT, marks=pytest.mark.fault("bad partner: 500")),
        pytest.param(
            answers("503 Later", "retry-after: 90"),
            "http-503",
            90.0,
            marks=pytest.mark.fault("bad partner: 503, Retry-After in seconds"),
        ),
        pytest.param(
            later_by_date(90), "http-503", 90.0, marks=pytest.mark.fault("bad partner: 503, Retry-After as a date")
        ),
        pytest.param(
            answers("503 Later", "retry-after: straks"),
            "http-503",
            WAIT,
            marks=pytest.mark.fault("bad partner: 503, Retry-After is garbage"),
        ),
        pytest.param(
            answers("503 Later", "retry-after: 1"),
            "http-503",
            WAIT,
            marks=pytest.mark.fault("bad partner: 503, Retry-After shorter than the list"),
        ),
        pytest.param(
            answers("503 Later", "retry-after: 999999"),
            "http-503",
            LONGEST_RETRY_AFTER.total_seconds(),
            marks=pytest.mark.fault("bad partner: 503, Retry-After of days"),
        ),
        pytest.param(
            answers("429 Slower", "retry-after: 90"), "http-429", 90.0, marks=pytest.mark.fault("bad partner: 429")
        ),
        pytest.param(
            answers("413 Too large", "connection: close"),
            "http-413",
            WAIT,
            marks=pytest.mark.fault("bad partner: refuses the request"),
        ),
    ],
    ids=lambda value: value.name.replace(" ", "-") if isinstance(value, Bad) else "",
)
async def test_it_waits_as_the_rules_say_and_comes_again(scene: Scene, bad: Bad, reason: str, wait: float) -> None:
    message = await tries(scene, bad)
    await fails(scene, message, reason, wait)
    assert scene.street.home.rows(ALARMS, PARTNER) == []  # one attempt is no alarm
    assert scene.street.home.rows(BREAKER, PARTNER) in ([], [(None,)])
    await comes_again(scene, bad.name)


async def fails(scene: Scene, message: str, reason: str, wait: float, jitter: float = JITTER) -> None:
    """Once, with this reason, and is due after the wait and at most a tenth."""
    await until(lambda: scene.street.home.rows(ROW, PARTNER, message), "nothing fails", scene.street.home.log)
    ((attempts, last_reason, due),) = scene.street.home.rows(ROW, PARTNER, message)
    assert (attempts, last_reason) == (1, reason)
    assert wait - SLACK <= due <= wait * (1 + jitter) + SLACK


async def comes_again(scene: Scene, name: str) -> None:
    scene.bad.bad = None
    told(scene, name, await scene.street.whole())


@pytest.mark.fault("bad partner: 410")
async def test_gone_is_told_at_once_and_left_alone(scene: Scene) -> None:
    message = await tries(scene, answers("410 Gone"))
    await fails(scene, message, "recipient-gone", PROBE, jitter=0)
    assert scene.street.home.rows(ALARMS, PARTNER) == [("recipient-gone",)]
    ((breaker,),) = scene.street.home.rows(BREAKER, PARTNER)
    assert 300 - SLACK <= breaker <= 300 + SLACK
    before = len(scene.bad.requests)
    await scene.street.load(5)
    await scene.street.others_have_theirs()
    assert len(scene.bad.requests) == before
    await comes_again(scene, "410")


@pytest.mark.fault("bad partner: 301")
async def test_a_redirect_is_a_failure_and_nobody_follows_it(scene: Scene) -> None:
    elsewhere = f"location: http://127.0.0.1:{scene.bad.port}/elsewhere"
    message = await tries(scene, answers("301 Moved", elsewhere))
    await fails(scene, message, "redirect", WAIT)
    assert not any("elsewhere" in path for path in scene.bad.requests)
    await comes_again(scene, "301")


# -- what arrives, and what it costs -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(slow(SLOW), marks=pytest.mark.fault("bad partner: answers just within the time-out")),
        pytest.param(
            answers("200 OK", "content-type: application/json", body=b"{<\x00\xff garbage"),
            marks=pytest.mark.fault("bad partner: 200 with garbage"),
        ),
        pytest.param(
            answers("200 OK", body=b"cut", length=1_000_000),
            marks=pytest.mark.fault("bad partner: 200 and less than it announces"),
        ),
        pytest.param(
            endless(
                b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"10000\r\n" + LUMP + b"\r\n", takes=True
            ),
            marks=pytest.mark.fault("bad partner: 200 with an endless body"),
        ),
        pytest.param(
            answers("200 OK", "content-encoding: gzip", body=bomb(64)),
            marks=pytest.mark.fault("bad partner: 200 with a gzip bomb"),
        ),
    ],
    ids=["slow", "garbage", "short", "endless", "bomb"],
)
async def test_what_says_2xx_is_delivered_once_whatever_follows(scene: Scene, bad: Bad) -> None:
    before = memory(scene)
    message = await tries(scene, bad)
    await until(lambda: scene.street.home.rows(DELIVERED, PARTNER, message), "it does not arrive")
    assert scene.street.home.rows(DELIVERED, PARTNER, message) == [(1,)]
    cost = memory(scene) - before
    assert cost < MOST_MEMORY
    told(scene, bad.name, f"{cost:,} bytes more in use")
    await comes_again(scene, bad.name)
    assert sum(one.message == message for one in scene.street.home.recipients.journal(PARTNER)) == 1


@pytest.mark.parametrize(
    ("bad", "reasons"),
    [
        pytest.param(
            endless(b"HTTP/1.1 200 OK\r\nx: ", LUMP),
            NOT_HTTP,
            marks=pytest.mark.fault("bad partner: one endless header"),
        ),
        pytest.param(
            endless(b"HTTP/1.1 200 OK\r\n", b"x: y\r\n" * 1000),
            NOT_HTTP,
            marks=pytest.mark.fault("bad partner: headers without end"),
        ),
        pytest.param(
            endless(b"HTTP/1.1 200 OK\r\nx: ", b"x", pause=0.2),
            {"timeout"},
            marks=pytest.mark.fault("bad partner: headers drop by drop"),
        ),
        pytest.param(
            endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
            {"timeout", *NOT_HTTP},
            marks=pytest.mark.fault("bad partner: interim answers without end"),
        ),
        pytest.param(
            endless(b"SSH-2.0-OpenSSH\r\n", LUMP), NOT_HTTP, marks=pytest.mark.fault("bad partner: speaks no HTTP")
        ),
        pytest.param(
            endless(b"HTTP/1.1 500 No\r\ntransfer-encoding: chunked\r\n\r\n", b"10000\r\n" + LUMP + b"\r\n"),
            {"http-500"},
            marks=pytest.mark.fault("bad partner: 500 with an endless body"),
        ),
    ],
    ids=["endless-header", "headers", "drops", "interim", "not-http", "endless-500"],
)
async def test_an_answer_without_end_ends_and_fills_no_memory(scene: Scene, bad: Bad, reasons: set[str]) -> None:
    """Others are served meanwhile."""
    before, since = memory(scene), datetime.now(UTC)
    scene.bad.bad = bad
    await scene.street.load(8)
    await asyncio.wait_for(scene.street.others_have_theirs(), SEND_LIMIT + 26)
    most = 0

    async def ended() -> bool:
        nonlocal most
        most = max(most, memory(scene) - before)
        return bool(scene.street.failed(since)) and scene.street.quiet

    await until(ended, "it does not end", scene.street.home.log)
    assert set(scene.street.failed(since)) <= reasons | {"left-alone"}
    assert most < MOST_MEMORY
    told(scene, bad.name, dict(scene.street.failed(since)), f"{most:,} bytes more in use at most")
    await comes_again(scene, bad.name)
