# SPDX-License-Identifier: EUPL-1.2
"""Makes the bytes of one delivery: opens the case message, lets disclosure cut it, maps and writes it, seals it again.

The same delivery under the same secrecy gives the same bytes: nothing here looks at a clock of its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from pydantic import ValidationError

from schakel.case_secrecy import open_secrecy
from schakel.disclosure import Asked, Disclosure, Original, Secrecy
from schakel.errors import PoisonDelivery, Unmappable
from schakel.feedback import AS_TOLD, SOURCE, Feedback, carries_case, kind_of
from schakel.message import CaseMessage
from schakel.notice_view import NoticeView, Opened
from schakel.ports import Format, Vault
from schakel.records import Claimed, Rendered, RequestRow, SealPlace, StatusRecord
from schakel.region import UNKNOWN_APPLICATION, Partner, Region
from schakel.states import MessageState

EVENT_TYPE: Final = "nl.schakel.case.{kind}.v1"
FEEDBACK_TYPE: Final = "nl.schakel.feedback.{kind}.v1"
NOTICE_TYPE: Final = "nl.schakel.notice.{kind}.v1"
KEPT_OPEN: Final = 64  # messages, for the next recipient of the same one
KEPT_BYTES: Final = 32_768  # of such a message's JSON; a larger one is opened anew for each recipient


class Mapped(Protocol):
    """What a mapping gives."""

    @property
    def document(self) -> dict[str, Any]: ...
    @property
    def losses(self) -> tuple[str, ...]: ...
    @property
    def versions(self) -> dict[str, str]: ...


class Mapper(Protocol):
    """A loaded mapping. `apply` raises Unmappable."""

    @property
    def name(self) -> str: ...
    @property
    def format(self) -> str: ...
    @property
    def replaces(self) -> str | None: ...

    def apply(self, document: Mapping[str, Any], *, now: datetime) -> Mapped: ...


@dataclass(frozen=True, slots=True)
class View:
    """Ready to send. `digest` is SHA-256 of `content`."""

    content: bytes
    media_type: str
    digest: bytes
    event_type: str
    rendered_at: datetime


class Renderer:
    """A representation is the name of an outgoing mapping; the mapping names its format.

    The recipients of one message are served shortly after each other, so a few messages stay open in between: found
    again only by who holds the same sealed bytes under the same key (what was erased is not), and gone at `forget`.
    How secret a case is, is never kept: that is opened for each view.
    """

    def __init__(
        self,
        *,
        region: Region,
        disclosure: Disclosure,
        mappings: Mapping[str, Mapper],
        formats: Mapping[str, Format],
        vault: Vault,
        public_url: str,
    ) -> None:
        """`public_url`: how partners reach the hub; stands in what points at the mailbox."""
        self._region = region
        self._public_url = public_url.rstrip("/")
        self._disclosure = disclosure
        self._notices = NoticeView(region=region, disclosure=disclosure)
        self._mappings = mappings
        self._formats = formats
        self._vault = vault
        self._opened: dict[tuple[str, str, bytes, bytes], Original] = {}  # in the order in which they were opened

    def forget(self) -> None:
        """Nothing is under way any more: no message stays open."""
        self._opened.clear()

    def media_types(self, representation: str) -> tuple[str, ...]:
        """In which forms a representation is written; () for one that is not known."""
        mapping = self._mappings.get(representation)
        written = self._formats.get(mapping.format) if mapping else None
        return written.media_types if written else ()

    def render(self, claimed: Claimed, *, now: datetime, representation: str | None = None) -> View:
        """With the case's newest secrecy; in the delivery's own representation, or in another one for who looks only.

        Raises PoisonDelivery: no table, mapping or format makes this view."""
        original = self._original(claimed)
        recipient = self._region.partner(claimed.recipient)
        mapping = self._mappings.get(representation or claimed.representation)
        if recipient is None:
            raise PoisonDelivery("recipient-unknown")
        if mapping is None or mapping.format not in self._formats:
            raise PoisonDelivery("representation-unknown")
        cut = self._disclosure.view(
            original,
            role=claimed.role,
            programme=claimed.programme,
            recipient=recipient,
            secrecy=self._secrecy(claimed),
            case_reference=claimed.case_reference,
            request=_asked(claimed),
            held=claimed.held,
            late=claimed.late,
            serves=claimed.serves,
        )
        return self._written(claimed, recipient, mapping, cut.document, _event_type(claimed, original.message), now=now)

    def feedback(self, claimed: Claimed, status: StatusRecord, *, now: datetime) -> View:
        """What the source of a message hears of it: how it stands, in the source's own references; never a person.

        Raises PoisonDelivery: no table, mapping or format makes this view."""
        message = self._original(claimed).message
        source, mapping = self._region.partner(claimed.recipient), self._mappings.get(claimed.representation)
        if source is None:
            raise PoisonDelivery("recipient-unknown")
        if mapping is None or mapping.format not in self._formats:
            raise PoisonDelivery("representation-unknown")
        cut = self._disclosure.view(
            message,
            role=claimed.role,
            programme=claimed.programme,
            recipient=source,
            secrecy=self._secrecy(claimed),
            case_reference=claimed.case_reference,
        )
        about = {name: value for name, value in cut.document.get("message", {}).items() if name != "source"}
        said = Feedback.model_validate(
            {
                "occasion": kind_of(claimed.occasion),
                "at": claimed.created_at,
                "message": {**about, "id": claimed.message_id},
                "programme": claimed.programme,
                "state": status.state,
                "parked": self._why(status),
                "recipients": [self._line(row) for row in status.requests],
                "admission": status.admission,
            }
        )
        return self._written(claimed, source, mapping, said.to_json(), _event_type(claimed, message), now=now)

    def notice(self, claimed: Claimed, *, now: datetime) -> View:
        """What a partner is asked or told beside the message, with the case's newest secrecy.

        Raises PoisonDelivery: no table, mapping or format makes this view."""
        message = self._original(claimed).message
        recipient, mapping = self._region.partner(claimed.recipient), self._mappings.get(claimed.representation)
        if recipient is None:
            raise PoisonDelivery("recipient-unknown")
        if mapping is None or mapping.format not in self._formats:
            raise PoisonDelivery("representation-unknown")
        try:
            told = self._notices.compose(
                claimed,
                kind_of(claimed.occasion),
                self._happened(claimed),
                message,
                recipient=recipient,
                secrecy=self._secrecy(claimed),
            )
        except ValidationError:
            raise PoisonDelivery("content-unreadable") from None
        return self._written(claimed, recipient, mapping, told.to_json(), _event_type(claimed, message), now=now)

    def _happened(self, claimed: Claimed) -> Opened:
        what = claimed.happened
        if what is None:
            return Opened(None, {}, {})

        def opened(table: str, row: str | None, purpose: str, sealed: bytes | None) -> dict[str, Any]:
            if row is None or sealed is None:
                return {}
            place = SealPlace(table, row, purpose)
            found = json.loads(self._vault.open(claimed.wrapped_key, sealed, owner=claimed.case_id, place=place))
            return dict(found)

        return Opened(
            what,
            terms=opened("matter", what.matter_id, "terms", what.terms),
            words=opened("ledger_entry", what.entry_id, "words", what.words),
        )

    def _why(self, status: StatusRecord) -> dict[str, str] | None:
        cause = status.parked_cause
        if cause is None or status.state != MessageState.PARKED:
            return None
        text = self._region.causes.get(cause)
        return {"cause": cause, "nl": text.nl if text else cause, "en": text.en if text else cause}

    def _line(self, row: RequestRow) -> dict[str, str]:
        partner = self._region.partner(row.partner)
        return {
            "partner": row.partner,
            "name": partner.name if partner else row.partner,
            "role": row.role,
            "state": AS_TOLD.get(row.state, row.state),
        }

    def _written(
        self,
        claimed: Claimed,
        recipient: Partner,
        mapping: Mapper,
        document: Mapping[str, Any],
        event_type: str,
        *,
        now: datetime,
    ) -> View:
        written = self._formats[mapping.format]
        try:
            view = {**document, "transport": self._transport(claimed, recipient)}
            content = written.write(mapping.apply(view, now=claimed.created_at).document)
        except Unmappable as error:
            raise PoisonDelivery(f"unmappable-{error.cause}") from None
        return View(
            content=content,
            media_type=written.media_types[0],
            digest=hashlib.sha256(content).digest(),
            event_type=event_type,
            rendered_at=now.replace(microsecond=now.microsecond // 1000 * 1000),
        )

    def seal(self, claimed: Claimed, view: View) -> Rendered:
        return Rendered(
            sealed=self._vault.seal(
                claimed.wrapped_key, view.content, owner=claimed.case_id, place=_rendered_at(claimed.id)
            ),
            digest=view.digest,
            media_type=view.media_type,
            at=view.rendered_at,
            secrecy_version=claimed.secrecy_version,
        )

    def reopen(self, claimed: Claimed) -> View | None:
        """What was rendered before, byte for byte; None when nothing was, or when it has been erased since."""
        kept = claimed.rendered
        if kept is None or kept.sealed is None:
            return None
        content = self._vault.open(
            claimed.wrapped_key, kept.sealed, owner=claimed.case_id, place=_rendered_at(claimed.id)
        )
        return View(
            content=content,
            media_type=kept.media_type,
            digest=kept.digest,
            event_type=_event_type(claimed, self._original(claimed).message),
            rendered_at=kept.at,
        )

    def _transport(self, claimed: Claimed, recipient: Partner) -> dict[str, Any]:
        """Which delivery this is, from whom and to whom: formats that carry it in the document need it."""
        return {
            "id": claimed.id,
            "number": claimed.number,
            "role": claimed.role,
            "content": f"{self._public_url}/v1/mailbox/{claimed.number}/case",
            "createdAt": claimed.created_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "sender": {"oin": self._region.hub_oin, "name": self._region.hub_name},
            "recipient": {
                "id": recipient.id,
                "name": recipient.name,
                "oins": list(recipient.oins),
                "application": recipient.receives.application if recipient.receives else UNKNOWN_APPLICATION,
            },
        }

    def _content(self, claimed: Claimed) -> bytes:
        place = SealPlace("message", claimed.message_id, "content")
        return self._vault.open(claimed.wrapped_key, claimed.content, owner=claimed.case_id, place=place)

    def _original(self, claimed: Claimed) -> Original:
        """With all that decides whether it opens: what was found once is what opening it again would give."""
        key = (claimed.message_id, claimed.case_id, claimed.wrapped_key, claimed.content)
        known = self._opened.get(key)
        if known is None:
            content = self._content(claimed)
            known = Original.of(self._message(content))
            # whoever reads a mailbox has no lease, and no next recipient
            if claimed.token and len(content) <= KEPT_BYTES:
                if len(self._opened) >= KEPT_OPEN:
                    del self._opened[next(iter(self._opened))]
                self._opened[key] = known
        return known

    def _message(self, content: bytes) -> CaseMessage:
        try:
            return CaseMessage.model_validate_json(content)
        except ValidationError:
            raise PoisonDelivery("content-unreadable") from None

    def _secrecy(self, claimed: Claimed) -> Secrecy:
        return open_secrecy(self._vault, claimed.secrecy, case_id=claimed.case_id, wrapped_key=claimed.wrapped_key)


def _event_type(claimed: Claimed, message: CaseMessage) -> str:
    if not carries_case(claimed.occasion):
        form = FEEDBACK_TYPE if claimed.role == SOURCE else NOTICE_TYPE
        return form.format(kind=kind_of(claimed.occasion))
    return EVENT_TYPE.format(kind=message.message.kind.value)


def _asked(claimed: Claimed) -> Asked | None:
    if claimed.request_reference is None or claimed.request_due_at is None:
        return None
    return Asked(reference=claimed.request_reference, due_at=claimed.request_due_at)


def _rendered_at(delivery_id: str) -> SealPlace:
    return SealPlace("delivery", delivery_id, "rendered")
