# SPDX-License-Identifier: EUPL-1.2
"""`schakel status` and `schakel case`: where a message and a case stand, and whether two cases are one."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from schakel.cli import acts
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
    show_json,
    show_table,
    stop,
    utc_time,
)
from schakel.cli.opened import note, opened_books

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from schakel.operating import Progress
    from schakel.records import CaseRecord, RequestRow, StatusRecord


class _CaseGroup(TyperGroup):
    """`schakel case REF` is short for `schakel case show REF`."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            args = ["show", *args]
        return super().resolve_command(ctx, args)


group = typer.Typer(cls=_CaseGroup, help="A case: who has it, who answered, who is late.", no_args_is_help=True)
acts.add_to(group)
Reader = Annotated[str | None, typer.Option("--by", help="Who reads this; none: the user of this machine.")]
Case = Annotated[
    str, typer.Argument(help="The hub's own id of a case, any partner's reference, or the id of anything in it.")
]


def status(
    message: Annotated[str, typer.Argument(metavar="ID", help="The id that the hub gave with its 202.")],
    by: Reader = None,
    as_json: AsJson = False,
) -> None:
    """Where a message stands: its routing with the reasons, its lead and duo. Reading stands in the audit."""
    found = run(_status(message, by or os_user()))
    if found is None:
        raise stop(Exit.NOT_FOUND, "no such message")
    record, now, under_way = found
    if as_json:
        show_json({**_status_json(record, now), "underWay": [_progress_json(one) for one in under_way]})
        return
    show_fields(
        {
            "message": record.message_id,
            "kind": record.kind,
            "state": record.state,
            "received": clock_time(record.received_at),
            "parked": record.parked_cause,
        }
    )
    for decision in record.routing:
        typer.echo(f"- {decision.outcome} {decision.recipient or 'nobody yet'} ({decision.role}): {decision.nl}")
    for warning in record.warnings:
        typer.echo(f"! {told(warning)}")
    _show_requests(record.requests, now)
    _show_progress(under_way)
    if record.parked_cause is not None:
        say(f"Next: schakel parked show {record.message_id}")
    elif record.requests:
        say(f"Next: schakel case {record.message_id}")


@group.command("show")
def show(case: Case, by: Reader = None, as_json: AsJson = False) -> None:
    """The matrix of a case: every partner asked, what it answered, who is late. Reading stands in the audit."""
    found = run(_case(case, by or os_user()))
    if found is None:
        raise stop(Exit.NOT_FOUND, "no such case")
    record, now, under_way = found
    if as_json:
        show_json({**_case_json(record, now), "underWay": [_progress_json(one) for one in under_way]})
        return
    show_fields(
        {
            "case": record.id,
            "programme": record.programme,
            "municipality": record.municipality,
            "opened": clock_time(record.opened_at),
            "orders": record.order_count,
            "linked": ", ".join(record.linked),
        }
    )
    show_table(("message", "kind", "source", "state", "received"), [_message_row(m) for m in record.messages])
    _show_requests(record.requests, now)
    _show_progress(under_way)
    for suggestion in record.suggestions:
        typer.echo(f"? same household as {suggestion.other_case_id} by {suggestion.kinds}: {suggestion.state}")


@group.command("join")
def join(case: Case, other: Case, by: By, reason: Reason, as_json: AsJson = False) -> None:
    """Decides that two cases are one household: the younger one's messages go on under the older."""
    _decide(case, other, by, reason, join=True, as_json=as_json)


@group.command("keep-apart")
def keep_apart(case: Case, other: Case, by: By, reason: Reason, as_json: AsJson = False) -> None:
    """Decides that two cases are different households: the suggestion goes."""
    _decide(case, other, by, reason, join=False, as_json=as_json)


def _decide(case: str, other: str, by: str, reason: str, *, join: bool, as_json: bool) -> None:
    done = run(_suggestion(case, other, named(by, "--by"), named(reason, "--reason"), join))
    if done is None:
        raise stop(Exit.NOT_FOUND, "no such case")
    if not done:
        raise stop(Exit.REFUSED, "nobody suggests that these two are one, or it has been decided already")
    if as_json:
        show_json({"decided": "joined" if join else "kept-apart"})
    else:
        typer.echo("joined" if join else "kept apart")


async def _status(message: str, by: str) -> tuple[StatusRecord, datetime, list[Progress]] | None:
    """With the time at which it was so, and what has not arrived."""
    async with opened_books() as books:
        record = await books.store.status("", message)
        if record is None:
            return None
        await note(books, by=by, action="status.read", object=record.message_id)
        now = books.clock.now()
        return record, now, await books.store.progress(record.message_id, now=now)


async def _case(reference: str, by: str) -> tuple[CaseRecord, datetime, list[Progress]] | None:
    """With the time at which it was so, and what has not arrived."""
    async with opened_books() as books:
        record = await books.store.case_by_id(reference)
        if record is None:
            return None
        await note(books, by=by, action="case.read", object=record.id)
        now = books.clock.now()
        return record, now, await books.store.progress(record.id, now=now)


async def _suggestion(case: str, other: str, by: str, reason: str, join: bool) -> bool | None:
    from schakel.case_secrecy import share_secrecy

    async with opened_books() as books:
        first, second = await books.store.case_by_id(case), await books.store.case_by_id(other)
        if first is None or second is None:
            return None
        return await books.store.decide_suggestion(
            first.id,
            second.id,
            join=join,
            by=by,
            reason=reason,
            now=books.clock.now(),
            share=partial(share_secrecy, books.vault),
        )


def _show_requests(requests: Sequence[RequestRow], now: datetime) -> None:
    if requests:
        columns = ("partner", "role", "delivery", "answer", "due", "late")
        show_table(columns, [_request_row(request, now) for request in requests])


def _request_row(request: RequestRow, now: datetime) -> tuple[object, ...]:
    state = f"{request.state} (contradicted)" if request.contradicted else request.state
    late = "late" if request.late(now) else ""
    return (request.partner, request.role, request.delivery_state, state, clock_time(request.due_at), late)


def _show_progress(under_way: Sequence[Progress]) -> None:
    """What has not arrived: how often it was tried, why in vain, and when again."""
    if under_way:
        typer.echo("")
        typer.echo("Nog onderweg (still under way):")
        columns = ("delivery", "partner", "state", "tries", "last reason", "next attempt", "paused until")
        show_table(columns, [_progress_row(one) for one in under_way])


def _progress_row(one: Progress) -> tuple[object, ...]:
    again = clock_time(one.next_at) if one.state == "waiting" else None
    return (one.id, one.partner, one.state, one.attempts, one.last_reason, again, clock_time(one.paused_until))


def _progress_json(one: Progress) -> dict[str, Any]:
    return {
        "delivery": one.id,
        "message": one.message_id,
        "partner": one.partner,
        "role": one.role,
        "number": one.number,
        "state": one.state,
        "attempts": one.attempts,
        "lastReason": one.last_reason,
        "nextAttemptAt": utc_time(one.next_at) if one.state == "waiting" else None,
        "pausedUntil": utc_time(one.paused_until),
    }


def _message_row(message: Any) -> tuple[object, ...]:
    return (message.id, message.kind, message.source, message.state, clock_time(message.received_at))


def _requests_json(requests: Sequence[RequestRow], now: datetime) -> list[dict[str, Any]]:
    return [
        {
            "partner": request.partner,
            "role": request.role,
            "state": request.state,
            "askedAt": utc_time(request.asked_at),
            "dueAt": utc_time(request.due_at),
            "overdue": request.late(now),
            "contradicted": request.contradicted,
            "delivery": request.delivery_state,
            "deliveredAt": utc_time(request.delivered_at),
            "answers": [
                {"answer": answer.answer, "reasonCode": answer.reason_code, "at": utc_time(answer.at)}
                for answer in request.answers
            ],
        }
        for request in requests
    ]


def _status_json(record: StatusRecord, now: datetime) -> dict[str, Any]:
    return {
        "messageId": record.message_id,
        "kind": record.kind,
        "state": record.state,
        "receivedAt": utc_time(record.received_at),
        "parkedCause": record.parked_cause,
        "routing": [
            {"recipient": d.recipient, "role": d.role, "outcome": d.outcome, "rule": d.rule, "nl": d.nl, "en": d.en}
            for d in record.routing
        ],
        "requests": _requests_json(record.requests, now),
        "warnings": [{"place": w.place, "rule": w.rule, "nl": w.nl, "en": w.en} for w in record.warnings],
    }


def _case_json(record: CaseRecord, now: datetime) -> dict[str, Any]:
    return {
        "caseId": record.id,
        "programme": record.programme,
        "municipality": record.municipality,
        "openedAt": utc_time(record.opened_at),
        "orderCount": record.order_count,
        "references": dict(record.references),
        "messages": [
            {"id": m.id, "kind": m.kind, "source": m.source, "state": m.state, "receivedAt": utc_time(m.received_at)}
            for m in record.messages
        ],
        "requests": _requests_json(record.requests, now),
        "suggestions": [
            {"otherCaseId": s.other_case_id, "kinds": s.kinds, "state": s.state} for s in record.suggestions
        ],
        "linked": list(record.linked),
    }
