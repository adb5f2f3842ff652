# SPDX-License-Identifier: EUPL-1.2
"""What every command shares: exit codes, data on stdout, progress on stderr, errors as a place and a rule."""

from __future__ import annotations

import asyncio
import getpass
import json
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from datetime import datetime
from enum import IntEnum
from typing import Annotated, Any, Final, TypeVar
from zoneinfo import ZoneInfo

import typer

from schakel.errors import (
    ConfigurationError,
    Finding,
    LeaseLost,
    NotFound,
    PoisonDelivery,
    RecipientGone,
    Refusal,
    SchakelError,
    Tampered,
    TemporaryFailure,
    Unacceptable,
    Unmappable,
)

T = TypeVar("T")
LOCAL: Final = ZoneInfo("Europe/Amsterdam")  # whoever reads a screen at night looks at a Dutch clock


LABELS: Final[Mapping[type[SchakelError], tuple[str, str]]] = {
    ConfigurationError: ("Instelling of bestand klopt niet", "Wrong setting or file"),
    Unmappable: ("Niet te vertalen", "Cannot be mapped"),
    TemporaryFailure: ("Nu niet gelukt", "Did not work this time"),
    RecipientGone: ("De ontvanger is weg", "The recipient is gone"),
    PoisonDelivery: ("Kan niet worden gemaakt", "Cannot be made"),
    LeaseLost: ("Een ander heeft het overgenomen", "Another has taken over"),
    Tampered: ("Verzegelde gegevens zijn veranderd", "Sealed data were changed"),
}


class Exit(IntEnum):
    """How a command ends; docs/commands.md explains each (a test holds the two together)."""

    OK = 0
    WRONG = 1  # it looked and found something wrong: a hole, a finding, a failed example
    USAGE = 2  # called or configured wrongly; nothing was done
    REFUSED = 3  # understood and refused: by the hub's rules or by the hub that was asked
    NOT_FOUND = 4  # nothing of that name
    UNREACHABLE = 5  # the hub or the store cannot be reached now; trying again may help


AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, for machines.")]
By = Annotated[str, typer.Option("--by", help="Who decides: a person's name; it stands in the audit.")]
Reason = Annotated[str, typer.Option("--reason", help="Why, in a few words; it stands in the audit.")]


def say(text: str) -> None:
    """Progress and hints, for people: stderr."""
    typer.echo(text, err=True)


def show_json(data: Any) -> None:
    """Data for machines: one document on stdout."""
    typer.echo(json.dumps(data, ensure_ascii=False, indent=2))


def show_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Data for people: aligned columns on stdout, each row on one line, so that `grep` and `cut` work."""
    lines = [tuple(columns), *(tuple("" if cell is None else str(cell) for cell in row) for row in rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(columns))]
    for line in lines:
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
        typer.echo("  ".join(cells).rstrip())


def show_fields(fields: Mapping[str, object]) -> None:
    """One thing for people: a name and a value per line; what is not there has no line."""
    there = {name: value for name, value in fields.items() if value not in (None, "")}
    width = max((len(name) for name in there), default=0)
    for name, value in there.items():
        typer.echo(f"{name.ljust(width)}  {value}")


def clock_time(moment: datetime | None) -> str | None:
    """A moment for people: Dutch time with its offset, to the second."""
    return None if moment is None else moment.astimezone(LOCAL).isoformat(" ", "seconds")


def utc_time(moment: datetime | None) -> str | None:
    """A moment for machines: RFC 3339 in UTC, to the second."""
    return None if moment is None else moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def told(finding: Finding) -> str:
    """A finding on one line: where, what (Dutch, then English), and the rule that says so."""
    text = finding.nl if finding.en in finding.nl else f"{finding.nl} ({finding.en})"
    return f"{finding.place}: {text} [{finding.rule}]"


def show_finding(finding: Finding) -> dict[str, str]:
    return {"place": finding.place, "rule": finding.rule, "nl": finding.nl, "en": finding.en}


def exit_code(error: SchakelError) -> Exit:
    """The tree of errors as exit codes: each class is a decision, also for a script."""
    match error:
        case ConfigurationError():
            return Exit.USAGE
        case NotFound():
            return Exit.NOT_FOUND
        case Unacceptable() | TemporaryFailure() | RecipientGone():
            return Exit.UNREACHABLE
        case Refusal():
            return Exit.REFUSED
        case _:
            return Exit.WRONG


def label(error: SchakelError) -> str:
    """What kind of error it is, Dutch first."""
    if isinstance(error, Refusal):
        return f"{error.title_nl} ({error.title_en})"
    nl, en = next((said for kind, said in LABELS.items() if isinstance(error, kind)), ("Fout", "Error"))
    return f"{nl} ({en})"


def complain(error: SchakelError) -> Exit:
    """Tells on stderr what is wrong and where, and gives the exit code."""
    findings: tuple[Finding, ...] = getattr(error, "findings", ())
    name = label(error)
    if not findings:
        say(name if isinstance(error, Refusal) else f"{name}: {error}")
    for finding in findings:
        say(f"{name}: {told(finding)}")
    return exit_code(error)


def stop(code: Exit, text: str | None = None) -> typer.Exit:
    """`raise stop(…)`: ends the command, after a last word on stderr."""
    if text:
        say(text)
    return typer.Exit(int(code))


def run(work: Coroutine[Any, Any, T]) -> T:
    """Runs a command's asynchronous part."""
    return asyncio.run(work)


def os_user() -> str:
    """Who sits at the keyboard, as far as the system knows."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"


def named(name: str, option: str) -> str:
    """A name or reason that is really there; an empty one would make an audit without a person."""
    if not name.strip():
        raise typer.BadParameter("may not be empty", param_hint=option)
    return name.strip()
