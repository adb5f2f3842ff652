# SPDX-License-Identifier: EUPL-1.2
"""Find the StUF message in the XML, in or out of a SOAP 1.1 envelope, and read its stuurgegevens as far as possible."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from lxml import etree

from connectors.formats.stuf_jz_read import SOAP, STUF
from connectors.formats.xml import local_name, text_of
from schakel.errors import Finding, Malformed, UnsupportedFormat

SOAP_12: Final = "http://www.w3.org/2003/05/soap-envelope"
_SYSTEM_PARTS: Final = ("organisatie", "applicatie", "administratie", "gebruiker")
_LENGTHS: Final = {"organisatie": 200, "applicatie": 50, "administratie": 50, "gebruiker": 100}


@dataclass(frozen=True, slots=True)
class Header:
    """What a reply needs of the message it answers."""

    reference: str
    sender: dict[str, str]  # organisatie, applicatie and where given administratie, gebruiker
    receiver: dict[str, str]


@dataclass(frozen=True, slots=True)
class Found:
    """The message element, and whether it came in SOAP."""

    message: etree._Element
    soap: bool


def find_message(root: etree._Element) -> Found:
    """Raises Malformed for a SOAP envelope that does not hold one message, UnsupportedFormat for other SOAP."""
    if root.tag == f"{{{SOAP_12}}}Envelope":
        raise UnsupportedFormat(
            Finding("Envelope", "soap-1.1", "Alleen SOAP 1.1 wordt gelezen.", "Only SOAP 1.1 is read.")
        )
    if root.tag != f"{{{SOAP}}}Envelope":
        return Found(root, soap=False)
    for block in root.iterfind(f"{{{SOAP}}}Header/*"):
        if block.get(f"{{{SOAP}}}mustUnderstand") in ("1", "true"):
            raise Malformed(
                Finding(
                    "Envelope/Header",
                    "soap-must-understand",
                    "Een verplicht headerblok wordt hier niet begrepen.",
                    "A mandatory header block is not understood here.",
                )
            )
    bodies = root.findall(f"{{{SOAP}}}Body")
    children = list(bodies[0]) if len(bodies) == 1 else []
    if len(children) != 1:
        raise Malformed(
            Finding(
                "Envelope/Body", "soap-one-message", "Bevat niet precies één bericht.", "Holds not exactly one message."
            )
        )
    return Found(children[0], soap=True)


def soap_message(root: etree._Element) -> Found | None:
    """As `find_message`, for a reply: looks past what was wrong with the envelope; None when there is no message."""
    if root.tag != f"{{{SOAP}}}Envelope":
        return Found(root, soap=False)
    message = next(root.iterfind(f"{{{SOAP}}}Body/*"), None)
    return None if message is None else Found(message, soap=True)


def read_header(message: etree._Element) -> Header | None:
    """The header when it can be answered to: a reference and a sender that fit the reply's own schema."""
    control = _child(message, "stuurgegevens")
    if control is None:
        return None
    reference = _text(_child(control, "referentienummer"))
    sender = _system(_child(control, "zender"))
    receiver = _system(_child(control, "ontvanger"))
    if not 1 <= len(reference) <= 40 or "applicatie" not in sender or "organisatie" not in sender:
        return None
    return Header(reference=reference, sender=sender, receiver=receiver)


def _system(element: etree._Element | None) -> dict[str, str]:
    """The parts that fit the standard; what does not fit cannot be echoed and is left out."""
    parts: dict[str, str] = {}
    for name in _SYSTEM_PARTS if element is not None else ():
        value = _text(_child(element, name))
        if value and len(value) <= _LENGTHS[name] and not (name == "applicatie" and len(value) < 3):
            parts[name] = value
    return parts


def _child(element: etree._Element | None, name: str) -> etree._Element | None:
    """The only child of that local name: StUF puts the header in the sector's namespace or in its own."""
    found = [child for child in element if local_name(child) == name] if element is not None else []
    return found[0] if len(found) == 1 else None


def _text(element: etree._Element | None) -> str:
    return "" if element is None else text_of(element)


def is_stuf(message: etree._Element) -> bool:
    """Anything of the StUF family: told by its own namespaces or by its header."""
    control = _child(message, "stuurgegevens")
    return control is not None and any(STUF in child.tag for child in control.iter() if isinstance(child.tag, str))
