# SPDX-License-Identifier: EUPL-1.2
"""Reads a region's folder of YAML, lays an overlay over it, and refuses what does not fit: file, place, rule.

Values stay text until the model reads them (`0518` keeps its zero), a key that stands twice or that nobody knows is
refused, and a message never repeats what the file says: an overlay can hold addresses of people.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from schakel.errors import ConfigurationError, Finding
from schakel.region import ANSWER, Region
from schakel.strict_yaml import fault, named, parse

# file → the field of Region that it fills (dotted: a field of that field, in which the other file has no say);
# None: its top-level keys are fields of Region themselves
FILES: Final[Mapping[str, str | None]] = {
    "region.yaml": None,
    "partners.yaml": None,  # partners
    "causes.yaml": None,  # causes
    "routes.yaml": "routing",  # routes, remarks
    "disclosure.yaml": "disclosure",
    "deadlines.yaml": "deadlines",
    "calendars.yaml": "deadlines.calendars",
    "retention.yaml": "retention",
    "municipalities.yaml": "municipalities",
}
BESIDE: Final = frozenset({"scenario.yaml"})  # examples of what must come of a message: for tests, not for the hub
OWN: Final = frozenset({"codebooks", "mappings"})  # read by mappings/library.py
_TOP: Final = {
    "region.yaml": frozenset({"id", "name", "version", "hub_oin", "hub_name", "contact", "alarms"}),
    "partners.yaml": frozenset({"partners"}),
    "causes.yaml": frozenset({"causes"}),
}


def load_region(folder: Path, overlay: Path | None = None) -> Region:
    """The region in `folder`, with the files of `overlay` (same names, any subset) laid over it.

    Objects merge key by key; lists of objects merge by their identity (`id`, `code`, `owner`, or role with kind,
    programmes and urgencies); other lists replace. Raises ConfigurationError with one finding per fault.
    """
    files = _read_folder(folder, every=True)
    if overlay is not None:
        for name, content in _read_folder(overlay, every=False).items():
            files[name] = _merge(files[name], content)
    data: dict[str, Any] = {}
    for name, content in files.items():
        outer, _, inner = (FILES[name] or "").partition(".")
        if inner and inner in data[outer]:
            raise ConfigurationError(fault(f"{outer}.yaml {inner}", "unknown-key", f"belongs in {name}"))
        data |= {outer: data[outer] | {inner: content}} if inner else {outer: content} if outer else content
    try:
        return Region.model_validate(data, by_alias=False, by_name=True)
    except ValidationError as error:
        raise ConfigurationError(
            *(
                fault(_place(data, each["loc"]), each["type"], each["msg"])
                for each in error.errors(include_url=False, include_input=False, include_context=False)
            )
        ) from None


# -- reading -----------------------------------------------------------------------------------------------------------


def _read_folder(folder: Path, *, every: bool) -> dict[str, dict[str, Any]]:
    if not folder.is_dir():
        raise ConfigurationError(fault(folder.name, "folder-exists", "there is no such folder"))
    present = sorted(path.name for path in folder.iterdir() if path.suffix in {".yaml", ".yml"})
    faults = [
        fault(f"{folder.name}/{name}", "unknown-file", "no such file is read")
        for name in present
        if name not in FILES and name not in BESIDE
    ]
    faults += [
        fault(f"{folder.name}/{path.name}/", "unknown-folder", "no such folder is read")
        for path in sorted(folder.iterdir())
        if path.is_dir() and path.name not in OWN
    ]
    if every:
        missing = [name for name in FILES if name not in present]
        faults += [fault(f"{folder.name}/{name}", "file-exists", "the file is missing") for name in missing]
    if faults:
        raise ConfigurationError(*faults)
    return {name: _read_file(folder / name) for name in FILES if name in present}


def _read_file(path: Path) -> dict[str, Any]:
    name = named(path)
    _, content = parse(path)
    if not isinstance(content, dict):
        raise ConfigurationError(fault(name, "yaml", "must hold an object"))
    allowed = _TOP.get(path.name)
    strangers = sorted(content.keys() - allowed) if allowed is not None else []
    faults = [fault(f"{name} {key}", "unknown-key", "this key does not belong in this file") for key in strangers]
    faults += _twice(content, name)
    if faults:
        raise ConfigurationError(*faults)
    return content


# -- merging -----------------------------------------------------------------------------------------------------------


def _identity(item: Any) -> tuple[Any, ...] | None:
    """What makes an object in a list the same one in an overlay; None: it has no identity."""
    if not isinstance(item, dict):
        return None
    if "code" in item:  # a dated codebook can hold a code once per period
        return ("code", item["code"], item.get("valid_from"))
    for key in ("id", "owner"):
        if key in item:
            return (key, item[key])
    if "role" in item and "partner" not in item:
        kind = item.get("kind", ANSWER)
        return ("role", item["role"], kind, *(tuple(item.get(key) or ()) for key in ("programmes", "urgencies")))
    return None


def _merge(base: Any, over: Any) -> Any:
    if isinstance(base, dict) and isinstance(over, dict):
        return base | {key: _merge(base[key], value) if key in base else value for key, value in over.items()}
    if isinstance(base, list) and isinstance(over, list):
        places = {_identity(item): position for position, item in enumerate(base)}
        if None not in places and all(_identity(item) is not None for item in over):
            merged = list(base)
            for item in over:
                position = places.get(_identity(item))
                if position is None:
                    merged.append(item)
                else:
                    merged[position] = _merge(merged[position], item)
            return merged
    return over


def _twice(value: Any, place: str) -> list[Finding]:
    """Objects of one list with the same identity: the second would silently hide the first."""
    faults: list[Finding] = []
    if isinstance(value, dict):
        for key, each in value.items():
            faults += _twice(each, f"{place} {key}" if ".yaml" in place[-5:] else f"{place}.{key}")
    elif isinstance(value, list):
        seen: set[tuple[Any, ...]] = set()
        for position, item in enumerate(value):
            identity = _identity(item)
            if identity is not None and identity in seen:
                faults.append(
                    fault(f"{place}[{position}]", "twice", "an object with this identity stands here already")
                )
            if identity is not None:
                seen.add(identity)
            faults += _twice(item, f"{place}[{position}]")
    return faults


def _place(data: Any, location: tuple[str | int, ...]) -> str:
    """`("routing", "routes", 2, "when")` → `routes.yaml routes[thv-den-haag].when`."""
    text = ""
    for part in location:
        if isinstance(part, int) and isinstance(data, list) and part < len(data):
            data = data[part]
            identity = _identity(data)
            text += f"[{identity[1] if identity else part}]"
        else:
            data = data.get(part) if isinstance(data, dict) else None
            text += f".{part}" if text else str(part)
    first = str(location[0]) if location else ""
    for name, field in sorted(FILES.items(), key=lambda each: -len(each[1] or "")):  # the inner file first
        if field is not None and (text == field or text.startswith((f"{field}.", f"{field}["))):
            return f"{name} {text.removeprefix(field).removeprefix('.')}".rstrip()
        if first in _TOP.get(name, ()):
            return f"{name} {text}"
    return text or "region"
