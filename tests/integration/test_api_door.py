# SPDX-License-Identifier: EUPL-1.2
"""The door over a real socket: who may come in, what is refused and how, and that a refusal never repeats the input."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest

import mappings
from api.guard import API_VERSION
from schakel.errors import Conflict, Finding, Forbidden, Unacceptable
from schakel.records import Health, MailboxEntry
from tests.integration.small_hub import CONTENT, NOW, RECEIPT, SmallHub, serving

EXAMPLES = Path(mappings.__file__).parent
THV = next(
    path for path in sorted((EXAMPLES / "thv_aanmelding" / "examples").glob("*.json")) if "golden" not in path.name
).read_bytes()
CANARY = "Geheimlaan 13"
HANDED_IN = "application/json, text/csv, application/cloudevents+json"  # by the pool


@pytest.fixture
async def hub() -> AsyncIterator[SmallHub]:
    async with serving(SmallHub(max_body=200_000, body_timeout=0.5, header_timeout=2.0)) as hub:
        yield hub


def told(response: object) -> dict[str, object]:
    """A problem as RFC 9457 has it, Dutch first and English beside, that holds nothing of what was sent."""
    headers, text = response.headers, response.text  # type: ignore[attr-defined]
    assert headers["content-type"] == "application/problem+json"
    assert CANARY not in text
    problem: dict[str, object] = json.loads(text)
    assert list(problem)[:6] == ["type", "status", "title", "titleEn", "detail", "detailEn"]
    assert problem["status"] == response.status_code  # type: ignore[attr-defined]
    return problem


# -- headers on every answer


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/livez"),
        ("GET", "/v1/openapi.json"),
        ("GET", "/nothing"),
        ("DELETE", "/v1/referrals"),
        ("GET", "/v1/mailbox"),
    ],
)
async def test_every_answer_has_its_version_and_the_security_headers(hub: SmallHub, method: str, path: str) -> None:
    async with hub.client() as client:
        headers = (await client.request(method, path)).headers
    assert headers["api-version"] == API_VERSION
    assert headers["access-control-allow-origin"] == "*"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["strict-transport-security"].startswith("max-age=")
    assert "server" not in headers


async def test_a_browser_may_ask_first(hub: SmallHub) -> None:
    async with hub.client() as client:
        answer = await client.options(
            "/v1/answers", headers={"origin": "https://x.example", "access-control-request-method": "POST"}
        )
    assert answer.status_code == 204
    assert "Authorization" in answer.headers["access-control-allow-headers"]


# -- who


async def test_nobody_is_told_why_he_is_not_known(hub: SmallHub) -> None:
    good = hub.key("vvt")
    other = hub.key("perspektief")
    expired = hub.key("vvt", expires_at=NOW - timedelta(seconds=1))
    stranger = hub.key("no-such-partner")
    id_of, secret_of = good.split("_")[1], other.split("_", 2)[2]
    tries: list[list[tuple[str, str]]] = [
        [],
        [("authorization", "")],
        [("authorization", good)],
        [("authorization", f"Basic {good}")],
        [("authorization", f"Bearer {good}x")],
        [("authorization", f"Bearer schakel_{id_of}_{secret_of}")],
        [("authorization", f"Bearer schakel_{'0' * 16}_{secret_of}")],
        [("authorization", f"Bearer {expired}")],
        [("authorization", f"Bearer {stranger}")],
        [("authorization", f"Bearer {good}"), ("authorization", f"Bearer {good}")],
        [("x-api-key", good)],
    ]
    async with hub.client() as client:
        answers = [await client.get("/v1/mailbox", headers=headers) for headers in tries]
        assert (await client.get("/v1/mailbox", headers={"authorization": f"Bearer {good}"})).status_code == 200
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.text for answer in answers}) == 1
    assert {answer.headers["www-authenticate"] for answer in answers} == {'Bearer realm="schakel"'}
    told(answers[0])


async def test_two_keys_are_valid_at_once_and_a_revoked_one_ends_within_seconds(hub: SmallHub) -> None:
    first, second = (hub.key("vvt"), hub.key("vvt"))
    async with hub.client() as client:

        async def status(key: str) -> int:
            return (await client.get("/v1/mailbox", headers={"authorization": f"Bearer {key}"})).status_code

        assert [await status(first), await status(second)] == [200, 200]
        hub.store.rows = hub.store.rows[1:]
        for _ in range(50):
            if await status(first) == 401:
                break
            await asyncio.sleep(0.1)
        assert await status(first) == 401
        assert await status(second) == 200


async def test_keys_are_read_once_a_second_and_not_for_each_request(hub: SmallHub) -> None:
    async with hub.client("vvt") as client:
        for _ in range(20):
            await client.get("/v1/mailbox")
    assert hub.store.read_keys < 10


@pytest.mark.parametrize(
    ("partner", "method", "path"),
    [
        ("vvt", "POST", "/v1/referrals"),
        ("vvt", "GET", "/v1/referrals/x"),
        ("thv-pool", "GET", "/v1/mailbox"),
        ("thv-pool", "GET", "/v1/mailbox/1"),
        ("thv-pool", "POST", "/v1/mailbox/1/receipt"),
        ("thv-pool", "GET", "/v1/cases/known"),
        ("thv-pool", "POST", "/v1/answers"),
    ],
)
async def test_a_door_that_is_not_the_partners_stays_shut(hub: SmallHub, partner: str, method: str, path: str) -> None:
    async with hub.client(partner) as client:
        answer = await client.request(method, path)
    assert answer.status_code == 403
    told(answer)


# -- where


async def test_absent_and_hidden_look_the_same(hub: SmallHub) -> None:
    async with hub.client("thv-pool") as pool, hub.client("cit") as cit, hub.client("vvt") as vvt:
        answers = [
            await cit.get(f"/v1/referrals/{RECEIPT.message_id}"),
            await pool.get("/v1/referrals/nothing"),
            await vvt.get("/v1/cases/nothing"),
            await vvt.get("/v1/mailbox/99"),
            await vvt.post("/v1/mailbox/99/receipt"),
            await vvt.get("/v1/nothing"),
            await vvt.get("/v1/mailbox/"),
            await vvt.get("/"),
        ]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.text for answer in answers}) == 1
    told(answers[0])


async def test_another_method_is_told_which_there_are(hub: SmallHub) -> None:
    async with hub.client("vvt") as client:
        answer = await client.put("/v1/answers", content=b"{}")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    told(answer)


# -- in


async def test_a_referral_is_answered_in_the_words_of_its_format(hub: SmallHub) -> None:
    async with hub.client("thv-pool") as client:
        answer = await client.post("/v1/referrals", content=THV, headers={"content-type": "application/json"})
        assert answer.status_code == 202
        assert answer.json()["id"] == RECEIPT.message_id
        assert (await client.get(f"/v1/referrals/{answer.json()['id']}")).json()["state"] == "routed"
    assert hub.intake.seen == [THV]


@pytest.mark.parametrize(
    "media_type", ["", "text/plain", "application/xml", "application/json; charset=utf-16", "multipart/form-data"]
)
async def test_a_kind_that_is_not_read_here_is_told_what_is(hub: SmallHub, media_type: str) -> None:
    async with hub.client("thv-pool") as client:
        answer = await client.post("/v1/referrals", content=THV, headers={"content-type": media_type})
    assert (answer.status_code, answer.headers["accept-post"]) == (415, HANDED_IN)
    told(answer)
    assert hub.intake.seen == []


async def test_an_answer_in_no_form_asked_for_is_refused_before_anything_is_accepted(hub: SmallHub) -> None:
    headers = {"content-type": "application/json", "accept": "text/html"}
    async with hub.client("thv-pool") as client:
        answer = await client.post("/v1/referrals", content=THV, headers=headers)
    assert answer.status_code == 406
    told(answer)
    assert hub.intake.seen == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json " + CANARY.encode(),
        b'{"a": "' + CANARY.encode() + b'", "a": 1}',
        b'{"a": "\\u0000' + CANARY.encode() + b'"}',
        b'{"' + CANARY.encode() + b'": NaN}',
        b"[" * 5000 + b'"' + CANARY.encode() + b'"' + b"]" * 5000,
        b'{"' + CANARY.encode() + b'": "\xff"}',
        b'{"adres": "' + CANARY.encode() + b'"}',
    ],
)
async def test_what_cannot_be_read_is_400_with_place_and_rule(hub: SmallHub, body: bytes) -> None:
    async with hub.client("thv-pool") as client:
        answer = await client.post("/v1/referrals", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    errors = told(answer)["errors"]
    assert isinstance(errors, list)
    assert all(set(error) == {"place", "rule", "nl", "en"} for error in errors)
    assert CANARY not in hub.log_lines.getvalue()


async def test_fhir_is_refused_in_fhir(hub: SmallHub) -> None:
    async with hub.client("cit") as client:
        answer = await client.post(
            "/v1/referrals", content=b'{"resourceType": "Bundle", "type": "' + CANARY.encode() + b'"}',
            headers={"content-type": "application/fhir+json"},
        )  # fmt: skip
    assert answer.status_code == 400
    assert answer.json()["resourceType"] == "OperationOutcome"
    assert CANARY not in answer.text


@pytest.mark.parametrize(
    ("fault", "status", "retry_after"),
    [
        (Unacceptable(), 503, "5"),
        (Unacceptable(status=507, retry_after=60), 507, "60"),
        (Conflict(Finding("kenmerk", "duplicate", "Al bekend.", "Known.")), 409, None),
        (Forbidden(), 403, None),
    ],
)
async def test_a_refusal_of_the_hub_reaches_the_sender(
    hub: SmallHub, fault: Exception, status: int, retry_after: str | None
) -> None:
    hub.intake.fault = lambda: fault
    async with hub.client("thv-pool") as client:
        answer = await client.post("/v1/referrals", content=THV, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.headers.get("retry-after")) == (status, retry_after)
    told(answer)


async def test_our_own_fault_says_a_mark_and_the_log_says_where_under_that_mark(hub: SmallHub) -> None:
    hub.intake.fault = lambda: RuntimeError(CANARY)
    async with hub.client("thv-pool") as client:
        answer = await client.post("/v1/referrals", content=THV, headers={"content-type": "application/json"})
    assert answer.status_code == 500
    mark = str(told(answer)["instance"]).removeprefix("urn:uuid:")
    (line,) = [json.loads(line) for line in hub.log_lines.getvalue().splitlines() if mark in line]
    assert (line["event"], line["error"]) == ("request.failed", "RuntimeError")
    assert re.fullmatch(r"small_hub\.py:[0-9]+", line["at"])
    assert CANARY not in hub.log_lines.getvalue()


# -- bounds


async def test_a_body_announced_too_large_is_refused(hub: SmallHub) -> None:
    async with hub.client("thv-pool") as client:
        answer = await client.post(
            "/v1/referrals", content=b"x" * 200_001, headers={"content-type": "application/json"}
        )
    assert answer.status_code == 413
    told(answer)


async def test_a_body_that_grows_too_large_is_refused(hub: SmallHub) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(30):
            yield b"x" * 10_000

    async with hub.client("thv-pool") as client:
        answer = await client.post("/v1/referrals", content=parts(), headers={"content-type": "application/json"})
    assert answer.status_code == 413
    told(answer)
    assert hub.intake.seen == []


async def test_a_body_of_exactly_the_bound_is_read(hub: SmallHub) -> None:
    async with hub.client("thv-pool") as client:
        answer = await client.post(
            "/v1/referrals", content=THV.ljust(200_000), headers={"content-type": "application/json"}
        )
    assert answer.status_code == 202


async def test_a_slow_body_is_refused(hub: SmallHub) -> None:
    head = (
        f"POST /v1/referrals HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {hub.key('thv-pool')}\r\n"
        "content-type: application/json\r\ncontent-length: 100\r\n\r\n{"
    ).encode()
    answer = await hub.raw(head)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in answer.lower()
    assert b"application/problem+json" in answer


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "gzip, identity"])
async def test_a_packed_body_is_not_unpacked(hub: SmallHub, encoding: str) -> None:
    headers = {"content-type": "application/json", "content-encoding": encoding}
    async with hub.client("thv-pool") as client:
        answer = await client.post("/v1/referrals", content=THV, headers=headers)
    assert (answer.status_code, answer.headers["accept-encoding"]) == (415, "identity")
    told(answer)


async def test_headers_over_16_kb_are_refused(hub: SmallHub) -> None:
    async with hub.client() as client:
        answer = await client.get("/livez", headers={"x-long": "x" * 17_000})
    assert answer.status_code == 431
    told(answer)


async def test_the_connection_goes_on_after_a_refusal(hub: SmallHub) -> None:
    head = "POST /v1/answers HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nabcde"
    both = (head + "GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").encode()
    answer = await hub.raw(both)
    assert re.findall(rb"HTTP/1.1 ([0-9]+)", answer) == [b"401", b"200"]


async def test_too_many_requests_of_one_partner_do_not_touch_another() -> None:
    async with serving(SmallHub(requests_per_minute=3)) as hub, hub.client("vvt") as vvt, hub.client("zvhh") as zvhh:
        answers = [await vvt.get("/v1/mailbox") for _ in range(7)]  # two minutes at most: one of them is throttled
        refused = [answer for answer in answers if answer.status_code == 429]
        assert refused
        assert 1 <= int(refused[0].headers["retry-after"]) <= 60
        told(refused[0])
        assert (await zvhh.get("/v1/mailbox")).status_code == 200


# -- answers


async def test_an_answer_reaches_the_ledger(hub: SmallHub) -> None:
    said = {
        "reference": "abcdefghijklmnopqrstuvwxyz",
        "answer": "confirmed",
        "contact": {"name": "J. de Vries", "phone": "070-1234567"},
        "answeredAt": "2026-11-20T12:00:00Z",
    }
    async with hub.client("vvt") as client:
        answer = await client.post("/v1/answers", json=said)
    assert answer.json() == {"outcome": "recorded", "requestState": "confirmed"}
    ((partner, kept),) = hub.involvement.answers
    assert partner == "vvt"
    assert kept.contact is not None
    assert kept.contact.name == "J. de Vries"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"reference": "a", "answer": "' + CANARY.encode() + b'"}',
        b'{"reference": "' + CANARY.encode() + b'", "answer": "received"}',
        b'{"reference": "a", "answer": "received", "' + CANARY.encode() + b'": 1}',
        b'{"reference": "a", "answer": "received", "answer": "declined"}',
        b'{"reference": "a", "answer": "received", "answeredAt": "2026-11-20T12:00:00"}',
        b'{"reference": "a", "answer": "received", "reasonText": NaN}',
        b'{"reference": "a", "answer": "confirmed", "contact": {"name": "' + CANARY.encode() + b'"}}',
    ],
)
async def test_an_answer_that_is_none_is_400_and_never_422(hub: SmallHub, body: bytes) -> None:
    async with hub.client("vvt") as client:
        answer = await client.post("/v1/answers", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert told(answer)["errors"]
    assert hub.involvement.answers == []


# -- mailbox


async def test_the_mailbox_is_read_by_number(hub: SmallHub) -> None:
    digest = sha256(CONTENT).digest()
    hub.store.entries = [
        MailboxEntry(1, "d1", "delivered", NOW, digest, "application/json"),
        MailboxEntry(2, "d2", "superseded", NOW, None, None),
        MailboxEntry(3, "d3", "notified", NOW, None, None),
    ]
    async with hub.client("vvt") as client:
        first = (await client.get("/v1/mailbox", params={"after": 0, "limit": 2})).json()
        rest = (await client.get("/v1/mailbox", params={"after": first["last"]})).json()
        end = (await client.get("/v1/mailbox", params={"after": rest["last"]})).json()
        content = await client.get("/v1/mailbox/1")
        gone = await client.get("/v1/mailbox/2")
        receipt = await client.post("/v1/mailbox/3/receipt")
    assert [entry["number"] for entry in first["entries"]] == [1, 2]
    assert first["entries"][0]["contentDigest"] == f"sha-256=:{base64.b64encode(digest).decode()}:"
    assert ([entry["number"] for entry in rest["entries"]], rest["last"]) == ([3], 3)
    assert end == {"entries": [], "last": 3}
    assert content.content == CONTENT
    assert content.headers["content-digest"] == f"sha-256=:{base64.b64encode(digest).decode()}:"
    assert gone.status_code == 410
    told(gone)
    assert receipt.json() == {"number": 3, "state": "delivered"}
    assert hub.store.received == [("vvt", 3, "receipt")]


@pytest.mark.parametrize(
    "path",
    [
        "/v1/mailbox?after=-1",
        "/v1/mailbox?after=" + CANARY.replace(" ", "%20"),
        "/v1/mailbox?limit=0",
        "/v1/mailbox?limit=501",
        "/v1/mailbox?after=99999999999999999999",
        "/v1/mailbox/0",
        "/v1/mailbox/" + CANARY.replace(" ", "%20"),
    ],
)
async def test_a_number_that_is_none_is_400(hub: SmallHub, path: str) -> None:
    async with hub.client("vvt") as client:
        answer = await client.get(path)
    assert answer.status_code == 400
    assert told(answer)["errors"]


# -- health


async def test_health_says_what_is_wrong(hub: SmallHub) -> None:
    async with hub.client() as client:

        async def ready(condition: Health | Exception) -> tuple[int, object]:
            hub.store.condition = condition
            answer = await client.get("/readyz")
            return answer.status_code, answer.json()

        assert (await client.get("/livez")).json() == {"status": "live"}
        assert await ready(Health(None, None)) == (200, {"status": "ready", "causes": []})
        alarms = Health(None, "alarm-undelivered")
        assert await ready(alarms) == (200, {"status": "degraded", "causes": ["alarm-undelivered"]})
        full = Health("disk-full", None)
        assert await ready(full) == (503, {"status": "unavailable", "causes": ["disk-full"]})
        assert await ready(Unacceptable()) == (503, {"status": "unavailable", "causes": ["store"]})
