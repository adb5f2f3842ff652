# SPDX-License-Identifier: EUPL-1.2
"""What a partner is asked or told of a case beside the message itself: the document `notice@1`, and who gets which.

A notice is a delivery of its own, with an *occasion* beside the message that it goes with: its kind, and the id of the
matter or the ledger entry that it tells of. It is rendered from what the ledger keeps of that, which never changes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Final, Literal, get_args

from pydantic import AwareDatetime, Field

from schakel.message import (
    Bsn,
    BsnStatus,
    Code,
    Contact,
    FreeText,
    Frozen,
    MemberId,
    Names,
    PartialDate,
    Phase,
    Programme,
    Reference,
    Sex,
)
from schakel.records import NewDelivery
from schakel.region import Receiving, Region

NOTICE: Final = "notice@1"
PLAIN: Final = "notice-json"
KNOWN_CHECK_STUF: Final = "known-check-stuf"  # vcobDi01: only a process director can ask by it (soortVerzoeker 04)
KNOWN_CHECK_ASKED: Final = "known-check-asked"
KNOWN_CHECK_ANSWERED: Final = "known-check-answered"

NoticeKind = Literal[
    "effort-asked",
    "effort-answered",
    "effort-ended",
    "effort-cancelled",
    "withdrawal-asked",
    "known-check-asked",
    "known-check-answered",
    "hand-over-asked",
    "hand-over-accepted",
    "hand-over-declined",
    "hand-over-cancelled",
    "on-hold",
    "resumed",
    "closed",
    "admission-decided",
    "asked-voice",
]
KINDS: Final[tuple[NoticeKind, ...]] = get_args(NoticeKind)
# These ask: they carry the answer reference of the matter or the request, and by when the answer is due.
ASKING: Final[frozenset[NoticeKind]] = frozenset(
    {"effort-asked", "withdrawal-asked", "known-check-asked", "hand-over-asked", "asked-voice"}
)
# These tell what a partner has said.
ANSWERED: Final[frozenset[NoticeKind]] = frozenset({"effort-answered", "known-check-answered"})
# Nobody's word stands behind these: that a team declined is its own, and told to who may see the matrix, there.
BY_HUB: Final[frozenset[NoticeKind]] = frozenset({"effort-ended", "hand-over-declined", "on-hold", "resumed"})
# These say whose part it is about, to whom it is not about.
ABOUT: Final[frozenset[NoticeKind]] = frozenset({*ANSWERED, "effort-ended", "hand-over-accepted"})
_EFFORT: Final = ("direction", "level", "from", "until")
# What of the terms and the words each kind carries; what is not listed stays behind, whatever was written down.
TERMS: Final[Mapping[NoticeKind, tuple[str, ...]]] = {
    "effort-asked": (*_EFFORT, "reason"),
    "effort-answered": ("answer", *_EFFORT, "reason"),
    "effort-ended": _EFFORT,
    "effort-cancelled": (*_EFFORT, "reason"),
    "withdrawal-asked": ("reason",),
    "known-check-asked": (),
    "known-check-answered": ("answer", "reason"),
    "hand-over-asked": ("role", "municipality", "reason"),
    "hand-over-accepted": ("role", "municipality", "to"),
    "hand-over-declined": ("role", "to"),  # or not answered in time
    "hand-over-cancelled": ("role", "reason"),
    "on-hold": (),
    "resumed": (),
    "closed": (),
    "admission-decided": ("outcome", "reason"),
    "asked-voice": ("phase",),
}
# In which representation a partner gets a notice, by the one in which it reads a case. A kind that its language has no
# message for is plain JSON.
SPOKEN: Final[Mapping[str, Mapping[NoticeKind, str]]] = {
    "case-stuf": {"known-check-asked": KNOWN_CHECK_STUF},
    "case-fhir": dict.fromkeys(KINDS, "notice-fhir"),
    "case-fhir-xml": dict.fromkeys(KINDS, "notice-fhir-xml"),
}


class NoticeCase(Frozen):
    """Which case, in the recipient's own reference."""

    reference: str
    region: Code
    programme: Programme


class NoticeRequest(Frozen):
    """What to answer with, and by when; as in a case view."""

    reference: Reference
    role: str
    due_at: AwareDatetime | None = None


class NoticeBy(Frozen):
    """Who asks or says this: an organisation, and the function that it asserts for its person. `contact` for who leads
    or walks along only."""

    organisation: str
    oin: str | None = None
    function: FreeText | None = None
    contact: Contact | None = None


class NoticeAbout(Frozen):
    """Whose part it is about, where that is not the recipient."""

    partner: str
    name: str
    role: str


class NoticePerson(Frozen):
    """Who a known check asks about: who somebody is, and never where."""

    id: MemberId
    names: Names = Names()
    born: PartialDate | None = None
    sex: Sex | None = None
    bsn: Bsn | None = None
    bsn_status: BsnStatus | None = None


class NoticeTerms(Frozen):
    """What exactly: each kind has its own of these."""

    answer: Code | None = None  # accepted, adjusted, not-possible; known, unknown, no-answer
    direction: Literal["raise", "lower"] | None = None
    level: FreeText | None = None
    from_: Annotated[AwareDatetime | None, Field(alias="from")] = None
    until: AwareDatetime | None = None
    role: Code | None = None  # the part that changes hands
    to: str | None = None  # the organisation that takes it over
    municipality: Code | None = None
    outcome: Code | None = None  # admitted, triage, referred-back
    phase: Phase | None = None
    reason: FreeText | None = None


class NoticeWithheld(Frozen):
    rule: Code


class Notice(Frozen):
    """`notice@1`: what is asked or told, of which case, by whom."""

    schema_: Literal["notice@1"] = Field(default=NOTICE, alias="schema")
    occasion: NoticeKind
    at: AwareDatetime
    role: str  # in which the recipient gets it
    case: NoticeCase
    request: NoticeRequest | None = None
    by: NoticeBy
    about: NoticeAbout | None = None
    terms: NoticeTerms = NoticeTerms()
    persons: tuple[NoticePerson, ...] = ()
    withheld: tuple[NoticeWithheld, ...] = ()


class Notices:
    """Makes the deliveries; what stands in them is made when they are first sent."""

    def __init__(self, *, region: Region, new_id: Callable[[], str]) -> None:
        self._region = region
        self._new_id = new_id

    def notice(
        self,
        kind: NoticeKind,
        happened: str,
        partner: str,
        role: str,
        urgency: str,
        request_id: str | None = None,
        *,
        programme: str = "",
    ) -> NewDelivery:
        """`happened`: the id of the matter or the ledger entry that is told of; `role`: the partner's own in the case;
        `request_id`: the request whose reference an answer to it carries, where no matter has one of its own;
        `programme`: of the case, where a language can say a notice in one programme only."""
        known = self._region.partner(partner)
        reached = (known.receives if known else None) or Receiving()
        representation = reached.notices.get(kind) or SPOKEN.get(reached.representation, {}).get(kind, PLAIN)
        if representation == KNOWN_CHECK_STUF and programme != Programme.MDA:
            representation = PLAIN
        # A StUF endpoint takes StUF only: what has no message there waits in the mailbox.
        aside = reached.channel == "stuf" and representation == PLAIN
        return NewDelivery(
            id=self._new_id(),
            recipient=partner,
            role=role,
            channel="mailbox" if aside else reached.channel,
            mode="full" if aside else reached.mode,
            representation=representation,
            urgency=urgency,
            request_id=request_id,
            occasion=f"{kind}:{happened}",
        )
