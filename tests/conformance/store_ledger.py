# SPDX-License-Identifier: EUPL-1.2
"""Promises of LedgerStore: answers and what they imply, the case and its matrix, status, clocks, joining."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from schakel.errors import Conflict
from schakel.ledger_records import AnswerArrival, AnswerDecision, DeadlineStep, RequestFacts, RunningDeadline
from schakel.ports import Store
from schakel.records import Arrival, CaseFacts, Claimed, Decision, Facts, MatchKey, NewAlarm, RequestQuery
from tests.conformance.store_cases import (
    NOW,
    SECOND,
    Decider,
    Side,
    accept_one,
    answer,
    arrival,
    decide_answer,
    deliver_all,
    failed,
    key,
    rendered,
)

ALARM = NewAlarm("deadline:answer", "request", "coordinator", "nl", "en")


async def asked(store: Store, item: Arrival | None = None) -> Claimed:
    """The lead's delivery of a new referral, delivered, with its answer reference."""
    await accept_one(store, Decider(), item or arrival())
    return next(one for one in await deliver_all(store) if one.role == "lead")


def reference(claimed: Claimed) -> str:
    assert claimed.request_reference is not None
    return claimed.request_reference


def step(running: RunningDeadline, next_at: datetime) -> DeadlineStep:
    """It is told once, to the coordinator."""
    return DeadlineStep(running, next_at, replace(ALARM, subject=running.subject), 1)


def share(one: CaseFacts, other: CaseFacts) -> bytes:
    return f"{one.id} with {other.id}".encode()


class LedgerPromises:
    async def test_an_answer_is_recorded_and_seen_in_the_matrix(self, store: Store) -> None:
        lead = await asked(store)
        (outcome,) = await store.answer_many([answer("vvt", reference(lead))], decide_answer)
        assert (outcome.outcome, outcome.request_state) == ("recorded", "confirmed")
        case = await store.case("vvt", lead.case_reference)
        assert case is not None
        row = next(request for request in case.requests if request.partner == "vvt")
        assert (row.state, row.delivery_state, row.contradicted, len(row.answers)) == (
            "confirmed",
            "delivered",
            False,
            1,
        )
        assert row.answers[0].sealed == b"sealed"

    async def test_repeating_an_answer_is_harmless(self, store: Store, sql: Side) -> None:
        lead = await asked(store)
        outcomes = await store.answer_many(
            [answer("vvt", reference(lead)), answer("vvt", reference(lead))], decide_answer
        )
        assert [outcome.outcome for outcome in outcomes] == ["recorded", "repeated"]
        assert sql.rows("SELECT count(*) FROM answer") == [(1,)]

    async def test_contradicting_is_recorded_and_visible(self, store: Store) -> None:
        lead = await asked(store)
        await store.answer_many([answer("vvt", reference(lead))], decide_answer)
        (outcome,) = await store.answer_many([answer("vvt", reference(lead), "declined")], decide_answer)
        assert (outcome.outcome, outcome.request_state) == ("contradicts", "declined")
        case = await store.case("vvt", lead.case_reference)
        assert case is not None
        row = next(request for request in case.requests if request.partner == "vvt")
        assert row.contradicted
        assert [line.answer for line in row.answers] == ["confirmed", "declined"]

    async def test_received_then_confirmed(self, store: Store) -> None:
        lead = await asked(store)
        first, second = await store.answer_many(
            [answer("vvt", reference(lead), "received"), answer("vvt", reference(lead))], decide_answer
        )
        assert (first.request_state, second.request_state) == ("received", "confirmed")

    async def test_an_answer_to_anothers_request_is_kept_and_parked(self, store: Store, sql: Side) -> None:
        lead = await asked(store)
        outcomes = await store.answer_many(
            [answer("perspektief", reference(lead)), answer("vvt", "UNKNOWN")], decide_answer
        )
        assert [(outcome.outcome, outcome.request_state) for outcome in outcomes] == [("parked", None)] * 2
        assert [row.cause for row in await store.parked()] == ["unmatched-answer"] * 2
        assert sql.rows("SELECT count(*) FROM answer WHERE wrapped_key IS NOT NULL AND request_id IS NULL") == [(2,)]
        case = await store.case("vvt", lead.case_reference)
        assert case is not None
        assert {request.state for request in case.requests} == {"asked"}

    async def test_an_impossible_answer_is_refused(self, store: Store) -> None:
        lead = await asked(store)
        await store.answer_many([answer("vvt", reference(lead))], decide_answer)
        late_receipt = answer("vvt", reference(lead), "received")
        with pytest.raises(Conflict):
            await store.answer_many([late_receipt], decide_answer)

    async def test_an_answer_implies_receipt_of_what_carried_its_reference(self, store: Store) -> None:
        await accept_one(store, Decider())
        claimed = next(one for one in await store.claim(now=NOW, limit=9) if one.role == "lead")
        await store.keep_rendered([(claimed, rendered())])
        await store.finish([failed(claimed, next_at=NOW + timedelta(hours=1))], now=NOW)
        await store.answer_many([answer("vvt", reference(claimed))], decide_answer)
        (entry,) = await store.mailbox("vvt", after=0, limit=9)
        assert entry.state == "delivered"

    async def test_an_answer_implies_nothing_of_what_was_never_sent(self, store: Store) -> None:
        lead = await asked(store, arrival(household="one"))
        await accept_one(store, Decider(), arrival(household="one"))
        await store.answer_many([answer("vvt", reference(lead))], decide_answer)
        assert [entry.state for entry in await store.mailbox("vvt", after=0, limit=9)] == ["delivered", "waiting"]

    async def test_a_partner_finds_its_own_requests_and_no_others(self, store: Store) -> None:
        lead = await asked(store)
        every = RequestQuery()
        page = await store.own_requests("vvt", every, after="", limit=9)
        (own,) = page.rows
        assert (page.total, own.reference, own.role, own.state) == (1, reference(lead), "lead", "asked")
        assert (own.case_reference, own.wrapped_key, own.answer) == (lead.case_reference, lead.wrapped_key, None)
        assert own.updated_at == own.asked_at == NOW
        assert (await store.own_requests("perspektief", every, after="", limit=9)).rows == ()
        other = RequestQuery(references=(reference(lead),))
        assert (await store.own_requests("lokaal-team-den-haag", other, after="", limit=9)).total == 0

    async def test_own_requests_come_in_pages_and_by_what_is_asked(self, store: Store) -> None:
        leads = [await asked(store, arrival(household=name)) for name in ("one", "two", "three")]
        await store.answer_many([answer("vvt", reference(leads[1]))], decide_answer)
        first = await store.own_requests("vvt", RequestQuery(), after="", limit=2)
        rest = await store.own_requests("vvt", RequestQuery(), after=first.rows[-1].id, limit=2)
        assert (first.total, len(first.rows), len(rest.rows)) == (3, 2, 1)
        found = [row.reference for row in (*first.rows, *rest.rows)]
        assert found == [reference(lead) for lead in leads]

        async def references(query: RequestQuery) -> list[str]:
            return [row.reference for row in (await store.own_requests("vvt", query, after="", limit=9)).rows]

        assert await references(RequestQuery(states=("confirmed",))) == [reference(leads[1])]
        assert await references(RequestQuery(states=("asked", "confirmed"))) == found
        assert await references(RequestQuery(roles=("duo",))) == []
        assert await references(RequestQuery(references=(reference(leads[2]), "UNKNOWN"))) == [reference(leads[2])]
        assert await references(RequestQuery(updated_from=NOW + SECOND)) == [reference(leads[1])]
        assert await references(RequestQuery(updated_before=NOW + SECOND)) == [
            reference(leads[0]),
            reference(leads[2]),
        ]

    async def test_a_requests_version_grows_with_what_is_said_and_is_known_when_an_answer_is_decided(
        self, store: Store
    ) -> None:
        lead = await asked(store)
        known: list[int] = []

        def deciding(item: AnswerArrival, request: RequestFacts | None) -> AnswerDecision:
            assert request is not None
            known.append(request.version)
            return decide_answer(item, request)

        shown = []
        for word in ("received", "received", "confirmed", "declined"):
            (own,) = (await store.own_requests("vvt", RequestQuery(), after="", limit=9)).rows
            shown.append(own.version)
            await store.answer_many([answer("vvt", reference(lead), word)], deciding)
        assert known == shown
        assert shown[0] < shown[1] == shown[2] < shown[3]
        (own,) = (await store.own_requests("vvt", RequestQuery(), after="", limit=9)).rows
        assert own.version > shown[3]
        assert own.answer is not None
        assert (own.answer.answer, own.answer.reason_code) == ("declined", "no-capacity")
        assert own.updated_at == NOW + SECOND

    async def test_a_case_is_found_by_its_partners_own_reference_only(self, store: Store) -> None:
        lead = await asked(store)
        assert await store.case("perspektief", lead.case_reference) is None
        assert await store.case("vvt", "unknown") is None
        case = await store.case_by_id(lead.case_id)
        assert case == await store.case_by_id(lead.case_reference)
        assert case is not None
        assert case.references == {
            "vvt": f"vvt/{lead.case_id}",
            "lokaal-team-den-haag": f"lokaal-team-den-haag/{lead.case_id}",
        }
        assert [message.kind for message in case.messages] == ["referral"]

    async def test_status_is_for_the_sender_and_for_operators(self, store: Store) -> None:
        item = arrival()
        await accept_one(store, Decider(), item)
        status = await store.status("thv-pool", item.message_id)
        assert status is not None
        assert status == await store.status("", item.message_id)
        assert {request.role for request in status.requests} == {"lead", "duo"}
        assert await store.status("cit", item.message_id) is None
        assert await store.status("thv-pool", "unknown") is None

    async def test_status_of_a_parked_message_says_why(self, store: Store) -> None:
        item = arrival()
        await accept_one(store, Decider(park="no-municipality"), item)
        status = await store.status("thv-pool", item.message_id)
        assert status is not None
        assert (status.state, status.parked_cause, status.requests) == ("parked", "no-municipality", ())

    async def test_clocks_come_due_and_are_told_until_answered(self, store: Store) -> None:
        lead = await asked(store)
        due = NOW + timedelta(hours=4)
        assert await store.due_deadlines(now=due - SECOND, limit=9) == []
        running = await store.due_deadlines(now=due, limit=9)
        assert {(one.partner, one.kind, one.event, one.lead) for one in running} == {
            ("vvt", "answer", "accepted", "vvt"),
            ("lokaal-team-den-haag", "answer", "accepted", "vvt"),
        }
        next_at = due + timedelta(hours=1)
        await store.step_deadlines([step(one, next_at) for one in running], now=due)
        assert await store.due_deadlines(now=next_at - SECOND, limit=9) == []
        case = await store.case("vvt", lead.case_reference)
        assert case is not None
        assert all(request.late(due + SECOND) for request in case.requests)
        await store.answer_many([answer("vvt", reference(lead))], decide_answer)
        (left,) = await store.due_deadlines(now=next_at, limit=9)
        assert (left.partner, left.steps, left.seen_at) == ("lokaal-team-den-haag", 1, due)
        open_alarms = {alarm.subject for alarm in await store.alarms() if alarm.acknowledged_by is None}
        assert open_alarms == {left.subject}

    async def test_a_step_that_comes_after_the_answer_is_none(self, store: Store) -> None:
        lead = await asked(store)
        due = NOW + timedelta(hours=4)
        late = [one for one in await store.due_deadlines(now=due, limit=9) if one.partner == "vvt"]
        await store.answer_many([answer("vvt", reference(lead))], decide_answer)
        await store.step_deadlines([step(late[0], due + timedelta(hours=1))], now=due)
        assert await store.alarms() == []

    # -- two cases that may be one --

    async def _two(self, store: Store, person: MatchKey) -> tuple[str, str]:
        first = await asked(store, arrival(keys=(key("source-case", "a"), person)))

        def suggest(item: Arrival, facts: Facts) -> Decision:
            decision = Decider(lead="perspektief").route(item, Facts(()))
            return replace(decision, suggestions=((facts.matches[0].id, "person"),))

        later = NOW + SECOND
        await accept_one(store, suggest, arrival(keys=(key("source-case", "b"), person), received_at=later))
        second = next(one for one in await deliver_all(store, now=later) if one.role == "lead")
        return first.case_id, second.case_id

    async def test_a_suggestion_is_seen_from_both_cases(self, store: Store) -> None:
        older, younger = await self._two(store, key("person", "x"))
        for one, other in ((older, younger), (younger, older)):
            case = await store.case_by_id(one)
            assert case is not None
            assert [(s.other_case_id, s.kinds, s.state) for s in case.suggestions] == [(other, "person", "open")]

    async def test_joined_the_younger_goes_on_under_the_older(self, store: Store) -> None:
        older, younger = await self._two(store, key("person", "x"))
        assert await store.decide_suggestion(
            younger, older, join=True, by="Jo", reason="same", now=NOW + SECOND, share=share
        )
        decide = Decider()
        await accept_one(store, decide, arrival(keys=(key("source-case", "b"),)))
        assert [case.id for case in decide.seen[0].matches] == [older]
        case = await store.case_by_id(older)
        assert case is not None
        assert len(case.messages) == 3
        assert case.suggestions[0].state == "joined"
        assert case.secrecy == f"{older} with {younger}".encode()
        assert [joined.id for joined in decide.seen[0].matches[0].joined] == [younger]
        again = await store.decide_suggestion(older, younger, join=False, by="Jo", reason="no", now=NOW, share=share)
        assert again is False

    async def test_kept_apart_both_go_on(self, store: Store, sql: Side) -> None:
        older, younger = await self._two(store, key("person", "x"))
        assert await store.decide_suggestion(older, younger, join=False, by="Jo", reason="others", now=NOW, share=share)
        decide = Decider()
        await accept_one(store, decide, arrival(keys=(key("source-case", "b"),)))
        assert [case.id for case in decide.seen[0].matches] == [younger]
        assert sql.rows("SELECT actor, detail FROM audit WHERE action = 'suggestion:kept-apart'") == [
            ("operator:Jo", f"{older}: others")
        ]

    async def test_a_household_in_two_programmes_is_linked(self, store: Store) -> None:
        pair = key("pair", "both")
        first = await asked(store, arrival(keys=(pair,)))
        second = await asked(store, arrival(keys=(pair,), programme="mda++"))
        assert first.case_id != second.case_id
        case = await store.case_by_id(first.case_id)
        assert case is not None
        assert case.linked == (second.case_id,)
