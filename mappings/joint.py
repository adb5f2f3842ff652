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
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from mappings.codebook import Codebook
from mappings.functions import Unfit, translate
from mappings.lineage import item_bases
from mappings.mapping_file import Rule
from mappings.plain import Base, HostFunction, NotPlain, Plain, as_the_engine, plain_items, plain_value
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


class Act(NamedTuple):
    """A step as it is done for each message: what the message cannot change was decided when it was made."""

    test: str | Plain | None
    field: str | None  # the value is this field of the item: most rules read no more than that
    value: Plain | None
    function: HostFunction | None  # that `field` goes through
    key: str
    many: bool
    code: Codebook | None
    below: Level | None
    step: Step
    above: Path  # the target: the objects to go through,
    name: str  # and the field in the last; "": the value itself is the output
    shared: bool  # another rule has this target


class Level(NamedTuple):
    """The rules for one input, ready to be done."""

    acts: tuple[Act, ...]
    expressions: int


@dataclass(frozen=True, slots=True)
class Joint:
    """The rules of a mapping, compiled as one. Safe to share between threads. `expression`: None when all is plain."""

    expression: Expression | None
    level: Level

    def apply(self, document: dict[str, Any], *, now: datetime, most_items: int, most: int) -> dict[str, Any]:
        """The target's document, as the rules one by one give it. Raises NotPlain: they are to be run so."""
        try:
            values = self.expression.evaluate(document, now=now) if self.expression is not None else _NOTHING
            return _Taking(document, now, most_items, most).take(self.level, values, document, None)
        except (JsonataError, Unfit):
            raise NotPlain from None


def join(rules: Sequence[Rule], functions: HostFunctions, shape: Shape) -> Joint | None:
    """None: these rules mean something else together than alone, or an engine runs them that knows no such thing."""
    if not all(isinstance(each.value.expression, Expression) for each in rules) or not _independent(rules):
        return None
    steps = _steps(rules, functions, shape, ((),), ())
    asked = any(step.asks for step in steps)
    return Joint(Expression(_scope(rules, steps, 0), functions) if asked else None, _level(steps))


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
            value = plain_value(source, functions, shape, places, many=rule.many)
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


def _level(steps: Sequence[Step]) -> Level:
    targets = Counter(step.to for step in steps)
    return Level(tuple(_act(step, targets[step.to] > 1) for step in steps), sum(step.expressions for step in steps))


def _act(step: Step, shared: bool) -> Act:
    value = step.value
    direct = value is not None and value.base == "item" and len(value.names) == 1 and not value.whole
    return Act(
        test=step.test,
        field=value.names[0] if value is not None and direct else None,
        value=None if direct else value,
        function=value.function if value is not None and direct else None,
        key=step.key,
        many=step.many,
        code=step.code,
        below=_level(step.steps) if step.steps else None,
        step=step,
        above=step.to[:-1],
        name=step.to[-1] if step.to else "",
        shared=shared,
    )


@dataclass(slots=True)
class _Taking:
    """One message. `left`: how many evaluations the rules one by one may still take, were it done so."""

    root: dict[str, Any]
    now: datetime
    most_items: int
    left: int

    def take(self, level: Level, values: Mapping[str, Any], item: Any, parent: Any) -> dict[str, Any]:
        """`values`: what the engine made of `item`. Raises NotPlain, JsonataError and Unfit.

        In one piece: it runs for every rule of every message, and each call in it would show."""
        self.left -= level.expressions
        if self.left < 0:
            raise NotPlain
        root, now = self.root, self.now
        out: dict[str, Any] = {}
        for test, field, read, function, key, many, code, below, step, above, name, shared in level.acts:
            if test is not None and not self._holds(test, values, item, parent):
                continue
            if field is not None:
                value = item.get(field)
                if value is None:
                    continue
                if value.__class__ is not str:
                    value = as_the_engine(value)
                if function is not None:
                    value = function(value)
            elif read is not None:
                value = read.read(item, parent, root)
            elif below is not None:
                value = self._made(step, below, values, item, parent)
            else:
                value = values.get(key)
            if value is None:
                continue
            if many:
                value = [each for each in value if each is not None] if value.__class__ is list else [value]
                if code is not None:
                    value = [translate(code, each, now=now) for each in value]
                if not value:
                    continue
            elif value.__class__ is list:
                raise NotPlain
            elif code is not None and (value := translate(code, value, now=now)) is None:
                continue
            here = out
            for each in above:
                here = here.setdefault(each, {})
            if not name:
                if value.__class__ is not dict:
                    raise NotPlain
                out.update(value)
            elif not shared:
                here[name] = value
            elif many:
                here.setdefault(name, []).extend(value)
            elif name in here:
                raise NotPlain
            else:
                here[name] = value
        return out

    def _holds(self, test: str | Plain, values: Mapping[str, Any], item: Any, parent: Any) -> bool:
        value = values.get(test) if test.__class__ is str else test.read(item, parent, self.root)  # type: ignore[union-attr]
        if value is True:
            return True
        if value is False:
            return False
        raise NotPlain

    def _made(self, step: Step, below: Level, values: Mapping[str, Any], item: Any, parent: Any) -> Any:
        """What the rules below make of each item."""
        given = values.get(step.key)
        if step.items is None:
            items: Sequence[Any] = given or ()  # the engine's alone: the rules below take nothing else
        else:
            items = step.items.items(item, parent, self.root)
        if not items and not given:
            return [] if step.many else None
        if given is None or step.items is None:
            given = items if step.items is None else (_NOTHING,) * len(items)
        if len(items) > self.most_items or len(given) != len(items):
            raise NotPlain
        pairs = zip(items, given, strict=True)
        made = [one for each, value in pairs if (one := self.take(below, value, each, item))]
        if step.many:
            return made
        if len(made) > 1:
            raise NotPlain
        return made[0] if made else None
