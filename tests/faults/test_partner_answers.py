# SPDX-License-Identifier: EUPL-1.2
"""Things come in another order than they were sent: an answer before its receipt, an update before what it updates."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, Final

import pytest
import pytest_asyncio

from tests.faults import proxy as faults
from tests.faults.bad_partner import TAKEN, Bad, BadPartner, Request, open_bad_partner
from tests.faults.street import LONG, PARTNER, Street, open_street
from tests.support.hub import Said, until
from tests.support.messages import Message, nameless

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(900 if LONG else 120)]

LOAD: Final = 40 if LONG else 10
UPDATES: Final = 5 if LONG else 2  # of each case, beside the first message
MOODY: Final = 0.3  # of the arrivals are refused
CONFIRMED: Final = {"answer": "confirmed", "contact": {"name": "A. de Tester", "phone": "070 0000000"}}
DEADLINES: Final = {"retry": ["0s", "60s", "60s"], "probe_every": "60s"}  # nothing is sent again by itself meanwhile
DELIVERED: Final = "SELECT count(*) FROM delivery WHERE recipient = ? AND message_id = ? AND state = 'delivered'"
NUMBERS: Final = "SELECT id, number, case_id FROM delivery WHERE recipient = ?"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def street(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Street]:
    async with open_street(tmp_path_factory.mktemp("answers"), {"SCHAKEL_SEND_TIMEOUT": "4"}, DEADLINES) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def partner(street: Street) -> AsyncIterator[BadPartner]:
    """The partner, served by hand."""
    async with open_bad_partner(PARTNER, street.home.recipients) as made:
        before, street.partner.to = street.partner.to, ("127.0.0.1", made.port)
        street.partner.sever()
        yield made
        street.partner.to = before
        street.partner.sever()


async def confirm(street: Street, reference: str) -> dict[str, Any]:
    async with street.home.client(street.process.url, PARTNER) as client:
        reply = await client.post("/v1/answers", json={"reference": reference, **CONFIRMED})
    assert reply.status_code == 200, reply.text
    return dict(reply.json())


def request_of(event: Request) -> str:
    return str(json.loads(event.body)["data"]["request"]["reference"])


@pytest.mark.parametrize(
    "then",
    [
        pytest.param(TAKEN, marks=pytest.mark.fault("order: confirmed before the receipt")),
        pytest.param(
            b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n",
            marks=pytest.mark.fault("order: confirmed, and then 500 instead of the receipt"),
        ),
        pytest.param(b"", marks=pytest.mark.fault("order: confirmed, and no receipt at all")),
    ],
    ids=["204", "500", "nothing"],
)
async def test_who_confirms_before_it_says_2xx_has_it_and_does_not_get_it_again(
    street: Street, partner: BadPartner, then: bytes
) -> None:
    told: list[dict[str, Any]] = []

    async def says(request: Request, writer: asyncio.StreamWriter) -> None:
        told.append(await confirm(street, request_of(request)))
        writer.write(then)

    partner.bad = Bad("confirms first", says, takes=True, stays=bool(then))
    said = await street.load(LOAD)
    await until(lambda: len(told) == len(said), "not every message is confirmed", street.home.log)
    assert told == [{"outcome": "recorded", "requestState": "confirmed"}] * len(said)
    for one in said:
        assert street.home.rows(DELIVERED, PARTNER, one.body["id"]) == [(1,)]
    await street.whole()
    assert len(partner.requests) == len(said)
    assert street.repeats(said) == 0


@pytest.mark.fault("order: confirmed while the hub waits to send again")
async def test_who_confirms_while_the_hub_waits_does_not_get_it_again(street: Street) -> None:
    """Its receipt was lost; the hub would send again."""
    since = datetime.now(UTC)
    await street.partner.set(faults.ANSWER_LOST)
    said = await street.load(3)
    await until(lambda: sum(street.failed(since).values()) >= len(said), "no attempt fails", street.home.log)
    ids = {one.body["id"] for one in said}
    arrivals = {one.message: one for one in street.home.recipients.journal(PARTNER) if one.message in ids}
    for one in arrivals.values():
        assert one.request is not None
        assert (await confirm(street, one.request))["outcome"] == "recorded"
    for message in ids:
        assert street.home.rows(DELIVERED, PARTNER, message) == [(1,)]
    await street.partner.heal()
    came = len(street.home.recipients.journal(PARTNER))
    await street.whole()
    assert len(street.home.recipients.journal(PARTNER)) == came


@pytest.mark.fault("order: updates before what they update, to a moody partner")
async def test_updates_in_any_order_are_one_case_and_each_recipient_sees_them_in_one_order(street: Street) -> None:
    async def moody(partner: str) -> int:
        return 503 if partner == PARTNER and street.plan.random() < MOODY else 204

    street.home.recipients.behave = moody
    cases = [nameless(street.household()) for _ in range(LOAD // 2)]
    messages = [each for case in cases for each in (case, *(update(case, n) for n in range(UPDATES)))]
    street.plan.shuffle(messages)
    answers = await asyncio.gather(*(street.process.hand_in(message) for message in messages))
    said = [one for one in answers if isinstance(one, Said) and one.accepted]
    assert len(said) == len(messages), answers
    street.said += said
    await street.others_have_theirs()
    street.home.recipients.behave = calm
    counts = await street.whole()
    case_of = dict(street.home.rows("SELECT id, case_id FROM message"))
    of_source: defaultdict[str, set[str]] = defaultdict(set)
    for one in said:
        of_source[one.message.reference.partition("-U")[0]].add(case_of[one.body["id"]])
    assert len(of_source) == len(cases)
    assert all(len(each) == 1 for each in of_source.values()), "an update did not find its case"
    for recipient in ("vvt", PARTNER):
        for case, numbers in first_arrivals(street, recipient).items():
            assert numbers == sorted(numbers), f"{recipient} got {case} in another order"
    print(f"SCHAKEL_TEST_SEED={street.seed}: {len(messages)} messages of {len(cases)} cases, {counts}")


async def calm(_: str) -> int:
    return 204


def update(message: Message, n: int) -> Message:
    """What its source says later of the same case."""
    document = json.loads(message.body)
    document |= {"kenmerk": f"{message.reference}-U{n}", "soort": "wijziging"}
    return Message(message.source, document["kenmerk"], message.media_type, json.dumps(document).encode())


def first_arrivals(street: Street, recipient: str) -> dict[str, list[int]]:
    """Of each case, the numbers in the order in which they came there first."""
    known = {id: (case, number) for id, number, case in street.home.rows(NUMBERS, recipient)}
    found: defaultdict[str, list[int]] = defaultdict(list)
    for one in street.home.recipients.journal(recipient):
        case, number = known[one.id]
        if number not in found[case]:
            found[case].append(number)
    return found
