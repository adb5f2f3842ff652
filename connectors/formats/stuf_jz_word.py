# SPDX-License-Identifier: EUPL-1.2
"""Reads what comes back on a StUF message of ours, at once or afterwards: Bv03 (taken), Fo01 and Fo03 (faults).

What a fault means for the delivery: StUF016, the other side has this message already, so it is there. A technical fault
(Fo03) on their side can be over at the next attempt. Any other fault says that this message, as it is, will not be
taken: the same bytes again change nothing, a person has to look.
"""

from __future__ import annotations

import re
from typing import Final

from lxml import etree

from connectors.formats.stuf_jz_read import SOAP, STUF
from connectors.formats.xml import local_name, parse, text_of
from schakel.errors import Refusal
from schakel.ports import DeliveryWord

TAKEN: Final = frozenset({"Bv01", "Bv03"})
FAULTS: Final = frozenset({"Fo01", "Fo02", "Fo03"})
DUPLICATE: Final = "StUF016"
_CODE: Final = re.compile(r"^StUF[0-9]{3}$", re.ASCII)


def answer_of(root: etree._Element) -> etree._Element | None:
    """The Bv or Fo message in the document: by itself, in SOAP, or in a SOAP fault's detail; None: there is none."""
    found = root
    if found.tag == f"{{{SOAP}}}Envelope":
        found = next(found.iterfind(f"{{{SOAP}}}Body/*"), found)
    if found.tag == f"{{{SOAP}}}Fault":
        found = next(found.iterfind("detail/*"), found)
    return found if _kind(found) in TAKEN | FAULTS else None


def word_of(message: etree._Element) -> DeliveryWord | None:
    """What a Bv or Fo message says of a delivery; None when it does not say of which."""
    reference = _text(message, "stuurgegevens", "crossRefnummer")
    if not 1 <= len(reference) <= 40:
        return None
    kind = _kind(message)
    if kind in TAKEN:
        return DeliveryWord(reference, "received", kind.lower())
    code = _text(message, "body", "code")
    code = code if _CODE.match(code) else "unknown"
    reason = f"{kind}-{code}".lower()
    if code == DUPLICATE:
        return DeliveryWord(reference, "received", reason)
    passing = kind == "Fo03" and _text(message, "body", "plek") != "client"
    return DeliveryWord(reference, "failed" if passing else "refused", reason)


def word_in(body: bytes) -> DeliveryWord | None:
    """As `word_of`, of the bytes that an HTTP server answered with; None: nothing in them says it."""
    try:
        message = answer_of(parse(body))
    except Refusal:
        return None
    return None if message is None else word_of(message)


def _kind(message: etree._Element) -> str:
    name = local_name(message)
    inside = isinstance(message.tag, str) and message.tag.startswith(f"{{{STUF}}}") and name.endswith("Bericht")
    return name.removesuffix("Bericht") if inside else ""


def _text(message: etree._Element, *path: str) -> str:
    here: etree._Element | None = message
    for name in path:
        here = None if here is None else next((child for child in here if local_name(child) == name), None)
    return "" if here is None else text_of(here)
