# SPDX-License-Identifier: EUPL-1.2
"""Accept and Content-Type are read as RFC 9110 has them."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from api.negotiation import check_accept, content_type
from schakel.errors import NotAcceptable, UnsupportedFormat


def request(*headers: tuple[str, str]) -> Request:
    return Request({"type": "http", "headers": [(name.encode(), value.encode()) for name, value in headers]})


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "application/*",
        "application/json",
        "text/html, application/json;q=0.1",
        "APPLICATION/JSON; q=1",
        "text/html;q=0, */*;q=0.5",
        "application/*;q=0, application/json",
    ],
)
def test_what_takes_json_gets_json(accept: str) -> None:
    check_accept(request(("accept", accept)), ["application/json"])


@pytest.mark.parametrize(
    "accept", ["text/html", "application/json;q=0", "*/*, application/json;q=0.000", "application/*;q=0.0, */*", "json"]
)
def test_what_refuses_json_is_told_so(accept: str) -> None:
    with pytest.raises(NotAcceptable):
        check_accept(request(("accept", accept)), ["application/json"])


def test_no_accept_takes_everything_and_several_are_one_list() -> None:
    check_accept(request(), ["application/json"])
    check_accept(request(("accept", "text/html"), ("accept", "application/json")), ["application/json"])


@pytest.mark.parametrize(
    "given",
    ["application/json", "Application/JSON", 'application/json; charset="utf-8"', "application/json;charset=UTF-8"],
)
def test_a_known_media_type_is_read(given: str) -> None:
    assert content_type(request(("content-type", given)), ["application/json"]) == "application/json"


@pytest.mark.parametrize("given", ["", "text/plain", "application/json; charset=utf-16", "application/jsonx"])
def test_an_unknown_one_is_not(given: str) -> None:
    with pytest.raises(UnsupportedFormat):
        content_type(request(("content-type", given)), ["application/json"])


def test_two_content_types_are_none() -> None:
    with pytest.raises(UnsupportedFormat):
        content_type(request(("content-type", "application/json"), ("content-type", "text/xml")), ["application/json"])
