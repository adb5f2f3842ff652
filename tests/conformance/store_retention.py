# SPDX-License-Identifier: EUPL-1.2
"""Promises of AdminStore about retention: everything kept has an end, what is not final is spared, all is audited."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from schakel.ledger_records import EndedDeadline, LedgerDecision
from schakel.operating import Erased
from schakel.ports import Store
from schakel.records import Accepted, DeliveryOutcome, NewAlarm
from tests.conformance.store_acts import HOUR, MINUTE, effort, entry, of, opened
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
    deliver_all,
    orders,
)

DAY = timedelta(days=1)
TERM = timedelta(days=1826)  # of ledger and audit
SEALED = """SELECT count(*) FROM case_file WHERE wrapped_key IS NOT NULL OR secrecy IS NOT NULL
UNION ALL SELECT count(*) FROM raw_referral WHERE wrapped_key IS NOT NULL OR sealed IS NOT NULL
UNION ALL SELECT count(*) FROM message WHERE content IS NOT NULL
UNION ALL SELECT count(*) FROM delivery WHERE rendered IS NOT NULL
UNION ALL SELECT count(*) FROM answer WHERE sealed IS NOT NULL OR wrapped_key IS NOT NULL
UNION ALL SELECT count(*) FROM matter WHERE sealed IS NOT NULL
UNION ALL SELECT count(*) FROM ledger_entry WHERE sealed IS NOT NULL"""
BLINDED = """SELECT count(*) FROM match_key UNION ALL SELECT count(*) FROM known_order
UNION ALL SELECT count(*) FROM message_key"""
OF_A_CASE = (
    *("case_file", "message", "raw_referral", "request", "delivery", "lane", "routing_decision", "parked", "answer"),
    *("matter", "ledger_entry", "deadline", "case_reference", "suggestion", "state_event"),
)


async def erased(store: Store, at: datetime, *, by: str = "clock", limit: int = 99) -> Erased:
    """What went; the look before it said the same."""
    expected = await store.overdue(now=at)
    done = await store.erase(by=by, now=at, limit=limit)
    assert replace(expected, spared=0) == done
    return done


def counts(sql: Side, query: str) -> list[int]:
    return [row[0] for row in sql.rows(query)]


class RetentionPromises:
    async def test_raw_and_rendered_bytes_go_a_term_after_the_last_receipt(self, store: Store, sql: Side) -> None:
        item = arrival()  # its own term: a day after it came in
        await accept_one(store, Decider(), item)
        late = NOW + 20 * HOUR
        await deliver_all(store, now=late)
        assert await erased(store, NOW + DAY) == Erased()  # the receipts were at eight in the evening
        assert await erased(store, late + DAY - SECOND) == Erased()
        assert await erased(store, late + DAY) == Erased(raw=1, rendered=2)
        assert counts(sql, SEALED)[1:4] == [0, 1, 0]
        assert await erased(store, late + DAY) == Erased()
        assert sql.rows("SELECT count(*) FROM delivery WHERE rendered_digest IS NOT NULL") == [(2,)]
        (one,) = await store.mailbox("vvt", after=0, limit=9)
        assert one.state == "delivered"
        actors = "SELECT DISTINCT actor FROM audit WHERE substr(action, 1, 10) = 'retention:'"
        assert sql.rows(actors) == [("clock",)]
        done = sql.rows("SELECT object FROM audit WHERE action = 'retention:raw'")
        assert done == [(item.message_id,)]

    async def test_what_is_under_way_or_waits_for_a_person_is_spared(self, store: Store) -> None:
        await accept_one(store, Decider(), arrival(household="one"))  # nobody has fetched it
        await accept_one(store, Decider(park="unknown-code"))
        late = NOW + 9 * DAY
        assert await erased(store, late) == Erased()
        assert (await store.overdue(now=late)).spared == 2
        (parked,) = await store.parked()
        await store.settle_parked(parked.id, "release", Decider().settle, by="Jo", reason="known", now=late)
        await deliver_all(store, now=late)
        assert await erased(store, late + DAY) == Erased(raw=2, rendered=4)
        assert (await store.overdue(now=late + DAY)).spared == 0

    async def test_a_dropped_delivery_ends_like_any_other(self, store: Store) -> None:
        await accept_one(store, Decider())
        (claimed, *_) = await store.claim(now=NOW, limit=1)
        await store.finish([DeliveryOutcome(claimed.id, claimed.token, "park", reason="poison")], now=NOW)
        (parked,) = await store.parked()
        await store.settle_parked(parked.id, "drop", None, by="Jo", reason="no use", now=NOW)
        await deliver_all(store)
        assert (await erased(store, NOW + DAY)).raw == 1

    async def test_the_content_of_a_closed_case_goes_with_its_key(self, store: Store, sql: Side) -> None:
        item = arrival(household="one")
        case = await opened(store, item, change=orders("a"))
        await deliver_all(store)
        lead, duo = of(case, "lead"), of(case, "duo")
        await store.answer_many([answer("vvt", lead.reference)], decide_answer)
        follow_up = clock(case.id, duo.partner, "duo", kind="follow-up", event="closed")
        told = LedgerDecision(matters=(effort(duo.id),), entries=(entry(case.id),), deadlines=(follow_up,))
        await act_one(store, act(case.references["vvt"]), told)
        await store.raise_alarms([NewAlarm("deadline:follow-up", case.id, "coordinator", "nl", "en")], now=NOW)
        assert await erased(store, NOW + 99 * DAY) == Erased(raw=1, rendered=2)  # an open case keeps its content
        await close_case(store, case.id, at=NOW + MINUTE, ended=(EndedDeadline(duo.id, "close"),))
        assert (await erased(store, NOW + MINUTE + DAY - SECOND)).cases == 0
        assert await erased(store, NOW + MINUTE + DAY) == Erased(cases=1)
        assert counts(sql, SEALED) == [0] * 7
        assert counts(sql, BLINDED) == [0] * 3
        assert sql.rows("SELECT DISTINCT message_reference, source_case_reference FROM message") == [
            (f"erased:{item.message_id}", "")
        ]
        assert counts(sql, "SELECT count(*) FROM deadline WHERE ended_at IS NULL") == [0]
        assert [alarm.acknowledged_by for alarm in await store.alarms()] == ["hub"]
        assert await store.ledger("", case.id) is None
        assert await store.case("vvt", case.references["vvt"]) is None
        assert (await store.mailbox("vvt", after=0, limit=9))[0].state == "delivered"
        again = await accept_one(store, Decider(), replace(item, message_id="another-message"))
        assert not again.duplicate  # who it was is not known any more

    async def test_a_case_with_something_under_way_is_spared_and_counted(self, store: Store) -> None:
        case = await opened(store)
        await close_case(store, case.id, at=NOW + MINUTE)
        late = NOW + 30 * DAY
        assert await erased(store, late) == Erased()
        assert (await store.overdue(now=late)).spared == 2  # the raw bytes and the case: nobody took what was sent
        await deliver_all(store, now=late)
        assert await erased(store, late + DAY) == Erased(raw=1, rendered=2, cases=1)

    async def test_a_joined_case_keeps_its_content_as_long_as_the_one_that_goes_on(
        self, store: Store, sql: Side
    ) -> None:
        older = await opened(store, arrival(household="one"))

        def suggest(item: object, facts: object) -> object:
            decision = Decider(lead="perspektief").route(item, type(facts)(()))  # type: ignore[arg-type]
            return replace(decision, suggestions=((older.id, "person"),))

        item = arrival(received_at=NOW + SECOND)
        await accept_one(store, suggest, item)  # type: ignore[arg-type]
        younger = await store.ledger("", item.message_id)
        assert younger is not None
        await deliver_all(store, now=NOW + SECOND)
        joined = {"by": "Jo", "reason": "same", "now": NOW + MINUTE, "share": lambda *_: None}
        assert await store.decide_suggestion(younger.id, older.id, join=True, **joined)
        late = NOW + 500 * DAY
        assert (await erased(store, late)).cases == 0
        await close_case(store, older.id, at=late)
        assert (await erased(store, late + DAY)).cases == 2
        assert sql.rows("SELECT DISTINCT reason FROM suggestion") == [("",)]

    async def test_what_went_nowhere_ends_too(self, store: Store, sql: Side) -> None:
        await accept_one(store, Decider(park="mapping-error"))
        await store.answer_many([answer("vvt", "UNKNOWN")], decide_answer)
        for parked in await store.parked():
            await store.settle_parked(parked.id, "drop", None, by="Jo", reason="nothing", now=NOW)
        end = NOW + 365 * DAY  # content_after_close
        assert (await erased(store, end - SECOND)).strays == 0
        assert (await erased(store, end)).strays == 2
        assert counts(sql, SEALED) == [0] * 7
        assert (await erased(store, end + TERM)).ledgers == 2
        assert [counts(sql, f"SELECT count(*) FROM {table}") for table in OF_A_CASE] == [[0]] * len(OF_A_CASE)

    async def test_a_case_that_only_dropped_messages_were_in_ends_with_them(self, store: Store, sql: Side) -> None:
        def waits(item: object, facts: object) -> object:
            decision = Decider().route(item, facts)  # type: ignore[arg-type]
            parked = Decider(park="no-route")(item, facts).parked  # type: ignore[arg-type]
            return replace(decision, state="parked", parked=parked, deliveries=(), requests=(), routing=())

        await accept_one(store, waits, arrival(household="one"))  # type: ignore[arg-type]
        await accept_one(store, waits, arrival(household="one"))  # type: ignore[arg-type]
        first, second = await store.parked()
        await store.settle_parked(first.id, "drop", None, by="Jo", reason="nothing", now=NOW)
        assert sql.rows("SELECT state FROM case_file") == [("open",)]
        await store.settle_parked(second.id, "drop", None, by="Jo", reason="nothing", now=NOW)
        assert sql.rows("SELECT state FROM case_file") == [("closed",)]
        assert (await erased(store, NOW + 365 * DAY)).cases == 1
        assert counts(sql, SEALED) == [0] * 7

    async def test_a_ledger_ends_after_its_term_and_the_numbers_stay_whole(self, store: Store, sql: Side) -> None:
        case = await opened(store, arrival(household="one"))
        await accept_one(store, Decider(), arrival(household="one"))
        await accept_one(store, Decider(), arrival(household="other"))
        await deliver_all(store)
        lead = of(case, "lead")
        await store.answer_many([answer("vvt", lead.reference)], decide_answer)
        told = LedgerDecision(matters=(effort(lead.id),), entries=(entry(case.id),))
        await act_one(store, act(case.references["vvt"]), told)
        await close_case(store, case.id, at=NOW + MINUTE)
        assert (await erased(store, NOW + 2 * DAY)).cases == 1
        assert (await erased(store, NOW + MINUTE + TERM - SECOND)).ledgers == 0
        assert (await erased(store, NOW + MINUTE + TERM)).ledgers == 1
        left = sql.rows("SELECT DISTINCT case_id FROM message")
        assert len(left) == 1
        assert case.id not in {row[0] for row in left}
        histories = sql.rows("SELECT count(*) FROM state_event WHERE object_id IN (?, ?)", case.id, lead.id)
        assert histories == [(0,)]
        assert [one.number for one in await store.mailbox("vvt", after=0, limit=9)] == [3]
        assert sql.rows("SELECT last_number, forgotten FROM recipient WHERE partner = 'vvt'") == [(3, 2)]
        item = arrival(household="new")
        outcome = await accept_one(store, Decider(), item)
        assert isinstance(outcome, Accepted)
        assert [bell.number for bell in outcome.bells] == [4, 4]

    async def test_joined_cases_go_before_the_one_that_went_on(self, store: Store, sql: Side) -> None:
        await self.test_a_joined_case_keeps_its_content_as_long_as_the_one_that_goes_on(store, sql)
        end = NOW + 501 * DAY + TERM
        assert (await erased(store, end)).ledgers == 1
        assert (await erased(store, end)).ledgers == 1
        assert [counts(sql, f"SELECT count(*) FROM {table}") for table in OF_A_CASE] == [[0]] * len(OF_A_CASE)

    async def test_the_audit_is_cut_at_a_signed_point_and_says_so(self, store: Store, sql: Side) -> None:
        for minute in range(3):
            await accept_one(store, Decider())
            await store.link_audit(now=NOW + minute * MINUTE, limit=1000)
        at = NOW + MINUTE + TERM
        points = [row[0] for row in sql.rows("SELECT position FROM audit_checkpoint ORDER BY position")]
        done = await erased(store, at, by="Jo")
        assert done.audit == points[1] - 1
        assert sql.rows("SELECT min(position), max(position) FROM audit WHERE position > 0") == [(points[1], points[2])]
        assert sql.rows("SELECT position FROM audit_checkpoint ORDER BY position") == [(points[1],), (points[2],)]
        ((actor, object_, detail),) = sql.rows(
            "SELECT actor, object, detail FROM audit WHERE action = 'retention:audit'"
        )
        assert (actor, object_) == ("operator:Jo", f"position {points[1]}")
        assert detail == f"{points[1] - 1} rows, until 2026-11-21T09:30:00.000000Z"
        assert (await store.erase(by="Jo", now=at, limit=99)).audit == 0

    async def test_no_more_goes_at_once_than_asked(self, store: Store) -> None:
        for _ in range(5):
            await accept_one(store, Decider())
        await deliver_all(store)
        late = NOW + 2 * DAY
        went = [await store.erase(by="clock", now=late, limit=2) for _ in range(6)]
        assert [one.raw for one in went] == [2, 2, 1, 0, 0, 0]
        assert [one.rendered for one in went] == [2, 2, 2, 2, 2, 0]
        assert [one.total for one in went][-1] == 0

    async def test_an_erased_reference_is_no_key_to_anything(self, store: Store) -> None:
        """A message that comes again after its case was erased is a new one, also twice."""
        for _ in range(2):
            item = arrival("the-reference", household="one")
            case = await opened(store, item)
            await deliver_all(store)
            await close_case(store, case.id)
            assert (await store.erase(by="clock", now=NOW + 9 * DAY, limit=99)).cases == 1
            assert await stands_no_more(store, case.id)


async def stands_no_more(store: Store, case_id: str) -> bool:
    return await store.ledger("", case_id) is None and await store.case_by_id(case_id) is None
