# SPDX-License-Identifier: EUPL-1.2
"""`schakel deliveries`: many stuck deliveries at once, tried again or made anew; counted first, then asked."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from schakel.cli.complaint import Exit, say
from schakel.cli.console import AsJson, Reason, clock_time, named, os_user, run, show_json, show_table, stop, utc_time
from schakel.cli.moments import ago
from schakel.cli.opened import opened_books

if TYPE_CHECKING:
    from schakel.hub import Books
    from schakel.operating import Stuck
    from schakel.records import Bell

group = typer.Typer(help="Deliveries that are stuck: list, retry, supersede.", no_args_is_help=True)
BATCH: Final = 100  # deliveries in one transaction

OfPartner = Annotated[str | None, typer.Option("--partner", help="Only this partner's.")]
Because = Annotated[str | None, typer.Option("--because", help="Only with this last reason, e.g. http-500.")]
Since = Annotated[str | None, typer.Option("--since", help="Only made since: 2h (ago) or 2026-11-22 09:00.")]
Who = Annotated[str | None, typer.Option("--by", help="Who decides; none: the user of this machine.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
Limit = Annotated[int, typer.Option("--limit", min=1, help="Stop after so many, the oldest first.")]

Act = Callable[["Books", Sequence["Stuck"], str, str], Awaitable[list["Bell"]]]


@group.command("list")
def list_(partner: OfPartner = None, because: Because = None, since: Since = None, as_json: AsJson = False) -> None:
    """What waits to be sent or is set aside, oldest first: why, how often tried, and when again."""
    found = run(_found(partner, because, since))
    if as_json:
        show_json([_json(one) for one in found])
        return
    show_table(
        ("delivery", "partner", "nr", "state", "reason", "tries", "since", "next"),
        [
            (
                one.id,
                one.partner,
                one.number,
                one.state,
                one.reason,
                one.attempts,
                clock_time(one.created_at),
                clock_time(one.next_at) if one.state == "waiting" else None,
            )
            for one in found
        ],
    )


@group.command("retry")
def retry(
    reason: Reason,
    partner: OfPartner = None,
    because: Because = None,
    since: Since = None,
    limit: Limit = 500,
    yes: Yes = False,
    by: Who = None,
    as_json: AsJson = False,
) -> None:
    """Tries again now: same bytes, what was set aside too; their partners' breakers close. Not agreed: 3."""

    async def act(books: Books, chosen: Sequence[Stuck], who: str, why: str) -> list[Bell]:
        ids = [one.id for one in chosen]
        return await books.store.retry_deliveries(ids, by=who, reason=why, now=books.clock.now())

    _do(act, "opnieuw proberen (try again)", "retried", (partner, because, since), limit, yes, by, reason, as_json)


@group.command("supersede")
def supersede(
    reason: Reason,
    partner: OfPartner = None,
    because: Because = None,
    since: Since = None,
    limit: Limit = 500,
    yes: Yes = False,
    by: Who = None,
    as_json: AsJson = False,
) -> None:
    """Makes each anew, under a new number, from how things are now: after a mapping or address was mended."""

    async def act(books: Books, chosen: Sequence[Stuck], who: str, why: str) -> list[Bell]:
        from schakel.identifiers import ENTROPY_BYTES, uuid7

        now = books.clock.now()
        pairs = [(one.id, uuid7(now, os.urandom(ENTROPY_BYTES))) for one in chosen]
        return await books.store.replace_deliveries(pairs, by=who, reason=why, now=now)

    _do(act, "opnieuw maken (make anew)", "superseded", (partner, because, since), limit, yes, by, reason, as_json)


def _do(
    act: Act,
    what: str,
    done: str,
    filters: tuple[str | None, str | None, str | None],
    limit: int,
    yes: bool,
    by: str | None,
    reason: str,
    as_json: bool,
) -> None:
    who, why = named(by or os_user(), "--by"), named(reason, "--reason")
    found = run(_found(*filters))
    chosen = found[:limit]
    _tell(found, chosen, what)
    if chosen and not yes and not _agreed():
        raise stop(Exit.REFUSED, "niets gedaan (nothing was done)")
    acted = run(_act(act, chosen, who, why)) if chosen else []
    if as_json:
        show_json({"outcome": done, "found": len(found), "deliveries": [bell.delivery_id for bell in acted]})
    else:
        typer.echo(f"{done}: {len(acted)}")
    if len(acted) < len(chosen):
        say(f"{len(chosen) - len(acted)} waren al verder (had moved on meanwhile)")


def _agreed() -> bool:
    """Asked on stderr: stdout is data."""
    typer.echo("Doorgaan? (Go on?) [j/N] ", err=True, nl=False)
    return sys.stdin.readline().strip().lower() in ("j", "ja", "y", "yes")


def _tell(found: Sequence[Stuck], chosen: Sequence[Stuck], what: str) -> None:
    """How many, of whom and why, before anything is done."""
    say(f"{len(found)} gevonden (found); {what}: {len(chosen)}")
    for (partner, state, reason), count in sorted(Counter((c.partner, c.state, c.reason) for c in chosen).items()):
        say(f"  {count:>6}  {partner}  {state}  {reason or '-'}")
    if len(chosen) < len(found):
        say(f"  de oudste {len(chosen)}; --limit zet meer (the oldest; --limit takes more)")


async def _found(partner: str | None, because: str | None, since: str | None) -> list[Stuck]:
    from schakel.operating import Selection

    async with opened_books() as books:
        after = None if since is None else ago(since, "--since", now=books.clock.now())
        return await books.store.stuck(Selection(partner=partner, reason=because, since=after))


async def _act(act: Act, chosen: Sequence[Stuck], who: str, why: str) -> list[Bell]:
    """No bell rings: the sweep finds what is due within two seconds."""
    async with opened_books() as books:
        bells: list[Bell] = []
        for start in range(0, len(chosen), BATCH):
            bells += await act(books, chosen[start : start + BATCH], who, why)
        return bells


def _json(one: Stuck) -> dict[str, Any]:
    return {
        "id": one.id,
        "partner": one.partner,
        "number": one.number,
        "state": one.state,
        "reason": one.reason,
        "attempts": one.attempts,
        "createdAt": utc_time(one.created_at),
        "nextAt": utc_time(one.next_at) if one.state == "waiting" else None,
    }
