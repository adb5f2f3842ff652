# SPDX-License-Identifier: EUPL-1.2
"""One message after another through the whole heart: real region, formats, mappings and vault, on a SQLite file and on
PostgreSQL with RabbitMQ."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from schakel.bootstrap import clear_broker
from schakel.errors import Conflict, NotFound, Refusal, TemporaryFailure, UnsupportedFormat
from schakel.message import Answer, Contact
from schakel.ports import Parcel, Receipt
from tests.integration.stage import FHIR, JSON, Stage, cit, household, open_stage, reopen_stage, thv

CONTACT = Contact(name="Fictief de Tester", phone="070 0000000")


@pytest.fixture
async def stage(tmp_path: Path, servers: dict[str, str]) -> AsyncIterator[Stage]:
    opened = open_stage(tmp_path, servers=servers)
    async with opened.hub:
        yield opened
        assert await opened.holes() == []
        await all_rung(opened)
    assert clear_broker(opened.hub)


async def all_rung(stage: Stage) -> None:
    """Every bell has reached the broker's server, where there is one."""
    async with asyncio.timeout(60):
        while (health := stage.hub.broker.health()).state not in ("embedded", "idle"):
            if health.waiting == health.unconfirmed == 0:
                break
            await asyncio.sleep(0.01)
    assert health.lost == 0


def delivered(receipt: Receipt) -> set[tuple[str, str]]:
    return {(one.recipient, one.role) for one in receipt.notices if one.outcome == "deliver"}


def with_secret(document: bytes) -> bytes:
    """The victim's address turns out to be secret."""
    changed = json.loads(document)
    changed["kenmerk"] += "-geheim"
    changed["soort"] = "wijziging"
    for person in changed["betrokkenen"]:
        if person["rol"] == "slachtoffer":
            person["geheimAdres"] = True
    return json.dumps(changed).encode()


# -- first messages ----------------------------------------------------------------------------------------------------


async def test_an_order_in_den_haag_reaches_the_vvt_and_the_local_team(stage: Stage) -> None:
    receipt = await stage.send("thv-pool", thv("den-haag-eerste-thv"))
    assert receipt.state == "routed"
    assert delivered(receipt) == {("Veilig Verder Team Den Haag", "lead"), ("Lokaal team Den Haag", "duo")}
    assert await stage.hub.dispatch.run_once() == 2
    views = stage.views()
    assert set(views) == {"vvt", "lokaal-team-den-haag"}
    assert views["vvt"][0]["request"]["role"] == "lead"
    assert views["vvt"][0]["case"]["municipality"]["code"] == "0518"
    assert {remark["rule"] for remark in views["vvt"][0]["remarks"]} >= {"first-order"}


async def test_each_recipient_has_its_own_reference_of_the_case_and_of_its_request(stage: Stage) -> None:
    await stage.send("thv-pool", thv("den-haag-eerste-thv"))
    await stage.hub.dispatch.run_once()
    (lead,), (duo,) = stage.views()["vvt"], stage.views()["lokaal-team-den-haag"]
    assert lead["case"]["reference"] != duo["case"]["reference"]
    assert lead["request"]["reference"] != duo["request"]["reference"]
    assert all(len(view["request"]["reference"]) == 26 for view in (lead, duo))


async def test_a_second_order_in_delft_reaches_perspektief_and_the_mailbox_of_the_local_team(stage: Stage) -> None:
    receipt = await stage.send("thv-pool", thv("delft-tweede-thv"))
    assert delivered(receipt) == {("Perspektief", "lead"), ("Lokaal team Delft", "duo")}
    await stage.hub.dispatch.run_once()
    assert stage.views()["perspektief"][0]["case"]["orderCount"] == 2
    entries = await stage.hub.store.mailbox("lokaal-team-delft", after=0, limit=10)
    assert [(entry.number, entry.state) for entry in entries] == [(1, "notified")]
    partner = stage.partner("lokaal-team-delft")
    content, media_type, digest = await stage.hub.mailbox.content(partner, 1)
    assert media_type.startswith("application/")
    assert hashlib.sha256(content).digest() == digest
    (sent,) = [parcel for parcel in stage.mailbox.sent if parcel.recipient == "lokaal-team-delft"]
    assert content == sent.content
    entries = await stage.hub.store.mailbox("lokaal-team-delft", after=0, limit=10)
    assert entries[0].state == "delivered"


async def test_a_mailbox_read_before_any_worker_renders_once_and_for_good(stage: Stage) -> None:
    await stage.send("thv-pool", thv("delft-tweede-thv"))
    partner = stage.partner("lokaal-team-delft")
    first = await stage.hub.mailbox.content(partner, 1)
    stage.clock.forward(timedelta(minutes=3))
    assert await stage.hub.mailbox.content(partner, 1) == first
    await stage.hub.dispatch.run_once()
    assert stage.mailbox.sent == []  # reading was receiving: nothing is left to send


async def test_what_is_not_this_partners_is_not_found(stage: Stage) -> None:
    await stage.send("thv-pool", thv("delft-tweede-thv"))
    with pytest.raises(NotFound):
        await stage.hub.mailbox.content(stage.partner("lokaal-team-westland"), 1)
    with pytest.raises(NotFound):
        await stage.hub.mailbox.content(stage.partner("lokaal-team-delft"), 2)


async def test_a_bell_wakes_the_dispatch_before_the_sweep(stage: Stage) -> None:
    stop = asyncio.Event()
    running = asyncio.create_task(stage.hub.dispatch.run(stop))
    arrived = asyncio.Event()
    stage.webhook.on_send = lambda parcel: arrived.set()
    await stage.hub.broker.listen(1, 0.01)  # the loop has had its first sweep by now
    await stage.send("thv-pool", thv("den-haag-eerste-thv"))
    await asyncio.wait_for(arrived.wait(), 1.5)
    stop.set()
    await asyncio.wait_for(running, 5)


# -- the same again, other, and more of it -----------------------------------------------------------------------------


async def test_a_duplicate_gets_the_first_answer_again_and_delivers_nothing(stage: Stage) -> None:
    first = await stage.send("thv-pool", thv("den-haag-eerste-thv"))
    await stage.hub.dispatch.run_once()
    again = await stage.send(
        "thv-pool", thv("den-haag-eerste-thv", verzondenOp="2026-11-21T11:00:00+01:00")
    )  # only the transport's time differs
    assert again.duplicate
    assert (again.message_id, again.notices) == (first.message_id, first.notices)
    assert await stage.hub.dispatch.run_once() == 0


async def test_the_same_reference_with_other_content_is_a_conflict_and_an_alarm(stage: Stage) -> None:
    await stage.send("thv-pool", thv("den-haag-eerste-thv"))
    with pytest.raises(Conflict):
        await stage.send("thv-pool", thv("den-haag-eerste-thv", vraag="Iets heel anders."))
    assert [alarm.cause for alarm in await stage.hub.store.alarms()] == ["reference-conflict"]


async def test_a_second_message_of_the_sources_case_is_an_update_to_the_same_team(stage: Stage) -> None:
    await stage.send("thv-pool", thv("den-haag-eerste-thv"))
    await stage.hub.dispatch.run_once()
    before = {name: views[0] for name, views in stage.views().items()}
    await stage.send("thv-pool", thv("den-haag-eerste-thv", kenmerk="THVP-2026-000101-B"))
    await stage.hub.dispatch.run_once()
    after = {name: views[1] for name, views in stage.views().items()}
    assert set(after) == {"vvt", "lokaal-team-den-haag"}
    for name, view in after.items():
        assert view["message"]["kind"] == "update"
        assert view["request"]["reference"] == before[name]["request"]["reference"]
        assert view["case"]["reference"] == before[name]["case"]["reference"]
    assert {parcel.event_type for parcel in stage.webhook.sent} == {
        "nl.schakel.case.referral.v1",
        "nl.schakel.case.update.v1",
    }


async def test_a_withdrawal_goes_to_the_team_that_has_the_case(stage: Stage) -> None:
    known = json.loads(thv("intrekking"))
    first = thv(
        "den-haag-eerste-thv", zaakkenmerk=known["zaakkenmerk"], kenmerk="THVP-EERST", huisverbod=known["huisverbod"]
    )
    await stage.send("thv-pool", first)
    receipt = await stage.send("thv-pool", thv("intrekking"))
    assert receipt.state == "routed"
    await stage.hub.dispatch.run_once()
    assert stage.webhook.sent[-1].event_type == "nl.schakel.case.withdrawal.v1"


async def test_a_withdrawal_of_what_nobody_has_is_parked(stage: Stage) -> None:
    receipt = await stage.send("thv-pool", thv("intrekking"))
    assert receipt.state == "parked"


async def test_whoever_waits_shares_a_commit_and_gets_his_own_outcome(stage: Stage) -> None:
    receipts = await asyncio.gather(*(stage.send("thv-pool", household(n)) for n in range(12)))
    assert len({receipt.message_id for receipt in receipts}) == 12
    entries = await stage.hub.store.mailbox("vvt", after=0, limit=50)
    assert [entry.number for entry in entries] == list(range(1, 13))


# -- what waits for a person -------------------------------------------------------------------------------------------


async def test_a_cit_referral_for_den_haag_waits_for_a_person_who_releases_it(stage: Stage) -> None:
    receipt = await stage.send("cit", cit("den-haag"), FHIR)
    assert (receipt.state, receipt.parked_cause) == ("parked", "human-decision")
    assert await stage.hub.dispatch.run_once() == 0
    source = stage.partner("cit")
    status = await stage.hub.involvement.status(source, receipt.message_id)
    assert status["parked"]["cause"] == "human-decision"
    (parked,) = await stage.hub.store.parked()
    tick = await stage.hub.clockwork.run_once(stage.clock.now())
    assert tick.reached == 1
    assert stage.mail.told[0][1].subject == parked.id
    await stage.hub.intake.release(parked.id, to=["vvt"], by="D. Coordinator", reason="overlegd", now=stage.clock.now())
    await stage.hub.dispatch.run_once()
    views = stage.views()
    assert set(views) == {"vvt", "lokaal-team-den-haag"}  # the parking suggested the local team as duo
    assert all("late" not in view for found in views.values() for view in found)
    for name, found in views.items():
        answer = Answer(reference=found[0]["request"]["reference"], answer="confirmed", contact=CONTACT)
        outcome = await stage.hub.involvement.answer(stage.partner(name), answer, now=stage.clock.now())
        assert (outcome.outcome, outcome.request_state) == ("recorded", "confirmed")
    status = await stage.hub.involvement.status(source, receipt.message_id)
    assert status["state"] == "routed"
    assert {(line["role"], line["state"]) for line in status["recipients"]} == {
        ("lead", "confirmed"),
        ("duo", "confirmed"),
    }
    assert "Fictief" not in json.dumps(status)
    assert await stage.hub.store.parked() == []


async def test_a_release_needs_a_lead_and_a_duo(stage: Stage) -> None:
    await stage.send("thv-pool", thv("intrekking"))  # nobody is suggested for it
    (parked,) = await stage.hub.store.parked()
    with pytest.raises(Refusal) as caught:
        await stage.hub.intake.release(parked.id, to=["vvt"], by="D", reason="r", now=stage.clock.now())
    assert caught.value.findings[0].rule == "release:lead-and-duo"
    assert len(await stage.hub.store.parked()) == 1


async def test_an_unknown_code_stays_parked_and_rings_again(stage: Stage) -> None:
    receipt = await stage.send("thv-pool", thv("onbekende-code"))
    assert (receipt.state, receipt.parked_cause) == ("parked", "unknown-code")
    (parked,) = await stage.hub.store.parked()
    assert parked.findings
    await stage.hub.clockwork.run_once(stage.clock.now())
    assert len(stage.mail.told) == 1
    await stage.hub.clockwork.run_once(stage.clock.forward(timedelta(minutes=1)))
    assert len(stage.mail.told) == 1
    await stage.hub.clockwork.run_once(stage.clock.forward(timedelta(minutes=15)))
    assert len(stage.mail.told) == 2
    again = await stage.hub.intake.retry(parked.id, by="D", reason="codelijst", now=stage.clock.now())
    assert again.parked_cause == "unknown-code"
    with pytest.raises(Refusal):
        await stage.hub.intake.release(parked.id, to=["vvt"], by="D", reason="r", now=stage.clock.now())
    dropped = await stage.hub.intake.drop(parked.id, by="D", reason="dubbel", now=stage.clock.now())
    assert dropped.state == "dropped"
    status = await stage.hub.involvement.status(stage.partner("thv-pool"), receipt.message_id)
    assert status["state"] == "dropped"


async def test_an_alarm_that_reaches_nobody_makes_the_hub_degraded(stage: Stage) -> None:
    await stage.send("thv-pool", thv("onbekende-code"))
    stage.mail.broken = True
    tick = await stage.hub.clockwork.run_once(stage.clock.now())
    assert tick.unreached == 1
    assert (await stage.hub.store.health()).alarms is not None
    stage.mail.broken = False
    await stage.hub.clockwork.run_once(stage.clock.forward(timedelta(minutes=1)))
    assert (await stage.hub.store.health()).alarms is None


async def test_a_match_with_anothers_case_is_not_told(stage: Stage, tmp_path: Path) -> None:
    """CIT for Den Haag waits for a person also when the household is the VVT's already: the reply is the same."""
    stranger = open_stage(tmp_path / "other")
    async with stranger.hub:
        unknown = await stranger.send("cit", cit("den-haag"), FHIR)
    document = json.loads(thv("den-haag-eerste-thv"))
    for person in document["betrokkenen"]:
        if person["rol"] in ("slachtoffer", "uithuisgeplaatste"):
            person["bsn"] = "999990044" if person["rol"] == "slachtoffer" else "999990056"
            person.pop("bsnStatus", None)
    await stage.send("thv-pool", json.dumps(document).encode())
    known = await stage.send("cit", cit("den-haag"), FHIR)
    assert (known.state, known.parked_cause, known.notices) == ("parked", "human-decision", unknown.notices)
    (parked,) = await stage.hub.store.parked()
    assert parked.case_id is not None
    record = await stage.hub.store.case_by_id(parked.case_id)
    assert record is not None
    assert {message.source for message in record.messages} == {"thv-pool", "cit"}  # it is the household's own case


# -- secrecy -----------------------------------------------------------------------------------------------------------


async def test_a_secret_address_told_later_makes_what_waits_stricter(stage: Stage) -> None:
    def away(parcel: Parcel) -> None:
        raise TemporaryFailure("unreachable")

    stage.webhook.on_send = away
    await stage.send("thv-pool", thv("den-haag-eerste-thv"))
    await stage.hub.dispatch.run_once()
    open_view = next(v for v in stage.webhook.sent if v.recipient == "lokaal-team-den-haag")
    assert b"Voorbeeldlaan" in open_view.content
    reference = json.loads(open_view.content)["request"]["reference"]
    stage.webhook.sent.clear()
    stage.webhook.on_send = None
    stage.clock.forward(timedelta(seconds=30))
    await stage.send("thv-pool", with_secret(thv("den-haag-eerste-thv")))
    await stage.hub.dispatch.run_once()
    sent = [parcel for parcel in stage.webhook.sent if parcel.recipient == "lokaal-team-den-haag"]
    assert len(sent) == 2
    assert all(b"Voorbeeldlaan" not in parcel.content for parcel in sent)
    assert open_view.delivery_id not in {parcel.delivery_id for parcel in sent}
    entries = await stage.hub.store.mailbox("lokaal-team-den-haag", after=0, limit=10)
    assert [entry.state for entry in entries] == ["superseded", "delivered", "delivered"]
    assert {json.loads(parcel.content)["request"]["reference"] for parcel in sent} == {reference}
    lead = [parcel for parcel in stage.webhook.sent if parcel.recipient == "vvt"]
    assert b"Voorbeeldlaan" in lead[0].content  # the lead may see where; its first bytes stay the same


# -- failing and dying -------------------------------------------------------------------------------------------------


async def test_a_recipient_that_does_not_take_it_is_tried_again_with_the_same_bytes(stage: Stage) -> None:
    def away(parcel: Parcel) -> None:
        raise TemporaryFailure("unreachable")

    stage.webhook.on_send = away
    await stage.send("thv-pool", thv("den-haag-eerste-thv"))
    await stage.hub.dispatch.run_once()
    first = {parcel.recipient: parcel for parcel in stage.webhook.sent}
    stage.webhook.on_send = None
    assert await stage.hub.dispatch.run_once() == 0  # not due yet
    stage.clock.forward(timedelta(seconds=10))
    assert await stage.hub.dispatch.run_once() == 2
    for parcel in stage.webhook.sent[2:]:
        assert parcel == first[parcel.recipient]


async def test_after_the_schedule_the_probe_goes_on_and_a_human_is_told(stage: Stage) -> None:
    def away(parcel: Parcel) -> None:
        raise TemporaryFailure("unreachable")

    stage.webhook.on_send = away
    await stage.send("thv-pool", thv("den-haag-eerste-thv"))
    for _ in range(len(stage.hub.region.deadlines.retry)):
        await stage.hub.dispatch.run_once()
        stage.clock.forward(timedelta(days=2))
    assert "delivery-failing" in {alarm.cause for alarm in await stage.hub.store.alarms()}
    stage.webhook.on_send = None
    assert await stage.hub.dispatch.run_once() >= 2
    entries = await stage.hub.store.mailbox("vvt", after=0, limit=10)
    assert [entry.state for entry in entries] == ["delivered"]


async def test_a_slow_recipient_holds_up_nobody_else(stage: Stage) -> None:
    gate, all_there = asyncio.Event(), asyncio.Event()
    count = 30
    quick: list[Parcel] = []

    async def slow(parcel: Parcel) -> None:
        if parcel.recipient == "vvt":
            await gate.wait()
            return
        quick.append(parcel)
        if len(quick) == count:
            all_there.set()

    stage.webhook.on_send = slow
    for n in range(count):
        await stage.send("thv-pool", household(n))
    working = asyncio.create_task(stage.hub.dispatch.run_once())
    await asyncio.wait_for(all_there.wait(), 10)
    held = await stage.hub.store.mailbox("vvt", after=0, limit=50)
    assert {entry.state for entry in held} <= {"sending", "waiting"}
    gate.set()
    await working
    ended = await stage.hub.store.mailbox("vvt", after=0, limit=50)
    assert [entry.state for entry in ended] == ["delivered"] * count


async def test_a_worker_that_dies_is_followed_by_another_with_the_same_bytes(stage: Stage) -> None:
    both_sent = asyncio.Event()

    async def hangs(parcel: Parcel) -> None:
        if len(stage.webhook.sent) == 2:
            both_sent.set()
        await asyncio.Event().wait()

    stage.webhook.on_send = hangs
    await stage.send("thv-pool", thv("den-haag-eerste-thv"))
    working = asyncio.create_task(stage.hub.dispatch.run_once())
    await asyncio.wait_for(both_sent.wait(), 10)
    working.cancel()
    await stage.hub.dispatch.aclose()
    first = {parcel.recipient: parcel for parcel in stage.webhook.sent}

    beside = reopen_stage(stage.hub.settings, stage.clock)
    async with beside.hub:
        assert await beside.hub.dispatch.run_once() == 0  # the lease holds
        stage.clock.forward(timedelta(seconds=16))
        assert await beside.hub.dispatch.run_once() == 2
        assert {parcel.recipient: parcel for parcel in beside.webhook.sent} == first
        entries = await beside.hub.store.mailbox("vvt", after=0, limit=10)
        assert [entry.state for entry in entries] == ["delivered"]


# -- answers -----------------------------------------------------------------------------------------------------------


async def asked(stage: Stage) -> dict[str, dict[str, Any]]:
    """A delivered case in Den Haag: each recipient's view."""
    await stage.send("thv-pool", thv("den-haag-eerste-thv"))
    await stage.hub.dispatch.run_once()
    return {name: views[0] for name, views in stage.views().items()}


async def say(stage: Stage, name: str, view: dict[str, Any], answer: str, **more: Any) -> Any:
    said = Answer(reference=view["request"]["reference"], answer=answer, **more)  # type: ignore[arg-type]
    return await stage.hub.involvement.answer(stage.partner(name), said, now=stage.clock.now())


async def test_a_lead_that_confirms_names_a_reachable_person(stage: Stage) -> None:
    views = await asked(stage)
    with pytest.raises(Refusal) as caught:
        await say(stage, "vvt", views["vvt"], "confirmed")
    assert caught.value.findings[0].rule == "answer:reachable-person"
    outcome = await say(stage, "vvt", views["vvt"], "confirmed", contact=CONTACT)
    assert outcome.request_state == "confirmed"


@pytest.mark.parametrize(
    ("more", "rule"),
    [
        ({}, "answer:reason-required"),
        ({"reason_code": "no-time"}, "answer:unknown-reason"),
        ({"reason_code": "other"}, "answer:other-needs-text"),
    ],
)
async def test_declining_needs_a_reason_that_is_known(stage: Stage, more: dict[str, str], rule: str) -> None:
    views = await asked(stage)
    with pytest.raises(Refusal) as caught:
        await say(stage, "vvt", views["vvt"], "declined", **more)
    assert caught.value.findings[0].rule == rule


async def test_repeating_is_harmless_and_contradicting_is_recorded_visible_and_alarmed(stage: Stage) -> None:
    views = await asked(stage)
    assert (await say(stage, "vvt", views["vvt"], "received")).outcome == "recorded"
    stage.clock.forward(timedelta(minutes=1))
    assert (await say(stage, "vvt", views["vvt"], "confirmed", contact=CONTACT)).outcome == "recorded"
    assert (await say(stage, "vvt", views["vvt"], "confirmed", contact=CONTACT)).outcome == "repeated"
    assert (await say(stage, "vvt", views["vvt"], "received")).outcome == "repeated"
    stage.clock.forward(timedelta(days=3))  # late is fine
    outcome = await say(stage, "vvt", views["vvt"], "declined", reason_code="no-capacity")
    assert (outcome.outcome, outcome.request_state) == ("contradicts", "declined")
    view = await stage.hub.involvement.case_view(
        stage.partner("lokaal-team-den-haag"),
        views["lokaal-team-den-haag"]["case"]["reference"],
        now=stage.clock.now(),
    )
    (line,) = [line for line in view["requests"] if line["partner"] == "vvt"]
    assert line["contradicted"]
    assert [answer["answer"] for answer in line["answers"]] == ["received", "confirmed", "declined"]
    assert "answer-contradicted" in {alarm.cause for alarm in await stage.hub.store.alarms()}


async def test_lead_and_duo_see_the_matrix_with_the_persons_to_call(stage: Stage) -> None:
    views = await asked(stage)
    await say(stage, "vvt", views["vvt"], "confirmed", contact=CONTACT)
    for name in ("vvt", "lokaal-team-den-haag"):
        view = await stage.hub.involvement.case_view(
            stage.partner(name), views[name]["case"]["reference"], now=stage.clock.now()
        )
        assert {(line["partner"], line["state"]) for line in view["requests"]} == {
            ("vvt", "confirmed"),
            ("lokaal-team-den-haag", "asked"),
        }
        (answer,) = next(line["answers"] for line in view["requests"] if line["partner"] == "vvt")
        assert answer["contact"] == {"name": "Fictief de Tester", "phone": "070 0000000"}
    with pytest.raises(NotFound):
        await stage.hub.involvement.case_view(
            stage.partner("perspektief"), views["vvt"]["case"]["reference"], now=stage.clock.now()
        )


async def test_an_answer_on_somebody_elses_request_is_kept_and_parked(stage: Stage) -> None:
    views = await asked(stage)
    outcome = await say(stage, "perspektief", views["vvt"], "received")
    assert outcome.outcome == "parked"
    (parked,) = await stage.hub.store.parked()
    assert parked.cause == "unmatched-answer"
    await stage.hub.clockwork.run_once(stage.clock.now())
    assert [notice.cause for _, notice in stage.mail.told] == ["unmatched-answer"]
    await stage.hub.intake.drop(parked.id, by="D", reason="verkeerd kenmerk", now=stage.clock.now())
    assert await stage.hub.store.parked() == []


async def test_an_answer_is_reminded_of_and_then_goes_up_the_ladder_until_it_comes(stage: Stage) -> None:
    """A crisis: reminders at five and ten minutes, late at fifteen."""
    views = await asked(stage)

    async def reminded(minutes: int) -> int:
        return (await stage.hub.clockwork.run_once(stage.clock.forward(timedelta(minutes=minutes)))).reminded

    assert [await reminded(minutes) for minutes in (4, 1, 1, 4, 4, 1)] == [0, 1, 0, 1, 0, 1]
    assert [to for to, _ in stage.mail.told] == ["dienst@vvt.example", "dienst@vvt.example", "tweede@vvt.example"]
    assert {notice.cause for _, notice in stage.mail.told} == {"deadline:answer"}
    await say(stage, "vvt", views["vvt"], "confirmed", contact=CONTACT)
    assert await reminded(60) == 0
    assert len(stage.mail.told) == 3


async def test_the_status_is_for_its_sender_alone(stage: Stage) -> None:
    receipt = await stage.send("thv-pool", thv("den-haag-eerste-thv"))
    with pytest.raises(NotFound):
        await stage.hub.involvement.status(stage.partner("cit"), receipt.message_id)
    status = await stage.hub.involvement.status(stage.partner("thv-pool"), receipt.message_id)
    assert status["state"] == "routed"
    assert {line["role"] for line in status["recipients"]} == {"lead", "duo"}


# -- the door ----------------------------------------------------------------------------------------------------------


async def test_another_format_than_the_partners_is_refused_with_what_was_expected(stage: Stage) -> None:
    with pytest.raises(UnsupportedFormat) as caught:
        await stage.send("cit", b"<xml/>", "text/xml")
    assert "fhir-json" in caught.value.findings[0].en
    with pytest.raises(UnsupportedFormat) as caught:
        await stage.send("thv-pool", cit("westland"), JSON)
    assert "FHIR (JSON)" in caught.value.findings[0].nl
