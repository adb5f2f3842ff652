# SPDX-License-Identifier: EUPL-1.2
"""Promises of IntakeStore: duplicates, conflicts, batches, one household at once, numbers without a gap."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

from schakel.errors import Conflict, Unacceptable
from schakel.ports import Store
from schakel.records import Accepted, CaseChange, KnownOrder
from tests.conformance.store_cases import (
    NOW,
    Decider,
    Side,
    accept_one,
    arrival,
    close_case,
    digest,
    fresh,
    key,
    orders,
    parked_decision,
)


def accepted(outcomes: list[object]) -> list[Accepted]:
    assert all(isinstance(outcome, Accepted) for outcome in outcomes), outcomes
    return [outcome for outcome in outcomes if isinstance(outcome, Accepted)]


class IntakePromises:
    async def test_accepted_message_has_bells_and_status(self, store: Store) -> None:
        item = arrival()
        outcome = await accept_one(store, Decider(), item)
        assert (outcome.message_id, outcome.state, outcome.duplicate) == (item.message_id, "routed", False)
        assert sorted(bell.recipient for bell in outcome.bells) == ["lokaal-team-den-haag", "vvt"]
        status = await store.status(item.source, item.message_id)
        assert status is not None
        assert status.routing == outcome.routing
        assert status.warnings == outcome.warnings

    async def test_same_reference_and_content_gives_the_first_answer_again(self, store: Store) -> None:
        item = arrival()
        first = await accept_one(store, Decider(), item)
        again = await accept_one(store, Decider(lead="perspektief"), replace(item, message_id=fresh("message")))
        assert again == replace(first, duplicate=True, bells=())

    async def test_duplicate_of_a_released_message_is_answered_as_it_was_at_first(self, store: Store) -> None:
        item = arrival()
        first = await accept_one(store, Decider(park="unknown-code"), item)
        (row,) = await store.parked()
        await store.settle_parked(row.id, "release", Decider().settle, by="Jo", reason="known", now=NOW)
        again = await accept_one(store, Decider(), replace(item, message_id=fresh("message")))
        assert again == replace(first, duplicate=True)

    async def test_which_references_of_a_source_are_kept(self, store: Store) -> None:
        item, other = arrival(), arrival()
        for each in (item, other):
            await accept_one(store, Decider(), each)
        asked = [item.message_reference, other.message_reference, fresh("reference")]
        assert await store.known(item.source, asked) == frozenset(asked[:2])
        assert await store.known(item.source, [asked[1]]) == frozenset(asked[1:2])
        assert await store.known("somebody-else", asked) == frozenset()
        assert await store.known(item.source, []) == frozenset()

    async def test_same_reference_with_other_content_conflicts_and_alarms(self, store: Store, sql: Side) -> None:
        item = arrival()
        await accept_one(store, Decider(), item)
        other = replace(item, message_id=fresh("message"), digest=digest("other"))
        outcomes = await store.accept_many([other, other], Decider())
        assert all(isinstance(outcome, Conflict) for outcome in outcomes)
        (alarm,) = await store.alarms()
        assert (alarm.cause, alarm.subject, alarm.count) == ("reference-conflict", item.message_id, 2)
        assert sql.rows("SELECT count(*) FROM message") == [(1,)]

    async def test_two_sources_may_use_one_reference(self, store: Store) -> None:
        first = await accept_one(store, Decider(), arrival("same"))
        second = await accept_one(store, Decider(), arrival("same", source="cit"))
        assert not second.duplicate
        assert first.message_id != second.message_id

    async def test_outcomes_come_in_the_order_of_arrivals(self, store: Store) -> None:
        items = [arrival() for _ in range(7)]
        outcomes = accepted(list(await store.accept_many(items, Decider())))
        assert [outcome.message_id for outcome in outcomes] == [item.message_id for item in items]

    async def test_an_empty_batch_is_nothing(self, store: Store) -> None:
        assert await store.accept_many([], Decider()) == []

    async def test_twenty_identical_in_one_batch_are_one_message(self, store: Store, sql: Side) -> None:
        item = arrival()
        same = [replace(item, message_id=fresh("message")) for _ in range(20)]
        outcomes = accepted(list(await store.accept_many(same, Decider())))
        assert [outcome.duplicate for outcome in outcomes] == [False] + [True] * 19
        assert {outcome.message_id for outcome in outcomes} == {same[0].message_id}
        assert sql.rows("SELECT count(*) FROM delivery") == [(2,)]

    async def test_twenty_identical_at_once_are_one_message(self, store: Store, sql: Side) -> None:
        item, decide = arrival(), Decider()
        same = [replace(item, message_id=fresh("message")) for _ in range(20)]
        outcomes = await asyncio.gather(*(accept_one(store, decide, one) for one in same))
        assert sum(not outcome.duplicate for outcome in outcomes) == 1
        assert sql.rows("SELECT count(*) FROM message") == [(1,)]

    async def test_twenty_of_one_household_in_one_batch_are_one_case(self, store: Store, sql: Side) -> None:
        decide = Decider()
        accepted(list(await store.accept_many([arrival(household="one") for _ in range(20)], decide)))
        assert sql.rows("SELECT count(*) FROM case_file") == [(1,)]
        assert sql.rows("SELECT count(*) FROM request") == [(2,)]
        assert [len(facts.matches) for facts in decide.seen] == [0] + [1] * 19

    async def test_twenty_of_one_household_at_once_are_one_case(self, store: Store, sql: Side) -> None:
        decide = Decider()
        await asyncio.gather(*(accept_one(store, decide, arrival(household="one")) for _ in range(20)))
        assert sql.rows("SELECT count(*) FROM case_file") == [(1,)]
        assert sql.rows("SELECT count(*) FROM request") == [(2,)]

    async def test_numbers_have_no_gap_and_follow_the_order_of_acceptance(self, store: Store, sql: Side) -> None:
        decide = Decider(fails=frozenset({"bad-1", "bad-2"}))
        batches = [[arrival("bad-1"), arrival(), arrival()], [arrival(), arrival("bad-2"), arrival()], [arrival()]]
        await asyncio.gather(*(store.accept_many(batch, decide) for batch in batches))
        for partner in ("vvt", "lokaal-team-den-haag"):
            numbers = sql.rows("SELECT number FROM delivery WHERE recipient = ? ORDER BY number", partner)
            assert numbers == [(number,) for number in range(1, 6)]
            assert sql.rows("SELECT last_number FROM recipient WHERE partner = ?", partner) == [(5,)]

    async def test_one_arrivals_fault_never_touches_another(self, store: Store, sql: Side) -> None:
        good, bad, also = arrival(), arrival("bad"), arrival()
        outcomes = await store.accept_many([good, bad, also], Decider(fails=frozenset({"bad"})))
        assert [type(outcome) for outcome in outcomes] == [Accepted, Unacceptable, Accepted]
        assert sql.rows("SELECT count(*) FROM raw_referral") == [(2,)]

    async def test_what_the_database_refuses_is_refused_alone(self, store: Store, sql: Side) -> None:
        first, taken = arrival(), arrival()
        twice = replace(taken, message_id=first.message_id)
        outcomes = await store.accept_many([first, twice, arrival()], Decider())
        assert [type(outcome) for outcome in outcomes] == [Accepted, Unacceptable, Accepted]
        assert outcomes[1].status == 503 if isinstance(outcomes[1], Unacceptable) else False
        assert sql.rows("SELECT max(number), count(*) FROM delivery WHERE recipient = 'vvt'") == [(2, 2)]

    async def test_a_callers_fault_does_not_touch_another_caller(self, store: Store) -> None:
        bad = store.accept_many([arrival("bad")], Decider(fails=frozenset({"bad"})))
        results = await asyncio.gather(bad, accept_one(store, Decider()), accept_one(store, Decider()))
        assert isinstance(results[0][0], Unacceptable)

    async def test_a_case_is_found_by_any_key_it_shares(self, store: Store) -> None:
        person = key("person", "victim")
        item = arrival(keys=(key("source-case", "a"), person))
        await accept_one(store, Decider(), item)
        decide = Decider()
        await accept_one(store, decide, arrival(keys=(key("source-case", "b"), person), programme="mda++"))
        (facts,) = decide.seen
        assert [case.matched for case in facts.matches] == [frozenset({"person"})]
        assert {recipient.role for recipient in facts.matches[0].recipients} == {"lead", "duo"}

    async def test_a_strong_key_stays_with_the_first_open_case(self, store: Store, sql: Side) -> None:
        shared = key("order", "number")
        await accept_one(store, Decider(), arrival(keys=(shared,)))

        def apart(item: object, facts: object) -> object:
            return Decider().route(arrival_, type(facts)(()))

        arrival_ = arrival(keys=(shared, key("source-case", "b")))
        (outcome,) = await store.accept_many([arrival_], apart)
        assert isinstance(outcome, Accepted)
        assert sql.rows("SELECT count(*) FROM match_key WHERE kind = 'order'") == [(1,)]
        assert sql.rows("SELECT count(*) FROM case_file") == [(2,)]

    async def test_a_closed_case_is_not_joined(self, store: Store, sql: Side) -> None:
        await accept_one(store, Decider(), arrival(household="one"))
        ((case_id,),) = sql.rows("SELECT id FROM case_file")
        await close_case(store, case_id)
        decide = Decider()
        await accept_one(store, decide, arrival(household="one"))
        assert decide.seen[0].matches == ()
        assert sql.rows("SELECT count(*) FROM case_file") == [(2,)]

    async def test_orders_are_known_once_and_ordinal_is_the_highest(self, store: Store) -> None:
        at = NOW - timedelta(days=3)
        for change in (
            CaseChange(orders=(KnownOrder(None, at),), max_ordinal=2),
            CaseChange(orders=(KnownOrder(digest("a"), at),), max_ordinal=1),
            orders("a", "b"),
        ):
            await accept_one(store, Decider(change=change), arrival(household="one"))
        decide = Decider()
        await accept_one(store, decide, arrival(household="one"))
        (case,) = decide.seen[0].matches
        assert set(case.orders) == {KnownOrder(digest("a"), at), KnownOrder(digest("b"), None)}
        assert case.max_ordinal == 2

    async def test_orders_told_at_once_are_known_as_if_told_one_by_one(self, store: Store) -> None:
        one, two, three = (NOW - timedelta(days=days) for days in (3, 2, 1))
        told = (
            KnownOrder(digest("a"), None),
            KnownOrder(None, one),
            KnownOrder(digest("a"), one),  # so that is what the one without number was
            KnownOrder(None, two),
            KnownOrder(digest("b"), three),
            KnownOrder(None, three),  # and that is b
            KnownOrder(digest("b"), None),
        )
        known = []
        for household, parts in (("at once", [told]), ("one by one", [(each,) for each in told])):
            for orders_ in parts:
                await accept_one(store, Decider(change=CaseChange(orders=orders_)), arrival(household=household))
            decide = Decider()
            await accept_one(store, decide, arrival(household=household))
            known.append(set(decide.seen[0].matches[0].orders))
        assert known[0] == known[1]
        assert known[0] == {KnownOrder(digest("a"), one), KnownOrder(None, two), KnownOrder(digest("b"), three)}

    async def test_new_secrecy_raises_the_version(self, store: Store) -> None:
        await accept_one(store, Decider(change=CaseChange(secrecy=b"first")), arrival(household="one"))
        await accept_one(store, Decider(), arrival(household="one"))
        await accept_one(store, Decider(change=CaseChange(secrecy=b"second")), arrival(household="one"))
        decide = Decider()
        await accept_one(store, decide, arrival(household="one"))
        (case,) = decide.seen[0].matches
        assert (case.secrecy, case.secrecy_version) == (b"second", 2)

    async def test_a_parked_message_has_owner_reason_and_alarm_time(self, store: Store) -> None:
        item = arrival()
        outcome = await accept_one(store, Decider(park="unknown-code"), item)
        assert (outcome.state, outcome.parked_cause, outcome.bells) == ("parked", "unknown-code", ())
        (row,) = await store.parked()
        assert (row.message_id, row.owner, row.source, row.whole) == (item.message_id, "coordinator", "thv-pool", True)
        assert row.next_alarm_at == NOW
        assert row.findings[0].place == "trigger"

    async def test_a_message_cannot_be_parked_without_a_row_that_says_so(self, store: Store) -> None:
        item = arrival()
        silent = replace(parked_decision(item, "unknown-code"), parked=())
        (outcome,) = await store.accept_many([item], lambda *_: silent)
        assert isinstance(outcome, Unacceptable)
