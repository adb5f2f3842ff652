# SPDX-License-Identifier: EUPL-1.2
"""What a document within the door's size can cost: each of these once took seconds, and is now refused or cut short."""

from __future__ import annotations

import json
import time
import tracemalloc
from collections.abc import Callable

import pytest

from connectors.formats import formats
from connectors.formats.strict_json import MAX_VALUES, read_json
from connectors.formats.xml import MAX_ATTRIBUTES, MAX_ELEMENTS, parse
from mappings import engine
from mappings.codebook import CodebookShelf
from schakel.errors import Malformed, Unmappable
from schakel.strict_yaml import near
from tests.integration.stage import START, thv

SECONDS = 1.0  # of the processor; they took from three to twenty-eight


@pytest.mark.parametrize(
    ("read", "most", "over", "rule"),
    [
        (read_json, b"[" + b"1," * (MAX_VALUES - 1) + b"1]", b"[" + b"1," * MAX_VALUES + b"1]", "50 000 values"),
        (
            parse,
            b"<a>" + b"<b/>" * (MAX_ELEMENTS - 1) + b"</a>",
            b"<a>" + b"<b/>" * MAX_ELEMENTS + b"</a>",
            "xml-elements",
        ),
        (
            parse,
            b"<a" + b"".join(b' a%d=""' % n for n in range(MAX_ATTRIBUTES)) + b"/>",
            b"<a" + b"".join(b' a%d=""' % n for n in range(MAX_ATTRIBUTES + 1)) + b"/>",
            "xml-attributes",
        ),
    ],
    ids=["values", "elements", "attributes"],
)
def test_as_many_as_may_be_and_not_one_more(
    read: Callable[[bytes], object], most: bytes, over: bytes, rule: str
) -> None:
    read(most)
    with pytest.raises(Malformed, match=rule):
        read(over)


def test_thousands_of_unknown_fields_are_told_by_twenty() -> None:
    document = json.loads(thv("delft-tweede-thv")) | {f"kenmerk{n}": 1 for n in range(40_000)}
    began = time.process_time()
    with pytest.raises(Malformed) as refused:
        formats()["thv-json"].read(json.dumps(document).encode())
    assert time.process_time() - began < SECONDS
    assert len(refused.value.findings) <= 20


def test_commas_in_a_text_are_no_values() -> None:
    assert read_json(b'["' + b',\\",' * MAX_VALUES + b'"]') == [',",' * MAX_VALUES]


def test_so_many_values_are_refused_before_they_are_made() -> None:
    body = b"[" + b"[]," * 300_000 + b"[]]"
    tracemalloc.start()
    try:
        with pytest.raises(Malformed, match="50 000 values"):
            read_json(body)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * len(body)


def test_a_text_of_escapes_costs_little_more_than_itself() -> None:
    body = b'["' + b"\\ud83d\\ude00" * 50_000 + b'", "\\ud83d"]'  # gone through token by token, for half a pair
    tracemalloc.start()
    try:
        with pytest.raises(Malformed, match="surrogate"):
            read_json(body)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10 * len(body)


def test_a_name_that_is_too_long_to_be_a_slip_lies_near_none() -> None:
    assert near("kenmerkk", ["kenmerk"])
    began = time.process_time()
    assert near("kenmerk" * 100_000, ["kenmerk"] * 50) == ""
    assert time.process_time() - began < SECONDS


def test_hundreds_of_people_who_refer_to_each_other_park_in_good_time() -> None:
    folder = engine.HERE / "stuf_vt_melding"
    body = (folder / "examples" / "drie-vaders.xml").read_bytes()
    document = json.loads(json.dumps(formats()["stuf-jz"].read(body).document))
    document["object"]["betreft"]["gerelateerde"]["heeftBetrokken"] *= 200
    mapping = engine.load_mapping(folder, CodebookShelf.load())
    began = time.thread_time()
    with pytest.raises(Unmappable) as parked:
        mapping.apply(document, now=START)
    assert time.thread_time() - began < SECONDS
    assert parked.value.cause == "mapping-limit"
