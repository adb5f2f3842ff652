# SPDX-License-Identifier: EUPL-1.2
"""`schakel retention`: erases what is past its term, or says what that would be."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from schakel.cli.console import AsJson, os_user, run, show_fields, show_json
from schakel.cli.opened import opened_books

if TYPE_CHECKING:
    from schakel.operating import Erased

group = typer.Typer(help="What is kept too long, and its end.", no_args_is_help=True)
DryRun = Annotated[bool, typer.Option("--dry-run", help="Says what would go; nothing does.")]
Who = Annotated[str | None, typer.Option("--by", help="Who does this; none: the user of this machine.")]

NAMES = {
    "raw": "messages, as they came in",
    "rendered": "deliveries, as they went out",
    "cases": "contents of closed cases, with their keys",
    "strays": "messages and answers that belong to no case",
    "ledgers": "ledgers of closed cases",
    "audit": "audit rows",
    "spared": "spared: not final, a person must act first",
}


@group.command("run")
def run_(dry_run: DryRun = False, by: Who = None, as_json: AsJson = False) -> None:
    """Erases what is past its term (retention.yaml), as the clock does every hour. Each stands in the audit."""
    erased = run(_run(dry_run, by or os_user()))
    if as_json:
        show_json({"dryRun": dry_run, **asdict(erased)})
        return
    show_fields({"dry run": "nothing was erased" if dry_run else None})
    show_fields({NAMES[name]: number for name, number in asdict(erased).items()})


async def _run(dry_run: bool, by: str) -> Erased:
    from schakel.retention import Retention

    async with opened_books() as books:
        retention = Retention(store=books.store)
        now = books.clock.now()
        return await (retention.overdue(now) if dry_run else retention.run(now, by=by))
