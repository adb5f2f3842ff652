# SPDX-License-Identifier: EUPL-1.2
"""What the commands share: options, data on stdout as JSON or aligned, moments, and the end of a command."""

from __future__ import annotations

import asyncio
import getpass
import json
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Final, TypeVar
from zoneinfo import ZoneInfo

import typer

from schakel.cli.complaint import Exit, say
from schakel.errors import Finding

T = TypeVar("T")
LOCAL: Final = ZoneInfo("Europe/Amsterdam")  # whoever reads a screen at night looks at a Dutch clock


AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, for machines.")]
By = Annotated[str, typer.Option("--by", help="Who decides: a person's name; it stands in the audit.")]
Reason = Annotated[str, typer.Option("--reason", help="Why, in a few words; it stands in the audit.")]


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


def show_finding(finding: Finding) -> dict[str, str]:
    return {"place": finding.place, "rule": finding.rule, "nl": finding.nl, "en": finding.en}


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
