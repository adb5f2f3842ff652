# SPDX-License-Identifier: EUPL-1.2
"""Codebooks: dated tables from a source's codes to ours. A code that is not in the book parks the message."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field

from schakel.errors import ConfigurationError
from schakel.strict_yaml import Strict, fault, near, read_yaml

PACKAGED: Final = Path(__file__).parent / "codebooks"
LOCAL: Final = ZoneInfo("Europe/Amsterdam")  # a code's first and last day are days in the Netherlands


def _day(value: object) -> object:
    return date.fromisoformat(value) if isinstance(value, str) else value


Day = Annotated[date, BeforeValidator(_day)]


class _Entry(Strict):
    to: str | bool | None
    nl: str | None = None
    agreement: Literal["local"] | None = None  # the standard does not say so: agreed with the partners of a region
    valid_from: Day | None = None
    valid_to: Day | None = None  # the last day on which the code holds


class _File(Strict):
    codebook: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
    version: Annotated[str, Field(min_length=1)]
    source: Annotated[str, Field(min_length=1)]
    valid_from: Day | None = None
    valid_to: Day | None = None
    otherwise: str | None = None  # outgoing only: their word for what of ours they have no word for
    entries: Annotated[dict[str, str | bool | _Entry | None], Field(min_length=1)]


class UnknownCode(Exception):
    """The code is not in the book, or not on this day. Holds no value. `rule`: `unknown` or `not-valid-on-date`."""

    def __init__(self, rule: str) -> None:
        super().__init__(rule)
        self.rule = rule


@dataclass(frozen=True, slots=True)
class Codebook:
    """One table. `entries`: the source's code → (our code, first day, last day); a `null` target means: known, says
    nothing. `otherwise`: for every other code; None: it is unknown."""

    name: str
    version: str
    source: str
    entries: Mapping[str, tuple[str | bool | None, date | None, date | None]]
    otherwise: str | None = None

    def translate(self, code: str, *, now: datetime) -> str | bool | None:
        """Our code for the source's. Exact match only. Raises UnknownCode."""
        try:
            to, first, last = self.entries[code]
        except KeyError:
            if self.otherwise is not None:
                return self.otherwise
            raise UnknownCode("unknown") from None
        if first is not None or last is not None:
            today = now.astimezone(LOCAL).date()
            if (first is not None and today < first) or (last is not None and today > last):
                raise UnknownCode("not-valid-on-date")
        return to


class CodebookShelf:
    """The codebooks by name."""

    def __init__(self, books: Iterable[Codebook] = ()) -> None:
        """Raises ConfigurationError when two books have one name."""
        self._books: dict[str, Codebook] = {}
        for book in books:
            if book.name in self._books:
                raise ConfigurationError(fault(f"codebooks/{book.name}", "codebook-once", "two codebooks of this name"))
            self._books[book.name] = book

    @classmethod
    def load(cls, *folders: Path) -> CodebookShelf:
        """All `*.yaml` of the folders; the packaged ones when none is named. Raises ConfigurationError."""
        return cls(read_codebook(path) for folder in folders or (PACKAGED,) for path in sorted(folder.glob("*.yaml")))

    def with_own(self, folder: Path) -> CodebookShelf:
        """This shelf with a region's own books: a book of a known name adds its codes to it, or gives them another
        meaning; its version then names both. Raises ConfigurationError."""
        books = dict(self._books)
        for own in (read_codebook(path) for path in sorted(folder.glob("*.yaml"))):
            known = books.get(own.name)
            books[own.name] = own if known is None else _laid_over(known, own)
        return CodebookShelf(books.values())

    def get(self, name: str, *, place: str) -> Codebook:
        """The book of that name. Raises ConfigurationError at `place`."""
        try:
            return self._books[name]
        except KeyError:
            text = f"there is no codebook {name}{near(name, list(self._books))}"
            raise ConfigurationError(fault(place, "codebook-exists", text)) from None

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self._books))


def _laid_over(book: Codebook, own: Codebook) -> Codebook:
    return Codebook(
        name=book.name,
        version=f"{book.version}+{own.version}",
        source=f"{book.source}; {own.source}",
        entries={**book.entries, **own.entries},
        otherwise=own.otherwise if own.otherwise is not None else book.otherwise,
    )


def read_codebook(path: Path) -> Codebook:
    """One file. Raises ConfigurationError; the name in the file is the file's own."""
    file = read_yaml(path, _File)
    if file.codebook != path.stem:
        raise ConfigurationError(fault(f"codebooks/{path.name}", "codebook-named-as-file", "carries another name"))
    entries = {}
    for code, entry in file.entries.items():
        one = entry if isinstance(entry, _Entry) else _Entry(to=entry)
        entries[code] = (one.to, one.valid_from or file.valid_from, one.valid_to or file.valid_to)
    return Codebook(
        name=file.codebook, version=file.version, source=file.source, entries=entries, otherwise=file.otherwise
    )
