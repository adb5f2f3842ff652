# SPDX-License-Identifier: EUPL-1.2
"""Assembles what a person's release of a parked message writes: who gets it after all, on that person's word."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from schakel.asking import LIVE, Asking
from schakel.errors import Finding, Refusal
from schakel.message import CaseMessage, Programme
from schakel.orders import clocks_of
from schakel.ports import Vault
from schakel.records import CaseChange, Decision, NewDeadline, ParkedFacts, RoutingDecision, SealPlace
from schakel.region import DUO, LEADING, Partner
from schakel.states import MessageState

RELEASED: Final = "released"
NL: Final = "Een mens heeft besloten dat deze partner het bericht krijgt."
EN: Final = "A person decided that this partner gets the message."


class Releaser:
    def __init__(self, *, asking: Asking, vault: Vault) -> None:
        self._asking = asking
        self._vault = vault

    def release(self, facts: ParkedFacts, to: Sequence[Partner], *, now: datetime) -> Decision:
        """Sends a parked message to the partners named; runs inside the store's transaction.

        Raises Refusal: it was never mapped, a partner only sends, or there is no lead and duo (law 2)."""
        case = facts.case
        if facts.content is None or case is None:
            raise Refusal(_finding("parked", "release:not-mapped", _UNMAPPED_NL, _UNMAPPED_EN), status=409)
        place = SealPlace("message", facts.arrival.message_id, "content")
        opened = self._vault.open(case.wrapped_key, facts.content, owner=case.id, place=place)
        message = CaseMessage.model_validate_json(opened)
        targets = _named(facts, to, message.case.programme)
        requests, deliveries = self._asking.ask(
            targets,
            case_id=case.id,
            recipients=case.recipients,
            programme=message.case.programme,
            urgency=message.case.urgency,
            now=now,
            late=bool(case.recipients) and facts.parked.whole,
        )
        return Decision(
            case_id=case.id,
            new_case=None,
            change=CaseChange(),
            keys=(),
            kind=message.message.kind.value,
            state=MessageState.ROUTED.value,
            content=facts.content,
            versions=json.dumps({}),
            routing=tuple(
                RoutingDecision(recipient=partner, role=role, outcome="deliver", rule=RELEASED, nl=NL, en=EN)
                for partner, role in targets
            ),
            deliveries=deliveries,
            requests=requests,
            parked=(),
            suggestions=(),
            warnings=(),
            deadlines=self._order_clocks(message, targets, facts, now) if facts.parked.whole else (),
        )

    def _order_clocks(
        self, message: CaseMessage, targets: Sequence[tuple[str, str]], facts: ParkedFacts, now: datetime
    ) -> tuple[NewDeadline, ...]:
        """What the order starts for who leads, now that somebody does."""
        case = facts.case
        if case is None:
            return ()
        live = ((one.partner, one.role) for one in case.recipients if one.request_state in LIVE)
        return clocks_of(
            self._asking.clocks,
            message.trigger.restraining_order,
            case_id=case.id,
            team=(*targets, *live),
            programme=message.case.programme,
            urgency=message.case.urgency,
            now=now,
            recorded=case.recorded,
        )


def _named(facts: ParkedFacts, to: Sequence[Partner], programme: str) -> tuple[tuple[str, str], ...]:
    """With the duo that the parking suggests when nobody named one."""
    named = [(partner.id, role_of(partner, programme)) for partner in to]
    recipients = facts.case.recipients if facts.case else ()
    team = [(one.partner, one.role) for one in recipients if one.request_state in LIVE]
    if not any(role in DUO for _, role in (*named, *team)):
        named += [pair for pair in facts.parked.suggests if pair[1] in DUO]
    roles = {role for _, role in (*named, *team)}
    if roles.isdisjoint(LEADING) or roles.isdisjoint(DUO):
        raise Refusal(_finding("to", "release:lead-and-duo", _TWO_NL, _TWO_EN))
    return tuple(dict.fromkeys(named))


def role_of(partner: Partner, programme: str) -> str:
    """The role a partner has by its kind. Raises Refusal for one that only sends."""
    role = {
        "icm-team": "lead",
        "zvhh": "process-director",
        "local-team": "case-director" if programme == Programme.MDA else "duo",
        "partner": "partner",
    }.get(partner.kind)
    if role is None:
        raise Refusal(_finding("to", "release:not-a-recipient", _SOURCE_NL, _SOURCE_EN))
    return role


def _finding(place: str, rule: str, nl: str, en: str) -> Finding:
    return Finding(place=place, rule=rule, nl=nl, en=en)


_UNMAPPED_NL: Final = "Dit bericht is niet vertaald; herstel de mapping en probeer opnieuw, of laat het vervallen."
_UNMAPPED_EN: Final = "This message was not mapped; mend the mapping and retry, or drop it."
_TWO_NL: Final = "Een melding gaat ten minste naar een leidend team en een lokaal team; noem beide."
_TWO_EN: Final = "A referral goes to at least a lead and a duo; name both."
_SOURCE_NL: Final = "Deze partner ontvangt geen meldingen."
_SOURCE_EN: Final = "This partner receives no referrals."
