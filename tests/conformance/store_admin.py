# SPDX-License-Identifier: EUPL-1.2
"""Promises of AdminStore: alarms with counts, keys and secrets, audit, health."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from schakel.errors import Conflict
from schakel.ports import Store
from schakel.records import AuditEntry, DeliveryOutcome, KeyRow, NewAlarm, Sealed, SecretRow
from tests.conformance.store_cases import (
    CAUSES,
    NOW,
    SECOND,
    TIMES,
    Decider,
    Side,
    accept_one,
    deliver_all,
    digest,
)

ALARM = NewAlarm("contradiction", "request-1", "coordinator", "nl", "en")


def api_key(name: str, **changes: object) -> KeyRow:
    value = KeyRow(id=name, partner="vvt", digest=digest(name), created_at=NOW, expires_at=None)
    return replace(value, **changes)


class AdminPromises:
    # -- alarms --

    async def test_an_alarm_is_one_per_cause_and_subject_with_a_count(self, store: Store) -> None:
        other = replace(ALARM, subject="request-2")
        await store.raise_alarms([ALARM, ALARM, other], now=NOW)
        await store.raise_alarms([ALARM], now=NOW + SECOND)
        due = await store.due_alarms(now=NOW + SECOND, limit=9)
        assert {(alarm.subject, alarm.count) for alarm in due} == {("request-1", 3), ("request-2", 1)}

    async def test_a_delivered_alarm_rings_again_at_its_time_one_step_up(self, store: Store) -> None:
        await store.raise_alarms([ALARM], now=NOW)
        (alarm,) = await store.due_alarms(now=NOW, limit=9)
        again = NOW + timedelta(minutes=5)
        await store.alarm_outcomes([(alarm.id, True, again)], now=NOW)
        assert await store.due_alarms(now=again - SECOND, limit=9) == []
        (second,) = await store.due_alarms(now=again, limit=9)
        assert (second.id, second.step, second.delivered_at) == (alarm.id, 1, NOW)

    async def test_an_alarm_that_reaches_nobody_degrades_health_and_is_tried_again(self, store: Store) -> None:
        assert (await store.health()).alarms is None
        await store.raise_alarms([ALARM], now=NOW)
        (alarm,) = await store.due_alarms(now=NOW, limit=9)
        await store.alarm_outcomes([(alarm.id, False, NOW + SECOND)], now=NOW)
        assert (await store.health()).alarms is not None
        (again,) = await store.due_alarms(now=NOW + SECOND, limit=9)
        assert (again.attempts, again.step, again.delivered_at) == (1, 0, None)
        await store.alarm_outcomes([(alarm.id, True, NOW + timedelta(days=1))], now=NOW + SECOND)
        assert (await store.health()).alarms is None

    async def test_a_clock_that_slept_over_an_alarm_changes_nothing_any_more(self, store: Store) -> None:
        await store.raise_alarms([ALARM], now=NOW)
        (asleep,) = await store.due_alarms(now=NOW, limit=9)
        later = NOW + timedelta(minutes=1)
        (alarm,) = await store.due_alarms(now=later, limit=9)
        assert alarm.id == asleep.id
        await store.alarm_outcomes([(alarm.id, True, later + timedelta(hours=1))], now=later)
        told = await store.alarms()
        await store.alarm_outcomes([(asleep.id, False, NOW + SECOND)], now=NOW)
        await store.alarm_outcomes([(asleep.id, True, NOW + SECOND)], now=NOW)
        assert await store.alarms() == told
        assert await store.due_alarms(now=later + SECOND, limit=9) == []
        assert (await store.health()).alarms is None

    async def test_an_acknowledged_alarm_is_silent_and_a_new_one_starts_anew(self, store: Store) -> None:
        await store.raise_alarms([ALARM], now=NOW)
        (alarm,) = await store.due_alarms(now=NOW, limit=9)
        assert await store.acknowledge(alarm.id, by="Jo", now=NOW)
        assert not await store.acknowledge(alarm.id, by="Jo", now=NOW)
        assert await store.due_alarms(now=NOW + timedelta(days=9), limit=9) == []
        await store.raise_alarms([ALARM], now=NOW + SECOND)
        assert [(row.acknowledged_by, row.count) for row in await store.alarms()] == [("Jo", 1), (None, 1)]

    async def test_what_is_parked_rings_at_its_time_and_again(self, store: Store) -> None:
        await accept_one(store, Decider(park="unknown-code"))
        (alarm,) = await store.due_alarms(now=NOW, limit=9)
        (row,) = await store.parked()
        assert (alarm.cause, alarm.subject, alarm.owner) == ("unknown-code", row.id, "coordinator")
        assert (alarm.nl, alarm.en) == CAUSES["unknown-code"]
        assert row.next_alarm_at == NOW + TIMES.parked_every
        await store.alarm_outcomes([(alarm.id, True, NOW + timedelta(days=9))], now=NOW)
        assert await store.due_alarms(now=row.next_alarm_at - SECOND, limit=9) == []
        (again,) = await store.due_alarms(now=row.next_alarm_at, limit=9)
        assert (again.id, again.count) == (alarm.id, 2)

    async def test_a_settled_parked_thing_is_silent(self, store: Store) -> None:
        await accept_one(store, Decider(park="unknown-code"))
        await store.due_alarms(now=NOW, limit=9)
        (row,) = await store.parked()
        await store.settle_parked(row.id, "drop", None, by="Jo", reason="test", now=NOW)
        assert await store.due_alarms(now=NOW + timedelta(days=9), limit=9) == []

    @pytest.mark.parametrize("urgency", ["crisis", "normal"])
    async def test_a_delivery_that_does_not_arrive_alarms_by_its_urgency(self, store: Store, urgency: str) -> None:
        await accept_one(store, Decider(urgency=urgency))
        at = NOW + TIMES.delivery(urgency)
        assert await store.due_alarms(now=at - SECOND, limit=9) == []
        alarms = await store.due_alarms(now=at, limit=9)
        assert [alarm.cause for alarm in alarms] == ["delivery-overdue"] * 2
        await deliver_all(store, now=at)
        assert await store.due_alarms(now=at + timedelta(days=1), limit=9) == []

    async def test_a_mailbox_that_is_not_read_alarms_once_per_partner(self, store: Store) -> None:
        for _ in range(2):
            await accept_one(store, Decider(channel="mailbox"))
        for one in await store.claim(now=NOW, limit=9):
            await store.finish([DeliveryOutcome(one.id, one.token, "notify")], now=NOW)
        at = NOW + TIMES.mailbox_after
        assert await store.due_alarms(now=at - SECOND, limit=9) == []
        alarms = await store.due_alarms(now=at, limit=9)
        assert {(alarm.cause, alarm.subject, alarm.count) for alarm in alarms} == {
            ("mailbox-unread", "vvt", 2),
            ("mailbox-unread", "lokaal-team-den-haag", 2),
        }
        for number in (1, 2):
            await store.receive("vvt", number, now=at, how="fetch")
        left = await store.due_alarms(now=at + TIMES.mailbox_after, limit=9)
        assert {alarm.subject for alarm in left} == {"lokaal-team-den-haag"}

    # -- keys and secrets --

    async def test_a_partner_has_at_most_two_valid_keys(self, store: Store) -> None:
        await store.add_key(api_key("one", expires_at=NOW + timedelta(days=1)))
        await store.add_key(api_key("two"))
        with pytest.raises(Conflict):
            await store.add_key(api_key("three"))
        await store.add_key(api_key("other", partner="cit"))
        assert [row.id for row in await store.keys(now=NOW)] == ["other", "one", "two"]
        assert [row.id for row in await store.keys(now=NOW + timedelta(days=1))] == ["other", "two"]
        await store.add_key(api_key("three", created_at=NOW + timedelta(days=1)))

    async def test_a_revoked_key_is_gone(self, store: Store) -> None:
        await store.add_key(api_key("one"))
        assert await store.revoke_key("one", now=NOW)
        assert not await store.revoke_key("one", now=NOW)
        assert await store.keys(now=NOW) == []

    async def test_two_secrets_are_valid_at_once_until_they_expire(self, store: Store) -> None:
        old = SecretRow("s1", "vvt", "v1", Sealed(b"k1", b"d1"), NOW, NOW + timedelta(days=1))
        new = SecretRow("s2", "vvt", "v1", Sealed(b"k2", b"d2"), NOW + SECOND, None)
        await store.add_secret(old)
        await store.add_secret(new)
        assert await store.secrets("vvt", now=NOW) == [new, old]
        assert await store.secrets("vvt", now=NOW + timedelta(days=1)) == [new]
        assert await store.secrets("cit", now=NOW) == []

    # -- audit and health --

    async def test_audit_rows_are_linked_once_and_in_order(self, store: Store, sql: Side) -> None:
        await store.audit(
            [AuditEntry(NOW, "vvt", "case:view", "case-1"), AuditEntry(NOW, "vvt", "case:view", "case-2")]
        )
        await accept_one(store, Decider())
        (total,) = sql.rows("SELECT count(*) FROM audit")[0]
        assert await store.link_audit(now=NOW, limit=2) == 2
        assert await store.link_audit(now=NOW, limit=1000) == total - 2
        assert await store.link_audit(now=NOW, limit=1000) == 0
        assert sql.rows("SELECT max(position), count(DISTINCT hash) FROM audit") == [(total, total)]
        assert sql.rows("SELECT position FROM audit_checkpoint ORDER BY position") == [(2,), (total,)]

    async def test_every_move_has_its_audit_row(self, store: Store, sql: Side) -> None:
        await accept_one(store, Decider())
        await deliver_all(store)
        (moves,) = sql.rows("SELECT count(*) FROM state_event")[0]
        (audited,) = sql.rows("SELECT count(*) FROM audit WHERE action LIKE '%:%'")[0]
        assert moves == audited

    async def test_health_is_well(self, store: Store) -> None:
        health = await store.health()
        assert (health.store, health.alarms) == (None, None)
