# SPDX-License-Identifier: EUPL-1.2
"""Which media type came in and which may go out: 415 and 406 before anything is accepted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from fastapi import Request

from schakel.errors import Finding, NotAcceptable, UnsupportedFormat
from schakel.ports import AnswerFormat, Format

JSON: Final = ("application/json",)
FHIR: Final = ("application/fhir+json", "application/fhir+xml")  # what is said in one can be said in the other
FHIR_VERSIONS: Final = ("4.0", "4.3")  # of the media type's parameter (FHIR, http.html#version-parameter): R4 and R4B

_CONTENT_TYPE: Final = Finding(
    "header Content-Type",
    "media-type",
    "Dit soort document wordt hier niet gelezen; zie de kop Accept-Post.",
    "This kind of document is not read here; see the header Accept-Post.",
)
_CHARSET: Final = Finding("header Content-Type", "charset", "Alleen UTF-8 wordt gelezen.", "Only UTF-8 is read.")
_FHIR_VERSION: Final = Finding(
    "header Content-Type", "fhir-version", "Verwacht: FHIR R4 (fhirVersion=4.0).", "Expected FHIR R4 (fhirVersion=4.0)."
)
_ACCEPT: Final = Finding(
    "header Accept",
    "media-type",
    "In geen van de gevraagde vormen kunnen wij antwoorden.",
    "We cannot answer in any of the forms asked for.",
)


def content_type(request: Request, known: Iterable[str]) -> str:
    """The media type without parameters, when it is one of `known`. Raises UnsupportedFormat."""
    return media_type_of(request.headers.getlist("content-type"), known)


def media_type_of(given: Sequence[str], known: Iterable[str]) -> str:
    """As `content_type`, of a Content-Type that stood elsewhere than in the header."""
    essence, *parameters = (part.strip().lower() for part in (given[0] if len(given) == 1 else "").split(";"))
    if essence not in set(known):
        raise UnsupportedFormat(_CONTENT_TYPE)
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "charset" and value.strip().strip('"') not in ("utf-8", "utf8", "us-ascii"):
            raise UnsupportedFormat(_CHARSET)
        if name.strip() == "fhirversion" and value.strip().strip('"') not in FHIR_VERSIONS:
            raise UnsupportedFormat(_FHIR_VERSION)
    return essence


def check_accept(request: Request, offered: Iterable[str]) -> None:
    """Raises NotAcceptable when the asker takes none of `offered` (RFC 9110 §12.5.1); no header takes everything."""
    given = ",".join(request.headers.getlist("accept"))
    if not given.strip():
        return
    if not any(_takes(given, media_type) for media_type in offered):
        raise NotAcceptable(_ACCEPT)


def _takes(accept: str, media_type: str) -> bool:
    """The most specific range that covers the type decides; quality 0 refuses it."""
    kind = media_type.partition("/")[0]
    best: tuple[int, bool] = (-1, False)
    for part in accept.lower().split(","):
        media_range, *parameters = (piece.strip() for piece in part.split(";"))
        specificity = {media_type: 2, f"{kind}/*": 1, "*/*": 0}.get(media_range, -1)
        if specificity > best[0]:
            best = (specificity, not any(_is_zero(parameter) for parameter in parameters))
    return best[1]


def _is_zero(parameter: str) -> bool:
    name, _, value = parameter.partition("=")
    return name.strip() == "q" and value.strip().rstrip("0") in ("0.", "0", "")


def offered_by(formats: Sequence[Format | AnswerFormat], media_type: str) -> tuple[str, ...]:
    """What can come back for a document of this media type; a problem is always possible."""
    found = [each for one in formats if media_type in one.media_types for each in (*one.media_types, *_json_also(one))]
    return tuple(dict.fromkeys([*found, *(FHIR if any(each in FHIR for each in found) else ())]))


def _json_also(one: Format | AnswerFormat) -> tuple[str, ...]:
    return JSON if any(each.endswith("json") for each in one.media_types) else ()
