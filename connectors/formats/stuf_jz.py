# SPDX-License-Identifier: EUPL-1.2
"""The format `stuf-jz`: StUF-Jeugdzorg 1.0.9, as plain XML or in a SOAP 1.1 envelope.

Reads `meldingGeneriekDi01` and `vtMeldingDi01` as referrals, `uitkomstMeldingGeneriekDi01`, `ucobDi01`, Bv03, Fo01 and
Fo03 as answers; writes notifications, outcomes, `vtTerugkoppelingDi01` and `vcobDi01`; replies with Bv03, Fo01, Fo03.
The shape comes from the schema.json of each mapping, so that format and mapping cannot drift apart.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import orjson
from lxml import etree

from connectors.formats import stuf_jz_reply as replies
from connectors.formats.stuf_jz_header import Found, Header, find_message, is_stuf, read_header, soap_message
from connectors.formats.stuf_jz_read import JZ, Schema, convert
from connectors.formats.stuf_jz_word import answer_of, word_of
from connectors.formats.stuf_jz_write import Part, part_of, write_message
from connectors.formats.stuf_jz_xsd import XsdCheck
from connectors.formats.xml import local_name, parse, starts_like_xml
from schakel.errors import Finding, Malformed, Refusal, UnsupportedFormat
from schakel.ledger_records import AnswerOutcome
from schakel.ports import Envelope, Receipt, Reply

# message → its mapping, and the field of `object` that tells what belongs together
_REFERRALS: Final[Mapping[str, tuple[str, str]]] = {
    "meldingGeneriekDi01": ("stuf-melding-generiek", "identificatie"),
    "vtMeldingDi01": ("stuf-vt-melding", "identificatieVtMelding"),
}
_ANSWERS: Final[Mapping[str, tuple[str, str]]] = {
    "uitkomstMeldingGeneriekDi01": ("stuf-uitkomst", "uwIdentificatie"),
    "ucobDi01": ("stuf-ucob", "verzoekidentificatie"),
}
_WRITTEN: Final = {  # message → where its shape is declared
    "meldingGeneriekDi01": "stuf_melding_generiek/schema.json",
    "vtMeldingDi01": "stuf_vt_melding/schema.json",
    "uitkomstMeldingGeneriekDi01": "stuf_uitkomst/schema.json",
    "vtTerugkoppelingDi01": "feedback_stuf_vt/target.json",
    "vcobDi01": "known_check_stuf/target.json",
    "ucobDi01": "stuf_ucob/schema.json",
}


class StufJeugdzorg:
    """Pure but for its schemas, which are read when it is made."""

    name = "stuf-jz"
    media_types: tuple[str, ...] = ("text/xml", "application/xml", "application/soap+xml")

    def __init__(self, *, schemas: Path | None = None) -> None:
        """`schemas`: a folder with the standard's own XSDs in `gm`, `vt` and `vv`; then what comes in is checked with
        them too. Raises ConfigurationError when they cannot be read."""
        self._shapes: dict[str, Schema] = {message: _shape(file) for message, file in _WRITTEN.items()}
        self._parts: dict[str, Part] = {}  # those of them that were written, by kind
        self._xsd = None if schemas is None else XsdCheck(schemas)
        self._lock = threading.Lock()

    def recognises(self, body: bytes) -> bool:
        return starts_like_xml(body)

    def read(self, body: bytes) -> Envelope:
        """Raises Malformed and UnsupportedFormat."""
        return self._read(find_message(parse(body)), _REFERRALS)

    def read_answer(self, body: bytes) -> Envelope:
        """An outcome, or what a message of ours met (Bv03, Fo01, Fo03). Raises Malformed and UnsupportedFormat."""
        root = parse(body)
        reply = answer_of(root)
        return self._read(find_message(root), _ANSWERS) if reply is None else self._read_word(root, reply)

    def _read_word(self, root: etree._Element, reply: etree._Element) -> Envelope:
        word, header = word_of(reply), read_header(reply)
        if word is None or header is None:
            text = ("Het crossRefnummer of de zender is onbruikbaar.", "The crossRefnummer or the sender is unusable.")
            raise Malformed(Finding("stuurgegevens", "stuf-header", *text))
        return Envelope(
            format=self.name,
            mapping="",
            message_reference=header.reference,
            source_case_reference=word.delivery_id,
            document={},
            digest=hashlib.sha256(etree.tostring(reply)).digest(),
            sender_oin=header.sender["organisatie"],
            reply_context={"soap": root is not reply},
            word=word,
        )

    def _read(self, found: Found, known: Mapping[str, tuple[str, str]]) -> Envelope:
        message = found.message
        kind = local_name(message)
        if kind not in known or etree.QName(message).namespace != JZ:
            raise UnsupportedFormat(_unsupported(message, known))
        if self._xsd is not None:
            with self._lock:  # an lxml schema keeps its errors in itself
                findings = self._xsd.findings(message, kind)
            if findings:
                raise Malformed(*findings)
        document, wrong = convert(message, self._shapes[kind])
        if wrong:
            raise Malformed(*wrong)
        header = read_header(message)
        if header is None:
            raise Malformed(
                Finding("stuurgegevens", "stuf-header", "De stuurgegevens zijn onbruikbaar.", "The header is unusable.")
            )
        mapping, reference_field = known[kind]
        return Envelope(
            format=self.name,
            mapping=mapping,
            message_reference=header.reference,
            # an identification without value belongs with nothing but itself
            source_case_reference=_belongs_with(document["object"], reference_field) or header.reference,
            document=document,
            digest=_digest(message),
            sender_oin=header.sender["organisatie"],
            reply_context={"soap": found.soap, "sender": header.sender, "receiver": header.receiver},
        )

    def write(self, document: Mapping[str, Any]) -> bytes:
        """A document as `read` gives it, as plain XML. Raises KeyError for a function that is not known here."""
        kind = document["stuurgegevens"]["functie"]
        part = self._parts.get(kind) or self._parts.setdefault(kind, part_of(self._shapes[kind]))
        return write_message(document, part, kind)

    def accepted(self, envelope: Envelope, receipt: Receipt, *, now: datetime, hub_oin: str) -> Reply:
        """Bv03; for a message that we had already Fo03 StUF016."""
        context = envelope.reply_context
        header = Header(envelope.message_reference, dict(context["sender"]), dict(context["receiver"]))
        answer = replies.duplicate if receipt.duplicate else replies.acknowledgement
        return answer(header, receipt, soap=context["soap"], now=now, hub_oin=hub_oin)

    def answered(self, envelope: Envelope, outcome: AnswerOutcome, *, now: datetime, hub_oin: str) -> Reply:
        """Bv03; on a Bv or Fo message nothing at all, for else two systems would thank each other for ever."""
        if envelope.word is not None:
            return Reply(202, self.media_types[0], b"")
        kept = Receipt(message_id=envelope.source_case_reference, state="", duplicate=False, notices=())
        return self.accepted(envelope, kept, now=now, hub_oin=hub_oin)

    def refused(self, refusal: Refusal, body: bytes, *, now: datetime, hub_oin: str, accept: str) -> Reply | None:
        """Fo01 or Fo03; None when the header cannot be read, when StUF has no fault for it, or when the asker takes
        no XML."""
        fault = replies.fault_for(refusal)
        found = _found(body) if fault is not None and _takes_xml(accept) else None
        header = None if found is None else read_header(found.message)
        if fault is None or found is None or header is None:
            return None
        return replies.refusal_reply(fault, refusal, header, soap=found.soap, now=now, hub_oin=hub_oin)


def _belongs_with(told: Any, field: str) -> str | None:
    """The reference that the message is about. Raises Malformed when it is about several: one answer each."""
    several = told if isinstance(told, list) else [told]
    found: list[str | None] = list(dict.fromkeys(each.get(field) for each in several))
    if len(found) != 1:
        nl, en = "Eén bericht per verzoek wordt verwacht.", "One message for each request is expected."
        raise Malformed(Finding(f"object/{field}", "stuf-one-request", nl, en))
    return found[0]


def _shape(file: str) -> Schema:
    text = files("mappings").joinpath(*file.split("/")).read_text("utf-8")
    shape: Schema = json.loads(text)
    return shape


def _found(body: bytes) -> Found | None:
    """The StUF message in the bytes, or None when there is none to be seen safely."""
    try:
        found = soap_message(parse(body))
    except Refusal:
        return None
    return found if found is not None and is_stuf(found.message) else None


def _unsupported(message: etree._Element, known: Mapping[str, tuple[str, str]]) -> Finding:
    if is_stuf(message):
        words = ["Bv03", "Fo01", "Fo03"] if known is _ANSWERS else []
        *others, last = [*known, *words]
        return Finding(
            "stuurgegevens/functie",
            "stuf-function",
            f"Alleen {', '.join(others)} en {last} worden hier gelezen.",
            f"Only {', '.join(others)} and {last} are read here.",
        )
    return Finding("document", "stuf-message", "Dit is geen StUF-Jeugdzorg.", "This is not StUF-Jeugdzorg.")


def _digest(message: etree._Element) -> bytes:
    """SHA-256 of the message without its header: what a second sending may differ in is in there.

    Prefixes, blanks around text, comments and the SOAP envelope do not count either. Not of C14N 2.0, which says the
    same: lxml writes that in Python, and it took as long as all the rest of the reading.
    """
    content = [_content(child) for child in message if local_name(child) != "stuurgegevens"]
    return hashlib.sha256(orjson.dumps([local_name(message), content])).digest()


def _content(element: etree._Element) -> list[Any]:
    """All there is in an element: name and attributes with their namespaces, text, what is inside, the text behind."""
    text, tail = element.text, element.tail
    return [
        element.tag,
        sorted(element.items()),
        text.strip() if text else "",
        [_content(child) for child in element],
        tail.strip() if tail else "",
    ]


def _takes_xml(accept: str) -> bool:
    wanted = accept.lower()
    return not wanted.strip() or "xml" in wanted or "*/*" in wanted
