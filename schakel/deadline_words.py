# SPDX-License-Identifier: EUPL-1.2
"""What a deadline is called, and what its reminder and its ladder say, in Dutch and English; never a person.

Times are those of the Netherlands. A reminder tells the one that was asked, while there is time; a step of the ladder
says that the time is up, and what whoever reads it can do.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from schakel.region import ORDER_WITHOUT_PLAN, Sentence

LOCAL: Final = ZoneInfo("Europe/Amsterdam")


class Told(NamedTuple):
    """What a sentence about a deadline is made of. `whom`: the organisation with its role."""

    kind: str
    whom: str
    due_at: datetime
    order_end: datetime | None = None


class _Words(NamedTuple):
    what: Sentence  # that is waited for
    do: Sentence  # the one that was asked
    help: Sentence  # whoever is told after it


def name_of(kind: str) -> Sentence:
    """A deadline that only the region knows is called by its own name."""
    known = _KINDS.get(kind)
    return known.what if known else Sentence(nl=f"termijn {kind}", en=f"deadline {kind}")


def reminder(told: Told) -> Sentence:
    """To the one that was asked, before it is due."""
    words, due = _words(told.kind), dutch_time(told.due_at)
    return Sentence(
        nl=f"Herinnering: {told.whom}, {words.what.nl}, uiterlijk {due.nl}. {_order(told).nl}{words.do.nl}",
        en=f"Reminder: {told.whom}, {words.what.en}, {due.en} at the latest. {_order(told).en}{words.do.en}",
    )


def overdue(told: Told, *, itself: bool) -> Sentence:
    """A step of the ladder. `itself`: it tells the one that was asked."""
    words, due = _words(told.kind), dutch_time(told.due_at)
    do = words.do if itself else words.help
    return Sentence(
        nl=f"Te laat: {told.whom}, {words.what.nl}; de termijn was {due.nl}. {_order(told).nl}{do.nl}",
        en=f"Overdue: {told.whom}, {words.what.en}; it was due {due.en}. {_order(told).en}{do.en}",
    )


def dutch_time(moment: datetime) -> Sentence:
    """Day and time as the clock on the wall says; in the hour that comes twice, which of the two."""
    local = moment.astimezone(LOCAL)
    text = f"{local:%d-%m-%Y %H:%M}"
    if local.replace(fold=0).utcoffset() == local.replace(fold=1).utcoffset():
        return Sentence(nl=text, en=text)
    summer = bool(local.dst())
    return Sentence(
        nl=f"{text} ({'zomertijd' if summer else 'wintertijd'})",
        en=f"{text} ({'summer' if summer else 'winter'} time)",
    )


def _words(kind: str) -> _Words:
    return _KINDS.get(kind) or _Words(name_of(kind), _RECORD, _CALL)


def _order(told: Told) -> Sentence:
    """A restraining order that is about to end without a plan."""
    if told.kind != ORDER_WITHOUT_PLAN or told.order_end is None:
        return Sentence(nl="", en="")
    end = dutch_time(told.order_end)
    return Sentence(
        nl=f"Het huisverbod eindigt op {end.nl} en er is nog geen plan. ",
        en=f"The restraining order ends on {end.en} and there is no plan yet. ",
    )


_ANSWER: Final = Sentence(
    nl="Antwoord op het verzoek: bevestigd, met wie te bereiken is, of afgewezen, met de reden.",
    en="Answer the request: confirmed, with who can be reached, or declined, with the reason.",
)
_OTHER: Final = Sentence(
    nl="Bel de organisatie; als zij niet kan, wijs een andere aan.",
    en="Call the organisation; when it cannot, appoint another.",
)
_SAY: Final = Sentence(nl="Antwoord op wat gevraagd is.", en="Answer what was asked.")
_CALL: Final = Sentence(nl="Neem contact op.", en="Get in touch.")
_RECORD: Final = Sentence(nl="Leg vast wanneer het gedaan is.", en="Put on record when it was done.")
_PLAN: Final = Sentence(
    nl="Maak het plan en leg vast dat het er is.", en="Make the plan and put on record that it is there."
)
_TEAM: Final = Sentence(nl="Bel het team dat de zaak leidt.", en="Call the team that leads the case.")

_KINDS: Final = {
    "answer": _Words(Sentence(nl="antwoord op het verzoek", en="answer to the request"), _ANSWER, _OTHER),
    "check": _Words(
        Sentence(nl="eigen toets (bekend, passend, capaciteit)", en="own check (known, suitable, capacity)"),
        _ANSWER,
        _OTHER,
    ),
    "withdrawal": _Words(
        Sentence(nl="antwoord op het verzoek zich terug te trekken", en="answer to being asked to withdraw"),
        Sentence(
            nl="Bevestig dat u stopt, of zeg wanneer het af is.", en="Confirm that you stop, or say when it is done."
        ),
        _CALL,
    ),
    "hand-over": _Words(
        Sentence(nl="antwoord op de overdracht", en="answer to the hand-over"),
        Sentence(
            nl="Neem de zaak over of zeg waarom niet; tot dan leidt het oude team.",
            en="Take the case over or say why not; until then the old team leads.",
        ),
        Sentence(
            nl="Bel beide teams en beslis wie de zaak heeft; tot dan leidt het oude team.",
            en="Call both teams and decide who has the case; until then the old team leads.",
        ),
    ),
    "effort": _Words(Sentence(nl="antwoord op de gevraagde inzet", en="answer to the effort asked"), _SAY, _CALL),
    "known-check": _Words(Sentence(nl="check op bekendheid", en="known-check"), _SAY, _CALL),
    "plan": _Words(Sentence(nl="plan van aanpak", en="plan of action"), _PLAN, _TEAM),
    ORDER_WITHOUT_PLAN: _Words(
        Sentence(
            nl="plan van aanpak voor het einde van het huisverbod",
            en="plan of action before the restraining order ends",
        ),
        _PLAN,
        _TEAM,
    ),
    "evaluation": _Words(
        Sentence(nl="evaluatie van het plan", en="evaluation of the plan"),
        Sentence(
            nl="Evalueer en leg het vast, of sluit de zaak af.", en="Evaluate and put it on record, or close the case."
        ),
        _TEAM,
    ),
    "year": _Words(
        Sentence(nl="een jaar betrokken: afsluiten of doorgaan", en="a year involved: close or go on"),
        Sentence(nl="Sluit de zaak af, of zeg waarom zij doorgaat.", en="Close the case, or say why it goes on."),
        _TEAM,
    ),
    "follow-up": _Words(
        Sentence(nl="nazorg: vinger aan de pols", en="follow-up: a finger on the pulse"),
        Sentence(
            nl="Zoek het huishouden op en leg de evaluatie vast.", en="Visit the household and record the evaluation."
        ),
        Sentence(nl="Bel het lokale team.", en="Call the local team."),
    ),
    "admission": _Words(
        Sentence(nl="besluit van het weegoverleg", en="decision of the weighing"),
        Sentence(
            nl="Leg het besluit vast: opgenomen, nadere triage, of terug met de reden.",
            en="Record the decision: admitted, further triage, or back with the reason.",
        ),
        Sentence(nl="Bel de procesregisseur.", en="Call the process director."),
    ),
    "order-end": _Words(Sentence(nl="het huisverbod eindigt", en="the restraining order ends"), _PLAN, _TEAM),
    "effort-end": _Words(Sentence(nl="de tijdelijke inzet eindigt", en="the temporary effort ends"), _SAY, _CALL),
}
