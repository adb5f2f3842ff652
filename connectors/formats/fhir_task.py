# SPDX-License-Identifier: EUPL-1.2
"""Writes a partner's own request as a FHIR Task, by the published table of states (docs/fhir-task.md).

The Task says how the request stands and what its partner said on it; of the household it says nothing: that came with
the message.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from connectors.formats.fhir_answer import ANSWER, NOTICE, REFERENCE
from mappings.codebook import CodebookShelf
from schakel.involvement import OwnWord
from schakel.region import Partner

STATE: Final = "urn:schakel:request-state"
ASKED_AS: Final = "urn:schakel:asked-as"
REASON: Final = "urn:schakel:decline-reason"
SAID: Final = frozenset({"known", "unknown", "adjusted"})  # states that are an answer which no status can give
FULFILL: Final = "fulfill"  # http://hl7.org/fhir/CodeSystem/task-code
_OIN: Final = "http://fhir.nl/fhir/NamingSystem/oin"
_PLACER: Final = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "PLAC"}]}


@dataclass(frozen=True, slots=True)
class TaskTable:
    """`status`: our state → Task.status. `answer`: Task.status that a partner may set → what it says."""

    status: Mapping[str, str]
    answer: Mapping[str, str]

    @classmethod
    def load(cls) -> TaskTable:
        shelf = CodebookShelf.load()
        names = ("fhir-task-state", "fhir-task-status")
        states, words = (shelf.get(name, place="docs/fhir-task.md").entries for name in names)
        return cls(
            status={code: str(to) for code, (to, *_) in states.items()},
            answer={code: str(to) for code, (to, *_) in words.items()},
        )

    def states(self, statuses: Collection[str]) -> tuple[str, ...]:
        """Our states that show as one of these."""
        return tuple(state for state, status in self.status.items() if status in statuses)


def task_of(own: OwnWord, table: TaskTable, *, owner: Partner, hub_name: str, hub_oin: str) -> dict[str, Any]:
    """The Task. What a client changes in it and writes back is read by mappings/fhir_answer."""
    request, said = own.request, own.answer
    contact = said.get("contact")
    declined = request.state == "declined"
    task: dict[str, Any] = {
        "resourceType": "Task",
        "id": request.reference,
        "meta": {"versionId": str(request.version), "lastUpdated": _moment(request.updated_at)},
        "identifier": [{"type": _PLACER, "system": REFERENCE, "value": request.reference}],
        "status": table.status[request.state],
        "businessStatus": {"coding": [{"system": STATE, "code": request.state}]},
        "intent": "order",
        "code": {
            "coding": [
                {"system": "http://hl7.org/fhir/CodeSystem/task-code", "code": FULFILL},
                *([{"system": NOTICE, "code": request.asked_as}] if request.asked_as else []),
                {"system": ASKED_AS, "code": request.role},
            ]
        },
        "focus": {
            "type": "ServiceRequest",
            "identifier": {"system": "urn:schakel:case", "value": request.case_reference},
        },
        "authoredOn": _moment(request.asked_at),
        "lastModified": _moment(request.updated_at),
        "requester": {"type": "Organization", "identifier": _oin((hub_oin,)), "display": hub_name},
        "owner": {"display": owner.name},
        "restriction": {"period": {"end": _moment(request.due_at)}},
    }
    if contact is not None:
        task["contained"] = [_practitioner(contact)]
        task["owner"]["reference"] = "#contact"
    else:
        task["owner"] |= {"type": "Organization", **({"identifier": _oin(owner.oins)} if owner.oins else {})}
    if request.asked_as and request.state in SAID:
        concept = {"coding": [{"system": ANSWER, "code": "answer"}]}
        task["output"] = [{"type": concept, "valueCode": request.state}]
    words = {"text": said["reasonText"]} if said.get("reasonText") else {}
    if declined and said.get("reasonCode"):
        task["statusReason"] = {"coding": [{"system": REASON, "code": said["reasonCode"]}], **words}
    elif words:
        task["note"] = [words]
    return task


def _practitioner(contact: Mapping[str, Any]) -> dict[str, Any]:
    kinds = (("phone", "phone"), ("email", "email"))
    telecom = [{"system": system, "value": contact[name]} for name, system in kinds if contact.get(name)]
    return {
        "resourceType": "Practitioner",
        "id": "contact",
        "name": [{"text": contact["name"]}],
        "telecom": telecom,
    }


def _oin(oins: tuple[str, ...]) -> dict[str, str]:
    return {"system": _OIN, "value": oins[0]}


def _moment(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds" if at.microsecond else "seconds").replace("+00:00", "Z")
