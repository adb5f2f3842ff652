# SPDX-License-Identifier: EUPL-1.2
"""XML at the door: what is refused before a parser sees it, and that no refusal quotes the input."""

from __future__ import annotations

import pytest

from connectors.formats.xml import MAX_TEXT, parse, starts_like_xml, text_of
from schakel.errors import Malformed

SECRET = "Schuiladres 12"


def refused(body: bytes, **limits: int) -> Malformed:
    with pytest.raises(Malformed) as caught:
        parse(body, **limits)
    assert SECRET not in str(caught.value)
    assert all(SECRET not in f"{f.place}{f.rule}{f.nl}{f.en}" for f in caught.value.findings)
    return caught.value


def rule_of(body: bytes, **limits: int) -> str:
    (finding,) = refused(body, **limits).findings
    return finding.rule


@pytest.mark.parametrize(
    "body",
    [
        b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>',
        b'<?xml version="1.0"?>\n<!-- c --><!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
        b"<!doctype a><a/>",
        b"<a><![CDATA[<!DOCTYPE b>]]></a>",
    ],
)
def test_a_document_type_is_refused_before_parsing(body: bytes) -> None:
    assert rule_of(body) == "xml-doctype"


@pytest.mark.parametrize(
    "body",
    [
        "<a>é</a>".encode("latin-1"),
        "<a>é</a>".encode("utf-16"),
        b'<?xml version="1.0" encoding="ISO-8859-1"?><a/>',
        b"<?xml version='1.0' encoding='UTF-7'?><a>+ADwAIQ-DOCTYPE</a>",
        b'<?xml version="1.0" encoding="UTF-16"?><a/>',
    ],
)
def test_anything_but_utf_8_is_refused(body: bytes) -> None:
    assert rule_of(body) == "xml-encoding"


def test_a_nul_is_refused_as_a_byte_and_as_a_reference() -> None:
    assert rule_of(b"<a>\x00</a>") == "xml-nul"
    assert rule_of(b"<a>&#0;</a>") == "xml-well-formed"
    assert rule_of("<a>x</a>".encode("utf-16-le")) == "xml-nul"


@pytest.mark.parametrize(
    "body",
    [
        f"<a>{SECRET}</b>".encode(),
        f"<a>&{SECRET};</a>".encode(),
        f"<a>{SECRET}".encode(),
        f"<a b='{SECRET}' b='1'/>".encode(),
        b"",
        b"{}",
        b"<a/><b/>",
        b"<x:a/>",
        b"<a>\x01</a>",
        b"<a>&unknown;</a>",
    ],
)
def test_what_is_not_well_formed_is_refused_by_line_and_column_only(body: bytes) -> None:
    (finding,) = refused(body).findings
    assert finding.rule == "xml-well-formed"
    assert finding.place.startswith("line ")


def test_depth_is_bounded() -> None:
    assert parse(b"<a>" * 64 + b"</a>" * 64) is not None
    assert rule_of(b"<a>" * 65 + b"</a>" * 65) == "xml-depth"
    assert rule_of(b"<a>" * 100_000 + b"</a>" * 100_000) in ("xml-depth", "xml-well-formed")


def test_size_is_bounded_with_413() -> None:
    refusal = refused(b"<a>" + b"x" * 100 + b"</a>", max_bytes=50)
    assert (refusal.status, refusal.findings[0].rule) == (413, "xml-size")
    assert rule_of(b"<a>" + b"x" * (MAX_TEXT + 1) + b"</a>") == "xml-text-size"


def test_a_byte_order_mark_and_comments_are_fine_and_text_is_whole() -> None:
    root = parse("\ufeff<?xml version='1.0' encoding='utf-8'?><a> Zo<!-- x -->ë <![CDATA[<&]]> <?pi x?>ﬁ </a>".encode())
    assert text_of(root) == "Zoë <& ﬁ"


def test_no_file_is_read_through_an_inclusion() -> None:
    body = b'<a xmlns:xi="http://www.w3.org/2001/XInclude"><xi:include href="/etc/hostname" parse="text"/></a>'
    assert text_of(parse(body)) == ""


def test_looks_at_the_first_bytes_only() -> None:
    assert starts_like_xml(b"\xef\xbb\xbf  <a")
    assert starts_like_xml("<a/>".encode("utf-16"))
    assert not starts_like_xml(b'{"a": "<b>"}')
    assert not starts_like_xml(b"")
