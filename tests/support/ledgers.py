# SPDX-License-Identifier: EUPL-1.2
"""Cases as their ledger stands, without a store: what a pure rule of the ledger is asked about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from schakel.ledger_records import CaseLedger, Involved, LedgerEntry, Matter, RunningDeadline

OPENED: Final = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)  # a Monday, 10:00 in the Netherlands


def involved(partner: str, role: str, state: str, **more: Any) -> Involved:
    known: dict[str, Any] = {
        "id": f"request:{partner}:{role}",
        "reference": f"REF{partner}{role}".upper(),
        "asked_by": "hub",
        "phase": None,
        "serves": None,
        "asked_at": OPENED,
        "due_at": OPENED + timedelta(minutes=15),
        "established": False,
        "establishment": None,
    }
    return Involved(partner=partner, role=role, state=state, **{**known, **more})


def matter(machine: str, partner: str, role: str, state: str, **more: Any) -> Matter:
    known: dict[str, Any] = {
        "id": f"{machine}:{partner}:{role}",
        "reference": f"MATTER{partner}{role}".upper(),
        "request_id": None,
        "valid_from": None,
        "valid_until": None,
        "made_at": OPENED,
        "sealed": None,
    }
    return Matter(machine=machine, partner=partner, role=role, state=state, **{**known, **more})


def clock(kind: str, partner: str, role: str, due_at: datetime, **more: Any) -> RunningDeadline:
    known: dict[str, Any] = {
        "id": f"clock:{kind}:{partner}",
        "case_id": "case-1",
        "subject": f"request:{partner}:{role}",
        "event": "accepted",
        "programme": "icm",
        "urgency": "crisis",
        "started_at": OPENED,
        "order_end": None,
        "next_at": due_at,
        "seen_at": None,
        "steps": 0,
    }
    return RunningDeadline(kind=kind, partner=partner, role=role, due_at=due_at, **{**known, **more})


def entry(event: str, at: datetime, **more: Any) -> LedgerEntry:
    known: dict[str, Any] = {
        "id": f"entry:{event}:{at:%d%H%M}",
        "ordinal": 1,
        "subject": "case-1",
        "actor": "vvt",
        "role": "lead",
        "medium": "own-system",
        "valid_to": None,
        "sealed": None,
    }
    return LedgerEntry(event=event, valid_from=at, known_at=at, **{**known, **more})


def case(*who: Involved, **more: Any) -> CaseLedger:
    known: dict[str, Any] = {
        "id": "case-1",
        "programme": "icm",
        "municipality": "0518",
        "urgency": "crisis",
        "state": "open",
        "opened_at": OPENED,
        "closed_at": None,
        "order_end": None,
        "wrapped_key": b"",
        "secrecy": None,
        "references": {one.partner: f"CASE{one.partner}".upper() for one in who},
        "matters": (),
        "entries": (),
        "deadlines": (),
        "newest_message": None,
        "content": None,
        "sources": (),
    }
    return CaseLedger(involved=who, **{**known, **more})
