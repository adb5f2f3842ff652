# SPDX-License-Identifier: EUPL-1.2
"""Rules of joining and counting that hold for every household."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from schakel.household import STRONG, choose, order_count
from schakel.records import CaseFacts, KnownOrder

START = datetime(2026, 1, 1, tzinfo=UTC)
ORDERS = st.lists(
    st.builds(
        KnownOrder,
        number=st.none() | st.sampled_from([b"a", b"b", b"c"]),
        imposed_at=st.none() | st.integers(0, 4).map(lambda minutes: START + timedelta(minutes=minutes, seconds=7)),
    ),
    max_size=8,
)
CASES = st.lists(
    st.builds(
        CaseFacts,
        id=st.uuids().map(str),
        programme=st.sampled_from(["icm", "mda++"]),
        municipality=st.none(),
        matched=st.frozensets(st.sampled_from([*STRONG, "person"]), min_size=1),
        wrapped_key=st.just(b""),
        secrecy=st.none(),
        secrecy_version=st.just(0),
        orders=st.just(()),
        max_ordinal=st.just(0),
        recipients=st.just(()),
    ),
    max_size=6,
    unique_by=lambda case: case.id,
)


@given(ORDERS, st.integers(0, 5), st.randoms())
def test_the_count_does_not_depend_on_the_order_or_repetition_of_mentions(orders, ordinal, random):
    shuffled = [*orders, *orders]
    random.shuffle(shuffled)
    assert order_count(shuffled, ordinal) == order_count(orders, ordinal)


@given(ORDERS, st.integers(0, 5))
def test_the_count_lies_between_what_is_sure_and_what_was_mentioned(orders, ordinal):
    numbers = {order.number for order in orders if order.number}
    told = [order for order in orders if order.number or order.imposed_at]
    assert max(ordinal, len(numbers)) <= order_count(orders, ordinal) <= max(ordinal, len(told))


@given(st.sampled_from(["icm", "mda++"]), CASES, st.randoms())
def test_a_message_joins_only_on_a_strong_key_of_its_own_programme_and_forgets_nobody(programme, cases, random):
    decision = choose(programme, cases)
    shuffled = list(cases)
    random.shuffle(shuffled)
    assert choose(programme, shuffled) == decision
    strong = {case.id for case in cases if case.programme == programme and case.matched & set(STRONG)}
    assert (decision.join in strong) if strong else (decision.join is None)
    suggested = dict(decision.suggestions)
    assert decision.join not in suggested
    for case in cases:
        if case.programme == programme:
            assert case.id == decision.join or case.id in suggested
        else:
            assert (suggested.get(case.id) == "linked") == bool(case.matched & set(STRONG))
