# SPDX-License-Identifier: EUPL-1.2
"""`schakel preview`: what each recipient would get of a file, byte for byte, and why; nothing is sent or kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from schakel.cli.complaint import Exit, say, told
from schakel.cli.console import AsJson, run, show_json, show_table, stop
from schakel.cli.message_file import File, MediaType, MessageFile, Row, carried, read_message, senders
from schakel.cli.opened import read_settings

if TYPE_CHECKING:
    from schakel.preview import Preview, Shown
    from schakel.region import Partner, Region

ENDINGS: Final = {"application/json": ".json", "application/fhir+json": ".fhir.json"}


def preview(
    file: File,
    source: Annotated[str | None, typer.Option("--as", help="Who would send it; none: whose format it is.")] = None,
    partner: Annotated[str | None, typer.Option("--for", help="Only this recipient: its bytes on stdout.")] = None,
    role: Annotated[str | None, typer.Option(help="With --for: in this role, routed or not.")] = None,
    representation: Annotated[
        str | None, typer.Option(help="With --for: in this one instead of its own, e.g. case-fhir-xml.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="A folder for the bytes of every recipient.")] = None,
    media_type: MediaType = None,
    row: Row = 1,
    as_json: AsJson = False,
) -> None:
    """Shows who would get a message, why, and exactly what, as the first of its household. Keeps and sends nothing.

    1: it would park, or a view cannot be made; 3: it would be refused; 4: this partner would not get it."""
    from schakel.bootstrap import SystemClock, previewer
    from schakel.bootstrap import region_folder as folder
    from schakel.region_files import load_region

    for option, given in (("--role", role), ("--representation", representation)):
        if given is not None and partner is None:
            raise stop(Exit.USAGE, f"{option} needs --for")
    settings = read_settings()
    region = load_region(folder(settings.region), settings.region_overlay)
    if partner is not None and region.partner(partner) is None:
        raise stop(Exit.NOT_FOUND, _no_partner(region, partner))
    message = read_message(file, media_type, row)
    sender = _sender(region, source, message)
    came = carried(message, sender)
    also = (partner, role) if partner is not None and role is not None else None
    seen = run(
        previewer(settings).show(
            sender, came.body, came.media_type, SystemClock().now(), also=also, representation=representation
        )
    )
    if message.rows > 1:
        say(f"row {row} of {message.rows}")
    wanted = tuple(
        one for one in seen.shown if partner is None or (one.recipient == partner and role in (None, one.role))
    )
    if partner is not None:
        _show_one(seen, partner, wanted, as_json)
    else:
        _show_all(sender, seen, as_json)
    if out is not None:
        _write(out, wanted)
    if seen.receipt.state == "parked" or any(one.view is None for one in wanted):
        raise stop(Exit.WRONG)


def _sender(region: Region, source: str | None, message: MessageFile) -> Partner:
    """The one named, or the only one whose formats recognise the bytes."""
    if source is not None:
        found = region.partner(source)
        if found is None:
            raise stop(Exit.NOT_FOUND, _no_partner(region, source))
        return found
    fitting = senders(region.partners, message)
    if len(fitting) != 1:
        names = ", ".join(each.id for each in fitting) or "nobody"
        raise stop(Exit.USAGE, f"say who would send it with --as; {names} sends {message.media_type} like this")
    return fitting[0]


def _no_partner(region: Region, asked: str) -> str:
    """With those that it can have meant: a part of a name, or of an id."""
    part = asked.casefold()
    like = [each.id for each in region.partners if part in each.name.casefold() or part in each.id]
    return f"no partner {asked} in region {region.id}" + (f"; perhaps {', '.join(like)}" if like else "")


def _show_one(seen: Preview, partner: str, wanted: tuple[Shown, ...], as_json: bool) -> None:
    if not wanted:
        for notice in seen.receipt.notices:
            say(f"{notice.recipient}  {notice.role}  {notice.outcome}: {notice.nl} [{notice.rule}]")
        raise stop(Exit.NOT_FOUND, f"{partner} would not get this message (--role shows what it would get)")
    if as_json:
        show_json([_json(one) for one in wanted])
        return
    for one in wanted:
        say(_line(one))
        if one.view is not None:
            typer.echo(one.view.content, nl=False)
            if not one.view.content.endswith(b"\n"):
                say("")


def _show_all(sender: Partner, seen: Preview, as_json: bool) -> None:
    if as_json:
        from connectors.formats.json_reply import receipt_json

        reply = {**receipt_json(seen.receipt), "id": None}
        show_json({"source": sender.id, "reply": reply, "recipients": [_json(one) for one in seen.shown]})
        return
    say(f"{sender.id} sends {seen.envelope.format}, mapping {seen.envelope.mapping}: {seen.receipt.state}")
    columns = ("recipient", "role", "channel", "representation", "media type", "bytes", "rule", "why")
    show_table(
        columns,
        (
            (
                one.recipient,
                one.role,
                f"{one.channel} {one.mode}",
                one.representation,
                one.view.media_type if one.view else "-",
                len(one.view.content) if one.view else f"cannot be made: {one.trouble}",
                one.rule,
                one.nl,
            )
            for one in seen.shown
        ),
    )
    for notice in seen.receipt.notices:
        if notice.outcome != "deliver":
            say(f"{notice.outcome}: {notice.recipient} {notice.role}: {notice.nl} [{notice.rule}]")
    for warning in seen.receipt.warnings:
        say(f"warning: {told(warning)}")


def _line(one: Shown) -> str:
    size = f"{len(one.view.content)} bytes {one.view.media_type}" if one.view else f"cannot be made: {one.trouble}"
    return f"{one.recipient}  {one.role}  {one.representation} by {one.channel} {one.mode}: {size}; {one.nl}"


def _json(one: Shown) -> dict[str, object]:
    content = one.view.content.decode("utf-8", "backslashreplace") if one.view else None
    return {
        "recipient": one.recipient,
        "role": one.role,
        "channel": one.channel,
        "mode": one.mode,
        "representation": one.representation,
        "outcome": one.outcome,
        "mediaType": one.view.media_type if one.view else None,
        "rule": one.rule,
        "nl": one.nl,
        "en": one.en,
        "trouble": one.trouble,
        "content": content,
    }


def _write(out: Path, shown: tuple[Shown, ...]) -> None:
    """A file per recipient and role; only its owner can read it, because it holds what the message holds."""
    out.mkdir(mode=0o700, parents=True, exist_ok=True)
    for one in shown:
        if one.view is not None:
            ending = ENDINGS.get(one.view.media_type, ".xml" if "xml" in one.view.media_type else ".bin")
            path = out / f"{one.recipient}.{one.role}{ending}"
            path.touch(mode=0o600)
            path.write_bytes(one.view.content)
            say(f"wrote {path}")
