# SPDX-License-Identifier: EUPL-1.2
"""`schakel init`: makes a home for a hub, once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from schakel.cli.complaint import Exit, say
from schakel.cli.console import AsJson, show_json, stop
from schakel.cli.opened import read_settings

if TYPE_CHECKING:
    from schakel.settings import Settings


def init(as_json: AsJson = False) -> None:
    """Makes the home folder, the key file (mode 0600) and the database. 3: there is one already; nothing is touched."""
    from schakel.bootstrap import initialise
    from schakel.store.register import database

    settings = read_settings()
    if settings.keys.exists():  # a database without keys is told apart by initialise: it has lost them
        raise stop(Exit.REFUSED, f"{settings.keys} exists already; init never writes over keys or data")
    initialise(settings)
    place = database(settings.database).place
    if as_json:
        show_json({"home": str(settings.home), "keys": str(settings.keys), "database": place})
    else:
        typer.echo(f"home      {settings.home}")
        typer.echo(f"keys      {settings.keys}")
        typer.echo(f"database  {place}")
    _next_steps(settings)


def _next_steps(settings: Settings) -> None:
    say("")
    say("Next:")
    say(f"  1. Copy {settings.keys} to a safe place, away from the backups of the database. Without it all is lost.")
    say("  2. schakel region check")
    say("  3. schakel partners key thv-pool        a key for whoever sends; shown once")
    say("  4. schakel partners secret perspektief  a webhook secret for whoever receives")
    say("  5. schakel serve")
