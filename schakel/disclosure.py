# SPDX-License-Identifier: EUPL-1.2
"""The one choke point between the canonical message and any outgoing byte: cuts a message to what a recipient may see.

Three cuts, each of which only takes away. The *table* of the region says which fields a role may see in a programme.
*Persons*: an organisation that does not serve the whole household learns where to find nobody but the people it serves.
*Secrecy*: a role that may not see secret addresses learns nothing that could lead to a hidden person, also when only an
earlier or a later message of the case told that somebody is hidden.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Literal, Self

from schakel import region as tables
from schakel.errors import ConfigurationError, Finding, PoisonDelivery
from schakel.fields import FieldNode, covers, field_tree, leaves
from schakel.identity import address_keys, contact_key, digits, person_keys, plain, postcode_key
from schakel.message import (
    Address,
    CaseContent,
    CaseMessage,
    Frozen,
    Member,
    MemberRole,
    Phone,
    Reporter,
    Sensitivity,
)

VIEW: Final = "case-view@1"
Blind = Callable[..., bytes]  # vault.blind(kind, *parts)
Side = Literal["removed", "others"]
SERVED: Final[Mapping[str, frozenset[MemberRole]]] = {
    "household": frozenset(MemberRole),
    "victim": frozenset({MemberRole.VICTIM}),
    "removed": frozenset({MemberRole.REMOVED}),
    "children": frozenset({MemberRole.CHILD}),
    "unknown": frozenset(),
}
_ALWAYS: Final = frozenset({"schema", "case.reference"})  # what the view itself says; never the message's own value
_SHORTEST_NAME: Final = 4  # letters: shorter words of a masked reporter's name stand in any text


def side_of(member: Member) -> Side:
    """Who lives with a hidden person is as hidden as that person; the removed person is on the other side."""
    return "removed" if member.role is MemberRole.REMOVED else "others"


# -- secrecy: sticky per case ------------------------------------------------------------------------------------------


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


# -- the view ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Asked:
    """The recipient's own request, as its view says it."""

    reference: str
    due_at: datetime


@dataclass(frozen=True, slots=True)
class View:
    """`document`: JSON values under JSON names, ready for an outgoing mapping; `rules`: which rules took something."""

    document: dict[str, Any]
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Scope:
    """What may be shown in one part of the message."""

    text: Callable[[str], str | None]  # None: show; else the name of the rule that withholds it
    address: Callable[[Address], str | None]
    contact: Callable[[str], str | None]
    reporter: str | None
    whereabouts: str | None  # of a field that says where somebody is outside an address


class _Gone:
    """Marks a part that is left out."""


_GONE: Final = _Gone()


class Disclosure:
    """The region's table, compiled. Pure: the same message, role, recipient and secrecy give the same view."""

    def __init__(self, table: tables.Disclosure, *, blind: Blind) -> None:
        """Raises ConfigurationError when the table names a field that no message has."""
        self._tree = field_tree(CaseMessage)
        self._leaves = tuple(path for path, _ in leaves(self._tree))
        self._blind = blind
        self._withheld = f"{table.withheld.nl} / {table.withheld.en}"
        faults = unknown_fields(table, self._tree)
        if faults:
            raise ConfigurationError(*faults)
        self._rows: dict[tuple[str, str], tables.RoleDisclosure] = {
            (row.role, programme): row for row in table.roles for programme in row.programmes
        }
        self._allowed = {key: self._below(row.fields) for key, row in self._rows.items()}

    def may_see(self, role: str, programme: str) -> frozenset[str]:
        """The leaves that this role can ever get in this programme: the static proof. Empty: nothing."""
        return frozenset(path for path in self._leaves if path in self._allowed.get((role, programme), ()))

    def view(
        self,
        message: CaseMessage,
        *,
        role: str,
        programme: str,
        recipient: tables.Partner,
        secrecy: Secrecy,
        case_reference: str,
        request: Asked | None = None,
        held: int = 0,
        late: bool = False,
    ) -> View:
        """Cut for one recipient, with the case's newest secrecy (the message's own flags always count too).

        `case_reference` is the recipient's own. Raises PoisonDelivery when the table has no row for the role.
        """
        row = self._rows.get((role, programme))
        if row is None:
            raise PoisonDelivery("no-disclosure-row")
        rules: set[str] = set()
        cut = _Cut(message, row, recipient, secrecy.merge(message, self._blind), self._blind, self._withheld, rules)
        document = cut.object(message.to_json(), message, self._tree, "", cut.general(), self._allowed[role, programme])
        document = document if isinstance(document, dict) else {}
        document["schema"] = VIEW
        document["case"] = {**document.get("case", {}), "reference": case_reference}
        if request is not None:
            document["request"] = {"reference": request.reference, "role": role, "dueAt": _text(request.due_at)}
        if held:
            document["held"] = held
        if late:
            document["late"] = True
        if rules:
            document["withheld"] = [{"rule": rule} for rule in sorted(rules)]
        return View(document=document, rules=tuple(sorted(rules)))

    def _below(self, fields: Iterable[str]) -> frozenset[str]:
        """Every path, leaf or not, that is allowed or leads to one that is."""
        allowed = {path for path in self._leaves if any(covers(field, path) for field in fields)} - _ALWAYS
        return frozenset(allowed | {path[:at] for path in allowed for at, char in enumerate(path) if char == "."})


def unknown_fields(table: tables.Disclosure, tree: FieldNode | None = None) -> list[Finding]:
    """Paths in the table that cover no field of a message: a typo would silently withhold."""
    paths = tuple(path for path, _ in leaves(tree or field_tree(CaseMessage)))
    return [
        Finding(
            place=f"disclosure.yaml roles[{row.role}].fields[{position}]",
            rule="field-exists",
            nl="Dit veld bestaat niet in het zaakbericht.",
            en="There is no such field in a case message.",
        )
        for row in table.roles
        for position, field in enumerate(row.fields)
        if not any(covers(field, path) for path in paths)
    ]


class _Cut:
    """One message, one recipient."""

    def __init__(
        self,
        message: CaseMessage,
        row: tables.RoleDisclosure,
        recipient: tables.Partner,
        secrecy: Secrecy,
        blind: Blind,
        withheld: str,
        rules: set[str],
    ) -> None:
        self._message, self._secrecy, self._blind, self._withheld, self._rules = (
            message,
            secrecy,
            blind,
            withheld,
            rules,
        )
        self._secret = secrecy.anyone and not row.secret_addresses
        self._hidden = secrecy.hidden_sides(message, blind) if self._secret else frozenset[Side]()
        self._served = SERVED[recipient.serves]
        self._outsider = f"serves-{recipient.serves}" if recipient.serves != "household" else None
        reporter = message.reporter
        self._masked = reporter is not None and reporter.masked and not row.reporter
        self._names = tuple(_names(reporter)) if reporter is not None and self._masked else ()
        self._phone = digits(reporter.phone)[-9:] if reporter is not None and self._masked and reporter.phone else ""
        others = [member for member in message.members if self._protected(member) is not None]
        self._others_contacts = {contact_key(text) for member in others for text in _contacts(member)}
        others_addresses = [
            address for member in message.members if member.role not in self._served for address in member.addresses
        ] + list(event_addresses(message))
        self._others_addresses = {key for address in others_addresses for key in address_keys(address)}
        self._others_vague = any(postcode_key(address) is None for address in others_addresses)

    # -- who and what is protected; each gives the name of the rule, or None

    def _protected(self, member: Member) -> str | None:
        if member.role not in self._served:
            return self._outsider
        return "secret-address" if side_of(member) in self._hidden else None

    def _no_text(self, text: str) -> str | None:
        """Prose cannot be searched for an address; a masked reporter's own words can be searched for."""
        general = self._outsider or ("secret-address" if self._secret else None)
        if general is not None:
            return general
        words = plain(text)
        told = any(name in words for name in self._names) or (self._phone and self._phone in digits(text))
        return "reporter-masked" if told else None

    def _no_address(self, address: Address) -> str | None:
        if self._secret and not self._secrecy.surely_elsewhere(address, self._blind):
            return "secret-address"
        return None

    def _no_shared_address(self, address: Address) -> str | None:
        """Of a person that an outsider serves: unless somebody else may live there."""
        vague = self._others_vague or postcode_key(address) is None
        if self._outsider and (vague or not address_keys(address).isdisjoint(self._others_addresses)):
            return self._outsider
        return self._no_address(address)

    def general(self) -> _Scope:
        """Outside the members: order, incident, organisations, reporter."""
        hidden = self._outsider or ("secret-address" if self._secret else None)
        everyone = self._hidden == frozenset({"removed", "others"})
        return _Scope(
            text=self._no_text,
            address=lambda address: hidden if self._outsider or everyone else self._no_address(address),
            contact=lambda _: hidden,
            reporter="reporter-masked" if self._masked else hidden,
            whereabouts=hidden,
        )

    def _of(self, member: Member) -> _Scope:
        rule = self._protected(member)
        general = self.general()
        if rule is not None:
            return _Scope(self._no_text, lambda _: rule, lambda _: rule, general.reporter, rule)

        def contact(text: str) -> str | None:
            shared = contact_key(text) in self._others_contacts
            return (self._outsider or "secret-address") if shared else None

        return _Scope(self._no_text, self._no_shared_address, contact, general.reporter, general.whereabouts)

    # -- walking the message and its JSON side by side

    def object(
        self, document: Any, value: Any, node: FieldNode, path: str, scope: _Scope, allowed: frozenset[str]
    ) -> Any:
        """What remains of one object; `_GONE` when nothing does."""
        if isinstance(value, Member):
            scope = self._of(value)
        rule = scope.address(value) if isinstance(value, Address) else None
        rule = scope.contact(value.number) if isinstance(value, Phone) else rule
        if rule is not None:
            self._rules.add(rule)
            return _GONE
        if isinstance(value, Address):
            scope = replace(scope, whereabouts=None)
        kept: dict[str, Any] = {}
        for name, child in node.children.items():
            below = f"{path}.{name}" if path else name
            if below in allowed and name in document:
                part = self._field(document[name], getattr(value, child.attribute), child, below, scope, allowed)
                if part is not _GONE:
                    kept[name] = part
        return kept or _GONE

    def _field(
        self, document: Any, value: Any, node: FieldNode, path: str, scope: _Scope, allowed: frozenset[str]
    ) -> Any:
        one = self._leaf if node.model is None else self.object
        if not node.many:
            return one(document, value, node, path, scope, allowed)
        parts = (one(each, item, node, path, scope, allowed) for each, item in zip(document, value, strict=True))
        return [part for part in parts if part is not _GONE] or _GONE

    def _leaf(
        self, document: Any, value: Any, node: FieldNode, path: str, scope: _Scope, allowed: frozenset[str]
    ) -> Any:
        classes = node.classes
        if Sensitivity.FREE_TEXT in classes:
            rule = scope.text(str(value))
            if rule is not None:
                self._rules.add(rule)
                return self._withheld
        rule = None
        if Sensitivity.CONTACT in classes:
            rule = scope.contact(str(value))
        if Sensitivity.REPORTER in classes:
            rule = rule or scope.reporter
        if Sensitivity.WHEREABOUTS in classes:
            rule = rule or scope.whereabouts
        if rule is not None:
            self._rules.add(rule)
            return _GONE
        return document


def _contacts(member: Member) -> Iterator[str]:
    yield from (phone.number for phone in member.phones)
    if member.email:
        yield member.email


def _names(reporter: Reporter) -> Iterator[str]:
    """What would give a masked reporter away in prose: whole texts, and the longer words of the name."""
    for text in (reporter.name, reporter.organisation, reporter.email):
        if text and text.strip():
            yield plain(text).strip()
    for word in plain(reporter.name or "").split():
        if len(word) >= _SHORTEST_NAME:
            yield word


def _text(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
