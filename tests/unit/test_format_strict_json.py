# SPDX-License-Identifier: EUPL-1.2
"""Strict JSON: what is refused, where, and that the value is never said."""

from __future__ import annotations

import pytest

from connectors.formats.strict_json import read_json
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
