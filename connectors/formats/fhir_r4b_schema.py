# SPDX-License-Identifier: EUPL-1.2
"""Makes `fhir_r4b.schema.json`: a JSON Schema of the resources that a referral is made of, from `fhir.resources`.

It is stricter than what it is made from, never laxer: what fits it, `fhir.resources` takes, and need not be asked. What
it cannot say in few words (an element that is there by its extension alone, types that no referral needs, an element
nobody knows) does not fit, and then the library is asked after all. Tests hold the two together, and the file with what
this makes:

    python -m connectors.formats.fhir_r4b_schema > connectors/formats/fhir_r4b.schema.json
"""

from __future__ import annotations

import json
import sys
import types
import typing
from collections.abc import Collection
from itertools import combinations
from typing import Any, Final

Schema = dict[str, Any]

RESOURCES: Final = (
    "CareTeam",
    "ClinicalImpression",
    "Communication",
    "Condition",
    "DocumentReference",
    "Encounter",
    "EpisodeOfCare",
    "Flag",
    "HealthcareService",
    "Location",
    "MessageHeader",
    "Observation",
    "Organization",
    "Patient",
    "Practitioner",
    "PractitionerRole",
    "Provenance",
    "RelatedPerson",
    "RiskAssessment",
    "ServiceRequest",
    "Task",
)
_LEFT_OUT: Final = frozenset(  # types of which nothing is said: they hold much, and a referral nothing of it
    {
        "CodeableReference",
        "ContactDetail",
        "Contributor",
        "Count",
        "DataRequirement",
        "Distance",
        "Dosage",
        "Expression",
        "ParameterDefinition",
        "RatioRange",
        "RelatedArtifact",
        "SampledData",
        "Signature",
        "Timing",
        "TriggerDefinition",
        "UsageContext",
    }
)
_YEAR: Final = "[12][0-9]{3}"
_DAY: Final = (
    f"(?:{_YEAR}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
    "|[12][0-9](?:0[48]|[2468][048]|[13579][26])-02-29)"
)
_TIME: Final = "(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:[.][0-9]{1,6})?"
_ZONE: Final = "(?:Z|[+-](?:0[0-9]|1[0-3]):[0-5][0-9])"
_TEXT: Final[Schema] = {"type": "string", "pattern": "[!-~]"}
_LARGEST: Final = 2_147_483_647
PRIMITIVES: Final[dict[str, Schema]] = {
    "string": _TEXT,
    "markdown": _TEXT,
    "xhtml": _TEXT,
    "uri": _TEXT,
    "canonical": _TEXT,
    "url": {
        "type": "string",
        "pattern": "^(?:https?://[a-z]+(?:[.][a-z]+)*(?:/[A-Za-z0-9._-]+)*/?|urn:[a-z]+(?::[A-Za-z0-9.-]+)+)$",
    },
    "code": {"type": "string", "pattern": "^[!-~]+(?: [!-~]+)*$"},
    "id": {"type": "string", "pattern": "^[A-Za-z0-9.-]{1,64}$"},
    "date": {"type": "string", "pattern": f"^(?:{_YEAR}(?:-(?:0[1-9]|1[0-2]))?|{_DAY})$"},
    "dateTime": {"type": "string", "pattern": f"^(?:{_YEAR}(?:-(?:0[1-9]|1[0-2]))?|{_DAY}(?:T{_TIME}{_ZONE})?)$"},
    "instant": {"type": "string", "pattern": f"^{_DAY}T{_TIME}{_ZONE}$"},
    "time": {"type": "string", "pattern": f"^{_TIME}$"},
    "base64Binary": {
        "type": "string",
        "pattern": "^(?:[A-Za-z0-9+/]{4})+(?:[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$",
    },
    "decimal": {"type": "number", "minimum": -1e9, "maximum": 1e9},
    "integer": {"type": "integer", "minimum": -_LARGEST, "maximum": _LARGEST},
    "unsignedInt": {"type": "integer", "minimum": 0, "maximum": _LARGEST},
    "positiveInt": {"type": "integer", "minimum": 1, "maximum": _LARGEST},
    "boolean": {"type": "boolean"},
}


def schema() -> Schema:
    """Of a Bundle. Needs `fhir.resources`."""
    made = _Making()
    root = made.reference("Bundle")
    for name in RESOURCES:
        made.reference(name)
    made.definitions["Resource"] = {
        "type": "object",
        "required": ["resourceType"],
        "properties": {"resourceType": {"enum": list(RESOURCES)}},
        "allOf": [
            {
                "if": {"properties": {"resourceType": {"const": name}}},
                "then": {"$ref": f"#/$defs/{name}"},
            }
            for name in RESOURCES
        ],
    }
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **root, "$defs": made.definitions}


class _Making:
    """The definitions, each made once: types contain themselves."""

    def __init__(self) -> None:
        self.definitions: dict[str, Schema] = {}

    def reference(self, name: str) -> Schema:
        from fhir.resources.R4B import get_fhir_model_class

        return self._of_model(get_fhir_model_class(name))

    def _of_model(self, model: Any) -> Schema:
        name = model.get_resource_type()
        if name not in self.definitions and name != "Resource":
            self.definitions[name] = {}
            self.definitions[name] = self._definition(model)
        return {"$ref": f"#/$defs/{name}"}

    def _definition(self, model: Any) -> Schema:
        fields = {info.alias or name: info for name, info in model.model_fields.items() if name != "fhir_comments"}
        properties = {name: self._of_type(info.annotation, info.metadata) for name, info in fields.items()}
        known = {name: each for name, each in properties.items() if each is not None}
        if model.has_resource_base():
            known["resourceType"] = {"const": model.get_resource_type()}
        required = [name for name, info in fields.items() if info.is_required()]
        empty = model.model_construct()
        aliases = model.get_alias_mapping()
        required += [name for name, _ in empty.get_required_fields() if name in aliases]
        made: Schema = {"type": "object", "additionalProperties": False, "properties": known}
        if required:
            made["required"] = sorted(set(required))
        choices = [self._choice(model, names, known) for names in empty.get_one_of_many_fields().values()]
        if model.get_resource_type() == "Extension":
            choices, made["maxProperties"] = [], 2  # its url, and one value or further extensions
        if model.get_resource_type() == "FHIRPrimitiveExtension":
            made["required"] = ["extension"]
            known["extension"]["minItems"] = 1
        if choices:
            made["allOf"] = choices
        return made

    def _choice(self, model: Any, names: list[str], known: Collection[str]) -> Schema:
        """At most one of these, and one at least where that is required."""
        infos = [model.model_fields[name] for name in names]
        aliases = [info.alias for info in infos if info.alias in known]
        choice: Schema = {"not": {"anyOf": [{"required": list(pair)} for pair in combinations(aliases, 2)]}}
        if infos[0].json_schema_extra["one_of_many_required"]:
            choice["anyOf"] = [{"required": [name]} for name in aliases]
        return choice

    def _of_type(self, annotation: Any, metadata: typing.Sequence[Any] = ()) -> Schema | None:
        """None: a type of which nothing is said here, so that an element of it does not fit."""
        origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
        if origin is typing.Annotated:
            return self._of_type(inner[0], inner[1:])
        if origin in (typing.Union, types.UnionType) and type(None) in inner:
            return self._of_type(next(each for each in inner if each is not type(None)), metadata)
        if origin is list:
            items = self._of_type(inner[0])
            return None if items is None else {"type": "array", "items": items}
        if annotation is bool:
            return PRIMITIVES["boolean"]
        if hasattr(annotation, "get_model_klass"):
            model = annotation.get_model_klass()
            return None if model.get_resource_type() in _LEFT_OUT else self._of_model(model)
        named = [each.__visit_name__ for each in metadata if hasattr(each, "__visit_name__")]
        return PRIMITIVES.get(named[0]) if named else None


if __name__ == "__main__":
    json.dump(schema(), sys.stdout, sort_keys=True, separators=(",", ":"))
    sys.stdout.write("\n")
