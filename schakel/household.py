# SPDX-License-Identifier: EUPL-1.2
"""Which household a message is about: blinded keys, which open case it joins by itself, and how many orders there were.

A message joins by itself only on the source's own case, on the number of a restraining order, or when *both* the
victim's and the removed person's BSN match. Everything else is a suggestion to a person: joining two households by
mistake would tell the one about the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from schakel.identity import birth_day, fold, surname
from schakel.message import CaseContent, Member, MemberRole, OrderStatus
from schakel.records import CaseFacts, KnownOrder, MatchKey

SOURCE_CASE: Final = "source-case"
ORDER: Final = "order"
PAIR: Final = "pair"
PERSON: Final = "person"
LINKED: Final = "linked"  # the same household in another programme: shown to the lead, never joined
STRONG: Final = (SOURCE_CASE, ORDER, PAIR)  # strongest first
SHORTEST_ORDER_NUMBER: Final = 5  # characters; a shorter one is a counter of somebody's, not a number of an order
Blind = Callable[..., bytes]  # vault.blind(kind, *parts)


def keys(content: CaseContent, *, source: str, source_case_reference: str, blind: Blind) -> tuple[MatchKey, ...]:
    """What this message can be recognised by. Each digest is a keyed hash; sorted, without repeats.

    Not scoped by programme: the ICM and the MDA++ case of one household must find each other to be linked.
    """
    found = {MatchKey(SOURCE_CASE, blind(SOURCE_CASE, source, source_case_reference))}
    found |= {MatchKey(ORDER, blind(ORDER, number)) for number in _order_numbers(content)}
    victims = [member.bsn for member in content.members if member.role is MemberRole.VICTIM and member.bsn]
    removed = [member.bsn for member in content.members if member.role is MemberRole.REMOVED and member.bsn]
    found |= {MatchKey(PAIR, blind(PAIR, victim, other)) for victim in victims for other in removed}
    for member in content.members:
        found |= {MatchKey(PERSON, digest) for digest in _person(member, blind)}
    return tuple(sorted(found, key=lambda key: (key.kind, key.digest)))


def _order_numbers(content: CaseContent) -> set[str]:
    """Numbers of the order itself and of earlier ones, without spaces, signs and case."""
    order = content.trigger.restraining_order
    numbers = [order.number] if order is not None else []
    numbers += [earlier.number for earlier in content.history.earlier_orders]
    folded = {fold(number) for number in numbers if number}
    return {number for number in folded if len(number) >= SHORTEST_ORDER_NUMBER}


def _person(member: Member, blind: Blind) -> set[bytes]:
    """BSN; and name, birth date and postcode, the set that identifies without BSN (Wmo 2015, art. 5.2.9(5))."""
    digests = {blind("person-bsn", member.bsn)} if member.bsn else set()
    name, born = surname(member), birth_day(member)
    if name and born:
        postcodes = {address.postcode for address in member.addresses if address.postcode}
        digests |= {blind("person-tuple", name, born, postcode) for postcode in postcodes}
    return digests


# -- joining -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HouseholdDecision:
    """`join`: the open case it belongs to, None for a new one. `suggestions`: (other case, kinds of shared keys) for a
    person to decide; the kind `linked` alone means the same household in another programme."""

    join: str | None
    matched: frozenset[str]  # the kinds on which it joins; empty for a new case
    suggestions: tuple[tuple[str, str], ...]


def choose(programme: str, matches: Sequence[CaseFacts]) -> HouseholdDecision:
    """Joins the case with the strongest kind of key; among equals the oldest (ids are UUIDv7); the rest is suggested.

    A weak match in another programme is left out: there is nothing to join, and it is too little to link on.
    """
    same = [match for match in matches if match.programme == programme]
    strong = sorted((match for match in same if _rank(match) < len(STRONG)), key=lambda match: (_rank(match), match.id))
    joined = strong[0] if strong else None
    suggestions = {match.id: "+".join(sorted(match.matched)) for match in same if match is not joined}
    suggestions |= {
        match.id: LINKED for match in matches if match.programme != programme and _rank(match) < len(STRONG)
    }
    return HouseholdDecision(
        join=joined.id if joined else None,
        matched=joined.matched if joined else frozenset(),
        suggestions=tuple(sorted(suggestions.items())),
    )


def _rank(match: CaseFacts) -> int:
    return min((place for place, kind in enumerate(STRONG) if kind in match.matched), default=len(STRONG))


# -- counting orders ---------------------------------------------------------------------------------------------------


def known_orders(content: CaseContent, blind: Blind) -> tuple[KnownOrder, ...]:
    """The orders a message tells of that were imposed and can be told apart; numbers as keyed hash."""
    mentions: list[tuple[str | None, datetime | None]] = []
    order = content.trigger.restraining_order
    if order is not None and order.status not in (OrderStatus.CONSIDERED, OrderStatus.NOT_IMPOSED):
        mentions.append((order.number, order.imposed_at))
    mentions += [(earlier.number, earlier.imposed_at) for earlier in content.history.earlier_orders]
    found: dict[tuple[bytes | None, datetime | None], KnownOrder] = {}
    for number, imposed_at in mentions:
        hashed = blind(ORDER, fold(number)) if number and fold(number) else None
        if hashed is not None or imposed_at is not None:
            found.setdefault((hashed, imposed_at), KnownOrder(number=hashed, imposed_at=imposed_at))
    return tuple(found.values())


def order_count(orders: Iterable[KnownOrder], ordinal: int = 0) -> int:
    """How many orders this household had: max(the source's own count, distinct orders by number or imposed-at).

    Two numbers are two orders. A mention without a number is the order imposed in the same minute, if there is one: so
    the same order from CIT (which may not know the number) and from the pool counts once.
    """
    numbers: set[bytes] = set()
    numbered: set[datetime] = set()
    unnumbered: set[datetime] = set()
    for order in orders:
        minute = order.imposed_at.replace(second=0, microsecond=0) if order.imposed_at is not None else None
        if order.number is not None:
            numbers.add(order.number)
            numbered |= {minute} if minute is not None else set()
        elif minute is not None:
            unnumbered.add(minute)
    return max(ordinal, len(numbers) + len(unnumbered - numbered))
