# SPDX-License-Identifier: EUPL-1.2
"""`schakel send`: hands a file to a hub over HTTP, as a partner would."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from schakel.cli.console import AsJson, Exit, say, show_fields, show_json, stop

MEDIA_TYPES: Final = {".json": "application/json", ".xml": "application/xml", ".csv": "text/csv"}
FHIR: Final = "application/fhir+json"
SUFFIX_FHIR: Final = (".fhir.json", ".fhir")
TIMEOUT: Final = 60.0  # seconds


def send(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The message, as the source writes it.")],
    partner: Annotated[str, typer.Option("--as", help="The partner whose key is used.")],
    url: Annotated[str | None, typer.Option(help="The hub; none: the setting public_url.")] = None,
    key_file: Annotated[Path | None, typer.Option(help="Holds the partner's API key; none: SCHAKEL_API_KEY.")] = None,
    media_type: Annotated[
        str | None, typer.Option(help="Content-Type; none: by the file's name and first words.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Hands a message to the hub over HTTP and shows who gets it and why. 3: refused; 5: the hub cannot be reached."""
    import httpx2

    from schakel.settings import Settings

    key = _key(key_file)
    body = file.read_bytes()
    address = (url or Settings().public_url).rstrip("/") + "/v1/referrals"
    headers = {"Authorization": f"Bearer {key}", "Content-Type": media_type or guess(file.name, body)}
    say(f"sends {file.name} as {partner}")
    try:
        with httpx2.Client(timeout=TIMEOUT, trust_env=False, follow_redirects=False) as client:
            answer = client.post(address, content=body, headers=headers)
    except httpx2.TransportError as error:
        raise stop(Exit.UNREACHABLE, f"the hub cannot be reached ({type(error).__name__})") from None
    _show(answer, as_json)
    if not answer.is_success:
        raise stop(_code(answer.status_code), f"HTTP {answer.status_code}")


def guess(name: str, body: bytes) -> str:
    """The media type by the file's name; JSON that calls itself a FHIR Bundle is FHIR."""
    lowered = name.lower()
    if lowered.endswith(SUFFIX_FHIR):
        return FHIR
    media_type = MEDIA_TYPES.get(Path(lowered).suffix, "application/octet-stream")
    if media_type == "application/json" and b'"resourceType"' in body:
        return FHIR
    return media_type


def _key(key_file: Path | None) -> str:
    key = key_file.read_text(encoding="utf-8").strip() if key_file else os.environ.get("SCHAKEL_API_KEY", "").strip()
    if not key:
        raise stop(Exit.USAGE, "no API key: give --key-file or set SCHAKEL_API_KEY (schakel partners key makes one)")
    return key


def _code(status: int) -> Exit:
    if status == 404:
        return Exit.NOT_FOUND
    return Exit.UNREACHABLE if status >= 500 else Exit.REFUSED


def _show(answer: Any, as_json: bool) -> None:
    """The hub's answer: JSON as it came, or in lines; another format (StUF) as it came."""
    media_type = answer.headers.get("content-type", "").partition(";")[0]
    if not (media_type == "application/json" or media_type.endswith("+json")):
        if as_json:
            show_json({"status": answer.status_code, "mediaType": media_type, "body": answer.text})
        else:
            typer.echo(answer.text)
        return
    document = answer.json()
    if as_json:
        show_json(document)
        return
    show_fields({name: value for name, value in document.items() if isinstance(value, str | int | bool)})
    for row in document.get("recipients", document.get("notices", ())):
        typer.echo(f"- {row.get('recipient')}  {row.get('role')}  {row.get('outcome')}: {row.get('nl')}")
