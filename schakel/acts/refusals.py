# SPDX-License-Identifier: EUPL-1.2
"""Every rule by which an act in a case is refused: its name, its kind of refusal, and a sentence in both languages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from schakel.errors import Conflict, Finding, Forbidden, Refusal


@dataclass(frozen=True, slots=True)
class Rule:
    """`refusal` says what it means for the asker: 400 said wrongly, 403 not his to say, 409 not as the case stands."""

    refusal: type[Refusal]
    nl: str
    en: str


def refused(rule: str, place: str = "act") -> Refusal:
    """The refusal by this rule; `place` is a field of the act, never its value."""
    known = RULES[rule]
    return known.refusal(Finding(place, rule, known.nl, known.en))


OTHER: Final = "other"
DECLINE_REASONS: Final = ("already-involved", "no-capacity", "not-suitable", "wrongly-addressed", OTHER)

RULES: Final[Mapping[str, Rule]] = {
    # -- of every act
    "act:unknown-kind": Rule(Refusal, "Deze handeling is niet bekend.", "This kind of act is not known."),
    "act:unknown-field": Rule(
        Refusal, "Dit veld hoort niet bij deze handeling.", "This field does not belong to this act."
    ),
    "act:field-missing": Rule(Refusal, "Dit veld is nodig voor deze handeling.", "This act needs this field."),
    "act:field-wrong": Rule(Refusal, "Dit veld is niet zoals verwacht.", "This field is not as expected."),
    "act:actor-named": Rule(
        Refusal,
        "Noem wie dit doet: naam en functie.",
        "Say who does this: name and function.",
    ),
    "act:operator-gives-reason": Rule(
        Refusal, "Een coördinator geeft naam en reden.", "A coordinator gives a name and a reason."
    ),
    "act:medium": Rule(
        Refusal,
        "Kies hoe dit woord kwam: own-system, phone of letter.",
        "Choose how this word came: own-system, phone or letter.",
    ),
    "act:valid-period": Rule(Refusal, "Het einde ligt niet na het begin.", "The end does not come after the start."),
    "act:in-the-future": Rule(Refusal, "Dit ligt in de toekomst.", "This lies in the future."),
    "act:key-reused": Rule(
        Conflict,
        "Met deze sleutel is al iets anders gezegd.",
        "Something else was said under this key before.",
    ),
    "act:only-the-lead": Rule(
        Forbidden,
        "Alleen het team dat de zaak leidt, of een coördinator, mag dit.",
        "Only the team that leads the case, or a coordinator, may do this.",
    ),
    "act:only-a-coordinator": Rule(Forbidden, "Alleen een coördinator mag dit.", "Only a coordinator may do this."),
    "act:only-its-own": Rule(
        Forbidden,
        "Een organisatie antwoordt alleen op wat haar zelf gevraagd is.",
        "An organisation answers only what it was asked itself.",
    ),
    "act:case-closed": Rule(
        Conflict,
        "De zaak is gesloten: alleen antwoorden en aantekeningen van de coördinator kunnen nog.",
        "The case is closed: only answers and notes by the coordinator are taken.",
    ),
    "act:case-joined": Rule(
        Conflict,
        "Deze zaak is samengevoegd met een andere; handel daar.",
        "This case was joined to another; act there.",
    ),
    "act:nothing-routed": Rule(
        Conflict,
        "Van deze zaak is nog geen melding bezorgd.",
        "No report of this case has been routed yet.",
    ),
    "act:role-unclear": Rule(
        Refusal,
        "Deze organisatie heeft meer dan één rol, of geen; noem de rol.",
        "This organisation has more than one role, or none; name the role.",
    ),
    "act:no-deadline": Rule(
        Conflict,
        "Voor deze rol kent de regio hiervoor geen termijn; zonder klok wordt niets gevraagd.",
        "The region has no deadline for this role; nothing is asked without a clock.",
    ),
    # -- asking a partner in
    "ask:unknown-partner": Rule(
        Refusal, "Deze organisatie doet in de regio niet mee.", "This organisation takes no part in the region."
    ),
    "ask:not-a-recipient": Rule(
        Refusal, "Deze organisatie zendt alleen in.", "This organisation only hands messages in."
    ),
    "ask:role-does-not-fit": Rule(
        Refusal, "Deze rol past niet bij deze organisatie.", "This role does not fit this organisation."
    ),
    "ask:role-not-in-programme": Rule(
        Conflict,
        "Deze rol mag in dit programma niets zien; de regio heeft er geen regel voor.",
        "This role may see nothing in this programme; the region has no rule for it.",
    ),
    "ask:itself": Rule(Refusal, "Een team vraagt zichzelf niet.", "A team does not ask itself."),
    "ask:leads-already": Rule(
        Conflict,
        "Er is al een team dat de zaak leidt; draag de zaak over.",
        "A team leads the case already; hand the case over.",
    ),
    "ask:already-asked": Rule(
        Conflict,
        "Deze organisatie doet in deze rol al mee, of is al gevraagd.",
        "This organisation takes part in this role already, or was asked.",
    ),
    "ask:serves-another": Rule(
        Refusal,
        "Deze organisatie werkt voor een ander deel van het huishouden.",
        "This organisation works for another part of the household.",
    ),
    # -- establishing, effort, leaving
    "establish:not-asked": Rule(
        Conflict,
        "Deze organisatie is in deze zaak niet gevraagd; vraag haar eerst.",
        "This organisation was not asked in this case; ask it first.",
    ),
    "establish:not-established": Rule(
        Conflict,
        "Deze organisatie is in deze rol nooit als betrokken vastgesteld.",
        "This organisation was never established as involved in this role.",
    ),
    "effort:not-involved": Rule(
        Conflict, "Deze organisatie doet in deze zaak niet mee.", "This organisation takes no part in this case."
    ),
    "effort:ends-before-it-starts": Rule(
        Refusal, "Het einde ligt niet na het begin.", "The end does not come after the start."
    ),
    "effort:over-already": Rule(Refusal, "Deze periode is al voorbij.", "This period is over already."),
    "effort:at-most-a-year": Rule(
        Refusal,
        "Meer of minder inzet is tijdelijk: ten hoogste een jaar.",
        "More or less effort is for a time: a year at most.",
    ),
    "effort:one-at-a-time": Rule(
        Conflict,
        "Voor deze periode is al om meer of minder inzet gevraagd; neem dat eerst terug.",
        "More or less effort was asked for this period before; take that back first.",
    ),
    "effort:adjusted-how": Rule(
        Refusal,
        "Noem wat wel kan: een ander niveau, een ander einde, of beide.",
        "Say what can be done: another level, another end, or both.",
    ),
    "act:no-such-matter": Rule(
        Conflict, "In deze zaak is dit niet gevraagd.", "Nothing of this name was asked in this case."
    ),
    "withdrawal:not-involved": Rule(
        Conflict, "Deze organisatie doet in deze zaak niet mee.", "This organisation takes no part in this case."
    ),
    # -- a partner's answer
    "answer:reason-required": Rule(Refusal, "Afwijzen vraagt een reden.", "Declining needs a reason."),
    "answer:unknown-reason": Rule(
        Refusal,
        f"Deze reden is niet bekend; wel: {', '.join(DECLINE_REASONS)}.",
        f"This reason is not known; known: {', '.join(DECLINE_REASONS)}.",
    ),
    "answer:other-needs-text": Rule(Refusal, "Licht de reden toe.", "Explain the reason in words."),
    "answer:reachable-person": Rule(
        Refusal,
        "Wie bevestigt, noemt een bereikbare persoon: naam en telefoonnummer.",
        "Who confirms names a reachable person: name and telephone number.",
    ),
    "answer:stale-version": Rule(
        Conflict,
        "Dit verzoek is veranderd sinds u het las; lees het opnieuw.",
        "This request has changed since you read it; read it again.",
    ),
    "answer:withdrawal-not-asked": Rule(
        Conflict,
        "Terugtrekken is niet gevraagd; meld declined (u doet niet mee) of completed (uw werk is klaar).",
        "Nobody asked you to withdraw; say declined (you take no part) or completed (your work is done).",
    ),
    "answer:not-on-a-request": Rule(
        Refusal,
        "Dit woord past niet bij een verzoek om mee te doen.",
        "This word does not fit a request to take part.",
    ),
    "answer:confirm-first": Rule(
        Conflict,
        "Dit verzoek is nog niet bevestigd; bevestig eerst, of wijs af.",
        "This request was not confirmed yet; confirm first, or decline.",
    ),
    # -- a word that came by telephone or letter
    "word:by-phone-or-letter": Rule(
        Refusal,
        "Alleen een woord per telefoon of brief wordt voor een ander opgeschreven; noem hoe het kwam.",
        "Only a word by telephone or letter is written down for another; say how it came.",
    ),
    "word:not-asked": Rule(
        Conflict,
        "Deze organisatie is in deze zaak niets gevraagd.",
        "This organisation was asked nothing in this case.",
    ),
    "word:answers-itself": Rule(
        Refusal,
        "Een team antwoordt zelf op wat het gevraagd is.",
        "A team answers itself what it was asked.",
    ),
    # -- the case itself
    "milestone:unknown": Rule(
        Refusal,
        "Deze gebeurtenis is niet bekend in deze regio, of hoort bij een andere handeling.",
        "This event is not known in this region, or belongs to another act.",
    ),
    "milestone:phase-only-when-entered": Rule(
        Refusal, "Een fase hoort bij phase-entered.", "A phase belongs to phase-entered."
    ),
    # -- check op bekendheid
    "known-check:no-organisation": Rule(
        Forbidden,
        "Naar personen wordt alleen een organisatie gevraagd, niet iemand uit het eigen netwerk.",
        "Only an organisation is asked about persons, nobody of the household's own network.",
    ),
    "known-check:no-such-member": Rule(
        Refusal,
        "Deze persoon staat niet in de laatste melding van de zaak.",
        "This person does not stand in the newest report of the case.",
    ),
    "known-check:unborn": Rule(
        Refusal, "Naar een ongeboren kind valt niet te vragen.", "Nobody can be asked about an unborn child."
    ),
    "known-check:not-for-this-role": Rule(
        Forbidden,
        "Deze rol mag niet weten wie deze persoon is; er wordt niet naar gevraagd.",
        "This role may not know who this person is; it is not asked.",
    ),
    "known-check:too-many": Rule(
        Refusal,
        "Dit zijn te veel vragen tegelijk; splits ze.",
        "These are too many questions at once; split them.",
    ),
    "known-check:answer": Rule(Refusal, "Antwoord met known of unknown.", "Answer with known or unknown."),
    # -- the weighing of MDA++
    "admission:only-mda": Rule(
        Conflict, "Alleen een zaak van MDA++ wordt gewogen.", "Only a case of MDA++ is weighed."
    ),
    "admission:decided-already": Rule(
        Conflict, "Het weegoverleg heeft al besloten.", "The weighing has decided already."
    ),
    "admission:not-admitted": Rule(
        Conflict,
        "Partners worden pas gevraagd als het weegoverleg de zaak heeft toegelaten.",
        "Partners are asked in once the weighing has admitted the case.",
    ),
    "voice:not-of-the-covenant": Rule(
        Refusal,
        "Deze organisatie heeft geen stem in het weegoverleg.",
        "This organisation has no voice in the weighing.",
    ),
    "voice:only-its-own": Rule(
        Forbidden, "Een organisatie geeft alleen haar eigen stem.", "An organisation gives its own voice only."
    ),
    # -- handing over
    "hand-over:nobody-has-it": Rule(
        Conflict,
        "Niemand heeft deze rol; vraag een team, of zet door wat op de coördinator wacht.",
        "Nobody has this role; ask a team, or release what waits for the coordinator.",
    ),
    "hand-over:has-it-already": Rule(Conflict, "Dit team heeft deze rol al.", "This team has this role already."),
    "hand-over:one-at-a-time": Rule(
        Conflict,
        "Er loopt al een overdracht van deze rol; trek die eerst in.",
        "A hand-over of this role is open already; take that back first.",
    ),
    "hand-over:unknown-municipality": Rule(
        Refusal,
        "Deze gemeente heeft in de regio geen lokaal team.",
        "This municipality has no local team in the region.",
    ),
    "hand-over:over": Rule(Conflict, "Deze overdracht loopt niet meer.", "This hand-over is over."),
    # -- what waits for the coordinator
    "parked:release-or-drop": Rule(
        Conflict,
        "Opnieuw proberen verandert hier niets: zet de zaak door naar een ander team, of laat de vraag vervallen.",
        "Trying again changes nothing here: release the case to another team, or drop the question.",
    ),
    "parked:nobody-leads": Rule(
        Conflict,
        "Niemand leidt deze zaak: zet haar door naar een team, of sluit eerst de zaak.",
        "Nobody leads this case: release it to a team, or close the case first.",
    ),
}
