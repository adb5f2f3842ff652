# SPDX-License-Identifier: EUPL-1.2
"""`schakel region`: proves a region's files before they are used."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from schakel.cli.complaint import Exit, told
from schakel.cli.console import AsJson, show_finding, show_json, stop
from schakel.cli.opened import read_settings
from schakel.errors import ConfigurationError

if TYPE_CHECKING:
    from schakel.region_check import SensitiveFields

group = typer.Typer(help="A region's files.", no_args_is_help=True)


@group.callback()
def _group() -> None:
    """A region's files."""


@group.command("check")
def check(
    name: Annotated[str | None, typer.Argument(help="Name or folder of the region; none: the setting region.")] = None,
    overlay: Annotated[Path | None, typer.Option(help="A folder laid over it; none: the setting.")] = None,
    as_json: AsJson = False,
) -> None:
    """Proves that every route ends, each role has disclosure and a deadline, each cause a text; and lists per role the
    fields that can hurt, to be read by people. 1: something found."""
    from schakel.bootstrap import read_configuration, region_folder
    from schakel.region_check import sensitive_fields

    given = read_settings()
    chosen = {"region": name or given.region, "region_overlay": overlay or given.region_overlay}
    settings = given.model_copy(update=chosen)
    folder = region_folder(settings.region)
    sensitive: list[SensitiveFields] = []
    try:
        configuration = read_configuration(settings)
        findings = configuration.faults()
        sensitive = sensitive_fields(configuration.region)
    except ConfigurationError as error:
        findings = list(error.findings)
    if as_json:
        show_json(
            {
                "region": folder.name,
                "findings": [show_finding(finding) for finding in findings],
                "sensitive": [_sensitive_json(each) for each in sensitive],
            }
        )
    else:
        typer.echo(f"{folder.name}: {'well' if not findings else f'{len(findings)} found'}")
        for finding in findings:
            typer.echo(f"  {told(finding)}")
        for each in sensitive:
            typer.echo(f"{each.role} in {each.programme} sees {each.kind.value}: {', '.join(each.paths)}")
    if findings:
        raise stop(Exit.WRONG)


def _sensitive_json(each: SensitiveFields) -> dict[str, Any]:
    return {
        "role": each.role,
        "programme": each.programme,
        "kind": each.kind.value,
        "secretAddresses": each.secret_addresses,
        "paths": list(each.paths),
    }
