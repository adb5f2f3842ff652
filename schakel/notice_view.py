# SPDX-License-Identifier: EUPL-1.2
"""Composes a notice for one recipient from what happened and the case message, through disclosure.

Persons come out of the recipient's own view of the case, and only what identifies them. Every free text is asked of
disclosure, by its class in the model's annotations: a new field cannot slip through unmarked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

from schakel.disclosure import Disclosure, Secrecy
from schakel.errors import PoisonDelivery
from schakel.fields import FieldNode, field_tree
from schakel.message import CaseMessage, Sensitivity
from schakel.notices import (
    ABOUT,
    ANSWERED,
    ASKING,
    BY_HUB,
    KNOWN_CHECK_ANSWERED,
    KNOWN_CHECK_ASKED,
    TERMS,
    Notice,
    NoticeKind,
)
from schakel.records import Claimed, Happened
from schakel.region import DUO, LEADING, Partner, Region

IDENTIFICATION: Final = ("id", "names", "born", "sex", "bsn", "bsnStatus")
# What a move of schakel/states.py says, in the words in which partners answer.
SAID: Final[Mapping[str, str]] = {
    "accept": "accepted",
    "adjust": "adjusted",
    "refuse": "not-possible",
    "know": "known",
    "not-know": "unknown",
    "lapse": "no-answer",
}


@dataclass(frozen=True, slots=True)
class Opened:
    """What happened, with the terms of the matter and the words of the entry opened; {} where there are none."""

    happened: Happened | None
    terms: Mapping[str, Any]
    words: Mapping[str, Any]


class NoticeView:
    """Pure: the same claim and the same words give the same notice."""

    def __init__(self, *, region: Region, disclosure: Disclosure) -> None:
        self._region = region
        self._disclosure = disclosure
        self._tree = field_tree(Notice)

    def compose(
        self,
        claimed: Claimed,
        kind: str,
        opened: Opened,
        message: CaseMessage,
        *,
        recipient: Partner,
        secrecy: Secrecy,
    ) -> Notice:
        """Raises PoisonDelivery: the kind is not known, no table says what the role may see, or the person that it asks
        about is not for this role."""
        if kind not in TERMS:
            raise PoisonDelivery("notice-unknown")
        of = cast(NoticeKind, kind)
        told = Notice.model_validate(
            {
                "occasion": of,
                "at": claimed.created_at,
                "role": claimed.role,
                "case": {
                    "reference": claimed.case_reference,
                    "region": self._region.id,
                    "programme": claimed.programme,
                },
                "request": _request(claimed, of, opened.happened),
                "by": self._by(claimed, of, opened),
                "about": self._about(claimed, of, opened.happened),
                "terms": self._terms(of, opened),
                "persons": self._persons(claimed, of, opened, message, recipient, secrecy),
            }
        )
        no_words = self._disclosure.words(
            message, role=claimed.role, programme=claimed.programme, recipient=recipient, secrecy=secrecy
        )
        rules: set[str] = set()
        document = _cut(told.to_json(), self._tree, no_words, self._disclosure.withheld, rules)
        document["withheld"] = [{"rule": rule} for rule in sorted(rules)]
        return Notice.model_validate(document)

    def _by(self, claimed: Claimed, kind: NoticeKind, opened: Opened) -> dict[str, Any]:
        """An operator acts for the hub's own organisation; the clock and the hub are the hub."""
        actor = opened.happened.actor if opened.happened else None
        partner = self._region.partner(actor) if actor else None
        if partner is None or kind in BY_HUB:
            return {"organisation": self._region.hub_name, "oin": self._region.hub_oin}
        said = opened.words.get("actor") or {}
        shown = {"organisation": partner.name, "oin": next(iter(partner.oins), None)}
        shown["function"] = said.get("function") or None
        if claimed.role in LEADING | DUO:
            shown["contact"] = opened.words.get("contact")
        return shown

    def _about(self, claimed: Claimed, kind: NoticeKind, happened: Happened | None) -> dict[str, str] | None:
        """The recipient knows what it is asked itself; who leads hears whose answer it is."""
        if kind not in ABOUT or happened is None or happened.partner is None or happened.role is None:
            return None
        if happened.partner == claimed.recipient:
            return None
        return {"partner": happened.partner, "name": self._name(happened.partner), "role": happened.role}

    def _name(self, partner_id: str) -> str:
        partner = self._region.partner(partner_id)
        return partner.name if partner else partner_id

    def _terms(self, kind: NoticeKind, opened: Opened) -> dict[str, Any]:
        """An answer's own words go before the terms that it answers."""
        happened = opened.happened
        there: dict[str, Any] = {**opened.terms, **opened.words}
        if kind in ANSWERED:  # whoever asked knows his own reason
            there["reason"] = opened.words.get("reasonText") or opened.words.get("reason")
        if happened is not None:
            there.setdefault("from", _moment(happened.valid_from))
            there.setdefault("until", _moment(happened.valid_until))
            if kind in ANSWERED and happened.event is not None:
                there["answer"] = SAID.get(happened.event, happened.event)
        if there.get("to") is not None:
            there["to"] = self._name(str(there["to"]))
        return {name: there[name] for name in TERMS[kind] if there.get(name) is not None}

    def _persons(
        self,
        claimed: Claimed,
        kind: NoticeKind,
        opened: Opened,
        message: CaseMessage,
        recipient: Partner,
        secrecy: Secrecy,
    ) -> list[dict[str, Any]]:
        if kind not in (KNOWN_CHECK_ASKED, KNOWN_CHECK_ANSWERED):
            return []
        person = identification(
            self._disclosure,
            message,
            str(opened.terms.get("member", "")),
            role=claimed.role,
            programme=claimed.programme,
            recipient=recipient,
            secrecy=secrecy,
        )
        if person is None:
            raise PoisonDelivery("person-not-shown")
        return [person]


def identification(
    disclosure: Disclosure,
    message: CaseMessage,
    member: str,
    *,
    role: str,
    programme: str,
    recipient: Partner,
    secrecy: Secrecy,
) -> dict[str, Any] | None:
    """Who this member is, as far as the role may see that; None: it may not know by name or number who it is, or there
    is no such member. Raises PoisonDelivery when no table says what the role may see."""
    view = disclosure.view(
        message, role=role, programme=programme, recipient=recipient, secrecy=secrecy, case_reference=""
    )
    found = next((each for each in view.document.get("members", ()) if each.get("id") == member), None)
    if found is None or not (found.get("bsn") or any(found.get("names", {}).values())):
        return None
    return {name: found[name] for name in IDENTIFICATION if name in found}


def _request(claimed: Claimed, kind: NoticeKind, happened: Happened | None) -> dict[str, Any] | None:
    if kind not in ASKING:
        return None
    own = happened is not None and happened.partner == claimed.recipient and happened.reference
    reference = happened.reference if own and happened else claimed.request_reference
    if reference is None:
        return None
    due = happened.due_at if happened else None
    if due is None and not own:  # the clock of the request itself
        due = claimed.request_due_at
    return {"reference": reference, "role": claimed.role, "dueAt": due}


def _cut(
    document: Mapping[str, Any], node: FieldNode, no_words: Callable[[str], str | None], instead: str, rules: set[str]
) -> dict[str, Any]:
    """The same document; each free text that may not be shown is the region's sentence."""

    def one(value: Any, child: FieldNode) -> Any:
        if child.model is not None:
            return _cut(value, child, no_words, instead, rules)
        rule = no_words(str(value)) if Sensitivity.FREE_TEXT in child.classes else None
        if rule is None:
            return value
        rules.add(rule)
        return instead

    kept: dict[str, Any] = {}
    for name, value in document.items():
        child = node.children[name]
        kept[name] = [one(each, child) for each in value] if child.many else one(value, child)
    return kept


def _moment(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat().replace("+00:00", "Z")
