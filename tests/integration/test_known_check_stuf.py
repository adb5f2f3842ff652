# SPDX-License-Identifier: EUPL-1.2
"""Check op bekendheid of MDA++ in StUF: vcobDi01 out over SOAP, ucobDi01 in; valid by the standard's own schema."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
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
from schakel.acting import Said
from schakel.bootstrap import build, initialise
from schakel.errors import Forbidden, Malformed
from schakel.ledger_records import ActOutcome, AnswerOutcome
from schakel.ports import Channel
from schakel.settings import Settings
from tests.integration.stage import EXAMPLES, MovedClock, RecordingChannel, RecordingSender, Stage, thv
from tests.support.stuf_partner import NAMES, StufPartner, serving, text

XML = "text/xml"
POLICE, VT = "00000099000000004001", "00000099000000001003"
SCHEMAS = Path(__file__).resolve().parents[2] / "../shared/standards/stuf-jeugdzorg"
VV = "vv/jz0100_msg_vvberichten_resolved2025.xsd"
DIRECTOR = Said(name="T. Willems", function="procesregisseur")


@dataclass
class Chain:
    stage: Stage
    police: StufPartner

    async def case(self, team: str = "zvhh") -> tuple[str, list[dict[str, Any]]]:
        """The reference of the case and its members, as its leading team sees them."""
        await self.stage.hub.dispatch.run_once()
        view = [one for one in self.stage.views()[team] if "members" in one][-1]
        return view["case"]["reference"], view["members"]

    async def mda(self) -> tuple[str, list[dict[str, Any]]]:
        body = (EXAMPLES / "stuf_melding_generiek/examples/mda-delft.xml").read_bytes()
        for other in (b"00000099000000003000", b"00000099000000000300"):
            body = body.replace(other, VT.encode())
        await self.stage.send("veilig-thuis", body, XML)
        return await self.case()

    async def ask(self, by: str, reference: str, partners: list[str], members: list[str]) -> ActOutcome:
        fields = {"partners": partners, "members": members}
        outcome = await self.stage.hub.acting.act(
            "known-check", actor=by, reference=reference, fields=fields, now=self.stage.clock.now(), said=DIRECTOR
        )
        await self.stage.hub.dispatch.run_once()
        return outcome

    async def answers(self, body: bytes, partner: str = "politie") -> AnswerOutcome:
        now = self.stage.clock.forward(timedelta(minutes=1))
        _, outcome = await self.stage.hub.answering.receive(self.stage.partner(partner), body, XML, now)
        await self.stage.hub.dispatch.run_once()
        return outcome

    def told(self, team: str = "zvhh") -> list[dict[str, Any]]:
        return [one for one in self.stage.views()[team] if one.get("occasion") == "known-check-answered"]


@pytest.fixture
async def chain(tmp_path: Path) -> AsyncIterator[Chain]:
    police = StufPartner(POLICE)
    async with serving(police):
        laid = tmp_path / "overlay"
        laid.mkdir()
        receives = {
            "channel": "stuf",
            "mode": "full",
            "representation": "case-stuf",
            "url": police.url,
            "application": "BVH-zaak",
            "answers": ["stuf-jz"],
        }
        partners = [{"id": "politie", "receives": receives}]
        (laid / "partners.yaml").write_text(json.dumps({"partners": partners}), encoding="utf-8")
        settings = Settings(home=tmp_path / "home", region_overlay=laid, log_level="error")
        initialise(settings)
        webhook = RecordingChannel(name="webhook", how="delivered")
        mailbox = RecordingChannel(name="mailbox", how="notified")
        stuf = StufChannel(poster=Poster(rule=address_rule("127.0.0.0/8")))
        channels: dict[str, Channel] = {"webhook": webhook, "mailbox": mailbox, "stuf": stuf}
        clock, mail = MovedClock(), RecordingSender()
        hub = build(settings, clock=clock, channels=channels, senders={"smtp": mail})
        stage = Stage(hub=hub, clock=clock, webhook=webhook, mailbox=mailbox, mail=mail)
        async with hub:
            yield Chain(stage, police)
            assert await stage.holes() == []


@pytest.fixture(scope="module")
def standard() -> etree.XMLSchema:
    if not SCHEMAS.is_dir() and os.environ.get("CI") != "true":
        pytest.skip("the StUF-Jeugdzorg schemas are not beside this checkout")
    return etree.XMLSchema(etree.parse(str(SCHEMAS / VV)))


async def test_the_process_director_asks_in_stuf_and_the_police_answer_in_stuf(
    chain: Chain, standard: etree.XMLSchema
) -> None:
    reference, members = await chain.mda()
    known, unknown = members[0], members[1]
    await chain.ask("zvhh", reference, ["politie"], [known["id"], unknown["id"]])
    first, second = chain.police.journal
    for question, member in ((first, known), (second, unknown)):
        standard.assertValid(question)
        assert local_name(question) == "vcobDi01"
        assert text(question, "JZ:object/JZ:soortVerzoeker") == "04"
        assert text(question, ".//BG:geslachtsnaam") == (member["names"].get("family") or member["names"]["full"])
        initiator = "JZ:object/JZ:heeftAlsInitiator/ZKN:gerelateerde/ZKN:organisatorischeEenheid/ZKN:naam"
        assert text(question, initiator) == "Zorg- en Veiligheidshuis Haaglanden"
        assert question.find(".//BG:adres", NAMES) is None
    for answer in (chain.police.known(first, "J", said="Meldingen in 2026."), chain.police.known(second, "N")):
        standard.assertValid(etree.fromstring(answer))
    outcome = await chain.answers(chain.police.known(first, "J", said="Meldingen in 2026."))
    assert (outcome.outcome, outcome.request_state) == ("recorded", "known")
    outcome = await chain.answers(chain.police.known(second, "N", number="K-2"))
    assert (outcome.outcome, outcome.request_state) == ("recorded", "unknown")
    said = [(one["persons"][0]["id"], one["terms"]["answer"]) for one in chain.told()]
    assert said == [(known["id"], "known"), (unknown["id"], "unknown")]
    assert chain.told()[0]["terms"]["reason"] == "Meldingen in 2026."


async def test_a_question_that_was_taken_is_delivered_and_one_that_is_refused_waits_for_a_person(chain: Chain) -> None:
    reference, members = await chain.mda()
    await chain.ask("zvhh", reference, ["politie"], [members[0]["id"]])
    (entry,) = await chain.stage.hub.store.mailbox("politie", after=0, limit=9)
    (question,) = chain.police.journal
    assert (entry.delivery_id, entry.state) == (text(question, "JZ:stuurgegevens/StUF:referentienummer"), "delivered")
    refusal = chain.police.word("Fo01", "anything", code="StUF055", place="client")
    head = f"HTTP/1.1 500 Error\r\ncontent-type: text/xml\r\ncontent-length: {len(refusal)}\r\n\r\n"
    chain.police.answer = head.encode() + refusal
    await chain.ask("zvhh", reference, ["politie"], [members[1]["id"]])
    _, waits = await chain.stage.hub.store.mailbox("politie", after=0, limit=9)
    assert waits.state == "waiting"  # it speaks of another message: tried again


async def test_an_answer_implies_that_the_question_arrived(chain: Chain) -> None:
    """An endpoint that says 200 and nothing more has only been notified, until it answers."""
    reference, members = await chain.mda()
    chain.police.answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
    await chain.ask("zvhh", reference, ["politie"], [members[0]["id"], members[1]["id"]])
    first, second = chain.police.journal
    await chain.answers(chain.police.known(second, "J"))
    states = {one.delivery_id: one.state for one in await chain.stage.hub.store.mailbox("politie", after=0, limit=9)}
    number = "JZ:stuurgegevens/StUF:referentienummer"
    assert states[text(first, number) or ""] == "notified"
    assert states[text(second, number) or ""] == "delivered"


async def test_an_icm_case_asks_the_same_police_in_its_mailbox(chain: Chain) -> None:
    """No kind of asker in the standard is a case manager of ICM."""
    await chain.stage.send("thv-pool", thv("delft-tweede-thv"))
    reference, members = await chain.case("perspektief")
    await chain.ask("perspektief", reference, ["politie"], [members[0]["id"]])
    assert chain.police.journal == []
    content, media_type, _ = await chain.stage.hub.mailbox.content(chain.stage.partner("politie"), 1)
    assert media_type == "application/json"
    assert json.loads(content)["occasion"] == "known-check-asked"


async def test_one_message_answers_one_question(chain: Chain) -> None:
    reference, members = await chain.mda()
    await chain.ask("zvhh", reference, ["politie"], [members[0]["id"]])
    (question,) = chain.police.journal
    body = chain.police.known(question, "J")
    message = etree.fromstring(body)
    other = etree.fromstring(etree.tostring(message.find("JZ:object", NAMES)))
    other.find("JZ:verzoekidentificatie", NAMES).text = "ANOTHERREQUEST"  # type: ignore[union-attr]
    message.append(other)
    with pytest.raises(Malformed) as caught:
        await chain.answers(etree.tostring(message))
    assert caught.value.findings[0].rule == "stuf-one-request"


async def test_an_indication_that_nobody_knows_is_kept_for_a_person(chain: Chain) -> None:
    reference, members = await chain.mda()
    await chain.ask("zvhh", reference, ["politie"], [members[0]["id"]])
    (question,) = chain.police.journal
    outcome = await chain.answers(chain.police.known(question, "?"))
    assert outcome.outcome == "parked"
    assert chain.told() == []


async def test_who_sends_in_anothers_name_is_refused(chain: Chain) -> None:
    reference, members = await chain.mda()
    await chain.ask("zvhh", reference, ["politie"], [members[0]["id"]])
    (question,) = chain.police.journal
    stranger = StufPartner("00000099000000009009")
    with pytest.raises(Forbidden):
        await chain.answers(stranger.known(question, "J"))
