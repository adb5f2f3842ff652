# SPDX-License-Identifier: EUPL-1.2
"""What the other side says on a StUF message, at once: Bv03, Fo01 and Fo03, plain and in SOAP, and what it leads to."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import AsyncIterator
from dataclasses import replace
from ipaddress import ip_network

import pytest
from lxml import etree

from connectors.channels.address import AddressRule
from connectors.channels.post import Poster
from connectors.channels.stuf import StufChannel
from connectors.formats.stuf_jz_word import word_in
from schakel.errors import PoisonDelivery, TemporaryFailure
from schakel.ports import Parcel, SigningSecret
from tests.conformance.channel_suite import NOW, Recipient, running
from tests.conformance.channel_suite import parcel as any_parcel

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
OURS = any_parcel(None).delivery_id
MESSAGE = '<?xml version="1.0" encoding="UTF-8"?>\n<m xmlns="urn:example"><naam>Ä</naam></m>'


def said(kind: str, code: str = "", place: str = "client", reference: str = OURS) -> str:
    body = (
        f"<StUF:body><StUF:code>{code}</StUF:code><StUF:plek>{place}</StUF:plek>"
        "<StUF:omschrijving>x</StUF:omschrijving></StUF:body>"
        if code
        else ""
    )
    return (
        f'<StUF:{kind}Bericht xmlns:StUF="http://www.egem.nl/StUF/StUF0301"><StUF:stuurgegevens>'
        f"<StUF:berichtcode>{kind}</StUF:berichtcode>"
        "<StUF:zender><StUF:organisatie>1</StUF:organisatie><StUF:applicatie>app</StUF:applicatie></StUF:zender>"
        "<StUF:ontvanger><StUF:organisatie>2</StUF:organisatie><StUF:applicatie>app</StUF:applicatie></StUF:ontvanger>"
        "<StUF:referentienummer>R-1</StUF:referentienummer><StUF:tijdstipBericht>20261120</StUF:tijdstipBericht>"
        f"<StUF:crossRefnummer>{reference}</StUF:crossRefnummer></StUF:stuurgegevens>{body}</StUF:{kind}Bericht>"
    )


def in_soap(text: str) -> str:
    return f'<s:Envelope xmlns:s="{SOAP}"><s:Body>{text}</s:Body></s:Envelope>'


def as_fault(text: str) -> str:
    detail = f"<faultcode>s:Client</faultcode><faultstring>x</faultstring><detail>{text}</detail>"
    return in_soap(f"<s:Fault>{detail}</s:Fault>")


def http(text: str, status: str = "200 OK") -> bytes:
    body = text.encode()
    return f"HTTP/1.1 {status}\r\ncontent-type: text/xml\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


def stuf_parcel(url: str) -> Parcel:
    return replace(any_parcel(url, content=MESSAGE.encode()), media_type="text/xml", secrets=())


@pytest.fixture
async def channel() -> AsyncIterator[StufChannel]:
    channel = StufChannel(poster=Poster(rule=AddressRule((ip_network("127.0.0.0/8"),))))
    yield channel
    await channel.aclose()


@pytest.mark.parametrize(
    "answer",
    [
        http(said("Bv03")),
        http(in_soap(said("Bv03"))),
        http(said("Bv03"), "202 Accepted"),
        http(said("Fo03", "StUF016")),
        http(as_fault(said("Fo03", "StUF016")), "500 Internal Server Error"),
        http(said("Fo01", "StUF016"), "409 Conflict"),
    ],
)
async def test_taken_or_there_already_is_delivered(channel: StufChannel, answer: bytes) -> None:
    async with running(Recipient(answer=answer)) as recipient:
        assert await channel.send(stuf_parcel(recipient.url), now=NOW) == "delivered"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (http(said("Fo03", "StUF046", "server")), "fo03-stuf046"),
        (http(as_fault(said("Fo03", "StUF058", "server")), "500 Internal Server Error"), "fo03-stuf058"),
        (http(said("Fo03", "own-code", "server")), "fo03-unknown"),
        (http(said("Bv03", reference="another")), "stuf-other-message"),
        (http("<html/>", "500 Internal Server Error"), "http-500"),
        (http(said("Bv03", reference="x" * 41), "502 Bad Gateway"), "http-502"),
    ],
)
async def test_what_can_be_over_next_time_is_tried_again(channel: StufChannel, answer: bytes, reason: str) -> None:
    async with running(Recipient(answer=answer)) as recipient:
        with pytest.raises(TemporaryFailure) as caught:
            await channel.send(stuf_parcel(recipient.url), now=NOW)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (http(said("Fo03", "StUF055", "client")), "fo03-stuf055"),
        (http(as_fault(said("Fo01", "StUF052")), "500 Internal Server Error"), "fo01-stuf052"),
        (http(said("Fo01", "StUF058", "server")), "fo01-stuf058"),
        (http(said("Fo02", "StUF010")), "fo02-stuf010"),
    ],
)
async def test_what_no_repeat_mends_waits_for_a_person(channel: StufChannel, answer: bytes, reason: str) -> None:
    async with running(Recipient(answer=answer)) as recipient:
        with pytest.raises(PoisonDelivery) as caught:
            await channel.send(stuf_parcel(recipient.url), now=NOW)
    assert caught.value.reason == reason


async def test_the_message_travels_whole_in_soap_and_every_repeat_is_the_same(channel: StufChannel) -> None:
    async with running(Recipient(answer=http(said("Bv03")))) as recipient:
        for _ in range(2):
            await channel.send(stuf_parcel(recipient.url), now=NOW)
    first, second = recipient.journal
    assert first.body == second.body
    assert first.headers["content-type"] == "text/xml; charset=utf-8"
    assert first.headers["soapaction"] == '""'
    assert "webhook-signature" not in first.headers
    envelope = etree.fromstring(first.body)
    (body,) = envelope
    (message,) = body
    assert (envelope.tag, body.tag) == (f"{{{SOAP}}}Envelope", f"{{{SOAP}}}Body")
    assert etree.canonicalize(message) == etree.canonicalize(etree.fromstring(MESSAGE.encode()))


async def test_with_a_secret_the_whole_body_is_signed(channel: StufChannel) -> None:
    secret = b"s" * 32
    async with running(Recipient(answer=http(said("Bv03")))) as recipient:
        await channel.send(replace(stuf_parcel(recipient.url), secrets=(SigningSecret("v1", secret),)), now=NOW)
    (request,) = recipient.journal
    signed = b".".join((OURS.encode(), str(int(NOW.timestamp())).encode(), request.body))
    expected = base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()
    assert request.headers["webhook-signature"] == f"v1,{expected}"


async def test_what_is_not_xml_is_not_sent(channel: StufChannel) -> None:
    async with running(Recipient()) as recipient:
        with pytest.raises(PoisonDelivery) as caught:
            await channel.send(any_parcel(recipient.url), now=NOW)
    assert caught.value.reason == "content-not-stuf"
    assert recipient.journal == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"ok",
        b"<a/>",
        b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
        b"<Bv03Bericht/>",
        said("Bv03", reference="").encode(),
        in_soap("").encode(),
        as_fault("").encode(),
        b"\xff\xfe",
        said("Di01").encode(),
    ],
)
def test_what_says_nothing_of_a_message_says_nothing(body: bytes) -> None:
    assert word_in(body) is None
