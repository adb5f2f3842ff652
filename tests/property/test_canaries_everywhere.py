# SPDX-License-Identifier: EUPL-1.2
"""Plants a canary in every field of what comes in and proves that no byte that leaves a whole, running hub holds one it
may not: webhooks with their headers and URLs, mailboxes, replies, views, alarms, logs, commands, and every file.

Who may see what is written down here, from the words of the law the hub keeps and not from its own tables.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.support import canaries as plants
from tests.support.canaries import OTHERS, Canary, Garden, found
from tests.support.listening import MAIL, PAGER, Listening, listening

JSON, FHIR, XML = "application/json", "application/fhir+json", "text/xml"

# -- who may see what --------------------------------------------------------------------------------------------------

LEAD, DUO, PROCESS, CASE, PARTNER, SOURCE = "lead", "duo", "process-director", "case-director", "partner", "source"
WHO = {"person", "member-id"}
LOCAL = WHO | {"contact", "address", "language", "event-address", "order-number", "case-reference", "question-prose"}
LOCAL |= {"phone-prose", "informed-prose", "incident-prose", "stalled-prose", "safety-prose"}
LOCAL |= {"organisation-prose", "organisation-contact"}
WHOLE = LOCAL | {"nationality", "own-reference", "police-number", "order-prose", "prosecution-prose", "remarks-prose"}
WHOLE |= {"risk-prose", "history-prose", "history-number", "reporter", "note-prose", "attachment-prose"}
MATRIX = {"contact-person", "answer-prose"}
SEES: dict[str, set[str]] = {LEAD: WHOLE, PROCESS: WHOLE, DUO: LOCAL, CASE: LOCAL, PARTNER: WHO}
SEES[SOURCE] = {"own-reference", "case-reference"}  # its own words, back to itself
OF_A_PERSON = {"contact", "address"}
OF_NOBODY = {"organisation-contact", "reporter"}

LOCAL_TEAM = {
    "0503": "lokaal-team-delft",
    "0518": "lokaal-team-den-haag",
    "0637": "lokaal-team-zoetermeer",
    "1783": "lokaal-team-westland",
    "1926": "lokaal-team-pijnacker-nootdorp",
}
SOURCE_OF = {
    "thv": "thv-pool",
    "fhir": "cit",
    "stuf": "veilig-thuis",
    "stuf-mda": "veilig-thuis",
    "stuf-vt": "veilig-thuis",
}


@dataclass
class Case:
    """One household as this test tells of it."""

    form: str
    municipality: str
    secret: str
    masked: bool
    strange: bool
    raised: bool = False  # an update tells of a secret address, after the first message went out
    garden: Garden = field(default_factory=Garden)
    answers: Garden = field(default_factory=Garden)
    team: dict[str, str] = field(default_factory=dict)  # partner → role
    hidden: set[str] = field(default_factory=set)  # sides whose whereabouts are secret

    @property
    def source(self) -> str:
        return SOURCE_OF[self.form]

    def expect_team(self) -> None:
        if self.form == "stuf-mda":
            self.team = {"zvhh": PROCESS, LOCAL_TEAM[self.municipality]: CASE}
        elif self.form == "thv" or self.municipality != "0518":
            lead = "vvt" if self.municipality == "0518" else "perspektief"
            self.team = {lead: LEAD, LOCAL_TEAM[self.municipality]: DUO}

    def may_see(self, who: str, canary: Canary) -> bool:
        """In a view of this case."""
        if who == self.source and canary.kind in SEES[SOURCE]:
            return True
        role = self.team.get(who)
        if canary.kind in MATRIX:
            prose = canary.kind == "answer-prose" and self.hidden and role != LEAD
            return canary.side == who or (role in (LEAD, DUO, PROCESS, CASE) and not prose)
        if role is None or canary.kind not in SEES[role] or (canary.kind == "reporter" and self.masked):
            return False
        if not self.hidden or role == LEAD:
            return True
        if canary.kind.endswith("-prose") or canary.kind in OF_NOBODY:
            return False
        if self.secret == "home" and canary.path.startswith("huisverbod.adres"):
            return False
        return not (canary.kind in OF_A_PERSON and canary.side in self.hidden)


@dataclass
class Watch:
    """Looks at all that comes out, after each step."""

    hub: Listening
    cases: list[Case] = field(default_factory=list)
    rest: Garden = field(default_factory=Garden)  # of what was refused, of what a wrong partner says
    seen: set[str] = field(default_factory=set)  # canaries that came out where they may

    def _all(self) -> Iterable[tuple[Case | None, Canary]]:
        for case in self.cases:
            yield from ((case, canary) for canary in plants.words_of([case.garden, case.answers]))
        yield from ((None, canary) for canary in self.rest.planted.values())

    def heard(self, who: str, data: bytes, where: str, *, own: Iterable[Canary] = ()) -> None:
        """`own`: what `who` itself has just sent, as far as an answer may repeat it."""
        allowed = {canary.text for canary in own}
        plain = data.replace(b"\\/", b"/")
        wrong = []
        every = list(self._all())
        here = {id(canary) for canary in found((canary for _, canary in every), plain, disguised=not who)}
        for case, canary in every:
            if id(canary) in here:
                if canary.text in allowed or (who and case is not None and case.may_see(who, canary)):
                    self.seen.add(canary.text)
                else:
                    wrong.append(f"{canary.kind}: {canary.path} of {canary.side or 'nobody'}")
        assert not wrong, f"{where} shows {who or 'anybody'}: {sorted(set(wrong))}"

    def nobody(self, data: bytes, where: str) -> None:
        self.heard("", data, where)

    async def look(self) -> None:
        """Everything that went out or was written since the last look."""
        for who, data in self.hub.ears.drain():
            self.heard("" if who in (PAGER, MAIL) else who, data, f"bytes sent to {who}")
        self.nobody(self.hub.log_so_far(), "log")
        for name, data in self.hub.files():
            self.nobody(data, f"file {name}")

    async def ask(self, who: str, path: str, where: str) -> tuple[int, Any]:
        reply = await self.hub.client(who).get(path)
        self.heard(who, _raw(reply), where)
        self.nobody(str(reply.url).encode(), f"URL of {where}")
        return reply.status_code, reply.json() if "json" in reply.headers.get("content-type", "") else None

    async def mailboxes(self) -> None:
        for who in {who for case in self.cases for who in case.team}:
            _, box = await self.ask(who, "/v1/mailbox?limit=500", f"mailbox of {who}")
            for entry in box["entries"]:
                await self.ask(who, f"/v1/mailbox/{entry['number']}", f"mailbox content of {who}")

    async def commands(self, message: str, case: str) -> None:
        _, listed = await self.hub.command("parked", "list", "--all", "--json")
        self.nobody(listed.encode(), "parked list")
        shown = {row["cause"]: row["id"] for row in json.loads(listed)}
        asked = [("parked", "show", each) for each in shown.values()]
        asked += [("alarms", "list"), ("verify", "--json"), ("status", message), ("case", case)]
        for arguments in asked:
            code, said = await self.hub.command(*arguments)
            assert code == 0 or arguments[0] == "verify", (arguments, said)  # by today's clock all is late
            self.nobody(said.encode(), " ".join(arguments[:2]))


def _raw(reply: Any) -> bytes:
    head = "\n".join(f"{name}: {value}" for name, value in reply.headers.items())
    return f"{reply.status_code}\n{head}\n\n".encode() + bytes(reply.content)


# -- what is sent ------------------------------------------------------------------------------------------------------


def body_of(case: Case) -> tuple[bytes, str]:
    case.hidden = {OTHERS} if case.secret else set()
    garden, hints = case.garden, {"secret": case.secret, "masked": case.masked}
    if case.form == "thv":
        return json.dumps(plants.thv(garden, municipality=case.municipality, **hints)).encode(), JSON
    if case.form == "fhir":
        example = {"1783": "westland", "0518": "den-haag"}[case.municipality]
        return json.dumps(plants.fhir(garden, example, strange=case.strange, **hints)).encode(), FHIR
    mapping = "stuf_vt_melding" if case.form == "stuf-vt" else "stuf_melding_generiek"
    example = {"stuf": "zoetermeer", "stuf-mda": "mda-delft", "stuf-vt": "huisverbod"}[case.form]
    made = plants.stuf(garden, mapping, example, municipality=case.municipality, strange=case.strange, **hints)
    return made, XML


def own_words(case: Case) -> list[Canary]:
    """What an answer to the source may repeat: its own references and the name of its own system."""
    return [each for each in case.garden.planted.values() if each.kind == "own-reference"]


async def hand_in(watch: Watch, case: Case, body: bytes, media_type: str) -> Any:
    reply = await watch.hub.send(case.source, body, media_type)
    watch.heard(case.source, _raw(reply), "reply to a referral", own=own_words(case))
    return reply


def message_id(reply: Any) -> str:
    """Out of whichever form the answer has; StUF does not say it."""
    if "fhir" in reply.headers["content-type"]:
        return str(reply.json()["issue"][0]["diagnostics"].split()[1].rstrip(":"))
    return str(reply.json()["id"]) if "json" in reply.headers["content-type"] else ""


# -- the story ---------------------------------------------------------------------------------------------------------

FORMS = [("thv", "0503"), ("thv", "0518"), ("thv", "1783"), ("thv", "1926"), ("fhir", "1783"), ("fhir", "0518")]
FORMS += [("stuf", "0637"), ("stuf", "0518"), ("stuf-mda", "0503"), ("stuf-vt", "0637")]
CASES = st.builds(
    lambda form, **hints: Case(*form, **hints),
    form=st.sampled_from(FORMS),
    secret=st.sampled_from(["", "", "person", "address", "home"]),
    masked=st.booleans(),
    strange=st.booleans(),
    raised=st.booleans(),
)


@pytest.mark.slow
@settings(
    max_examples=4,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
@given(cases=st.lists(CASES, min_size=2, max_size=3), refusing=st.booleans(), dropped=st.booleans())
def test_nothing_that_leaves_a_running_hub_holds_a_canary_it_may_not(
    cases: list[Case], refusing: bool, dropped: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(story(Path(folder), cases, refusing=refusing, dropped=dropped))


@pytest.mark.slow
async def test_nor_does_the_command_line_and_what_may_be_seen_is_seen(tmp_path: Path) -> None:
    """Without secrets nearly everything goes out to the lead: the canaries would be found if they were there."""
    cases = [Case("thv", "0503", "", False, True), Case("fhir", "0518", "", False, True)]
    watch = await story(tmp_path, cases, refusing=False, dropped=False, shell=True)
    mine = cases[0].garden.planted.values()
    unseen = {canary.path for canary in mine if canary.kind in WHOLE and canary.text not in watch.seen}
    assert unseen == set()
    assert {canary.kind for canary in mine} == WHOLE
    assert all(canary.text in watch.seen for canary in cases[0].answers.planted.values())


async def story(folder: Path, cases: list[Case], *, refusing: bool, dropped: bool, shell: bool = False) -> Watch:
    async with listening(folder) as hub:
        watch = Watch(hub)
        hub.ears.refusing = {"perspektief", "lokaal-team-westland"} if refusing else set()
        ids: list[str] = []
        bodies: list[tuple[bytes, str]] = []
        for case in cases:
            watch.cases.append(case)
            body, media_type = body_of(case)
            case.expect_team()
            reply = await hand_in(watch, case, body, media_type)
            assert reply.status_code in (200, 202), reply.content
            ids.append(message_id(reply))
            bodies.append((body, media_type))
            again = await hand_in(watch, case, body, media_type)
            assert again.status_code in (200, 202, 500)  # SOAP says "received before" as a fault
        await hub.work()
        await watch.look()
        for case, (body, media_type) in zip(list(cases), bodies, strict=True):
            if case.raised:
                reply = await hand_in(watch, case, plants.raised(case.garden, body), media_type)
                assert reply.status_code in (200, 202), reply.content
                case.hidden = {OTHERS}
        await refusals(watch)
        await people(watch, dropped=dropped)
        hub.ears.refusing = set()
        await hub.work(timedelta(minutes=2))
        await watch.look()
        await watch.mailboxes()
        await answering(watch)
        for case, sent in zip(cases, ids, strict=True):
            if sent:
                assert (await watch.ask(case.source, f"/v1/referrals/{sent}", "status"))[0] == 200
        await hub.work(timedelta(hours=6))  # reminders, alarms by mail and pager
        for path in ("/livez", "/readyz", "/v1/openapi.json"):
            await watch.ask("", path, path)
        if shell:
            views = await _views(watch, "perspektief")
            await watch.commands(ids[0], views[0]["case"]["reference"])
        await watch.look()
    for name, data in hub.files():
        watch.nobody(data, f"file {name} after the end")
    return watch


async def people(watch: Watch, *, dropped: bool) -> None:
    """A person releases what is parked for Den Haag, also to partners who are only asked; or drops it."""
    hub = watch.hub.hub
    waiting = [case for case in watch.cases if not case.team and case.municipality == "0518"]
    for row in await hub.store.parked():
        if row.cause != "human-decision":
            continue
        who: dict[str, Any] = {"by": "Fictief", "reason": "proef", "now": hub.clock.now()}
        if dropped:
            await hub.intake.drop(row.id, **who)
        else:
            await hub.intake.release(row.id, to=["vvt", "politie"], **who)
    for case in waiting if not dropped else ():
        case.team = {"vvt": LEAD, LOCAL_TEAM[case.municipality]: DUO, "politie": PARTNER}


async def answering(watch: Watch) -> None:
    """Each asked partner answers, with a person's name and number, or with a reason in words."""
    asked = {who for case in watch.cases for who in case.team}
    views = {who: await _views(watch, who) for who in asked}
    for case in watch.cases:
        for who, role in case.team.items():
            for view in [view for view in views[who] if _is_of(view, case)][:1]:
                said: dict[str, Any] = {"reference": view["request"]["reference"], "answer": "confirmed"}
                said["contact"] = plants.contact_person(case.answers, who)
                if role in (LEAD, DUO, PROCESS, CASE):
                    said["reasonText"] = case.answers.word("answer.reasonText", "answer-prose", who)
                own = list(case.answers.planted.values())[-4:]
                reply = await watch.hub.client(who).post("/v1/answers", json=said)
                assert reply.status_code == 200, reply.content
                watch.heard(who, _raw(reply), "reply to an answer", own=own)
        for who in case.team:
            for view in [view for view in views[who] if _is_of(view, case)]:
                await watch.ask(who, f"/v1/cases/{view['case']['reference']}", f"case view of {case.team[who]}")
    await watch.look()


async def _views(watch: Watch, who: str) -> list[dict[str, Any]]:
    _, box = await watch.ask(who, "/v1/mailbox?limit=500", "mailbox")
    found_ = [await watch.ask(who, f"/v1/mailbox/{entry['number']}", "mailbox content") for entry in box["entries"]]
    return [view for status, view in found_ if status == 200]


def _is_of(view: dict[str, Any], case: Case) -> bool:
    return bool(
        found([each for each in case.garden.planted.values() if each.kind == "person"], json.dumps(view).encode())
    )


# -- what is refused ---------------------------------------------------------------------------------------------------


async def refusals(watch: Watch) -> None:
    """Malformed and wrong messages, full of canaries too: the answer names places and rules only."""
    rest, client = watch.rest, watch.hub.client("thv-pool")
    good = plants.thv(rest, municipality="0503")
    victim = good["betrokkenen"][0]
    wrong: list[tuple[Any, str, int]] = [
        (good | {rest.word("(key)", "lost"): rest.word("(value)", "lost")}, JSON, 400),
        (good | {"betrokkenen": [victim | {"rol": [rest.word("rol", "lost")]}]}, JSON, 400),
        (good | {"betrokkenen": [victim | {"bsn": rest.word("bsn", "lost")}]}, JSON, 400),
        (good | {"huisverbod": rest.word("huisverbod", "lost")}, JSON, 400),
        (good, FHIR, 415),
        ({"resourceType": "Bundle", "type": rest.word("Bundle.type", "lost")}, FHIR, 415),
    ]
    for document, media_type, status in wrong:
        await _refused(watch, client, json.dumps(document).encode(), media_type, status)
    text = json.dumps(good)
    key = rest.word("(twice)", "lost")
    broken = [text[:-20], text[:-1] + f',"{key}":1,"{key}":2}}', text.replace(good["kenmerk"], "\\u0000")]
    for body in broken:
        await _refused(watch, client, body.encode(), JSON, 400)
    await _refused(watch, client, text.encode("utf-16"), JSON, 400)
    await fhir_refusals(watch)
    await stuf_refusals(watch)
    await conflicts(watch)
    await watch.look()


async def _refused(watch: Watch, client: Any, body: bytes, media_type: str, status: int, *, accept: str = "*/*") -> Any:
    reply = await client.post("/v1/referrals", content=body, headers={"content-type": media_type, "accept": accept})
    assert reply.status_code == status, reply.content
    own = [each for each in watch.rest.planted.values() if each.kind == "own-reference"]
    watch.heard("a sender", _raw(reply), f"refusal {status}", own=own)
    return reply


async def fhir_refusals(watch: Watch) -> None:
    rest, client = watch.rest, watch.hub.client("cit")
    good = plants.fhir(rest, "westland", strange=True)
    wrong = [
        good | {"type": rest.word("Bundle.type", "lost")},
        good | {"entry": good["entry"][1:]},
        good | {"entry": [*good["entry"], {"fullUrl": rest.word("fullUrl", "lost"), "resource": {}}]},
    ]
    patient = next(each for each in good["entry"] if each["resource"]["resourceType"] == "Patient")
    broken = json.loads(json.dumps(good))
    body = next(each for each in broken["entry"] if each["fullUrl"] == patient["fullUrl"])["resource"]
    body["birthDate"] = rest.word("birthDate", "lost")
    body["name"] = rest.word("name", "lost")
    body["contact"] = [{rest.word("(key)", "lost"): {"active": rest.word("active", "lost")}}]
    for document in [*wrong, broken]:
        for accept in (FHIR, "*/*"):
            await _refused(watch, client, json.dumps(document).encode(), FHIR, 400, accept=accept)


async def stuf_refusals(watch: Watch) -> None:
    rest, client = watch.rest, watch.hub.client("veilig-thuis")
    good = plants.stuf(rest, "stuf_melding_generiek", "zoetermeer", municipality="0637", strange=True)
    mark = rest.word("(wrong)", "lost")
    wrong = [
        (good.replace(b"<BG:geslachtsaanduiding>V", f"<BG:geslachtsaanduiding>{mark}".encode()), 400),
        (good.replace(b"<JZ:datumTijdMelding>2026", f"<JZ:datumTijdMelding>{mark}".encode()), 400),
        (good.replace(b"00000099000000001003", b"00000099000000001002"), 403),
        (good[:-30], 400),
        (b"<!DOCTYPE x [<!ENTITY e '" + mark.encode() + b"'>]>" + good.partition(b"?>")[2], 400),
        (f"<{mark}>{mark}</{mark}>".encode(), 415),
    ]
    for body, status in wrong:
        reply = await client.post("/v1/referrals", content=body, headers={"content-type": XML})
        assert reply.status_code in (status, 202), (status, reply.content)
        own = [each for each in rest.planted.values() if each.kind == "own-reference"]
        watch.heard("a sender", _raw(reply), "StUF refusal", own=own)


async def conflicts(watch: Watch) -> None:
    """Accepted and parked, or refused with 409: the finding, the parked row and the alarm hold no value."""
    case = Case("thv", "0503", "", False, False)
    watch.cases.append(case)
    document = plants.thv(case.garden, municipality="0503")
    code = case.garden.word("soort", "lost")
    first = document | {"soort": code}
    reply = await hand_in(watch, case, json.dumps(first).encode(), JSON)
    assert (reply.status_code, reply.json()["parkedCause"]) == (202, "unknown-code")
    reply = await hand_in(watch, case, json.dumps(document).encode(), JSON)
    assert reply.status_code == 409
    impossible = Case("thv", "0503", "", False, False)
    watch.cases.append(impossible)
    document = plants.thv(impossible.garden, municipality="0503")
    document["betrokkenen"][1]["id"] = document["betrokkenen"][0]["id"]
    reply = await hand_in(watch, impossible, json.dumps(document).encode(), JSON)
    assert reply.json()["parkedCause"] == "contradiction"
    nowhere = Case("thv", "0503", "person", False, False)
    watch.cases.append(nowhere)
    document = json.loads(body_of(nowhere)[0])
    for part in ("huisverbod", "incident"):
        del document[part]["adres"]["gemeentecode"]
    reply = await hand_in(watch, nowhere, json.dumps(document).encode(), JSON)
    assert reply.json()["state"] == "parked"
