# SPDX-License-Identifier: EUPL-1.2
"""The accountant finds every hole that is dug by hand in a database where everything happened, and names it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import apsw
import pytest

from schakel.errors import ConfigurationError
from schakel.records import DeliveryOutcome
from schakel.store.database import create_database
from schakel.store.sqlite import SqliteStore, open_sqlite
from schakel.vault import CheckpointKey
from schakel.verify import VerifyReport, verify_sqlite
from tests.conformance.store_cases import (
    CAUSES,
    NOW,
    SECOND,
    TIMES,
    Decider,
    accept_one,
    answer,
    arrival,
    claim_one,
    decide_answer,
    deliver_all,
    rendered,
    replacement,
)

KEY = CheckpointKey(bytes(range(32)), "audit-test")
LATER = NOW + SECOND


async def live_through_everything(store: SqliteStore) -> None:
    """Delivered, superseded, dropped, parked, released, answered, waiting: all of it well."""
    await accept_one(store, Decider(), arrival(household="one"))
    lead = next(one for one in await deliver_all(store) if one.role == "lead")
    assert lead.request_reference is not None
    await store.answer_many([answer("vvt", lead.request_reference)], decide_answer)
    await accept_one(store, Decider(), arrival(household="one"))
    claimed = await claim_one(store)
    await store.keep_rendered([(claimed, rendered("open"))])
    new = replacement(claimed)
    await store.finish([DeliveryOutcome(claimed.id, claimed.token, "supersede", replacement=new)], now=NOW)
    await deliver_all(store)
    await accept_one(store, Decider(park="unknown-code"))
    (row,) = await store.parked()
    await store.settle_parked(row.id, "release", Decider().settle, by="Jo", reason="known", now=NOW)
    poison = await claim_one(store)
    await store.finish([DeliveryOutcome(poison.id, poison.token, "park", reason="cannot-render")], now=NOW)
    (row,) = await store.parked()
    await store.settle_parked(row.id, "drop", None, by="Jo", reason="beyond repair", now=NOW)
    await accept_one(store, Decider(lead="perspektief", duo="lokaal-team-delft"))
    await accept_one(store, Decider(park="no-municipality"))
    await store.due_alarms(now=NOW, limit=9)
    await store.link_audit(now=NOW, limit=1000)


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    path = tmp_path / "schakel.sqlite"
    create_database(path)
    store = open_sqlite(path, causes=CAUSES, alarm_times=TIMES, signer=KEY)
    await live_through_everything(store)
    await store.aclose()
    return path


def verified(path: Path, **how: object) -> VerifyReport:
    return verify_sqlite(path, **{"now": LATER, "check": KEY.check, **how})


def dig(path: Path, *statements: str) -> None:
    """By hand, with every guard of the database off."""
    connection = apsw.Connection(str(path))
    connection.execute(
        "PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON; PRAGMA recursive_triggers = OFF"
    )
    for (trigger,) in list(connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'")):
        connection.execute(f'DROP TRIGGER "{trigger}"')
    for statement in statements:
        connection.execute(statement)
        assert connection.changes() or statement.startswith("DROP"), statement
    connection.close()


async def test_nothing_is_wrong_and_the_counts_say_what_there_is(path: Path) -> None:
    report = verified(path)
    assert (report.ok, report.holes, report.lost) == (True, (), 0)
    counts = report.counts
    assert (counts["accepted"], counts["routed"], counts["parked"]) == (5, 4, 1)
    assert counts["decided"] == 8
    assert counts["delivered"] + counts["waiting"] + counts["held"] + counts["dropped"] == counts["decided"]
    assert (counts["delivered"], counts["dropped"], counts["superseded"]) == (4, 1, 1)
    assert (counts["lost"], counts["duplicated"], counts["misordered"], counts["numberGaps"]) == (0, 0, 0, 0)
    assert counts["auditUnlinked"] == 0


async def test_it_may_look_beside_the_running_hub_and_changes_nothing(path: Path) -> None:
    store = open_sqlite(path, causes=CAUSES, alarm_times=TIMES, signer=KEY)
    try:
        assert verified(path).ok
        await accept_one(store, Decider())
        assert verified(path).counts["accepted"] == 6
    finally:
        await store.aclose()


HOLES: dict[str, tuple[tuple[str, ...], set[str]]] = {
    "deleted delivery": (
        ("DELETE FROM delivery WHERE id = (SELECT min(id) FROM delivery WHERE state = 'delivered')",),
        {"delivery:lost", "number:gap", "history:no-object"},
    ),
    "deleted last delivery": (
        (
            "DELETE FROM delivery WHERE number = (SELECT max(number) FROM delivery WHERE recipient = 'perspektief')"
            " AND recipient = 'perspektief'",
        ),
        {"delivery:lost", "number:gap", "history:no-object"},
    ),
    "missing decision": (
        ("DELETE FROM routing_decision WHERE message_id = (SELECT min(message_id) FROM delivery)",),
        {"decision:missing"},
    ),
    "number gap": (
        ("UPDATE delivery SET number = number + 7 WHERE id = (SELECT max(id) FROM delivery WHERE recipient = 'vvt')",),
        {"number:gap"},
    ),
    "a notice of nothing": (
        ("UPDATE delivery SET occasion = 'lead-confirmed:x' WHERE id = (SELECT min(id) FROM delivery)",),
        {"notice:stray", "delivery:lost"},
    ),
    "counter ahead": (("UPDATE recipient SET last_number = 99 WHERE partner = 'vvt'",), {"number:gap"}),
    "impossible state": (
        ("UPDATE state_event SET to_state = 'vanished' WHERE event = 'deliver'",),
        {"history:impossible", "state:not-last-event"},
    ),
    "impossible move": (
        ("UPDATE state_event SET role = 'hub' WHERE event = 'deliver'",),
        {"history:impossible"},
    ),
    "disconnected history": (
        ("DELETE FROM state_event WHERE event = 'claim' AND machine = 'delivery'",),
        {"history:disconnected"},
    ),
    "state is not the last event's": (
        ("UPDATE delivery SET state = 'waiting' WHERE state = 'dropped'",),
        {"state:not-last-event"},
    ),
    "parked without alarm time": (
        ("UPDATE parked SET next_alarm_at = NULL WHERE state = 'open'",),
        {"parked:no-alarm"},
    ),
    "parked alarm overdue": (
        ("UPDATE parked SET next_alarm_at = '2026-11-20T00:00:00.000000Z' WHERE state = 'open'",),
        {"parked:alarm-overdue"},
    ),
    "message parked and nobody knows": (
        ("DELETE FROM parked WHERE state = 'open'",),
        {"message:parked-silently", "history:no-object"},
    ),
    "broken audit chain": (
        ("UPDATE audit SET actor = 'somebody-else' WHERE position = 3",),
        {"audit:broken-chain"},
    ),
    "audit row removed": (
        ("DELETE FROM audit WHERE position = 3",),
        {"audit:broken-chain", "audit:missing"},
    ),
    "end of the audit chain cut off": (
        ("DELETE FROM audit WHERE position = (SELECT max(position) FROM audit)",),
        {"audit:checkpoint-stray"},
    ),
    "checkpoint removed": (("DELETE FROM audit_checkpoint",), {"audit:checkpoint-missing"}),
    "forged checkpoint": (
        ("UPDATE audit_checkpoint SET signature = randomblob(64)",),
        {"audit:signature"},
    ),
    "event without audit row": (
        ("UPDATE audit SET action = 'delivery:other' WHERE action = 'delivery:deliver'",),
        {"audit:missing", "audit:broken-chain"},
    ),
    "missing request for the lead": (
        ("DELETE FROM answer", "DELETE FROM request WHERE role = 'lead' AND recipient = 'vvt'"),
        {"request:missing"},
    ),
    "request without a clock": (("UPDATE request SET due_at = NULL WHERE state = 'asked'",), {"request:no-clock"}),
    "deleted raw": (
        ("DELETE FROM raw_referral WHERE id = (SELECT min(id) FROM raw_referral)",),
        {"raw:missing", "database:reference"},
    ),
    "deleted message": (
        ("DELETE FROM message WHERE id = (SELECT min(id) FROM message)",),
        {"raw:without-message", "history:no-object"},
    ),
    "duplicate delivery": (
        (
            "DROP INDEX delivery_once",
            "UPDATE delivery SET supersedes = NULL WHERE supersedes IS NOT NULL",
            "UPDATE delivery SET state = 'delivered' WHERE state = 'superseded'",
        ),
        {"delivery:duplicate", "state:not-last-event"},
    ),
    "superseded by nothing": (
        ("DROP INDEX delivery_once", "UPDATE delivery SET supersedes = NULL WHERE supersedes IS NOT NULL"),
        {"delivery:no-successor"},
    ),
    "nobody sends it": (
        (
            "INSERT INTO state_event (machine, object_id, ordinal, from_state, event, role, to_state, at, actor)"
            " SELECT 'delivery', id, 2, 'waiting', 'claim', 'worker', 'sending', created_at, 'x'"
            " FROM delivery WHERE recipient = 'perspektief'",
            "UPDATE delivery SET state = 'sending', state_ordinal = 2 WHERE recipient = 'perspektief'",
        ),
        {"lane:no-lease", "audit:missing"},
    ),
    "lane removed": (("DELETE FROM lane",), {"lane:missing"}),
    "overtaken within a case": (
        (
            "UPDATE delivery SET number = -number",
            "UPDATE delivery SET number = 4 + number",
        ),
        {"order:overtaken"},
    ),
    "end date removed": (("UPDATE delivery SET erase_at = NULL",), {"erase:missing"}),
    "case removed": (("DELETE FROM case_file",), {"message:no-case", "database:reference"}),
    "a move that does not exist is allowed": (
        ("INSERT INTO allowed_move VALUES ('delivery', 'waiting', 'vanish', 'hub', 'gone')",),
        {"moves:foreign"},
    ),
}


@pytest.mark.parametrize("hole", HOLES)
async def test_a_hole_dug_by_hand_is_found_and_named(path: Path, hole: str) -> None:
    statements, rules = HOLES[hole]
    dig(path, *statements)
    report = verified(path)
    assert not report.ok
    assert rules <= set(report.found), report.found
    named = {found.rule: found for found in report.holes}
    assert all(named[rule].object and named[rule].nl and named[rule].en for rule in rules)


async def test_audit_rows_that_stay_unlinked_are_found(path: Path) -> None:
    store = open_sqlite(path, causes=CAUSES, alarm_times=TIMES, signer=KEY)
    await accept_one(store, Decider())
    await store.aclose()
    assert verified(path).ok
    report = verified(path, now=NOW + timedelta(minutes=2))
    assert "audit:unlinked" in report.found


async def test_what_is_overdue_for_erasure_is_counted(path: Path) -> None:
    assert verified(path).counts["eraseOverdue"] == 0
    assert verified(path, now=NOW + timedelta(days=2)).counts["eraseOverdue"] > 0


async def test_many_holes_of_one_rule_are_all_counted_and_a_hundred_named(path: Path) -> None:
    store = open_sqlite(path, causes=CAUSES, alarm_times=TIMES, signer=KEY)
    await store.accept_many([arrival() for _ in range(70)], Decider())
    await store.aclose()
    dig(path, "DELETE FROM lane")
    report = verified(path)
    assert report.found["lane:missing"] == 143
    assert len([hole for hole in report.holes if hole.rule == "lane:missing"]) == 100


async def test_the_report_is_json_for_machines(path: Path) -> None:
    dig(path, "DELETE FROM lane")
    told = verified(path).to_json()
    assert told["ok"] is False
    assert told["holes"][0]["rule"] == "lane:missing"
    assert told["counts"]["accepted"] == 5


def _absent(path: Path) -> Path:
    return path / "none.sqlite"


def _no_database(path: Path) -> Path:
    (path / "text.sqlite").write_text("this is text " * 100)
    return path / "text.sqlite"


def _other(path: Path) -> Path:
    apsw.Connection(str(path / "other.sqlite")).execute("CREATE TABLE t (x)")
    return path / "other.sqlite"


@pytest.mark.parametrize("make", [_absent, _no_database, _other])
def test_without_a_database_of_ours_it_says_so(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    with pytest.raises(ConfigurationError, match="database:absent"):
        verify_sqlite(make(tmp_path), now=NOW)
