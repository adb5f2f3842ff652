# SPDX-License-Identifier: EUPL-1.2
"""Channel `mailbox`: sends nothing; the content waits until the recipient fetches it."""

from __future__ import annotations

from datetime import datetime

from schakel.ports import Parcel


class MailboxChannel:
    """`notified` at once: a partner that chose the mailbox polls it; one that does not is alarmed by the clock."""

    name = "mailbox"

    async def send(self, parcel: Parcel, *, now: datetime) -> str:
        return "notified"

    async def aclose(self) -> None:
        return None
