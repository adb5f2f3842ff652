# SPDX-License-Identifier: EUPL-1.2
"""Check op bekendheid over a whole hub: who is asked about whom, what comes back, and who sees what of it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.formats.fhir_xml_convert import from_xml
from schakel.acting import Said
from schakel.errors import Forbidden, NotFound, Refusal
from schakel.ledger_records import ActOutcome, AnswerOutcome
from schakel.message import Answer
from tests.integration.stage import Stage, open_stage, thv

PARTNERS = ["politie", "reclassering", "de-waag"]
ICMER = Said(name="P. Jansen", function="ICM'er")


class Asking:
    """A case in Delft that Perspektief leads, and the partners around it."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.lead = ""
        self.members: list[dict[str, Any]] = []

    async def open(self, example: str = "delft-tweede-thv", **changes: Any) -> Asking:
        await self.stage.send("thv-pool", thv(example, **changes))
        await self.stage.hub.dispatch.run_once()
        (view,) = self.stage.views()["perspektief"]
        self.lead, self.members = view["case"]["reference"], view["members"]
        return self

    def who(self, role: str) -> dict[str, Any]:
        return next(one for one in self.members if one["role"] == role)

    async def ask(
        self, partners: list[str], members: list[str], *, by: str = "perspektief", reference: str | None = None
    ) -> ActOutcome:
        outcome = await self.stage.hub.acting.act(
            "known-check",
            actor=by,
            reference=reference or self.lead,
            fields={"partners": partners, "members": members},
            now=self.stage.clock.now(),
            said=ICMER,
        )
        await self.stage.hub.dispatch.run_once()
        return outcome

    async def mailbox(self, partner: str) -> list[dict[str, Any]]:
        """What waits for a partner, opened."""
        found = []
        for entry in await self.stage.hub.store.mailbox(partner, after=0, limit=99):
            content, _, _ = await self.stage.hub.mailbox.content(self.stage.partner(partner), entry.number)
            found.append(json.loads(content))
        return found

    async def says(self, partner: str, question: dict[str, Any], answer: str, **more: Any) -> AnswerOutcome:
        """As POST /v1/answers takes it."""
        said = Answer.model_validate({"reference": question["request"]["reference"], "answer": answer, **more})
        now = self.stage.clock.now()
        outcome = await self.stage.hub.involvement.answer(self.stage.partner(partner), said, now=now)
        await self.stage.hub.dispatch.run_once()
        return outcome

    async def lapse(self) -> None:
        """What the clock does when the time of a matter has come."""
        now = self.stage.clock.now()
        for case_id, matter in await self.stage.hub.store.ended_matters(now=now, limit=99):
            await self.stage.hub.acting.act(
                "lapse", actor="clock", reference=case_id, fields={"matter": matter}, now=now
            )
        await self.stage.hub.dispatch.run_once()

    def told(self) -> list[dict[str, Any]]:
        """The answers that the lead has been told of."""
        sent = [json.loads(parcel.content) for parcel in self.stage.webhook.sent if parcel.recipient == "perspektief"]
        return [one for one in sent if one.get("occasion") == "known-check-answered"]

    async def ledger(self, partner: str, reference: str | None = None) -> dict[str, Any]:
        views = self.stage.hub.ledger_views
        return await views.ledger(self.stage.partner(partner), reference or self.lead, now=self.stage.clock.now())


@pytest.fixture
async def asking(tmp_path: Path) -> AsyncIterator[Asking]:
    stage = open_stage(tmp_path)
    async with stage.hub:
        yield await Asking(stage).open()
        assert await stage.holes() == []


# -- the whole way -----------------------------------------------------------------------------------------------------


async def test_three_partners_are_asked_about_two_persons_and_answer_each_for_itself(asking: Asking) -> None:
    victim, removed = asking.who("victim"), asking.who("removed")
    outcome = await asking.ask(PARTNERS, [victim["id"], removed["id"]])
    assert (outcome.outcome, outcome.made["asked"]) == ("recorded", "6")
    questions = {partner: await asking.mailbox(partner) for partner in PARTNERS}
    assert [len(each) for each in questions.values()] == [2, 2, 2]
    references = [one["request"]["reference"] for each in questions.values() for one in each]
    assert len(set(references)) == 6
    for each in questions.values():
        assert [one["persons"][0]["names"] for one in each] == [victim["names"], removed["names"]]
        assert {one["by"]["organisation"] for one in each} == {"Perspektief"}
        assert {one["occasion"] for one in each} == {"known-check-asked"}

    await asking.says("politie", questions["politie"][0], "known", reasonText="Meermaals ter plaatse.")
    await asking.says("politie", questions["politie"][1], "unknown")
    await asking.says("reclassering", questions["reclassering"][1], "known")
    asking.stage.clock.forward(timedelta(days=9))
    await asking.lapse()

    said = {(one["about"]["partner"], one["persons"][0]["id"]): one["terms"]["answer"] for one in asking.told()}
    assert said == {
        ("politie", victim["id"]): "known",
        ("politie", removed["id"]): "unknown",
        ("reclassering", removed["id"]): "known",
        ("reclassering", victim["id"]): "no-answer",
        ("de-waag", victim["id"]): "no-answer",
        ("de-waag", removed["id"]): "no-answer",
    }
    (first,) = [one for one in asking.told() if one["terms"].get("reason")]
    assert first["terms"]["reason"] == "Meermaals ter plaatse."


async def test_a_partner_sees_its_own_question_and_nobody_elses(asking: Asking) -> None:
    await asking.ask(PARTNERS, [asking.who("victim")["id"]])
    (question,) = await asking.mailbox("politie")
    await asking.says("politie", question, "known")
    own = await asking.ledger("politie", question["case"]["reference"])
    assert [(one["partner"], one["state"]) for one in own["matters"]] == [("politie", "known")]
    assert not any(partner in json.dumps(own) for partner in ("reclassering", "de-waag"))
    with pytest.raises(NotFound):
        await asking.ledger("reclassering", question["case"]["reference"])
    stranger = await asking.says("reclassering", question, "unknown")
    assert stranger.outcome == "parked"  # another's reference is nobody's
    assert [one["terms"]["answer"] for one in asking.told()] == ["known"]


async def test_who_knows_somebody_is_no_part_of_the_case(asking: Asking) -> None:
    before = await asking.ledger("perspektief")
    await asking.ask(["politie"], [asking.who("victim")["id"]])
    (question,) = await asking.mailbox("politie")
    await asking.says("politie", question, "known")
    after = await asking.ledger("perspektief")
    assert after["involvements"] == before["involvements"]
    assert [(one["kind"], one["partner"], one["state"]) for one in after["matters"]] == [
        ("known-check", "politie", "known")
    ]
    assert [one.get("occasion") for one in await asking.mailbox("politie")] == ["known-check-asked"]


async def test_a_question_tells_who_somebody_is_and_nothing_of_where(asking: Asking) -> None:
    removed = asking.who("removed")
    await asking.ask(["politie"], [removed["id"]])
    (question,) = await asking.mailbox("politie")
    (person,) = question["persons"]
    assert set(person) <= {"id", "names", "born", "sex", "bsn", "bsnStatus"}
    others = [one for one in asking.members if one["id"] != removed["id"]]
    text = json.dumps(question)
    for one in asking.members:
        for address in one.get("addresses", ()):
            assert not any(address.get(part, "\0") in text for part in ("street", "postcode"))
    assert not any(one["names"].get("given", "\0") in text or one.get("bsn", "\0") in text for one in others)


# -- again, late, otherwise --------------------------------------------------------------------------------------------


async def test_what_is_open_is_not_asked_again_and_what_was_answered_can_be(asking: Asking) -> None:
    victim = asking.who("victim")["id"]
    await asking.ask(["politie"], [victim])
    assert (await asking.ask(["politie"], [victim])).outcome == "repeated"
    more = await asking.ask(["politie", "de-waag"], [victim])
    assert more.made["asked"] == "1"
    (question,) = await asking.mailbox("politie")
    await asking.says("politie", question, "unknown")
    assert (await asking.ask(["politie"], [victim])).made["asked"] == "1"
    assert len(await asking.mailbox("politie")) == 2


async def test_an_answer_may_be_late_and_may_change_and_the_lead_hears_each_once(asking: Asking) -> None:
    await asking.ask(["politie"], [asking.who("victim")["id"]])
    (question,) = await asking.mailbox("politie")
    asking.stage.clock.forward(timedelta(days=9))
    await asking.lapse()
    await asking.lapse()
    assert (await asking.says("politie", question, "known")).request_state == "known"
    assert (await asking.says("politie", question, "known")).outcome == "repeated"
    await asking.says("politie", question, "unknown")
    assert [one["terms"]["answer"] for one in asking.told()] == ["no-answer", "known", "unknown"]


async def test_before_its_time_nothing_lapses(asking: Asking) -> None:
    await asking.ask(["politie"], [asking.who("victim")["id"]])
    case = await asking.stage.hub.store.ledger("perspektief", asking.lead)
    assert case is not None
    (matter,) = case.matters
    outcome = await asking.stage.hub.acting.act(
        "lapse", actor="clock", reference=case.id, fields={"matter": matter.id}, now=asking.stage.clock.now()
    )
    assert outcome.outcome == "repeated"
    assert [one.kind for one in case.deadlines if one.subject == matter.id] == ["known-check"]


async def test_an_answer_stops_the_clock_and_a_new_question_that_of_the_old_one(asking: Asking) -> None:
    victim = asking.who("victim")["id"]
    await asking.ask(["politie", "de-waag"], [victim])
    (question,) = await asking.mailbox("politie")
    await asking.says("politie", question, "known")
    asking.stage.clock.forward(timedelta(days=9))
    await asking.lapse()
    await asking.ask(["de-waag"], [victim])
    case = await asking.stage.hub.store.ledger("perspektief", asking.lead)
    assert case is not None
    running = {one.subject for one in case.deadlines if one.kind == "known-check"}
    assert running == {one.id for one in case.matters if one.state == "asked"}
    assert len(running) == 1


async def test_the_same_answer_in_a_machines_words_says_nothing(asking: Asking) -> None:
    await asking.ask(["politie"], [asking.who("victim")["id"]])
    (question,) = await asking.mailbox("politie")
    assert (await asking.says("politie", question, "received")).outcome == "repeated"
    with pytest.raises(Refusal, match="known-check:answer"):
        await asking.says("politie", question, "confirmed")
    assert asking.told() == []


async def test_an_answer_tells_of_the_person_as_the_message_then_named_it(asking: Asking) -> None:
    removed = asking.who("removed")
    await asking.ask(["politie"], [removed["id"]])
    (question,) = await asking.mailbox("politie")
    document = json.loads(thv("delft-tweede-thv", kenmerk="later", soort="wijziging"))
    renamed = json.dumps(document).replace(f'"{removed["id"]}"', '"somebody-new"').encode()
    await asking.stage.send("thv-pool", renamed)
    await asking.stage.hub.dispatch.run_once()
    await asking.says("politie", question, "known")
    (told,) = asking.told()
    assert told["persons"][0]["names"] == removed["names"]


# -- refused -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("partners", "members", "rule"),
    [
        (["politie"], ["nobody"], "known-check:no-such-member"),
        (["nobody"], None, "ask:unknown-partner"),
        (["cit"], None, "ask:not-a-recipient"),
        (["perspektief"], None, "ask:itself"),
        ([], None, "act:field-missing"),
        (["politie"], [], "act:field-missing"),
        (["politie"], [7], "act:field-wrong"),
    ],
)
async def test_a_refusal_names_the_rule(
    asking: Asking, partners: list[str], members: list[Any] | None, rule: str
) -> None:
    with pytest.raises(Refusal, match=rule):
        await asking.ask(partners, [asking.who("victim")["id"]] if members is None else members)
    case = await asking.stage.hub.store.ledger("perspektief", asking.lead)
    assert case is not None
    assert case.matters == ()


async def test_only_who_leads_asks(asking: Asking) -> None:
    await asking.ask(["politie"], [asking.who("victim")["id"]])
    (question,) = await asking.mailbox("politie")
    with pytest.raises(Forbidden, match="act:only-the-lead"):
        await asking.ask(
            ["de-waag"], [asking.who("victim")["id"]], by="politie", reference=question["case"]["reference"]
        )


async def test_nobody_of_the_households_own_network_is_asked_about_persons(tmp_path: Path) -> None:
    trainer = {"id": "trainer", "name": "Trainer", "kind": "network"}
    stage = open_stage(tmp_path, overlay={"partners.yaml": {"partners": [trainer]}})
    async with stage.hub:
        asking = await Asking(stage).open()
        with pytest.raises(Forbidden, match="known-check:no-organisation"):
            await asking.ask(["trainer"], [asking.who("victim")["id"]])


async def test_an_unborn_child_is_not_asked_about(tmp_path: Path) -> None:
    stage = open_stage(tmp_path)
    async with stage.hub:
        people = json.loads(thv("delft-tweede-thv"))["betrokkenen"]
        unborn = {"id": "ongeboren", "rol": "kind", "ongeboren": True, "namen": {}, "bsnStatus": "geen"}
        asking = await Asking(stage).open(betrokkenen=[*people, unborn])
        with pytest.raises(Refusal, match="known-check:unborn"):
            await asking.ask(["politie"], ["ongeboren"])


async def test_too_many_questions_at_once_are_split_by_who_asks(asking: Asking) -> None:
    with pytest.raises(Refusal, match="known-check:too-many"):
        await asking.ask(["politie", "de-waag"], [f"m{number}" for number in range(101)])


async def test_a_role_that_may_not_know_who_somebody_is_is_not_asked(tmp_path: Path) -> None:
    """A region whose partners see no names and numbers: there is nothing to ask with."""
    stage = open_stage(
        tmp_path,
        overlay={
            "disclosure.yaml": {
                "roles": [{"role": "partner", "programmes": ["icm", "mda++", "icm-youth"], "fields": ["members.id"]}]
            }
        },
    )
    async with stage.hub:
        asking = await Asking(stage).open()
        with pytest.raises(Forbidden, match="known-check:not-for-this-role"):
            await asking.ask(["politie"], [asking.who("victim")["id"]])
        assert await asking.mailbox("politie") == []


# -- in FHIR -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("form", "written"), [("case-fhir", "fhir-json"), ("case-fhir-xml", "fhir-xml")])
async def test_a_partner_that_reads_fhir_gets_a_task_and_answers_it(tmp_path: Path, form: str, written: str) -> None:
    receives = {"channel": "mailbox", "representation": form, "answers": ["fhir-json", "fhir-xml"]}
    stage = open_stage(tmp_path, overlay={"partners.yaml": {"partners": [{"id": "de-waag", "receives": receives}]}})
    async with stage.hub:
        asking = await Asking(stage).open()
        removed = asking.who("removed")
        await asking.ask(["de-waag"], [removed["id"]])
        partner, media_type = stage.partner("de-waag"), stage.hub.formats[written].media_types[0]
        content, kind, _ = await stage.hub.mailbox.content(partner, 1)
        assert kind == media_type
        bundle = json.loads(content) if written == "fhir-json" else from_xml(content)
        bodies = {entry["resource"]["resourceType"]: entry["resource"] for entry in bundle["entry"]}
        task, patient = bodies["Task"], bodies["Patient"]
        assert {"system": "urn:schakel:notice", "code": "known-check-asked"} in task["code"]["coding"]
        assert patient["name"][0]["family"].endswith(removed["names"]["family"])
        assert not {"address", "telecom", "contained", "extension"} & patient.keys()

        concept = {"coding": [{"system": "urn:schakel:answer", "code": "answer"}]}
        answered = {name: task[name] for name in ("resourceType", "id", "identifier", "intent", "code")}
        answered |= {"status": "completed", "output": [{"type": concept, "valueCode": "unknown"}]}
        body = stage.hub.formats[written].write(answered)
        _, outcome = await stage.hub.answering.receive(partner, body, media_type, stage.clock.now())
        assert (outcome.outcome, outcome.request_state) == ("recorded", "unknown")
        await stage.hub.dispatch.run_once()
        (told,) = asking.told()
        assert (told["about"]["partner"], told["terms"]["answer"]) == ("de-waag", "unknown")
        assert await stage.holes() == []
