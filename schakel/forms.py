# SPDX-License-Identifier: EUPL-1.2
"""What somebody may say in a case, as published JSON: one form per door, each filled in the same on HTTP and on the
command line.

The organisation's key vouches for the person it names (`actor`): recorded as asserted. `kind` and `fields` are what
`schakel/acting.py` reads of a form.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, Field, model_validator

from schakel.message import Code, Contact, FreeText, Frozen
from schakel.region import PartnerId, Serves

AskedRole = Literal["partner", "lead", "duo", "process-director", "case-director"]
Short = Annotated[str, Field(min_length=1, max_length=200)]


class Actor(Frozen):
    """Who says it, as the organisation asserts."""

    name: Short
    function: Short


class Form(Frozen):
    """On whose word, since when, and where that can be found."""

    actor: Actor
    medium: Literal["own-system", "phone", "letter"] = "own-system"
    evidence: FreeText | None = None
    valid_from: AwareDatetime | None = None
    valid_to: AwareDatetime | None = None

    @property
    def kind(self) -> str:
        """The kind of act."""
        raise NotImplementedError

    @property
    def fields(self) -> dict[str, Any]:
        """What the kind needs, as plain JSON."""
        about = {"actor", "medium", "evidence", "validFrom", "validTo", "action"}
        return {name: value for name, value in self.to_json().items() if name not in about}

    @property
    def word(self) -> dict[str, Any]:
        """The arguments of acting.Said."""
        return {
            "name": self.actor.name,
            "function": self.actor.function,
            "medium": self.medium,
            "evidence": self.evidence or "",
            "valid_from": self.valid_from,
            "valid_to": self.valid_to,
        }

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> Self:
        if self.valid_from is not None and self.valid_to is not None and self.valid_to <= self.valid_from:
            raise ValueError("form: valid to comes after valid from")
        return self


class InvolvementForm(Form):
    """A partner is asked in, established as involved or released, asked to leave, or takes the case over; or its answer
    by telephone or letter is written down (`word`). `withdraw`: a coordinator ends what its partner does not end."""

    action: Literal["ask", "establish", "release", "withdrawal", "withdraw", "hand-over", "word"]
    partner: PartnerId
    role: AskedRole = "partner"
    phase: Code | None = None
    serves: Serves | None = None
    municipality: Code | None = None  # of a hand-over: where the case goes on
    answer: Literal["in-consideration", "confirmed", "declined", "withdrawn", "completed", "noted"] | None = None
    reason_code: Code | None = None
    reason_text: FreeText | None = None
    contact: Contact | None = None
    reason: FreeText | None = None

    @property
    def kind(self) -> str:
        return self.action

    @property
    def fields(self) -> dict[str, Any]:
        known = super().fields
        if self.action == "hand-over":
            known["to"] = known.pop("partner")
        return known

    @model_validator(mode="after")
    def _fits_the_action(self) -> Self:
        if self.action in ("withdrawal", "withdraw", "hand-over") and self.reason is None:
            raise ValueError("involvement: this needs a reason")
        if self.action != "ask" and (self.phase is not None or self.serves is not None):
            raise ValueError("involvement: phase and serves belong to asking")
        if (self.action == "word") != (self.answer is not None):
            raise ValueError("involvement: answer belongs to word, and word needs it")
        if self.action != "word" and (self.reason_code or self.reason_text or self.contact):
            raise ValueError("involvement: reason code, reason text and contact belong to word")
        return self


class EffortForm(Form):
    """A partner is asked to raise or lower its effort for a time (S4)."""

    partner: PartnerId
    role: AskedRole = "partner"
    direction: Literal["raise", "lower"]
    level: Short
    from_: AwareDatetime = Field(alias="from")
    until: AwareDatetime
    reason: FreeText

    @property
    def kind(self) -> str:
        return "effort"


class KnownCheckForm(Form):
    """Is this person known to you? Of each partner, about each member (ids in the case message)."""

    partners: Annotated[tuple[PartnerId, ...], Field(min_length=1, max_length=50)]
    members: Annotated[tuple[Short, ...], Field(min_length=1, max_length=50)]

    @property
    def kind(self) -> str:
        return "known-check"


class EventForm(Form):
    """Something happened in the case: a milestone, the weighing's outcome (MDA++), a partner's voice in it, a `note`;
    or the lead takes back what it asked (`cancel`)."""

    event: Code
    at: AwareDatetime | None = None
    phase: Code | None = None
    note: FreeText | None = None
    reason: FreeText | None = None
    outcome: Literal["admitted", "triage", "referred-back"] | None = None  # of the event `admission`
    partner: PartnerId | None = None  # of `voice`, whose; of `ask-voice`, of whom (none: the whole covenant)
    voice: Literal["admit", "not-admit", "abstain"] | None = None
    contact_history: FreeText | None = None
    matter: Short | None = None  # of `cancel`: what was asked, by the id that its reply gave

    @property
    def kind(self) -> str:
        return self.event if self.event in ("admission", "voice", "ask-voice", "note", "cancel") else "milestone"

    @property
    def fields(self) -> dict[str, Any]:
        known = super().fields
        return known if self.kind == "milestone" else {k: v for k, v in known.items() if k != "event"}

    @model_validator(mode="after")
    def _fits_the_event(self) -> Self:
        if (self.event == "admission") != (self.outcome is not None):
            raise ValueError("event: outcome belongs to admission, and admission needs it")
        if (self.event == "voice") != (self.voice is not None):
            raise ValueError("event: voice belongs to the event voice, and it needs one")
        if (self.event == "cancel") != (self.matter is not None):
            raise ValueError("event: matter belongs to cancel, and cancel needs it")
        return self


class ClosureForm(Form):
    """The case is closed; the local team keeps a finger on the pulse (S4)."""

    reason: FreeText

    @property
    def kind(self) -> str:
        return "close"


FORMS: dict[str, type[Form]] = {
    "involvements": InvolvementForm,
    "effort-requests": EffortForm,
    "known-checks": KnownCheckForm,
    "events": EventForm,
    "closure": ClosureForm,
}
