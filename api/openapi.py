# SPDX-License-Identifier: EUPL-1.2
"""Publishes the interface as OpenAPI 3.1 that keeps the NL API Design Rules, made from the routes themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from fastapi import FastAPI
from pydantic.json_schema import models_json_schema
from starlette.routing import BaseRoute

from api.guard import API_VERSION
from api.models import Acted, Answered, CaseView, LedgerView, Mailbox, ProblemOut, Receipt, Received, Status
from api.problems import MEDIA_TYPE
from schakel.forms import FORMS
from schakel.message import Answer, Frozen

CONTACT: Final = "beheer@schakel.example.nl"
_REFS: Final = "#/components/schemas/{model}"

_HEADERS: Final = {
    "API-Version": {
        "description": "The whole version of the interface.",
        "schema": {"type": "string", "examples": [API_VERSION]},
    },
    "Retry-After": {
        "description": "Seconds after which to try again.",
        "schema": {"type": "integer", "minimum": 1},
    },
    "Accept-Post": {
        "description": "The media types that are read here.",
        "schema": {"type": "string"},
    },
    "Content-Digest": {
        "description": "SHA-256 of the content (RFC 9530).",
        "schema": {"type": "string"},
    },
}
_PROBLEMS: Final = {
    "400": "Not readable, or not as described; place and rule, never the value.",
    "401": "Not known.",
    "403": "Known, but not for this door.",
    "404": "Nothing there that the asker may see.",
    "406": "No answer possible in a form asked for.",
    "408": "The body came too slowly.",
    "409": "The same message reference with other content.",
    "410": "Erased after its term, or replaced by a newer number.",
    "413": "The body is too large.",
    "415": "A kind of document that is not read here.",
    "429": "Too much at once.",
    "431": "The header is too large.",
    "500": "Our own fault.",
    "503": "The store cannot promise that it is kept; nothing was accepted.",
    "507": "The disk is full; nothing was accepted.",
}
_ALWAYS: Final = ("400", "401", "403", "406", "429", "431", "500", "503")
_ACTS: Final = ("involve", "askEffort", "askKnown", "recordEvent", "close")
_MORE: Final = {
    "handIn": ("408", "409", "413", "415", "507"),
    "referralStatus": ("404",),
    "caseView": ("404",),
    "answer": ("408", "413", "415", "507"),
    **dict.fromkeys(_ACTS, ("404", "408", "409", "413", "415", "507")),
    "ledger": ("404",),
    "mailboxContent": ("404", "410"),
    "mailboxReceipt": ("404", "507"),
}
# The handlers write their answers themselves; a framework that knew these shapes would make a reader and a writer of
# each, twice, at every start.
_SHOWN: Final[Mapping[str, type[Frozen]]] = {
    "handIn": Receipt,
    "referralStatus": Status,
    "caseView": CaseView,
    "answer": Answered,
    **dict.fromkeys(_ACTS, Acted),
    "ledger": LedgerView,
    "mailbox": Mailbox,
    "mailboxReceipt": Received,
}
# what sources hand in; the JSON of the THV pool is described by `schakel schema thv-aanmelding`
_HANDED_IN: Final = {
    "application/json": {"schema": {"type": "object", "description": "thv-aanmelding@1, or FHIR R4 (message Bundle)."}},
    "application/fhir+json": {"schema": {"type": "object", "description": "FHIR R4 message Bundle."}},
    "application/fhir+xml": {"schema": {"type": "string", "description": "FHIR R4 message Bundle."}},
    "application/xml": {"schema": {"type": "string", "description": "StUF-Jeugdzorg 1.0, plain or in SOAP 1.1."}},
    "text/xml": {"schema": {"type": "string", "description": "StUF-Jeugdzorg 1.0, plain or in SOAP 1.1."}},
    "application/soap+xml": {"schema": {"type": "string", "description": "StUF-Jeugdzorg 1.0 in SOAP."}},
    "text/csv": {"schema": {"type": "string", "description": "thv-csv@1: a header and one row."}},
    "application/cloudevents+json": {
        "schema": {"type": "object", "description": "NL GOV CloudEvent around any of these; or in headers `ce-`."}
    },
}
_ANSWERED: Final = {
    "application/fhir+json": {"schema": {"type": "object", "description": "OperationOutcome."}},
    "application/fhir+xml": {"schema": {"type": "string", "description": "OperationOutcome."}},
    "application/xml": {"schema": {"type": "string", "description": "Bv03."}},
    "text/xml": {"schema": {"type": "string", "description": "Bv03."}},
    "application/soap+xml": {"schema": {"type": "string", "description": "Bv03."}},
}
# how recipients answer, where that is agreed; FHIR Tasks are described by /v1/fhir/metadata
_ANSWERS: Final = {
    "application/fhir+json": {"schema": {"type": "object", "description": "FHIR R4 message Bundle about a Task."}},
    "application/fhir+xml": {"schema": {"type": "string", "description": "FHIR R4 message Bundle about a Task."}},
    "application/xml": {"schema": {"type": "string", "description": "StUF-Jeugdzorg 1.0, plain or in SOAP 1.1."}},
    "text/xml": {"schema": {"type": "string", "description": "StUF-Jeugdzorg 1.0, plain or in SOAP 1.1."}},
}

_IDEMPOTENCY_KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The sender's own name of this act: the same again changes nothing.",
    "schema": {"type": "string", "maxLength": 200},
}


def described(routes: Sequence[BaseRoute], *, public_url: str, contact: str) -> dict[str, Any]:
    """The document. Paths stand under the server's `/v1`; `contact` is a mail address or empty."""
    app = FastAPI(
        routes=list(routes),
        title="Schakel",
        version=API_VERSION,
        summary="Message hub for the organisations that act when violence at home comes to light",
        license_info={"name": "EUPL-1.2", "identifier": "EUPL-1.2"},
        servers=[{"url": f"{public_url.rstrip('/')}/v1", "description": "This hub"}],
    )
    document: dict[str, Any] = app.openapi()
    document["paths"] = {path.removeprefix("/v1"): item for path, item in document["paths"].items()}
    document["info"]["contact"] = {
        "name": "Beheer Schakel",
        "email": contact if "@" in contact else CONTACT,
        "url": public_url,
    }
    document["tags"] = [
        {"name": "referrals", "description": "Sources hand messages in and see how they stand."},
        {"name": "cases", "description": "Recipients see how a case stands and answer."},
        {
            "name": "ledger",
            "description": "Who is in a case, on whose word; who leads asks and records.",
        },
        {"name": "mailbox", "description": "Recipients fetch what waits for them."},
    ]
    document["security"] = [{"apiKey": []}]
    _components(document)
    for item in document["paths"].values():
        for operation in item.values():
            _operation(operation)
    _bodies(document["paths"])
    return document


def _components(document: dict[str, Any]) -> None:
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    shown: set[type[Frozen]] = {ProblemOut, *_SHOWN.values()}
    shapes: list[tuple[type[Frozen], Literal["validation", "serialization"]]]
    shapes = [(each, "serialization") for each in sorted(shown, key=lambda each: each.__name__)]
    read: tuple[type[Frozen], ...] = (Answer, *FORMS.values())
    shapes += [(form, "validation") for form in read]
    _, made = models_json_schema(shapes, ref_template=_REFS)
    schemas.update(made["$defs"])
    components["headers"] = _HEADERS
    components["securitySchemes"] = {
        "apiKey": {
            "type": "http",
            "scheme": "bearer",
            "description": "`Authorization: Bearer schakel_<id>_<secret>`; a partner can have two keys that are valid.",
        }
    }


def _operation(operation: dict[str, Any]) -> None:
    """Every answer has its version; every fault is a problem."""
    responses = operation["responses"]
    responses.pop("422", None)
    shape = _SHOWN.get(operation["operationId"])
    if shape is not None:
        (said,) = responses.values()
        said["content"] = {"application/json": {"schema": {"$ref": _REFS.format(model=shape.__name__)}}}
    for status in (*_ALWAYS, *_MORE.get(operation["operationId"], ())):
        headers = {"Retry-After"} if status in ("429", "503", "507") else set()
        headers |= {"Accept-Post"} if status == "415" else set()
        responses[status] = {
            "description": _PROBLEMS[status],
            "headers": {name: _header(name) for name in sorted(headers)},
            "content": {MEDIA_TYPE: {"schema": {"$ref": _REFS.format(model="ProblemOut")}}},
        }
    for response in responses.values():
        response.setdefault("headers", {})["API-Version"] = _header("API-Version")
    operation["responses"] = dict(sorted(responses.items()))


def _bodies(paths: dict[str, Any]) -> None:
    """What the handlers read and write themselves, byte for byte."""
    hand_in = paths["/referrals"]["post"]
    hand_in["requestBody"] = {"required": True, "content": _HANDED_IN}
    hand_in["responses"]["202"]["content"] |= _ANSWERED
    paths["/answers"]["post"]["requestBody"] = {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": _REFS.format(model="Answer")}}, **_ANSWERS},
    }
    paths["/answers"]["post"]["responses"]["200"]["content"] |= _ANSWERED
    for name, form in FORMS.items():
        operation = paths[f"/cases/{{reference}}/{name}"]["post"]
        operation["parameters"] = [*operation.get("parameters", []), _IDEMPOTENCY_KEY]
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": _REFS.format(model=form.__name__)}}},
        }
    content = paths["/mailbox/{number}"]["get"]["responses"]["200"]
    content["content"] = {
        "application/json": {"schema": {"type": "object", "description": "The case view; `schakel schema case-view`."}}
    }
    content["headers"]["Content-Digest"] = _header("Content-Digest")


def _header(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/headers/{name}"}
