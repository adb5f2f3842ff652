# SPDX-License-Identifier: EUPL-1.2
"""`mappings/thv_aanmelding` once more, as a programmer would write it in plain Python: what it is measured against.

It reads the same fields, translates the same codes with the same books and knows nothing of losses, limits, places in
errors or versions. The scenario refuses to run when it does not give the very same document.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mappings.functions import moment, partial_date, phone, postcode

Books = Mapping[str, Mapping[str, Any]]  # book → code → ours
Plain = dict[str, Any]


def referral(source: Mapping[str, Any], books: Books) -> Plain:
    """`thv-aanmelding@1` → `referral@1`. A code that is not in its book is a KeyError."""
    order, incident, stalled = (source.get(name, {}) for name in ("huisverbod", "incident", "vastgelopenHulp"))
    risk, history, reporter = (source.get(name, {}) for name in ("risico", "voorgeschiedenis", "melder"))

    def code(book: str, value: str | None) -> Any:
        return None if value is None else books[book][value]

    urgency = code("thv-urgentie", source.get("urgentie"))
    if "urgentie" not in source and order.get("status") in ("opgelegd", "verlengd"):
        urgency = "crisis"
    return known(
        {
            "kind": code("thv-soort", source.get("soort")),
            "programme": code("thv-aanpak", source.get("aanpak")),
            "urgency": urgency,
            "occurredAt": moment(source.get("gebeurdOp")),
            "trigger": known(
                {
                    "restrainingOrder": known(
                        {
                            "status": code("thv-status", order.get("status")),
                            "number": order.get("nummer"),
                            "form": code("thv-vorm", order.get("vorm")),
                            "imposedAt": moment(order.get("opgelegdOp")),
                            "endsAt": moment(order.get("eindigtOp")),
                            "extendedUntil": moment(order.get("verlengdTot")),
                            "ordinal": order.get("volgnummer"),
                            "contactBan": order.get("contactverbod"),
                            "address": address(order.get("adres"), books),
                            "reason": order.get("reden"),
                        }
                    ),
                    "incident": known(
                        {
                            "occurredAt": moment(incident.get("gebeurdOp")),
                            "occurredOn": partial_date(incident.get("datum")),
                            "forms": [books["vt-form"][each] for each in incident.get("vormen", ())],
                            "natures": [books["vt-nature"][each] for each in incident.get("aard", ())],
                            "policeRegistration": incident.get("politieregistratie"),
                            "address": address(incident.get("adres"), books),
                            "locationText": incident.get("locatie"),
                            "description": incident.get("toelichting"),
                            "arrest": incident.get("aanhouding"),
                            "charges": incident.get("strafbareFeiten"),
                        }
                    ),
                    "stalledHelp": known(
                        {
                            "stalled": True if "vastgelopenHulp" in source else None,
                            "since": partial_date(stalled.get("sinds")),
                            "organisation": stalled.get("organisatie"),
                            "text": stalled.get("toelichting"),
                        }
                    ),
                }
            ),
            "members": [member(each, books) for each in source.get("betrokkenen", ())],
            "risk": known(
                {
                    "instrument": code("thv-instrument", risk.get("instrument")),
                    "level": code("thv-risiconiveau", risk.get("niveau")),
                    "weapons": risk.get("wapens"),
                    "weaponsText": risk.get("wapensToelichting"),
                    "intimateTerrorism": risk.get("intiemTerrorisme"),
                    "honourRelated": risk.get("eergerelateerd"),
                    "workerSafety": risk.get("veiligheidHulpverleners"),
                    "text": risk.get("toelichting"),
                }
            ),
            "history": known(
                {
                    "earlierReports": history.get("eerdereMeldingen"),
                    "earlierOrders": [
                        known({"number": each.get("nummer"), "imposedAt": moment(each.get("opgelegdOp"))})
                        for each in history.get("eerdereHuisverboden", ())
                    ],
                    "text": history.get("toelichting"),
                }
            ),
            "organisations": [
                known(
                    {
                        "name": each.get("naam"),
                        "identifier": each.get("kenmerk"),
                        "kind": code("thv-organisatiesoort", each.get("soort")),
                        "serves": each.get("dient"),
                        "contactName": each.get("contactpersoon"),
                        "contactPhone": phone(each.get("telefoon")),
                        "contactEmail": each.get("email"),
                        "note": each.get("toelichting"),
                    }
                )
                for each in source.get("organisaties", ())
            ],
            "reporter": known(
                {
                    "kind": code("vt-reporter", reporter.get("soort")),
                    "name": reporter.get("naam"),
                    "organisation": reporter.get("organisatie"),
                    "phone": phone(reporter.get("telefoon")),
                    "email": reporter.get("email"),
                    "masked": reporter.get("afschermen"),
                }
            ),
            "willingness": code("thv-vrijwilligheid", source.get("vrijwilligheid")),
            "legalBasis": code("thv-grondslag", source.get("grondslag")),
            "purpose": code("thv-doel", source.get("doel")),
            "question": source.get("vraag"),
            "notes": [{"topic": "toelichting", "text": source["toelichting"]}] if "toelichting" in source else None,
            "attachments": [
                known(
                    {
                        "name": each.get("naam"),
                        "mediaType": each.get("mediatype"),
                        "size": each.get("omvang"),
                        "heldBy": each.get("beheerder"),
                    }
                )
                for each in source.get("bijlagen", ())
            ],
        }
    )


def member(source: Mapping[str, Any], books: Books) -> Plain:
    names, told, bsn = source.get("namen", {}), source.get("informering", {}), source.get("bsn")
    status = source.get("bsnStatus")
    if status is not None:
        status = books["thv-bsn-status"][status]
    elif bsn is not None:
        status = {"000000000": "unknown", "999999999": "none"}.get(bsn, "known")
    return known(
        {
            "id": source.get("id"),
            "role": books["thv-rol"][source["rol"]],
            "main": source.get("hoofdpersoon"),
            "unborn": source.get("ongeboren"),
            "names": known(
                {
                    "family": names.get("geslachtsnaam"),
                    "prefix": names.get("voorvoegsel"),
                    "given": names.get("voornamen"),
                    "initials": names.get("voorletters"),
                    "full": names.get("volledig"),
                }
            ),
            "born": partial_date(source.get("geboren")),
            "expected": partial_date(source.get("verwacht")),
            "sex": books["thv-geslacht"][source["geslacht"]] if "geslacht" in source else None,
            "bsn": None if bsn in ("000000000", "999999999") else bsn,
            "bsnStatus": status,
            "nationality": source.get("nationaliteit"),
            "language": source.get("taal"),
            "interpreter": source.get("tolkNodig"),
            "phones": [
                known(
                    {
                        "number": phone(each.get("nummer")),
                        "safeToCall": each.get("veiligTeBellen"),
                        "note": each.get("toelichting"),
                    }
                )
                for each in source.get("telefoons", ())
            ],
            "email": source.get("email"),
            "addresses": [address(each, books) for each in source.get("adressen", ())],
            "secretAddress": source.get("geheimAdres"),
            "relations": [
                known(
                    {
                        "to": each.get("tot"),
                        "kind": books["thv-relatie"][each["soort"]],
                        "custody": each.get("gezag"),
                    }
                )
                for each in source.get("relaties", ())
            ],
            "informed": known(
                {
                    "informed": told.get("geinformeerd"),
                    "at": told.get("op"),
                    "reasonNot": told.get("redenNiet"),
                    "reaction": told.get("reactie"),
                }
            ),
            "remarks": source.get("opmerkingen"),
        }
    )


def address(source: Mapping[str, Any] | None, books: Books) -> Plain | None:
    if source is None:
        return None
    return known(
        {
            "use": books["thv-adressoort"][source["soort"]] if "soort" in source else None,
            "street": source.get("straat"),
            "houseNumber": source.get("huisnummer"),
            "houseLetter": source.get("huisletter"),
            "houseNumberAddition": source.get("toevoeging"),
            "postcode": postcode(source.get("postcode")),
            "place": source.get("woonplaats"),
            "municipality": source.get("gemeentecode"),
            "country": source.get("land"),
            "foreignLines": source.get("buitenland"),
            "secret": source.get("geheim"),
        }
    )


def known(plain: Plain) -> Plain:
    return {name: value for name, value in plain.items() if value is not None and value != {} and value != []}
