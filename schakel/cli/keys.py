# SPDX-License-Identifier: EUPL-1.2
"""`schakel keys`: which master keys there are, and a new one that wraps every data key anew, beside a hub that runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from schakel.cli.complaint import say
from schakel.cli.console import AsJson, By, Reason, named, run, show_fields, show_json
from schakel.cli.opened import note, opened_books, read_settings

if TYPE_CHECKING:
    from schakel.hub import Books

group = typer.Typer(help="Master keys: status, rotate.", no_args_is_help=True)
TABLES: Final = ("raw_referral", "case_file", "answer", "partner_secret")
PAGE: Final = 500  # data keys in one transaction


@group.command("status")
def status(as_json: AsJson = False) -> None:
    """How many master keys there are, and how many data keys an older one still wraps."""
    versions, older = run(_status())
    told = {"masterKeys": versions, "wrappedByOlder": older}
    if as_json:
        show_json(told)
    else:
        show_fields(told)
    if older:
        say("Next: schakel keys rotate --resume")


@group.command("rotate")
def rotate(
    by: By,
    reason: Reason,
    resume: Annotated[bool, typer.Option("--resume", help="Makes no new master key: goes on with the last.")] = False,
    as_json: AsJson = False,
) -> None:
    """Makes a new master key and wraps every data key by it. May be broken off: `--resume` goes on where it stopped."""
    from schakel.vault import add_master_key

    who, why = named(by, "--by"), named(reason, "--reason")
    settings = read_settings()
    version = None if resume else add_master_key(settings.keys)
    if version is not None:
        say(f"hoofdsleutel (master key) {version}: kopieer (copy) {settings.keys} naar de kluis (to the safe)")
    done = run(_rewrap(who, why))
    if as_json:
        show_json({"version": version, "rewrapped": done})
    else:
        typer.echo(f"rewrapped: {done}")


async def _status() -> tuple[int, int]:
    async with opened_books() as books:
        return books.vault.versions, await _walk(books, write=False)


async def _rewrap(by: str, reason: str) -> int:
    async with opened_books() as books:
        await note(books, by=by, action="keys.rotate", object="master-key", detail=reason)
        done = await _walk(books, write=True)
        await note(books, by=by, action="keys.rotated", object="master-key", detail=f"{done} data keys")
        return done


async def _walk(books: Books, *, write: bool) -> int:
    """How many data keys an older master key wraps; `write`: how many were wrapped anew. One that changes or is
    destroyed meanwhile stays as it is."""
    count = 0
    for table in TABLES:
        after = ""
        while page := await books.store.wrapped_keys(table, after=after, limit=PAGE):
            after = page[-1].owner
            older = [key for key in page if not books.vault.is_newest(key.wrapped)]
            if write and older:
                count += await books.store.rewrap([(key, books.vault.rewrap(key.wrapped, key.owner)) for key in older])
            elif older:
                count += len(older)
    return count
