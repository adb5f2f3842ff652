# SPDX-License-Identifier: EUPL-1.2
"""Everything that a network can do between a hub and a webhook, and between a sender and the hub's door, under load.

One hub meets all of them, one after the other; after each nothing is missing and nothing came that should not have.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

import httpx2
import pytest
import pytest_asyncio

from tests.faults import proxy as faults
from tests.faults.proxy import Fault
from tests.faults.street import LONG, Street, open_street
from tests.support.hub import Said, until
from tests.support.messages import JSON

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(900 if LONG else 120)]

ROUNDS: Final = 5 if LONG else 1
LOAD: Final = (40, 80) if LONG else (12, 20)  # referrals during the fault
BROKEN: Final = frozenset({"not-http", "connection-lost", "unreachable"})
SILENT: Final = frozenset({"timeout", "connect-timeout"})
TOO: Final = frozenset({"left-alone", "connection-lost"})  # the second: a partner closes what idled, just then
SETTINGS: Final = {
    "SCHAKEL_SEND_TIMEOUT": "3",
    "SCHAKEL_HEADER_TIMEOUT": "2",
    "SCHAKEL_BODY_TIMEOUT": "2",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def street(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Street]:
    async with open_street(tmp_path_factory.mktemp("street"), SETTINGS) as made:
        yield made


def told(street: Street, fault: str, *words: object) -> None:
    print(f"SCHAKEL_TEST_SEED={street.seed}: {fault}:", *words)


# -- between the hub and a partner -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "reasons", "taken"),
    [
        pytest.param(faults.latency(0.2), frozenset(), False, marks=pytest.mark.fault("partner: latency")),
        pytest.param(
            faults.CUT,
            {"not-http", "connection-lost", "unreachable"},
            False,
            marks=pytest.mark.fault("partner: connections cut"),
        ),
        pytest.param(
            faults.RESET,
            {"connection-lost", "unreachable"},
            False,
            marks=pytest.mark.fault("partner: connections reset"),
        ),
        pytest.param(faults.HALF_OPEN, SILENT, False, marks=pytest.mark.fault("partner: half-open connections")),
        pytest.param(faults.BYTE_PER_SECOND, SILENT, False, marks=pytest.mark.fault("partner: one byte per second")),
        pytest.param(
            faults.BLACKHOLE, SILENT, False, marks=pytest.mark.fault("partner: blackhole that takes connections")
        ),
        pytest.param(
            faults.DEAF, SILENT, False, marks=pytest.mark.fault("partner: blackhole that takes no connections")
        ),
        pytest.param(faults.REFUSED, {"unreachable"}, False, marks=pytest.mark.fault("partner: nobody listens")),
        pytest.param(
            faults.ANSWER_LOST, BROKEN, True, marks=pytest.mark.fault("partner: answer lost after it was taken")
        ),
        pytest.param(
            faults.ANSWER_RESET,
            BROKEN,
            True,
            marks=pytest.mark.fault("partner: reset after it was taken"),
        ),
        pytest.param(
            faults.ANSWER_HELD, SILENT, True, marks=pytest.mark.fault("partner: no answer after it was taken")
        ),
        pytest.param(faults.answer_cut_after(10), BROKEN, True, marks=pytest.mark.fault("partner: answer cut short")),
    ],
    ids=lambda value: value.name.replace(" ", "-") if isinstance(value, Fault) else "",
)
async def test_a_partner_behind_it_gets_all_in_the_end_and_nobody_else_waits(
    street: Street, fault: Fault, reasons: frozenset[str], taken: bool
) -> None:
    """`taken`: the partner has it when the attempt fails, so it comes again, the same."""
    for _ in range(ROUNDS):
        count = street.plan.randint(*LOAD)
        since = datetime.now(UTC)
        await street.partner.set(fault)
        said = await street.load(count)
        await street.others_have_theirs()
        if reasons:
            await felt(street, reasons, since)
        else:
            await street.home.drained(street.process)
        await street.partner.heal()
        said += await street.load(3)
        counts = await street.whole()
        failed = street.failed(since)
        told(street, fault.name, f"{count} referrals, attempts that failed {dict(failed)},", counts)
        assert set(failed) <= reasons | TOO
        assert street.repeats(said) > 0 or not taken


async def felt(street: Street, reasons: frozenset[str], since: datetime) -> None:
    await until(lambda: reasons & set(street.failed(since)), "no attempt fails", street.home.log)


# -- between a sender and the door -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(faults.ANSWER_LOST, marks=pytest.mark.fault("door: the 202 is lost")),
        pytest.param(faults.ANSWER_RESET, marks=pytest.mark.fault("door: reset instead of the 202")),
        pytest.param(faults.answer_cut_after(30), marks=pytest.mark.fault("door: the 202 is cut short")),
    ],
    ids=lambda fault: fault.name.replace(" ", "-"),
)
async def test_a_sender_whose_answer_is_lost_sends_again_and_gets_its_first_answer(
    street: Street, fault: Fault
) -> None:
    before = street.accepted
    near = replace(street.process, url=f"http://127.0.0.1:{street.door.port}")
    messages = [street.next() for _ in range(LOAD[0])]
    await street.door.set(fault)
    lost = await asyncio.gather(*(near.hand_in(message) for message in messages))
    assert lost == [None] * len(messages)
    assert street.door.felt == len(messages)
    await street.home.until("SELECT count(*) FROM message", before + len(messages))  # and yet they are kept
    await street.door.heal()
    again = await asyncio.gather(*(near.hand_in(message) for message in messages))
    twice = await asyncio.gather(*(near.hand_in(message) for message in messages))
    first = [one for one in again if one is not None]
    assert [one.status for one in first] == [202] * len(messages)
    assert again == twice
    kept = {str(id) for (id,) in street.home.rows("SELECT id FROM message")}
    assert {one.body["id"] for one in first} <= kept
    street.said += first
    assert street.accepted == before + len(messages)
    told(street, fault.name, len(messages), "senders,", await street.whole())


@pytest.mark.fault("door: headers of one byte per second")
async def test_slow_headers_are_closed_and_nobody_else_waits(street: Street) -> None:
    near = replace(street.process, url=f"http://127.0.0.1:{street.door.port}")
    await street.door.set(faults.SLOW_UP)
    slow = [asyncio.create_task(near.hand_in(street.next())) for _ in range(LOAD[0])]
    await until(lambda: street.door.felt >= len(slow), "nobody is slow")
    longest = await quick_ones(street)
    assert await asyncio.gather(*slow) == [None] * len(slow)
    await street.door.heal()
    told(street, "slow headers", f"{len(slow)} slow senders, others at most {longest:.2f} s,", await street.whole())


@pytest.mark.fault("door: a body of one byte per second")
async def test_slow_bodies_are_refused_and_nobody_else_waits(street: Street) -> None:
    slow = [asyncio.create_task(slow_body(street)) for _ in range(LOAD[0])]
    await until(lambda: street.door.felt >= len(slow), "nobody is slow")
    longest = await quick_ones(street)
    assert await asyncio.gather(*slow) == [408] * len(slow)
    await street.door.heal()
    told(street, "slow bodies", f"{len(slow)} slow senders, others at most {longest:.2f} s,", await street.whole())


async def quick_ones(street: Street) -> float:
    """Others send at the same time, directly: the longest that one waited for its 202."""
    longest = 0.0
    for _ in range(LOAD[1]):
        began = time.monotonic()
        said = await street.process.hand_in(street.next())
        longest = max(longest, time.monotonic() - began)
        assert isinstance(said, Said)
        assert said.accepted
        street.said.append(said)
    return longest


async def slow_body(street: Street) -> int:
    """The headers come at once, the body does not: the status of the answer."""
    message = street.next()

    async def body() -> AsyncIterator[bytes]:
        yield message.body[:10]
        await asyncio.sleep(0.2)  # the headers are through by now, or the hub closes for their sake
        await street.door.set(faults.SLOW_UP)
        yield message.body[10:]

    headers = {"content-type": JSON, "content-length": str(len(message.body))}
    async with street.home.client(f"http://127.0.0.1:{street.door.port}", message.source) as client:
        try:
            answer = await client.post("/v1/referrals", content=body(), headers=headers)
        except httpx2.TransportError:
            return 0
    return answer.status_code
