# SPDX-License-Identifier: EUPL-1.2
"""Takes a message out of an NL GOV CloudEvent, in binary or structured mode, before any format reads it.

The event is an envelope around any document that the partner may send: of its content not a byte changes, and
duplicates are told by the document's own reference, not by the event's `id`. Context attributes pass through logs and
gateways: what looks like a citizen service number there is refused (the profile's own example has one in `subject`).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import unquote

from connectors.formats.strict_json import read_json
from schakel.errors import Finding, Forbidden, Malformed, UnsupportedFormat
from schakel.identifiers import is_bsn

STRUCTURED: Final = "application/cloudevents+json"
PREFIX: Final = "ce-"
LARGEST: Final = 65_536  # bytes of a whole event (NL GOV CloudEvents, size)
_REQUIRED: Final = ("specversion", "type", "source", "id")
_SOURCE: Final = re.compile(r"urn:nld:oin:([0-9]{20}):systeem:[A-Za-z0-9][A-Za-z0-9._~-]*", re.ASCII)
_TYPE: Final = re.compile(r"[a-z0-9-]+(\.[A-Za-z0-9_-]+)+\.v1", re.ASCII)
_NAME: Final = re.compile(r"[a-z0-9]+", re.ASCII)
_NINE_DIGITS: Final = re.compile(r"(?<![0-9A-Za-z])[0-9]{9}(?![0-9A-Za-z])", re.ASCII)
_COUNTED: Final = frozenset({"id", "time", "sequence"})  # numbers that the sender's system gives out by itself
_BLANKS: Final = re.compile(r"[ \t\r\n]*")


@dataclass(frozen=True, slots=True)
class Carried:
    """What an event carried. `media_type` as the event says it, parameters included."""

    media_type: str
    body: bytes


def is_event(headers: Sequence[tuple[str, str]]) -> bool:
    """`headers`: names in lower case. Anything that calls itself a CloudEvent, also in a mode that is not read."""
    return any(
        (name == "content-type" and _essence(value).startswith("application/cloudevents"))
        or (name.startswith(PREFIX) and len(name) > len(PREFIX))
        for name, value in headers
    )


def unwrap(headers: Sequence[tuple[str, str]], body: bytes, *, oins: Collection[str]) -> Carried:
    """`oins`: whom the partner may speak for. Raises Malformed (413 when too large), UnsupportedFormat (another mode)
    or Forbidden (another's OIN), naming the attribute and never its value."""
    given = [value for name, value in headers if name == "content-type"]
    essence = _essence(given[0]) if len(given) == 1 else ""
    context = [(name, value) for name, value in headers if name.startswith(PREFIX)]
    structured = essence == STRUCTURED
    size = len(body) + (0 if structured else sum(len(name) + len(value) for name, value in context))
    if size > LARGEST:
        raise Malformed(
            _finding("event", "size", "De gebeurtenis is groter dan 64 kB", "Larger than 64 kB"), status=413
        )
    if structured:
        return _structured(body, oins)
    if essence.startswith("application/cloudevents"):
        raise UnsupportedFormat(
            _finding("header Content-Type", "mode", f"Alleen {STRUCTURED} of binair", f"Only {STRUCTURED} or binary")
        )
    return _binary(context, given, body, oins)


def _binary(context: Sequence[tuple[str, str]], given: Sequence[str], body: bytes, oins: Collection[str]) -> Carried:
    names = [name.removeprefix(PREFIX) for name, _ in context]
    if len(set(names)) != len(names):
        raise Malformed(_finding("headers ce-", "attribute once", "Een attribuut staat er twee keer", "Twice there"))
    try:
        attributes = {name: unquote(value, errors="strict") for name, (_, value) in zip(names, context, strict=True)}
    except UnicodeDecodeError:
        raise Malformed(_finding("headers ce-", "percent-encoding", "Geen UTF-8", "Not UTF-8")) from None
    _check(attributes, oins, place="header ce-", has_data=bool(body) and "dataref" not in attributes)
    return Carried(media_type=given[0] if len(given) == 1 else "", body=body)


def _structured(body: bytes, oins: Collection[str]) -> Carried:
    event = read_json(body)
    if not isinstance(event, dict):
        raise Malformed(_finding("event", "object", "Een gebeurtenis is een object", "An event is an object"))
    attributes = {
        name: value for name, value in event.items() if name not in ("data", "data_base64") and value is not None
    }
    both = [name for name in ("data", "data_base64") if event.get(name) is not None]
    _check(attributes, oins, place="", has_data=len(both) == 1)
    media_type = str(attributes.get("datacontenttype", "application/json"))
    return Carried(media_type=media_type, body=_data(body.decode(), both[0], event[both[0]], _essence(media_type)))


def _data(text: str, name: str, value: Any, essence: str) -> bytes:
    """JSON: the very bytes between the attributes; a text: itself in UTF-8; base64: what it encodes."""
    if name == "data_base64":
        try:
            return base64.b64decode(value, validate=True)
        except (binascii.Error, TypeError, ValueError):
            raise Malformed(_finding(name, "base64", "Dit is geen base64", "This is not base64")) from None
    if essence == "application/json" or essence.endswith("+json"):
        return _slice(text, name).encode()
    if not isinstance(value, str):
        raise Malformed(_finding(name, "text", "Dit soort inhoud is een tekst", "Such content is a text"))
    return value.encode()


def _slice(text: str, wanted: str) -> str:
    """The text of one member of the object that `text` holds; the text was read before, so that it is JSON."""
    decoder = json.JSONDecoder()
    at = _after_blanks(text, 0) + 1
    while True:
        name, at = decoder.raw_decode(text, _after_blanks(text, at))
        start = _after_blanks(text, _after_blanks(text, at) + 1)  # past the colon
        _, at = decoder.raw_decode(text, start)
        if name == wanted:
            return text[start:at]
        at = _after_blanks(text, at) + 1  # past the comma


def _after_blanks(text: str, at: int) -> int:
    found = _BLANKS.match(text, at)
    return found.end() if found else at


def _check(attributes: Mapping[str, Any], oins: Collection[str], *, place: str, has_data: bool) -> None:
    """The rules of the profile, all of them at once. Raises Malformed; then, of an event that is right, Forbidden."""
    faults = [
        _finding(f"{place}{name}" if _NAME.fullmatch(name) else f"{place}?", rule, nl, en)
        for name, rule, nl, en in _faults(attributes)
    ]
    if not has_data:
        nl = "De inhoud hoort in de gebeurtenis zelf, eenmaal; dataref wordt niet opgehaald"
        faults.append(_finding("data", "data", nl, "The content belongs in the event, once; dataref is not fetched"))
    if faults:
        raise Malformed(*faults)
    source = _SOURCE.fullmatch(attributes["source"])
    if source is None or source[1] not in oins:
        nl = "Dit OIN hoort niet bij deze partner"
        raise Forbidden(_finding(f"{place}source", "oin of partner", nl, "This OIN is not this partner's"))


def _faults(attributes: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    for name in _REQUIRED:
        if not attributes.get(name):
            yield name, "required", "Dit attribuut ontbreekt", "This attribute is missing"
    for name, value in attributes.items():
        if not _NAME.fullmatch(name) or not isinstance(value, str | int):
            yield name, "attribute", "Dit is geen geldig attribuut", "This is no valid attribute"
        elif name not in _COUNTED and any(is_bsn(each) for each in _NINE_DIGITS.findall(str(value))):
            nl = "Dit lijkt op een burgerservicenummer; attributen komen in logboeken terecht"
            yield name, "no person in context", nl, "This looks like a citizen service number; attributes get logged"
    for name, rule, nl, en in _RULES:
        value = attributes.get(name)
        if value and not _FITS[name](str(value)):
            yield name, rule, nl, en


def _is_moment(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


_RULES: Final = (
    ("specversion", "specversion", "Alleen CloudEvents 1.0 wordt gelezen", "Only CloudEvents 1.0 is read"),
    ("source", "source", "Verwacht: urn:nld:oin:<OIN>:systeem:<naam>", "Expected: urn:nld:oin:<OIN>:systeem:<name>"),
    ("type", "type", "Verwacht: omgekeerde domeinnaam, eindigend op .v1", "Expected: reverse DNS, ending in .v1"),
    ("time", "time", "Verwacht: een tijdstip volgens RFC 3339", "Expected: a moment by RFC 3339"),
)
_FITS: Final = {
    "specversion": lambda text: text == "1.0",
    "source": lambda text: _SOURCE.fullmatch(text) is not None,
    "type": lambda text: _TYPE.fullmatch(text) is not None,
    "time": _is_moment,
}


def _essence(value: str) -> str:
    return value.partition(";")[0].strip().lower()


def _finding(place: str, rule: str, nl: str, en: str) -> Finding:
    return Finding(place=place, rule=f"cloudevent: {rule}", nl=f"{place}: {nl}.", en=f"{place}: {en}.")
