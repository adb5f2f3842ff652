# SPDX-License-Identifier: EUPL-1.2
"""`schakel report`: what a region learns of a period; small numbers stay inside."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from schakel.cli.complaint import say
from schakel.cli.console import LOCAL, AsJson, os_user, run, show_fields, show_json, show_table
from schakel.cli.opened import note, opened

if TYPE_CHECKING:
    from schakel.report import Report

Day = Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="A day, as 2026-11-21.")]


def report(
    since: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="First day.")],
    until: Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day.")],
    whole: Annotated[
        bool, typer.Option("--whole", help="Figures below five too: for the region itself, never for export.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Referrals, repeats, how long from the incident to each step, declines by reason, late answers per partner."""
    from schakel.report import report_json

    if until < since:
        raise typer.BadParameter("the last day comes before the first", param_hint="--to")
    found, region = run(_report(since.date(), until.date(), whole))
    document = {"region": region, **report_json(found, whole=whole)}
    if as_json:
        show_json(document)
        return
    show_fields(
        {
            "region": region,
            "repeats (hermeldingen)": str(document["repeats"]),
            "second or later order": str(document["repeatedOrders"]),
        }
    )
    show_table(("source", "referrals"), list(document["referrals"].items()))
    show_table(
        ("from incident to", "cases", "median", "90th"),
        [(step, one["cases"], _length(one, "median"), _length(one, "p90")) for step, one in _steps(document)],
    )
    show_table(("declined because", "times"), list(document["declines"].items()))
    show_table(("late", "answers"), list(document["overdue"].items()))
    if not whole:
        say("Figures below five are shown as <5; --whole shows them, for the region itself.")


def _steps(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return list(document["fromIncidentTo"].items())


def _length(one: dict[str, Any], which: str) -> str | None:
    seconds = one.get(f"{which}Seconds")
    if seconds is None:
        return None
    minutes = round(seconds / 60)
    return f"{minutes // 60}:{minutes % 60:02} h"


async def _report(since: date, until: date, whole: bool) -> tuple[Report, str]:
    from datetime import timedelta

    from schakel.report import report_of

    first = datetime.combine(since, time(), LOCAL)
    after = datetime.combine(until + timedelta(days=1), time(), LOCAL)
    async with opened() as hub:
        facts = await hub.store.report(since=first, until=after)
        detail = f"{since} {until}{' whole' if whole else ''}"
        await note(hub, by=os_user(), action="report.read", object=hub.region.id, detail=detail)
        return report_of(facts, since=first, until=after, now=hub.clock.now()), hub.region.id
