# SPDX-License-Identifier: EUPL-1.2
"""Reads JSON strictly: one meaning per document or none; refusals name line, column and rule, never the value.

Refused: other encodings than UTF-8, a byte order mark, duplicate keys, NUL in text, NaN and Infinity, numbers that do
not survive (RFC 7493, I-JSON), lone surrogates, more than 64 levels. Parsers differ on exactly these, and what two
parsers read differently can be routed by one and shown by the other.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final, NoReturn

import orjson

from schakel.errors import Finding, Malformed

MAX_DEPTH: Final = 64
MAX_VALUES: Final = 50_000  # what is read after this looks at each of them; a full message has some hundreds
MAX_INTEGER: Final = 2**53 - 1  # RFC 7493 section 2.2: beyond it two parsers can read two numbers
_BOM: Final = b"\xef\xbb\xbf"
_DOUBT: Final = object()
_DEEP: Final = b"\n" + b"  " * MAX_DEPTH
_BLANKS: Final = b" \t\r\n"
_LARGE: Final = 262_144  # bytes: the quick parser takes twelve times as much for itself while it reads
_BEFORE_COLON: Final = (b" :", b"\t:", b"\n:", b"\r:")
_SUSPECT_ESCAPE: Final = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
_SUSPECT_BYTES: Final = re.compile(_SUSPECT_ESCAPE.pattern.encode())
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_TEXTS: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_TOKEN: Final = re.compile(  # possessive: what could be gone back to would cost a hundred bytes for each character
    r'(?P<string>"[^"\\]*+(?:\\.[^"\\]*+)*+")(?P<colon>[ \t\r\n]*:)?'
    r'|(?P<open>[\[{])|(?P<close>[\]}])|(?P<bare>[^\s,:\[\]{}"]+)',
    re.DOTALL,
)

_DEPTH: Final = "json: at most 64 levels"
_VALUES: Final = "json: at most 50 000 values"
_SAID: Final = {
    "json: UTF-8": ("iets anders dan UTF-8", "something other than UTF-8"),
    "json: no byte order mark": ("een byte order mark", "a byte order mark"),
    "json: duplicate key": ("een sleutel die al voorkwam in dit object", "a key that this object already has"),
    "json: no NUL": ("een NUL-teken", "a NUL character"),
    "json: no lone surrogate": ("een half surrogaatpaar", "a lone surrogate"),
    "json: number out of range": ("een getal buiten het bereik", "a number out of range"),
    "json: no NaN or Infinity": ("NaN of Infinity", "NaN or Infinity"),
    _DEPTH: ("meer dan 64 niveaus", "more than 64 levels"),
    _VALUES: ("meer dan 50 000 waarden", "more than 50 000 values"),
}


def read_json(body: bytes) -> Any:
    """The value of a JSON document. Raises Malformed.

    What is beyond doubt is read at once. Else a second pass notices whether something may be wrong, and then the text
    is gone through token by token to say where.
    """
    if len(body) > MAX_VALUES and body.count(b",") > MAX_VALUES and _TEXTS.sub(b"", body).count(b",") > MAX_VALUES:
        _refuse("(document)", _VALUES)  # before so many are made
    value = _read_at_once(body)
    return _read_in_doubt(body) if value is _DOUBT else value


def _read_at_once(body: bytes) -> Any:
    """The value, when nothing here is refused for certain; else `_DOUBT`.

    What is written again as the same bytes had no key twice, and no number that does not survive. With other blanks, no
    two keys are equal when there are as many in the value as there can be in the text: each ends in `":`."""
    if len(body) > _LARGE:
        return _DOUBT
    try:
        value = orjson.loads(body)
        indented = orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_STRICT_INTEGER)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return _DOUBT
    if _DEEP in indented or (b"\\" in indented and b"\\u0000" in indented):
        return _DOUBT
    if len(body) > MAX_VALUES and indented.count(b"\n") > MAX_VALUES:
        return _DOUBT
    text = body.strip(_BLANKS)
    if text in (indented, orjson.dumps(value)):
        return value
    if _SUSPECT_BYTES.search(text) or any(blank in text for blank in _BEFORE_COLON):
        return _DOUBT
    return value if _keys(value) == text.count(b'":') else _DOUBT


def _keys(value: Any) -> int | None:
    """How many keys there are; None when a number may not have survived."""
    keys = 0
    left = [[value]]
    while left:
        container: Any = left.pop()
        if container.__class__ is dict:
            keys += len(container)
            container = container.values()
        for each in container:
            kind = each.__class__
            if kind is dict or kind is list:
                left.append(each)
            elif kind is float and not -MAX_INTEGER <= each <= MAX_INTEGER:
                return None
    return keys


def _read_in_doubt(body: bytes) -> Any:
    if body.startswith(_BOM):
        _refuse("line 1, column 1", "json: no byte order mark")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        line_start = body.rfind(b"\n", 0, error.start) + 1
        line = body.count(b"\n", 0, error.start) + 1
        _refuse(f"line {line}, byte {error.start - line_start + 1}", "json: UTF-8")
    quick = _Quick()
    try:
        value = quick.decoder.decode(text)
    except json.JSONDecodeError as error:
        # the decoder says what it expected and never quotes the document
        place = f"line {error.lineno}, column {error.colno}"
        raise Malformed(
            Finding(
                place,
                f"json: {error.msg.split(':')[0].lower()}",
                f"Geen geldige JSON op {place}.",
                f"Not valid JSON at {place}.",
            )
        ) from None
    except RecursionError:
        _go_through(text)
        _refuse("(document)", _DEPTH)
    beyond = _beyond(value)
    if quick.suspect or _SUSPECT_ESCAPE.search(text) or beyond == _DEPTH:
        _go_through(text)
    if beyond is not None:
        _refuse("(document)", beyond)
    return value


class _Quick:
    """One decoding with the standard library's scanner; `suspect` when the text has to be gone through."""

    __slots__ = ("decoder", "suspect")

    def __init__(self) -> None:
        self.suspect = False
        self.decoder = json.JSONDecoder(
            object_pairs_hook=self._object,
            parse_int=self._integer,
            parse_float=self._float,
            parse_constant=self._constant,
        )

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):
            self.suspect = True
        return made

    def _integer(self, digits: str) -> int:
        if len(digits) > 15 and _number_fault(digits):
            self.suspect = True
            return 0
        return int(digits)

    def _float(self, digits: str) -> float:
        value = float(digits)
        if not math.isfinite(value):
            self.suspect = True
        return value

    def _constant(self, _: str) -> None:
        self.suspect = True


def _beyond(value: Any) -> str | None:
    """The bound that is passed, if any; level by level, so that depth costs no stack."""
    level = [value] if isinstance(value, dict | list) else []
    depth = values = 0
    while level:
        depth += 1
        values += sum(map(len, level))
        if depth > MAX_DEPTH or values > MAX_VALUES:
            return _DEPTH if depth > MAX_DEPTH else _VALUES
        level = [
            each
            for container in level
            for each in (container.values() if isinstance(container, dict) else container)
            if isinstance(each, dict | list)
        ]
    return None


def _number_fault(digits: str) -> bool:
    if digits.lstrip("-").isdigit():
        return len(digits) > 17 or abs(int(digits)) > MAX_INTEGER
    return not math.isfinite(float(digits))


def _go_through(text: str) -> None:
    """Refuses at the first fault of a text whose syntax is right; returns when there is none."""
    keys: list[set[str]] = []  # of the objects around this place
    for token in _TOKEN.finditer(text):
        rule = None
        if token["open"]:
            keys.append(set())
            rule = _DEPTH if len(keys) > MAX_DEPTH else None
        elif token["close"]:
            keys.pop()
        elif token["string"]:
            plain = json.loads(token["string"], strict=False)
            if "\0" in plain:
                rule = "json: no NUL"
            elif _SURROGATE.search(plain):
                rule = "json: no lone surrogate"
            elif token["colon"]:
                rule = "json: duplicate key" if plain in keys[-1] else None
                keys[-1].add(plain)
        elif token["bare"] in ("NaN", "Infinity", "-Infinity"):
            rule = "json: no NaN or Infinity"
        elif token["bare"] not in ("true", "false", "null") and _number_fault(token["bare"]):
            rule = "json: number out of range"
        if rule is not None:
            start = token.start()
            column = start - (text.rfind("\n", 0, start) + 1) + 1
            _refuse(f"line {text.count(chr(10), 0, start) + 1}, column {column}", rule)


def _refuse(place: str, rule: str) -> NoReturn:
    nl, en = _SAID[rule]
    raise Malformed(Finding(place, rule, f"Het bericht bevat {nl} ({place}).", f"The message holds {en} ({place})."))
