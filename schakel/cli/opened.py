# SPDX-License-Identifier: EUPL-1.2
"""Opens the hub's own store for a command, beside a hub that may be running, and writes who acted to the audit."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from schakel.hub import Books, Hub
    from schakel.settings import Settings


def read_settings() -> Settings:
    """The settings from the environment. Raises ConfigurationError naming each setting that is wrong, not its value."""
    from pydantic import ValidationError

    from schakel.errors import ConfigurationError, Finding
    from schakel.settings import Settings

    try:
        return Settings()
    except ValidationError as error:
        raise ConfigurationError(
            *(
                Finding(
                    place=f"SCHAKEL_{'_'.join(str(part) for part in fault['loc']).upper()}",
                    rule=fault["type"],
                    nl="De instelling heeft een onjuiste waarde.",
                    en=f"the setting is wrong: {fault['msg']}",
                )
                for fault in error.errors(include_input=False, include_url=False)
            )
        ) from None


@asynccontextmanager
async def opened(*, rings: bool = False) -> AsyncIterator[Hub]:
    """A hub whose loops do not run: store, region and decisions. `rings`: see bootstrap.build. Raises
    ConfigurationError, Unacceptable."""
    from schakel.bootstrap import build

    hub = build(read_settings(), rings=rings)
    try:
        yield hub
    finally:
        await hub.aclose()


@asynccontextmanager
async def opened_books() -> AsyncIterator[Books]:
    """The store alone, for whoever looks or acts on what is kept. Raises ConfigurationError, Unacceptable."""
    from schakel.bootstrap import open_books

    books = open_books(read_settings())
    try:
        yield books
    finally:
        await books.aclose()


async def note(hub: Hub | Books, *, by: str, action: str, object: str, detail: str = "") -> None:
    """A row in the audit: an operator saw or did something."""
    from schakel.records import AuditEntry  # here: a part that starts looks for no garbage while it loads this

    await hub.store.audit([AuditEntry(hub.clock.now(), f"operator:{by}", action, object, detail)])
