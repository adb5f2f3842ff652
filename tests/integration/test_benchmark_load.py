# SPDX-License-Identifier: EUPL-1.2
"""What the benchmarks measure with: every request is sent once and answered, every arrival is noted once."""

from __future__ import annotations

import asyncio

import pytest

from benchmarks.load import post, send
from benchmarks.sinks import sinks

MESSAGES = 40


def hooks(recipient: str) -> list[bytes]:
    bodies = (f'{{"family": "Bench-{mark}"}}'.encode() for mark in range(1, MESSAGES + 1))
    return [post(f"/{recipient}", body, media_type="application/json") for body in bodies]


@pytest.mark.slow
def test_arrivals_are_counted_once_for_each_recipient_and_message() -> None:
    with sinks() as taking:
        for _ in range(2):  # a repeat is no second arrival
            asyncio.run(send(taking.port, hooks("lead"), connections=4)).check(204)
        sent = asyncio.run(send(taking.port, hooks("duo"), connections=4))
        taking.until(2 * MESSAGES, within=60)
        journal = taking.journal()
    assert len(sent.latencies) == MESSAGES
    assert all(latency > 0 for latency in sent.latencies)
    assert {mark: set(came) for mark, came in journal.items()} == {
        mark: {"/lead", "/duo"} for mark in range(1, MESSAGES + 1)
    }


@pytest.mark.slow
def test_what_is_due_at_a_rate_is_not_sent_before_it_is_due() -> None:
    with sinks() as taking:
        sent = asyncio.run(send(taking.port, hooks("lead"), connections=4, rate=100))
        journal = taking.journal()
    for mark, came in journal.items():
        assert came["/lead"] >= sent.starts[mark - 1]
    assert sent.seconds >= (MESSAGES - 1) / 100


@pytest.mark.slow
def test_a_refusal_is_never_measured_as_if_it_were_an_answer() -> None:
    with sinks() as taking:
        sent = asyncio.run(send(taking.port, [post("/lead", b"{}", media_type="application/json")], connections=1))
    with pytest.raises(RuntimeError, match="400"):
        sent.check(204)
