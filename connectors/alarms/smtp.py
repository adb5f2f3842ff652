# SPDX-License-Identifier: EUPL-1.2
"""Alarm sender `smtp`: a plain mail, Dutch first and English below, without a word about a person."""

from __future__ import annotations

import re
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Final
from zoneinfo import ZoneInfo

import aiosmtplib

from schakel.errors import TemporaryFailure
from schakel.ports import AlarmNotice
from schakel.settings import Settings

SECONDS: Final = 30.0
LOCAL: Final = ZoneInfo("Europe/Amsterdam")
_ADDRESS: Final = re.compile(r"[^@\s<>,;]+@[^@\s<>,;]+")  # one address, and no second one behind it

# Foreign exceptions become ours here and nowhere else; the first that fits counts.
_TRANSLATED: Final[tuple[tuple[type[Exception], str], ...]] = (
    (aiosmtplib.SMTPTimeoutError, "timeout"),
    (aiosmtplib.SMTPConnectError, "unreachable"),
    (aiosmtplib.SMTPServerDisconnected, "connection-lost"),
    (aiosmtplib.SMTPAuthenticationError, "smtp-authentication"),
    (aiosmtplib.SMTPRecipientsRefused, "smtp-recipient-refused"),
    (aiosmtplib.SMTPException, "smtp-error"),
    (TimeoutError, "timeout"),
    (OSError, "unreachable"),
    (ValueError, "address-refused"),  # an address that cannot stand in a header
)


class SmtpAlarm:
    """One connection per mail: alarms are few, and a connection that has slept is the one that fails."""

    name = "smtp"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def send(self, notice: AlarmNotice, *, to: str) -> None:
        settings = self._settings
        if not settings.smtp_host:
            raise TemporaryFailure("no-mail-server")
        if not _ADDRESS.fullmatch(to):
            raise TemporaryFailure("address-refused")
        try:
            await aiosmtplib.send(
                _mail(notice, sender=settings.mail_from, to=to),
                hostname=settings.smtp_host,
                port=settings.smtp_port,
                username=settings.smtp_user or None,
                password=settings.smtp_password.get_secret_value() or None,
                start_tls=settings.smtp_tls,
                timeout=SECONDS,
            )
        except tuple(kind for kind, _ in _TRANSLATED) as error:
            raise TemporaryFailure(next(reason for kind, reason in _TRANSLATED if isinstance(error, kind))) from None


def _mail(notice: AlarmNotice, *, sender: str, to: str) -> EmailMessage:
    mail = EmailMessage()
    mail["From"] = sender
    mail["To"] = to
    mail["Subject"] = f"[Schakel] alarm: {notice.cause} ({notice.count}x)"
    mail["Date"] = format_datetime((notice.told_at or notice.raised_at).astimezone(LOCAL))
    mail["Message-ID"] = f"<{notice.id}.{notice.step}.{notice.count}@{sender.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    since = f"{notice.raised_at.astimezone(LOCAL):%d-%m-%Y %H:%M}"
    mail.set_content(
        f"{notice.nl}\n\n"
        f"Oorzaak: {notice.cause}\nBetreft: {notice.subject}\nVoor: {notice.owner}\n"
        f"Aantal keer: {notice.count}, trede: {notice.step}\nSinds: {since} (Nederlandse tijd)\n"
        f"\n-- English --\n\n{notice.en}\n\n"
        f"Cause: {notice.cause}\nAbout: {notice.subject}\nFor: {notice.owner}\n"
        f"Count: {notice.count}, step: {notice.step}\nSince: {since} (time in the Netherlands)\n"
    )
    return mail
