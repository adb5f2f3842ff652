# SPDX-License-Identifier: EUPL-1.2
"""The running clock, as people hear it: mails in a real mail server's inbox: from whom, to whom, when."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from schakel.message import Answer, Contact
from schakel.records import RequestQuery
from tests.integration.stage import JSON, START, Stage, household, open_stage, thv
from tests.support import canaries as plants
from tests.support.canaries import Garden, found
from tests.support.inbox import Inbox, Mail, open_inbox

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
LOCAL = ZoneInfo("Europe/Amsterdam")
CONTACT = Contact(name="Fictief de Tester", phone="070 0000000")
COORDINATOR = "coordinator@schakel-haaglanden.example"
ANSWER, ORDER = "deadline:answer", "deadline:order-without-plan"


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    with open_inbox() as opened:
        yield opened


@pytest.fixture
async def stage(tmp_path: Path, inbox: Inbox) -> AsyncIterator[Stage]:
    opened = open_stage(tmp_path, mail_port=inbox.port)
    async with opened.hub:
        yield opened
        assert await opened.holes() == []


async def until(stage: Stage, inbox: Inbox, end: datetime, every: timedelta, cause: str) -> list[tuple[datetime, Mail]]:
    """The clock ticks on, and each mail of the cause comes with the moment of the tick that sent it."""
    came: list[tuple[datetime, Mail]] = []
    while stage.clock.now() < end:
        now = stage.clock.forward(min(every, end - stage.clock.now()))
        await stage.hub.clockwork.run_once(now)
        came += [(now, mail) for mail in inbox.take(cause)]
    return came


async def request_of(stage: Stage, partner: str) -> str:
    """The answer reference of its only request."""
    requests = (await stage.hub.involvement.own(stage.partner(partner), RequestQuery(), limit=9)).requests
    (own,) = requests
    return own.request.reference


async def say(stage: Stage, partner: str, word: str, reference: str = "") -> None:
    answer = Answer(reference=reference or await request_of(stage, partner), answer=word, contact=CONTACT)
    await stage.hub.involvement.answer(stage.partner(partner), answer, now=stage.clock.now())


def first_line(mail: Mail) -> str:
    return mail.text.partition("\n")[0]


# -- a crisis that nobody answers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("delivered", [True, False])
async def test_a_crisis_is_reminded_of_twice_and_then_goes_up_the_ladder(
    stage: Stage, inbox: Inbox, delivered: bool
) -> None:
    """Fifteen minutes from accept, delivered or not; then the second contact, the team's coordinator, the region's."""
    garden = Garden()
    await stage.send("thv-pool", json.dumps(plants.thv(garden, municipality="0518")).encode())
    if delivered:
        assert await stage.hub.dispatch.run_once() == 2
    came = await until(stage, inbox, START + 36 * MINUTE, MINUTE, ANSWER)
    assert [(now - START, *mail.to) for now, mail in came] == [
        (5 * MINUTE, "dienst@vvt.example"),
        (10 * MINUTE, "dienst@vvt.example"),
        (15 * MINUTE, "tweede@vvt.example"),
        (20 * MINUTE, "teamcoordinator@vvt.example"),
        (25 * MINUTE, COORDINATOR),
        (30 * MINUTE, COORDINATOR),  # the last step again, until somebody acts
        (35 * MINUTE, COORDINATOR),
    ]
    assert (
        {mail.sender for _, mail in came}
        == {str(mail.message["From"]) for _, mail in came}
        == {stage.hub.settings.mail_from}
    )
    assert [(mail.dated, mail.times) for _, mail in came] == [(now, count) for count, (now, _) in enumerate(came, 1)]
    assert [first_line(mail).partition(":")[0] for _, mail in came] == ["Herinnering"] * 2 + ["Te laat"] * 5
    for _, mail in came:
        assert "Veilig Verder Team Den Haag (lead), antwoord op het verzoek" in first_line(mail)
        assert "21-11-2026 11:15" in first_line(mail)  # in the Netherlands
        assert found(garden.planted.values(), mail.raw, disguised=True) == []


async def test_every_mail_of_a_day_of_silence_is_free_of_what_the_source_said(stage: Stage, inbox: Inbox) -> None:
    garden = Garden()
    await stage.send("thv-pool", json.dumps(plants.thv(garden, municipality="0518")).encode())
    seen = await until(stage, inbox, START + 3 * DAY, HOUR, "")
    causes = {mail.cause for _, mail in seen}
    assert {ANSWER, "delivery-overdue"} <= causes
    assert [mail for _, mail in seen if found(garden.planted.values(), mail.raw, disguised=True)] == []


async def test_the_ladder_stops_when_somebody_answers(stage: Stage, inbox: Inbox) -> None:
    await stage.send("thv-pool", thv("den-haag-eerste-thv"))
    assert await stage.hub.dispatch.run_once() == 2
    came = await until(stage, inbox, START + 21 * MINUTE, MINUTE, ANSWER)
    assert len(came) == 4
    await say(stage, "vvt", "confirmed")
    assert [alarm.acknowledged_by for alarm in await stage.hub.store.alarms() if alarm.cause == ANSWER] == ["hub"]
    assert await until(stage, inbox, START + 2 * HOUR, MINUTE, ANSWER) == []


async def test_receiving_by_a_machine_stops_nothing(stage: Stage, inbox: Inbox) -> None:
    await stage.send("thv-pool", thv("den-haag-eerste-thv"))
    await stage.hub.dispatch.run_once()
    await say(stage, "vvt", "received")
    assert len(await until(stage, inbox, START + 16 * MINUTE, MINUTE, ANSWER)) == 3


async def test_considering_has_a_clock_of_its_own(stage: Stage, inbox: Inbox) -> None:
    """The team's own check takes half an hour at most in a crisis, with a reminder halfway."""
    await stage.send("thv-pool", thv("den-haag-eerste-thv"))
    await stage.hub.dispatch.run_once()
    stage.clock.forward(MINUTE)
    await say(stage, "vvt", "in-consideration")
    came = await until(stage, inbox, START + 32 * MINUTE, MINUTE, "")
    assert [(now - START, mail.cause, *mail.to) for now, mail in came if "vvt" in mail.to[0]] == [
        (16 * MINUTE, "deadline:check", "dienst@vvt.example"),
        (31 * MINUTE, "deadline:check", "tweede@vvt.example"),
    ]


async def test_nobody_reached_is_tried_again_and_the_step_is_not_lost(stage: Stage, inbox: Inbox) -> None:
    await stage.send("thv-pool", thv("den-haag-eerste-thv"))
    port, broken = inbox.port, stage.hub.clockwork._ringing._senders["smtp"]
    broken._settings = stage.hub.settings.model_copy(update={"smtp_port": 1})
    tick = await stage.hub.clockwork.run_once(stage.clock.forward(5 * MINUTE))
    assert (tick.reminded, tick.reached) == (1, 0)
    assert (await stage.hub.store.health()).alarms is not None
    broken._settings = stage.hub.settings.model_copy(update={"smtp_port": port})
    came = await until(stage, inbox, START + 6 * MINUTE, MINUTE / 2, ANSWER)
    assert [(mail.to, mail.times) for _, mail in came] == [(("dienst@vvt.example",), 1)]
    assert (await stage.hub.store.health()).alarms is None


# -- office hours ------------------------------------------------------------------------------------------------------


async def test_friday_five_to_five_the_duo_has_until_monday_and_the_lead_until_ten_past(
    tmp_path: Path, inbox: Inbox
) -> None:
    friday = datetime(2026, 11, 20, 15, 55, tzinfo=UTC)
    stage = open_stage(tmp_path, mail_port=inbox.port, at=friday)
    async with stage.hub:
        await stage.send("thv-pool", household(1))
        await stage.hub.dispatch.run_once()
        came = await until(stage, inbox, friday + 4 * DAY, 5 * MINUTE, ANSWER)
    duo = [(f"{now.astimezone(LOCAL):%a %H:%M}", mail.to[0]) for now, mail in came if "Lokaal team" in mail.text]
    assert duo[:5] == [
        ("Mon 10:25", "dienst@lokaal-team-den-haag.example"),
        ("Mon 12:25", "tweede@lokaal-team-den-haag.example"),
        ("Mon 13:25", "teamcoordinator@lokaal-team-den-haag.example"),
        ("Mon 14:25", COORDINATOR),
        ("Mon 16:25", COORDINATOR),  # every two hours of the office
    ]
    lead = [(f"{now.astimezone(LOCAL):%a %H:%M}", mail.to[0]) for now, mail in came if "Veilig Verder" in mail.text]
    assert lead[2] == ("Fri 17:10", "tweede@vvt.example")


# -- a hub that was down -----------------------------------------------------------------------------------------------


async def test_a_hub_that_was_down_three_days_tells_each_cause_once_with_a_count(stage: Stage, inbox: Inbox) -> None:
    for number in range(6):
        await stage.send("thv-pool", household(number))
        stage.clock.forward(MINUTE)
    assert await stage.hub.dispatch.run_once() == 12
    back = stage.clock.forward(3 * DAY)  # to Tuesday: the duos' office hours have passed too
    await stage.hub.clockwork.run_once(back)
    mails = inbox.take()
    (one,) = [mail for mail in mails if mail.cause == ANSWER]
    assert one.to == (COORDINATOR,)
    alarms = [alarm for alarm in await stage.hub.store.alarms() if alarm.cause == ANSWER]
    assert len(alarms) == 12
    assert one.times == sum(alarm.count for alarm in alarms) > 6 * 3 * 24 * 12  # every five minutes, three days long
    assert first_line(one) == "Het zijn er 12, de langst wachtende eerst."
    listed = [line for line in one.text.splitlines() if line.startswith("- Te laat")]
    dates = [line.partition("de termijn was ")[2][:16] for line in listed]
    assert len(listed) == 12
    assert dates == sorted(dates)
    assert len(mails) <= len({mail.cause for mail in mails}) * 2
    came = await until(stage, inbox, back + 5 * MINUTE, MINUTE / 2, ANSWER)
    assert len({mail.text for _, mail in came}) == len(came) == 6  # each lead's next step, once; the duos' comes later


async def test_a_single_case_after_three_days_says_its_last_step_and_how_many_there_were(
    stage: Stage, inbox: Inbox
) -> None:
    await stage.send("thv-pool", household(1))
    await stage.hub.dispatch.run_once()
    await stage.hub.clockwork.run_once(stage.clock.forward(90 * MINUTE))
    (mail,) = inbox.take(ANSWER)
    assert (mail.to, mail.times) == ((COORDINATOR,), 2 + 3 + 13)  # reminders, ladder, and again every five minutes
    assert first_line(mail).startswith("Te laat: Veilig Verder Team Den Haag")


# -- a restraining order -----------------------------------------------------------------------------------------------


def imposed(at: datetime, **order: Any) -> bytes:
    document = json.loads(household(1))
    document["huisverbod"] |= {"opgelegdOp": at.isoformat(), **order}
    document["huisverbod"].pop("eindigtOp", None)
    return json.dumps(document).encode()


async def test_an_order_about_to_end_without_a_plan_is_told_before_and_after(stage: Stage, inbox: Inbox) -> None:
    """Ten days from imposition; reminders 72 and 48 hours before the end, the ladder from a day before it."""
    await stage.send("thv-pool", imposed(START))
    await stage.hub.dispatch.run_once()
    await say(stage, "vvt", "confirmed")
    came = await until(stage, inbox, START + 10 * DAY, HOUR, ORDER)
    end = START + 10 * DAY
    assert [(end - now, mail.to[0]) for now, mail in came][:4] == [
        (72 * HOUR, "dienst@vvt.example"),
        (48 * HOUR, "dienst@vvt.example"),
        (24 * HOUR, "teamcoordinator@vvt.example"),
        (20 * HOUR, COORDINATOR),
    ]
    for _, mail in came:
        assert "Het huisverbod eindigt op 01-12-2026 11:00 en er is nog geen plan." in mail.text
        assert "The restraining order ends on 01-12-2026 11:00 and there is no plan yet." in mail.text


async def test_a_withdrawn_order_stops_its_clock(stage: Stage, inbox: Inbox) -> None:
    await stage.send("thv-pool", imposed(START))
    await stage.hub.dispatch.run_once()
    await say(stage, "vvt", "confirmed")
    assert len(await until(stage, inbox, START + 8 * DAY, HOUR, ORDER)) == 2
    withdrawn = json.loads(imposed(START, status="ingetrokken"))
    withdrawn |= {"kenmerk": "T-1-intrekking", "soort": "intrekking"}
    receipt = await stage.send("thv-pool", json.dumps(withdrawn).encode(), JSON)
    assert receipt.state == "routed"
    assert await until(stage, inbox, START + 11 * DAY, HOUR, ORDER) == []
    case = await stage.hub.store.ledger("", receipt.message_id)
    assert case is not None
    assert case.order_end is None
    assert ORDER not in {alarm.cause for alarm in await stage.hub.store.alarms() if alarm.acknowledged_by is None}


async def test_an_extended_order_is_told_of_before_its_new_end_only(stage: Stage, inbox: Inbox) -> None:
    """At most 28 days from imposition (Wth art. 9(1))."""
    await stage.send("thv-pool", imposed(START))
    await stage.hub.dispatch.run_once()
    await say(stage, "vvt", "confirmed")
    stage.clock.forward(DAY)
    end = START + 28 * DAY
    longer = json.loads(imposed(START, status="verlengd", verlengdTot=end.isoformat()))
    await stage.send("thv-pool", json.dumps(longer | {"kenmerk": "T-1-verlenging", "soort": "wijziging"}).encode())
    came = await until(stage, inbox, end, HOUR, ORDER)
    assert [end - now for now, _ in came][:3] == [72 * HOUR, 48 * HOUR, 24 * HOUR]


async def test_the_same_order_from_another_message_does_not_start_its_clock_anew(stage: Stage, inbox: Inbox) -> None:
    await stage.send("thv-pool", imposed(START))
    await stage.hub.dispatch.run_once()
    await say(stage, "vvt", "confirmed")
    assert len(await until(stage, inbox, START + 7 * DAY, HOUR, ORDER)) == 1
    again = json.loads(imposed(START)) | {"kenmerk": "T-1-aanvulling", "soort": "wijziging"}
    await stage.send("thv-pool", json.dumps(again).encode())
    assert len(await until(stage, inbox, START + 8 * DAY + HOUR, HOUR, ORDER)) == 1


async def test_a_plan_ends_the_clock_of_the_order(stage: Stage, inbox: Inbox) -> None:
    receipt = await stage.send("thv-pool", imposed(START))
    await stage.hub.dispatch.run_once()
    await say(stage, "vvt", "confirmed")
    await stage.hub.acting.act(
        "milestone",
        actor="operator:Jo",
        reference=receipt.message_id,
        fields={"event": "plan-made", "reason": "gebeld"},
        now=stage.clock.forward(DAY),
    )
    assert await until(stage, inbox, START + 11 * DAY, HOUR, ORDER) == []
    again = json.loads(imposed(START)) | {"kenmerk": "T-1-aanvulling", "soort": "wijziging"}
    await stage.send("thv-pool", json.dumps(again).encode())
    case = await stage.hub.store.ledger("", receipt.message_id)
    assert case is not None
    assert "order-without-plan" not in {one.kind for one in case.deadlines}
