# SPDX-License-Identifier: EUPL-1.2
"""What is put is written whole, and each piece of work in its own order, however many pieces there are."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from schakel.store.statements_postgres import Statements, Written

STATEMENTS = ("raw", "case", "key", "event", "message")
PIECES = st.lists(st.tuples(st.lists(st.sampled_from(STATEMENTS), max_size=8), st.booleans()), max_size=12)


@given(PIECES)
def test_each_piece_keeps_its_order_and_what_fails_leaves_nothing(pieces: list[tuple[list[str], bool]]) -> None:
    written = Written()
    for number, (statements, fails) in enumerate(pieces):
        scope = written.enter()
        for place, sql in enumerate(statements):
            written.put(sql, {"piece": number, "place": place})
        if fails:
            assert written.forget(scope)
        else:
            written.leave(scope)
    sent = [(sql, row["piece"], row["place"]) for sql, rows in written.take() for row in rows]
    for number, (statements, fails) in enumerate(pieces):
        own = [(sql, place) for sql, piece, place in sent if piece == number]
        assert own == ([] if fails else [(sql, place) for place, sql in enumerate(statements)])
    assert not written


@given(PIECES, st.lists(st.sampled_from(STATEMENTS), min_size=1, max_size=6))
def test_pieces_inside_another_come_after_what_it_put_before(
    pieces: list[tuple[list[str], bool]], outer: list[str]
) -> None:
    written = Written()
    around = written.enter()
    for place, sql in enumerate(outer):
        written.put(sql, {"piece": "outer", "place": place})
    for number, (statements, _) in enumerate(pieces):
        scope = written.enter()
        for place, sql in enumerate(statements):
            written.put(sql, {"piece": number, "place": place})
        written.leave(scope)
    written.leave(around)
    sent = [row["piece"] for _, rows in written.take() for row in rows]
    for number, (statements, _) in enumerate(pieces):
        if statements:
            last = len(sent) - 1 - sent[::-1].index("outer")
            assert sent.index(number) > last


def test_what_was_sent_cannot_be_forgotten() -> None:
    written = Written()
    scope = written.enter()
    written.put("raw", {})
    written.take()
    assert not written.forget(scope)


def test_reading_for_another_piece_does_not_make_it_sent() -> None:
    written = Written()
    first = written.enter()
    written.put("raw", {"piece": 1})
    written.leave(first)
    second = written.enter()
    written.take()  # a read of the second sends what the first put
    written.put("raw", {"piece": 2})
    assert written.forget(second)
    assert not written


def test_names_in_texts_and_casts_are_left_alone() -> None:
    statements = Statements([])
    assert (
        statements.own("SELECT ':no' || :yes::text WHERE x LIKE 'a%'")
        == "SELECT ':no' || %(yes)s::text WHERE x LIKE 'a%%'"
    )
    assert statements.own("SELECT 1 /*!postgresql FOR UPDATE*/") == "SELECT 1 FOR UPDATE"


def test_only_plain_inserts_go_together() -> None:
    statements = Statements([("t", "a", "text"), ("t", "b", "bytea")])
    plain = statements.together("INSERT INTO t (a, b) VALUES (:x, :y) ON CONFLICT (a) WHERE b IS NULL DO NOTHING")
    assert plain is not None
    assert plain.types == {"x": "text", "y": "bytea"}
    for sql in (
        "INSERT INTO t (a) VALUES (:x) ON CONFLICT (a) DO UPDATE SET b = excluded.b",
        "INSERT INTO t (a) VALUES (:x) RETURNING a",
        "INSERT INTO t (a) SELECT :x",
        "UPDATE t SET a = :x",
    ):
        assert statements.together(sql) is None


def test_updates_of_rows_that_differ_in_their_key_go_together() -> None:
    statements = Statements([("t", "id", "text"), ("t", "a", "bigint"), ("t", "b", "bytea")])
    change = statements.together("UPDATE t SET a = a + :a, b = COALESCE(:what, b) WHERE id = :id AND b IS NULL")
    assert change is None  # nobody knows what `what` is
    change = statements.together("UPDATE t SET a = a + :a, b = :what WHERE id = :id AND b IS NULL")
    assert change is not None
    assert change.types == {"a": "bigint", "what": "bytea", "id": "text"}
    assert change.sql.endswith("WHERE id = wanted.of_id AND b IS NULL")
    one, other = {"a": 1, "what": None, "id": "1"}, {"a": 1, "what": None, "id": "2"}
    assert change.fits([one, other])
    assert not change.fits([one, other, one])  # the second change of a row would not be made
    for sql in (
        "UPDATE t SET a = :a WHERE id = :id RETURNING a",
        "UPDATE t SET a = :a WHERE id = :id OR a = :a",
        "UPDATE t SET a = (SELECT max(a) FROM t) WHERE id = :id",
        "UPDATE t SET a = :a WHERE id > :id",
    ):
        assert statements.together(sql) is None
