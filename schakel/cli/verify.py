# SPDX-License-Identifier: EUPL-1.2
"""`schakel verify`: the accountant, with its own SQL, from the command line."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from schakel.cli.complaint import Exit, complain, say
from schakel.cli.console import AsJson, show_json, stop
from schakel.cli.opened import read_settings
from schakel.errors import ConfigurationError

if TYPE_CHECKING:
    from schakel.audit import SignatureCheck
    from schakel.settings import Settings


Journal = Annotated[
    list[str] | None,
    typer.Option(help="PARTNER=FILE: what that recipient wrote down, one JSON object with an `id` a line; repeatable."),
]


def verify(journal: Journal = None, as_json: AsJson = False) -> None:
    """Counts from the decisions whether anything is missing, misplaced or silent. 1: it found holes, and names them."""
    from schakel.verify import verify as account

    settings = read_settings()
    journals = _journals(journal or [])
    report = account(settings.database, now=datetime.now(UTC), check=_signatures(settings), journals=journals)
    if as_json:
        show_json(report.to_json())
    else:
        for name, count in report.counts.items():
            typer.echo(f"{name:<28}{count}")
        for hole in report.holes:
            typer.echo(f"✘ {hole.rule}: {hole.object}: {hole.nl} ({hole.en})")
        for rule, count in report.found.items():
            say(f"{rule}: {count}")
        typer.echo("well: nothing lost, nothing silent" if report.ok else f"{sum(report.found.values())} found")
    if not report.ok:
        raise stop(Exit.WRONG)


def _journals(given: list[str]) -> dict[str, frozenset[str]]:
    from schakel.verify_journal import read_journal

    found: dict[str, frozenset[str]] = {}
    for text in given:
        partner, _, file = text.partition("=")
        if not partner or not file:
            raise stop(Exit.USAGE, "--journal PARTNER=FILE")
        found[partner] = found.get(partner, frozenset()) | read_journal(Path(file))
    return found


def _signatures(settings: Settings) -> SignatureCheck | None:
    """Proves the audit's signatures where the key file can be read; without it the chain is followed all the same."""
    from schakel.vault import open_vault

    try:
        return open_vault(settings.keys).checkpoint_signer().check
    except ConfigurationError as error:
        complain(error)
        say("the signatures of the audit are not checked")
        return None
