# SPDX-License-Identifier: EUPL-1.2
"""`schakel doctor`: is everything there that the hub needs, and what to do about what is not."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import typer

from schakel.cli.complaint import Exit
from schakel.cli.console import AsJson, run, show_json, stop
from schakel.cli.opened import read_settings

if TYPE_CHECKING:
    from schakel.cli.checkup.check import Check

WIDTH: Final = 80
_MARKS: Final = {"ok": "goed   (ok)     ", "attention": "let op (look)   ", "wrong": "FOUT   (wrong)  "}


def doctor(as_json: AsJson = False) -> None:
    """Looks at configuration, keys, disk, certificates, database, clock, broker, secrets and the ways of alarms; each
    line says what to do. Changes nothing. 1: something is wrong."""
    from schakel.bootstrap import SystemClock
    from schakel.cli.checkup.check import State
    from schakel.cli.checkup.every import every_check

    found = run(every_check(read_settings(), SystemClock().now))
    bad = sum(one.state is State.WRONG for one in found)
    doubtful = sum(one.state is State.ATTENTION for one in found)
    if as_json:
        show_json({"ok": not bad, "wrong": bad, "attention": doubtful, "checks": [_json(one) for one in found]})
    else:
        for one in sorted(found, key=lambda one: (State.WRONG, State.ATTENTION, State.OK).index(one.state)):
            for line in _lines(one):
                typer.echo(line)
    if bad:
        raise stop(Exit.WRONG, f"{bad} fout (wrong), {doubtful} let op (to look at)")


def _lines(one: Check) -> Iterator[str]:
    mark = _MARKS[one.state.value]
    said = one.nl if one.nl == one.en else f"{one.nl} ({one.en})"
    indent = " " * len(mark)
    yield from textwrap.wrap(f"{mark}{one.name}: {said}", WIDTH, subsequent_indent=indent, drop_whitespace=True)
    if one.next_nl:
        do = one.next_nl if one.next_nl == one.next_en else f"{one.next_nl} ({one.next_en})"
        yield from textwrap.wrap(f"{indent}→ {do}", WIDTH, subsequent_indent=f"{indent}  ")


def _json(one: Check) -> dict[str, Any]:
    return {
        "name": one.name,
        "state": one.state.value,
        "nl": one.nl,
        "en": one.en,
        "next": {"nl": one.next_nl, "en": one.next_en} if one.next_nl else None,
    }
