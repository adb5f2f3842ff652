# SPDX-License-Identifier: EUPL-1.2
"""Promises of DeliveryStore: lanes, leases and fencing, crashes, breakers, rendering once, mailbox, superseding."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from schakel.errors import LeaseLost
from schakel.ports import Store
from schakel.records import Claimed, DeliveryOutcome, NewAlarm
from tests.conformance.store_cases import (
    LEASE,
    NOW,
    SECOND,
    Decider,
    Side,
    accept_one,
    arrival,
    claim_one,
    deliver_all,
    delivered,
    failed,
    rendered,
    replacement,
)


async def household(store: Store, messages: int = 1, **how: object) -> list[str]:
    """`messages` of one household for one recipient pair; the lead's delivery ids in order of number."""
    decide = Decider(**how)
    outcomes = [await accept_one(store, decide, arrival(household="one")) for _ in range(messages)]
    return [bell.delivery_id for outcome in outcomes for bell in outcome.bells if bell.recipient == "vvt"]


class DeliveryPromises:
    async def test_a_claim_carries_all_that_rendering_needs(self, store: Store) -> None:
        await accept_one(store, Decider())
        claimed = {one.recipient: one for one in await store.claim(now=NOW, limit=9)}
        lead = claimed["vvt"]
        assert (lead.role, lead.number, lead.content, lead.wrapped_key) == (
            "lead",
            1,
            b"sealed-content",
            b"wrapped-case",
        )
        assert lead.case_reference.startswith("vvt/")
        assert lead.request_reference is not None
        assert lead.request_due_at == NOW + timedelta(hours=4)
        assert (lead.held, lead.attempts, lead.crashes, lead.rendered) == (0, 0, 0, None)
        assert lead.token
        assert lead.token != claimed["lokaal-team-den-haag"].token

    async def test_who_is_passed_over_gets_nothing_and_takes_no_room(self, store: Store) -> None:
        for _ in range(5):
            await accept_one(store, Decider())
        others = await store.claim(now=NOW, limit=5, passing_over=["vvt"])
        assert [one.recipient for one in others] == ["lokaal-team-den-haag"] * 5
        named = await store.claim(now=NOW, limit=5, only=[one.id for one in others], passing_over=["vvt"])
        assert named == []
        assert [one.recipient for one in await store.claim(now=NOW, limit=9)] == ["vvt"] * 5

    async def test_a_claimed_delivery_is_not_claimed_again(self, store: Store) -> None:
        await accept_one(store, Decider())
        assert len(await store.claim(now=NOW, limit=1)) == 1
        assert len(await store.claim(now=NOW, limit=9)) == 1
        assert await store.claim(now=NOW, limit=9) == []

    async def test_within_a_lane_order_is_kept(self, store: Store) -> None:
        ids = await household(store, 3)
        done = await deliver_all(store)
        assert [one.id for one in done if one.recipient == "vvt"] == ids

    async def test_the_second_of_a_lane_waits_while_the_first_is_tried_again(self, store: Store) -> None:
        first, second = await household(store, 2)
        claimed = await claim_one(store, only=[first])
        assert await store.finish([failed(claimed, next_at=NOW + timedelta(minutes=5))], now=NOW) == [True]
        assert await store.claim(now=NOW, limit=9, only=[second]) == []
        later = NOW + timedelta(minutes=5)
        assert (await claim_one(store, now=later, only=[first, second])).id == first

    async def test_other_lanes_overtake(self, store: Store) -> None:
        await accept_one(store, Decider())
        stuck = await claim_one(store)
        await store.finish([failed(stuck, next_at=NOW + timedelta(hours=1))], now=NOW)
        await accept_one(store, Decider())
        assert stuck.id not in {one.id for one in await deliver_all(store)}
        assert len(await store.claim(now=NOW + timedelta(hours=1), limit=9)) == 1

    async def test_only_claims_among_those_named(self, store: Store) -> None:
        outcome = await accept_one(store, Decider())
        bell = outcome.bells[0]
        assert [one.id for one in await store.claim(now=NOW, limit=9, only=[bell.delivery_id, "unknown"])] == [
            bell.delivery_id
        ]

    async def test_crisis_goes_first(self, store: Store) -> None:
        await accept_one(store, Decider())
        await accept_one(store, Decider(urgency="crisis"))
        assert {one.urgency for one in await store.claim(now=NOW, limit=2)} == {"crisis"}

    async def test_a_stale_token_writes_nothing(self, store: Store) -> None:
        await accept_one(store, Decider())
        slept = await claim_one(store)
        later = NOW + LEASE + SECOND
        woken = await claim_one(store, now=later, only=[slept.id])
        assert (woken.id, woken.crashes) == (slept.id, 1)
        assert woken.token != slept.token
        assert await store.renew([(slept.id, slept.token), (woken.id, woken.token)], now=later) == [False, True]
        with pytest.raises(LeaseLost):
            await store.keep_rendered([(slept, rendered())])
        assert await store.finish([delivered(slept), delivered(woken)], now=later) == [False, True]

    async def test_a_late_outcome_counts_while_nobody_else_took_the_lane(self, store: Store) -> None:
        await accept_one(store, Decider())
        claimed = await claim_one(store)
        assert await store.finish([delivered(claimed)], now=NOW + 3 * LEASE) == [True]

    async def test_renewing_keeps_the_lane(self, store: Store) -> None:
        await accept_one(store, Decider())
        claimed = await claim_one(store)
        await store.renew([(claimed.id, claimed.token)], now=NOW + LEASE - SECOND)
        assert claimed.id not in {one.id for one in await store.claim(now=NOW + LEASE + SECOND, limit=9)}

    async def test_after_a_crash_a_delivery_is_claimed_alone(self, store: Store) -> None:
        (crashed, *_) = await household(store)
        await accept_one(store, Decider())
        await claim_one(store, only=[crashed])
        later = NOW + LEASE + SECOND
        assert [one.id for one in await store.claim(now=later, limit=9)] == [crashed]
        assert len(await store.claim(now=later, limit=9)) == 3

    async def test_crashes_and_attempts_are_counted_apart(self, store: Store) -> None:
        (crashed, *_) = await household(store)
        await claim_one(store, only=[crashed])
        again = await claim_one(store, now=NOW + 2 * LEASE, only=[crashed])
        assert (again.crashes, again.attempts) == (1, 0)
        await store.finish([failed(again, next_at=NOW + 2 * LEASE)], now=NOW + 2 * LEASE)
        third = await claim_one(store, now=NOW + 2 * LEASE, only=[crashed])
        assert (third.crashes, third.attempts) == (1, 1)

    async def test_what_went_back_untried_is_no_attempt(self, store: Store) -> None:
        (first, *_) = await household(store)
        claimed = await claim_one(store, only=[first])
        untried = replace(failed(claimed, next_at=NOW), tried=False)
        assert await store.finish([untried], now=NOW) == [True]
        again = await claim_one(store, only=[first])
        assert (again.crashes, again.attempts) == (0, 0)

    async def test_the_third_crash_parks_with_an_alarm(self, store: Store) -> None:
        ids = await household(store, 2)
        for turn in range(3):
            claimed = await claim_one(store, now=NOW + turn * 2 * LEASE, only=ids)
            assert (claimed.id, claimed.crashes) == (ids[0], turn)
        later = NOW + 6 * LEASE
        next_ = await claim_one(store, now=later, only=ids)
        assert (next_.id, next_.held) == (ids[1], 1)
        (row,) = await store.parked()
        assert (row.cause, row.owner, row.whole) == ("poison-delivery", "coordinator", False)
        (alarm,) = await store.due_alarms(now=later, limit=9)
        assert (alarm.cause, alarm.subject) == ("poison-delivery", ids[0])

    async def test_a_worker_can_park_what_cannot_be_rendered(self, store: Store) -> None:
        await accept_one(store, Decider())
        claimed = await claim_one(store)
        alarm = NewAlarm("poison-delivery", claimed.id, "lead", "nl", "en")
        outcome = DeliveryOutcome(claimed.id, claimed.token, "park", reason="cannot-render", alarm=alarm)
        assert await store.finish([outcome], now=NOW) == [True]
        (row,) = await store.parked()
        assert (row.owner, row.findings[0].rule) == ("lead", "cannot-render")
        assert row.next_alarm_at > NOW

    async def test_held_counts_parked_messages_of_the_case(self, store: Store) -> None:
        await accept_one(store, Decider(), arrival(household="one"))
        (first, _) = await deliver_all(store)

        def park(item: object, facts: object) -> object:
            held = Decider(park="unknown-code")(item, facts)
            return replace(held, case_id=first.case_id)

        await accept_one(store, park, arrival(household="one"))
        await accept_one(store, Decider(), arrival(household="one", received_at=NOW + SECOND))
        assert {one.held for one in await store.claim(now=NOW + SECOND, limit=9)} == {1}

    async def test_a_late_delivery_does_not_wait_and_blocks_nobody(self, store: Store) -> None:
        first, second = await household(store, 2)
        claimed = await claim_one(store, only=[first])
        await store.finish([failed(claimed, next_at=NOW + timedelta(hours=1))], now=NOW)
        (late,) = await household(store, late=True)
        taken = await claim_one(store, only=[second, late])
        assert (taken.id, taken.late) == (late, True)
        await store.finish([failed(taken, next_at=NOW + timedelta(hours=9))], now=NOW)
        assert (await claim_one(store, now=NOW + timedelta(hours=1), only=[first, second, late])).id == first

    async def test_an_open_breaker_lets_one_probe_through_at_its_time(self, store: Store) -> None:
        for _ in range(3):
            await accept_one(store, Decider())
        claimed = next(one for one in await store.claim(now=NOW, limit=9) if one.recipient == "vvt")
        until = NOW + timedelta(minutes=1)
        await store.finish([failed(claimed, next_at=NOW, breaker_open_until=until)], now=NOW)
        later = NOW + 4 * LEASE
        before = await store.claim(now=until - SECOND, limit=9)
        assert all(one.recipient != "vvt" for one in before)
        probes = [one for one in await self._claim_all(store, later) if one.recipient == "vvt"]
        assert len(probes) == 1
        await store.finish([delivered(probes[0])], now=later)
        assert len([one for one in await self._claim_all(store, later) if one.recipient == "vvt"]) == 2

    async def _claim_all(self, store: Store, now: object) -> list[Claimed]:
        taken: list[Claimed] = []
        while batch := await store.claim(now=now, limit=9):
            taken += batch
        return taken

    async def test_the_first_rendering_stays(self, store: Store) -> None:
        await accept_one(store, Decider())
        claimed = await claim_one(store)
        await store.keep_rendered([(claimed, rendered("first"))])
        await store.keep_rendered([(claimed, rendered("first"))])
        with pytest.raises(LeaseLost):
            await store.keep_rendered([(claimed, rendered("second"))])
        await store.finish([failed(claimed, next_at=NOW)], now=NOW)
        assert (await claim_one(store, only=[claimed.id])).rendered == rendered("first")

    async def test_a_mailbox_read_renders_only_while_nobody_sends(self, store: Store) -> None:
        await accept_one(store, Decider())
        claimed = await claim_one(store)
        item = await store.mailbox_item(claimed.recipient, claimed.number)
        assert item is not None
        assert (item.id, item.token) == (claimed.id, "")
        with pytest.raises(LeaseLost):
            await store.keep_rendered([(item, rendered("other"))])
        await store.finish([failed(claimed, next_at=NOW + LEASE)], now=NOW)
        await store.keep_rendered([(item, rendered("mailbox"))])
        again = await claim_one(store, now=NOW + LEASE, only=[claimed.id])
        assert again.rendered == rendered("mailbox")

    async def test_a_mailbox_lists_by_number_and_only_what_is_ones_own(self, store: Store) -> None:
        for _ in range(3):
            await accept_one(store, Decider(channel="mailbox"))
        entries = await store.mailbox("vvt", after=1, limit=9)
        assert [(entry.number, entry.state) for entry in entries] == [(2, "waiting"), (3, "waiting")]
        assert [entry.number for entry in await store.mailbox("vvt", after=0, limit=2)] == [1, 2]
        assert await store.mailbox("perspektief", after=0, limit=9) == []
        assert await store.mailbox_item("perspektief", 1) is None
        assert await store.receive("perspektief", 1, now=NOW, how="receipt") is None

    @pytest.mark.parametrize("how", ["fetch", "receipt"])
    async def test_the_recipients_word_finishes_a_delivery_in_any_live_state(self, store: Store, how: str) -> None:
        await household(store, 2)
        assert await store.receive("vvt", 1, now=NOW, how=how) == "delivered"  # waiting
        sending = await claim_one(
            store, only=[entry.delivery_id for entry in await store.mailbox("vvt", after=0, limit=9)]
        )
        assert await store.receive("vvt", 2, now=NOW, how=how) == "delivered"  # sending
        assert await store.finish([delivered(sending)], now=NOW) == [False]
        assert await store.receive("vvt", 2, now=NOW, how=how) == "delivered"  # repeating is harmless

    async def test_a_notified_delivery_is_finished_by_its_fetch(self, store: Store) -> None:
        await accept_one(store, Decider(mode="thin"))
        claimed = await claim_one(store)
        await store.finish([DeliveryOutcome(claimed.id, claimed.token, "notify")], now=NOW)
        (entry,) = await store.mailbox(claimed.recipient, after=0, limit=9)
        assert entry.state == "notified"
        assert await store.claim(now=NOW + timedelta(days=1), limit=9, only=[claimed.id]) == []
        assert await store.receive(claimed.recipient, 1, now=NOW, how="fetch") == "delivered"

    async def test_finish_may_supersede_by_a_stricter_delivery(self, store: Store) -> None:
        await accept_one(store, Decider())
        claimed = await claim_one(store)
        await store.keep_rendered([(claimed, rendered("open"))])
        new = replacement(claimed)
        outcome = DeliveryOutcome(claimed.id, claimed.token, "supersede", replacement=new)
        assert await store.finish([outcome], now=NOW) == [True]
        first, second = await store.mailbox(claimed.recipient, after=0, limit=9)
        assert (first.state, second.state, second.delivery_id) == ("superseded", "waiting", new.id)
        assert await store.mailbox_item(claimed.recipient, first.number) is None
        taken = await claim_one(store, only=[new.id])
        assert (taken.number, taken.rendered, taken.message_id) == (2, None, claimed.message_id)

    @pytest.mark.parametrize("state", ["waiting", "sending", "notified"])
    async def test_a_mailbox_read_may_supersede(self, store: Store, state: str) -> None:
        await accept_one(store, Decider())
        claimed = await claim_one(store)
        if state == "waiting":
            await store.finish([failed(claimed, next_at=NOW)], now=NOW)
        elif state == "notified":
            await store.finish([DeliveryOutcome(claimed.id, claimed.token, "notify")], now=NOW)
        new = replacement(claimed)
        assert await store.supersede(claimed.id, new, now=NOW) is True
        assert await store.supersede(claimed.id, replacement(claimed), now=NOW) is False
        assert (await claim_one(store, only=[new.id])).id == new.id

    async def test_what_has_arrived_is_not_superseded(self, store: Store) -> None:
        await accept_one(store, Decider())
        done, _ = await deliver_all(store)
        assert await store.supersede(done.id, replacement(done), now=NOW) is False
        assert await store.supersede("unknown", replacement(done), now=NOW) is False

    async def test_a_finished_delivery_gets_an_end_and_its_digest_stays(self, store: Store, sql: Side) -> None:
        await accept_one(store, Decider())
        done, _ = await deliver_all(store)
        (row,) = sql.rows("SELECT erase_at IS NOT NULL, delivered_at IS NOT NULL FROM delivery WHERE id = ?", done.id)
        assert [bool(value) for value in row] == [True, True]
        (entry,) = await store.mailbox(done.recipient, after=0, limit=1)
        assert entry.digest == rendered(done.id).digest
