# SPDX-License-Identifier: EUPL-1.2
"""What may stand in a `mapping.yaml`, and how it becomes compiled rules."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Protocol

from pydantic import Field

from mappings.codebook import Codebook
from mappings.functions import NAMES as FUNCTIONS
from mappings.shape import Read
from schakel.errors import ConfigurationError, Finding
from schakel.jsonata import Expression, HostFunctions, JsonataError
from schakel.strict_yaml import Strict, fault, near, read_yaml

Engine = Literal["jlens", "jsonatapy"]
VARIABLES: Final = frozenset({"root", "parent", "index"})
WHOLE: Final = "$"  # the target that is the whole output
_TARGET: Final = r"^(\$|[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*(\[\])?)$"
_BOOK: Final = re.compile(r"""\$code\(\s*(?:"([^"]*)"|'([^']*)')""")


class RuleText(Strict):
    """One rule as written. `from` gives the value, or `each` the items on which `rules` are evaluated."""

    to: Annotated[str, Field(pattern=_TARGET)]
    from_: Annotated[str | None, Field(alias="from")] = None
    each: str | None = None
    rules: Annotated[list[RuleText] | None, Field(min_length=1)] = None
    code: str | None = None
    when: str | None = None
    why: str | None = None
    reason: Annotated[str | None, Field(min_length=8)] = None  # why a whole object is read


class IgnoreText(Strict):
    """A part of the source that is deliberately not carried over."""

    path: Annotated[str, Field(min_length=1)]
    reason: Annotated[str, Field(min_length=8)]


class MappingText(Strict):
    mapping: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
    version: Annotated[str, Field(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+$")]
    format: str
    # a source's own mapping: the one in whose place it stands, for whoever names it under `sends.mappings`
    replaces: str | None = None
    # the same output in other formats, each a representation of its own: name → format
    also: Annotated[dict[str, str], Field(default_factory=dict)]
    writes: Annotated[str, Field(pattern=r"^([a-z-]+@[0-9]+ -> )?[a-z-]+@[0-9]+$")]
    codebooks: Annotated[tuple[str, ...], Field(strict=False)] = ()
    rules: Annotated[list[RuleText], Field(min_length=1)]
    ignore: Annotated[tuple[IgnoreText, ...], Field(strict=False)] = ()


class Evaluates(Protocol):
    """What the engine asks of a compiled expression; `schakel.jsonata.Expression` is one."""

    source: str

    def evaluate(
        self, document: Any, bindings: dict[str, Any] | None = None, *, now: datetime | None = None
    ) -> Any: ...


@dataclass(frozen=True, slots=True)
class Compiled:
    """An expression and what it needs and reads; `reads` is None when the engine cannot tell."""

    expression: Evaluates
    variables: frozenset[str]  # of root, parent, index
    functions: frozenset[str]  # to be handed over at each evaluation: for an engine that cannot keep them
    reads: Read | None
    reads_root: Read | None  # None: not at all (or unknown)
    reads_parent: Read | None


@dataclass(frozen=True, slots=True)
class Rule:
    """One compiled rule. `number` is its place in the file, 1-based and dotted: `7.2`."""

    number: str
    to: tuple[str, ...]
    many: bool
    value: Compiled
    rules: tuple[Rule, ...]  # not empty: `value` gives the items
    code: Codebook | None
    when: Compiled | None
    reason: str | None
    label: str  # file, number and target, as errors say it

    @property
    def target(self) -> str:
        return ".".join(self.to) + ("[]" if self.many else "")

    def expressions(self) -> Iterator[Compiled]:
        """Its own expressions, not those of the rules below."""
        yield self.value
        if self.when is not None:
            yield self.when


def compile_rules(
    texts: Sequence[RuleText], file: str, books: Mapping[str, Codebook], functions: HostFunctions, engine: Engine
) -> tuple[Rule, ...]:
    """All rules of a file. `functions`: what they may call, by name. Raises ConfigurationError with every fault."""
    faults: list[Finding] = []
    rules = _Compiling(file, books, functions, engine, faults).rules(texts, "")
    if faults:
        raise ConfigurationError(*faults)
    return rules


def read_mapping_file(folder: Path) -> MappingText:
    """The folder's `mapping.yaml`. Raises ConfigurationError."""
    text = read_yaml(folder / "mapping.yaml", MappingText)
    if text.mapping.replace("-", "_") != folder.name:
        raise ConfigurationError(fault(f"{folder.name}/mapping.yaml", "named-as-folder", "carries another name"))
    return text


Blame = Callable[[str, str], None]


@dataclass(frozen=True, slots=True)
class _Compiling:
    """One file. What is wrong with it is added to `faults`."""

    file: str
    books: Mapping[str, Codebook]
    functions: HostFunctions
    engine: Engine
    faults: list[Finding]

    def rules(self, texts: Sequence[RuleText], above: str) -> tuple[Rule, ...]:
        """`above`: the number of the rule that these stand under, with a dot."""
        made = (self._rule(text, f"{above}{position}") for position, text in enumerate(texts, start=1))
        rules = tuple(rule for rule in made if rule is not None)
        _targets_agree(rules, self.faults)
        return rules

    def _rule(self, text: RuleText, number: str) -> Rule | None:
        label = f"{self.file}, rule {number} ({text.to})"
        blame = _blamer(self.faults, label)
        source = text.from_ if text.from_ is not None else text.each
        if (text.from_ is None) == (text.each is None) or (text.each is None) != (text.rules is None):
            blame("from-or-each", "a rule has either `from`, or `each` with `rules`")
        if text.rules is not None and text.code is not None:
            blame("code-on-value", "`code` belongs to a rule with `from`")
        if text.code is not None and text.code not in self.books:
            near_by = near(text.code, list(self.books))
            blame("codebook-declared", f"codebook {text.code} is not under `codebooks`{near_by}")
        value = self._expression(source or "null", blame, whole_allowed=text.reason is not None or "." in number)
        when = None if text.when is None else self._expression(text.when, blame, whole_allowed=False)
        nested = self.rules(text.rules or (), f"{number}.")
        if value is None:
            return None
        return Rule(
            number=number,
            to=() if text.to == WHOLE else tuple(text.to.removesuffix("[]").split(".")),
            many=text.to.endswith("[]"),
            value=value,
            rules=nested,
            code=self.books.get(text.code or ""),
            when=when,
            reason=text.reason,
            label=label,
        )

    def _expression(self, source: str, blame: Blame, *, whole_allowed: bool) -> Compiled | None:
        for double, single in _BOOK.findall(source):
            if (double or single) not in self.books:
                blame("codebook-declared", f"codebook {double or single} is not under `codebooks`")
        try:
            if self.engine == "jsonatapy":
                from schakel.jsonata_fallback import FallbackExpression  # 6 MB: for the day it is needed

                names = frozenset(re.findall(r"\$([A-Za-z]\w*)", source))
                return Compiled(FallbackExpression(source), names & VARIABLES, names & FUNCTIONS, None, None, None)
            expression = Expression(source, self.functions)
        except JsonataError as error:
            blame("jsonata", f"is not an expression we run: {error}")
            return None
        names = expression.names()
        for name in sorted(names - VARIABLES - FUNCTIONS):
            blame("known-name", f"${name} does not exist{near(name, sorted(VARIABLES | FUNCTIONS))}")
        reads: Read = expression.reads()
        if "" in reads:
            if not whole_allowed:
                blame("whole-read", "reads its whole input; that takes a written `reason`")
            reads = True
        root, parent = expression.reads_binding("root"), expression.reads_binding("parent")
        expression.set_aside()
        return Compiled(expression, names & VARIABLES, frozenset(), reads, root, parent)


def _blamer(faults: list[Finding], label: str) -> Blame:
    return lambda rule, en: faults.append(fault(label, rule, en))


def _targets_agree(rules: Sequence[Rule], faults: list[Finding]) -> None:
    """No target lies inside another one's value, and list targets are list targets everywhere."""
    for rule in rules:
        for other in rules:
            shorter = rule.to == other.to[: len(rule.to)] and len(rule.to) < len(other.to)
            if shorter or (rule.to == other.to and rule.many != other.many):
                faults.append(fault(other.label, "targets-agree", f"its target cannot stand beside rule {rule.number}"))
