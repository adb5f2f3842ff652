# SPDX-License-Identifier: EUPL-1.2
"""Errors as a place and a rule on stderr, and as exit codes; needs no library, as a hub that runs has no commands."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from enum import IntEnum
from typing import Final

from schakel.errors import (
    ConfigurationError,
    Finding,
    LeaseLost,
    NotFound,
    PoisonDelivery,
    RecipientGone,
    Refusal,
    SchakelError,
    Tampered,
    TemporaryFailure,
    Unacceptable,
    Unmappable,
)

LABELS: Final[Mapping[type[SchakelError], tuple[str, str]]] = {
    ConfigurationError: ("Instelling of bestand klopt niet", "Wrong setting or file"),
    Unmappable: ("Niet te vertalen", "Cannot be mapped"),
    TemporaryFailure: ("Nu niet gelukt", "Did not work this time"),
    RecipientGone: ("De ontvanger is weg", "The recipient is gone"),
    PoisonDelivery: ("Kan niet worden gemaakt", "Cannot be made"),
    LeaseLost: ("Een ander heeft het overgenomen", "Another has taken over"),
    Tampered: ("Verzegelde gegevens zijn veranderd", "Sealed data were changed"),
}


class Exit(IntEnum):
    """How a command ends; docs/commands.md explains each (a test holds the two together)."""

    OK = 0
    WRONG = 1  # it looked and found something wrong: a hole, a finding, a failed example
    USAGE = 2  # called or configured wrongly; nothing was done
    REFUSED = 3  # understood and refused: by the hub's rules or by the hub that was asked
    NOT_FOUND = 4  # nothing of that name
    UNREACHABLE = 5  # the hub or the store cannot be reached now; trying again may help


def say(text: str) -> None:
    """Progress and hints, for people: stderr."""
    print(text, file=sys.stderr, flush=True)


def told(finding: Finding) -> str:
    """A finding on one line: where, what (Dutch, then English), and the rule that says so."""
    text = finding.nl if finding.en in finding.nl else f"{finding.nl} ({finding.en})"
    return f"{finding.place}: {text} [{finding.rule}]"


def exit_code(error: SchakelError) -> Exit:
    """The tree of errors as exit codes: each class is a decision, also for a script."""
    match error:
        case ConfigurationError():
            return Exit.USAGE
        case NotFound():
            return Exit.NOT_FOUND
        case Unacceptable() | TemporaryFailure() | RecipientGone():
            return Exit.UNREACHABLE
        case Refusal():
            return Exit.REFUSED
        case _:
            return Exit.WRONG


def label(error: SchakelError) -> str:
    """What kind of error it is, Dutch first."""
    if isinstance(error, Refusal):
        return f"{error.title_nl} ({error.title_en})"
    nl, en = next((said for kind, said in LABELS.items() if isinstance(error, kind)), ("Fout", "Error"))
    return f"{nl} ({en})"


def complain(error: SchakelError) -> Exit:
    """Tells on stderr what is wrong and where, and gives the exit code."""
    findings: tuple[Finding, ...] = getattr(error, "findings", ())
    name = label(error)
    if not findings:
        say(name if isinstance(error, Refusal) else f"{name}: {error}")
    for finding in findings:
        say(f"{name}: {told(finding)}")
    return exit_code(error)
