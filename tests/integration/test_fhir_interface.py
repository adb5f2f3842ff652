# SPDX-License-Identifier: EUPL-1.2
"""A FHIR partner and its ordinary client: it gets the case as a message, finds its Tasks, reads, answers, and is told
when somebody was before it. Over loopback HTTP, with a real hub."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import fhirclient.client
import fhirclient.models.capabilitystatement
import fhirclient.models.task
import fhirpy
import fhirpy.base.exceptions
import httpx2
import pytest
import requests

from api.listening import listen
from api.server import door
from connectors.formats.fhir_xml_convert import from_xml, to_xml
from schakel.bootstrap import Hub, SystemClock, build, initialise
from schakel.keys import new_key
from schakel.settings import Settings
from tests.integration.stage import JSON, RecordingChannel, RecordingSender, thv

FHIR = "application/fhir+json"
FHIR_XML = "application/fhir+xml"
TEAM, LEAD, POLICE = "lokaal-team-delft", "perspektief", "politie"
CONTACT = {
    "contained": [
        {
            "resourceType": "Practitioner",
            "id": "p",
            "name": [{"text": "Petra Proef"}],
            "telecom": [{"system": "phone", "value": "015 123 45 67"}],
        }
    ],
    "owner": {"reference": "#p"},
}
PARTNERS = [
    {
        "id": TEAM,
        "receives": {
            "channel": "mailbox",
            "representation": "case-fhir",
            "answers": ["fhir-json", "fhir-xml"],
        },
    },
    {"id": LEAD, "receives": {"channel": "mailbox", "representation": "case-fhir-xml", "answers": ["fhir-xml"]}},
    {"id": "cit", "sends": {"formats": ["fhir-json", "fhir-xml"]}},
    {
        "id": POLICE,
        "receives": {
            "channel": "mailbox",
            "representation": "case-fhir",
            "answers": ["fhir-json"],
        },
    },
]


@dataclass
class House:
    hub: Hub
    base: str
    stack: AsyncExitStack
    keys: dict[str, str]

    @property
    def fhir(self) -> str:
        return f"{self.base}/v1/fhir"

    def key(self, partner: str) -> str:
        return f"Bearer {self.keys[partner]}"

    async def client(self, partner: str, accept: str = "*/*") -> httpx2.AsyncClient:
        headers = {"authorization": self.key(partner), "accept": accept}
        made = httpx2.AsyncClient(base_url=self.base, headers=headers, trust_env=False, timeout=30)
        return await self.stack.enter_async_context(made)

    async def referred(self, number: int = 1) -> None:
        source = await self.client("thv-pool")
        body = json.loads(thv("delft-tweede-thv", kenmerk=f"F-{number}", zaakkenmerk=f"FZ-{number}"))
        body["huisverbod"]["nummer"] = f"THV-FHIR-{number}"
        body.pop("voorgeschiedenis", None)  # an earlier order that two households share would make them one
        for person in body["betrokkenen"]:
            person.pop("bsn", None)
            person["bsnStatus"] = "onbekend"
        said = await source.post("/v1/referrals", content=json.dumps(body), headers={"content-type": JSON})
        assert said.status_code == 202, said.text


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with AsyncExitStack() as stack:
        overlay = tmp_path / "overlay"
        overlay.mkdir()
        (overlay / "partners.yaml").write_text(json.dumps({"partners": PARTNERS}))
        sock = listen("127.0.0.1", 0)
        base = f"http://127.0.0.1:{sock.getsockname()[1]}"
        settings = Settings(
            _env_file=None, home=tmp_path / "home", region_overlay=overlay, public_url=base, log_level="error"
        )
        initialise(settings)
        ways: Any = {"mailbox": RecordingChannel(name="mailbox", how="notified")}
        senders: Any = {"smtp": RecordingSender()}
        hub = await stack.enter_async_context(build(settings, clock=SystemClock(), channels=ways, senders=senders))
        keys = {}
        for partner in (TEAM, LEAD, "cit", "thv-pool", "politie"):
            keys[partner], row = new_key(partner, now=hub.clock.now())
            await hub.store.add_key(row)
        server = door(hub)
        serving = asyncio.create_task(server.serve(sockets=[sock]))
        try:
            yield House(hub, base, stack, keys)
        finally:
            await stack.aclose()
            server.stop()
            server.force_exit = True
            await serving


async def task_of(client: httpx2.AsyncClient) -> dict[str, Any]:
    found = (await client.get("/v1/fhir/Task", headers={"accept": FHIR})).json()
    assert found["total"] == 1
    task: dict[str, Any] = found["entry"][0]["resource"]
    return task


# -- the message and its answer ----------------------------------------------------------------------------------------


async def test_a_team_gets_the_case_as_a_fhir_message_whose_task_is_the_one_it_finds(house: House) -> None:
    from fhir.resources.R4B.bundle import Bundle

    await house.referred()
    team = await house.client(TEAM)
    got = await team.get("/v1/mailbox/1")
    assert got.headers["content-type"] == FHIR, got.text
    bundle = got.json()
    Bundle.model_validate(bundle)
    sent = next(each["resource"] for each in bundle["entry"] if each["resource"]["resourceType"] == "Task")
    found = await task_of(team)
    assert (found["id"], found["restriction"], found["status"]) == (sent["id"], sent["restriction"], "requested")
    assert found["code"] == sent["code"]


async def test_the_team_that_leads_gets_it_in_xml_and_answers_in_xml(house: House) -> None:
    await house.referred()
    lead = await house.client(LEAD)
    got = await lead.get("/v1/mailbox/1")
    assert got.headers["content-type"] == FHIR_XML
    bundle = from_xml(got.content)
    task = next(each["resource"] for each in bundle["entry"] if each["resource"]["resourceType"] == "Task")
    header = {
        "resourceType": "MessageHeader",
        "eventCoding": {"system": "urn:schakel:event", "code": "answer"},
        "source": {"endpoint": "urn:nld:oin:00000099000000002002:systeem:x"},
        "response": {"identifier": bundle["entry"][0]["resource"]["id"], "code": "ok"},
        "focus": [{"reference": f"Task/{task['id']}"}],
    }
    answer = {
        "resourceType": "Bundle",
        "type": "message",
        "identifier": {"system": "urn:example:perspektief", "value": "A-1"},
        "entry": [{"resource": header}, {"resource": {**task, **CONTACT, "status": "accepted"}}],
    }
    said = await lead.post("/v1/answers", content=to_xml(answer), headers={"content-type": FHIR_XML})
    assert (said.status_code, said.headers["content-type"]) == (200, FHIR_XML)
    assert from_xml(said.content)["issue"][0]["diagnostics"] == "answer recorded: recorded; the request is confirmed"
    now = from_xml((await lead.get(f"/v1/fhir/Task/{task['id']}", headers={"accept": FHIR_XML})).content)
    assert now["status"] == "accepted"
    assert now["contained"][0]["name"] == [{"text": "Petra Proef"}]


# -- with fhirpy -------------------------------------------------------------------------------------------------------


async def test_fhirpy_reads_what_the_interface_does_and_finds_and_accepts_its_task(house: House) -> None:
    await house.referred()
    client = fhirpy.AsyncFHIRClient(house.fhir, authorization=house.key(TEAM))
    metadata = await client.execute("metadata", method="get")
    assert metadata["fhirVersion"] == "4.0.1"
    assert [each["type"] for each in metadata["rest"][0]["resource"]] == ["Task"]
    assert await client.resources("Task").search(status="requested").count() == 1
    (task,) = await client.resources("Task").search(status="requested,received").fetch_all()
    again = await client.reference("Task", task.id).to_resource()
    assert again["restriction"] == task["restriction"]
    task["status"] = "accepted"
    task["contained"] = CONTACT["contained"]
    task["owner"] = CONTACT["owner"]
    await task.save()
    assert (task["status"], task["businessStatus"]["coding"][0]["code"]) == ("accepted", "confirmed")
    assert await client.resources("Task").search(status="requested").fetch() == []
    row = await house.hub.store.own_requests(TEAM, _all(), after="", limit=9)
    assert [each.state for each in row.rows] == ["confirmed"]


async def test_fhirpy_rejects_with_a_reason_by_patch(house: House) -> None:
    await house.referred()
    client = fhirpy.AsyncFHIRClient(house.fhir, authorization=house.key(TEAM))
    task = await client.resources("Task").first()
    reason = {"coding": [{"system": "urn:schakel:decline-reason", "code": "no-capacity"}], "text": "Deze week niet"}
    await task.patch(status="rejected", statusReason=reason)
    assert (task["status"], task["statusReason"]) == ("rejected", reason)


async def test_fhirpy_is_told_when_its_task_is_stale_or_its_answer_is_not_enough(house: House) -> None:
    await house.referred()
    client = fhirpy.AsyncFHIRClient(house.fhir, authorization=house.key(TEAM))
    one, other = await client.resources("Task").first(), await client.resources("Task").first()
    one["status"] = "accepted"
    with pytest.raises(fhirpy.base.exceptions.OperationOutcome) as nobody:
        await one.save()
    assert "answer:reachable-person" in str(nobody.value.resource)
    one["status"] = "received"
    await one.save()
    other["status"] = "rejected"
    with pytest.raises(fhirpy.base.exceptions.OperationOutcome) as stale:
        await other.save()
    assert "answer:stale-version" in str(stale.value.resource)
    await other.refresh()
    assert other["status"] == "received"


async def test_fhirpy_pages_through_many_tasks(house: House) -> None:
    for number in range(5):
        await house.referred(number)
    client = fhirpy.AsyncFHIRClient(house.fhir, authorization=house.key(TEAM))
    found = await client.resources("Task").limit(2).fetch_all()
    assert len({task.id for task in found}) == 5


async def test_fhirpy_finds_nothing_of_another_partner(house: House) -> None:
    await house.referred()
    mine = await task_of(await house.client(TEAM))
    client = fhirpy.AsyncFHIRClient(house.fhir, authorization=house.key(LEAD))
    with pytest.raises(fhirpy.base.exceptions.ResourceNotFound):
        await client.reference("Task", mine["id"]).to_resource()
    assert mine["id"] not in [task.id for task in await client.resources("Task").fetch_all()]


# -- with fhirclient ---------------------------------------------------------------------------------------------------


async def test_fhirclient_finds_reads_and_answers_its_task(house: House) -> None:
    await house.referred()
    key = house.key(TEAM)

    def work() -> tuple[str, str, str]:
        smart = fhirclient.client.FHIRClient(settings={"app_id": "zaaksysteem", "api_base": house.fhir})
        smart.server.session.headers["Authorization"] = key
        smart.server.session.trust_env = False
        smart.prepare()
        assert smart.server.capabilityStatement.fhirVersion == "4.0.1"
        model = fhirclient.models.task.Task
        (task,) = model.where(struct={"status": "requested"}).perform_resources_iter(smart.server)
        read = model.read(task.id, smart.server)
        before = read.status
        stale = model.read(task.id, smart.server)
        changed = model({**read.as_json(), "status": "accepted", **CONTACT})
        changed.update(smart.server)
        after = model.read(task.id, smart.server).status
        stale.status = "rejected"
        with pytest.raises(requests.HTTPError) as conflict:
            stale.update(smart.server)
        assert conflict.value.response.status_code == 409
        with pytest.raises(fhirclient.server.FHIRNotFoundException):
            model.read("ANDER", smart.server)
        return before, after, model.read(task.id, smart.server).owner.display

    assert await asyncio.to_thread(work) == ("requested", "accepted", "Lokaal team Delft")


async def test_fhirclient_follows_the_pages(house: House) -> None:
    for number in range(3):
        await house.referred(number)
    key = house.key(TEAM)

    def work() -> int:
        smart = fhirclient.client.FHIRClient(settings={"app_id": "zaaksysteem", "api_base": house.fhir})
        smart.server.session.headers["Authorization"] = key
        smart.server.session.trust_env = False
        search = fhirclient.models.task.Task.where(struct={"_count": "1"})
        return len({task.id for task in search.perform_resources_iter(smart.server)})

    assert await asyncio.to_thread(work) == 3


# -- the interface itself ----------------------------------------------------------------------------------------------


async def test_metadata_is_open_and_valid_in_both_forms(house: House) -> None:
    from fhir.resources.R4B.capabilitystatement import CapabilityStatement

    async with httpx2.AsyncClient(base_url=house.base, trust_env=False) as anybody:
        as_json = await anybody.get("/v1/fhir/metadata")
        as_xml = await anybody.get("/v1/fhir/metadata?_format=xml")
    CapabilityStatement.model_validate(as_json.json())
    assert as_xml.headers["content-type"] == FHIR_XML
    assert from_xml(as_xml.content) == as_json.json()
    assert as_json.json()["implementation"]["url"] == house.fhir


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("*/*", FHIR),
        ("application/json", FHIR),
        (FHIR_XML, FHIR_XML),
        ("application/fhir+json;q=0.5, application/fhir+xml", FHIR_XML),
        ("application/fhir+xml;q=0.1, application/fhir+json;q=0.9", FHIR),
        ("text/html, application/xml;q=0.9, */*;q=0.8", FHIR_XML),
    ],
)
async def test_the_form_asked_for_is_the_form_that_comes(house: House, accept: str, form: str) -> None:
    client = await house.client(TEAM, accept)
    found = await client.get("/v1/fhir/Task")
    assert (found.status_code, found.headers["content-type"]) == (200, form)
    missing = await client.get("/v1/fhir/Task/UNKNOWN")
    assert (missing.status_code, missing.headers["content-type"]) == (404, form)
    outcome = from_xml(missing.content) if form == FHIR_XML else missing.json()
    assert (outcome["resourceType"], outcome["issue"][0]["code"]) == ("OperationOutcome", "not-found")


async def test_errors_are_outcomes(house: House) -> None:
    await house.referred()
    team = await house.client(TEAM)
    task = await task_of(team)
    path = f"/v1/fhir/Task/{task['id']}"
    html = await team.get(path, headers={"accept": "text/html"})
    async with httpx2.AsyncClient(base_url=house.base, trust_env=False) as anybody:
        unknown = await anybody.get(path)
    cancelled = await team.put(path, json={**task, "status": "cancelled"}, headers={"content-type": FHIR})
    other = await team.put(path, json={**task, "id": "ANDERS"}, headers={"content-type": FHIR})
    patient = await team.put(path, json={"resourceType": "Patient", "id": task["id"]}, headers={"content-type": FHIR})
    text = await team.put(path, content=b"x", headers={"content-type": "text/plain"})
    broken = await team.put(path, content=b"{", headers={"content-type": FHIR})
    invalid = await team.put(path, json={**task, "status": "received", "intent": 7}, headers={"content-type": FHIR})
    create = await team.post("/v1/fhir/Task", json=task, headers={"content-type": FHIR})
    patients = await team.get("/v1/fhir/Patient?family=x")
    gone = await team.delete(path)
    said = {
        "html": (html, 406, "not-supported"),
        "unknown": (unknown, 401, "login"),
        "cancelled": (cancelled, 409, "business-rule"),  # nobody asked it to withdraw
        "other": (other, 400, "invalid"),
        "patient": (patient, 400, "structure"),
        "text": (text, 415, "not-supported"),
        "broken": (broken, 400, "structure"),
        "invalid": (invalid, 400, "value"),
        "create": (create, 404, "not-found"),
        "patients": (patients, 404, "not-found"),
        "gone": (gone, 404, "not-found"),
    }
    for name, (answer, status, code) in said.items():
        outcome = answer.json()
        assert (name, answer.status_code, outcome["issue"][0]["code"]) == (name, status, code)
        assert outcome["resourceType"] == "OperationOutcome"
    assert unknown.headers["www-authenticate"].startswith("Bearer")
    assert (await task_of(team))["status"] == "requested"


async def test_a_precondition_that_fails_is_412_and_one_that_holds_is_served(house: House) -> None:
    await house.referred()
    team = await house.client(TEAM)
    task = await task_of(team)
    path = f"/v1/fhir/Task/{task['id']}"
    read = await team.get(path)
    etag = read.headers["etag"]
    same = await team.get(path, headers={"if-none-match": etag})
    assert (same.status_code, same.content) == (304, b"")
    received = {**task, "status": "received"}
    wrong = await team.put(path, json=received, headers={"content-type": FHIR, "if-match": 'W/"99"'})
    odd = await team.put(path, json=received, headers={"content-type": FHIR, "if-match": "*"})
    right = await team.put(path, json=received, headers={"content-type": FHIR, "if-match": etag})
    assert (wrong.status_code, odd.status_code, right.status_code) == (412, 400, 200)
    assert right.headers["etag"] != etag
    assert right.headers["etag"] == f'W/"{right.json()["meta"]["versionId"]}"'
    late = await team.patch(
        path, json={"status": "rejected"}, headers={"content-type": "application/merge-patch+json", "if-match": etag}
    )
    assert late.status_code == 412


async def test_json_patch_says_an_answer_and_a_test_that_fails_says_none(house: House) -> None:
    await house.referred()
    team = await house.client(TEAM)
    task = await task_of(team)
    path = f"/v1/fhir/Task/{task['id']}"
    kind = {"content-type": "application/json-patch+json"}
    change = [
        {"op": "test", "path": "/status", "value": "requested"},
        {"op": "replace", "path": "/status", "value": "rejected"},
        {"op": "add", "path": "/statusReason", "value": {"text": "Gezin is verhuisd"}},
    ]
    done = await team.patch(path, json=change, headers=kind)
    assert (done.status_code, done.json()["statusReason"]["text"]) == (200, "Gezin is verhuisd")
    again = await team.patch(path, json=change, headers=kind)
    assert (again.status_code, again.json()["issue"][0]["diagnostics"].split(": ")[1]) == (409, "json-patch")
    moved = await team.patch(path, json=[{"op": "replace", "path": "/id", "value": "X"}], headers=kind)
    assert moved.status_code == 400


async def test_a_task_in_xml_is_an_answer_too(house: House) -> None:
    await house.referred()
    lead = await house.client(LEAD, FHIR_XML)
    (entry,) = from_xml((await lead.get("/v1/fhir/Task")).content)["entry"]
    task = {**entry["resource"], **CONTACT, "status": "in-progress"}
    done = await lead.put(f"/v1/fhir/Task/{task['id']}", content=to_xml(task), headers={"content-type": FHIR_XML})
    assert done.status_code == 200, done.text
    assert from_xml(done.content)["status"] == "accepted"  # who works on it has accepted it


async def test_an_answer_never_reaches_another_request_by_what_stands_in_the_task(house: House) -> None:
    await house.referred(1)
    await house.referred(2)
    team = await house.client(TEAM)
    one, other = [each["resource"] for each in (await team.get("/v1/fhir/Task")).json()["entry"]]
    mixed = {**one, "identifier": other["identifier"], "status": "received"}
    done = await team.put(f"/v1/fhir/Task/{one['id']}", json=mixed, headers={"content-type": FHIR})
    assert done.json()["status"] == "received"
    states = [each["resource"]["status"] for each in (await team.get("/v1/fhir/Task")).json()["entry"]]
    assert states == ["received", "requested"]


async def test_what_is_not_agreed_is_not_taken(house: House) -> None:
    await house.referred()
    source = await house.client("thv-pool")
    assert (await source.get("/v1/fhir/Task")).status_code == 403  # a source has no Tasks
    police = await house.client("politie")
    assert (await police.get("/v1/fhir/Task")).json()["total"] == 0


@pytest.mark.parametrize(
    ("query", "total"),
    [
        ("", 1),
        ("status=requested", 1),
        ("status=http://hl7.org/fhir/task-status%7Crequested,accepted", 1),
        ("status=completed", 0),
        ("status=accepted", 0),
        ("code=fulfill", 1),
        ("code=urn:schakel:asked-as%7Cduo", 1),
        ("code=duo", 1),
        ("code=lead", 0),
        ("code=%C3%A9", 0),
        ("_lastUpdated=ge2026-01-01", 1),
        ("_lastUpdated=lt2026-01-01", 0),
        ("_lastUpdated=ge2020&_lastUpdated=lt2090-01", 1),
        ("_lastUpdated=gt2020-01-01T00:00:00%2B01:00", 1),
        ("_lastUpdated=gt2020-01-01T00:00:00+01:00", 1),
        ("_count=0", 1),
        ("_format=json", 1),
    ],
)
async def test_a_search_finds_what_it_asks_for(house: House, query: str, total: int) -> None:
    from fhir.resources.R4B.bundle import Bundle

    await house.referred()
    found = await (await house.client(TEAM)).get(f"/v1/fhir/Task?{query}")
    assert (found.status_code, found.json()["total"]) == (200, total), found.text
    Bundle.model_validate(found.json())


@pytest.mark.parametrize(
    "query",
    [
        "patient=Patient/1",
        "identifier=x",
        "_id=ABC",
        "status=requested&status=accepted",
        "_lastUpdated=yesterday",
        "_lastUpdated=ne2026",
        "_lastUpdated=2026-02-31",
        "_lastUpdated=9999",
        "_count=-1",
        "_count=1&_count=2",
        "_include=Task:patient",
    ],
)
async def test_a_search_by_anything_else_is_refused_without_repeating_it(house: House, query: str) -> None:
    refused = await (await house.client(TEAM)).get(f"/v1/fhir/Task?{query}")
    assert (refused.status_code, refused.json()["resourceType"]) == (400, "OperationOutcome")
    assert "Patient/1" not in refused.text
    assert "yesterday" not in refused.text


async def test_an_id_is_searched_for_by_post_and_stands_in_no_link(house: House) -> None:
    await house.referred(1)
    await house.referred(2)
    team = await house.client(TEAM)
    first = (await team.get("/v1/fhir/Task?_count=1")).json()["entry"][0]["resource"]["id"]
    found = await team.post("/v1/fhir/Task/_search", data={"_id": first, "_count": "1"})
    assert [each["resource"]["id"] for each in found.json()["entry"]] == [first]
    assert all(first not in link["url"] for link in found.json()["link"])
    as_json = await team.post("/v1/fhir/Task/_search", json={"_id": first})
    assert as_json.status_code == 415


async def test_a_noted_task_is_newer_and_neither_yes_nor_no(house: House) -> None:
    await house.referred()
    team = await house.client(TEAM)
    task = await task_of(team)
    path = f"/v1/fhir/Task/{task['id']}"
    on_hold = {**task, "status": "on-hold", "note": [{"text": "Eerst overleg"}]}
    done = await team.put(path, json=on_hold, headers={"content-type": FHIR})
    assert (done.status_code, done.json()["status"]) == (200, "received")
    assert done.json()["note"] == [{"text": "Eerst overleg"}]
    assert int(done.json()["meta"]["versionId"]) > int(task["meta"]["versionId"])


async def test_a_reason_nobody_knows_waits_for_a_person_and_says_so(house: House) -> None:
    await house.referred()
    team = await house.client(TEAM)
    task = await task_of(team)
    reason = {"coding": [{"system": "urn:schakel:decline-reason", "code": "geen-zin"}]}
    body = {**task, "status": "rejected", "statusReason": reason}
    kept = await team.put(f"/v1/fhir/Task/{task['id']}", json=body, headers={"content-type": FHIR})
    assert (kept.status_code, kept.json()["resourceType"]) == (202, "OperationOutcome")
    assert [row.cause for row in await house.hub.store.parked()] == ["unknown-code"]


async def test_a_request_that_is_over_takes_no_answer(house: House) -> None:
    await house.referred()
    team = await house.client(TEAM)
    task = await task_of(team)
    found = await house.hub.store.own_requests(TEAM, _all(), after="", limit=1)
    await _withdraw(house.hub, found.rows[0].id)
    over = await team.put(
        f"/v1/fhir/Task/{task['id']}", json={**task, **CONTACT, "status": "accepted", "meta": {}},
        headers={"content-type": FHIR},
    )  # fmt: skip
    assert (over.status_code, over.json()["issue"][0]["diagnostics"]) == (
        409,
        "Task.status: answer:request-over: This request was withdrawn or replaced; there is nothing left to answer.",
    )
    assert (await task_of(team))["status"] == "cancelled"


async def test_a_source_hands_in_xml_and_hears_xml(house: House) -> None:
    source = await house.client("cit")
    body = (Path(__file__).parents[2] / "mappings/cit_fhir/examples/references.json").read_bytes()
    said = await source.post(
        "/v1/referrals", content=to_xml(json.loads(body)), headers={"content-type": FHIR_XML, "accept": FHIR_XML}
    )
    assert (said.status_code, said.headers["content-type"]) == (202, FHIR_XML)
    assert from_xml(said.content)["resourceType"] == "OperationOutcome"
    again = await source.post("/v1/referrals", content=body, headers={"content-type": FHIR})
    assert again.status_code == 202
    assert "received before" in again.text  # the same message in the other syntax


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("*/*", FHIR),
        (FHIR, FHIR),
        (FHIR_XML, FHIR_XML),
        ("application/fhir+xml, */*;q=0.1", FHIR_XML),
        ("application/fhir+json, application/fhir+xml", FHIR),
        ("application/fhir+json;q=0.2, application/fhir+xml;q=0.1", FHIR),
        ("application/json", FHIR),
    ],
)
async def test_a_source_that_sends_json_hears_the_form_that_it_asks_for(house: House, accept: str, form: str) -> None:
    source = await house.client("cit", accept)
    body = (Path(__file__).parents[2] / "mappings/cit_fhir/examples/references.json").read_bytes()
    said = await source.post("/v1/referrals", content=body, headers={"content-type": FHIR})
    refused = await source.post("/v1/referrals", content=b'{"resourceType": "Bundle"}', headers={"content-type": FHIR})
    assert (said.status_code, said.headers["content-type"]) == (202, form)
    assert (refused.status_code, refused.headers["content-type"]) == (400, form)
    for answer in (said, refused):
        outcome = from_xml(answer.content) if form == FHIR_XML else answer.json()
        assert outcome["resourceType"] == "OperationOutcome"


async def test_the_openapi_description_leaves_fhir_to_metadata(house: House) -> None:
    described = (await (await house.client(TEAM)).get("/v1/openapi.json")).json()
    assert not [path for path in described["paths"] if "fhir" in path]


def _all() -> Any:
    from schakel.records import RequestQuery

    return RequestQuery()


async def _withdraw(hub: Hub, request_id: str) -> None:
    """As an operator's move would."""
    from schakel.states import Machine, Role
    from schakel.store.events import Author, move

    author = Author(Role.OPERATOR, "operator:proef", hub.clock.now() + timedelta(seconds=1))
    await hub.store._engine.write(lambda db: move(db, Machine.REQUEST, request_id, "withdraw", author))


# -- asked beside taking part ------------------------------------------------------------------------------------------

ACTOR = {"name": "P. Jansen", "function": "ICM'er"}


def output(name: str, **value: str) -> dict[str, Any]:
    return {"type": {"coding": [{"system": "urn:schakel:answer", "code": name}]}, **value}


async def asks(house: House, path: str, **fields: Any) -> str:
    """As the team that leads, over HTTP; the member that it asks about."""
    await house.referred()
    lead = await house.client(LEAD)
    bundle = from_xml((await lead.get("/v1/mailbox/1")).content)
    bodies = [each["resource"] for each in bundle["entry"]]
    reference = next(each for each in bodies if each["resourceType"] == "ServiceRequest")["identifier"][0]["value"]
    patient = next(each for each in bodies if each["resourceType"] == "Patient")
    member: str = next(each["value"] for each in patient["identifier"] if each["system"] == "urn:schakel:member")
    form = {"actor": ACTOR, **fields, **({"members": [member]} if path == "known-checks" else {})}
    said = await lead.post(f"/v1/cases/{reference}/{path}", json=form)
    assert said.status_code == 200, said.text
    return member


async def test_a_question_is_found_read_and_answered_as_a_task(house: House) -> None:
    member = await asks(house, "known-checks", partners=[POLICE])
    police = await house.client(POLICE)
    task = await task_of(police)
    bundle = (await police.get("/v1/mailbox/1")).json()
    bodies = {each["resource"]["resourceType"]: each["resource"] for each in bundle["entry"]}
    assert (task["id"], task["restriction"], task["code"]) == tuple(
        bodies["Task"][name] for name in ("id", "restriction", "code")
    )
    assert bodies["Patient"]["identifier"][0]["value"] == member
    assert "ServiceRequest" not in bodies

    answered = {**task, "status": "completed", "output": [output("answer", valueCode="known")]}
    done = await police.put(f"/v1/fhir/Task/{task['id']}", json=answered, headers={"content-type": FHIR})
    assert done.status_code == 200, done.text
    shown = done.json()
    assert (shown["status"], shown["businessStatus"]["coding"][0]["code"]) == ("completed", "known")
    assert shown["output"] == answered["output"]
    assert int(shown["meta"]["versionId"]) > int(task["meta"]["versionId"])

    stale = await police.put(
        f"/v1/fhir/Task/{task['id']}", json=answered, headers={"content-type": FHIR, "if-match": done.headers["etag"]}
    )
    assert stale.status_code == 200  # the same again, at the version that it has
    old = await police.put(
        f"/v1/fhir/Task/{task['id']}", json=answered, headers={"content-type": FHIR, "if-match": 'W/"1"'}
    )
    assert old.status_code == 412


async def test_a_question_is_searched_for_by_what_it_asks(house: House) -> None:
    await asks(house, "known-checks", partners=[POLICE])
    police, team = await house.client(POLICE), await house.client(TEAM)

    async def found(client: httpx2.AsyncClient, query: str) -> int:
        total: int = (await client.get(f"/v1/fhir/Task?{query}", headers={"accept": FHIR})).json()["total"]
        return total

    assert await found(police, "code=known-check-asked") == 1
    assert await found(police, "code=urn:schakel:notice%7Cknown-check-asked") == 1
    assert await found(police, "code=effort-asked") == 0
    assert await found(police, "status=requested") == 1
    assert await found(police, "status=completed") == 0
    assert await found(team, "code=known-check-asked") == 0


async def test_another_partners_question_is_not_there(house: House) -> None:
    await asks(house, "known-checks", partners=[POLICE])
    task = await task_of(await house.client(POLICE))
    team = await house.client(TEAM)
    assert (await team.get(f"/v1/fhir/Task/{task['id']}")).status_code == 404
    answered = {**task, "status": "completed", "output": [output("answer", valueCode="known")]}
    put = await team.put(f"/v1/fhir/Task/{task['id']}", json=answered, headers={"content-type": FHIR})
    assert put.status_code == 404


async def test_a_status_alone_does_not_say_whether_somebody_is_known(house: House) -> None:
    await asks(house, "known-checks", partners=[POLICE])
    police = await house.client(POLICE)
    task = await task_of(police)
    done = await police.put(
        f"/v1/fhir/Task/{task['id']}", json={**task, "status": "completed"}, headers={"content-type": FHIR}
    )
    assert done.status_code == 400
    assert "known-check:answer" in done.text
    assert (await task_of(police))["status"] == "requested"


@pytest.mark.parametrize(
    ("change", "state", "status"),
    [
        ({"status": "accepted"}, "accepted", "accepted"),
        ({"status": "rejected", "statusReason": {"text": "Geen ruimte."}}, "not-possible", "rejected"),
        (
            {
                "status": "accepted",
                "output": [output("answer", valueCode="adjusted"), output("level", valueString="eens")],
            },
            "adjusted",
            "accepted",
        ),
    ],
)
async def test_a_request_for_effort_is_a_task_of_its_own_beside_taking_part(
    house: House, change: dict[str, Any], state: str, status: str
) -> None:
    now = house.hub.clock.now()
    period = {"from": (now + timedelta(hours=1)).isoformat(), "until": (now + timedelta(days=14)).isoformat()}
    await asks(
        house,
        "effort-requests",
        partner=TEAM,
        role="duo",
        direction="raise",
        level="twee keer",
        reason="Rust.",
        **period,
    )
    team = await house.client(TEAM)
    found = (await team.get("/v1/fhir/Task?code=effort-asked", headers={"accept": FHIR})).json()
    assert found["total"] == 1
    task = found["entry"][0]["resource"]
    done = await team.put(f"/v1/fhir/Task/{task['id']}", json={**task, **change}, headers={"content-type": FHIR})
    assert done.status_code == 200, done.text
    assert (done.json()["businessStatus"]["coding"][0]["code"], done.json()["status"]) == (state, status)
    every = (await team.get("/v1/fhir/Task", headers={"accept": FHIR})).json()
    assert every["total"] == 2  # taking part is another Task, and stands as it stood
    assert {each["resource"]["status"] for each in every["entry"]} == {"requested", status}
