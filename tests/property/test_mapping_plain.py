# SPDX-License-Identifier: EUPL-1.2
"""An expression that runs without the engine gives what the engine gives, whatever the message holds."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import mappings
from mappings.codebook import Codebook, CodebookShelf
from mappings.engine import CompiledMapping, load_mapping
from mappings.functions import Moment, host_functions
from mappings.joint import Joint
from mappings.mapping_file import RuleText, compile_rules
from mappings.shape import shape_of
from mappings.survey import Place
from schakel.errors import Unmappable

NOW = datetime(2026, 11, 16, 9, 0, tzinfo=UTC)
TEXT = {"type": "string"}
FLAG = {"type": "boolean"}
NUMBER = {"type": "integer"}
INNER = {"type": "object", "properties": {"flag": FLAG, "n": NUMBER, "name": TEXT}}
ENTRY = {
    "type": "object",
    "properties": {"code": TEXT, "text": TEXT, "flag": FLAG, "many": {"type": "array", "items": TEXT}, "inner": INNER},
}
SCHEMA = {
    "type": "object",
    "properties": {
        "word": TEXT,
        "other": TEXT,
        "flag": FLAG,
        "n": NUMBER,
        "any": {"type": ["string", "boolean", "number"]},
        "words": {"type": "array", "items": TEXT},
        "thing": {
            "type": "object",
            "properties": {"word": TEXT, "inner": INNER, "list": {"type": "array", "items": ENTRY}},
        },
        "list": {"type": "array", "items": ENTRY},
    },
}
SHAPE = shape_of(SCHEMA)
BOOKS = {
    "letters": Codebook("letters", "1", "here", {"a": ("A", None, None), "b": (None, None, None)}),
    "yes": Codebook("yes", "1", "here", {"a": (True, None, None), "ja": ("j", None, None), "": (False, None, None)}),
    "else": Codebook("else", "1", "here", {"a": ("A", None, None)}, otherwise="other"),
}
MOMENT = Moment()
FUNCTIONS = host_functions(BOOKS, MOMENT, "test@1")
BASE = load_mapping(Path(mappings.__file__).parent / "referral_json", CodebookShelf.load())


# -- documents ---------------------------------------------------------------------------------------------------------

WORDS = st.sampled_from(
    ["", "a", "b", "ja", "a|b", "u|a", " a  b ", "1990", "2026-11-14", "20261114", "é\ufffd", "é😀"]
)
ODD = st.sampled_from([None, "", 3, 5.0, True, [], ["a"], [None], {}, {"x": 1}, [{}], [[]], "x"])


def mostly(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.integers(0, 40).flatmap(lambda chance: ODD if chance == 0 else st.none() if chance == 1 else strategy)


def some_of(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional={name: mostly(each) for name, each in fields.items()})


NUMBERS = st.integers(-2, 3)
LISTED = st.lists(WORDS, max_size=3)
INNERS = some_of(flag=st.booleans(), n=NUMBERS, name=WORDS)
ENTRIES = some_of(code=WORDS, text=WORDS, flag=st.booleans(), many=LISTED, inner=INNERS)
DOCUMENTS = some_of(
    word=WORDS,
    other=WORDS,
    flag=st.booleans(),
    n=NUMBERS,
    any=st.one_of(WORDS, st.booleans(), NUMBERS, st.just(0.5)),
    words=LISTED,
    thing=some_of(word=WORDS, inner=INNERS, list=st.lists(mostly(ENTRIES), max_size=3)),
    list=st.lists(mostly(ENTRIES), max_size=3),
)


# -- expressions -------------------------------------------------------------------------------------------------------

LITERALS = st.sampled_from(['"a"', '"ja"', '""', '"u|a"', "'b'"])


def texts(more: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Expressions that give one text."""
    return st.one_of(
        st.sampled_from(["word", "other", "thing.word", "thing.inner.name", "$root.word", "thing . word", "(word)"]),
        LITERALS,
        st.builds("{} & {}".format, more, more),
        st.builds("({} ? {} : {})".format, TESTS, more, more),
        st.builds("({} ? {})".format, TESTS, more),
        st.builds('$substringBefore({}, "|")'.format, more),
        st.builds('$substringAfter({}, "|")'.format, more),
        st.builds("$substring({}, 0, 2)".format, more),
        st.builds("$trim({})".format, more),
        st.builds("$lowercase({})".format, more),
        st.builds('$replace({}, "a", "xx")'.format, more),
        st.builds("$string({})".format, st.sampled_from(["n", "flag", "any", "word", "n + 1"])),
        st.builds("$phone({})".format, more),
        st.builds('$code("letters", {})'.format, more),
        st.builds('$code("else", {})'.format, more),
        st.builds('$lookup({{"a": "x", "b": "y"}}, {})'.format, more),
        st.builds('$join([{}, {}], "-")'.format, more, more),
        st.builds("( $x := {}; $f := function($p, $q) {{ $p & $q }}; $f($x, {}) )".format, more, more),
        st.sampled_from(["list[0].code", 'list[code = "a"][0].text', "words[0]", "$now()", "$mapping()"]),
    )


LISTS = st.sampled_from(
    [
        "words",
        "list.code",
        "list.many",
        "thing.list.many",
        "thing.list.code",
        "list.inner.name",
        'list[code = "a"].text',
        "list[flag].code",
        'list[$exists(text)].many[$ != "a"]',
        'words[$ = "a" or $ = "b"]',
        "thing.list[flag = true].inner.name",
        "list.(code & text)",
        '$append(list.code, thing.list[flag = true].code)',
        "$append(words, word)",
        "[word, other]",
        "[words, list.code, word]",
        "$distinct(list.code)",
        "$distinct(words)",
        '$code("yes", words)',
        'list.$code("yes", many)',
        "list.$substringAfter(code, \"|\")",
        '$map(list, function($v, $i) {$v.code & $string($i)})',
        'list#$at[flag = true].($string($at))',
        'flag ? words : word',
        'flag ? list.code',
        'flag ? words',
        '($x := list; $x[code = "a"].many)',
    ]
)  # fmt: skip
NUMBERED = st.sampled_from(
    ["n", "n + 1", "n - n", "$count(list)", "$count(words)", "$count(list.code)", "$length(word)", "thing.inner.n", "2"]
)
PLAIN_TESTS = st.one_of(
    st.sampled_from(
        [
            "flag",
            "thing.inner.flag",
            "flag = true",
            "flag != true",
            "$not(flag)",
            "$exists(word)",
            "$exists(thing.inner)",
            "$exists(thing.inner.name)",
            "$exists(list)",
            "$exists(list.code)",
            "$exists(list[flag = true].text)",
            "$exists(words)",
            '$contains(word, "a")',
            "$contains(word, /^[a-z]$/)",
            '$not($contains(word, "a"))',
            'word in ["a", "b"]',
            '"a" in words',
            '"a" in list.code',
            '"a" in list.$code("yes", many)',
            'true in $code("yes", list.many)',
            "word in $root.list.code",
            "true",
            "any = true",
            'any = "a"',
        ]
    ),
    st.builds("{} {} {}".format, NUMBERED, st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), NUMBERED),
    st.builds("{} = {}".format, LISTS, LITERALS),
    st.builds("{} != {}".format, LISTS, LITERALS),
    st.builds("$exists({})".format, LISTS),
)  # fmt: skip
TEXTS = st.deferred(lambda: texts(TEXTS))
TESTS = st.deferred(
    lambda: st.one_of(
        PLAIN_TESTS,
        PLAIN_TESTS,
        st.builds("{} and {}".format, TESTS, TESTS),
        st.builds("({} or {})".format, TESTS, TESTS),
        st.builds("$not({})".format, TESTS),
        st.builds("{} {} {}".format, TEXTS, st.sampled_from(["=", "!=", "<", ">=", "in"]), TEXTS),
    )
)
EXTENSION = (
    '( $e := function($u, $t, $v) {{ $exists($v) ? $merge([{{"url": $u}}, {{$t: $v}}]) }}; [$e("a", "b", {}), {}] )'
)
OBJECTS = st.one_of(
    st.builds(EXTENSION.format, TEXTS, TEXTS),
    st.builds(EXTENSION.format, NUMBERED, LISTS),
    st.builds("[{}, {}]".format, TEXTS, TEXTS),
    st.builds('{{"a": {}, "b": {}, "c": {}}}'.format, TEXTS, LISTS, NUMBERED),
    st.builds('$merge([{{"a": {}}}, {{"b": {}}}])'.format, TEXTS, TESTS),
    st.builds('$merge([{{"a": {}}}, {} ? {{"a": "z", "b": 1}}])'.format, TEXTS, TESTS),
    st.sampled_from(
        [
            '{"a": list.{"b": code, "c": many}}',
            '{"a": [list[flag = true].{"b": code}]}',
            "thing",
            "list",
            "list[flag = true]",
            "thing.list.inner",
            "thing[$exists(word)]",
            "thing.inner[flag = true].name",
            'thing.inner.{"a": name}',
            "$partialDate(word)",
            'list.{"a": code}[a = "a"]',
        ]
    ),
)
EXPRESSIONS = st.one_of(TEXTS, LISTS, NUMBERED, TESTS, OBJECTS)


@cache
def mapping_of(source: str, to: str, *, when: str | None = None) -> CompiledMapping:
    """A rule with this expression, and some below a list."""
    below = [{"to": "root", "from": "$root.word"}, {"to": "at", "from": "$index"}, {"to": "up", "from": "$parent.word"}]
    rules = [
        {"to": to, "from": source, "when": when, "reason": "for a test"},
        {"to": "below[]", "each": "list", "rules": [*below, {"to": "code", "from": "code"}]},
    ]
    compiled = compile_rules([RuleText.model_validate(each) for each in rules], "test", BOOKS, FUNCTIONS, "jlens")
    return replace(
        BASE,
        rules=compiled,
        books=BOOKS,
        shape=SHAPE,
        watched=Place(SHAPE, True),
        functions=FUNCTIONS,
        moment=MOMENT,
        joint=Joint(compiled, FUNCTIONS, BOOKS, SHAPE),
    )


def outcome(mapping: CompiledMapping, document: dict[str, Any]) -> object:
    try:
        mapped = mapping.apply(document, now=NOW)
    except Unmappable as parked:
        return parked.cause, parked.findings
    return json.dumps(mapped.document), mapped.losses


@pytest.mark.slow
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(source=EXPRESSIONS, to=st.sampled_from(["one", "many[]", "a.b"]), documents=st.lists(DOCUMENTS, min_size=6))
def test_an_expression_gives_what_the_engine_gives(source: str, to: str, documents: list[dict[str, Any]]) -> None:
    mapping = mapping_of(source, to)
    for document in documents:
        assert outcome(mapping, document) == outcome(replace(mapping, joint=None), document), source


@pytest.mark.slow
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(test=TESTS, documents=st.lists(DOCUMENTS, min_size=6))
def test_a_condition_decides_as_the_engine_does(test: str, documents: list[dict[str, Any]]) -> None:
    mapping = mapping_of('"x"', "one", when=test)
    for document in documents:
        assert outcome(mapping, document) == outcome(replace(mapping, joint=None), document), test


def test_what_the_grammar_makes_mostly_runs_at_once() -> None:
    """Else the two tests above would hold one way against itself."""
    entry = {"code": "a", "text": "t"}
    document = {"word": "a", "other": "b", "n": 1, "list": [entry], "thing": {"inner": {"name": "x"}}}
    for source in ("word & other", "list.code", "n + 1", 'list[code = "a"].text', "thing.inner.name"):
        mapping = mapping_of(source, "many[]")
        assert mapping.joint is not None
        assert mapping.joint.asked == ()

        def nobody(*_: object) -> object:
            raise AssertionError("asked")

        limits = {"most_items": 100, "most": 1000}
        assert mapping.joint.apply(document, now=NOW, ask=nobody, **limits)["many"], source
