# SPDX-License-Identifier: EUPL-1.2
"""What the demo sees of the hub's own books: it reads the database as an auditor would, and never writes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from schakel.store.engine import Reader
from schakel.store.rows import Row

LINES: Final = """
SELECT d.number, d.recipient, d.role, d.state, CASE
    WHEN r.state = 'superseded' AND EXISTS (
        SELECT 1 FROM state_event e WHERE e.machine = 'request' AND e.object_id = r.id AND e.event = 'decline')
    THEN 'declined' ELSE coalesce(r.state, '') END AS answer
FROM delivery d LEFT JOIN request r ON r.id = d.request_id
WHERE d.message_id = :message_id AND d.role <> 'source'"""
CASE_REFERENCE: Final = """
SELECT r.reference FROM message m JOIN case_reference r ON r.case_id = m.case_id
WHERE m.source = :source AND m.message_reference = :reference AND r.partner = :partner"""
SILENTLY_PARKED: Final = """
SELECT count(*) FROM parked p WHERE p.state = 'open' AND NOT EXISTS (
    SELECT 1 FROM alarm a WHERE a.subject IN (p.id, p.message_id) AND a.delivered_at IS NOT NULL)"""
UNDER_WAY: Final = """
SELECT (SELECT count(*) FROM delivery WHERE state NOT IN ('delivered', 'superseded', 'dropped'))
    + (SELECT count(*) FROM request WHERE state IN ('asked', 'received'))"""
# What partners were asked or told beside the messages.
NOTICES: Final = """
SELECT count(*) FROM delivery WHERE state = 'delivered' AND role <> 'source'
    AND occasion <> 'message' AND occasion NOT LIKE 'asked:%'"""


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
    """The database of either engine, read only. One thread uses it."""

    def __init__(self, reader: Reader, *, blind_reference: Callable[[str, str], str]) -> None:
        """`blind_reference`: (source, its reference) → what the books know the message by."""
        self._reader = reader
        self._blind_reference = blind_reference

    def close(self) -> None:
        self._reader.close()

    def message(self, source: str, reference: str) -> Message | None:
        """By what the source calls it."""
        found = self._rows(
            "SELECT id, state, case_id FROM message WHERE source = :source AND message_reference = :reference",
            source=source,
            reference=self._blind_reference(source, reference),
        )
        if not found:
            return None
        (row,) = found
        lines = sorted(self._rows(LINES, message_id=row["id"]), key=lambda line: (line["number"], line["recipient"]))
        return Message(
            row["id"],
            row["state"],
            (row["case_id"] or "")[-3:],
            tuple(Line(line["recipient"], line["role"], line["state"], line["answer"]) for line in lines),
        )

    def messages(self) -> int:
        return self._count("SELECT count(*) FROM message")

    def deliveries(self) -> int:
        """Deliveries that reached whom they were routed to; feedback to sources is counted apart."""
        everything = "SELECT count(*) FROM delivery WHERE state = 'delivered' AND role <> 'source'"
        return self._count(everything) - self.notices()

    def feedback(self) -> int:
        """Times that a source was told how its message stands."""
        return self._count("SELECT count(*) FROM delivery WHERE state = 'delivered' AND role = 'source'")

    def formats(self) -> list[str]:
        """The formats in which messages came."""
        return sorted(row["format"] for row in self._rows("SELECT DISTINCT format FROM message"))

    def representations(self) -> list[str]:
        """What was delivered, by the name of its mapping."""
        found = self._rows("SELECT DISTINCT representation FROM delivery WHERE state = 'delivered'")
        return sorted(row["representation"] for row in found)

    def requests(self, state: str) -> int:
        return self._count("SELECT count(*) FROM request WHERE state = :state", state=state)

    def request_state(self, partner: str) -> str:
        """How the newest request of a partner stands; "": it has none."""
        found = self._rows(
            "SELECT state FROM request WHERE recipient = :partner ORDER BY asked_at DESC LIMIT 1", partner=partner
        )
        return str(found[0]["state"]) if found else ""

    def case_reference(self, source: str, reference: str, partner: str) -> str:
        """The partner's own reference of the case that a source's message belongs to."""
        blind = self._blind_reference(source, reference)
        rows = self._rows(CASE_REFERENCE, source=source, reference=blind, partner=partner)
        return str(rows[0]["reference"])

    def declines(self) -> int:
        """Requests that were declined, whatever came after."""
        return self._count(
            "SELECT count(DISTINCT object_id) FROM state_event WHERE machine = 'request' AND event = 'decline'"
        )

    def matters(self, machine: str, state: str) -> int:
        """What was asked beside taking part, and stands so."""
        return self._count(
            "SELECT count(*) FROM matter WHERE machine = :machine AND state = :state", machine=machine, state=state
        )

    def asked(self, machine: str) -> int:
        return self._count("SELECT count(*) FROM matter WHERE machine = :machine", machine=machine)

    def escalations(self) -> int:
        """Clocks whose ladder has told somebody that an answer is late; each counts once."""
        return self._count("SELECT count(*) FROM deadline WHERE steps > 0 AND seen_at >= due_at")

    def notices(self) -> int:
        """What partners were asked or told beside the messages."""
        return self._count(NOTICES)

    def parked(self) -> list[tuple[str, str, str]]:
        """What waits for a person: (parked id, message id, cause)."""
        found = self._rows("SELECT id, message_id, cause FROM parked WHERE state = 'open' ORDER BY parked_at")
        return [(row["id"], row["message_id"], row["cause"]) for row in found]

    def parked_without_alarm(self) -> int:
        """Parked, and no human is told: there must be none."""
        return self._count(SILENTLY_PARKED)

    def under_way(self) -> int:
        """Deliveries that are not final, and requests that wait for a person's word."""
        return self._count(UNDER_WAY)

    def _count(self, sql: str, **values: Any) -> int:
        return int(self._reader.read(lambda db: db.value(sql, **values)))

    def _rows(self, sql: str, **values: Any) -> list[Row]:
        return self._reader.read(lambda db: db.all(sql, **values))
