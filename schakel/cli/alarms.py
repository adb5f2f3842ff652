# SPDX-License-Identifier: EUPL-1.2
"""`schakel alarms`: what rings, and who says that he has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from schakel.cli.complaint import Exit
from schakel.cli.console import AsJson, By, clock_time, named, run, show_json, show_table, stop
from schakel.cli.opened import opened_books

if TYPE_CHECKING:
    from schakel.records import AlarmRow

group = typer.Typer(help="Alarms: what rings, and who has it.", no_args_is_help=True)


@group.command("list")
def list_(as_json: AsJson = False) -> None:
    """Every alarm that nobody has acknowledged, oldest first, with those that were."""
    rows = run(_alarms())
    if as_json:
        show_json([_json(row) for row in rows])
        return
    show_table(
        ("alarm", "since", "owner", "cause", "about", "count", "tries", "reached", "acknowledged by", "what to do"),
        [
            (
                r.id,
                clock_time(r.raised_at),
                r.owner,
                r.cause,
                r.subject,
                r.count,
                r.attempts,
                "yes" if r.delivered_at else "NO",
                r.acknowledged_by,
                r.nl,
            )
            for r in rows
        ],
    )


@group.command("ack")
def acknowledge(
    alarm: Annotated[str, typer.Argument(metavar="ID", help="The alarm.")], by: By, as_json: AsJson = False
) -> None:
    """Says that a person has it: the alarm stops ringing. It does not solve the cause."""
    if not run(_acknowledge(alarm, named(by, "--by"))):
        raise stop(Exit.NOT_FOUND, "no such alarm, or acknowledged already")
    if as_json:
        show_json({"acknowledged": alarm, "by": by})
    else:
        typer.echo(f"{alarm} acknowledged")


async def _alarms() -> list[AlarmRow]:
    async with opened_books() as books:
        return sorted(await books.store.alarms(), key=lambda row: row.raised_at)


async def _acknowledge(alarm: str, by: str) -> bool:
    async with opened_books() as books:
        return await books.store.acknowledge(alarm, by=by, now=books.clock.now())


def _json(row: AlarmRow) -> dict[str, object]:
    return {
        "id": row.id,
        "owner": row.owner,
        "cause": row.cause,
        "subject": row.subject,
        "count": row.count,
        "step": row.step,
        "attempts": row.attempts,
        "nl": row.nl,
        "en": row.en,
        "raisedAt": row.raised_at.isoformat(),
        "deliveredAt": row.delivered_at.isoformat() if row.delivered_at else None,
        "acknowledgedBy": row.acknowledged_by,
    }
