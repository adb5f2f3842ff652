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
from functools import cached_property
from typing import Any, Final, get_args

from schakel import region as tables
from schakel.allowed import EVERYTHING, REPORTER, Allowed, allowed_of
from schakel.errors import ConfigurationError, Finding, PoisonDelivery
from schakel.fields import FieldNode, covers, field_tree, leaves
from schakel.identity import address_keys, contact_key, digits, plain, postcode_key
from schakel.message import (
    Address,
    CaseMessage,
    Member,
    MemberRole,
    Phone,
    Reporter,
)
from schakel.secrecy import Blind, Secrecy, Side, event_addresses, side_of

__all__ = ["VIEW", "Asked", "Disclosure", "Original", "Secrecy", "View", "unknown_fields"]

VIEW: Final = "case-view@1"
SERVED: Final[Mapping[str, frozenset[MemberRole]]] = {
    "household": frozenset(MemberRole),
    "victim": frozenset({MemberRole.VICTIM}),
    "removed": frozenset({MemberRole.REMOVED}),
    "children": frozenset({MemberRole.CHILD}),
    "unknown": frozenset(),
}
_ALWAYS: Final = frozenset({"schema", "case.reference"})  # what the view itself says; never the message's own value
_SHORTEST_NAME: Final = 4  # letters: shorter words of a masked reporter's name stand in any text


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


@dataclass(frozen=True, slots=True)
class Original:
    """A case message and its own JSON form: made once for all who get a view of it, and changed by none of them."""

    message: CaseMessage
    document: Mapping[str, Any]

    @classmethod
    def of(cls, message: CaseMessage) -> Original:
        return cls(message, message.to_json())


@dataclass(frozen=True, slots=True)
class _Allowed:
    """A row of the table: where anything can be judged, and where only a masked reporter is protected."""

    everything: Allowed
    reporter: Allowed


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
        self._views = {
            key: _Allowed(allowed_of(self._tree, allowed, EVERYTHING), allowed_of(self._tree, allowed, REPORTER))
            for key, allowed in self._allowed.items()
        }

    def may_see(self, role: str, programme: str) -> frozenset[str]:
        """The leaves that this role can ever get in this programme: the static proof. Empty: nothing."""
        return frozenset(path for path in self._leaves if path in self._allowed.get((role, programme), ()))

    def view(
        self,
        message: CaseMessage | Original,
        *,
        role: str,
        programme: str,
        recipient: tables.Partner,
        secrecy: Secrecy,
        case_reference: str,
        request: Asked | None = None,
        held: int = 0,
        late: bool = False,
        serves: str | None = None,
    ) -> View:
        """Cut for one recipient, with the case's newest secrecy (the message's own flags always count too).

        `case_reference` is the recipient's own; `serves`: whom the lead asked it in for (see `serving`). Raises
        PoisonDelivery when the table has no row for the role.
        """
        row = self._rows.get((role, programme))
        if row is None:
            raise PoisonDelivery("no-disclosure-row")
        rules: set[str] = set()
        original = message if isinstance(message, Original) else Original.of(message)
        merged = secrecy.merge(original.message, self._blind)
        whom = serving(recipient.serves, serves)
        cut = _Cut(original.message, row, whom, merged, self._blind, self._withheld, rules)
        document = cut.document(original.document, self._views[role, programme])
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

    def words(
        self, message: CaseMessage, *, role: str, programme: str, recipient: tables.Partner, secrecy: Secrecy
    ) -> Callable[[str], str | None]:
        """For what somebody wrote to this recipient about the case: None, or the rule that withholds a text. Whom the
        recipient serves does not count: whoever writes to it knows that. Raises PoisonDelivery as `view` does."""
        row = self._rows.get((role, programme))
        if row is None:
            raise PoisonDelivery("no-disclosure-row")
        merged = secrecy.merge(message, self._blind)
        return _Cut(message, row, recipient.serves, merged, self._blind, self._withheld, set()).no_words

    @property
    def withheld(self) -> str:
        """What stands in the place of a text that is not shown."""
        return self._withheld

    def _below(self, fields: Iterable[str]) -> frozenset[str]:
        """Every path, leaf or not, that is allowed or leads to one that is."""
        allowed = {path for path in self._leaves if any(covers(field, path) for field in fields)} - _ALWAYS
        return frozenset(allowed | {path[:at] for path in allowed for at, char in enumerate(path) if char == "."})


def serving(known: tables.Serves, asked_for: str | None) -> tables.Serves:
    """Whom of the household an organisation works for in a case. The lead's word narrows what the region says, or fills
    in what the region does not know; where the two contradict, it is shown nobody's whereabouts."""
    if asked_for is None:
        return known
    if known in ("household", "unknown") or asked_for == known:
        return _SAID.get(asked_for, "unknown")
    return "unknown"


_SAID: Final[Mapping[str, tables.Serves]] = {each: each for each in get_args(tables.Serves)}


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
    """One message, one recipient. What is costly to know is found when something is judged by it."""

    def __init__(
        self,
        message: CaseMessage,
        row: tables.RoleDisclosure,
        serves: tables.Serves,
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
        self._served = SERVED[serves]
        self._outsider = f"serves-{serves}" if serves != "household" else None
        reporter = message.reporter
        self._masked = reporter is not None and reporter.masked and not row.reporter
        self._hidden = secrecy.hidden_sides(message, blind) if self._secret else frozenset[Side]()
        self._names = tuple(_names(reporter)) if reporter is not None and self._masked else ()
        self._phone = digits(reporter.phone)[-9:] if reporter is not None and self._masked and reporter.phone else ""

    def document(self, document: Mapping[str, Any], allowed: _Allowed) -> dict[str, Any]:
        """What remains of the whole message."""
        if self._secret or self._outsider:
            return self.object(document, self._message, allowed.everything, self._general) or {}
        kept = allowed.everything.keep(document)  # where nobody is protected, the table alone cuts
        if self._masked and allowed.reporter.judged and kept is not None:
            kept = self._without_reporter(kept, allowed.reporter, self._general)
        return kept or {}

    @cached_property
    def _others_contacts(self) -> frozenset[str]:
        others = [member for member in self._message.members if self._protected(member) is not None]
        return frozenset(contact_key(text) for member in others for text in _contacts(member))

    @cached_property
    def _others_addresses(self) -> tuple[frozenset[str], bool]:
        """The keys of where others than the served may live; whether one of those addresses is vague."""
        members = [member for member in self._message.members if member.role not in self._served]
        addresses = [address for member in members for address in member.addresses]
        addresses += event_addresses(self._message)
        keys = frozenset(key for address in addresses for key in address_keys(address))
        return keys, any(postcode_key(address) is None for address in addresses)

    # -- who and what is protected; each gives the name of the rule, or None

    def _protected(self, member: Member) -> str | None:
        if member.role not in self._served:
            return self._outsider
        return "secret-address" if side_of(member) in self._hidden else None

    def _no_text(self, text: str) -> str | None:
        """Prose of the message may be about anybody: an organisation that serves some gets none of it."""
        return self._outsider or self.no_words(text)

    def no_words(self, text: str) -> str | None:
        """Prose cannot be searched for an address; a masked reporter's own words can be searched for."""
        if self._secret:
            return "secret-address"
        if not (self._names or self._phone):
            return None
        words = plain(text)
        for name in self._names:
            if name in words:
                return "reporter-masked"
        return "reporter-masked" if self._phone and self._phone in digits(text) else None

    def _no_address(self, address: Address) -> str | None:
        if self._secret and not self._secrecy.surely_elsewhere(address, self._blind):
            return "secret-address"
        return None

    def _no_shared_address(self, address: Address) -> str | None:
        """Of a person that an outsider serves: unless somebody else may live there."""
        if self._outsider:
            keys, vague = self._others_addresses
            if vague or postcode_key(address) is None or not address_keys(address).isdisjoint(keys):
                return self._outsider
        return self._no_address(address)

    @cached_property
    def _general(self) -> _Scope:
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
        general = self._general
        if rule is not None:
            return _Scope(self._no_text, lambda _: rule, lambda _: rule, general.reporter, rule)

        def contact(text: str) -> str | None:
            shared = contact_key(text) in self._others_contacts
            return (self._outsider or "secret-address") if shared else None

        return _Scope(self._no_text, self._no_shared_address, contact, general.reporter, general.whereabouts)

    # -- walking the message and its JSON side by side

    def object(self, document: Any, value: Any, allowed: Allowed, scope: _Scope) -> dict[str, Any] | None:
        """What remains of one object; None when nothing does."""
        if allowed.model is Member:
            scope = self._of(value)
        elif allowed.model is Address or allowed.model is Phone:
            rule = scope.address(value) if allowed.model is Address else scope.contact(value.number)
            if rule is not None:
                self._rules.add(rule)
                return None
            if allowed.model is Address:
                scope = replace(scope, whereabouts=None)
        kept: dict[str, Any] = {}
        for name, child in allowed.children.items():
            if name in document:
                part = document[name]
                if child.judged:
                    part = self._field(part, getattr(value, child.attribute), child, scope)
                else:
                    part = child.keep(part)
                if part is not None:
                    kept[name] = part
        return kept or None

    def _without_reporter(self, kept: dict[str, Any], allowed: Allowed, scope: _Scope) -> dict[str, Any] | None:
        """Of what the table has kept: what a masked reporter, and nobody else, leaves of it; None when nothing."""
        for name, child in allowed.judges.items():
            if name in kept:
                value = kept[name]
                if child.many:
                    parts = [self._one_without_reporter(each, child, scope) for each in value]
                    left: Any = [part for part in parts if part is not None] or None
                else:
                    left = self._one_without_reporter(value, child, scope)
                if left is None:
                    del kept[name]
                elif left is not value:
                    kept[name] = left
        return kept or None

    def _one_without_reporter(self, value: Any, allowed: Allowed, scope: _Scope) -> Any:
        if allowed.model is None:
            return self._leaf(value, value, allowed, scope)
        return self._without_reporter(value, allowed, scope)

    def _field(self, document: Any, value: Any, allowed: Allowed, scope: _Scope) -> Any:
        one = self._leaf if allowed.model is None else self.object
        if not allowed.many:
            return one(document, value, allowed, scope)
        parts = (one(each, item, allowed, scope) for each, item in zip(document, value, strict=True))
        return [part for part in parts if part is not None] or None

    def _leaf(self, document: Any, value: Any, allowed: Allowed, scope: _Scope) -> Any:
        if allowed.free_text:
            rule = scope.text(str(value))
            if rule is not None:
                self._rules.add(rule)
                return self._withheld
        rule = None
        if allowed.contact:
            rule = scope.contact(str(value))
        if allowed.reporter:
            rule = rule or scope.reporter
        if allowed.whereabouts:
            rule = rule or scope.whereabouts
        if rule is not None:
            self._rules.add(rule)
            return None
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
