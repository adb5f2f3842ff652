# SPDX-License-Identifier: EUPL-1.2
"""Tells what a document looks like by its first bytes, so that a refusal can say what came instead.

A table of signatures with names; nothing of the document itself is ever in what is said. It reads no document: a look
at a few kilobytes, in an order in which the more telling signature comes first.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from schakel.likeness import Likeness

HEAD: Final = 4096  # bytes that are looked at
CLOUDEVENT: Final = "cloudevent"  # an envelope, and no format
_ANY_JSON: Final = ("fhir-json", "thv-json", "case-json", "answer@1", CLOUDEVENT)
_ANY_XML: Final = ("fhir-xml", "stuf-jz")
_MARKS: Final = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_BLANKS: Final = b" \t\r\n"

Signature = Callable[[bytes], bool]


@dataclass(frozen=True, slots=True)
class Row:
    """`read_by` as in Likeness."""

    seen: Signature
    nl: str
    en: str
    read_by: tuple[str, ...] = ()


def looks_like(body: bytes) -> Likeness:
    """What these bytes look like; always something, if only unknown bytes."""
    head = _plain(body[:HEAD])
    row = next(row for row in TABLE if row.seen(head))
    return Likeness(nl=row.nl, en=row.en, read_by=row.read_by)


def _plain(head: bytes) -> bytes:
    """Without byte order mark, UTF-16 as its letters, without blanks in front."""
    for mark in _MARKS:
        if head.startswith(mark):
            head = head[len(mark) :]
            head = head if mark == _MARKS[0] else head.replace(b"\0", b"")
            break
    return head.lstrip(_BLANKS)


def _starts(*marks: bytes) -> Signature:
    return lambda head: head.startswith(marks)


def _has(pattern: bytes, start: bytes = b"") -> Signature:
    found = re.compile(pattern, re.IGNORECASE)
    return lambda head: head.startswith(start) and found.search(head) is not None


def _xml(pattern: bytes) -> Signature:
    return _has(pattern, b"<")


def _json(pattern: bytes) -> Signature:
    return _has(pattern, b"{")


def _named(name: bytes, value: bytes = b"") -> bytes:
    """A JSON member, with a text that begins with `value`."""
    return rb'"' + name + rb'"\s*:' + (rb'\s*"' + value if value else b"")


_MAIL_HEADER: Final = re.compile(
    rb"^(?:return-path|received|delivered-to|mime-version|message-id|from|to|subject|date|content-type|dkim-signature):",
    re.IGNORECASE | re.MULTILINE,
)
_FIELD: Final = re.compile(rb"(?:From |[A-Za-z][A-Za-z-]*:)")
_COLUMNS: Final = re.compile(rb"[^\r\n]*[;,\t][^\r\n]*[;,\t]")
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0e-\x1f]")


def _mail(head: bytes) -> bool:
    return _FIELD.match(head) is not None and len(_MAIL_HEADER.findall(head)) > 1


def _text(head: bytes) -> bool:
    return _CONTROL.search(head) is None


_STUF: Final = rb"http://www\.(?:egem\.nl/StUF|stufstandaarden\.nl)/"
_BG: Final = rb"http://www\.(?:egem\.nl/StUF/sector|stufstandaarden\.nl/(?:koppelvlak|sector))/bg"
_ZKN: Final = rb"http://www\.(?:egem\.nl/StUF/sector|stufstandaarden\.nl/(?:koppelvlak|sector))/(?:zkn|zds)"
_JZ: Final = rb"http://www\.stufstandaarden\.nl/koppelvlak/jz"
_RELEASE_3: Final = (
    rb"\b(?:ReferralRequest|ProcedureRequest)\b|hl7\.org/fhir/(?:STU3|3\.0)|//fhir\.nl/fhir/StructureDefinition"
)
_RELEASE_5: Final = (  # a CodeableReference is of R5
    rb"""hl7\.org/fhir/(?:R5|5\.0)|"concept"\s*:\s*\{|<code>\s*<concept>|\brequestedPerformer\b"""
)
_FHIR_JSON: Final = _named(b"resourceType", b"[A-Z]")
_FHIR_XML: Final = rb"""xmlns(?::[A-Za-z][\w.-]*)?\s*=\s*["']http://hl7\.org/fhir["']"""

TABLE: Final[tuple[Row, ...]] = (
    Row(lambda head: not head, "een leeg bericht", "an empty message"),
    # -- files
    Row(lambda head: b"%PDF-" in head[:1024], "een PDF", "a PDF"),
    Row(
        _has(rb"xl/work|xl/_rels", b"PK\x03\x04"),
        "een Excel-werkmap (xlsx)",
        "an Excel workbook (xlsx)",
    ),
    Row(_has(rb"word/document|word/_rels", b"PK\x03\x04"), "een Word-document (docx)", "a Word document (docx)"),
    Row(
        _has(rb"\[Content_Types\]\.xml|docProps/", b"PK\x03\x04"),
        "een Office-bestand (xlsx of docx)",
        "an Office file (xlsx or docx)",
    ),
    Row(_starts(b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08"), "een ZIP-bestand", "a ZIP file"),
    Row(
        _starts(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
        "een oud Office-bestand of Outlook-bericht (xls, doc, msg)",
        "an old Office file or Outlook message (xls, doc, msg)",
    ),
    Row(_starts(b"\x1f\x8b"), "een ingepakt bestand (gzip)", "a compressed file (gzip)"),
    Row(_starts(b"7z\xbc\xaf\x27\x1c", b"Rar!"), "een ingepakt bestand (7z of rar)", "a compressed file (7z or rar)"),
    Row(_starts(b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"II*\0", b"MM\0*"), "een afbeelding", "an image"),
    Row(_starts(b"{\\rtf"), "een RTF-document", "an RTF document"),
    Row(_starts(b"-----BEGIN "), "een versleuteld of ondertekend bestand (PEM)", "an encrypted or signed file (PEM)"),
    # -- messages of other families, as text
    Row(_starts(b"MSH|", b"\x0bMSH|", b"FHS|", b"BHS|"), "HL7 versie 2", "HL7 version 2"),
    Row(_starts(b"UNA:+", b"UNB+"), "EDIFACT", "EDIFACT"),
    Row(_has(rb"^--[^\r\n]{1,70}\r?\ncontent-disposition:"), "een webformulier (multipart)", "a web form (multipart)"),
    Row(_mail, "een e-mail", "an e-mail"),
    # -- JSON
    Row(_has(_named(b"specversion"), b"["), "een reeks CloudEvents (batch)", "a batch of CloudEvents"),
    Row(_starts(b"["), "een JSON-lijst", "a JSON array"),
    Row(_json(_named(b"specversion")), "een CloudEvent", "a CloudEvent", read_by=(CLOUDEVENT,)),
    Row(
        _json(rb"(?s:" + _FHIR_JSON + rb".*(?:" + _RELEASE_3 + rb"))"),
        "FHIR STU3 (JSON)",
        "FHIR STU3 (JSON)",
        read_by=("fhir-json",),
    ),
    Row(
        _json(rb"(?s:" + _FHIR_JSON + rb".*(?:" + _RELEASE_5 + rb"))"),
        "FHIR R5 (JSON)",
        "FHIR R5 (JSON)",
        read_by=("fhir-json",),
    ),
    Row(_json(_FHIR_JSON), "FHIR (JSON)", "FHIR (JSON)", read_by=("fhir-json",)),
    Row(_json(_named(b"schema", b"referral@")), "referral@1", "referral@1", read_by=("case-json",)),
    Row(_json(_named(b"schema", b"case-message@")), "case-message@1", "case-message@1", read_by=("case-json",)),
    Row(
        _json(_named(b"schema", b"case-view@")),
        "case-view@1, wat een ontvanger krijgt",
        "case-view@1, what a recipient gets",
    ),
    Row(
        _json(_named(b"zaakkenmerk") + rb"|" + _named(b"huisverbod")),
        "thv-aanmelding@1",
        "thv-aanmelding@1",
        read_by=("thv-json",),
    ),
    Row(_json(_named(b"answer", b"[a-z]")), "een antwoord (answer@1)", "an answer (answer@1)", read_by=("answer@1",)),
    Row(_starts(b"{"), "JSON van een andere soort", "JSON of another kind", read_by=_ANY_JSON),
    # -- XML
    Row(_xml(rb"<!doctype\s+html|<html[\s>]"), "een webpagina (HTML)", "a web page (HTML)"),
    Row(_xml(rb"istandaarden\.nl/iwmo/"), "iWmo", "iWmo"),
    Row(_xml(rb"istandaarden\.nl/ijw/"), "iJw", "iJw"),
    Row(_xml(rb"istandaarden\.nl/"), "een iStandaarden-bericht (iWlz, iPgb)", "a message of iStandaarden (iWlz, iPgb)"),
    Row(_xml(_JZ), "StUF-Jeugdzorg", "StUF-Jeugdzorg", read_by=("stuf-jz",)),
    Row(_xml(_BG), "StUF-BG", "StUF-BG"),
    Row(_xml(_ZKN), "StUF-ZKN", "StUF-ZKN"),
    # foreign or not: a Bv03, a Fo01 and a Fo03 look like this too
    Row(_xml(_STUF), "StUF van een andere soort", "StUF of another kind", read_by=("stuf-jz",)),
    Row(
        _xml(rb"(?s:" + _FHIR_XML + rb".*(?:" + _RELEASE_3 + rb"))"),
        "FHIR STU3 (XML)",
        "FHIR STU3 (XML)",
        read_by=("fhir-xml",),
    ),
    Row(
        _xml(rb"(?s:" + _FHIR_XML + rb".*(?:" + _RELEASE_5 + rb"))"),
        "FHIR R5 (XML)",
        "FHIR R5 (XML)",
        read_by=("fhir-xml",),
    ),
    Row(_xml(_FHIR_XML), "FHIR (XML)", "FHIR (XML)", read_by=("fhir-xml",)),
    Row(_xml(rb"urn:hl7-org:v3"), "HL7 versie 3 of CDA", "HL7 version 3 or CDA"),
    Row(
        _xml(rb"soap/envelope|soap-envelope"),
        "SOAP met een andere inhoud",
        "SOAP with other content",
        read_by=("stuf-jz",),
    ),
    Row(_starts(b"<"), "XML van een andere soort", "XML of another kind", read_by=_ANY_XML),
    # -- what is left
    Row(
        lambda head: _text(head) and _COLUMNS.match(head) is not None,
        "een tabel (CSV)",
        "a table (CSV)",
        read_by=("thv-csv",),
    ),
    Row(_text, "platte tekst", "plain text"),
    Row(lambda _: True, "onbekende bytes", "unknown bytes"),
)
