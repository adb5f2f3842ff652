# SPDX-License-Identifier: EUPL-1.2
"""A household's whole stay in the hub: what was kept goes when its term is over, and the books stay well."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import apsw
import pytest

from schakel.errors import NotFound
from schakel.message import Answer, Contact
from tests.integration.stage import START, Stage, open_stage, reopen_stage, thv
from tests.support import canaries as plants
from tests.support.canaries import Garden, found

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
CONTACT = Contact(name="Fictief de Tester", phone="070 0000000")


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    opened = open_stage(tmp_path)
    async with opened.hub:
        yield opened
        assert await opened.holes() == []


async def tick(stage: Stage, length: timedelta) -> None:
    await stage.hub.clockwork.run_once(stage.clock.forward(length))


def rows(stage: Stage, sql: str) -> list[tuple[Any, ...]]:
    with apsw.Connection(str(stage.hub.settings.database_file), flags=apsw.SQLITE_OPEN_READONLY) as connection:
        return list(connection.execute(sql))


async def confirmed(stage: Stage, partner: str) -> str:
    """It confirms; its own reference of the case."""
    view = next(iter(stage.views()[partner]))
    answer = Answer(reference=view["request"]["reference"], answer="confirmed", contact=CONTACT)
    await stage.hub.involvement.answer(stage.partner(partner), answer, now=stage.clock.now())
    reference: str = view["case"]["reference"]
    return reference


async def say(stage: Stage, kind: str, reference: str, **fields: Any) -> None:
    await stage.hub.acting.act(
        kind, actor="operator:Jo", reference=reference, fields={"reason": "gebeld", **fields}, now=stage.clock.now()
    )


async def test_a_household_leaves_nothing_behind_but_what_was_decided(tmp_path: Path) -> None:
    garden, stage = Garden(), open_stage(tmp_path)
    receipt = await stage.send("thv-pool", json.dumps(plants.thv(garden, municipality="0518")).encode())
    await stage.hub.dispatch.run_once()
    reference = await confirmed(stage, "vvt")
    await confirmed(stage, "lokaal-team-den-haag")
    keys = [
        key for (key,) in rows(stage, "SELECT wrapped_key FROM raw_referral UNION SELECT wrapped_key FROM case_file")
    ]
    # -- a day after the last receipt: the bytes
    await tick(stage, DAY - MINUTE)
    assert rows(stage, "SELECT erased_at FROM raw_referral") == [(None,)]
    await tick(stage, HOUR)
    assert rows(stage, "SELECT count(*) FROM raw_referral WHERE wrapped_key IS NULL AND sealed IS NULL") == [(1,)]
    assert rows(stage, "SELECT count(*) FROM delivery WHERE rendered IS NOT NULL") == [(0,)]
    assert (await stage.hub.involvement.case_view(stage.partner("vvt"), reference, now=stage.clock.now()))["requests"]
    # -- the case closes; its follow-up is done; after its term the content and its key
    await say(stage, "milestone", receipt.message_id, event="plan-made")
    await say(stage, "close", receipt.message_id)
    await stage.hub.dispatch.run_once()
    await tick(stage, 30 * DAY)
    await say(stage, "milestone", receipt.message_id, event="evaluated")
    assert await stage.holes() == []
    await tick(stage, 90 * DAY)
    assert rows(stage, "SELECT count(*) FROM case_file WHERE wrapped_key IS NOT NULL OR secrecy IS NOT NULL") == [(0,)]
    with pytest.raises(NotFound):
        await stage.hub.involvement.case_view(stage.partner("vvt"), reference, now=stage.clock.now())
    with pytest.raises(NotFound):
        await say(stage, "note", receipt.message_id, note="te laat")
    assert await stage.holes() == []
    status = await stage.hub.involvement.status(stage.partner("thv-pool"), receipt.message_id)
    assert status["state"] == "routed"  # what was decided stays known
    # -- five years later the rest
    await tick(stage, 5 * 366 * DAY)
    assert await stage.holes() == []
    for table in ("case_file", "message", "request", "delivery", "matter", "ledger_entry", "deadline", "state_event"):
        assert rows(stage, f"SELECT count(*) FROM {table}") == [(0,)], table
    with pytest.raises(NotFound):
        await stage.hub.involvement.status(stage.partner("thv-pool"), receipt.message_id)
    assert rows(stage, "SELECT min(position) > 1 FROM audit WHERE position > 0") == [(1,)]
    # -- and in the file itself
    await stage.hub.aclose()
    data = b"".join(path.read_bytes() for path in stage.hub.settings.home.glob("schakel.sqlite*"))
    assert found(garden.planted.values(), data, disguised=True) == []
    assert [key for key in keys if key in data] == []
    again = reopen_stage(stage.hub.settings, stage.clock)
    async with again.hub:
        assert await again.holes() == []
        await again.send("thv-pool", thv("den-haag-eerste-thv"))
        await again.hub.dispatch.run_once()
        assert [one.number for one in await again.hub.store.mailbox("vvt", after=0, limit=9)] == [3]
        assert await again.holes() == []


async def test_a_case_that_nobody_follows_up_ends_too_after_everybody_was_told(stage: Stage) -> None:
    receipt = await stage.send("thv-pool", thv("den-haag-eerste-thv"))
    await stage.hub.dispatch.run_once()
    await confirmed(stage, "vvt")
    await confirmed(stage, "lokaal-team-den-haag")
    await say(stage, "close", receipt.message_id)
    await stage.hub.dispatch.run_once()
    stage.mail.told.clear()
    for _ in range(121):
        await tick(stage, DAY)
    told = [to for to, notice in stage.mail.told if notice.cause == "deadline:follow-up"]
    assert told == [
        "dienst@lokaal-team-den-haag.example",  # the reminder
        "dienst@lokaal-team-den-haag.example",
        "teamcoordinator@lokaal-team-den-haag.example",
        "coordinator@schakel-haaglanden.example",
    ]
    assert rows(stage, "SELECT count(*) FROM case_file WHERE wrapped_key IS NOT NULL") == [(0,)]
    assert rows(stage, "SELECT kind, ended_by FROM deadline WHERE event = 'closed'") == [("follow-up", "erased")]
    assert [one.acknowledged_by for one in await stage.hub.store.alarms() if one.cause == "deadline:follow-up"] == [
        "hub"
    ]


async def test_an_open_decision_keeps_the_bytes_it_needs(stage: Stage) -> None:
    await stage.send("thv-pool", thv("onbekende-code"))
    await tick(stage, 40 * DAY)
    (parked,) = await stage.hub.store.parked()
    assert (await stage.hub.store.overdue(now=stage.clock.now())).spared == 1
    assert rows(stage, "SELECT erased_at FROM raw_referral") == [(None,)]
    await stage.hub.intake.drop(parked.id, by="Jo", reason="onleesbaar", now=stage.clock.now())
    await tick(stage, HOUR)
    assert rows(stage, "SELECT count(*) FROM raw_referral WHERE sealed IS NOT NULL") == [(0,)]


async def test_the_clock_looks_every_hour(stage: Stage) -> None:
    """Not every second: whoever hands something in does not wait for it."""
    stage.clock.at = START
    await stage.hub.clockwork.run_once(START)
    await stage.send("thv-pool", thv("onbekende-code"))
    (parked,) = await stage.hub.store.parked()
    await stage.hub.intake.drop(parked.id, by="Jo", reason="onleesbaar", now=START)
    await tick(stage, 24 * HOUR)  # due to the minute
    assert rows(stage, "SELECT count(*) FROM raw_referral WHERE sealed IS NULL") == [(1,)]
    stage.clock.at = START + 24 * HOUR
    await stage.send("thv-pool", thv("onbekende-code", kenmerk="T-2"))
    (parked,) = await stage.hub.store.parked()
    await stage.hub.intake.drop(parked.id, by="Jo", reason="onleesbaar", now=stage.clock.now())
    for minutes in (24 * 60 - 1, 1, 58):  # the last look was at a whole day and 59 minutes before
        await tick(stage, minutes * MINUTE)
    assert rows(stage, "SELECT count(*) FROM raw_referral WHERE sealed IS NULL") == [(1,)]
    await tick(stage, MINUTE)
    assert rows(stage, "SELECT count(*) FROM raw_referral WHERE sealed IS NULL") == [(2,)]
