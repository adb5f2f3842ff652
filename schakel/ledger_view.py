# SPDX-License-Identifier: EUPL-1.2
"""The ledger of a case as somebody may read it: how it stands, who is in it, on whose word, what runs, what comes.

Who leads or walks along reads all of it; any other partner its own part; free words of others only who may know where
everybody is. Operators read without the words. Each look is kept in the audit.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from schakel.errors import NotFound
from schakel.ledger_records import CaseLedger, Involved, LedgerEntry, Matter, RunningDeadline
from schakel.ports import AdminStore, LedgerStore, Vault
from schakel.reading import reads_openly, roles_of, sees_all
from schakel.records import AuditEntry, SealPlace
from schakel.region import Partner, Region
from schakel.standing import Because, Coming, Standing, standing_of

# What an entry or the terms of a matter hold of prose; names of things, times and codes stand beside it.
FREE: Final = frozenset({"reason", "reasonText", "note", "evidence", "contactHistory", "level"})


class LedgerViews:
    def __init__(self, *, ledger: LedgerStore, admin: AdminStore, region: Region, vault: Vault) -> None:
        self._ledger = ledger
        self._admin = admin
        self._region = region
        self._vault = vault

    async def ledger(
        self, partner: Partner, reference: str, *, now: datetime, at: datetime | None = None
    ) -> dict[str, Any]:
        """By the partner's own reference. `at`: as the hub knew it then. Raises NotFound."""
        case = await self._ledger.ledger(partner.id, reference, at=at)
        if case is None:
            raise NotFound()
        await self._admin.audit([AuditEntry(at=now, actor=partner.id, action="read-ledger", object=case.id)])
        return self.seen_by(partner, reference, case, at or now)

    async def for_operator(
        self, reference: str, *, by: str, now: datetime, at: datetime | None = None
    ) -> dict[str, Any]:
        """By any id of the case; without the words. Raises NotFound."""
        case = await self._ledger.ledger("", reference, at=at)
        if case is None:
            raise NotFound()
        entry = AuditEntry(at=now, actor=f"operator:{by}", action="read-ledger", object=case.id)
        await self._admin.audit([entry])
        return {
            **self._head(case.id, case),
            **self._whole(case, at or now),
            "involvements": [self._line(one) for one in case.involved],
            "matters": [self._matter(one) for one in case.matters],
            "entries": [self._entry(one) for one in case.entries],
        }

    def seen_by(self, partner: Partner, reference: str, case: CaseLedger, at: datetime) -> dict[str, Any]:
        roles = roles_of(partner.id, case.involved)
        whole = sees_all(roles, self._region.disclosure)
        openly = reads_openly(case, roles, self._region.disclosure, self._vault)
        involved = [one for one in case.involved if whole or one.partner == partner.id]
        matters = [one for one in case.matters if whole or one.partner == partner.id]
        own = {one.id for one in involved} | {one.id for one in matters}
        entries = [one for one in case.entries if whole or one.subject in own or one.actor == partner.id]
        return {
            **self._head(reference, case),
            **(self._whole(case, at) if whole else {}),
            "involvements": [self._line(one) for one in involved],
            "matters": [
                {**self._matter(one), **self._terms(case, one, openly or one.partner == partner.id)} for one in matters
            ],
            "entries": [
                {**self._entry(one), **self._words(case, one, openly or one.actor == partner.id)} for one in entries
            ],
        }

    def _head(self, reference: str, case: CaseLedger) -> dict[str, Any]:
        return {
            "reference": reference,
            "programme": case.programme,
            "state": case.state,
            "openedAt": _moment(case.opened_at),
            "closedAt": _maybe(case.closed_at),
        }

    def _whole(self, case: CaseLedger, at: datetime) -> dict[str, Any]:
        return {
            "municipality": case.municipality,
            "orderEndsAt": _maybe(case.order_end),
            "standing": standing_json(standing_of(case, self._region, at)),
            "deadlines": [self._deadline(one, at) for one in case.deadlines],
        }

    def _line(self, one: Involved) -> dict[str, Any]:
        return {
            "id": one.id,
            "partner": one.partner,
            "name": self._name(one.partner),
            "role": one.role,
            "state": one.state,
            "established": one.established,
            "askedBy": one.asked_by,
            "phase": one.phase,
            "serves": one.serves,
            "askedAt": _moment(one.asked_at),
            "dueAt": _moment(one.due_at),
        }

    def _matter(self, one: Matter) -> dict[str, Any]:
        return {
            "id": one.id,
            "kind": one.machine,
            "partner": one.partner,
            "name": self._name(one.partner),
            "role": one.role,
            "state": one.state,
            "madeAt": _moment(one.made_at),
            "validFrom": _maybe(one.valid_from),
            "validUntil": _maybe(one.valid_until),
        }

    def _entry(self, one: LedgerEntry) -> dict[str, Any]:
        return {
            "ordinal": one.ordinal,
            "subject": one.subject,
            "event": one.event,
            "by": one.actor,
            "role": one.role,
            "medium": one.medium,
            "validFrom": _moment(one.valid_from),
            "validTo": _maybe(one.valid_to),
            "knownAt": _moment(one.known_at),
        }

    def _deadline(self, one: RunningDeadline, at: datetime) -> dict[str, Any]:
        return {
            "kind": one.kind,
            "subject": one.subject,
            "partner": one.partner,
            "role": one.role,
            "startedAt": _moment(one.started_at),
            "dueAt": _moment(one.due_at),
            "overdue": one.due_at < at,
            "nextAt": _moment(one.next_at),
        }

    # -- words

    def _terms(self, case: CaseLedger, one: Matter, openly: bool) -> dict[str, Any]:
        sealed = one.sealed
        return {} if sealed is None else {"terms": self._opened(case, sealed, "matter", one.id, "terms", openly)}

    def _words(self, case: CaseLedger, one: LedgerEntry, openly: bool) -> dict[str, Any]:
        sealed = one.sealed
        return {} if sealed is None else {"words": self._opened(case, sealed, "ledger_entry", one.id, "words", openly)}

    def _opened(
        self, case: CaseLedger, sealed: bytes, table: str, row: str, column: str, openly: bool
    ) -> Mapping[str, Any]:
        place = SealPlace(table, row, column)
        said: dict[str, Any] = json.loads(self._vault.open(case.wrapped_key, sealed, owner=case.id, place=place))
        if openly:
            return said
        instead = self._region.disclosure.withheld
        return {name: f"{instead.nl} / {instead.en}" if name in FREE else value for name, value in said.items()}

    def _name(self, partner_id: str) -> str:
        partner = self._region.partner(partner_id)
        return partner.name if partner else partner_id


def standing_json(standing: Standing) -> dict[str, Any]:
    """A roll-up as it is published."""
    return {
        "state": standing.state,
        "risks": [_because(one) for one in standing.risks],
        "waits": [_because(one) for one in standing.waits],
        "next": _coming(standing.coming) if standing.coming else None,
    }


def _because(one: Because) -> dict[str, Any]:
    return {"rule": one.rule, "partner": one.partner, "role": one.role, "nl": one.nl, "en": one.en}


def _coming(one: Coming) -> dict[str, Any]:
    return {
        "what": one.what,
        "at": _moment(one.at),
        "partner": one.partner,
        "role": one.role,
        "nl": one.nl,
        "en": one.en,
    }


def _moment(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def _maybe(at: datetime | None) -> str | None:
    return None if at is None else _moment(at)
