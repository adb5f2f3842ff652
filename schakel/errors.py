# SPDX-License-Identifier: EUPL-1.2
"""One tree of errors; each class is a decision about what happens next.

::

    SchakelError
    ├── Refusal                  the sender is told, nothing is kept as accepted
    │   ├── Malformed            400  the bytes are not what they say they are
    │   ├── UnsupportedFormat    415  no format of this partner reads such a document
    │   ├── NotAcceptable        406  we cannot answer in the form asked for
    │   ├── Unauthenticated      401  we do not know who asks
    │   ├── Forbidden            403  we know who asks, and he may not
    │   ├── NotFound             404  nothing of that name that the asker may know of
    │   ├── Conflict             409  the same reference with other content, or a move the table of states lacks
    │   ├── Throttled            429  too much at once; come back
    │   └── Unacceptable         503  the store cannot promise durability now; 507 when the disk is full
    ├── Unmappable               park: accepted, kept, a person decides
    ├── TemporaryFailure         retry by schedule, then probe slowly and tell a human
    ├── RecipientGone            open the breaker, alarm at once, keep probing
    ├── PoisonDelivery           park the delivery: trying again cannot help
    ├── LeaseLost                stop: another worker has the lane
    ├── Tampered                 refuse to open: sealed bytes are not where or what they were
    └── ConfigurationError       refuse to start: names the file, the place and the rule

A text in an error names a place and a rule, never a value: it may be logged, shown and mailed.
"""

from __future__ import annotations

from dataclasses import dataclass


class SchakelError(Exception):
    """The root; never raised itself."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: where (a path or position), by which rule, in both languages; never the value."""

    place: str
    rule: str
    nl: str
    en: str


class Refusal(SchakelError):
    """Tell the sender and keep nothing as accepted. `status` is the HTTP answer."""

    status = 400
    slug = "refused"
    title_nl = "Geweigerd"
    title_en = "Refused"

    def __init__(self, *findings: Finding, status: int | None = None, retry_after: int | None = None) -> None:
        super().__init__("; ".join(f"{f.place}: {f.rule}" for f in findings) or self.slug)
        self.findings = findings
        self.retry_after = retry_after
        if status is not None:
            self.status = status


class Malformed(Refusal):
    """The bytes are not what they say they are: refuse, 400 (413 too large, 408 too slow)."""

    slug = "malformed"
    title_nl = "Het bericht is niet leesbaar"
    title_en = "The message cannot be read"


class UnsupportedFormat(Refusal):
    """No format that this partner sends in reads such a document: refuse, 415."""

    status = 415
    slug = "unsupported-format"
    title_nl = "Dit formaat wordt niet gelezen"
    title_en = "This format is not read here"


class NotAcceptable(Refusal):
    """We cannot answer in any form the asker takes: refuse, 406."""

    status = 406
    slug = "not-acceptable"
    title_nl = "Geen antwoord mogelijk in de gevraagde vorm"
    title_en = "No answer possible in the form asked for"


class Unauthenticated(Refusal):
    """We do not know who asks: refuse, 401, and say no more."""

    status = 401
    slug = "unauthenticated"
    title_nl = "Niet aangemeld"
    title_en = "Not authenticated"


class Forbidden(Refusal):
    """We know who asks and he may not: refuse, 403."""

    status = 403
    slug = "forbidden"
    title_nl = "Niet toegestaan"
    title_en = "Not allowed"


class NotFound(Refusal):
    """Nothing of that name that the asker may know of: refuse, 404; absent and hidden look the same."""

    status = 404
    slug = "not-found"
    title_nl = "Niet gevonden"
    title_en = "Not found"


class Conflict(Refusal):
    """The same message reference with other content, or a move that the table of states does not hold: refuse, 409."""

    status = 409
    slug = "conflict"
    title_nl = "In strijd met wat al bekend is"
    title_en = "Conflicts with what is known"


class Throttled(Refusal):
    """Too much at once: refuse, 429 with Retry-After."""

    status = 429
    slug = "throttled"
    title_nl = "Te veel tegelijk"
    title_en = "Too much at once"


class Unacceptable(Refusal):
    """Durability cannot be promised now: refuse, 503 with Retry-After (507 when the disk is full); never 202."""

    status = 503
    slug = "store-unavailable"
    title_nl = "Nu niet veilig aan te nemen"
    title_en = "Cannot be accepted safely now"


class Unmappable(SchakelError):
    """Well-formed but not mappable: accept, keep and park with a cause that a person can act on.

    `cause` is a machine name from `schakel.states.ParkCause`; `findings` say where and by which rule.
    """

    def __init__(self, cause: str, *findings: Finding) -> None:
        super().__init__(f"{cause}: " + "; ".join(f"{f.place}: {f.rule}" for f in findings))
        self.cause = cause
        self.findings = findings


class TemporaryFailure(SchakelError):
    """The other side did not take it this time: retry by schedule. `reason`: machine name, `retry_after`: seconds."""

    def __init__(self, reason: str, *, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after


class RecipientGone(SchakelError):
    """410: the endpoint was taken away; open the breaker, alarm at once, keep probing; only an operator disables."""


class PoisonDelivery(SchakelError):
    """Trying again cannot help (cannot be rendered, three crashes alone): park the delivery and alarm."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class LeaseLost(SchakelError):
    """Another worker holds the lane now: stop, write nothing."""


class Tampered(SchakelError):
    """Sealed bytes do not belong to this table, row, purpose or key: do not open, alarm."""


class ConfigurationError(SchakelError):
    """The configuration is wrong: refuse to start. Names file, place and rule."""

    def __init__(self, *findings: Finding) -> None:
        super().__init__("\n".join(f"{f.place}: {f.en} [{f.rule}]" for f in findings))
        self.findings = findings
