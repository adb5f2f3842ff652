# SPDX-License-Identifier: EUPL-1.2
"""ports.Store over any engine that speaks the store's SQL: which work each method is, and what it commits with."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from schakel.audit import Signer
from schakel.errors import Refusal, Unacceptable
from schakel.failpoints import Failpoint
from schakel.ledger_records import (
    Act,
    ActOutcome,
    AnswerArrival,
    AnswerOutcome,
    CaseLedger,
    DeadlineStep,
    RunningDeadline,
)
from schakel.operating import Backlog, CommitSizes, Erased, Pause, Progress, Selection, Stuck, WrappedKey
from schakel.ports import Decide, DecideAct, DecideAnswer, DecideParked, DecideParkedCase, ShareSecrecy, TellSource
from schakel.records import (
    Accepted,
    AlarmRow,
    Arrival,
    AuditEntry,
    Bell,
    CaseRecord,
    Claimed,
    DeliveryOutcome,
    Health,
    KeyRow,
    MailboxEntry,
    NewAlarm,
    NewDelivery,
    OwnRequests,
    ParkedRow,
    Rendered,
    ReportFacts,
    RequestQuery,
    SecretRow,
    StatusRecord,
)
from schakel.states import Role
from schakel.store import (
    admin,
    alarms,
    case_ledger,
    claiming,
    clock_jump,
    deadlines,
    delivery,
    intake,
    ledger,
    operations,
    own,
    report,
    retention,
)
from schakel.store.db import Db, Reach
from schakel.store.engine import Engine, Ring, nobody_hears
from schakel.store.events import Author
from schakel.store.terms import Terms

_ACCEPT: Final = (Failpoint.STORE_ACCEPT_BEFORE_COMMIT, Failpoint.STORE_ACCEPT_AFTER_COMMIT)
_CLAIM: Final = (Failpoint.STORE_CLAIM_BEFORE_COMMIT, Failpoint.STORE_CLAIM_AFTER_COMMIT)
_RENDER: Final = (Failpoint.STORE_RENDER_BEFORE_COMMIT, Failpoint.STORE_RENDER_AFTER_COMMIT)
_FINISH: Final = (Failpoint.STORE_FINISH_BEFORE_COMMIT, Failpoint.STORE_FINISH_AFTER_COMMIT)
_RECEIVE: Final = (Failpoint.STORE_RECEIVE_BEFORE_COMMIT, Failpoint.STORE_RECEIVE_AFTER_COMMIT)
_ANSWER: Final = (Failpoint.STORE_ANSWER_BEFORE_COMMIT, Failpoint.STORE_ANSWER_AFTER_COMMIT)
_ACT: Final = (Failpoint.STORE_ACT_BEFORE_COMMIT, Failpoint.STORE_ACT_AFTER_COMMIT)
_SETTLE: Final = (Failpoint.STORE_SETTLE_BEFORE_COMMIT, Failpoint.STORE_SETTLE_AFTER_COMMIT)
_SUPERSEDE: Final = (Failpoint.STORE_SUPERSEDE_BEFORE_COMMIT, Failpoint.STORE_SUPERSEDE_AFTER_COMMIT)
_SUGGEST: Final = (Failpoint.STORE_SUGGEST_BEFORE_COMMIT, Failpoint.STORE_SUGGEST_AFTER_COMMIT)
_REMIND: Final = (Failpoint.STORE_REMIND_BEFORE_COMMIT, Failpoint.STORE_REMIND_AFTER_COMMIT)
_ALARM: Final = (Failpoint.STORE_ALARM_BEFORE_COMMIT, Failpoint.STORE_ALARM_AFTER_COMMIT)
_TOLD: Final = (Failpoint.STORE_TOLD_BEFORE_COMMIT, Failpoint.STORE_TOLD_AFTER_COMMIT)
_ERASE: Final = (Failpoint.STORE_ERASE_BEFORE_COMMIT, Failpoint.STORE_ERASE_AFTER_COMMIT)
_LINK: Final = (Failpoint.STORE_LINK_BEFORE_COMMIT, Failpoint.STORE_LINK_AFTER_COMMIT)

_CLOCK: Final = Reach(names=("clock",))
_CHAIN: Final = Reach(names=("audit-chain",))

# As much as a batch of referrals; a full disk may still take less.
_FILLER: Final = 262_144
_PROBE: Final = "UPDATE write_probe SET writes = writes + 1, filler = :filler"


@dataclass(frozen=True, slots=True)
class Opening:
    """What a store is told when it is opened, whichever it is.

    `signer` signs the audit chain's checkpoints (`FileVault.checkpoint_signer()`); `waiting_limit`: arrivals that may
    wait for a commit; `ring`: called with the bells of what was committed, on the event loop of who waited for it.
    """

    terms: Terms
    signer: Signer
    waiting_limit: int = 2000
    ring: Ring = nobody_hears


class SqlStore:
    """ports.Store. Each method is one piece of work: written work shares commits with whatever else waits."""

    name: str

    def __init__(self, engine: Engine, *, terms: Terms, signer: Signer) -> None:
        self._engine = engine
        self._terms = terms
        self._signer = signer
        self._accept = partial(intake.accept_all, terms=terms)

    # -- intake --

    async def known(self, source: str, references: Sequence[str]) -> frozenset[str]:
        return await self._engine.read(lambda db: intake.known(db, source, references))

    async def accept_many(self, arrivals: Sequence[Arrival], decide: Decide) -> list[Accepted | Refusal]:
        kept = await self._engine.write_each(
            self._accept,
            [intake.Asked(arrival, decide) for arrival in arrivals],
            points=_ACCEPT,
            reach=intake.reach(arrivals),
            refuse_when_full=True,
        )
        return [one.told() if isinstance(one, intake.Kept) else one for one in kept]

    # -- delivery --

    async def claim(
        self, *, now: datetime, limit: int, only: Sequence[str] | None = None, passing_over: Sequence[str] = ()
    ) -> list[Claimed]:
        choice = claiming.Choice(limit, only, passing_over)
        return await self._engine.write(lambda db: claiming.claim(db, self._terms, choice, now=now), points=_CLAIM)

    async def keep_rendered(self, rendered: Sequence[tuple[Claimed, Rendered]]) -> None:
        await self._engine.write(lambda db: delivery.keep_rendered(db, rendered), points=_RENDER, weight=len(rendered))

    async def renew(self, leases: Sequence[tuple[str, str]], *, now: datetime) -> list[bool]:
        return await self._engine.write(lambda db: delivery.renew(db, leases, self._terms, now=now))

    async def finish(self, outcomes: Sequence[DeliveryOutcome], *, now: datetime) -> list[bool]:
        return await self._engine.write(
            lambda db: delivery.finish(db, outcomes, self._terms, now=now),
            points=_FINISH,
            weight=len(outcomes),
        )

    async def mailbox(self, partner: str, *, after: int, limit: int) -> list[MailboxEntry]:
        return await self._engine.read(lambda db: delivery.mailbox(db, partner, after=after, limit=limit))

    async def mailbox_item(self, partner: str, number: int) -> Claimed | None:
        return await self._engine.read(lambda db: delivery.mailbox_item(db, partner, number))

    async def receive(self, partner: str, number: int, *, now: datetime, how: str) -> str | None:
        return await self._engine.write(
            lambda db: delivery.receive(db, partner, number, self._terms, now=now, how=how), points=_RECEIVE
        )

    async def delivery(self, partner: str, delivery_id: str) -> Claimed | None:
        return await self._engine.read(lambda db: delivery.of_recipient(db, partner, delivery_id))

    async def give_back(self, partner: str, outcome: DeliveryOutcome, *, now: datetime) -> str | None:
        return await self._engine.write(
            lambda db: delivery.give_back(db, partner, outcome, self._terms, now=now), points=_RECEIVE
        )

    async def supersede(self, delivery_id: str, replacement: NewDelivery, *, now: datetime) -> bool:
        return await self._engine.write(
            lambda db: delivery.supersede(db, delivery_id, replacement, self._terms, now=now), points=_SUPERSEDE
        )

    # -- ledger --

    async def answer_many(self, answers: Sequence[AnswerArrival], decide: DecideAnswer) -> list[AnswerOutcome]:
        return await self._engine.write(
            lambda db: [ledger.answer(db, arrival, decide, self._terms) for arrival in answers],
            points=_ANSWER,
            weight=len(answers),
        )

    async def case(self, partner: str, reference: str) -> CaseRecord | None:
        return await self._engine.read(lambda db: ledger.case_of(db, partner, reference))

    async def case_by_id(self, case_id: str) -> CaseRecord | None:
        return await self._engine.read(lambda db: ledger.case_of_anybody(db, case_id))

    async def status(self, partner: str, message_id: str) -> StatusRecord | None:
        return await self._engine.read(lambda db: ledger.status(db, partner, message_id))

    async def own_requests(self, partner: str, query: RequestQuery, *, after: str, limit: int) -> OwnRequests:
        return await self._engine.read(lambda db: own.own_requests(db, partner, query, after=after, limit=limit))

    async def act_many(self, acts: Sequence[Act], decide: DecideAct) -> list[ActOutcome | Refusal]:
        return await self._engine.write(
            lambda db: case_ledger.act_all(db, acts, decide, self._terms), points=_ACT, weight=len(acts)
        )

    async def ledger(self, partner: str, reference: str, *, at: datetime | None = None) -> CaseLedger | None:
        return await self._engine.read(lambda db: case_ledger.ledger(db, partner, reference, at=at))

    async def due_deadlines(self, *, now: datetime, limit: int) -> list[RunningDeadline]:
        return await self._engine.read(lambda db: deadlines.due(db, now=now, limit=limit))

    async def step_deadlines(self, steps: Sequence[DeadlineStep], *, now: datetime) -> None:
        await self._engine.write(lambda db: deadlines.step(db, steps, now=now), points=_REMIND)

    async def ended_matters(self, *, now: datetime, limit: int) -> list[tuple[str, str]]:
        return await self._engine.read(lambda db: case_ledger.ended_matters(db, now=now, limit=limit))

    async def decide_suggestion(
        self, case_id: str, other_case_id: str, *, join: bool, by: str, reason: str, now: datetime, share: ShareSecrecy
    ) -> bool:
        return await self._engine.write(
            lambda db: ledger.decide_suggestion(
                db, case_id, other_case_id, self._terms, join=join, by=by, reason=reason, now=now, share=share
            ),
            points=_SUGGEST,
        )

    # -- admin --

    async def parked(self, *, parked_id: str | None = None, settled: bool = False) -> list[ParkedRow]:
        return await self._engine.read(lambda db: admin.parked(db, parked_id=parked_id, settled=settled))

    async def settle_parked(
        self,
        parked_id: str,
        event: str,
        decide: DecideParked | None,
        *,
        by: str,
        reason: str,
        now: datetime,
        tell: TellSource | None = None,
        decide_case: DecideParkedCase | None = None,
    ) -> Accepted | None:
        author = Author(Role.OPERATOR, f"operator:{by}", now)
        asked = partial(admin.settle, reason=reason, tell=tell, decide_case=decide_case)
        keys = await self._engine.read(lambda db: admin.keys_of(db, parked_id))
        kept = await self._engine.write(
            lambda db: asked(db, parked_id, event, decide, self._terms, author), points=_SETTLE, reach=Reach(keys=keys)
        )
        return None if kept is None else kept.told()

    async def raise_alarms(self, new: Sequence[NewAlarm], *, now: datetime) -> None:
        await self._engine.write(lambda db: alarms.raise_all(db, new, now=now), points=_ALARM)

    async def due_alarms(self, *, now: datetime, limit: int) -> list[AlarmRow]:
        return await self._engine.write(
            lambda db: operations.due_alarms(db, self._terms, now=now, limit=limit), points=_ALARM, reach=_CLOCK
        )

    async def alarm_outcomes(self, outcomes: Sequence[tuple[str, bool, datetime]], *, now: datetime) -> None:
        await self._engine.write(lambda db: alarms.outcomes(db, outcomes, now=now), points=_TOLD)

    async def alarms(self) -> list[AlarmRow]:
        return await self._engine.read(alarms.all_alarms)

    async def acknowledge(self, alarm_id: str, *, by: str, now: datetime) -> bool:
        return await self._engine.write(lambda db: alarms.acknowledge(db, alarm_id, by=by, now=now), points=_TOLD)

    async def add_key(self, key: KeyRow) -> None:
        reach = Reach(names=(f"keys:{key.partner}",))
        await self._engine.write(lambda db: admin.add_key(db, key), reach=reach)

    async def keys(self, *, now: datetime) -> list[KeyRow]:
        return await self._engine.read(lambda db: admin.keys(db, now=now))

    async def revoke_key(self, key_id: str, *, now: datetime) -> bool:
        return await self._engine.write(lambda db: admin.revoke_key(db, key_id, now=now))

    async def add_secret(self, secret: SecretRow) -> None:
        await self._engine.write(lambda db: admin.add_secret(db, secret))

    async def secrets(self, partner: str, *, now: datetime) -> list[SecretRow]:
        return await self._engine.read(lambda db: admin.secrets(db, partner, now=now))

    async def audit(self, entries: Sequence[AuditEntry]) -> None:
        await self._engine.write(lambda db: admin.add_audit(db, entries))

    async def report(self, *, since: datetime, until: datetime) -> ReportFacts:
        return await self._engine.read(lambda db: report.facts(db, since=since, until=until))

    async def erase(self, *, by: str, now: datetime, limit: int) -> Erased:
        author = retention.author_of(by, now)
        return await self._engine.write(lambda db: retention.erase(db, self._terms, author, limit=limit), points=_ERASE)

    async def overdue(self, *, now: datetime) -> Erased:
        return await self._engine.read(lambda db: retention.overdue(db, self._terms, now=now))

    async def mind_the_clock(self, *, now: datetime) -> timedelta | None:
        if await self._engine.read(lambda db: clock_jump.went_back(db, now=now)) is None:
            return None
        return await self._engine.write(lambda db: clock_jump.bring_back(db, self._terms, now=now))

    async def link_audit(self, *, now: datetime, limit: int) -> int:
        return await self._engine.write(
            lambda db: admin.link_audit(db, self._signer, now=now, limit=limit), points=_LINK, reach=_CHAIN
        )

    async def backlog(self, *, now: datetime) -> Backlog:
        return await self._engine.read(lambda db: operations.backlog(db, now=now))

    async def pause(self, pause: Pause) -> None:
        await self._engine.write(lambda db: operations.pause(db, pause))

    async def resume(self, partner: str, *, by: str, reason: str, now: datetime) -> bool:
        return await self._engine.write(lambda db: operations.resume(db, partner, by=by, reason=reason, now=now))

    async def stuck(self, selection: Selection) -> list[Stuck]:
        return await self._engine.read(lambda db: operations.stuck(db, selection))

    async def retry_deliveries(self, ids: Sequence[str], *, by: str, reason: str, now: datetime) -> list[Bell]:
        return await self._engine.write(
            lambda db: operations.retry(db, ids, self._terms, by=by, reason=reason, now=now),
            points=_SETTLE,
            weight=len(ids),
        )

    async def replace_deliveries(
        self, pairs: Sequence[tuple[str, str]], *, by: str, reason: str, now: datetime
    ) -> list[Bell]:
        return await self._engine.write(
            lambda db: operations.replace(db, pairs, self._terms, by=by, reason=reason, now=now),
            points=_SUPERSEDE,
            weight=len(pairs),
        )

    async def progress(self, object_id: str, *, now: datetime) -> list[Progress]:
        return await self._engine.read(lambda db: operations.progress(db, object_id, now=now))

    async def take_duty(
        self, name: str, token: str, *, holder: str, now: datetime, until: datetime, after: str | None = None
    ) -> bool:
        return await self._engine.write(
            lambda db: operations.take_duty(db, name, token, holder=holder, now=now, until=until, after=after)
        )

    async def duty_holder(self, name: str) -> str | None:
        return await self._engine.read(lambda db: operations.duty_holder(db, name))

    async def leave_duty(self, name: str, token: str) -> None:
        await self._engine.write(lambda db: operations.leave_duty(db, name, token))

    async def wrapped_keys(self, table: str, *, after: str, limit: int) -> list[WrappedKey]:
        return await self._engine.read(lambda db: operations.wrapped_keys(db, table, after=after, limit=limit))

    async def rewrap(self, pairs: Sequence[tuple[WrappedKey, bytes]]) -> int:
        return await self._engine.write(lambda db: operations.rewrap(db, pairs), weight=len(pairs))

    def commits(self) -> CommitSizes:
        return self._engine.sizes()

    async def health(self) -> Health:
        """After a commit that failed, a small real write tells whether it is over."""
        try:
            if self._engine.trouble is not None:
                await self._engine.write(_probe)
            failing = await self._engine.read(alarms.failing)
        except Unacceptable as refusal:
            return Health(store=refusal.findings[0].rule, alarms=None)
        return Health(store=None, alarms="alarms:undelivered" if failing else None)

    async def aclose(self) -> None:
        """Finishes what waits for a commit, then closes."""
        await self._engine.aclose()


def _probe(db: Db) -> int:
    return db.run(_PROBE, filler=os.urandom(_FILLER))
