# SPDX-License-Identifier: EUPL-1.2
"""`schakel db`: which version of the schema is there, and bringing an older one forward."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from schakel.cli.complaint import Exit, say
from schakel.cli.console import AsJson, show_fields, show_json, stop
from schakel.cli.opened import read_settings

group = typer.Typer(help="The database: its schema, and bringing that forward.", no_args_is_help=True)


@group.command("status")
def status(as_json: AsJson = False) -> None:
    """Where the database is, which version of the schema it has and which this program needs. 1: they differ."""
    from schakel.store.register import database

    place = database(read_settings().database)
    standing = place.standing()
    told = {"database": place.place, "version": standing.version, "needed": standing.needed}
    if as_json:
        show_json(told)
    else:
        show_fields(told)
    if standing.newer:
        raise stop(Exit.WRONG, "the database is of a newer version; update the program")
    if standing.missing:
        raise stop(Exit.WRONG, "the database is of an older version; run `schakel db migrate`")


@group.command("backup")
def backup(
    file: Annotated[Path, typer.Argument(help="The new file, on another disk.")], as_json: AsJson = False
) -> None:
    """Copies the SQLite database to a new file, beside a hub that runs: one instant, checked. PostgreSQL: pg_dump."""
    from schakel.store.backup import back_up

    settings = read_settings()
    if not settings.database.startswith("sqlite:///"):
        raise stop(Exit.USAGE, "PostgreSQL makes its own backups: pg_dump, or a base backup with its log")
    told = {"file": str(file), "bytes": back_up(settings.database_file, file)}
    if as_json:
        show_json(told)
    else:
        show_fields(told)
        say(f"Without {settings.keys} nobody can read it: keep a copy of that file elsewhere.")


@group.command("migrate")
def migrate(as_json: AsJson = False) -> None:
    """Brings the schema forward to this program's version, all or nothing; makes it where the database is empty.
    Forward only: first make a backup, and stop programs of an older version."""
    from schakel.store.register import database

    place = database(read_settings().database)
    made = not place.exists()
    if made:
        place.create()
    before = place.migrate()
    told = {"database": place.place, "before": None if made else before.version, "version": before.needed}
    if as_json:
        show_json(told)
    else:
        show_fields(told)
