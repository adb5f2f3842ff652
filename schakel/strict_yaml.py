# SPDX-License-Identifier: EUPL-1.2
"""Reads YAML files strictly: no unknown keys, no repeated keys, no guessed types; errors name file, line and place."""

from __future__ import annotations

import difflib
import re
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from schakel.errors import ConfigurationError, Finding


class Strict(BaseModel):
    """A part of a configuration file: unknown keys are refused, nothing is coerced."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True, defer_build=True)


Model = TypeVar("Model", bound=BaseModel)
_LONGEST_NAME: Final = 80


class _Loader(yaml.CSafeLoader):  # libyaml's parser: an eighth of the time of the one in Python
    """Strings stay strings: `01`, `no` and `2026-11-01` are text; only true, false and null are anything else."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag != _TEXT:
                raise yaml.constructor.ConstructorError(None, None, "a key must be text (quote it)", key.start_mark)
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, "the key stands here twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


_TEXT = "tag:yaml.org,2002:str"
_Loader.yaml_implicit_resolvers = {}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), ["t", "f"])
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^(?:~|null|)$"), ["~", "n", ""])


def read_yaml(path: Path, model: type[Model]) -> Model:
    """The file as `model`. Raises ConfigurationError with one finding per fault."""
    tree, data = parse(path)
    try:
        return model.model_validate(data)
    except ValidationError as error:
        name = named(path)
        raise ConfigurationError(
            *(
                fault(f"{name}:{line_of(tree, each['loc'])} {dotted(each['loc'])}", each["type"], each["msg"])
                for each in error.errors(include_url=False, include_input=False, include_context=False)
            )
        ) from None


def parse(path: Path) -> tuple[yaml.Node | None, Any]:
    """The file's nodes (for line numbers) and its plain values. Raises ConfigurationError."""
    name = named(path)
    try:
        loader = _Loader(path.read_text(encoding="utf-8"))
        try:
            tree = loader.get_single_node()
            return tree, loader.construct_document(tree) if tree is not None else None
        finally:
            loader.dispose()
    except OSError as error:
        raise ConfigurationError(fault(name, "file-readable", f"cannot be read ({error.strerror})")) from None
    except UnicodeDecodeError:
        raise ConfigurationError(fault(name, "utf-8", "is not UTF-8")) from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigurationError(fault(f"{name}:{line}", "yaml", str(error.problem))) from None
    except yaml.YAMLError:
        raise ConfigurationError(fault(name, "yaml", "is not YAML")) from None


def named(path: Path) -> str:
    """How a finding names the file: its folder and name."""
    return f"{path.parent.name}/{path.name}"


def fault(place: str, rule: str, en: str, nl: str | None = None) -> Finding:
    """A finding about a configuration file; read by engineers, so the Dutch text may only open in Dutch."""
    return Finding(place=place, rule=rule, nl=nl or f"Configuratie klopt niet: {en}", en=en)


def dotted(location: Sequence[str | int]) -> str:
    """`("rules", 3, "to")` → `rules[3].to`."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def line_of(tree: yaml.Node | None, location: Sequence[str | int]) -> int:
    """The 1-based line of the deepest part of `location` that the file has."""
    line = 1
    for part in location:
        if isinstance(tree, yaml.MappingNode):
            found = next(((key, value) for key, value in tree.value if key.value == part), None)
            if found is None:
                continue  # a name of a union branch, not of the file
            line, tree = found[0].start_mark.line + 1, found[1]
        elif isinstance(tree, yaml.SequenceNode) and isinstance(part, int) and part < len(tree.value):
            tree = tree.value[part]
            line = tree.start_mark.line + 1
    return line


def near(name: str, known: Sequence[str]) -> str:
    """` (did you mean x?)` when a known name lies near, else nothing; what is too long for a name is not compared."""
    close = difflib.get_close_matches(name, known, n=1) if len(name) <= _LONGEST_NAME else []
    return f" (did you mean {close[0]}?)" if close else ""
