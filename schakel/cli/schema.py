# SPDX-License-Identifier: EUPL-1.2
"""`schakel schema`: the published schemas, straight from the code that uses them."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from schakel.cli.console import show_json


class Published(StrEnum):
    """What has a published schema."""

    CASE_MESSAGE = "case-message"
    CASE_VIEW = "case-view"
    THV_AANMELDING = "thv-aanmelding"
    THV_CSV = "thv-csv"
    REFERRAL = "referral"
    FEEDBACK = "feedback"
    NOTICE = "notice"
    OPENAPI = "openapi"


def schema(name: Annotated[Published, typer.Argument(help="Which schema.")]) -> None:
    """Prints a schema: JSON Schema 2020-12, or OpenAPI for the HTTP interface."""
    show_json(_schema(name))


def _schema(name: Published) -> dict[str, Any]:
    match name:
        case Published.CASE_MESSAGE:
            from schakel.message import CASE_MESSAGE, CaseMessage

            return _titled(CaseMessage.model_json_schema(by_alias=True, mode="serialization"), CASE_MESSAGE)
        case Published.REFERRAL:
            from mappings.canonical_schemas import referral_schema

            return referral_schema()
        case Published.CASE_VIEW:
            from mappings.case_view import CASE_VIEW, case_view_schema

            return _titled(case_view_schema(), CASE_VIEW)
        case Published.FEEDBACK:
            from mappings.feedback_view import feedback_schema

            return feedback_schema()
        case Published.NOTICE:
            from mappings.notice_view import notice_schema

            return notice_schema()
        case Published.THV_AANMELDING:
            return _of_mapping("thv_aanmelding")
        case Published.THV_CSV:
            return _of_mapping("thv_csv")
        case Published.OPENAPI:
            return _openapi()


def _of_mapping(folder: str) -> dict[str, Any]:
    import json
    from importlib.resources import files

    found: dict[str, Any] = json.loads(files("mappings").joinpath(folder, "schema.json").read_bytes())
    return found


def _titled(schema: dict[str, Any], title: str) -> dict[str, Any]:
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": title}


def _openapi() -> dict[str, Any]:
    from api.app import openapi_document

    return dict(openapi_document())
