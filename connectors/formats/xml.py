# SPDX-License-Identifier: EUPL-1.2
"""Bytes to an XML tree, safely: no document type, no entities, no network, bounded size and depth.

The refusals name a place and a rule; the parser's own messages quote the input and are not passed on.
"""

from __future__ import annotations

import re
from typing import Final

from lxml import etree

from schakel.errors import Finding, Malformed

MAX_BYTES: Final = 4 * 1024 * 1024
MAX_DEPTH: Final = 64  # elements in each other; the deepest StUF message has fewer than twenty
MAX_ELEMENTS: Final = 50_000  # what is read after this looks at each of them; a full message has some hundreds
MAX_ATTRIBUTES: Final = 256  # of one element
MAX_TEXT: Final = 262_144  # characters in one element: as much as a mapping can take

_DOCTYPE = re.compile(r"<!DOCTYPE", re.IGNORECASE)
_ENCODING = re.compile(r"""^<\?xml\s[^>]*?encoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
_UTF8_BOM: Final = b"\xef\xbb\xbf"
_OTHER_BOMS: Final = (b"\xff\xfe", b"\xfe\xff")


def starts_like_xml(body: bytes) -> bool:
    """A cheap look: an opening angle bracket, in whatever encoding (a wrong one is refused with a reason later)."""
    return body.startswith(_OTHER_BOMS) or body.removeprefix(_UTF8_BOM).lstrip(b"\x00 \t\r\n").startswith(b"<")


def parse(body: bytes, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH) -> etree._Element:
    """The root element, without comments and processing instructions. Raises Malformed (413 when too large).

    Any document type is refused before the parser sees the bytes, also one that stands in a CDATA section: nobody
    needs it there, and then no parser setting has to be trusted.
    """
    if len(body) > max_bytes:
        raise Malformed(_finding("document", "xml-size", "is te groot", "is too large"), status=413)
    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        load_dtd=False,
        dtd_validation=False,
        no_network=True,
        huge_tree=False,
        recover=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(_checked_text(body).encode(), parser)
    except etree.XMLSyntaxError as error:
        line, column = error.position
        place = f"line {line}, column {column}"
        raise Malformed(_finding(place, "xml-well-formed", "is geen geldige XML", "is not well-formed XML")) from None
    _within_bounds(root, max_depth)
    return root


def local_name(element: etree._Element) -> str:
    return element.tag.rpartition("}")[2]


def text_of(element: etree._Element) -> str:
    """All text in the element, also around a comment in its middle, without outer blanks."""
    if len(element) == 0:
        return (element.text or "").strip(" \t\r\n")
    return "".join(str(part) for part in element.itertext()).strip(" \t\r\n")


def _checked_text(body: bytes) -> str:
    """The document as text; refuses NUL, any encoding but UTF-8, and a document type."""
    if body.startswith(_OTHER_BOMS):
        raise Malformed(_finding("document", "xml-encoding", "is geen UTF-8", "is not UTF-8"))
    if b"\x00" in body:
        raise Malformed(_finding("document", "xml-nul", "bevat een NUL", "contains a NUL"))
    try:
        text = body.removeprefix(_UTF8_BOM).decode("utf-8")
    except UnicodeDecodeError as error:
        place = f"byte {error.start}"
        raise Malformed(_finding(place, "xml-encoding", "is geen UTF-8", "is not UTF-8")) from None
    declared = _ENCODING.match(text)
    if declared is not None and declared[1].lower() not in ("utf-8", "utf8", "us-ascii"):
        raise Malformed(_finding("declaration", "xml-encoding", "zegt geen UTF-8 te zijn", "says it is not UTF-8"))
    if _DOCTYPE.search(text):
        raise Malformed(_finding("document", "xml-doctype", "bevat een DOCTYPE", "contains a DOCTYPE"))
    return text


def _within_bounds(root: etree._Element, max_depth: int) -> None:
    """Walk without recursion: a deep document must not reach our own stack, nor a wide one our time."""
    level, depth, elements = [root], 0, 1
    while level:
        depth += 1
        below: list[etree._Element] = []
        for element in level:
            elements += len(element)
            if depth > max_depth:
                raise Malformed(_finding(_line(element), "xml-depth", "is te diep", "is too deep"))
            if elements > MAX_ELEMENTS:
                nl, en = "heeft te veel elementen", "has too many elements"
                raise Malformed(_finding(_line(element), "xml-elements", nl, en))
            if len(element.keys()) > MAX_ATTRIBUTES:
                nl, en = "heeft te veel attributen", "has too many attributes"
                raise Malformed(_finding(_line(element), "xml-attributes", nl, en))
            text = element.text
            if text and len(text) > MAX_TEXT:
                raise Malformed(_finding(_line(element), "xml-text-size", "is te lang", "is too long"))
            below.extend(element)
        level = below


def _line(element: etree._Element) -> str:
    return f"line {element.sourceline}"


def _finding(place: str, rule: str, nl: str, en: str) -> Finding:
    return Finding(place, rule, f"Het XML-bericht {nl}.", f"The XML message {en}.")
