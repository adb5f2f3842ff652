# SPDX-License-Identifier: EUPL-1.2
"""`schakel partners`: who is connected; makes API keys and webhook secrets, each shown once."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from schakel.cli.complaint import Exit, say
from schakel.cli.console import AsJson, os_user, run, show_json, show_table, stop
from schakel.cli.opened import note, opened_books

if TYPE_CHECKING:
    from schakel.hub import Books
    from schakel.region import Partner

group = typer.Typer(help="Partners, their API keys and webhook secrets.", no_args_is_help=True)
PartnerName = Annotated[str, typer.Argument(metavar="PARTNER", help="The partner's id in the region.")]
Days = Annotated[int | None, typer.Option("--days", min=1, help="Valid for so many days; none: until revoked.")]


class SecretKind(StrEnum):
    """How webhooks are signed (Standard Webhooks 1.0)."""

    V1 = "v1"  # HMAC-SHA256: both sides know the secret
    V1A = "v1a"  # ed25519: the partner gets the public key only


@group.command("list")
def list_(as_json: AsJson = False) -> None:
    """Every partner of the region: how it is reached, and how many keys and secrets are valid."""
    rows = run(_partners())
    if as_json:
        show_json(rows)
        return
    columns = ("partner", "name", "kind", "sends", "channel", "mode", "keys", "secrets")
    show_table(columns, [_row(row) for row in rows])


@group.command("key")
def key(
    partner: PartnerName,
    days: Days = None,
    revoke: Annotated[str | None, typer.Option(help="Ends the key with this id instead of making one.")] = None,
    as_json: AsJson = False,
) -> None:
    """Makes an API key and shows it once; two can be valid at once, so that a partner can change over."""
    if revoke is not None:
        if not run(_revoke(partner, revoke)):
            raise stop(Exit.NOT_FOUND, "no such key of this partner, or it has ended already")
        if as_json:
            show_json({"partner": partner, "revoked": revoke})
        else:
            typer.echo(f"{revoke} revoked")
        return
    text, key_id = run(_new_key(partner, days))
    say("This is the only time it is shown; the hub keeps a digest.")
    if as_json:
        show_json({"partner": partner, "id": key_id, "key": text})
    else:
        typer.echo(text)


@group.command("secret")
def secret(
    partner: PartnerName,
    kind: Annotated[SecretKind, typer.Option(help="v1: a shared secret; v1a: a key pair.")] = SecretKind.V1,
    days: Days = None,
    as_json: AsJson = False,
) -> None:
    """Makes a webhook secret: `v1` shows the secret once, `v1a` shows the public key. Two can be valid at once."""
    text, secret_id = run(_new_secret(partner, kind, days))
    if kind is SecretKind.V1:
        say("This is the only time it is shown; the hub keeps it sealed.")
    if as_json:
        name = "secret" if kind is SecretKind.V1 else "publicKey"
        show_json({"partner": partner, "id": secret_id, "kind": kind.value, name: text})
    else:
        typer.echo(text)


async def _partners() -> list[dict[str, Any]]:
    async with opened_books() as books:
        now = books.clock.now()
        keys = await books.store.keys(now=now)
        return [
            {
                "partner": partner.id,
                "name": partner.name,
                "kind": partner.kind,
                "sends": list(partner.sends.formats) if partner.sends else [],
                "channel": partner.receives.channel if partner.receives else None,
                "mode": partner.receives.mode if partner.receives else None,
                "url": partner.receives.url if partner.receives else None,
                "keys": [
                    {"id": key.id, "expiresAt": key.expires_at.isoformat() if key.expires_at else None}
                    for key in keys
                    if key.partner == partner.id
                ],
                "secrets": [
                    {
                        "id": row.id,
                        "kind": row.kind,
                        "expiresAt": row.expires_at.isoformat() if row.expires_at else None,
                    }
                    for row in await books.store.secrets(partner.id, now=now)
                ],
            }
            for partner in books.region.partners
        ]


def _row(row: dict[str, Any]) -> tuple[object, ...]:
    return (
        row["partner"],
        row["name"],
        row["kind"],
        ",".join(row["sends"]),
        row["channel"],
        row["mode"],
        len(row["keys"]),
        len(row["secrets"]),
    )


def _known(books: Books, partner: str) -> Partner:
    found = books.region.partner(partner)
    if found is None:
        raise stop(Exit.NOT_FOUND, f"the region has no partner {partner}")
    return found


def _end(now: datetime, days: int | None) -> datetime | None:
    return None if days is None else now + timedelta(days=days)


async def _new_key(partner: str, days: int | None) -> tuple[str, str]:
    from schakel.keys import new_key

    async with opened_books() as books:
        now = books.clock.now()
        text, row = new_key(_known(books, partner).id, now=now, expires_at=_end(now, days))
        await books.store.add_key(row)
        await note(books, by=os_user(), action="key.made", object=partner, detail=row.id)
        return text, row.id


async def _revoke(partner: str, key_id: str) -> bool:
    async with opened_books() as books:
        now = books.clock.now()
        mine = any(
            key.id == key_id for key in await books.store.keys(now=now) if key.partner == _known(books, partner).id
        )
        if not mine or not await books.store.revoke_key(key_id, now=now):
            return False
        await note(books, by=os_user(), action="key.revoked", object=partner, detail=key_id)
        return True


async def _new_secret(partner: str, kind: SecretKind, days: int | None) -> tuple[str, str]:
    from schakel.webhook_secrets import new_secret

    async with opened_books() as books:
        now = books.clock.now()
        text, row = new_secret(
            _known(books, partner).id, kind.value, vault=books.vault, now=now, expires_at=_end(now, days)
        )
        await books.store.add_secret(row)
        await note(books, by=os_user(), action="secret.made", object=partner, detail=row.id)
        return text, row.id
