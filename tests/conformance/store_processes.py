# SPDX-License-Identifier: EUPL-1.2
"""A process of its own that works on a store: what several processes do at once, told as JSON on stdout.

Called with a URL, what to do, and a tag that keeps its ids apart from those of the others. It says `ready` and waits
for a line on stdin, so that all begin together.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace

from schakel.records import Accepted
from schakel.store.register import database
from schakel.store.sql import Opening, SqlStore
from schakel.store.terms import Terms
from tests.conformance import store_cases as cases

ROUNDS = 20


async def accept(store: SqlStore, tag: str, items: list[cases.Arrival]) -> list[bool]:
    """Half of the items one by one at once, half in one batch: whether each was new."""
    decide = cases.Decider()
    half = len(items) // 2
    apart = [store.accept_many([item], decide) for item in items[:half]]
    outcomes = [one for batch in await asyncio.gather(*apart, store.accept_many(items[half:], decide)) for one in batch]
    assert all(isinstance(one, Accepted) for one in outcomes), outcomes
    return [not one.duplicate for one in outcomes if isinstance(one, Accepted)]


async def identical(store: SqlStore, tag: str) -> object:
    same = cases.arrival("the-same", "the-same")
    return await accept(store, tag, [replace(same, message_id=cases.fresh("message")) for _ in range(20)])


async def household(store: SqlStore, tag: str) -> object:
    return await accept(store, tag, [cases.arrival(f"{tag}-{place}", "one") for place in range(20)])


async def strangers(store: SqlStore, tag: str) -> object:
    """Recipients in two orders: whoever took counters as they came would wait for the other for ever."""
    teams = ("a-team", "b-team") if tag == "one" else ("b-team", "a-team")
    decide = cases.Decider(lead=teams[0], duo=teams[1])
    numbers: dict[str, list[int]] = {}
    for place in range(ROUNDS):
        items = [cases.arrival(f"{tag}-{place}-{each}", f"{tag}-{place}-{each}") for each in range(10)]
        for outcome in await store.accept_many(items, decide):
            assert isinstance(outcome, Accepted), outcome
            for bell in outcome.bells:
                numbers.setdefault(bell.recipient, []).append(bell.number)
    return numbers


async def claim(store: SqlStore, tag: str) -> object:
    """Claims until nothing is left; each is delivered at once, so that its lane goes on."""
    taken: list[str] = []
    while batch := await store.claim(now=cases.NOW, limit=7):
        taken += [one.id for one in batch]
        await store.keep_rendered([(one, cases.rendered(one.id)) for one in batch if one.rendered is None])
        assert all(await store.finish([cases.delivered(one) for one in batch], now=cases.NOW))
    return taken


WORK: dict[str, Callable[[SqlStore, str], Awaitable[object]]] = {
    work.__name__: work for work in (identical, household, strangers, claim)
}


async def main(url: str, name: str, tag: str) -> None:
    plain = cases.fresh
    cases.fresh = lambda kind="id": f"{tag}-{plain(kind)}"
    terms = Terms(alarms=cases.TIMES, causes=cases.CAUSES)
    store = database(url).open(Opening(terms=terms, signer=cases.TestSigner()))
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    try:
        print(json.dumps(await WORK[name](store, tag)), flush=True)
    finally:
        await store.aclose()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
