# SPDX-License-Identifier: EUPL-1.2
"""`schakel demo`: referrals go from door to door, on this machine."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Annotated

import typer

from schakel.cli.complaint import Exit
from schakel.cli.console import AsJson, show_json, stop


def demo(
    as_json: AsJson = False,
    keep: Annotated[bool, typer.Option("--keep", help="Goes on afterwards, and prints what to paste.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the hub; 0: one that is free.")] = 0,
) -> None:
    """Plays referrals from door to door, with real HTTP partners on loopback. 1: not as published, or verify found.

    On a file of its own; on PostgreSQL when SCHAKEL_DATABASE_URL names one, in a schema of its own that is made fresh
    and taken away; with RabbitMQ when SCHAKEL_BROKER_URL names one, in queues that are taken away."""
    from schakel.demo.display import Display
    from schakel.demo.run import Outcome, play

    faults: list[str] = []

    def done(outcome: Outcome) -> None:
        faults.extend(outcome.faults)
        if as_json:
            show_json(outcome.to_json())

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(play(Display(quiet=as_json), done, port=port, keep=keep))
    if faults:
        raise stop(Exit.WRONG)
