# SPDX-License-Identifier: EUPL-1.2
"""Messages that come twenty times at once, in the wrong order, or that kill whoever opens them: the others go on."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from schakel.errors import PoisonDelivery
from schakel.failpoints import Failpoint
from schakel.message import Answer, Contact
from schakel.ports import Parcel
from schakel.records import RequestQuery
from tests.integration.stage import Stage, household, open_stage
from tests.support.hub import LEASE, Home, Process, open_home, until
from tests.support.messages import hidden, referral

TWENTY = 20
CRASHES = 3  # of a delivery that is claimed alone, and a person has it
ASIDE = "SELECT count(*) FROM parked WHERE state = 'open' AND cause = 'poison-delivery'"
CONTACT = Contact(name="Fictief de Tester", phone="070 0000000")


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    opened = open_stage(tmp_path)
    async with opened.hub:
        yield opened
        assert await opened.holes() == []


# -- poison


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.fault("poison message: opening it kills the worker")
async def test_a_message_that_kills_the_worker_is_set_aside_and_all_others_arrive(tmp_path: Path) -> None:
    async with open_home(tmp_path) as home:
        home.poison = "Verzonnen-2"
        process = await home.start(failpoint=Failpoint.INTAKE_AFTER_ACCEPT)
        await asyncio.gather(*(process.hand_in(referral(n)) for n in range(1, 5)))
        assert await process.died() == -signal.SIGKILL
        deaths = 0
        while True:
            process = await home.start()
            said = await asyncio.gather(*(process.hand_in(referral(n)) for n in range(1, 5)))
            if await parked_or_dead(home, process):
                break
            deaths += 1
            assert deaths <= 2 * CRASHES, home.log()
            home.later += LEASE
        assert 0 < deaths <= 1 + 2 * (CRASHES - 1)  # together once, then each of the two alone
        kept = [one for one in said if one is not None]
        assert len(kept) == 4
        await home.until("SELECT count(*) FROM delivery WHERE state IN ('waiting', 'sending')")
        poisoned = kept[1].body["id"]
        assert {one for one in home.promised(kept) if one[1] != poisoned} == home.arrived()
        await until(lambda: sum("poison-delivery" in one for one in home.recipients.alarms) >= 1, "nobody is told")
        assert home.recipients.faults() == []

        await process.end()
        home.poison = ""  # the fault is mended; a person sends it on
        for row in await home.json("parked", "list"):
            assert (await home.run("parked", "retry", row["id"], "--by", "A. de Tester", "--reason", "hersteld"))[
                0
            ] == 0
        process = await home.start()
        await home.drained(process)
        assert home.promised(kept) == home.arrived()
        await home.until("SELECT count(*) FROM audit WHERE position IS NULL")
        await process.end()
        assert (await home.json("verify"))["counts"]["lost"] == 0


async def parked_or_dead(home: Home, process: Process) -> bool:
    """Until both deliveries of the poison are with a person (True) or the process has died of one (False)."""
    await until(
        lambda: process.child.returncode is not None or home.count(ASIDE) == 2, "neither parked nor dead", home.log
    )
    if process.child.returncode is None:
        return True
    assert process.child.returncode == -signal.SIGKILL
    return False


@pytest.mark.fault("poison message: it can never be written for its recipient")
async def test_a_message_that_cannot_be_written_is_set_aside_with_an_alarm_and_blocks_nobody(stage: Stage) -> None:
    def refuses(parcel: Parcel) -> None:
        if parcel.delivery_id in poisoned:
            raise PoisonDelivery("cannot-be-rendered")

    poisoned: set[str] = set()
    stage.webhook.on_send = refuses
    first = await stage.send("thv-pool", household(1))
    waiting = await stage.hub.store.claim(now=stage.clock.now(), limit=9)
    poisoned |= {one.id for one in waiting}
    for one in waiting:
        await stage.hub.dispatch._deliver(one)
    await stage.send("thv-pool", later(household(1)))  # the same case: behind it in its lane
    await stage.send("thv-pool", household(2))
    await stage.hub.dispatch.run_once()
    sent = [parcel for parcel in stage.webhook.sent if parcel.delivery_id not in poisoned]
    assert len(sent) == 4
    assert sorted(json.loads(parcel.content).get("held", 0) for parcel in sent) == [0, 0, 1, 1]  # the next one says so
    aside = await stage.hub.store.parked()
    assert {row.message_id for row in aside} == {first.message_id}
    assert len(aside) == 2
    await stage.hub.clockwork.run_once(stage.clock.now())
    assert "poison-delivery" in {notice.cause for _, notice in stage.mail.told}


def later(body: bytes) -> bytes:
    document = json.loads(body)
    return json.dumps(document | {"kenmerk": f"{document['kenmerk']}-2", "soort": "wijziging"}).encode()


# -- twenty at once


@pytest.mark.slow
@pytest.mark.fault("the same message twenty times at once, also around a kill")
async def test_twenty_of_the_same_at_once_are_one_message_before_and_after_a_kill(tmp_path: Path) -> None:
    async with open_home(tmp_path) as home:
        process = await home.start(failpoint=Failpoint.INTAKE_AFTER_ACCEPT)
        cut_off = await asyncio.gather(*(process.hand_in(referral(1)) for _ in range(TWENTY)))
        assert cut_off == [None] * TWENTY
        assert await process.died() == -signal.SIGKILL

        process = await home.start()
        said = await asyncio.gather(*(process.hand_in(referral(n)) for n in (1, 2) for _ in range(TWENTY)))
        kept = [one for one in said if one is not None and one.accepted]
        assert len(kept) == 2 * TWENTY
        assert len({one.body["id"] for one in kept}) == home.count("SELECT count(*) FROM message") == 2
        assert sum(not one.body["duplicate"] for one in kept) == 1  # the first was kept before the kill
        await home.drained(process)
        assert home.promised(kept) == home.arrived()
        assert len(home.arrived()) == home.count("SELECT count(*) FROM delivery") == 4
        assert home.recipients.faults() == []
        await process.end()


# -- in the wrong order


@pytest.mark.fault("updates in the wrong order")
async def test_an_update_that_overtakes_its_first_message_hides_in_both(tmp_path: Path) -> None:
    """An address that the update calls secret does not go out with the older message that comes after it."""
    seen: dict[str, bool] = {}
    for name, bodies in {
        "control": [referral(1)],
        "reordered": [hidden(referral(1)), referral(1)],
    }.items():
        stage = open_stage(tmp_path / name)
        async with stage.hub:
            for message in bodies:
                await stage.send("thv-pool", message.body)
                await stage.hub.dispatch.run_once()
            views = stage.views()["lokaal-team-den-haag"]
            assert len(views) == len(bodies)
            seen[name] = any("Proefstraat 1" in json.dumps(view) for view in views)
            assert len({view["case"]["reference"] for view in views}) == 1
            assert await stage.holes() == []
    assert seen == {"control": True, "reordered": False}


@pytest.mark.fault("a confirmation comes before the receipt")
async def test_who_confirms_before_it_says_received_or_2xx_has_confirmed(stage: Stage) -> None:
    lead = stage.partner("vvt")

    async def answers(parcel: Parcel) -> None:
        if parcel.recipient == lead.id:  # a quick person: before the webhook has its answer
            await say("confirmed", json.loads(parcel.content)["request"]["reference"])

    async def say(word: str, reference: str) -> None:
        answer = Answer(reference=reference, answer=word, contact=CONTACT if word == "confirmed" else None)
        await stage.hub.involvement.answer(lead, answer, now=stage.clock.now())

    stage.webhook.on_send = answers
    await stage.send("thv-pool", household(1))
    await stage.hub.dispatch.run_once()
    (own,) = (await stage.hub.involvement.own(lead, RequestQuery(), limit=9)).requests
    await say("received", own.request.reference)
    (own,) = (await stage.hub.involvement.own(lead, RequestQuery(), limit=9)).requests
    assert own.request.state == "confirmed"
    assert (await stage.hub.store.backlog(now=stage.clock.now())).queues[0].waiting == 0
