# SPDX-License-Identifier: EUPL-1.2
"""Alarms reach a real mail server and a real pager endpoint; a way that is closed says so."""

from __future__ import annotations

import base64
import email
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from email import policy
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from pydantic import SecretStr
from standardwebhooks.webhooks import Webhook

from connectors.alarms import alarms
from connectors.alarms.smtp import SmtpAlarm
from connectors.alarms.webhook import WebhookAlarm
from schakel.errors import ConfigurationError, TemporaryFailure
from schakel.settings import Settings
from tests.conformance.alarm_suite import NOTICE, AlarmSuite
from tests.conformance.channel_suite import Recipient, running, unused_port

OIN = "00000099000000001000"
SECRET = "whsec_" + base64.b64encode(b"a" * 32).decode()


class Clock:
    def now(self) -> datetime:
        return datetime.now(UTC)


class Sink:
    """A mail server's inbox."""

    def __init__(self) -> None:
        self.mails: list[Envelope] = []
        self.over_tls: list[bool] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.mails.append(envelope)
        self.over_tls.append(session.ssl is not None)
        return "250 kept"


def settings(port: int, **more: object) -> Settings:
    return Settings(
        _env_file=None,
        smtp_host="127.0.0.1",
        smtp_port=port,
        mail_from="schakel@example.nl",
        **{"smtp_tls": False, **more},
    )


@pytest.fixture
def sink() -> Sink:
    return Sink()


@pytest.fixture
def mail_port(sink: Sink) -> Iterator[int]:
    controller = Controller(sink, hostname="127.0.0.1", port=unused_port())
    controller.start()
    yield controller.port
    controller.stop()


class TestSmtp(AlarmSuite):
    name = "smtp"

    @pytest.fixture
    def sender(self, mail_port: int) -> SmtpAlarm:
        return SmtpAlarm(settings(mail_port))

    @pytest.fixture
    def deaf(self) -> SmtpAlarm:
        return SmtpAlarm(settings(unused_port()))

    @pytest.fixture
    def to(self) -> str:
        return "dienst@example.nl"

    @pytest.fixture
    def told(self, sink: Sink) -> Callable[[], list[str]]:
        def read() -> list[str]:
            parsed = [
                email.message_from_bytes(one.original_content or b"", policy=policy.default) for one in sink.mails
            ]
            return [one.get_content() for one in parsed]

        return read


class TestWebhook(AlarmSuite):
    name = "webhook"

    @pytest.fixture
    async def pager(self) -> AsyncIterator[Recipient]:
        async with running(Recipient()) as recipient:
            yield recipient

    @pytest.fixture
    def sender(self) -> WebhookAlarm:
        made = alarms(settings=settings(0, alarm_secret=SecretStr(SECRET)), hub_oin=OIN, clock=Clock())["webhook"]
        assert isinstance(made, WebhookAlarm)
        return made

    @pytest.fixture
    def deaf(self, sender: WebhookAlarm, pager: Recipient) -> WebhookAlarm:
        pager.port = unused_port()  # before `to` is read: the fixture comes first in the test's arguments
        return sender

    @pytest.fixture
    def to(self, pager: Recipient) -> str:
        return pager.url

    @pytest.fixture
    def told(self, pager: Recipient) -> Callable[[], list[str]]:
        return lambda: [request.body.decode() for request in pager.journal]


def test_every_registered_way_is_in_the_suite() -> None:
    registered = alarms(settings=Settings(_env_file=None, smtp_host="mail.example"), hub_oin=OIN, clock=Clock())
    assert set(registered) == {suite.name for suite in AlarmSuite.__subclasses__()}


def test_without_a_mail_server_mail_is_no_way_to_a_human() -> None:
    assert "smtp" not in alarms(settings=Settings(_env_file=None), hub_oin=OIN, clock=Clock())


# -- mail


async def test_a_mail_is_plain_automatic_and_names_the_cause(mail_port: int, sink: Sink) -> None:
    await SmtpAlarm(settings(mail_port)).send(NOTICE, to="dienst@example.nl")
    (envelope,) = sink.mails
    mail = email.message_from_bytes(envelope.original_content or b"", policy=policy.default)
    assert envelope.rcpt_tos == ["dienst@example.nl"]
    assert mail.get_content_type() == "text/plain"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Subject"] == "[Schakel] alarm: human-decision (3x)"


async def test_no_mail_server_named_fails_for_now() -> None:
    with pytest.raises(TemporaryFailure) as caught:
        await SmtpAlarm(Settings(_env_file=None)).send(NOTICE, to="dienst@example.nl")
    assert caught.value.reason == "no-mail-server"


async def test_a_server_without_starttls_gets_nothing_when_it_is_asked_for(mail_port: int, sink: Sink) -> None:
    with pytest.raises(TemporaryFailure):
        await SmtpAlarm(settings(mail_port, smtp_tls=True)).send(NOTICE, to="dienst@example.nl")
    assert sink.mails == []


async def test_a_refused_recipient_fails_for_now(sink: Sink) -> None:
    class Refusing(Sink):
        async def handle_RCPT(self, *_: object) -> str:  # noqa: N802
            return "550 nobody of that name"

    controller = Controller(Refusing(), hostname="127.0.0.1", port=unused_port())
    controller.start()
    try:
        with pytest.raises(TemporaryFailure) as caught:
            await SmtpAlarm(settings(controller.port)).send(NOTICE, to="dienst@example.nl")
    finally:
        controller.stop()
    assert caught.value.reason == "smtp-recipient-refused"


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, private = tmp_path / "cert.pem", tmp_path / "key.pem"
    public.write_bytes(made.public_bytes(Encoding.PEM))
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return public, private


@pytest.fixture
def tls_port(sink: Sink, certificate: tuple[Path, Path]) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)

    def authenticate(*given: Any) -> AuthResult:
        data = given[4]
        return AuthResult(success=(data.login, data.password) == (b"hub", b"word"), handled=False)

    controller = Controller(
        sink,
        hostname="127.0.0.1",
        port=unused_port(),
        tls_context=context,
        require_starttls=True,
        authenticator=authenticate,
        auth_required=True,
    )
    controller.start()
    yield controller.port
    controller.stop()


async def test_starttls_and_a_password(
    tls_port: int, sink: Sink, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    access = {"smtp_tls": True, "smtp_user": "hub"}
    await SmtpAlarm(settings(tls_port, smtp_password=SecretStr("word"), **access)).send(NOTICE, to="d@example.nl")
    assert sink.over_tls == [True]
    with pytest.raises(TemporaryFailure) as caught:
        await SmtpAlarm(settings(tls_port, smtp_password=SecretStr("bad"), **access)).send(NOTICE, to="d@example.nl")
    assert caught.value.reason == "smtp-authentication"


async def test_a_certificate_nobody_trusts_gets_nothing(tls_port: int, sink: Sink) -> None:
    with pytest.raises(TemporaryFailure):
        await SmtpAlarm(settings(tls_port, smtp_tls=True)).send(NOTICE, to="d@example.nl")
    assert sink.mails == []


# -- pager


async def test_a_pager_can_verify_who_rings() -> None:
    sender = alarms(settings=settings(0, alarm_secret=SecretStr(SECRET)), hub_oin=OIN, clock=Clock())["webhook"]
    async with running(Recipient()) as pager:
        await sender.send(NOTICE, to=pager.url)
    (request,) = pager.journal
    said = Webhook(SECRET).verify(request.body, dict(request.headers))
    assert said["type"] == "nl.schakel.alarm.raised.v1"
    assert said["source"] == f"urn:nld:oin:{OIN}:systeem:schakel"


async def test_without_a_secret_it_rings_all_the_same() -> None:
    async with running(Recipient()) as pager:
        sender = alarms(settings=settings(0), hub_oin=OIN, clock=Clock())["webhook"]
        await sender.send(NOTICE, to=pager.url)
    (request,) = pager.journal
    assert "webhook-signature" not in request.headers
    assert orjson.loads(request.body)["data"]["alarm"] == NOTICE.id


async def test_a_pager_that_is_gone_fails_for_now() -> None:
    async with running(Recipient(answer=b"HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n")) as pager:
        sender = alarms(settings=settings(0), hub_oin=OIN, clock=Clock())["webhook"]
        with pytest.raises(TemporaryFailure):
            await sender.send(NOTICE, to=pager.url)


@pytest.mark.parametrize("secret", ["whsec_", "whsec_???", "whsec_" + base64.b64encode(b"short").decode()])
def test_a_secret_that_is_none_is_refused_at_start_without_showing_it(secret: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        alarms(settings=settings(0, alarm_secret=SecretStr(secret)), hub_oin=OIN, clock=Clock())
    assert caught.value.findings[0].place == "SCHAKEL_ALARM_SECRET"
    assert secret.removeprefix("whsec_") not in caught.value.findings[0].en or secret == "whsec_"
