# SPDX-License-Identifier: EUPL-1.2
"""One bad partner does not slow the others: the time from door to recipient of the good ones, without it and with it.

Times are of one clock: the sender's before it sends, the hub's when the recipient had said 2xx. Everybody gets the same
load both times. `make test` measures a little and bounds it widely; the long run measures much and shows the factor.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from typing import Final

import pytest
import pytest_asyncio

from tests.faults import proxy as faults
from tests.faults.bad_partner import HOST, answers, open_bad_partner
from tests.faults.proxy import Fault, Way
from tests.faults.street import LONG, PARTNER, Street, open_street
from tests.support.hub import Said
from tests.support.messages import Message, nameless

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(1800 if LONG else 120)]

GOOD: Final = 1500 if LONG else 40  # referrals of which neither recipient is the bad one
EACH: Final = 3  # of them to one for the bad partner
RATE: Final = 15.0 if LONG else 20.0  # referrals for good ones in a second
SEND_LIMIT: Final = 30.0  # seconds: the setting's default
SLOW: Final = 29.0
FACTOR: Final = 2.0
WIDE: Final = 20.0  # seconds; whoever waits for a bad partner waits its 29, whoever waits for this machine less
BLACKHOLE: Final = faults.BLACKHOLE
SLOWLY: Final = Fault(f"answers after {SLOW:g} s", delay=SLOW, slow=frozenset({Way.DOWN}))
ARRIVED: Final = """
SELECT m.id, (julianday(max(e.at)) - 2440587.5) * 86400.0
FROM message m JOIN delivery d ON d.message_id = m.id
JOIN state_event e ON e.object_id = d.id AND e.machine = 'delivery' AND e.event = 'deliver'
GROUP BY m.id"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def street(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Street]:
    async with open_street(tmp_path_factory.mktemp("good"), {"SCHAKEL_SEND_TIMEOUT": str(SEND_LIMIT)}) as made:
        yield made


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(SLOWLY, marks=pytest.mark.fault("the others: beside a partner that answers after 29 s")),
        pytest.param(BLACKHOLE, marks=pytest.mark.fault("the others: beside a partner that is a blackhole")),
        pytest.param(faults.RESET, marks=pytest.mark.fault("the others: beside a partner that resets")),
    ],
    ids=lambda fault: fault.name.replace(" ", "-"),
)
async def test_the_others_do_not_wait_for_it(street: Street, fault: Fault) -> None:
    without = await door_to_recipient(street)
    await street.whole()
    await street.partner.set(fault)
    beside = await door_to_recipient(street)
    assert street.partner.felt > 0
    await street.partner.heal()
    judge(street, fault.name, without, beside)
    await street.whole()


@pytest.mark.fault("the others: beside a partner that says 500")
async def test_the_others_do_not_wait_for_one_that_fails_at_once(street: Street) -> None:
    async with open_bad_partner(PARTNER, street.home.recipients) as bad:
        before, street.partner.to = street.partner.to, (HOST, bad.port)
        street.partner.sever()
        without = await door_to_recipient(street)
        await street.whole()
        bad.bad = answers("500 No")
        beside = await door_to_recipient(street)
        bad.bad = None
        judge(street, "500", without, beside)
        await street.whole()
        street.partner.to = before
        street.partner.sever()


def judge(street: Street, fault: str, without: Sequence[float], beside: Sequence[float]) -> None:
    slowest, ours = p99(without), p99(beside)
    print(
        f"SCHAKEL_TEST_SEED={street.seed}: beside a partner with {fault}: {len(beside)} referrals for others, p99 "
        f"{ours * 1000:.0f} ms beside it and {slowest * 1000:.0f} ms without: {ours / slowest:.2f} times; median "
        f"{statistics.median(beside) * 1000:.0f} and {statistics.median(without) * 1000:.0f} ms"
    )
    assert ours <= max(FACTOR * slowest, WIDE)


def p99(times: Sequence[float]) -> float:
    return sorted(times)[min(len(times) - 1, int(len(times) * 0.99))]


async def door_to_recipient(street: Street) -> list[float]:
    """Seconds, of each referral for good partners, until the last of its recipients has it."""
    began: dict[str, float] = {}
    sending: list[asyncio.Task[Said | None]] = []
    for n in range(GOOD):
        if n % EACH == 0:
            sending.append(asyncio.create_task(street.process.hand_in(street.next())))
        message = another(street)
        began[message.reference] = time.time()
        sending.append(asyncio.create_task(street.process.hand_in(message)))
        await asyncio.sleep(1 / RATE)
    said = [one for one in await asyncio.gather(*sending) if one is not None]
    assert len(said) == len(sending)
    assert all(one.accepted for one in said)
    street.said += said
    await street.others_have_theirs()
    came = dict(street.home.rows(ARRIVED))
    good = {one.body["id"]: began[one.message.reference] for one in said if one.message.reference in began}
    return [came[id] - at for id, at in good.items()]


def another(street: Street) -> Message:
    """For a municipality whose team is well, and for the other lead."""
    return nameless(street.household(), "0603")
