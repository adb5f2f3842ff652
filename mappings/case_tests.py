# SPDX-License-Identifier: EUPL-1.2
"""Runs a mapping's own tests: each line of `test.yaml` is an example and what must become of it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, RootModel, model_validator

from mappings.codebook import CodebookShelf
from mappings.engine import CompiledMapping, Mapped, load_mapping, to_answer, to_referral
from mappings.mapping_file import Engine
from schakel.errors import ConfigurationError, Finding, Refusal, Unmappable
from schakel.ports import AnswerFormat, Format
from schakel.strict_yaml import Strict, fault, read_yaml


class Case(Strict):
    """One test: an example, and either a golden, or a park with its cause, or a refusal."""

    example: str
    now: str = "2026-11-16T09:00:00Z"
    golden: str | None = None
    parks: str | None = None
    at: str | None = None  # a target or source path, or part of the rule
    refused: Literal["malformed", "unsupported-format"] | None = None
    losses: Annotated[tuple[str, ...], Field(strict=False)] = ()
    says: str | None = None  # what the example shows

    @model_validator(mode="after")
    def _one_outcome(self) -> Self:
        if [self.golden, self.parks, self.refused].count(None) != 2:
            raise ValueError("a test has exactly one of golden, parks, refused")
        moment = datetime.fromisoformat(self.now)
        if moment.tzinfo is None:
            raise ValueError("now: with an offset")
        return self


class _Cases(RootModel[list[Case]]):
    """The whole file."""


@dataclass(frozen=True, slots=True)
class CaseResult:
    """What became of one test. `failures` is empty when it passed; texts name paths and rules, not values."""

    example: str
    failures: tuple[str, ...]

    @property
    def passed(self) -> bool:
        return not self.failures


def run_mapping(
    folder: Path,
    body: bytes,
    *,
    now: datetime,
    format: Format,
    codebooks: CodebookShelf | None = None,
    engine: Engine = "jlens",
) -> Mapped:
    """The bytes of an example through format and mapping, and for `referral@1` through the target's own rules.

    Raises Refusal (the bytes), Unmappable (park; also for broken invariants of the format), ConfigurationError.
    """
    shelf = codebooks if codebooks is not None else CodebookShelf.load()
    return _run(load_mapping(folder, shelf, engine=engine), body, now=now, format=format)


def run_tests(
    folder: Path,
    formats: Mapping[str, Format],
    *,
    codebooks: CodebookShelf | None = None,
    engine: Engine = "jlens",
) -> list[CaseResult]:
    """Every test of the folder's `test.yaml`, and a failure for each example that no test names.

    Raises ConfigurationError when mapping or tests do not load, or the format is not among `formats`.
    """
    shelf = codebooks if codebooks is not None else CodebookShelf.load()
    mapping = load_mapping(folder, shelf, engine=engine)
    cases = read_yaml(folder / "test.yaml", _Cases).root
    if mapping.format not in formats:
        text = f"there is no format {mapping.format}"
        raise ConfigurationError(fault(f"{folder.name}/mapping.yaml", "format-exists", text))
    results = [_case(mapping, case, formats, losses=engine == "jlens") for case in cases]
    named = {name for case in cases for name in (case.example, case.golden) if name is not None}
    for path in sorted((folder / "examples").iterdir()):
        if path.name not in named:
            results.append(CaseResult(path.name, ("no test names this file",)))
    return results


def _run(mapping: CompiledMapping, body: bytes, *, now: datetime, format: Format) -> Mapped:
    if mapping.reads_kind is not None:
        mapped = mapping.apply(json.loads(body), now=now)
        format.write(mapped.document)
        return mapped
    if mapping.writes == "answer@1" and isinstance(format, AnswerFormat):
        envelope = format.read_answer(body)
    else:
        envelope = format.read(body)
    if envelope.mapping != (mapping.replaces or mapping.name):
        text = f"the format asks for mapping {envelope.mapping}"
        raise ConfigurationError(fault(f"{mapping.folder.name}/mapping.yaml", "mapping-of-document", text))
    if envelope.findings:
        raise Unmappable("invariant", *envelope.findings)
    mapped = mapping.apply(envelope.document, now=now)
    if mapping.writes == "referral@1":
        to_referral(mapped.document)
    if mapping.writes == "answer@1":
        to_answer(mapped.document)
    return mapped


def _format_of(mapping: CompiledMapping, body: bytes, formats: Mapping[str, Format]) -> Format:
    """The mapping's own; for an example in another syntax of it the format that recognises that."""
    own = formats[mapping.format]
    if mapping.reads_kind is not None or own.recognises(body):
        return own
    return next((each for each in formats.values() if each.recognises(body)), own)


def _case(mapping: CompiledMapping, case: Case, formats: Mapping[str, Format], *, losses: bool) -> CaseResult:
    examples = mapping.folder / "examples"
    failures: list[str] = []
    try:
        body = (examples / case.example).read_bytes()
        format = _format_of(mapping, body, formats)
        mapped = _run(mapping, body, now=datetime.fromisoformat(case.now), format=format)
    except OSError:
        failures.append("the example cannot be read")
    except Refusal as refusal:
        if case.refused != refusal.slug:
            failures.append(f"refused as {refusal.slug}{_places(refusal.findings)}")
        elif case.at is not None and not _found(case.at, refusal.findings):
            failures.append(f"refused elsewhere than at {case.at}{_places(refusal.findings)}")
    except Unmappable as parked:
        if case.parks != parked.cause:
            failures.append(f"parks with {parked.cause}{_places(parked.findings)}")
        elif case.at is not None and not _found(case.at, parked.findings):
            failures.append(f"parks elsewhere than at {case.at}{_places(parked.findings)}")
    except ConfigurationError as error:
        failures.append(str(error))
    else:
        failures.extend(_compared(mapped, case, examples, losses=losses))
    return CaseResult(case.example, tuple(failures))


def _compared(mapped: Mapped, case: Case, examples: Path, *, losses: bool) -> list[str]:
    if case.golden is None:
        return [f"is mapped, but should {'park' if case.parks else 'be refused'}"]
    failures: list[str] = []
    try:
        golden = json.loads((examples / case.golden).read_bytes())
    except (OSError, ValueError):
        return [f"the golden file {case.golden} cannot be read"]
    failures.extend(f"differs from {case.golden} at {place}" for place in differences(golden, mapped.document))
    if losses and sorted(case.losses) != list(mapped.losses):
        failures.append(
            f"losses: {', '.join(mapped.losses) or 'none'}; the test says {', '.join(case.losses) or 'none'}"
        )
    return failures


def differences(golden: Any, made: Any, place: str = "$") -> list[str]:
    """The places where two documents differ; no values."""
    if isinstance(golden, dict) and isinstance(made, dict):
        found = [f"{place}.{name} (missing)" for name in golden.keys() - made.keys()]
        found += [f"{place}.{name} (extra)" for name in made.keys() - golden.keys()]
        for name in golden.keys() & made.keys():
            found += differences(golden[name], made[name], f"{place}.{name}")
        return sorted(found)
    if isinstance(golden, list) and isinstance(made, list):
        if len(golden) != len(made):
            return [f"{place} ({len(made)} items, not {len(golden)})"]
        return [
            each
            for index, pair in enumerate(zip(golden, made, strict=True))
            for each in differences(*pair, f"{place}[{index}]")
        ]
    return [] if type(golden) is type(made) and golden == made else [place]


def _found(at: str, findings: tuple[Finding, ...]) -> bool:
    """`at` is the place (positions left out or not) or stands in the rule."""
    return any(at in (each.place, re.sub(r"\[[0-9]+\]", "[]", each.place)) or at in each.rule for each in findings)


def _places(findings: tuple[Finding, ...]) -> str:
    return "".join(f"; {each.place}: {each.rule}" for each in findings[:3])
