# SPDX-License-Identifier: EUPL-1.2
"""`schakel parked`: what waits for a person, and that person's decision, with a name and a reason."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from schakel.cli.complaint import Exit, say, told
from schakel.cli.console import (
    AsJson,
    By,
    Reason,
    clock_time,
    named,
    os_user,
    run,
    show_fields,
    show_finding,
    show_json,
    show_table,
    stop,
    utc_time,
)
from schakel.cli.opened import note, opened, opened_books

if TYPE_CHECKING:
    from schakel.hub import Hub
    from schakel.records import Accepted, ParkedRow

group = typer.Typer(help="What waits for a person: look, then retry, release or drop.", no_args_is_help=True)
Id = Annotated[str, typer.Argument(metavar="ID", help="The id of the parked thing.")]


@group.command("list")
def list_(
    every: Annotated[bool, typer.Option("--all", help="Those that were settled too.")] = False, as_json: AsJson = False
) -> None:
    """What waits, longest first: the cause, who decides, when the alarm rings again."""
    rows = run(_rows(settled=every))
    if as_json:
        show_json([_json(row) for row in rows])
        return
    show_table(
        ("id", "cause", "owner", "state", "source", "parked", "next alarm"),
        [
            (r.id, r.cause, r.owner, r.state, r.source, clock_time(r.parked_at), clock_time(r.next_alarm_at))
            for r in rows
        ],
    )


@group.command("show")
def show(
    parked: Annotated[str, typer.Argument(metavar="ID", help="The id of the parked thing, or of its message.")],
    as_json: AsJson = False,
) -> None:
    """One parked thing: what is wrong and where, what can be done, whom the route suggests."""
    row, advice = run(_one(parked))
    if row is None:
        raise stop(Exit.NOT_FOUND, "nothing parked has that id")
    if as_json:
        show_json({**_json(row), "advice": advice})
        return
    show_fields(
        {
            "id": row.id,
            "message": row.message_id,
            "case": row.case_id,
            "cause": row.cause,
            "owner": row.owner,
            "state": row.state,
            "parked": clock_time(row.parked_at),
            "next alarm": clock_time(row.next_alarm_at) if row.state == "open" else None,
            "suggested": ", ".join(f"{partner} ({role})" for partner, role in row.suggests),
            "settled by": row.settled_by,
            "because": row.settled_reason,
            "what to do": advice.get("nl"),
            "(in English)": advice.get("en"),
        }
    )
    for finding in row.findings:
        typer.echo(f"- {told(finding)}")
    if row.state == "open":
        _next_steps(row)


@group.command("retry")
def retry(parked: Id, by: By, reason: Reason, as_json: AsJson = False) -> None:
    """Tries again, after a mapping or codebook was mended. 1: it parks again, with new findings."""

    async def work(hub: Hub) -> Accepted:
        return await hub.intake.retry(parked, by=by, reason=reason, now=hub.clock.now())

    _settle(work, by, reason, "retried", as_json)


@group.command("release")
def release(
    parked: Id,
    to: Annotated[list[str], typer.Option("--to", help="Partner that gets it; once per partner.")],
    by: By,
    reason: Reason,
    as_json: AsJson = False,
) -> None:
    """Sends it on to the partners named; the suggested local team comes along unless you name one."""

    async def work(hub: Hub) -> Accepted:
        return await hub.intake.release(parked, to=to, by=by, reason=reason, now=hub.clock.now())

    _settle(work, by, reason, "released", as_json)


@group.command("drop")
def drop(parked: Id, by: By, reason: Reason, as_json: AsJson = False) -> None:
    """Ends it without delivery. The source sees in the status that a person dropped it."""

    async def work(hub: Hub) -> Accepted:
        return await hub.intake.drop(parked, by=by, reason=reason, now=hub.clock.now())

    _settle(work, by, reason, "dropped", as_json)


def _next_steps(row: ParkedRow) -> None:
    """What can be pasted now. Release is left out where the hub would refuse it: what was not mapped has no content."""
    who = '--by "NAAM" --reason "WAAROM"'
    say("")
    say("Next:")
    say(f"  schakel parked retry {row.id} {who}")
    if row.case_id is not None or not row.whole:
        to = " ".join(f"--to {partner}" for partner, _ in row.suggests) or "--to PARTNER"
        say(f"  schakel parked release {row.id} {to} {who}")
    say(f"  schakel parked drop {row.id} {who}")


def _settle(work: Callable[[Hub], Awaitable[Any]], by: str, reason: str, done: str, as_json: bool) -> None:
    named(by, "--by")
    named(reason, "--reason")
    outcome = run(_with_hub(work))
    again = done == "retried" and outcome.parked_cause is not None
    if as_json:
        show_json(
            {
                "outcome": "parked" if again else done,
                "message": outcome.message_id,
                "state": outcome.state,
                "parkedCause": outcome.parked_cause,
                "deliveries": [bell.delivery_id for bell in outcome.bells],
            }
        )
    else:
        typer.echo("parks again" if again else done)
        for bell in outcome.bells:
            say(f"delivery {bell.delivery_id} to {bell.recipient}")
    if again:
        raise stop(Exit.WRONG, f"cause: {outcome.parked_cause}")


async def _with_hub(work: Callable[[Hub], Awaitable[Any]]) -> Any:
    async with opened() as hub:
        return await work(hub)


async def _rows(*, settled: bool) -> list[ParkedRow]:
    async with opened_books() as books:
        return sorted(await books.store.parked(settled=settled), key=lambda row: row.parked_at)


async def _one(parked: str) -> tuple[ParkedRow | None, dict[str, str]]:
    async with opened_books() as books:
        rows = await books.store.parked(parked_id=parked, settled=True)
        if not rows:  # a message can have been parked more than once: what is open first, then the newest
            rows = [row for row in await books.store.parked(settled=True) if row.message_id == parked]
            rows.sort(key=lambda row: (row.state != "open", -row.parked_at.timestamp()))
        if not rows:
            return None, {}
        await note(books, by=os_user(), action="parked.read", object=rows[0].id)
        text = books.region.causes.get(rows[0].cause)
        return rows[0], {"nl": text.nl, "en": text.en} if text else {}


def _json(row: ParkedRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "messageId": row.message_id,
        "caseId": row.case_id,
        "cause": row.cause,
        "owner": row.owner,
        "state": row.state,
        "source": row.source,
        "findings": [show_finding(finding) for finding in row.findings],
        "suggests": [{"partner": partner, "role": role} for partner, role in row.suggests],
        "parkedAt": utc_time(row.parked_at),
        "nextAlarmAt": utc_time(row.next_alarm_at),
        "settledBy": row.settled_by,
        "settledReason": row.settled_reason,
    }
