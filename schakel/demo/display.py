# SPDX-License-Identifier: EUPL-1.2
"""Shows the demo: progress while it happens on stderr, the tables at the end on stdout; or nothing but JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from schakel.demo.ledger import Message
from schakel.demo.scenario import Step

MARKS: Final = {
    "confirmed": ("✔", "green"),
    "declined": ("✘", "red"),
    "received": ("…", "yellow"),
    "in-consideration": ("…", "yellow"),
    "asked": ("?", "yellow"),
    "withdrawal-requested": ("?", "yellow"),
    "withdrawn": ("-", "dim"),
    "completed": ("✔", "green"),
    "superseded": ("→", "dim"),  # another organisation took its place
    "": ("·", "dim"),
}
STATES: Final = {"routed": "green", "parked": "yellow", "refused": "red", "duplicate": "cyan"}


class Display:
    """`quiet`: only progress, and that on stderr."""

    def __init__(self, *, quiet: bool) -> None:
        self._progress = Console(stderr=True, highlight=False)
        self._data = None if quiet else Console(highlight=False)

    def heading(self, text: str) -> None:
        self._progress.print(Text(text, style="bold"), soft_wrap=True)

    def sent(self, step: Step, outcome: str, why: Sequence[str]) -> None:
        """A message was answered: what the source hears."""
        line = Text("  → ")
        line.append(f"{step.source:<13}", style="bold")
        line.append(f"{step.nl} ({step.en}): ")
        line.append(outcome, style=STATES.get(outcome, ""))
        self._progress.print(line)
        for sentence in why:
            self._progress.print(Text(f"      {sentence}", style="dim"), soft_wrap=True)

    def heard(self, partner: str, what: str, subject: str) -> None:
        """A partner took, fetched or answered something."""
        style = {"confirmed": "green", "declined": "red", "failed": "red"}.get(what, "dim")
        self._progress.print(Text(f"  ← {partner:<24}{what:<10}{subject}", style=style))

    def note(self, text: str, *, good: bool = True) -> None:
        self._progress.print(
            Text(f"  {'✔' if good else '✘'} {text}", style="green" if good else "bold red"), soft_wrap=True
        )

    def result(self, rows: Sequence[tuple[Step, str, Message | None]]) -> None:
        """The two tables: where each message went, and who confirmed what."""
        if self._data is None:
            return
        self._data.print(_journeys(rows))
        self._data.print(_matrix(rows))


def _table(title: str, *, gap: int = 1) -> Table:
    """Narrow enough for a terminal of 80 columns."""
    return Table(
        title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, padding=(0, gap, 0, 0), show_edge=False
    )


def _journeys(rows: Sequence[tuple[Step, str, Message | None]]) -> Table:
    title = "Bron → zaak → ontvangers (source → case → recipients)"
    table = _table(title)
    table.add_column("bericht", overflow="fold")
    for column in ("bron", "zaak", "ontvangers", "stand"):
        table.add_column(column, no_wrap=True)
    for step, outcome, found in rows:
        message = None if outcome == "refused" else found
        named = dict.fromkeys(f"{line.recipient} ({line.role})" for line in message.lines) if message else ()
        recipients = "\n".join(named)  # each once, though several deliveries may have gone there
        case = message.case if message else ""
        state = message.state if message and outcome != "duplicate" else outcome
        table.add_row(step.nl, step.source, case, recipients, Text(state, style=STATES.get(state, "")))
    return table


def _matrix(rows: Sequence[tuple[Step, str, Message | None]]) -> Table:
    """Partner × case: the last word of each partner that was asked."""
    answers: dict[str, dict[str, str]] = {}
    cases: list[str] = []
    for _, _, message in rows:
        if message is None or not message.lines:
            continue
        if message.case not in cases:
            cases.append(message.case)
        for line in message.lines:
            mine = answers.setdefault(line.recipient, {})
            mine[message.case] = line.answer or mine.get(message.case, "")
    title = "Wie bevestigt (who confirms): ✔ bevestigd, ✘ afgewezen"
    table = _table(title, gap=0)
    table.add_column("partner", no_wrap=True)
    for case in cases:
        table.add_column(case, justify="center", no_wrap=True)
    for partner in sorted(answers):
        table.add_row(partner, *(_mark(answers[partner].get(case)) for case in cases))
    return table


def _mark(state: str | None) -> Text:
    if state is None:
        return Text("")
    mark, style = MARKS.get(state, (state[:1], ""))
    return Text(mark, style=style)
