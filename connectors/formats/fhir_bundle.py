# SPDX-License-Identifier: EUPL-1.2
"""The resources of a FHIR bundle and what a reference points at: fullUrl, relative, contained or logical.

Follows "Resolving references in Bundles" (HL7 FHIR R4, bundle.html), and forgives what strange systems leave out: an
entry without fullUrl is found by type and id, a `urn:uuid:` also by a bare id. A reference that fits two resources
points at none: guessing could put one person's address with another.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Final

from schakel.errors import Finding, Malformed

_TYPE: Final = re.compile(r"^[A-Z][A-Za-z]{1,49}$")
_LONGEST_NAME: Final = 64  # what senders name is remembered: no type of FHIR has half as many characters
_RELATIVE: Final = re.compile(r"^([A-Z][A-Za-z]{1,49})/([A-Za-z0-9.\-]{1,64})(?:/_history/[^/]+)?$")
_ABSOLUTE: Final = re.compile(r"^(https?://.+?)/([A-Z][A-Za-z]{1,49})/([A-Za-z0-9.\-]{1,64})(?:/_history/[^/]+)?$")
_VERSION: Final = re.compile(r"/_history/[^/]+$")
MAX_RESOURCES: Final = 500


@dataclass(slots=True, eq=False)  # not frozen: that makes each of them three times as dear, and nobody writes to one
class Resource:
    """One resource. `place` is a FHIRPath, `root` the resource that contains it; compared by identity."""

    type: str
    body: Mapping[str, Any]
    place: str
    full_url: str | None = None
    root: Resource | None = None

    @property
    def id(self) -> str | None:
        value = self.body.get("id")
        return value if isinstance(value, str) and value else None

    @property
    def holder(self) -> Resource:
        """The resource in whose `contained` a `#id` is looked up."""
        return self.root or self


def type_of(body: Any) -> str:
    """The resource's type, or "" when it has none that could be a FHIR type."""
    name = body.get("resourceType") if isinstance(body, dict) else None
    return name if isinstance(name, str) and len(name) <= _LONGEST_NAME and _is_type(name) else ""


@lru_cache(maxsize=1024)  # names come from senders: not without end
def _is_type(name: str) -> bool:
    return _TYPE.match(name) is not None


def same_url(url: str) -> str:
    """The form in which URLs are compared: without version; a URN in lower case (RFC 8141)."""
    url = url.strip()
    if "/_history/" in url:
        url = _VERSION.sub("", url)
    return url.lower() if url[:4].lower() == "urn:" else url


def codes_of(concept: Any) -> set[str]:
    """The codes of a CodeableConcept, whatever their system."""
    codings = concept.get("coding") if isinstance(concept, dict) else None
    found = [each.get("code") for each in codings if isinstance(each, dict)] if isinstance(codings, list) else []
    return {code for code in found if isinstance(code, str)}


class Index:
    """The bundle's resources in order: entries, each followed by what it contains."""

    def __init__(self, bundle: Mapping[str, Any]) -> None:
        """Raises Malformed: no resources, too many, an entry that is not an object, or a fullUrl used twice."""
        self.resources: tuple[Resource, ...] = tuple(_resources(bundle))
        self._by_url: dict[str, Resource] = {}
        self._as_written: dict[str, Resource] = {}  # by a fullUrl that is no relative reference
        for resource in self.resources:
            if resource.full_url:
                self._register(resource, resource.full_url)

    def _register(self, resource: Resource, url: str) -> None:
        if self._by_url.setdefault(same_url(url), resource) is not resource:
            raise Malformed(
                Finding(
                    place=resource.place.removesuffix(".resource") + ".fullUrl",
                    rule="bdl-7",
                    nl="Dezelfde fullUrl staat twee keer in de bundle.",
                    en="The same fullUrl stands twice in the bundle.",
                )
            )
        if url.startswith(("urn:", "http")):
            self._as_written[url] = resource

    # what most messages need nothing of

    @cached_property
    def _by_name(self) -> Mapping[tuple[str, str], list[Resource]]:
        """(type, id), as the fullUrl says it too."""
        found: dict[tuple[str, str], list[Resource]] = defaultdict(list)
        for resource in self.resources:
            url, own_id = resource.full_url, resource.id
            match = _ABSOLUTE.match(url) if url and url.startswith("http") else None
            if match and (match[2], match[3]) != (resource.type, own_id):
                found[match[2], match[3]].append(resource)
            if own_id and resource.root is None:
                found[resource.type, own_id].append(resource)
        return found

    @cached_property
    def _by_identifier(self) -> Mapping[tuple[str, str], list[Resource]]:
        """(system, value)."""
        found: dict[tuple[str, str], list[Resource]] = defaultdict(list)
        for resource in self.resources:
            for key in identifier_keys(resource.body):
                found[key].append(resource)
        return found

    @cached_property
    def _contained(self) -> Mapping[tuple[int, str], list[Resource]]:
        """(resource that contains it, id)."""
        found: dict[tuple[int, str], list[Resource]] = defaultdict(list)
        for resource in self.resources:
            if resource.root is not None and resource.id:
                found[id(resource.root), resource.id].append(resource)
        return found

    def of_type(self, *types: str) -> list[Resource]:
        return [resource for resource in self.resources if resource.type in types]

    def resolve(self, reference: Any, start: Resource) -> Resource | None:
        """The one resource that `reference` (a FHIR Reference in `start`) points at, or None."""
        if not isinstance(reference, dict):
            return None
        literal = reference.get("reference")
        if isinstance(literal, str) and literal:
            found = self._as_written.get(literal) or self._literal(literal, start)
            if found is not None:
                return found
        if "identifier" not in reference:
            return None
        wanted = reference.get("type")
        found_all = [
            resource
            for key in _identifier_key(reference.get("identifier"))
            for resource in self._by_identifier[key]
            if not isinstance(wanted, str) or wanted in ("", resource.type)
        ]
        return _only(found_all)

    def _literal(self, literal: str, start: Resource) -> Resource | None:
        if literal.startswith("#"):
            if literal == "#":
                return start.root
            return _only(self._contained[id(start.holder), literal[1:]])
        relative = _RELATIVE.match(literal)
        if relative:
            return self._relative(relative[1], relative[2], start.holder)
        found = self._by_url.get(same_url(literal))
        if found is not None:
            return found
        absolute = _ABSOLUTE.match(literal) if literal.startswith("http") else None
        if absolute:  # an entry that does not say its own URL may be the one meant; one that does is not
            named = self._by_name[absolute[2], absolute[3]]
            return _only([resource for resource in named if not resource.full_url])
        tail = literal.rpartition(":")[2] if literal.lower().startswith("urn:") else literal
        return _only([r for r in self.resources if r.root is None and r.id == tail and not r.full_url])

    def _relative(self, kind: str, name: str, holder: Resource) -> Resource | None:
        base = _ABSOLUTE.match(holder.full_url) if holder.full_url else None
        if base:
            found = self._by_url.get(same_url(f"{base[1]}/{kind}/{name}"))
            if found is not None:
                return found
        return _only(self._by_name[kind, name])


def _only(found: list[Resource]) -> Resource | None:
    distinct = {id(resource): resource for resource in found}
    return next(iter(distinct.values())) if len(distinct) == 1 else None


def identifier_keys(body: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The (system, value) pairs of a resource's business identifiers."""
    identifiers = body.get("identifier")
    if identifiers is None:
        return []
    items = identifiers if isinstance(identifiers, list) else [identifiers]
    return [key for item in items for key in _identifier_key(item)]


def _identifier_key(identifier: Any) -> list[tuple[str, str]]:
    if not isinstance(identifier, dict):
        return []
    system, value = identifier.get("system"), identifier.get("value")
    return [(system if isinstance(system, str) else "", value)] if isinstance(value, str) and value else []


def _resources(bundle: Mapping[str, Any]) -> Iterator[Resource]:
    entries = bundle.get("entry")
    if not isinstance(entries, list) or not entries:
        raise _shape("Bundle.entry", "De bundle heeft geen entries.", "The bundle has no entries.")
    count = 0
    for position, entry in enumerate(entries):
        place = f"Bundle.entry[{position}].resource"
        body: Any = entry.get("resource") if isinstance(entry, dict) else None
        kind = type_of(body)
        if not kind:
            raise _shape(place, "Hier hoort een resource.", "A resource belongs here.")
        url = entry.get("fullUrl")
        resource = Resource(kind, body, place, url if isinstance(url, str) and url else None)
        yield resource
        contained = body.get("contained")
        inner: list[Any] = contained if isinstance(contained, list) else []
        count += 1 + len(inner)
        if count > MAX_RESOURCES:
            raise _shape("Bundle.entry", "Te veel resources in één bericht.", "Too many resources in one message.")
        for index, item in enumerate(inner):
            where = f"{place}.contained[{index}]"
            if not type_of(item):
                raise _shape(where, "Hier hoort een resource.", "A resource belongs here.")
            yield Resource(type_of(item), item, where, root=resource)


def _shape(place: str, nl: str, en: str) -> Malformed:
    return Malformed(Finding(place=place, rule="fhir-r4-structure", nl=nl, en=en))
