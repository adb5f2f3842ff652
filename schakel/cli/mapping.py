# SPDX-License-Identifier: EUPL-1.2
"""`schakel mapping`: check, run and test mappings, the region's own too; needs no hub and no Python knowledge."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from schakel.cli.complaint import Exit, say, told
from schakel.cli.console import AsJson, show_finding, show_json, stop
from schakel.cli.opened import read_settings
from schakel.errors import Refusal, Unmappable

if TYPE_CHECKING:
    from mappings.codebook import CodebookShelf
    from schakel.ports import Format

group = typer.Typer(help="Check, run and test mappings.", no_args_is_help=True)
Names = Annotated[list[str] | None, typer.Argument(help="Names or folders of mappings; none: all that come along.")]
Books = Annotated[Path | None, typer.Option("--codebooks", help="A folder with further codebooks.")]


@group.command("check")
def check(names: Names = None, codebooks: Books = None, as_json: AsJson = False) -> None:
    """Proves a mapping without running it: typos, unread parts of the source, wrong targets. 1: something found."""
    from mappings.check import check_mapping

    found = {folder.name: check_mapping(folder, _shelf(codebooks)) for folder in _folders(names)}
    if as_json:
        show_json({name: [show_finding(finding) for finding in findings] for name, findings in found.items()})
    else:
        for name, findings in found.items():
            typer.echo(f"{name}: {'well' if not findings else f'{len(findings)} found'}")
            for finding in findings:
                typer.echo(f"  {told(finding)}")
    if any(found.values()):
        raise stop(Exit.WRONG)


@group.command("test")
def try_(names: Names = None, codebooks: Books = None, as_json: AsJson = False) -> None:
    """Runs the tests that lie beside a mapping (`test.yaml`). 1: one failed."""
    from mappings.case_tests import run_tests

    results = {folder.name: run_tests(folder, _formats(), codebooks=_shelf(codebooks)) for folder in _folders(names)}
    if as_json:
        show_json(
            {
                name: [{"example": r.example, "passed": r.passed, "failures": list(r.failures)} for r in rows]
                for name, rows in results.items()
            }
        )
    else:
        for name, rows in results.items():
            typer.echo(f"{name}: {sum(row.passed for row in rows)} of {len(rows)} passed")
            for row in rows:
                for failure in row.failures:
                    typer.echo(f"  {row.example}: {failure}")
    if not all(row.passed for rows in results.values() for row in rows):
        raise stop(Exit.WRONG)


@group.command("run")
def run(
    name: Annotated[str, typer.Argument(help="Name or folder of the mapping.")],
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A document as the source writes it.")],
    now: Annotated[datetime | None, typer.Option(help="The moment of receipt; none: this moment.")] = None,
    codebooks: Books = None,
    as_json: AsJson = False,
) -> None:
    """Shows what a mapping makes of a document. 1: it would park; 3: it would be refused."""
    from mappings.case_tests import run_mapping
    from mappings.engine import load_mapping

    folder = _folder(name)
    shelf = _shelf(codebooks)
    format_name = load_mapping(folder, shelf).format
    moment = (now or datetime.now(UTC)).astimezone(UTC)
    try:
        mapped = run_mapping(folder, file.read_bytes(), now=moment, format=_formats()[format_name], codebooks=shelf)
    except Unmappable as parked:
        _tell("parks", parked.cause, parked, as_json)
        raise stop(Exit.WRONG) from None
    except Refusal as refusal:
        _tell("refused", refusal.slug, refusal, as_json)
        raise stop(Exit.REFUSED) from None
    if as_json:
        show_json({"document": mapped.document, "losses": list(mapped.losses), "versions": mapped.versions})
    else:
        show_json(mapped.document)
        for loss in mapped.losses:
            say(f"not read: {loss}")


@group.command("matrix")
def matrix_(as_json: AsJson = False) -> None:
    """What each format can carry, by direction, from the mappings themselves: docs/formats.md, and one's own beside."""
    from mappings.engine import load_mapping
    from mappings.matrix import matrix, page, plain

    shelf = _shelf(None)
    # a mapping of one's own takes the place of the one of its name that comes along
    known = {folder.name: load_mapping(folder, shelf) for folder in _known_folders()}
    found = matrix(known.values())
    if as_json:
        show_json(plain(found))
    else:
        typer.echo(page(found, {name: each.media_types for name, each in _formats().items()}), nl=False)


def _tell(outcome: str, cause: str, error: Unmappable | Refusal, as_json: bool) -> None:
    if as_json:
        show_json({outcome: cause, "findings": [show_finding(finding) for finding in error.findings]})
    else:
        say(f"{outcome}: {cause}")
        for finding in error.findings:
            say(f"  {told(finding)}")


def _folders(names: list[str] | None) -> tuple[Path, ...]:
    return tuple(_folder(name) for name in names) if names else _known_folders()


def _known_folders() -> tuple[Path, ...]:
    """Those that come along, and the region's and the overlay's own."""
    from mappings.engine import mapping_folders

    return (*mapping_folders(), *(each for own in _own() for each in mapping_folders(own / "mappings")))


def _own() -> tuple[Path, ...]:
    """The folders that can hold mappings and codebooks of their own, as the settings name them."""
    from schakel.bootstrap import own_folders

    return own_folders(read_settings())


def _folder(name: str) -> Path:
    """A folder of one's own, or one that comes along, by its name with dashes or underscores."""
    own = Path(name)
    if own.name == "mapping.yaml" and own.is_file():
        return own.parent
    if (own / "mapping.yaml").is_file():
        return own
    for folder in reversed(_known_folders()):
        if folder.name == name.replace("-", "_"):
            return folder
    raise stop(Exit.NOT_FOUND, f"no mapping {name}: neither a folder with mapping.yaml nor one that comes along")


def _shelf(extra: Path | None) -> CodebookShelf:
    from mappings.library import shelf_of

    shelf = shelf_of(_own())
    return shelf if extra is None else shelf.with_own(extra)


def _formats() -> Mapping[str, Format]:
    from connectors.formats import formats

    return formats()
