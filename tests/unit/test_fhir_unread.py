# SPDX-License-Identifier: EUPL-1.2
"""What of an element nobody read is named, also where the rest of it was read at once."""

from __future__ import annotations

import json
from typing import Any

import pytest

from connectors.formats.fhir_json import FhirJson

HL7 = "http://hl7.org/fhir/StructureDefinition/"


def _said(url: str, text: str) -> dict[str, str]:
    return {"url": HL7 + url, "valueString": text}


def _parts(**parts: str) -> dict[str, Any]:
    return {"extension": [_said(f"iso21090-ADXP-{name}", text) for name, text in parts.items()]}


STREET = _parts(streetName="Duinlaan", houseNumber="12")
OWN_NAMES = {"extension": [_said("humanname-own-name", "Vos"), _said("humanname-own-name", "Bos")]}
QUALIFIED = {"extension": [{"url": HL7 + "iso21090-EN-qualifier", "valueCode": "BR"}]}
IN_NO_CODE: dict[str, Any] = {"coding": [None]}


@pytest.mark.parametrize(
    ("element", "unread"),
    [
        ({"birthDate": "1980-01-01", "gender": "female", "name": [{"family": "Vos", "given": ["Anna"]}]}, []),
        ({"birthDate": 1980, "gender": "female"}, ["birthDate"]),
        ({"address": [{"line": ["Duinlaan 12"], "_line": [STREET], "city": "Monster"}]}, []),
        ({"address": [{"country": "België", "line": ["Kerkstraat 1"], "_line": [STREET]}]}, ["address._line"]),
        (
            {"address": [{"line": ["Duinlaan 12", "achter"], "_line": [STREET, _parts(unitID="hs")]}]},
            ["address._line.extension:iso#####-ADXP-unitID"],
        ),
        (
            {"address": [{"use": "work", "line": ["Duinlaan 12"], "_line": [STREET], "city": "Monster"}]},
            ["address.line", "address._line", "address.city"],
        ),
        ({"name": [{"family": "Vos", "given": ["Anna"], "_given": [QUALIFIED]}]}, []),
        (
            {"name": [{"family": "Vos", "given": ["Anna"], "_given": [QUALIFIED, QUALIFIED]}]},
            ["name._given.extension:iso#####-EN-qualifier"],
        ),
        ({"name": [{"family": "Vos", "_family": OWN_NAMES}]}, ["name._family.extension:humanname-own-name.valueStrin"]),
        ({"name": [{"family": "Vos", "given": "Anna"}]}, ["name.given"]),
        ({"communication": [{"language": IN_NO_CODE}]}, ["communication.language.coding"]),
        ({"telecom": [{"value": "0612345678", "rank": {"system": "phone"}}]}, ["telecom.rank.system"]),
    ],
)
def test_what_was_passed_over_is_named_and_nothing_else(element: dict[str, Any], unread: list[str]) -> None:
    header: dict[str, Any] = {"resourceType": "MessageHeader", "id": "h", "source": {"endpoint": "https://cit.example"}}
    header |= {"eventUri": "urn:schakel:event:referral", "focus": [{"reference": "ServiceRequest/r"}]}
    request: dict[str, Any] = {"resourceType": "ServiceRequest", "id": "r", "status": "active", "intent": "order"}
    request |= {"subject": {"reference": "Patient/p"}, "identifier": [{"value": "zaak-1"}]}
    entries = [{"resource": each} for each in (header, request, {"resourceType": "Patient", "id": "p"} | element)]
    message = {"resourceType": "Bundle", "type": "message", "entry": entries}
    document = FhirJson(validate=False).read(json.dumps(message).encode()).document
    assert [name for name, value in document.items() if value is True] == [f"Patient.{path}" for path in unread]
