# SPDX-License-Identifier: EUPL-1.2
"""What a case knows of secrets: who is hidden and which addresses are secret, as keyed hashes; it only grows.

It lets disclosure cut a message by flags that came with another message of the case, earlier or later, without keeping
an address or a name to compare with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, Self

from schakel.identity import address_keys, person_keys, postcode_key
from schakel.message import Address, CaseContent, Frozen, Member, MemberRole

Blind = Callable[..., bytes]  # vault.blind(kind, *parts)
Side = Literal["removed", "others"]


def side_of(member: Member) -> Side:
    """Who lives with a hidden person is as hidden as that person; the removed person is on the other side."""
    return "removed" if member.role is MemberRole.REMOVED else "others"


class HiddenPerson(Frozen):
    """Somebody whose whereabouts are secret: blinded identifiers (hex), and the sides on which he or she stood."""

    keys: tuple[str, ...]
    sides: tuple[Side, ...]


class Secrecy(Frozen):
    """What a case knows of secrets, without holding one. It only grows; kept sealed beside the case."""

    persons: tuple[HiddenPerson, ...] = ()
    addresses: tuple[str, ...] = ()  # blinded keys of secret addresses (hex)
    incomparable: bool = False  # a secret address exists that no other address can be compared with
    unidentified: bool = False  # a hidden person exists whom no later message can be matched with

    @property
    def anyone(self) -> bool:
        return bool(self.persons) or bool(self.addresses) or self.unidentified

    def merge(self, content: CaseContent, blind: Blind) -> Secrecy:
        """With what this message tells. Monotone: once secret stays secret; an operator alone may lower it."""
        if next(secret_addresses(content), None) is None and not any(member.hidden for member in content.members):
            return self  # it tells of no secret
        persons, unidentified = list(self.persons), self.unidentified
        addresses, incomparable = set(self.addresses), self.incomparable
        for member in content.members:
            if not member.hidden:
                continue
            keys = tuple(sorted(_blinded_person(member, blind)))
            unidentified |= not keys
            incomparable |= not any(address.secret for address in member.addresses)
            if keys:
                persons = _add(persons, HiddenPerson(keys=keys, sides=(side_of(member),)))
        for secret in secret_addresses(content):
            addresses |= _blinded_address(secret, blind)
            incomparable |= postcode_key(secret) is None
        # a secret scene or order address says that somebody is hidden there, not who
        unidentified |= any(address.secret for address in event_addresses(content))
        return Secrecy(
            persons=tuple(sorted(persons, key=lambda person: person.keys)),
            addresses=tuple(sorted(addresses)),
            incomparable=incomparable,
            unidentified=unidentified,
        )

    def union(self, other: Secrecy) -> Secrecy:
        """With what another case of the same household knows."""
        persons = list(self.persons)
        for person in other.persons:
            persons = _add(persons, person)
        return Secrecy(
            persons=tuple(sorted(persons, key=lambda person: person.keys)),
            addresses=tuple(sorted({*self.addresses, *other.addresses})),
            incomparable=self.incomparable or other.incomparable,
            unidentified=self.unidentified or other.unidentified,
        )

    def hides_address(self, address: Address, blind: Blind) -> bool:
        """This address is one that the case knows as secret."""
        return address.secret or not _blinded_address(address, blind).isdisjoint(self.addresses)

    def hides_person(self, member: Member, blind: Blind) -> bool:
        """This person is one that the case knows as hidden."""
        keys = _blinded_person(member, blind)
        return member.hidden or any(not keys.isdisjoint(person.keys) for person in self.persons)

    def surely_elsewhere(self, address: Address, blind: Blind) -> bool:
        """It can be *shown* to be none of the secret addresses; whatever cannot be compared counts as one."""
        if self.incomparable or postcode_key(address) is None:
            return False
        return not self.hides_address(address, blind)

    def hidden_sides(self, content: CaseContent, blind: Blind) -> frozenset[Side]:
        """The sides of the household whose whereabouts are hidden; all, when a hidden person cannot be found here."""
        if self.unidentified:
            return frozenset({"removed", "others"})
        sides: set[Side] = {side_of(member) for member in content.members if member.hidden}
        known = [(side_of(member), _blinded_person(member, blind)) for member in content.members]
        for person in self.persons:
            found = [side for side, keys in known if not keys.isdisjoint(person.keys)]
            if not found:
                return frozenset({"removed", "others"})
            sides |= {*found, *person.sides}
        return frozenset(sides)

    def to_bytes(self) -> bytes:
        """As kept in the case's file (to be sealed)."""
        return self.model_dump_json(by_alias=True).encode()

    @classmethod
    def from_bytes(cls, data: bytes | None) -> Self:
        """None: a case that knows of no secret."""
        return cls() if data is None else cls.model_validate_json(data)


def secret_addresses(content: CaseContent) -> Iterator[Address]:
    """Every address of the message that is itself flagged as secret."""
    for member in content.members:
        yield from (address for address in member.addresses if address.secret)
    yield from (address for address in event_addresses(content) if address.secret)


def event_addresses(content: CaseContent) -> Iterator[Address]:
    """The home that an order is about and the scene of an incident."""
    for event in (content.trigger.restraining_order, content.trigger.incident):
        if event is not None and event.address is not None:
            yield event.address


def _blinded_person(member: Member, blind: Blind) -> frozenset[str]:
    return frozenset(blind("secret-person", kind, text).hex() for kind, text in person_keys(member))


def _blinded_address(address: Address, blind: Blind) -> frozenset[str]:
    return frozenset(blind("secret-address", key).hex() for key in address_keys(address))


def _add(persons: list[HiddenPerson], new: HiddenPerson) -> list[HiddenPerson]:
    """Mentions that share an identifier are one person."""
    same = [person for person in persons if not set(person.keys).isdisjoint(new.keys)]
    keys, sides = set(new.keys), set(new.sides)
    for person in same:
        keys |= set(person.keys)
        sides |= set(person.sides)
    rest = [person for person in persons if person not in same]
    return [*rest, HiddenPerson(keys=tuple(sorted(keys)), sides=tuple(sorted(sides)))]
