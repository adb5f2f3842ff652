# SPDX-License-Identifier: EUPL-1.2
"""All rules of a mapping at once: a document crosses into the engine once per message, and not once per rule.

Plain paths are read without the engine (mappings/plain.py). The rest becomes one expression that makes an object with
each rule's raw value under its position, and lists of such objects under the rules that have rules of their own:

    ( $__x0 := $; $root := $; $__w2 := ($exists(urgentie) and …);
      {"2?": $__w2, "3": $__w2 = true ? ("crisis"),
       "5": [$map($append([], (betrokkenen)), function($__i1, $index) { $__i1.( $__x1 := $; {"4": (…)} ) })]} )

Each part is the very text of the rule in brackets, so it means what it means alone. What is put where, through which
codebook, is done afterwards. Whenever anything is not plain (an expression fails, a condition is no truth value, a
limit is passed), nothing of this counts: the rules are run one by one, and the finding names the rule.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from mappings.codebook import Codebook
from mappings.functions import Unfit, translate
from mappings.lineage import item_bases
from mappings.mapping_file import Rule
from mappings.plain import Base, NotPlain, Plain, plain_items, plain_value
from mappings.shape import Path, Shape
from schakel.jsonata import Expression, HostFunctions, JsonataError

# Each evaluation begins with the same chance; together the rules would share it. `$$` is another thing inside an item.
_CHANCE: Final = re.compile(r"\$(random|shuffle)\b")
_INPUT: Final = "$$"
_NOTHING: Final[Mapping[str, Any]] = {}


@dataclass(frozen=True, slots=True)
class Step:
    """What becomes of one rule's value. Without `value` (for rules with rules: `items`) the engine gives it, under
    `key`. `test`: the key of its condition, or how to read that."""

    key: str
    test: str | Plain | None
    value: Plain | None
    items: Plain | None
    asks: bool  # something of it is in the engine's hands
    to: Path
    many: bool
    code: Codebook | None
    steps: tuple[Step, ...]  # of the rules below it
    expressions: int


@dataclass(frozen=True, slots=True)
class Joint:
    """The rules of a mapping, compiled as one. Safe to share between threads. `expression`: None when all is plain."""

    expression: Expression | None
    steps: tuple[Step, ...]

    def apply(self, document: dict[str, Any], *, now: datetime, most_items: int, most: int) -> dict[str, Any]:
        """The target's document, as the rules one by one give it. Raises NotPlain: they are to be run so."""
        try:
            values = self.expression.evaluate(document, now=now) if self.expression is not None else _NOTHING
            return _Taking(document, now, most_items, most).take(self.steps, values, document, None)
        except (JsonataError, Unfit):
            raise NotPlain from None


def join(rules: Sequence[Rule], functions: HostFunctions, shape: Shape) -> Joint | None:
    """None: these rules mean something else together than alone, or an engine runs them that knows no such thing."""
    if not all(isinstance(each.value.expression, Expression) for each in rules) or not _independent(rules):
        return None
    steps = _steps(rules, functions, shape, ((),), ())
    asked = any(step.asks for step in steps)
    return Joint(Expression(_scope(rules, steps, 0), functions) if asked else None, steps)


def _independent(rules: Iterable[Rule], *, inside: bool = False) -> bool:
    sources = [each.expression.source for rule in rules for each in rule.expressions()]
    if any(_CHANCE.search(source) or (inside and _INPUT in source) for source in sources):
        return False
    return all(_independent(rule.rules, inside=True) for rule in rules)


def _steps(
    rules: Sequence[Rule], functions: HostFunctions, shape: Shape, bases: Sequence[Path], outer: Sequence[Path]
) -> tuple[Step, ...]:
    """`bases`: where in the document the input of these rules can lie; `outer`: where that of the rules above."""
    places: dict[Base, Sequence[Path]] = {"item": bases, "parent": outer, "root": ((),)}
    steps = []
    for position, rule in enumerate(rules):
        source = rule.value.expression.source
        value = items = None
        below: tuple[Step, ...] = ()
        if rule.rules:
            items = plain_items(source, shape, places)
            # items that the engine makes are seen by the engine alone
            inner = item_bases(rule, shape, bases, outer) if items is not None else ()
            below = _steps(rule.rules, functions, shape, inner, bases if items is not None else ())
        else:
            value = plain_value(source, functions, shape, places)
        test: str | Plain | None = None
        if rule.when is not None:
            test = plain_value(rule.when.expression.source, functions, shape, places) or f"{position}?"
        asks = isinstance(test, str) or (value is None and items is None) or any(step.asks for step in below)
        steps.append(
            Step(
                key=str(position),
                test=test,
                value=value,
                items=items,
                asks=asks,
                to=rule.to,
                many=rule.many,
                code=rule.code,
                steps=below,
                expressions=sum(1 for _ in rule.expressions()),
            )
        )
    return tuple(steps)


# -- the text ----------------------------------------------------------------------------------------------------------


def _scope(rules: Sequence[Rule], steps: Sequence[Step], depth: int) -> str:
    """The rules of one level, for the input of that level."""
    lets = [f"$__x{depth} := $"]
    lets += ["$root := $"] if depth == 0 else [f"$parent := $__x{depth - 1}"]
    fields = []
    for rule, step in zip(rules, steps, strict=True):
        if not step.asks:
            continue
        given = None
        if rule.rules and (step.items is None or any(below.asks for below in step.steps)):
            given = _items(rule, step, depth)
        elif not rule.rules and step.value is None:
            given = f"({rule.value.expression.source})"
        if rule.when is not None:
            condition = f"({rule.when.expression.source})"
            if isinstance(step.test, str):
                lets.append(f"$__w{step.key} := {condition}")
                fields.append(f'"{step.test}": $__w{step.key}')
                condition = f"$__w{step.key} = true"
            given = given and f"{condition} ? {given}"
        if given is not None:
            fields.append(f'"{step.key}": {given}')
    return f"( {'; '.join(lets)}; {{{', '.join(fields)}}} )"


def _items(rule: Rule, step: Step, depth: int) -> str:
    """A list of what the rules below make of each item. A list in it, or null, is left to the rules."""
    item = f"$__i{depth + 1}"
    inside = _scope(rule.rules, step.steps, depth + 1)
    plain = f'$type({item}) in ["array", "null"] ? $error("not plain") : {item}.{inside}'
    return f"[$map($append([], ({rule.value.expression.source})), function({item}, $index) {{ {plain} }})]"


# -- what is done with the values --------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Taking:
    """One message. `left`: how many evaluations one by one may still take, were it done so."""

    root: dict[str, Any]
    now: datetime
    most_items: int
    left: int

    def take(self, steps: Sequence[Step], values: Mapping[str, Any], item: Any, parent: Any) -> dict[str, Any]:
        """`values`: what the engine made of `item`. Raises NotPlain, JsonataError and Unfit."""
        out: dict[str, Any] = {}
        for step in steps:
            self.left -= step.expressions
            if step.test is not None and not self._holds(step.test, values, item, parent):
                continue
            if step.value is not None:
                value = step.value.read(item, parent, self.root)
            elif step.steps:
                value = self._made(step, values, item, parent)
            else:
                value = values.get(step.key)
            if value is not None and (value := self._fitting(step, value)) is not None:
                _put(out, step, value)
        if self.left < 0:
            raise NotPlain
        return out

    def _holds(self, test: str | Plain, values: Mapping[str, Any], item: Any, parent: Any) -> bool:
        value = values.get(test) if isinstance(test, str) else test.read(item, parent, self.root)
        if value is True:
            return True
        if value is False:
            return False
        raise NotPlain

    def _made(self, step: Step, values: Mapping[str, Any], item: Any, parent: Any) -> Any:
        """What the rules below make of each item."""
        given = values.get(step.key)
        if step.items is None:
            items: Sequence[Any] = given or ()  # the engine's alone: the rules below take nothing else
        else:
            items = step.items.items(item, parent, self.root)
        if given is None or step.items is None:
            given = items if step.items is None else (_NOTHING,) * len(items)
        if len(items) > self.most_items or len(given) != len(items):
            raise NotPlain
        pairs = zip(items, given, strict=True)
        made = [one for each, value in pairs if (one := self.take(step.steps, value, each, item))]
        if step.many:
            return made
        if len(made) > 1:
            raise NotPlain
        return made[0] if made else None

    def _fitting(self, step: Step, value: Any) -> Any:
        """A list for a list target and a single value for another, each through the codebook."""
        if step.many:
            values = [each for each in value if each is not None] if isinstance(value, list) else [value]
            return self._coded(step, values) or None
        if isinstance(value, list):
            raise NotPlain
        return value if step.code is None else translate(step.code, value, now=self.now)

    def _coded(self, step: Step, values: list[Any]) -> list[Any]:
        return values if step.code is None else [translate(step.code, each, now=self.now) for each in values]


def _put(out: dict[str, Any], step: Step, value: Any) -> None:
    if not step.to:
        if not isinstance(value, dict):
            raise NotPlain
        out.update(value)
        return
    here = out
    for name in step.to[:-1]:
        here = here.setdefault(name, {})
    last = step.to[-1]
    if step.many:
        here.setdefault(last, []).extend(value)
    elif last in here:
        raise NotPlain
    else:
        here[last] = value
