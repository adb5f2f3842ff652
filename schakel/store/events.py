# SPDX-License-Identifier: EUPL-1.2
"""Writes moves: each is one event row; triggers bring the state column and the audit row along."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from schakel.errors import Conflict, Finding
from schakel.states import NONE, Machine, Role, next_state
from schakel.store.db import Db
from schakel.store.rows import Row, text

# The last event of an object's history.
LAST: Final = """
SELECT ordinal, to_state FROM state_event
WHERE machine = :machine AND object_id = :id ORDER BY ordinal DESC LIMIT 1"""

# One more event; foreign keys refuse a move that is not allowed or does not follow from the previous event.
APPEND: Final = """
INSERT INTO state_event (machine, object_id, ordinal, from_state, event, role, to_state, at, actor, reason)
VALUES (:machine, :id, :ordinal, :from_state, :event, :role, :to_state, :at, :actor, :reason)"""

# What is said beside the moves.
NOTE: Final = """
INSERT INTO audit (at, actor, action, object, detail) VALUES (:at, :actor, :action, :object, :detail)"""


@dataclass(frozen=True, slots=True)
class Author:
    """Who makes moves, in which role, and when."""

    role: Role
    actor: str
    now: datetime


def move(db: Db, machine: Machine, object_id: str, event: str, author: Author, *, reason: str = "") -> str:
    """Appends the event and returns the new state. Raises Conflict when the table of moves does not hold it.

    Before an object's first event there is no row yet: the event comes first, the row points at it.
    """
    last = db.one(LAST, machine=machine.value, id=object_id)
    from_state, ordinal = (NONE, 1) if last is None else (last["to_state"], last["ordinal"] + 1)
    return _append(db, machine, object_id, ordinal, from_state, event, author, reason)


def go_on(db: Db, machine: Machine, row: Row, event: str, author: Author, *, reason: str = "") -> str:
    """As `move`, from a row of the object itself (id, state, state_ordinal) that nobody else changes."""
    return _append(db, machine, row["id"], row["state_ordinal"] + 1, row["state"], event, author, reason)


def begin(db: Db, machine: Machine, object_id: str, event: str, author: Author, *, reason: str = "") -> str:
    """The first move of a new object: as `move`, without looking for what came before."""
    return _append(db, machine, object_id, 1, NONE, event, author, reason)


def _append(
    db: Db, machine: Machine, object_id: str, ordinal: int, from_state: str, event: str, author: Author, reason: str
) -> str:
    to_state = next_state(machine, from_state, event, author.role)
    if to_state is None:
        raise Conflict(
            Finding(
                machine.value,
                f"move:{from_state}:{event}",
                "Deze stap kan nu niet",
                "This step is not possible now",
            )
        )
    db.put(
        APPEND,
        machine=machine.value,
        id=object_id,
        ordinal=ordinal,
        from_state=from_state,
        event=event,
        role=author.role.value,
        to_state=to_state,
        at=text(author.now),
        actor=author.actor,
        reason=reason,
    )
    return str(to_state)


def note(db: Db, author: Author, action: str, subject: str, detail: str = "") -> None:
    """An audit row that no move writes."""
    db.put(NOTE, at=text(author.now), actor=author.actor, action=action, object=subject, detail=detail)
