# SPDX-License-Identifier: EUPL-1.2
"""Promises about teams that come and go: a case that waits for a person, a part that changes hands, the weighing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from schakel.errors import Refusal
from schakel.ledger_records import CaseLedger, EndedDeadline, LedgerDecision, MovedDeadline, NewMatter, Transition
from schakel.ports import Store
from schakel.records import NewParked, ParkedRow
from tests.conformance.store_acts import MINUTE, of, opened, stands
from tests.conformance.store_cases import (
    NOW,
    SECOND,
    Decider,
    Side,
    accept_one,
    act,
    act_one,
    arrival,
    clock,
    deliver_all,
    fresh,
    request,
)

LATER = NOW + MINUTE
JO = "operator:Jo"


def waits(cause: str = "lead-declined") -> NewParked:
    return NewParked(fresh("parked"), cause, "coordinator", (), (("perspektief", "lead"),), NOW, whole=False)


class TeamPromises:
    # -- a question about a case --

    async def test_what_is_parked_of_a_case_is_settled_by_a_decision_on_the_case(self, store: Store, sql: Side) -> None:
        case = await opened(store)
        await act_one(store, act(case.id, actor=JO), LedgerDecision(parked=(waits(),)))
        (row,) = await store.parked()
        assert (row.case_id, row.message_id, row.whole) == (case.id, None, False)
        asked = request(case.id, "perspektief", "lead", asked_by="operator:Jo")
        seen: list[tuple[ParkedRow, CaseLedger]] = []

        def decide(parked: ParkedRow, known: CaseLedger) -> LedgerDecision:
            seen.append((parked, known))
            superseded = Transition("request", of(known, "lead").id, "supersede", "operator", "operator:Jo")
            return LedgerDecision(about=known.newest_message, requests=(asked,), moves=(superseded,))

        done = await store.settle_parked(row.id, "release", None, by="Jo", reason="r", now=LATER, decide_case=decide)
        assert done is not None
        assert [(parked.id, known.id) for parked, known in seen] == [(row.id, case.id)]
        assert await store.parked() == []
        after = await stands(store, case)
        assert {(one.partner, one.state) for one in after.involved if one.role == "lead"} == {
            ("vvt", "superseded"),
            ("perspektief", "asked"),
        }
        assert sql.rows("SELECT role, actor FROM state_event WHERE machine = 'parked' AND event = 'release'") == [
            ("operator", "operator:Jo")
        ]

    async def test_a_decision_that_refuses_writes_nothing_and_leaves_it_waiting(self, store: Store) -> None:
        case = await opened(store)
        await act_one(store, act(case.id, actor=JO), LedgerDecision(parked=(waits(),)))
        (row,) = await store.parked()

        def refuses(parked: ParkedRow, known: CaseLedger) -> LedgerDecision:
            raise Refusal(status=409)

        with pytest.raises(Refusal):
            await store.settle_parked(row.id, "drop", None, by="Jo", reason="", now=LATER, decide_case=refuses)
        assert [one.id for one in await store.parked()] == [row.id]

    async def test_of_a_message_the_case_is_not_asked_and_of_what_is_no_question_the_message_decides(
        self, store: Store
    ) -> None:
        await accept_one(store, Decider(park="unknown-code"), arrival())
        (whole,) = await store.parked()

        def never(parked: ParkedRow, known: CaseLedger) -> LedgerDecision:
            raise AssertionError("a message that waits is no question about a case")

        done = await store.settle_parked(
            whole.id, "release", Decider().settle, by="Jo", reason="r", now=LATER, decide_case=never
        )
        assert done is not None
        assert done.state == "routed"
        case = await opened(store)
        await act_one(store, act(case.id, actor=JO), LedgerDecision(parked=(waits("unmatched-answer"),)))
        (row,) = await store.parked()
        settled = await store.settle_parked(
            row.id, "drop", None, by="Jo", reason="r", now=LATER, decide_case=lambda parked, known: None
        )
        assert settled is not None
        assert await store.parked() == []

    # -- a part that changes hands --

    async def test_what_waits_under_a_request_that_ended_goes_out_no_more(self, store: Store, sql: Side) -> None:
        case = await opened(store)
        lead = of(case, "lead")
        (claimed, *_) = [one for one in await store.claim(now=NOW + SECOND, limit=9) if one.recipient == "vvt"]
        await act_one(store, act(case.id, actor=JO), LedgerDecision(silenced=(lead.id,)))
        assert sql.rows(f"SELECT state FROM delivery WHERE id = '{claimed.id}'") == [("dropped",)]
        entries = await store.mailbox("vvt", after=0, limit=9)
        assert [(one.number, one.state) for one in entries] == [(1, "dropped")]  # its number stays
        assert await store.mailbox_item("vvt", 1) is None
        assert [one.recipient for one in await deliver_all(store, now=NOW + timedelta(minutes=5))] == [
            "lokaal-team-den-haag"
        ]

    async def test_a_clock_goes_on_with_another_and_nothing_else_of_it_changes(self, store: Store) -> None:
        case = await opened(store)
        running = clock(case.id, "vvt", "lead", kind="plan", event="first-visit")
        await act_one(store, act(case.id, actor=JO), LedgerDecision(deadlines=(running,)))
        (before,) = [one for one in (await stands(store, case)).deadlines if one.kind == "plan"]
        await act_one(store, act(case.id, actor=JO), LedgerDecision(moved=(MovedDeadline(before.id, "perspektief"),)))
        (after,) = [one for one in (await stands(store, case)).deadlines if one.kind == "plan"]
        assert after == replace(before, partner="perspektief")

    async def test_a_norm_of_a_request_moves_before_the_request_ends(self, store: Store) -> None:
        case = await opened(store)
        lead, duo = of(case, "lead"), of(case, "duo")
        norm = clock(lead.id, "vvt", "lead", kind="admission", event="accepted")
        await act_one(store, act(case.id, actor=JO), LedgerDecision(deadlines=(norm,)))
        moved = MovedDeadline(norm.id, "lokaal-team-den-haag", duo.id)
        await act_one(
            store, act(case.id, actor=JO), LedgerDecision(moved=(moved,), ended=(EndedDeadline(lead.id, "supersede"),))
        )
        left = {(one.subject, one.kind, one.partner) for one in (await stands(store, case)).deadlines}
        assert left == {
            (duo.id, "answer", "lokaal-team-den-haag"),
            (duo.id, "admission", "lokaal-team-den-haag"),
        }

    async def test_a_proposal_that_nobody_answers_ends_by_itself_and_an_accepted_one_does_not(
        self, store: Store
    ) -> None:
        case = await opened(store)
        asked = request(case.id, "perspektief", "lead", asked_by="vvt")
        matter = NewMatter(
            id=fresh("matter"),
            machine="hand-over",
            event="propose",
            by_role="lead",
            by="vvt",
            partner="perspektief",
            role="lead",
            request_id=asked.id,
            valid_until=LATER,
        )
        made = LedgerDecision(about=case.newest_message, requests=(asked,), matters=(matter,))
        await act_one(store, act(case.id, actor=JO), made)
        assert await store.ended_matters(now=LATER - SECOND, limit=9) == []
        assert await store.ended_matters(now=LATER, limit=9) == [(case.id, matter.id)]
        accepted = Transition("hand-over", matter.id, "accept", "recipient", "perspektief")
        await act_one(store, act(case.id, actor=JO), LedgerDecision(moves=(accepted,)))
        assert await store.ended_matters(now=LATER, limit=9) == []

    async def test_a_sender_reads_of_a_candidate_once_it_has_the_part(self, store: Store) -> None:
        item = arrival()
        case = await opened(store, item)
        asked = request(case.id, "perspektief", "lead", asked_by="vvt")
        matter = NewMatter(
            fresh("matter"), "hand-over", "propose", "lead", "vvt", "perspektief", "lead", request_id=asked.id
        )
        made = LedgerDecision(about=case.newest_message, requests=(asked,), matters=(matter,))
        await act_one(store, act(case.id, actor=JO), made)

        async def read() -> set[str]:
            status = await store.status("thv-pool", item.message_id)
            assert status is not None
            return {one.partner for one in status.requests}

        assert await read() == {"vvt", "lokaal-team-den-haag"}
        accepted = Transition("hand-over", matter.id, "accept", "recipient", "perspektief")
        await act_one(store, act(case.id, actor=JO), LedgerDecision(moves=(accepted,)))
        assert await read() == {"vvt", "lokaal-team-den-haag", "perspektief"}

    # -- the weighing --

    async def test_the_first_that_directs_a_case_starts_its_one_weighing(self, store: Store) -> None:
        case = await opened(store)
        for partner in ("zvhh", "zvhh-2"):
            asked = request(case.id, partner, "process-director", weighing=fresh("weighing"))
            await act_one(store, act(case.id, actor=JO), LedgerDecision(about=case.newest_message, requests=(asked,)))
        (weighing,) = (await stands(store, case)).matters
        assert (weighing.machine, weighing.partner, weighing.state) == ("admission", "zvhh", "reported")

    async def test_a_sender_reads_how_its_case_is_weighed_and_not_what_was_decided_before_it_told(
        self, store: Store
    ) -> None:
        item = arrival(household="H")
        case = await opened(store, item)
        asked = request(case.id, "zvhh", "process-director", weighing=fresh("weighing"))
        await act_one(store, act(case.id, actor=JO), LedgerDecision(about=case.newest_message, requests=(asked,)))
        admitted = Transition("admission", asked.weighing or "", "admit", "lead", "zvhh")
        await act_one(store, act(case.id, actor=JO), LedgerDecision(moves=(admitted,)))
        late = arrival(household="H", source="cit", received_at=NOW + timedelta(hours=1))
        await accept_one(store, Decider(), late)
        own, other = await store.status("thv-pool", item.message_id), await store.status("cit", late.message_id)
        assert own is not None
        assert other is not None
        assert (own.admission, other.admission) == ("admitted", None)

    # -- names of a case --

    async def test_who_is_asked_something_beside_taking_part_gets_a_name_for_the_case_once(self, store: Store) -> None:
        case = await opened(store)
        for reference in ("EERSTE", "TWEEDE"):
            await act_one(store, act(case.id, actor=JO), LedgerDecision(references=(("politie", reference),)))
        found = await store.ledger("politie", "EERSTE")
        assert found is not None
        assert found.id == case.id
        assert await store.ledger("politie", "TWEEDE") is None
