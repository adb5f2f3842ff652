# SPDX-License-Identifier: EUPL-1.2
"""Makes requests and deliveries for those who get a message: what is asked of whom, by when, by which channel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from schakel.clocks import ACCEPTED, Clocks
from schakel.feedback import MESSAGE
from schakel.ports import Vault
from schakel.records import NewDelivery, NewRequest, Recipient
from schakel.region import Receiving, Region
from schakel.states import RequestState

PROCESS_DIRECTOR: Final = "process-director"
# Who takes part, or may yet: what comes next goes to it under the request that it has.
LIVE: Final = frozenset(
    {
        RequestState.ASKED,
        RequestState.RECEIVED,
        RequestState.IN_CONSIDERATION,
        RequestState.CONFIRMED,
        RequestState.WITHDRAWAL_REQUESTED,
    }
)


class Asking:
    """Makes deliveries and requests for those who get a message."""

    def __init__(self, *, region: Region, vault: Vault, new_id: Callable[[], str]) -> None:
        self._region = region
        self._vault = vault
        self._new_id = new_id
        self.clocks = Clocks(deadlines=region.deadlines, new_id=new_id)

    def ask(
        self,
        targets: Sequence[tuple[str, str]],
        *,
        case_id: str,
        recipients: Sequence[Recipient],
        programme: str,
        urgency: str,
        now: datetime,
        late: bool,
    ) -> tuple[tuple[NewRequest, ...], tuple[NewDelivery, ...]]:
        """A delivery for each target (partner, role); whoever has no live request in this role is asked, others keep
        theirs. `recipients`: who has the case already."""
        live = {(one.partner, one.role): one.request_id for one in recipients if one.request_state in LIVE}
        requests: list[NewRequest] = []
        deliveries: list[NewDelivery] = []
        for partner, role in targets:
            request_id = live.get((partner, role))
            if request_id is None:
                asked = self.request(
                    partner, role, case_id=case_id, programme=programme, urgency=urgency, now=now, event=ACCEPTED
                )
                requests.append(asked)
                request_id = asked.id
            deliveries.append(self.delivery(partner, role, urgency, request_id, late=late))
        return tuple(requests), tuple(deliveries)

    def request(
        self,
        partner: str,
        role: str,
        *,
        case_id: str,
        programme: str,
        urgency: str,
        now: datetime,
        event: str,
        asked_by: str = "hub",
        phase: str | None = None,
        serves: str | None = None,
    ) -> NewRequest:
        """One request with the clocks that asking starts; `event`: `accepted`, or `asked` by the team that leads."""
        request_id = self._new_id()
        return NewRequest(
            id=request_id,
            recipient=partner,
            role=role,
            reference=self._vault.reference("request", request_id),
            case_reference=self._vault.reference("case", f"{case_id}:{partner}"),
            due_at=self.clocks.answer_due(role=role, programme=programme, urgency=urgency, start=now),
            deadlines=self.clocks.started(
                subject=request_id,
                event=event,
                partner=partner,
                role=role,
                programme=programme,
                urgency=urgency,
                at=now,
            ),
            asked_by=asked_by,
            phase=phase,
            serves=serves,
            weighing=self._new_id() if role == PROCESS_DIRECTOR else None,  # every reported case is weighed (S4)
        )

    def delivery(
        self,
        partner_id: str,
        role: str,
        urgency: str,
        request_id: str | None,
        *,
        late: bool = False,
        occasion: str = MESSAGE,
    ) -> NewDelivery:
        """What carries the message to this partner, the way it is reached."""
        partner = self._region.partner(partner_id)
        reached = (partner.receives if partner else None) or Receiving()
        return NewDelivery(
            id=self._new_id(),
            recipient=partner_id,
            role=role,
            channel=reached.channel,
            mode=reached.mode,
            representation=reached.representation,
            urgency=urgency,
            request_id=request_id,
            late=late,
            occasion=occasion,
        )
