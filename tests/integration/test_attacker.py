# SPDX-License-Identifier: EUPL-1.2
"""What somebody with one partner's key, and no good intentions, learns of others: nothing. One test per way to try."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support import canaries as plants
from tests.support.canaries import Garden
from tests.support.listening import Listening, listening

JSON, FHIR = "application/json", "application/fhir+json"
ABSENT_CASE = "A" * 26
ABSENT_MESSAGE = "0192f0c1-0000-7000-8000-000000000001"
BSN = "http://fhir.nl/fhir/NamingSystem/bsn"


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Listening]:
    async with listening(tmp_path) as running:
        yield running


def pool(garden: Garden, municipality: str = "1783") -> dict[str, Any]:
    return plants.thv(garden, municipality=municipality)


async def hand_in(hub: Listening, document: dict[str, Any], source: str = "thv-pool") -> dict[str, Any]:
    reply = await hub.send(source, json.dumps(document).encode(), FHIR if source == "cit" else JSON)
    assert reply.status_code == 202, reply.content
    await hub.hub.dispatch.run_once()
    said: dict[str, Any] = reply.json()
    return said


async def view_of(hub: Listening, partner: str, number: int = 1) -> dict[str, Any]:
    reply = await hub.client(partner).get(f"/v1/mailbox/{number}")
    assert reply.status_code == 200
    view: dict[str, Any] = reply.json()
    return view


def whole(reply: httpx2.Response) -> tuple[int, dict[str, str], bytes]:
    """All of an answer but its time."""
    headers = {name: value for name, value in reply.headers.items() if name != "date"}
    return reply.status_code, headers, reply.content


async def looks(hub: Listening, partner: str, *paths: str, method: str = "GET") -> list[tuple[Any, ...]]:
    """The answer on each path, and what the hub wrote in its log and its audit meanwhile."""
    found = []
    for path in paths:
        log, written = len(hub.log.getvalue()), await audit_rows(hub)
        reply = await hub.client(partner).request(method, path)
        mine = [line for line in hub.log.getvalue()[log:].splitlines() if line.startswith("{")]
        found.append((*whole(reply), len(mine), await audit_rows(hub) - written))
    return found


async def audit_rows(hub: Listening) -> int:
    import apsw

    connection = apsw.Connection(str(hub.hub.settings.database_file), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return int(next(iter(connection.execute("SELECT count(*) FROM audit")))[0])
    finally:
        connection.close()


# -- other partners' things --------------------------------------------------------------------------------------------


async def test_what_is_another_partners_looks_as_if_it_were_not_there(hub: Listening) -> None:
    sent = await hand_in(hub, pool(Garden()))
    lead = await view_of(hub, "perspektief")
    reference, message = lead["case"]["reference"], sent["id"]
    case_id = (await hub.hub.store.case("perspektief", reference)).id  # type: ignore[union-attr]
    for partner in ("lokaal-team-westland", "vvt", "politie"):
        foreign, own_id, absent = await looks(
            hub, partner, f"/v1/cases/{reference}", f"/v1/cases/{case_id}", f"/v1/cases/{ABSENT_CASE}"
        )
        assert foreign == own_id == absent
        assert absent[0] == 404
    foreign, absent = await looks(hub, "cit", f"/v1/referrals/{message}", f"/v1/referrals/{ABSENT_MESSAGE}")
    assert foreign == absent
    assert absent[0] == 404
    for path in ("/v1/mailbox/{}", "/v1/mailbox/{}/receipt"):
        method = "POST" if path.endswith("receipt") else "GET"
        foreign, absent = await looks(hub, "vvt", path.format(1), path.format(99), method=method)
        assert foreign == absent
        assert absent[0] == 404


async def test_each_partner_has_its_own_name_of_a_case_and_its_own_request(hub: Listening) -> None:
    await hand_in(hub, pool(Garden()))
    lead, duo = await view_of(hub, "perspektief"), await view_of(hub, "lokaal-team-westland")
    assert lead["case"]["reference"] != duo["case"]["reference"]
    assert lead["request"]["reference"] != duo["request"]["reference"]
    assert lead["request"]["reference"] not in json.dumps(duo)
    for partner, view, other in (("perspektief", lead, duo), ("lokaal-team-westland", duo, lead)):
        seen = (await hub.client(partner).get(f"/v1/cases/{view['case']['reference']}")).text
        for foreign in (other["case"]["reference"], other["request"]["reference"]):
            assert foreign not in seen


async def test_an_answer_on_anothers_request_is_as_one_on_no_request_and_changes_nothing(hub: Listening) -> None:
    await hand_in(hub, pool(Garden()))
    lead = await view_of(hub, "perspektief")
    said = {"answer": "declined", "reasonCode": "no-capacity"}
    replies = [
        await hub.client("lokaal-team-westland").post("/v1/answers", json={**said, "reference": reference})
        for reference in (lead["request"]["reference"], "B" * 26)
    ]
    assert whole(replies[0]) == whole(replies[1])
    assert replies[0].json() == {"outcome": "parked", "requestState": None}
    matrix = (await hub.client("perspektief").get(f"/v1/cases/{lead['case']['reference']}")).json()
    assert {row["partner"]: row["state"] for row in matrix["requests"]}["perspektief"] in ("asked", "received")


async def test_numbers_tell_a_recipient_of_its_own_mail_only(hub: Listening) -> None:
    for municipality in ("1783", "0503", "0503", "0637", "1783"):
        await hand_in(hub, pool(Garden(), municipality))
    numbers = {
        partner: [entry["number"] for entry in (await hub.client(partner).get("/v1/mailbox")).json()["entries"]]
        for partner in ("lokaal-team-westland", "lokaal-team-delft", "lokaal-team-zoetermeer", "vvt")
    }
    assert numbers == {
        "lokaal-team-westland": [1, 2],
        "lokaal-team-delft": [1, 2],
        "lokaal-team-zoetermeer": [1],
        "vvt": [],
    }


async def test_a_key_opens_no_door_of_another_kind_and_says_nothing_of_what_is_behind(hub: Listening) -> None:
    await hand_in(hub, pool(Garden()))
    lead = await view_of(hub, "perspektief")
    doors = ("/v1/mailbox", "/v1/mailbox/1", f"/v1/cases/{lead['case']['reference']}", f"/v1/cases/{ABSENT_CASE}")
    answers = await looks(hub, "cit", *doors)
    assert {answer[0] for answer in answers} == {403}
    assert len({answer[2] for answer in answers}) == 1
    answers = await looks(hub, "perspektief", "/v1/referrals/x", f"/v1/referrals/{ABSENT_MESSAGE}")
    assert {answer[0] for answer in answers} == {403}


async def test_every_way_of_not_being_known_gets_one_answer(hub: Listening) -> None:
    right = hub.keys["perspektief"]
    mark, known, secret = right.split("_", 2)
    wrong = [None, "", "Bearer", "Basic eA==", "Bearer x", f"Bearer {mark}_{'0' * 16}_{secret}"]
    wrong += [f"Bearer {mark}_{known}_{'A' * 43}", f"Bearer {right}x", f"Bearer {right} {right}"]
    replies = []
    async with httpx2.AsyncClient(base_url=hub.base, trust_env=False) as client:
        for given in wrong:
            headers = {} if given is None else {"authorization": given}
            replies.append(whole(await client.get("/v1/mailbox", headers=headers)))
    assert all(reply == replies[0] for reply in replies)
    assert replies[0][0] == 401


# -- probing for a household or for another source's message -----------------------------------------------------------


async def test_another_sources_message_reference_is_free(hub: Listening) -> None:
    """Neither a conflict nor a duplicate tells that somebody else used the reference."""
    garden = Garden()
    document = pool(garden)
    await hand_in(hub, document)
    bundle = plants.fhir(Garden(), "westland")
    fresh = await hand_in(hub, bundle | {"identifier": {"value": "geen-kenmerk"}}, "cit")
    again = plants.fhir(Garden(), "westland") | {"identifier": {"value": document["kenmerk"]}}
    assert without_ids(await hand_in(hub, again, "cit")) == without_ids(fresh)


def without_ids(said: Any) -> Any:
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", "ID", json.dumps(said))
    return json.loads(re.sub(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z", "TIME", text))


async def test_the_reply_and_the_status_never_tell_that_a_household_is_known(hub: Listening) -> None:
    """The crisis team reports people whom the pool's case is about, and whose lead has confirmed; and people whom
    nobody knows. What it hears, now and after the lead's confirmation, is the same."""
    known, unknown = pool(Garden()), pool(Garden())
    await hand_in(hub, known)
    await answer_all(hub, 1)
    hub.clock.at += timedelta(minutes=1)
    replies, states = [], []
    for bsns in ([person["bsn"] for person in each["betrokkenen"]] for each in (known, unknown)):
        bundle = plants.fhir(Garden(), "westland")
        give_numbers(bundle, bsns[0], bsns[1])
        reply = await hub.send("cit", json.dumps(bundle).encode(), FHIR)
        replies.append(without_ids(reply.json()))
        message = reply.json()["issue"][0]["diagnostics"].split()[1].rstrip(":")
        states.append([await status(hub, message)])
        await hub.work()
        states[-1].append(await status(hub, message))
    assert replies[0] == replies[1]
    assert states[0] == states[1]
    views = [await view_of(hub, "perspektief", number) for number in (1, 2, 3)]
    assert views[0]["case"]["reference"] == views[1]["case"]["reference"]  # it was matched
    assert views[2]["case"]["reference"] != views[0]["case"]["reference"]


async def status(hub: Listening, message: str) -> Any:
    return without_ids((await hub.client("cit").get(f"/v1/referrals/{message}")).json())


def give_numbers(bundle: dict[str, Any], victim: str, removed: str) -> None:
    """The victim's and the removed person's citizen service numbers."""
    for entry in bundle["entry"]:
        body = entry["resource"]
        if body["resourceType"] in ("Patient", "RelatedPerson"):
            own = [each for each in body.get("identifier", []) if each.get("system") != BSN]
            body["identifier"] = own
    bodies = [entry["resource"] for entry in bundle["entry"]]
    patient = next(body for body in bodies if body["resourceType"] == "Patient")
    patient["identifier"].append({"system": BSN, "value": victim})
    other = next(body for body in bodies if '"removed"' in json.dumps(body.get("extension", [])))
    other["identifier"].append({"system": BSN, "value": removed})


async def answer_all(hub: Listening, number: int) -> None:
    for partner in ("perspektief", "lokaal-team-westland"):
        view = await view_of(hub, partner, number)
        contact = {"name": "Fictief", "phone": "070 0000000"}
        said = {"reference": view["request"]["reference"], "answer": "confirmed", "contact": contact}
        assert (await hub.client(partner).post("/v1/answers", json=said)).status_code == 200


# -- side channels -----------------------------------------------------------------------------------------------------


async def test_what_a_caller_says_of_himself_comes_back_nowhere(hub: Listening) -> None:
    sent = await hand_in(hub, pool(Garden()))
    mark = "indringer.example"
    told = {"host": mark, "x-forwarded-host": mark, "origin": f"https://{mark}", "referer": f"https://{mark}/"}
    told |= {"forwarded": f"host={mark}", "user-agent": mark, "x-request-id": mark, "traceparent": mark}
    for partner, path in (
        ("thv-pool", f"/v1/referrals/{sent['id']}"),
        ("perspektief", "/v1/mailbox"),
        ("perspektief", "/v1/mailbox/"),
        ("perspektief", f"/v1/{mark}"),
        ("perspektief", f"/v1/mailbox?after={mark}"),
        ("", "/v1/openapi.json"),
    ):
        reply = await hub.client(partner).get(path, headers=told)
        assert mark not in repr(whole(reply)), path
        assert "location" not in reply.headers
    assert mark not in "".join(line for line in hub.log.getvalue().splitlines() if line.startswith("{"))


async def test_other_web_pages_may_ask_but_never_with_the_users_own_rights(hub: Listening) -> None:
    asks = {"origin": "https://indringer.example", "access-control-request-method": "GET"}
    for reply in (
        await hub.client("").request("OPTIONS", "/v1/mailbox", headers=asks),
        await hub.client("perspektief").get("/v1/mailbox", headers={"origin": "https://indringer.example"}),
    ):
        assert reply.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in reply.headers
        assert reply.headers["cache-control"] == "no-store"
        assert "set-cookie" not in reply.headers


async def test_a_thin_notice_and_every_url_hold_nothing_but_our_own_numbers(hub: Listening) -> None:
    garden = Garden()
    await hand_in(hub, pool(garden, "1926"))
    (notice,) = [data for who, data in hub.ears.heard if who == "lokaal-team-pijnacker-nootdorp"]
    event = json.loads(notice.partition(b"\r\n\r\n")[2])
    assert set(event) == {
        "specversion",
        "type",
        "source",
        "id",
        "time",
        "sequence",
        "sequencetype",
        "datacontenttype",
        "dataref",
    }
    assert event["dataref"] == f"{hub.base}/v1/mailbox/1"
    assert event["sequence"] == "1"
    lead = next(data for who, data in hub.ears.heard if who == "perspektief")
    assert json.loads(lead.partition(b"\r\n\r\n")[2])["id"] != event["id"]


async def test_a_fault_of_ours_gets_a_random_mark_and_no_words(hub: Listening, monkeypatch: pytest.MonkeyPatch) -> None:
    garden = Garden()
    word = garden.word("exception", "lost")

    async def fails(*_: Any, **__: Any) -> None:
        raise RuntimeError(word)

    monkeypatch.setattr(type(hub.hub.involvement), "case_view", fails)
    marks = set()
    for _ in range(2):
        reply = await hub.client("perspektief").get(f"/v1/cases/{ABSENT_CASE}")
        assert reply.status_code == 500
        marks.add(reply.json()["instance"])
        assert word not in reply.text
    assert len(marks) == 2
    assert word not in hub.log.getvalue()
    assert all(mark.removeprefix("urn:uuid:") in hub.log.getvalue() for mark in marks)


async def test_a_reason_that_nobody_knows_is_not_kept(hub: Listening) -> None:
    """A reason code stands in clear in the books, so it is one of a list: a surname is not."""
    await hand_in(hub, pool(Garden()))
    view = await view_of(hub, "perspektief")
    for answer in ("received", "confirmed", "declined"):
        said = {"reference": view["request"]["reference"], "answer": answer, "reasonCode": "Jansen"}
        said |= {"contact": {"name": "Fictief", "phone": "070 0000000"}}
        reply = await hub.client("perspektief").post("/v1/answers", json=said)
        assert reply.status_code == 400
        assert "Jansen" not in reply.text
    assert not any(b"Jansen" in data for _, data in hub.files())
