# SPDX-License-Identifier: EUPL-1.2
"""Documents that partners send by mistake: of other standards, of another version, or no message at all.

Each that can hold text holds the two canaries: no answer may repeat them.
"""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from dataclasses import dataclass
from typing import Any, Final

from tests.support.tables import row, workbook

STREET: Final = "Kanariestraat 13"
NUMBER: Final = "999990019"


@dataclass(frozen=True, slots=True)
class Document:
    """`nl` and `en`: what it is said to look like."""

    media_type: str | None
    body: bytes
    nl: str
    en: str


def _xml(text: str) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode()


def _istandaard(name: str, message: str) -> bytes:
    space = f"http://www.istandaarden.nl/{name}/3_2"
    return _xml(
        f'<{message}:Bericht xmlns:{message}="{space}/{message}/schema" xmlns:b="{space}/basisschema/schema">'
        f"<{message}:Header><b:BerichtCode>414</b:BerichtCode></{message}:Header>"
        f"<{message}:Client><b:Bsn>{NUMBER}</b:Bsn><b:Straatnaam>{STREET}</b:Straatnaam></{message}:Client>"
        f"</{message}:Bericht>"
    )


def _stuf(sector: str, version: str) -> str:
    """A change notice (Lk01) of another sector, with a header that can be answered."""
    space = f"http://www.egem.nl/StUF/sector/{sector}/{version}"
    systems = "".join(
        f"<StUF:{role}><StUF:organisatie>{oin}</StUF:organisatie><StUF:applicatie>{name}</StUF:applicatie></StUF:{role}>"
        for role, oin, name in (
            ("zender", "00000099000000001003", "Burgerzaken"),
            ("ontvanger", "00000099000000000001", "Schakel"),
        )
    )
    return (
        f'<n:npsLk01 xmlns:n="{space}" xmlns:StUF="http://www.egem.nl/StUF/StUF0301"><n:stuurgegevens>'
        f"<StUF:berichtcode>Lk01</StUF:berichtcode>{systems}<StUF:referentienummer>{sector}-1</StUF:referentienummer>"
        f"<StUF:tijdstipBericht>20261120120000</StUF:tijdstipBericht></n:stuurgegevens>"
        f'<n:object StUF:entiteittype="NPS"><n:inp.bsn>{NUMBER}</n:inp.bsn><n:straat>{STREET}</n:straat></n:object>'
        f"</n:npsLk01>"
    )


def soap(content: str) -> bytes:
    space = "http://schemas.xmlsoap.org/soap/envelope/"
    return _xml(f'<s:Envelope xmlns:s="{space}"><s:Body>{content}</s:Body></s:Envelope>')


def stuf_bg() -> str:
    return _stuf("bg", "0310")


_PERSON: Final = {
    "resourceType": "Patient",
    "id": "p",
    "identifier": [{"system": "http://fhir.nl/fhir/NamingSystem/bsn", "value": NUMBER}],
    "address": [{"line": [STREET]}],
}


def _bundle(*resources: dict[str, Any]) -> bytes:
    entries = [
        {"fullUrl": f"urn:uuid:0192f0c1-0000-7000-8000-00000000000{n}", "resource": one}
        for n, one in enumerate([*resources, _PERSON])
    ]
    return json.dumps({"resourceType": "Bundle", "type": "message", "entry": entries}, indent=1).encode()


_STU3: Final = _bundle(
    {
        "resourceType": "MessageHeader",
        "event": {"system": "urn:oid:2.16.840.1.113883.2.4.3.11", "code": "referral"},
        "timestamp": "2026-11-20T12:00:00+01:00",
        "source": {"endpoint": "https://cit.example/fhir"},
    },
    {"resourceType": "ReferralRequest", "status": "active", "intent": "order", "subject": {"reference": "Patient/p"}},
)
_R5: Final = _bundle(
    {
        "resourceType": "MessageHeader",
        "eventCoding": {"system": "urn:schakel:event", "code": "referral"},
        "source": {"endpointUrl": "https://cit.example/fhir"},
    },
    {
        "resourceType": "ServiceRequest",
        "status": "active",
        "intent": "order",
        "code": {"concept": {"text": STREET}},
        "subject": {"reference": "Patient/p"},
    },
)


def _fhir_xml(request: str) -> bytes:
    return _xml(
        '<Bundle xmlns="http://hl7.org/fhir"><type value="message"/>'
        '<entry><resource><MessageHeader><source><name value="CIT"/></source></MessageHeader></resource></entry>'
        f"<entry><resource>{request}</resource></entry>"
        f'<entry><resource><Patient><address><line value="{STREET}"/></address></Patient></resource></entry></Bundle>'
    )


def _zip(*names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for name in names:
            file.writestr(name, STREET)
    return out.getvalue()


_EVENT: Final = {
    "specversion": "1.0",
    "id": "1",
    "type": "nl.voorbeeld.aanmelding.v1",
    "source": "urn:nld:oin:00000099000000001001:systeem:pool",
    "data": {"straat": STREET, "bsn": NUMBER},
}

DOCUMENTS: Final[dict[str, Document]] = {
    "empty": Document(None, b"", "een leeg bericht", "an empty message"),
    "blank": Document("text/plain", b" \r\n\t ", "een leeg bericht", "an empty message"),
    "pdf": Document("application/pdf", f"%PDF-1.7\n%âãÏÓ\n({STREET})".encode("latin-1"), "een PDF", "a PDF"),
    "xlsx": Document(
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        workbook([row(1, toelichting=STREET)]),
        "een Excel-werkmap (xlsx)",
        "an Excel workbook (xlsx)",
    ),
    "office": Document(
        "application/octet-stream",
        _zip("[Content_Types].xml"),
        "een Office-bestand (xlsx of docx)",
        "an Office file (xlsx or docx)",
    ),
    "zip": Document("application/zip", _zip("aanmelding.json"), "een ZIP-bestand", "a ZIP file"),
    "docx": Document(
        "application/zip", _zip("word/document.xml"), "een Word-document (docx)", "a Word document (docx)"
    ),
    "gzip": Document(
        "application/gzip", gzip.compress(b"{}"), "een ingepakt bestand (gzip)", "a compressed file (gzip)"
    ),
    "png": Document("image/png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "een afbeelding", "an image"),
    "msg": Document(
        "application/vnd.ms-outlook",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100),
        "een oud Office-bestand of Outlook-bericht (xls, doc, msg)",
        "an old Office file or Outlook message (xls, doc, msg)",
    ),
    "hl7v2": Document(
        "application/hl7-v2",
        f"MSH|^~\\&|CIT|DH|SCHAKEL|HGL|20261120||REF^I12|1|P|2.5\rPID|1||{NUMBER}||Kanarie^K||||||{STREET}\r".encode(),
        "HL7 versie 2",
        "HL7 version 2",
    ),
    "edifact": Document("application/edifact", f"UNA:+.? 'UNH+1+MEDREF:2'PAD+{STREET}'".encode(), "EDIFACT", "EDIFACT"),
    "eml": Document(
        "message/rfc822",
        f"Received: from cit.example\r\nFrom: dienst@cit.example\r\nSubject: {STREET}\r\n\r\n"
        f"Zie bijlage, {NUMBER}\r\n".encode(),
        "een e-mail",
        "an e-mail",
    ),
    "text": Document(
        "text/plain", f"Kunt u dit oppakken? {STREET} ({NUMBER})\n".encode(), "platte tekst", "plain text"
    ),
    "bytes": Document("application/octet-stream", bytes(range(1, 200)), "onbekende bytes", "unknown bytes"),
    "html": Document(
        "text/html",
        f"<!DOCTYPE html>\n<html><body><p>{STREET}</p></body></html>".encode(),
        "een webpagina (HTML)",
        "a web page (HTML)",
    ),
    "iwmo": Document("application/xml", _istandaard("iwmo", "wmo301"), "iWmo", "iWmo"),
    "ijw": Document("text/xml", _istandaard("ijw", "jw301"), "iJw", "iJw"),
    "cda": Document(
        "text/xml",
        _xml(f'<ClinicalDocument xmlns="urn:hl7-org:v3"><title>{STREET}</title></ClinicalDocument>'),
        "HL7 versie 3 of CDA",
        "HL7 version 3 or CDA",
    ),
    "stuf-bg": Document("text/xml", _xml(stuf_bg()), "StUF-BG", "StUF-BG"),
    "stuf-zkn": Document("text/xml", _xml(_stuf("zkn", "0310")), "StUF-ZKN", "StUF-ZKN"),
    "other-xml": Document(
        "application/xml",
        _xml(f"<factuur><adres>{STREET}</adres></factuur>"),
        "XML van een andere soort",
        "XML of another kind",
    ),
    "fhir-stu3": Document("application/fhir+json", _STU3, "FHIR STU3 (JSON)", "FHIR STU3 (JSON)"),
    "fhir-r5": Document("application/fhir+json", _R5, "FHIR R5 (JSON)", "FHIR R5 (JSON)"),
    "fhir-stu3-xml": Document(
        "application/fhir+xml",
        _fhir_xml('<ReferralRequest><status value="active"/></ReferralRequest>'),
        "FHIR STU3 (XML)",
        "FHIR STU3 (XML)",
    ),
    "fhir-r5-xml": Document(
        "application/fhir+xml",
        _fhir_xml(f'<ServiceRequest><code><concept><text value="{STREET}"/></concept></code></ServiceRequest>'),
        "FHIR R5 (XML)",
        "FHIR R5 (XML)",
    ),
    "json-array": Document(
        "application/json", json.dumps([{"straat": STREET}]).encode(), "een JSON-lijst", "a JSON array"
    ),
    "event-batch": Document(
        "application/cloudevents-batch+json",
        json.dumps([_EVENT]).encode(),
        "een reeks CloudEvents (batch)",
        "a batch of CloudEvents",
    ),
}
