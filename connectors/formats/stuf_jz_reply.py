# SPDX-License-Identifier: EUPL-1.2
"""Answers in StUF: Bv03, Fo01 and Fo03, each with the crossRefnummer that links it to the message it answers.

Fo03 is the synchronous answer to an asynchronous message that cannot be taken (StUF 03.01): technical. Fo01 says that
the message was understood and is refused for what it is or who sends it. The standard's table lists StUF055 for Fo01
and Fo02 only; as we answer at once, and the fault is technical, it goes in a Fo03 here.

Status of a fault: in SOAP 1.1 it travels in soap:Fault with HTTP 500 (SOAP 1.1, 6.2). As plain XML it has the status
of the refusal, as every format of this hub; the Fo03 StUF016 for a message that we have already has 200: it *is*
accepted, and a sender that retries on 4xx or 5xx would never stop.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from lxml import etree

from connectors.formats.stuf_jz_header import Header
from connectors.formats.stuf_jz_read import SOAP, STUF
from schakel.errors import Finding, Refusal
from schakel.ports import Receipt, Reply

MEDIA_TYPE: Final = "text/xml; charset=utf-8"
APPLICATION: Final = "Schakel"
_LOCAL: Final = ZoneInfo("Europe/Amsterdam")  # StUF times carry no offset
_SYSTEM_PARTS: Final = ("organisatie", "applicatie", "administratie", "gebruiker")


@dataclass(frozen=True, slots=True)
class Fault:
    """One row of StUF's table of faults; `message` is the berichtcode it travels in."""

    message: str
    code: str
    place: str  # client or server
    text: str


DUPLICATE: Final = Fault("Fo03", "StUF016", "client", "Combinatie zender en referentienummer niet uniek")
CONFLICT: Final = Fault("Fo01", "StUF016", "client", "Combinatie zender en referentienummer niet uniek")
NOT_ALLOWED: Final = Fault(
    "Fo01",
    "StUF052",
    "client",
    "Het zendende systeem is niet geautoriseerd voor de combinatie van berichtcode, entiteittype en functie",
)
NOT_CONFORM: Final = Fault("Fo03", "StUF055", "client", "Berichtbody is niet conform schema in sectormodel")
UNKNOWN_FUNCTION: Final = Fault("Fo03", "StUF037", "server", "Functie niet ondersteund")
NOT_STORED: Final = Fault("Fo03", "StUF046", "server", "Opslaan bericht niet mogelijk")
NOT_TAKEN: Final = Fault("Fo01", "StUF058", "client", "Proces voor afhandelen bericht geeft fout")
FAILED: Final = Fault("Fo03", "StUF058", "server", "Proces voor afhandelen bericht geeft fout")

_BY_SLUG: Final[Mapping[str, Fault]] = {
    "malformed": NOT_CONFORM,
    "unsupported-format": UNKNOWN_FUNCTION,
    "forbidden": NOT_ALLOWED,
    "conflict": CONFLICT,
    "refused": NOT_TAKEN,
    "store-unavailable": NOT_STORED,
    "throttled": FAILED,
}


def fault_for(refusal: Refusal) -> Fault | None:
    """The StUF fault for a refusal; None where StUF has no words and problem+json answers (401, 404, 406)."""
    return _BY_SLUG.get(refusal.slug)


def acknowledgement(header: Header, receipt: Receipt, *, soap: bool, now: datetime, hub_oin: str) -> Reply:
    """Bv03: the message is taken. In SOAP with 200, because SOAP clients take a 202 for an answer without content."""
    message = _message("Bv03", header, _reference(receipt.message_id, "Bv03", now), now=now, hub_oin=hub_oin)
    return Reply(200 if soap else 202, MEDIA_TYPE, _bytes(_in_soap(message) if soap else message))


def duplicate(header: Header, receipt: Receipt, *, soap: bool, now: datetime, hub_oin: str) -> Reply:
    """Fo03 StUF016: the same message came before and is accepted."""
    reference = _reference(receipt.message_id, "Fo03", now)
    details = (
        "Dit bericht is al aangenomen en is niet nogmaals verwerkt. "
        "This message was accepted before and has not been processed again."
    )
    message = _fault_message(DUPLICATE, header, reference, details, now=now, hub_oin=hub_oin)
    return _fault_reply(DUPLICATE, message, soap=soap, status=200)


def refusal_reply(fault: Fault, refusal: Refusal, header: Header, *, soap: bool, now: datetime, hub_oin: str) -> Reply:
    """Fo01 or Fo03 for a refusal; names places and rules, never values."""
    reference = _reference(f"{header.sender}{header.reference}", fault.message + fault.code, now)
    details = _details(refusal.findings)
    message = _fault_message(fault, header, reference, details, now=now, hub_oin=hub_oin)
    return _fault_reply(fault, message, soap=soap, status=refusal.status)


def _details(findings: tuple[Finding, ...]) -> str:
    """At most 1000 characters (StUF Foutdetails), whole findings only."""
    lines: list[str] = []
    for finding in findings:
        line = f"{finding.place}: {finding.nl} {finding.en} [{finding.rule}]"
        if sum(map(len, lines)) + len(lines) + len(line) > 1000:
            break
        lines.append(line)
    return "\n".join(lines)


def _reference(seed: str, kind: str, now: datetime) -> str:
    """Our own referentienummer: unique per answer, the same when the same answer is written again."""
    return hashlib.sha256(f"{kind}|{seed}|{now.isoformat()}".encode()).hexdigest()[:32]


def _message(code: str, header: Header, reference: str, *, now: datetime, hub_oin: str) -> etree._Element:
    message = etree.Element(f"{{{STUF}}}{code}Bericht", nsmap={"StUF": STUF})
    control = _add(message, "stuurgegevens")
    _add(control, "berichtcode", code)
    us = {"applicatie": APPLICATION, **header.receiver, "organisatie": hub_oin}
    for name, system in (("zender", us), ("ontvanger", header.sender)):
        element = _add(control, name)
        for part in _SYSTEM_PARTS:
            if part in system:
                _add(element, part, system[part])
    _add(control, "referentienummer", reference)
    local = now.astimezone(_LOCAL)
    _add(control, "tijdstipBericht", f"{local:%Y%m%d%H%M%S}{local.microsecond // 1000:03d}")
    _add(control, "crossRefnummer", header.reference)
    return message


def _fault_message(
    fault: Fault, header: Header, reference: str, details: str, *, now: datetime, hub_oin: str
) -> etree._Element:
    message = _message(fault.message, header, reference, now=now, hub_oin=hub_oin)
    body = _add(message, "body")
    _add(body, "code", fault.code)
    _add(body, "plek", fault.place)
    _add(body, "omschrijving", fault.text)
    if details:
        _add(body, "details", details)
    return message


def _fault_reply(fault: Fault, message: etree._Element, *, soap: bool, status: int) -> Reply:
    if not soap:
        return Reply(status, MEDIA_TYPE, _bytes(message))
    envelope = etree.Element(f"{{{SOAP}}}Fault", nsmap={"soap": SOAP})
    side = "Client" if fault.place == "client" else "Server"
    etree.SubElement(envelope, "faultcode").text = f"soap:{side}"
    etree.SubElement(envelope, "faultstring").text = fault.text
    etree.SubElement(envelope, "detail").append(message)
    return Reply(500, MEDIA_TYPE, _bytes(_in_soap(envelope)))


def _in_soap(content: etree._Element) -> etree._Element:
    envelope = etree.Element(f"{{{SOAP}}}Envelope", nsmap={"soap": SOAP})
    etree.SubElement(envelope, f"{{{SOAP}}}Body").append(content)
    return envelope


def _add(parent: etree._Element, name: str, text: str | None = None) -> etree._Element:
    element = etree.SubElement(parent, f"{{{STUF}}}{name}")
    element.text = text
    return element


def _bytes(element: etree._Element) -> bytes:
    return etree.tostring(element, xml_declaration=True, encoding="UTF-8")
