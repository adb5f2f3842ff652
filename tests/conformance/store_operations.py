# SPDX-License-Identifier: EUPL-1.2
"""Promises for whoever runs the hub: what waits, pauses with a clock, deliveries acted on, duties, data keys."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from schakel.errors import Conflict
from schakel.operating import LONGEST_PAUSE, Pause, Queue, Selection
from schakel.ports import Store
from schakel.records import AuditEntry, DeliveryOutcome, NewAlarm
from tests.conformance.store_cases import (
    LEASE,
    NOW,
    SECOND,
    TIMES,
    Decider,
    Side,
    accept_one,
    arrival,
    claim_one,
    deliver_all,
    delivered,
    failed,
    fresh,
    rendered,
)

HOUR = timedelta(hours=1)
LEAD, DUO = "vvt", "lokaal-team-den-haag"
PAUSE = Pause(partner=LEAD, by="Jo", reason="storing bij de partner", paused_at=NOW, until=NOW + HOUR)


async def queue(store: Store, partner: str = LEAD, *, now: datetime = NOW) -> Queue:
    return next(one for one in (await store.backlog(now=now)).queues if one.partner == partner)


async def parked(store: Store, decide: Decider | None = None) -> str:
    """One delivery for the lead that is set aside; the duo's has arrived."""
    await accept_one(store, decide or Decider())
    claimed = {one.recipient: one for one in await store.claim(now=NOW, limit=9)}
    one = claimed[LEAD]
    alarm = NewAlarm("poison-delivery", one.id, "coordinator", "nl", "en")
    aside = DeliveryOutcome(one.id, one.token, "park", reason="cannot-be-rendered", alarm=alarm)
    assert await store.finish([aside, delivered(claimed[DUO])], now=NOW) == [True, True]
    return one.id


class OperationsPromises:
    # -- what waits --

    async def test_the_backlog_counts_what_waits_for_each_partner(self, store: Store) -> None:
        assert (await store.backlog(now=NOW)).queues == ()
        await accept_one(store, Decider(), arrival(received_at=NOW))
        await accept_one(store, Decider(), arrival(received_at=NOW + SECOND))
        one = await claim_one(store, now=NOW + SECOND)
        later = NOW + timedelta(minutes=4)
        assert await store.finish([failed(one, next_at=later, breaker_open_until=later)], now=NOW + SECOND) == [True]
        found = await queue(store, one.recipient, now=NOW + SECOND)
        assert (found.waiting, found.notified, found.parked, found.oldest) == (2, 0, 0, NOW)
        assert (found.last_reason, found.breaker_open_until, found.last_success) == ("http-500", later, None)
        assert (found.overdue, found.pause) == (0, None)
        other = await queue(store, DUO if one.recipient == LEAD else LEAD, now=NOW + SECOND)
        assert (other.waiting, other.last_reason, other.breaker_open_until) == (2, None, None)

    async def test_what_arrived_no_longer_waits_and_tells_when(self, store: Store) -> None:
        await accept_one(store, Decider())
        await deliver_all(store, now=NOW + SECOND)
        found = await queue(store, now=NOW + HOUR)
        assert (found.waiting, found.oldest, found.last_success) == (0, None, NOW + SECOND)

    async def test_what_is_notified_or_set_aside_is_counted_apart(self, store: Store) -> None:
        await parked(store)
        found = await queue(store)
        assert (found.waiting, found.parked) == (0, 1)
        await accept_one(store, Decider(channel="mailbox"), arrival(received_at=NOW))
        one = next(each for each in await store.claim(now=NOW, limit=9) if each.recipient == LEAD)
        assert await store.finish([DeliveryOutcome(one.id, one.token, "notify")], now=NOW) == [True]
        assert (await queue(store)).notified == 1

    async def test_a_late_answer_is_overdue_from_its_deadline_on(self, store: Store) -> None:
        await accept_one(store, Decider())  # due in four hours
        assert (await queue(store, now=NOW + 4 * HOUR - SECOND)).overdue == 0
        assert (await queue(store, now=NOW + 4 * HOUR)).overdue == 1

    async def test_alarms_parked_messages_and_unlinked_audit_rows_are_counted(self, store: Store) -> None:
        await accept_one(store, Decider(park="unknown-code"))
        (alarm,) = await store.due_alarms(now=NOW, limit=9)
        found = await store.backlog(now=NOW)
        assert (found.parked_messages, found.alarms_open, found.alarms_undelivered) == (1, 1, 1)
        assert found.audit_unlinked > 0
        assert found.audit_unlinked_since == NOW
        await store.alarm_outcomes([(alarm.id, True, NOW + HOUR)], now=NOW)
        await store.link_audit(now=NOW, limit=1000)
        found = await store.backlog(now=NOW)
        assert (found.alarms_open, found.alarms_undelivered) == (1, 0)
        assert (found.audit_unlinked, found.audit_unlinked_since) == (0, None)

    # -- pauses --

    async def test_nothing_is_claimed_for_a_paused_partner_until_the_pause_ends(self, store: Store) -> None:
        accepted = await accept_one(store, Decider())
        await store.pause(PAUSE)
        assert [one.recipient for one in await store.claim(now=NOW, limit=9)] == [DUO]
        mine = [bell.delivery_id for bell in accepted.bells if bell.recipient == LEAD]
        assert await store.claim(now=NOW, limit=9, only=mine) == []
        assert await store.claim(now=PAUSE.until - SECOND, limit=9, only=mine) == []
        assert [one.id for one in await store.claim(now=PAUSE.until, limit=9, only=mine)] == mine

    async def test_a_partner_that_is_resumed_is_claimed_at_once_and_both_are_audited(
        self, store: Store, sql: Side
    ) -> None:
        await accept_one(store, Decider())
        await store.pause(PAUSE)
        assert (await queue(store)).pause == PAUSE
        assert await store.resume(LEAD, by="An", reason="weer bereikbaar", now=NOW)
        assert not await store.resume(LEAD, by="An", reason="nogmaals", now=NOW)
        assert (await queue(store)).pause is None
        assert {one.recipient for one in await store.claim(now=NOW, limit=9)} == {LEAD, DUO}
        said = sql.rows("SELECT actor, action, object, detail FROM audit WHERE action LIKE 'partner:%' ORDER BY id")
        assert [row[:3] for row in said] == [
            ("operator:Jo", "partner:pause", LEAD),
            ("operator:An", "partner:resume", LEAD),
        ]
        assert "storing bij de partner" in said[0][3]

    @pytest.mark.parametrize("length", [timedelta(0), -SECOND, LONGEST_PAUSE + SECOND])
    async def test_a_pause_carries_a_clock_that_is_not_too_long(self, store: Store, length: timedelta) -> None:
        with pytest.raises(Conflict):
            await store.pause(replace(PAUSE, until=NOW + length))
        assert (await store.backlog(now=NOW)).queues == ()

    async def test_an_alarm_rings_once_when_a_pause_ends(self, store: Store, sql: Side) -> None:
        await store.pause(PAUSE)
        assert await store.due_alarms(now=PAUSE.until - SECOND, limit=9) == []
        (alarm,) = await store.due_alarms(now=PAUSE.until, limit=9)
        assert (alarm.cause, alarm.subject) == ("pause-ended", LEAD)
        assert "schakel queues" in alarm.nl
        await store.alarm_outcomes([(alarm.id, True, PAUSE.until + HOUR)], now=PAUSE.until)
        assert await store.due_alarms(now=PAUSE.until + SECOND, limit=9) == []
        assert sql.rows("SELECT actor FROM audit WHERE action = 'partner:pause-ended'") == [("clock",)]

    async def test_an_alarm_rings_at_once_for_each_crisis_that_waits_behind_a_pause(self, store: Store) -> None:
        await accept_one(store, Decider(urgency="normal"))
        await store.pause(PAUSE)
        assert await store.due_alarms(now=NOW, limit=9) == []
        await accept_one(store, Decider(urgency="crisis"))
        (alarm,) = await store.due_alarms(now=NOW, limit=9)
        assert (alarm.cause, alarm.subject, alarm.count) == ("pause-holds-crisis", LEAD, 1)
        await store.alarm_outcomes([(alarm.id, True, NOW + 3 * HOUR)], now=NOW)
        assert await store.due_alarms(now=NOW + SECOND, limit=9) == []
        await accept_one(store, Decider(urgency="crisis"))
        (again,) = await store.due_alarms(now=NOW + 2 * SECOND, limit=9)
        assert (again.id, again.count) == (alarm.id, 2)
        assert await store.resume(LEAD, by="An", reason="weer bereikbaar", now=NOW + 3 * SECOND)
        assert [row.acknowledged_by for row in await store.alarms() if row.id == alarm.id] == ["operator:An"]

    # -- deliveries that an operator acts on --

    async def test_what_is_stuck_is_chosen_by_partner_reason_and_time(self, store: Store) -> None:
        first = await parked(store)
        await accept_one(store, Decider(), arrival(received_at=NOW + HOUR))
        one = next(each for each in await store.claim(now=NOW + HOUR, limit=9) if each.recipient == LEAD)
        await store.finish([failed(one, next_at=NOW + 2 * HOUR)], now=NOW + HOUR)
        every = await store.stuck(Selection(partner=LEAD))
        assert [(each.id, each.state, each.reason) for each in every] == [
            (first, "parked", "cannot-be-rendered"),
            (one.id, "waiting", "http-500"),
        ]
        assert [each.id for each in await store.stuck(Selection(reason="cannot-be-rendered"))] == [first]
        assert [each.id for each in await store.stuck(Selection(partner=LEAD, since=NOW + SECOND))] == [one.id]
        assert await store.stuck(Selection(partner="nobody")) == []

    async def test_a_retry_is_due_at_once_and_closes_the_breaker(self, store: Store, sql: Side) -> None:
        await accept_one(store, Decider())
        one = await claim_one(store)
        away = NOW + HOUR
        await store.finish([failed(one, next_at=away, breaker_open_until=away)], now=NOW)
        await deliver_all(store)
        assert await store.claim(now=NOW + SECOND, limit=9) == []
        (bell,) = await store.retry_deliveries([one.id], by="Jo", reason="partner belde", now=NOW + SECOND)
        assert (bell.delivery_id, bell.recipient) == (one.id, one.recipient)
        assert [each.id for each in await store.claim(now=NOW + SECOND, limit=9)] == [one.id]
        said = sql.rows("SELECT actor, object, detail FROM audit WHERE action = 'delivery:retry'")
        assert said == [("operator:Jo", one.id, "partner belde")]

    async def test_a_retry_of_what_was_set_aside_goes_on_late_and_settles_it(self, store: Store) -> None:
        delivery = await parked(store)
        await store.retry_deliveries([delivery], by="Jo", reason="mapping hersteld", now=NOW + SECOND)
        assert await store.parked() == []
        (settled,) = await store.parked(settled=True)
        assert (settled.state, settled.settled_by, settled.settled_reason) == ("released", "Jo", "mapping hersteld")
        (again,) = await store.claim(now=NOW + SECOND, limit=9, only=[delivery])
        assert (again.id, again.late) == (delivery, True)

    async def test_what_is_being_sent_or_arrived_is_passed_over(self, store: Store) -> None:
        await accept_one(store, Decider())
        one = await claim_one(store)
        assert await store.retry_deliveries([one.id, "nothing"], by="Jo", reason="x", now=NOW) == []
        assert await store.replace_deliveries([(one.id, fresh("delivery"))], by="Jo", reason="x", now=NOW) == []

    async def test_a_superseded_delivery_is_made_anew_under_a_new_number(self, store: Store, sql: Side) -> None:
        await accept_one(store, Decider())
        one = next(each for each in await store.claim(now=NOW, limit=9) if each.recipient == LEAD)
        await store.keep_rendered([(one, rendered("wrong"))])
        await store.finish([failed(one, next_at=NOW + HOUR)], now=NOW)
        new = fresh("delivery")
        (bell,) = await store.replace_deliveries([(one.id, new)], by="Jo", reason="verkeerd gemaakt", now=NOW + SECOND)
        assert (bell.delivery_id, bell.number) == (new, one.number + 1)
        (again,) = await store.claim(now=NOW + SECOND, limit=9, only=[new])
        assert (again.rendered, again.message_id, again.request_reference) == (
            None,
            one.message_id,
            one.request_reference,
        )
        old = sql.rows("SELECT state FROM delivery WHERE id = ?", one.id)
        assert old == [("superseded",)]
        assert sql.rows("SELECT supersedes FROM delivery WHERE id = ?", new) == [(one.id,)]
        moves = sql.rows(
            "SELECT event, actor FROM state_event WHERE object_id = ? AND role = 'operator' ORDER BY ordinal", one.id
        )
        assert moves == [("park", "operator:Jo"), ("supersede", "operator:Jo")]

    async def test_what_was_set_aside_can_be_superseded_and_is_settled(self, store: Store) -> None:
        delivery = await parked(store)
        new = fresh("delivery")
        await store.replace_deliveries([(delivery, new)], by="Jo", reason="mapping hersteld", now=NOW + SECOND)
        assert await store.parked() == []
        (again,) = await store.claim(now=NOW + SECOND, limit=9, only=[new])
        assert again.late
        assert [row for row in await store.alarms() if row.acknowledged_by is None] == []

    # -- how a case is under way --

    async def test_the_progress_of_a_message_and_its_case_says_why_it_has_not_arrived(
        self, store: Store, sql: Side
    ) -> None:
        accepted = await accept_one(store, Decider())
        one = await claim_one(store)
        later = NOW + timedelta(minutes=3)
        await store.finish([failed(one, next_at=later)], now=NOW)
        await store.pause(replace(PAUSE, partner=one.recipient))
        ((case_id,),) = sql.rows("SELECT case_id FROM message")
        by_message = await store.progress(accepted.message_id, now=NOW)
        assert by_message == await store.progress(case_id, now=NOW)
        found = {each.partner: each for each in by_message}
        assert set(found) == {LEAD, DUO}
        mine = found[one.recipient]
        assert (mine.state, mine.attempts, mine.last_reason, mine.next_at) == ("waiting", 1, "http-500", later)
        assert mine.paused_until == PAUSE.until
        await store.resume(one.recipient, by="Jo", reason="x", now=NOW)
        await deliver_all(store, now=later)
        assert await store.progress(case_id, now=later) == []

    # -- duties --

    async def test_a_duty_is_one_token_s_until_its_lease_runs_out(self, store: Store) -> None:
        async def take(token: str, *, now: datetime = NOW, after: str | None = None) -> bool:
            return await store.take_duty("clock", token, holder=f"h-{token}", now=now, until=now + LEASE, after=after)

        assert await store.duty_holder("clock") is None

        assert await take("one")
        assert not await take("two")
        assert await take("one", now=NOW + 10 * SECOND)  # renewed
        assert not await take("two", now=NOW + LEASE + SECOND)
        assert await take("two", now=NOW + 10 * SECOND + LEASE + SECOND)
        assert not await take("one", now=NOW + 10 * SECOND + LEASE + SECOND)  # fenced off
        await store.leave_duty("clock", "one")  # a stranger's token ends nothing
        assert not await take("one", now=NOW + 10 * SECOND + LEASE + SECOND)
        await store.leave_duty("clock", "two")
        assert await take("one", now=NOW + 10 * SECOND + LEASE + SECOND)
        assert await store.duty_holder("clock") == "h-one"
        end = NOW + 10 * SECOND + LEASE + SECOND
        assert not await take("three", now=end, after="h-two")
        assert await take("three", now=end, after="h-one")  # of whom the caller knows that it has ended
        assert await store.take_duty("other", "two", holder="host", now=NOW, until=NOW + LEASE)

    async def test_a_duty_s_lease_of_a_clock_that_was_ahead_binds_nobody(self, store: Store) -> None:
        async def take(token: str, *, now: datetime) -> bool:
            return await store.take_duty("clock", token, holder=f"h-{token}", now=now, until=now + LEASE)

        assert await take("ahead", now=NOW + HOUR)
        assert await take("right", now=NOW)
        assert not await take("ahead", now=NOW + SECOND)
        assert not await take("another", now=NOW - 30 * SECOND)  # so much may clocks differ

    # -- a clock that goes back --

    async def test_what_waits_is_due_again_when_the_clock_went_back_and_a_human_is_told(
        self, store: Store, sql: Side
    ) -> None:
        ahead = NOW + HOUR
        await accept_one(store, Decider(), arrival(received_at=ahead))
        assert await store.mind_the_clock(now=ahead - 50 * SECOND) is None
        claimed = {one.recipient: one for one in await store.claim(now=ahead, limit=9)}
        away = failed(claimed[LEAD], next_at=ahead + HOUR)
        assert await store.finish([away], now=ahead) == [True]
        assert await store.claim(now=NOW + LEASE + SECOND, limit=9) == []  # the one waits, the other is held

        await store.audit(
            [AuditEntry(NOW, "x", "x", "x", "")]
        )  # somebody writes after the jump, before the clock looks
        assert await store.mind_the_clock(now=NOW) == HOUR
        await store.link_audit(now=NOW, limit=99)
        assert await store.mind_the_clock(now=NOW) is None  # it is told once
        (again,) = await store.claim(now=NOW, limit=9)
        assert (again.id, again.attempts) == (claimed[LEAD].id, 1)
        assert await store.claim(now=NOW + LEASE, limit=9) == []  # whoever holds it has the time of a lease to say so
        (dead,) = await store.claim(now=NOW + LEASE + SECOND, limit=1)
        assert dead.crashes == 1
        told = [one for one in await store.due_alarms(now=NOW, limit=9) if one.cause == "clock-went-back"]
        assert [one.owner for one in told] == ["coordinator"]
        assert sql.rows("SELECT actor, detail FROM audit WHERE action = 'clock:went-back'") == [("clock", "3600 s")]

    async def test_alarms_come_no_later_than_they_would_have_when_the_clock_went_back(self, store: Store) -> None:
        ahead = NOW + 9 * HOUR

        async def causes(now: datetime) -> set[str]:
            return {one.cause for one in await store.due_alarms(now=now, limit=99)} - {"clock-went-back"}

        await accept_one(store, Decider(urgency="crisis"), arrival(received_at=ahead))
        claimed = {one.recipient: one for one in await store.claim(now=ahead, limit=9)}
        alarm = NewAlarm("poison-delivery", claimed[DUO].id, "coordinator", "nl", "en")
        aside = DeliveryOutcome(claimed[DUO].id, claimed[DUO].token, "park", reason="cannot-be-rendered", alarm=alarm)
        assert await store.finish([aside], now=ahead) == [True]
        assert await causes(NOW) == set()

        assert await store.mind_the_clock(now=NOW) == 9 * HOUR
        assert await causes(NOW) == {"poison-delivery"}
        for one in await store.due_alarms(now=NOW, limit=99):
            await store.alarm_outcomes([(one.id, True, NOW + 24 * HOUR)], now=NOW)
        late = NOW + TIMES.crisis_delivery_after
        assert await causes(late - SECOND) == set()
        assert await causes(late) == {"delivery-overdue"}

    # -- data keys --

    async def test_data_keys_are_walked_by_page_and_wrapped_anew(self, store: Store) -> None:
        for _ in range(3):
            await accept_one(store, Decider())
        first = await store.wrapped_keys("raw_referral", after="", limit=2)
        rest = await store.wrapped_keys("raw_referral", after=first[-1].owner, limit=2)
        assert (len(first), len(rest)) == (2, 1)
        assert {key.wrapped for key in (*first, *rest)} == {b"wrapped-raw"}
        assert await store.rewrap([(key, b"wrapped-anew") for key in first]) == 2
        assert await store.rewrap([(first[0], b"wrapped-again")]) == 0  # it is no longer what was read
        now = [key.wrapped for key in await store.wrapped_keys("raw_referral", after="", limit=9)]
        assert now == [b"wrapped-anew", b"wrapped-anew", b"wrapped-raw"]
        assert len(await store.wrapped_keys("case_file", after="", limit=9)) == 3
        assert await store.wrapped_keys("partner_secret", after="", limit=9) == []
        assert await store.wrapped_keys("answer", after="", limit=9) == []
