# SPDX-License-Identifier: EUPL-1.2
"""Veilig Thuis to ZVHH and back, all in StUF: notification out over SOAP, outcome in, feedback to the source."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from connectors.channels.address import address_rule
from connectors.channels.post import Poster
from connectors.channels.stuf import StufChannel
from connectors.formats.xml import local_name
from schakel.bootstrap import build, initialise
from schakel.errors import Forbidden, Refusal, UnsupportedFormat
from schakel.ledger_records import AnswerOutcome
from schakel.message import Answer, Contact
from schakel.ports import Channel
from schakel.settings import Settings
from tests.integration.stage import EXAMPLES, MovedClock, RecordingChannel, RecordingSender, Stage
from tests.support.stuf_partner import NAMES, StufPartner, serving, text

XML = "text/xml"
ZVHH, VT, TEAM = "00000099000000002003", "00000099000000001003", "00000099000000003002"
SCHEMAS = Path(__file__).resolve().parents[2] / "../shared/standards/stuf-jeugdzorg"
XSDS = {"vtTerugkoppelingDi01": "vt/jz0100_msg_vtberichten_resolved2025.xsd"}
GM = "gm/jz0100_msg_gmberichten_resolved2025.xsd"
CALL = ("T. Willems", "070 1230003")


@dataclass
class Chain:
    stage: Stage
    zvhh: StufPartner
    vt: StufPartner

    async def referral(self, example: str, mapping: str = "stuf_melding_generiek") -> str:
        """From Veilig Thuis; the hub's id of it."""
        body = (EXAMPLES / mapping / "examples" / f"{example}.xml").read_bytes()
        for other in ("00000099000000003000", "00000099000000000300"):
            body = body.replace(other.encode(), VT.encode())
        receipt = await self.stage.send("veilig-thuis", body, XML)
        await self.stage.hub.dispatch.run_once()
        return receipt.message_id

    async def answers(self, body: bytes, partner: str = "zvhh") -> AnswerOutcome:
        now = self.stage.clock.forward(timedelta(minutes=1))
        _, outcome = await self.stage.hub.answering.receive(self.stage.partner(partner), body, XML, now)
        await self.stage.hub.dispatch.run_once()
        return outcome

    async def states(self, message_id: str) -> dict[str, str]:
        status = await self.stage.hub.involvement.status(self.stage.partner("veilig-thuis"), message_id)
        return {line["partner"]: line["state"] for line in status["recipients"]}

    async def delivery(self) -> tuple[str, str]:
        """Id and state of the ZVHH's first delivery."""
        (first, *_) = await self.stage.hub.store.mailbox("zvhh", after=0, limit=9)
        return first.delivery_id, first.state


def overlay(zvhh: StufPartner, vt: StufPartner) -> dict[str, Any]:
    return {
        "partners.yaml": {
            "partners": [
                {
                    "id": "zvhh",
                    "receives": {
                        "channel": "stuf",
                        "mode": "full",
                        "representation": "case-stuf",
                        "url": zvhh.url,
                        "application": "ZVHH-zaak",
                        "answers": ["stuf-jz"],
                    },
                },
                {
                    "id": "veilig-thuis",
                    "receives": {
                        "channel": "stuf",
                        "mode": "full",
                        "url": vt.url,
                        "answers": ["stuf-jz"],
                        "feedback": {
                            "stuf-melding-generiek": "feedback-stuf",
                            "stuf-vt-melding": "feedback-stuf-vt",
                        },
                    },
                },
            ]
        }
    }


@pytest.fixture
async def chain(tmp_path: Path) -> AsyncIterator[Chain]:
    zvhh, vt = StufPartner(ZVHH), StufPartner(VT)
    async with serving(zvhh), serving(vt):
        laid = tmp_path / "overlay"
        laid.mkdir()
        for name, content in overlay(zvhh, vt).items():
            (laid / name).write_text(json.dumps(content), encoding="utf-8")
        settings = Settings(
            home=tmp_path / "home", region_overlay=laid, log_level="error", public_url="https://hub.example"
        )
        initialise(settings)
        webhook = RecordingChannel(name="webhook", how="delivered")
        mailbox = RecordingChannel(name="mailbox", how="notified")
        stuf = StufChannel(poster=Poster(rule=address_rule("127.0.0.0/8")))
        channels: dict[str, Channel] = {"webhook": webhook, "mailbox": mailbox, "stuf": stuf}
        clock, mail = MovedClock(), RecordingSender()
        hub = build(settings, clock=clock, channels=channels, senders={"smtp": mail})
        stage = Stage(hub=hub, clock=clock, webhook=webhook, mailbox=mailbox, mail=mail)
        async with hub:
            yield Chain(stage, zvhh, vt)
            assert await stage.holes() == []


@pytest.fixture(scope="module")
def valid() -> Callable[[etree._Element], None]:
    """Fails when a message does not follow the standard's own schema."""
    if not SCHEMAS.is_dir() and os.environ.get("CI") != "true":
        pytest.skip("the StUF-Jeugdzorg schemas are not beside this checkout")
    known = {path: etree.XMLSchema(etree.parse(str(SCHEMAS / path))) for path in {GM, *XSDS.values()}}

    def check(message: etree._Element) -> None:
        known[XSDS.get(local_name(message), GM)].assertValid(message)

    return check


# -- the whole way -----------------------------------------------------------------------------------------------------


async def test_from_veilig_thuis_to_the_zvhh_and_back(chain: Chain, valid: Callable[[etree._Element], None]) -> None:
    message_id = await chain.referral("mda-delft")
    (notice,) = chain.zvhh.journal
    assert local_name(notice) == "meldingGeneriekDi01"
    valid(notice)
    assert text(notice, "JZ:object/JZ:soortmeldingCode") == "ZVH"
    assert text(notice, "JZ:stuurgegevens/StUF:ontvanger/StUF:applicatie") == "ZVHH-zaak"
    delivery_id, state = await chain.delivery()
    assert (text(notice, "JZ:stuurgegevens/StUF:referentienummer"), state) == (delivery_id, "delivered")
    reference = text(notice, "JZ:object/ZKN:identificatie")
    assert reference is not None

    outcome = await chain.answers(chain.zvhh.outcome(reference, "ZVH-01", contact=CALL))
    assert (outcome.outcome, outcome.request_state) == ("recorded", "confirmed")
    assert (await chain.states(message_id))["zvhh"] == "confirmed"

    feedback, weighed = chain.vt.journal  # the ZVHH directs it, and the weighing has admitted it: ZVH-01 says both
    for each in (feedback, weighed):
        assert local_name(each) == "uitkomstMeldingGeneriekDi01"
        valid(each)
    assert text(weighed, "JZ:object/JZ:statuscode") == "ZVH-01"
    assert text(feedback, "JZ:object/JZ:uwIdentificatie") == "VT-ZAAK-2026-131"
    assert text(feedback, "JZ:object/JZ:statuscode") == "ZVH-01"
    said = text(feedback, "JZ:object/JZ:toelichtendeinformatie/JZ:omschrijving")
    assert said is not None
    assert "Zorg- en Veiligheidshuis Haaglanden: bevestigd." in said
    for secret in ("Willems", "1230003", "Jansen", "999990056"):
        assert secret not in etree.tostring(feedback).decode()


async def test_the_person_who_can_be_called_is_seen_by_lead_and_duo(chain: Chain) -> None:
    await chain.referral("mda-delft")
    (notice,) = chain.zvhh.journal
    await chain.answers(chain.zvhh.outcome(_reference(notice), "ZVH-01", contact=CALL))
    duo = chain.stage.views()["lokaal-team-delft"][0]
    team = chain.stage.partner("lokaal-team-delft")
    now = chain.stage.clock.now()
    matrix = await chain.stage.hub.involvement.case_view(team, duo["case"]["reference"], now=now)
    (line,) = [each for each in matrix["requests"] if each["partner"] == "zvhh"]
    assert line["answers"][0]["contact"] == {"name": CALL[0], "phone": CALL[1]}


async def test_an_update_has_the_same_identificatie_and_another_referentienummer(chain: Chain) -> None:
    await chain.referral("mda-delft")
    body = (EXAMPLES / "stuf_melding_generiek/examples/mda-delft.xml").read_bytes()
    again = body.replace(b"00000099000000003000", VT.encode()).replace(b"VT-2026-004600", b"VT-2026-004601")
    await chain.stage.send("veilig-thuis", again, XML)
    await chain.stage.hub.dispatch.run_once()
    first, second = chain.zvhh.journal
    assert _reference(first) == _reference(second)
    numbers = {text(each, "JZ:stuurgegevens/StUF:referentienummer") for each in (first, second)}
    assert len(numbers) == 2
    assert second.find(".//*[@naam='berichtsoort']").text == "wijziging"  # type: ignore[union-attr]


async def test_the_whole_case_waits_at_the_address_of_the_notification(chain: Chain) -> None:
    await chain.referral("mda-delft")
    (notice,) = chain.zvhh.journal
    assert text(notice, ".//JZ:overigeInformatie/JZ:url") == "https://hub.example/v1/mailbox/1/case"
    zvhh = chain.stage.partner("zvhh")
    content, media_type, _ = await chain.stage.hub.mailbox.content(zvhh, 1)
    assert media_type == XML
    assert content.partition(b"?>\n")[2] in chain.zvhh.bodies[0]
    whole, media_type = await chain.stage.hub.mailbox.whole_case(zvhh, 1)
    assert media_type == "application/json"
    case = json.loads(whole)
    assert case["message"]["source"] == "veilig-thuis"
    assert case["request"]["reference"] == _reference(notice)
    again, _, _ = await chain.stage.hub.mailbox.content(zvhh, 1)
    assert again == content


# -- outcomes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "more", "outcome", "state"),
    [
        ("ZVH-02", {"text": "Maandag."}, "recorded", "received"),
        ("ZVH-03", {}, "recorded", "declined"),
        ("VT-99", {}, "recorded", "declined"),
        ("VT-00", {}, "recorded", "declined"),
        ("VT-01-01", {}, "recorded", "received"),
        ("VT-01-02", {"contact": CALL}, "recorded", "received"),
        ("VT-02", {}, "recorded", "received"),
        ("VT-03", {}, "recorded", "received"),
        ("VT-01-01", {"contact": CALL, "extra": {"antwoord": "bevestigd"}}, "recorded", "confirmed"),
        ("VT-01-03", {"extra": {"antwoord": "afgewezen", "reden": "geen-capaciteit"}}, "recorded", "declined"),
    ],
)
async def test_what_each_outcome_means_as_an_answer(
    chain: Chain, code: str, more: dict[str, Any], outcome: str, state: str
) -> None:
    await chain.referral("mda-delft")
    said = await chain.answers(chain.zvhh.outcome(_reference(chain.zvhh.journal[0]), code, **more))
    assert (said.outcome, said.request_state) == (outcome, state)


@pytest.mark.parametrize(("code", "state"), [("ZVH-01", "admitted"), ("ZVH-02", "triage"), ("ZVH-03", "referred-back")])
async def test_what_the_weighing_decided_comes_by_its_code_and_goes_back_by_it(
    chain: Chain, code: str, state: str, valid: Callable[[etree._Element], None]
) -> None:
    await chain.referral("mda-delft")
    await chain.answers(chain.zvhh.outcome(_reference(chain.zvhh.journal[0]), code, contact=CALL))
    duo = chain.stage.views()["lokaal-team-delft"][0]
    case = await chain.stage.hub.store.ledger("lokaal-team-delft", duo["case"]["reference"])
    assert case is not None
    assert [(one.machine, one.state) for one in case.matters] == [("admission", state)]
    assert text(chain.vt.journal[-1], ".//JZ:statuscode") == code
    for each in chain.vt.journal:
        valid(each)
    admission_clocks = [clock for clock in case.deadlines if clock.kind == "admission"]
    assert bool(admission_clocks) == (state == "triage")


async def test_feedback_after_a_confirmation_is_kept_and_changes_nothing(chain: Chain) -> None:
    message_id = await chain.referral("mda-delft")
    reference = _reference(chain.zvhh.journal[0])
    await chain.answers(chain.zvhh.outcome(reference, "ZVH-01", contact=CALL))
    said = await chain.answers(chain.zvhh.outcome(reference, "VT-01-01", text="Nog een vraag."))
    assert (said.outcome, said.request_state) == ("recorded", "confirmed")
    again = await chain.answers(chain.zvhh.outcome(reference, "VT-01-01", text="Nog een vraag."))
    assert again.outcome == "repeated"
    assert (await chain.states(message_id))["zvhh"] == "confirmed"
    assert len(chain.vt.journal) == 2  # confirmed, and admitted


async def test_a_confirmation_without_somebody_to_call_is_refused(chain: Chain) -> None:
    await chain.referral("mda-delft")
    with pytest.raises(Refusal) as caught:
        await chain.answers(chain.zvhh.outcome(_reference(chain.zvhh.journal[0]), "ZVH-01"))
    assert caught.value.findings[0].rule == "answer:reachable-person"


async def test_where_it_should_go_is_kept_and_told_to_a_person(chain: Chain) -> None:
    await chain.referral("mda-delft")
    reference = _reference(chain.zvhh.journal[0])
    await chain.answers(chain.zvhh.outcome(reference, "VT-99", route=("00000099000000009001", "Een ander huis")))
    assert [row.cause for row in await chain.stage.hub.store.parked()] == ["reroute-asked"]
    duo = chain.stage.views()["lokaal-team-delft"][0]
    matrix = await chain.stage.hub.involvement.case_view(
        chain.stage.partner("lokaal-team-delft"), duo["case"]["reference"], now=chain.stage.clock.now()
    )
    (line,) = [each for each in matrix["requests"] if each["partner"] == "zvhh"]
    assert line["answers"][0]["rerouteTo"] == {"oin": "00000099000000009001", "name": "Een ander huis"}


async def test_an_outcome_that_nobody_knows_is_kept_and_parked(chain: Chain) -> None:
    message_id = await chain.referral("mda-delft")
    body = chain.zvhh.outcome(_reference(chain.zvhh.journal[0]), "ZVH-01", contact=CALL)
    said = await chain.answers(body.replace(b">ZVH-01<", b">ZVH-77<"))
    assert said.outcome == "parked"
    (parked,) = [row for row in await chain.stage.hub.store.parked() if row.cause == "unknown-code"]
    assert parked.case_id is not None
    assert "ZVH-77" not in str(parked.findings)
    assert (await chain.states(message_id))["zvhh"] == "asked"


async def test_an_outcome_on_nobodys_request_is_kept_and_parked(chain: Chain) -> None:
    said = await chain.answers(chain.zvhh.outcome("VERZONNEN01", "ZVH-01", contact=CALL))
    assert said.outcome == "parked"
    assert [row.cause for row in await chain.stage.hub.store.parked()] == ["unmatched-answer"]


async def test_an_outcome_in_another_partners_name_is_refused(chain: Chain) -> None:
    await chain.referral("mda-delft")
    body = chain.zvhh.outcome(_reference(chain.zvhh.journal[0]), "ZVH-01", contact=CALL)
    with pytest.raises(Forbidden):
        await chain.answers(body.replace(ZVHH.encode(), VT.encode()))


async def test_a_referral_is_no_answer_and_an_answer_no_referral(chain: Chain) -> None:
    body = (EXAMPLES / "stuf_melding_generiek/examples/mda-delft.xml").read_bytes()
    with pytest.raises(UnsupportedFormat):
        await chain.answers(body)
    outcome = chain.vt.outcome("VERZONNEN01", "ZVH-01", contact=CALL)
    with pytest.raises(UnsupportedFormat):
        await chain.stage.send("veilig-thuis", outcome, XML)


async def test_who_may_not_answer_in_stuf_is_told_what_is_expected(chain: Chain) -> None:
    with pytest.raises(UnsupportedFormat) as caught:
        await chain.answers(StufPartner(TEAM).outcome("VERZONNEN01", "ZVH-01"), partner="lokaal-team-delft")
    assert "application/json" in caught.value.findings[0].en


# -- Bv03, Fo01 and Fo03 -----------------------------------------------------------------------------------------------

EMPTY = b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n"


async def test_a_bare_2xx_only_notifies_and_bv03_afterwards_delivers(chain: Chain) -> None:
    chain.zvhh.answer = EMPTY
    await chain.referral("mda-delft")
    delivery_id, state = await chain.delivery()
    assert state == "notified"
    said = await chain.answers(chain.zvhh.word("Bv03", delivery_id))
    assert said.outcome == "recorded"
    assert await chain.delivery() == (delivery_id, "delivered")


async def test_an_answer_says_that_it_arrived_as_well(chain: Chain) -> None:
    chain.zvhh.answer = EMPTY
    await chain.referral("mda-delft")
    await chain.answers(chain.zvhh.outcome(_reference(chain.zvhh.journal[0]), "ZVH-02"))
    assert (await chain.delivery())[1] == "delivered"


async def test_a_technical_fault_afterwards_is_tried_again_and_told(chain: Chain) -> None:
    chain.zvhh.answer = EMPTY
    await chain.referral("mda-delft")
    delivery_id, _ = await chain.delivery()
    await chain.answers(chain.zvhh.word("Fo03", delivery_id, code="StUF046"))
    assert (await chain.delivery())[1] == "waiting"
    assert "delivery-given-back" in {alarm.cause for alarm in await chain.stage.hub.store.alarms()}
    chain.zvhh.answer = None
    chain.stage.clock.forward(timedelta(hours=1))
    await chain.stage.hub.dispatch.run_once()
    assert await chain.delivery() == (delivery_id, "delivered")
    first, second = chain.zvhh.bodies
    assert first == second


async def test_a_functional_fault_afterwards_waits_for_a_person(chain: Chain) -> None:
    chain.zvhh.answer = EMPTY
    await chain.referral("mda-delft")
    delivery_id, _ = await chain.delivery()
    await chain.answers(chain.zvhh.word("Fo01", delivery_id, code="StUF052", place="client"))
    assert (await chain.delivery())[1] == "parked"
    (parked,) = await chain.stage.hub.store.parked()
    assert parked.cause == "poison-delivery"
    await chain.stage.hub.store.settle_parked(
        parked.id, "release", None, by="Jo", reason="hersteld", now=chain.stage.clock.now()
    )
    chain.zvhh.answer = None
    await chain.stage.hub.dispatch.run_once()
    assert await chain.delivery() == (delivery_id, "delivered")


async def test_a_fault_on_what_was_delivered_is_told_and_changes_nothing(chain: Chain) -> None:
    await chain.referral("mda-delft")
    delivery_id, _ = await chain.delivery()
    await chain.answers(chain.zvhh.word("Fo01", delivery_id, code="StUF058"))
    assert await chain.delivery() == (delivery_id, "delivered")
    assert "delivery-given-back" in {alarm.cause for alarm in await chain.stage.hub.store.alarms()}


async def test_a_fault_at_once_that_no_repeat_mends_parks(chain: Chain) -> None:
    fault = chain.zvhh.word("Fo03", "{}", code="StUF055", place="client").decode()
    chain.zvhh.answer = b""
    body = (EXAMPLES / "stuf_melding_generiek/examples/mda-delft.xml").read_bytes()
    await chain.stage.send("veilig-thuis", body.replace(b"00000099000000003000", VT.encode()), XML)
    delivery_id, _ = await chain.delivery()
    said = fault.format(delivery_id).encode()
    chain.zvhh.answer = b"HTTP/1.1 500 No\r\ncontent-length: %d\r\n\r\n" % len(said) + said
    await chain.stage.hub.dispatch.run_once()
    assert (await chain.delivery())[1] == "parked"
    (parked,) = await chain.stage.hub.store.parked()
    assert parked.findings[0].rule == "fo03-stuf055"


@pytest.mark.parametrize("kind", ["Bv03", "Fo01", "Fo03"])
async def test_a_word_on_somebody_elses_delivery_says_nothing(chain: Chain, kind: str) -> None:
    chain.zvhh.answer = EMPTY
    await chain.referral("mda-delft")
    delivery_id, state = await chain.delivery()
    said = await chain.answers(chain.vt.word(kind, delivery_id, code="StUF058"), partner="veilig-thuis")
    assert said.outcome == "unmatched"
    assert await chain.delivery() == (delivery_id, state)


# -- feedback ----------------------------------------------------------------------------------------------------------


async def test_a_source_hears_of_waiting_release_and_confirmation(
    chain: Chain, valid: Callable[[etree._Element], None]
) -> None:
    await chain.referral("den-haag")
    (parked,) = await chain.stage.hub.store.parked()
    assert [text(each, ".//JZ:statuscode") for each in chain.vt.journal] == ["VT-01-02"]
    now = chain.stage.clock.forward(timedelta(minutes=5))
    await chain.stage.hub.intake.release(
        parked.id, to=["vvt", "lokaal-team-den-haag"], by="Jo", reason="afgestemd", now=now
    )
    await chain.stage.hub.dispatch.run_once()
    (view,) = chain.stage.views()["vvt"]
    await _confirms(chain, "vvt", view["request"]["reference"])
    said = [text(each, ".//JZ:toelichtendeinformatie/JZ:omschrijving") or "" for each in chain.vt.journal]
    assert [line.split(".")[0] for line in said] == [
        "De melding is aangenomen en wacht op een besluit van een mens",
        "Een mens heeft besloten wie de melding krijgt; zij is doorgezet",
        "Het team dat de leiding heeft, heeft bevestigd dat het deze melding oppakt",
    ]
    assert text(chain.vt.journal[-1], ".//JZ:statuscode") == "VT-02"
    for each in chain.vt.journal:
        valid(each)


async def test_a_source_hears_that_its_message_was_dropped(chain: Chain) -> None:
    await chain.referral("den-haag")
    (parked,) = await chain.stage.hub.store.parked()
    await chain.stage.hub.intake.drop(parked.id, by="Jo", reason="dubbel", now=chain.stage.clock.now())
    await chain.stage.hub.dispatch.run_once()
    assert text(chain.vt.journal[-1], ".//JZ:statuscode") == "VT-03"
    assert "dubbel" not in etree.tostring(chain.vt.journal[-1]).decode()


async def test_going_back_on_an_answer_is_told_each_time(chain: Chain) -> None:
    await chain.referral("mda-delft")
    reference = _reference(chain.zvhh.journal[0])
    for code in ("ZVH-01", "ZVH-01", "ZVH-03", "ZVH-01"):
        await chain.answers(chain.zvhh.outcome(reference, code, contact=CALL))
    said = [text(each, ".//JZ:toelichtendeinformatie/JZ:omschrijving") or "" for each in chain.vt.journal]
    assert [line.split(".")[0] for line in said] == [
        "Het team dat de leiding heeft, heeft bevestigd dat het deze melding oppakt",
        "Het weegoverleg heeft de melding toegelaten (ZVH-01)",
        "Het team dat de leiding zou nemen heeft de melding afgewezen; de regiocoördinator beslist wie haar krijgt",
        "De melding ligt bij een mens",
        "Het team dat de leiding heeft, heeft bevestigd dat het deze melding oppakt",
    ]
    # what was weighed stays weighed, whoever directs it
    assert {text(each, ".//JZ:statuscode") for each in chain.vt.journal} == {"ZVH-01"}


async def test_who_sent_vtmelding_hears_vtterugkoppeling(chain: Chain, valid: Callable[[etree._Element], None]) -> None:
    await chain.referral("huisverbod", "stuf_vt_melding")
    lead, view = next(
        (name, views[0]) for name, views in chain.stage.views().items() if views[0]["request"]["role"] == "lead"
    )
    await _confirms(chain, lead, view["request"]["reference"])
    (feedback,) = chain.vt.journal
    valid(feedback)
    assert local_name(feedback) == "vtTerugkoppelingDi01"
    assert text(feedback, "JZ:object/ZKN:status") == "overdracht"
    assert feedback.find(".//ZKN:naarAanleidingVan", NAMES) is not None


async def _confirms(chain: Chain, partner: str, reference: str) -> None:
    """In plain JSON."""
    answer = Answer(reference=reference, answer="confirmed", contact=Contact(name="N. A.", phone="070 1"))
    now = chain.stage.clock.now()
    await chain.stage.hub.involvement.answer(chain.stage.partner(partner), answer, now=now)
    await chain.stage.hub.dispatch.run_once()


def _reference(notice: etree._Element) -> str:
    found = text(notice, "JZ:object/ZKN:identificatie")
    assert found is not None
    return found
