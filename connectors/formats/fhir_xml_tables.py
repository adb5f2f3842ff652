# SPDX-License-Identifier: EUPL-1.2
"""What elements each FHIR R4 type has, in order, and of which kind: read from the R4B models, once per type.

Nothing is read before a type is asked for: the models are large.
"""

from __future__ import annotations

import re
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, Literal

Kind = Literal["string", "boolean", "integer", "decimal", "xhtml", "resource", "complex"]
PRIMITIVE: Final = frozenset({"string", "boolean", "integer", "decimal"})
_TYPE_NAME: Final = re.compile(r"^[A-Z][A-Za-z]{1,79}$")
_PRIMITIVES: Final[tuple[tuple[type, Kind], ...]] = ((bool, "boolean"), (int, "integer"), (Decimal, "decimal"))


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a type. `type`: the R4 type of a complex one, else None. `many`: JSON has a list here."""

    name: str
    kind: Kind
    type: str | None
    many: bool

    @property
    def primitive(self) -> bool:
        return self.kind in PRIMITIVE


@dataclass(frozen=True, slots=True)
class Table:
    """The elements of one type by name, in the order in which XML has them; `attributes` are attributes there.
    `positions`: where in that order an element stands that is no attribute."""

    elements: Mapping[str, Element]
    attributes: frozenset[str]
    positions: Mapping[str, int]


NONE: Final = Table(MappingProxyType({}), frozenset({"id"}), MappingProxyType({}))


@lru_cache(maxsize=1024)  # names come from senders: not without end
def table(type_name: str) -> Table:
    """The table of an R4 type (`Patient`, `HumanName`, `PatientContact`); without elements when R4 has no such type."""
    if not _TYPE_NAME.match(type_name):
        return NONE
    from fhir.resources.R4B import get_fhir_model_class
    from fhir.resources.R4B.resource import Resource

    try:
        model: Any = get_fhir_model_class(type_name)
    except (KeyError, LookupError, ValueError, ImportError, AttributeError):
        return NONE
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    elements = {name: _element(name, fields[name].annotation) for name in model.elements_sequence() if name in fields}
    attributes = set() if issubclass(model, Resource) else {"id"}
    if type_name == "Extension":
        attributes.add("url")
    positions = {name: position for position, name in enumerate(elements) if name not in attributes}
    return Table(MappingProxyType(elements), frozenset(attributes), MappingProxyType(positions))


def _element(name: str, annotation: Any) -> Element:
    inner, many = _unwrapped(annotation)
    if name == "div":
        return Element(name, "xhtml", None, False)
    own = getattr(inner, "__name__", "")
    if own == "ResourceType":
        return Element(name, "resource", None, many)
    if isinstance(inner, type) and hasattr(inner, "get_model_klass"):
        return Element(name, "complex", own.removesuffix("Type"), many)
    kind: Kind = next((kind for python, kind in _PRIMITIVES if inner is python), "string")
    return Element(name, kind, None, many)


def _unwrapped(annotation: Any) -> tuple[Any, bool]:
    """The type inside Optional, List and Annotated, and whether there was a list."""
    many = False
    while True:
        origin = typing.get_origin(annotation)
        if origin is None:
            return annotation, many
        arguments = [each for each in typing.get_args(annotation) if each is not type(None)]
        many = many or origin is list
        annotation = arguments[0]
