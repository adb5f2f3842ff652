# SPDX-License-Identifier: EUPL-1.2
"""What the HTTP door needs of a hub: `schakel.bootstrap.Hub`, as far as the door uses it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Protocol

from schakel.acting import Said
from schakel.involvement import OwnWords
from schakel.ledger_records import ActOutcome, AnswerOutcome
from schakel.log import Log
from schakel.message import Answer
from schakel.ports import AnswerFormat, Clock, Envelope, Format, Receipt, Store
from schakel.records import RequestQuery
from schakel.region import Partner, Region
from schakel.settings import Settings


class Intake(Protocol):
    async def receive(
        self, partner: Partner, body: bytes, media_type: str, received_at: datetime
    ) -> tuple[Envelope, Receipt]: ...


class Mailbox(Protocol):
    async def content(
        self, partner: Partner, number: int, *, acceptable: Callable[[tuple[str, ...]], None] | None = None
    ) -> tuple[bytes, str, bytes]:
        """Content, media type, SHA-256. Raises NotFound (404; 410: erased or replaced) and what `acceptable` raises."""

    async def whole_case(self, partner: Partner, number: int) -> tuple[bytes, str]:
        """The whole case and its media type. Raises NotFound."""


class Involvement(Protocol):
    async def answer(self, partner: Partner, answer: Answer, *, now: datetime) -> AnswerOutcome: ...
    async def own(self, partner: Partner, query: RequestQuery, *, after: str = "", limit: int = 1) -> OwnWords: ...
    async def case_view(self, partner: Partner, reference: str, *, now: datetime) -> dict[str, Any]: ...
    async def status(self, partner: Partner | None, message_id: str) -> dict[str, Any]: ...


class Acting(Protocol):
    async def act(
        self,
        kind: str,
        *,
        actor: str,
        reference: str,
        fields: Mapping[str, Any],
        now: datetime,
        said: Said = ...,
        key: str = "",
    ) -> ActOutcome:
        """Raises Refusal."""


class LedgerViews(Protocol):
    async def ledger(
        self, partner: Partner, reference: str, *, now: datetime, at: datetime | None = None
    ) -> dict[str, Any]:
        """Raises NotFound."""


class Answering(Protocol):
    def formats_of(self, partner: Partner) -> tuple[AnswerFormat, ...]: ...
    async def receive(
        self, partner: Partner, body: bytes, media_type: str, received_at: datetime, if_version: int | None = None
    ) -> tuple[Envelope, AnswerOutcome]: ...


class Hub(Protocol):
    @property
    def settings(self) -> Settings: ...
    @property
    def region(self) -> Region: ...
    @property
    def formats(self) -> Mapping[str, Format]: ...
    @property
    def store(self) -> Store: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def log(self) -> Log: ...
    @property
    def intake(self) -> Intake: ...
    @property
    def mailbox(self) -> Mailbox: ...
    @property
    def involvement(self) -> Involvement: ...
    @property
    def answering(self) -> Answering: ...
    @property
    def acting(self) -> Acting: ...
    @property
    def ledger_views(self) -> LedgerViews: ...
