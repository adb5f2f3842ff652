# SPDX-License-Identifier: EUPL-1.2
"""Makes what a delivery carries, once, and keeps it before anybody gets it; whoever comes later gets the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from schakel.batching import Batcher
from schakel.errors import LeaseLost, PoisonDelivery
from schakel.failpoints import Failpoint, hit
from schakel.feedback import SOURCE, carries_case
from schakel.ports import Clock, DeliveryStore, LedgerStore, Vault
from schakel.records import Claimed, NewDelivery, Rendered
from schakel.rendering import Renderer, View

KEPT: Final = 200  # in one transaction


@dataclass(frozen=True, slots=True)
class MakingStore:
    """The two sockets that this service works with; one engine gives them both."""

    deliveries: DeliveryStore
    ledger: LedgerStore


class Making:
    def __init__(
        self, *, store: MakingStore, renderer: Renderer, vault: Vault, clock: Clock, new_id: Callable[[], str]
    ) -> None:
        self._store = store.deliveries
        self._ledger = store.ledger
        self._renderer = renderer
        self._vault = vault
        self._clock = clock
        self._new_id = new_id
        self._keeping: Batcher[tuple[Claimed, Rendered], LeaseLost | None] = Batcher(self._keep_many, most=KEPT)

    def forget(self) -> None:
        """Nothing is under way: see Renderer.forget."""
        self._renderer.forget()

    async def content(self, claimed: Claimed) -> tuple[View, bool]:
        """The bytes to send, kept before anyone sends them; True: the kept ones show more than may be shown now."""
        kept = self._renderer.reopen(claimed)
        if kept is not None and claimed.rendered is not None:
            if claimed.role == SOURCE:  # feedback says how things stood, and of nobody where he is
                return kept, False
            if claimed.rendered.secrecy_version >= claimed.secrecy_version:
                return kept, False
            return kept, (await self.rendered(claimed)).digest != kept.digest
        view = await self.rendered(claimed)
        rendered = self._renderer.seal(claimed, view)
        lost = await self._keeping.put((claimed, rendered))
        if lost is not None:
            raise lost
        hit(Failpoint.DISPATCH_AFTER_RENDER)
        return view, False

    async def rendered(self, claimed: Claimed) -> View:
        """As it would be made now; kept by nobody. Raises PoisonDelivery."""
        if carries_case(claimed.occasion):
            return self._renderer.render(claimed, now=self._clock.now())
        if claimed.role != SOURCE:
            return self._renderer.notice(claimed, now=self._clock.now())
        status = await self._ledger.status(claimed.recipient, claimed.message_id)
        if status is None:
            raise PoisonDelivery("not-its-source")
        return self._renderer.feedback(claimed, status, now=self._clock.now())

    async def _keep_many(self, rendered: Sequence[tuple[Claimed, Rendered]]) -> list[LeaseLost | None]:
        """One transaction for all; when one of them has lost its lane, each on its own."""
        try:
            await self._store.keep_rendered(rendered)
        except LeaseLost as lost:
            if len(rendered) == 1:
                return [lost]
            return [one for each in rendered for one in await self._keep_many([each])]
        return [None] * len(rendered)

    async def replacement(self, claimed: Claimed) -> NewDelivery:
        """A new id and a new number for the stricter view; it carries the same request."""
        return NewDelivery(
            id=self._new_id(),
            recipient=claimed.recipient,
            role=claimed.role,
            channel=claimed.channel,
            mode=claimed.mode,
            representation=claimed.representation,
            urgency=claimed.urgency,
            request_id=await self._request_of(claimed),
            late=claimed.late,
            occasion=claimed.occasion,
        )

    async def _request_of(self, claimed: Claimed) -> str | None:
        """The request whose reference the delivery carries: references are made from ids, so they are compared."""
        record = await self._ledger.case_by_id(claimed.case_id) if claimed.request_reference else None
        asked = [row.id for row in record.requests if row.partner == claimed.recipient] if record else []
        return next((one for one in asked if self._vault.reference("request", one) == claimed.request_reference), None)
