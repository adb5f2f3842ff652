# SPDX-License-Identifier: EUPL-1.2
"""Promises of the schema: the database itself refuses every move that the tables of states do not hold."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from schakel.ports import Store
from schakel.states import MOVES, NONE, Machine, Move, Role
from tests.conformance.store_cases import NOW, Decider, Side, accept_one, deliver_all

AT = "2026-11-21T09:30:00.000000Z"
EVENT = """INSERT INTO state_event (machine, object_id, ordinal, from_state, event, role, to_state, at, actor)
VALUES (?, 'object', ?, ?, ?, ?, ?, ?, 'by-hand')"""


def states(machine: Machine) -> list[str]:
    return [NONE, *sorted({move.to_state for move in MOVES if move.machine is machine})]


def path_to(machine: Machine, state: str) -> list[Move]:
    """The shortest history that ends in `state`."""
    paths: list[list[Move]] = [[]]
    while True:
        ends = [(path[-1].to_state if path else NONE, path) for path in paths]
        for end, path in ends:
            if end == state:
                return path
        paths = [
            [*path, move] for end, path in ends for move in MOVES if move.machine is machine and move.from_state == end
        ]


def statements(moves: list[Move]) -> list[tuple[str, tuple[Any, ...]]]:
    return [
        (EVENT, (move.machine.value, ordinal, move.from_state, move.event, move.role.value, move.to_state, AT))
        for ordinal, move in enumerate(moves, start=1)
    ]


FROM = [(machine, state) for machine in Machine for state in states(machine)]


class StatePromises:
    @pytest.mark.parametrize(("machine", "state"), FROM, ids=[f"{m}-{s}" for m, s in FROM])
    async def test_every_move_not_in_the_table_is_refused(
        self, store: Store, sql: Side, machine: Machine, state: str
    ) -> None:
        """From `state`, all combinations of event, role and next state: taken exactly when the table holds them."""
        history = path_to(machine, state)
        events = sorted({move.event for move in MOVES if move.machine is machine})
        wrong = []
        for event, role, to_state in product(events, Role, states(machine)):
            move = Move(machine, state, event, role, to_state)
            if sql.refuses(*statements([*history, move])) is (move in MOVES):
                wrong.append(move)
        assert wrong == []

    async def test_a_history_cannot_skip_start_in_the_middle_or_fork(self, store: Store, sql: Side) -> None:
        create, claim = path_to(Machine.DELIVERY, "sending")
        fail = Move(Machine.DELIVERY, "sending", "fail", Role.WORKER, "waiting")
        first, second = statements([create, claim])
        third = statements([create, claim, fail])[2]
        assert not sql.refuses(first, second, third)
        assert sql.refuses(second)  # starts in the middle
        assert sql.refuses(first, third)  # skips
        assert sql.refuses(first, second, second)  # forks
        skipped = (third[0], (third[1][0], 9, *third[1][2:]))
        assert sql.refuses(first, second, skipped)  # leaves a hole
        unfitting = statements([create, fail])[1]
        assert sql.refuses(first, unfitting)  # does not follow from the state before

    async def test_an_event_is_never_changed(self, store: Store, sql: Side) -> None:
        await accept_one(store, Decider())
        assert sql.refuses(("UPDATE state_event SET actor = 'other'", ()))
        assert sql.refuses(("DELETE FROM state_event", ()))

    @pytest.mark.parametrize(
        ("table", "state", "ordinal"),
        [
            ("message", "parked", 1),
            ("delivery", "delivered", 3),
            ("delivery", "sending", 2),
            ("delivery", "waiting", 1),
            ("request", "confirmed", 2),
        ],
    )
    async def test_a_state_column_cannot_be_typed_by_hand(
        self, store: Store, sql: Side, table: str, state: str, ordinal: int
    ) -> None:
        await accept_one(store, Decider())
        if state == "waiting":
            await deliver_all(store)  # back to a state it was in once
        assert sql.refuses((f"UPDATE {table} SET state = ?, state_ordinal = ?", (state, ordinal)))
        assert sql.refuses((f"UPDATE {table} SET state = ?", (state,)))

    async def test_an_audit_row_is_never_changed(self, store: Store, sql: Side) -> None:
        await accept_one(store, Decider())
        await store.link_audit(now=NOW, limit=1000)
        assert sql.refuses(("UPDATE audit SET actor = 'other'", ()))
        assert sql.refuses(("UPDATE audit SET position = position + 1000", ()))

    @pytest.mark.parametrize(
        "statement",
        [
            "DELETE FROM recipient",
            "DELETE FROM case_file",
            "DELETE FROM message",
            "DELETE FROM allowed_move",
            "UPDATE delivery SET number = 1",
            "UPDATE delivery SET message_id = 'none'",
            "UPDATE request SET due_at = NULL",
            "UPDATE lane SET token = 'x'",
            "INSERT INTO match_key SELECT case_id, 'mda++', kind, digest, strong, open FROM match_key",
        ],
    )
    async def test_what_would_dig_a_hole_is_refused(self, store: Store, sql: Side, statement: str) -> None:
        await accept_one(store, Decider())
        await accept_one(store, Decider())
        assert sql.refuses((statement, ()))
