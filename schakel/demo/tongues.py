# SPDX-License-Identifier: EUPL-1.2
"""How a demo partner reads a case and answers it, per format: canonical JSON, FHIR in JSON or XML, StUF over SOAP.

Each tongue finds the answer reference in what came and writes the answer as that format has it. They are written from
the standards, not with the hub's own readers, so that the one checks the other (FHIR's XML form is converted by the
hub's own table, which knows the order of elements).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any, Final, Protocol
from xml.sax.saxutils import escape

from lxml import etree

JSON: Final = "application/json"
FHIR: Final = "application/fhir+json"
FHIR_XML: Final = "application/fhir+xml"
XML: Final = "text/xml"
ANSWER_SYSTEM: Final = "urn:schakel:answer-reference"
DECLINE_SYSTEM: Final = "urn:schakel:decline-reason"
STUF: Final = {"s": "http://www.egem.nl/StUF/StUF0301", "z": "http://www.egem.nl/StUF/sector/zkn/0310"}


@dataclass(frozen=True, slots=True)
class Word:
    """What a partner says on a request. `reason`: why it declines; name and phone: who can be reached."""

    reference: str
    answer: str  # received, confirmed or declined
    name: str
    phone: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One request to the hub."""

    path: str
    body: bytes
    media_type: str
    method: str = "POST"


class Tongue(Protocol):
    """One way to be spoken to. `receives`: what stands in the region about it."""

    @property
    def name(self) -> str: ...
    @property
    def receives(self) -> dict[str, Any]: ...

    def reference(self, content: bytes) -> str | None:
        """What is to be answered; None: nothing is asked."""

    def say(self, word: Word, content: bytes) -> Call | None:
        """The answer; None: this format has no word for it."""


def notice_of(content: bytes) -> dict[str, Any] | None:
    """A notice (`notice@1`), which is plain JSON for everybody that speaks no other; None: something else."""
    if not content.startswith(b"{"):
        return None
    document: dict[str, Any] = json.loads(content)
    return document if document.get("schema") == "notice@1" else None


@dataclass(frozen=True, slots=True)
class CanonicalJson:
    name: str = "case-json"
    receives: dict[str, Any] = field(default_factory=dict)  # as the region has it

    def reference(self, content: bytes) -> str | None:
        reference: str | None = json.loads(content).get("request", {}).get("reference")
        return reference

    def say(self, word: Word, content: bytes) -> Call | None:
        said: dict[str, Any] = {"reference": word.reference, "answer": word.answer}
        if word.answer == "declined":
            said["reasonCode"] = word.reason
        if word.answer == "confirmed":
            said["contact"] = {"name": word.name, "phone": word.phone}
        return Call("/v1/answers", json.dumps(said).encode(), JSON)


@dataclass(frozen=True, slots=True)
class FhirTask:
    """Reads a message Bundle; answers by updating its own Task."""

    name: str = "case-fhir"
    receives: dict[str, Any] = field(
        default_factory=lambda: {"representation": "case-fhir", "answers": ["fhir-json", "fhir-xml"]}
    )

    def reference(self, content: bytes) -> str | None:
        return _answer_reference(json.loads(content))

    def say(self, word: Word, content: bytes) -> Call | None:
        task = _answered_task(json.loads(content), word)
        return Call(f"/v1/fhir/Task/{word.reference}", json.dumps(task).encode(), FHIR, "PUT")


@dataclass(frozen=True, slots=True)
class FhirXmlBundle:
    """Reads a message Bundle in XML; answers with a message Bundle in XML."""

    name: str = "case-fhir-xml"
    receives: dict[str, Any] = field(
        default_factory=lambda: {"representation": "case-fhir-xml", "answers": ["fhir-xml"]}
    )

    def reference(self, content: bytes) -> str | None:
        from connectors.formats.fhir_xml_convert import from_xml

        return _answer_reference(from_xml(content))

    def say(self, word: Word, content: bytes) -> Call | None:
        from connectors.formats.fhir_xml_convert import from_xml, to_xml

        header = {
            "resourceType": "MessageHeader",
            "eventCoding": {"system": "urn:schakel:event", "code": "answer"},
            "source": {"name": "Zaaksysteem", "endpoint": "urn:schakel:demo"},
            "focus": [{"reference": f"Task/{word.reference}"}],
        }
        task = _answered_task(from_xml(content), word)
        bundle = {
            "resourceType": "Bundle",
            "type": "message",
            "identifier": {"system": "urn:schakel:demo", "value": f"{word.reference}-{word.answer}"},
            "entry": [{"resource": header}, {"resource": task}],
        }
        return Call("/v1/answers", to_xml(bundle), FHIR_XML)


@dataclass(frozen=True, slots=True)
class StufSoap:
    """Reads meldingGeneriekDi01 in SOAP, says Bv03, and answers with uitkomstMeldingGeneriekDi01 (ZVH-01)."""

    own_oin: str = ""
    hub_oin: str = ""
    name: str = "case-stuf"
    receives: dict[str, Any] = field(
        default_factory=lambda: {
            "channel": "stuf",
            "mode": "full",
            "representation": "case-stuf",
            "application": "Zaaksysteem",
            "answers": ["stuf-jz"],
        }
    )

    def reference(self, content: bytes) -> str | None:
        """What is asked stands in the object's identificatie; an uitkomst asks nothing."""
        root = _stuf_message(content)
        if etree.QName(root).localname != "meldingGeneriekDi01":
            return None
        return str(root.findtext("*/z:identificatie", namespaces=STUF))

    def say(self, word: Word, content: bytes) -> Call | None:
        if word.answer != "confirmed":
            return None  # Bv03 has said `received`; this partner confirms
        text = files("schakel.demo").joinpath("messages", "uitkomst.xml").read_text(encoding="utf-8")
        return Call("/v1/answers", self._filled(text, word).encode(), XML)

    def delivery_id(self, body: bytes) -> str:
        """The referentienummer, which is the delivery's id."""
        return str(_stuf_message(body).findtext("*/s:referentienummer", namespaces=STUF))

    def taken(self, body: bytes) -> bytes:
        """Bv03: it is on our disk."""
        text = files("schakel.demo").joinpath("messages", "bv03.xml").read_text(encoding="utf-8")
        reference = self.delivery_id(body)
        return self._filled(text, Word(reference, "received", "", "")).encode()

    def _filled(self, text: str, word: Word) -> str:
        values = {
            "{eigen-oin}": self.own_oin,
            "{hub-oin}": self.hub_oin,
            "{kenmerk}": word.reference,
            "{tijdstip}": datetime.now(UTC).strftime("%Y%m%d%H%M%S"),
            "{naam}": word.name,
            "{telefoon}": word.phone,
        }
        for name, value in values.items():
            text = text.replace(name, escape(value))
        return text


def _stuf_message(body: bytes) -> Any:
    """The message inside its SOAP envelope, or as it is."""
    root = etree.fromstring(body, etree.XMLParser(resolve_entities=False, no_network=True))
    if etree.QName(root).localname == "Envelope":
        return next(iter(next(each for each in root if etree.QName(each).localname == "Body")))
    return root


def _task(bundle: dict[str, Any]) -> dict[str, Any] | None:
    resources = [entry["resource"] for entry in bundle["entry"]]
    return next((each for each in resources if each["resourceType"] == "Task"), None)


def _answer_reference(bundle: dict[str, Any]) -> str | None:
    task = _task(bundle)
    identifiers = task.get("identifier", []) if task else []
    return next((each["value"] for each in identifiers if each.get("system") == ANSWER_SYSTEM), None)


def _answered_task(bundle: dict[str, Any], word: Word) -> dict[str, Any]:
    """The Task that came, as this partner wants it to stand (HL7 FHIR, Task.status)."""
    status = {"received": "received", "confirmed": "accepted", "declined": "rejected"}[word.answer]
    task = {**(_task(bundle) or {}), "id": word.reference, "status": status}
    for left in ("contained", "owner", "meta", "businessStatus"):
        task.pop(left, None)  # the hub's own words, and references into the Bundle that it came in
    if word.answer == "declined":
        task["statusReason"] = {"coding": [{"system": DECLINE_SYSTEM, "code": word.reason}]}
    if word.answer == "confirmed":
        task["contained"] = [
            {
                "resourceType": "Practitioner",
                "id": "p",
                "name": [{"text": word.name}],
                "telecom": [{"system": "phone", "value": word.phone}],
            }
        ]
        task["owner"] = {"reference": "#p"}
    return task
