# SPDX-License-Identifier: EUPL-1.2
"""Events in: content to the byte, the profile's rules by attribute, and nothing about a person in the attributes."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.formats.cloudevent_in import LARGEST, STRUCTURED, Carried, is_event, unwrap
from schakel.errors import Forbidden, Malformed, Refusal, UnsupportedFormat

OIN = "00000099000000001001"
SHARED = Path(__file__).resolve().parents[2] / "../shared/samples/nlgov-cloudevents"
CONTEXT: dict[str, Any] = {
    "specversion": "1.0",
    "type": "nl.voorbeeld.aanmelding.v1",
    "source": f"urn:nld:oin:{OIN}:systeem:pool",
    "id": "999990342",  # a number that a system gives out
    "time": "2026-11-14T22:05:00.999990342+01:00",
}


def structured(event: Any, content_type: str = STRUCTURED) -> Carried:
    body = event if isinstance(event, bytes) else json.dumps(event).encode()
    return unwrap([("content-type", content_type)], body, oins=[OIN])


def binary(body: bytes = b"<a/>", media_type: str = "text/xml", **changes: str) -> Carried:
    context = {name: value for name, value in (CONTEXT | changes).items() if value}
    return unwrap([("content-type", media_type), *((f"ce-{k}", v) for k, v in context.items())], body, oins=[OIN])


def rules(event: dict[str, Any]) -> set[tuple[str, str]]:
    with pytest.raises(Malformed) as caught:
        structured(event)
    return {(one.place, one.rule) for one in caught.value.findings}


# -- what an event is


def test_modes_are_told_by_headers_alone() -> None:
    assert is_event([("content-type", "application/CloudEvents+json; charset=utf-8")])
    assert is_event([("content-type", "application/cloudevents-batch+json")])
    assert is_event([("content-type", "text/xml"), ("ce-id", "1")])
    assert not is_event([("content-type", "application/json"), ("ce-", "x"), ("accept", STRUCTURED)])


def test_structured_json_is_carried_to_the_byte() -> None:
    inner = b'{ "b" : 1.50,\n "a":"\\u00e9", "data": {"x": [1,  2]} }'
    body = json.dumps(CONTEXT).encode()[:-1] + b', "datacontenttype": "application/json", "data" : ' + inner + b" }"
    assert structured(body) == Carried("application/json", inner)


def test_structured_json_is_the_default_and_xml_is_a_text() -> None:
    assert structured({"data": {"a": 1}, **CONTEXT}) == Carried("application/json", b'{"a": 1}')
    xml = {**CONTEXT, "datacontenttype": "text/xml", "data": "<a>é</a>"}
    assert structured(xml) == Carried("text/xml", "<a>é</a>".encode())


def test_base64_is_whatever_it_encodes() -> None:
    event = {**CONTEXT, "datacontenttype": "text/csv", "data_base64": base64.b64encode(b"\xff\x00").decode()}
    assert structured(event) == Carried("text/csv", b"\xff\x00")
    assert rules({**event, "data_base64": "a b"}) == {("data_base64", "cloudevent: base64")}


def test_binary_is_the_body_under_its_own_type() -> None:
    assert binary() == Carried("text/xml", b"<a/>")
    assert binary(subject="Zo%C3%AB").body == b"<a/>"


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"))
SCALAR = st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | TEXT
VALUE = st.recursive(
    SCALAR,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abdt", max_size=4), inner, max_size=3),
    max_leaves=12,
)


@settings(deadline=None)
@given(VALUE, st.sampled_from([None, 1]), st.booleans())
def test_any_json_comes_out_as_it_went_in(value: Any, indent: int | None, first: bool) -> None:
    event = {"data": value, **CONTEXT} if first else {**CONTEXT, "data": value}
    assert json.loads(structured(json.dumps(event, indent=indent).encode()).body) == value


@settings(deadline=None)
@given(st.binary(max_size=80) | st.text('{}":,dat\\ ', max_size=40).map(str.encode))
def test_any_bytes_are_an_event_or_a_refusal(body: bytes) -> None:
    with pytest.raises(Refusal):
        structured(body)


# -- the profile's rules


@pytest.mark.parametrize(
    ("changes", "place", "rule"),
    [
        ({"specversion": "0.3"}, "specversion", "specversion"),
        ({"specversion": None}, "specversion", "required"),
        ({"id": ""}, "id", "required"),
        ({"type": None}, "type", "required"),
        ({"type": "nl.voorbeeld.aanmelding"}, "type", "type"),
        ({"type": "v1"}, "type", "type"),
        ({"source": "https://voorbeeld.example"}, "source", "source"),
        ({"source": "urn:nld:oin:123:systeem:x"}, "source", "source"),
        ({"time": "gisteren"}, "time", "time"),
        ({"subject": "999990342"}, "subject", "no person in context"),
        ({"subject": "bsn:999990342/zaak"}, "subject", "no person in context"),
        ({"dataref": "https://voorbeeld.example/999990342"}, "dataref", "no person in context"),
        ({"nlbrpx": 999990342}, "nlbrpx", "no person in context"),
        ({"Geheim naam": "x"}, "?", "attribute"),
        ({"subject": {"a": 1}}, "subject", "attribute"),
    ],
)
def test_each_rule_names_its_attribute(changes: dict[str, Any], place: str, rule: str) -> None:
    assert rules({**CONTEXT, "data": {}, **changes}) == {(place, f"cloudevent: {rule}")}


def test_content_is_in_the_event_once() -> None:
    for more in ({}, {"data": None}, {"data": 1, "data_base64": "YQ=="}):
        assert rules({**CONTEXT, **more}) == {("data", "cloudevent: data")}
    with pytest.raises(Malformed):
        binary(b"")
    with pytest.raises(Malformed):
        binary(dataref="https://voorbeeld.example/1")


def test_binary_headers_follow_the_same_rules() -> None:
    with pytest.raises(Malformed) as caught:
        binary(subject="%39%39%39990342", type="x")
    assert {(one.place, one.rule) for one in caught.value.findings} == {
        ("header ce-subject", "cloudevent: no person in context"),
        ("header ce-type", "cloudevent: type"),
    }
    with pytest.raises(Malformed):
        binary(subject="%ff")
    twice = [("ce-id", "1"), ("ce-id", "2")]
    with pytest.raises(Malformed, match="attribute once"):
        unwrap([("content-type", "text/xml"), *twice], b"<a/>", oins=[OIN])


def test_another_partners_oin_is_forbidden() -> None:
    with pytest.raises(Forbidden):
        unwrap([("content-type", STRUCTURED)], json.dumps({**CONTEXT, "data": {}}).encode(), oins=["0" * 20])


@pytest.mark.parametrize("kind", ["application/cloudevents-batch+json", "application/cloudevents+xml"])
def test_other_modes_are_not_read(kind: str) -> None:
    with pytest.raises(UnsupportedFormat):
        structured([{**CONTEXT, "data": {}}], kind)


def test_an_event_of_more_than_64_kb_is_too_large() -> None:
    for large in (
        lambda: structured({**CONTEXT, "data": "x" * LARGEST}),
        lambda: binary(b"x" * (LARGEST - 10)),
    ):
        with pytest.raises(Malformed) as caught:
            large()
        assert caught.value.status == 413


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("example-1.json", {("source", "cloudevent: source"), ("type", "cloudevent: type")}),
        (
            "example-2.json",
            {
                ("type", "cloudevent: type"),
                ("subject", "cloudevent: no person in context"),
                ("dataref", "cloudevent: no person in context"),
            },
        ),
    ],
)
def test_the_profiles_own_examples_are_refused_for_what_is_wrong_in_them(
    name: str, found: set[tuple[str, str]]
) -> None:
    if not SHARED.is_dir() and os.environ.get("CI") != "true":
        pytest.skip("the profile's examples are not beside the checkout")
    with pytest.raises(Malformed) as caught:
        structured((SHARED / name).read_bytes())
    assert {(one.place, one.rule) for one in caught.value.findings} == found
    assert "999990342" not in f"{caught.value} {caught.value.findings}"
