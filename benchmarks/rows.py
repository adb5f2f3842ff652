# SPDX-License-Identifier: EUPL-1.2
"""Counts rows beside a hub that runs, on either engine; waits until a hub has nothing left to do."""

from __future__ import annotations

import contextlib
import time
from typing import Final

import apsw
import psycopg

UNDER_WAY: Final = "SELECT count(*) FROM delivery WHERE state IN ('waiting', 'sending', 'notified')"
UNSENT: Final = "SELECT count(*) FROM delivery WHERE state IN ('waiting', 'sending')"
UNLINKED: Final = "SELECT count(*) FROM audit WHERE position IS NULL"
SETTLES_WITHIN: Final = 60.0  # seconds
_FILE: Final = "sqlite:///"


def count(database: str, question: str) -> int:
    """What a query counts, in the database of this URL."""
    if database.startswith(_FILE):
        path = database.removeprefix(_FILE)
        with contextlib.closing(apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY)) as file:
            file.set_busy_timeout(5_000)
            return int(next(iter(file.execute(question)))[0])
    with psycopg.connect(database) as connection:
        row = connection.execute(question.encode()).fetchone()
    assert row is not None
    return int(row[0])


def until_none(database: str, *questions: str, within: float = SETTLES_WITHIN) -> float:
    """Waits until each counts nothing; when that was. Raises TimeoutError."""
    end = time.monotonic() + within
    for question in questions:
        while left := count(database, question):
            if time.monotonic() > end:
                raise TimeoutError(f"{left} left of: {question}")
            time.sleep(0.02)
    return time.perf_counter()


def settle(database: str) -> None:
    """The hub has sent what it can and linked its audit: what comes next is not slowed by what came before."""
    until_none(database, UNSENT, UNLINKED)
