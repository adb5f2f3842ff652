# SPDX-License-Identifier: EUPL-1.2
"""The handlers: metadata, read, search, update and patch of one's own Tasks; anything else is not there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request, Response

from api.auth import Recipient, TheHub
from api.fhir import words
from api.fhir.metadata import capabilities
from api.fhir.search import Search, search_of, searchset
from api.hub import Hub
from api.negotiation import content_type
from connectors.formats import fhir_outcome
from connectors.formats.fhir_json import MEDIA_TYPE as FHIR_JSON
from connectors.formats.fhir_task import TaskTable, task_of
from connectors.formats.fhir_xml import MEDIA_TYPE as FHIR_XML
from connectors.formats.json_patch import json_patch, merge_patch
from connectors.formats.strict_json import read_json
from schakel.errors import Conflict, Finding, Malformed, NotFound, Refusal, UnsupportedFormat
from schakel.involvement import STALE, OwnWord
from schakel.records import RequestQuery
from schakel.region import Partner

JSON_PATCH: Final = "application/json-patch+json"
MERGE_PATCH: Final = "application/merge-patch+json"
_READS: Final = {FHIR_JSON: "json", "application/json": "json", FHIR_XML: "xml", "application/xml": "xml"}
_PATCHES: Final = (JSON_PATCH, MERGE_PATCH, "application/json", FHIR_JSON)
_FORM: Final = "application/x-www-form-urlencoded"
_MOST_FIELDS: Final = 50
_ANSWERS: Final = ("fhir-json", "fhir-xml")


def fhir() -> APIRouter:
    """Not described by OpenAPI: see the package."""
    table = TaskTable.load()
    router = APIRouter(prefix=words.PREFIX, include_in_schema=False)
    tasks = _Tasks(table)
    for path, handler, methods in (
        ("/metadata", tasks.metadata, ["GET"]),
        ("/Task", tasks.search, ["GET"]),
        ("/Task/_search", tasks.search, ["POST"]),
        ("/Task/{id}", tasks.read, ["GET"]),
        ("/Task/{id}", tasks.update, ["PUT"]),
        ("/Task/{id}", tasks.patch, ["PATCH"]),
        ("/{rest:path}", tasks.nothing, ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]),
    ):
        router.add_api_route(path, handler, methods=methods, response_model=None)
    return router


class _Tasks:
    """The handlers with the table of states that they share."""

    def __init__(self, table: TaskTable) -> None:
        self._table = table

    async def metadata(self, request: Request, hub: TheHub) -> Response:
        """For anybody: it holds nothing of anybody."""
        return words.said(request, capabilities(base=_base(hub), hub_name=hub.region.hub_name))

    async def nothing(self, request: Request) -> Response:
        raise NotFound(_NO_INTERACTION)

    async def read(self, id: str, request: Request, hub: TheHub, partner: Recipient) -> Response:
        own = await self._own(hub, partner, id)
        seen = request.headers.get("if-none-match")
        if seen is not None and words.version_in(seen) == own.request.version:
            return Response(status_code=304, headers={"etag": words.etag(own.request.version)})
        return self._shown(request, hub, partner, own)

    async def search(self, request: Request, hub: TheHub, partner: Recipient) -> Response:
        given = request.query_params.multi_items()
        in_body = request.method == "POST"
        if in_body:
            content_type(request, (_FORM,))
            given += _fields(await request.body())
        asked = search_of(given, self._table, in_body=in_body)
        found = await self._found(hub, partner, asked)
        return words.said(request, found)

    async def update(self, id: str, request: Request, hub: TheHub, partner: Recipient) -> Response:
        kind = content_type(request, _READS)
        task = _resource(await request.body(), _READS[kind])
        own = await self._own(hub, partner, id)
        if str(task.get("id", "")).upper() != own.request.reference:
            raise Malformed(_OTHER_ID)
        expected = words.version_in(request.headers.get("if-match"))
        return await self._answer(request, hub, partner, own, task, expected, _version_of(task))

    async def patch(self, id: str, request: Request, hub: TheHub, partner: Recipient) -> Response:
        """JSON Patch; or a merge patch, which is also what plain JSON is taken for, unless it is a list."""
        kind = content_type(request, _PATCHES)
        change = read_json(await request.body())
        own = await self._own(hub, partner, id)
        now = self._task(hub, partner, own)
        task = json_patch(now, change) if kind == JSON_PATCH or isinstance(change, list) else merge_patch(now, change)
        if not isinstance(task, dict) or (task.get("resourceType"), task.get("id")) != ("Task", now["id"]):
            raise Malformed(_OTHER_ID)
        expected = words.version_in(request.headers.get("if-match"))
        return await self._answer(request, hub, partner, own, task, expected, own.request.version)

    # -- what they share

    async def _own(self, hub: Hub, partner: Partner, id: str) -> OwnWord:
        """Raises NotFound: absent and another's look the same."""
        found = await hub.involvement.own(partner, RequestQuery(references=(id.upper(),)))
        if not found.requests:
            raise NotFound()
        return found.requests[0]

    async def _found(self, hub: Hub, partner: Partner, asked: Search) -> dict[str, Any]:
        base = _base(hub)
        if asked.nothing:
            return searchset((), asked, base=base, total=0, next_after=None)
        page = await hub.involvement.own(partner, asked.query, after=asked.after, limit=asked.count + 1)
        shown = page.requests[: asked.count]
        more = len(page.requests) > asked.count > 0 and not asked.query.references
        tasks = [self._task(hub, partner, own) for own in shown]
        next_after = shown[-1].request.id if more else None
        return searchset(tasks, asked, base=base, total=page.total, next_after=next_after)

    async def _answer(
        self,
        request: Request,
        hub: Hub,
        partner: Partner,
        own: OwnWord,
        task: Mapping[str, Any],
        if_match: int | None,
        seen: int | None,
    ) -> Response:
        """The Task as the partner wants it is its answer: through the same door as every answer."""
        status = task.get("status")
        meaning = self._table.answer.get(status) if isinstance(status, str) else None
        if meaning is None:
            raise Refusal(_not_yours(self._table))
        agreed = next((one for one in hub.answering.formats_of(partner) if one.name in _ANSWERS), None)
        if agreed is None:
            raise UnsupportedFormat(_NOT_AGREED)
        # its identity is what was found, whatever stands in the body
        ours = self._task(hub, partner, own)
        kept = {name: ours[name] for name in ("identifier", "code")}
        body = hub.formats[agreed.name].write({**task, **kept})
        version = if_match if if_match is not None else seen
        try:
            if version not in (None, own.request.version):
                raise Conflict(_CHANGED)
            _, outcome = await hub.answering.receive(partner, body, agreed.media_types[0], hub.clock.now(), version)
        except Conflict as conflict:  # the same between reading and answering
            if if_match is not None and any(finding.rule == STALE for finding in conflict.findings):
                raise Conflict(*conflict.findings, status=412) from None
            raise
        if outcome.outcome == "parked":
            return words.said(request, fhir_outcome.answered(outcome), 202)
        if meaning in ("confirmed", "declined") and not own.request.asked_as and outcome.request_state != meaning:
            raise Conflict(_OVER)
        return self._shown(request, hub, partner, await self._own(hub, partner, own.request.reference))

    def _task(self, hub: Hub, partner: Partner, own: OwnWord) -> dict[str, Any]:
        region = hub.region
        return task_of(own, self._table, owner=partner, hub_name=region.hub_name, hub_oin=region.hub_oin)

    def _shown(self, request: Request, hub: Hub, partner: Partner, own: OwnWord) -> Response:
        return words.said(
            request,
            self._task(hub, partner, own),
            etag=words.etag(own.request.version),
            last_modified=words.modified(own.request.updated_at),
        )


def _base(hub: Hub) -> str:
    return hub.settings.public_url.rstrip("/") + words.PREFIX


def _resource(body: bytes, form: str) -> dict[str, Any]:
    """A Task. Raises Malformed."""
    from connectors.formats.fhir_xml_convert import from_xml

    resource = from_xml(body) if form == "xml" else read_json(body)
    if not isinstance(resource, dict) or resource.get("resourceType") != "Task":
        raise Malformed(_NO_TASK)
    return resource


def _version_of(task: Mapping[str, Any]) -> int | None:
    """A Task that was read before says itself which version it is."""
    meta = task.get("meta")
    version = meta.get("versionId") if isinstance(meta, Mapping) else None
    return int(version) if isinstance(version, str) and version.isascii() and version.isdigit() else None


def _fields(body: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise Malformed(_NO_FIELDS) from None


def _not_yours(table: TaskTable) -> Finding:
    known = ", ".join(table.answer)
    return Finding(
        "Task.status",
        "fhir-task-status",
        f"Deze status is niet aan u; wel: {known}.",
        f"This status is not yours to set; yours: {known}.",
    )


_NO_INTERACTION: Final = Finding(
    "(path)", "fhir-interaction", "Dit kan hier niet; zie metadata.", "There is no such interaction; see metadata."
)
_OTHER_ID: Final = Finding(
    "Task.id", "fhir-id", "Het id in de Task is niet dat in het adres.", "The Task's id is not the one in the address."
)
_NO_TASK: Final = Finding("(document)", "fhir-task", "Een Task wordt verwacht.", "A Task is expected.")
_NO_FIELDS: Final = Finding("body", "form", "Geen geldige formuliervelden.", "No valid form fields.")
_NOT_AGREED: Final = Finding(
    "Task",
    "format:not-agreed",
    "Met uw organisatie is niet afgesproken dat zij in FHIR antwoordt.",
    "It was not agreed with your organisation that it answers in FHIR.",
)
_CHANGED: Final = Finding(
    "version", STALE, "Deze Task is veranderd sinds u haar las.", "This Task has changed since you read it."
)
_OVER: Final = Finding(
    "Task.status",
    "answer:request-over",
    "Dit verzoek is ingetrokken of vervangen; er valt niets meer te antwoorden.",
    "This request was withdrawn or replaced; there is nothing left to answer.",
)
