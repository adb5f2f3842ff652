# SPDX-License-Identifier: EUPL-1.2
"""What the demo's hub stands on: a file and a bell of its own, or the PostgreSQL and RabbitMQ of the environment.

On PostgreSQL it is a schema of its own, made fresh and taken away: a hub in the same database is not touched.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from schakel.hub import Hub
from schakel.settings import Settings
from schakel.store.passing_postgres import passing_schema, within
from schakel.store.register import database

FILE: Final = "sqlite:///"
EMBEDDED: Final = "embedded"  # the state of a bell without a server


class Servers(BaseSettings):
    """The servers that the environment names, and how to be known to them: all that the demo takes from there."""

    model_config = SettingsConfigDict(env_prefix="SCHAKEL_", frozen=True, hide_input_in_errors=True)

    database_url: str = ""
    database_password_file: Path | None = None
    broker_url: str = ""
    broker_password_file: Path | None = None
    broker_ca_file: Path | None = None
    broker_cert_file: Path | None = None
    broker_key_file: Path | None = None

    @property
    def of_database(self) -> bool:
        """A file that the environment names is another hub's: the demo makes its own."""
        return bool(self.database_url) and not self.database_url.startswith(FILE)

    def chosen(self) -> dict[str, Any]:
        found = self.model_dump()
        return found if self.of_database else found | {"database_url": "", "database_password_file": None}


class DemoSettings(Settings):
    """The hub's settings from what it is given only: what else stands in the environment is another hub's."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        *_: PydanticBaseSettingsSource,
        **__: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


@contextlib.contextmanager
def ground(servers: Servers, **own: Any) -> Iterator[DemoSettings]:
    """Settings of a hub that owns its database while this lasts. `own`: the demo's other settings. Raises
    ConfigurationError."""
    settings = DemoSettings(**servers.chosen(), **own)
    if not servers.of_database:
        yield settings
        return
    database(settings.database)  # of a kind that is known
    with passing_schema(settings.database) as schema:
        yield settings.model_copy(update={"database_url": within(settings.database_url, schema)})


def stands_on(hub: Hub) -> dict[str, Any]:
    """`rung`: bells that a broker's server has kept."""
    health = hub.broker.health()
    return {
        "database": "postgresql" if hub.settings.database_url else "sqlite",
        "broker": "none" if health.state == EMBEDDED else "rabbitmq",
        "rung": health.rung,
    }


def rings(hub: Hub) -> bool:
    """The bell works: its own, or the broker that was named."""
    return hub.broker.health().state in (EMBEDDED, "connected")


def to_paste(settings: Settings) -> str:
    """The settings with which a command finds the demo's hub, for a shell; a password is left out."""
    found = {"SCHAKEL_HOME": str(settings.home), "SCHAKEL_REGION_OVERLAY": str(settings.region_overlay)}
    if settings.database_url:
        found["SCHAKEL_DATABASE_URL"] = f"'{_without_password(settings.database_url)}'"
    if settings.database_password_file is not None:
        found["SCHAKEL_DATABASE_PASSWORD_FILE"] = str(settings.database_password_file)
    return " ".join(f"{name}={value}" for name, value in found.items())


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    who, at, server = parts.netloc.rpartition("@")
    user, hidden, _ = who.partition(":")
    return urlunsplit(parts._replace(netloc=f"{user}{':***' if hidden else ''}{at}{server}"))
