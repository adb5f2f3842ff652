# SPDX-License-Identifier: EUPL-1.2
"""`schakel db`: which version of the schema is there, and bringing an older one forward."""

from __future__ import annotations

import typer

from schakel.cli.console import AsJson, Exit, show_fields, show_json, stop
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
