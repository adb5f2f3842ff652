# SPDX-License-Identifier: EUPL-1.2
"""`schakel drop`: files that a source leaves in a folder, without waiting for the hub's own look."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path
from typing import Annotated

import typer

from schakel.cli.complaint import Exit, say
from schakel.cli.console import AsJson, By, named, run, show_fields, show_json, stop
from schakel.cli.opened import note, opened

group = typer.Typer(help="Files that a source leaves in a folder.", no_args_is_help=True)


@group.command("once")
def once(as_json: AsJson = False) -> None:
    """Takes up what lies in the drop folder now; waits ten seconds for files that may still grow. 1: some refused."""
    run(_once(as_json))


async def _once(as_json: bool) -> None:
    from connectors.intakes.drop_folder import SETTLED

    async with opened() as hub:
        if hub.drop is None:
            raise stop(Exit.USAGE, "no drop folder: set SCHAKEL_DROP_FOLDER")
        passes = [await hub.drop.run_once()]
        if passes[0].waiting:
            say(f"{passes[0].waiting} files may still grow; looks again in {SETTLED:.0f} seconds")
            await asyncio.sleep(SETTLED)
            passes.append(await hub.drop.run_once())
    rows: dict[str, int] = {}
    for one in passes:
        for outcome, count in one.rows.items():
            rows[outcome] = rows.get(outcome, 0) + count
    refused = sum(one.refused_files for one in passes)
    found = {"files": sum(one.files for one in passes), "refusedFiles": refused, "waiting": passes[-1].waiting}
    if as_json:
        show_json({**found, "rows": rows})
    else:
        show_fields({**found, **rows})
    if refused or rows.get("geweigerd"):
        raise stop(Exit.WRONG)


@group.command("open")
def open_(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A sealed original from archief/.")],
    by: By,
    as_json: AsJson = False,
) -> None:
    """Writes a sealed original to stdout, byte for byte; that it was opened stands in the audit."""
    run(_open(file, named(by, "--by"), as_json))


async def _open(file: Path, by: str, as_json: bool) -> None:
    from connectors.intakes.drop_folder import open_sealed

    async with opened() as hub:
        original = open_sealed(file, hub.vault)
        await note(hub, by=by, action="drop:open", object=original.id, detail=original.partner)
    if as_json:
        content = base64.b64encode(original.content).decode()
        show_json(
            {"id": original.id, "partner": original.partner, "eraseAt": original.erase_at, "contentBase64": content}
        )
    else:
        typer.echo(original.content, nl=False)


@group.command("template")
def template(as_json: AsJson = False) -> None:
    """Writes an empty file with the column names, for Excel. `docs/csv.md` says what goes where."""
    from connectors.formats.csv_table import write_csv
    from connectors.formats.thv_csv import template as header

    if as_json:
        show_json(list(header()))
    else:
        typer.echo(b"\xef\xbb\xbf" + write_csv([header()]), nl=False)
