# SPDX-License-Identifier: EUPL-1.2
"""What the demo sees of the hub's own books: it reads the database as an auditor would, and never writes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import apsw

BUSY_MS: Final = 5_000
FINAL: Final = "('delivered', 'superseded', 'dropped')"


@dataclass(frozen=True, slots=True)
class Line:
    """One delivery of one message, with how its request stands ("" when nothing was asked)."""

    recipient: str
    role: str
    delivery: str
    answer: str


@dataclass(frozen=True, slots=True)
class Message:
    """A message as the books have it. `case`: the last characters of the case's id, "" for none."""

    id: str
    state: str
    case: str
    lines: tuple[Line, ...]


class Books:
    """The database, read only."""

    def __init__(self, file: Path, *, blind_reference: Callable[[str, str], str]) -> None:
        """`blind_reference`: (source, its reference) → what the books know the message by."""
        self._blind_reference = blind_reference
        self._connection = apsw.Connection(str(file), flags=apsw.SQLITE_OPEN_READONLY)
        self._connection.set_busy_timeout(BUSY_MS)

    def close(self) -> None:
        self._connection.close()

    def message(self, source: str, reference: str) -> Message | None:
        """By what the source calls it."""
        for message_id, state, case_id in self._rows(
            "SELECT id, state, case_id FROM message WHERE source = ? AND message_reference = ?",
            source,
            self._blind_reference(source, reference),
        ):
            lines = self._rows(
                "SELECT d.recipient, d.role, d.state, CASE WHEN r.state = 'superseded' AND EXISTS ("
                " SELECT 1 FROM state_event e"
                " WHERE e.machine = 'request' AND e.object_id = r.id AND e.event = 'decline')"
                " THEN 'declined' ELSE coalesce(r.state, '') END FROM delivery d"
                " LEFT JOIN request r ON r.id = d.request_id WHERE d.message_id = ? AND d.role <> 'source'"
                " ORDER BY d.number, d.recipient",
                message_id,
            )
            return Message(message_id, state, (case_id or "")[-3:], tuple(Line(*line) for line in lines))
        return None

    def messages(self) -> int:
        return self._one("SELECT count(*) FROM message")

    def deliveries(self) -> int:
        """Deliveries that reached whom they were routed to; feedback to sources is counted apart."""
        return (
            self._one("SELECT count(*) FROM delivery WHERE state = 'delivered' AND role <> 'source'") - self.notices()
        )

    def feedback(self) -> int:
        """Times that a source was told how its message stands."""
        return self._one("SELECT count(*) FROM delivery WHERE state = 'delivered' AND role = 'source'")

    def formats(self) -> list[str]:
        """The formats in which messages came."""
        return [row[0] for row in self._rows("SELECT DISTINCT format FROM message ORDER BY format")]

    def representations(self) -> list[str]:
        """What was delivered, by the name of its mapping."""
        return [
            row[0]
            for row in self._rows(
                "SELECT DISTINCT representation FROM delivery WHERE state = 'delivered' ORDER BY representation"
            )
        ]

    def requests(self, state: str) -> int:
        return self._one("SELECT count(*) FROM request WHERE state = ?", state)

    def request_state(self, partner: str) -> str:
        """How the newest request of a partner stands; "": it has none."""
        found = self._rows("SELECT state FROM request WHERE recipient = ? ORDER BY asked_at DESC LIMIT 1", partner)
        return str(found[0][0]) if found else ""

    def case_reference(self, source: str, reference: str, partner: str) -> str:
        """The partner's own reference of the case that a source's message belongs to."""
        rows = self._rows(
            "SELECT r.reference FROM message m JOIN case_reference r ON r.case_id = m.case_id"
            " WHERE m.source = ? AND m.message_reference = ? AND r.partner = ?",
            source,
            self._blind_reference(source, reference),
            partner,
        )
        return str(rows[0][0])

    def declines(self) -> int:
        """Requests that were declined, whatever came after."""
        return self._one(
            "SELECT count(DISTINCT object_id) FROM state_event WHERE machine = 'request' AND event = 'decline'"
        )

    def matters(self, machine: str, state: str) -> int:
        """What was asked beside taking part, and stands so."""
        return self._one("SELECT count(*) FROM matter WHERE machine = ? AND state = ?", machine, state)

    def asked(self, machine: str) -> int:
        return self._one("SELECT count(*) FROM matter WHERE machine = ?", machine)

    def escalations(self) -> int:
        """Clocks whose ladder has told somebody that an answer is late; each counts once."""
        return self._one("SELECT count(*) FROM deadline WHERE steps > 0 AND seen_at >= due_at")

    def notices(self) -> int:
        """What partners were asked or told beside the messages."""
        return self._one(
            "SELECT count(*) FROM delivery WHERE state = 'delivered' AND role <> 'source'"
            " AND occasion <> 'message' AND occasion NOT LIKE 'asked:%'"
        )

    def parked(self) -> list[tuple[str, str, str]]:
        """What waits for a person: (parked id, message id, cause)."""
        return self._rows("SELECT id, message_id, cause FROM parked WHERE state = 'open' ORDER BY parked_at")

    def parked_without_alarm(self) -> int:
        """Parked, and no human is told: there must be none."""
        return self._one(
            "SELECT count(*) FROM parked p WHERE p.state = 'open' AND NOT EXISTS"
            " (SELECT 1 FROM alarm a WHERE a.subject IN (p.id, p.message_id) AND a.delivered_at IS NOT NULL)"
        )

    def under_way(self) -> int:
        """Deliveries that are not final, and requests that wait for a person's word."""
        return self._one(f"SELECT count(*) FROM delivery WHERE state NOT IN {FINAL}") + self._one(  # noqa: S608
            "SELECT count(*) FROM request WHERE state IN ('asked', 'received')"
        )

    def _one(self, sql: str, *values: Any) -> int:
        return int(self._rows(sql, *values)[0][0])

    def _rows(self, sql: str, *values: Any) -> list[Any]:
        return list(self._connection.execute(sql, values))
