# SPDX-License-Identifier: EUPL-1.2
"""`schakel send`: hands a file to a hub over HTTP, as a partner would."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from schakel.cli.complaint import Exit, say
from schakel.cli.console import AsJson, show_fields, show_json, stop
from schakel.cli.message_file import File, MediaType, Row, read_message

TIMEOUT: Final = 60.0  # seconds


def send(
    file: File,
    partner: Annotated[str, typer.Option("--as", help="Whose key it is; the hub goes by the key.")],
    url: Annotated[str | None, typer.Option(help="The hub; none: the setting public_url.")] = None,
    key_file: Annotated[Path | None, typer.Option(help="Holds the partner's API key; none: SCHAKEL_API_KEY.")] = None,
    answer: Annotated[bool, typer.Option("--answer", help="It is an answer to a request, and no referral.")] = False,
    media_type: MediaType = None,
    row: Row = 1,
    as_json: AsJson = False,
) -> None:
    """Hands a message to the hub over HTTP and shows who gets it and why. 3: refused; 5: the hub cannot be reached."""
    import httpx2

    from schakel.settings import Settings

    key = _key(key_file)
    message = read_message(file, media_type, row)
    door = "answers" if answer else "referrals"
    address = f"{(url or Settings().public_url).rstrip('/')}/v1/{door}"
    headers = {"Authorization": f"Bearer {key}", "Content-Type": message.media_type}
    which = f" (row {row} of {message.rows})" if message.rows > 1 else ""
    say(f"sends {file.name}{which} to /v1/{door} as {partner}, {message.media_type}")
    try:
        with httpx2.Client(timeout=TIMEOUT, trust_env=False, follow_redirects=False) as client:
            said = client.post(address, content=message.body, headers=headers)
    except httpx2.TransportError as error:
        raise stop(Exit.UNREACHABLE, f"the hub cannot be reached ({type(error).__name__})") from None
    _show(said, as_json)
    if not said.is_success:
        raise stop(_code(said.status_code), f"HTTP {said.status_code}")


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
    if document.get("resourceType") == "OperationOutcome":
        for issue in document.get("issue", ()):
            typer.echo(f"{issue['severity']}: {issue.get('details', {}).get('text', '')} ({issue.get('diagnostics')})")
        return
    show_fields({name: value for name, value in document.items() if isinstance(value, str | int | bool)})
    for one in document.get("recipients", document.get("notices", ())):
        typer.echo(f"- {one.get('recipient')}  {one.get('role')}  {one.get('outcome')}: {one.get('nl')}")
    for one in (*document.get("warnings", ()), *document.get("errors", ())):
        typer.echo(f"! {one.get('place')}: {one.get('nl')} [{one.get('rule')}]")
