# SPDX-License-Identifier: EUPL-1.2
"""The rules of ours that a FHIR R4 message keeps: some refuse it, the others park it because behind it is a household.

`fhir.resources` accepts a message without MessageHeader, a Task.status that does not exist and a BSN that cannot be.

=====================  =======  ==============================================================================
rule                   outcome  meaning
=====================  =======  ==============================================================================
fhir-message           refused  a Bundle of type `message`
fhir-version           refused  R4, not STU3 or R5 (415)
bdl-12                 refused  the first resource is a MessageHeader
bdl-7                  refused  no fullUrl twice (fhir_bundle)
fhir-request           refused  there is a ServiceRequest
fhir-message-reference refused  Bundle.identifier or MessageHeader.id
fhir-focus             parked   MessageHeader.focus leads to exactly one ServiceRequest, itself or by a Task
fhir-reference         parked   subject, RelatedPerson.patient, Flag.subject, location … point at a resource
fhir-subject           parked   ServiceRequest.subject is a person
task-status            parked   Task.status is in the value set of R4
bsn-eleven-test        parked   identifiers with the BSN system keep the eleven-test
bsn-one-per-person     parked   nobody has two BSNs
bsn-of-one-person      parked   no two people share one
fhir-modifier          parked   no modifierExtension or implicitRules that we do not know: they change the meaning
=====================  =======  ==============================================================================
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from connectors.formats.fhir_bundle import Index, Resource, codes_of
from connectors.formats.fhir_persons import bsn_findings
from connectors.formats.fhir_reading import spoken
from schakel.errors import Finding, Malformed, UnsupportedFormat

TASK_STATUS: Final = (
    "draft",
    "requested",
    "received",
    "accepted",
    "rejected",
    "ready",
    "cancelled",
    "in-progress",
    "on-hold",
    "failed",
    "completed",
    "entered-in-error",
)
_TELLS: Final[Mapping[str, Mapping[str, str]]] = {  # resource → element that only another version has → that version
    "Bundle": {"issues": "R5"},
    "MessageHeader": {"event": "STU3", "receiver": "STU3", "timestamp": "STU3"},
    "ServiceRequest": {"reason": "R5", "bodyStructure": "R5", "focus": "R5", "context": "STU3"},
    "Task": {"requestedPerformer": "R5", "requestedPeriod": "R5", "definitionReference": "STU3"},
    "Encounter": {"subjectStatus": "R5", "actualPeriod": "R5", "admission": "R5"},
    "Condition": {"participant": "R5", "assertedDate": "STU3", "context": "STU3"},
    "Observation": {"context": "STU3", "related": "STU3", "triggeredBy": "R5"},
    "Patient": {"animal": "STU3"},
}
_OTHER_TYPES: Final = {"ReferralRequest": "STU3", "ProcedureRequest": "STU3", "Sequence": "STU3"}
_MAX_REFERENCE: Final = 200


def check_version(bundle: Mapping[str, Any]) -> None:
    """Raises UnsupportedFormat when an element tells that this is another FHIR version than R4."""
    entries = bundle.get("entry")
    bodies = (
        [entry.get("resource") if isinstance(entry, dict) else None for entry in entries or ()]
        if (isinstance(entries, list))
        else []
    )
    for position, body in enumerate([bundle, *bodies], start=-1):
        if not isinstance(body, dict):
            continue
        for name, version in _tells(body).items():
            place = "Bundle" if position < 0 else f"Bundle.entry[{position}].resource"
            raise UnsupportedFormat(
                Finding(
                    place=f"{place}.{name}",
                    rule="fhir-version",
                    nl=f"Verwacht: FHIR R4; dit element hoort bij FHIR {version}.",
                    en=f"Expected FHIR R4; this element looks like FHIR {version}.",
                )
            )


def _tells(body: Mapping[str, Any]) -> Mapping[str, str]:
    """{element: the version that has it} of a resource."""
    kind = body.get("resourceType")
    if not isinstance(kind, str):
        return {}
    if kind in _OTHER_TYPES:
        return {"resourceType": _OTHER_TYPES[kind]}
    tells = {}
    known = _TELLS.get(kind)
    if known is not None and not known.keys().isdisjoint(body):
        tells = {name: version for name, version in known.items() if name in body}
    code = body.get("code") if kind == "ServiceRequest" else None
    if isinstance(code, dict) and {"concept", "reference"} & set(code):
        tells["code"] = "R5"
    return tells


def check_bundle(bundle: Any) -> Mapping[str, Any]:
    """The bundle, when it is one of type `message`. Raises Malformed."""
    if not isinstance(bundle, dict) or bundle.get("resourceType") != "Bundle":
        raise _refuse("Bundle", "fhir-message", "Verwacht: een Bundle van type message.", "Expected a message Bundle.")
    if bundle.get("type") != "message":
        raise _refuse("Bundle.type", "fhir-message", "Verwacht: Bundle.type message.", "Expected Bundle.type message.")
    return bundle


def message_header(index: Index) -> Resource:
    """The first resource. Raises Malformed (FHIR R4, bdl-12)."""
    first = index.resources[0]
    if first.type != "MessageHeader":
        nl, en = "Het bericht begint niet met een MessageHeader.", "The message does not start with a MessageHeader."
        raise _refuse(first.place, "bdl-12", nl, en)
    return first


def focus_request(index: Index, header: Resource) -> tuple[Resource, list[Finding]]:
    """The ServiceRequest that the message is about, and why a person should look. Raises Malformed without any."""
    focus = header.body.get("focus")
    found: dict[int, Resource] = {}
    for reference in focus if isinstance(focus, list) else []:
        target = index.resolve(reference, header)
        if target is not None and target.type == "Task":
            target = _of_task(index, target)
        if target is not None and target.type == "ServiceRequest":
            found[id(target)] = target
    if len(found) == 1:
        return next(iter(found.values())), []
    requests = list(found.values()) or index.of_type("ServiceRequest")
    if not requests:
        raise _refuse("Bundle.entry", "fhir-request", "Er is geen ServiceRequest.", "There is no ServiceRequest.")
    nl = "De focus van de MessageHeader wijst niet precies één ServiceRequest aan."
    en = "The focus of the MessageHeader does not lead to exactly one ServiceRequest."
    return requests[0], [Finding(f"{header.place}.focus", "fhir-focus", nl, en)]


def _of_task(index: Index, task: Resource) -> Resource | None:
    based = task.body.get("basedOn")
    for reference in [task.body.get("focus"), *(based if isinstance(based, list) else [])]:
        target = index.resolve(reference, task)
        if target is not None and target.type == "ServiceRequest":
            return target
    return None


def message_reference(bundle: Mapping[str, Any], header: Resource) -> str:
    """Bundle.identifier.value, else MessageHeader.id, else its fullUrl. Raises Malformed."""
    identifier = bundle.get("identifier")
    value = identifier.get("value") if isinstance(identifier, dict) else None
    return _reference(value, "Bundle.identifier.value") or _reference(
        header.id or header.full_url, f"{header.place}.id", needed=True
    )


def case_reference(request: Resource) -> str | None:
    """The placer's identifier, else the first one that is not somebody else's, else the requisition; None without."""
    identifiers = request.body.get("identifier")
    items = [item for item in identifiers if isinstance(item, dict)] if isinstance(identifiers, list) else []
    items = [item for item in items if item.get("system") != "urn:schakel:police-registration"]
    items.sort(key=lambda item: (not _is_placer(item), item.get("use") == "old"))
    requisition = request.body.get("requisition")
    for item in [*items, *([requisition] if isinstance(requisition, dict) else [])]:
        found = _reference(item.get("value"), f"{request.place}.identifier")
        if found:
            return found
    return None


def _is_placer(identifier: Mapping[str, Any]) -> bool:
    return "PLAC" in codes_of(identifier.get("type"))


def _reference(value: Any, place: str, *, needed: bool = False) -> str:
    text = value.strip() if isinstance(value, str) else ""
    if len(text) > _MAX_REFERENCE or (needed and not text):
        nl = "Hier hoort een kenmerk van 1 tot 200 tekens."
        raise _refuse(place, "fhir-message-reference", nl, "A reference of 1 to 200 characters belongs here.")
    return text


def parking_findings(used: Iterable[Resource], *, modified: bool) -> list[Finding]:
    """Broken invariants of resources that are used, for which the message is parked. `modified`: somewhere in the
    message there is a modifierExtension."""
    found: list[Finding] = []
    for resource in used:
        if resource.type in ("Patient", "RelatedPerson"):
            found += bsn_findings(resource)
        if resource.type == "Task" and resource.body.get("status") not in TASK_STATUS:
            nl, en = "Deze Task.status bestaat niet in FHIR R4.", "This Task.status does not exist in FHIR R4."
            found.append(Finding(f"{resource.place}.status", "task-status", nl, en))
        if "implicitRules" in resource.body:
            found.append(_modifier(f"{resource.place}.implicitRules"))
        if modified:
            body = {name: value for name, value in resource.body.items() if name != "contained"}
            found += [_modifier(place) for place in _modifiers(body, resource.place)]
    return found


def _modifiers(value: Any, place: str) -> Iterator[str]:
    if isinstance(value, dict):
        for name, each in value.items():
            if name == "modifierExtension":
                yield f"{place}.modifierExtension"
            elif isinstance(each, (dict, list)):
                yield from _modifiers(each, f"{place}.{spoken(name)}")
    elif isinstance(value, list):
        for position, each in enumerate(value):
            yield from _modifiers(each, f"{place}[{position}]")


def _modifier(place: str) -> Finding:
    nl = "Dit verandert de betekenis van de resource op een manier die hier niet bekend is."
    return Finding(place, "fhir-modifier", nl, "This changes the resource's meaning in a way that is not known here.")


def _refuse(place: str, rule: str, nl: str, en: str) -> Malformed:
    return Malformed(Finding(place=place, rule=rule, nl=nl, en=en))
