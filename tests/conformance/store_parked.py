# SPDX-License-Identifier: EUPL-1.2
"""Promises of AdminStore for what is parked: release, retry and drop, by a named person, once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from schakel.errors import Refusal
from schakel.ports import Store
from schakel.records import Arrival, DeliveryOutcome, Facts, ParkedFacts
from tests.conformance.store_cases import (
    NOW,
    SECOND,
    Decider,
    Side,
    accept_one,
    answer,
    arrival,
    claim_one,
    decide_answer,
    deliver_all,
    key,
    parked_decision,
)

LATER = NOW + timedelta(minutes=10)


async def waiting(store: Store, item: Arrival | None = None) -> str:
    """Parks a message; the id of its parked row."""
    await accept_one(store, Decider(park="unknown-code"), item or arrival())
    return (await store.parked())[-1].id


class ParkedPromises:
    async def test_released_it_goes_out_by_the_decision(self, store: Store, sql: Side) -> None:
        item = arrival()
        parked_id = await waiting(store, item)
        seen: list[ParkedFacts] = []

        def decide(facts: ParkedFacts) -> object:
            seen.append(facts)
            return Decider().settle(facts)

        outcome = await store.settle_parked(parked_id, "release", decide, by="Jo", reason="to VVT", now=LATER)
        assert outcome is not None
        assert (outcome.message_id, outcome.state, len(outcome.bells)) == (item.message_id, "routed", 2)
        assert seen[0].arrival == item
        assert (seen[0].content, seen[0].case, seen[0].facts) == (None, None, Facts(()))
        status = await store.status("thv-pool", item.message_id)
        assert status is not None
        assert (status.state, status.parked_cause) == ("routed", None)
        assert [line.outcome for line in status.routing] == ["deliver", "deliver"]
        assert len(await deliver_all(store, now=LATER)) == 2
        (row,) = await store.parked(settled=True)
        assert (row.state, row.settled_by, row.settled_reason) == ("released", "Jo", "to VVT")
        moves = sql.rows("SELECT actor, action FROM audit WHERE actor LIKE 'operator:%' ORDER BY id")
        assert ("operator:Jo", "message:release") in moves
        assert ("operator:Jo", "parked:release") in moves

    async def test_it_is_settled_once(self, store: Store) -> None:
        parked_id = await waiting(store)
        assert await store.settle_parked(parked_id, "drop", None, by="Jo", reason="test", now=LATER)
        assert await store.settle_parked(parked_id, "release", Decider().settle, by="Jo", reason="", now=LATER) is None
        assert await store.settle_parked("unknown", "drop", None, by="Jo", reason="", now=LATER) is None

    async def test_dropped_it_goes_to_nobody(self, store: Store) -> None:
        item = arrival()
        parked_id = await waiting(store, item)
        outcome = await store.settle_parked(parked_id, "drop", None, by="Jo", reason="test message", now=LATER)
        assert outcome is not None
        assert (outcome.state, outcome.bells) == ("dropped", ())
        assert await store.claim(now=LATER, limit=9) == []
        assert await store.parked() == []

    async def test_a_retry_that_parks_again_stays_open_with_the_new_findings(self, store: Store) -> None:
        item = arrival()
        parked_id = await waiting(store, item)

        def again(facts: ParkedFacts) -> object:
            return parked_decision(facts.arrival, "no-municipality", at=LATER + SECOND)

        outcome = await store.settle_parked(parked_id, "retry", again, by="Jo", reason="codebook", now=LATER)
        assert outcome is not None
        assert (outcome.state, outcome.parked_cause) == ("parked", "no-municipality")
        (row,) = await store.parked()
        assert (row.id, row.cause, row.next_alarm_at) == (parked_id, "no-municipality", LATER + SECOND)
        done = await store.settle_parked(parked_id, "retry", Decider().settle, by="Jo", reason="codebook", now=LATER)
        assert done is not None
        assert done.state == "routed"
        assert [row.state for row in await store.parked(settled=True)] == ["retried"]

    async def test_a_retry_joins_the_case_that_its_new_keys_name(self, store: Store, sql: Side) -> None:
        order = key("order", "number")
        await accept_one(store, Decider(), arrival(keys=(order,)))
        parked_id = await waiting(store, arrival(keys=(key("source-case", "b"),)))

        def mapped(facts: ParkedFacts) -> object:
            """Mapped at last, it turns out to know the order."""
            decision = Decider().route(facts.arrival, facts.facts)
            return replace(decision, keys=(*decision.keys, order))

        await store.settle_parked(parked_id, "retry", mapped, by="Jo", reason="mapping mended", now=LATER)
        assert sql.rows("SELECT count(*) FROM case_file") == [(1,)]

    async def test_a_decision_that_refuses_leaves_it_parked(self, store: Store) -> None:
        parked_id = await waiting(store)

        def refuses(facts: ParkedFacts) -> object:
            raise Refusal(status=409)

        with pytest.raises(Refusal):
            await store.settle_parked(parked_id, "release", refuses, by="Jo", reason="", now=LATER)
        assert [row.id for row in await store.parked()] == [parked_id]

    async def test_beside_a_delivered_message_only_the_question_is_settled(self, store: Store) -> None:
        item = arrival()

        def hand_over(arrived: Arrival, facts: Facts) -> object:
            (waits,) = parked_decision(arrived, "hand-over").parked
            return replace(Decider().route(arrived, facts), parked=(replace(waits, whole=False),))

        await accept_one(store, hand_over, item)
        (row,) = await store.parked()
        assert (row.whole, row.message_id) == (False, item.message_id)
        new_team = Decider(lead="perspektief", duo="lokaal-team-delft")
        settled = await store.settle_parked(row.id, "release", new_team.settle, by="Jo", reason="moved", now=LATER)
        assert settled is not None
        assert (settled.state, {bell.recipient for bell in settled.bells}) == (
            "routed",
            {"perspektief", "lokaal-team-delft"},
        )

    async def _poison(self, store: Store) -> tuple[str, str, str]:
        """A parked delivery: parked id, delivery id, recipient."""
        await accept_one(store, Decider())
        claimed = await claim_one(store)
        await store.finish([DeliveryOutcome(claimed.id, claimed.token, "park", reason="cannot-render")], now=NOW)
        (row,) = await store.parked()
        return row.id, claimed.id, claimed.recipient

    async def test_a_parked_delivery_is_released_late(self, store: Store) -> None:
        parked_id, delivery_id, _ = await self._poison(store)
        outcome = await store.settle_parked(parked_id, "release", None, by="Jo", reason="mended", now=LATER)
        assert outcome is not None
        assert [bell.delivery_id for bell in outcome.bells] == [delivery_id]
        claimed = await claim_one(store, now=LATER, only=[delivery_id])
        assert (claimed.late, claimed.crashes) == (True, 0)
        assert all(alarm.acknowledged_by == "operator:Jo" for alarm in await store.alarms())

    async def test_a_dropped_delivery_leaves_a_tombstone(self, store: Store) -> None:
        parked_id, delivery_id, recipient = await self._poison(store)
        await store.settle_parked(parked_id, "drop", None, by="Jo", reason="beyond repair", now=LATER)
        (entry,) = await store.mailbox(recipient, after=0, limit=9)
        assert (entry.delivery_id, entry.number, entry.state) == (delivery_id, 1, "dropped")
        assert await store.mailbox_item(recipient, 1) is None

    async def test_a_parked_delivery_that_was_received_meanwhile_stays_delivered(self, store: Store) -> None:
        parked_id, _, recipient = await self._poison(store)
        assert await store.receive(recipient, 1, now=LATER, how="fetch") == "delivered"
        outcome = await store.settle_parked(parked_id, "drop", None, by="Jo", reason="arrived", now=LATER)
        assert outcome is not None
        (entry,) = await store.mailbox(recipient, after=0, limit=9)
        assert entry.state == "delivered"

    async def test_a_parked_answer_is_settled(self, store: Store) -> None:
        await store.answer_many([answer("vvt", "UNKNOWN")], decide_answer)
        (row,) = await store.parked()
        assert (row.message_id, row.case_id) == (None, None)
        assert await store.settle_parked(row.id, "drop", None, by="Jo", reason="called them", now=LATER)
        assert await store.parked() == []
