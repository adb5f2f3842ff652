# SPDX-License-Identifier: EUPL-1.2
"""`schakel states`: the tables of states, moves and acts as a page (docs/states.md is this command's output)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import typer

if TYPE_CHECKING:
    from schakel.states import Machine

# What each machine is about, for who reads the page; the states themselves carry their comments in schakel/states.py.
_ABOUT: Final = {
    "message": "A message that came in.",
    "delivery": "One message on its way to one recipient: transport, apart from what anybody answers.",
    "case": "A household in a programme.",
    "request": "One organisation in one role in a case: what it was asked and what it answered itself.",
    "establishment": "What the lead established of an organisation (S4): it is involved. Apart from its answer.",
    "effort": "An organisation asked to do more or less for a time (S4); ends by itself.",
    "known-check": "Is this person known to you? A yes does not make an organisation involved.",
    "hand-over": "Another team is to lead or walk along; the old one stays until it has confirmed.",
    "admission": "MDA++: the weighing of a reported case (S4): ZVH-01 admitted, ZVH-02 triage, ZVH-03 referred back.",
    "parked": "What waits for a person.",
}


def states() -> None:
    """The tables of states: from, event, by whom, to; who may do what in a case; and the rules of refusal. Markdown."""
    typer.echo("\n".join(_page()))


def _page() -> Iterator[str]:
    from schakel.states import Machine

    yield "# States, moves and acts"
    yield ""
    yield "Made by `schakel states`; a test holds this page to the tables of `schakel/states.py`, `schakel/acting.py`."
    yield "The database holds the same moves (`allowed_move`) and refuses any other history. `none`: before the first."
    for machine in Machine:
        yield from _machine(machine)
    yield from _acts()
    yield from _refusals()


def _machine(machine: Machine) -> Iterator[str]:
    from schakel.states import MOVES

    rows: dict[tuple[str, str, str], list[str]] = {}
    for move in MOVES:
        if move.machine is machine:
            rows.setdefault((str(move.from_state), move.event, str(move.to_state)), []).append(str(move.role))
    yield from ("", f"## {machine}", "", _ABOUT[str(machine)], "")
    yield from ("| from | event | by | to |", "|---|---|---|---|")
    for (from_state, event, to_state), roles in rows.items():
        yield f"| {from_state} | {event} | {', '.join(roles)} | {to_state} |"


def _acts() -> Iterator[str]:
    from schakel.acting import KINDS
    from schakel.states import Role

    roles = (Role.LEAD, Role.OPERATOR, Role.RECIPIENT, Role.CLOCK)
    yield from ("", "## Who may do what in a case", "")
    yield "`lead`: the team that leads, or the process director; `operator`: a coordinator, always with a reason;"
    yield "`recipient`: the organisation that was asked, about its own. `+`: in a closed case too."
    yield from ("", f"| act | {' | '.join(roles)} | fields |", f"|---|{'---|' * len(roles)}---|")
    for name, kind in KINDS.items():
        marks = ["" if role not in kind.who else "x+" if role in kind.closed else "x" for role in roles]
        yield f"| {name} | {' | '.join(marks)} | {', '.join(sorted(kind.fields))} |"


def _refusals() -> Iterator[str]:
    from schakel.acts.refusals import RULES
    from schakel.errors import Conflict, Forbidden

    status = {Conflict: "409", Forbidden: "403"}
    yield from ("", "## Rules by which an act is refused", "", "| rule | status | nl | en |", "|---|---|---|---|")
    for name, rule in RULES.items():
        yield f"| `{name}` | {status.get(rule.refusal, '400')} | {rule.nl} | {rule.en} |"
