# SPDX-License-Identifier: EUPL-1.2
"""The commands and their groups. Each imports what it needs when it is called."""

from __future__ import annotations

from typing import Annotated

import typer

from schakel.cli import (
    alarms,
    case,
    db,
    deliveries,
    demo,
    doctor,
    drop,
    home,
    keys,
    mapping,
    parked,
    partners,
    preview,
    queues,
    region,
    report,
    retention,
    schema,
    send,
    serve,
    states,
    verify,
)

app = typer.Typer(
    name="schakel",
    help="Message hub for the organisations that act when violence at home comes to light.",
    epilog="stdout is data, stderr is progress; --json gives one document. Exit codes: docs/commands.md.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(version("schakel"))
        raise typer.Exit()


@app.callback()
def _options(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="The version.")] = False,
) -> None:
    """Message hub for the organisations that act when violence at home comes to light."""


app.command("init")(home.init)
app.command("serve")(serve.serve)
app.command("api")(serve.api)
app.command("worker")(serve.worker)
app.command("clock")(serve.clock)
app.command("demo")(demo.demo)
app.command("send")(send.send)
app.command("preview")(preview.preview)
app.command("status")(case.status)
app.command("verify")(verify.verify)
app.command("report")(report.report)
app.command("states")(states.states)
app.command("doctor")(doctor.doctor)
app.command("schema")(schema.schema)
app.add_typer(case.group, name="case")
app.add_typer(queues.group, name="queues")
app.add_typer(deliveries.group, name="deliveries")
app.add_typer(parked.group, name="parked")
app.add_typer(alarms.group, name="alarms")
app.add_typer(db.group, name="db")
app.add_typer(drop.group, name="drop")
app.add_typer(partners.group, name="partners")
app.add_typer(keys.group, name="keys")
app.add_typer(mapping.group, name="mapping")
app.add_typer(region.group, name="region")
app.add_typer(retention.group, name="retention")
