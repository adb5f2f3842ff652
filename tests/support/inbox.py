# SPDX-License-Identifier: EUPL-1.2
"""A real mail server that keeps what it gets, on a port of its own: who sent, to whom, when, and every byte."""

from __future__ import annotations

import email
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from email import policy
from email.message import EmailMessage
from email.utils import parsedate_to_datetime

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session


@dataclass(frozen=True)
class Mail:
    """As it came in over SMTP: the envelope, and the message that it carried."""

    sender: str
    to: tuple[str, ...]
    raw: bytes

    @property
    def message(self) -> EmailMessage:
        parsed = email.message_from_bytes(self.raw, policy=policy.default)
        assert isinstance(parsed, EmailMessage)
        return parsed

    @property
    def text(self) -> str:
        content: str = self.message.get_content()
        return content.replace("\r\n", "\n")

    @property
    def dated(self) -> datetime:
        return parsedate_to_datetime(self.message["Date"])

    @property
    def cause(self) -> str:
        return str(self.message["Subject"]).removeprefix("[Schakel] alarm: ").rpartition(" (")[0]

    @property
    def times(self) -> int:
        return int(str(self.message["Subject"]).rpartition(" (")[2].removesuffix("x)"))


@dataclass
class Inbox:
    port: int = 0
    mails: list[Mail] = field(default_factory=list)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        raw = envelope.original_content or b""
        self.mails.append(Mail(envelope.mail_from or "", tuple(envelope.rcpt_tos), raw))
        return "250 kept"

    def take(self, cause: str = "") -> list[Mail]:
        """What came since the last time, of one cause or of all; what is not taken is let go."""
        taken, self.mails = self.mails, []
        return [mail for mail in taken if cause in ("", mail.cause)]


@contextmanager
def open_inbox() -> Iterator[Inbox]:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    inbox = Inbox(port)
    controller = Controller(inbox, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield inbox
    finally:
        controller.stop()
