# SPDX-License-Identifier: EUPL-1.2
"""The door: who may hand in what, what is refused without being kept, and what is decided about moves and matches."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from schakel.bootstrap import build
from schakel.errors import Forbidden, Malformed, NotFound, Refusal, Unacceptable
from schakel.region import Partner, Sending
from tests.integration.stage import EXAMPLES, FHIR, JSON, Stage, cit, household, open_stage, thv

XML = "application/xml"


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    opened = open_stage(tmp_path)
    async with opened.hub:
        yield opened
        assert await opened.holes() == []


def stuf(example: str) -> bytes:
    return (EXAMPLES / "stuf_melding_generiek" / "examples" / f"{example}.xml").read_bytes()


def moved(example: str, *, reference: str, secret: bool = False, **address: Any) -> bytes:
    """An update in which the home of the order, or a secret address of the victim, lies elsewhere."""
    document = json.loads(thv(example, kenmerk=reference, soort="wijziging"))
    if secret:
        victim = next(person for person in document["betrokkenen"] if person["rol"] == "slachtoffer")
        victim.setdefault("adressen", []).append({"soort": "verblijfadres", "geheim": True, **address})
    else:
        document["huisverbod"]["adres"] = address
        document["incident"]["adres"] = address
    return json.dumps(document).encode()


DELFT = {
    "straat": "Nieuwstraat",
    "huisnummer": "4",
    "postcode": "2611 CD",
    "woonplaats": "Delft",
    "gemeentecode": "0503",
}
UTRECHT = {"straat": "Nieuwstraat", "huisnummer": "4", "postcode": "3511 AB", "woonplaats": "Utrecht"}


# -- who and what ------------------------------------------------------------------------------------------------------


async def test_a_partner_that_only_receives_may_not_hand_in(stage: Stage) -> None:
    with pytest.raises(Forbidden):
        await stage.send("vvt", thv("den-haag-eerste-thv"))


async def test_a_sender_in_the_document_that_is_not_the_partner_is_refused(stage: Stage) -> None:
    known = stage.partner("veilig-thuis")
    other = Partner(
        id="veilig-thuis", name="VT", kind="source", oins=("00000099000000009999",), sends=Sending(formats=("stuf-jz",))
    )
    body, now = stuf("zoetermeer"), stage.clock.now()
    with pytest.raises(Forbidden) as caught:
        await stage.hub.intake.receive(other, body, XML, now)
    assert caught.value.findings[0].rule == "sender:oin-of-partner"
    forwarding = other.model_copy(update={"sends": Sending(formats=("stuf-jz",), forwards_for=known.oins)})
    _, receipt = await stage.hub.intake.receive(forwarding, body, XML, now)
    assert receipt.state == "routed"


async def test_mda_goes_to_the_zvhh_and_the_local_team(stage: Stage) -> None:
    receipt = await stage.send("veilig-thuis", stuf("mda-delft"), XML)
    assert {(one.recipient, one.role) for one in receipt.notices if one.outcome == "deliver"} == {
        ("Zorg- en Veiligheidshuis Haaglanden", "process-director"),
        ("Lokaal team Delft", "case-director"),
    }


async def test_malformed_bytes_leave_nothing(stage: Stage) -> None:
    with pytest.raises(Malformed):
        await stage.send("thv-pool", b'{"schema": "thv-aanmelding@1", "schema": 2}')
    assert await stage.hub.store.parked() == []
    assert await stage.hub.store.mailbox("vvt", after=0, limit=5) == []


async def test_when_too_many_wait_the_door_says_come_back(tmp_path: Path) -> None:
    stage = open_stage(tmp_path)
    small = build(
        stage.hub.settings.model_copy(update={"waiting_limit": 3}), clock=stage.clock, channels={}, senders={}
    )
    partner = stage.partner("thv-pool")
    async with stage.hub, small:
        outcomes = await asyncio.gather(
            *(small.intake.receive(partner, household(n), JSON, stage.clock.now()) for n in range(8)),
            return_exceptions=True,
        )
        refused = [one for one in outcomes if isinstance(one, Unacceptable)]
        accepted = [one for one in outcomes if not isinstance(one, BaseException)]
        assert len(refused) + len(accepted) == 8
        assert refused
        assert all(one.status == 503 and one.retry_after for one in refused)
        entries = await stage.hub.store.mailbox("vvt", after=0, limit=50)
        assert len(entries) == len(accepted)  # 503 and nothing kept, or kept


async def test_what_was_not_taken_over_is_told_as_a_warning_by_path(stage: Stage) -> None:
    receipt = await stage.send("cit", cit("silent-loss"), FHIR)
    assert {finding.rule for finding in receipt.warnings} == {"mapping:not-read"}
    assert all("." in finding.place or finding.place for finding in receipt.warnings)


# -- moves -------------------------------------------------------------------------------------------------------------


async def test_a_case_that_moves_stays_with_its_team_and_a_person_hands_it_over(stage: Stage) -> None:
    await stage.send("thv-pool", thv("den-haag-eerste-thv"))
    receipt = await stage.send("thv-pool", moved("den-haag-eerste-thv", reference="M-1", **DELFT))
    assert receipt.state == "routed"
    await stage.hub.dispatch.run_once()
    assert {name for name, views in stage.views().items() if len(views) == 2} == {"vvt", "lokaal-team-den-haag"}
    (parked,) = await stage.hub.store.parked()
    assert (parked.cause, parked.whole) == ("hand-over", False)
    await stage.hub.intake.release(
        parked.id, to=["perspektief", "lokaal-team-delft"], by="D", reason="overgedragen", now=stage.clock.now()
    )
    await stage.hub.dispatch.run_once()
    assert "perspektief" in stage.views()  # candidate; the local team follows when it has confirmed
    assert "lokaal-team-delft" not in stage.views()


async def test_a_case_that_leaves_the_region_is_delivered_and_parked_for_hand_over(stage: Stage) -> None:
    await stage.send("thv-pool", thv("den-haag-eerste-thv"))
    receipt = await stage.send("thv-pool", moved("den-haag-eerste-thv", reference="M-2", **UTRECHT))
    assert receipt.state == "routed"
    (parked,) = await stage.hub.store.parked()
    assert parked.cause == "hand-over"


async def test_a_move_that_only_a_secret_address_tells_of_is_the_leads(stage: Stage) -> None:
    await stage.send("thv-pool", thv("den-haag-eerste-thv"))
    receipt = await stage.send("thv-pool", moved("den-haag-eerste-thv", reference="M-3", secret=True, **DELFT))
    (parked,) = await stage.hub.store.parked()
    assert (parked.cause, parked.owner) == ("secret-move", "vvt")
    assert "lokaal-team-delft" not in {one.recipient for one in receipt.notices}
    await stage.hub.clockwork.run_once(stage.clock.now())
    assert [to for to, _ in stage.mail.told] == [stage.partner("vvt").mail]  # the lead itself is told


async def test_a_declined_lead_is_asked_anew_by_an_update(stage: Stage) -> None:
    from schakel.message import Answer

    await stage.send("thv-pool", thv("den-haag-eerste-thv"))
    await stage.hub.dispatch.run_once()
    reference = stage.views()["vvt"][0]["request"]["reference"]
    await stage.hub.involvement.answer(
        stage.partner("vvt"),
        Answer(reference=reference, answer="declined", reason_code="no-capacity"),
        now=stage.clock.now(),
    )
    await stage.send("thv-pool", thv("den-haag-eerste-thv", kenmerk="U-1"))
    await stage.hub.dispatch.run_once()
    views = stage.views()
    assert views["vvt"][1]["request"]["reference"] != reference
    first, on_hold, second = views["lokaal-team-den-haag"]
    assert on_hold["occasion"] == "on-hold"
    assert second["request"]["reference"] == first["request"]["reference"]


# -- a person's hand ---------------------------------------------------------------------------------------------------


async def test_a_mended_codebook_lets_a_parked_message_go_on_late(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = json.loads(thv("den-haag-eerste-thv", kenmerk="OUD-1"))
    bad["huisverbod"]["status"] = "iets-nieuws"
    await stage.send("thv-pool", json.dumps(bad).encode())
    stage.clock.forward(timedelta(minutes=1))
    await stage.send("thv-pool", thv("den-haag-eerste-thv", kenmerk="NIEUW-1"))
    await stage.hub.dispatch.run_once()
    (parked,) = await stage.hub.store.parked()

    mapper = stage.hub.intake._mappings["thv-aanmelding"]

    class Mended:
        """The mapping after its codebook was mended."""

        name, format = mapper.name, mapper.format

        def apply(self, document: Any, *, now: Any) -> Any:
            changed = json.loads(json.dumps(document))
            changed["huisverbod"]["status"] = "opgelegd"
            return mapper.apply(changed, now=now)

    monkeypatch.setattr(stage.hub.intake, "_mappings", {"thv-aanmelding": Mended()})
    settled = await stage.hub.intake.retry(parked.id, by="D", reason="code toegevoegd", now=stage.clock.now())
    assert settled.state == "routed"
    await stage.hub.dispatch.run_once()
    first, second = stage.views()["vvt"]
    assert "late" not in first
    assert second["late"] is True
    assert second["case"]["reference"] == first["case"]["reference"]


async def test_a_release_to_somebody_unknown_or_to_a_source_is_refused(stage: Stage) -> None:
    await stage.send("cit", cit("den-haag"), FHIR)
    (parked,) = await stage.hub.store.parked()
    for to, rule in (["nobody"], "release:unknown-partner"), (["cit"], "release:not-a-recipient"):
        with pytest.raises(Refusal) as caught:
            await stage.hub.intake.release(parked.id, to=to, by="D", reason="r", now=stage.clock.now())
        assert caught.value.findings[0].rule == rule


async def test_settling_twice_is_not_found(stage: Stage) -> None:
    await stage.send("cit", cit("den-haag"), FHIR)
    (parked,) = await stage.hub.store.parked()
    await stage.hub.intake.drop(parked.id, by="D", reason="r", now=stage.clock.now())
    with pytest.raises(NotFound):
        await stage.hub.intake.drop(parked.id, by="D", reason="r", now=stage.clock.now())
