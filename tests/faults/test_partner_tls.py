# SPDX-License-Identifier: EUPL-1.2
"""Mistakes with TLS at a partner: nothing is said to a server that cannot show who it is, and the reason names TLS."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Final

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from connectors.channels.address import AddressRule
from connectors.channels.post import Poster
from connectors.channels.webhook import WebhookChannel
from schakel.errors import TemporaryFailure
from tests.conformance.channel_suite import CONTENT, NOW, Recipient, parcel

DAY: Final = timedelta(days=1)
LOOPBACK: Final = AddressRule((ip_network("127.0.0.0/8"),))
HERE: Final = "localhost"


@dataclass(frozen=True, slots=True)
class Authority:
    """Signs certificates; `file` holds its own."""

    key: ec.EllipticCurvePrivateKey
    name: x509.Name
    file: Path

    def certificate(self, host: str, folder: Path, *, ended: bool = False) -> ssl.SSLContext:
        """What a server shows that calls itself `host`."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = _signed(_name(host), key, self.name, self.key, host=host, until=-DAY if ended else DAY)
        file = folder / f"{host}-{ended}.pem"
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + made.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context


def authority(folder: Path, name: str) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    own = _name(name)
    file = folder / f"{name}.pem"
    file.write_bytes(_signed(own, key, own, key, host=None, until=DAY).public_bytes(serialization.Encoding.PEM))
    return Authority(key, own, file)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _signed(
    subject: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    by: ec.EllipticCurvePrivateKey,
    *,
    host: str | None,
    until: timedelta,
) -> x509.Certificate:
    """`host`: of a server; None: of an authority."""
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 9 * DAY)
        .not_valid_after(now + until)
        .add_extension(x509.BasicConstraints(ca=host is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key()), critical=False)
    )
    if host is not None:
        made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
    return made.sign(by, hashes.SHA256())


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """The one that this machine trusts."""
    made = authority(tmp_path, "trusted")
    monkeypatch.setenv("SSL_CERT_FILE", str(made.file))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    return made


@contextlib.asynccontextmanager
async def over_tls(recipient: Recipient, context: ssl.SSLContext) -> AsyncIterator[str]:
    """The address of the recipient."""
    server = await asyncio.start_server(recipient.serve, "127.0.0.1", 0, ssl=context)
    try:
        yield f"https://{HERE}:{server.sockets[0].getsockname()[1]}/hook"
    finally:
        server.close()


async def send(url: str, *, total_seconds: float = 20.0) -> str:
    """`delivered`, or the reason."""
    poster = Poster(rule=LOOPBACK, total_seconds=total_seconds)
    channel = WebhookChannel(poster=poster, hub_oin="00000099000000000001", public_url="https://hub.example")
    try:
        return await channel.send(parcel(url), now=NOW)
    except TemporaryFailure as failure:
        return failure.reason
    finally:
        await channel.aclose()


async def test_a_certificate_of_a_trusted_authority_for_its_name_is_believed(
    trusted: Authority, tmp_path: Path
) -> None:
    """Else the others would show nothing."""
    recipient = Recipient()
    async with over_tls(recipient, trusted.certificate(HERE, tmp_path)) as url:
        assert await send(url) == "delivered"
    assert len(recipient.journal) == 1


@pytest.mark.fault("TLS: certificate of nobody whom we know")
async def test_a_certificate_of_nobody_we_know_is_refused(trusted: Authority, tmp_path: Path) -> None:
    recipient = Recipient()
    async with over_tls(recipient, authority(tmp_path, "own").certificate(HERE, tmp_path)) as url:
        assert await send(url) == "tls"
    assert recipient.journal == []


@pytest.mark.fault("TLS: certificate of another name")
async def test_a_certificate_of_another_name_is_refused(trusted: Authority, tmp_path: Path) -> None:
    recipient = Recipient()
    async with over_tls(recipient, trusted.certificate("elders.example", tmp_path)) as url:
        assert await send(url) == "tls"
    assert recipient.journal == []


@pytest.mark.fault("TLS: certificate past its date")
async def test_a_certificate_past_its_date_is_refused(trusted: Authority, tmp_path: Path) -> None:
    recipient = Recipient()
    async with over_tls(recipient, trusted.certificate(HERE, tmp_path, ended=True)) as url:
        assert await send(url) == "tls"
    assert recipient.journal == []


@pytest.mark.fault("TLS: plain HTTP at an https address")
async def test_a_server_without_tls_hears_nothing(trusted: Authority) -> None:
    heard: list[bytes] = []

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(65_536))
        writer.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    try:
        assert await send(f"https://{HERE}:{server.sockets[0].getsockname()[1]}/") == "tls"
    finally:
        server.close()
    assert heard
    assert not any(b"webhook" in each or CONTENT in each for each in heard)


@pytest.mark.fault("TLS: a handshake that does not end")
async def test_a_handshake_that_does_not_end_ends(trusted: Authority) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    try:
        url = f"https://{HERE}:{server.sockets[0].getsockname()[1]}/"
        assert await send(url, total_seconds=1.0) == "timeout"
    finally:
        server.close()


def test_it_is_the_same_on_the_event_loop_of_a_hub(trusted: Authority, tmp_path: Path) -> None:
    """uvloop has its own TLS."""

    async def said(context: ssl.SSLContext, recipient: Recipient) -> list[str]:
        async with over_tls(recipient, context) as url:
            return [await send(url), await send(url)]

    stranger = authority(tmp_path, "own").certificate(HERE, tmp_path)
    elsewhere, ended = trusted.certificate("elders.example", tmp_path), trusted.certificate(HERE, tmp_path, ended=True)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        refused, believed = Recipient(), Recipient()
        for context in (stranger, elsewhere, ended):
            assert runner.run(said(context, refused)) == ["tls", "tls"]
        assert runner.run(said(trusted.certificate(HERE, tmp_path), believed)) == ["delivered", "delivered"]
    assert (len(refused.journal), len(believed.journal)) == (0, 2)
