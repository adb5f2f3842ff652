# SPDX-License-Identifier: EUPL-1.2
"""Says what was expected of a partner and what came instead, in both languages and without a byte of what came."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from schakel.errors import Finding, Malformed, Refusal, UnsupportedFormat

RULE: Final = "format:not-expected"


@dataclass(frozen=True, slots=True)
class Likeness:
    """What a document looks like, as people call it. `read_by`: the formats that may read such a document; none reads
    what is foreign."""

    nl: str
    en: str
    read_by: tuple[str, ...] = ()


LooksLike = Callable[[bytes], Likeness]


class Named(Protocol):
    """What is said of a format."""

    @property
    def name(self) -> str: ...
    @property
    def media_types(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a partner may send at one door: formats, and what needs no format (name and media type)."""

    formats: tuple[Named, ...]
    plain: tuple[str, str] | None = None
    as_answer: bool = False

    def media_types(self) -> tuple[str, ...]:
        own = (self.plain[1],) if self.plain else ()
        return tuple(dict.fromkeys((*own, *(each for one in self.formats for each in one.media_types))))

    def finding(self, seen: Likeness) -> Finding:
        """Expected of this partner: …; this looks like: …."""
        named = [f"{self.plain[0]} ({self.plain[1]})"] if self.plain else []
        named += [f"{one.name} ({', '.join(one.media_types)})" for one in self.formats]
        expected = ", ".join(named) or "-"
        nl, en = (" als antwoord", " as an answer") if self.as_answer else ("", "")
        return Finding(
            "body",
            RULE,
            f"Verwacht van deze partner{nl}: {expected}. Dit lijkt op: {seen.nl}.",
            f"Expected of this partner{en}: {expected}. This looks like: {seen.en}.",
        )

    def explain(self, refusal: Refusal, body: bytes, looks_like: LooksLike, *, tried: str | None = None) -> Refusal:
        """The same refusal with a finding more, where a look at the bytes tells more than what is wrong with them: when
        no format reads it, or when it is broken for the format `tried` and is of another kind anyhow."""
        if any(each.rule == RULE for each in refusal.findings):
            return refusal
        seen = looks_like(body)
        unread = isinstance(refusal, UnsupportedFormat)
        broken = isinstance(refusal, Malformed) and refusal.status == Malformed.status
        if not unread and not (broken and tried is not None and tried not in seen.read_by):
            return refusal
        return type(refusal)(
            *refusal.findings, self.finding(seen), status=refusal.status, retry_after=refusal.retry_after
        )
