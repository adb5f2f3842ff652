# SPDX-License-Identifier: EUPL-1.2
"""Promises of LedgerStore about acts: what one decision writes, how a case was known at an instant, clocks, its end."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from schakel.errors import Conflict, Finding, Refusal
from schakel.ledger_records import (
    Act,
    CaseLedger,
    ChangedMatter,
    DeadlineStep,
    EndedDeadline,
    LedgerDecision,
    NewEntry,
    NewMatter,
    RunningDeadline,
    Transition,
)
from schakel.ports import Store
from schakel.records import CaseChange, NewAlarm, NewDelivery, NewParked, ToldSource
from tests.conformance.store_cases import (
    NOW,
    SECOND,
    Decider,
    Side,
    accept_one,
    act,
    act_one,
    answer,
    arrival,
    clock,
    close_case,
    decide_answer,
    fresh,
    orders,
    request,
)

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
FIRST = {"establishment": "establish", "effort": "ask", "known-check": "ask", "hand-over": "propose"}  # by the lead


def entry(subject: str, event: str = "note", **changes: Any) -> NewEntry:
    value = NewEntry(fresh("entry"), subject, event, "vvt", "lead", "own-system", NOW, None, b"sealed-words")
    return replace(value, **changes)


def effort(request_id: str, **changes: Any) -> NewMatter:
    """The local team is asked to do more for a day."""
    value = NewMatter(
        id=fresh("matter"),
        machine="effort",
        event="ask",
        by_role="lead",
        by="vvt",
        partner="lokaal-team-den-haag",
        role="duo",
        reference=fresh("REFERENCE"),
        request_id=request_id,
        valid_from=NOW,
        valid_until=NOW + timedelta(days=1),
        sealed=b"sealed-terms",
    )
    return replace(value, **changes)


def told(message_id: str, partner: str = "lokaal-team-den-haag", occasion: str = "effort-asked:x") -> ToldSource:
    delivery = NewDelivery(fresh("delivery"), partner, "duo", "webhook", "full", "notice-json", "normal", None)
    return ToldSource(message_id, replace(delivery, occasion=occasion))


async def opened(store: Store, item: Any = None, **decider: Any) -> CaseLedger:
    """A case with a lead and a duo that were asked."""
    accepted = await accept_one(store, Decider(**decider), item)
    case = await store.ledger("", accepted.message_id)
    assert case is not None
    return case


async def stands(store: Store, case: CaseLedger, **at: Any) -> CaseLedger:
    found = await store.ledger("", case.id, **at)
    assert found is not None
    return found


def of(case: CaseLedger, role: str) -> Any:
    return next(one for one in case.involved if one.role == role)


def step(running: RunningDeadline, next_at: Any, *, owner: str = "coordinator", steps: int = 1) -> DeadlineStep:
    alarm = NewAlarm(f"deadline:{running.kind}", running.subject, owner, "nl", "en")
    return DeadlineStep(running, next_at, alarm, steps)


class ActPromises:
    # -- one decision, all of it --

    async def test_a_case_is_read_with_everything_that_deciding_needs(self, store: Store) -> None:
        item = arrival()
        case = await opened(store, item, change=replace(orders("a"), order_end=NOW + HOUR, urgency="crisis"))
        assert (case.programme, case.municipality, case.urgency, case.state) == ("icm", "0518", "crisis", "open")
        assert (case.opened_at, case.closed_at, case.order_end) == (NOW, None, NOW + HOUR)
        assert {(one.partner, one.role, one.state, one.asked_by, one.established) for one in case.involved} == {
            ("vvt", "lead", "asked", "hub", False),
            ("lokaal-team-den-haag", "duo", "asked", "hub", False),
        }
        assert {(one.subject, one.kind, one.event, one.lead) for one in case.deadlines} == {
            (one.id, "answer", "accepted", "vvt") for one in case.involved
        }
        assert (case.newest_message, case.content) == (item.message_id, b"sealed-content")
        assert [source.source for source in case.sources] == ["thv-pool"]
        assert (case.matters, case.entries, case.linked) == ((), (), ())

    async def test_all_of_a_decision_is_written_and_read_again(self, store: Store) -> None:
        case = await opened(store)
        duo, asked = of(case, "duo"), request(case.id, "safe", "partner", asked_by="vvt", phase="1", serves="victim")
        matter, line = effort(duo.id), entry(duo.id, "ask")
        running = clock(matter.id, matter.partner, "duo", kind="effort", event="effort-asked")
        outcome = await act_one(
            store,
            act(case.id, actor="operator:Jo"),
            LedgerDecision(
                requests=(asked,),
                matters=(matter,),
                moves=(Transition("request", of(case, "lead").id, "request-withdrawal", "operator", "operator:Jo"),),
                entries=(line,),
                ended=(EndedDeadline(duo.id, "test"),),
                deadlines=(running,),
                deliveries=(told(case.newest_message or ""),),
                parked=(NewParked(fresh("parked"), "hand-over", "coordinator", (), (), NOW, whole=False),),
                alarms=(NewAlarm("reroute-asked", duo.id, "coordinator", "nl", "en"),),
                about=case.newest_message,
                municipality="0503",
                made={"id": matter.id, "state": "asked"},
            ),
        )
        assert (outcome.outcome, outcome.case_id, dict(outcome.made)) == (
            "recorded",
            case.id,
            {"id": matter.id, "state": "asked"},
        )
        after = await stands(store, case)
        assert after.municipality == "0503"
        assert {(one.partner, one.role): one.state for one in after.involved} == {
            ("vvt", "lead"): "withdrawal-requested",
            ("lokaal-team-den-haag", "duo"): "asked",
            ("safe", "partner"): "asked",
        }
        assert (of(after, "partner").phase, of(after, "partner").serves) == ("1", "victim")
        (kept,) = after.matters
        assert (kept.id, kept.machine, kept.state, kept.reference) == (matter.id, "effort", "asked", matter.reference)
        assert (kept.valid_until, kept.sealed, kept.request_id) == (matter.valid_until, b"sealed-terms", duo.id)
        (said,) = after.entries
        assert (said.id, said.ordinal, said.subject, said.event, said.sealed) == (
            line.id,
            1,
            duo.id,
            "ask",
            line.sealed,
        )
        assert (said.valid_from, said.known_at) == (NOW, NOW + SECOND)
        assert {one.subject for one in after.deadlines} == {of(case, "lead").id, asked.id, matter.id}
        assert after.references["safe"] == f"safe/{case.id}"
        entries = await store.mailbox("lokaal-team-den-haag", after=0, limit=9)
        assert [one.number for one in entries] == [1, 2]
        assert [row.cause for row in await store.parked()] == ["hand-over"]
        assert [row.cause for row in await store.alarms()] == ["reroute-asked"]

    async def test_one_refusal_touches_no_other_act_and_leaves_nothing(self, store: Store) -> None:
        case = await opened(store)

        def decide(item: Act, found: CaseLedger | None) -> LedgerDecision:
            assert found is not None
            if item.kind == "refused":
                raise Refusal(Finding("role", "act:only-the-lead", "nee", "no"))
            last = {"impossible": Transition("case", case.id, "open", "hub", "hub")}.get(item.kind)
            moves = () if last is None else (last,)
            return LedgerDecision(entries=(entry(case.id, item.kind),), moves=moves)

        reference = case.references["vvt"]
        kinds = ("first", "refused", "second", "impossible", "third")
        outcomes = await store.act_many([act(reference, kind) for kind in kinds], decide)
        assert [isinstance(outcome, Refusal) for outcome in outcomes] == [False, True, False, True, False]
        assert isinstance(outcomes[3], Conflict)
        assert [(one.ordinal, one.event) for one in (await stands(store, case)).entries] == [
            (1, "first"),
            (2, "second"),
            (3, "third"),
        ]

    async def test_what_the_database_refuses_is_refused_and_touches_no_other_act(self, store: Store) -> None:
        case = await opened(store)
        again = entry(case.id, "twice")

        def decide(item: Act, found: CaseLedger | None) -> LedgerDecision:
            return LedgerDecision(entries=(again if item.kind == "twice" else entry(case.id, item.kind),))

        await act_one(store, act(case.references["vvt"]), LedgerDecision(entries=(again,)))
        outcomes = await store.act_many([act(case.references["vvt"], kind) for kind in ("twice", "other")], decide)
        assert [isinstance(outcome, Refusal) for outcome in outcomes] == [True, False]
        assert [one.event for one in (await stands(store, case)).entries] == ["twice", "other"]

    async def test_each_act_of_a_batch_sees_what_the_one_before_did(self, store: Store) -> None:
        case = await opened(store)
        seen: list[int] = []

        def decide(item: Act, found: CaseLedger | None) -> LedgerDecision:
            assert found is not None
            seen.append(len(found.entries))
            return LedgerDecision(entries=(entry(case.id),))

        await store.act_many([act(case.references["vvt"]) for _ in range(3)], decide)
        assert seen == [0, 1, 2]

    # -- whose case --

    async def test_a_case_is_found_by_the_actors_own_names_only(self, store: Store) -> None:
        case = await opened(store)
        matter = effort(of(case, "duo").id)
        await act_one(store, act(case.references["vvt"]), LedgerDecision(matters=(matter,)))
        duo, lead = of(case, "duo"), of(case, "lead")
        own = (case.references["lokaal-team-den-haag"], duo.reference, matter.reference or "")
        others = (case.id, case.references["vvt"], lead.reference, lead.id, case.newest_message or "", "unknown")
        found: dict[str, bool] = {}

        def decide(item: Act, known: CaseLedger | None) -> LedgerDecision:
            found[item.reference] = known is not None
            return LedgerDecision()

        names = (*own, *others)
        await store.act_many([act(name, actor="lokaal-team-den-haag") for name in names], decide)
        assert found == {name: name in own for name in names}
        assert [await store.ledger("lokaal-team-den-haag", name) is not None for name in names] == [
            name in own for name in names
        ]
        found.clear()
        everything = (*own, *others[:-1], matter.id, duo.id)
        await store.act_many([act(name, actor="operator:Jo") for name in (*everything, "unknown")], decide)
        assert found == {**dict.fromkeys(everything, True), "unknown": False}

    # -- as it was known --

    async def test_a_case_can_be_asked_as_it_was_known_at_an_instant(self, store: Store) -> None:
        case = await opened(store)
        lead, duo = of(case, "lead"), of(case, "duo")
        matter = effort(duo.id)
        plan = clock(case.id, "vvt", "lead", kind="plan", event="first-visit", at=NOW - HOUR)  # it was yesterday
        at = [NOW + minutes * MINUTE for minutes in range(5)]
        await store.answer_many([answer("vvt", lead.reference, received_at=at[1])], decide_answer)
        visited = entry(case.id, "first-visit", valid_from=NOW - HOUR)
        await act_one(
            store,
            act(case.references["vvt"], at=at[2]),
            LedgerDecision(matters=(matter,), entries=(visited,), deadlines=(plan,)),
        )
        establish = NewMatter(
            fresh("matter"), "establishment", "establish", "lead", "vvt", "lokaal-team-den-haag", "duo"
        )
        await act_one(
            store,
            act(case.references["vvt"], at=at[3]),
            LedgerDecision(
                matters=(replace(establish, request_id=duo.id),),
                moves=(Transition("effort", matter.id, "accept", "recipient", "lokaal-team-den-haag"),),
                ended=(EndedDeadline(case.id, "plan-made", "plan"),),
                entries=(entry(case.id, "plan-made"),),
            ),
        )
        await close_case(store, case.id, at=at[4], ended=(EndedDeadline(duo.id, "close"),))

        assert await store.ledger("", case.id, at=NOW - SECOND) is None
        asked = await stands(store, case, at=NOW)
        assert {one.state for one in asked.involved} == {"asked"}
        assert {one.subject for one in asked.deadlines} == {lead.id, duo.id}
        confirmed = await stands(store, case, at=at[1])
        assert (of(confirmed, "lead").state, of(confirmed, "duo").state) == ("confirmed", "asked")
        assert (confirmed.matters, confirmed.entries) == ((), ())
        assert {one.subject for one in confirmed.deadlines} == {duo.id}
        visit = await stands(store, case, at=at[2])
        assert [(one.machine, one.state) for one in visit.matters] == [("effort", "asked")]
        assert [(one.event, one.valid_from) for one in visit.entries] == [("first-visit", NOW - HOUR)]
        assert {(one.subject, one.kind) for one in visit.deadlines} == {(duo.id, "answer"), (case.id, "plan")}
        assert (of(visit, "duo").established, of(visit, "duo").establishment) == (False, None)
        later = await stands(store, case, at=at[3])
        assert {(one.machine, one.state) for one in later.matters} == {
            ("effort", "accepted"),
            ("establishment", "established"),
        }
        assert of(later, "duo").established
        assert [one.event for one in later.entries] == ["first-visit", "plan-made"]
        assert {one.subject for one in later.deadlines} == {duo.id}
        assert (later.state, later.closed_at) == ("open", None)
        closed = await stands(store, case)
        assert (closed.state, closed.closed_at, closed.deadlines) == ("closed", at[4], ())
        assert closed == await stands(store, case, at=at[4])

    async def test_a_message_that_was_released_later_was_not_known_before(self, store: Store) -> None:
        first = await opened(store, arrival(household="one"))
        item = arrival(household="one", received_at=NOW + SECOND)

        def waits(one: Any, facts: Any) -> Any:
            decision = Decider().route(one, facts)
            parked = NewParked(fresh("parked"), "contradiction", "coordinator", (), (), one.received_at)
            return replace(decision, state="parked", parked=(parked,), deliveries=(), requests=(), routing=())

        await accept_one(store, waits, item)
        (row,) = await store.parked()
        await store.settle_parked(row.id, "release", Decider().settle, by="Jo", reason="known", now=NOW + MINUTE)
        assert (await stands(store, first, at=NOW + 30 * SECOND)).newest_message == first.newest_message
        assert (await stands(store, first)).newest_message == item.message_id

    # -- entries --

    async def test_an_entry_is_never_changed_and_goes_only_with_its_case(self, store: Store, sql: Side) -> None:
        case = await opened(store)
        await act_one(store, act(case.references["vvt"]), LedgerDecision(entries=(entry(case.id), entry(case.id))))
        for column, value in (
            ("id", "other"),
            ("ordinal", 9),
            ("subject", "other"),
            ("event", "other"),
            ("actor", "other"),
            ("role", "hub"),
            ("medium", "phone"),
            ("valid_from", "2026-01-01T00:00:00.000000Z"),
            ("known_at", "2026-01-01T00:00:00.000000Z"),
            ("sealed", b"other words"),
        ):
            update = f"UPDATE ledger_entry SET {column} = ? WHERE ordinal = 1"
            assert sql.refuses((update, (value,))), column
        assert sql.refuses(("DELETE FROM ledger_entry", ()))
        assert not sql.refuses(("UPDATE ledger_entry SET sealed = NULL", ()))  # erased, at the end

    # -- clocks --

    async def test_one_of_a_kind_runs_for_a_subject(self, store: Store, sql: Side) -> None:
        case = await opened(store)
        first, second = (clock(case.id, "vvt", "lead", kind="evaluation", event="plan-made") for _ in range(2))
        other = clock(case.id, "vvt", "lead", kind="year", event="first-visit")
        await act_one(store, act(case.references["vvt"]), LedgerDecision(deadlines=(first, other)))
        (running,) = [one for one in (await stands(store, case)).deadlines if one.kind == "evaluation"]
        await store.step_deadlines([step(running, NOW + HOUR)], now=NOW)
        again = replace(second, event="evaluated")
        await act_one(store, act(case.references["vvt"]), LedgerDecision(deadlines=(again,)))
        left = {one.kind: one.id for one in (await stands(store, case)).deadlines if one.subject == case.id}
        assert left == {"evaluation": second.id, "year": other.id}
        assert [alarm.acknowledged_by for alarm in await store.alarms()] == ["hub"]  # the ladder of the one before
        assert sql.rows("SELECT ended_by FROM deadline WHERE id = ?", first.id) == [("evaluated",)]
        columns = "case_id, subject, kind, event, partner, role, urgency, started_at, made_at, due_at, next_at"
        copied = f"INSERT INTO deadline (id, {columns}) SELECT 'copy', {columns} FROM deadline WHERE id = ?"
        assert sql.refuses((copied, (second.id,)))

    async def test_a_clock_cannot_stop_by_hand_without_saying_why(self, store: Store, sql: Side) -> None:
        await opened(store)
        assert sql.refuses(("UPDATE deadline SET next_at = NULL", ()))
        assert sql.refuses(("UPDATE deadline SET ended_at = started_at", ()))

    async def test_of_two_clocks_at_once_one_wins(self, store: Store) -> None:
        case = await opened(store)
        due = NOW + timedelta(hours=4)
        running = [one for one in await store.due_deadlines(now=due, limit=9) if one.partner == "vvt"]
        steps = [step(running[0], due + HOUR, owner=owner) for owner in ("one", "two")]
        await asyncio.gather(*(store.step_deadlines([one], now=due) for one in steps))
        (alarm,) = await store.alarms()
        assert alarm.count == 1
        (left,) = [one for one in (await stands(store, case)).deadlines if one.partner == "vvt"]
        assert (left.steps, left.next_at, left.seen_at) == (1, due + HOUR, due)

    async def test_an_alarm_counts_every_step_that_it_tells(self, store: Store) -> None:
        await opened(store)
        due = NOW + timedelta(days=3)
        running = [one for one in await store.due_deadlines(now=due, limit=9) if one.partner == "vvt"]
        await store.step_deadlines([step(running[0], due + HOUR, steps=7)], now=due)
        (alarm,) = await store.alarms()
        assert (alarm.count, alarm.owner) == (7, "coordinator")
        (again,) = [one for one in await store.due_deadlines(now=due + HOUR, limit=9) if one.partner == "vvt"]
        assert again.steps == 7
        await store.step_deadlines([step(again, due + 2 * HOUR, owner="next")], now=due + HOUR)
        (alarm,) = await store.alarms()
        assert (alarm.count, alarm.owner) == (8, "next")

    async def test_clocks_come_longest_waiting_first_and_no_more_than_asked(self, store: Store) -> None:
        cases = [await opened(store, arrival(received_at=NOW - minutes * MINUTE)) for minutes in (1, 3, 2)]
        due = await store.due_deadlines(now=NOW + timedelta(days=1), limit=4)
        assert [one.case_id for one in due] == [cases[place].id for place in (1, 1, 2, 2)]

    async def test_an_act_ends_only_the_ladder_of_the_clock_that_it_ends(self, store: Store) -> None:
        case = await opened(store)
        plan = clock(case.id, "vvt", "lead", kind="plan", event="first-visit")
        year = clock(case.id, "vvt", "lead", kind="year", event="first-visit")
        await act_one(store, act(case.references["vvt"]), LedgerDecision(deadlines=(plan, year)))
        running = [one for one in (await stands(store, case)).deadlines if one.subject == case.id]
        await store.step_deadlines([step(one, NOW + HOUR) for one in running], now=NOW)
        other = NewAlarm("something-else", case.id, "coordinator", "nl", "en")
        await store.raise_alarms([other], now=NOW)
        ended = EndedDeadline(case.id, "plan-made", "plan")
        await act_one(store, act(case.references["vvt"]), LedgerDecision(ended=(ended,)))
        left = {alarm.cause for alarm in await store.alarms() if alarm.acknowledged_by is None}
        assert left == {"deadline:year", "something-else"}

    # -- what ends by itself --

    async def test_matters_end_when_their_time_has_come_and_they_are_open(self, store: Store) -> None:
        case = await opened(store)
        duo = of(case, "duo")
        soon, late = effort(duo.id, valid_until=NOW + HOUR), effort(duo.id, valid_until=NOW + 2 * HOUR)
        never, changed = effort(duo.id, valid_until=None), effort(duo.id, valid_until=NOW + HOUR)
        await act_one(store, act(case.references["vvt"]), LedgerDecision(matters=(late, soon, never, changed)))
        until = ChangedMatter(changed.id, NOW + 9 * HOUR, b"other terms")
        await act_one(store, act(case.references["vvt"]), LedgerDecision(changed=(until,)))
        assert await store.ended_matters(now=NOW + HOUR - SECOND, limit=9) == []
        assert await store.ended_matters(now=NOW + HOUR, limit=9) == [(case.id, soon.id)]
        both = [(case.id, soon.id), (case.id, late.id)]
        assert await store.ended_matters(now=NOW + 2 * HOUR, limit=9) == both
        assert await store.ended_matters(now=NOW + 2 * HOUR, limit=1) == both[:1]
        lapsed = Transition("effort", soon.id, "lapse", "clock", "clock")
        await act_one(store, act(case.id, actor="clock"), LedgerDecision(moves=(lapsed,)))
        assert await store.ended_matters(now=NOW + 2 * HOUR, limit=9) == both[1:]

    @pytest.mark.parametrize("machine", sorted(FIRST))
    async def test_a_matters_state_is_not_typed_by_hand(self, store: Store, sql: Side, machine: str) -> None:
        case = await opened(store)
        by = {"machine": machine, "event": FIRST[machine]}
        await act_one(store, act(case.references["vvt"]), LedgerDecision(matters=(effort(of(case, "duo").id, **by),)))
        for state in ("accepted", "ended", "released", "known", "lapsed"):
            assert sql.refuses(("UPDATE matter SET state = ?", (state,)))
            assert sql.refuses(("UPDATE matter SET state = ?, state_ordinal = 2", (state,)))
        assert sql.refuses(("UPDATE matter SET machine = ?", ("admission",)))
        assert sql.refuses(("DELETE FROM state_event WHERE machine = ?", (machine,)))

    async def test_a_move_that_the_table_does_not_hold_is_refused(self, store: Store) -> None:
        case = await opened(store)
        matter = effort(of(case, "duo").id)
        await act_one(store, act(case.references["vvt"]), LedgerDecision(matters=(matter,)))

        def decide(item: Act, found: CaseLedger | None) -> LedgerDecision:
            return LedgerDecision(moves=(Transition("effort", matter.id, "end", "clock", "clock"),))

        (outcome,) = await store.act_many([act(case.id, actor="clock")], decide)
        assert isinstance(outcome, Conflict)
        assert [one.state for one in (await stands(store, case)).matters] == ["asked"]

    async def test_an_involvement_is_established_once_and_one_hand_over_of_a_role_is_open(self, store: Store) -> None:
        case = await opened(store)
        duo = of(case, "duo")

        def twice(machine: str) -> LedgerDecision:
            made = (effort(duo.id, machine=machine, event=FIRST[machine]) for _ in range(2))
            return LedgerDecision(matters=tuple(made))

        for machine in ("establishment", "hand-over"):
            (outcome,) = await store.act_many([act(case.references["vvt"])], lambda *_, m=machine: twice(m))
            assert isinstance(outcome, Refusal), machine
        assert (await stands(store, case)).matters == ()

    # -- the end of a case --

    async def test_a_closed_case_has_an_end_date_and_takes_no_more_moves(self, store: Store, sql: Side) -> None:
        case = await opened(store, arrival(household="one"))
        at = NOW + MINUTE
        await close_case(store, case.id, at=at)
        ended = await stands(store, case)
        assert (ended.state, ended.closed_at) == ("closed", at)
        assert sql.rows("SELECT erase_at FROM case_file") == [("2026-11-22T09:31:00.000000Z",)]
        assert sql.rows("SELECT DISTINCT open FROM match_key") == [(0,)]

        def again(item: Act, found: CaseLedger | None) -> LedgerDecision:
            return LedgerDecision(moves=(Transition("case", case.id, "close", "operator", "operator:Jo"),))

        (outcome,) = await store.act_many([act(case.id, actor="operator:Jo")], again)
        assert isinstance(outcome, Conflict)
        assert sql.refuses(("UPDATE case_file SET closed_at = NULL, state = 'open', state_ordinal = 1", ()))

    async def test_a_joined_case_goes_on_as_the_other(self, store: Store) -> None:
        older = await opened(store, arrival(household="one"))

        def suggest(item: Any, facts: Any) -> Any:
            decision = Decider(lead="perspektief").route(item, type(facts)(()))
            return replace(decision, suggestions=((older.id, "person"),))

        item = arrival(received_at=NOW + SECOND)
        await accept_one(store, suggest, item)
        younger = await store.ledger("", item.message_id)
        assert younger is not None
        joined = {"by": "Jo", "reason": "same", "now": NOW + MINUTE, "share": lambda *_: None}
        assert await store.decide_suggestion(younger.id, older.id, join=True, **joined)
        after = await stands(store, younger)
        assert (after.state, after.closed_at) == ("joined", NOW + MINUTE)
        assert (await stands(store, older)).state == "open"
        assert {one.subject for one in after.deadlines} == {one.id for one in younger.involved}  # they still owe a word

    async def test_the_last_end_of_an_order_counts(self, store: Store) -> None:
        case = await opened(store, arrival(household="one"), change=CaseChange(order_end=NOW + 2 * HOUR))
        for hours in (1, 3):
            change = CaseChange(order_end=NOW + hours * HOUR)
            await accept_one(store, Decider(change=change), arrival(household="one"))
        assert (await stands(store, case)).order_end == NOW + 3 * HOUR
