# SPDX-License-Identifier: EUPL-1.2
"""Which expressions run without the engine, and that the others take it where they stand."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import mappings
from mappings.codebook import CodebookShelf
from mappings.engine import CompiledMapping, load_mapping
from mappings.expression import Literal, Name, NotRead, Operation, read
from mappings.functions import Moment, host_functions
from mappings.joint import Joint
from mappings.mapping_file import RuleText, compile_rules
from mappings.plain_run import LONGEST, NotPlain
from mappings.shape import shape_of
from mappings.survey import Place
from schakel.errors import Unmappable
from schakel.jsonata import Expression

NOW = datetime(2026, 11, 16, 9, 0, tzinfo=UTC)
MOMENT = Moment()
FUNCTIONS = host_functions({}, MOMENT, "test@1")
TEXT = {"type": "string"}
SHAPE = shape_of(
    {
        "type": "object",
        "properties": {
            "a": TEXT,
            "b": {"type": "integer"},
            "open": {},
            "list": {"type": "array", "items": {"type": "object", "properties": {"c": TEXT}}},
            "flag": {"type": "boolean"},
            "thing": {"type": "object", "properties": {"a": TEXT, "flag": {"type": "boolean"}}},
        },
    }
)
BASE = load_mapping(Path(mappings.__file__).parent / "referral_json", CodebookShelf.load())


def mapping_of(*rules: dict[str, Any]) -> CompiledMapping:
    texts = [RuleText.model_validate({"reason": "for a test", **each}) for each in rules]
    compiled = compile_rules(texts, "test", {}, FUNCTIONS, "jlens")
    joint = Joint(compiled, FUNCTIONS, {}, SHAPE)
    return replace(
        BASE,
        rules=compiled,
        shape=SHAPE,
        watched=Place(SHAPE, True),
        functions=FUNCTIONS,
        moment=MOMENT,
        joint=joint,
    )


def nobody(*_: object) -> Any:
    raise AssertionError("asked")


def test_signs_bind_as_they_do_in_jsonata() -> None:
    tree = read("a = 1 and b or c")
    assert isinstance(tree, Operation)
    assert tree.sign == "or"
    assert isinstance(tree.left, Operation)
    assert (tree.left.sign, tree.right) == ("and", Name("c"))
    assert isinstance(tree.left.left, Operation)
    assert tree.left.left == Operation("=", Name("a"), Literal(1))


@pytest.mark.parametrize(
    "source",
    [
        "a.*",
        "a.%",
        "**",
        "a{b: c}",
        "a^(b)",
        "a@$b",
        "|a|b|",
        "`a b`",
        "a * b",
        "a / b",
        '"a\\u0041"',
        "a[",
        "and",
        "-a",
    ],
)
def test_what_is_not_known_is_not_read(source: str) -> None:
    with pytest.raises(NotRead):
        read(source)


@pytest.mark.parametrize(
    "source",
    [
        "a[-1]",
        '$replace(a, "", "x")',
        '$substringBefore(a, "")',
        "$substring(a, -2, 1)",
        "$contains(a, /a$b/)",
        "$contains(a, /a{2}{3}/)",
        "b = 99999999999999999999",
        "open",
        "open.x",
        "strange",
        "a.c",
        "list.c = list.c",
        "a < b",
        "$sort(list.c)",
        "$map(list, $string)",
    ],
)
def test_what_the_schema_leaves_open_takes_the_engine(source: str) -> None:
    joint = mapping_of({"to": "x", "from": source}).joint
    assert joint is not None
    assert joint.asked == (source,)


def test_only_the_rule_that_takes_the_engine_asks_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    real = Expression.evaluate

    def counted(self: Expression, *given: Any, **named: Any) -> Any:
        asked.append(self.source)
        return real(self, *given, **named)

    monkeypatch.setattr(Expression, "evaluate", counted)
    below = [{"to": "upper", "from": "$uppercase(c)"}, {"to": "c", "from": "c"}, {"to": "at", "from": "$index"}]
    mapping = mapping_of({"to": "a", "from": "a"}, {"to": "list[]", "each": "list", "rules": below})
    made = mapping.apply({"a": "x", "list": [{"c": "y"}, {"c": "z"}]}, now=NOW)
    assert made.document == {
        "a": "x",
        "list": [{"upper": "Y", "c": "y", "at": 0}, {"upper": "Z", "c": "z", "at": 1}],
    }
    assert asked == ["$uppercase(c)"] * 2


def test_a_condition_that_takes_the_engine_decides() -> None:
    mapping = mapping_of({"to": "x", "from": "a", "when": "$uppercase(a) = 'X'"})
    assert mapping.joint is not None
    assert len(mapping.joint.asked) == 1
    assert mapping.apply({"a": "x"}, now=NOW).document == {"x": "x"}
    assert mapping.apply({"a": "y"}, now=NOW).document == {}


def test_null_where_it_matters_is_left_to_the_engine() -> None:
    mapping = mapping_of({"to": "x", "from": 'a & "!"'})
    assert mapping.joint is not None
    with pytest.raises(NotPlain):
        mapping.joint.apply({"a": None}, now=NOW, ask=nobody, most_items=9, most=9)
    assert mapping.apply({"a": None}, now=NOW).document == {"x": "null!"}
    assert mapping.apply({}, now=NOW).document == {"x": "!"}


def test_a_text_that_grows_too_long_is_left_to_the_engine() -> None:
    mapping = mapping_of({"to": "x", "from": "a & a"})
    assert mapping.joint is not None
    with pytest.raises(NotPlain):
        mapping.joint.apply({"a": "x" * LONGEST}, now=NOW, ask=nobody, most_items=9, most=9)


def test_more_rules_than_a_message_may_take_are_not_run_at_once() -> None:
    mapping = mapping_of({"to": "list[]", "each": "list", "rules": [{"to": "c", "from": "c"}]})
    assert mapping.joint is not None
    document = {"list": [{"c": "x"}] * 5}
    with pytest.raises(NotPlain):
        mapping.joint.apply(document, now=NOW, ask=nobody, most_items=4, most=100)
    with pytest.raises(NotPlain):
        mapping.joint.apply(document, now=NOW, ask=nobody, most_items=9, most=5)
    assert len(mapping.joint.apply(document, now=NOW, ask=nobody, most_items=9, most=6)["list"]) == 5


@pytest.mark.parametrize("loops", [3, 30])
def test_an_expression_that_lies_too_deep_for_python_still_gives_its_value(loops: int) -> None:
    source = "a"
    for _ in range(loops):
        source = f"$root.list.({source})"
    mapping = mapping_of({"to": "x[]", "from": source})
    alone = replace(mapping, joint=None)
    document = {"a": "y", "list": [{"c": "z"}]}
    assert json.dumps(mapping.apply(document, now=NOW).document) == json.dumps(alone.apply(document, now=NOW).document)


def test_the_function_shows_its_rules_and_holds_no_text_of_them_as_it_stands() -> None:
    mapping = mapping_of({"to": "x", "from": "'\"; import os #'"}, {"to": "y", "from": "$now()"})
    assert mapping.joint is not None
    assert "# 1 x" in mapping.joint.source
    assert "'\"; import os #'" in mapping.joint.source
    assert mapping.apply({}, now=NOW).document == {"x": '"; import os #', "y": "2026-11-16T09:00:00.000Z"}


@pytest.mark.parametrize(
    "source",
    [
        "$trim(a)",
        "$lowercase(a)",
        '$substringBefore(a, "|")',
        '$substringAfter(a, "|")',
        "$substring(a, 0, 290000)",
        '$replace(a, "b", "c")',
        '$pad(a, 5, "0")',
        "$string(a)",
        '$join([a, a], " ")',
        "a & a",
    ],
)
def test_a_text_beyond_the_limit_parks_whoever_makes_it(source: str) -> None:
    mapping = mapping_of({"to": "x", "from": source})
    assert mapping.joint is not None
    assert mapping.joint.asked == ()
    with pytest.raises(Unmappable) as parked:
        mapping.apply({"a": "x" * 300_000}, now=NOW)
    assert parked.value.cause == "mapping-limit"
    with pytest.raises(Unmappable):
        replace(mapping, joint=None).apply({"a": "x" * 300_000}, now=NOW)


def outcome(mapping: CompiledMapping, document: dict[str, Any]) -> object:
    try:
        return mapping.apply(document, now=NOW).document
    except Unmappable as parked:
        return parked.cause, parked.findings


@pytest.mark.parametrize(
    ("rule", "document"),
    [
        ({"to": "x", "from": 'thing."a"'}, {"thing": {"a": "p"}}),
        ({"to": "x[]", "from": 'list."c"'}, {"list": [{"c": "p"}]}),
        ({"to": "x", "from": '"a".$length($)'}, {"a": "pqr"}),
        ({"to": "x", "from": "a", "when": '$not(thing."flag")'}, {"a": "p", "thing": {"flag": False}}),
        ({"to": "x", "from": "a", "when": '$exists(thing."a")'}, {"a": "p", "thing": {}}),
        ({"to": "x[]", "from": "list[[0..1]]"}, {"list": [None, {"c": "p"}]}),
        ({"to": "x[]", "from": "list[$root.flag = true]"}, {"flag": True, "list": [None, {"c": "p"}]}),
        ({"to": "x[]", "from": "list#$p[$p < 2]"}, {"list": [None, {"c": "p"}]}),
        ({"to": "x[]", "each": "open", "rules": [{"to": "at", "from": "$index"}]}, {"open": [None, {"c": "p"}, None]}),
        ({"to": "x", "from": '$merge([{"z": a}, thing]).z'}, {"a": "p", "thing": {"z": ["q", "r"]}}),
        ({"to": "x", "from": '$contains($merge([{"z": a}, thing]).z, "q")'}, {"a": "p", "thing": {"z": ["q", "r"]}}),
        ({"to": "x", "from": '$lookup({"p": {"f": "y"}, "q": {"f": {"g": "z"}}}, a).f'}, {"a": "q"}),
        ({"to": "x", "from": '( $t := {"p": "q"}; $code($t, a) )'}, {"a": "p"}),
        ({"to": "x", "from": " or ".join(['a = "p"'] * 199)}, {"a": "p"}),
        ({"to": "x", "from": "a" + ' ~> $substringBefore("q")' * 198}, {"a": "p"}),
    ],
    ids=range(15),
)
def test_what_is_easily_mistaken_means_what_it_means_to_the_engine(
    rule: dict[str, Any], document: dict[str, Any]
) -> None:
    mapping = mapping_of(rule)
    assert outcome(mapping, document) == outcome(replace(mapping, joint=None), document)


def test_a_constant_that_goes_out_is_not_that_of_the_next_message() -> None:
    mapping = mapping_of({"to": "x", "from": '$lookup({"p": {"f": {"g": "y"}}}, a)'})
    first = mapping.apply({"a": "p"}, now=NOW).document
    first["x"]["f"]["g"] = "changed"
    assert mapping.apply({"a": "p"}, now=NOW).document == {"x": {"f": {"g": "y"}}}


def test_a_list_that_is_gone_through_for_each_of_another_is_counted() -> None:
    mapping = mapping_of({"to": "x", "from": "$count(list.( $c := c; $root.list[c = $c].c ))"})
    assert mapping.joint is not None
    few, many = ({"list": [{"c": str(number)} for number in range(size)]} for size in (40, 1_500))
    limits = {"now": NOW, "ask": nobody, "most_items": 10_000, "most": 20_000}
    assert mapping.joint.apply(few, **limits) == {"x": 40}
    with pytest.raises(NotPlain):
        mapping.joint.apply(many, **limits)
