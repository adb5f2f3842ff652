# SPDX-License-Identifier: EUPL-1.2
"""Which case a message joins, what is only suggested, and how orders are counted."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from typing import Any

from schakel.household import choose, keys, known_orders, order_count
from schakel.message import (
    Address,
    History,
    KnownOrder,
    Member,
    MemberRole,
    Names,
    OrderStatus,
    PartialDate,
    Precision,
    Referral,
    RestrainingOrder,
    Trigger,
)
from schakel.records import CaseFacts

NOW = datetime(2026, 11, 3, 20, 15, tzinfo=UTC)
VICTIM, REMOVED, CHILD = MemberRole.VICTIM, MemberRole.REMOVED, MemberRole.CHILD


def blind(kind: str, *parts: str) -> bytes:
    return hmac.digest(b"test key", "\0".join((kind, *parts)).encode(), hashlib.sha256)


def person(role: MemberRole, bsn: str | None = None, **more: Any) -> Member:
    return Member(id=role.value, role=role, bsn=bsn, bsn_status="known" if bsn else "not-stated", **more)


def referral(*members: Member, number: str | None = None, imposed_at: datetime | None = NOW, **more: Any) -> Referral:
    order = RestrainingOrder(status=OrderStatus.WITHDRAWN, number=number, imposed_at=imposed_at)
    return Referral(trigger=Trigger(restraining_order=order), members=members or (person(VICTIM),), **more)


def kinds(one: Referral, other: Referral, *, source: str = "cit", reference: str = "B") -> set[str]:
    first = keys(one, source="thv-pool", source_case_reference="A", blind=blind)
    return {
        key.kind for key in set(first) & set(keys(other, source=source, source_case_reference=reference, blind=blind))
    }


def case(case_id: str, *matched: str, programme: str = "icm") -> CaseFacts:
    return CaseFacts(
        id=case_id,
        programme=programme,
        municipality="0503",
        matched=frozenset(matched),
        wrapped_key=b"",
        secrecy=None,
        secrecy_version=0,
        orders=(),
        max_ordinal=0,
        recipients=(),
    )


def test_the_sources_own_case_is_a_key_of_that_source_only():
    assert kinds(referral(), referral(), source="thv-pool", reference="A") == {"source-case"}
    assert kinds(referral(), referral(), source="cit", reference="A") == set()


def test_an_order_number_is_a_key_however_it_is_written():
    assert kinds(referral(number="DH-2026/0042"), referral(number="dh 2026 0042")) == {"order"}


def test_a_number_too_short_to_be_one_is_no_key():
    assert kinds(referral(number="42"), referral(number="42")) == set()


def test_only_both_bsns_make_a_pair():
    both = referral(person(VICTIM, "999990019"), person(REMOVED, "999990020"))
    one = referral(person(VICTIM, "999990019"), person(REMOVED, "999990032"))
    assert kinds(both, both) == {"pair", "person"}
    assert kinds(both, one) == {"person"}


def test_one_person_is_recognised_by_name_birth_date_and_postcode_too():
    def somebody(family: str, postcode: str) -> Member:
        return person(
            CHILD,
            names=Names(family=family),
            born=PartialDate(value="2015-06-07", precision=Precision.DAY),
            addresses=(Address(postcode=postcode),),
        )

    assert kinds(referral(somebody("Müller", "2611AA")), referral(somebody("Muller", "2611AA"))) == {"person"}
    assert kinds(referral(somebody("Müller", "2611AA")), referral(somebody("Müller", "2611AB"))) == set()


def test_keys_hold_no_identifier():
    found = keys(
        referral(person(VICTIM, "999990019"), number="DH-2026-42"), source="cit", source_case_reference="Z", blind=blind
    )
    assert all(len(key.digest) == 32 for key in found)
    assert "999990019" not in repr(found)


def test_a_strong_key_joins_and_a_weak_one_is_suggested():
    assert choose("icm", [case("a", "order")]).join == "a"
    assert choose("icm", [case("a", "pair", "person")]).join == "a"
    weak = choose("icm", [case("a", "person")])
    assert (weak.join, weak.suggestions) == (None, (("a", "person"),))


def test_another_programme_is_linked_and_never_joined():
    decision = choose("mda++", [case("a", "pair", "person"), case("b", "person")])
    assert (decision.join, decision.suggestions) == (None, (("a", "linked"),))


def test_of_several_the_strongest_then_the_oldest_is_joined_and_the_rest_is_suggested():
    decision = choose("icm", [case("c", "order"), case("b", "order", "person"), case("a", "pair")])
    assert decision.join == "b"
    assert decision.matched == {"order", "person"}
    assert decision.suggestions == (("a", "pair"), ("c", "order"))
    assert choose("icm", [case("a", "pair"), case("z", "source-case")]).join == "z"


def test_no_match_is_a_new_case():
    decision = choose("icm", [])
    assert (decision.join, decision.matched, decision.suggestions) == (None, frozenset(), ())


def test_the_same_order_from_cit_and_the_pool_counts_once():
    pool = known_orders(referral(number="DH-2026-42"), blind)
    cit = known_orders(referral(number=None, imposed_at=NOW + timedelta(seconds=20)), blind)
    assert order_count((*pool, *cit)) == order_count((*cit, *pool)) == 1


def test_orders_at_other_times_or_with_other_numbers_are_other_orders():
    week = NOW - timedelta(days=40)
    assert (
        order_count(
            (*known_orders(referral(number="DH-1-AA"), blind), *known_orders(referral(number="DH-1-AB"), blind))
        )
        == 2
    )
    assert order_count((*known_orders(referral(), blind), *known_orders(referral(imposed_at=week), blind))) == 2


def test_the_sources_own_count_is_believed_when_it_is_higher():
    assert order_count(known_orders(referral(), blind), 3) == 3
    assert order_count(known_orders(referral(), blind), 0) == 1


def test_earlier_orders_count_and_one_that_is_only_considered_does_not():
    earlier = History(earlier_orders=(KnownOrder(number="DH-2025-7"), KnownOrder()))
    considered = Referral(
        trigger=Trigger(restraining_order=RestrainingOrder(status=OrderStatus.CONSIDERED, imposed_at=NOW)),
        members=(person(VICTIM),),
        history=earlier,
    )
    assert order_count(known_orders(considered, blind)) == 1
    assert order_count(known_orders(referral(history=earlier), blind)) == 2
