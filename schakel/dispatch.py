# SPDX-License-Identifier: EUPL-1.2
"""Brings deliveries that are due to their recipients: claim a lane, render once, keep, send, write the outcome.

At least once: the bytes are kept before the first send and every repeat sends the same ones. One slow recipient holds
up nobody else: places are given per recipient, and each delivery ends on its own.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from schakel.batching import Batcher
from schakel.errors import (
    LeaseLost,
    PoisonDelivery,
    RecipientGone,
    SchakelError,
    Tampered,
    TemporaryFailure,
)
from schakel.failpoints import Failpoint, hit
from schakel.log import Log
from schakel.making import Making
from schakel.outcomes import LEFT_ALONE, STOPPED, Outcomes
from schakel.ports import AdminStore, Broker, Channel, Clock, DeliveryStore, Parcel, SigningSecret, Vault
from schakel.records import Bell, Claimed, DeliveryOutcome, SealPlace
from schakel.region import Region
from schakel.rendering import View

SWEEP: Final = 2.0  # seconds between two looks at the store for what no bell told of
RENEW: Final = 5.0  # seconds; a lease lasts 15
CLAIMS: Final = 100  # deliveries in one claim
HELD: Final = 2_000  # deliveries under lease in this process, most of them waiting for a place at their recipient
HELD_OF_ONE: Final = 500  # of them for one recipient: a slow one takes no more room than that from the others
SENDING: Final = 200  # sends at the same time, over all recipients
SENDING_TO_ONE: Final = 8  # sends at the same time to one recipient
READY_FOR_ONE: Final = 2 * SENDING_TO_ONE  # made and kept together, before those that are sent have arrived
SEND_LIMIT: Final = 60.0  # seconds; a channel has its own, shorter limit
OUTCOMES: Final = 200  # in one transaction
SECRETS_FRESH: Final = timedelta(seconds=30)
REASON_SUPERSEDED: Final = "disclosure-became-stricter"


@dataclass(frozen=True, slots=True)
class DispatchStore:
    """The two sockets that this service works with; one engine gives them both."""

    deliveries: DeliveryStore
    admin: AdminStore


class Dispatch:
    def __init__(
        self,
        *,
        store: DispatchStore,
        broker: Broker,
        channels: Mapping[str, Channel],
        making: Making,
        region: Region,
        vault: Vault,
        clock: Clock,
        outcomes: Outcomes,
        log: Log,
    ) -> None:
        self._store = store.deliveries
        self._admin = store.admin
        self._broker = broker
        self._channels = channels
        self._making = making
        self._region = region
        self._vault = vault
        self._clock = clock
        self._outcomes = outcomes
        self._log = log
        self._leases: dict[str, tuple[Claimed, asyncio.Task[None]]] = {}  # by token: one delivery can be claimed anew
        self._sending: set[str] = set()  # tokens of those that have their place
        self._claims = 0  # made so far
        self._shut: dict[str, int] = {}  # recipient → up to which claim its breaker has overtaken what waits here
        self._stopping = False
        self._held: Counter[str] = Counter()  # leases per recipient
        self._ended = asyncio.Event()  # something that was held
        self._half_empty = asyncio.Event()  # a recipient that was passed over has room again
        self._alone: asyncio.Task[None] | None = None  # the last one claimed that had crashed before: claimed alone
        self._renewing: asyncio.Task[None] | None = None
        self._overall = asyncio.Semaphore(SENDING)
        self._ready: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(READY_FOR_ONE))
        self._places: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(SENDING_TO_ONE))
        self._secrets: dict[str, tuple[datetime, tuple[SigningSecret, ...]]] = {}
        self._finishing: Batcher[DeliveryOutcome, bool] = Batcher(self._finish_many, most=OUTCOMES)

    # -- the loop

    async def run(self, stop: asyncio.Event) -> None:
        """Works until `stop`, then lets what is under way end."""
        loop = asyncio.get_running_loop()
        next_sweep = loop.time()
        self._stopping = False
        while not stop.is_set():
            bells = await self._listen(stop, max(0.0, next_sweep - loop.time()))
            if self._alone is not None and self._alone.done():
                self._alone, next_sweep = None, loop.time()  # after a crash many wait to go alone, one after the other
            if self._half_empty.is_set():
                self._half_empty.clear()
                next_sweep = loop.time()
            try:
                if bells:
                    await self._answer(bells)
                if loop.time() >= next_sweep:
                    claimed = await self._take(CLAIMS)
                    next_sweep = loop.time() + (0.0 if claimed == CLAIMS else SWEEP)
            except SchakelError as error:
                self._log.error("dispatch.claim-failed", exc_info=error)
                next_sweep = loop.time() + SWEEP
            if len(self._leases) >= HELD:
                await self._room(stop)
        self._stopping = True
        await self._begun()
        for token, (_, task) in self._leases.items():
            if token not in self._sending:
                task.cancel()  # not begun: goes back, due at once
        await self.drain()

    async def run_once(self) -> int:
        """Claims and sends until nothing is due any more; the number of attempts. For tests and for `--once`."""
        attempts = 0
        while claimed := await self._take(CLAIMS):
            attempts += claimed
            await self.drain()
        return attempts

    async def drain(self) -> None:
        """Returns when everything this process has claimed has ended."""
        while self._leases:
            await asyncio.wait([task for _, task in self._leases.values()])
        if self._renewing is not None:
            self._renewing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._renewing
            self._renewing = None

    async def aclose(self) -> None:
        """Ends at once: what was under way is sent again, with the same bytes, when its lease has run out."""
        await self._begun()
        tasks = [task for _, task in self._leases.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.drain()

    async def _begun(self) -> None:
        """What was claimed a moment ago has begun: who is cancelled before that gives nothing back, and never ends."""
        await asyncio.sleep(0)

    async def _answer(self, bells: Sequence[Bell]) -> None:
        """Also after a claim that failed the bells are done with: the sweep looks again, and a bell would only loop."""
        try:
            await self._take(len(bells), only=[bell.delivery_id for bell in bells])
        finally:
            await self._broker.done(bells)

    async def _listen(self, stop: asyncio.Event, wait: float) -> Sequence[Bell]:
        """What the broker rang for; () at the sweep's time, when there is room for who was passed over, when what went
        alone has ended, at a stop."""
        hearing = asyncio.ensure_future(self._broker.listen(CLAIMS, wait))
        stopping = asyncio.ensure_future(stop.wait())
        emptying = asyncio.ensure_future(self._half_empty.wait())
        waking: set[asyncio.Future[Any]] = {hearing, stopping, emptying}
        if self._alone is not None:
            waking.add(self._alone)
        try:
            await asyncio.wait(waking, return_when=asyncio.FIRST_COMPLETED)
            return hearing.result() if hearing.done() else ()
        finally:
            for task in (hearing, stopping, emptying):
                task.cancel()

    async def _room(self, stop: asyncio.Event) -> None:
        """Until something that is held has ended, or a stop: the partners may all be slow."""
        self._ended.clear()
        waking = {asyncio.ensure_future(self._ended.wait()), asyncio.ensure_future(stop.wait())}
        await asyncio.wait(waking, return_when=asyncio.FIRST_COMPLETED)
        for task in waking:
            task.cancel()

    async def _take(self, limit: int, *, only: Sequence[str] | None = None) -> int:
        limit = min(limit, HELD - len(self._leases))
        if limit <= 0:
            return 0
        full = [recipient for recipient, count in self._held.items() if count >= HELD_OF_ONE]
        claimed = await self._store.claim(now=self._clock.now(), limit=limit, only=only, passing_over=full)
        hit(Failpoint.DISPATCH_AFTER_CLAIM)
        self._claims += 1
        for one in claimed:
            task = asyncio.create_task(self._deliver(one))
            self._leases[one.token] = (one, task)
            self._held[one.recipient] += 1
            if one.crashes:
                self._alone = task
        if claimed and (self._renewing is None or self._renewing.done()):
            self._renewing = asyncio.create_task(self._renew())
        return len(claimed)

    async def _renew(self) -> None:
        """Keeps the leases of what is under way; a lease that is lost ends its work."""
        while self._leases:
            await asyncio.sleep(RENEW)
            held = [(claimed.id, token) for token, (claimed, _) in self._leases.items()]
            try:
                kept = await self._store.renew(held, now=self._clock.now())
            except SchakelError as error:
                self._log.error("dispatch.renew-failed", exc_info=error)
                continue
            for (_, token), still in zip(held, kept, strict=True):
                if not still and token in self._leases:
                    self._leases[token][1].cancel()

    # -- one delivery

    async def _deliver(self, claimed: Claimed) -> None:
        claim = self._claims
        try:
            async with self._ready[claimed.recipient]:
                made = None if self._is_shut(claimed, claim) else await self._made(claimed)
                async with self._places[claimed.recipient], self._overall:
                    if made is None or self._is_shut(claimed, claim):
                        outcome = self._outcomes.let_go(claimed, reason=LEFT_ALONE, now=self._clock.now())
                    else:
                        self._sending.add(claimed.token)
                        outcome = made if isinstance(made, DeliveryOutcome) else await self._attempt(claimed, *made)
                    self._leave_alone(claimed, outcome)
            hit(Failpoint.DISPATCH_AFTER_SEND)
            held = await self._finishing.put(outcome)
            self._leave_alone(claimed, outcome)  # also what was claimed until the store knew
            hit(Failpoint.DISPATCH_AFTER_FINISH)
            self._log.info(
                "delivery.attempted",
                delivery=claimed.id,
                recipient=claimed.recipient,
                number=claimed.number,
                outcome=outcome.event if held else "lost",
                reason=outcome.reason,
            )
        except LeaseLost:
            self._log.info("delivery.lease-lost", delivery=claimed.id)
        except asyncio.CancelledError:
            if self._stopping and claimed.token not in self._sending:
                await self._finishing.put(self._outcomes.let_go(claimed, reason=STOPPED, now=self._clock.now()))
            self._log.info("delivery.let-go", delivery=claimed.id)
        except Exception as error:  # the store is away or we are wrong: the lease runs out and the row is claimed again
            self._log.error("delivery.interrupted", delivery=claimed.id, exc_info=error)
        finally:
            self._sending.discard(claimed.token)
            if self._leases.pop(claimed.token, None) is not None:
                self._let_in(claimed.recipient)
            if not self._leases:
                self._making.forget()
            self._ended.set()

    def _let_in(self, recipient: str) -> None:
        """One place at this recipient is free; when half of its places are, more is claimed before the sweep's time."""
        self._held[recipient] -= 1
        if self._held[recipient] == HELD_OF_ONE // 2:
            self._half_empty.set()
        if not self._held[recipient]:
            del self._held[recipient]

    def _leave_alone(self, claimed: Claimed, outcome: DeliveryOutcome) -> None:
        """When its breaker opens, what already waits here for a place at this recipient goes back. What is claimed
        later the store has let through: a probe, or what an operator tries again."""
        if outcome.breaker_open_until is not None:
            self._shut[claimed.recipient] = self._claims
        elif outcome.event in ("deliver", "notify"):
            self._shut.pop(claimed.recipient, None)

    def _is_shut(self, claimed: Claimed, claim: int) -> bool:
        """Its breaker has opened since it was claimed."""
        return claim <= self._shut.get(claimed.recipient, -1)

    async def _made(self, claimed: Claimed) -> tuple[View, bool] | DeliveryOutcome:
        """As `_content`; or how it ends, when it cannot be made. Raises LeaseLost, and whatever the store raises."""
        try:
            return await self._making.content(claimed)
        except (PoisonDelivery, Tampered) as poison:
            return self._outcomes.poisoned(claimed, poison)

    async def _attempt(self, claimed: Claimed, view: View, stricter: bool) -> DeliveryOutcome:
        """Raises LeaseLost, and whatever the store raises."""
        try:
            if stricter:
                return await self._superseded(claimed)
            parcel = await self._parcel(claimed, view)
            channel = self._channels.get(claimed.channel)
            if channel is None:
                raise PoisonDelivery("channel-unknown")
            async with asyncio.timeout(SEND_LIMIT):
                how = await channel.send(parcel, now=self._clock.now())
        except TimeoutError:
            return self._outcomes.failed(claimed, TemporaryFailure("timeout"), now=self._clock.now())
        except TemporaryFailure as failure:
            return self._outcomes.failed(claimed, failure, now=self._clock.now())
        except RecipientGone:
            return self._outcomes.gone(claimed, now=self._clock.now())
        except (PoisonDelivery, Tampered) as poison:
            return self._outcomes.poisoned(claimed, poison)
        return self._outcomes.reached(claimed, how)

    async def _parcel(self, claimed: Claimed, view: View) -> Parcel:
        partner = self._region.partner(claimed.recipient)
        if partner is None:
            raise PoisonDelivery("recipient-unknown")
        return Parcel(
            delivery_id=claimed.id,
            recipient=claimed.recipient,
            number=claimed.number,
            url=partner.receives.url if partner.receives else None,
            mode=claimed.mode,
            media_type=view.media_type,
            content=view.content,
            digest=view.digest,
            event_type=view.event_type,
            rendered_at=view.rendered_at,
            secrets=await self._secrets_of(claimed.recipient),
        )

    async def _secrets_of(self, partner: str) -> tuple[SigningSecret, ...]:
        now = self._clock.now()
        known = self._secrets.get(partner)
        if known is not None and now - known[0] < SECRETS_FRESH:
            return known[1]
        rows = await self._admin.secrets(partner, now=now)
        opened = tuple(
            SigningSecret(
                kind=row.kind,
                value=self._vault.open(
                    row.sealed.wrapped_key,
                    row.sealed.data,
                    owner=row.id,
                    place=SealPlace("partner_secret", row.id, "secret"),
                ),
            )
            for row in rows
        )
        self._secrets[partner] = (now, opened)
        return opened

    # -- how it ended

    async def _superseded(self, claimed: Claimed) -> DeliveryOutcome:
        return DeliveryOutcome(
            id=claimed.id,
            token=claimed.token,
            event="supersede",
            reason=REASON_SUPERSEDED,
            replacement=await self._making.replacement(claimed),
        )

    async def _finish_many(self, outcomes: Sequence[DeliveryOutcome]) -> list[bool]:
        return await self._store.finish(outcomes, now=self._clock.now())
