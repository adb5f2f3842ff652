# SPDX-License-Identifier: EUPL-1.2
"""Promises of the store for what comes back: a recipient's word on a delivery, words without a move, and feedback."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from schakel.ledger_records import AnswerArrival, AnswerDecision, RequestFacts
from schakel.ports import Store
from schakel.records import (
    Claimed,
    DeliveryOutcome,
    NewAlarm,
    NewDelivery,
    NewParked,
    ParkedFacts,
    SourceMessage,
    ToldSource,
)
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
    digest,
    fresh,
    parked_decision,
)

ALARM = NewAlarm("delivery-given-back", "subject", "coordinator", "nl", "en")


def feedback(source: str = "thv-pool", kind: str = "lead-confirmed", happened: str = "") -> NewDelivery:
    return NewDelivery(
        id=fresh("delivery"),
        recipient=source,
        role="source",
        channel="webhook",
        mode="full",
        representation="feedback-json",
        urgency="normal",
        request_id=None,
        occasion=f"{kind}:{happened or fresh('happened')}",
    )


async def lead_notified(store: Store) -> Claimed:
    """The lead's delivery, sent and not yet fetched."""
    await accept_one(store, Decider())
    claimed = next(one for one in await store.claim(now=NOW, limit=9) if one.role == "lead")
    assert await store.finish([DeliveryOutcome(claimed.id, claimed.token, "notify")], now=NOW) == [True]
    return claimed


def given_back(claimed: Claimed, event: str) -> DeliveryOutcome:
    again = NOW + timedelta(minutes=5) if event == "fail" else None
    return DeliveryOutcome(claimed.id, "", event, reason="fo03-stuf046", next_at=again, alarm=ALARM)


async def state_of(store: Store, claimed: Claimed) -> str:
    entries = await store.mailbox(claimed.recipient, after=claimed.number - 1, limit=1)
    return entries[0].state


class FeedbackPromises:
    # -- a recipient's word on a delivery

    async def test_a_recipient_finds_its_own_delivery_by_its_id(self, store: Store) -> None:
        claimed = await lead_notified(store)
        found = await store.delivery("vvt", claimed.id)
        assert found is not None
        assert (found.id, found.number, found.token, found.occasion) == (claimed.id, claimed.number, "", "message")
        assert await store.delivery("perspektief", claimed.id) is None
        assert await store.delivery("vvt", "unknown") is None

    async def test_what_failed_over_there_is_due_again_at_its_time(self, store: Store) -> None:
        claimed = await lead_notified(store)
        assert await store.give_back("vvt", given_back(claimed, "fail"), now=NOW) == "waiting"
        again = NOW + timedelta(minutes=5)
        assert await store.claim(now=again - SECOND, limit=9, only=[claimed.id]) == []
        taken = await claim_one(store, now=again, only=[claimed.id])
        assert taken.attempts == claimed.attempts + 2
        assert [alarm.cause for alarm in await store.alarms()] == [ALARM.cause]

    async def test_what_was_refused_waits_for_a_person_and_can_be_released(self, store: Store, sql: Side) -> None:
        claimed = await lead_notified(store)
        assert await store.give_back("vvt", given_back(claimed, "park"), now=NOW) == "parked"
        (row,) = await store.parked()
        assert (row.cause, row.message_id) == ("poison-delivery", claimed.message_id)
        assert sql.rows("SELECT role, actor FROM state_event WHERE object_id = ? AND event = 'park'", claimed.id) == [
            ("recipient", "vvt")
        ]
        await store.settle_parked(row.id, "release", None, by="Jo", reason="mended", now=NOW)
        assert (await claim_one(store, only=[claimed.id])).late

    @pytest.mark.parametrize("state", ["waiting", "sending", "delivered"])
    @pytest.mark.parametrize("event", ["fail", "park"])
    async def test_in_any_other_state_only_the_alarm_is_raised(self, store: Store, state: str, event: str) -> None:
        await accept_one(store, Decider())
        entry = (await store.mailbox("vvt", after=0, limit=1))[0]
        if state != "waiting":
            claimed = await claim_one(store, only=[entry.delivery_id])
        if state == "delivered":
            await store.finish([DeliveryOutcome(claimed.id, claimed.token, "deliver")], now=NOW)
        found = await store.delivery("vvt", entry.delivery_id)
        assert found is not None
        assert await store.give_back("vvt", given_back(found, event), now=NOW) == state
        assert await state_of(store, found) == state
        assert ALARM.cause in {alarm.cause for alarm in await store.alarms()}

    async def test_on_somebody_elses_delivery_a_word_does_nothing(self, store: Store) -> None:
        claimed = await lead_notified(store)
        assert await store.give_back("perspektief", given_back(claimed, "park"), now=NOW) is None
        assert await state_of(store, claimed) == "notified"
        assert await store.alarms() == []

    # -- answers that move nothing, and answers that nobody can read

    async def test_what_is_only_noted_is_kept_without_a_move(self, store: Store) -> None:
        await accept_one(store, Decider())
        lead = next(one for one in await deliver_all(store) if one.role == "lead")
        assert lead.request_reference is not None

        def noted(item: AnswerArrival, request: RequestFacts | None) -> AnswerDecision:
            return AnswerDecision(None, b"sealed", digest(item.answer), keep=True)

        await store.answer_many([answer("vvt", lead.request_reference)], decide_answer)
        (outcome,) = await store.answer_many([answer("vvt", lead.request_reference, "noted")], noted)
        assert (outcome.outcome, outcome.request_state) == ("recorded", "confirmed")
        case = await store.case("vvt", lead.case_reference)
        assert case is not None
        row = next(request for request in case.requests if request.partner == "vvt")
        assert [line.answer for line in row.answers] == ["confirmed", "noted"]

    async def test_an_answer_that_cannot_be_read_is_parked_at_its_case(self, store: Store) -> None:
        await accept_one(store, Decider())
        lead = next(one for one in await deliver_all(store) if one.role == "lead")
        assert lead.request_reference is not None

        def unread(item: AnswerArrival, request: RequestFacts | None) -> AnswerDecision:
            parked = NewParked(fresh("parked"), "unknown-code", "coordinator", (), (), item.received_at, whole=False)
            return AnswerDecision(None, b"sealed", digest("x"), parked=parked, wrapped_key=b"wrapped")

        (outcome,) = await store.answer_many([answer("vvt", lead.request_reference, "noted")], unread)
        assert (outcome.outcome, outcome.request_state) == ("parked", None)
        (row,) = await store.parked()
        assert (row.cause, row.case_id, row.message_id) == ("unknown-code", lead.case_id, None)

    # -- feedback to the source

    async def test_an_answer_knows_the_last_routed_message_of_each_source(self, store: Store) -> None:
        first = arrival(household="h")
        await accept_one(store, Decider(), first)
        lead = next(one for one in await deliver_all(store) if one.role == "lead")
        second = arrival(household="h", received_at=NOW + SECOND)
        other = arrival(household="h", source="cit", received_at=NOW + SECOND)
        for item in (second, other):
            await accept_one(store, Decider(), item)
        seen: list[RequestFacts] = []

        def decide(item: AnswerArrival, request: RequestFacts | None) -> AnswerDecision:
            assert request is not None
            seen.append(request)
            return decide_answer(item, request)

        assert lead.request_reference is not None
        await store.answer_many([answer("vvt", lead.request_reference)], decide)
        assert {(one.source, one.message_id) for one in seen[0].sources} == {
            ("thv-pool", second.message_id),
            ("cit", other.message_id),
        }

    async def test_feedback_is_a_delivery_of_its_own_with_a_number_and_a_lane(self, store: Store) -> None:
        item = arrival()
        await accept_one(store, Decider(), item)
        lead = next(one for one in await deliver_all(store) if one.role == "lead")
        assert lead.request_reference is not None
        told = ToldSource(item.message_id, feedback())

        def decide(said: AnswerArrival, request: RequestFacts | None) -> AnswerDecision:
            return replace(decide_answer(said, request), told=(told,))

        await store.answer_many([answer("vvt", lead.request_reference)], decide)
        claimed = await claim_one(store, now=NOW + SECOND)
        assert (claimed.id, claimed.recipient, claimed.number, claimed.role) == (
            told.delivery.id,
            "thv-pool",
            1,
            "source",
        )
        assert (claimed.occasion, claimed.message_id, claimed.request_reference) == (
            told.delivery.occasion,
            item.message_id,
            None,
        )

    async def test_a_repeated_answer_tells_nothing(self, store: Store) -> None:
        item = arrival()
        await accept_one(store, Decider(), item)
        lead = next(one for one in await deliver_all(store) if one.role == "lead")
        assert lead.request_reference is not None

        def decide(said: AnswerArrival, request: RequestFacts | None) -> AnswerDecision:
            return replace(decide_answer(said, request), told=(ToldSource(item.message_id, feedback()),))

        for _ in range(2):
            await store.answer_many([answer("vvt", lead.request_reference)], decide)
        assert len(await store.mailbox("thv-pool", after=0, limit=9)) == 1

    async def test_the_same_thing_is_not_told_twice(self, store: Store, sql: Side) -> None:
        await accept_one(store, Decider())
        (row,) = sql.rows("SELECT id, message_id, case_id, recipient FROM delivery LIMIT 1")
        again = (
            """INSERT INTO delivery (id, message_id, case_id, recipient, number, role, channel, mode, representation,
            urgency, late, occasion, state, state_ordinal, created_at, next_at, alarm_at)
            SELECT 'again', message_id, case_id, recipient, 99, role, channel, mode, representation, urgency, late,
            occasion, state, state_ordinal, created_at, next_at, alarm_at FROM delivery WHERE id = ?""",
            (row[0],),
        )
        assert sql.refuses(again)

    @pytest.mark.parametrize(("event", "state"), [("release", "routed"), ("drop", "dropped")])
    async def test_settling_tells_the_source_of_a_message_with_a_case(
        self, store: Store, event: str, state: str
    ) -> None:
        item = arrival()
        parked_id = await waiting_with_case(store, item)
        asked: list[SourceMessage] = []

        def tell(source: SourceMessage) -> NewDelivery:
            asked.append(source)
            return feedback(kind="released")

        decide = Decider().settle if event == "release" else None
        outcome = await store.settle_parked(parked_id, event, decide, by="Jo", reason="r", now=NOW, tell=tell)
        assert outcome is not None
        assert outcome.state == state
        assert [(one.message_id, one.source, one.mapping) for one in asked] == [(item.message_id, "thv-pool", "thv-x")]
        assert "thv-pool" in {bell.recipient for bell in outcome.bells}

    async def test_without_a_case_there_is_nothing_to_tell_with(self, store: Store) -> None:
        await accept_one(store, Decider(park="unknown-code"))
        (row,) = await store.parked()
        outcome = await store.settle_parked(
            row.id, "drop", None, by="Jo", reason="r", now=NOW, tell=lambda source: feedback()
        )
        assert outcome is not None
        assert outcome.bells == ()

    async def test_what_parks_again_tells_nothing(self, store: Store) -> None:
        parked_id = await waiting_with_case(store, arrival())

        def again(facts: ParkedFacts) -> object:
            return parked_decision(facts.arrival, "unknown-code")

        outcome = await store.settle_parked(
            parked_id, "retry", again, by="Jo", reason="r", now=NOW, tell=lambda source: feedback()
        )
        assert outcome is not None
        assert outcome.bells == ()


async def waiting_with_case(store: Store, item: object) -> str:
    """A message that is mapped, has a case and waits for a decision; the id of its parked row."""

    def decide(one: object, facts: object) -> object:
        routed = Decider().route(one, facts)  # type: ignore[arg-type]
        waits = parked_decision(one, "human-decision")  # type: ignore[arg-type]
        return replace(
            routed,
            state="parked",
            deliveries=(),
            requests=(),
            parked=waits.parked,
            versions='{"mapping": "thv-x@1.0.0"}',
        )

    await accept_one(store, decide, item)  # type: ignore[arg-type]
    return (await store.parked())[-1].id
