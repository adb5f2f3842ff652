# SPDX-License-Identifier: EUPL-1.2
"""Promises of every store about bells: whatever becomes due rings once it is committed; nothing else does."""

from __future__ import annotations

from datetime import timedelta

import pytest

from schakel.errors import Refusal
from schakel.ledger_records import LedgerDecision
from schakel.ports import Store
from schakel.records import Bell, DeliveryOutcome
from tests.conformance.store_acts import opened, told
from tests.conformance.store_cases import (
    NOW,
    SECOND,
    Decider,
    accept_one,
    act,
    act_one,
    arrival,
    claim_one,
    deliver_all,
    delivered,
    failed,
)
from tests.conformance.store_parked import LATER, waiting


class BellPromises:
    @pytest.fixture
    def heard(self) -> list[Bell]:
        """All that rang; the subclass opens its `store` with it."""
        return []

    async def test_what_a_referral_brings_rings_by_the_time_it_is_told(self, store: Store, heard: list[Bell]) -> None:
        item = arrival()
        outcome = await accept_one(store, Decider(), item)
        assert len(heard) == 2
        assert set(heard) == set(outcome.bells)
        await accept_one(store, Decider(), item)  # again: nothing new
        assert len(heard) == 2

    async def test_what_is_refused_rings_for_nobody(self, store: Store, heard: list[Bell]) -> None:
        """Two tell the same partner under one id of a delivery: the second is undone after it was written."""
        case = await opened(store)
        heard.clear()
        notice = told(case.newest_message or "")
        decision = LedgerDecision(deliveries=(notice,), about=case.newest_message)
        await act_one(store, act(case.id, actor="operator:Jo"), decision)
        assert len(heard) == 1
        (refused,) = await store.act_many([act(case.id, actor="operator:Jo")], lambda *_: decision)
        assert isinstance(refused, Refusal)
        assert len(heard) == 1

    async def test_what_an_act_tells_rings_too(self, store: Store, heard: list[Bell]) -> None:
        case = await opened(store)
        await deliver_all(store)
        heard.clear()
        notice = told(case.newest_message or "")
        await act_one(
            store, act(case.id, actor="operator:Jo"), LedgerDecision(deliveries=(notice,), about=case.newest_message)
        )
        assert [(bell.delivery_id, bell.recipient) for bell in heard] == [
            (notice.delivery.id, notice.delivery.recipient)
        ]

    async def test_the_next_of_a_lane_rings_when_the_one_before_it_has_arrived(
        self, store: Store, heard: list[Bell]
    ) -> None:
        for _ in range(3):
            await accept_one(store, Decider(), arrival(household="one"))
        first, second, third = [bell for bell in heard if bell.recipient == "vvt"]
        claimed = await claim_one(store, only=[first.delivery_id])
        heard.clear()
        await store.finish([delivered(claimed)], now=NOW + SECOND)
        assert heard == [second]
        assert (await claim_one(store, now=NOW + SECOND, only=[third.delivery_id, second.delivery_id])).id == (
            second.delivery_id
        )

    async def test_a_late_one_that_is_tried_again_holds_nobody_still(self, store: Store, heard: list[Bell]) -> None:
        for _ in range(3):
            await accept_one(store, Decider(), arrival(household="one"))
        first, second, third = [bell for bell in heard if bell.recipient == "vvt"]
        stuck = await claim_one(store, only=[first.delivery_id])
        await store.finish([DeliveryOutcome(stuck.id, stuck.token, "park", reason="cannot-render")], now=NOW)
        (row,) = await store.parked()
        await store.settle_parked(row.id, "release", None, by="Jo", reason="again", now=NOW)
        late = await claim_one(store, only=[first.delivery_id])
        await store.finish([failed(late, next_at=NOW + timedelta(hours=1))], now=NOW)
        claimed = await claim_one(store, only=[second.delivery_id])
        heard.clear()
        await store.finish([delivered(claimed)], now=NOW + SECOND)
        assert heard == [third]

    async def test_the_next_of_a_lane_keeps_still_while_the_one_before_it_is_tried_again(
        self, store: Store, heard: list[Bell]
    ) -> None:
        for _ in range(2):
            await accept_one(store, Decider(), arrival(household="one"))
        first = next(bell for bell in heard if bell.recipient == "vvt")
        claimed = await claim_one(store, only=[first.delivery_id])
        heard.clear()
        await store.finish([failed(claimed, next_at=NOW + timedelta(minutes=5))], now=NOW)
        assert heard == []

    async def test_the_next_of_a_lane_rings_when_the_recipient_has_taken_the_one_before_it(
        self, store: Store, heard: list[Bell]
    ) -> None:
        for _ in range(2):
            await accept_one(store, Decider(), arrival(household="one"))
        first, second = [bell for bell in heard if bell.recipient == "vvt"]
        heard.clear()
        assert await store.receive("vvt", first.number, now=NOW + SECOND, how="read") == "delivered"
        assert heard == [second]

    async def test_what_was_released_rings(self, store: Store, heard: list[Bell]) -> None:
        parked_id = await waiting(store)
        assert heard == []
        outcome = await store.settle_parked(parked_id, "release", Decider().settle, by="Jo", reason="VVT", now=LATER)
        assert outcome is not None
        assert len(heard) == 2
        assert set(heard) == set(outcome.bells)
