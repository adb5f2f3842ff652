# SPDX-License-Identifier: EUPL-1.2
"""A partner that speaks StUF over SOAP: a real HTTP server that keeps each message before it says Bv03."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from lxml import etree

from connectors.formats.stuf_jz import StufJeugdzorg
from connectors.formats.stuf_jz_header import find_message, read_header
from connectors.formats.stuf_jz_reply import acknowledgement
from connectors.formats.xml import local_name, parse
from schakel.ports import Receipt

HUB = "00000099000000000001"
NAMES = {
    "StUF": "http://www.egem.nl/StUF/StUF0301",
    "BG": "http://www.egem.nl/StUF/sector/bg/0310",
    "ZKN": "http://www.egem.nl/StUF/sector/zkn/0310",
    "JZ": "http://www.stufstandaarden.nl/koppelvlak/jz0100",
}
AT = datetime(2026, 11, 21, 10, 5, tzinfo=UTC)


@dataclass
class StufPartner:
    """`journal`: the messages without their envelope. `answer`: a whole HTTP answer instead of Bv03."""

    oin: str
    answer: bytes | None = None
    journal: list[etree._Element] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/stuf"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = next(
                    int(line.split(b":")[1])
                    for line in head.split(b"\r\n")
                    if line.lower().startswith(b"content-length:")
                )
                body = await reader.readexactly(length)
                self.bodies.append(body)
                message = find_message(parse(body)).message
                self.journal.append(message)
                writer.write(self.answer if self.answer is not None else self._bv03(message))
                await writer.drain()
        writer.close()

    def _bv03(self, message: etree._Element) -> bytes:
        header = read_header(message)
        assert header is not None
        kept = Receipt(message_id=header.reference, state="", duplicate=False, notices=())
        said = acknowledgement(header, kept, soap=True, now=AT, hub_oin=self.oin).body
        return f"HTTP/1.1 200 OK\r\ncontent-type: text/xml\r\ncontent-length: {len(said)}\r\n\r\n".encode() + said

    def kinds(self) -> list[str]:
        return [local_name(message) for message in self.journal]

    def outcome(self, reference: str, code: str, **more: Any) -> bytes:
        """An uitkomstMeldingGeneriekDi01 of this partner; `contact`: (name, phone), `text`, `route`, `extra`."""
        unit = {"identificatie": self.oin, "naam": "Partner"}
        told: dict[str, Any] = {
            "identificatie": "EIGEN-0001",
            "heeftAlsInitiator": {"gerelateerde": {"organisatorischeEenheid": {"identificatie": HUB, "naam": "hub"}}},
            "heeftAlsUitvoerende": {"gerelateerde": {"organisatorischeEenheid": unit}},
            "uwIdentificatie": reference,
            "soortmeldingCode": "ZVH" if code.startswith("ZVH") else "VT",
            "statuscode": code,
        }
        if contact := more.get("contact"):
            name, phone = contact
            told["casus"] = {"registratienummer": "C-1", "contact": {"naam": name, "telefoonnummer": phone}}
        if text := more.get("text"):
            told["toelichtendeinformatie"] = {"omschrijving": text}
        if route := more.get("route"):
            told["routerenNaarInstantie"] = {"identificatie": route[0], "naam": route[1]}
        if extra := more.get("extra"):
            told["extraElementen"] = [{"naam": name, "waarde": value} for name, value in extra.items()]
        return StufJeugdzorg().write(
            {
                "stuurgegevens": {
                    "berichtcode": "Di01",
                    "zender": {"organisatie": self.oin, "applicatie": "Zaaksysteem"},
                    "ontvanger": {"organisatie": HUB, "applicatie": "Schakel"},
                    "referentienummer": more.get("number", "U-1"),
                    "tijdstipBericht": "20261121110500",
                    "functie": "uitkomstMeldingGeneriekDi01",
                },
                "object": told,
            }
        )

    def known(self, question: etree._Element, indication: str, *, number: str = "K-1", said: str = "") -> bytes:
        """A ucobDi01 on a vcobDi01 of the hub: J or N, with the same person again; `said`: in its own words."""
        person = {
            name.rpartition(".")[2]: value for name, value in _leaves(question.find(".//BG:geslachtsnaam/..", NAMES))
        }
        unit = {"gerelateerde": {"organisatorischeEenheid": {"identificatie": self.oin, "naam": "Partner"}}}
        told: dict[str, Any] = {
            "identificatie": "EIGEN-0002",
            "verzoekidentificatie": text(question, "JZ:object/JZ:identificatie"),
            "heeftBetrekkingOp": {"gerelateerde": {"natuurlijkPersoon": person}, "indicatieBekend": indication},
            "heeftAlsInitiator": {"gerelateerde": {"organisatorischeEenheid": {"identificatie": HUB, "naam": "hub"}}},
            "heeftAlsUitvoerende": unit,
        }
        if said:
            told["extraElementen"] = [{"naam": "toelichting", "waarde": said}]
        return StufJeugdzorg().write(
            {
                "stuurgegevens": {
                    "berichtcode": "Di01",
                    "zender": {"organisatie": self.oin, "applicatie": "Zaaksysteem"},
                    "ontvanger": {"organisatie": HUB, "applicatie": "Schakel"},
                    "referentienummer": number,
                    "tijdstipBericht": "20261121110500",
                    "crossRefnummer": text(question, "JZ:stuurgegevens/StUF:referentienummer"),
                    "functie": "ucobDi01",
                },
                "object": [told],
            }
        )

    def word(self, kind: str, reference: str, *, code: str = "", place: str = "server") -> bytes:
        """A Bv03, Fo01 or Fo03 of this partner on our message `reference`."""
        ns = NAMES["StUF"]
        message = etree.Element(f"{{{ns}}}{kind}Bericht", nsmap={"StUF": ns})
        control = etree.SubElement(message, f"{{{ns}}}stuurgegevens")
        etree.SubElement(control, f"{{{ns}}}berichtcode").text = kind
        for name, oin in (("zender", self.oin), ("ontvanger", HUB)):
            system = etree.SubElement(control, f"{{{ns}}}{name}")
            etree.SubElement(system, f"{{{ns}}}organisatie").text = oin
            etree.SubElement(system, f"{{{ns}}}applicatie").text = "Zaaksysteem"
        numbers = (("referentienummer", "W-1"), ("tijdstipBericht", "20261121"), ("crossRefnummer", reference))
        for name, value in numbers:
            etree.SubElement(control, f"{{{ns}}}{name}").text = value
        if code:
            body = etree.SubElement(message, f"{{{ns}}}body")
            for name, value in (("code", code), ("plek", place), ("omschrijving", "x")):
                etree.SubElement(body, f"{{{ns}}}{name}").text = value
        return etree.tostring(message)


def _leaves(element: etree._Element | None) -> list[tuple[str, str]]:
    return [] if element is None else [(local_name(each), each.text) for each in element if each.text]


@contextlib.asynccontextmanager
async def serving(partner: StufPartner) -> AsyncIterator[StufPartner]:
    server = await asyncio.start_server(partner.serve, "127.0.0.1", 0)
    partner.port = server.sockets[0].getsockname()[1]
    try:
        yield partner
    finally:
        server.close()


def text(message: etree._Element, path: str) -> str | None:
    """The text at a path of prefixed names; None: not there, or without value."""
    found = message.find(path, NAMES)
    return None if found is None else found.text
