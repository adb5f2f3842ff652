# SPDX-License-Identifier: EUPL-1.2
"""A chain partner as the hub meets one: its own HTTP server, its own key, its own journal, and people who answer.

Takes webhooks (checks the signature, journals, only then answers) or polls its mailbox; fetches what came thin; says
`received` and then `confirmed` with a person who can be reached, or `declined` with a reason.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from schakel.demo import servers
from schakel.demo.journal import Entry, Journal
from schakel.demo.signature import Verifier
from schakel.demo.tongues import JSON, CanonicalJson, StufSoap, Tongue, Word, notice_of

POLL: Final = 0.2  # seconds between two looks into the mailbox
AGAIN: Final = 0.1  # seconds before a call that failed is made again
PATH: Final = "/schakel"


@dataclass(frozen=True, slots=True)
class Person:
    """Who can be reached about a case. Invented."""

    name: str
    phone: str


@dataclass(frozen=True, slots=True)
class Character:
    """Who a demo partner is and how it behaves."""

    id: str
    person: Person
    function: str = "medewerker"  # as its organisation asserts
    signs: str = "v1"  # or "v1a"; how its webhooks are signed
    declines: str | None = None  # a reason code: it cannot take cases
    tongue: Tongue = field(default_factory=CanonicalJson)  # the format in which it reads and answers
    answers: bool = True  # False: a source that only hears how its messages stand
    # what it says when it is asked something beside taking part; what is not listed gets no answer
    says: Mapping[str, str] = field(
        default_factory=lambda: {
            "effort-asked": "accepted",
            "known-check-asked": "known",
            "hand-over-asked": "confirmed",
        }
    )


Watch = Callable[[str, str, str], None]  # (partner, what happened, answer reference or delivery id)


class DemoPartner:
    """One partner. `start` before the hub (its address goes into the region), `connect` after it."""

    def __init__(self, character: Character, *, polls: bool, folder: Path, watch: Watch) -> None:
        """`polls`: reads its mailbox, and has no server."""
        self.character = character
        self._polls = polls
        self.journal = Journal(folder / character.id)
        self._stuf_number = 0  # StUF carries no number of the recipient's
        self.rejected = 0  # webhooks whose signature was not good
        self.answers: dict[str, str] = {}  # answer reference → its last answer
        self._watch = watch
        self._verifier = Verifier()
        self._client: httpx2.AsyncClient | None = None
        self._server: servers.Running | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str | None:
        """Where webhooks go; None for a partner that polls."""
        return None if self._server is None else self._server.url + PATH

    async def start(self) -> None:
        if not self._polls:
            app = Starlette(routes=[Route(PATH, self._hook, methods=["POST"])])
            self._server = await servers.start(app)

    def connect(self, hub_url: str, *, key: str, verifier: Verifier) -> None:
        """From here on it takes, fetches and answers."""
        self._verifier = verifier
        self._client = httpx2.AsyncClient(
            base_url=hub_url, headers={"Authorization": f"Bearer {key}"}, trust_env=False, timeout=10.0
        )
        if self._polls:
            self._spawn(self._poll())

    async def aclose(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._client is not None:
            await self._client.aclose()
        if self._server is not None:
            await self._server.aclose()

    # -- taking

    async def _hook(self, request: Request) -> Response:
        """Believe, write down, answer: in this order. A 2xx says: it is on my disk."""
        body = await request.body()
        if not self._verifier.trusts(request.headers, body, now=datetime.now(UTC)):
            self.rejected += 1
            return Response(status_code=401)
        if isinstance(self.character.tongue, StufSoap):
            return self._stuf(self.character.tongue, body)
        event = json.loads(body)
        number = int(event["sequence"])
        if "data" in event:
            data = event["data"]  # XML comes as a text
            content = (data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)).encode()
            entry = self._write(event["id"], number, content)
        else:
            self.journal.write(event["id"], number, body, what="notice", now=datetime.now(UTC))
            entry = None
        self._watch(self.character.id, "taken" if entry else "notified", event["id"])
        if entry is None:
            self._spawn(self._fetch(event["id"], number))
        elif entry.first:
            self._spawn(self._answer(entry))
        return Response(status_code=204)

    def _stuf(self, tongue: StufSoap, body: bytes) -> Response:
        """A message of the standard: its referentienummer is the delivery's id, and Bv03 says that it is on disk."""
        self._stuf_number += 1
        delivery_id = tongue.delivery_id(body)
        entry = self._write(delivery_id, self._stuf_number, body)
        self._watch(self.character.id, "taken" if self.character.answers else "hears", delivery_id)
        if entry.first and self.character.answers:
            self._spawn(self._answer(entry))
        return Response(tongue.taken(body), media_type="text/xml")

    async def _poll(self) -> None:
        """Reads on after the last number it has; a receipt is given only for what is on disk."""
        after = 0
        while True:
            page = (await self._call("GET", "/v1/mailbox", params={"after": after})).json()
            for entry in page["entries"]:
                after = entry["number"]
                if entry["state"] in ("waiting", "sending", "notified", "delivered"):
                    await self._fetch(entry["deliveryId"], entry["number"])
            if not page["entries"]:
                await asyncio.sleep(POLL)

    async def _fetch(self, delivery_id: str, number: int) -> None:
        content = await self._call("GET", f"/v1/mailbox/{number}")
        entry = self._write(delivery_id, number, content.content)
        await self._call("POST", f"/v1/mailbox/{number}/receipt")
        self._watch(self.character.id, "fetched", delivery_id)
        if entry.first:
            await self._answer(entry)

    def _write(self, delivery_id: str, number: int, content: bytes) -> Entry:
        return self.journal.write(delivery_id, number, content, what="content", now=datetime.now(UTC))

    # -- answering

    async def _answer(self, entry: Entry) -> None:
        """Two words per request: a machine says `received`, a person says yes or no."""
        if (notice := notice_of(entry.content)) is not None:
            await self._answer_notice(notice)
            return
        reference = self.character.tongue.reference(entry.content)
        if reference is None or reference in self.answers:
            return
        self.answers[reference] = "received"
        await self._say(reference, "received", entry)
        last = "declined" if self.character.declines else "confirmed"
        await self._say(reference, last, entry)
        self.answers[reference] = last

    async def _answer_notice(self, notice: dict[str, Any]) -> None:
        """One word on what it is asked beside taking part."""
        word = self.character.says.get(notice["occasion"])
        reference = notice.get("request", {}).get("reference")
        if word is None or reference is None:
            return
        said = json.dumps({"reference": reference, "answer": word}).encode()
        await self._call("POST", "/v1/answers", content=said, headers={"Content-Type": JSON})
        self._watch(self.character.id, word, reference)

    async def act(self, case: str, door: str, body: dict[str, Any]) -> None:
        """Says or does something in a case, by its own reference of it. Raises httpx2.HTTPStatusError when refused."""
        actor = {"name": self.character.person.name, "function": self.character.function}
        content = json.dumps({"actor": actor, **body}).encode()
        await self._call("POST", f"/v1/cases/{case}/{door}", content=content, headers={"Content-Type": JSON})

    def member_of(self, case: str) -> str:
        """The id of the first member that a case view in its journal names."""
        for entry in self.journal.entries:
            view = json.loads(entry.content) if entry.what == "content" else {}
            if view.get("case", {}).get("reference") == case and view.get("members"):
                return str(view["members"][0]["id"])
        raise LookupError("no case view with members")

    async def _say(self, reference: str, answer: str, entry: Entry) -> None:
        person = self.character.person
        word = Word(reference, answer, person.name, person.phone, self.character.declines)
        call = self.character.tongue.say(word, entry.content)
        if call is None:
            return
        await self._call(call.method, call.path, content=call.body, headers={"Content-Type": call.media_type})
        self._watch(self.character.id, answer, reference)

    async def _call(self, method: str, path: str, **parts: Any) -> httpx2.Response:
        """Until the hub takes it: a partner repeats, as the hub does. A refusal is a fault of ours and is raised."""
        assert self._client is not None, "connect first"
        while True:
            with contextlib.suppress(httpx2.TransportError):
                response = await self._client.request(method, path, **parts)
                if response.status_code < 500 and response.status_code != 429:
                    response.raise_for_status()
                    return response
            await asyncio.sleep(AGAIN)

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._watch(self.character.id, "failed", type(error).__name__)
