# SPDX-License-Identifier: EUPL-1.2
"""Strict JSON: what is refused, where, and that the value is never said."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mappings
from connectors.formats.strict_json import _DOUBT, _read_at_once, _read_in_doubt, read_json
from schakel.errors import Malformed


@pytest.mark.parametrize(
    ("body", "place", "rule"),
    [
        (b'{"a": 1,\n  "a": 2}', "line 2, column 3", "json: duplicate key"),
        (b'{"a": {"b": 1, "\\u0062": 2}}', "line 1, column 16", "json: duplicate key"),
        (b'[{"a": 1}, {"a": 1, "b": {"a": 3}, "a": 2}]', "line 1, column 36", "json: duplicate key"),
        (b'{"a": "x\\u0000"}', "line 1, column 7", "json: no NUL"),
        (b'{"\\u0000": 1}', "line 1, column 2", "json: no NUL"),
        (b'["a\x00"]', "line 1, column 4", "json: invalid control character at"),
        (b'["\\ud800"]', "line 1, column 2", "json: no lone surrogate"),
        (b'["\\uDC00\\uD800"]', "line 1, column 2", "json: no lone surrogate"),
        (b"[1,\nNaN]", "line 2, column 1", "json: no NaN or Infinity"),
        (b"[-Infinity]", "line 1, column 2", "json: no NaN or Infinity"),
        (b"[1e999]", "line 1, column 2", "json: number out of range"),
        (b"[9007199254740992]", "line 1, column 2", "json: number out of range"),
        (b"[-" + b"9" * 5000 + b"]", "line 1, column 2", "json: number out of range"),
        (b"[" * 65 + b"]" * 65, "line 1, column 65", "json: at most 64 levels"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "line 1, column 321", "json: at most 64 levels"),
        (b"[" * 200_000, "line 1, column 65", "json: at most 64 levels"),
        (b"\xef\xbb\xbf{}", "line 1, column 1", "json: no byte order mark"),
        (b'{\n"a": "\xff"}', "line 2, byte 7", "json: UTF-8"),
        ('{"a": "é"}'.encode("latin-1"), "line 1, byte 8", "json: UTF-8"),
        ("{}".encode("utf-16"), "line 1, byte 1", "json: UTF-8"),
        (b"\xed\xa0\x80", "line 1, byte 1", "json: UTF-8"),
        (b"", "line 1, column 1", "json: expecting value"),
        (b"{'a': 1}", "line 1, column 2", "json: expecting property name enclosed in double quotes"),
        (b"{} {}", "line 1, column 4", "json: extra data"),
        (b"[01]", "line 1, column 3", "json: expecting ',' delimiter"),
    ],
)
def test_refuses_and_names_place_and_rule(body: bytes, place: str, rule: str) -> None:
    with pytest.raises(Malformed) as caught:
        read_json(body)
    (finding,) = caught.value.findings
    assert (finding.place, finding.rule) == (place, rule)
    assert finding.nl != finding.en


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"a": "\\\\u0000"}', {"a": "\\u0000"}),
        (b'["\\ud83d\\ude00", "\xf0\x9f\x98\x80"]', ["😀", "😀"]),
        (b"[9007199254740991, -9007199254740991, -0, 1.5E+2]", [9007199254740991, -9007199254740991, 0, 150.0]),
        (b"[" * 64 + b"]" * 64, eval("[" * 64 + "]" * 64)),
        (b'[{"a": 1}, {"a": 2}]', [{"a": 1}, {"a": 2}]),
        (b' {"a" : "{[" } ', {"a": "{["}),
    ],
)
def test_reads_what_has_one_meaning(body: bytes, value: object) -> None:
    assert read_json(body) == value


def test_never_says_the_value() -> None:
    for body in (
        b'{"CANARY": 1, "CANARY": 2}',
        b'{"a": "CANARY\\u0000"}',
        b"[CANARY]",
        b'{"a": "CANARY',
        b'"\\qCANARY"',
    ):
        with pytest.raises(Malformed) as caught:
            read_json(body)
        assert "CANARY" not in f"{caught.value} {caught.value.findings}"


# -- beyond doubt ------------------------------------------------------------------------------------------------------

KEYS = st.sampled_from(["a", "b", "é", 'x":', "a:", " :", "\\", '"', "\t", "\x7f"])
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**55), 2**55),
    st.sampled_from([2**53 - 1, 2**53, 2**64, 10**30, 1.5, -0.0, 1e15, 1e17, 1e300, 1e-320]),
    st.sampled_from(["", 'x":y', "a :b", "\u0000", "\ud800", "\U0001f600", "\\u0000", "{[", "\x1f"]),
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=20
)


def outcome(read: Callable[[bytes], object], body: bytes) -> object:
    try:
        value = read(body)
    except Malformed as refusal:
        return refusal.findings
    return repr(value)


@given(value=VALUES, blanks=st.sampled_from([(",", ":"), (", ", ": "), (",\n ", " : ")]), ascii=st.booleans())
def test_what_is_read_at_once_reads_as_what_was_doubted(value: object, blanks: tuple[str, str], ascii: bool) -> None:
    for indent in (None, 2):
        body = json.dumps(value, separators=blanks, ensure_ascii=ascii, indent=indent).encode("utf-8", "surrogatepass")
        assert outcome(read_json, body) == outcome(_read_in_doubt, body)


@given(value=VALUES, data=st.data())
def test_so_do_damaged_documents(value: object, data: st.DataObject) -> None:
    body = bytearray(json.dumps({"a": value, "b": {"a": 1}}, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(body) - 1))
        body[place] = data.draw(st.sampled_from(list(b'"\\:,{}[]ab01 \n\x00\xff.e-')))
    assert outcome(read_json, bytes(body)) == outcome(_read_in_doubt, bytes(body))


@pytest.mark.parametrize("depth", [62, 63, 64, 65, 66])
@pytest.mark.parametrize("inner", [b"", b"1", b'{"a":1}'])
def test_so_do_deep_ones(depth: int, inner: bytes) -> None:
    body = b"[" * depth + inner + b"]" * depth
    assert outcome(read_json, body) == outcome(_read_in_doubt, body)


def test_most_documents_are_beyond_doubt() -> None:
    for name in ("thv_aanmelding", "cit_fhir", "referral_json", "case_message_json"):
        for path in sorted((Path(mappings.__file__).parent / name / "examples").glob("*.json")):
            doubted = _read_at_once(path.read_bytes()) is _DOUBT
            assert doubted is (path.name == "dubbele-sleutel.json"), path.name
