# SPDX-License-Identifier: EUPL-1.2
"""A recipient reads its mailbox: what waits under a number is made, if nobody did yet; to read it is to receive it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from schakel.errors import Finding, LeaseLost, NotFound, PoisonDelivery, Tampered, Unacceptable
from schakel.feedback import carries_case
from schakel.log import Log
from schakel.making import Making
from schakel.outcomes import Outcomes
from schakel.ports import AdminStore, Clock, DeliveryStore
from schakel.records import AuditEntry, Claimed
from schakel.region import Partner
from schakel.rendering import Renderer

WAIT_A_MOMENT: Final = 1  # seconds; Retry-After of a read that meets a worker
WHOLE: Final = "case-json"  # the representation that carries all that a recipient may see


@dataclass(frozen=True, slots=True)
class MailboxStore:
    """The two sockets that this service works with; one engine gives them both."""

    deliveries: DeliveryStore
    admin: AdminStore


class Mailbox:
    def __init__(
        self, *, store: MailboxStore, making: Making, renderer: Renderer, outcomes: Outcomes, clock: Clock, log: Log
    ) -> None:
        self._store = store.deliveries
        self._admin = store.admin
        self._making = making
        self._renderer = renderer
        self._outcomes = outcomes
        self._clock = clock
        self._log = log

    async def content(
        self, partner: Partner, number: int, *, acceptable: Callable[[tuple[str, ...]], None] | None = None
    ) -> tuple[bytes, str, bytes]:
        """Content, media type and SHA-256 of what waits under `number`; reading it is receiving it, and is audited.

        `acceptable` gets the media types it can come in and raises NotAcceptable before anything has happened.
        Raises NotFound: not this partner's, a tombstone, or (410) erased after its term."""
        item = await self._item(partner, number)
        if acceptable is not None:
            acceptable(self._renderer.media_types(item.representation))
        try:
            view, stricter = await self._making.content(item)
        except LeaseLost:  # a worker has it in hand: it renders first
            self._log.info("mailbox.in-hand", delivery=item.id)
            raise Unacceptable(_finding(), retry_after=WAIT_A_MOMENT) from None
        except (PoisonDelivery, Tampered) as poison:
            self._log.error("mailbox.cannot-render", delivery=item.id, exc_info=poison)
            await self._admin.raise_alarms([self._outcomes.cannot_be_made(item)], now=self._clock.now())
            raise NotFound() from None
        now = self._clock.now()
        if stricter:
            await self._store.supersede(item.id, await self._making.replacement(item), now=now)
            raise NotFound(status=410)
        await self._store.receive(partner.id, number, now=now, how="fetch")
        await self._admin.audit([AuditEntry(at=now, actor=partner.id, action="fetch-content", object=item.id)])
        return view.content, view.media_type, view.digest

    async def whole_case(self, partner: Partner, number: int) -> tuple[bytes, str]:
        """The whole case as canonical JSON, for who was notified in a form that cannot carry it; and its media type.

        Made when it is asked, with the newest secrecy, and not kept: the delivery has its own bytes, and those stay the
        same. Reading it is receiving the delivery, and is audited. Raises NotFound as `content` does."""
        item = await self._item(partner, number)
        if not carries_case(item.occasion):
            raise NotFound()  # feedback and notices are whole as they are
        try:
            view = self._renderer.render(item, now=self._clock.now(), representation=WHOLE)
        except (PoisonDelivery, Tampered) as poison:
            self._log.error("mailbox.cannot-render", delivery=item.id, exc_info=poison)
            await self._admin.raise_alarms([self._outcomes.cannot_be_made(item)], now=self._clock.now())
            raise NotFound() from None
        now = self._clock.now()
        await self._store.receive(partner.id, number, now=now, how="fetch")
        await self._admin.audit([AuditEntry(at=now, actor=partner.id, action="fetch-case", object=item.id)])
        return view.content, view.media_type

    async def _item(self, partner: Partner, number: int) -> Claimed:
        item = await self._store.mailbox_item(partner.id, number)
        if item is None:
            raise NotFound()
        if item.rendered is not None and item.rendered.sealed is None:
            raise NotFound(status=410)
        return item


def _finding() -> Finding:
    return Finding(
        place="mailbox",
        rule="mailbox:being-made",
        nl="Dit bericht wordt op dit moment gemaakt; vraag het zo weer op.",
        en="This message is being made at this moment; ask again shortly.",
    )
