# SPDX-License-Identifier: EUPL-1.2
"""The parts of a broker that know no server: what is acknowledged, what is forgotten, what is told."""

from __future__ import annotations

import io
import json

from hypothesis import given
from hypothesis import strategies as st

from broker.address import ServerFiles, read_address
from broker.losses import TELL_EVERY, Losses
from broker.receipts import Receipts
from broker.waiting import Waiting
from schakel.log import open_log
from schakel.records import Bell


@given(st.permutations(range(1, 31)), st.lists(st.integers(1, 6), max_size=12))
def test_nothing_is_acknowledged_before_it_is_done_and_everything_once(order: list[int], sizes: list[int]) -> None:
    receipts = Receipts()
    for tag in range(1, 31):
        receipts.came(tag)
    left, acknowledged, given_up = list(order), set[int](), set[int]()
    for size in [*sizes, 30]:
        batch, left = left[:size], left[size:]
        given_up |= set(batch)
        for tag, up_to in receipts.done([*batch, *batch, 99]):
            meant = {one for one in range(1, tag + 1) if one not in acknowledged} if up_to else {tag}
            assert meant <= given_up
            assert not meant & acknowledged
            acknowledged |= meant
        assert acknowledged == given_up


def test_bells_in_order_take_one_acknowledgement() -> None:
    receipts = Receipts()
    for tag in range(5, 105):
        receipts.came(tag)
    assert receipts.done(range(5, 85)) == [(84, True)]
    assert receipts.done([90, 86]) == [(86, False), (90, False)]
    assert receipts.done([85]) == [(85, True)]


def bells(*numbers: int) -> list[Bell]:
    return [Bell(delivery_id=str(n), recipient="vvt", number=n) for n in numbers]


@given(st.lists(st.tuples(st.sampled_from(["put", "put_back", "take"]), st.integers(0, 7)), max_size=30))
def test_what_waits_is_bounded_and_what_is_forgotten_is_counted(steps: list[tuple[str, int]]) -> None:
    waiting = Waiting(10)
    came = gone = forgotten = 0
    for step, count in steps:
        if step == "take":
            gone += len(waiting.take(count))
        else:
            came += count
            forgotten += getattr(waiting, step)(bells(*range(count)))
        assert len(waiting) <= 10
        assert came == gone + forgotten + len(waiting)


def test_the_oldest_is_forgotten_and_what_was_put_back_rings_first() -> None:
    waiting = Waiting(3)
    assert waiting.put(bells(1, 2, 3, 4)) == 1
    assert waiting.take(2) == bells(2, 3)
    assert waiting.put_back(bells(2, 3)) == 0
    assert waiting.take(9) == bells(2, 3, 4)


def test_losses_are_logged_in_sums_and_counted_one_by_one() -> None:
    lines, at = io.StringIO(), [100.0]
    losses = Losses(open_log("info", lines), monotonic=lambda: at[0])
    for _ in range(50):
        losses.add("forgotten", 2)
    losses.add("refused", 1)
    at[0] += TELL_EVERY
    losses.add("forgotten", 1)
    told = [(line["reason"], line["count"]) for line in map(json.loads, lines.getvalue().splitlines())]
    assert told == [("forgotten", 2), ("refused", 1), ("forgotten", 99)]
    assert losses["forgotten"] == 101


def test_an_address_is_read_and_shows_no_password() -> None:
    address = read_address("amqps://hub%40region:s%2Fecret@broker.example/one%2Ftwo", ServerFiles())
    assert (address.host, address.port, address.user, address.tls) == ("broker.example", 5671, "hub@region", True)
    assert (address.virtual_host, address.password()) == ("one/two", "s/ecret")
    assert "ecret" not in repr(address)
    plain = read_address("amqp://broker.example", ServerFiles())
    assert (plain.port, plain.virtual_host, plain.user, plain.tls_context()) == (5672, "/", "guest", None)
