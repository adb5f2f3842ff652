# SPDX-License-Identifier: EUPL-1.2
"""What the SQL of the store asks of an engine, and the errors it meets; one text of SQL serves every engine.

Portable SQL: named values (`:name`); a list of texts only as `column = ANY(:names)`; `/*!postgresql … */` holds what
PostgreSQL alone reads, such as row locks. A value that may be absent and stands alone is `CAST(:name AS TEXT)`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final, Protocol

from schakel.errors import Conflict, Finding, Unacceptable
from schakel.records import Bell, MatchKey
from schakel.store.rows import Row

# The next number of a recipient; the counter is rolled back with what it was taken for.
NEXT_NUMBER: Final = """
INSERT INTO recipient (partner, last_number) VALUES (:partner, 1)
ON CONFLICT (partner) DO UPDATE SET last_number = recipient.last_number + 1
RETURNING last_number"""


# Whoever decides on a case locks it first, and then reads it.
LOCK_CASE: Final = "SELECT id FROM case_file WHERE id = :case_id FOR NO KEY UPDATE"


class Db(Protocol):
    """One transaction on one connection. Rows come by column name. Not thread-safe: one thread uses it."""

    def run(self, sql: str, **values: Any) -> int:
        """The number of rows changed by this statement itself."""

    def put(self, sql: str, **values: Any) -> None:
        """As `run`, for what nobody waits for: a refusal comes at the latest when the piece of work has ended.

        What different pieces of work put may be written in another order, and together."""

    def all(self, sql: str, **values: Any) -> list[Row]: ...

    def each(self, sql: str, **values: Any) -> Iterator[Row]: ...

    def one(self, sql: str, **values: Any) -> Row | None: ...

    def value(self, sql: str, **values: Any) -> Any:
        """The first column of the first row; None without a row."""

    def many(self, sql: str, asked: Sequence[dict[str, Any]]) -> list[list[Row]]:
        """The rows for each set of values."""

    def lock(self, sql: str, **values: Any) -> None:
        """Before reading what is decided on: whoever locks the same rows waits for this transaction to end.

        `sql` selects rows FOR UPDATE; an engine with one writer at a time does not need it."""

    def numbered(self, recipient: str, case_id: str, write: Callable[[int], None]) -> None:
        """Calls `write`, which is about that case, with the recipient's next number, before COMMIT: at once, or after
        all other work; but before whoever locks the case goes on.

        Numbers have no gap, and their order is the order of commits."""

    def bell(self, bell: Bell) -> None:
        """Rings as soon as all of this is committed, and not for what was rolled back."""

    def savepoint(self) -> AbstractContextManager[None]:
        """All of what happens inside, or nothing of it. Raises Violated for what the database refuses inside."""


@dataclass(frozen=True, slots=True)
class Reach:
    """What a piece of work is about: whatever else is about one of these, in any process, waits for its commit."""

    names: Sequence[str] = ()
    keys: Sequence[MatchKey] = ()  # and the cases that hold them


class Violated(Exception):
    """The database refused a piece of work; nothing of it is left, and the transaction goes on."""

    def __init__(self, refusal: Unacceptable | Conflict) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal


class Undone(Exception):
    """The whole transaction is lost. No piece of work catches this."""

    def __init__(self, refusal: Unacceptable | Conflict) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal


def unavailable(rule: str, *, status: int = 503, retry_after: int = 5) -> Unacceptable:
    finding = Finding("store", rule, "Nu niet veilig op te slaan", "Cannot be stored safely now")
    return Unacceptable(finding, status=status, retry_after=retry_after)


def not_allowed() -> Conflict:
    """A rule of the schema was broken; which one stays behind, as it can hold a value."""
    return Conflict(
        Finding("store", "store:constraint", "De database staat dit niet toe", "The database does not allow this")
    )
