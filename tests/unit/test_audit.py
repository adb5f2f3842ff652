# SPDX-License-Identifier: EUPL-1.2
"""The hash chain: whoever changes, removes, inserts or swaps a row is found, whatever he rehashes behind it."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from schakel.audit import GENESIS, AuditRow, LinkedRow, broken_links, canonical, checkpoint_message, fields, link

TEXT = st.text(max_size=12)
ROWS = st.lists(st.tuples(TEXT, TEXT, TEXT, TEXT, TEXT), min_size=3, max_size=9).map(
    lambda texts: [AuditRow(number, *text) for number, text in enumerate(texts, start=1)]
)


def chain(rows: list[AuditRow]) -> list[LinkedRow]:
    return [LinkedRow(row, made.position, made.hash) for row, made in zip(rows, link(rows), strict=True)]


@given(rows=ROWS)
def test_a_whole_chain_has_no_broken_link(rows: list[AuditRow]) -> None:
    assert broken_links(chain(rows)) == []


@given(rows=ROWS, data=st.data())
def test_linking_in_batches_gives_the_same_chain(rows: list[AuditRow], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(rows)))
    first = link(rows[:cut])
    previous = first[-1].hash if first else GENESIS
    assert first + link(rows[cut:], previous=previous, position=cut) == link(rows)


@given(rows=ROWS, data=st.data(), field=st.sampled_from(["at", "actor", "action", "object", "detail"]))
def test_a_changed_field_breaks_its_link_and_no_other(rows: list[AuditRow], data: st.DataObject, field: str) -> None:
    linked = chain(rows)
    place = data.draw(st.integers(0, len(rows) - 1))
    row = linked[place].row
    linked[place] = replace(linked[place], row=replace(row, **{field: getattr(row, field) + "x"}))
    assert broken_links(linked) == [place + 1]


@given(rows=ROWS, data=st.data())
def test_a_removed_row_is_found(rows: list[AuditRow], data: st.DataObject) -> None:
    linked = chain(rows)
    place = data.draw(st.integers(0, len(rows) - 2))  # the last one is the checkpoint's to find
    del linked[place]
    assert place + 2 in broken_links(linked)


@given(rows=ROWS)
def test_swapped_rows_are_found(rows: list[AuditRow]) -> None:
    linked = chain(rows)
    one, two, *rest = linked
    assert broken_links([replace(one, row=two.row), replace(two, row=one.row), *rest])


@given(rows=ROWS)
def test_a_chain_made_anew_has_another_head(rows: list[AuditRow]) -> None:
    """Nothing in the chain itself is broken then: the signed checkpoint tells."""
    anew = chain([replace(rows[0], actor=rows[0].actor + "x"), *rows[1:]])
    assert broken_links(anew) == []
    assert anew[-1].hash != chain(rows)[-1].hash


@given(first=st.lists(st.binary(max_size=5), max_size=5), second=st.lists(st.binary(max_size=5), max_size=5))
def test_two_lists_of_fields_never_give_the_same_bytes(first: list[bytes], second: list[bytes]) -> None:
    assert (fields(*first) == fields(*second)) is (first == second)


def test_text_does_not_flow_between_fields() -> None:
    row = AuditRow(1, "t", "ab", "c", "o", "d")
    assert canonical(row) != canonical(replace(row, actor="a", action="bc"))


def test_a_checkpoint_names_position_hash_and_time() -> None:
    message = checkpoint_message(7, b"h" * 32, "2026-11-21T09:30:00.000000Z")
    others = [
        checkpoint_message(8, b"h" * 32, "2026-11-21T09:30:00.000000Z"),
        checkpoint_message(7, b"i" * 32, "2026-11-21T09:30:00.000000Z"),
        checkpoint_message(7, b"h" * 32, "2026-11-21T09:30:01.000000Z"),
    ]
    assert message not in others
