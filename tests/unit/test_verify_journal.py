# SPDX-License-Identifier: EUPL-1.2
"""What recipients wrote down against what the hub says it delivered."""

from __future__ import annotations

from pathlib import Path

import pytest

from schakel.errors import ConfigurationError
from schakel.store.database import create_database
from schakel.store.sqlite import open_sqlite
from schakel.verify import verify
from schakel.verify_journal import read_journal
from tests.conformance.store_cases import CAUSES, NOW, TIMES, Decider, TestSigner, accept_one, deliver_all

LEAD, DUO = "vvt", "lokaal-team-den-haag"


async def test_what_is_on_one_side_only_is_named(tmp_path: Path) -> None:
    path = tmp_path / "schakel.sqlite"
    create_database(path)
    store = open_sqlite(path, causes=CAUSES, alarm_times=TIMES, signer=TestSigner())
    try:
        await accept_one(store, Decider(lead=LEAD, duo=DUO))
        has = {one.recipient: one.id for one in await deliver_all(store)}
        await accept_one(store, Decider(lead=LEAD, duo=DUO))  # waits: nobody has it, and nobody says so
        await store.link_audit(now=NOW, limit=999)
    finally:
        await store.aclose()

    def holes(**journals: set[str]) -> list[tuple[str, str]]:
        ids = {LEAD: frozenset(journals.get("lead", {has[LEAD]})), DUO: frozenset(journals.get("duo", {has[DUO]}))}
        report = verify(f"sqlite:///{path}", now=NOW, journals=ids)
        return [(hole.rule, hole.object) for hole in report.holes]

    assert holes() == []
    assert holes(lead=set()) == [("journal:missing", f"{LEAD} {has[LEAD]}")]
    assert holes(duo={has[DUO], "of-a-later-day"}) == [("journal:unknown", f"{DUO} of-a-later-day")]
    assert holes(lead={has[DUO]}) == [
        ("journal:unknown", f"{LEAD} {has[DUO]}"),
        ("journal:missing", f"{LEAD} {has[LEAD]}"),
    ]


def test_a_journal_is_one_object_a_line_with_an_id(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_text('{"id": "a", "more": 1}\n\n{"id": "b"}\n', encoding="utf-8")
    assert read_journal(path) == {"a", "b"}


@pytest.mark.parametrize("text", ["{", '{"no": "id"}', '["id"]', '{"id": 7}', '"id"'])
def test_anything_else_is_refused_without_a_word_of_it(tmp_path: Path, text: str) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_text(f'{{"id": "a"}}\n{text}\n', encoding="utf-8")
    with pytest.raises(ConfigurationError) as refused:
        read_journal(path)
    (finding,) = refused.value.findings
    assert (finding.rule, finding.place) == ("journal:format", str(path))


def test_a_journal_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        read_journal(tmp_path / "absent")
