# SPDX-License-Identifier: EUPL-1.2
"""`schakel case ask|establish|…|close`: what a coordinator says in a case, with a reason; and its ledger."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from schakel.cli.complaint import Exit, say
from schakel.cli.console import (
    LOCAL,
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
)
from schakel.cli.opened import opened

if TYPE_CHECKING:
    from schakel.ledger_records import ActOutcome

Case = Annotated[str, typer.Argument(help="The hub's own id of a case, any partner's reference, or of anything in it.")]
Partner = Annotated[str, typer.Option("--partner", help="The partner's id in the region.")]
Role = Annotated[str, typer.Option("--role", help="Its role in the case.")]
Medium = Annotated[str, typer.Option("--medium", help="How the word came: own-system, phone or letter.")]
Evidence = Annotated[str | None, typer.Option("--evidence", help="Where it can be found: who called, a file number.")]
MOMENTS: Final = ["%Y-%m-%dT%H:%M", "%Y-%m-%d"]
FUNCTION: Final = "coördinator"


def add_to(group: typer.Typer) -> None:
    """The commands, each under its name."""
    for name, command in (
        ("ask", ask),
        ("establish", establish),
        ("release", release),
        ("withdrawal", withdrawal),
        ("withdraw", withdraw),
        ("word", word),
        ("hand-over", hand_over),
        ("effort", effort),
        ("cancel", cancel),
        ("known-check", known_check),
        ("event", event),
        ("admission", admission),
        ("note", note),
        ("close", close),
        ("ledger", ledger),
    ):
        group.command(name)(command)


def ask(
    case: Case,
    partner: Partner,
    by: By,
    reason: Reason,
    role: Role = "partner",
    phase: Annotated[str | None, typer.Option("--phase", help="Of working on safety in phases.")] = None,
    serves: Annotated[str | None, typer.Option("--serves", help="Whom of the household it is asked in for.")] = None,
    medium: Medium = "own-system",
    evidence: Evidence = None,
    as_json: AsJson = False,
) -> None:
    """Asks a partner in: it gets the case as its role may see it, and a clock runs for its answer."""
    form = {"action": "ask", "partner": partner, "role": role, "phase": phase, "serves": serves}
    _act("involvements", case, form, by, reason, medium, evidence, as_json)


def establish(
    case: Case,
    partner: Partner,
    by: By,
    reason: Reason,
    role: Role = "partner",
    medium: Medium = "own-system",
    evidence: Evidence = None,
    as_json: AsJson = False,
) -> None:
    """Establishes that a partner is involved, whatever it answered itself (S4)."""
    form = {"action": "establish", "partner": partner, "role": role}
    _act("involvements", case, form, by, reason, medium, evidence, as_json)


def release(
    case: Case,
    partner: Partner,
    by: By,
    reason: Reason,
    role: Role = "partner",
    medium: Medium = "own-system",
    evidence: Evidence = None,
    as_json: AsJson = False,
) -> None:
    """Takes back that a partner is involved."""
    form = {"action": "release", "partner": partner, "role": role}
    _act("involvements", case, form, by, reason, medium, evidence, as_json)


def withdrawal(
    case: Case,
    partner: Partner,
    by: By,
    reason: Reason,
    role: Role = "partner",
    medium: Medium = "own-system",
    evidence: Evidence = None,
    as_json: AsJson = False,
) -> None:
    """Asks a partner to leave; the partner itself ends it."""
    form = {"action": "withdrawal", "partner": partner, "role": role, "reason": reason}
    _act("involvements", case, form, by, reason, medium, evidence, as_json)


def withdraw(
    case: Case,
    partner: Partner,
    by: By,
    reason: Reason,
    role: Role = "partner",
    medium: Medium = "own-system",
    evidence: Evidence = None,
    as_json: AsJson = False,
) -> None:
    """Ends what a partner does not end itself."""
    form = {"action": "withdraw", "partner": partner, "role": role, "reason": reason}
    _act("involvements", case, form, by, reason, medium, evidence, as_json)


def word(
    case: Case,
    partner: Partner,
    answer: Annotated[str, typer.Option("--answer", help="confirmed, declined, in-consideration, withdrawn, …")],
    by: By,
    reason: Reason,
    role: Role = "partner",
    code: Annotated[str | None, typer.Option("--reason-code", help="Of declined, as partners say it.")] = None,
    words: Annotated[str | None, typer.Option("--reason-text", help="Why, in the partner's words.")] = None,
    name: Annotated[str | None, typer.Option("--contact", help="Who can be reached there.")] = None,
    phone: Annotated[str | None, typer.Option("--phone", help="At which number.")] = None,
    medium: Medium = "phone",
    evidence: Evidence = None,
    as_json: AsJson = False,
) -> None:
    """Writes down what a partner answered by telephone or letter."""
    form: dict[str, Any] = {"action": "word", "partner": partner, "role": role, "answer": answer}
    form |= {"reasonCode": code, "reasonText": words}
    form |= {"contact": {"name": name or "", "phone": phone or ""}} if name or phone else {}
    _act("involvements", case, form, by, reason, medium, evidence, as_json)


def hand_over(
    case: Case,
    to: Annotated[str, typer.Option("--to", help="The team that is to take over.")],
    by: By,
    reason: Reason,
    role: Role = "lead",
    municipality: Annotated[str | None, typer.Option("--municipality", help="CBS code of where it goes on.")] = None,
    medium: Medium = "own-system",
    evidence: Evidence = None,
    as_json: AsJson = False,
) -> None:
    """Proposes that another team takes over; the old one stays until it has confirmed."""
    form = {"action": "hand-over", "partner": to, "role": role, "municipality": municipality, "reason": reason}
    _act("involvements", case, form, by, reason, medium, evidence, as_json)


def effort(
    case: Case,
    partner: Partner,
    direction: Annotated[str, typer.Option("--direction", help="raise or lower.")],
    level: Annotated[str, typer.Option("--level", help="What is asked, in a few words.")],
    until: Annotated[datetime, typer.Option("--until", formats=MOMENTS, help="It ends by itself then (Dutch time).")],
    by: By,
    reason: Reason,
    from_: Annotated[datetime | None, typer.Option("--from", formats=MOMENTS, help="None: now (Dutch time).")] = None,
    role: Role = "partner",
    medium: Medium = "own-system",
    evidence: Evidence = None,
    as_json: AsJson = False,
) -> None:
    """Asks a partner to raise or lower its effort for a time (S4)."""
    from schakel.bootstrap import SystemClock

    start = SystemClock().now() if from_ is None else from_.replace(tzinfo=LOCAL)
    form = {"partner": partner, "role": role, "direction": direction, "level": level, "reason": reason}
    form |= {"from": start.isoformat(), "until": until.replace(tzinfo=LOCAL).isoformat()}
    _act("effort-requests", case, form, by, reason, medium, evidence, as_json)


def cancel(
    case: Case,
    matter: Annotated[str, typer.Option("--matter", help="The id of what was asked (schakel case ledger).")],
    by: By,
    reason: Reason,
    medium: Medium = "own-system",
    evidence: Evidence = None,
    as_json: AsJson = False,
) -> None:
    """Takes back what was asked: effort, or a hand-over."""
    form = {"event": "cancel", "matter": matter, "reason": reason}
    _act("events", case, form, by, reason, medium, evidence, as_json)


def known_check(
    case: Case,
    partner: Annotated[list[str], typer.Option("--partner", help="Whom to ask; once per partner.")],
    member: Annotated[list[str], typer.Option("--member", help="About whom: the id in the case message.")],
    by: By,
    reason: Reason,
    medium: Medium = "own-system",
    evidence: Evidence = None,
    as_json: AsJson = False,
) -> None:
    """Asks partners whether they know a person. A yes does not make a partner involved."""
    _act("known-checks", case, {"partners": partner, "members": member}, by, reason, medium, evidence, as_json)


def event(
    case: Case,
    event: Annotated[str, typer.Option("--event", help="first-visit, plan-made, evaluated, phase-entered, …")],
    by: By,
    reason: Reason,
    at: Annotated[datetime | None, typer.Option("--at", formats=MOMENTS, help="None: now (Dutch time).")] = None,
    phase: Annotated[str | None, typer.Option("--phase", help="Which phase was entered.")] = None,
    medium: Medium = "own-system",
    evidence: Evidence = None,
    as_json: AsJson = False,
) -> None:
    """Records that something happened in the case."""
    when = None if at is None else at.replace(tzinfo=LOCAL).isoformat()
    _act("events", case, {"event": event, "at": when, "phase": phase}, by, reason, medium, evidence, as_json)


def admission(
    case: Case,
    outcome: Annotated[str, typer.Option("--outcome", help="admitted, triage or referred-back.")],
    by: By,
    reason: Reason,
    medium: Medium = "own-system",
    evidence: Evidence = None,
    as_json: AsJson = False,
) -> None:
    """Records what the weighing decided (MDA++: ZVH-01, ZVH-02, ZVH-03)."""
    form = {"event": "admission", "outcome": outcome, "reason": reason}
    _act("events", case, form, by, reason, medium, evidence, as_json)


def note(
    case: Case,
    note: Annotated[str, typer.Option("--note", help="What should stand in the ledger.")],
    by: By,
    reason: Reason,
    medium: Medium = "own-system",
    evidence: Evidence = None,
    as_json: AsJson = False,
) -> None:
    """Puts a note in the ledger, in a closed case too; it changes nothing."""
    _act("events", case, {"event": "note", "note": note}, by, reason, medium, evidence, as_json)


def close(
    case: Case,
    by: By,
    reason: Reason,
    medium: Medium = "own-system",
    evidence: Evidence = None,
    as_json: AsJson = False,
) -> None:
    """Closes the case; the local team keeps a finger on the pulse (S4)."""
    _act("closure", case, {"reason": reason}, by, reason, medium, evidence, as_json)


def ledger(
    case: Case,
    at: Annotated[
        datetime | None, typer.Option("--at", formats=MOMENTS, help="As the hub knew it then (Dutch time).")
    ] = None,
    by: Annotated[str | None, typer.Option("--by", help="Who reads; none: the user of this machine.")] = None,
    as_json: AsJson = False,
) -> None:
    """Who is in the case, on whose word and since when, and what comes next. Reading stands in the audit."""
    found = run(_ledger(case, by or os_user(), None if at is None else at.replace(tzinfo=LOCAL)))
    if as_json:
        show_json(found)
        return
    standing, coming = found["standing"], found["standing"]["next"]
    show_fields(
        {
            "case": found["reference"],
            "programme": found["programme"],
            "municipality": found["municipality"],
            "state": f"{found['state']}, {standing['state']}",
            "opened": _shown(found["openedAt"]),
            "closed": _shown(found["closedAt"]),
            "order ends": _shown(found["orderEndsAt"]),
            "next": f"{_shown(coming['at'])} {coming['nl']}" if coming else None,
        }
    )
    for because in (*standing["risks"], *standing["waits"]):
        typer.echo(f"! {because['nl']} ({because['en']}) [{because['rule']}]")
    show_table(
        ("partner", "role", "state", "established", "asked by", "due"),
        [
            (x["partner"], x["role"], x["state"], "yes" if x["established"] else "", x["askedBy"], _shown(x["dueAt"]))
            for x in found["involvements"]
        ],
    )
    show_table(
        ("matter", "partner", "state", "until", "id"),
        [(x["kind"], x["partner"], x["state"], _shown(x["validUntil"]), x["id"]) for x in found["matters"]],
    )
    show_table(
        ("known at", "event", "by", "as", "word"),
        [(_shown(x["knownAt"]), x["event"], x["by"], x["role"], x["medium"]) for x in found["entries"]],
    )


def _shown(moment: str | None) -> str | None:
    return None if moment is None else clock_time(datetime.fromisoformat(moment))


def _act(
    form: str,
    case: str,
    said: dict[str, Any],
    by: str,
    reason: str,
    medium: str,
    evidence: str | None,
    as_json: bool,
) -> None:
    from pydantic import ValidationError

    from schakel.forms import FORMS

    who = {"name": named(by, "--by"), "function": FUNCTION}
    words = {**said, "actor": who, "medium": medium, "evidence": evidence}
    try:
        filled = FORMS[form].model_validate({name: value for name, value in words.items() if value is not None})
    except ValidationError as error:
        places = ", ".join(".".join(str(part) for part in fault["loc"]) or "form" for fault in error.errors())
        raise stop(Exit.USAGE, f"not as expected: {places}") from None
    done = run(_done(filled.kind, case, {**filled.fields, "reason": named(reason, "--reason")}, filled.word, by))
    if as_json:
        show_json({"outcome": done.outcome, "case": done.case_id, "made": dict(done.made)})
    else:
        typer.echo(done.outcome)
        for name, value in done.made.items():
            typer.echo(f"{name}  {value}")
        say(f"Next: schakel case ledger {done.case_id}")


async def _done(kind: str, case: str, fields: dict[str, Any], word: dict[str, Any], by: str) -> ActOutcome:
    from schakel.acting import Said

    async with opened() as hub:
        return await hub.acting.act(
            kind,
            actor=f"operator:{by}",
            reference=case,
            fields=fields,
            now=hub.clock.now(),
            said=Said(**word),
        )


async def _ledger(case: str, by: str, at: datetime | None) -> dict[str, Any]:
    async with opened() as hub:
        return await hub.ledger_views.for_operator(case, by=by, now=hub.clock.now(), at=at)
