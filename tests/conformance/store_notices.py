# SPDX-License-Identifier: EUPL-1.2
"""Promises of the store about notices: what a claim carries of the thing that happened, receipt by answering, and what
a partner is asked beside its requests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from schakel.ledger_records import LedgerDecision, NewEntry, NewMatter, Transition
from schakel.ports import Store
from schakel.records import Claimed, NewDelivery, Rendered, RequestQuery, ToldSource
from tests.conformance.store_acts import effort, of, opened
from tests.conformance.store_cases import NOW, SECOND, act, act_one, clock, fresh

TEAM = "lokaal-team-den-haag"


def line(subject: str, event: str, **changes: Any) -> NewEntry:
    value = NewEntry(fresh("entry"), subject, event, "vvt", "lead", "own-system", NOW, None, b"sealed-words")
    return replace(value, **changes)


async def asked(store: Store, occasion: str = "effort-asked:{matter}") -> tuple[NewMatter, NewEntry, Claimed]:
    """A team is asked for more effort; the matter, the entry of asking, and the notice as a mailbox read has it.

    `occasion` may name {matter}, {first} (the entry of asking) or {second} (a later one on the same matter)."""
    case = await opened(store)
    matter = effort(of(case, "duo").id)
    first, second = line(matter.id, "ask"), line(matter.id, "adjust", actor=TEAM, role="recipient", sealed=b"other")
    running = clock(matter.id, TEAM, "duo", kind="effort", event="effort-asked")
    delivery = NewDelivery(
        id=fresh("delivery"),
        recipient=TEAM,
        role="duo",
        channel="mailbox",
        mode="full",
        representation="notice-json",
        urgency="normal",
        request_id=None,
        occasion=occasion.format(matter=matter.id, first=first.id, second=second.id),
    )
    decision = LedgerDecision(
        matters=(matter,),
        entries=(first, second),
        deadlines=(running,),
        deliveries=(ToldSource(case.newest_message or "", delivery),),
    )
    await act_one(store, act(case.id, actor="operator:Jo"), decision)
    claimed = await store.delivery(TEAM, delivery.id)
    assert claimed is not None
    return matter, second if "{second}" in occasion else first, claimed


class NoticePromises:
    async def test_a_notice_of_a_matter_has_its_terms_and_the_first_word_on_it(self, store: Store) -> None:
        matter, first, claimed = await asked(store)
        happened = claimed.happened
        assert happened is not None
        assert (happened.matter_id, happened.machine, happened.partner, happened.role, happened.reference) == (
            matter.id,
            "effort",
            TEAM,
            "duo",
            matter.reference,
        )
        assert (happened.terms, happened.valid_from, happened.valid_until) == (
            b"sealed-terms",
            matter.valid_from,
            matter.valid_until,
        )
        assert (happened.entry_id, happened.event, happened.actor, happened.words) == (
            first.id,
            "ask",
            "vvt",
            b"sealed-words",
        )
        (running,) = [
            one for one in await store.due_deadlines(now=NOW.replace(year=2099), limit=99) if one.kind == "effort"
        ]
        assert happened.due_at == running.due_at

    async def test_a_notice_of_an_entry_has_that_word_and_the_matter_that_it_is_about(self, store: Store) -> None:
        matter, second, claimed = await asked(store, "effort-answered:{second}")
        happened = claimed.happened
        assert happened is not None
        assert (happened.matter_id, happened.entry_id, happened.event, happened.actor, happened.words) == (
            matter.id,
            second.id,
            "adjust",
            TEAM,
            b"other",
        )
        assert happened.due_at is None  # nothing is asked by an answer

    async def test_a_message_carries_nothing_of_a_notice(self, store: Store) -> None:
        await opened(store)
        claimed = await store.mailbox_item(TEAM, 1)
        assert claimed is not None
        assert (claimed.occasion, claimed.happened) == ("message", None)

    async def test_whoever_answers_a_matter_has_its_notice(self, store: Store) -> None:
        matter, _, claimed = await asked(store)
        bytes_ = Rendered(b"sealed", b"d" * 32, "application/json", NOW, claimed.secrecy_version)
        await store.keep_rendered([(claimed, bytes_)])
        accepts = Transition("effort", matter.id, "accept", "recipient", TEAM)
        said = act(matter.reference or "", "answer", actor=TEAM, at=NOW + SECOND)
        await act_one(store, said, LedgerDecision(moves=(accepts,)))
        states = {one.delivery_id: one.state for one in await store.mailbox(TEAM, after=0, limit=9)}
        assert states.pop(claimed.id) == "delivered"
        assert set(states.values()) == {"waiting"}  # the message of the case is another delivery

    async def test_an_answer_to_what_was_never_made_implies_nothing(self, store: Store) -> None:
        matter, _, claimed = await asked(store)
        said = act(matter.reference or "", "answer", actor=TEAM, at=NOW + SECOND)
        await act_one(store, said, LedgerDecision())
        states = {one.delivery_id: one.state for one in await store.mailbox(TEAM, after=0, limit=9)}
        assert states[claimed.id] == "waiting"

    async def test_what_a_partner_is_asked_beside_its_requests_is_its_own_too(self, store: Store) -> None:
        matter, _, _ = await asked(store)
        everything = await store.own_requests(TEAM, RequestQuery(), after="", limit=9)
        assert everything.total == 2
        assert {one.asked_as for one in everything.rows} == {"", "effort-asked"}

        async def found(**query: Any) -> list[str]:
            page = await store.own_requests(TEAM, RequestQuery(**query), after="", limit=9)
            assert page.total == len(page.rows)
            return [one.reference for one in page.rows if one.asked_as]

        own = [matter.reference]
        assert await found(references=(matter.reference,)) == own
        assert await found(roles=("effort-asked",)) == own
        assert await found(roles=("known-check-asked",)) == []
        assert await found(states=("asked",)) == own
        assert await found(states=("accepted",)) == []
        others = await store.own_requests("vvt", RequestQuery(references=(matter.reference or "",)), after="", limit=9)
        assert others.rows == ()
