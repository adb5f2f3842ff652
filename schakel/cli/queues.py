# SPDX-License-Identifier: EUPL-1.2
"""`schakel queues`: what waits for whom and why, in 80 columns; and a partner left alone for a time, with a reason."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import textwrap
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from schakel.cli.complaint import Exit
from schakel.cli.console import AsJson, Reason, clock_time, named, os_user, run, show_json, stop, utc_time
from schakel.cli.moments import age, ahead
from schakel.cli.opened import opened_books

if TYPE_CHECKING:
    from schakel.hub import Books
    from schakel.operating import Backlog, Pause, Queue

group = typer.Typer(help="What waits for each partner; pause and resume.", invoke_without_command=True)
PartnerName = Annotated[str, typer.Argument(metavar="PARTNER", help="The partner's id in the region.")]
Who = Annotated[str | None, typer.Option("--by", help="Who decides; none: the user of this machine.")]

WIDTH: Final = 80
_HEADS: Final = (
    ("partner", "wacht", "haalt", "apart", "oudste", "breker", "laat", "gelukt"),
    ("(partner)", "waits", "fetch", "aside", "oldest", "breaker", "late", "ok"),
)
_WIDTHS: Final = (33, 5, 5, 5, 6, 8, 4, 6)
_CLEAR: Final = "\x1b[H\x1b[2J"


@group.callback()
def queues(
    context: typer.Context,
    as_json: AsJson = False,
    watch: Annotated[bool, typer.Option("--watch", help="Again every few seconds, until Ctrl-C.")] = False,
    every: Annotated[float, typer.Option("--every", min=0.1, help="Seconds between two looks.")] = 2.0,
    looks: Annotated[int, typer.Option("--looks", min=0, help="How many looks; 0: until Ctrl-C.")] = 0,
) -> None:
    """What waits for each partner: to be sent, to be fetched, set aside; how old, and why."""
    if context.invoked_subcommand is None:
        with contextlib.suppress(KeyboardInterrupt):
            run(_look(as_json, every=every, looks=looks if watch else 1))


@group.command("pause")
def pause(
    partner: PartnerName,
    reason: Reason,
    until: Annotated[str, typer.Option("--until", help="2h, 09:00 or 2026-11-22 09:00; within seven days.")],
    by: Who = None,
    as_json: AsJson = False,
) -> None:
    """Sends nothing to a partner until then. An alarm rings when it ends, and at once when a crisis waits for it."""
    made = run(_pause(partner, until, named(by or os_user(), "--by"), named(reason, "--reason")))
    if made is None:
        raise stop(Exit.NOT_FOUND, "geen partner met deze naam die iets krijgt (no such partner that gets anything)")
    if as_json:
        show_json({"partner": partner, "pause": _pause_json(made)})
    else:
        typer.echo(f"{partner}: gepauzeerd tot (paused until) {clock_time(made.until)}")


@group.command("resume")
def resume(partner: PartnerName, reason: Reason, by: Who = None, as_json: AsJson = False) -> None:
    """Ends a pause before its time: what waits is sent at once."""
    if not run(_resume(partner, named(by or os_user(), "--by"), named(reason, "--reason"))):
        raise stop(Exit.NOT_FOUND, "deze partner staat niet op pauze (this partner is not paused)")
    if as_json:
        show_json({"partner": partner, "pause": None})
    else:
        typer.echo(f"{partner}: pauze opgeheven (resumed)")


async def _look(as_json: bool, *, every: float, looks: int) -> None:
    async with opened_books() as books:
        done = 0
        while True:
            now = books.clock.now()
            backlog = await books.store.backlog(now=now)
            if as_json:
                show_json(to_json(books, backlog, now))
            else:
                if looks != 1 and sys.stdout.isatty():
                    typer.echo(_CLEAR, nl=False)
                typer.echo("\n".join(lines(every_queue(books, backlog), backlog, now)))
            done += 1
            if done == looks:
                return
            await asyncio.sleep(every)


async def _pause(partner: str, until: str, by: str, reason: str) -> Pause | None:
    from schakel.operating import Pause

    async with opened_books() as books:
        known = books.region.partner(partner)
        if known is None or known.receives is None:
            return None
        now = books.clock.now()
        made = Pause(partner=partner, by=by, reason=reason, paused_at=now, until=ahead(until, "--until", now=now))
        await books.store.pause(made)
        return made


async def _resume(partner: str, by: str, reason: str) -> bool:
    async with opened_books() as books:
        return await books.store.resume(partner, by=by, reason=reason, now=books.clock.now())


# -- how it looks ------------------------------------------------------------------------------------------------------


def every_queue(books: Books, backlog: Backlog) -> list[Queue]:
    """Of each partner that gets something in this region, and of those of before; what is idle comes last."""
    from schakel.operating import Queue

    there = {one.partner: one for one in backlog.queues}
    mine = {one.id: Queue(one.id) for one in books.region.partners if one.receives}
    return sorted({**mine, **there}.values(), key=lambda one: (_idle(one), one.partner))


def _idle(one: Queue) -> bool:
    return not (one.waiting or one.notified or one.parked or one.overdue or one.pause or one.breaker_open_until)


def lines(queues: list[Queue], backlog: Backlog, now: datetime) -> Iterator[str]:
    """The table, each partner on one line of at most 80 columns; why it stands still on the next."""
    for head in _HEADS:
        yield _line(head)
    for one in queues:
        yield _line(_cells(one, now))
        if one.last_reason is not None:
            yield from _beneath(f"laatste reden (last reason): {one.last_reason}")
        if one.pause is not None:
            yield from _beneath(f"pauze (paused) tot {clock_time(one.pause.until)}, {one.pause.by}: {one.pause.reason}")
    yield ""
    rung = f"{backlog.alarms_open}, onbereikt (unreached) {backlog.alarms_undelivered}"
    yield from textwrap.wrap(
        f"apart gezette berichten (messages set aside): {backlog.parked_messages}; alarmen (alarms): {rung}; "
        f"audit nog niet in de keten (not linked yet): {backlog.audit_unlinked}",
        WIDTH,
    )


def _cells(one: Queue, now: datetime) -> tuple[str, ...]:
    if one.pause is not None:
        gate = "pauze"
    elif one.breaker_open_until is not None:
        gate = "open" if one.breaker_open_until <= now else f"open {age(one.breaker_open_until, now=now)}"
    else:
        gate = "-"
    return (
        one.partner,
        str(one.waiting),
        str(one.notified),
        str(one.parked),
        age(one.oldest, now=now) or "-",
        gate,
        str(one.overdue),
        age(one.last_success, now=now) or "-",
    )


def _line(cells: tuple[str, ...]) -> str:
    name, *rest = cells
    width, *widths = _WIDTHS
    return " ".join([name.ljust(width), *(cell.rjust(size) for cell, size in zip(rest, widths, strict=True))])


def _beneath(text: str) -> Iterator[str]:
    yield from textwrap.wrap(text, WIDTH, initial_indent="    ", subsequent_indent="    ")


def to_json(books: Books, backlog: Backlog, now: datetime) -> dict[str, Any]:
    return {
        "at": utc_time(now),
        "partners": [
            {
                "partner": one.partner,
                "opaque": books.opaque(one.partner),
                "waiting": one.waiting,
                "notified": one.notified,
                "parked": one.parked,
                "oldest": utc_time(one.oldest),
                "breakerOpenUntil": utc_time(one.breaker_open_until),
                "lastSuccess": utc_time(one.last_success),
                "lastReason": one.last_reason,
                "overdueAnswers": one.overdue,
                "pause": None if one.pause is None else _pause_json(one.pause),
            }
            for one in every_queue(books, backlog)
        ],
        "parkedMessages": backlog.parked_messages,
        "alarmsOpen": backlog.alarms_open,
        "alarmsUndelivered": backlog.alarms_undelivered,
        "auditUnlinked": backlog.audit_unlinked,
    }


def _pause_json(pause: Pause) -> dict[str, Any]:
    return {
        "by": pause.by,
        "reason": pause.reason,
        "pausedAt": utc_time(pause.paused_at),
        "until": utc_time(pause.until),
    }
